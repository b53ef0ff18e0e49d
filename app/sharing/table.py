"""The index in a repository's README: one table of runs for each protocol, and the metadata of all runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any
from urllib.parse import quote

from ..system.printable import NAME, escaped
from ..tables.sizes import TOLERANCE
from . import licence
from .card import percent
from .entry import metadata, tags_of
from .front import front

BEGIN, END = "<!-- isoscale: runs -->", "<!-- isoscale: end of runs -->"  # around the tables of an index
HEADER = "| model | size | parameters | epochs | learning rate | seed | result | interval | n | run |"
INTRODUCTION = """\
Test results of vision architectures that isoscale trained. Each table has the runs of one protocol.
A classification shows the top-1 accuracy of the final weights with its 95 % Wilson interval.
A regression shows the RMSE with its 95 % bootstrap interval.
A row with several seeds shows their mean, and the lowest and the highest seed in place of the interval.
A line above a table names the models that were trained at equal budget, data and seed."""
_UNRECORDED = "not recorded"
Entry = dict[str, Any]


def index_card(repository: str, entries: list[Entry], folders: Mapping[str, str]) -> str:
    """Return the repository's README. `folders` has the folder of each run."""
    return f"""{front(index_metadata(entries))}
# {escaped(repository.partition("/")[2])}

{INTRODUCTION}

{BEGIN}
{index_table(entries, folders)}
{END}
"""


def index_metadata(entries: Iterable[Entry]) -> dict[str, Any]:
    """Return the metadata of a repository with these runs."""
    listed = list(entries)
    datasets = [entry["results"][0]["dataset"]["type"] for entry in listed]
    hub = [name for name in datasets if name.count("/") == 1 and name[:6] != "local/"]
    about = [_about(entry) for entry in listed]
    tags = {tag for each in about for tag in tags_of(each.get("model", ""), each.get("attention"))}
    return metadata(listed, hub, tags, licence.of_all([each.get("license") for each in about]))


def index_table(entries: Iterable[Entry], folders: Mapping[str, str]) -> str:
    """Return the tables of runs.

    Each protocol has a heading. Runs are sorted best first, and the seeds of one model are in one row.
    """
    groups: dict[tuple[Any, ...], list[Entry]] = {}
    for entry in entries:
        groups.setdefault(_group(entry), []).append(entry)
    titles = [_title(found[0]) for found in groups.values()]
    parts = []
    for group in sorted(groups, key=lambda group: (*group[:3], _title(groups[group][0]), group[3])):
        title = _title(groups[group][0])
        other = f", protocol {escaped(group[3], NAME)}" if titles.count(title) > 1 and group[3] else ""
        parts.append(_section(f"### {title}{other}", groups[group], folders))
    return "\n\n".join(parts) if parts else f"{HEADER}\n{_rule()}"


def _section(heading: str, entries: list[Entry], folders: Mapping[str, str]) -> str:
    pools: dict[tuple[Any, ...], list[Entry]] = {}
    for entry in sorted(entries, key=lambda entry: (_about(entry)["seed"], entry["name"])):
        pools.setdefault(_pool(entry), []).append(entry)
    rows = sorted(pools.values(), key=_order)
    sentences = _equal(rows)
    if "epochs" not in _about(entries[0]):
        sentences = ["An earlier version of isoscale uploaded these runs without their epochs and learning rate."]
    lines = [HEADER, _rule(), *(_line(row, folders) for row in rows)]
    return "\n".join([heading, "", *(f"{sentence}\n" for sentence in sentences), *lines])


def _rule() -> str:
    return "|---" * (HEADER.count("|") - 1) + "|"


def _group(entry: Entry) -> tuple[Any, ...]:
    """Return dataset, trial, whether the protocol is unknown, and the protocol."""
    about = _about(entry)
    return entry["results"][0]["dataset"]["name"], about["limited"], "epochs" not in about, about.get("protocol") or ""


