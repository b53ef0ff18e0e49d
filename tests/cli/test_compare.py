"""`compare` as a user has it: table, verdict and audit; JSON; formats; studies with looks; refusals; no torch."""

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from data.pictures import encoded, noise, write_parquet
from results import N, arms, classified, finished, fitted

from app.artifacts.predictions import Predictions
from app.artifacts.runs import find_runs
from app.studies import changes, folder

VIT, DIFF = "vit_classic", "vit_differential"
SMALL = "--image 16 --patch 4 --size 100K --d-model 64 --epochs 1 --batch-size 16 --augment none --threads 1"
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def made(work):
    """Five seeds of two models of which one is better."""
    arms(work / "checkpoints", {DIFF: 0.9, VIT: 0.75})
    return find_runs(work / "checkpoints")


def study(root, runs, name="grid", *, more=()):
    """The folder of a study as its last command left it; `more` are runs that do not exist."""
    kept = [
        changes.Kept(run_id=run.record.run_id, where=f"line {number}", settings={"dataset": "digits",
                     "model": run.config.model, "seed": str(run.config.seed)})
        for number, run in enumerate(runs, 2)
    ]  # fmt: skip
    files = folder.StudyFiles(root / "studies" / name)
    files.folder.mkdir(parents=True)
    table = changes._Table(format=1, cells=[*kept, *more])
    files.cells.write_bytes(changes.msgspec.json.encode(table))
    return files


def test_the_answer_is_a_table_then_the_verdict_the_budget_and_the_audit(call, made):
    ended = call("compare")
    assert ended.code == 0 and all(line.isprintable() for line in ended.out.split("\n"))
    lines = ended.out.splitlines()
    assert lines[0].startswith("top-1 accuracy on digits (higher is better), n = 400 test examples")
    assert lines[2].split()[:3] == ["model", "runs", "mean"] and lines[6].split()[-1] in ("better", "worse")
    text = " ".join(lines[7:])
    for words in (f"{DIFF} 1M is better than {VIT} 1M by ", "95 % interval", "for new seeds and new test examples",
                  "beats", "budget: parameters", "matched: 0.096 % apart", "audit: the same seeds"):  # fmt: skip
        assert words in text, words


def test_a_comparison_that_is_refused_is_no_look_and_fixes_no_plan(call, made, work):
    files = study(work / "checkpoints", made)
    assert call("compare grid --metric rmse").code == 2
    broken = made[0].files.predictions.read_bytes()
    made[0].files.predictions.write_bytes(broken[:100])
    assert call("compare grid").code == 4 and not (files.folder / "looks.jsonl").exists()
    made[0].files.predictions.write_bytes(broken)
    assert "look 1 at this study, with 5 seeds: the plan has 2 looks" in call("compare grid --looks 3,5").out


def test_a_look_at_a_study_in_which_a_model_has_no_run_yet_is_outside_the_plan(call, made, work):
    missing = [
        changes.Kept(run_id=f"{seed:08}", where="", settings={"dataset": "digits", "model": "cnn", "seed": str(seed)})
        for seed in range(5)
    ]
    study(work / "checkpoints", made, more=missing)
    out = call("compare grid").out
    assert "look 1 at this study, with 0 seeds, is outside the plan: the plan has 1 look, at 5 seeds" in out


def test_json_is_one_object_with_the_numbers_of_the_table(call, made):
    ended = call(f"compare --json model={DIFF} model={VIT}")
    found = json.loads(ended.out)
    (pair,) = found["pairs"]
    assert (pair["a"], pair["b"], pair["verdict"]) == (f"{DIFF} 1M", f"{VIT} 1M", "better")
    assert pair["interval"][0] < pair["difference"] < pair["interval"][1] < 1 and found["n"] == N
    assert found["arms"][0]["seeds"] == [0, 1, 2, 3, 4] and found["look"] is None and ended.err == ""


def test_other_formats_contain_the_same_difference(call, made):
    pair = json.loads(call("compare --json").out)["pairs"][0]
    row = next(csv.DictReader(io.StringIO(call("compare --format csv").out)))
    assert float(row["difference"]) == pair["difference"] and row["verdict"] == pair["verdict"]
    shown = f"{100 * pair['difference']:.1f}"
    markdown, latex = call("compare --format md").out, call("compare --format latex").out
    assert markdown.count("\n| --- |") == 1 and f"| {shown} |" in markdown
    assert r"\begin{tabular}" in latex and f"& {shown} &" in latex and r"vit\_classic" in latex


