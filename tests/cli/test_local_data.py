"""A run on a folder of images: where its data lies is no part of it, what the data is, is."""

import json
import re
import shutil

from data.pictures import write_parquet

TRAIN = (
    "train --dataset ./pets --image 16 --patch 4 --size 100K --d-model 64 --epochs 1 --batch-size 16 --augment none "
    "--threads 1"
)


def test_a_run_on_a_folder_that_moved_is_evaluated_again_where_the_folder_is_now(call, work, tmp_path, monkeypatch):
    monkeypatch.setenv("ISOSCALE_CACHE", str(tmp_path / "cache"))
    for split, first in (("train", 0), ("test", 100)):
        write_parquet(work / "pets" / f"{split}-0.parquet", ["cat", "dog"] * 20, first=first)
    assert call(TRAIN).code == 0
    before = json.loads(call("evaluate checkpoints --json").out)
    (work / "pets").rename(tmp_path / "moved")
    shutil.rmtree(tmp_path / "cache")
    lost = call("evaluate checkpoints --again")
    assert lost.code == 2 and re.search(
        r"the folder \./pets of local/pets does not exist in .*evaluate --data FOLDER", lost.err
    )
    assert json.loads(call(f"evaluate checkpoints --again --data {tmp_path / 'moved'} --json").out) == before
    write_parquet(tmp_path / "moved" / "test-0.parquet", ["cat", "dog"] * 20, first=500)
    other = call(f"evaluate checkpoints --again --data {tmp_path / 'moved'}")
    assert other.code == 2 and "is not the data that the run was made with" in other.err
