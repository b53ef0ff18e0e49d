"""What timm builds: the zoo's counts, every row at two sides, what is refused, and any model by name."""

import warnings
from functools import partial

import pytest
import timm
import torch
from safetensors.torch import save_file

from app import models, optim
from app.config import sizing
from app.counts import builders, family_of, meta
from app.errors import Explained, HubUnavailable, InputError
from app.models import zoo
from app.system import hub
from app.tables.models import ALIASES, MODELS, model_row
from app.tables.sizes import TOLERANCE, budget

ROWS = [row for row in MODELS.values() if row.family in builders.CONSTRUCTORS]
# at 32 px (mobilevit 64), 10 classes: ours, and by how much that is more than the zoo's; the rows' notes say why
COUNTS = {
    "cait": (12_685_162, -160),
    "cait_small": (10_585_962, 2_097_440),
    "swin": (27_491_860, 890_142),
    "convmixer": (1_339_402, 0),
    "mlpmixer": (1_819_530, 0),
    "mobilevit": (1_168_442, 153_770),
    "vgg": (20_040_522, 0),
}
SMALL = {  # cells that build in a moment
    "cait": {"patch": 8, "d_model": 32, "depth": 2, "heads": 2, "mlp_ratio": 1.0},
    "swin": {"patch": 2, "width": 6},
    "convmixer": {"patch": 4, "d_model": 8, "depth": 2},
    "mlpmixer": {"patch": 8, "d_model": 16, "depth": 2, "mlp_ratio": 0.5},
    "mobilevit": {"width": 4},
    "vgg": {"width": 4},
}
SIDES = {family: (64, 96) if family == "mobilevit" else (32, 64) for family in SMALL}
named_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
small_family = pytest.mark.parametrize("family", SMALL)


def small(family, *, image=None, **more):
    return builders.CONSTRUCTORS[family](
        image=image or SIDES[family][0], channels=3, classes=5, **{**SMALL[family], **more}
    )


@named_row
def test_a_row_counts_as_the_zoo_s_or_by_what_its_note_says(row):
    count, more = COUNTS[row.name]
    with torch.device("meta"):
        built = builders.CONSTRUCTORS[row.family](image=SIDES[row.family][0], channels=3, classes=10, **row.cells)
    assert models.count(built) == count
    assert more == 0 or f"{abs(more):,} parameters {'more' if more > 0 else 'fewer'} than the zoo's" in row.note


def test_the_pretrained_vit_s_shape_counts_as_the_zoo_s():
    name = ALIASES["vit_timm"].removeprefix("timm/")
    found = meta.counted(partial(builders.named, name=name, image=384, channels=3, classes=10), 3, 384)
    assert (found.parameters, found.tokens) == (86_098_186, 24**2 + 1)
    assert found.parameters - found.non_embedding == (16 * 16 * 3 + 1) * 768 + 768 + found.tokens * 768


@small_family
@pytest.mark.parametrize("which", [0, 1])
def test_forward_and_backward_reach_every_parameter_and_a_state_round_trips(family, which):
    torch.manual_seed(0)
    image = SIDES[family][which]
    model, again, images = (
        small(family, image=image).train(),
        small(family, image=image),
        torch.randn(2, 3, image, image),
    )
    logits = model(images)
    assert logits.shape == (2, 5)
    logits.square().sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    again.load_state_dict(model.state_dict())
    assert torch.equal(model.eval()(images), again.eval()(images))


@small_family
def test_dropout_has_effect_in_training_alone(family):
    torch.manual_seed(0)
    model, images = small(family, dropout=0.5), torch.randn(4, 3, *[SIDES[family][0]] * 2)
    torch.nn.init.ones_(model.get_classifier().weight)  # the mixer's starts at zero
    model.train()
    assert not torch.equal(model(images), model(images))
    model.eval()
    assert torch.equal(model(images), model(images))


@named_row
def test_no_norm_bias_position_or_class_token_decays(row):
    with torch.device("meta"):
        built = builders.CONSTRUCTORS[row.family](image=64, channels=3, classes=10, **row.cells)
    decayed, plain = optim.parameter_groups(built, 0.1)
    kinds = (torch.nn.LayerNorm, torch.nn.BatchNorm2d)
    norms = {f"{name}.{own}" for name, module in built.named_modules() if isinstance(module, kinds)
             for own, _ in module.named_parameters()}  # fmt: skip
    names = {name for name, _ in decayed["params"]}
    assert norms and not names & norms
    assert all(name.endswith("weight") for name in names)
    assert {name for name, _ in plain["params"]} | names == dict(built.named_parameters()).keys()


