"""Facts that every registered model must hold, whatever its family: a row in the table is all that they need."""

import copy

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from app import models, optim, task
from app.config.facts import DatasetFacts
from app.config.run import resolve
from app.counts import family_of
from app.errors import InputError
from app.tables.models import MODELS
from app.tables.sizes import TOLERANCE, budget, parse_size

FACTS = DatasetFacts(name="cifar10", classes=10, native=32)
SIGNALS = DatasetFacts(name="made/signals", classes=10, channels=1, kind="signal")
FIELDS = DatasetFacts(name="made/fields", classes=1, channels=2, kind="field", task="regression")
SIZES = ("10M", "25M", "50M")
LEAST = {"cnn": 4, "resnet": 8, "resnet1d": 16, "swin": 12, "mobilevit": 4, "vgg": 4}  # of a growth axis, to learn
SIDES = {"mobilevit": (64, 96), "resnet1d": ((400,), (640,))}  # pixels; others take (32, 64)
LARGE = 3_000_000  # parameters; more take their 100 steps among the slow tests
GROWN = [name for name, row in MODELS.items() if not row.preset]
STUDIED = ("vit_classic", "vit_differential")
SLOW_TO_BUILD = {"mobilevit", "swin"}  # slow tests, whose families tests/models/test_zoo.py checks, too


def each(names):
    """The names, for the quick suite those of the study and the first of each family but two; others are slow tests."""
    names = list(names)
    first = {family_of(name).name: name for name in reversed(names)}
    quick = {*first.values(), *STUDIED} - SLOW_TO_BUILD
    return [pytest.param(name, marks=() if name in quick else pytest.mark.slow) for name in names]


def sides(name):
    """Two sizes of input that the model takes, the smaller first."""
    return SIDES.get(MODELS[name].family, (32, 64))


def facts(name):
    """Images, or signals for a model that takes nothing else."""
    return FACTS if "image" in family_of(name).kinds else SIGNALS


def inputs(config, count):
    return torch.randn(count, *config.input_shape)


def smallest(name):
    """A config of the model at its smallest that learns: one block, or 64 units of a width, at its smaller side."""
    row = MODELS[name]
    if row.sized:
        return resolve({"model": name, "size": "1M", "image": 32, "patch": 8, "dropout": 0.0}, FACTS)
    family = family_of(name)
    request = {"model": name, "image": sides(name)[0], "dropout": 0.0} | (
        {"patch": 16} if "patch" in family.cells else {}
    )
    whole = resolve(request, facts(name))
    if not family.growth or row.preset:
        return whole
    unit = {family.growth: LEAST.get(family.name, 1 if family.growth == "depth" else 64)}
    size = parse_size(f"{family.parameters(family.shape(vars(whole) | unit)) / 1000:.1f}K")
    return resolve(request | {"size": size} | unit, facts(name))


def built(config):
    return models.build(config, attention_path="none" if config.attention is None else "plain")


@pytest.mark.parametrize("size", [SIZES[0], *(pytest.param(size, marks=pytest.mark.slow) for size in SIZES[1:])])
@pytest.mark.parametrize("name", GROWN)
def test_a_model_builds_at_a_size_or_says_why_not(name, size):
    try:
        config = resolve({"model": name, "size": size, "image": sides(name)[0]}, facts(name))
    except InputError as refused:
        assert "does not fit" in str(refused) and "Reachable sizes: " in str(refused)
        return
    with torch.device("meta"):
        model = built(config)
    count = models.count(model)
    assert count == config.parameters
    assert MODELS[name].sized or abs(count / budget(size) - 1) <= TOLERANCE


@pytest.mark.parametrize("name", each(MODELS))
def test_closed_forms_equal_the_built_model(name):
    closed_forms_hold(resolve({"model": name, "image": 64 if facts(name) is FACTS else 3041}, facts(name)))


def closed_forms_hold(config):
    """Asserts that parameters, FLOPs and outputs of the built model are what its family's table says."""
    with torch.device("meta"):
        model = built(config).eval()
        with FlopCounterMode(display=False) as counted:
            assert model(inputs(config, 1)).shape == (1, config.classes)
    family = family_of(config.model)
    assert models.count(model) == family.parameters(config.shape)
    assert abs(family.flops(config.shape) / counted.get_total_flops() - 1) < 0.005
    assert 0 <= family.embedding_parameters(config.shape) < models.count(model)


@pytest.mark.parametrize("length", [3041, 3042, 8500])
@pytest.mark.parametrize("name", each(name for name in MODELS if "signal" in family_of(name).kinds))
def test_closed_forms_hold_on_signals_of_any_length(name, length):
    patch = {"patch": 26} if "patch" in family_of(name).cells else {}
    closed_forms_hold(resolve({"model": name, "image": length, **patch}, SIGNALS))


SQUARE_ONLY = "takes square images only, not image=96x64. Give one side"