def test_several_datasets_and_metrics_are_one_family_and_each_dataset_of_a_study_is_one_look(call, work, made):
    random = np.random.default_rng(2)
    for model, rate in ((DIFF, 0.9), (VIT, 0.7)):
        for seed in range(2):
            finished(work / "checkpoints", classified(random.random(300) < rate), dataset="cifar10", size="1M",
                     model=model, seed=seed)  # fmt: skip
    ended = call("compare --dataset digits --dataset CIFAR-10 --metric top1 --metric brier")
    assert ended.code == 0 and ended.out.startswith("one family of comparisons (4 pairs, 2 datasets, 2 metrics)")
    runs = find_runs(work / "checkpoints")
    files = study(work / "checkpoints", runs)
    found = json.loads(call("compare grid --json --metric brier --metric top1").out)
    assert [each["look"]["number"] for each in found["comparisons"]] == [1] * 4 and found["family"] == 4
    assert len((files.folder / "looks.jsonl").read_text().splitlines()) == 4  # a plan and a look of each dataset
    assert call("compare grid --dataset bach").code == 2 and call("compare grid --metric rmse").code == 2


def test_runs_are_named_by_id_path_and_selection(call, made):
    one, other = (next(run for run in made if run.config.model == model) for model in (DIFF, VIT))
    by_id = call(f"compare {one.record.run_id} {other.files.record}")
    assert by_id.code == 0 and "one seed: not an answer about architectures" in by_id.out
    assert "excluded" not in by_id.out
    assert call(f"compare model={DIFF},seed=0-2 model={VIT}").code == 0
    assert call("compare model=nobody").code == 2


def test_a_study_counts_its_looks_and_named_runs_count_none(call, made, work):
    files = study(work / "checkpoints", made, more=[changes.Kept(run_id="0" * 8, where="line 12", settings={
        "dataset": "digits", "model": VIT, "seed": "5"})])  # fmt: skip
    call(f"compare model={DIFF} model={VIT}")
    assert not (files.folder / "looks.jsonl").exists()
    first = call("compare grid --looks 3,5")
    assert first.code == 0 and "look 1 at this study, with 5 seeds: the plan has 2 looks, at 3, 5 seeds" in first.out
    assert "97.5 % interval" in first.out and "run 00000000 (line 12) is excluded: it is not trained yet" in first.out
    assert "look 1 at this study" in call("compare grid").out
    refused = call("compare grid --looks 3,7")
    assert refused.code == 2 and "Omit --looks" in refused.err


def test_a_look_before_the_study_is_complete_takes_no_verdict_word(call, made, work):
    early = [run for run in made if run.config.seed < 3]
    missing = [
        changes.Kept(run_id=f"{seed:08}", where="", settings={"dataset": "digits", "model": model, "seed": str(seed)})
        for model in (DIFF, VIT) for seed in (3, 4)
    ]  # fmt: skip
    study(work / "checkpoints", early, more=missing)
    ended = call("compare grid --json")
    found = json.loads(ended.out)
    assert (
        found["look"]["plan"] == [5] and not found["look"]["planned"] and found["pairs"][0]["verdict"] == "no verdict"
    )


def test_a_study_is_named_by_its_file_too(call, work):
    (work / "grid.csv").write_text("dataset,size,model,seed\n" + "".join(
        f"digits,1M,{model},{seed}\n" for model in (DIFF, VIT) for seed in (0, 1)))  # fmt: skip
    arms(work / "checkpoints", {DIFF: 0.9, VIT: 0.75}, seeds=3)
    found = json.loads(call("compare grid.csv --json").out)
    assert [len(arm["run_ids"]) for arm in found["arms"]] == [2, 2]
    assert found["look"]["plan"] == [2] and found["look"]["planned"]
    assert (work / "checkpoints/studies/grid/looks.jsonl").is_file()


