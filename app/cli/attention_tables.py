"""The tables of `attention`: the numbers of a run, and the differences of two architectures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from ..tables.attention_numbers import EXACT, NUMBERS, of_kind

if TYPE_CHECKING:
    from ..experiment.looking import Looked
    from ..results.attended import Difference, Interval
    from ..results.attention_arms import Answer, Compared
    from ..results.subtracted import Subtracted

_INPUTS = {"canvas": "canvas", "patched": "patches"}  # in a cell
_PLAIN = "plain"  # the path that computes the maps


def of_run(each: Looked) -> Iterator[str]:
    """Yield the tables of a run: its maps, its tokens and activations, and images among distractors."""
    yield from _lines(each)
    yield from _of_canvases(each)
    yield from _of_patches(each)


def of_answer(answer: Answer) -> Iterator[str]:
    """Yield the table of what subtracting does, and that of two architectures, if there are such."""
    if answer.subtracted:
        yield "\n".join(_subtracted(answer.subtracted))
    if answer.compared:
        yield "\n".join(_table(answer.compared))


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
    if each.path != _PLAIN:
        yield f"path {each.path} against plain, in float32: largest difference {off:.1e} (limit {EXACT:.0e})" + (
            "" if off < EXACT else ". Above the limit: the maps may not be those of the trained model"
        )
    yield f"numbers: {printable(each.run.files.attention)}"


def _of_canvases(each: Looked) -> Iterator[str]:
    """Yield the table of canvases, if they are measured: shares on the target's cell, and accuracies."""
    from ..results import attended

    if counts := attended.counts(each.parts, "canvas"):
        yield "share of attention on the target's cell, mean over layers, and accuracy in %, by distractors:"
        yield _by_count(each, "canvas", counts, {"chance": lambda count: 1 / (count + 1)})


def _of_patches(each: Looked) -> Iterator[str]:
    """Yield the table of images with patches, if they are measured: shares on the image, and accuracies, by patches."""
    from ..results import attended

    def uniform(count: int) -> float:
        its = attended.together(each.parts, f"patched{count}")
        return float(its.values["uniform"].mean()) if its else 0.0

    if counts := attended.counts(each.parts, "patched"):
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


def _subtracted(found: Sequence[Subtracted]) -> Iterator[str]:
    from ..system.columns import columns

    yield (
        "what subtracting adds to the share, D - A1, mean over layers. Cancellation is shown if it is above 0 and "
        "grows with the distractors:"
    )
    rows = [
        [
            each.arm, _INPUTS[each.kind], f"{each.n:,}", str(each.distractors),
            f"{each.difference:+.4g}", _interval(each.interval, ".4g"),
            "-" if each.slope is None else f"{each.slope:+.4g}", _interval(each.slope_interval, ".4g"),
        ]
        for each in found
    ]  # fmt: skip
    heads = ["model", "inputs", "n", "distractors", "D - A1", "95 % interval", "per distractor", "95 % interval"]
    yield columns(heads, rows)


def _interval(found: Interval | None, form: str) -> str:
    return f"[{found[0]:+{form}}, {found[1]:+{form}}]" if found else "-"


def _title(gap: Difference) -> str:
    title = "share" if gap.name == "share" else NUMBERS[gap.name].title  # D or A
    if gap.inputs.startswith("canvas"):
        return f"{title}, canvas with {gap.inputs.removeprefix('canvas')}"
    return f"{title}, {gap.inputs.removeprefix('patched')} patches" if gap.inputs != "test" else title


def _table(found: Compared) -> Iterator[str]:
    from ..system.columns import columns

    images = f"{found.n:,} test images" + (f" in {found.groups:,} groups" if found.groups else "")
    yield (
        f"differences, {found.arms[0]} minus {found.arms[1]}, n {images} (exploratory; * marks a "
        "false discovery rate of 5 %):"
    )
    rows = [
        [
            _title(gap), "mean" if gap.layer < 0 else str(gap.layer),
            *(f"{mean:.4g}" for mean in gap.means), f"{gap.difference:+.4g}", _interval(gap.interval, ".4g"),
            "-" if gap.adjusted is None else f"{gap.adjusted:.2g}", "*" if gap.marked else "",
        ]
        for gap in found.differences
    ]  # fmt: skip
    yield columns(["number", "layer", "first", "second", "difference", "95 % interval", "adjusted p", ""], rows)
    if found.also:
        yield found.also
