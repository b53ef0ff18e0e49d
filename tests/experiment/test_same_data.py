"""A run is resumed and evaluated on the arrays that it began with, whatever kind of data they are."""

import hashlib
import json
import os
import random
import re
import signal
from pathlib import Path

import pytest
from goldens import scene

from app import data
from app.artifacts import record
from app.artifacts.runs import Run
from app.config.run import resolve
from app.data.store import manifest as manifests
from app.errors import Damaged, Stopped
from app.experiment import run as experiment

from .runs import TINY, Quiet

SIGNALS = Path(__file__).resolve().parents[1] / "goldens" / "data" / "signals"
SHORT = {"batch_size": 8, "val_batch_size": 8, "epochs": 1}
CUT = {"batch_size": 3, "train_batches": 4, "val_batches": 2}


def digits(_folder):
    return TINY | {"epochs": 1}


def pictures(folder):
    scene.images(folder / "pets", {"train": 12, "test": 4})
    vit = {"model": "vit_classic", "size": "100K", "d_model": 64, "image": 16, "patch": 4, "augment": "none"}
    return vit | SHORT | {"dataset": str(folder / "pets")}


def patterns(_folder):
    return SHORT | {"dataset": "diffraction", "data": str(SIGNALS), "model": "resnet1d", "width": 8, "limit_train": 24}


def frames(folder):
    scene.fields(folder / "fields")
    files = {"data": str(folder / "fields"), "design": str(folder / "fields" / "design.csv"), "crop": "0:40,0:12"}
    return SHORT | files | {"dataset": "nested_cylinder", "model": "cnn", "depth": 1, "features": 4} | CUT


@pytest.fixture(params=[digits, pictures, patterns, frames], ids=lambda kind: kind.__name__)
def commands(request, tmp_path, monkeypatch):
    """`train` and `evaluate --again` on data of one kind, with a cache that no other test reads."""
    monkeypatch.setenv("ISOSCALE_CACHE", str(tmp_path / "cache"))
    return Commands(request.param(tmp_path), tmp_path)


class Commands:
    def __init__(self, request, folder):
        self.request, self.cache, self.folder = request, folder / "cache", folder / "runs"
        self.path = data.where({"data": None, **request})["path"]

    def options(self):
        names = {"data", "design"} & self.request.keys()
        return experiment.Options(checkpoints=self.folder, **{name: self.request[name] for name in names})

    def train(self, screen=None):
        screen = screen or Quiet()
        config = experiment.plan(self.request, screen)
        return experiment.train_run(config, self.options(), screen, path=self.path)

    def stopped(self):
        """The record of a run that was stopped after two steps."""
        with pytest.raises(Stopped, match="state is saved"):
            self.train(Quiet(after=lambda step: os.kill(os.getpid(), signal.SIGTERM) if step == 2 else None))
        return self.record()

    def record(self):
        (path,) = self.folder.glob("*/model_*[0-9a-z].json")
        return path

    def again(self, run):
        return experiment.evaluate(run, experiment.Options(checkpoints=self.folder), Quiet(), again=True)

    def change(self):
        """Puts one other byte into the cached training inputs, as if they came from the source; returns the undoing."""
        (folder,) = (path.parent for path in self.cache.glob("data/*/manifest.json"))
        manifest = manifests.read(folder)
        name = next(
            name for name in sorted(manifest.files) if name.startswith("train-") and name.endswith((".u8", ".f32"))
        )
        before = (folder / name).read_bytes(), (folder / "manifest.json").read_bytes()
        content = bytearray(before[0])
        content[len(content) // 2] ^= 1
        (folder / name).write_bytes(content)
        manifest.files[name].sha256 = hashlib.sha256(content).hexdigest()
        manifests.write(folder, manifest)

        def undo():
            (folder / name).write_bytes(before[0])
            (folder / "manifest.json").write_bytes(before[1])

        return undo


def test_the_record_has_a_digest_of_the_arrays_that_the_manifest_s_sums_give(commands):
    run = commands.train()
    (manifest,) = commands.cache.glob("data/*/manifest.json")
    files = json.loads(manifest.read_text())["files"]
    decisive = {name: file["sha256"] for name, file in files.items() if not re.search("moments|names|files", name)}
    digest = hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:16]
    assert json.loads(commands.record().read_text())["data"]["arrays_digest"] == digest
    assert run.record.data.arrays_digest == digest and len(decisive) >= 3


def test_a_run_is_not_resumed_on_other_arrays_and_is_on_its_own(commands):
    before = commands.stopped().read_bytes()
    undo = commands.change()
    with pytest.raises(Damaged, match=r"cached arrays .*differ from those that the run began with.*--fresh"):
        commands.train()
    assert commands.record().read_bytes() == before
    undo()
    assert commands.train().done


def test_a_run_is_not_evaluated_again_on_other_arrays(commands):
    run = commands.train()
    undo = commands.change()
    with pytest.raises(Damaged, match="cached arrays"):
        commands.again(run)
    assert experiment.evaluate(run, experiment.Options(checkpoints=commands.folder), Quiet()).record.test
    undo()
    assert commands.again(run).record.test == run.record.test


def test_a_record_of_an_earlier_version_without_the_digest_is_resumed_and_evaluated(commands):
    path = commands.stopped()
    kept = record.read(path)
    kept.data.arrays_digest = None
    record.write(path, kept)
    assert "arrays_digest" not in json.loads(path.read_text())["data"]
    run = commands.train()
    assert run.done and run.record.data.arrays_digest is None
    assert commands.again(Run.load(path)).record.test == run.record.test


def test_one_flipped_byte_in_any_cached_file_is_noticed(commands):
    request = commands.request
    facts = data.facts(request, lambda _: None, lambda *_: None)
    ask = data.ask_of(resolve(request, facts).to_json(), **data.where({"data": None, **request}))
    cached, draws = data.prepare(ask, lambda _: None, lambda *_: None), random.Random(15)
    files = sorted(path for path in cached.folder.iterdir())
    assert {path.name for path in files} == {*cached.manifest.files, "manifest.json"}
    for path in files:
        content = path.read_bytes()
        for _ in range(5):
            flipped = bytearray(content)
            flipped[draws.randrange(len(content))] ^= 1 << draws.randrange(8)
            path.write_bytes(flipped)
            with pytest.raises(Damaged, match="damaged"):
                data.prepare(ask, lambda _: None, lambda *_: None)
        path.write_bytes(content)
    assert data.prepare(ask, lambda _: None, lambda *_: None).digest == cached.digest


def test_a_start_hashes_each_file_of_a_warm_cache_at_most_once(commands, monkeypatch):
    commands.train()
    hashed = []
    whole = data.cache.durable.sha256
    monkeypatch.setattr(data.cache.durable, "sha256", lambda path: hashed.append(path.name) or whole(path))
    commands.request = commands.request | {"seed": 1}
    commands.train()
    cached = [name for name in hashed if name.endswith((".npy", ".u8", ".f32"))]
    assert sorted(cached) == sorted(set(cached))
