"""The README tells the truth: its commands parse, its tables are the program's, its words are the help's."""

import re
import shlex
from pathlib import Path

import pytest
from typer.main import get_command

from app.cli import app, spelled
from app.config.facts import DatasetFacts
from app.config.run import resolve
from app.tables.datasets import DATASETS
from app.tables.protocols import PROTOCOLS, UNKNOWN
from app.tables.shape import spelled as spelled_out

README = (Path(__file__).resolve().parents[1] / "README.md").read_text()
BLOCKS = re.findall(r"```\n(.*?)```", README, flags=re.S)
OF_DOCKER = ("--rm", "--gpus", "--volume")
LINES = [part for block in BLOCKS for line in block.splitlines() for part in line.split(" && ") if "run.py" in part]


def parse(arguments):
    """Parses as the command line would, without running; raises where Typer would."""
    command = get_command(app)
    context = command.make_context("run.py", spelled(arguments), ignore_unknown_options=False)
    while hasattr(command, "get_command"):
        name, command, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        context = command.make_context(name, rest, parent=context)


@pytest.mark.parametrize("line", LINES)
def test_a_command_of_the_readme_parses(line):
    parse(shlex.split(line.split("run.py", 1)[1]))


def test_the_readme_names_every_command_and_no_other():
    commands = set(get_command(app).commands)
    rows = re.findall(r"^\| (`[a-z].*?`) \|", README.partition("## Commands")[2], flags=re.M)
    assert {name.split()[0] for row in rows for name in re.findall(r"`([a-z ]+)`", row)} == commands


def test_every_option_that_the_readme_names_exists():
    options = set()
    commands = list(get_command(app).commands.values())
    while commands:
        command = commands.pop()
        commands += getattr(command, "commands", {}).values()
        options |= {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    assert set(re.findall(r"--[a-z][a-z-]+", README)) <= options | {"--help", "--nproc-per-node", *OF_DOCKER}


def test_the_size_table_is_the_programs():
    rows = re.findall(r"^\| (\d+M) \| (\w+) \| (\d+) \| (\d+) \| (\d) / (\d) \| .*? \| .*? \| ([\d,]+) \| ([\d,]+) \|$",
                      README, flags=re.M)  # fmt: skip
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
            line for line in README.splitlines() if line.startswith(f"| {name} | {spelled_out(protocol.image)},")
        )
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        assert cells[1] == f"{spelled_out(protocol.image)}, {protocol.patch}"
        assert [float(cell) for cell in (cells[2], cells[3], cells[4], cells[6], cells[7])] == [
            protocol.batch_size, protocol.epochs, protocol.lr, protocol.weight_decay, protocol.dropout
        ]  # fmt: skip
        assert cells[8] == protocol.augment
        assert cells[5].startswith("10 %" if protocol.warmup_steps is None else f"{protocol.warmup_steps} steps")


def test_the_version_stands_the_same_everywhere():
    from app import __version__

    root = Path(__file__).resolve().parents[1]
    assert f'version = "{__version__}"' in (root / "pyproject.toml").read_text()
    assert f"version: {__version__}" in (root / "CITATION.cff").read_text()
