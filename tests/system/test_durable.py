"""Files are whole or not there; locks exclude, outlive no process and leave nothing behind; full disks are named."""

import errno
import os
import re
import shutil
import socket
import stat
import threading
from collections import namedtuple
from pathlib import Path
from types import SimpleNamespace

import pytest

from app.errors import DiskFull, Held, failure_of
from app.system import durable, locks


def names(folder):
    return sorted(path.name for path in folder.rglob("*"))


def test_a_file_is_replaced_whole_or_stays_as_it_was(tmp_path):
    path = tmp_path / "a" / "file"
    durable.write_text(path, "one")
    with pytest.raises(ZeroDivisionError), durable.replacing(path) as aside:
        aside.write_text("half")
        raise ZeroDivisionError
    assert path.read_text() == "one" and names(tmp_path / "a") == ["file"]
    durable.write_text(path, "two")
    assert path.read_text() == "two" and names(tmp_path / "a") == ["file"]


def test_a_device_is_not_replaced_by_a_file(tmp_path):
    (tmp_path / "null").symlink_to("/dev/null")
    with pytest.raises(OSError, match="not a file"), durable.replacing(tmp_path / "null"):
        raise AssertionError("it was opened")
    assert names(tmp_path) == ["null"] and (tmp_path / "null").is_char_device()


def test_a_folder_is_made_where_a_link_leads(tmp_path):
    link = tmp_path / "checkpoints"
    link.symlink_to(tmp_path / "volume" / "checkpoints")
    assert durable.standing(link / "model") == tmp_path
    durable.write_text(link / "model" / "file", "kept")
    assert (tmp_path / "volume" / "checkpoints" / "model" / "file").read_text() == "kept"
    with locks.lock(link / "model" / "lock", wait=False):
        assert link.is_symlink()


def test_a_reader_sees_the_old_file_until_the_new_one_is_whole(tmp_path):
    durable.write_text(tmp_path / "file", "old")
    with durable.replacing(tmp_path / "file") as aside:
        aside.write_text("new")
        assert (tmp_path / "file").read_text() == "old"
    assert (tmp_path / "file").read_text() == "new"


def test_a_file_gets_the_user_s_own_mode_whatever_its_writer_does(tmp_path):
    before = os.umask(0o027)
    try:
        with durable.replacing(tmp_path / "file") as aside:
            aside.write_text("x")
            aside.chmod(0o600)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_while_writing_is_one_sentence(tmp_path, number):
    says = pytest.raises(DiskFull, match=r"no space left in .*. Free some space, and run the same command again")
    with says, durable.replacing(tmp_path / "file"):
        raise OSError(number, os.strerror(number))
    with pytest.raises(PermissionError), durable.replacing(tmp_path / "file"):
        raise PermissionError(errno.EACCES, "no")
    assert names(tmp_path) == []


def test_space_is_asked_for_before_it_is_needed(tmp_path, monkeypatch):
    durable.require_space(tmp_path / "not" / "yet", 1, "the run")
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**6, 10**6, 1000))
    with pytest.raises(DiskFull, match=r"the run needs 2,000 bytes in .*, but 1,000 are free"):
        durable.require_space(tmp_path / "not" / "yet", 2000, "the run")
    assert names(tmp_path) == []


def test_a_lock_excludes_others_and_leaves_nothing_behind(tmp_path):
    path = tmp_path / "a" / "b" / ".lock"
    with locks.lock(path, wait=False):
        says = pytest.raises(Held, match=r"another process on this machine.* has locked .*\.lock")
        with says, locks.lock(path, wait=False):
            pytest.fail("two held it")
        assert path.exists()
    assert names(tmp_path) == []


def test_the_process_that_holds_a_lock_is_named_where_the_system_lists_it(tmp_path):
    path, listed = tmp_path / ".lock", tmp_path / "locks"
    path.touch()
    about = path.stat()
    place = f"{os.major(about.st_dev):02x}:{os.minor(about.st_dev):02x}:{about.st_ino}"
    listed.write_text(f"1: POSIX  ADVISORY  WRITE 7 {place} 0 EOF\n2: FLOCK  ADVISORY  WRITE 4711 {place} 0 EOF\n")
    assert locks._holder_of(path, listed) == " (process 4711)"
    listed.write_text(f"1: FLOCK  ADVISORY  WRITE 4711 {place}1 0 EOF\n\n")
    assert locks._holder_of(path, listed) == "" == locks._holder_of(path, tmp_path / "none")


def test_what_a_killed_holder_left_half_written_goes_with_the_next_holder_of_its_lock(tmp_path):
    path, others = tmp_path / ".a[1]b.lock", tmp_path / "..a1b.lock.by.7-7.aside"
    for left in (others, tmp_path / "..a[1]b.lock.by.7-7.aside"):
        left.write_text("{")
    with locks.lock(path, wait=False, waiting=print):
        pass
    assert names(tmp_path) == [others.name]


def test_a_writer_that_makes_files_of_its_own_has_a_folder_that_goes(tmp_path):
    with pytest.raises(ZeroDivisionError), durable.scratch(tmp_path / "weights") as folder:
        (folder / ".tmp1").write_text("half")
        assert folder.parent == tmp_path and folder.name.startswith(".weights.") and folder.suffix == ".scratch"
        raise ZeroDivisionError
    assert names(tmp_path) == []


