"""Folders for timm and transformers: which models have a counterpart, and that its outputs are the run's."""

import json
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from timm import create_model

from app import export
from app.artifacts import checkpoint
from app.config.run import RunConfig
from app.errors import Inexact, InputError
from app.experiment import initial
from app.export import architectures, destinations, subject, timm
from app.export.exported import Request

from .weighed import FIELD, SIGNAL, weighed

ON_DIGITS = {"dataset": "digits", "size": "100K", "d_model": 64}
ON_CIFAR = {"dataset": "cifar10", "d_model": 24, "depth": 2, "heads": 2}
OF_TIMM = {
    "vit_classic": ON_DIGITS, "vit_differential": ON_DIGITS, "vit_differential_h32": ON_DIGITS,
    "vit": ON_CIFAR, "simplevit": ON_CIFAR, "cait": ON_CIFAR, "swin": {"dataset": "cifar10", "width": 12},
    "timm/test_vit": {"dataset": "cifar10", "image": 32}, "timm/test_resnet": {"dataset": "cifar10", "image": 32},
    "resnet18": {"dataset": "cifar10", "image": 64}, "resnet50": {"dataset": "cifar10", "image": 64},
}  # fmt: skip
OF_NONE = {
    "vit_small": (ON_CIFAR, "attention lsa"), "dyt": (ON_CIFAR, "norm dyt"),
    "vit_dint": (ON_DIGITS, "attention dint"), "vit_grouped": (ON_DIGITS, "attention differential_grouped"),
    "vit_differential": ({"dataset": "cifar10", "size": "10M", "attention": "differential_v2"}, "differential_v2"),
    "resnet18": ({"dataset": "cifar10"}, "stem of CIFAR"), "resnet34": ({"dataset": "cifar10", "image": 64, "width": 8},
    "width 8"), "convmixer": ({"dataset": "cifar10"}, "family convmixer"), "t2t_vit": ({"dataset": "cifar10"}, "t2t"),
    "cnn": ({"facts": FIELD}, "family cnn"), "resnet1d": ({"facts": SIGNAL}, "family resnet1d"),
    "vit_classic": ({"facts": SIGNAL, "patch": 8, "size": "1M"}, "its inputs are signals"),
}  # fmt: skip
needs_transformers = pytest.mark.skipif(find_spec("transformers") is None, reason="needs transformers")


def written(folder, name, **asked):
    """A folder for a library, and the report on it."""
    run = weighed(folder, **asked)
    return run, export.export(run, Request(format=name), folder / "out")


@pytest.mark.parametrize("model", [pytest.param(model, marks=() if model == "vit_differential" else pytest.mark.slow)
                                   for model in OF_TIMM])  # fmt: skip
def test_timm_computes_the_outputs_of_every_counterpart(tmp_path, model):
    run, done = written(tmp_path, "timm", model=model, **OF_TIMM[model])
    config = json.loads((done.path / "config.json").read_text())
    assert done.error < 1e-6 and config["isoscale"]["run_id"] == run.record.run_id
    assert config["label_names"] == run.record.data.class_names
    assert config["pretrained_cfg"]["input_size"] == [*run.config.input_shape]
    assert {path.name for path in done.path.iterdir()} == {"model.safetensors", "config.json", "README.md"}
    card = (done.path / "README.md").read_text()
    assert "library_name: timm" in card and "pipeline_tag: image-classification" in card


def test_differential_attention_of_timm_is_ours_in_float64_but_for_its_float32_lambda(tmp_path):
    """timm computes lambda in float32 and keeps lambda_init in float64; here it is float64 and float32."""
    run, done = written(tmp_path, "timm", model="vit_differential", **ON_DIGITS)
    ours = subject.subject(run, Request(format="timm"))
    inputs, model = ours.inputs(5).double(), ours.module.double()
    theirs = create_model(f"local-dir:{done.path}", pretrained=True).eval().double()
    with torch.no_grad():
        wanted = model(inputs)
        assert 1e-12 < (theirs(inputs) - wanted).abs().max() / wanted.abs().max() < 1e-7
        for block, other in zip(model.model.blocks, theirs.blocks, strict=True):
            other.attn._compute_lambda = block.attention.lambda_full
            other.attn.lambda_init = float(block.attention.lambda_init)
        assert (theirs(inputs) - wanted).abs().max() / wanted.abs().max() < 1e-12


@pytest.mark.slow
def test_timm_computes_a_regression_of_fields(tmp_path):
    _, done = written(tmp_path, "timm", model="vit_classic", facts=FIELD, patch=16, size="1M")
    assert done.error < 1e-6 and done.output == "values"
    assert "pipeline_tag" not in (done.path / "README.md").read_text()


@pytest.mark.slow
@needs_transformers
@pytest.mark.parametrize(
    ("model", "asked"),
    [
        ("vit_classic", ON_DIGITS),
        ("vit", ON_CIFAR),
        ("vit_classic", {"dataset": "cifar100", "size": "1M", "image": 48}),
    ],
)
def test_transformers_computes_the_outputs_of_every_counterpart(tmp_path, capfd, model, asked):
    run, done = written(tmp_path, "transformers", model=model, **asked)
    assert "Loading" not in "".join(capfd.readouterr())  # its progress bar
    config = json.loads((done.path / "config.json").read_text())
    assert done.error < 1e-6 and [*config["id2label"].values()] == run.record.data.class_names
    processor = json.loads((done.path / "preprocessor_config.json").read_text())
    assert processor["image_mean"] == run.record.data.mean and processor["size"]["height"] == run.config.image


