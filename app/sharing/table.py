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
from .pooled import BOTH, about, pool_of

BEGIN, END = "<!-- isoscale: runs -->", "<!-- isoscale: end of runs -->"  # around the tables of an index
HEADER = "| model | size | parameters | epochs | learning rate | seed | result | interval | n | run |"
INTRODUCTION = """\
Test results of vision architectures that isoscale trained. Each table has the runs of one protocol.
A classification shows the top-1 accuracy of the final weights with its 95 % Wilson interval.
A regression shows the RMSE with its 95 % bootstrap interval.
A row with several seeds shows their mean with its 95 % interval for new seeds and new test examples (both), or for new
seeds on this test set (seeds). If the seeds have equal results, it shows the lowest and the highest (range).
A line above a table names the models that were trained at equal budget, data and seed."""
_UNRECORDED = "not recorded"
Entry = dict[str, Any]


def index_card(repository: str, entries: list[Entry], folders: Mapping[str, str], pools: Sequence[Entry] = ()) -> str:
    """Return the repository's README. `folders` are those of the runs, and `pools` entries of several seeds."""
    return f"""{front(index_metadata(entries, pools))}
# {escaped(repository.partition("/")[2])}

{INTRODUCTION}

{BEGIN}
{index_table(entries, folders, pools)}
{END}
"""


def index_metadata(entries: Iterable[Entry], pools: Iterable[Entry] = ()) -> dict[str, Any]:
    """Return the metadata of a repository with these runs. Entries of several seeds come first in the model-index."""
    listed = list(entries)
    datasets = [entry["results"][0]["dataset"]["type"] for entry in listed]
    hub = [name for name in datasets if name.count("/") == 1 and name[:6] != "local/"]
    facts = [about(entry) for entry in listed]
    tags = {tag for each in facts for tag in tags_of(each.get("model", ""), each.get("attention"))}
    return metadata([*pools, *listed], hub, tags, licence.of_all([each.get("license") for each in facts]))


def index_table(entries: Iterable[Entry], folders: Mapping[str, str], pools: Iterable[Entry] = ()) -> str:
    """Return the tables of runs.

    Each protocol has a heading. Runs are sorted best first, and the seeds of one model are in one row.
    """
    groups: dict[tuple[Any, ...], list[Entry]] = {}
    means = {run_id: about(each) for each in pools for run_id in about(each)["run_ids"]}
    for entry in entries:
        groups.setdefault(_group(entry), []).append(entry)
    titles = [_title(found[0]) for found in groups.values()]
    parts = []
    for group in sorted(groups, key=lambda group: (*group[:3], _title(groups[group][0]), group[3])):
        title = _title(groups[group][0])
        other = f", protocol {escaped(group[3], NAME)}" if titles.count(title) > 1 and group[3] else ""
        parts.append(_section(f"### {title}{other}", groups[group], folders, means))
    return "\n\n".join(parts) if parts else f"{HEADER}\n{_rule()}"


def _section(heading: str, entries: list[Entry], folders: Mapping[str, str], means: Mapping[str, Any]) -> str:
    pools: dict[tuple[Any, ...], list[Entry]] = {}
    for entry in sorted(entries, key=lambda entry: (about(entry)["seed"], entry["name"])):
        pools.setdefault(pool_of(entry) or (entry["name"],), []).append(entry)
    rows = sorted(pools.values(), key=_order)
    sentences = _equal(rows)
    if "epochs" not in about(entries[0]):
        sentences = ["An earlier version of isoscale uploaded these runs without their epochs and learning rate."]
    lines = [HEADER, _rule(), *(_line(row, folders, means) for row in rows)]
    return "\n".join([heading, "", *(f"{sentence}\n" for sentence in sentences), *lines])


def _rule() -> str:
    return "|---" * (HEADER.count("|") - 1) + "|"


def _group(entry: Entry) -> tuple[Any, ...]:
    """Return dataset, trial, whether the protocol is unknown, and the protocol."""
    facts = about(entry)
    return entry["results"][0]["dataset"]["name"], facts["limited"], "epochs" not in facts, facts.get("protocol") or ""


