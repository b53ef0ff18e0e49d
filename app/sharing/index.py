"""The index of a repository's runs in its README: a table between two markers, with any other text around it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import PurePosixPath
from typing import Annotated, Any

import msgspec

from ..artifacts.runs import Run
from . import pooled, table
from .entry import LIBRARY
from .front import Unreadable, Unwritable, front, read
from .table import BEGIN, END

MOST_BYTES = 5 * 10**6  # of a README
_FRONT = re.compile(r"\A\ufeff?---[ \t]*\r?\n(.*?)(?<=\n)---[ \t]*(?:\r?\n|\Z)", re.DOTALL)
EARLIER_HEADER = "| dataset | model | size | parameters | seed | result | interval | n | run |"  # of earlier versions
_EARLIER_CLAIMS = (  # of earlier versions, in place of the introduction
    """\
Vision architectures compared at equal budget, data and seed. A rate is test top-1 of the final weights with its 95 %
Wilson interval; of a number that is learned it is the RMSE with its 95 % bootstrap interval.""",
    """\
Test results of vision architectures that isoscale trained. Each table has the runs of one protocol.
A classification shows the top-1 accuracy of the final weights with its 95 % Wilson interval.
A regression shows the RMSE with its 95 % bootstrap interval.
A row with several seeds shows their mean, and the lowest and the highest seed in place of the interval.
A line above a table names the models that were trained at equal budget, data and seed.""",
)
_LICENCE = ("license", "license_name", "license_link")
_TABLE = re.compile(rf"^{re.escape(EARLIER_HEADER)}\r?\n(?:\|.*(?:\r?\n|\Z))*", re.MULTILINE)
_MARKED = re.compile(rf"{re.escape(BEGIN)}.*?{re.escape(END)}\r?\n?", re.DOTALL)


class Foreign(Exception):
    """A README is not an index of ours, or cannot be read as one. The message gives the reason."""


class _Dataset(msgspec.Struct):
    type: str
    name: str


class _Task(msgspec.Struct):
    type: str


class _About(msgspec.Struct):
    run_id: str
    model: str
    size: str
    parameters: int
    seed: int
    limited: bool
    n: int
    interval: Annotated[list[float], msgspec.Meta(min_length=2, max_length=2)] | None = None  # None for one simulation
    epochs: int | None = None  # this and all below: entries of earlier versions lack it
    lr: float | None = None
    batch_size: int | None = None
    augment: str | None = None
    attention: str | None = None
    protocol: str | None = None
    pool: str | None = None
    split: str | None = None
    license: str | None = None


class _Metric(msgspec.Struct):
    type: str
    value: float
    args: _About | None = None


class _Result(msgspec.Struct):
    task: _Task
    dataset: _Dataset
    metrics: Annotated[list[_Metric], msgspec.Meta(min_length=1)]


class _Entry(msgspec.Struct):
    name: str
    results: Annotated[list[_Result], msgspec.Meta(min_length=1)]


def is_ours(entry: Any) -> bool:
    """Return whether an entry of a model-index was made by `entry.index_entry`."""
    try:
        return msgspec.convert(entry, _Entry).results[0].metrics[0].args is not None
    except (msgspec.ValidationError, RecursionError):
        return False


def is_record(path: str) -> bool:
    """Return whether a file of the repository has the name of a run's record."""
    return PurePosixPath(path).match("model_*.json")


def folders(there: Iterable[str]) -> dict[str, str]:
    """Return stem -> folder of every run's record in the repository.

    Of several copies, the one in a folder with that name is used.
    """
    records = [PurePosixPath(path) for path in there if path.endswith(".json")]
    records.sort(key=lambda path: (path.parent.name == path.stem, path.as_posix()))
    return {path.stem: path.parent.as_posix() for path in records}


def has_place(readme: str | None) -> bool:
    """Return whether a README has an index, or the markers for one."""
    try:
        return readme is not None and bool(_opened(readme))
    except Foreign:
        return False


def entries_of(readme: str | None) -> dict[str, dict[str, Any]]:
    """Return our entries of a README's index by their names, or none if it has no index."""
    try:
        metadata, _, _ = _opened(readme or "")
    except Foreign:
        return {}
    return {entry["name"]: entry for entry in metadata.get("model-index") or [] if is_ours(entry)}


def numbers_of(readme: str, stem: str) -> dict[str, Any]:
    """Return the values of a run's metrics in the model-index of a card by their names, or none if it has none."""
    try:
        entries = _taken_apart(readme)[0].get("model-index")
    except Foreign:
        return {}
    entries = entries if isinstance(entries, list) else []
    return next((numbers(entry) for entry in entries if is_ours(entry) and entry["name"] == stem), {})


