"""--kernel is the side of ConvMixer's depthwise convolutions: counts in closed form, run IDs, refusals."""

import pytest
import torch

from app import models
from app.config.facts import dataset_facts
from app.config.run import RunConfig, resolve
from app.errors import InputError
from app.tables.datasets import DATASETS

FACTS = dataset_facts(DATASETS["cifar10"])


def resolved(**more):
    return resolve({"model": "convmixer", **more}, FACTS)


def counted(*, d_model=256, depth=16, patch=1, kernel=8):
    """Stem, per layer a depthwise and a pointwise convolution, each with a bias and a batch norm, then the head."""
    norm = 2 * d_model
    layer = (kernel**2 + 1) * d_model + norm + (d_model + 1) * d_model + norm
    return (3 * patch**2 + 1) * d_model + norm + depth * layer + (d_model + 1) * 10


@pytest.mark.parametrize(
    "cells", [{}, {"kernel": 5}, {"kernel": 9, "d_model": 64, "depth": 3, "patch": 2}, {"kernel": 1}]
)
def test_the_parameters_are_those_of_the_closed_form(cells):
    config = resolved(**cells)
    with torch.device("meta"):
        assert models.count(models.build(config, attention_path="none")) == config.parameters == counted(**cells)


def test_8_is_the_zoo_s_and_the_default_and_another_kernel_another_run():
    assert resolved().run_id == resolved(kernel=8).run_id == "edf0932f" and resolved(kernel=7).run_id != "edf0932f"
    earlier = {name: value for name, value in resolved().to_json().items() if name != "kernel"}
    assert RunConfig.from_json(earlier).shape.kernel == 8


@pytest.mark.filterwarnings("ignore:Using padding=")
@pytest.mark.parametrize("kernel", [3, 4])
def test_it_reads_images_with_an_odd_and_an_even_kernel(kernel):
    config = resolved(kernel=kernel, d_model=8, depth=2, patch=4)
    assert models.build(config, attention_path="none")(torch.randn(2, 3, 32, 32)).shape == (2, 10)


@pytest.mark.parametrize(
    ("request_", "says"),
    [({"kernel": 0}, "kernel=0 is out of range"), ({"model": "vit", "kernel": 3}, "--kernel has no effect on vit")],
)
def test_a_kernel_without_effect_or_size_is_refused(request_, says):
    with pytest.raises(InputError, match=says):
        resolved(**request_)