def _title(entry: Entry) -> str:
    facts = about(entry)
    dataset = escaped(" ".join(str(entry["results"][0]["dataset"]["name"]).split()), NAME)
    name = f"{dataset}{' (trial)' if facts['limited'] else ''}"
    if (epochs := facts.get("epochs")) is None:
        return f"{name}: protocol {_UNRECORDED}"
    parts = [f"{epochs:,} epoch{'' if epochs == 1 else 's'}"]
    parts += [f"learning rate {facts['lr']:g}"] if facts.get("lr") is not None else []
    parts += [f"batch size {facts['batch_size']:,}"] if facts.get("batch_size") is not None else []
    parts += [f"augmentation {escaped(facts['augment'], NAME)}"] if facts.get("augment") is not None else []
    return f"{name}: {', '.join(parts)}"


def _data(entry: Entry) -> tuple[Any, ...]:
    return entry["results"][0]["dataset"].get("revision"), about(entry).get("split")


def _order(row: list[Entry]) -> tuple[float, str]:
    kind = row[0]["results"][0]["metrics"][0]["type"]
    return fmean(map(_value, row)) * (1 if kind == "rmse" else -1), row[0]["name"]


def _equal(rows: list[list[Entry]]) -> list[str]:
    """Return a sentence for each size whose models have equal budget, data and seeds."""
    sizes: dict[str, list[list[Entry]]] = {}
    for row in rows:
        sizes.setdefault(about(row[0])["size"], []).append(row)
    return [
        f"Equal budget, data and seed at {escaped(size, NAME)}: "
        f"{', '.join(escaped(about(row[0])['model'], NAME) for row in alike)}."
        for size, alike in sorted(sizes.items())
        if _is_equal(alike)
    ]


def _is_equal(rows: list[list[Entry]]) -> bool:
    """Return whether rows of one protocol and size are of several models with equal data, seeds and parameters."""
    models = {about(row[0])["model"] for row in rows}
    data = {_data(row[0]) for row in rows}
    seeds = {tuple(about(entry)["seed"] for entry in row) for row in rows}
    counts = [about(row[0])["parameters"] for row in rows]
    known = all(about(row[0]).get("protocol") and None not in _data(row[0]) for row in rows)
    alike = len(data) == len(seeds) == 1 and max(counts) <= (1 + TOLERANCE) * min(counts)
    return known and alike and len(models) == len(rows) > 1


def _line(row: list[Entry], folders: Mapping[str, str], means: Mapping[str, Any]) -> str:
    """Return one row: a run, or the mean of the seeds of one model with a link to each."""
    metric, facts = row[0]["results"][0]["metrics"][0], about(row[0])
    kind, values = metric["type"], [_value(entry) for entry in row]
    several = len(row) > 1
    rate = f"{facts['lr']:g}" if facts.get("lr") is not None else _UNRECORDED
    cells = (
        facts["model"], facts["size"], f"{facts['parameters']:,}", facts.get("epochs", _UNRECORDED), rate,
        ", ".join(str(about(entry)["seed"]) for entry in row),
        f"{_text(kind, fmean(values))}{f' (mean of {len(row)})' if several else ''}",
        _of_seeds(kind, values, means.get(facts["run_id"], {})) if several else _between(kind, facts.get("interval")),
        f"{facts['n']:,}",
    )  # fmt: skip
    shown = [escaped(" ".join(str(text).split()), NAME) for text in cells]
    links = []
    for entry in row:
        link = f"[{escaped(about(entry)['run_id'], NAME)}]({quote(folders[entry['name']])})"
        links.append(f"{link} {escaped(_text(kind, _value(entry)))}" if several else link)
    return f"| {' | '.join(shown)} | {', '.join(links)} |"


def _value(entry: Entry) -> float:
    return float(entry["results"][0]["metrics"][0]["value"])


def _text(kind: str, value: float) -> str:
    return f"RMSE {value:.4g}" if kind == "rmse" else percent(value)


def _of_seeds(kind: str, values: Sequence[float], found: Mapping[str, Any]) -> str:
    """Return the interval of a mean over seeds and what it covers, or else the lowest and the highest seed."""
    if not found.get("interval"):
        return f"{_between(kind, (min(values), max(values)))} (range)"
    return f"{_between(kind, found['interval'])} ({'both' if found['interval_covers'] == BOTH else 'seeds'})"


def _between(kind: str, interval: Sequence[float] | None) -> str:
    """Return the interval of a row. A regression over one simulation has none."""
    if not interval:
        return "none"
    low, high = interval
    return f"{low:.4g} to {high:.4g}" if kind == "rmse" else f"{percent(low)} to {percent(high)}"
