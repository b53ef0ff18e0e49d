"""`export`: a file that loads without isoscale, checked before it is kept, with nothing left behind otherwise."""

import io
import json
import os
import shutil
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from app import export as exporting
from app.experiment import loading
from app.export import comparing, onnx
from app.export.exported import Exported
from app.system import durable
from app.tables.formats import FORMATS, FormatRow


@pytest.fixture
def written(monkeypatch):
    """Replaces the format pt2 by one that writes three bytes, since torch takes seconds to write a model."""

    def write(_run, request, path):
        path.write_bytes(b"new")
        comparing.require_equal(0.0, request.format)
        return Exported(
            format=request.format, error=0.0, inputs=[1, 8, 8], dtype="float32", output="logits", batches=[1, 2]
        )

    monkeypatch.setitem(exporting.WRITERS, "pt2", write)


def exported(call, options):
    ended = call(f"export checkpoints {options} --json")
    assert ended.code == 0, ended.err
    return json.loads(ended.out)


def test_the_export_has_the_name_of_the_weights_and_its_check_is_printed(call, run, work, written):
    done = exported(call, "--format pt2")
    assert done["path"] == f"{run.files.stem}.pt2" and done["bytes"] == 3 and done["run_id"] == run.record.run_id
    assert exported(call, "--format pt2 --best")["path"] == f"{run.files.stem}_best.pt2"
    text = call("export checkpoints --format pt2 --out model.pt2").out
    assert "0.0e+00 of the largest output, at batches 1 and 2" in text and "model.pt2, 3 bytes" in text


def test_an_existing_file_is_replaced_only_with_force_and_a_file_of_the_run_never(call, run, work, written):
    (work / "mine.pt2").write_text("mine")
    refused = call("export checkpoints --format pt2 --out mine.pt2")
    assert refused.code == 2 and "--force" in refused.err and (work / "mine.pt2").read_text() == "mine"
    assert exported(call, "--format pt2 --out mine.pt2 --force") and (work / "mine.pt2").read_bytes() == b"new"
    kept = run.files.weights.read_bytes()
    assert call(f"export checkpoints --format pt2 --out {run.files.weights} --force").code == 2
    assert run.files.weights.read_bytes() == kept


def test_other_outputs_than_the_run_s_are_refused_and_nothing_is_left(call, run, work, written, monkeypatch):
    monkeypatch.setattr(comparing, "MOST", -1.0)
    before = sorted(work.iterdir())
    ended = call("export checkpoints --format pt2 --json")
    assert ended.code == 4 and json.loads(ended.out)["error"]["kind"] == "inexact" and sorted(work.iterdir()) == before
    with pytest.raises(comparing.Inexact):
        comparing.require_equal(float("nan"), "pt2")


def test_a_format_that_writes_a_folder_leaves_it_complete_or_absent(call, run, work, monkeypatch):
    monkeypatch.setitem(FORMATS, "pt2", FormatRow(name="pt2", title="", ending=""))

    def failing(_run, _request, folder):
        (folder / "half").write_text("half")
        raise RuntimeError("the machine is gone")

    monkeypatch.setitem(exporting.WRITERS, "pt2", failing)
    assert call("export checkpoints --format pt2 --out made").code == 1
    assert [path.name for path in work.iterdir()] == ["checkpoints"]


@pytest.fixture
def folders(monkeypatch):
    """Replaces the format pt2 by one that writes a folder with a config.json."""
    monkeypatch.setitem(FORMATS, "pt2", FormatRow(name="pt2", title="", ending=""))

    def write(_run, _request, folder):
        durable.write_text(folder / "config.json", '{"isoscale": {}}')
        return Exported(format="pt2", error=0.0, inputs=[1], dtype="float32", output="logits", batches=[1, 2])

    monkeypatch.setitem(exporting.WRITERS, "pt2", write)


@pytest.mark.parametrize("name", ["thesis.tex", "config.json"])  # the second as another program's model has it
def test_force_replaces_a_folder_that_is_an_export_and_no_other(call, run, work, folders, name):
    (work / "made").mkdir()
    (work / "made" / name).write_text('{"model_type": "bert"}')
    for force in ("", "--force"):
        refused = call(f"export checkpoints --format pt2 --out made {force}")
        assert refused.code == 2 and "Choose another --out" in refused.err
    assert (work / "made" / name).read_text() == '{"model_type": "bert"}'
    exported(call, "--format pt2 --out other")
    (work / "other" / "README.md").write_text("of an earlier format")
    assert call("export checkpoints --format pt2 --out other").code == 2
    (work / "other" / "mine").write_text("mine")
    refused = call("export checkpoints --format pt2 --out other --force")
    assert refused.code == 2 and "such as mine, and --force would delete them" in refused.err
    (work / "other" / "mine").unlink()
    exported(call, "--format pt2 --out other --force")
    assert [path.name for path in (work / "other").iterdir()] == ["config.json"]


def test_a_link_to_an_export_stays_a_link_and_a_killed_process_is_in_nobody_s_way(call, run, work, folders):
    (work / "other").mkdir()
    (work / "link").symlink_to("other")
    killed = work / durable.beside("other", f"{os.getpid()}-{threading.get_native_id()}.aside")
    killed.mkdir()  # by a process that had the same numbers, as in a container
    exported(call, "--format pt2 --out link --force")
    assert (work / "link").is_symlink() and (work / "other" / "config.json").is_file() and not killed.exists()


