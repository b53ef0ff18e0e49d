"""The names of a ViT's tensors in timm and transformers: every name has one, and timm's lead back."""

import pytest
import torch

from app import models
from app.config.facts import dataset_facts
from app.config.run import resolve
from app.models import names
from app.tables.datasets import DATASETS

VITS = {
    "vit_classic": {"size": "1M"}, "vit_differential": {"size": "1M"}, "vit": {}, "simplevit": {},
    "vit_differential_h32": {"size": "10M"},
}  # fmt: skip


def shapes(model):
    config = resolve({"dataset": "cifar10", "model": model, **VITS[model]}, dataset_facts(DATASETS["cifar10"]))
    return models.tensor_shapes(config), config.shape.pooling == "mean"


@pytest.mark.parametrize("model", VITS)
def test_timm_s_names_are_distinct_and_lead_back_to_ours(model):
    ours, pooled = shapes(model)
    theirs = [names.in_timm(name, pooled=pooled) for name in ours]
    assert len({*theirs}) == len(ours) and names.are_of_timm(theirs) and not names.are_of_timm(ours)
    assert [names.from_timm(name, pooled=pooled) for name in theirs] == [*ours]
    assert not [name for name in theirs if name.startswith(("patches", "positions")) or "attention" in name]


def test_transformers_gets_queries_keys_and_values_apart():
    ours, _ = shapes("vit_classic")
    theirs = names.in_transformers({name: torch.arange(shape[0]).float() for name, shape in ours.items()})
    assert len(theirs) == len(ours) + 2 * 2 * 5  # weight and bias of five blocks, in three parts
    assert theirs["vit.encoder.layer.4.attention.attention.key.weight"].tolist() == [*range(128, 256)]
    assert {name.split(".")[0] for name in theirs} == {"vit", "classifier"}
    assert not [name for name in theirs if "qkv" in name or "blocks" in name]
