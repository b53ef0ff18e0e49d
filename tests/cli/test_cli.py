"""The command line: what it understands, prints and imports, and the exit code that each ending has."""

import dataclasses
import inspect
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import TINY

from app import __version__
from app.cli import spelled, train
from app.cli.screen import program
from app.config import run as config_run
from app.config.run import RunConfig
from app.config.settings import Computing, Data, Files, Keeping, Matching, Model, Recipe, options_of
from app.tables.datasets import DATASETS
from app.tables.models import MODELS, model_row

RUN_PY = Path(__file__).resolve().parents[2] / "run.py"
TRAIN = f"train {TINY} --threads 1"

IMPORTS = """
import sys
from app.cli import main
codes = [main(line.split()) for line in (
    "--version", "--help", "train --help", "plot --help", "selftest --help", "bench --help",
    "plan --help", "doctor --help", "launch vast -- train", "bench step --help", "datasets", "runs --help", "runs",
    "runs --json", "cache --help",
    "train --sise 1M", "train --epochs x", "train --model vit_clasic", "train --size 10B",
    "train --dataset cifar-1000", "train --image 30",
    "evaluate --model vit_clasic", "evaluate --run abc", "upload nothing x", "download hf://x y", "plot --run abc",
    "selftest --model vit_clasic", "bench stpe", "bench step --rounds 0", "bench step --size 10B",
    "bench step --dataset cifar1000", "bench attention --tokens 0",
    "plan --usd-per-hour 1", "plan --like vit_clasic", "plan --size 10B", "runs --where sed=1", "runs show abc",
    "runs rm abc", "runs rm --where seed=1",
)]
print(codes)
print(*sorted({name.partition(".")[0] for name in sys.modules}), file=sys.stderr)
"""


def test_help_tables_and_errors_import_no_heavy_library(work):
    command = [sys.executable, "-c", IMPORTS]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, cwd=RUN_PY.parent)
    assert json.loads(done.stdout.splitlines()[-1]) == 15 * [0] + 24 * [2]
    imported = set(done.stderr.splitlines()[-1].split())
    assert "typer" in imported
    assert not imported & {"torch", "torchvision", "numpy", "scipy", "datasets", "huggingface_hub", "matplotlib"}


