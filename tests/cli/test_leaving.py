"""The end of a process: its exit code arrives whatever threads are left."""

import os
import subprocess
import sys

import pytest

LEFT_EARLY = """
import sys
from app import data
from app.cli import leave
from app.data.sources.folders import open_folder

source = open_folder(data.ask_of({"dataset": sys.argv[1]}, path=sys.argv[1]))
rows = source.examples("train")
[next(rows) for _ in range(70)]
print("said")
leave(75)
"""


@pytest.mark.slow
def test_a_stream_that_was_left_early_neither_hangs_nor_changes_the_exit_code(tmp_path):
    import datasets

    rows = {"image": [{"bytes": os.urandom(20_000), "path": None} for _ in range(2000)], "label": [0, 1] * 1000}
    features = datasets.Features(image=datasets.Image(), label=datasets.ClassLabel(names=["a", "b"]))
    table = datasets.Dataset.from_dict(rows, features=features)
    for part in range(3):
        table.to_parquet(str(tmp_path / f"train-{part}.parquet"), batch_size=50)
    ended = subprocess.run(
        [sys.executable, "-c", LEFT_EARLY, str(tmp_path)], capture_output=True, text=True, timeout=120, check=False
    )
    assert (ended.returncode, ended.stdout) == (75, "said\n"), ended.stderr


def test_without_datasets_a_process_ends_as_python_does(monkeypatch):
    from app.cli import leave

    monkeypatch.delitem(sys.modules, "datasets", raising=False)
    with pytest.raises(SystemExit) as ended:
        leave(3)
    assert ended.value.code == 3
