"""Settings are declared once: options, types, checks, IDs, JSON and the reference are derived from the declaration."""

import dataclasses
import inspect
import re
from pathlib import Path

import numpy as np
import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from typer.main import get_command

from app.cli import options as o
from app.cli import train
from app.config import effects, reference
from app.config.command import Command
from app.config.facts import DatasetFacts, dataset_facts
from app.config.run import SETTINGS, RunConfig, resolve
from app.config.settings import (
    GROUPS,
    Computing,
    Data,
    Keeping,
    Matching,
    Model,
    Recipe,
    Revisions,
    declared,
    options_of,
)  # fmt: skip
from app.config.settings.declaring import DIFFERENCES, FALSE, KINDS, TRUE, coerced, from_text, setting
from app.errors import InputError
from app.tables import models, revisions
from app.tables.datasets import DATASETS
from app.tables.models import MODELS

CIFAR = dataset_facts(DATASETS["cifar100"])
ALL = options_of(*GROUPS)


def test_every_setting_and_every_field_of_a_config_says_what_a_difference_in_it_does_to_a_comparison():
    fields = [field for group in (*GROUPS, Revisions, RunConfig) for field in dataclasses.fields(group)]
    assert len({field.name for field in fields}) > 90
    lacking = [field.name for field in fields if declared(field).differs not in DIFFERENCES]
    assert not lacking, f"{lacking} need differs= one of {DIFFERENCES}"
    cells = {field.name for field in fields if declared(field).cell}
    assert cells | {"model", "model_sha256", "size", "match", "like", "model_revision"} == {
        field.name for field in fields if declared(field).differs == "architecture"
    }


@pytest.mark.parametrize(
    ("name", "differs"),
    [("dataset", "voids"), ("limit_test", "voids"), ("image", "voids"), ("fingerprint", "voids"), ("lr", "confound"),
     ("label_noise", "confound"), ("distractors", "confound"), ("test_distractors", "voids"),
     ("corrupt_train", "confound"),
     ("limit_train", "confound"), ("precision", "confound"), ("gradients", "confound"), ("seed", "harmless"),
     ("device", "harmless"), ("attention_path", "harmless"), ("tag", "harmless"), ("attention", "architecture")],
)  # fmt: skip
def test_what_a_difference_does_follows_from_what_the_setting_changes(name, differs):
    fields = {field.name: field for group in GROUPS for field in dataclasses.fields(group)}
    assert declared(fields[name]).differs == differs


@pytest.mark.parametrize("name", ALL)
def test_a_help_line_is_a_sentence_that_can_be_read_alone_and_ends_with_the_default(name):
    line = o.help_of(declared(ALL[name]))
    sentence, _, default = line.partition(" Default: ")
    assert re.fullmatch(r"[A-Z].*\.", sentence) and re.fullmatch(r"\S.*\.", default)
    assert not re.match(r"Of\b", sentence)  # tests/test_words.py holds the words


def test_the_reference_of_options_is_made_from_the_declarations():
    page = Path(__file__).resolve().parents[2] / "docs" / "options.md"
    assert page.read_text() == reference.text(), "run: python -m app.config.reference > docs/options.md"


def test_a_written_out_option_of_another_command_has_the_declared_type():
    hints = {p.name: p.annotation for p in inspect.signature(train.train).parameters.values() if p.name != "as_json"}
    written = {"Model": "model", "Size": "size", "Image": "image", "Patch": "patch", "BatchSize": "batch_size",
               "Precision": "precision", "Device": "device", "Threads": "threads", "AttentionPath": "attention_path",
               "MicroBatchSize": "micro_batch_size"}  # fmt: skip
    for alias, name in written.items():
        assert getattr(o, alias).__origin__ == hints[name].__origin__, alias


@dataclasses.dataclass(frozen=True, kw_only=True)
class Widened(RunConfig):
    """RunConfig with one more line, as a contributor would add it to settings."""

    label_smoothing: float = setting(
        0.0, panel="Recipe", least=0, below=1, kinds=("image",), help="Smooth the labels by this fraction."
    )


def test_one_line_gives_a_setting_its_option_its_json_key_its_place_in_the_id_its_check_and_its_reference(monkeypatch):
    config = Widened(**resolve({}, CIFAR).to_json())
    assert config.run_id == resolve({}, CIFAR).run_id and config.to_json()["label_smoothing"] == 0.0
    smoothed = dataclasses.replace(config, label_smoothing=0.1)
    assert smoothed.run_id != config.run_id and Widened.from_json(smoothed.to_json()) == smoothed
    assert dataclasses.replace(config, label_smoothing=0).run_id == config.run_id  # 0 and 0.0 are one run
    for wrong, says in (
        (1.0, "label_smoothing=1.0 is out of range. Use at least 0 and less than 1"),
        ("x", "wrong type. Use a number"),
    ):
        with pytest.raises(InputError, match=says):
            dataclasses.replace(config, label_smoothing=wrong)

    app, seen = typer.Typer(), {}

    def command(**given):
        seen.update(given)

    command.__signature__ = inspect.Signature(o.parameters((*GROUPS, Widened)))
    app.command()(command)
    get_command(app).main(["--label-smoothing", "0.2", "--lr", "1"], standalone_mode=False)
    assert o.given(seen) | {"checkpoints": 0} == {
        "label_smoothing": 0.2, "lr": 1.0, "checkpoints": 0, "fresh": False, "upload": False, "private": False,
        "verify": False,
    }  # fmt: skip
    monkeypatch.setattr(reference, "GROUPS", (*GROUPS, Widened))
    assert "| `--label-smoothing` | number | 0 | yes | images | Smooth the labels by this fraction. |" in (
        reference.text().splitlines()
    )


