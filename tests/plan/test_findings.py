"""What a plan finds: each kind of line passes, warns or fails on the config that was made for it."""

import re

import pytest
import torch

from app.computing.execution import Execution
from app.config.facts import DatasetFacts, dataset_facts
from app.config.run import resolve
from app.data.splits.holdout import counted as divided
from app.place import Place
from app.plan import costs, findings, room
from app.plan.extent import Extent
from app.system import checks, machine
from app.system.findings import NOTE
from app.tables.datasets import DATASETS
from app.tables.optimizers import OPTIMIZERS

FACTS = {name: dataset_facts(row) for name, row in DATASETS.items()}


def config_of(dataset="cifar100", **request):
    return resolve({"dataset": dataset, **request}, FACTS[dataset])


def extent(**changes):
    whole = {"train": 45_000, "val": 5_000, "test": 10_000, "total": 60_000, "classes": None, "licence": "mit",
             "download_bytes": 142 * 10**6, "cached": False, "carved_test": False}  # fmt: skip
    return Extent(**(whole | changes))


@pytest.mark.parametrize(
    ("request_", "steps", "verdict", "says"),
    [
        ({}, 4400, "pass", r"500 of 4,400 steps \(11 %\)"),
        ({}, 600, "warn", "shortened to 60"),
        ({"warmup_steps": 500}, 600, "warn", "is more than 20 %. Lower --warmup-steps"),
        ({}, None, "warn", "its share is unknown"),
    ],
)
def test_a_warm_up_over_a_fifth_of_the_schedule_warns_clamped_or_not(request_, steps, verdict, says):
    found = findings.warmup(config_of(**request_), steps)
    assert found.verdict == verdict and re.search(says, found.says)


def test_a_test_split_without_labels_warns_and_one_that_is_carved_passes():
    carved = extent(carved_test=True, test=100)
    assert findings.labels_of_test(DATASETS["bach"], carved)[:2] == ("warn", "test labels")
    assert findings.labels_of_test(DATASETS["digits"], carved).verdict == "pass"
    assert findings.labels_of_test(DATASETS["cifar100"], extent()).says.endswith("n = 10,000")
    assert findings.labels_of_test(None, extent(test=None)).verdict == "pass"


@pytest.mark.parametrize(
    ("licence", "verdict"),
    [("mit", "pass"), ("cc-by-4.0", "pass"), ("cc-by-nc-nd-4.0", "warn"), ("cc-by-nd-4.0", "warn"),
     ("Non-Commercial use", "warn"), ("unknown", "warn"), ("other", "warn"), ("indigenous", "pass")],
)  # fmt: skip
def test_a_licence_that_restricts_or_is_not_known_warns(licence, verdict):
    assert findings.licence(licence).verdict == verdict


def test_classes_that_are_not_the_cached_ones_fail():
    for classes, verdict in ((None, "pass"), (100, "pass"), (20, "fail")):
        assert findings.classes(config_of(), extent(classes=classes)).verdict == verdict


@pytest.mark.parametrize(
    ("train", "verdict"), [(45_000, "pass"), (5_000, "pass"), (4_999, "warn"), (99, "fail"), (None, "warn")]
)
def test_fewer_than_fifty_rows_of_a_class_warn_and_fewer_than_one_fails(train, verdict):
    assert findings.rows_per_class(config_of(), extent(train=train)).verdict == verdict


def test_a_download_that_is_still_to_come_warns():
    for changes, verdict in (({}, "warn"), ({"cached": True}, "pass"), ({"download_bytes": 0}, "pass")):
        assert findings.dataset(config_of(), extent(**changes)).verdict == verdict
    assert "unknown size" in findings.dataset(config_of(), extent(download_bytes=None)).says


@pytest.mark.parametrize(
    ("request_", "like", "match", "verdicts"),
    [
        ({}, {"model": "vit_classic"}, "params", ["pass", "pass"]),
        ({"size": "9.8M", "d_model": 512, "heads": 4}, {"model": "vit_classic"}, "params", ["warn", "pass"]),
        ({"size": "25M"}, {"model": "vit_classic"}, "params", ["fail", "pass"]),
        ({"model": "t2t_vit", "match": "flops", "like": "vit_classic"}, {"model": "vit_classic"}, "flops",
         ["warn", "warn"]),
        ({"model": "t2t_vit", "match": "flops", "like": "vit_classic"}, {"model": "vit_classic"}, "params",
         ["fail", "warn"]),
    ],
)  # fmt: skip
def test_models_are_matched_within_a_thousandth_nearly_within_a_twentieth_and_else_not(request_, like, match, verdicts):
    found = findings.matched(config_of(**request_), config_of(**like), match=match)
    assert [line.verdict for line in found] == verdicts
    assert ("--match params" in found[0].says) is (verdicts[0] == "fail")


