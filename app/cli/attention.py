"""`attention`: measure the attention maps of finished runs on test images, and compare two architectures."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..tables.attention_numbers import MOST_DISTRACTORS, USUAL_ROWS
from . import attention_tables
from . import options as o
from .examples import page
from .robust import Names
from .screen import Screen, result, result_json

if TYPE_CHECKING:
    from ..artifacts.attention_rows import Numbers
    from ..artifacts.runs import Run
    from ..experiment.looking import Looked
    from ..results.attention_arms import Answer

_option = partial(typer.Option, show_default=False)
Rows = Annotated[
    int,
    _option("--limit-test", min=2, help="Use this many test rows: a fixed part of the test set with all classes in "
            f"equal shares. Default: {USUAL_ROWS}."),
]  # fmt: skip
Canvases = Annotated[
    bool,
    _option("--canvases", help="Also measure canvases of 3 x 3 cells with a test image and 0 to 8 images of other "
            "classes. Default: no."),
]  # fmt: skip
Distractors = Annotated[
    int | None,
    _option("--distractors", min=0, max=MOST_DISTRACTORS, help="Also measure test images with 0 to this many patches "
            "of other classes on their border. Default: as many as the run was trained or tested with."),
]  # fmt: skip

_NOTE = (
    "One value per image, layer and number is kept in _attention.parquet next to the run. If the command is "
    "interrupted, run it again: it computes what is missing. With two architectures, their differences are printed "
    "with intervals, as an exploratory table."
)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(**page("attention", _NOTE))(attention)


def attention(
    names: Names,
    limit_test: Rows = USUAL_ROWS,
    canvases: Canvases = False,
    distractors: Distractors = None,
    best: o.Best = False,
    ema: o.Ema = False,
    device: o.Device = None,
    threads: o.Threads = None,
    checkpoints: o.Checkpoints = o.DEFAULT_CHECKPOINTS,
    as_json: o.AsJson = False,
) -> None:
    """Measure the attention maps of finished runs on test images, and compare two architectures layer by layer."""
    with Screen(quiet=as_json) as screen:
        parts = _named(names, checkpoints, screen)
        from ..artifacts.which import chosen as chosen_weights
        from ..experiment import looking  # torch, which a wrong name above should not wait for
        from ..experiment.options import Options

        asked = looking.Asked(rows=limit_test, canvases=canvases, distractors=distractors)
        runs = {run.files.record: run for each in parts.values() for run in each}
        for run in runs.values():
            looking.require_maps(run, asked)
        options, which = Options(device=device or "auto", threads=threads), chosen_weights(best=best, ema=ema)
        found = {file: looking.look(run, asked, options, screen, which=which) for file, run in runs.items()}
        screen.stage("comparing the runs")
        answer = _answer(parts, found, checkpoints)
        for line in answer.notes:
            screen.say(f"note: {line}")
    if as_json:
        return result_json({"runs": [*map(_object, found.values())], **_answer_object(answer)})
    for each in found.values():
        result("\n".join(attention_tables.of_run(each)))
    for lines in attention_tables.of_answer(answer):
        result(lines)
    return None


def _named(names: Sequence[str], checkpoints: Path, screen: Screen) -> dict[str, list[Run]]:
    """Return the runs that each argument names."""
    from ..studies import compared

    screen.stage("looking for the runs")
    found: dict[str, list[Run]] = {}
    for name in names:
        named = compared.named([name], checkpoints, screen)
        for each in named.exclusions:
            screen.say(f"note: {each.line}")
        found |= named.parts
    return found


def _answer(parts: dict[str, list[Run]], found: dict[Path, Looked], checkpoints: Path) -> Answer:
    from ..artifacts.runs import indexed
    from ..results import attention_arms

    entries = indexed(checkpoints, lambda _: None)
    return attention_arms.answered(parts, {file: each.parts for file, each in found.items()}, entries)


def _object(each: Looked) -> dict[str, Any]:
    from ..results import attended

    record = each.run.record
    inputs = sorted({part.inputs for part in each.parts}, key=lambda name: (name != "test", name))
    return {
        "run_id": record.run_id, "model": record.model, "size": record.size, "dataset": record.dataset,
        "seed": each.run.config.seed, "path": each.path,
        "rows": next(iter(each.parts.values())).rows.tolist(),
        "inputs": {
            name: {
                "layers": [_values(its) for its in attended.layers(each.parts, name).values()],
                "model": _values(its) if (its := attended.together(each.parts, name)) else {},
            }
            for name in inputs
        },
    }  # fmt: skip


def _values(found: Numbers) -> dict[str, Any]:
    return {name: {"mean": float(each.mean()), "values": each.tolist()} for name, each in found.values.items()}


def _answer_object(answer: Answer) -> dict[str, Any]:
    compared = {"compared": answer.compared.to_json()} if answer.compared else {}
    return {"subtracted": [each.to_json() for each in answer.subtracted], **compared, "notes": [*answer.notes]}
