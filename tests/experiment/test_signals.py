"""A signal at any moment of a run: the state is saved, the sentence names the signal, the end has the same bytes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import TINY

from app import evaluation, loop
from app.artifacts.runs import find_runs
from app.errors import Stopped
from app.experiment import finishing, stages

from .runs import Quiet, train

pytestmark = pytest.mark.usefixtures("cache_folder")
RUN = Path(__file__).resolve().parents[2] / "run.py"
REPOSITORY = "tester/runs"
NAMES = ("SIGUSR1", "SIGUSR2", "SIGXCPU", "SIGHUP", "SIGTERM")


@pytest.fixture(scope="module")
def whole(tmp_path_factory, shared_cache):
    """The run that nothing disturbed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ISOSCALE_CACHE", str(shared_cache))
        return train(tmp_path_factory.mktemp("whole"))


def send(name):
    os.kill(os.getpid(), getattr(signal, name))


def at_call(number, name, original):
    """The function, which sends a signal to this process at one of its calls."""
    calls = []

    def called(*given, **named):
        calls.append(1)
        if len(calls) == number:
            send(name)
        return original(*given, **named)

    return called


def resumed(folder, whole, first_step):
    screen = Quiet()
    ended = train(folder, screen)
    assert (screen.steps[0] if screen.steps else None) == first_step
    for part in ("weights", "best", "predictions", "splits"):
        assert getattr(ended.files, part).read_bytes() == getattr(whole.files, part).read_bytes(), part


@pytest.mark.parametrize("name", NAMES)
def test_in_the_middle_of_the_steps(tmp_path, whole, name):
    with pytest.raises(Stopped, match=rf"stopped by {name} after step 4 of 10. Its state is saved"):
        train(tmp_path, Quiet(after=lambda step: send(name) if step == 4 else None))
    assert find_runs(tmp_path)[0].record.status == "stopped"
    resumed(tmp_path, whole, 5)


def test_while_the_first_batch_waits_nothing_is_waited_for(tmp_path, whole, monkeypatch):
    def forever(*_, **__):
        send("SIGUSR1")
        while True:
            time.sleep(0.01)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "update", forever)
        with pytest.raises(Stopped, match="stopped by SIGUSR1 before its first step ended"):
            train(tmp_path)
    assert find_runs(tmp_path)[0].record.status == "stopped"
    resumed(tmp_path, whole, 1)


@pytest.mark.parametrize(("call", "step"), [(1, 1), (2, 2), (6, 5), (7, 5)])  # of a batch; of a pass
def test_during_validation_the_step_is_ended_with_it(tmp_path, whole, monkeypatch, call, step):
    with monkeypatch.context() as patch:
        patch.setattr(loop, "validate", at_call(call, "SIGUSR2", loop.validate))
        with pytest.raises(Stopped, match=rf"stopped by SIGUSR2 after step {step} of 10. Its state is saved"):
            train(tmp_path)
    resumed(tmp_path, whole, step + 1)


@pytest.mark.parametrize("where", [(evaluation, "_predicted"), (finishing, "tested")], ids=["predicting", "testing"])
def test_during_the_final_test_the_state_of_the_last_step_stays(tmp_path, whole, monkeypatch, where):
    with monkeypatch.context() as patch:
        patch.setattr(*where, at_call(1, "SIGXCPU", getattr(*where)))
        with pytest.raises(Stopped, match="stopped by SIGXCPU"):
            train(tmp_path)
    assert find_runs(tmp_path)[0].record.status == "stopped"
    resumed(tmp_path, whole, None)


