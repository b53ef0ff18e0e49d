"""A request on its way to a route of the small Hub, and the answer to it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from email.message import Message
from typing import Protocol
from urllib.parse import urlencode

from .repositories import Contents, Repositories, Visitor


class Hub(Protocol):
    """What a route knows of the server."""

    url: str
    user: str
    page_size: int
    repositories: Repositories


@dataclass
class Request:
    """A request on its way to a route, and who sent it."""

    hub: Hub
    method: str
    path: str  # still quoted
    query: dict[str, str]
    headers: Message
    body: bytes
    visitor: Visitor

    @property
    def contents(self) -> Contents:
        return self.hub.repositories.contents

    def json(self) -> dict:
        return json.loads(self.body)


@dataclass
class Answer:
    """Status, headers and the parts of a body, which may be read from disk while it is sent."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: Iterable[bytes] = ()


def as_json(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    data = json.dumps(value).encode()
    lengths = {"Content-Type": "application/json; charset=utf-8", "Content-Length": str(len(data))}
    return Answer(status, {**lengths, **(headers or {})}, [data])


def paginate(request: Request, items: list, describe: Callable[..., dict]) -> Answer:
    start = int(request.query.get("cursor", 0))
    stop = start + request.hub.page_size
    query = urlencode({**request.query, "cursor": stop})
    link = {"Link": f'<{request.hub.url}{request.path}?{query}>; rel="next"'} if stop < len(items) else {}
    return as_json([describe(request, item) for item in items[start:stop]], headers=link)