def test_folders_that_hold_something_stay_when_their_lock_goes(tmp_path):
    with pytest.raises(ZeroDivisionError), locks.lock(tmp_path / "a" / "b" / ".lock", wait=False):
        (tmp_path / "a" / "kept").touch()
        raise ZeroDivisionError
    assert names(tmp_path) == ["a", "kept"]


def test_of_many_that_wait_for_a_lock_one_holds_it_at_a_time(tmp_path):
    held, most = [], []

    def work():
        for _ in range(40):
            with locks.lock(tmp_path / "a" / ".lock", wait=True):
                held.append(1)
                most.append(len(held))
                held.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (max(most), len(most)) == (1, 160) and ".lock" not in names(tmp_path)


def test_a_checksum_is_sha256(tmp_path):
    (tmp_path / "file").write_bytes(b"abc")
    assert durable.sha256(tmp_path / "file").startswith(
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )


def kinds_of_no_file(folder):
    """Paths at which there is something that is no file and no folder."""
    os.mkfifo(folder / "pipe")
    (folder / "link").symlink_to(folder / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "socket"))
    return [folder / "pipe", folder / "link", folder / "socket", Path("/dev/zero")]


def test_a_pipe_a_socket_and_a_device_are_never_read_and_never_waited_for(tmp_path):
    for path in kinds_of_no_file(tmp_path):
        for read in (durable.content, durable.text, durable.require_file, durable.sha256):
            with pytest.raises(OSError, match=r"pipe|No such device"):
                read(path)
    with pytest.raises(IsADirectoryError):
        durable.content(tmp_path)
    with pytest.raises(FileNotFoundError):
        durable.content(tmp_path / "absent")
    (tmp_path / "file").write_bytes("\ufeffé".encode())
    assert durable.text(tmp_path / "file", "utf-8-sig") == "é"


@pytest.mark.parametrize("name", ["n" * 255, "é" * 127, "n" * 230])
def test_the_longest_names_are_written_as_any(tmp_path, name):
    durable.write_text(tmp_path / name, "text")
    assert (tmp_path / name).read_text() == "text" and names(tmp_path) == [name]


@pytest.fixture
def no_inodes(monkeypatch):
    """A disk with space for bytes, and for no file."""
    found, statvfs = os.statvfs("/"), os.statvfs
    cells = {name: getattr(found, name) for name in dir(found) if name.startswith("f_")}
    full = SimpleNamespace(**{**cells, "f_files": 1000, "f_favail": 0, "f_ffree": 0, "f_bavail": 10**9})
    monkeypatch.setattr(os, "statvfs", lambda path: full if "crowded" in str(path) else statvfs(path))


@pytest.mark.usefixtures("no_inodes")
def test_a_disk_without_inodes_is_named_though_it_has_space(tmp_path):
    (tmp_path / "crowded").mkdir()
    with pytest.raises(DiskFull, match="no inodes are left"):
        durable.require_space(tmp_path / "crowded" / "not" / "yet", 1, "the run")
    says = pytest.raises(DiskFull, match=r"no inodes left.*file could not be written")
    with says, durable.no_space_named(tmp_path / "crowded" / "file"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(tmp_path / "crowded" / "file"))
    found = failure_of(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(tmp_path / "crowded" / "a" / "b")))
    assert isinstance(found, DiskFull) and "no inodes left" in str(found)
    durable.require_space(tmp_path / "elsewhere", 1, "the run")


def test_a_disk_without_bytes_is_not_said_to_lack_inodes(tmp_path):
    with pytest.raises(DiskFull, match="no space left"), durable.no_space_named(tmp_path / "file"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # as a write fails


def test_who_waits_for_a_lock_hears_who_holds_it_and_since_when(tmp_path):
    path, said = tmp_path / ".lock", []

    def heard(who):
        said.append(who)
        holder.release.set()

    holder = Holder(path)
    holder.start()
    with locks.lock(path, wait=True, waiting=heard):
        assert not holder.is_alive() or holder.done.is_set()
    assert len(said) == 1 and re.fullmatch(rf"process {os.getpid()}, since \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d", said[0])
    holder.join()
    assert names(tmp_path) == []


@pytest.mark.parametrize("content", [None, " ", "{", "[]", '{"process": "x"}', '{"since": 1e400}', "\x00"])
def test_a_lock_whose_holder_is_unknown_is_waited_for_all_the_same(tmp_path, content):
    path, said = tmp_path / ".lock", []

    def heard(who):
        said.append(who)
        holder.release.set()

    holder = Holder(path, content=content)
    holder.start()
    with locks.lock(path, wait=True, waiting=heard):
        pass
    holder.join()
    assert said == ["another process"] and names(tmp_path) == []


class Holder(threading.Thread):
    """Holds a lock until it is released; `content` is what stands in place of its name."""

    def __init__(self, path, content=""):
        super().__init__()
        self.path, self.content, self.named = path, content, content == ""
        self.release, self.held, self.done = threading.Event(), threading.Event(), threading.Event()

    def start(self):
        super().start()
        assert self.held.wait(20)

    def run(self):
        with locks.lock(self.path, wait=True, waiting=lambda _: None):
            by = self.path.with_name(".lock.by")
            if not self.named:
                by.unlink()
                if self.content is not None:
                    by.write_text(self.content)
            self.held.set()
            self.release.wait(20)
        self.done.set()
