"""`sweep --models A,B`: the same search for each model, and what the searches reached."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .screen import Screen, note, result, result_json

if TYPE_CHECKING:
    from ..sweeps.lines import Content
    from ..sweeps.sweep import Sweep


def asked(text: str | None, options: Mapping[str, Any], *, into: Path | None) -> list[str]:
    """Return the models of --models, or none without it. Raises InputError."""
    from ..errors import InputError
    from ..tables.models import model_row

    if text is None:
        if into:
            raise InputError(f"--into {into} has an effect with --models only. Add --models, or omit --into")
        return []
    names = [name.strip() for name in text.split(",")]
    if options.get("model"):
        raise InputError(f"--model {options['model']} and --models {text} both choose models. Omit one of them")
    if len({*names}) < 2 or len({*names}) < len(names):
        raise InputError(f"--models {text} is not a comparison. Name at least two different models, such as A,B")
    if into and into.suffix.lower() != ".csv":
        raise InputError(f"--into {into} is not CSV by its name. Use a name that ends in .csv")
    for name in names:
        model_row(name)
    return names


def show(found: Sequence[tuple[Sweep, Content]], *, into: Path | None, as_json: bool) -> None:
    """Print what the search of each model reached, and write the best settings. Raises StudyFailed and InputError."""
    from ..sweeps import fair
    from ..system.columns import columns

    searched = [fair.Searched.of(sweep, content) for sweep, content in found]
    if as_json:
        result_json([each.to_json() for each in searched], indent=1)
    else:
        result(columns(*fair.table(searched)))
    for line in fair.notes(searched):
        note(f"note: {line}")
    fair.require_complete(searched)
    if into:
        with Screen(quiet=as_json) as screen:
            fair.write_study(searched, into, screen)
        note(
            f"the best settings of each model are in {into}. `study {into} --cross seed=1-5` trains them with new seeds"
        )
