"""A finished run is loaded as a model that gives the run's own logits for the run's own inputs."""

import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from data import measured
from PIL import Image

from app.cli import main
from app.errors import Damaged, InputError
from app.experiment.loading import load


def logits_of(folder):
    table = pq.read_table(next(folder.rglob("*_predictions.parquet")))
    return table["row"].to_numpy(), torch.tensor(np.stack(table["logits"].to_numpy(zero_copy_only=False)))


def pictures():
    from sklearn.datasets import load_digits

    return np.rint(load_digits().images * (255 / 16)).astype(np.uint8)


def test_a_loaded_model_gives_the_logits_of_the_run_s_own_test(trained):
    model = load(trained, device="cpu")
    rows, logits = logits_of(trained)
    images = pictures()[rows]
    with torch.no_grad():
        assert torch.allclose(model(model.preprocess(list(images))), logits, atol=1e-5)
    assert not model.training and model.classes == tuple("0123456789")


def test_an_image_is_a_path_its_bytes_a_picture_or_an_array(trained, tmp_path):
    model, image = load(trained, device="cpu"), pictures()[0]
    path = tmp_path / "zero.png"
    Image.fromarray(image).save(path)
    wanted = model.preprocess(image)
    for given in (path, str(path), path.read_bytes(), Image.open(path)):
        assert torch.equal(model.preprocess(given), wanted)
    assert wanted.shape == (1, 1, 8, 8)


def test_predict_gives_the_probabilities_of_the_run_s_own_test_and_their_names(trained):
    model = load(trained, device="cpu")
    rows, logits = logits_of(trained)
    found = model.predict(list(pictures()[rows]), batch_size=50)
    assert np.allclose(found.probabilities, logits.softmax(1), atol=1e-5) and found.values is None
    assert found.names == [str(index) for index in logits.argmax(1).tolist()]
    assert model.predict(pictures()[rows[0]]).names == found.names[:1]


@pytest.mark.slow
def test_a_run_on_signals_takes_arrays_of_its_own_length(tmp_path, monkeypatch):
    monkeypatch.setenv("ISOSCALE_CACHE", str(tmp_path / "cache"))
    files = measured.patterns(tmp_path / "patterns" / "made.pt", length=100)
    train = "train --dataset diffraction --model resnet1d --epochs 1 --batch-size 12 --threads 1"
    assert main([*train.split(), "--data", str(files.parent), "--checkpoints", str(tmp_path / "runs")]) == 0
    model = load(tmp_path / "runs" / "resnet1d", device="cpu")
    inputs = model.preprocess(np.zeros((1, 100), np.float32))
    assert model(inputs).shape == (1, len(model.classes))
    with pytest.raises(InputError, match="shape"):
        model.preprocess(np.zeros((1, 3), np.float32))


def test_what_is_no_input_is_refused(trained, tmp_path):
    model = load(trained, device="cpu")
    for given in (np.zeros((8, 8)), tmp_path / "none.png", [], b"nothing"):
        with pytest.raises(InputError):
            model.preprocess(given)


def test_a_run_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match="no run"):
        load(tmp_path / "model_00000000_1M_digits")


@pytest.mark.parametrize("best", [False, True])
def test_changed_weights_are_never_loaded(trained, tmp_path, best):
    folder = shutil.copytree(trained, tmp_path / "copy")
    path = next(folder.rglob("*_best.safetensors" if best else "*digits.safetensors"))
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(Damaged, match=path.name):
        load(folder, device="cpu", best=best)


def test_inputs_are_on_the_device_of_the_model(trained, monkeypatch):
    """The meta device is another one than the CPU, on any machine."""
    model = load(trained, device="cpu")
    monkeypatch.setattr(model.preprocess, "_device", torch.device("meta"))
    assert model.preprocess(pictures()[0]).device.type == "meta"
    assert load(trained, device=torch.device("cpu")).preprocess._device == torch.device("cpu")


def test_a_picture_is_upright_and_an_array_may_have_one_channel(trained, tmp_path):
    model, image = load(trained, device="cpu"), pictures()[0]
    turned = Image.fromarray(np.rot90(image))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned by 90 degrees
    turned.save(path := tmp_path / "turned.png", exif=exif)
    wanted = model.preprocess(path)
    assert torch.equal(wanted, model.preprocess(Image.open(path))) and torch.equal(wanted, model.preprocess(image))
    assert torch.equal(model.preprocess(image[..., None]), wanted)
    with pytest.raises(InputError, match="an image has the type uint8"):
        model.preprocess(np.zeros((8, 8, 7), np.uint8))
