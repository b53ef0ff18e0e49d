"""A cache is hashed once per machine and start of it; what changed since, or is asked for, is hashed again."""

import os
import time

import pytest

from app.data.store import cache, known
from app.errors import Damaged
from app.system import durable, home, machine

from .test_cache import ASK, build, folder  # noqa: F401  # a fixture


def aged(cached, seconds=60.0):
    """Gives the files a time at which nobody writes any more; that of the inode is the clock's."""
    for path in cached.folder.iterdir():
        os.utime(path, (time.time() - seconds, time.time() - seconds))


@pytest.fixture
def cached(monkeypatch):
    """A cache that has been there for a minute."""
    monkeypatch.setattr(known, "_SETTLED", -1)  # nanoseconds: the time of an inode cannot be set back
    found = build()
    aged(found)
    return found


@pytest.fixture
def hashed(monkeypatch):
    """The names of the files that are hashed."""
    names, sha256 = [], durable.sha256

    def remembered(path):
        names.append(path.name)
        return sha256(path)

    monkeypatch.setattr(durable, "sha256", remembered)
    return names


def flip(path, place=9):
    """Turns one bit where the file is; its size stays."""
    with path.open("r+b") as file:
        file.seek(place)
        bit = file.read(1)[0] ^ 1
        file.seek(place)
        file.write(bytes([bit]))


def test_files_are_hashed_once_and_at_the_next_start_of_the_machine_again(cached, hashed, monkeypatch):
    names = sorted(cached.manifest.files)
    assert cached.verified() is cached and sorted(hashed) == names
    hashed.clear()
    assert cache.find(ASK, None).verified() and hashed == []
    monkeypatch.setattr(machine, "boot_id", lambda: "another start")
    cached.verified()
    assert sorted(hashed) == names


def test_verify_hashes_always(cached, hashed):
    for _ in range(2):
        hashed.clear()
        cached.verified(again=True)
        assert sorted(hashed) == sorted(cached.manifest.files)


def test_another_time_or_inode_means_hash_again_and_no_refusal(cached, hashed):
    cached.verified()
    path = cached.folder / "train-images.u8"
    for change in (
        lambda: os.utime(path), lambda: os.utime(path, (1, 1)), lambda: path.chmod(0o600),
        lambda: durable.write_text(cached.folder / "x", "") or path.write_bytes(path.read_bytes()),
        lambda: (path.with_name("copy").write_bytes(path.read_bytes()), path.with_name("copy").replace(path)),
    ):  # fmt: skip
        time.sleep(0.02)  # beyond the file system's tick
        change()
        hashed.clear()
        assert cached.verified() is cached and hashed == ["train-images.u8"]
        hashed.clear()
        assert cached.verified() is cached and hashed == []


@pytest.mark.parametrize("name", ["train-images.u8", "train-labels.npy", "train-rows.npy", "train-moments.npy"])
@pytest.mark.parametrize("restore", [True, False])
def test_a_flipped_bit_is_found_though_the_file_was_hashed_and_its_time_is_put_back(cached, name, restore):
    cached.verified()
    path = cached.folder / name
    before = path.stat()
    time.sleep(0.02)
    flip(path)
    if restore:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(Damaged, match=name):
        cached.verified()
    flip(path)
    assert cached.verified() is cached


def test_a_file_that_was_just_written_is_hashed_again_the_next_time(hashed):
    cached = build()
    for _ in range(2):
        hashed.clear()
        cached.verified()
        assert sorted(hashed) == sorted(cached.manifest.files)


@pytest.mark.parametrize("what", ["cut", "gone", "folder", "pipe"])
def test_a_file_that_is_not_as_it_was_is_refused_without_a_hang(cached, what):
    cached.verified()
    path = cached.folder / "train-rows.npy"
    data = path.read_bytes()
    path.unlink()
    if what == "cut":
        path.write_bytes(data[:-1])
    elif what == "folder":
        path.mkdir()
    elif what == "pipe":
        os.mkfifo(path)
    with pytest.raises(Damaged, match=r"train-rows\.npy"):
        cached.verified()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"train-images.u8": 1}', b"\xff", b"[" * 10**5])
def test_a_damaged_memory_of_it_costs_a_hash_only(cached, hashed, content):
    cached.verified()
    [note] = (home.root() / "verified").iterdir()
    note.write_bytes(content)
    hashed.clear()
    assert cached.verified() is cached and sorted(hashed) == sorted(cached.manifest.files)
    hashed.clear()
    assert cached.verified() is cached and not hashed


def test_a_memory_that_claims_another_sum_than_the_manifest_is_not_believed(cached, hashed):
    cached.verified()
    [note] = (home.root() / "verified").iterdir()
    digest = cached.manifest.files["train-rows.npy"].sha256
    note.write_text(note.read_text().replace(digest, "0" * 64))
    hashed.clear()
    assert cached.verified() is cached and hashed == ["train-rows.npy"]


def test_a_system_that_does_not_tell_its_starts_apart_hashes_always(cached, hashed, monkeypatch):
    monkeypatch.setattr(machine, "boot_id", lambda: None)
    for _ in range(2):
        hashed.clear()
        cached.verified()
        assert sorted(hashed) == sorted(cached.manifest.files)


def test_the_memory_of_a_copy_elsewhere_is_another(cached, hashed, tmp_path):
    cached.verified()
    (tmp_path / "elsewhere").mkdir()
    copy = tmp_path / "elsewhere" / cached.folder.name
    cached.folder.rename(copy)
    hashed.clear()
    assert known.differing(copy, cached.manifest.files) is None and hashed


def test_a_cache_folder_that_cannot_be_written_is_read_all_the_same(cached, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(durable, "write_text", full)
    assert cached.verified() is cached


def test_a_cache_in_a_folder_whose_name_is_no_utf_8_is_remembered_too(cached, hashed):
    there = cached.folder.rename(cached.folder.with_name("caf\udce9"))
    assert known.differing(there, cached.manifest.files) is None and hashed
    hashed.clear()
    assert known.differing(there, cached.manifest.files) is None and hashed == []
