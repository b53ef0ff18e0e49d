"""Proof that a failing Hub loses no run: what is laid out for a row of the table, run, and compared in the end."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.selftest import kept
from app.selftest.trial import Failed, Trial

from .cases import DONE, NOT_UPLOADED, At, Row
from .repositories import Repositories
from .server import TOKENS, HubServer
from .worker import Said, Worker

HUB_SECONDS = "3"  # a call's deadline here
EPOCHS = 8  # so that a run outlasts its first pushes
_PATIENCE = {"ISOSCALE_HUB_SECONDS": HUB_SECONDS, "HF_HUB_DOWNLOAD_TIMEOUT": "1", "HF_HUB_ETAG_TIMEOUT": "1"}


@contextmanager
def begun(trial: Trial) -> Iterator[Cases]:
    """A place for cases: a Hub of its own, and a process that has its libraries loaded and its reference trained."""
    with HubServer(tokens=dict(TOKENS)) as server:
        cases = Cases(trial, server)
        environment = trial.environment() | server.environment(home=cases.trial.root / "home") | _PATIENCE
        with Worker(cases.trial.root, environment) as worker:
            cases.begin(worker)
            yield cases


class Cases:
    """What all rows share: the Hub, the process that runs the commands, and the reference."""

    def __init__(self, trial: Trial, server: HubServer) -> None:
        self.trial, self.server, self.tokens = trial, server, dict(server.tokens)

    def begin(self, worker: Worker) -> None:
        """The reference, in the folder as commands leave it, and an unfinished run's branch."""
        self.worker, self.reference = worker, self.trial.folder("reference")
        self._called(self.trial.arguments(), self.reference, "reference")
        self.run = kept.the_run(self.reference)
        self.branch = f"run-{self.run.record.run_id}"
        self.place = f"{self.run.record.model}/{self.run.files.stem}"
        begun = self.trial.folder("begun")
        self._call(self._train("--max-minutes", "0.005"), begun, "begun")
        self.state = self.server.files("tester/begun", self.branch)
        if "state/manifest.json" not in self.state:
            raise Failed("a run that was stopped has left no state on the Hub")

    def _train(self, *more: str) -> list[str]:
        return [*self.trial.arguments(), "--upload", "--push-every", "0.05s", *more]

    def _call(self, arguments: list[str], folder: Path, name: str) -> Said:
        return self.worker.call(arguments, folder, HF_REPOSITORY=f"tester/{name}", HF_TOKEN="hf_write")

    def _called(self, arguments: list[str], folder: Path, name: str) -> Said:
        said = self._call(arguments, folder, name)
        if said.code:
            raise Failed(f"{name} ended with exit {said.code}: {said.last_line}")
        return said

    def prove(self, row: Row) -> list[str]:
        """Runs one row; returns what is wrong, nothing where it ended as the table says."""
        name = re.sub(r"\W+", "-", row.name).strip("-")
        folder, at = self.trial.folder(name), At(self.server, f"tester/{name}", self.branch)
        self._lay_out(row, folder, at)
        row.order(at)
        said = self._call(self._command(row, at), folder, name)
        self._end_of_fault()
        found = _wrong(row, said) + self._not_kept(row, folder)
        if said.code:
            again = self._call(self._retry(row, said, at), folder, name)
            found += [f"the retry ended with exit {again.code}: {again.last_line}"] if again.code else []
        found += self._end(row, folder, at)
        self.trial.say(f"{row.name}: exit {said.code}, {said.seconds:.1f} s: {said.last_line}")
        shutil.rmtree(folder)
        return found

    def _end_of_fault(self) -> None:
        self.server.faults.clear()
        self.server.tokens = dict(self.tokens)

    def _lay_out(self, row: Row, folder: Path, at: At) -> None:
        self.server.repositories = Repositories(None)
        self.server.create(at.repository)
        if row.scene == "done":
            shutil.copytree(self.reference / "checkpoints", folder / "checkpoints")
        if row.scene in ("whole", "evaluated"):
            files = {f"{self.place}/{path.name}": path.read_bytes() for path in self.run.files.present()}
            self.server.commit(at.repository, files)
        if row.scene == "state":
            repository = self.server.repositories.all["model", at.repository]
            repository.branches[self.branch] = repository.branches["main"]
            self.server.commit(at.repository, self.state, self.branch)

    def _command(self, row: Row, at: At) -> list[str]:
        if row.scene == "whole":
            return ["download", self.place, "got"]
        if row.scene == "evaluated":
            return ["evaluate", f"hf://{at.repository}/{self.place}", "--json"]
        return self._train()

    def _retry(self, row: Row, said: Said, at: At) -> list[str]:
        """The command that was printed for it, else the same."""
        if said.code == NOT_UPLOADED and "Retry: " in said.err:
            words = shlex.split(said.err.rpartition("Retry: ")[2])
            return words[words.index("upload") :]
        return self._command(row, at)

    def _not_kept(self, row: Row, folder: Path) -> list[str]:
        """What is not where the row says that it is, right after the command."""
        if row.kept == "here":
            return self._unlike(folder)
        if row.kept == "state":
            return [] if kept.states(folder) else ["no state is saved here"]
        if row.kept == "nothing half":
            return [f"{path.name} was left" for path in (folder / "got").rglob("*") if path.is_file()]
        return []

    def _unlike(self, folder: Path) -> list[str]:
        """Where a finished run in a folder is not the reference."""
        found = kept.differences(self.reference / "checkpoints", folder / "checkpoints")
        return [what for what in found if not what.endswith(".holder is left behind")]

    def _end(self, row: Row, folder: Path, at: At) -> list[str]:
        """What is wrong once all is over: here, and on the Hub."""
        if row.scene == "evaluated":
            return []
        if row.scene == "whole":
            pairs = [(path, folder / "got" / path.name) for path in self.run.files.present()]
            found = [
                f"{two.name} differs" for one, two in pairs if not two.exists() or one.read_bytes() != two.read_bytes()
            ]
            return found + [f"{path.name} is left behind" for path in (folder / "got").glob(".*")]
        there, here = self.server.files(at.repository), kept.the_run(folder).files.present()
        found = kept.differences(self.reference / "checkpoints", folder / "checkpoints")
        found += [
            f"{path.name} is not on main"
            for path in here
            if there.get(f"{self.place}/{path.name}") != path.read_bytes()
        ]
        branches = self.server.repositories.all["model", at.repository].branches
        return found + (["the branch of the unfinished run is still there"] if self.branch in branches else [])


def _wrong(row: Row, said: Said) -> list[str]:
    """How a command's end is not the row's."""
    found = [] if said.code == row.code else [f"exit {said.code}, {row.code} is expected: {said.last_line}"]
    if not re.search(row.says, said.err):
        found.append(f"{row.says!r} was not said, but: {said.last_line}")
    if "Traceback" in said.err or "hf_write" in said.err + said.out:
        found.append("a traceback or the token was shown")
    if said.seconds < row.seconds:
        found.append(f"it took {said.seconds:.1f} s, at least {row.seconds:.1f} s were asked for")
    return found if said.code != DONE or row.code == DONE else [*found, said.err[-300:]]
