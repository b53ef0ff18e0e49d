"""How far the runs of a study are on the Hub: finished, claimed by a worker anywhere, or with a saved state.

Only records are downloaded, each once. They are kept in the study's folder.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from ..artifacts import index
from ..artifacts.index import Entry
from ..artifacts.paths import RunFiles
from ..errors import Damaged, Explained, HubUnavailable
from ..sharing.branch import Branch
from ..sharing.holder import read_holder
from ..system import clock, hub, repositories
from .cells import Cell

Say = Callable[[str], None]


class There(NamedTuple):
    """What the Hub has of one run."""

    entry: Entry | None = None  # of the finished run
    step: int = 0  # of the saved state; 0: none
    holder: str = ""  # the machine of a worker that claims the run, or `another machine`
    until: float = 0.0  # when the claim ends, in seconds since 1970 by the Hub's clock


@dataclass
class Remote:
    """The repository of a study's runs."""

    repository: str
    checkpoints: Path
    records: Path  # the folder of the records that were downloaded
    say: Say
    _exists: bool = field(default=False, init=False)
    _silent: bool = field(default=False, init=False)

    @classmethod
    def of(cls, checkpoints: Path, records: Path, say: Say) -> Remote:
        """Return the repository that HF_REPOSITORY names. Raises InputError."""
        return cls(hub.repository(), checkpoints, records, say)

    def look(self, cells: Sequence[Cell]) -> dict[str, There]:
        """Return what the Hub has of the cells, by run ID; nothing, with one warning, if it does not answer."""
        try:
            found = self._looked(cells)
        except HubUnavailable as error:
            if not self._silent:
                self.say(f"warning: {error}. The runs of other machines are not seen")
            self._silent = True
            return {}
        self._silent = False
        return found

    def _looked(self, cells: Sequence[Cell]) -> dict[str, There]:
        if not cells or not (self._exists or repositories.exists(self.repository)):
            return {}
        self._exists = True
        sha = repositories.head(self.repository)
        listed, branches = repositories.listing(self.repository, sha), repositories.branches(self.repository)
        found = {}
        for cell in cells:
            files = RunFiles.of(Path(), cell.config)
            record = listed.get((files.folder / files.stem / files.record.name).as_posix())
            entry = self._entry(sha, record) if record else None
            if entry:
                found[cell.run_id] = There(entry=entry)
            elif f"run-{cell.run_id}" in branches and (there := self._begun(cell)):
                found[cell.run_id] = there
        return found

    def log_of(self, cell: Cell) -> RunFiles:
        """Return the files of a run that is finished on the Hub, of which its log was downloaded to the study's folder.

        Raises HubUnavailable, and Damaged for a run without a log.
        """
        files = RunFiles.of(Path(), cell.config)
        local, sha = RunFiles(self.records, files.stem), repositories.head(self.repository)
        name = (files.folder / files.stem / files.log.name).as_posix()
        there = repositories.listing(self.repository, sha).get(name)
        if not there:
            raise Damaged(f"run {cell.run_id} is finished in {self.repository}, which has no {name}. Upload it again")
        if not repositories.matches(local.log, there):
            repositories.fetch(self.repository, sha, there, local.log)
        return local

    def _entry(self, sha: str, file: Any) -> Entry | None:
        """Return the entry of a finished run, whose record is downloaded unless it is here already."""
        path = self.records / Path(file.rfilename).name
        with suppress(Explained):
            if not repositories.matches(path, file):
                repositories.fetch(self.repository, sha, file, path)
            entry = index.entry_of(path)
            return entry if entry.status == "done" else None
        return None

    def _begun(self, cell: Cell) -> There | None:
        """Return the state and the claim on a run's branch; a claim of this folder is none of another worker."""
        files = RunFiles.of(self.checkpoints, cell.config)
        holder = read_holder(files.holder) if files.holder.exists() else ""
        branch = Branch(self.repository, cell.run_id, holder, 0.0)
        standing = branch.look()
        if standing is None:
            return None
        claimed = standing.until > clock.now()
        name = (standing.lease.machine or "another machine") if claimed else ""
        step = branch.step_of(standing, files, lambda _: None)
        return There(step=step, holder=name, until=standing.until if claimed else 0.0)