def test_a_whole_number_for_a_float_is_the_same_run():
    whole, decimal = (resolve({"dropout": zero, "lr": one}, CIFAR) for zero, one in ((0, 1), (0.0, 1.0)))
    assert whole == decimal and whole.run_id == decimal.run_id and type(whole.dropout) is type(whole.lr) is float
    read = RunConfig.from_json(whole.to_json() | {"dropout": 0})
    assert read.run_id == whole.run_id


@pytest.mark.parametrize(("word", "value"), [*((w, True) for w in TRUE), *((w, False) for w in FALSE)])
def test_a_switch_is_read_alike_in_any_case(word, value):
    for spelled in (word, word.upper(), word.title(), f" {word} "):
        assert from_text(SETTINGS["qkv_bias"], spelled) is value


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("epochs", "3", 3), ("lr", "3e-4", 3e-4), ("clip_norm", "1", 1.0), ("image", "64X32", (64, 32)),
        ("image", "64x64", 64), ("model", "vit_classic", "vit_classic"), ("mirror", "off", False),
    ],
)  # fmt: skip
def test_a_text_becomes_a_value_of_the_declared_type(name, text, value):
    found = from_text(SETTINGS[name], text)
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize(
    ("texts", "says"),
    [
        ({"epochs": "3.5"}, "epochs='3.5' is not a whole number"), ({"lr": "fast"}, "lr='fast' is not a number"),
        ({"qkv_bias": "maybe"}, "qkv_bias='maybe' is neither on nor off. Use true/yes/on/1 or"),
        ({"learning_rate": "1"}, "unknown setting 'learning_rate'"),
        ({"batchsize": "8"}, r"unknown setting 'batchsize'. Did you mean `batch_size`\?"),
        ({"classes": "3"}, "unknown setting 'classes'"), ({"clamp_warmup": "no"}, "unknown setting 'clamp_warmup'"),
        ({"dropout": "1"}, "dropout=1.0 is out of range. Use at least 0"), ({"augment": "x"}, "unknown augment 'x'"),
        ({"image": "wide"}, "'wide' is not an input size"), ({"crop": "0:9,0:9"}, "--crop has no effect on the"),
        ({"dataset": "alice/shapes"}, "classes of alice/shapes are unknown until it is read. Give its facts"),
        ({"revision": "v2"}, "classes of cifar100 are unknown until it is read"),
        ({"dataset": "digits", "group_column": "x"}, "--group-column has no effect on the dataset digits"),
        ({"dataset": "digits", "data": "x"}, "--data has no effect on the dataset digits"),
        ({"seed": "1_0"}, "seed='1_0' is not a whole number"), ({"seed": "\u0663"}, "is not a whole number"),
        ({None: ["x"]}, "unknown setting None"), ({"lr": [1]}, r"lr=\[1\] has the wrong type. Use a number"),
        ({"dataset": ([1] * 200,)}, "dataset=a tuple has the wrong type"),
    ],
    ids=str,
)  # fmt: skip
def test_a_row_of_a_table_that_is_no_run_is_refused_in_a_sentence(texts, says):
    with pytest.raises(InputError, match=says):
        RunConfig.from_strings(texts)


def test_a_row_of_a_table_is_the_run_of_the_same_command():
    texts = {"model": "vit_classic", "size": "10m", "lr": "3e-4", "dropout": "0", "qkv_bias": "no", "seed": ""}
    config = RunConfig.from_strings(texts)
    assert config == resolve(
        {"model": "vit_classic", "size": "10M", "lr": 3e-4, "dropout": 0.0, "qkv_bias": False}, CIFAR
    )
    of_yaml = {"model": "vit_classic", "size": "10M", "lr": 3e-4, "dropout": 0, "qkv_bias": False, "seed": None}
    assert RunConfig.from_strings(of_yaml) == RunConfig.from_strings(texts | {"revision": "main"}) == config
    facts = DatasetFacts(name="alice/shapes", classes=7)
    assert RunConfig.from_strings({"dataset": "alice/shapes", "size": "1M"}, facts).classes == 7


@given(st.sampled_from(list(SETTINGS)), st.text(max_size=8))
def test_any_text_is_a_value_or_one_sentence(name, text):
    try:
        value = from_text(SETTINGS[name], text)
    except InputError as error:
        assert "\n" not in str(error).replace(repr(text.strip()), "")
    else:
        coerced(SETTINGS[name], value)