def numbers(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of the metrics in an entry of a model-index by their names."""
    return {metric["name"]: metric["value"] for metric in entry["results"][0]["metrics"]}


def extended(
    repository: str, readme: str | None, new: Mapping[str, dict[str, Any]], where: Mapping[str, str],
    runs: Collection[Run] = (),
) -> str:  # fmt: skip
    """Return the README with the new entries in its index, and without those of runs that no longer exist.

    The seeds of one model are also pooled, with the predictions that are next to those of `runs` on this machine. All
    other text is kept. Without a README, a new one is made. Raises Foreign if there is no place for the index.
    """
    if readme is None:
        found = {name: entry for name, entry in new.items() if name in where}
        means = pooled.entries_of(found.values(), pooled.places_of(found, runs))
        return table.index_card(repository, [*found.values()], where, means)
    metadata, body, place = _opened(readme)
    old, listed = entries_of(readme), metadata.get("model-index") or []
    entries = {name: entry for name, entry in {**old, **new}.items() if name in where}
    before = [entry for entry in listed if pooled.is_pooled(entry)]
    others = [entry for entry in listed if not is_ours(entry) and entry not in before]
    means = pooled.entries_of(entries.values(), pooled.places_of(entries, runs), before)
    try:
        earlier, now = (table.index_metadata(*each) for each in ((old.values(), before), (entries.values(), means)))
        merged = _merged(metadata, earlier, now, others)
        tables = table.index_table(entries.values(), where, means)
        beginning = front(merged)
    except (Unwritable, ValueError, RecursionError) as error:
        raise Foreign("its metadata cannot be rewritten") from error
    above = body[: place.start()]
    for claim in _EARLIER_CLAIMS:
        above = above.replace(claim, table.INTRODUCTION)
    return f"{beginning}{above}{BEGIN}\n{tables}\n{END}\n{body[place.end() :]}"


def _opened(readme: str) -> tuple[dict[str, Any], str, re.Match[str]]:
    """Return the metadata, the body, and the place of the index in the body. Raise Foreign if there is none."""
    metadata, body = _taken_apart(readme)
    if not isinstance(metadata.get("model-index") or [], list):
        raise Foreign("its model-index is not a list")
    return metadata, body, _place(body, is_index=metadata.get("library_name") == LIBRARY)


def _taken_apart(readme: str) -> tuple[dict[str, Any], str]:
    """Return the metadata and the body of a README. Raise Foreign if they cannot be separated."""
    if not (front := _FRONT.match(readme)):
        return {}, readme
    try:
        metadata = read(front[1])
    except Unreadable as error:
        raise Foreign("its metadata is not readable as YAML") from error
    if metadata is None:
        metadata = {}
    if not isinstance(metadata, dict):
        raise Foreign("its metadata has no names")
    return metadata, readme[front.end() :]


def _place(body: str, *, is_index: bool) -> re.Match[str]:
    """Return the place of the table: between the markers, or in an index of an earlier version, which has none.

    Raises Foreign if there is not exactly one place.
    """
    marked = list(_MARKED.finditer(body)) or (list(_TABLE.finditer(body)) if is_index else [])
    if len(marked) != 1:
        raise Foreign("it was not written by isoscale" if not marked else "it has more than one place for the index")
    return marked[0]


def _merged(
    metadata: Mapping[str, Any], before: Mapping[str, Any], now: Mapping[str, Any], others: list[Any]
) -> dict[str, Any]:
    """Return the metadata with the index's present values in place of its previous ones. Other values are kept."""
    found = dict(metadata)
    if found.get("license", before.get("license")) != before.get("license"):  # somebody chose a licence by hand
        before, now = ({k: v for k, v in each.items() if k not in _LICENCE} for each in (before, now))
    for name, value in before.items():
        if isinstance(value, list) and isinstance(found.get(name), list):
            found[name] = [each for each in found[name] if each not in value]
        elif found.get(name) == value and name not in now:
            del found[name]
    for name, value in now.items():
        if isinstance(value, list):
            kept = there if isinstance(there := found.get(name), list) else [there] if isinstance(there, str) else []
            found[name] = [*value, *(each for each in kept if each not in value)]
        elif name not in found or found[name] == before.get(name):
            found[name] = value  # keeps its position, so that the same index gives the same text
    return found | {"model-index": [*now["model-index"], *others]}
