"""The faults of a Hub, a row each: what is ordered from the local one, what is run, and how it has to end."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .server import HubServer

DONE, NOT_UPLOADED, FAILED, STOPPED = 0, 3, 4, 75
ALWAYS = 10**6  # times
OTHERS_CLAIM = 2.0  # seconds


@dataclass(frozen=True)
class At:
    """Where a case happens: the Hub, and the one repository and branch of the case."""

    server: HubServer
    repository: str
    branch: str

    def fault(self, match: str, status: int | None = 503, **how: Any) -> None:
        """Orders a fault; `{repo}` in the match stands for the repository."""
        self.server.fault(match.replace("{repo}", self.repository), status, **how)

    def commit(self, path: str, content: bytes, branch: str) -> None:
        """What somebody else commits."""
        self.server.commit(self.repository, {path: content}, branch)


Order = Callable[[At], Any]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One fault.

    `scene` is what there is before: `empty` nothing, `done` the finished run in the folder, `state` an unfinished one
    on the Hub, `whole` the finished one on the Hub. `says` has to stand in what the user sees, as a regular expression.
    `kept` says where everything is right after the command; after an exit that is not 0 the fault ends, and the same
    command, or the one that was printed, has to bring the run to its end.
    """

    name: str
    order: Order
    scene: str
    code: int = DONE
    says: str = ""
    kept: str = "there"  # on the Hub | here, finished | state here | nothing half
    seconds: float = 0  # that it takes at least: what was asked to be waited


CALLS = {
    "whoami": "GET /api/whoami-v2",
    "create": "POST /api/repos/create",
    "info": "GET /api/models/{repo}/revision/main",
    "preupload": "POST /api/models/{repo}/preupload/main",
    "LFS batch": "POST /{repo}.git/info/lfs/objects/batch",
    "LFS PUT": "PUT /lfs/",
    "commit": "POST /api/models/{repo}/commit/main",
}
COMMIT, PUT = CALLS["commit"], CALLS["LFS PUT"]
PUSH, GET = "POST /api/models/{repo}/commit/run-", "GET /{repo}/resolve/"
FIRST_STATE = CALLS["LFS batch"]  # where nothing is there before: on its way to the branch
_STATUSES = (500, 503, 429)


def failing(match: str, status: int | None, **how: Any) -> Order:
    """The fault as an order."""
    return lambda at: at.fault(match, status, **how)


def _statuses() -> list[Row]:
    """Each status once on each call of an upload, and on a download."""
    rows = []
    for status in _STATUSES:
        headers = {"Retry-After": "2"} if status == 429 else {}
        name, least = f"{status} with Retry-After 2" if headers else f"{status}", 2.0 if headers else 0.9
        places = [(call, match, "done") for call, match in CALLS.items()] + [("download", GET, "whole")]
        rows += [
            Row(name=f"{name} on {call}", order=failing(match, status, headers=headers), scene=scene, seconds=least)
            for call, match, scene in places
        ]
    return rows


def from_first_state(match: str, status: int | None, **how: Any) -> Order:
    """The fault from the first state's push on, always."""
    return lambda at: at.fault(FIRST_STATE, status=None, meanwhile=lambda: at.fault(match, status, times=ALWAYS, **how))


def revoked(at: At) -> None:
    """The token is good for the first checks and then no longer."""
    at.fault(FIRST_STATE, status=None, meanwhile=lambda: setattr(at.server, "tokens", {}))


def taken(at: At) -> None:
    """Another machine writes its name into the lease between our look and our commit."""

    def take() -> None:
        lease = {"holder": "another", "until": time.time() + OTHERS_CLAIM}
        at.commit("state/lease.json", json.dumps(lease).encode(), at.branch)

    at.fault(FIRST_STATE, status=None, meanwhile=take)


def beside(match: str, branch: str = "") -> Order:
    """Somebody commits something else between two requests."""
    return lambda at: at.fault(match, status=None, meanwhile=lambda: at.commit("note.txt", b"x", branch or at.branch))


def held(at: At) -> None:
    """Another machine's claim stands when the command begins."""
    at.server.repositories.all["model", at.repository].branches.setdefault(
        at.branch, at.server.repositories.all["model", at.repository].branches["main"]
    )
    lease = {"holder": "another", "until": time.time() + OTHERS_CLAIM}
    at.commit("state/lease.json", json.dumps(lease).encode(), at.branch)


