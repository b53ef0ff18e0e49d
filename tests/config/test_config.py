"""RunConfig: resolved from tables, refused where it cannot be trained, named by its content, the same through JSON."""

import dataclasses
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app import optim
from app.artifacts import paths
from app.config import checks
from app.config.facts import DatasetFacts, dataset_facts
from app.config.run import RunConfig, resolve
from app.errors import InputError
from app.tables.datasets import DATASETS
from app.tables.models import MODELS
from app.tables.shape import CELLS, extent

FACTS = {name: dataset_facts(row) for name, row in DATASETS.items()}
CONFIG = resolve({}, FACTS["cifar100"])

STUDY = [row.name for row in MODELS.values() if row.sized]  # of one size table
counts = st.integers(1, 2000)
requests = st.fixed_dictionaries(
    {"model": st.sampled_from(STUDY), "size": st.sampled_from(["1M", "10M", "25M"])},
    optional={
        "seed": st.integers(0, 2**63 - 1), "split_seed": counts, "epochs": counts, "batch_size": counts,
        "lr": st.floats(1e-8, 10), "weight_decay": st.floats(0, 1), "dropout": st.floats(0, 0.9),
        "clip_norm": st.none() | st.floats(0.1, 10), "warmup_steps": st.integers(0, 10_000),
        "limit_train": counts, "limit_test": counts, "val_fraction": st.floats(0.01, 0.5),
        "augment": st.sampled_from(["none", "flip_crop", "randaugment"]), "revision": st.text(max_size=8),
        "precision": st.sampled_from(["auto", "fp32", "bf16"]),
    },
)  # fmt: skip


@given(requests, st.sampled_from([name for name in FACTS if DATASETS[name].kind == "image"]))
@settings(max_examples=60, deadline=None)
def test_a_config_comes_back_from_json_equal_and_with_its_name(request, dataset):
    config = resolve(request, FACTS[dataset])
    again = RunConfig.from_json(json.loads(json.dumps(config.to_json())))
    assert again == config and again.run_id == config.run_id
    assert all(getattr(config, name) == value for name, value in request.items())


TYPES = {"int": (int,), "float": (int, float), "str": (str,), "bool": (bool,), "None": (type(None),)}
TYPES |= {"Extent": (int, tuple), "Betas": (tuple,)}
KINDS = {
    field.name: sum((TYPES[part] for part in field.type.split(" | ")), ()) for field in dataclasses.fields(RunConfig)
}
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.integers(10**300, 10**310) | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=3,
)
near = st.sampled_from(["VIT_CLASSIC", "Differential", "10m", "10000K", "1e3M", "bf16 ", "cifar100", "../x", "\0", ""])


@given(
    st.dictionaries(st.sampled_from([*CONFIG.to_json(), "other"]), near | anything, min_size=1, max_size=3), st.data()
)
@settings(max_examples=150, deadline=None)
def test_a_mutated_config_is_read_or_refused_never_more(changes, data):
    fields = CONFIG.to_json() | changes
    for name in data.draw(st.lists(st.sampled_from(list(fields)), max_size=1)):
        del fields[name]
    try:
        config = RunConfig.from_json(fields)
    except InputError as error:
        assert "\n" not in str(error).replace(repr(fields), "")
    else:
        assert config.parameters > 0 and len(config.run_id) == 8 and min(extent(config.stored_side)) > 0
        assert config.stem.encode(errors="surrogateescape") and config.limited in (True, False)
        assert RunConfig.from_json(json.loads(json.dumps(config.to_json(), allow_nan=False))) == config
        given = {name: value for name, value in config.to_json().items() if value is not None or name not in CELLS}
        assert all(type(value) in KINDS[name] for name, value in given.items())


def test_a_run_is_named_by_a_fixed_hash_of_what_decides_its_result():
    assert (CONFIG.run_id, CONFIG.stem) == ("79f6bd77", "model_79f6bd77_10M_cifar100")


def test_a_field_at_its_default_takes_no_part_in_the_name():
    changed = dataclasses.replace(CONFIG, seed=1)
    assert changed.run_id != CONFIG.run_id
    assert dataclasses.replace(changed, seed=0, precision="auto", clip_norm=None).run_id == CONFIG.run_id


@pytest.mark.parametrize(
    "change",
    [
        {"model": "vit_classic", "attention": "classic", "heads": 4}, {"size": "7.5M", "depth": 9}, {"image": 112},
        {"dataset": "cifar10"}, {"revision": "dev"}, {"fingerprint": "00ff"}, {"augment": "flip_crop"},
        {"split_seed": 1}, {"limit_train": 10}, {"batch_size": 64}, {"val_batch_size": 64}, {"epochs": 1}, {"lr": 1e-3},
        {"warmup_steps": None}, {"clamp_warmup": False}, {"dropout": 0.0}, {"clip_norm": 1.0}, {"precision": "fp32"},
        {"native": 16},
    ],
    ids=str,
)  # fmt: skip
def test_whatever_changes_the_result_changes_the_name(change):
    assert dataclasses.replace(CONFIG, **change).run_id != CONFIG.run_id


