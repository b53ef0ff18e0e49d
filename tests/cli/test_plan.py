"""`plan`: what it prints, when it refuses, and that it leaves nothing behind."""

import json

import pytest

from app.artifacts.record import plain
from app.config.facts import dataset_facts
from app.config.run import resolve
from app.data.splits.holdout import counted as divided
from app.tables.datasets import DATASETS

from .scenes import Scene, pictures

TINY = "plan --dataset digits --size 100K --d-model 64 --epochs 2 --batch-size 32 --threads 1"
STUDY = [f"--size {size} --dataset {dataset}" for dataset in ("cifar100", "bach") for size in ("10M", "25M", "50M")]


@pytest.mark.parametrize("run", STUDY)
def test_the_study_s_runs_are_planned_without_a_network_matched_and_nothing_is_written(call, work, run):
    ended = call(f"plan {run} --like vit_classic --json")
    assert ended.code == 0 and not list(work.iterdir())
    plan = json.loads(ended.out)
    assert set(plan) == {"run_id", "config", "data", "device", "execution", "costs", "checks"}
    assert set(plan["costs"]) == {
        "parameters", "non_embedding", "tokens", "flops", "activation_bytes", "steps", "rows", "training_flops",
        "trained_inputs", "evaluated_inputs",
        "memory_bytes", "download_bytes", "disk_bytes", "probe", "seconds", "usd",
    }  # fmt: skip
    verdicts = {line["about"]: line["verdict"] for line in plan["checks"]}
    bach = "bach" in run
    assert verdicts["matched"] == verdicts["tokens"] == verdicts["classes"] == "pass"
    assert (verdicts["test labels"], verdicts["warm-up"]) == (("warn", "warn") if bach else ("pass", "pass"))
    assert verdicts["licence"] == verdicts["device"] == verdicts["dataset"] == "warn"
    assert plan["costs"]["steps"] == (500 if bach else 4400)
    assert plan["costs"]["memory_bytes"]["moments"] == 8 * plan["costs"]["parameters"]
    assert set(verdicts) == {"warm-up", "test labels", "licence", "classes", "rows per class", "dataset", "matched",
                             "tokens", "heads", "device", "CPUs", "memory", "shared memory", "disk"}  # fmt: skip
    assert "advise more than 8" in next(line["says"] for line in plan["checks"] if line["about"] == "heads")


def test_a_plan_of_what_train_would_do_has_its_name_and_counts(call, run):
    """`run` is the tiny run of all tests, so that its data are in the cache."""
    config = run.record.config
    limits = " ".join(f"--{name.replace('_', '-')} {config[name]}" for name in
                      ("val_batch_size", "limit_train", "limit_val", "limit_test"))  # fmt: skip
    plan = json.loads(call(f"{TINY} {limits} --json").out)
    assert plan["run_id"] == run.record.run_id and plan["config"] == config
    assert plan["costs"]["steps"] == run.record.schedule.total_steps
    assert plan["costs"]["rows"] == plain(run.record.data.rows)
    assert plan["execution"] == plain(run.record.execution)
    kept = sum(path.stat().st_size for path in (run.files.weights, run.files.best))
    assert abs(plan["costs"]["disk_bytes"]["weights"] / kept - 1) < 0.2
    assert abs(plan["costs"]["disk_bytes"]["log"] / run.files.log.stat().st_size - 1) < 0.5


def test_a_row_s_rows_are_those_that_are_carved(call, run):
    del run  # digits are in the cache
    plan = json.loads(call("plan --dataset digits --json").out)
    rows = divided(resolve({}, dataset_facts(DATASETS["digits"])), 1797, None, own_test=False)
    assert tuple(plan["costs"]["rows"].values()) == rows


