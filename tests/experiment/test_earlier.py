"""Runs of an earlier revision of a model's row: found, resumed and evaluated as they were begun."""

import os
import signal
from pathlib import Path

import pytest
from data.measured import fields
from safetensors.torch import load_file

from app.errors import Stopped
from app.experiment import run as experiment

from .runs import Quiet

pytestmark = pytest.mark.usefixtures("cache_folder")
SIGNALS = Path(__file__).resolve().parents[1] / "goldens" / "data" / "signals"
REQUEST = {"dataset": "diffraction", "data": str(SIGNALS), "model": "resnet1d", "width": 8, "limit_train": 24,
           "batch_size": 8, "val_batch_size": 8, "epochs": 1}  # fmt: skip


def train(config, folder, screen=None, **options):
    options = experiment.Options(checkpoints=folder, data=str(SIGNALS), **options)
    return experiment.train_run(config, options, screen or Quiet(), path=str(SIGNALS))


def stopped(config, folder):
    stop = Quiet(after=lambda step: os.kill(os.getpid(), signal.SIGTERM) if step == 2 else None)
    with pytest.raises(Stopped, match="state is saved"):
        train(config, folder, stop)


@pytest.fixture
def config():
    return experiment.plan(REQUEST, Quiet())


@pytest.fixture
def first(config):
    """The same run at revision 1."""
    return next(earlier for earlier in config.at_earlier_revisions() if earlier.model_revision == 1)


def test_a_run_of_revision_1_is_resumed_by_the_same_command_and_evaluated_with_its_second_head(tmp_path, config, first):
    assert (config.model_revision, first.run_id) == (3, "097f256d")  # the name that it had before
    whole, screen = train(first, tmp_path / "whole"), Quiet()
    stopped(first, tmp_path / "cut")
    ended = train(config, tmp_path / "cut", screen)
    assert any("resuming run 097f256d at revision 1 of resnet1d" in text for text in screen.said)
    assert ended.config == first and "model_revision" not in ended.record.config
    assert ended.files.weights.read_bytes() == whole.files.weights.read_bytes()
    assert "discriminator.weight" in load_file(ended.files.weights)
    again = experiment.evaluate(ended, experiment.Options(checkpoints=tmp_path), Quiet(), again=True)
    assert again.record.test == whole.record.test


def test_a_finished_run_of_revision_1_makes_no_run_of_revision_2_done(tmp_path, config, first):
    train(first, tmp_path)
    second = train(config, tmp_path)
    assert second.config == config and second.record.config["model_revision"] == 3
    assert not any("discriminator" in name for name in load_file(second.files.weights))


def test_a_run_of_the_present_revision_comes_before_an_unfinished_one_of_an_earlier(tmp_path, config, first):
    stopped(first, tmp_path)
    second = train(config, tmp_path, fresh=True)
    assert second.config == config
    assert train(config, tmp_path).config == config


@pytest.mark.slow
def test_a_run_of_lanls_t2t_vit_that_began_at_250_epochs_ends_at_250_with_its_epsilon(tmp_path, monkeypatch):
    monkeypatch.setenv("ISOSCALE_CACHE", str(tmp_path / "cache"))
    folder = fields(tmp_path / "fields", rows=40, columns=12)
    request = {"dataset": "nested_cylinder", "data": str(folder), "model": "t2t_lanl", "d_model": 16, "depth": 1,
               "heads": 2, "crop": "0:40,0:12", "train_batches": 1, "val_batches": 1, "batch_size": 2,
               "val_batch_size": 2}  # fmt: skip
    config = experiment.plan(request, Quiet())
    (first,) = config.at_earlier_revisions()
    assert (config.epochs, config.norm_eps, first.epochs, first.norm_eps) == (500, 1e-5, 250, None)
    options = experiment.Options(checkpoints=tmp_path / "runs", data=str(folder), threads=1, device="cpu")
    stop = Quiet(after=lambda step: os.kill(os.getpid(), signal.SIGTERM) if step == 2 else None)
    with pytest.raises(Stopped, match="state is saved"):
        experiment.train_run(first, options, stop, path=str(folder))
    ended = experiment.train_run(config, options, Quiet(), path=str(folder))
    assert ended.config == first and ended.record.schedule.total_steps == 250
    assert "norm_eps" not in {key for key, value in ended.record.config.items() if value is not None}
    again = experiment.evaluate(ended, options, Quiet(), again=True)
    assert again.record.test == ended.record.test