def other_than(value):
    """Another value of the type, for a field whose values are not checked here."""
    return {bool: lambda: not value, int: lambda: value + 1, float: lambda: value / 2 + 0.37}.get(
        type(value), lambda: f"{value or ''}x"
    )()


UNNAMED = ("classes", "channels", "native", "recipe")  # by the dataset; a recipe's values are


@pytest.mark.parametrize(
    "name",
    [field.name for field in dataclasses.fields(RunConfig) if field.name not in UNNAMED],
)
def test_every_field_but_what_the_dataset_tells_is_in_the_name(name):
    other = object.__new__(RunConfig)  # without its checks: only the name is asked for
    vars(other).update({**vars_of(CONFIG), name: other_than(getattr(CONFIG, name))})
    assert other.run_id != CONFIG.run_id


def vars_of(config):
    return {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}


@pytest.mark.parametrize("model", ["vit_classic", "vit_differential", "t2t_vit", "cnn", "resnet18"])
def test_an_image_may_be_higher_than_wide_and_a_square_is_its_side(model):
    patch = {"patch": 8} if model.startswith("vit") else {}
    high = resolve({"model": model, "image": (64, 32), **patch}, FACTS["cifar100"])
    assert high.input_shape == (3, 64, 32) and high.stored_side == 32
    assert RunConfig.from_json(json.loads(json.dumps(high.to_json()))) == high
    wide = dataclasses.replace(high, image=(32, 64))
    assert wide.run_id != high.run_id and wide.parameters == high.parameters
    square = dataclasses.replace(high, image=(64, 64))
    assert square.image == 64 and square.run_id == dataclasses.replace(high, image=64).run_id


@pytest.mark.parametrize("model", ["cait", "swin", "convmixer", "mlpmixer", "mobilevit", "vgg", "timm/resnet18"])
def test_what_takes_squares_only_says_so(model):
    with pytest.raises(InputError, match=r"takes square images only, not image=64x32. Give one side"):
        resolve({"model": model, "image": (64, 32)}, FACTS["cifar100"])


def test_a_side_that_is_no_multiple_of_the_patch_is_refused_with_what_divides_both():
    with pytest.raises(InputError, match=r"image=1700x500 is not a multiple of patch=8. Use 5 or 10"):
        resolve({"image": (1700, 500), "patch": 8}, FACTS["cifar100"])


def test_a_signal_is_taken_by_what_takes_signals_and_one_number_is_its_length():
    facts = DatasetFacts(name="alice/patterns", classes=14, channels=1, kind="signal")
    config = resolve({"image": 3041, "patch": 20, "size": "1M"}, facts)
    assert (config.image, config.input_shape, config.tokens) == ((3041,), (1, 3041), 154)
    with pytest.raises(InputError, match=r"not a signal of 3041 samples. For signals"):
        resolve({"image": 3041, "model": "cnn"}, facts)


def test_a_regression_has_one_output_and_a_classification_at_least_two():
    facts = DatasetFacts(name="alice/fields", classes=1, channels=1, kind="field", task="regression")
    config = resolve({"model": "cnn", "image": (170, 50)}, facts)
    assert config.classes == 1 and config.task == "regression"
    assert dataclasses.replace(config, classes=2).run_id == config.run_id
    assert dataclasses.replace(config, classes=2, task="classification").run_id != config.run_id
    with pytest.raises(InputError, match=r"has 1 class. At least 2 are needed"):
        dataclasses.replace(config, task="classification")


def test_how_many_classes_there_are_is_told_by_the_dataset_and_not_named():
    assert dataclasses.replace(CONFIG, classes=99).run_id == CONFIG.run_id


def test_a_slash_in_a_dataset_becomes_two_dashes_in_file_names():
    config = resolve({"size": "1M"}, DatasetFacts(name="alice/shapes", classes=3))
    assert config.stem == f"model_{config.run_id}_1M_alice--shapes"


def test_a_dataset_without_a_row_is_stored_at_the_side_the_model_sees_and_trained_as_unknown():
    config = resolve({"size": "1M", "image": 64, "patch": 8}, DatasetFacts(name="alice/shapes", classes=3))
    assert (config.stored_side, config.patch, config.batch_size, config.augment) == (64, 8, 128, "flip_crop")