def test_a_reader_that_leaves_early_is_no_error():
    process = subprocess.Popen(
        [sys.executable, RUN_PY, "datasets", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.close()
    assert (process.stderr.read(), process.wait(timeout=60)) == (b"", 0)


@pytest.mark.parametrize(
    ("typed", "understood"),
    [
        ("--batch_size 8", "--batch-size 8"),
        ("--batch_size=8", "--batch-size=8"),
        ("--upload true", "--upload"),
        ("--upload True --lr 1", "--upload --lr 1"),
        ("--upload=true", "--upload"),
        ("--upload false", "--no-upload"),
        ("--upload=False", "--no-upload"),
        ("--private false", "--public"),
        ("--json true --best false", "--json --no-best"),
        ("--qkv-bias=no --mirror ON", "--no-qkv-bias --mirror"),
        ("--discriminator 0 --compile yes --seed 1", "--no-discriminator --compile --seed 1"),
        ("--stem-pool off --sigterm=1 --upload=maybe", "--no-stem-pool --sigterm --upload=maybe"),
        ("--message a_b --run true", "--message a_b --run true"),
    ],
)
def test_the_spellings_of_the_original_are_accepted(typed, understood):
    assert spelled(typed.split()) == understood.split()


def test_every_field_of_a_config_that_is_not_derived_is_an_option_of_train():
    given = set(inspect.signature(train.train).parameters)
    fields = {field.name for field in dataclasses.fields(RunConfig)}
    derived = {"task", "classes", "channels", "native", "fingerprint", "clamp_warmup", "init_sha256"}
    derived |= {"model_revision", "decoding_revision", "layout_revision", "model_sha256", "grow_to"}
    assert fields - given == derived
    assert given - fields == {*options_of(Computing, Keeping, Files, Matching), "as_json", "seeds", "repeats"}


def test_the_help_states_the_defaults_of_the_config(call):
    text = " ".join(re.sub("[│╭╮╰╯─]", " ", call("train --help").out).split())
    for field in options_of(Model, Data, Recipe).values():
        if type(field.default) in (int, float):
            option = f"--{field.name.replace('_', '-')} "
            assert re.search(rf"{option}<\w+> [^<>]*Default: ([^<>]* )?{field.default:g}\.", text), field.name


def test_the_version_is_printed_alone(call):
    assert call("--version") == (0, f"isoscale {__version__}\n", "")


def test_train_ends_with_the_result_what_was_written_and_the_next_command(call, run):
    ended = call(TRAIN)
    lines, stem = ended.out.splitlines(), run.files.record.relative_to(Path.cwd()).with_suffix("")
    assert ended.code == 0 and "done already" in ended.err
    assert re.fullmatch(r"test accuracy: \d+\.\d\d % \(95 % Wilson interval .* n = 60\)", lines[0])
    assert lines[-1] == f"next: {' '.join(program())} evaluate {stem}"
    assert call(lines[-1].partition("run.py ")[2]).code == 0
    endings = ended.out.partition(f"written: {stem}\n  with ")[2].partition("\nnext:")[0].replace("\n", "").split(",")
    assert {run.files.stem + ending.strip() for ending in endings} == {path.name for path in run.files.folder.iterdir()}


def test_json_is_all_that_stands_on_stdout(call, run):
    record = json.loads(call(f"{TRAIN} --json").out)
    assert (record["run_id"], record["status"]) == (run.record.run_id, "done")
    assert [row["name"] for row in json.loads(call("datasets --json").out)] == [*DATASETS]
    models = json.loads(call("models --dataset diffraction --json").out)
    assert {row["model"] for row in models} >= {"resnet1d", "vit_classic"}
    result = json.loads(call(f"evaluate --run {run.record.run_id[:4]} --json").out)
    for name in ("run_id", "model", "size", "dataset"):
        assert result[name] == getattr(run.record, name)
    assert (result["split"], result["weights"], result["n"], len(result["per_class"])) == ("test", "final", 60, 10)
    assert result["top1_interval"][0] < result["top1"] < result["top1_interval"][1] < result["top5"] <= 1
    assert result["loss"] > 0 and sum(map(sum, result["confusion"])) == 60


def test_a_run_is_evaluated_alike_however_it_is_named(call, run):
    stem = run.files.record.with_suffix("")
    by_files = [f"{stem}{ending}" for ending in ("", ".json", ".safetensors", "_best.safetensors", "_training.log")]
    by_name = [f"--run {run.record.run_id}", "--model vit_differential --size 100K --dataset Digits"]
    results = [call(f"evaluate {name} --json") for name in ("checkpoints", *by_files, *by_name)]
    assert len({ended.out for ended in results}) == 1 and results[0].code == 0
    assert json.loads(results[0].out)["top1"] == run.record.test.top1


def test_predictions_made_anew_give_the_same_numbers_and_best_weights_their_own(call, run):
    stored, again = (json.loads(call(f"evaluate checkpoints --json {more}").out) for more in ("", "--again"))
    assert stored == again
    assert json.loads(call("evaluate checkpoints --json --best").out)["weights"] == "best"
    assert call("evaluate checkpoints").out.startswith(f"run {run.record.run_id}: vit_differential 100K on digits")


def test_a_split_file_that_is_damaged_is_mended_by_evaluating_again(call, run):
    run.files.splits.write_bytes(b"damaged")
    refused = call("evaluate checkpoints")
    assert refused.code == 4 and re.search("_splits.parquet is damaged. Run `evaluate --again`", refused.err)
    assert call("evaluate checkpoints --again").code == 0
    assert call("evaluate checkpoints").code == 0


def test_tables_have_straight_columns(call):
    for lines in (
        call("models --dataset diffraction").out.split("\nnote")[0].splitlines()[2:],
        call("datasets").out.split("\nnote")[0].splitlines(),
    ):
        gaps = [index for index, mark in enumerate(lines[1]) if mark == " "]
        assert all(line[index : index + 1] in (" ", "") for line in lines for index in gaps)


@pytest.mark.slow
def test_the_table_has_every_model_at_the_sizes_that_are_asked_for(call):
    assert {row["model"] for row in json.loads(call("models --json").out)} == set(MODELS)
    models = call("models --sizes 7.5M,25M").out
    assert "24,759,396" in models and re.search(r"vit_classic +7.5M +d256 L9 h4 p8 ", models)


@pytest.mark.slow
@pytest.mark.figures
def test_figures_are_drawn_and_their_paths_printed(call, run):
    for command in ("loss", "scaling", "loss --separate", "scaling --separate", "accuracy"):
        ended = call(f"plot {command} --run {run.record.run_id} --out drawn")
        paths = [Path(line) for line in ended.out.splitlines()]
        assert ended.code == 0 and paths and all(path.parent.name == "drawn" and path.is_file() for path in paths)


def test_a_defect_of_ours_ends_with_1_and_an_interrupt_with_130(call, run, monkeypatch):
    def fails(error, what="app.experiment.run.evaluate"):
        def raising(*_, **__):
            raise error

        monkeypatch.setattr(what, raising)

    fails(ZeroDivisionError("division by zero"))
    ended = call("evaluate checkpoints")
    assert ended.code == 1 and ended.err.startswith(
        "internal error in isoscale (a bug, not your input): ZeroDivisionError"
    )
    assert "ISOSCALE_DEBUG=1" in ended.err and "report it in the issue tracker of the project: " in ended.err
    fails(KeyboardInterrupt())
    ended = call("evaluate checkpoints")
    assert ended.code == 130 and ended.err.endswith("error: interrupted\n")
    fails(KeyboardInterrupt(), "app.config.command.Command.of")
    for command, resumes in (("train", True), ("study run --cross seed=0-1", True), ("plan --probe", False)):
        ended = call(f"{command} --dataset digits")
        assert ended.code == 130 and "error: interrupted" in ended.err
        assert ("resumes from what was last saved" in ended.err) is resumes


@pytest.mark.parametrize("moment", ["app.evaluation.predict", "app.report.confusion.draw_run"])
def test_sigterm_after_the_last_step_leaves_nothing_half_done_and_the_same_command_ends_the_run(
    call, work, monkeypatch, moment
):
    with monkeypatch.context() as patched:
        patched.setattr(moment, lambda *_, **__: os.kill(os.getpid(), signal.SIGTERM) or time.sleep(5))
        stopped = call(TRAIN)
    assert (stopped.code, stopped.out) == (75, "")
    assert stopped.err.splitlines()[-1].endswith(". The same command resumes from what was last saved, if anything was")
    assert not [path for path in work.rglob("*") if path.suffix in (".aside", ".lock")]
    ended = call(TRAIN)
    assert ended.code == 0 and "test accuracy" in ended.out and not list(work.rglob("*.state"))


def test_a_run_stopped_while_it_was_made_anew_is_continued_without_fresh(call, work):
    stopped = call(f"{TRAIN} --fresh --max-minutes 0")
    said = "stopped by --max-minutes after step 1 of 10. Its state is saved. "
    assert stopped.code == 75 and f"{said}The same command without --fresh resumes the run\n" in stopped.err
    assert "resumes at step 2" in call(TRAIN).err


def test_a_training_looks_its_model_s_row_up_twice_at_most_and_is_resolved_once(call, work, monkeypatch):
    seen, made = [], []
    resolve = config_run.resolve

    def look_up(name):
        seen.append(name)
        return model_row(name)

    for name, module in list(sys.modules.items()):
        if name.startswith("app.") and getattr(module, "model_row", None) is model_row:
            monkeypatch.setattr(module, "model_row", look_up)
        if name.startswith("app.") and getattr(module, "resolve", None) is resolve:
            monkeypatch.setattr(module, "resolve", lambda *given: made.append(given) or resolve(*given))
    ended = call(f"train --dataset digits {TINY.partition('--dataset digits ')[2]} --seed 3 --threads 1 --fresh")
    assert ended.code == 0 and "test accuracy" in ended.out
    assert 1 <= len(seen) <= 2 and len(made) == 1


def test_a_run_that_began_at_an_earlier_revision_is_resumed_and_evaluated_as_it_began(call, work, monkeypatch):
    assert call(f"{TRAIN} --seed 5 --max-minutes 0").code == 75
    (path,) = work.rglob("model_*.json")
    row = dataclasses.replace(MODELS["vit_differential"], revision=2, earlier={1: {}})
    monkeypatch.setitem(MODELS, "vit_differential", row)
    ended = call(f"{TRAIN} --seed 5")
    run_id = json.loads(path.read_text())["run_id"]
    assert ended.code == 0 and f"resuming run {run_id} at revision 1 of vit_differential" in ended.err
    assert list(work.rglob("model_*.json")) == [path] and "model_revision" not in json.loads(path.read_text())["config"]
    assert call(f"evaluate --run {run_id} --again").code == 0
    plan = json.loads(call(f"plan {TINY} --seed 5 --json").out)  # done never gets another meaning
    assert plan["run_id"] != run_id and plan["config"]["model_revision"] == 2
    ended = call(f"{TRAIN} --seed 5")  # and is named where the same command means another run now
    assert f"note: run {run_id} is finished and differs only by revision 1 of vit_differential" in ended.err
    assert f"This command starts another run, {plan['run_id']}" in ended.err and len([*work.rglob("model_*.json")]) == 2
    monkeypatch.setitem(MODELS, "vit_differential", dataclasses.replace(row, earlier={}))
    refused = call(f"evaluate --run {run_id}")
    assert refused.code == 2 and "model_revision=1 of vit_differential is unknown. This version knows 2" in refused.err


KINDS = [
    ("the disk", "DiskFull", 4, "disk full"), ("the run", "Held", 4, "held"), ("lr", "InputError", 2, "bad input"),
    ("no room", "MemoryError", 4, "out of memory"), ("CUDA", "torch.OutOfMemoryError", 4, "out of memory"),
    ("no space", "OSError", 4, "disk full"), ("0", "ZeroDivisionError", 1, "internal error"),
]  # fmt: skip


@pytest.mark.parametrize(("says", "error", "code", "kind"), KINDS, ids=[case[1] for case in KINDS])
def test_a_failure_has_its_exit_code_and_for_machines_its_kind(call, run, monkeypatch, says, error, code, kind):
    import builtins
    import errno

    import torch

    from app import errors

    kinds = {**vars(builtins), **vars(errors), "torch.OutOfMemoryError": torch.OutOfMemoryError}

    def evaluate(*_, **__):
        raise kinds[error](*([errno.ENOSPC, says] if error == "OSError" else [says]))

    monkeypatch.setattr("app.experiment.run.evaluate", evaluate)
    ended = call("evaluate checkpoints --json")
    found = json.loads(ended.out)["error"]
    assert (ended.code, found["kind"]) == (code, kind) and (says in found["message"] or error == "OSError")
    assert found["message"] in ended.err and "Traceback" not in ended.err
    assert call("evaluate checkpoints").out == ""


def test_the_help_lists_every_exit_code(call):
    from app import cli

    lines = " ".join(call("--help").out.split())
    for code in (cli.DONE, cli.INTERNAL, cli.BAD_INPUT, cli.NOT_UPLOADED, cli.FAILED, cli.STOPPED, cli.INTERRUPTED):
        assert re.search(rf"\b{code} [a-z]", lines), code
