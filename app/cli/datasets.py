"""`datasets`: list the datasets of the table, or print how one dataset is read, without training."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any

import typer

from ..config.settings import Data, Files
from . import options as o
from .examples import page
from .screen import result, result_json

Dataset = Annotated[
    str | None,
    typer.Argument(help="Inspect this dataset: a folder such as ./photos, owner/name on the Hub, or a name of the "
                   "table. Default: list the table."),
]  # fmt: skip


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(**page("datasets"))(datasets)


def _options() -> dict[str, tuple[Any, Any]]:
    """Return the options that decide how a dataset is read."""
    taken = o.parameters((Data, Files))
    found = {each.name: (each.annotation, each.default) for each in taken if each.name not in ("dataset", "augment")}
    return {"image": (o.Image, None), **found}


@o.only(path=(Dataset, None), as_json=(o.AsJson, False), **_options())
def datasets(*, path: str | None, as_json: bool, **options: Any) -> None:
    """List the datasets of the table, or print splits, classes and skipped files of one dataset, without training."""
    given = o.given(options)
    if path is None:
        _require_none(given)
        return _print_table(as_json=as_json)
    from .. import data
    from ..config.settings import Model, checked, options_of
    from .screen import Screen

    request = {"dataset": path, **checked(options_of(Data, Files, Model), given)}
    with Screen(quiet=as_json) as screen:
        screen.stage(f"looking at {path}")
        found = data.inspected(request, screen.say)
    return result_json(found.to_json()) if as_json else result("\n".join(found.lines()))


def _require_none(given: dict[str, Any]) -> None:
    """Raise InputError for an option without the dataset that it applies to."""
    from ..config.settings import flag
    from ..errors import InputError

    if given:
        raise InputError(
            f"{flag(next(iter(given)))} applies to one dataset. Name the dataset, such as `datasets ./photos`"
        )


def _print_table(*, as_json: bool) -> None:
    from ..system.columns import columns
    from ..tables.datasets import DATASETS
    from ..tables.protocols import OF_FAMILY, PROTOCOLS, UNKNOWN
    from ..tables.shape import with_unit

    protocols = {name: dataclasses.asdict(protocol) for name, protocol in PROTOCOLS.items()}
    rows = [dataclasses.asdict(row) | {"protocol": protocols[row.name]} for row in DATASETS.values()]
    if as_json:
        return result_json(rows, indent=1)
    heads = ("dataset", "on the Hub", "rows", "test rows", "classes", "side", "download", "licence")
    lines = [
        (r["name"], r["hub"] or ("(bundled)" if r["train_rows"] else "(--data)"),
         f"{r['train_rows']:,}" if r["train_rows"] else "-",
         _test_rows(r),
         r["classes"] if r["task"] == "classification" else "1 number",
         with_unit(r["native"] or r["protocol"]["image"]), f"{r['megabytes']:,} MB" if r["train_rows"] else "-",
         r["licence"])
        for r in rows
    ]  # fmt: skip
    result(columns(heads, lines))
    for row in rows:
        if row["warning"]:
            result(f"note: {row['warning']}")
    result("\nhow each is trained where no option says otherwise:")
    of_family = {f"{name}, {family}": dataclasses.asdict(own.protocol) for (name, family), own in OF_FAMILY.items()}
    return _print_protocols(protocols | of_family | {"any other": dataclasses.asdict(UNKNOWN)})


def _test_rows(row: dict[str, Any]) -> str:
    """Return the rows of a dataset's test split, or the share that is held out."""
    if row["test_rows"]:
        return f"{row['test_rows']:,}"
    return f"{100 * row['test_fraction']:.0f} % held out" if row["train_rows"] else "-"


def _print_protocols(protocols: dict[str, dict[str, Any]]) -> None:
    from ..system.columns import columns
    from ..tables.shape import spelled

    heads = ("dataset", "image", "patch", "batch", "epochs", "lr", "warm-up", "decay", "dropout", "augment", "size")
    lines = [
        (name, spelled(p["image"]), p["patch"], p["batch_size"], p["epochs"], f"{p['lr']:g}",
         "10 %" if p["warmup_steps"] is None else p["warmup_steps"], p["weight_decay"], p["dropout"], p["augment"],
         p["size"])
        for name, p in protocols.items()
    ]  # fmt: skip
    result(columns(heads, lines))
