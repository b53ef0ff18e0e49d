"""Every line of `--help` is a sentence that can be read alone; every page fits its terminal and ends with examples."""

import re
import shlex

import pytest

from app.cli import command as program
from app.cli import spelled
from app.cli.examples import EXAMPLES


def commands(command=None, path=""):
    """Every command and group by its words, from the program itself on."""
    command = command or program()
    yield path, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from commands(inner, f"{path} {name}".lstrip())


ALL = dict(commands())
SENTENCE = re.compile(r"[A-Z][^\n]*[^\s.]\.")
WITHOUT = ("Print the version and exit.", "Required.")  # an option that has no default ends so


@pytest.mark.parametrize("path", ALL, ids=lambda path: path or "(program)")
def test_a_help_line_is_a_sentence_that_ends_with_its_default(path):
    for each in ALL[path].params:
        line, is_option = each.help, each.param_type_name == "option"
        sentence, _, default = line.partition(" Default: ")
        assert SENTENCE.fullmatch(sentence) and not re.match(r"(Of|And|Or|Which|Whose|How|What)\b", sentence), line
        assert re.fullmatch(r"\S[^\n]*\.", default) if default else not is_option or line.endswith(WITHOUT), line
        assert line.count("Default: ") <= 1 and "shown_default" not in line


@pytest.mark.parametrize("path", ALL, ids=lambda path: path or "(program)")
def test_the_help_of_a_command_begins_with_a_sentence(path):
    first, *others = ALL[path].help.split("\n\n")
    assert SENTENCE.fullmatch(" ".join(first.split())) and first.split()[0].rstrip("s") + "s" != first.split()[0]
    assert all(SENTENCE.fullmatch(" ".join(other.split())) for other in others)


@pytest.mark.parametrize("width", [60, *(pytest.param(width, marks=pytest.mark.slow) for width in (80, 200))])
@pytest.mark.parametrize("path", ALL, ids=lambda path: path or "(program)")
def test_a_page_fits_its_width_and_nothing_is_cut(call, monkeypatch, path, width):
    monkeypatch.setenv("COLUMNS", str(width))
    shown = call(f"{path} --help")
    assert shown.code == 0 and "…" not in shown.out
    assert max(map(len, shown.out.splitlines())) <= width
    words = {word.rstrip(",") for word in re.sub("[│╭╮╰╯─]", " ", shown.out).split()}
    for each in ALL[path].params:
        names = (*each.opts, *each.secondary_opts) if each.param_type_name == "option" else ()
        assert not {*(word.rstrip(",") for word in each.help.split()), *names} - words


@pytest.mark.parametrize("path", ALL, ids=lambda path: path or "(program)")
def test_a_command_ends_with_examples_that_can_be_copied(call, path):
    shown = re.sub(r" \\\n +", " ", call(f"{path} --help").out)
    printed = [line for line in shown.partition("Examples:")[2].splitlines() if line.strip()]
    lines = [
        re.split(r"run\.py |-m app ", line)[-1] for line in printed
    ]  # the latter where pytest is `python -m pytest`
    assert tuple(lines) == EXAMPLES[path] and 1 <= len(lines) <= 3
    assert all(as_typer_has_it(line).split("--")[0].startswith(path) for line in lines)


def as_typer_has_it(line):
    """Returns a command line in its full form: `study FILE` is `study run FILE`."""
    return " ".join(spelled(shlex.split(line)))


def parse(arguments):
    """Parses as the command line would, without running; returns the command's words. Raises where Typer would."""
    command = program()
    context, words = command.make_context("run.py", spelled(arguments)), []
    while hasattr(command, "get_command"):
        left = [*context._protected_args, *context.args]
        if not left and command.invoke_without_command:
            break
        name, command, rest = command.resolve_command(context, left)
        context = command.make_context(name, rest, parent=context)
        words.append(name)
    return " ".join(words)


def test_the_examples_are_those_of_every_command():
    assert set(EXAMPLES) == set(ALL)


EACH = sorted({line for lines in EXAMPLES.values() for line in lines})


@pytest.mark.parametrize("line", EACH)
def test_an_example_parses(line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()  # a folder of runs that is named has to exist
    words = parse(shlex.split(line))
    assert words in ALL and as_typer_has_it(line).startswith(words)


OFFLINE = [line for line in EACH if re.match(r"datasets$|datasets digits|launch |cache$|cache (show|--json)", line)]
LONGER = [
    line
    for line in EACH
    if re.match("models|data make (nested|.*--patterns 20$)|bench attention --tokens 64,256", line)
]
AFTER_TRAINING = (
    "train --dataset digits --epochs 2", "evaluate checkpoints --best --top-k 2", "plot loss", "plot scaling",
    "plot history --threshold 0.5", "plan --dataset digits --probe --usd-per-hour 2.50",
)  # fmt: skip


@pytest.mark.parametrize("line", OFFLINE)
def test_an_example_that_needs_nothing_runs(call, line, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_REPOSITORY", "owner/name")
    shown = call(line)
    assert shown.code == 0 and shown.out, shown.err


@pytest.mark.slow
def test_the_examples_of_made_fields_run_one_after_the_other(call):
    for line in EXAMPLES["data"]:
        assert line in EACH and (shown := call(line)).code == 0, shown.err
    assert call("plot field cylinders").code == 0


@pytest.mark.slow
@pytest.mark.parametrize("line", LONGER)
def test_an_example_that_needs_time_only_runs(call, line):
    ended = call(line)
    assert ended.code == 0 and ended.out, ended.err


@pytest.mark.slow
def test_the_first_examples_run_one_after_the_other(call, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for line in AFTER_TRAINING:
        assert line in EACH and (shown := call(line)).code == 0, shown.err
