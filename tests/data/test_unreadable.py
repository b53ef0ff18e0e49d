"""Images that cannot be read: all of them in one sentence, or skipped by name where a command asks for it."""

import dataclasses
import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app.data.store import decode
from app.data.store.decode import stored

from .pictures import encoded, noise, write_hub, write_images, write_parquet
from .reading import Reading, refused

ROOT = Path(__file__).parents[2]
WHOLE = encoded(noise(1, size=(64, 64)), "jpeg")
BROKEN = {
    "empty": b"",
    "a web page": b"<html><title>404</title></html>",
    "a truncated jpeg": WHOLE[: len(WHOLE) // 2],
    "a truncated png": encoded(noise(2, size=(64, 64)))[:-40],
    "a truncated gif": encoded(noise(2, size=(64, 64)), "gif")[:200],
    "a truncated webp": encoded(noise(2, size=(64, 64)), "webp")[:200],
    "a truncated tiff": encoded(noise(2, size=(64, 64)), "tiff")[:200],
    "a header alone": encoded(noise(3))[:33],
    "floating-point numbers": encoded(noise(4, channels=1).astype(np.float32), "tiff"),
    "a decompression bomb": b"P5 200000 1000 255 ",
    "a truncated 16-bit png": encoded(noise(5, channels=1).astype(np.uint16))[:-30],
    "a truncated 16-bit pgm": b"P5 9 9 65535 " + bytes(100),
}


def folder_with(root, broken, *, splits=("train", "test")):
    """An image folder of two classes in which some files have other content, by name."""
    write_images(root, splits=splits)
    for name, content in broken.items():
        (root / name).write_bytes(content)
    return root


def spread(first=0):
    """Every kind of broken file, over both classes of train."""
    return {f"train/{('cat', 'dog')[number % 2]}/{first + number // 2:02}.png": content
            for number, content in enumerate(BROKEN.values())}  # fmt: skip


def test_all_are_reported_in_one_pass_with_their_reasons(tmp_path):
    broken = spread()
    sentence = refused(folder_with(tmp_path / "pets", broken))
    assert sentence.startswith("12 of 48 images of local/pets cannot be read: ")
    named = sorted(broken, key=lambda name: (name.split("/")[1], name))[:10]
    assert all(f"{name} (row " in sentence for name in named) and "; and 2 more. " in sentence
    assert "there is no image" in sentence and "--skip-unreadable" in sentence


@pytest.mark.parametrize("kind", BROKEN)
def test_each_kind_is_one_unreadable_image(tmp_path, kind):
    folder = folder_with(tmp_path / "pets", {"test/cat/03.png": BROKEN[kind]})
    assert refused(folder).startswith("1 of 48 images of local/pets cannot be read: test/cat/03.png (row 3 of test): ")
    reading = Reading(folder, skip_unreadable=True)
    assert reading.manifest["rows"] == {"test": 23, "train": 24}
    assert [name.partition(": ")[0] for name in reading.manifest["left_out"]] == ["test/cat/03.png (row 3 of test)"]
    assert reading.cached.array("test", "rows").tolist() == [row for row in range(24) if row != 3]


def test_those_that_are_skipped_are_said_counted_and_part_of_the_run_s_name(tmp_path):
    folder = folder_with(tmp_path / "pets", spread())
    skipping = Reading(folder, skip_unreadable=True)
    said = next(text for text in skipping.said if "skipped" in text)
    assert said.startswith("12 images of local/pets cannot be read and are skipped: ") and "; and 2 more" in said
    assert len(skipping.manifest["left_out"]) == 12 and skipping.manifest["unlabelled"] == {"test": 0, "train": 0}
    assert skipping.manifest["rows"] == {"test": 24, "train": 12}
    record = skipping.splits().record
    assert sum(record["rows"].values()) == 36
    assert skipping.config.run_id != dataclasses.replace(skipping.config, skip_unreadable=False).run_id


def test_the_rows_that_stay_keep_their_pixels_labels_and_numbers(tmp_path):
    folder = folder_with(tmp_path / "pets", {"train/cat/00.png": b"", "train/dog/05.png": b"no"})
    cached = Reading(folder, skip_unreadable=True).cached
    seeds = list(range(1, 12)) + [1000 + row for row in range(12) if row != 5]
    assert np.array_equal(cached.images("train"), np.stack([noise(seed).transpose(2, 0, 1) for seed in seeds]))
    assert cached.array("train", "labels").tolist() == [0] * 11 + [1] * 11


def test_nothing_is_cached_of_a_refused_dataset(tmp_path, monkeypatch):
    monkeypatch.setenv("ISOSCALE_CACHE", str(tmp_path / "cache"))
    folder = folder_with(tmp_path / "pets", {"train/cat/00.png": b""})
    refused(folder)
    there = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert all(path.name.endswith(".lock") for path in there)
    assert Reading(folder, skip_unreadable=True).cached.folder.parent == tmp_path / "cache" / "data"


def test_a_row_of_a_table_is_named_by_its_number_and_its_path(tmp_path):
    image = [{"bytes": encoded(noise(row)), "path": f"scan {row}.png"} for row in range(20)]
    image[4], image[7], image[9] = None, {"bytes": b"", "path": "scan 7.png"}, {"bytes": None, "path": None}
    write_parquet(tmp_path / "set" / "train.parquet", [0, 1] * 10, image=image)
    sentence = refused(tmp_path / "set")
    assert sentence.startswith("3 of 20 images of local/set cannot be read: row 4 of train: there is no image; ")
    assert "scan 7.png (row 7 of train): there is no image; row 9 of train: there is no image. " in sentence
    assert Reading(tmp_path / "set", skip_unreadable=True).manifest["rows"] == {"train": 17}


def test_a_dataset_as_on_the_hub_is_skipped_in_row_by_row(tmp_path):
    images = {"train": [{"bytes": encoded(noise(row)), "path": None} for row in range(20)]}
    images["train"][11] = {"bytes": b"half", "path": None}
    folder = write_hub(tmp_path / "set", {"train": [0, 1] * 10}, ["a", "b"], image=images)
    assert "row 11 of train: the bytes are not a readable image" in refused(folder)
    assert Reading(folder, skip_unreadable=True).manifest["left_out"][0].startswith("row 11 of train: ")


def test_a_row_without_a_label_is_not_looked_at(tmp_path):
    images = {"train": [{"bytes": encoded(noise(row)), "path": None} for row in range(20)]}
    images["train"][3] = {"bytes": b"half", "path": None}
    labels = [0, 1] * 10
    labels[3] = -1
    reading = Reading(write_hub(tmp_path / "set", {"train": labels}, ["a", "b"], image=images))
    assert (reading.manifest["rows"], reading.manifest["unlabelled"]) == ({"train": 19}, {"train": 1})


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_that_may_not_be_read_is_one_unreadable_image(tmp_path):
    folder = folder_with(tmp_path / "pets", {})
    (folder / "train" / "cat" / "00.png").chmod(0)
    assert "train/cat/00.png (row 0 of train): its file cannot be opened" in refused(folder)


def test_a_table_that_names_a_missing_file_has_one_unreadable_image(tmp_path):
    folder = tmp_path / "set"
    image = [{"bytes": encoded(noise(row)), "path": None} for row in range(20)]
    image[2] = {"bytes": None, "path": str(folder / "gone.png")}
    write_parquet(folder / "train.parquet", [0, 1] * 10, image=image)
    assert "gone.png (row 2 of train): its file cannot be opened" in refused(folder)
    assert Reading(folder, skip_unreadable=True).manifest["rows"] == {"train": 19}


ALL_CATS = {f"train/cat/{number:02}.png": b"" for number in range(12)}
ALL_OF_TEST = {f"test/{name}/{number:02}.png": b"" for name in ("cat", "dog") for number in range(12)}


@pytest.mark.parametrize(
    ("broken", "gone"),
    [
        (ALL_CATS, "the class cat of the train split"),
        ({name.replace("train/cat", "test/dog"): b"" for name in ALL_CATS}, "the class dog of the test split"),
        (ALL_OF_TEST, "the test split"),
    ],
)
@pytest.mark.parametrize("skip", [True, False])
def test_a_class_or_a_split_that_would_vanish_is_refused_with_or_without_skipping(tmp_path, broken, gone, skip):
    sentence = refused(folder_with(tmp_path / "pets", broken), skip_unreadable=skip)
    assert f"and {gone} would be empty without them" in sentence and "--skip-unreadable" not in sentence


def test_a_string_label_that_would_vanish_is_refused(tmp_path):
    image = [{"bytes": encoded(noise(row)) if row else b"", "path": None} for row in range(20)]
    write_parquet(tmp_path / "set" / "train.parquet", ["emu"] + ["cat", "dog"] * 9 + ["cat"], image=image)
    assert "the class emu of the train split would be empty" in refused(tmp_path / "set", skip_unreadable=True)


def test_skipping_where_nothing_is_broken_changes_no_row(tmp_path):
    folder = write_images(tmp_path / "pets")
    plain, skipping = Reading(folder), Reading(folder, skip_unreadable=True)
    assert "left_out" not in skipping.manifest and skipping.manifest["rows"] == plain.manifest["rows"]
    assert np.array_equal(plain.cached.images("train"), skipping.cached.images("train"))


def test_skipping_has_no_effect_on_arrays_and_is_refused():
    assert "--skip-unreadable has no effect" in refused("digits", skip_unreadable=True)


def test_memory_that_runs_out_is_no_fault_of_an_image(monkeypatch):
    def short(*_):
        raise MemoryError

    monkeypatch.setattr(decode, "_opened", short)
    with pytest.raises(MemoryError):
        stored(encoded(noise(1)), side=8, channels=3)


def warned_of():
    """A whole TIFF picture with a tag of more bytes than the file has, of which Pillow warns."""
    content = bytearray(encoded(noise(1), "tiff", software="x" * 40))
    at = content.index(bytes([0x31, 0x01, 2, 0]))
    content[at + 4 : at + 8] = (2**24).to_bytes(4, "little")
    return bytes(content)


@pytest.mark.parametrize("filters", ["", "-Werror", "-Walways"])
def test_a_picture_that_pillow_warns_of_is_read_whatever_python_s_filters_say(tmp_path, filters):
    (tmp_path / "a.tif").write_bytes(warned_of())
    code = (
        "import sys; from pathlib import Path; from app.data.store.decode import stored\n"
        "print(stored(Path(sys.argv[1]).read_bytes(), side=16, channels=3).sum())"
    )
    command = [sys.executable, *filter(None, [filters]), "-c", code, str(tmp_path / "a.tif")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert (done.stdout.strip(), done.stderr) == (str(noise(1).astype(int).sum()), "")


def test_the_warning_of_that_picture_is_pillow_s_own():
    with pytest.warns(UserWarning), Image.open(io.BytesIO(warned_of())) as picture:
        picture.load()
