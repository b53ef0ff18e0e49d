"""Runs on pictures that are transparent, of 16 bits or unreadable: records, loaded models, earlier revisions."""

import dataclasses
import os
import signal

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from data.pictures import TINY, encoded, noise, write_images
from PIL import Image

from app.errors import Stopped
from app.experiment import run as experiment
from app.experiment.loading import load

from .runs import Quiet

REQUEST = TINY | {"model": "vit_classic", "epochs": 1, "batch_size": 8, "val_batch_size": 8}


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ISOSCALE_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def folder(tmp_path):
    """Pictures of 8 bits, among them cut-outs and 16-bit ones in every class and split."""
    root = write_images(tmp_path / "pets")
    for number, path in enumerate(sorted(root.rglob("0[0-3].png"))):
        counts = np.random.default_rng(number).integers(100, 900, (20, 20), dtype=np.uint16)
        clear = Image.fromarray(np.dstack([noise(number), noise(99, channels=1)]))
        path.write_bytes(encoded(counts if number % 2 else clear))
    return root


def planned(folder, **more):
    return experiment.plan(REQUEST | more | {"dataset": str(folder)}, Quiet())


def train(config, folder, checkpoints, screen=None, **options):
    options = experiment.Options(checkpoints=checkpoints, **options)
    return experiment.train_run(config, options, screen or Quiet(), path=str(folder))


def logits_of(run):
    table = pq.read_table(run.files.predictions)
    order = np.argsort(table["row"].to_numpy())
    return torch.tensor(np.stack(table["logits"].to_numpy(zero_copy_only=False))[order])


def test_the_record_lists_what_was_skipped_and_how_pixels_were_read(tmp_path, folder):
    (folder / "train" / "cat" / "07.png").write_bytes(b"")
    run = train(planned(folder, skip_unreadable=True), folder, tmp_path / "ck")
    data = run.record.data
    assert data.left_out == ["train/cat/07.png (row 7 of train): there is no image"]
    assert data.pixels.transparent == data.pixels.deep == {"test": 4, "train": 4}
    assert 100 <= data.pixels.low < data.pixels.high <= 899
    assert str(tmp_path) not in "".join(data.left_out)


def test_a_record_of_plain_pictures_says_nothing_of_it(tmp_path):
    folder = write_images(tmp_path / "plain")
    data = train(planned(folder), folder, tmp_path / "ck").record.data
    assert (data.left_out, data.pixels) == (None, None)


def test_a_loaded_model_reads_files_as_its_run_did(tmp_path, folder):
    run = train(planned(folder), folder, tmp_path / "ck")
    model = load(run.files.record, device="cpu")
    files = sorted((folder / "test").rglob("*.png"))
    with torch.no_grad():
        for inputs in (files, [Image.open(path) for path in files]):
            assert torch.allclose(model(model.preprocess(inputs)), logits_of(run), atol=1e-5)


def test_a_palette_with_transparency_is_loaded_as_its_colours(tmp_path, folder):
    run = train(planned(folder), folder, tmp_path / "ck")
    model = load(run.files.record, device="cpu")
    picture = Image.fromarray(noise(1)).quantize(16)
    picture.info["transparency"] = 3
    path = tmp_path / "palette.png"
    picture.save(path, transparency=3)
    assert torch.equal(model.preprocess(picture), model.preprocess(path))
    assert torch.equal(model.preprocess(picture), model.preprocess(Image.open(path).convert("RGBA")))


def first(config):
    """The same run as earlier versions made it: its record names no revision."""
    return dataclasses.replace(config, decoding_revision=1)


def test_a_run_of_revision_1_keeps_its_pixels_and_is_evaluated_with_them(tmp_path, folder):
    config = planned(folder)
    old, new = (train(each, folder, tmp_path / "ck") for each in (first(config), config))
    assert "decoding_revision" not in old.record.config and new.record.config["decoding_revision"] == 2
    assert old.record.data.pixels is None and not torch.equal(logits_of(old), logits_of(new))
    for run in (old, new):
        again = experiment.evaluate(run, experiment.Options(checkpoints=tmp_path / "ck"), Quiet(), again=True)
        assert again.record.test == run.record.test
    model = load(old.files.record, device="cpu")
    with torch.no_grad():
        found = model(model.preprocess(sorted((folder / "test").rglob("*.png"))))
    assert torch.allclose(found, logits_of(old), atol=1e-5)


def test_an_unfinished_run_of_revision_1_is_resumed_by_the_same_command(tmp_path, folder):
    config = planned(folder, epochs=2)
    whole = train(first(config), folder, tmp_path / "whole")
    stop = Quiet(after=lambda step: os.kill(os.getpid(), signal.SIGTERM) if step == 2 else None)
    with pytest.raises(Stopped, match="state is saved"):
        train(first(config), folder, tmp_path / "cut", stop)
    screen = Quiet()
    ended = train(config, folder, tmp_path / "cut", screen)
    assert any("at revision 1 of the decoding, as it began" in text for text in screen.said)
    assert ended.config == first(config)
    assert ended.files.weights.read_bytes() == whole.files.weights.read_bytes()


def test_a_finished_run_of_revision_1_makes_no_run_of_revision_2_done(tmp_path, folder):
    config = planned(folder)
    train(first(config), folder, tmp_path / "ck")
    assert train(config, folder, tmp_path / "ck").config == config


def test_a_bit_depth_belongs_to_revision_2(folder):
    config = planned(folder, bit_depth=12)
    assert [earlier for earlier in config.at_earlier_revisions() if earlier.decoding_revision == 1] == []
    assert any(earlier.decoding_revision == 1 for earlier in planned(folder).at_earlier_revisions())
