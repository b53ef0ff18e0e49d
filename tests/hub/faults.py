"""What can go wrong with a request to the small Hub, on order."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

_TICK = 0.05  # seconds between the pieces of a slow answer


@dataclass(kw_only=True)
class Fault:
    """What goes wrong with the next `times` requests whose "METHOD /path" (unquoted, no query) matches.

    After the delay the request is answered with `status` and not done, with `body` in place of the Hub's JSON where one
    is given; with status=None it is done. It is also done where one of these says what happens to it:

    - `meanwhile` is called first: what somebody else does between two requests of a client
    - `cut_after_bytes` cuts the answer there: 0 loses the answer of a commit that stands
    - `content` takes the place of the answer's, with its own length
    - `flip_byte` turns a bit of that byte of the answer, counted from 0 and modulo its length
    - `bytes_per_second` lets the answer trickle

    `cut_upload_after_bytes` reads so much of the request's body and closes the connection: nothing is done.
    """

    match: str
    status: int | None = 503
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    times: int = 1
    delay_seconds: float = 0
    meanwhile: Callable[[], Any] | None = None
    cut_upload_after_bytes: int | None = None
    cut_after_bytes: int | None = None
    content: bytes | None = None
    flip_byte: int | None = None
    bytes_per_second: float | None = None

    @property
    def refuses(self) -> bool:
        """Whether the request is answered with the status and not done."""
        ends = (self.meanwhile, self.cut_after_bytes, self.content, self.flip_byte, self.bytes_per_second)
        return self.status is not None and all(end is None for end in ends)

    def strikes(self, line: str) -> bool:
        """Whether this fault is left and meant for the request; counts it."""
        if self.times <= 0 or not re.search(self.match, line):
            return False
        self.times -= 1
        return True

    def spoilt(self, body: Iterable[bytes], wait: Callable[[float], Any]) -> Iterator[bytes]:
        """The body of an answer as the client shall get it, in time."""
        if self.flip_byte is not None:
            body = _flipped(b"".join(body), self.flip_byte)
        if self.cut_after_bytes is not None:
            body = _cut(body, self.cut_after_bytes)
        if self.bytes_per_second is None:
            yield from body
            return
        piece = max(1, round(self.bytes_per_second * _TICK))
        for chunk in body:
            for start in range(0, len(chunk), piece):
                wait(piece / self.bytes_per_second)
                yield chunk[start : start + piece]


def _flipped(data: bytes, position: int) -> list[bytes]:
    spoilt = bytearray(data)
    if spoilt:
        spoilt[position % len(spoilt)] ^= 1
    return [bytes(spoilt)]


def _cut(body: Iterable[bytes], left: int) -> Iterator[bytes]:
    for chunk in body:
        yield chunk[:left]
        left -= len(chunk)
        if left <= 0:
            return
