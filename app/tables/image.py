"""The image of this program, as it is published: who pushes to a repository of their own is its owner."""

from __future__ import annotations

REPOSITORY = "ghcr.io/OWNER/isoscale"
CUDA = "13.2"  # of the wheel of today's torch; the variant for older drivers ends in -cuda-12.8
