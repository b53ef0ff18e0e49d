"""The model that CONTRIBUTING adds as an example, added as it stands."""

import re
import textwrap
from pathlib import Path
from types import SimpleNamespace

import torch
from torch import nn

from app import models
from app.config import DatasetFacts, resolve
from app.tables import models as tables
from app.tables.families import Family
from app.tables.models import ModelRow
from app.tables.shape import Shape

TEXT = (Path(__file__).resolve().parents[2] / "CONTRIBUTING.md").read_text()


def test_the_example_of_a_family_is_built_counted_and_grown_to_a_budget(monkeypatch):
    code = textwrap.dedent(re.search(r"( +)```python\n(.*?)\n +```", TEXT, re.S)[2])
    files, rows = code.split("\n\n\nFamily(")
    names = {"nn": nn, "Shape": Shape, "Family": Family, "ModelRow": ModelRow}
    exec(files, names)
    names["perceptron"] = SimpleNamespace(parameters=names["parameters"])
    family, row = ("Family(" + rows).split("\nModelRow(")
    monkeypatch.setitem(tables.FAMILIES, "perceptron", eval(family, names))
    monkeypatch.setitem(tables.MODELS, "perceptron", eval("ModelRow(" + row, names))
    monkeypatch.setitem(models._FAMILIES, "perceptron", names["Perceptron"])
    facts = DatasetFacts(name="cifar10", classes=10, native=32)
    for size in ({}, {"size": "10M"}):
        config = resolve({"model": "perceptron", "image": 32, **size}, facts)
        model = models.build(config, attention_path="none")
        assert models.count(model) == config.parameters
        assert model(torch.zeros(2, 3, 32, 32)).shape == (2, 10)
    assert abs(config.parameters / 10e6 - 1) < 0.001
