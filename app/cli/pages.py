"""The page that `--help` prints for a command: usage, sentence, options in two columns, examples that can be copied."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from typer import Typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group

from ..errors import InputError
from . import other_tools, screen

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

_LEFT, _SHARE = 34, 3  # columns for names and types: at most so many, and at most this part of the width
_NAMES = ((r"(?<!\S)--?[a-z][\w-]*", "cyan"), (r"`[^`]+`", "bold"))  # how names in a sentence are shown


class _Page:
    """What a command and a group share: their page. Typer's own is too narrow to read below 100 columns."""

    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002
        """Print the page."""
        from rich.console import Console

        console = Console(highlight=False)
        _print_head(self, ctx, console)
        for name, parameters in _panels(self, ctx):
            _print_panel(name, [_row(each, ctx) for each in parameters], console)
        commands = [(each.name, _paragraphs(each.help)[0]) for each in getattr(self, "commands", {}).values()]
        _print_panel("Commands", [([_text(name, "bold cyan")], said) for name, said in commands], console)
        _print_epilog(self, console)


class Command(_Page, TyperCommand):
    """A command whose help is such a page."""


class Group(_Page, TyperGroup):
    """A group of commands whose help is such a page."""

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Return the command. Raise InputError for a word of another tool, with the command to use instead."""
        if args[0] not in self.commands:
            root = ctx.parent is None
            says = other_tools.command(args[0]) if root else other_tools.within(ctx.info_name, args[0])
            if says:
                raise InputError(f"No such command '{args[0]}'. {says}")
        return super().resolve_command(ctx, args)


def deferred(typers: Callable[[], Typer]) -> type[Group]:
    """Return a class of groups that make their commands when they are first needed.

    A command with the options of `train` takes milliseconds to make, and most commands need no other group's.
    """

    class Deferred(Group):
        _made: dict[str, Any] | None = None

        @property  # type: ignore[override]  # an attribute there
        def commands(self) -> dict[str, Any]:
            """The commands by name, made once."""
            if self._made is None:
                self._made = dict(get_group(typers()).commands)
            return self._made

        @commands.setter
        def commands(self, none: Any) -> None:  # which Typer sets before they are needed
            assert not none

    return Deferred


def _text(text: str, style: str = "") -> Text:
    from rich.text import Text

    return Text(text, style=style)


def _sentence(text: str) -> Text:
    """Return a sentence with the names of options and commands shown as such."""
    found = _text(text)
    for pattern, style in _NAMES:
        found.highlight_regex(pattern, style)
    return found


def _paragraphs(text: str | None) -> list[str]:
    """Return the paragraphs of a docstring, each as one line, with this program's name in its commands."""
    return [" ".join(each.split()) for each in screen.named(inspect.cleandoc(text or "")).split("\n\n")]


def _print_head(command: Any, ctx: Any, console: Console) -> None:
    from rich.padding import Padding

    console.print(Padding(_text(" ".join(command.get_usage(ctx).split()), "bold"), (1, 1, 1, 1)))
    for paragraph in _paragraphs(command.help):
        console.print(Padding(_sentence(paragraph), (0, 1, 1, 1)))


def _panels(command: Any, ctx: Any) -> Iterator[tuple[str, list[Any]]]:
    """Return the panels in their order: arguments, then the options without a panel, then the others."""
    found: dict[str, list[Any]] = {"Arguments": [], "Options": []}
    for each in command.get_params(ctx):
        if not each.hidden:
            usual = "Arguments" if each.param_type_name == "argument" else "Options"
            found.setdefault(each.rich_help_panel or usual, []).append(each)
    yield from found.items()


def _row(parameter: Any, ctx: Any) -> tuple[list[Text], str]:
    """Return the lines of the left column, which are names and the type, and the help of the right one."""
    if parameter.param_type_name == "argument":
        name = parameter.metavar or parameter.name
        many = "..." if parameter.nargs != 1 and not name.endswith("...") else ""
        return [_text(f"{name}{many}", "bold cyan")], _paragraphs(parameter.help)[0]
    names = ", ".join(sorted(parameter.opts, key=len, reverse=True))
    shown = "" if parameter.is_flag else f"{parameter.display_type_rich(ctx)}{_range(parameter)}".replace(" range", "")
    left = [
        _text(names, "bold cyan"),
        _text(shown, "yellow"),
        *(_text(off, "magenta") for off in parameter.secondary_opts),
    ]
    return [line for line in left if line], _paragraphs(parameter.help)[0]


def _range(parameter: Any) -> str:
    """Return the numbers that an option takes, such as ` 1..12` or ` >=1`."""
    least, most = parameter.min, parameter.max
    if least is None:
        return ""
    return f" >={least}" if most is None else f" {least}..{most}"


def _print_panel(name: str, rows: list[tuple[list[Text], str]], console: Console) -> None:
    if not rows:
        return
    from rich.panel import Panel

    console.print(Panel(_table(rows, console.width), title=name, title_align="left", border_style="dim"))


def _table(rows: list[tuple[list[Text], str]], width: int) -> Table:
    from rich.table import Table

    most = min(_LEFT, width // _SHARE)
    joined = [(_joined(lines, most), said) for lines, said in rows]
    table = Table(box=None, show_header=False, expand=True, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(width=min(most, max(len(line) for left, _ in joined for line in left.split())), overflow="fold")
    table.add_column(ratio=1, overflow="fold")
    for left, said in joined:
        table.add_row(left, _sentence(said))
    return table


def _joined(lines: list[Text], most: int) -> Text:
    """Return the name and the type, on one line if they fit, else on separate lines."""
    name, *others = lines
    while others and len(name) + 1 + len(others[0]) <= most:
        name = _text(" ").join([name, others.pop(0)])
    return _text("\n").join([name, *others])


def _print_epilog(command: Any, console: Console) -> None:
    """Print what stands below the options. Lines that begin with two spaces are commands; a long one is continued."""
    from rich.padding import Padding

    for line in (command.epilog or "").split("\n"):
        if line.startswith("  "):
            kept = re.sub(r"(--[\w-]+) (?!-)", "\\1\N{NO-BREAK SPACE}", line.strip())  # an option and its value
            wrapped = textwrap.wrap(kept, console.width - 10, break_long_words=False, break_on_hyphens=False)
            words = [part.replace("\N{NO-BREAK SPACE}", " ") for part in wrapped]
            console.print(_text("   " + " \\\n       ".join(words), "cyan"), soft_wrap=True)
        else:
            console.print(Padding(_sentence(screen.named(line)), (0, 1, 0, 1)))
    if command.epilog:
        console.print()
