"""Models of the user's files: named by content, run only if named, checked before step 0, on every kind of data."""

import copy
import dataclasses
import importlib
import signal
import sys

import numpy as np
import pytest
import torch

from app import models
from app.artifacts import record
from app.config.command import Command
from app.config.facts import DatasetFacts
from app.config.run import RunConfig, resolve
from app.errors import InputError, Stopped
from app.experiment import run as experiment
from app.experiment.loading import load
from app.plan import findings
from app.tables import own
from tests.data import measured
from tests.experiment.runs import Quiet, interrupted

pytestmark = pytest.mark.usefixtures("cache_folder")
NET = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, *, image, channels, classes, width=4, depth=1, dropout=0.0):
        super().__init__()
        self.first = nn.Conv2d(channels, width, 3, padding=1)
        self.rest = nn.Sequential(*(nn.Conv2d(width, width, 1) for _ in range(depth)), nn.Dropout(dropout))
        self.head = nn.Linear(width, classes)

    def forward(self, x):
        return self.head(self.rest(self.first(x).relu()).mean((2, 3)))
"""
LINE = """
from torch import nn

def line(*, length, channels, outputs, width: int = 2):
    return nn.Sequential(nn.Flatten(), nn.Linear(length * channels, width), nn.ReLU(), nn.Linear(width, outputs))
