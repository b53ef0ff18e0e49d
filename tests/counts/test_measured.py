"""Counts of what timm builds: those of the very model, whether measured now or remembered."""

import json
import subprocess
import sys

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from app import models
from app.counts import builders, family_of, measured, meta
from app.tables.families import FAMILIES
from app.tables.models import MODELS, model_row

TIMMS = [row.name for row in MODELS.values() if not family_of(row.name).closed]
QUICK = ("mlpmixer", "vgg", "timm/test_resnet")  # the others are slow tests
IMAGE = {"mobilevit": 64}  # pixels; others take 32


@pytest.fixture(autouse=True)
def fresh(tmp_path, monkeypatch):
    """A cache folder of the test's own, and nothing in this process's memory."""
    monkeypatch.setenv("ISOSCALE_CACHE", str(tmp_path))
    measured._found.cache_clear()
    yield tmp_path
    measured._found.cache_clear()


def shape_of(model, image=None, **more):
    row, family = model_row(model), family_of(model)
    image = image or IMAGE.get(row.family, 32)
    return family.shape({**row.cells, "image": image, "channels": 3, "classes": 10, **more})


def test_every_family_of_timm_s_is_built_counted_and_checked():
    timms = {name for name in FAMILIES if name not in ("vit", "t2t", "cnn", "resnet", "resnet1d", "own")}
    assert {MODELS[name].family for name in TIMMS} | {"timm"} == timms
    assert builders.CONSTRUCTORS.keys() | {"timm"} == timms


@pytest.mark.parametrize(
    "model",
    [
        pytest.param(each, marks=() if each in QUICK else pytest.mark.slow)
        for each in (*TIMMS, "timm/test_vit", "timm/test_resnet")
    ],
)
def test_what_is_counted_is_what_is_built(model):
    shape, family = shape_of(model), family_of(model)
    cells = {name: getattr(shape, name) for name in ("image", "channels", "classes", *family.cells)}
    with torch.device("meta"):
        built = models.constructor(model_row(model))(**cells).eval()
        with FlopCounterMode(display=False) as counted:
            assert built(torch.empty(1, 3, shape.image, shape.image)).shape == (1, 10)
    assert family.parameters(shape) == models.count(built)
    assert family.flops(shape) == counted.get_total_flops()


def test_a_build_without_initialisation_has_the_same_parameters_and_buffers():
    for model in ("cait", "swin", "mobilevit", "vgg"):
        shape = shape_of(model)
        cells = {name: getattr(shape, name) for name in ("image", "channels", "classes", *family_of(model).cells)}
        with torch.device("meta"):
            plain = models.constructor(model_row(model))(**cells).state_dict()
        unset = meta.built(lambda: models.constructor(model_row(model))(**cells)).state_dict()  # noqa: B023
        assert {name: (each.shape, each.dtype) for name, each in plain.items()} == {
            name: (each.shape, each.dtype) for name, each in unset.items()
        }


def test_equal_builds_are_counted_once(monkeypatch):
    times = []
    monkeypatch.setattr(meta, "counted", lambda *a, counted=meta.counted: times.append(1) or counted(*a))
    for _ in range(2):
        family = family_of("vgg")
        shape = shape_of("vgg", width=4)
        assert family.flops(shape) > 0 and family.tokens(shape) == 1
    assert len(times) == 1
    family.flops(shape_of("vgg", width=5))
    assert len(times) == 2


def test_a_remembered_count_needs_no_torch_and_another_version_measures_again(fresh, monkeypatch):
    family, shape = family_of("vgg"), shape_of("vgg", width=4)
    found = (family.parameters(shape), family.flops(shape), family.activation_bytes(shape, maps_kept=True))
    code = f"""
import sys
from app.counts import family_of
family = family_of("vgg")
shape = family.shape(dict(image=32, channels=3, classes=10, width=4))
assert (family.parameters(shape), family.flops(shape), family.activation_bytes(shape, maps_kept=True)) == {found}
assert not {{"torch", "timm", "numpy"}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    assert len(list((fresh / "measured").iterdir())) == 2
    measured._found.cache_clear()
    monkeypatch.setattr(measured, "_versions", lambda: {"timm": "another"})
    assert family.parameters(shape) == found[0]
    assert len(list((fresh / "measured").iterdir())) == 3


def test_a_remembered_count_that_is_damaged_is_measured_again(fresh):
    family, shape = family_of("vgg"), shape_of("vgg", width=4)
    count = family.parameters(shape)
    (file,) = (fresh / "measured").iterdir()
    for damaged in ("", "{", json.dumps({"key": {}, "found": 1})):
        file.write_text(damaged)
        measured._found.cache_clear()
        assert family.parameters(shape) == count


def test_a_folder_that_cannot_be_written_is_no_error(fresh, monkeypatch):
    (fresh / "file").write_text("")
    monkeypatch.setenv("ISOSCALE_CACHE", str(fresh / "file" / "below"))
    assert family_of("vgg").parameters(shape_of("vgg", width=4)) > 0
