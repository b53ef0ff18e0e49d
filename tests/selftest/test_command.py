"""`run.py selftest`: kinds, verdicts, exit codes; and, slowly, each kind once."""

import json

import pytest
from typer.main import get_command

from app import selftest
from app.cli import app, main
from app.selftest import Kind, Verdict
from app.selftest.trial import Failed


def passes(trial, count):
    trial.say(f"tried {count} times with seed {trial.seed}")
    return Verdict("kill", summary="all is well")


def fails(trial, count):
    return Verdict("log", failures=["a row is gone"])


def breaks(trial, count):
    raise Failed("the command ended with exit 1")


@pytest.fixture
def call(capsys, work):
    def call(line):
        capsys.readouterr()
        code = main(["selftest", *line.split()])
        return code, *capsys.readouterr()

    return call


def kinds(monkeypatch, **found):
    monkeypatch.setattr(selftest, "KINDS", {name: Kind(prove, 1) for name, prove in found.items()})


def test_every_kind_has_an_option():
    options = {name for parameter in get_command(app).commands["selftest"].params for name in parameter.opts}
    assert {f"--{name}" for name in selftest.KINDS} <= options


def test_without_a_kind_the_default_ones_run_and_exit_is_0_when_all_pass(call, monkeypatch):
    kinds(monkeypatch, kill=passes, log=passes)
    code, out, _ = call("--seed 3")
    lines = out.splitlines()
    assert code == 0 and lines[:2] == ["tried 1 times with seed 3", "PASS kill: all is well"]
    assert lines[-1].startswith("PASS selftest: 2 of 2 kinds, vit_differential, seed 3, ")


def test_one_that_fails_is_exit_1_and_the_others_still_run(call, monkeypatch):
    kinds(monkeypatch, log=fails, sigterm=breaks, kill=passes)
    code, out, _ = call("")
    assert code == 1 and "FAIL log: a row is gone" in out and "PASS kill" in out
    assert "FAIL sigterm: the command ended with exit 1" in out and "FAIL selftest: 1 of 3 kinds" in out


def test_only_what_is_asked_for_runs_as_often_as_asked(call, monkeypatch):
    kinds(monkeypatch, kill=passes, log=fails)
    code, out, _ = call("--kill 7")
    assert code == 0 and "tried 7 times" in out and "log" not in out


def test_json_is_one_object_and_the_lines_go_to_stderr(call, monkeypatch):
    kinds(monkeypatch, kill=passes, log=fails)
    code, out, err = call("--json --model vit_classic")
    found = json.loads(out)
    assert code == 1 and (found["passed"], found["model"], found["seed"]) == (False, "vit_classic", 0)
    assert found["kinds"]["kill"]["passed"] and found["kinds"]["log"]["failures"] == ["a row is gone"]
    assert "tried 1 times" in err


@pytest.mark.parametrize("line", ["--hub-move 1", "--hub-faults", "--enospc", "--damage 40", "--log"])
def test_what_left_for_the_tests_is_an_unknown_option(call, line):
    code, out, err = call(line)
    assert (code, out) == (2, "") and err.startswith(f"error: No such option: {line.split()[0]}")


@pytest.mark.parametrize("line", ["--model vit_clasic", "--kill 0", "--keep full", "--epochs 1", "--ranks 0"])
def test_bad_input_is_exit_2(call, work, line):
    (work / "full").mkdir()
    (work / "full" / "file").touch()
    code, out, err = call(line)
    assert (code, out) == (2, "") and err.startswith("error: ")


def test_the_folder_is_kept_where_that_is_asked(call, monkeypatch, work):
    kinds(monkeypatch, kill=lambda trial, count: trial.folder("here") and Verdict("kill"))
    assert call("--keep new")[0] == 0
    assert (work / "new" / "here").is_dir()


@pytest.mark.slow
@pytest.mark.parametrize(
    "line",
    [
        "--kill 2",
        pytest.param("--kill 1 --model vit_classic --micro-batch-size 8 --seed 5", marks=pytest.mark.long),
        "--sigterm",
        "--kill 1 --ranks 2",
    ],
)
def test_nothing_is_lost(call, line):
    code, out, err = call(line)
    assert code == 0, f"{out}\n{err}"


def test_a_model_that_digits_cannot_train_is_bad_input_before_a_run_is_started(call, monkeypatch):
    kinds(monkeypatch, kill=passes)
    code, _, err = call("--model resnet1d")
    assert code == 2 and "resnet1d" in err
    assert call("--model resnet18")[0] == 0


def test_a_model_of_a_file_is_named_by_its_absolute_path_to_the_runs(call, monkeypatch, work):
    seen = []
    kinds(monkeypatch, kill=lambda trial, count: seen.append(trial.arguments()) or passes(trial, count))
    text = "def net(*, image, channels, classes, width=2): pass"
    (work / "net.py").write_text(text)
    code, out, err = call("--model net.py:net --model-args width=3")
    assert code == 0 and "net.py:net, seed 0" in out, err
    words = " ".join(seen[0])
    assert f"--model {work}/net.py:net" in words and "--model-args width=3" in words and "--d-model" not in words
    assert call("--model net.py:net --model-args depth=3")[0] == 2