def test_a_full_disk_names_the_folder_that_was_asked_for(call, run, work, folders, monkeypatch):
    usage = shutil.disk_usage(work)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1))
    ended = call("export checkpoints --format pt2 --out made --json")
    assert ended.code == 4 and json.loads(ended.out)["error"]["kind"] == "disk full"
    assert "made, but 1 are free" in ended.err + ended.out and ".aside" not in ended.err + ended.out
    assert sorted(path.name for path in work.iterdir()) == ["checkpoints"]


def test_pipes_folders_and_names_without_utf_8_are_refused(call, run, work, written):
    os.mkfifo(work / "pipe")
    (work / "folder").mkdir()
    for name in ("pipe", "folder", os.fsdecode(b"caf\xe9.pt2")):
        assert call(f"export checkpoints --format pt2 --force --out {name}").code == 2
    assert (work / "pipe").is_fifo() and sorted(path.name for path in work.iterdir()) == [
        "checkpoints", "folder", "pipe"
    ]  # fmt: skip


@pytest.mark.parametrize(
    "options", ["--format onyx", "--format pt2 --opset 20", "--format onnx --opset 17", "--format pt2 --best --ema"]
)
def test_an_unknown_format_or_an_option_without_effect_is_bad_input(call, run, options):
    assert call(f"export checkpoints {options}").code == 2


def test_without_its_packages_onnx_is_refused_with_what_installs_them(call, run, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    monkeypatch.setitem(sys.modules, "onnx", type(sys)("onnx"))
    ended = call("export checkpoints --format onnx")
    assert ended.code == 2 and "onnxruntime" in ended.err and "pip install" in ended.err


EVERY = ["onnx", "pt2", "torchscript"]
FACTS = "isoscale.json"


def opened(path, form):
    """The facts of a file, and a function from inputs to outputs as arrays; of torch, in a process without isoscale."""
    if form == "onnx":
        runtime = pytest.importorskip("onnxruntime")
        session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name
        return session.get_modelmeta().custom_metadata_map, lambda x: session.run(None, {name: x.numpy()})[0]
    extra = {FACTS: ""}
    if form == "pt2":
        loaded = torch.export.load(path, extra_files=extra).module()
    else:
        loaded = torch.jit.load(str(path), _extra_files=extra)
    return json.loads(extra[FACTS]), lambda x: loaded(x).numpy()


@pytest.mark.slow
@pytest.mark.parametrize("form", EVERY)
def test_an_export_with_preprocessing_answers_as_predict_and_states_its_facts(call, run, work, form):
    if form == "onnx":
        pytest.importorskip("onnxscript")
    done = exported(call, f"--format {form} --preprocess --softmax")
    assert done["error"] <= 1e-5 and (done["dtype"], done["output"]) == ("uint8", "probabilities")
    facts, compute = opened(work / done["path"], form)
    assert facts["run_id"] == run.record.run_id and json.loads(facts["classes"]) == run.record.data.class_names
    assert json.loads(facts["mean"]) == run.record.data.mean and facts["license"] == "cc-by-4.0"
    model = loading.load(run.files.record)
    images = torch.randint(0, 256, (7, 1, 8, 8), dtype=torch.uint8)  # a batch that no check had
    with torch.no_grad():
        wanted = model(model.preprocess.of_stored(images.numpy())).softmax(1)
    np.testing.assert_allclose(compute(images), wanted.numpy(), rtol=0, atol=2e-6)
    content = (work / done["path"]).read_bytes()
    parts = [content] if form == "onnx" else [zipfile.ZipFile(io.BytesIO(content)).read(n) for n in names(content)]
    root = str(Path(exporting.__file__).parents[2])
    assert not any(root.encode() in part for part in parts), "a file names no path of this machine"


def names(content):
    return zipfile.ZipFile(io.BytesIO(content)).namelist()


@pytest.mark.slow
@pytest.mark.parametrize("form", ["pt2", "torchscript"])
def test_torch_loads_a_file_without_isoscale(call, run, work, form):
    done = exported(call, f"--format {form}")
    load = "torch.export.load(path).module()" if form == "pt2" else "torch.jit.load(path)"
    code = (
        f"import sys, torch; path = {done['path']!r}; print(tuple({load}(torch.zeros(3, 1, 8, 8)).shape)); "
        "assert not {'app', 'isoscale'} & {*sys.modules}"
    )
    ended = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=False, cwd=work)
    assert ended.stdout.strip() == "(3, 10)", ended.stderr


@pytest.mark.slow
def test_onnx_files_are_computed_without_torch_and_by_every_opset(call, run, work):
    pytest.importorskip("onnxscript")
    import onnx as package

    script = onnx._SCRIPT.read_text()
    assert '"torch" in sys.modules' in script and "import torch" not in script
    for opset in (18, 24):
        done = exported(call, f"--format onnx --opset {opset} --force")
        model = package.load(work / done["path"])
        assert [each.version for each in model.opset_import if not each.domain] == [opset] and done["error"] <= 1e-5
        assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"


@pytest.mark.slow
def test_a_file_that_onnx_runtime_cannot_run_is_refused(tmp_path):
    pytest.importorskip("onnxruntime")
    (tmp_path / "model.onnx").write_bytes(b"junk")
    with pytest.raises(comparing.Inexact, match="ONNX Runtime cannot"):
        onnx.computed(tmp_path / "model.onnx", {1: torch.zeros(1, 1)}, tmp_path)