@pytest.mark.parametrize("name", each(name for name in MODELS if "field" in family_of(name).kinds))
def test_closed_forms_hold_on_fields_that_are_no_square_or_it_says_why_not(name):
    patch = {"patch": 8} if "patch" in family_of(name).cells else {}
    try:
        config = resolve({"model": name, "image": (96, 64), **patch}, FIELDS)
    except InputError as refused:
        assert SQUARE_ONLY in str(refused) and not family_of(name).closed
        return
    closed_forms_hold(config)
    assert family_of(name).parameters(config.shape) > 0 and config.tokens >= 1


@pytest.mark.parametrize("which", [0, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", GROWN)  # each stands for the presets of its shape
def test_gradients_reach_every_parameter_at_two_sizes_of_input(name, which):
    image = sides(name)[which]
    patch = {"patch": 16} if "patch" in family_of(name).cells else {}
    torch.manual_seed(0)
    config = resolve({"model": name, "image": image, "dropout": 0.0, **patch}, facts(name))
    model = built(config)
    logits = model(inputs(config, 2))
    assert logits.shape == (2, 10)
    logits.square().sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters() if parameter.requires_grad)


def models_count(name):
    return resolve({"model": name, "image": sides(name)[0]}, facts(name)).parameters


def overfits(config):
    """Whether at most 100 steps on 16 examples bring the loss under 5 % of its start."""
    torch.manual_seed(0)
    model = built(config).train()
    optimizer = optim.adamw(model, lr=1e-3, weight_decay=0.0)
    learned = task.of(config.task)
    images, targets = inputs(config, 16), learned.drawn(16, classes=10, device=torch.device("cpu"))
    first = float("nan")
    for step in range(100):
        loss = learned.losses(model(images), targets).mean()
        first = first if step else loss.item()
        if loss.item() < 0.05 * first:
            return True
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return False


def small(name):
    """Whether its smallest is; what timm builds is at LEAST, and is not built to be counted before tests run."""
    return not family_of(name).closed or smallest(name).parameters <= LARGE


SLOW_TO_LEARN = (
    "mobilevit", "resnet18", "convmixer", "swin", "vgg", "resnet1d", "vit_differential_h32", "cait",
    "vit_classic", "vit_differential", "vit_differential_wide", "vit_grouped", "vit_dint",
)  # fmt: skip


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow if name in SLOW_TO_LEARN else ()) for name in GROWN if small(name)],
)
def test_a_hundred_steps_learn_sixteen_examples(name):
    assert overfits(smallest(name))


@pytest.mark.slow
@pytest.mark.parametrize("model", ["vit_classic", "vit_differential"])
@pytest.mark.parametrize("about", [SIGNALS, FIELDS], ids=lambda about: about.kind)
def test_a_hundred_steps_learn_sixteen_signals_and_the_numbers_of_sixteen_fields(model, about):
    image, patch, size = (203, 20, "100K") if about is SIGNALS else ((48, 24), 8, "110K")
    shape = {"size": size, "d_model": 64, "image": image, "patch": patch}
    assert overfits(resolve({"model": model, "dropout": 0.0, **shape}, about))


@pytest.mark.slow
@pytest.mark.parametrize("model", ["cnn", pytest.param("t2t_vit", marks=pytest.mark.slow)])
def test_a_hundred_steps_learn_the_numbers_of_sixteen_fields(model):
    of_cnn, of_t2t = (
        {"features": 6, "depth": 1, "size": "11.7K"},
        {"d_model": 64, "depth": 2, "heads": 2, "size": "260K"},
    )
    shape = of_cnn if model == "cnn" else of_t2t
    assert overfits(resolve({"model": model, "image": (48, 24), "dropout": 0.0, **shape}, FIELDS))


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("name", [name for name in MODELS if not (name in GROWN and small(name))])
def test_a_hundred_steps_of_a_larger_model_learn_sixteen_examples(name):
    if models_count(name) > LARGE * 10:
        pytest.skip("large: its family's smaller models stand for it")
    assert overfits(smallest(name))


@pytest.mark.parametrize("name", GROWN)
def test_a_state_round_trips_and_evaluation_is_deterministic(name):
    config = smallest(name)
    torch.manual_seed(0)
    model = built(config).eval()
    torch.manual_seed(1)
    other = built(config).eval()
    images = inputs(config, 3)
    assert not all(torch.equal(one, two) for one, two in zip(model.parameters(), other.parameters(), strict=True))
    with torch.no_grad():
        before = model(images)
        assert torch.equal(model(images), before)
        other.load_state_dict(copy.deepcopy(model.state_dict()))
        assert torch.equal(other(images), before)


@pytest.mark.parametrize("name", GROWN)
def test_no_norm_bias_position_token_or_scalar_is_decayed(name):
    with torch.device("meta"):
        model = built(smallest(name))
    decayed, plain = optim.parameter_groups(model, 0.1)
    names = [name for name, _ in decayed["params"]]
    never = ("bias", "norm", "positions", "pos_embed", "cls", "lambda", "temperature", "alpha")
    assert names and not [name for name in names if name.endswith(never) or name in ("cls", "positions")]
    assert all(parameter.dim() >= 2 for _, parameter in decayed["params"])
    assert len(names) + len(plain["params"]) == len(list(model.parameters()))