"""
RUN = {"dataset": "digits", "epochs": 1, "limit_train": 64, "limit_val": 16, "limit_test": 16, "batch_size": 32}


def written(folder, text, name="net.py"):
    folder.mkdir(exist_ok=True, parents=True)
    (folder / name).write_text(text)
    return folder / name


def config_of(file, name="Net", **more):
    return RunConfig.from_strings({"model": f"{file}:{name}", "dataset": "digits", **more})


def trained(folder, file, screen=None, **more):
    """A run of seconds of the model `Net` of a file."""
    config = experiment.plan(RUN | {"model": f"{file}:Net"} | more, screen or Quiet())
    return experiment.train_run(config, experiment.Options(checkpoints=folder), screen or Quiet())


def refused(text, **more):
    with pytest.raises(InputError) as error:
        config_of(text, **more)
    return str(error.value)


def tried(config):
    with pytest.raises(InputError) as error:
        models.require(config)
    return str(error.value)


def test_a_run_is_named_by_the_content_of_the_file_and_not_by_its_path(tmp_path):
    first = config_of(written(tmp_path / "a", NET))
    moved = config_of(written(tmp_path / "b", NET, "other.py"))
    changed = config_of(written(tmp_path / "c", NET + "\n"))
    assert (first.run_id, first.model) == (moved.run_id, moved.model)
    assert changed.run_id != first.run_id and changed.model != first.model
    assert first.stem == f"model_{first.run_id}_own--Net-{first.model_sha256[:8]}_digits"
    assert first.folder == f"own--Net-{first.model_sha256[:8]}"
    assert RunConfig.from_json(first.to_json()).run_id == first.run_id


@pytest.mark.parametrize(
    ("text", "asked", "says"),
    [
        (None, "gone.py:Net", "cannot be read"),
        (NET, "net.py", "Net"),
        (NET, "net.py:Nett", "no class or function 'Nett'"),
        ("class Net:\n    def __init__(self, *, image, channels): pass", "net.py:Net", "classes or outputs"),
        ("class Net:\n    def __init__(self, *, channels, classes): pass", "net.py:Net", "image or length"),
        ("class Net: pass", "net.py:Net", "no __init__"),
        ("class Net(:", "net.py:Net", "line 1"),
        ("class Net:\n\0", "net.py:Net", "NUL bytes"),
        ("from other import x\n" + NET, "net.py:Net", "line 1: other is imported from"),
        ("from . import x\n" + NET, "net.py:Net", "line 1: . is imported from a neighbouring file"),
        ("def f():\n    import parts.size\n" + NET, "net.py:Net", "line 2: parts.size is imported from"),
    ],
)
def test_a_file_without_such_a_model_is_refused_before_it_is_run(tmp_path, monkeypatch, text, asked, says):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other.py").write_text("x = 1")
    written(tmp_path / "parts", "WIDTH = 4", "size.py")
    if text is not None:
        written(tmp_path, text)
    with pytest.raises(InputError, match=r"\.py") as error:
        Command.of({"model": asked, "dataset": "digits"})
    assert says in str(error.value)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"size": "10K"}, "--grow width"),
        ({"grow": "width"}, "--size or --match only"),
        ({"grow": "heads", "size": "10K"}, "heads is not a keyword"),
        ({"model_args": "channels=3"}, "set by the data"),
        ({"model_args": "width=8", "grow": "width", "size": "10K"}, "both set width"),
        ({"d_model": "64"}, "--model-args, --grow"),
        ({"drop_path": "0.1"}, "no effect on"),
        ({"grow": "width:100", "size": "10K"}, "Reachable sizes: 0.0121M at width=100"),
    ],
)
def test_settings_that_do_not_fit_the_constructor_are_refused(tmp_path, more, says):
    assert says in refused(written(tmp_path, NET), **more)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("import torch\n", "import torch\n1 / 0\n"), ":Net, line 3: this file cannot be imported (ZeroDivisionError"),
        (("super().__init__()", "raise RuntimeError('no')"), "line 7: it cannot be built"),
        (("width, classes)", "width, 7)"), "returns (3, 7)"),
        (("relu()).mean", "relu()).sum() * torch.ones(1).mean"), "line 13"),
        ((".mean((2, 3))", ".mean((2, 3)) / 0"), "not finite"),
        (
            ("self.head =", "import random; self.bias = nn.Parameter(torch.tensor(random.random())); self.head ="),
            "seed",
        ),
        (("self.head =", "self.again = self.first; self.head ="), "share memory"),
        (("def forward(self, x):", "def forward(self, x):\n        x = x.view(3, -1, 8, 8)"), "(1, 1, 8, 8)"),
        (("nn.Linear(width, classes)", "nn.LazyLinear(classes)"), "head.weight has no shape"),
        (("nn.Linear(width, classes)", "nn.Linear(width, classes).double()"), "head.weight is torch.float64"),
        (
            ("    def forward", "    def get_extra_state(self): return 3\n\n    def forward"),
            "_extra_state is in the state",
        ),
    ],
)
def test_a_model_that_cannot_be_trained_is_refused_with_its_file_and_line(tmp_path, change, says):
    file = written(tmp_path, NET.replace(*change))
    problem = tried(config_of(file))
    assert str(file) in problem and says in problem


@pytest.mark.parametrize("kind", ["signal", "regression", "rectangle"])
def test_signals_values_and_rectangles_reach_the_constructor_as_plain_values(tmp_path, kind):
    facts = {
        "signal": DatasetFacts(name="diffraction", classes=14, channels=1, kind="signal", image=(40,)),
        "regression": DatasetFacts(name="nested_cylinder", classes=1, channels=1, kind="field", image=(12, 10),
                                   task="regression"),
        "rectangle": DatasetFacts(name="digits", classes=10, channels=1, native=8),
    }[kind]  # fmt: skip
    file = written(tmp_path, LINE if kind == "signal" else NET)
    request = {"model": f"{file}:{'line' if kind == 'signal' else 'Net'}", "dataset": facts.name}
    request |= {"image": (8, 4)} if kind == "rectangle" else {}
    config = resolve(request, facts)
    models.require(config)
    model = models.build(config, attention_path="none")
    assert model(torch.zeros(5, *config.input_shape)).shape == (5, facts.classes)
    assert config.parameters == models.count(model)


def test_images_need_the_keyword_image(tmp_path):
    assert "has no keyword image, and the dataset contains images" in refused(written(tmp_path, LINE), name="line")


def test_a_budget_sets_the_keyword_that_may_grow_in_its_steps(tmp_path):
    config = config_of(written(tmp_path, NET), size="10K", grow="width:8", model_args="depth=2")
    assert config.grow_to % 8 == 0 and abs(config.parameters / 1e4 - 1) < 0.05
    built = models.build(config, attention_path="none")
    assert built.first.out_channels == config.grow_to and len(built.rest) == 3
    same = config_of(written(tmp_path, NET), size="10k", grow="width: 8", model_args=" depth=2 ")
    assert same.run_id == config.run_id


def test_a_keyword_that_does_not_grow_the_model_and_one_that_not_every_value_fits_are_refused(tmp_path):
    constant = written(tmp_path / "a", NET.replace("range(depth)", "range(1)"))
    assert "Reachable sizes" in refused(constant, grow="depth", size="10K")
    grouped = written(tmp_path / "b", NET.replace("nn.Dropout(dropout)", "nn.GroupNorm(4, width)"))
    assert "--grow width:8" in refused(grouped, grow="width", size="10K")


def test_dropout_is_passed_to_a_constructor_that_takes_it_and_refused_for_another(tmp_path):
    assert models.build(config_of(written(tmp_path, NET), dropout="0.3"), attention_path="none").rest[-1].p == 0.3
    plain = written(tmp_path / "b", NET.replace(", dropout=0.0", "").replace("dropout", "0.0"))
    assert "no keyword dropout" in refused(plain, dropout="0.3")
    assert config_of(plain).dropout == 0


def test_a_record_is_read_without_the_file_and_its_code_is_never_run(tmp_path, monkeypatch):
    run = trained(tmp_path / "runs", written(tmp_path, NET))
    code = run.record.code
    assert (code.name, code.source, code.sha256) == ("Net", NET, run.config.model_sha256)
    monkeypatch.setattr(own, "_READ", {})  # as in another process
    kept = record.read(run.files.record)
    assert kept.config["model_sha256"] == code.sha256
    with pytest.raises(InputError, match=r"never run.*--model FILE.py:Net"):
        load(run.files.record)
    other = written(tmp_path / "b", NET + "# changed\n")
    with pytest.raises(InputError, match="the same file") as error:
        load(run.files.record, model=f"{other}:Net")
    assert code.sha256 in str(error.value) and own.read(f"{other}:Net").sha256 in str(error.value)
    assert load(run.files.record, model=f"{written(tmp_path / 'c', NET)}:Net").classes == tuple("0123456789")


def test_attributes_of_the_model_stay_where_a_loaded_model_has_others_of_these_names(tmp_path):
    names = "self.classes = classes; self.preprocess = nn.Identity(); self.predict = len; self.run_id = 7; self.first ="
    text = NET.replace("self.first =", names).replace("x).relu", "self.preprocess(x)).relu")
    file = written(tmp_path, text.replace("mean((2, 3)))", "mean((2, 3))).reshape(-1, self.classes)"))
    run = trained(tmp_path / "runs", file)
    model = load(run.files.record, model=f"{file}:Net")
    images = [np.full((8, 8), shade, np.uint8) for shade in (0, 90)]
    found = model.predict(images)
    assert isinstance(model, torch.nn.Module) and model.run_id == run.record.run_id and found.names[0] in model.classes
    assert model(model.preprocess(images)).shape == (2, 10)
    assert (model.module.classes, model.module.run_id, model.module.predict("abc")) == (10, 7, 3)
    assert model.head is model.module.head and not copy.deepcopy(model).training


@pytest.mark.parametrize("batch_size", [0, -1, 1.5])
def test_a_batch_size_that_is_no_number_of_inputs_is_refused(tmp_path, batch_size):
    file = written(tmp_path, NET)
    model = load(trained(tmp_path / "runs", file).files.record, model=f"{file}:Net")
    assert not hasattr(model, "module")
    with pytest.raises(InputError, match="Use a whole number from 1"):
        model.predict([np.zeros((8, 8), np.uint8)], batch_size=batch_size)


def test_batch_statistics_are_found_so_that_a_batch_is_not_split(tmp_path):
    normed = NET.replace("nn.Dropout(dropout)", "nn.BatchNorm2d(width)")
    assert models.has_batch_statistics(config_of(written(tmp_path / "a", normed)))
    assert not models.has_batch_statistics(config_of(written(tmp_path / "b", NET)))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["fields", "signals"])
def test_a_run_on_fields_and_on_signals_is_trained_and_tested(tmp_path, kind):
    if kind == "fields":
        data = measured.fields(tmp_path / "fields")
        text, name = NET.replace("classes", "outputs"), "Net"
        cut = {"dataset": "nested_cylinder", "crop": "0:40,0:12", "train_batches": 3, "val_batches": 2}
    else:
        data, text, name = measured.patterns(tmp_path / "patterns" / "made.pt", classes=14, length=100), LINE, "line"
        cut = {"dataset": "diffraction", "batch_size": 16}
    request = cut | {"data": str(data), "epochs": 1, "model": f"{written(tmp_path, text)}:{name}"}
    config = experiment.plan(request, Quiet())
    options = experiment.Options(checkpoints=tmp_path / "runs", data=str(data))
    run = experiment.train_run(config, options, Quiet(), path=str(data))
    assert run.record.tested and run.record.parameters.total == config.parameters
    found = load(run.files.record).predict(torch.zeros(config.input_shape).numpy())
    assert (found.values is None) == (kind == "signals")


@pytest.mark.slow
def test_an_interrupted_run_ends_in_the_same_bits(tmp_path):
    file, more = written(tmp_path, NET), {"epochs": 2, "dropout": 0.1}
    complete = trained(tmp_path / "complete", file, **more)
    with pytest.raises(Stopped):
        trained(tmp_path / "stopped", file, interrupted(3), **more)
    resumed = trained(tmp_path / "stopped", file, **more)
    assert complete.files.weights.read_bytes() == resumed.files.weights.read_bytes()


def test_a_file_whose_digest_agrees_only_in_the_part_that_the_name_has_is_refused(tmp_path, monkeypatch):
    config = config_of(written(tmp_path, NET))
    forged = dataclasses.replace(own.known(config.model), sha256=f"{config.model_sha256[:8]}{'0' * 56}")
    monkeypatch.setitem(own._READ, config.model, forged)
    with pytest.raises(InputError, match="the same file"):
        models.build(config, attention_path="none")


def test_a_name_of_a_record_without_its_file_cannot_be_trained():
    with pytest.raises(InputError, match=r"--model FILE.py:Net"):
        RunConfig.from_strings({"model": "own/Net-00000000", "dataset": "digits"})


def test_what_the_file_prints_goes_to_stderr(tmp_path, capsys):
    file = written(tmp_path, NET.replace("super().__init__()", "super().__init__(); print('built')") + "print('read')")
    models.build(config_of(file), attention_path="none")
    found = capsys.readouterr()
    assert found.out == "" and "read" in found.err and "built" in found.err


@pytest.mark.parametrize("on_path", ["here", "PYTHONPATH"])
def test_an_import_of_another_folder_is_refused_unless_it_is_of_installed_packages(tmp_path, monkeypatch, on_path):
    written(tmp_path / "parts", "WIDTH = 4", "size.py")
    written(tmp_path / "site-packages" / "wide", "WIDTH = 4", "__init__.py")
    if on_path == "PYTHONPATH":
        monkeypatch.syspath_prepend(tmp_path)
    else:
        monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path / "site-packages")
    installed = written(tmp_path / "a", "import wide, json, sys, timm, gone_for_good\n" + NET)
    assert own.read(f"{installed}:Net")
    other = written(tmp_path / "b", "from parts.size import WIDTH\n" + NET)
    with pytest.raises(InputError, match=r"line 1: parts.size is imported from \S+parts, which is not part of the run"):
        own.read(f"{other}:Net")


@pytest.mark.parametrize(
    "line",
    [
        "importlib.import_module('parts.size')",
        "(sys.path.insert(0, sys.modules['os'].path.dirname(__file__) + '/parts'), importlib.import_module('size'))",
    ],
)
def test_an_import_by_a_computed_name_is_refused_at_each_attempt(tmp_path, monkeypatch, line):
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    written(tmp_path / "parts", "WIDTH = 4", "size.py")
    config = config_of(written(tmp_path, f"import importlib, sys\n{line}\n" + NET))
    for _ in range(2):
        assert "which is not part of the run ID" in tried(config)


def test_a_module_that_the_process_had_imported_before_is_refused(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    written(tmp_path, "def width(): return 4", "sized.py")
    importlib.import_module("sized")
    file = written(tmp_path, "import sys\nwidth = sys.modules['sized'].width\n" + NET)
    assert "width is from" in tried(config_of(file))
    monkeypatch.delitem(sys.modules, "sized")


def test_a_keyboard_interrupt_that_the_file_raises_is_an_error_of_the_file(tmp_path):
    file = written(tmp_path, NET + "raise KeyboardInterrupt\n")
    assert "line 14: this file cannot be imported (KeyboardInterrupt)" in tried(config_of(file))


def test_an_interrupt_while_the_file_is_imported_interrupts_the_command(tmp_path):
    file = written(tmp_path, NET + "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
    try:
        with pytest.raises(KeyboardInterrupt):
            models.require(config_of(file))
    finally:
        signal.signal(signal.SIGINT, before)


def test_an_unfinished_run_of_an_earlier_text_of_the_file_is_reported(tmp_path):
    file, screen = written(tmp_path, NET), Quiet()
    with pytest.raises(Stopped):
        trained(tmp_path / "runs", file, interrupted(1))
    trained(tmp_path / "runs", written(tmp_path, NET + "# changed\n"), screen)
    (note,) = [line for line in screen.said if "model's file" in line]
    assert "is unfinished and differs from this command only in its model's file" in note and "restore the file" in note


def test_the_hint_to_match_a_model_of_a_file_can_be_typed_as_it_is_printed(tmp_path):
    file = written(tmp_path, NET)
    other, like = config_of(file), {"dataset": "digits", "match": "params", "like": f"{file}:Net"}
    config = RunConfig.from_strings({"model": "vit_classic", "dataset": "digits", "size": "1M"})
    hint = findings.matched(config, other, match="params")[0].says
    assert f"--match params --like {file}:Net, without --size, chooses" in hint
    with pytest.raises(InputError, match="Omit --size"):
        RunConfig.from_strings({"model": "vit_classic", "size": "1M", **like})
    with pytest.raises(InputError, match="a model of 110 parameters has no size"):  # rather than a bad --size
        RunConfig.from_strings({"model": "vit_classic", **like})
    assert "--grow KEYWORD --match" in findings.matched(other, config, match="params")[0].says
