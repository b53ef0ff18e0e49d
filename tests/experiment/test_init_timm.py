"""--init with weights of timm: renamed for our ViTs and loaded unchanged, and refused by name where they do not fit."""

import dataclasses

import pytest
import torch
from safetensors.torch import save, save_file

from app import models
from app.errors import InputError
from app.experiment import initial
from app.experiment import run as experiment
from app.models import names

from .runs import TINY, Quiet, train

pytestmark = pytest.mark.usefixtures("cache_folder")
LAYERS = {"vit_classic": {}, "vit_differential": {"attn_layer": "diff"}}


def of_timm(config, **more):
    """timm's model of a config's shape, in eval mode."""
    import timm

    shape = config.shape
    arguments = {
        "img_size": config.image, "patch_size": shape.patch, "embed_dim": shape.d_model, "depth": shape.depth,
        "num_heads": shape.heads, "in_chans": config.channels, "num_classes": config.classes,
    } | LAYERS[config.model] | more  # fmt: skip
    return timm.create_model("vit_base_patch16_224", **arguments).eval()


def loaded(config, path):
    """Our model with the weights of a file, as a run starts."""
    found = initial.found(str(path), path.parent, print)
    model = models.build(config, attention_path="plain").eval()
    initial.load(model, dataclasses.replace(config, init_sha256=found.sha256), experiment.Options(init=str(path)))
    return model


@pytest.mark.parametrize("model", LAYERS)
def test_timm_s_weights_give_timm_s_logits(tmp_path, model):
    config = experiment.plan(TINY | {"model": model}, Quiet())
    theirs = of_timm(config)
    save_file(theirs.state_dict(), path := tmp_path / "timm.safetensors")
    images = torch.randn(5, *config.input_shape)
    with torch.no_grad():
        wanted, found = theirs(images), loaded(config, path)(images)
    assert torch.allclose(found, wanted, atol=1e-6 * wanted.abs().max().item(), rtol=0)


@pytest.mark.parametrize("model", LAYERS)
def test_weights_that_were_renamed_for_timm_come_back_byte_for_byte(tmp_path, model):
    config = experiment.plan(TINY | {"model": model}, Quiet())
    ours = models.build(config, attention_path="plain").state_dict()
    save_file({names.in_timm(name): tensor for name, tensor in ours.items()}, path := tmp_path / "x.safetensors")
    again = loaded(config, path).state_dict()
    assert save(again) == save(dict(ours))


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"img_size": 16}, "positions is 1 x 17 x 64, the model's is 1 x 5 x 64"),
        ({"depth": 3}, "unexpected (blocks."),
        ({"init_values": 1e-5}, "unexpected (blocks.0.ls1.gamma"),
        ({"class_token": False, "global_pool": "avg"}, "missing (cls"),
    ],
)
def test_weights_of_another_timm_model_are_refused_by_name(tmp_path, more, says):
    config = experiment.plan(TINY | {"model": "vit_classic"}, Quiet())
    save_file(of_timm(config, **more).state_dict(), path := tmp_path / "timm.safetensors")
    with pytest.raises(InputError) as refused:
        loaded(config, path)
    assert says in str(refused.value)


def test_a_head_for_other_classes_is_replaced(tmp_path):
    config = experiment.plan(TINY | {"model": "vit_classic"}, Quiet())
    save_file(of_timm(config, num_classes=7).state_dict(), path := tmp_path / "timm.safetensors")
    assert initial.require_fit(initial.found(str(path), tmp_path, print), config) == "replaced"


@pytest.mark.parametrize(
    ("where", "says"),
    [
        ("timm/vit_none", "timm has no model 'vit_none'"), ("hf-hub:name", "hf-hub:owner/name"),
        ("timm/vit_base_patch16_xp_224", "no weights for vit_base_patch16_xp_224. Omit --init"),
    ],
)  # fmt: skip
def test_published_weights_that_do_not_exist_are_refused(tmp_path, where, says):
    with pytest.raises(InputError) as refused:
        initial.found(where, tmp_path, print)
    assert says in str(refused.value)


@pytest.mark.slow
def test_a_repository_for_timm_on_the_hub_starts_a_run(online, tmp_path):
    config = experiment.plan(TINY | {"model": "vit_classic"}, Quiet())
    online.create("tester/timm")
    online.commit("tester/timm", {"model.safetensors": save(of_timm(config).state_dict())})
    run = train(tmp_path, model="vit_classic", init="hf-hub:tester/timm", options={"init": "hf-hub:tester/timm"})
    assert run.record.init.source == "hf-hub:tester/timm" and run.record.init.head == "kept"
    assert run.record.init.sha256 == run.config.init_sha256
    online.create("tester/none")
    with pytest.raises(InputError, match=r"has no model\.safetensors"):
        initial.found("hf-hub:tester/none", tmp_path, print)
