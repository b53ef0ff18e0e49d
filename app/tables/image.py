"""The published image of this program. OWNER is whoever pushes it to a repository."""

from __future__ import annotations

REPOSITORY = "ghcr.io/OWNER/isoscale"
CUDA = "13.2"  # of the wheel of today's torch; the variant for older drivers ends in -cuda-12.8
