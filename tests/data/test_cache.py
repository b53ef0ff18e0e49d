"""The cache: written once and whole, by one process; found again, or named with what mends it."""

import dataclasses
import json
import multiprocessing
import os
import shutil
import time
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest

from app.data.sources.source import Ask, Example, Source
from app.data.store import cache, writer
from app.data.store import manifest as manifests
from app.errors import Damaged, DiskFull, InputError

from .pictures import encoded, noise

ASK = Ask(
    dataset="made/up", row=None, config=None, revision="main", image_column=None, label_column=None,
    group_column=None, side=8, channels=3, carve_test=True,
)  # fmt: skip
FORK = multiprocessing.get_context("fork")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """The folder of an empty cache's datasets."""
    monkeypatch.setenv("ISOSCALE_CACHE", str(tmp_path))
    return tmp_path / "data"


def source(rows=300, *, version="v1", before_row=lambda _row: None):
    def examples(_split):
        for row in range(rows):
            before_row(row)
            yield Example(noise(row, size=(8, 8)), row % 2, None)

    return Source(version=version, rows={"train": rows}, class_names=("a", "b"), examples=examples)


def build(**cells):
    return cache.build(ASK, source(**cells), lambda *_: None)


def test_what_is_read_back_is_what_the_source_had():
    cached = build().verified()
    images = np.stack([noise(row, size=(8, 8)).transpose(2, 0, 1) for row in range(300)])
    assert np.array_equal(cached.images("train"), images)
    assert cached.array("train", "labels").tolist() == [row % 2 for row in range(300)]
    assert cached.array("train", "rows").tolist() == list(range(300))
    assert np.array_equal(cached.array("train", "moments")[:, :, 0], images.sum((2, 3), dtype=np.int64))
    assert np.array_equal(cached.array("train", "moments")[:, :, 1], (images.astype(np.int64) ** 2).sum((2, 3)))


def test_progress_tells_rows_and_bytes_up_to_the_end():
    told = []
    cache.build(ASK, source(), lambda *seen: told.append(seen))
    assert told[-1] == ("train", 300, 300, 300 * 8 * 8 * 3)
    assert [rows for _, rows, _, _ in told] == sorted({rows for _, rows, _, _ in told})


def test_large_images_are_decoded_a_few_at_a_time(monkeypatch):
    monkeypatch.setattr(writer, "_CHUNK_BYTES", 5 * 8 * 8 * 3)
    told = []
    cache.build(ASK, source(rows=12), lambda *seen: told.append(seen[1]))
    assert told == [5, 10, 12]


def test_a_version_is_found_by_its_name_and_the_newest_without_one():
    for version in ("v1", "v2", "v3"):
        build(version=version)
    assert cache.find(ASK, "v2").manifest.version == "v2"
    assert cache.find(ASK, None).manifest.version == "v3"
    assert cache.find(ASK, "v4") is None


def test_a_cache_is_for_one_side_and_one_choice_of_columns():
    build()
    for other in ({"side": 9}, {"label_column": "x"}, {"carve_test": False}, {"dataset": "made/up2"}):
        assert cache.find(Ask(**{**vars(ASK), **other}), None) is None
    assert cache.find(Ask(**{**vars(ASK), "path": "./elsewhere"}), None)


@pytest.mark.parametrize("name", ["train-images.u8", "train-labels.npy", "train-rows.npy", "train-moments.npy"])
@pytest.mark.parametrize("damage", ["flipped", "truncated", "missing"])
def test_a_damaged_file_is_named_with_the_command_that_mends(name, damage):
    path = build().folder / name
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    {"flipped": lambda: path.write_bytes(content), "truncated": lambda: path.write_bytes(content[:-1]),
     "missing": path.unlink}[damage]()  # fmt: skip
    with pytest.raises(Damaged, match=rf"damaged \({name} .*Remove it with `rm -r '{path.parent}'`"):
        cache.find(ASK, "v1").verified()


@pytest.mark.parametrize("change", [lambda text: text[:-9], lambda _: "[]", lambda text: text.replace("300", "299")])
def test_a_broken_manifest_is_named_with_the_command_that_mends(change):
    path = build().folder / "manifest.json"
    path.write_text(change(path.read_text()))
    with pytest.raises(Damaged, match=rf"damaged \(its manifest .*Remove it with `rm -r '{path.parent}'`"):
        cache.find(ASK, "v1")


def test_a_folder_without_a_manifest_is_damaged_too():
    (build().folder / "manifest.json").unlink()
    assert cache.find(ASK, "v1") is None
    with pytest.raises(Damaged, match=r"damaged \(its manifest cannot be read\)"):
        build()


def test_another_dataset_s_broken_manifest_does_not_matter(folder):
    build()
    (folder / "other-8px-0123456789").mkdir()
    (folder / "other-8px-0123456789" / "manifest.json").write_text("{")
    assert cache.find(ASK, "v1")


def test_an_unfinished_folder_is_never_taken_for_a_cache(folder):
    made = build()
    shutil.copytree(made.folder, folder / f".{made.folder.name}.aside")
    shutil.rmtree(made.folder)
    assert cache.find(ASK, None) is None


