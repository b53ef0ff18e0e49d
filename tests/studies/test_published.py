"""The studies below `studies/`: each file resolves to its runs without a network, and each README's commands parse."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import torch
from test_readme import parse

from app.studies import cells, folds, rows
from app.studies.legacy import writing
from app.tables.models import MODELS

ROOT = Path(__file__).resolve().parents[2] / "studies"
FOLDERS = sorted(path for path in ROOT.iterdir() if path.is_dir())
RUNS = {  # by file; those of the zoo are counted by building models of timm's
    "digits_demo/digits_demo.csv": 12,
    "differential_scaling/cifar100.yaml": 18,
    "differential_scaling/bach.yaml": 30,
    "nested_cylinder/nested_cylinder.csv": 30,
    "nested_cylinder/trial.csv": 4,
    "diffraction/bravais.yaml": 9,
    "diffraction/space_group.yaml": 9,
    "cifar_zoo/cifar_zoo.yaml": 16,
    "adan/comparison.csv": 9,
    "noise/digits.yaml": 6,
    "noise/cifar100.yaml": 6,
    "distractors/cifar10.yaml": 6,
}
SWEEPS = ["adan/adan_betas_decay.yaml", "adan/adam_decay.yaml", "adan/adamw_decay.yaml"]
COMMAND = re.compile(r"(?:^|`)python run\.py (.*?)(?:`|$)", flags=re.M)
COMMANDS = [
    pytest.param(line, id=f"{folder.name}: {line}")
    for folder in FOLDERS
    for line in COMMAND.findall((folder / "README.md").read_text())
]


class Silent:
    """A screen that shows nothing."""

    reading = None

    def say(self, *_):
        pass


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """The smallest fields and patterns in the originals' formats, by dataset: what stands in for `--data`."""
    fields, patterns = tmp_path_factory.mktemp("fields"), tmp_path_factory.mktemp("patterns")
    names = [f"nc231213_Sn_id{number:04}" for number in range(5)]
    (fields / "design.csv").write_text("key, ptw_scale\n" + "".join(f"{name}, 1.0\n" for name in names))
    for name in names:
        np.savez_compressed(fields / f"{name}_pvi_idx00105.npz", rho=np.zeros((2500, 250), np.float32))
    torch.save({"X": torch.zeros(28, 1, 3042), "Y": torch.arange(28) % 14}, patterns / "Tiny_Train.pt")
    return {"nested_cylinder": str(fields), "diffraction": str(patterns)}


@pytest.fixture
def resolved(data, tmp_path):
    """Returns the cells of a published file, with the options of the command in its README."""

    def resolved(name):
        folder = name.partition("/")[0]
        options = {"checkpoints": tmp_path} | ({"data": data[folder]} if folder in data else {})
        options |= {"dataset": folder} if folder == "nested_cylinder" else {}
        found = folds.expanded(rows.of_file(ROOT / name, options=options, axes={}), None)
        return cells.resolved(found, Silent(), checkpoints=tmp_path)

    return resolved


def named(name):
    return [pytest.param(name, marks=pytest.mark.slow if "zoo" in name else (), id=name)]


@pytest.mark.parametrize("name", [each for name in RUNS for each in named(name)])
def test_a_published_study_resolves_to_its_runs(resolved, name):
    found = resolved(name)
    assert len(found) == RUNS[name] and all(len(cell.rows) == 1 for cell in found)
    text = (ROOT / name).with_name("README.md").read_text()
    assert f"studies/{name}" in text, "its README has its command"
    if "nested" in name:
        writing.require("lanl", found)


def test_every_file_of_a_study_is_in_this_table():
    there = {path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*") if path.is_file()}
    assert there == {*RUNS, *SWEEPS, *(f"{folder.name}/README.md" for folder in FOLDERS)}


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_of_a_published_study_parses(line):
    parse(shlex.split(line))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_published_study_says_what_it_costs_and_what_to_expect(folder):
    text = (folder / "README.md").read_text()
    for said in ("## What is compared", "## Cost", "FLOPs", "**Hardware:**", "**Wall time:**", "## What to expect"):
        assert said in text, said


def test_the_zoo_has_each_model_once():
    found = rows.of_file(ROOT / "cifar_zoo" / "cifar_zoo.yaml", options={}, axes={})
    models = [row.cells["model"] for row in found]
    assert len(models) == len({*models}) == 16 and {*models} <= MODELS.keys()


def test_lanls_studies_have_their_published_numbers():
    numbers = {row.number: row.cells["model"] for row in rows.of_file(
        ROOT / "nested_cylinder" / "nested_cylinder.csv", options={}, axes={}
    )}  # fmt: skip
    assert numbers == dict.fromkeys(range(200, 215), "cnn") | dict.fromkeys(range(100, 115), "t2t_lanl")


def test_lanls_models_have_the_parameters_that_the_readme_states(resolved):
    text = (ROOT / "nested_cylinder" / "README.md").read_text()
    counts = {cell.config.model: cell.config.parameters for cell in resolved("nested_cylinder/nested_cylinder.csv")}
    assert all(f"{count:,}" in text for count in counts.values()), counts


def test_the_runs_at_a_size_have_equal_parameters_within_the_tolerance(resolved):
    for name, within in (("differential_scaling/cifar100.yaml", 1e-3), ("diffraction/bravais.yaml", 0.1)):
        counts = {}
        for cell in resolved(name):
            counts.setdefault(cell.config.size, []).append(cell.config.parameters)
        assert all(max(each) / min(each) < 1 + within for each in counts.values()), counts