@pytest.mark.slow
@needs_transformers
@pytest.mark.parametrize(
    "asked", [ON_DIGITS, {"dataset": "cifar100", "size": "1M", "image": 48}], ids=["grey", "colour"]
)
def test_the_lines_of_a_card_for_transformers_run(tmp_path, capsys, monkeypatch, asked):
    run, done = written(tmp_path, "transformers", model="vit_classic", **asked)
    lines = (done.path / "README.md").read_text().split("```python\n")[1].split("```")[0]
    monkeypatch.chdir(tmp_path)
    Image.fromarray(np.arange(4800, dtype=np.uint8).reshape(40, 40, 3)).save("image.png")
    exec(lines.replace("FOLDER", str(done.path)), {})
    said = capsys.readouterr().out
    assert any(name in said for name in run.record.data.class_names)


def test_an_earlier_export_with_other_files_is_not_replaced(tmp_path):
    run, done = written(tmp_path, "timm", model="vit_differential", **ON_DIGITS)
    (done.path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"such as notes\.txt, and --force would delete them"):
        destinations.require_free(run, done.path, Request(format="timm"), force=True)
    (done.path / "notes.txt").unlink()
    destinations.require_free(run, done.path, Request(format="timm"), force=True)


@pytest.mark.parametrize("model", ["vit_differential", "vit_classic"])
def test_the_weights_of_a_folder_have_the_shape_of_their_run(tmp_path, model):
    """The number of heads is not visible in the tensors, so a run with another one would start without a word."""
    run, done = written(tmp_path, "timm", model=model, **ON_DIGITS)
    weights = initial.found(str(done.path / "model.safetensors"), tmp_path, pytest.fail)
    assert weights.run_id == run.record.run_id and initial.require_fit(weights, run.config) == "kept"
    other = RunConfig.from_strings({"model": model, "heads": 1, **ON_DIGITS})
    with pytest.raises(InputError, match=r"another architecture .*heads"):
        initial.require_fit(weights, other)


@pytest.mark.parametrize("model", OF_NONE)
def test_a_model_without_a_counterpart_is_refused_with_another_format(tmp_path, model):
    from report import made_up_run

    asked, says = OF_NONE[model]
    config = made_up_run(tmp_path, steps=1, model=model, **asked).config
    for find in (architectures.of_timm, architectures.of_transformers):
        with pytest.raises(InputError, match=r"has no model like .* Use `export --format onnx`") as refused:
            find(config)
        assert says in str(refused.value) or find is architectures.of_transformers


@pytest.mark.parametrize("model", ["vit_differential", "simplevit", "resnet18"])
def test_transformers_has_no_other_attention_pooling_or_family(tmp_path, model):
    from report import made_up_run

    config = made_up_run(tmp_path, steps=1, model=model, **OF_TIMM[model]).config
    assert architectures.of_timm(config).name
    with pytest.raises(InputError, match="transformers has no model like"):
        architectures.of_transformers(config)


@pytest.mark.slow
@pytest.mark.parametrize("wrong", ["epsilon", "names", "heads"])
def test_a_folder_with_other_outputs_is_refused_and_nothing_is_left(tmp_path, monkeypatch, wrong):
    run, (norm_1, norm_2) = weighed(tmp_path / "runs", model="vit_classic", **ON_DIGITS), ("norm1", "norm2")
    if wrong == "epsilon":
        monkeypatch.setitem(architectures._VITS, 1e-6, architectures._VITS[1e-5])
    elif wrong == "heads":
        monkeypatch.setitem(architectures._ATTENTIONS, "classic", {"num_heads": 8})
    else:
        of = timm.tensors_of
        swap = str.maketrans({"1": "2", "2": "1"})
        monkeypatch.setattr(timm, "tensors_of", lambda model, run: {
            name.translate(swap) if norm_1 in name or norm_2 in name else name: tensor
            for name, tensor in of(model, run).items()})  # fmt: skip
    with pytest.raises((Inexact, InputError)):
        export.export(run, Request(format="timm"), tmp_path / "out" / "folder")
    assert not [*(tmp_path / "out").rglob("*")]


@pytest.mark.slow
@pytest.mark.parametrize("model", ["vit_classic", "vit_differential"])
def test_the_weights_of_a_folder_for_timm_start_a_run_unchanged(tmp_path, model):
    from tests.experiment.test_init_timm import loaded

    run, done = written(tmp_path, "timm", model=model, **ON_DIGITS)
    again = loaded(run.config, done.path / "model.safetensors").state_dict()
    first = checkpoint.tensors(run.files.weights)
    assert {name: tensor.numpy().tobytes() for name, tensor in again.items()} == {
        name: tensor.numpy().tobytes() for name, tensor in first.items()
    }
    assert load_file(done.path / "model.safetensors").keys() != first.keys()
