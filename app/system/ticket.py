"""The right to change a run in a folder that several machines share: it belongs to the process that the ticket names.

A ticket is an empty file in a folder of the run. It is only ever renamed: `free` becomes the name of the process that
claims the run, and an expired name becomes that of the next process. A rename replaces its target silently, so each
process uses a different target name. The source of the rename is the name that it replaces, and only one process can
rename that. Locks of the operating system do not reach every machine that shares a folder. Renames do.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from ..errors import Held
from . import machine
from .clock import duration

FREE = "free"
_CLAIMED = re.compile(r"claimed-(.{1,64})-(\d+)-([0-9a-f]{8})-(\d+)-(\d+)")  # host, process, boot, since, lasts
_RECENT = 1.0  # seconds for which a check of a ticket counts if a check each time would cost too much


class Holder(NamedTuple):
    """The process that claimed a run, as the name of its ticket states it."""

    host: str
    process: int
    boot: str  # of the machine and of its process IDs
    since: int  # seconds since 1970, by the holder's clock; for a reader only
    lasts: int  # seconds without renewal after which the claim is void

    @property
    def name(self) -> str:
        """The name of the ticket."""
        return f"claimed-{self.host}-{self.process}-{self.boot}-{self.since}-{self.lasts}"

    @property
    def shown(self) -> str:
        """The holder for a reader."""
        return f"process {self.process} on {self.host}, since {time.strftime('%F %T', time.localtime(self.since))}"

    def to_json(self) -> dict[str, object]:
        """Return the holder as a JSON object. `since` is in seconds since 1970."""
        return {"host": self.host, "process": self.process, "since": self.since}

    def is_dead(self) -> bool:
        """Return whether the process is known to have ended.

        That is known for processes of this machine since its last start. One that ended, but whose parent did not ask
        for its exit code (a zombie), has ended too: in a container, its new parent may never ask.
        """
        if (self.host, self.boot) != (_host(), _boot()):
            return False
        try:
            os.kill(self.process, 0)
        except ProcessLookupError:
            return True
        except OSError:
            return False
        return _is_zombie(self.process)


def _is_zombie(process: int) -> bool:
    """Return whether Linux lists a process as ended."""
    try:
        stat = Path(f"/proc/{process}/stat").read_text(errors="replace")
    except OSError:  # another system, or the process has just gone
        return False
    return stat.rpartition(")")[2].split()[:1] == ["Z"]


@dataclass
class Ticket:
    """This process's claim on one run.

    `folder` is the ticket's, `lasts` the seconds that a claim lasts without renewal.
    """

    folder: Path
    lasts: float
    taken_over: bool = False  # from another process, which did not give it back
    _name: str = field(init=False)
    _seen: float = float("-inf")  # of time.monotonic(): when the ticket was last seen to be this process's

    def __post_init__(self) -> None:
        self._name = Holder(_host(), os.getpid(), _boot(), int(time.time()), max(1, round(self.lasts))).name

    def take(self) -> Holder | None:
        """Claim the run. Return None, or the holder of a claim that has not expired. Raises OSError."""
        _make(self.folder)
        there = _names(self.folder)
        if FREE in there:
            if self._rename(FREE):
                return None
            there = _names(self.folder)
        for name in there:
            holder = _holder(name)
            if holder and (holder.is_dead() or _age(self.folder / name) > holder.lasts) and self._rename(name):
                self.taken_over = True
                return None
        return next(filter(None, map(_holder, _names(self.folder))), Holder("another machine", 0, "0" * 8, 0, 1))

    def _rename(self, name: str) -> bool:
        """Put this process's name in place of another, and return whether this process did it.

        A network file system may repeat a call whose answer was lost, and then reports that the source is missing.
        """
        try:
            os.utime(self.folder / name)  # otherwise the claim would be as old as the ticket until it is renewed
            os.rename(self.folder / name, self.folder / self._name)  # noqa: PTH104
        except OSError as error:
            if not self.is_mine():
                if isinstance(error, FileNotFoundError):
                    return False
                raise
        return True

    def is_mine(self) -> bool:
        """Return whether the ticket has this process's name.

        Opening a file asks the server, while attributes may be cached.
        """
        try:
            os.close(os.open(self.folder / self._name, os.O_RDONLY | os.O_CLOEXEC))
        except FileNotFoundError:
            return False
        self._seen = time.monotonic()
        return True

    def require(self, *, recent: bool = False) -> None:
        """Raise Held if another process has claimed the run since.

        With `recent`, a check less than a second ago is enough.
        """
        if recent and time.monotonic() - self._seen < _RECENT:
            return
        if not self.is_mine():
            holder = next(filter(None, map(_holder, _names(self.folder))), None)
            by = f"{holder.shown}, took over" if holder else "another process took over"
            raise Held(
                f"the claim on run {self.folder.name} was not renewed for {duration(self.lasts)}, and {by}. This "
                "process no longer changes its files. The study goes on with its next run"
            )

    def renew(self) -> None:
        """Renew the claim as of now, by the clock of the machine that stores the file."""
        with suppress(OSError):
            os.utime(self.folder / self._name)

    def give_back(self) -> None:
        """Free the run, unless another process has claimed it since."""
        with suppress(OSError):
            os.rename(self.folder / self._name, self.folder / FREE)  # noqa: PTH104

    @contextmanager
    def renewed(self) -> Iterator[None]:
        """Renew the claim in a thread within the context. A suspended process does not renew it."""
        ended = threading.Event()

        def work() -> None:
            while not ended.wait(self.lasts / 4):
                self.renew()

        thread = threading.Thread(target=work, name="ticket", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


def holders(folder: Path) -> dict[str, Holder]:
    """Return the holders of all claims in a folder that have not expired, by run ID."""
    found = {}
    now = _now(folder) if folder.is_dir() else 0.0
    for path in _folders(folder):
        for holder in filter(None, map(_holder, _names(path))):
            with suppress(OSError):
                age = now - (path / holder.name).stat().st_mtime
                if age <= holder.lasts and not holder.is_dead():
                    found[path.name] = holder
    return found


def clear(folder: Path) -> None:
    """Remove the tickets of runs that nobody claims, and the folder if it is empty."""
    for path in _folders(folder):
        if _names(path) == [FREE]:
            aside = folder / f".{path.name}-{os.getpid()}"
            with suppress(OSError):
                path.rename(aside)
                shutil.rmtree(aside)
    with suppress(OSError):
        folder.rmdir()


def _make(folder: Path) -> None:
    """Make the folder of a run with its only ticket, in one step, unless it exists."""
    if folder.is_dir():
        return
    aside = folder.with_name(f".{folder.name}-{_host()}-{os.getpid()}-{threading.get_native_id()}")
    aside.mkdir(parents=True, exist_ok=True)
    (aside / FREE).touch()
    try:
        aside.rename(folder)
    except OSError:  # another process was faster: the folder exists, and is not empty
        shutil.rmtree(aside, ignore_errors=True)
        if not folder.is_dir():
            raise


def _folders(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError:
        return []


def _names(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))  # noqa: PTH208
    except OSError:
        return []


def _holder(name: str) -> Holder | None:
    """Return the holder that a ticket names, or None for a free one."""
    if not (found := _CLAIMED.fullmatch(name)):
        return None
    host, process, boot, since, lasts = found.groups()
    return Holder(host, int(process), boot, int(since), int(lasts))


def _age(path: Path) -> float:
    """Return the seconds since a ticket was renewed. Both times are of the same clock."""
    try:
        return _now(path.parent.parent) - path.stat().st_mtime
    except OSError:  # somebody renamed it just now
        return 0.0


def _now(folder: Path) -> float:
    """Return the time of the machine that stores a folder, read from a new file, else this machine's."""
    clock = folder / f".clock-{_host()}-{os.getpid()}-{threading.get_native_id()}"
    try:
        clock.touch()
        return clock.stat().st_mtime
    except OSError:
        return time.time()
    finally:
        with suppress(OSError):
            clock.unlink()


def _host() -> str:
    """Return this machine's name without its domain, as a part of a file's name."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", platform.node().partition(".")[0])[:64] or "host"


def _boot() -> str:
    """Return 8 hex digits that identify this machine's last start and the namespace of its process IDs."""
    try:
        space = os.readlink("/proc/self/ns/pid")  # noqa: PTH115
    except OSError:
        space = ""
    return hashlib.sha256(f"{machine.boot_id()} {space}".encode()).hexdigest()[:8]