@pytest.mark.parametrize("name", [name for name, field in options_of(Data).items() if declared(field).kinds != KINDS])
def test_a_setting_of_the_data_is_refused_for_every_kind_that_its_declaration_lacks(name):
    field, kinds = SETTINGS[name], declared(SETTINGS[name]).kinds
    value = {"augment": "flip_crop", "stored_dtype": "float16", "mirror": False, "background": 0.5}.get(name, "x")
    for kind in KINDS:
        if kind in kinds:
            effects.require_on_data({name: value}, dataset="d", kind=kind)
        else:
            with pytest.raises(
                InputError, match=f"--{name.replace('_', '-')} has no effect on the dataset d, which con"
            ):
                effects.require_on_data({name: value}, dataset="d", kind=kind)
        effects.require_on_data({name: field.default}, dataset="d", kind=kind)


def test_what_decides_a_result_is_in_the_config_and_what_does_not_is_not():
    fields = {field.name for field in dataclasses.fields(RunConfig)}
    for group in GROUPS:
        for name, field in options_of(group).items():
            decides = declared(field).decides and group is not Matching
            assert (name in fields) is (decides or name == "recipe"), name  # kept for readers; its values decide
    assert fields >= {*options_of(Model), *options_of(Data), *options_of(Recipe)}
    assert not fields & {*options_of(Computing), *options_of(Keeping)}


def test_a_command_is_divided_by_what_its_settings_are_for():
    command = Command.of({"lr": 1, "threads": 2, "upload": True, "lease": 60, "fresh": True})
    assert command.request == {"dataset": "cifar100", "lr": 1.0} and command.config.lr == 1.0
    assert (command.computing.threads, command.keeping.lease, command.keeping.fresh) == (2, 60.0, True)
    assert Command.of({"dataset": "alice/shapes"}).config is None
    with pytest.raises(InputError, match="--lease has an effect with --upload only"):
        Command.of({"lease": 60.0, "upload": False})


@pytest.fixture
def revised(monkeypatch):
    """The 1-D ResNet's row at revision 2, which builds one head where revision 1 built two."""
    row = dataclasses.replace(
        MODELS["resnet1d"],
        revision=2,
        cells={"width": 32, "discriminator": False},
        earlier={1: {"discriminator": True}},
    )
    monkeypatch.setitem(models.MODELS, "resnet1d", row)
    return DatasetFacts(name="alice/patterns", classes=14, channels=1, kind="signal", image=(3041,))


def test_a_change_of_meaning_is_in_the_id_and_an_earlier_revision_keeps_its_own(revised):
    new = resolve({"model": "resnet1d"}, revised)
    assert new.model_revision == 2 and new.to_json()["model_revision"] == 2
    fields = {name: value for name, value in new.to_json().items() if name != "model_revision"}
    old = RunConfig.from_json(fields | {"discriminator": None})
    assert old.model_revision == 1 and "model_revision" not in old.to_json() and old.run_id != new.run_id
    assert old.shape.discriminator and not new.shape.discriminator
    assert old.parameters - new.parameters == 65
    assert dataclasses.replace(new, model_revision=1).run_id != new.run_id


@pytest.mark.parametrize("name", ["model_revision", "decoding_revision", "layout_revision"])
def test_a_revision_that_this_version_does_not_know_is_refused_in_one_sentence(name):
    with pytest.raises(InputError, match=f"{name}=9.* is unknown. This version knows 1.*. Update isoscale"):
        RunConfig.from_json(resolve({}, CIFAR).to_json() | {name: 9})


@pytest.mark.parametrize(("rule", "name"), [("DECODING", "decoding_revision"), ("LAYOUT", "layout_revision")])
def test_a_rule_of_the_data_that_changes_its_meaning_changes_the_id(monkeypatch, rule, name):
    before = resolve({}, CIFAR)
    assert name not in before.to_json()
    monkeypatch.setattr(revisions, rule, 2)
    monkeypatch.setitem(revisions.KNOWN, name, (1, 2))
    after = resolve({}, CIFAR)
    assert after.run_id != before.run_id and after.to_json()[name] == 2
    assert RunConfig.from_json(before.to_json()).run_id == before.run_id


def test_a_program_gives_settings_as_python_has_them():
    given = {"dataset": Path("photos"), "seed": np.int64(3), "lr": np.float32(0.5), "epochs": None}
    command = Command.of(given | {"checkpoints": "runs", "state_every": "5m", "device": None})
    assert command.request == {"dataset": "./photos", "seed": 3, "lr": 0.5}
    assert all(type(value) in (str, int, float) for value in command.request.values())
    assert (command.keeping.checkpoints, command.keeping.state_every) == (Path("runs"), 300.0)


@pytest.mark.parametrize("name", ["epoch", "learning_rate", "classes", "model_revision", "as_json", "banana"])
def test_a_name_that_is_no_setting_is_refused(name):
    with pytest.raises(InputError, match=f"unknown setting '{name}'"):
        Command.of({"dataset": "digits", name: 1})
