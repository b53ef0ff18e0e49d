"""The README and the pages of docs/ tell the truth: commands parse, options exist, tables are the program's."""

import re
import shlex
from pathlib import Path

import pytest

from app.cli import command as program
from app.cli import spelled
from app.config.facts import DatasetFacts
from app.config.run import resolve
from app.counts import family_for
from app.tables.datasets import DATASETS
from app.tables.models import ALIASES, MODELS
from app.tables.protocols import PROTOCOLS, UNKNOWN
from app.tables.shape import spelled as spelled_out

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()
MODELS_PAGE, TRAINING_PAGE = ((ROOT / "docs" / page).read_text() for page in ("models.md", "training.md"))
BLOCKS = re.findall(r"```\n(.*?)```", README, flags=re.S)
OF_DOCKER = ("--rm", "--gpus", "--volume")
LINES = [part for block in BLOCKS for line in block.splitlines() for part in line.split(" && ") if "run.py" in part]
PAGES = ("models.md", "data.md", "synthetic-data.md", "training.md", "files.md", "trials.md", "commands.md")  # of docs/
ON_PAGES = [
    pytest.param(line, id=f"{page}: {line}")
    for page in PAGES
    for block in re.findall(r"```\n(.*?)```", (ROOT / "docs" / page).read_text(), flags=re.S)
    for line in re.findall(r"^(?:\$ |torchrun .*)?(?:python )?(run\.py .*)$", block.replace("\\\n", " "), flags=re.M)
]


def parse(arguments):
    """Parses as the command line would, without running; raises where Typer would."""
    command = program()
    context = command.make_context("run.py", spelled(arguments), ignore_unknown_options=False)
    while hasattr(command, "get_command"):
        left = [*context._protected_args, *context.args]
        if not left and command.invoke_without_command:
            break
        name, command, rest = command.resolve_command(context, left)
        context = command.make_context(name, rest, parent=context)


@pytest.mark.parametrize("line", LINES)
def test_a_command_of_the_readme_parses(line):
    parse(shlex.split(line.split("run.py", 1)[1]))


@pytest.mark.parametrize("line", ON_PAGES)
def test_a_command_of_a_page_parses(line):
    parse(shlex.split(line)[1:])


def test_the_page_of_commands_names_every_command_and_no_other():
    commands = set(program().commands)
    table = (ROOT / "docs" / "commands.md").read_text().partition("##")[0]
    rows = re.findall(r"^\| (`[a-z].*?`) \|", table, flags=re.M)
    assert {name.split()[0] for row in rows for name in re.findall(r"`([a-z ]+)`", row)} == commands


@pytest.mark.parametrize("page", ["README.md", *(f"docs/{name}" for name in PAGES)])
def test_every_option_that_the_readme_names_exists(page):
    options = set()
    commands = list(program().commands.values())
    while commands:
        command = commands.pop()
        commands += getattr(command, "commands", {}).values()
        options |= {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    assert set(re.findall(r"--[a-z][a-z0-9-]+", (ROOT / page).read_text())) <= options | {
        "--help",
        "--nproc-per-node",
        *OF_DOCKER,
    }


def test_the_size_table_is_the_programs():
    rows = re.findall(r"^\| (\d+M) \| (\w+) \| (\d+) \| (\d+) \| (\d) / (\d) \| .*? \| .*? \| ([\d,]+) \| ([\d,]+) \|$",
                      MODELS_PAGE, flags=re.M)  # fmt: skip
    assert len(rows) == 6
    for size, dataset, d_model, depth, *heads, classic, differential in rows:
        row = DATASETS[dataset]
        facts = DatasetFacts(name=dataset, classes=row.classes, native=row.native)
        pair = [resolve({"model": model, "size": size}, facts) for model in ("vit_classic", "vit_differential")]
        assert [config.heads for config in pair] == [int(h) for h in heads]
        assert {(config.d_model, config.depth) for config in pair} == {(int(d_model), int(depth))}
        assert [f"{config.parameters:,}" for config in pair] == [classic, differential]


def test_the_protocol_table_is_the_programs():
    for name, protocol in {**PROTOCOLS, "any other": UNKNOWN}.items():
        line = next(
            line for line in TRAINING_PAGE.splitlines() if line.startswith(f"| {name} | {spelled_out(protocol.image)},")
        )
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        assert cells[1] == f"{spelled_out(protocol.image)}, {protocol.patch}"
        assert [float(cell) for cell in (cells[2], cells[3], cells[4], cells[6], cells[7])] == [
            protocol.batch_size, protocol.epochs, protocol.lr, protocol.weight_decay, protocol.dropout
        ]  # fmt: skip
        assert cells[8] == protocol.augment
        assert cells[5].startswith("10 %" if protocol.warmup_steps is None else f"{protocol.warmup_steps} steps")


def test_the_page_of_models_has_every_model_with_its_parameters():
    rows = re.findall(r"^\| (`.*?`) \| .* \| ([\d,]+) \| .*? \|$", MODELS_PAGE, flags=re.M)
    counts = {name: count for names, count in rows for name in re.findall(r"`(\w+)`", names)}
    assert counts.keys() == MODELS.keys()
    assert all(f"`{name}`" in MODELS_PAGE for name in ALIASES)
    for name, row in MODELS.items():
        if family_for(row).closed:  # tests/counts has those of timm, which are built to be counted
            signals = row.family == "resnet1d"
            data = DATASETS["diffraction" if signals else "cifar10"]
            facts = DatasetFacts(
                name=data.name, classes=data.classes, channels=data.channels, native=data.native, kind=data.kind,
                image=(3042,) if signals else None,
            )  # fmt: skip
            assert f"{resolve({'model': name}, facts).parameters:,}" == counts[name], name


def test_the_page_of_data_has_every_dataset_with_its_rows():
    page = (ROOT / "docs" / "data.md").read_text()
    rows = [line.strip("|").split(" | ") for line in page.splitlines() if line.startswith("| `") and " px |" in line]
    found = {cells[0].strip(" `"): cells for cells in rows} | {
        "diffraction": next(line.strip("|").split(" | ") for line in page.splitlines() if "`diffraction` |" in line)
    }
    assert found.keys() == DATASETS.keys()
    for name, row in DATASETS.items():
        _, source, train, test, classes, _, download, licence = (cell.strip() for cell in found[name])
        assert source.startswith(f"`{row.hub}`" if row.hub else ("ships" if row.train_rows else "your files"))
        assert train == (f"{row.train_rows:,}" if row.train_rows else "by file")
        held_out = f"{row.test_fraction:.0%} held out".replace("%", " %")
        assert test == (f"{row.test_rows:,}" if row.test_rows else held_out if row.test_fraction else "by file")
        assert classes == ("1 number" if row.task == "regression" else str(row.classes))
        assert download == f"{row.megabytes:,} MB" and licence.lower().replace(" ", "-") == row.licence


def test_the_version_stands_the_same_everywhere():
    from app import __version__

    assert f'version = "{__version__}"' in (ROOT / "pyproject.toml").read_text()
    assert f"version: {__version__}" in (ROOT / "CITATION.cff").read_text()
