"""An unfinished run on the Hub: a branch with its newest state, log and record, and a lease of who trains it.

Each push is one commit upon a known parent, with a manifest of sizes and sha256, so a state is there whole or not at
all. The lease is in the same commits: whoever finds it changed by another has lost the run.
"""

from __future__ import annotations

import hashlib
import re
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from ..artifacts.paths import RunFiles
from ..artifacts.runs import Run
from ..errors import Explained, Held
from ..system import hub, repositories
from ..system.durable import require_space, sha256, write_text
from . import arrival
from .claims import File, Lease, Manifest, lease_of, manifest_of, written

_FOLDER, _MANIFEST, _LEASE = "state", "manifest.json", "lease.json"
_LOOK_AGAIN = 30.0  # seconds between looks at a lease that is waited for
_EXPECTED = 500_000.0  # bytes a second of a slow line
_RACES = 8  # times that a commit is repeated upon another of our own


class LeaseLost(Held):
    """Another machine holds the run now."""


class Standing(NamedTuple):
    """A branch at one commit."""

    head: str
    files: dict[str, Any]  # name within the folder -> the Hub's description
    lease: Lease


@dataclass
class Branch:
    """The branch of one run, as this machine sees it; `holder` is this machine's name in the lease."""

    repository: str
    run_id: str
    holder: str
    lease_seconds: float
    _head: str = ""
    _there: set[str] = field(default_factory=set)

    @property
    def name(self) -> str:
        """The branch's name."""
        return f"run-{self.run_id}"

    def look(self) -> Standing | None:
        """The branch as it stands, None where there is none."""
        try:
            head = repositories.head(self.repository, self.name)
        except hub.NoBranch:
            return None
        listed = repositories.listing(self.repository, head, _FOLDER)
        files = {path.removeprefix(f"{_FOLDER}/"): file for path, file in listed.items()}
        lease = lease_of(repositories.text(self.repository, head, files[_LEASE])) if _LEASE in files else Lease()
        self._head, self._there = head, set(files)
        return Standing(head, files, lease)

    def take(
        self, *, wait: bool, say: Callable[[str], None], done: Callable[[], bool] = lambda: False
    ) -> Standing | None:
        """The branch, made if it is missing, once the lease is ours; raises LeaseLost where another holds it.

        With `wait` its end is waited for: it is released, or it expires. None where the run is `done` by then.
        """
        told = False
        while not done():
            standing = self.look()
            if standing is None:
                repositories.create_branch(self.repository, self.name)
                continue
            if (left := self._held_by_another(standing)) > 0:
                until = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(time.time() + left))
                if not wait:
                    raise LeaseLost(f"another machine trains run {self.run_id} (its claim lasts until {until})")
                if not told:
                    say(f"another machine trains run {self.run_id}; waiting until it ends or its claim does, {until}")
                told = True
                time.sleep(min(left + 0.1, _LOOK_AGAIN))
                continue
            try:
                self._commit({}, [], "Take the lease")
                return standing
            except hub.StaleParent:
                continue
        return None

    def _held_by_another(self, standing: Standing) -> float:
        """Seconds that somebody else's lease still lasts, 0 for none."""
        lease = standing.lease
        return 0.0 if lease.holder == self.holder else max(0.0, lease.until - time.time())

    def is_held_elsewhere(self) -> bool:
        """Whether another machine's lease lasts."""
        standing = self.look()
        return standing is not None and self._held_by_another(standing) > 0

    def push(self, snapshot: Path, *, step: int) -> int:
        """Puts the files of a snapshot there in place of those before, in one commit; returns their bytes.

        Raises LeaseLost when another machine has taken the run.
        """
        paths = {path.name: path for path in sorted(snapshot.iterdir())}
        files = {name: File(size=path.stat().st_size, sha256=sha256(path)) for name, path in paths.items()}
        manifest = Manifest(run_id=self.run_id, step=step, files=files)
        size = manifest.bytes
        if size / _EXPECTED > self.lease_seconds / 3:  # the claim shall last while they travel
            self._commit_ours({}, [], "Renew the lease", seconds=self.lease_seconds + size / _EXPECTED)
        gone = sorted(self._there - set(paths) - {_MANIFEST, _LEASE})
        seconds = self.lease_seconds + size / _EXPECTED
        self._commit_ours(
            paths | {_MANIFEST: written(manifest, sealed=True)}, gone, f"State of step {step}", seconds=seconds
        )
        self._there = {*paths, _MANIFEST, _LEASE}
        return size

    def renew(self) -> None:
        """Makes the lease last on; raises LeaseLost when another machine has taken the run."""
        self._commit_ours({}, [], "Renew the lease")

    def release(self) -> None:
        """Ends the lease, so that another machine need not wait."""
        self._commit_ours({}, [], "Release the lease", seconds=0)

    def forget(self) -> None:
        """Removes the states that are there."""
        self._commit_ours({}, sorted(self._there - {_LEASE}), "Begin anew")
        self._there = {_LEASE}

    def _commit_ours(
        self, files: Mapping[str, Path | str], gone: list[str], message: str, *, seconds: float | None = None
    ) -> None:
        """A commit, repeated upon a head that moved while the lease is still ours."""
        for _ in range(_RACES):
            try:
                return self._commit(files, gone, message, seconds=seconds)
            except hub.NoBranch:
                raise LeaseLost(f"the branch of run {self.run_id} is gone: it was finished elsewhere") from None
            except hub.StaleParent:
                standing = self.look()
                if standing is None or standing.lease.holder != self.holder:
                    raise LeaseLost(f"another machine has taken over run {self.run_id}") from None
                gone = [name for name in gone if name in standing.files]
        raise LeaseLost(f"the branch of run {self.run_id} was written by others {_RACES} times in between")

    def _commit(
        self, files: Mapping[str, Path | str], gone: list[str], message: str, *, seconds: float | None = None
    ) -> None:
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete

        seconds = self.lease_seconds if seconds is None else seconds
        until = round(time.time() + seconds, 1) if seconds else 0
        lease = written(Lease(holder=self.holder, until=until))
        adds = [
            CommitOperationAdd(f"{_FOLDER}/{name}", content.encode() if isinstance(content, str) else str(content))
            for name, content in (dict(files) | {_LEASE: lease}).items()
        ]
        size = sum(content.stat().st_size for content in files.values() if isinstance(content, Path))
        address = repositories.commit(
            self.repository, [*adds, *(CommitOperationDelete(f"{_FOLDER}/{name}") for name in gone)],
            message=message, parent=self._head, branch=self.name, size=size,
        )  # fmt: skip
        self._head = address.rpartition("/")[2]

    def pull(self, standing: Standing, files: RunFiles, *, after: int, say: Callable[[str], None]) -> bool:
        """Puts the branch's state where a run's files are, if it is of a later step; returns whether it did.

        Everything is fetched and compared with the manifest before the first file is put in its place.
        """
        manifest = self._manifest(standing, files, say)
        if not manifest or manifest.step <= after:
            return False
        require_space(files.folder, manifest.bytes, "the run's state")
        say(f"the Hub has the state of step {manifest.step}; fetching it")
        if missing := manifest.files.keys() - standing.files.keys():
            say(f"the state on the Hub lacks {min(missing)}; it is left out")
            return False
        with arrival.side_folder(files) as aside:
            for name, entry in manifest.files.items():
                target = aside / (arrival.STATE if _STATE.fullmatch(name) else "") / name
                repositories.fetch(self.repository, standing.head, standing.files[name], target)
                if sha256(target) != entry.sha256:
                    say(f"the state on the Hub is damaged ({name} is not as it was pushed); it is left out")
                    return False
            arrival.put(aside, files)
        return True

    def step_of(self, standing: Standing, files: RunFiles, say: Callable[[str], None]) -> int:
        """The step of the state that is there, 0 for none."""
        manifest = self._manifest(standing, files, say)
        return manifest.step if manifest else 0

    def _manifest(self, standing: Standing, files: RunFiles, say: Callable[[str], None]) -> Manifest | None:
        """The branch's manifest, None where there is none; one that is broken or names strange files is told."""
        if _MANIFEST not in standing.files:
            return None
        text = repositories.text(self.repository, standing.head, standing.files[_MANIFEST])
        manifest = manifest_of(text, run_id=self.run_id)
        own = {path.name for path in (files.record, files.log, files.splits)}
        if manifest and all(name in own or _STATE.fullmatch(name) for name in manifest.files):
            return manifest
        say(f"the manifest of run {self.run_id} on the Hub is damaged; its state is left out")
        return None


