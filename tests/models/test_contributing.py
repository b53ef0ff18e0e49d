"""The model that CONTRIBUTING adds as an example, added as it stands."""

import re
import textwrap
from math import prod
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from app import counts, models
from app.config.facts import DatasetFacts
from app.config.run import resolve
from app.tables import families
from app.tables import models as tables
from app.tables.families import FamilyRow
from app.tables.models import ModelRow
from app.tables.ranges import MOST, check_positive
from app.tables.shape import Extent, Shape, extent, require
from tests.models import test_every_model as every

TEXT = (Path(__file__).resolve().parents[2] / "CONTRIBUTING.md").read_text()


@pytest.fixture(autouse=True)
def example(monkeypatch):
    """The example's family and row, registered."""
    code = textwrap.dedent(re.search(r"( +)```python\n(.*?)\n +```", TEXT, re.S)[2])
    files, family, row = re.split(r"\n\n\n(?=FamilyRow\(|ModelRow\()", code)
    names = {"nn": nn, "Shape": Shape, "FamilyRow": FamilyRow, "ModelRow": ModelRow}
    names |= {"Extent": Extent, "extent": extent, "prod": prod}
    names |= {"MOST": MOST, "check_positive": check_positive, "require": require}
    exec(files, names)
    monkeypatch.setitem(families.FAMILIES, "perceptron", eval(family, names))
    monkeypatch.setitem(tables.MODELS, "perceptron", eval(row, names))
    monkeypatch.setitem(models._FAMILIES, "perceptron", names["Perceptron"])
    monkeypatch.setitem(counts.CLOSED, "perceptron", SimpleNamespace(**{name: names[name] for name in counts.COUNTS}))


def test_the_example_of_a_family_is_built_counted_and_grown_to_a_budget():
    facts = DatasetFacts(name="cifar10", classes=10, native=32)
    for size in ({}, {"size": "10M"}):
        config = resolve({"model": "perceptron", "image": 32, **size}, facts)
        model = models.build(config, attention_path="none")
        assert models.count(model) == config.parameters
        assert model(torch.zeros(2, 3, 32, 32)).shape == (2, 10)
    assert abs(config.parameters / 10e6 - 1) < 0.001


def test_the_example_holds_what_every_registered_model_must_hold():
    every.test_closed_forms_equal_the_built_model("perceptron")
    every.test_closed_forms_hold_on_fields_that_are_no_square_or_it_says_why_not("perceptron")
    every.test_a_hundred_steps_learn_sixteen_examples("perceptron")
    every.test_a_state_round_trips_and_evaluation_is_deterministic("perceptron")
    every.test_no_norm_bias_position_token_or_scalar_is_decayed("perceptron")
