"""The optimiser's numbers: their spelling, what each optimiser takes, and the run IDs that they leave as they were."""

import pytest

from app.config.conditions import conditions
from app.config.facts import dataset_facts
from app.config.run import RunConfig, resolve
from app.errors import InputError
from app.tables.datasets import DATASETS
from app.tables.optimizers import OPTIMIZERS, kept_shares, parsed_betas, spelled_betas

FACTS = dataset_facts(DATASETS["digits"])


def resolved(**more):
    return resolve({"size": "100K", "d_model": 64} | more, FACTS)


def test_betas_have_one_value_however_they_are_spelled():
    assert parsed_betas("0.98, 0.92,.99") == parsed_betas("0.980/0.92/0.99") == (0.98, 0.92, 0.99)
    assert spelled_betas((0.98, 0.92, 0.99)) == "0.98,0.92,0.99"
    of_json = RunConfig.from_json(resolved(optimizer="adan", betas=(0.9, 0.9, 0.9)).to_json() | {"betas": [0.9] * 3})
    assert of_json.run_id == resolved(optimizer="adan", betas=[0.9, 0.90, 0.9]).run_id
    row = {"dataset": "digits", "model": "cnn", "size": "100K", "optimizer": "lion", "betas": "0.95/0.98"}
    assert RunConfig.from_strings(row).betas == (0.95, 0.98)
    assert conditions(["betas=0.9/0.99,0.95/0.98"])[0].values == ([0.9, 0.99], [0.95, 0.98])


@pytest.mark.parametrize("text", ["", "0.9,", "nine", "1,0.9", "-0.1,0.9", "0.9;0.99", "0_9,0.9"])
def test_a_text_that_is_no_betas_is_refused(text):
    with pytest.raises(
        InputError, match="betas=.*" + ("out of range" if text[-4:] == ",0.9" and "_" not in text else "not numbers")
    ):
        parsed_betas(text)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimiser_s_defaults_given_explicitly_name_the_same_run(name):
    row, plain = OPTIMIZERS[name], resolved(optimizer=name)
    given = {part: getattr(row, part) for part in ("betas", "momentum", "nesterov") if part in row.takes}
    assert resolved(optimizer=name, **given).run_id == plain.run_id
    assert resolved(optimizer=name, layer_decay=1).run_id == plain.run_id
    assert (plain.betas, plain.momentum, plain.nesterov) == (None, None, None)


def test_another_number_is_another_run_and_the_protocol_s_epsilon_is_for_those_that_take_one():
    ids = [resolved(optimizer="sgd", **more).run_id for more in ({}, {"momentum": 0}, {"nesterov": True})]
    assert len({*ids, resolved(optimizer="sgd", layer_decay=0.75).run_id}) == 4
    patterns = dataset_facts(DATASETS["diffraction"])
    eps = {name: resolve({"model": "resnet1d", "optimizer": name}, patterns).eps for name in OPTIMIZERS}
    assert eps == {name: 1e-5 if row.eps else 1e-8 for name, row in OPTIMIZERS.items()}


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        ({"optimizer": "adam", "momentum": 0.9}, "--momentum has no effect with --optimizer adam. It is for sgd, muon"),
        ({"nesterov": False}, "--nesterov has no effect with --optimizer adamw"),
        ({"optimizer": "sgd", "betas": (0.9, 0.99)}, "--betas has no effect with --optimizer sgd"),
        ({"optimizer": "lion", "eps": 1e-6}, "--eps has no effect with --optimizer lion"),
        ({"optimizer": "adan", "betas": (0.9, 0.99)}, "has 2 numbers, and adan takes 3"),
        ({"optimizer": "adan", "betas": (0.02, 0.08, 0.01)}, "new information.* Write --betas 0.98,0.92,0.99"),
        ({"optimizer": "sgd", "momentum": 0, "nesterov": True}, "no effect with momentum=0"),
        ({"optimizer": "sgd", "momentum": 1.0}, "momentum=1.0 is out of range"),
        ({"optimizer": "adagrad"}, "unknown optimizer 'adagrad'.*lion"),
        ({"betas": (0.9,)}, "has 1 number, and adamw takes 2"),
        ({"layer_decay": 0}, "layer_decay=0"),
        (
            {"layer_decay": 0.5, "model": "cnn"},
            "--layer-decay has no effect on cnn. It is for models such as vit_classic, ",
        ),
    ],
)
def test_a_number_that_an_optimiser_does_not_take_is_refused_with_what_to_do(request_, says):
    with pytest.raises(InputError, match=says):
        resolved(**{"d_model": None, "size": "100K"} | request_ if "model" in request_ else request_)


def test_shares_of_new_information_become_kept_shares_without_rounding_errors():
    assert kept_shares((0.035, 0.11, 0.015)) == (0.965, 0.89, 0.985)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"ema": 1e300}, "ema=1e.300 is out of range"),
        ({"ema": 0}, "ema=0"),
        ({"mixup": 0.1, "epochs": 1, "mix_epochs": 1}, "mix_epochs=1 does not end before epochs=1"),
        ({"mixup": 0.1, "batch_size": 1}, "mixup=0.1 has no effect with batch_size=1"),
        ({"lr": 1e-3, "lr_min": 1e-3}, "lr_min=0.001 is not below lr=0.001"),
    ],
)
def test_numbers_of_averages_mixing_and_schedules_that_cannot_act_are_refused(given, says):
    with pytest.raises(InputError, match=says):
        resolved(**given)
