"""The splits of a Hub dataset, or of tables, that are train, validation and test, and the notes about them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from ...errors import InputError
from ...system.printable import printable
from ...tables.names import suggestion
from ..splits import holdout
from . import words
from .layout import LeftOut
from .source import Ask

COLUMNS = ("split", "splits", "set", "subset", "partition", "phase", "usage")  # columns whose values are splits
_UNUSED = "this split is not used"


def of(
    ask: Ask,
    there: Collection[str],
    where: str,
    count: Callable[[str], int | None],
    *,
    hidden: tuple[str, int] | None = None,
) -> tuple[dict[str, str], tuple[str, ...], list[LeftOut]]:  # fmt: skip
    """Return our split -> the source's name, notes, and the splits that are left out.

    `count` gives the rows of a split, or None if they are unknown. `hidden` is the source's test split and its number
    of rows, if none has a label and another split is used instead. Raises InputError if no split for training is clear.
    """
    names = list(there)
    val, test = (_named(names, where, *asked) for asked in (("val", ask.val_split), ("test", ask.test_split)))
    train = _train(names, where, val, test)
    ordered = ["train", *[name for name in names if name != train]] if train else names
    wanted = holdout.published(ordered, carve_test=ask.carve_test, val=val, test=test)
    wanted = {ours: train or theirs if theirs == "train" else theirs for ours, theirs in wanted.items()}
    notes = []
    if len(names) == 1 and not hidden and wanted["train"] != "train" and not ask.tested:
        notes.append(
            f"{where} has one split, {names[0]}: it is used as train, and validation and test are held out from it"
        )
    if hidden and "test" in wanted:
        notes.append(f"the split {hidden[0]} of {where} has no labels: its split {wanted['test']} is the test set")
    elif wanted.get("test", "test") != "test":
        notes.append(f"{where} has no split named test: {wanted['test']} is the test set" if not test else
                     f"{wanted['test']} of {where} is the test set, as --test-split says")  # fmt: skip
    unused = [name for name in names if name not in wanted.values()]
    if unused:
        rest = "" if val else " (validation is held out from train)"
        notes.append(f"not used of {where}: {', '.join(unused)}{rest}")
    left = [LeftOut(what=f"rows of {name}", why=_why(name, val), count=count(name) or 0) for name in unused]
    left += [LeftOut(what=f"rows of {hidden[0]}", why="none has a label", count=hidden[1])] if hidden else []
    return wanted, tuple(notes), left


def _why(name: str, val: str | None) -> str:
    if words.split_of(name) == "val" and not val:
        return "validation is held out from train; --val-split uses this split"
    return f"{_UNUSED}; --test-split uses it as the test set" if words.split_of(name) == "test" else _UNUSED


def without_test(ask: Ask, there: Collection[str], wanted: Mapping[str, str]) -> list[str] | None:
    """Return the source's splits with another one as its test set, or None if there is no other."""
    if "test" not in wanted or ask.test_split or ask.val_split:
        return None
    rest = [name for name in there if name != wanted["test"]]
    others = [name for name in rest if name != wanted["train"] and words.split_of(name) == "val"]
    return [wanted["train"], others[0]] if others else None


def _train(names: list[str], where: str, val: str | None, test: str | None) -> str | None:
    """Return the name of the split for training, or None if there is a single split.

    Raises InputError if it is ambiguous.
    """
    rest = [name for name in names if name not in (val, test)]
    if "train" in rest:
        return "train"
    alike = [name for name in rest if words.split_of(name) == "train"]
    if len(alike) == 1:
        return alike[0]
    if "train" in (val, test):
        raise InputError(
            f"--{'val' if val == 'train' else 'test'}-split train of {where} leaves no split for training. Name "
            f"another of {', '.join(names)}"
        )
    if len(names) > 1:
        raise InputError(
            f"{where} has no split named train. Its splits are {', '.join(names)}. Rename one, or give another dataset"
        )
    return None


def _named(names: list[str], where: str, kind: str, given: str | None) -> str | None:
    """Return the split that an option names, in any case and spelling. Raise InputError if it does not exist."""
    if given is None:
        return None
    found = [name for name in names if name == given] or [name for name in names if name.lower() == given.lower()]
    if not found and (word := words.split_of(given)):  # such as Valid, if files have that name
        found = [name for name in names if words.split_of(name) == word]
    if len(found) != 1:
        raise InputError(f"--{kind}-split {given}: {where} has no such split. {suggestion(given, names)}")
    return found[0]


def column_of(names: Iterable[str]) -> str | None:
    """Return the column that may give the split of each row, or None."""
    return next((name for name in names if name.lower() in COLUMNS), None)


def require_one(values: Iterable[Any], where: str) -> None:
    """Raise InputError if a column says that the rows of one split are train and another split."""
    found = {value: words.split_of(value) for value in values if isinstance(value, str)}
    if "train" in found.values() and len({*found.values()} - {None}) > 1:
        shown = ", ".join(printable(value) for value in sorted(found))
        raise InputError(
            f"{where} says that rows are of several splits ({shown}), but they are in one. Write a file for each, "
            "such as train.parquet and test.parquet, or remove the column"
        )
