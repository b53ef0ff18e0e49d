"""The loader of docs/use.md, as it is written there, gives the classes of `predict` in a process without torch."""

import csv
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from app.artifacts.predictions import Predictions
from app.cli import main

PAGE = Path(__file__).resolve().parents[2] / "docs" / "use.md"
LOADER = re.search(r"```python\n(import json.*?)```", PAGE.read_text(), flags=re.S)[1]


def test_the_loader_has_twenty_lines_and_three_packages():
    assert len(LOADER.splitlines()) <= 20
    modules = set(re.findall(r"^(?:import|from) (\w+)", LOADER, flags=re.M))
    assert modules == {"json", "sys", "numpy", "onnxruntime", "PIL"}


@pytest.mark.slow
def test_the_loader_answers_as_predict(work, trained):
    pytest.importorskip("onnxscript")
    words = ["export", str(trained), "--format", "onnx", "--preprocess", "--softmax", "--out", "model.onnx"]
    assert main(words) == 0
    record = next(trained.rglob("model_*.json"))
    rows = Predictions.load(record.with_name(f"{record.stem}_predictions.parquet")).rows[:12]
    (work / "new").mkdir()
    for row in rows:
        image = Image.fromarray(np.rint(load_digits().images[row] * (255 / 16)).astype(np.uint8))
        image.resize((8 + row % 30, 20)).convert("RGB" if row % 2 else "L").save(work / "new" / f"{row}.png")
    assert main(["predict", str(trained), "new", "--out", "found"]) == 0
    with (work / "found.csv").open(newline="") as file:
        wanted = {row["path"]: (row["class"], float(row["probability"])) for row in csv.DictReader(file)}
    code = LOADER + "\nassert 'torch' not in sys.modules\n"
    ended = subprocess.run([sys.executable, "-P", "-c", code, *wanted], capture_output=True, text=True, check=True)
    found = [line.split() for line in ended.stdout.splitlines()]
    assert len(found) == 12
    for path, name, percent, _ in found:
        assert name == wanted[path][0] and abs(float(percent) - 100 * wanted[path][1]) < 0.01
