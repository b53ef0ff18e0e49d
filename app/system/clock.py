"""The Hub's clock, read from the `Date` of its answers, so that machines that share a run agree on the time."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from contextlib import suppress
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

TOLERATED = 60.0  # seconds that this machine's clock may differ before it is reported
_ANSWERS = 16  # answers that are compared: a slow answer is late, none early

_ahead: defaultdict[str, deque[float]] = defaultdict(lambda: deque(maxlen=_ANSWERS))  # by endpoint


def _elapsed() -> float:
    """Return seconds of a clock that nobody sets.

    It counts the time that the machine sleeps, if the system has such a clock.
    """
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


def _endpoint() -> str:
    from huggingface_hub import constants

    return _place(constants.ENDPOINT)


def _place(address: str) -> str:
    """Return the host and port of an address, which may be written in several ways."""
    parts = urlsplit(address)
    usual = {"http": 80, "https": 443}.get(parts.scheme)
    return f"{parts.hostname}:{parts.port or usual}"


def note(response: Any) -> None:
    """Remember the time of an answer, if the Hub itself made it for this request."""
    if _place(str(response.request.url)) != _endpoint() or "Age" in response.headers:
        return
    if (date := date_of(response)) is not None:
        _ahead[_endpoint()].append(date - _elapsed())


def date_of(response: Any) -> float | None:
    """Return when an answer was made, in seconds since 1970, or None if its `Date` is not a time."""
    with suppress(KeyError, ValueError, TypeError, OverflowError):
        found = parsedate_to_datetime(response.headers["Date"])
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    return None


def now() -> float:
    """Return the Hub's time in seconds since 1970, or this machine's until the Hub has answered."""
    ahead = _ahead[_endpoint()]
    return max(ahead) + _elapsed() if ahead else time.time()


def off() -> float:
    """Return the seconds that this machine's clock is ahead of the Hub's, or 0 until the Hub has answered."""
    return time.time() - now()


def warning() -> str:
    """Return a warning about this machine's clock, or an empty text if it agrees with the Hub's to a minute."""
    wrong = off()
    if abs(wrong) <= TOLERATED:
        return ""
    return (
        f"warning: this machine's clock is {duration(abs(wrong))} {'ahead of' if wrong > 0 else 'behind'} the Hub's. "
        "The times of claims are the Hub's, and those in logs and records are this machine's. "
        "Set the clock, for example with `systemctl restart systemd-timesyncd`"
    )


def duration(seconds: float) -> str:
    """Return a duration for a reader: 45 s, 15 min, 2 h 5 min, 3 days."""
    if seconds < 90:
        return f"{max(0.0, seconds):.0f} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, left = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {left} min" if left else f"{hours} h"
    return f"{round(seconds / 86400):,} days"


def utc(seconds: float) -> str:
    """Return a time for a reader, as 2026-11-21 14:03:07 UTC. A time outside the calendar is shown as its number."""
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))
    except (OverflowError, ValueError, OSError):
        return f"{seconds:.0f} s after 1970"
