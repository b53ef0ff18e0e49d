"""A dataset that the small Hub serves from a folder, read by `datasets` in a process of its own."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from hub.server import HubServer

STREAM = """
import json, sys
from datasets import load_dataset, load_dataset_builder
sha = sys.argv[1]
features = load_dataset_builder("alice/shapes").info.features
rows = list(load_dataset("alice/shapes", split="train", streaming=True, revision=sha))
print(json.dumps({"labels": features["label"].names, "rows": [[row["label"], row["image"].size] for row in rows]}))
"""


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with HubServer() as server:
        yield server


@pytest.mark.slow
def test_a_dataset_streams_from_its_folder_pinned_by_sha(hub: HubServer, tmp_path: Path) -> None:
    rows = [(index % 2, (8 + index, 8)) for index in range(6)]
    write_dataset(tmp_path / "one" / "alice" / "shapes", rows)
    write_dataset(tmp_path / "two", rows[:3])
    hub.serve_datasets(tmp_path / "one")
    sha = hub.commits("alice/shapes", kind="dataset")[0].id
    assert hub.add_dataset("alice/shapes", tmp_path / "two") != sha
    with HubServer() as other:
        assert other.add_dataset("alice/again", tmp_path / "one" / "alice" / "shapes") == sha
    environment = {**os.environ, **hub.environment(token=None, home=tmp_path / "home")}
    command = [sys.executable, "-c", STREAM, sha]
    result = subprocess.run(command, env=environment, check=False, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    expected = {"labels": ["disc", "square"], "rows": [[label, list(size)] for label, size in rows]}
    assert json.loads(result.stdout) == expected


def write_dataset(folder: Path, rows: list[tuple[int, tuple[int, int]]]) -> None:
    """A card and one parquet file of images and labels, as on the Hub."""
    images = []
    for label, size in rows:
        Image.new("RGB", size, (255 * label, 0, 0)).save(png := io.BytesIO(), "png")
        images.append({"bytes": png.getvalue(), "path": None})
    (folder / "data").mkdir(parents=True)
    pq.write_table(
        pa.table({"image": images, "label": [label for label, _ in rows]}), folder / "data" / "train-00000.parquet"
    )
    (folder / "README.md").write_text("""---
dataset_info:
  features:
  - name: image
    dtype: image
  - name: label
    dtype:
      class_label:
        names:
          '0': disc
          '1': square
configs:
- config_name: default
  data_files:
  - split: train
    path: data/train-*
---
""")