def test_timm_s_own_exemptions_hold_for_any_model_of_its():
    for name in (
        "beit_base_patch16_224",
        "swinv2_tiny_window8_256",
        "vit_small_patch16_dinov3",
        "deit_tiny_distilled_patch16_224",
    ):
        with torch.device("meta"):
            built = timm.create_model(name)
        decayed = {name for name, _ in optim.parameter_groups(built, 0.1)[0]["params"]}
        assert not decayed & built.no_weight_decay()
        assert not any(word in name for name in decayed for word in ("pos_embed", "token", "bias"))


@pytest.mark.parametrize("model", ["convmixer", "mlpmixer", "mobilevit", "vgg"])
def test_the_growth_axis_meets_a_budget(model):
    row = MODELS[model]
    family = family_of(model)
    shape = family.shape({**row.cells, "image": 64, "channels": 3, "classes": 10})
    value = sizing.nearest(family, shape, budget("10M"))
    found = family.parameters(sizing.grown(family, shape, value))
    assert abs(found / budget("10M") - 1) < TOLERANCE


@pytest.mark.parametrize(
    ("model", "cells", "says"),
    [
        ("mobilevit", {"image": 32}, r"image=32 is too small for mobilevit.*Use 33 or more.*32 is 64"),
        ("vgg", {"image": 28}, r"image=28 is too small for vgg.*Use 32 or more"),
        ("cait", {"patch": 5}, r"image=32 is not a multiple of patch=5. Use 4 or 8"),
        ("cait", {"heads": 7}, r"d_model=512 does not divide into heads=7 of cait. Use 4 or 8"),
        ("swin", {"patch": 3}, r"image=32 is not a multiple of patch=3"),
        ("swin", {"width": 100}, r"width=100 does not divide into swin's 3 heads. Use 99 or 102"),
        ("convmixer", {"patch": 3}, r"image=32 is not a multiple of patch=3"),
        ("convmixer", {"d_model": 0}, r"d_model=0 is out of range. Use a number above 0"),
        ("mlpmixer", {"patch": 7}, r"image=32 is not a multiple of patch=7"),
        ("mlpmixer", {"mlp_ratio": 0.001}, r"mlp_ratio=0.001 leaves the MLP without a hidden layer"),
    ],
)
def test_a_shape_that_cannot_be_built_is_refused_with_a_sentence(model, cells, says):
    row, family = MODELS[model], family_of(model)
    with pytest.raises(InputError, match=says):
        family.check(family.shape({"image": 32, "channels": 3, "classes": 10, **row.cells, **cells}))


def test_the_check_of_a_convmixer_prints_no_warning():
    """torch warns of the speed of even kernels, once per process, though nothing is computed."""
    model = partial(small, "convmixer", image=16)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        zoo.check_takes("convmixer", model, image=16, channels=3, classes=5)


@pytest.mark.parametrize("image", [33, 48, 64, 97])
def test_mobilevit_takes_every_image_from_33_px_on(image):
    zoo.check_takes("mobilevit", partial(small, "mobilevit", image=image), image=image, channels=3, classes=5)


