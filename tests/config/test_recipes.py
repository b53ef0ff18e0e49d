"""Recipes fill what a command does not give; the resolved settings, not the name, decide the run."""

import dataclasses
from pathlib import Path

import pytest

from app.config import recipes, schedules
from app.config.facts import dataset_facts
from app.config.run import RunConfig, resolve
from app.errors import InputError
from app.tables.datasets import DATASETS
from app.tables.models import model_row
from app.tables.recipes import IMAGE_OF_WEIGHTS, RECIPES

MODELS = {"airbench": "resnet18", "transfer": "timm/test_vit.r160_in1k"}
NAMES = [name for name in RECIPES if name != "none"]


def config(recipe, **given):
    """A run on CIFAR-10 with a recipe, for a model that the recipe is for."""
    return RunConfig.from_strings(
        {"dataset": "cifar10", "model": MODELS.get(recipe, "vit_classic"), "recipe": recipe} | given
    )


def shown(value):
    """A value as the page has it."""
    if isinstance(value, float):
        return f"{value:g}"
    return {"True": "on", "None": "10 % of the steps", IMAGE_OF_WEIGHTS: "that of the weights"}.get(str(value), value)


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_sets_every_one_of_its_values(name):
    made, row = config(name), RECIPES[name]
    for setting, value in row.settings.items():
        if value != IMAGE_OF_WEIGHTS:
            assert getattr(made, setting) in (value, None), setting  # None is the optimiser's default
    assert "changed" not in recipes.described(made, made.row)


@pytest.mark.parametrize("name", NAMES)
def test_the_settings_name_the_run_and_not_the_recipe(name):
    made = config(name)
    given = {setting: getattr(made, setting) for setting, value in RECIPES[name].settings.items()}
    given = {setting: value for setting, value in given.items() if value is not None and setting != "warmup_steps"}
    written = RunConfig.from_strings({"dataset": "cifar10", "model": made.model} | given)
    same = dataclasses.replace(made, warmup_steps=written.warmup_steps, clamp_warmup=written.clamp_warmup)
    assert written.run_id == same.run_id and written.recipe == "none" != made.recipe


def test_a_recipe_s_warm_up_is_shortened_in_a_short_run_and_a_given_one_is_not():
    assert config("airbench").clamp_warmup and config("airbench", epochs=2).clamp_warmup
    assert not config("airbench", warmup_steps=420).clamp_warmup
    assert schedules.warmup(420, 880, clamp=True)[0] == 88


@pytest.mark.parametrize("name", [name for name in NAMES if "epochs" in RECIPES[name].settings])
def test_a_given_setting_wins_and_is_reported(name):
    made = config(name, epochs=3, weight_decay=0.125)
    assert (made.epochs, made.weight_decay) == (3, 0.125)
    said = recipes.described(made, made.row)
    assert said.startswith(f"recipe {name}: ") and "changed: " in said
    assert f"epochs=3 (recipe: {RECIPES[name].settings['epochs']})" in said
    assert made.run_id != config(name).run_id


def test_none_is_the_dataset_s_protocol():
    plain = RunConfig.from_strings({"dataset": "cifar10", "model": "vit_classic"})
    assert config("none") == plain and recipes.described(plain, plain.row) == ""


def test_values_without_effect_are_omitted():
    other = config("airbench", optimizer="adamw")
    assert other.momentum is None and other.nesterov is None and other.lr == 0.4
    said = recipes.described(other, other.row)
    assert "no momentum, which adamw does not take (recipe: 0.9)" in said and "momentum=10 %" not in said
    unmixed = config("vit_small_data", mixup=0, cutmix=0)
    assert not config("airbench", momentum=0).nesterov
    assert unmixed.mix_prob == 1.0 and unmixed.augment == RECIPES["vit_small_data"].settings["augment"]


def test_a_family_has_its_values():
    assert [config("zoo", model=name).lr for name in ("vit_classic", "resnet18", "mlpmixer")] == [1e-4, 1e-3, 1e-3]


@pytest.mark.parametrize(
    ("name", "model"), [("airbench", "vit_classic"), ("transfer", "resnet18"), ("bf16_residual", "cnn")]
)
def test_a_recipe_for_other_models_is_refused(name, model):
    with pytest.raises(InputError, match=f"--recipe {name} is not for {model}. Use it with --model") as refused:
        config(name, model=model)
    first = str(refused.value).split("--model ")[1].split(",")[0].split(" or ")[0]
    assert model_row(first).family in RECIPES[name].families


def test_a_bf16_residual_stream_is_all_that_its_recipe_fills_and_it_is_for_runs_in_bf16():
    plain, made = config("none"), config("bf16_residual")
    assert dataclasses.replace(made, residual_precision="fp32", recipe="none") == plain and made.run_id != plain.run_id
    assert config("bf16_residual", precision="bf16").residual_precision == "bf16"
    assert config("bf16_residual", residual_precision="fp32", precision="fp16").residual_precision == "fp32"
    for precision in ("fp32", "fp16", "tf32"):
        with pytest.raises(InputError, match=f"computes in {precision}. Give --precision bf16"):
            config("bf16_residual", precision=precision)


@pytest.mark.parametrize("model", ["resnet18", "cnn", "cait", "swin", "timm/test_vit"])
def test_a_model_without_our_residual_stream_refuses_its_precision(model):
    with pytest.raises(InputError, match=f"--residual-precision has no effect on {model}"):
        RunConfig.from_strings({"dataset": "cifar10", "model": model, "residual_precision": "bf16"})


def test_given_weights_win_over_the_published_ones_of_transfer():
    assert config("transfer").pretrained
    request = {"dataset": "cifar10", "model": MODELS["transfer"], "recipe": "transfer", "image": 32}
    made = resolve(request | {"init": "w.safetensors", "init_sha256": "0" * 64}, dataset_facts(DATASETS["cifar10"]))
    assert not made.pretrained and made.init_sha256 and made.layer_decay == 0.75


def test_transfer_takes_the_side_of_the_weights_unless_one_is_given():
    assert config("transfer").image == 160 and config("transfer").pretrained
    assert config("transfer", image=64).image == 64
    made = config("transfer", image=64)
    assert "image=64 (recipe: 160)" in recipes.described(made, made.row)
    with pytest.raises(InputError, match="timm has no model"):
        config("transfer", model="timm/no_such_model")


def test_every_recipe_s_models_exist_and_their_values_are_settings():
    for name, row in RECIPES.items():
        assert row.does and row.source and row.proven
        for setting in (*row.settings, *(key for values in row.of_family.values() for key in values)):
            assert setting in recipes._ASKED or setting == "image", (name, setting)
    assert model_row("resnet18").family in RECIPES["airbench"].families


def test_the_page_has_the_table_s_values_and_sources():
    page = (Path(__file__).parents[2] / "docs" / "recipes.md").read_text()
    for name, row in RECIPES.items():
        assert f"| `{name}` | {row.does} | {row.proven} |" in page and row.source in page
        for setting, value in row.settings.items():
            assert f"`{setting}` {shown(value)}" in page, (name, setting)