def test_strict_turns_a_warning_into_2_and_a_failure_is_2_anyway(call):
    few = f"{TINY} --limit-train"
    assert call(f"{few} 600").code == 0
    assert call(f"{few} 600 --strict").code == 0
    warned = call(f"{few} 100 --strict")
    assert warned.code == 2 and "warn  rows per class: 10 " in warned.out
    assert warned.err.endswith("checks failed: rows per class (warn). See the lines above\n")
    assert call(f"{few} 100").code == 0
    failed = call(f"{few} 5")
    assert failed.code == 2 and "fail  rows per class" in failed.out and "rows per class (fail)" in failed.err


def test_a_model_that_is_not_matched_fails_and_says_how_to_match_it(call):
    assert call("plan --model vit_classic --size 25M --like t2t_vit").code == 0  # at 25M too
    ended = call("plan --model vit_classic --size 25M --like t2t_vit_14")
    assert ended.code == 2 and "--match params --like t2t_vit_14 chooses the nearest" in ended.out
    assert call("plan --model vit_classic --match params --like t2t_vit_14").code == 0


def test_a_probe_tells_seconds_and_money(call, work):
    plan = json.loads(call(f"{TINY} --probe --usd-per-hour 3600 --json").out)
    costs = plan["costs"]
    assert costs["probe"]["steps"] == 20 and costs["probe"]["images"] == 32 and not costs["probe"]["scaled"]
    assert costs["seconds"] > 2 * costs["rows"]["train"] * costs["probe"]["step_seconds"] / 32
    assert costs["usd"] == pytest.approx(costs["seconds"])
    assert not list(work.iterdir())


def test_a_probe_on_a_cpu_takes_fewer_images_and_says_so(call, monkeypatch):
    monkeypatch.setattr("app.plan.probe._WORK_ON_CPU", 1.0)
    ended = call(f"{TINY} --probe --usd-per-hour 0.5")
    assert "of 2 of 32 images each, to be scaled" in ended.err
    assert "measured with 2 images and scaled up" in ended.out and " USD" in ended.out


@pytest.mark.gpu
def test_a_plan_on_a_gpu_tries_what_fits_and_knows_its_architecture(call):
    plan = json.loads(call("plan --dataset cifar10 --size 1M --device cuda --probe --usd-per-hour 1 --json").out)
    verdicts = {line["about"]: line["verdict"] for line in plan["checks"]}
    assert verdicts["device"] == verdicts["memory"] == "pass"
    assert plan["costs"]["probe"]["images"] == 512 and plan["costs"]["usd"] > 0


def test_a_folder_is_planned_by_what_is_known_of_it_before_it_is_read(call, work, monkeypatch, tmp_path):
    pictures(Scene(work, monkeypatch, None, None))
    monkeypatch.setenv("ISOSCALE_CACHE", str(tmp_path / "fresh"))
    costs = json.loads(call("plan --dataset ./pets --image 8 --patch 4 --size 1M --json").out)["costs"]
    assert costs["download_bytes"] == 0 and costs["rows"] == {"train": 29, "val": 3, "test": 8}
    assert costs["steps"] == 50 and costs["disk_bytes"]["cache"] == 40 * 3 * 8 * 8
    assert not (tmp_path / "fresh").exists()
    ended = call("plan --dataset ./pets --image 8 --patch 4 --size 1M --probe --usd-per-hour 1 --batch-size 8")
    assert ended.code == 0 and "(20 steps of" in ended.out and "USD" in ended.out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("--usd-per-hour 1", "--usd-per-hour needs a measured time. Add --probe"),
        ("--like vit_clasic", "unknown model 'vit_clasic'. Did you mean `vit_classic`?"),
        ("--match params", "--match params needs a second model to match"),
        ("--image 30", "image=30 is not a multiple of patch=8"),
        ("--private", "--private has an effect with --upload only"),
    ],
)
def test_what_cannot_be_planned_is_refused_in_a_sentence(call, work, arguments, says):
    ended = call(f"plan {arguments}")
    assert ended.code == 2 and says in ended.err and not ended.out and not list(work.iterdir())
