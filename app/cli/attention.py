"""`attention`: measure the attention maps of finished runs on test images, and compare two architectures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..tables.attention_numbers import EXACT, MOST_DISTRACTORS, NUMBERS, USUAL_ROWS, of_kind
from . import options as o
from .examples import page
from .robust import Names
from .screen import Screen, result, result_json

if TYPE_CHECKING:
    from ..artifacts.attention_rows import Numbers
    from ..artifacts.runs import Run
    from ..experiment.looking import Looked
    from ..results.attended import Difference

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
        arms, gaps = _differences(parts, found, screen)
    if as_json:
        return result_json({"runs": [*map(_object, found.values())], **_comparison(arms, gaps)})
    for each in found.values():
        result("\n".join([*_lines(each), *(_of_canvases(each) if canvases else ()), *_of_patches(each)]))
    return result("\n".join(_table(arms, gaps))) if gaps else None


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


def _differences(
    parts: dict[str, list[Run]], found: dict[Path, Looked], screen: Screen
) -> tuple[tuple[str, ...], list[Difference]]:
    """Return the titles of two architectures and their differences, or nothing for another number of them."""
    from ..errors import InputError
    from ..results import arms as sorting
    from ..results import attended

    try:
        arms = sorting.chosen(parts).arms
    except InputError:
        return (), []
    if len(arms) != 2:
        screen.say(f"note: {len(arms)} architectures are not compared. Name two")
        return (), []
    one, other = ([found[run.files.record].parts for run in arm.runs] for arm in arms)
    return tuple(arm.title for arm in arms), attended.differences(one, other)


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


def _comparison(arms: tuple[str, ...], gaps: Sequence[Difference]) -> dict[str, Any]:
    return {"compared": {"arms": [*arms], "differences": [gap.to_json() for gap in gaps]}} if gaps else {}


def _lines(each: Looked) -> Iterator[str]:
    """Yield the tables of a run: its maps, then its tokens and activations, one line per layer."""
    from ..results import attended
    from ..system.columns import columns
    from ..system.printable import printable

    about, layers = each.run.record, attended.layers(each.parts)
    n = len(next(iter(layers.values())).rows)
    yield f"run {about.run_id}: {about.model} {about.size} on {about.dataset}, n {n:,} test images, means over images"
    for kind in ("map", "activation"):
        names = [name for name in of_kind(kind) if all(name in its.values for its in layers.values())]
        rows = [[str(at), *(f"{its.values[name].mean():.4g}" for name in names)] for at, its in layers.items()]
        yield columns(["layer", *(NUMBERS[name].title for name in names)], rows)
    checks = attended.together(each.parts)
    assert checks, "they are computed with the layers"
    off, error = (float(checks.values[name].max()) for name in ("path_difference", "sum_error"))
    yield f"rows sum to their exact values within {error:.1e}"
    yield f"path {each.path} against plain, in float32: largest difference {off:.1e} (limit {EXACT:.0e})" + (
        "" if off < EXACT else ". Above the limit: the maps may not be those of the trained model"
    )
    yield f"numbers: {printable(each.run.files.attention)}"


def _of_canvases(each: Looked) -> Iterator[str]:
    """Yield the table of canvases: shares on the target's cell, means over layers, and accuracies, by distractors."""
    yield "share of attention on the target's cell, mean over layers, and accuracy in %, by distractors:"
    yield _by_count(each, "canvas", range(MOST_DISTRACTORS + 1), {"chance": lambda count: 1 / (count + 1)})


def _of_patches(each: Looked) -> Iterator[str]:
    """Yield the table of images with patches, if they are measured: shares on the image, and accuracies, by patches."""
    from ..results import attended

    def uniform(count: int) -> float:
        its = attended.together(each.parts, f"patched{count}")
        return float(its.values["uniform"].mean()) if its else 0.0

    if counts := attended.patched(each.parts):
        yield "share of attention on what patches leave of the image, mean over layers, and accuracy in %, by patches:"
        yield _by_count(each, "patched", counts, {"uniform": uniform})


def _by_count(each: Looked, inputs: str, counts: Sequence[int], first: dict[str, Callable[[int], float]]) -> str:
    """Return a table of a line per number of distractors: first columns, shares over layers, accuracies in %."""
    from ..results import attended
    from ..system.columns import columns

    some = f"{inputs}{counts[0]}"
    model = attended.together(each.parts, some)
    shares = [name for name in NUMBERS if name.startswith("share")]
    shares = [name for name in shares if attended.over_layers(each.parts, name, some) is not None]
    rights = [name for name in of_kind("canvas") if model and name in model.values]
    rows = []
    for count in counts:
        its = attended.together(each.parts, f"{inputs}{count}")
        means = [attended.over_layers(each.parts, name, f"{inputs}{count}") for name in shares]
        rows.append([
            str(count), *(f"{value(count):.3f}" for value in first.values()),
            *(f"{one.mean():.3f}" for one in means if one is not None),
            *(f"{100 * its.values[name].mean():.1f}" for name in rights if its),
        ])  # fmt: skip
    return columns(["distractors", *first, *(NUMBERS[name].title for name in (*shares, *rights))], rows)


def _title(gap: Difference) -> str:
    title = NUMBERS[gap.name].title
    if gap.inputs == "test":
        return title
    return f"{'share' if gap.name == 'share' else title}, {gap.inputs.removeprefix('patched')} patches"


def _table(arms: tuple[str, ...], gaps: Sequence[Difference]) -> Iterator[str]:
    from ..system.columns import columns

    yield f"differences, {arms[0]} minus {arms[1]} (exploratory; * marks a false discovery rate of 5 %):"
    rows = [
        [
            _title(gap), "mean" if gap.layer < 0 else str(gap.layer),
            *(f"{mean:.4g}" for mean in gap.means), f"{gap.difference:+.4g}",
            f"[{gap.interval[0]:+.4g}, {gap.interval[1]:+.4g}]" if gap.interval else "-",
            "-" if gap.adjusted is None else f"{gap.adjusted:.2g}", "*" if gap.marked else "",
        ]
        for gap in gaps
    ]  # fmt: skip
    yield columns(["number", "layer", "first", "second", "difference", "95 % interval", "adjusted p", ""], rows)
