"""Writes the goldens anew, from the repository's root: `python -m tests.goldens.make [--only NAME ...] [--look]`.

A NAME is a topic (trainings, identities, tables, options, json_keys, exits, names) or one entry (digits-classic). What
differs from what was kept is printed; with --look nothing is written. An entry that nobody meant to change is a bug.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from . import kept, lines, observe, scene, topics


def entries(root: Path) -> dict[str, dict[str, Callable[[], Any]]]:
    """Every golden by topic and name: what makes it, in a scene's folder."""
    return {
        "options": _each(topics.options),
        "names": _each(topics.test_names),
        "identities": {name: lambda name=name: topics.identity(name) for name in lines.IDENTITIES},
        "tables": {name: lambda name=name: topics.table(name) for name in lines.TABLES}
        | {"(datasets)": topics.datasets},
        "exits": {
            "alone": lambda: topics.exit_codes(lines.EXITS),
            "in order": lambda: topics.exit_codes(lines.EXITS_IN_ORDER),
            "listed and deleted": lambda: topics.exit_codes(lines.EXITS_LISTED),
        },
        "json_keys": {
            "told": lambda: topics.json_keys(lines.AS_JSON),
            "measured": lambda: topics.json_keys(lines.MEASURED_AS_JSON),
            "listed": lambda: topics.json_keys(lines.LISTED_AS_JSON),
        },
        "trainings": {name: lambda name=name: topics.training(name, root) for name in lines.TRAININGS},
    }


def _each(topic: Callable[[], dict[str, Any]]) -> dict[str, Callable[[], Any]]:
    """A topic whose entries are made together."""
    return {"(all)": topic}


def main() -> None:
    """Makes what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.goldens.make", description=__doc__)
    parser.add_argument("--only", nargs="+", metavar="NAME", default=[], help="topics or entries; all by default")
    parser.add_argument("--look", action="store_true", help="print what differs and write nothing")
    asked = parser.parse_args()
    strangers = set(asked.only) - {name for topic, makers in entries(Path()).items() for name in (topic, *makers)}
    if strangers:
        parser.error(f"there is no golden {', '.join(sorted(strangers))}")
    for topic in entries(Path()):
        _make(topic, set(asked.only), look=asked.look)


def _make(topic: str, only: set[str], *, look: bool) -> None:
    """One topic, or those of its entries that were asked for."""
    whole = not only or topic in only
    golden = kept.load(topic) if (kept.FOLDER / f"{topic}.json").exists() else {}
    found = {} if whole else dict(golden)
    for name, seen in _seen(topic, only, whole=whole):
        if name == "(all)":
            told, found = [*kept.differences(golden, seen)], seen
        elif topic == "trainings":
            told, found[name] = kept.differs(golden[name], seen) if name in golden else ["is new"], None
            found[name] = kept.merged(golden.get(name), seen)
        else:
            told, found[name] = [*kept.differences(golden[name], seen)] if name in golden else ["is new"], seen
        print(f"{topic} {name}: {len(told)} differ", *told[:20], sep="\n    ", flush=True)
    if found and not look and found != golden:
        kept.save(topic, found)


def _seen(topic: str, only: set[str], *, whole: bool) -> Iterator[tuple[str, Any]]:
    """The entries asked for as they are now, each in a scene of its own but for trainings, which share one."""
    names = [name for name in entries(Path())[topic] if whole or name in only]
    if not names:
        return
    with tempfile.TemporaryDirectory() as folder:
        for number, name in enumerate(names):
            root = Path(folder).resolve() / str(0 if topic in ("trainings", "identities", "tables") else number)
            if not root.exists():
                scene.build(root)
            with observe.surroundings(root):
                yield name, entries(root)[topic][name]()


if __name__ == "__main__":
    main()