def test_a_model_of_the_study_on_a_cpu_warns_and_a_small_one_passes():
    flops = [costs.counts(config).flops for config in (config_of(), config_of("bach"), config_of("digits"))]
    assert [findings.device(None, "cpu", flops=each).verdict for each in flops] == ["warn", "warn", "pass"]
    assert findings.device(None, "mps", flops=flops[0]).verdict == "pass"


def test_memory_that_is_taken_warns_and_memory_that_is_not_there_fails():
    assert [checks.memory(wanted, 50, 80).verdict for wanted in (50, 51, 80, 81)] == ["pass", "warn", "warn", "fail"]
    assert checks.memory(81, 50, 80, tried=True).verdict == "pass"


def test_shared_memory_passes_whatever_there_is(tmp_path):
    assert checks.shared_memory(machine.shared_memory(tmp_path / "none"), ranks=1).says == "no limit"
    assert checks.shared_memory(machine.shared_memory(tmp_path), ranks=1).verdict == "pass"


def test_cache_and_run_on_one_disk_need_their_sum(tmp_path, monkeypatch):
    monkeypatch.setenv("ISOSCALE_CACHE", str(tmp_path / "not" / "yet"))
    disk = {"cache": 10**9, "weights": 8, "state": 40, "log": 2}
    ((folder, wanted, free),) = room.needs(disk, tmp_path / "checkpoints")
    assert (folder, wanted) == (tmp_path, 10**9 + 42 + 2**24) and free > 0
    assert not list(tmp_path.iterdir())
    ((_, more, _),) = room.needs(disk | {"kept": 100}, tmp_path / "checkpoints")
    assert more == wanted + 100


def test_the_weights_of_keep_every_need_room_on_the_disk():
    config = config_of("digits", epochs=7)
    assert "kept" not in room.disk(config, extent(total=400), 10)
    assert room.disk(config, extent(total=400), 10, keep_every=2)["kept"] == 3 * 4 * config.parameters


def test_images_that_a_gpu_will_store_are_counted_before_they_are_read(monkeypatch):
    config, gpu = config_of(), Place(torch.device("cuda"), "bf16")
    monkeypatch.setattr(Place, "room", lambda place: (10**9, 2 * 10**9))
    assert room.resident(config, gpu, extent(total=60_000)) == 60_000 * 3 * 32 * 32
    assert room.resident(config, gpu, extent(total=600_000)) == 0  # more than half of the free memory: on the host
    assert room.resident(config, Place(torch.device("cpu"), "fp32"), extent(total=60_000)) == 0


def test_a_run_costs_three_forward_passes_for_each_image_learned_from_and_one_for_each_evaluated():
    config, rows = config_of(batch_size=10, val_batch_size=4, epochs=3), extent(train=25, val=6, test=7)
    assert costs.steps_of(config, rows) == 9
    flops = costs.counts(config).flops
    assert costs.training_flops(config, rows) == flops * (3 * 3 * 25 + 9 * 4 + 3 * 6 + 7)
    assert costs.training_flops(config, extent(val=None)) is None


FIELDS = DatasetFacts(name="nested_cylinder", classes=1, channels=1, kind="field", image=(1700, 500), task="regression")
SIGNALS = DatasetFacts(name="diffraction", classes=14, channels=1, kind="signal", image=(3041,))


def fields(**request):
    return resolve({"dataset": "nested_cylinder", "data": "x", "model": "cnn", **request}, FIELDS)


def signals(**request):
    return resolve({"dataset": "diffraction", "data": "x", "model": "resnet1d", **request}, SIGNALS)


def test_an_epoch_of_random_batches_counts_its_batches_and_not_the_rows():
    rows = extent(train=240, val=80, test=80, total=400)
    config = fields()  # LANL's protocol: 250 epochs of 3,000 batches of 4, validated on 1,000
    assert costs.steps_of(config, rows) == 750_000
    assert costs.trained_inputs(config, rows) == 3_000_000
    assert costs.evaluated_inputs(config, rows) == 750_000 * 4 + 250 * 4_000 + 80
    assert costs.trained_inputs(fields(model="t2t_lanl"), rows) == 6_000_000
    flops = costs.counts(config).flops
    assert costs.training_flops(config, rows) == flops * (3 * 3_000_000 + 750_000 * 4 + 250 * 4_000 + 80)
    assert costs.trained_inputs(signals(train_batches=7, epochs=2, batch_size=5), rows) == 70
    assert costs.evaluated_inputs(signals(val_batches=3, val_batch_size=10, epochs=2), rows) == 2 * 10 + 2 * 30 + 80
    assert costs.trained_inputs(config_of(train_batches=7, epochs=2, batch_size=5), extent(train=None)) == 70


def test_without_random_batches_every_row_counts_once_an_epoch():
    rows = extent(train=240, val=80, test=60)
    assert costs.trained_inputs(signals(epochs=3), rows) == 720
    assert costs.evaluated_inputs(signals(epochs=3, batch_size=120, val_batch_size=16), rows) == 6 * 16 + 3 * 80 + 60
    assert costs.trained_inputs(config_of(epochs=2), rows) == 480
    assert costs.trained_inputs(config_of(), extent(train=None)) is None


