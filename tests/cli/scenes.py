"""What is wrong before a command is given: damaged runs, datasets nobody can train on, Hubs that refuse."""

from __future__ import annotations

import io
import json
import shutil
from collections import namedtuple
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
from online import lead_to
from PIL import Image
from pyarrow import parquet
from report import reseeded, seeds_of
from safetensors.torch import save_file
from torch import zeros

from app.artifacts.paths import RunFiles, find_runs, read_record, write_record

# the empty folder that the command runs in, pytest's monkeypatch, the small Hub, a finished run's checkpoints folder
Scene = namedtuple("Scene", "work patch hub trained")


def a_run(scene: Scene) -> RunFiles:
    """A finished run under ./checkpoints."""
    shutil.copytree(scene.trained, scene.work / "checkpoints")
    return find_runs(scene.work / "checkpoints")[0].files


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def truncated_weights(scene: Scene) -> None:
    _cut(a_run(scene).weights)


def truncated_predictions(scene: Scene) -> None:
    _cut(a_run(scene).predictions)


def truncated_record(scene: Scene) -> None:
    _cut(a_run(scene).record)


def damaged_log(scene: Scene) -> None:
    files = _of_beginning(scene, "0", 1)[0]
    files.log.write_bytes(files.log.read_bytes().replace(b"split", b"spli\xff", 3))


def _of_beginning(scene: Scene, beginning: str, runs: int) -> list[RunFiles]:
    """Finished runs under ./checkpoints whose ids begin so, and none else."""
    one = find_runs(scene.trained)[0]
    folder = scene.work / "checkpoints" / one.config.model
    return [reseeded(one, folder, seed).files for seed in islice(seeds_of(one, beginning), runs)]


def edited_record(scene: Scene) -> None:
    path = a_run(scene).record
    path.write_text(path.read_text().replace('"heads": ', '"haeds": '))


def foreign_weights(scene: Scene) -> None:
    save_file({"head.weight": zeros(3)}, a_run(scene).weights)


def lost_weights(scene: Scene) -> None:
    a_run(scene).weights.unlink()


def unfinished(scene: Scene) -> None:
    path = a_run(scene).record
    write_record(path, read_record(path) | {"status": "running"})


def two_runs_of_one_beginning(scene: Scene) -> None:
    _of_beginning(scene, "0", 2)


def incomplete_record(scene: Scene) -> None:
    """A run's record without its schedule."""
    path = a_run(scene).record
    path.write_text(
        json.dumps({name: part for name, part in json.loads(path.read_text()).items() if name != "schedule"})
    )


def renamed_record(scene: Scene) -> None:
    """As a browser names a second download."""
    path = a_run(scene).record
    path.rename(path.with_name(f"{path.stem} (1).json"))


def damaged_cache(scene: Scene) -> None:
    """One bit of the largest file is wrong."""
    from app.system import home

    folder = shutil.copytree(home.root(), scene.work.parent / "damaged")
    scene.patch.setenv("ISOSCALE_CACHE", str(folder))
    largest = max(folder.rglob("digits*/*"), key=lambda path: path.stat().st_size)
    content = bytearray(largest.read_bytes())
    content[-1] ^= 1
    largest.write_bytes(content)


def full_disk(scene: Scene) -> None:
    usage = namedtuple("usage", "total used free")
    scene.patch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9, 1000))


def png(value: int = 0) -> bytes:
    Image.fromarray(np.full((8, 8, 3), value, np.uint8)).save(file := io.BytesIO(), "png")
    return file.getvalue()


def table(folder: Path, split: str, labels: list, **columns: list) -> None:
    """A parquet file of one split, an image to each label."""
    folder.mkdir(exist_ok=True)
    images = [{"bytes": png(5 * index % 251), "path": None} for index in range(len(labels))]
    parquet.write_table(pa.table({"image": images, "label": labels, **columns}), folder / f"{split}-0.parquet")


def pictures(scene: Scene) -> None:
    """An image folder that can be trained on."""
    for index in range(40):
        path = scene.work / "pets" / "train" / ("cat", "dog")[index % 2] / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(5 * index))


def a_picture_that_is_none(scene: Scene) -> None:
    pictures(scene)
    (scene.work / "pets" / "train" / "cat" / "0.png").write_bytes(png()[:40])


def a_class_that_train_lacks(scene: Scene) -> None:
    table(scene.work / "pets", "train", ["cat", "dog"] * 20)
    table(scene.work / "pets", "test", ["cat", "cow"] * 5)


def a_test_split_without_labels(scene: Scene) -> None:
    table(scene.work / "pets", "train", [0, 1] * 20)
    table(scene.work / "pets", "test", [-1] * 10)


def a_group_in_two_splits(scene: Scene) -> None:
    table(scene.work / "pets", "train", [0, 1] * 20, patient=[f"p{index // 4}" for index in range(40)])
    table(scene.work / "pets", "test", [0, 1] * 5, patient=["p3"] * 10)


def one_class(scene: Scene) -> None:
    table(scene.work / "pets", "train", ["cat"] * 40)


def an_empty_folder(scene: Scene) -> None:
    (scene.work / "pets").mkdir()


def a_file(scene: Scene) -> None:
    (scene.work / "a-file").write_text("not a folder\n")


def silent_hub(scene: Scene) -> None:
    lead_to("http://127.0.0.1:9", scene.patch)


def a_hub(scene: Scene, **who: str) -> None:
    """A Hub on which tester/runs and alice/hers are."""
    for repository in ("tester/runs", "alice/hers"):
        scene.hub.create(repository)
    a_run(scene)
    lead_to(scene.hub.url, scene.patch, **who)


def no_token(scene: Scene) -> None:
    a_hub(scene, token="")


def wrong_token(scene: Scene) -> None:
    a_hub(scene, token="hf_wrong")


def read_only_token(scene: Scene) -> None:
    a_hub(scene, token="hf_read")


def the_repository_of_another(scene: Scene) -> None:
    a_hub(scene, repository="alice/hers")


def no_repository(scene: Scene) -> None:
    a_hub(scene, repository="")


def a_repository_that_is_none(scene: Scene) -> None:
    a_hub(scene, repository="my runs")
