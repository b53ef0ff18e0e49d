"""The whole way in processes of their own, as HF_ENDPOINT leads them: a dataset of the Hub, a run, and its way back."""

import json
import os
import subprocess
import sys

import pytest
from hub.server import HubServer

from .scenes import table
from .test_cli import RUN_PY

TRAIN = "train --dataset alice/pets --image 8 --patch 4 --size 100K --d-model 64 --epochs 2 --batch-size 16 --json"


def run_py(folder, environment, line):
    """What a command prints as JSON on a machine of its own: a folder, a cache and a home."""
    folder.mkdir(exist_ok=True)
    places = {"ISOSCALE_CACHE": str(folder / "cache"), "HF_HOME": str(folder / "home"), "HF_REPOSITORY": "tester/runs"}
    command = [sys.executable, RUN_PY, *line.split()]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=300, check=False, cwd=folder,
        env={**os.environ, "HF_HUB_OFFLINE": "0", "OMP_NUM_THREADS": "1", **environment, **places},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
def test_a_run_on_a_hub_dataset_is_evaluated_to_the_same_numbers_on_another_machine(tmp_path):
    table(tmp_path / "pets", "train", ["cat", "dog", "cow"] * 40)
    table(tmp_path / "pets", "test", ["cat", "dog", "cow"] * 10)
    with HubServer() as hub:
        sha = hub.add_dataset("alice/pets", tmp_path / "pets")
        record = run_py(tmp_path / "mine", hub.environment(), f"{TRAIN} --upload")
        folder = f"vit_differential/model_{record['run_id']}_100K_alice--pets"
        assert (record["data"]["version"], record["data"]["class_names"]) == (sha, ["cat", "cow", "dog"])
        there = run_py(tmp_path / "yours", hub.environment(token=None), f"evaluate hf://tester/runs/{folder} --json")
        again = run_py(
            tmp_path / "yours", hub.environment(token=None), f"evaluate hf://tester/runs/{folder} --again --json"
        )
        assert f"{folder}/README.md" in hub.files("tester/runs")
        table(tmp_path / "later", "train", ["cat", "dog", "cow"] * 50)
        table(tmp_path / "later", "test", ["cat", "dog", "cow"] * 20)
        assert hub.add_dataset("alice/pets", tmp_path / "later") != sha
        reproduced = run_py(
            tmp_path / "other", hub.environment(token=None), f"reproduce hf://tester/runs/{folder} --retrain --json"
        )
    assert there == again and {name: there[name] for name in record["results"]["test"]} == record["results"]["test"]
    facts = {fact["what"]: fact["holds"] for fact in reproduced["facts"]}
    assert facts == dict.fromkeys(["record", "files", "numbers", "card", "weights", "first steps"], True)
    offline = run_py(tmp_path / "mine", {"HF_HUB_OFFLINE": "1"}, TRAIN)
    assert offline["run_id"] == record["run_id"]