@pytest.mark.parametrize(
    ("config", "bytes_"),
    [
        (fields(), 400 * 1700 * 500 * 4), (fields(stored_dtype="float16"), 400 * 1700 * 500 * 2),
        (signals(), 400 * 3041 * 4), (signals(stored_dtype="float16"), 400 * 3041 * 2),
        (config_of(), 400 * 3 * 32 * 32), (config_of("digits"), 400 * 8 * 8), (config_of("bach"), 400 * 3 * 512 * 512),
    ],
)  # fmt: skip
def test_a_cache_is_as_large_as_its_numbers(config, bytes_):
    assert room.disk(config, extent(total=400), 10)["cache"] == bytes_
    assert room.disk(config, extent(total=400, cached=True), 10)["cache"] == 0
    assert room.disk(config, extent(total=None), 10)["cache"] is None


def test_a_regression_has_rows_and_a_target_and_no_classes():
    assert findings.classes(fields(), extent(classes=1)).about == "target"
    for train, verdict in ((None, "warn"), (49, "warn"), (50, "pass")):
        found = findings.rows_per_class(fields(), extent(train=train))
        assert (found.about, found.verdict) == ("training rows", verdict) and "class" not in found.says


@pytest.mark.parametrize(
    ("request_", "count"),
    [
        ({}, 2), ({"dataset": "bach"}, 3), ({"model": "vit_differential_h32"}, 4), ({"size": "1M"}, 2),
        ({"model": "vit_differential_h32", "dataset": "bach"}, 6), ({"attention": "differential_v2"}, 4),
        ({"model": "t2t_vit", "attention": "differential"}, 2),
    ],
)  # fmt: skip
def test_few_differential_heads_are_mentioned_with_the_row_that_has_more(request_, count):
    config = config_of(**request_)
    (found,) = findings.heads(config)
    assert config.heads == count and found.says.startswith(f"{count} of width ") and "null result" in found.says
    assert found.verdict == "note"
    more = config.model == "vit_differential" and config.size != "1M" and config.attention == "differential"
    assert ("--model vit_differential_h32 has " in found.says) is more


def test_many_heads_and_other_attention_are_not_mentioned():
    for request_ in ({"model": "vit_classic"}, {"model": "resnet18"}, {"heads": 16, "d_model": 512, "size": "38M"}):
        assert not findings.heads(config_of(**request_))


def test_rows_are_divided_as_they_are_carved():
    assert divided(config_of(), 50_000, 10_000, own_test=True) == (45_000, 5_000, 10_000)
    assert divided(config_of("bach"), 400, None, own_test=False) == (270, 30, 100)
    assert divided(config_of(limit_train=7, limit_test=3), None, 10, own_test=True) == (None, None, 3)


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        ({"optimizer": "lion"}, "0.0001 is the protocol's, for adamw, and this run uses lion. Its authors advise"),
        ({"optimizer": "sgd"}, "usually needs a larger one"),
        ({"optimizer": "adan"}, "Choose one with --lr"),
    ],
)
def test_the_protocol_s_rate_under_another_optimiser_is_noted(request_, says):
    (found,) = findings.rate(config_of(**request_))
    assert found.verdict == NOTE and says in found.says
    assert not findings.rate(config_of(**request_, lr=1e-3))


def test_an_adam_and_the_protocol_s_own_optimiser_are_not_noted():
    assert not findings.rate(config_of(optimizer="adam")) and not findings.rate(config_of())
    assert not findings.rate(config_of("cifar10", model="resnet18", recipe="airbench"))


@pytest.mark.parametrize("name", ["sgd", "adan", "lion", "muon"])
def test_memory_and_disk_have_room_for_the_state_of_the_optimiser_and_for_the_average(name):
    plain, averaged = (config_of("digits", optimizer=name, **more) for more in ({}, {"ema": 2}))
    here, chosen = Place(torch.device("cpu"), "fp32"), Execution(attention_path="plain", micro_batch_size=8, threads=1)
    weights, floats = 4 * plain.parameters, OPTIMIZERS[name].floats
    found, more = (room.memory(config, here, chosen) for config in (plain, averaged))
    assert (
        (weights * floats * 0.5 < found["moments"] < weights * floats)
        if name == "muon"
        else (found["moments"] == weights * floats)
    )
    assert more == found | {"average": 2 * weights}
    disk, larger = (room.disk(config, extent(total=400), 10) for config in (plain, averaged))
    assert disk["weights"] == 2 * weights and larger["weights"] == 3 * weights
    assert larger["state"] - disk["state"] == 3 * weights and disk["state"] == 4 * weights + 3 * found["moments"]


def test_the_pass_over_validation_with_the_average_is_counted():
    plain, averaged = (config_of("digits", epochs=7, **more) for more in ({}, {"ema": 2}))
    counts = [costs.evaluated_inputs(config, extent(train=100, val=50, test=10)) for config in (plain, averaged)]
    assert counts[1] - counts[0] == 7 * 50
