"""Commands with a model of the user's file: as a user types them, on the example of its page."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from app.artifacts.runs import find_runs
from app.errors import InputError
from app.experiment.loading import load
from app.tables import own

pytestmark = pytest.mark.slow
PAGE = (Path(__file__).resolve().parents[2] / "docs" / "own-models.md").read_text()
SHORT = "--dataset digits --epochs 1 --limit-train 64 --limit-val 16 --limit-test 16"


@pytest.fixture
def net(work):
    """The page's example in the working folder."""
    (work / "net.py").write_text(re.search(r"```python\n(.*?)```", PAGE, flags=re.S)[1])
    return work / "net.py"


def test_a_run_is_evaluated_and_predicts_with_its_file_and_with_no_other(call, net, work):
    assert call(f"train --model net.py:ConvNet --model-args width=8,depth=1 {SHORT}").code == 0
    (run,) = find_runs(work / "checkpoints")
    again = f"evaluate {run.record.run_id} --again"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(own, "_READ", {})  # as a new process has it
        refused = call(again)
        assert refused.code == 2 and "never run" in refused.err
        (work / "changed.py").write_text(net.read_text() + "# changed\n")
        refused = call(f"{again} --model changed.py:ConvNet")
        assert refused.code == 2 and run.config.model_sha256 in refused.err and "changed.py" in refused.err
        assert call(f"evaluate {run.record.run_id}").code == 0  # from stored predictions
        assert call(f"{again} --model net.py:ConvNet").code == 0
        assert call(f"export {run.record.run_id} --format pt2 --model net.py:ConvNet").code == 0
        assert call("evaluate --model net.py:ConvNet").code == 0
        listed = call("models --model net.py:ConvNet --dataset digits --json")
        assert [row["parameters"] for row in json.loads(listed.out)] == [37_898] and not listed.err
        assert call(f"runs show {run.record.run_id}").code == 0


def test_a_file_that_is_not_the_model_of_the_run_is_refused(call, run, net):
    commands = ["evaluate RUN", "evaluate --run RUN", "export RUN --format pt2", "predict RUN .", "robust RUN"]
    for command in (*commands, "reproduce RUN"):
        refused = call(f"{command.replace('RUN', run.record.run_id)} --model net.py:ConvNet")
        assert refused.code == 2 and "which needs no file. Omit it" in refused.err, refused
    assert not [*Path().glob("*.pt2")]
    with pytest.raises(InputError, match="needs no file"):
        load(run.files.record, model="net.py:ConvNet")


def test_what_a_forward_pass_prints_is_not_in_the_json_on_stdout(call, net, work):
    net.write_text(net.read_text().replace("x = self.pool", "print('passed')\n        x = self.pool"))
    trained = call(f"train --model net.py:ConvNet --model-args width=8,depth=1 {SHORT} --json")
    (run,) = find_runs(work / "checkpoints")
    for command in (
        "evaluate RUN --again",
        "export RUN --format pt2",
        "robust RUN --corruption gaussian_noise --severity 1",
    ):
        done = call(f"{command.replace('RUN', run.record.run_id)} --model net.py:ConvNet --json")
        assert done.code == 0 and json.loads(done.out) and "passed" in done.err, (command, done)
    assert json.loads(trained.out)["run_id"] == run.record.run_id and "passed" in trained.err


def test_a_study_matches_the_model_to_another_and_compares_both(call, net, work):
    table = re.search(r"(model,size,grow.*?)```", PAGE, flags=re.S)[1]
    (work / "matched.csv").write_text(table)
    done = call(f"study matched.csv --cross seed=0-1 {SHORT}")
    assert done.code == 0, done.err
    counts = {run.record.model: run.record.parameters.total for run in find_runs(work / "checkpoints")}
    assert len(counts) == 2 and max(counts.values()) / min(counts.values()) < 1.05
    compared = call("compare matched.csv --json")
    assert compared.code == 0, compared.err


def test_a_run_goes_to_the_hub_with_its_text_and_comes_back_without_running_it(call, net, work, online):
    train = f"train --model net.py:ConvNet --model-args width=8,depth=1 {SHORT} --upload"
    assert call(train).code == 0
    (run,) = find_runs(work / "checkpoints")
    folder = f"{run.config.folder}/{run.files.stem}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(own, "_READ", {})
        net.rename(work / "elsewhere.py")
        assert call(f"download {folder} back").code == 0
        assert call(f"evaluate back/{run.files.stem}").code == 0
        assert call(f"evaluate back/{run.files.stem} --again").code == 2
        assert call(f"evaluate back/{run.files.stem} --again --model elsewhere.py:ConvNet").code == 0
    card = (work / "back" / "README.md").read_text()
    assert run.config.model_sha256 in card and 'model="FILE.py:ConvNet"' in card and "class ConvNet" not in card


def test_two_ranks_train_the_run_of_one(net, work, shared_cache):
    environment = os.environ | {"ISOSCALE_CACHE": str(shared_cache), "OMP_NUM_THREADS": "1"}
    root = str(Path(__file__).resolve().parents[2] / "run.py")
    words = f"{root} train --model net.py:ConvNet --model-args width=8,depth=1 {SHORT} --checkpoints two --device cpu"
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*launcher, *words.split()], cwd=work, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    (run,) = find_runs(work / "two")
    assert run.record.places[0].ranks == 2 and run.record.code.path == "net.py"
