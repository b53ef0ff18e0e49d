"""docs/options.md, made from the declarations: `python -m app.config.reference > docs/options.md`."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator
from typing import Any

from .effects import families_of
from .settings import GROUPS, PANELS, declared, flag, options_of
from .settings.declaring import KINDS, types_of

_HEAD = """# Options of `train`

`train` and `plan` take every option below, and each is declared once, in `app/config/settings/`. This page is made from
those declarations by `python -m app.config.reference > docs/options.md`.

- **Default** names the value that is used if you omit the option. *The dataset's protocol* is printed by
  `run.py datasets`, and *the model's own* and *the size table's* values by `run.py models`.
- **Run ID** says whether the option is part of the run ID. A value equal to the default leaves the ID unchanged.
- **For** names the data or the model families for which the option has an effect. It is refused for any other.
- A switch also accepts a value: `--upload true`, `--qkv-bias=no`. Use `true`, `yes`, `on` or `1`, and `false`, `no`,
  `off` or `0`.
"""
_TYPES = {
    "int": "integer", "float": "number", "str": "text", "Path": "path", "Extent": "side", "Betas": "numbers",
    "bool": "switch",
}  # fmt: skip


def text() -> str:
    """Return the page."""
    return "\n".join([_HEAD, *(line for panel in PANELS for line in _panel(panel))]).rstrip() + "\n"


def _panel(panel: str) -> Iterator[str]:
    yield from (f"## {panel}", "", "| Option | Type | Default | Run ID | For | Help |", "|---|---|---|---|---|---|")
    for field in options_of(*GROUPS).values():
        if declared(field).panel == panel:
            yield f"| {' | '.join(_row(field))} |"
    yield ""


def _row(field: dataclasses.Field[Any]) -> tuple[str, ...]:
    its, kind = declared(field), types_of(field)[0]
    name = flag(field.name)
    names = f"`{name}`, `{its.off or '--no-' + name[2:]}`" if kind == "bool" else f"`{name}`"
    choices = f"one of {', '.join(f'`{choice}`' for choice in its.choices)}"
    words = f"{', '.join(f'`{word}`' for word in its.words)}, joined by `+`"
    taken = choices if its.choices else words if its.words else "time" if its.time else _TYPES[kind]
    return names, taken, its.shown, "yes" if its.decides else "no", _for(field), its.help


def _for(field: dataclasses.Field[Any]) -> str:
    """Return the kinds of data or the families of models for which a setting has an effect."""
    its = declared(field)
    families = families_of(field.name) if its.decides else ()
    if families:
        return ", ".join(families)
    return "all" if its.kinds == KINDS else ", ".join(f"{kind}s" for kind in its.kinds)


if __name__ == "__main__":
    sys.stdout.write(text())