def test_a_regression_reports_its_simulations(call, work):
    names = np.repeat([f"id{number}" for number in range(20)], 3)
    random = np.random.default_rng(0)
    for model, scale in (("cnn", 0.02), ("resnet18", 0.1)):
        for seed in range(2):
            errors = scale * random.normal(size=60)
            finished(
                work / "checkpoints", fitted(errors, names=names), dataset="nested_cylinder", model=model, seed=seed
            )
    ended = call("compare")
    assert "RMSE on nested_cylinder (lower is better), n = 60 test examples in 20 groups" in ended.out
    assert "is better than resnet18" in ended.out and "each group counts as one example" in ended.out


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("compare --delta 0", "--delta 0 is not a difference that matters"),
        ("compare --target seeds", "unknown --target 'seeds'"),
        ("compare --format pdf", "unknown --format 'pdf'"),
        ("compare --metric rmse", "--metric rmse is for a regression"),
        ("compare --looks 3,5", "no study is named"),
        ("compare --dataset bach", "there is no finished run of bach"),
        ("compare resnet18 vit_classic", "resnet18 is a model and not a run. Use model=resnet18"),
        ("compare 10M 25M", "Use size=10M"),
        ("compare nothing.csv", "the study nothing.csv is not a file"),
        ("compare --sd 1", "--sd has an effect with --power only"),
        ("compare --power", "needs the variance over seeds"),
        ("compare --power --sd 1 --like model=vit_classic", "both give the variances"),
        ("compare --power --sd 1 model=vit_classic", "--power compares nothing"),
        ("compare --power --sd 1 --usd-per-hour 2", "needs the time of a run"),
        ("compare --power --sd 1 --examples-sd 20", "needs the number of test examples"),
        ("compare --power --sd 1 --metric macro-f1", "has no default margin"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(call, made, line, says):
    ended = call(line)
    assert (ended.code, ended.out) == (2, "") and says in ended.err and ended.err.count("\n") == 1


def test_models_on_other_test_rows_are_not_comparable(call, work):
    for model, limit in ((DIFF, 100), (VIT, 90)):
        finished(work / "checkpoints", classified(np.ones(limit, bool)), dataset="digits", size="1M", model=model,
                 limit_test=limit)  # fmt: skip
    ended = call(f"compare model={DIFF} model={VIT}")
    assert ended.code == 2 and "not comparable: they differ in limit_test (100 against 90)" in ended.err


def test_seeds_are_planned_from_stated_deviations(call, work):
    ended = call("compare --power --delta 1 --sd 0.5 --examples-sd 20 --dataset cifar100")
    assert ended.code == 0 and "seeds of each model detect a difference of 1 point with 80 % power" in ended.out
    found = json.loads(call("compare --power --delta 1 --sd 0.5 --json").out)
    assert found["seeds"] == 6 and found["least"]["6"] <= 0.01 < found["least"]["5"] and found["dollars"] is None
    small = call("compare --power --delta 1 --sd 0.5 --examples-sd 20 --examples 300")
    assert "No number of seeds detects 1 point" in small.out and "test examples are needed, not 300" in small.out


def test_seeds_are_planned_from_pilot_runs_with_their_price(call, made):
    found = json.loads(
        call(f"compare --power --delta 5 --like model={DIFF} --like model={VIT} --usd-per-hour 3600 --json").out
    )
    assert found["seeds"] <= found["seeds_upper"] and found["dollars"] == pytest.approx(2 * found["seeds"])
    assert "--looks " in found["text"] and "for new seeds and new test examples" in found["text"]
    one = call(f"compare --power --delta 5 --like model={VIT}")
    assert one.code == 0 and "the variance that the test examples cause is unknown" in one.out


def test_a_comparison_imports_neither_torch_nor_scipy_stats_nor_pandas(made, work):
    program = (
        "import sys; from app.cli import main; codes = [main(line.split()) for line in sys.argv[1:]]; "
        "print(*codes, *({'torch', 'scipy.stats', 'pandas', 'matplotlib'} & set(sys.modules)), file=sys.stderr)"
    )
    lines = ["compare", "compare --metric ece --json", "compare --power --sd 1 --delta 1"]
    ended = subprocess.run([sys.executable, "-c", program, *lines], capture_output=True, text=True, timeout=120,
                           cwd=work, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=False)  # fmt: skip
    assert ended.stderr.split() == ["0", "0", "0"], ended.stderr


@pytest.mark.slow
def test_patients_and_duplicates_of_a_trained_dataset_are_groups(call, work, tmp_path, monkeypatch):
    monkeypatch.setenv("ISOSCALE_CACHE", str(tmp_path / "cache"))
    write_parquet(work / "pets" / "train-0.parquet", ["cat", "dog"] * 20, patient=[f"a{i // 4}" for i in range(40)])
    numbers = [100, 101, 102, 103, 104, 105, 106, 100]  # the last image is the first one, of another patient
    images = [{"bytes": encoded(noise(number)), "path": None} for number in numbers]
    write_parquet(
        work / "pets" / "test-0.parquet", ["cat", "dog"] * 4, image=images, patient=[f"b{i // 2}" for i in range(8)]
    )
    for model in (VIT, DIFF):
        assert call(f"train --dataset ./pets --model {model} --group-column patient {SMALL}").code == 0
    stored = Predictions.load(find_runs(work / "checkpoints")[0].files.predictions)
    assert len(np.unique(stored.groups)) == 4
    out = call("compare --dataset local/pets").out
    assert "8 test rows are of 3 groups (one per value of --group-column; 1 row has the same input" in out
    assert "were not looked for" not in out