@pytest.mark.parametrize(("size", "depth"), [("10M", 12), ("7.5M", 9), ("20M", 25), ("100M", 126)])
def test_depth_is_what_comes_nearest_to_the_budget(size, depth):
    assert resolve({"model": "vit_classic", "size": size}, FACTS["cifar100"]).depth == depth


def test_a_shape_that_misses_its_size_names_the_nearest_that_do_not():
    with pytest.raises(
        InputError, match=r"size=10M does not fit d_model=512 .* \(\+283.9 %\).*Reachable sizes: .* at depth=3"
    ):
        resolve({"d_model": 512, "depth": 12, "heads": 4}, FACTS["cifar100"])
    assert resolve({"d_model": 512, "heads": 4, "size": "9.8M"}, FACTS["cifar100"]).depth == 3


def test_the_second_version_has_its_own_heads_and_depth():
    config = resolve({"attention": "differential_v2"}, FACTS["cifar100"])
    assert (config.heads, config.depth) == (4, 11) and abs(config.parameters / 10e6 - 1) < 0.05


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        ({"image": 224, "patch": 15}, "image=224 is not a multiple of patch=15. Use 14 or 16"),
        ({"patch": 2**31 - 1}, "is not a multiple of patch=2147483647. Use 224"),
        ({"heads": 5}, "d_model=256 does not divide into heads=5 of differential attention. Use 4 or 8"),
        ({"model": "vit_classic", "heads": 3}, "heads=3 of classic attention. Use 2 or 4"),
        ({"d_model": 2**31 - 1, "heads": 7}, "is not a multiple of 2"),
        (
            {"d_model": 2**31},
            "d_model=2147483648 is out of range. Use .* at most 2,147,483,648|does not fit d_model=2147483648",
        ),
        ({"d_model": 10**309, "depth": 1}, "is out of range. Use a number above 0, at most"),
        ({"d_model": 2**40}, "is out of range. Use a number above 0, at most"),
    ],
)
def test_shapes_that_do_not_divide_are_answered_with_the_nearest_at_once(request_, says):
    with pytest.raises(InputError, match=says):
        resolve(request_, FACTS["cifar100"])


def test_warm_up_steps_that_were_asked_for_are_not_clamped():
    assert resolve({}, FACTS["bach"]).clamp_warmup and not resolve({"warmup_steps": 500}, FACTS["bach"]).clamp_warmup


def test_warm_up_steps_given_at_the_protocols_value_are_another_run_as_only_the_data_tell_whether_they_are():
    left_out, given = (resolve(request, FACTS["bach"]) for request in ({}, {"warmup_steps": 500}))
    assert left_out.warmup_steps == given.warmup_steps and left_out.run_id != given.run_id
    for total, equal in ((2500, True), (2499, False)):
        used = [optim.warmup(one.warmup_steps, total, clamp=one.clamp_warmup)[0] for one in (left_out, given)]
        assert (used[0] == used[1]) is equal


def test_a_share_for_test_is_named_only_where_it_can_change_the_split():
    unknown = DatasetFacts(name="alice/shapes", classes=3)  # whose source may have a test split
    names = [resolve({"size": "1M", **more}, unknown).run_id for more in ({}, {"test_fraction": 0.2})]
    assert names[0] != names[1]
    assert resolve({"test_fraction": 0.2}, FACTS["digits"]).run_id == resolve({}, FACTS["digits"]).run_id


def test_the_names_that_a_datasets_row_has_anyway_name_the_same_run():
    facts = DatasetFacts(name="cifar100", classes=100, native=32)
    given = {"image_column": "img", "label_column": "fine_label", "dataset_config": "cifar100"}
    assert resolve(given, facts).run_id == resolve({}, facts).run_id
    assert resolve({"label_column": "coarse_label"}, facts).run_id != resolve({}, facts).run_id


@pytest.mark.parametrize("letter", ["x", "猫"])
def test_a_dataset_s_name_may_fill_the_longest_file_name_and_no_more(letter):
    longest = max(paths._SUFFIXES.values(), key=len)
    assert len(f".{longest}.4194304.aside") == checks.SUFFIX_BYTES
    room = 255 - checks.SUFFIX_BYTES - len("model_01234567_1M_local--")
    name = "x" * (room % 3) + letter * (room // 3) if letter == "猫" else letter * room
    config = resolve({"size": "1M"}, DatasetFacts(name=f"local/{name}", classes=3))
    assert len(f".{config.stem}{longest}.4194304.aside".encode()) == 255
    for request, more in (({"size": "1M"}, "y"), ({"size": "10M"}, "")):
        with pytest.raises(
            InputError, match=r"makes a run's file names 256 bytes long. 255 bytes are allowed. Rename its folder"
        ):
            resolve(request, DatasetFacts(name=f"local/{name}{more}", classes=3))
