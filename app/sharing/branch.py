"""An unfinished run on the Hub: a branch with its newest state, log and record, and the lease of its trainer.

Each push is one commit on a known parent, with a manifest of sizes and sha256, so a state is on the Hub completely or
not at all. The lease is in the same commits. A machine that finds the lease changed has lost the run.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..artifacts.paths import RunFiles
from ..artifacts.runs import Run
from ..errors import Explained, Held
from ..system import clock, hub, repositories
from ..system.durable import require_space, sha256
from . import arrival
from .claims import DAY, MOST_BYTES, NOBODY, File, Lease, Manifest, Unreadable, lease_of, manifest_of, written
from .holder import here, read_holder
from .waiting import Standing, Waiting, held

_FOLDER, _MANIFEST, _LEASE = "state", "manifest.json", "lease.json"
_LOOK_AGAIN = 30.0  # seconds between checks of a lease while waiting for it
_EXPECTED = 500_000.0  # bytes per second of a slow connection
_RACES = 8  # how often a commit is repeated on another one of this machine


class LeaseLost(Held):
    """An error for a run that another machine has taken."""


@dataclass
class Branch:
    """The branch of one run, as this machine sees it. `holder` is this machine's name in the lease."""

    repository: str
    run_id: str
    holder: str
    lease_seconds: float
    finished: Callable[[], bool] = lambda: False  # returns whether the finished run is on the Hub; may raise Explained
    _head: str = ""
    _met: tuple[Lease, float] = (NOBODY, 0.0)  # another machine's lease, and when it was first seen
    _there: set[str] = field(default_factory=set)

    @property
    def name(self) -> str:
        """The branch's name."""
        return f"run-{self.run_id}"

    def look(self) -> Standing | None:
        """Return the branch as it is now, or None if there is none."""
        try:
            head = repositories.head(self.repository, self.name)
        except hub.NoBranch:
            return None
        listed = repositories.listing(self.repository, head, _FOLDER)
        files = {path.removeprefix(f"{_FOLDER}/"): file for path, file in listed.items()}
        lease, problem = NOBODY, ""
        if _LEASE in files:
            try:
                lease = lease_of(self._text(head, files[_LEASE]))
            except Unreadable as error:
                problem = f"the claim on run {self.run_id} on the Hub is damaged or foreign ({error}). It is ignored"
        self._head, self._there = head, set(files)
        return Standing(head, files, lease, self._end_of(head, lease), problem)

    def _text(self, head: str, file: Any) -> str:
        """Return a lease or a manifest from the Hub. Raise Unreadable if it is too large to be one."""
        if (file.size or 0) > MOST_BYTES:
            raise Unreadable(f"it has {file.size:,} bytes")
        return repositories.text(self.repository, head, file)

    def _end_of(self, head: str, lease: Lease) -> float:
        """Return when another machine's lease ends, by the Hub's clock, or 0 for no lease.

        It ends at most a day after it was written. It was written when the Hub says that its file changed, and not
        after it was first seen.
        """
        if lease.holder in ("", self.holder) or lease.until <= clock.now():
            return 0.0
        if self._met[0] != lease:
            self._met = lease, clock.now()
        changed = repositories.changed(self.repository, head, f"{_FOLDER}/{_LEASE}")
        return min(lease.until, DAY + min(self._met[1], self._met[1] if changed is None else changed))

    def take(
        self, *, wait: bool, say: Callable[[str], None], done: Callable[[], bool] = lambda: False
    ) -> Standing | None:
        """Return the branch, created if it is missing, once the lease is ours.

        Raises LeaseLost if another machine has the lease. With `wait`, the end of that lease is waited for: it is
        released, or it expires. The result is None if the run is `done` by then.
        """
        waiting, told = Waiting(self.run_id, say), False
        while not done():
            standing = self.look()
            for text in filter(None, () if told else (clock.warning(), standing.problem if standing else "")):
                say(text)
            told = True
            if standing is None:
                repositories.create_branch(self.repository, self.name)
                continue
            if standing.left > 0:
                if not wait:
                    raise LeaseLost(f"another machine trains run {self.run_id} ({held(standing)})")
                waiting.report(standing)
                time.sleep(min(standing.left + 0.1, _LOOK_AGAIN))
                continue
            try:
                self._commit({}, [], "Take the lease")
                return standing
            except hub.StaleParent:
                continue
        return None

    def is_held_elsewhere(self) -> bool:
        """Return whether another machine has a lease that has not expired."""
        standing = self.look()
        return standing is not None and standing.left > 0

    def push(self, snapshot: Path, *, step: int) -> int:
        """Replace the files on the branch with those of a snapshot, in one commit. Return their bytes.

        Raises LeaseLost if another machine has taken the run.
        """
        paths = {path.name: path for path in sorted(snapshot.iterdir())}
        files = {name: File(size=path.stat().st_size, sha256=sha256(path)) for name, path in paths.items()}
        manifest = Manifest(run_id=self.run_id, step=step, files=files)
        size = manifest.bytes
        if size / _EXPECTED > self.lease_seconds / 3:  # the claim must last until the files are uploaded
            self._commit_ours({}, [], "Renew the lease", seconds=self.lease_seconds + size / _EXPECTED)
        gone = sorted(self._there - set(paths) - {_MANIFEST, _LEASE})
        seconds = self.lease_seconds + size / _EXPECTED
        self._commit_ours(
            paths | {_MANIFEST: written(manifest, sealed=True)}, gone, f"State of step {step}", seconds=seconds
        )
        self._there = {*paths, _MANIFEST, _LEASE}
        return size

    def renew(self) -> None:
        """Extend the lease. Raise LeaseLost if another machine has taken the run."""
        self._commit_ours({}, [], "Renew the lease")

    def release(self) -> None:
        """End the lease, so that another machine does not have to wait."""
        self._commit_ours({}, [], "Release the lease", seconds=0)

    def forget(self) -> None:
        """Remove the states on the branch."""
        self._commit_ours({}, sorted(self._there - {_LEASE}), "Start over")
        self._there = {_LEASE}

    def _commit_ours(
        self, files: Mapping[str, Path | str], gone: list[str], message: str, *, seconds: float | None = None
    ) -> None:
        """Commit, and repeat it on a newer head while the lease is still ours.

        Raises LeaseLost if the lease is not ours, or if the branch is gone.
        """
        for _ in range(_RACES):
            try:
                return self._commit(files, gone, message, seconds=seconds)
            except hub.NoBranch:
                raise LeaseLost(self._gone()) from None
            except hub.StaleParent:
                standing = self.look()
                if standing is None:
                    raise LeaseLost(self._gone()) from None
                if standing.lease.holder != self.holder and not standing.problem:
                    name = f" ({standing.lease.machine})" if standing.lease.machine else ""
                    raise LeaseLost(f"another machine has taken over run {self.run_id}{name}") from None
                gone = [name for name in gone if name in standing.files]
        raise LeaseLost(f"other machines wrote the branch of run {self.run_id} {_RACES} times in between")

    def _gone(self) -> str:
        """Return the error text for a missing branch, with its reason if the Hub shows it."""
        what = f"the branch of run {self.run_id} is gone: "
        try:
            finished = self.finished()
        except Explained as error:
            return f"{what}whether the run was finished elsewhere is unknown ({error})"
        if finished:
            return f"{what}the run was finished elsewhere and is on the Hub"
        return f"{what}somebody deleted it, and the Hub has no finished run in its place"

    def _commit(
        self, files: Mapping[str, Path | str], gone: list[str], message: str, *, seconds: float | None = None
    ) -> None:
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete

        seconds = min(DAY, self.lease_seconds if seconds is None else seconds)
        until = round(clock.now() + seconds, 1) if seconds else 0
        lease = written(Lease(holder=self.holder, until=until, host=here()))
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
        """Put the branch's state in the place of a run's files if its step is later. Return whether that was done.

        Every file is downloaded and compared with the manifest before the first one is moved to its place.
        """
        manifest = self._manifest(standing, files, say)
        if not manifest or manifest.step <= after:
            return False
        require_space(files.folder, manifest.bytes, "the run's state")
        say(f"the Hub has the state of step {manifest.step}. Downloading it")
        if missing := manifest.files.keys() - standing.files.keys():
            say(f"the state on the Hub has no {min(missing)}. This state is skipped")
            return False
        with arrival.side_folder(files) as aside:
            for name, entry in manifest.files.items():
                target = aside / (arrival.STATE if _STATE.fullmatch(name) else "") / name
                repositories.fetch(self.repository, standing.head, standing.files[name], target)
                if sha256(target) != entry.sha256:
                    say(f"the state on the Hub is damaged ({name} is not as it was pushed). This state is skipped")
                    return False
            arrival.put(aside, files)
        return True

    def step_of(self, standing: Standing, files: RunFiles, say: Callable[[str], None]) -> int:
        """Return the step of the state on the branch, or 0 for none."""
        manifest = self._manifest(standing, files, say)
        return manifest.step if manifest else 0

    def _manifest(self, standing: Standing, files: RunFiles, say: Callable[[str], None]) -> Manifest | None:
        """Return the branch's manifest, or None if there is none. Report one that is damaged or names unknown files."""
        if _MANIFEST not in standing.files:
            return None
        try:
            manifest = manifest_of(self._text(standing.head, standing.files[_MANIFEST]), run_id=self.run_id)
            own = {path.name for path in (files.record, files.log, files.splits)}
            own |= {path.name for path in files.kept_among(manifest.files).values()}
            if strange := [name for name in manifest.files if name not in own and not _STATE.fullmatch(name)]:
                raise Unreadable(f"it names {strange[0][:60]!r}, which is not a file of a state")
            return manifest
        except Unreadable as error:
            say(f"the manifest of run {self.run_id} on the Hub is damaged ({error}). Its state is not used")
        return None


def discard(repository: str, runs: Iterable[Run], say: Callable[[str], None]) -> None:
    """Remove the branches of finished and uploaded runs, and this machine's claims. Report an error of the Hub."""
    try:
        there = repositories.branches(repository)
        for run in runs:
            path, run_id = run.files.holder, run.record.run_id
            branch = Branch(repository, run_id, read_holder(path) if path.exists() else "", 0.0)
            if branch.name in there and branch.is_held_elsewhere():
                say(f"another machine still trains run {run_id}. Its branch stays until it ends")
            elif branch.name in there:
                repositories.delete_branch(repository, branch.name)
            path.unlink(missing_ok=True)
    except Explained as error:
        say(f"the branches of unfinished runs stay on the Hub ({error}). The upload command removes them")


_STATE = re.compile(r"state-\d+\.(safetensors|json)|best-\d+\.safetensors")