def test_before_the_first_step_nothing_is_lost(tmp_path, whole, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(stages, "_cached", at_call(1, "SIGHUP", stages._cached))
        with pytest.raises(Stopped, match="stopped by SIGHUP"):
            train(tmp_path)
    resumed(tmp_path, whole, 1)


@pytest.mark.slow
def test_while_figures_are_drawn_the_run_is_done_and_the_same_command_draws_them(work, monkeypatch, capsys):
    from app.cli import main
    from app.report import loss

    monkeypatch.setattr(sys, "argv", ["run.py", "train", *TINY.split(), "--threads", "1"])
    with monkeypatch.context() as patch:
        patch.setattr(loss, "draw_run", at_call(1, "SIGUSR1", loss.draw_run))
        assert main() == 75
    assert "stopped by SIGUSR1" in capsys.readouterr().err
    [run] = find_runs(work)
    assert run.done and not run.files.confusion_png.exists()
    assert main() == 0 and run.files.confusion_png.exists() and run.files.loss_png.exists()


@pytest.fixture
def repository(online):
    online.create(REPOSITORY)
    return online


def stopped_while(folder, grace, name="SIGUSR1", **options):
    with pytest.raises(Stopped) as stopped:
        train(
            folder, Quiet(after=lambda step: send(name) if step in (4, 8) else None),
            options={"upload": True, "push_every": 3600.0, "grace": grace, **options},
        )  # fmt: skip
    return str(stopped.value)


@pytest.mark.slow
def test_the_last_push_takes_what_the_grace_leaves_and_no_more(tmp_path, repository):
    push = "POST .*/commit/run-"
    repository.fault(push, None, delay_seconds=0, times=1)  # the claim
    repository.fault(push, None, delay_seconds=9.0)
    assert stopped_while(tmp_path / "long", 60.0).endswith("Its state is saved, and on the Hub")
    repository.faults.clear()
    repository.fault(push, None, delay_seconds=0, times=1)
    repository.fault(push, None, delay_seconds=6.0)
    began = time.monotonic()
    assert stopped_while(tmp_path / "short", 1.0).endswith("Its state is saved, but not on the Hub")
    assert time.monotonic() - began < 6.0


def test_the_grace_counts_from_the_signal():
    from app.experiment import run as experiment

    now = time.monotonic()
    assert experiment._seconds_left(Stopped("x", since=now - 50), 120.0) == pytest.approx(67.0, abs=0.5)
    assert experiment._seconds_left(Stopped("x", since=now - 500), 120.0) == experiment._LEAST
    assert experiment._seconds_left(Stopped("x"), 120.0) == pytest.approx(117.0, abs=0.5)
    assert experiment._seconds_left(Stopped("x", in_time=True), 10.0) == experiment._LAST_PUSH


def test_a_last_push_that_fails_is_tried_again_within_the_grace(tmp_path, repository, monkeypatch):
    monkeypatch.setattr("app.experiment.pushing._LAST_PAUSE", 0.01)
    repository.fault("POST .*/commit/run-", None, times=1)  # the claim
    repository.fault("POST .*/commit/run-", 503, times=9)
    assert stopped_while(tmp_path, 60.0).endswith("Its state is saved, and on the Hub")


def test_more_signals_do_not_disturb_the_last_push(tmp_path, repository):
    repository.fault("POST .*/commit/run-", None, times=1)  # the claim
    repository.fault("POST .*/commit/run-", None, meanwhile=lambda: [send(name) for name in NAMES])
    assert stopped_while(tmp_path, 60.0).endswith("Its state is saved, and on the Hub")


@pytest.mark.slow
@pytest.mark.parametrize("name", [pytest.param("SIGUSR1", marks=pytest.mark.long), "SIGTERM"])
def test_under_torchrun_all_ranks_stop_and_one_goes_on(tmp_path, shared_cache, name):
    run_on = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    handled = "SIGTERM,SIGINT,SIGHUP,SIGQUIT,SIGUSR1,SIGUSR2,SIGXCPU"
    command = [str(RUN), "train", *TINY.replace("--epochs 2", "--epochs 400").split(), "--threads", "1"]
    environment = os.environ | {"ISOSCALE_CACHE": str(shared_cache), "PET_SIGNALS_TO_HANDLE": handled}
    with (tmp_path / "said").open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, *run_on, *command], cwd=tmp_path, env=environment, stderr=said, stdout=said
        )
        logs = []
        while process.poll() is None and not any('"step": 20, ' in log.read_text() for log in logs):
            time.sleep(0.1)
            logs = list(tmp_path.rglob("*_training.log"))
        process.send_signal(getattr(signal, name))
        assert process.wait(timeout=120) != 0
    told = (tmp_path / "said").read_text()
    assert f"stopped by {name} after step" in told and "internal error" not in told, told[-3000:]
    [run] = find_runs(tmp_path)
    assert run.record.status == "stopped" and list(run.files.state.glob("state-*.safetensors"))


IN_THE_TEST = """import os, signal, sys, time
sys.path.insert(0, {root!r})
from app import cli, evaluation
predicted = evaluation._predicted
def slowly(*given, **named):
    os.kill(os.getpid(), signal.SIGUSR1)
    time.sleep(0.1)
    return predicted(*given, **named)
if not os.path.exists("again"):
    evaluation._predicted = slowly
cli.leave(cli.main())
"""


@pytest.mark.slow
def test_under_torchrun_a_signal_in_the_final_test_ends_all_ranks(tmp_path, shared_cache):
    (tmp_path / "program.py").write_text(IN_THE_TEST.format(root=str(RUN.parent)))
    run_on = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "program.py"]
    command = [sys.executable, *run_on, "train", *TINY.split(), "--threads", "1"]
    environment = os.environ | {"ISOSCALE_CACHE": str(shared_cache)}
    for again, code in ((False, 1), (True, 0)):
        ended = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=300
        )
        assert ended.returncode == code, ended.stderr[-3000:]
        assert again or ("stopped by SIGUSR1" in ended.stderr and "internal error" not in ended.stderr)
        (tmp_path / "again").touch()
    assert find_runs(tmp_path)[0].done