def test_a_row_that_fails_leaves_nothing_behind(folder):
    def fail(row):
        if row == 290:
            raise InputError("row 290 is bad")

    with pytest.raises(InputError, match="row 290"):
        build(before_row=fail)
    assert [path for path in folder.iterdir() if not path.name.endswith(".lock")] == []


def test_a_writer_killed_in_the_middle_leaves_no_half_cache(folder):
    reached = FORK.Event()

    def stall(row):
        if row == 290:
            reached.set()
            time.sleep(60)

    process = FORK.Process(target=build, kwargs={"before_row": stall})
    process.start()
    assert reached.wait(20)
    process.kill()
    process.join()
    assert [path.suffix for path in folder.glob(".*.aside")] == [".aside"]
    assert cache.find(ASK, None) is None
    assert len(build().verified().images("train")) == 300
    assert list(folder.glob(".*.aside")) == []


def test_of_two_processes_one_writes_and_both_succeed():
    reads, start = FORK.Value("i", 0), FORK.Barrier(2)

    def work():
        def count(row):
            if row == 0:
                with reads.get_lock():
                    reads.value += 1
                time.sleep(0.3)

        start.wait(20)
        os._exit(0 if build(before_row=count).verified().manifest.rows == {"train": 300} else 1)

    processes = [FORK.Process(target=work) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(30)
    assert ([process.exitcode for process in processes], reads.value) == ([0, 0], 1)


def test_too_little_space_is_told_before_a_row_is_read(monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9, 1000))
    with pytest.raises(DiskFull, match=r"caching made/up at 8 px needs 1,109,056 bytes in .*, but 1,000 are free"):
        build(before_row=lambda _: pytest.fail("a row was read"))


def test_the_source_s_own_files_need_room_beside_the_arrays(monkeypatch, folder):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9, 2_000_000))
    beside = dataclasses.replace(source(), disk_bytes=900_000)
    with pytest.raises(DiskFull, match=r"needs 2,009,056 bytes in .*, but 2,000,000 are free"):
        cache.build(ASK, beside, lambda *_: None)
    endless = dataclasses.replace(beside, rows={"train": None}, disk_bytes=1_999_000)
    with pytest.raises(DiskFull, match="needs more than"):
        cache.build(ASK, endless, lambda *_: None)
    assert list(folder.glob("*/")) == [] and build().manifest.rows == {"train": 300}


def test_what_to_do_about_a_full_disk_is_said(monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9, 1000))
    with pytest.raises(DiskFull, match=r"use a smaller --image, free some space, or set ISOSCALE_CACHE to a folder"):
        build()


def test_a_set_of_unknown_length_ends_where_the_disk_s_room_ends_and_leaves_nothing(monkeypatch, folder):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9, 10_000))
    endless = dataclasses.replace(source(), rows={"train": None})
    with pytest.raises(DiskFull, match=r"needs more than the 10,000 bytes that are free in .*smaller --image"):
        cache.build(ASK, endless, lambda *_: None)
    assert list(folder.glob("*/")) == []


def test_a_set_beyond_the_host_s_memory_is_cached_all_the_same(monkeypatch):
    monkeypatch.setattr(os, "sysconf", lambda name: {"SC_PAGE_SIZE": 1, "SC_PHYS_PAGES": 5}[name])
    assert len(build().images("train")) == 300


def test_a_cache_that_was_made_for_streaming_is_not_used_and_is_named():
    made = build()
    manifest = manifests.read(made.folder)
    manifest.ask["membership"] = {"split_seed": 0}
    manifest.stream = {"buffer": 7}
    manifests.write(made.folder, manifest)
    assert cache.find(ASK, None) is None and cache.of_streams(ASK) == [made.folder]
    assert cache.of_streams(dataclasses.replace(ASK, side=9)) == []


def test_space_that_runs_out_in_the_middle_is_told_and_leaves_nothing(monkeypatch, folder):
    def full(path, _content):
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(DiskFull, match=r"no space left in "):
        build()
    assert list(folder.glob("*/")) == []


def test_a_cache_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("ISOSCALE_CACHE", str(tmp_path / "file"))
    with pytest.raises(InputError, match=r"the cache folder .* cannot be written. Set ISOSCALE_CACHE"):
        build()


def test_an_unreadable_image_names_its_row_and_split():
    bad = Source(
        version="v1", rows={"train": None}, class_names=None,
        examples=lambda _: iter([Example(encoded(noise(0)), "a", None), Example(b"bad", "a", None)]),
    )  # fmt: skip
    with pytest.raises(InputError, match=r"1 of 2 images of made/up .*: row 1 of train: the bytes are not a readable"):
        cache.build(ASK, bad, lambda *_: None)


def test_the_manifest_keeps_what_the_bytes_depend_on():
    manifest = json.loads((build().folder / "manifest.json").read_text())
    assert manifest["ask"] | {"side": 8, "resize": "bilinear-antialias", "format": 1} == manifest["ask"]
    assert "path" not in manifest["ask"]
    assert (manifest["version"], manifest["rows"], manifest["unlabelled"]) == ("v1", {"train": 300}, {"train": 0})
