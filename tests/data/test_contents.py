"""What the cache folder has in it, and what a removal of cached datasets deletes: nothing that others made."""

import json
import os
import shutil

import pytest

from app.data.store import cache, known
from app.data.store.clearing import chosen, remove, require_free
from app.data.store.contents import contents
from app.errors import Held, InputError
from app.system import locks

from .test_cache import ASK, build, folder  # noqa: F401  # a fixture
from .test_known import aged


def clear(*names, everything=False):
    """Deletes, and returns the bytes that are freed."""
    return sum(map(remove, chosen(contents(), names, everything=everything)))


def names(path):
    return sorted(str(each.relative_to(path)) for each in path.rglob("*"))


def test_an_empty_cache_and_one_that_is_not_there_have_nothing(tmp_path, monkeypatch):
    for root in (tmp_path, tmp_path / "nowhere"):
        monkeypatch.setenv("ISOSCALE_CACHE", str(root))
        found = contents()
        assert (found.datasets, found.unfinished, found.others, found.bytes) == ([], [], [], 0) and found.free > 0
        for everything in (True, False):
            with pytest.raises(InputError, match="empty" if everything else r"nothing is selected.*--all"):
                clear(everything=everything)


def test_a_cached_dataset_is_listed_with_rows_bytes_and_times(tmp_path):
    cached = build(rows=300)
    [found] = contents().datasets
    about = json.loads(json.dumps(found.to_json()))
    assert (found.name, found.side, found.folder) == ("made/up", "8 px", cached.folder)
    assert about["rows"] == {"train": 300} and about["version"] == "v1" and not about["damaged"]
    assert about["bytes"] == sum(path.stat().st_size for path in cached.folder.iterdir()) == contents().bytes
    assert about["made"] <= about["used"] and about["made"].endswith("+00:00")


def test_a_dataset_is_verified_until_one_of_its_files_changes(monkeypatch):
    monkeypatch.setattr(known, "_SETTLED", -1)
    cached = build()
    aged(cached)
    assert not contents().datasets[0].verified
    cached.verified()
    assert contents().datasets[0].verified
    os.utime(cached.folder / "train-rows.npy")
    assert not contents().datasets[0].verified


def test_looking_reads_no_array_and_changes_nothing(tmp_path):
    cached = build()
    before = {path: path.stat() for path in tmp_path.rglob("*") if path.is_file()}
    (cached.folder / "train-images.u8").chmod(0)
    contents().to_json()
    after = {path: path.stat() for path in tmp_path.rglob("*") if path.is_file()}
    assert {path: about.st_mtime_ns for path, about in before.items()} == {
        path: about.st_mtime_ns for path, about in after.items()
    }


@pytest.mark.parametrize("name", ["made/up", "made--up-8px", "{folder}", "https://huggingface.co/datasets/made/up"])
def test_a_dataset_is_deleted_by_its_name_or_its_folder_s(tmp_path, name):
    cached = build()
    cached.verified()
    assert clear(name.format(folder=cached.folder.name)) > 0
    assert not cached.folder.exists() and cache.find(ASK, None) is None and build().verified()


def test_the_sides_of_a_dataset_are_deleted_together_or_one_by_its_folder(tmp_path):
    cached = build()
    other = shutil.copytree(cached.folder, cached.folder.with_name("made--up-16px-0123456789"))
    assert len(chosen(contents(), ["made/up"], everything=False)) == 2
    clear("made--up-16px")
    assert cached.folder.exists() and not other.exists()


def test_a_damaged_dataset_is_listed_and_deleted(tmp_path):
    cached = build()
    for text in ("{", "", "[1]", '{"seal": "x"}'):
        (cached.folder / "manifest.json").write_text(text)
        [found] = contents().datasets
        assert found.manifest is None and found.name == "made/up" and found.to_json()["damaged"]
    clear("made/up")
    assert not cached.folder.exists()


def test_what_an_interrupted_build_left_goes_with_any_other_and_alone(folder):  # noqa: F811
    cached = build()
    aside = folder / ".bach-512px-0123456789.aside"
    for _ in range(2):
        aside.mkdir()
        (aside / "train-images.u8").write_bytes(b"12345")
        (folder / ".bach-512px-0123456789.lock").touch()
        (folder / ".bach-512px-0123456789.lock.by").write_text("{}")
        assert len(contents().unfinished) == 3 and contents().to_json()["unfinished"][0]["bytes"] == 5
        clear(*(["made/up"] if cached.folder.exists() else []))
        assert names(folder) == []


def test_what_a_process_builds_is_kept_or_refused(folder):  # noqa: F811
    cached = build()
    aside = folder / ".bach-512px-0123456789.aside"
    aside.mkdir()
    with locks.lock(folder / ".bach-512px-0123456789.lock", wait=False):
        assert contents().to_json()["unfinished"][0]["in_use"]
        parts = chosen(contents(), ["made/up"], everything=False)
        assert [part.path for part in parts] == [cached.folder]
        with pytest.raises(Held, match=r"bach-512px.*nothing was deleted"):
            require_free(chosen(contents(), (), everything=True))
    with locks.lock(folder / f".{cached.folder.name}.lock", wait=False):
        assert contents().datasets[0].to_json()["in_use"]
        with pytest.raises(Held, match="nothing was deleted"):
            require_free(chosen(contents(), ["made/up"], everything=False))
        with pytest.raises(Held):
            remove(parts[0])
    assert cached.folder.exists() and aside.exists()


MINE = ("mine.txt", "runs/mine", "runs/mine/notes.txt", "data/photos", "data/photos/1.jpg", "measured/mine.json",
        "runs/a--b/notes.txt", "compiled/mine", "verified/mine", "data/digits-8px-0123", "data/.hidden")  # fmt: skip


def test_everything_is_what_the_program_made_and_nothing_else(tmp_path):
    cached = build()
    ours = ["measured/batch-0123456789abcdef.json", "verified/0123456789abcdef.json", "compiled/fxgraph/x",
            "compiled/ab/x", "runs/owner--name--run/vit/model_0123abcd_1M_digits.json"]  # fmt: skip
    for name in (*MINE, *ours):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not any(other.startswith(f"{name}/") for other in MINE):
            path.write_text("x")
    found = contents()
    assert {other.path.name for other in found.others if other.what} == {"measured", "verified", "compiled", "runs"}
    clear(everything=True)
    assert not cached.folder.exists() and not [name for name in ours if (tmp_path / name).exists()]
    assert [name for name in MINE if not (tmp_path / name).exists()] == []
    with pytest.raises(InputError, match="empty"):
        clear(everything=True)


def test_a_link_is_deleted_and_what_it_leads_to_is_not(tmp_path, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("disk")
    cached = build()
    moved = shutil.move(cached.folder, elsewhere / "moved")
    cached.folder.symlink_to(moved)
    (tmp_path / "verified").mkdir(exist_ok=True)
    (tmp_path / "verified" / "0123456789abcdef.json").symlink_to(elsewhere / "moved" / "manifest.json")
    assert contents().datasets[0].name == "made/up"
    assert clear(everything=True) == 0
    assert (elsewhere / "moved" / "manifest.json").exists() and not cached.folder.is_symlink()


@pytest.mark.parametrize("name", ["cifar", "made/upp", "nowhere/x/y", "a://b"])
def test_a_name_that_is_not_cached_is_refused_with_those_that_are(name):
    build()
    with pytest.raises(InputError, match=r"no cached dataset .*made/up"):
        clear(name)
    with pytest.raises(InputError, match="--all both select"):
        clear(name, everything=True)