def test_any_model_of_timm_s_is_built_by_name_at_the_image_that_was_asked_for():
    images = torch.randn(2, 1, 48, 48)
    for name in ("test_vit", "test_resnet", "test_vit.r160_in1k"):
        model = zoo.named(name=name, image=48, channels=1, classes=7).eval()
        assert model(images).shape == (2, 7)
    assert model_row("timm/test_vit").family == "timm"
    assert model_row("vit_timm").name == "timm/vit_base_patch16_384"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"name": "resnet81"}, r"timm has no model 'resnet81'. Did you mean `timm/resnet18`"),
        ({"name": "qqqqqqqqqqqq"}, r"timm has no model 'qqqqqqqqqqqq'. See timm\.list_models"),
        ({"name": "resnet18.nope"}, r"timm has no weights 'nope' of resnet18. Valid values: a1_in1k"),
        (
            {"name": "vit_base_patch16_384", "image": 50},
            r"image=50 is not a multiple of this model's patch=16. Use --image 48 or 64",
        ),
        ({"name": "vit_base_patch16_384", "image": 50, "pretrained": True}, r"image=50 is not a multiple"),
        ({"name": "resnet18", "pretrained": True}, r"cannot be reached for .*HF_HUB_OFFLINE.*Without --pretrained"),
        (
            {"name": "resnet18", "channels": -1},
            r"timm/resnet18 cannot be built with image=32, dropout=0.0, channels=-1 \(.+\). Change these values",
        ),
        (
            {"name": "resnet18", "channels": -1, "pretrained": True},
            r"timm/resnet18 cannot be built with image=32, dropout=0.0, channels=-1 \(.+\). Change these values",
        ),
    ],
)
def test_a_name_that_cannot_be_built_is_refused_with_a_sentence(arguments, says, monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with torch.device("meta"), pytest.raises(Explained, match=says):
        zoo.named(**{"image": 32, "channels": 3, "classes": 10, **arguments})


def test_a_model_without_weights_says_so():
    name = next(name for name in timm.list_models("resnet*") if not timm.models.is_model_pretrained(name))
    with pytest.raises(InputError, match=f"timm has no weights for {name}. Omit --pretrained"):
        zoo.named(name=name, image=32, channels=3, classes=10, pretrained=True)


def put_into_the_hub_s_cache(model, folder):
    """As a download of the model's weights would."""
    at = folder / f"models--{timm.models.get_pretrained_cfg(model).hf_hub_id.replace('/', '--')}"
    torch.manual_seed(3)
    state = timm.create_model(model).state_dict()
    for path in (at / "refs", at / "snapshots" / ("0" * 40)):
        path.mkdir(parents=True)
    (at / "refs" / "main").write_text("0" * 40)
    save_file(state, at / "snapshots" / ("0" * 40) / "model.safetensors")
    return state


def test_pretrained_weights_come_from_the_hub_s_cache_without_a_network(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    state = put_into_the_hub_s_cache("test_resnet", tmp_path)
    found = zoo.named(name="test_resnet", image=48, channels=3, classes=7, pretrained=True).state_dict()
    assert found.keys() == state.keys()
    body = {name for name in state if not name.startswith("fc.")}
    assert all(torch.equal(found[name], state[name]) for name in body)
    assert found["fc.weight"].shape[0] == 7


def test_weights_that_the_hub_has_not_are_refused_with_a_sentence(online, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(InputError, match=r"the Hub has nothing there for the files of timm/test_resnet"):
        zoo.named(name="test_resnet", image=48, channels=3, classes=7, pretrained=True)


def test_a_hub_that_does_not_answer_is_said_in_a_sentence(online, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    hub.api.cache_clear()
    with pytest.raises(
        HubUnavailable, match=r"cannot be reached for .* \(.*\). Without --pretrained, timm/test_resnet"
    ):
        zoo.named(name="test_resnet", image=48, channels=3, classes=7, pretrained=True)


@pytest.mark.parametrize("name", ["vgg11", "inception_v3"])
def test_an_image_that_a_named_model_does_not_take_is_refused_before_anything_is_computed(name):
    build = partial(zoo.named, name=name, image=16, channels=3, classes=10)
    with pytest.raises(
        InputError, match=rf"timm/{name} does not support image=16 with 3 channels \(.+\). Use another --image"
    ):
        zoo.check_takes(f"timm/{name}", build, image=16, channels=3, classes=10)


@pytest.mark.parametrize(("name", "image"), [("test_vit", 16), ("pvt_v2_b0", 64), ("test_resnet", 33)])
def test_an_image_that_a_named_model_takes_passes(name, image):
    build = partial(zoo.named, name=name, image=image, channels=3, classes=10)
    zoo.check_takes(f"timm/{name}", build, image=image, channels=3, classes=10)


def test_a_model_without_stochastic_depth_says_how_to_go_without_it():
    with pytest.raises(InputError, match=r"drop_path=0\.1 has no effect on timm/vgg11, .* Use --drop-path 0"):
        zoo.named(name="vgg11", image=32, channels=3, classes=10, drop_path=0.1)