def discard(repository: str, runs: Iterable[Run], say: Callable[[str], None]) -> None:
    """Removes the branches of runs that are done and uploaded, and this machine's claims; a Hub that fails is told."""
    try:
        there = repositories.branches(repository)
        for run in runs:
            path, run_id = run.files.holder, run.record.run_id
            branch = Branch(repository, run_id, read_holder(path) if path.exists() else "", 0.0)
            if branch.name in there and branch.is_held_elsewhere():
                say(f"another machine still trains run {run_id}; its branch stays until it ends")
            elif branch.name in there:
                repositories.delete_branch(repository, branch.name)
            path.unlink(missing_ok=True)
    except Explained as error:
        say(f"the branches of unfinished runs stay on the Hub ({error}); the upload's command removes them")


def read_holder(path: Path) -> str:
    """This folder's name in a lease, kept beside the run so that a killed command finds its own claim again.

    A copy of the folder, on this machine or another, has a name of its own.
    """
    here = _whereabouts(path.parent)
    if path.exists() and (kept := path.read_text(encoding="utf-8").strip()).endswith(here):
        return kept
    write_text(path, f"{uuid.uuid4().hex}-{here}")
    return path.read_text(encoding="utf-8").strip()


def _whereabouts(folder: Path) -> str:
    """16 hex digits for this machine since it was started, and the folder."""
    booted = Path("/proc/sys/kernel/random/boot_id")
    machine = booted.read_text(encoding="ascii") if booted.exists() else str(uuid.getnode())
    place = folder.stat()
    return hashlib.sha256(f"{machine} {place.st_dev} {place.st_ino}".encode()).hexdigest()[:16]


_STATE = re.compile(r"state-\d+\.(safetensors|json)|best-\d+\.safetensors")