def moving(at: At) -> None:
    """All files of the run change on main after the first was asked for."""

    def move() -> None:
        for path in at.server.files(at.repository):
            if path.endswith((".json", ".log")):
                at.commit(path, b"changed", "main")

    at.fault(GET, status=None, meanwhile=move)


GONE = from_first_state("", None, cut_upload_after_bytes=0)
ROWS = [
    *_statuses(),
    Row(name="PUT cut in its middle", order=failing(PUT, None, cut_upload_after_bytes=1000), scene="done"),
    Row(name="commit cut in its middle", order=failing(COMMIT, None, cut_upload_after_bytes=40), scene="done"),
    Row(name="answer of a commit lost", order=failing(COMMIT, None, cut_after_bytes=0), scene="done"),
    Row(name="answer of a push lost", order=failing(PUSH, None, cut_after_bytes=0, times=2), scene="empty"),
    Row(name="silence on whoami", order=failing(CALLS["whoami"], None, delay_seconds=99), scene="done"),
    Row(name="silence on commit", order=failing(COMMIT, None, delay_seconds=99), scene="done"),
    Row(name="silence on a push", order=failing(PUSH, None, delay_seconds=99), scene="empty"),
    Row(name="500 on pushes", order=failing(PUSH, 500, times=2), scene="empty"),
    Row(name="413 on pushes", order=from_first_state(PUSH, 413), scene="empty", says=r"warning: not pushed "
        r"\(the storage of the repository on the Hub is full"),
    Row(name="413 on the upload", order=failing(COMMIT, 413, times=ALWAYS), scene="empty", code=NOT_UPLOADED,
        says="storage of the repository on the Hub is full.*Retry: ", kept="here"),
    Row(name="403 on the upload", order=failing(COMMIT, 403, times=ALWAYS), scene="done", code=NOT_UPLOADED,
        says="Use a token with write access.*Retry: ", kept="here"),
    Row(name="token revoked after the start", order=revoked, scene="empty", code=NOT_UPLOADED,
        says="does not accept HF_TOKEN.*Retry: ", kept="here"),
    Row(name="Hub gone from the first push on", order=GONE, scene="empty", code=NOT_UPLOADED,
        says="cannot be reached.*Retry: ", kept="here"),
    Row(name="Hub gone before the start", order=failing("", 503, times=ALWAYS), scene="done", code=NOT_UPLOADED,
        says="warning: the Hub cannot be reached for the token's owner", kept="here"),
    Row(name="412 on a push, claim still ours", order=beside(FIRST_STATE), scene="empty", says=""),
    Row(name="412 on the upload", order=beside(COMMIT, "main"), scene="done"),
    Row(name="412 on a push, claim taken", order=taken, scene="empty", code=STOPPED,
        says="stopped since another machine has taken over run", kept="state"),
    Row(name="claimed by another at the start", order=held, scene="empty", says="waits until it ends", seconds=1.0),
    Row(name="download cut in its middle", order=failing(GET, None, cut_after_bytes=1000), scene="whole"),
    Row(name="a flipped bit in a download", order=failing(GET, None, flip_byte=100), scene="whole"),
    Row(name="a flipped bit in each download", order=failing(GET, None, flip_byte=100, times=ALWAYS), scene="whole",
        code=FAILED, says="arrived damaged", kept="nothing half"),
    Row(name="download that trickles", order=failing(GET, None, bytes_per_second=40.0), scene="whole", seconds=2.0),
    Row(name="silence on a download", order=failing(GET, None, delay_seconds=99), scene="whole", seconds=1.0),
    Row(name="revision that moves", order=moving, scene="whole"),
    Row(name="evaluate hf:// with 500 and a flipped bit", order=lambda at: (failing(GET, 500)(at),
        failing(GET, None, flip_byte=-1)(at)), scene="evaluated"),
    Row(name="500 on taking a state", order=failing(GET, 500), scene="state",
        says="the run resumes from the state on the Hub"),
    Row(name="a flipped bit in a state", order=failing(GET + ".*/state/state-.*safetensors", None, flip_byte=100),
        scene="state", says="the run resumes from the state on the Hub"),
]  # fmt: skip