def _title(entry: Entry) -> str:
    about = _about(entry)
    dataset = escaped(" ".join(str(entry["results"][0]["dataset"]["name"]).split()), NAME)
    name = f"{dataset}{' (trial)' if about['limited'] else ''}"
    if (epochs := about.get("epochs")) is None:
        return f"{name}: protocol {_UNRECORDED}"
    parts = [f"{epochs:,} epoch{'' if epochs == 1 else 's'}"]
    parts += [f"learning rate {about['lr']:g}"] if about.get("lr") is not None else []
    parts += [f"batch size {about['batch_size']:,}"] if about.get("batch_size") is not None else []
    parts += [f"augmentation {escaped(about['augment'], NAME)}"] if about.get("augment") is not None else []
    return f"{name}: {', '.join(parts)}"


def _pool(entry: Entry) -> tuple[Any, ...]:
    """Return the key that the seeds of one model on the same rows share. An entry of an earlier version is alone."""
    about = _about(entry)
    return (about["pool"], *_data(entry)) if about.get("pool") else (entry["name"],)


def _data(entry: Entry) -> tuple[Any, ...]:
    return entry["results"][0]["dataset"].get("revision"), _about(entry).get("split")


def _order(row: list[Entry]) -> tuple[float, str]:
    kind = row[0]["results"][0]["metrics"][0]["type"]
    return fmean(map(_value, row)) * (1 if kind == "rmse" else -1), row[0]["name"]


def _equal(rows: list[list[Entry]]) -> list[str]:
    """Return a sentence for each size whose models have equal budget, data and seeds."""
    sizes: dict[str, list[list[Entry]]] = {}
    for row in rows:
        sizes.setdefault(_about(row[0])["size"], []).append(row)
    return [
        f"Equal budget, data and seed at {escaped(size, NAME)}: "
        f"{', '.join(escaped(_about(row[0])['model'], NAME) for row in alike)}."
        for size, alike in sorted(sizes.items())
        if _is_equal(alike)
    ]


def _is_equal(rows: list[list[Entry]]) -> bool:
    """Return whether rows of one protocol and size are of several models with equal data, seeds and parameters."""
    models = {_about(row[0])["model"] for row in rows}
    data = {_data(row[0]) for row in rows}
    seeds = {tuple(_about(entry)["seed"] for entry in row) for row in rows}
    counts = [_about(row[0])["parameters"] for row in rows]
    known = all(_about(row[0]).get("protocol") and None not in _data(row[0]) for row in rows)
    alike = len(data) == len(seeds) == 1 and max(counts) <= (1 + TOLERANCE) * min(counts)
    return known and alike and len(models) == len(rows) > 1


def _line(row: list[Entry], folders: Mapping[str, str]) -> str:
    """Return one row: a run, or the mean of the seeds of one model with a link to each."""
    metric, about = row[0]["results"][0]["metrics"][0], _about(row[0])
    kind, values = metric["type"], [_value(entry) for entry in row]
    several = len(row) > 1
    rate = f"{about['lr']:g}" if about.get("lr") is not None else _UNRECORDED
    cells = (
        about["model"], about["size"], f"{about['parameters']:,}", about.get("epochs", _UNRECORDED), rate,
        ", ".join(str(_about(entry)["seed"]) for entry in row),
        f"{_text(kind, fmean(values))}{f' (mean of {len(row)})' if several else ''}",
        _between(kind, (min(values), max(values))) + " (seeds)" if several else _between(kind, about.get("interval")),
        f"{about['n']:,}",
    )  # fmt: skip
    shown = [escaped(" ".join(str(text).split()), NAME) for text in cells]
    links = []
    for entry in row:
        link = f"[{escaped(_about(entry)['run_id'], NAME)}]({quote(folders[entry['name']])})"
        links.append(f"{link} {escaped(_text(kind, _value(entry)))}" if several else link)
    return f"| {' | '.join(shown)} | {', '.join(links)} |"


def _about(entry: Entry) -> dict[str, Any]:
    """Return the facts of the run in an entry."""
    about: dict[str, Any] = entry["results"][0]["metrics"][0]["args"]
    return about


def _value(entry: Entry) -> float:
    return float(entry["results"][0]["metrics"][0]["value"])


def _text(kind: str, value: float) -> str:
    return f"RMSE {value:.4g}" if kind == "rmse" else percent(value)


def _between(kind: str, interval: Sequence[float] | None) -> str:
    """Return the interval of a row. A regression over one simulation has none."""
    if not interval:
        return "none"
    low, high = interval
    return f"{low:.4g} to {high:.4g}" if kind == "rmse" else f"{percent(low)} to {percent(high)}"
