"""Series of a figure with several architectures: the runs that differ only in their seed, with a name and a look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..artifacts.runs import Run
from ..errors import InputError
from . import selection, style
from .differences import distinctions


@dataclass(frozen=True)
class Series:
    """The seeds of one architecture at one size.

    `architecture` is the model's title with the settings in which it differs from the other runs of the figure. `place`
    is the architecture's place in the order, which decides its look. `key` names the architecture in a file name.
    """

    architecture: str
    key: str
    size: str
    place: int
    runs: tuple[Run, ...]

    @property
    def millions(self) -> float:
        """The trainable parameters in millions."""
        return self.runs[0].record.parameters.total / 1e6

    @property
    def look(self) -> dict[str, Any]:
        """Colour, marker and dashes of the architecture, as arguments of `axes.plot`."""
        return style.look(self.place)

    @property
    def facts(self) -> str:
        """The parameters and the seeds, for a legend: `9.75 M parameters, 3 seeds`."""
        count, waiting = len(self.runs), sum(not run.done for run in self.runs)
        unfinished = f" ({f'{waiting} of them ' if count > 1 else ''}not finished)" if waiting else ""
        return f"{self.millions:.3g} M parameters, {count}\N{NO-BREAK SPACE}seed{'s' if count > 1 else ''}{unfinished}"


def series_of(runs: Sequence[Run]) -> list[Series]:
    """Return the series among runs of one dataset, in the order of the architectures, smallest size first."""
    differing, found = distinctions(runs), dict[tuple[str, str, str], list[Run]]()
    for key, members in selection.architectures(runs).items():
        for run in members:
            title = ", ".join(filter(None, (selection.model_title(run.config), differing[run.files])))
            found.setdefault((title, key, run.config.size), []).append(run)
    titles = {key: [*dict.fromkeys(title for title, own, _ in found if own == key)] for _, key, _ in found}
    places = {title: place for place, title in enumerate(dict.fromkeys(title for title, _, _ in found))}
    return [
        Series(title, _stem(key, titles[key].index(title)), size, places[title], tuple(own))
        for (title, key, size), own in found.items()
    ]


def _stem(key: str, number: int) -> str:
    """Return the part of a file's name, with a number from the second architecture of one model on."""
    return f"{key}-{number + 1}" if number else key


def pairs(series: Sequence[Series]) -> list[tuple[Series, Series]]:
    """Return the first architecture with each other one at each size that both have.

    Architectures of which each has one size are paired whatever their sizes.
    Raises InputError if there is no such pair.
    """
    first = [each for each in series if each.place == 0]
    alone = len({each.place for each in series}) == len(series)
    found = [(one, other) for other in series if other.place for one in first if alone or one.size == other.size]
    if not found:
        there = ", ".join(f"{each.architecture} {each.size}" for each in series)
        raise InputError(
            f"a difference needs two architectures at one size, and the runs to draw are {there}. Train the other one, "
            "or name runs with --run"
        )
    return found


def pair_title(pair: tuple[Series, Series]) -> str:
    """Return the dataset of a pair for a title, with the size if both have the same."""
    one, other = pair
    dataset = selection.dataset_title(one.runs[0].config.dataset)
    return f"{dataset}, {one.size}" if one.size == other.size else dataset


def of_sizes(pair: tuple[Series, Series]) -> str:
    """Return a caption's sentence on the parameters of a pair of different sizes, or an empty text."""
    one, other = pair
    if one.size == other.size:
        return ""
    return (
        f"{one.architecture} has {one.millions:.3g}M parameters and {other.architecture} {other.millions:.3g}M: their "
        "difference is also one of size."
    )


def panels_of(series: Sequence[Series]) -> dict[str, list[Series]]:
    """Return the series of each panel, by its title: one panel per size if architectures share most of the sizes.

    Else there is one panel, without a title.
    """
    sizes = selection.sizes(run for each in series for run in each.runs)
    panels = {size: [each for each in series if each.size == size] for size in sizes}
    shared = sum(len(own) > 1 for own in panels.values())
    return panels if len(panels) > 1 and 2 * shared > len(panels) else {"": list(series)}
