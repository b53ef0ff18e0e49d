"""The repository that a training is uploaded to, asked about before the first step."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .screen import Screen


def require_writable(screen: Screen, *, private: bool) -> None:
    """Raise InputError for a bad token or repository, before the first step; report a Hub that does not answer."""
    from ..errors import HubUnavailable
    from ..system import hub, repositories

    try:
        repositories.require_writable(hub.repository(), private=private)
    except HubUnavailable as error:
        screen.say(f"warning: {error}. Training continues, and the upload is retried at the end")
