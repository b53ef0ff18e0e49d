"""Files are whole or not there; locks exclude, outlive no process and leave nothing behind; full disks are named."""

import errno
import os
import shutil
import stat
import threading
from collections import namedtuple

import pytest

from app.errors import DiskFull, Held
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
    says = pytest.raises(DiskFull, match=r"no space left in .*; free some and run the same command again")
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
        says = pytest.raises(Held, match=r"another process on this machine holds .*\.lock")
        with says, locks.lock(path, wait=False):
            pytest.fail("two held it")
        assert path.exists()
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
