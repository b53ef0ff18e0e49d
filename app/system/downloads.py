"""The download of one file of a dataset's commit, which can be resumed and is compared with the Hub's listing."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any, NamedTuple

from ..errors import Damaged, HubUnavailable
from . import hub

_WAITS = (2.0, 8.0, 30.0)  # seconds before a file is requested again, after each unsuccessful round of `hub.call`
_SHA256 = 64  # hex digits


class Listed(NamedTuple):
    """A file as the listing of its commit describes it."""

    size: int
    digest: str  # hex: the sha256 of a file in LFS, git's blob ID of any other; empty if the listing has neither

    @property
    def kind(self) -> str:
        """The name of the digest."""
        return "sha256" if len(self.digest) == _SHA256 else "git blob ID"

    def hasher(self) -> Any:
        """Return a hash object that gives the digest once it was fed the content."""
        if len(self.digest) == _SHA256:
            return hashlib.sha256()
        return hashlib.sha1(b"blob %d\0" % self.size, usedforsecurity=False)


def listing(name: str, sha: str, paths: Iterable[str]) -> dict[str, Listed]:
    """Return the files among these paths of a dataset's commit. A path that is not there is omitted."""
    asked = [*paths]
    found = hub.call(
        f"the files of {name}",
        lambda: hub.api().get_paths_info(name, asked, revision=sha, repo_type="dataset"),
    )
    return {entry.path: _listed(entry) for entry in found if hasattr(entry, "blob_id")}


def _listed(entry: Any) -> Listed:
    if entry.lfs:
        return Listed(entry.lfs.size, entry.lfs.sha256)
    return Listed(entry.size, "" if entry.xet_hash else entry.blob_id)  # git then has only a pointer to the content


def digest(path: Path, listed: Listed) -> str:
    """Return the digest of a file on the disk, of the same kind as the listing's."""
    digest = listed.hasher()
    digest.update(path.read_bytes())
    return str(digest.hexdigest())


def download(name: str, sha: str, path: str, listed: Listed, target: IO[bytes]) -> None:
    """Write one file of a dataset's commit to `target`, and compare it with the listing.

    A file that differs is downloaded once more. Raises Damaged if it differs again, HubUnavailable if the Hub does not
    answer, and InputError if it refuses.
    """
    for _ in range(2):
        arrival = _Arrival(name, sha, path, listed, target)
        arrival.complete()
        if (found := arrival.digest.hexdigest()) == listed.digest:
            return
    raise Damaged(
        f"{path} of {name} arrived damaged twice. The Hub lists {listed.kind} {listed.digest} ({listed.size:,} bytes) "
        f"at commit {sha[:10]}, but {found} ({arrival.count:,} bytes) arrived. Nothing of it was used. "
        "Run the same command again. If this repeats, try another network or another --revision"
    )


class _Arrival:
    """The part of a file that has arrived, over several attempts. An abandoned attempt can add nothing more."""

    def __init__(self, name: str, sha: str, path: str, listed: Listed, target: IO[bytes]) -> None:
        from huggingface_hub import hf_hub_url

        self.what, self.listed, self.target = f"{path} of {name}", listed, target
        self.url = hf_hub_url(name, path, repo_type="dataset", revision=sha)
        self.count, self.digest = 0, listed.hasher()
        self._ended = listed.size == 0
        self._attempt = 0
        self._lock = threading.Lock()
        self._restart()

    def complete(self) -> None:
        """Return once the file has arrived, or a file of another length."""
        waits = iter(_WAITS)
        while not self._ended:
            before = self.count
            try:
                hub.call(self.what, self._receive, size=self.listed.size - self.count)
            except HubUnavailable:
                waits = iter(_WAITS) if self.count > before else waits
                if (pause := next(waits, None)) is None:
                    raise
                time.sleep(pause)
        with self._lock:
            self._attempt = 0  # of no attempt

    def _receive(self) -> None:
        """Request the missing part, and add each piece as it arrives."""
        from huggingface_hub import get_session
        from huggingface_hub.utils import build_hf_headers, hf_raise_for_status

        with self._lock:
            self._attempt = attempt = self._attempt + 1
            start = self.count
        hub.api()
        headers = build_hf_headers(token=hub.token()) | {"Accept-Encoding": "identity"}
        part = {"Range": f"bytes={start}-"} if start else {}
        with get_session().stream("GET", self.url, headers=headers | part) as response:
            if start and response.status_code == 416:  # the file that is there ends earlier than the listing says
                self._end(attempt)
                return
            hf_raise_for_status(response)
            if start and response.status_code != 206:  # the complete file
                self._take(attempt, None)
                start = 0
            length = int(response.headers.get("Content-Length", self.listed.size - start))
            for piece in response.iter_bytes():
                self._take(attempt, piece)
                if self.count > self.listed.size:
                    break
            if self.count < min(self.listed.size, start + length):
                raise ConnectionError(f"it ended after {self.count:,} of {self.listed.size:,} bytes")
            self._end(attempt)

    def _take(self, attempt: int, piece: bytes | None) -> None:
        """Add a piece, or begin from the start if it is None. Raise ConnectionError for an abandoned attempt."""
        with self._lock:
            self._require(attempt)
            if piece is None:
                self._restart()
                return
            self.digest.update(piece)
            self.count += len(piece)
            if self.count <= self.listed.size:  # more is counted, and never written
                self.target.write(piece)

    def _end(self, attempt: int) -> None:
        with self._lock:
            self._require(attempt)
            self._ended = True

    def _require(self, attempt: int) -> None:
        if attempt != self._attempt:
            raise ConnectionError("another attempt took over")

    def _restart(self) -> None:
        self.count, self.digest = 0, self.listed.hasher()
        self.target.seek(0)
        self.target.truncate()
