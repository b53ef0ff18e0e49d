"""`models`: list the models at sizes, as a table or as JSON."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import options as o
from .examples import page
from .screen import patience, result, result_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..tables.datasets import DatasetRow


_option = partial(typer.Option, show_default=False)
Dataset = Annotated[
    str,
    _option("--dataset", help="Count for the image, patch and classes of this dataset, which `run.py datasets` lists. "
            "Default: cifar100."),
]  # fmt: skip
Sizes = Annotated[
    str,
    _option("--sizes", help="Count at these parameter budgets, separated by commas. Default: 1M,10M,25M,50M."),
]
OnlyModel = Annotated[
    list[str] | None, _option("--model", help="List only this model; repeat it for more models. Default: all.")
]
OnlySize = Annotated[
    str | None, _option("--size", help="List only models at this parameter budget, such as 10M. Default: all.")
]
Wide = Annotated[
    bool,
    _option("--wide/--no-wide", metavar="", help="Print every cell of a shape by name, and parameters without "
            "embeddings. Default: off."),
]  # fmt: skip
_USUAL_SIZES = "1M,10M,25M,50M"
_SHORT = {"d_model": "d", "depth": "L", "heads": "h", "width": "w", "features": "f", "patch": "p"}  # of a cell


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(**page("models"))(models)


def models(
    dataset: Dataset = "cifar100",
    sizes: Sizes = _USUAL_SIZES,
    model: OnlyModel = None,
    size: OnlySize = None,
    wide: Wide = False,
    as_json: o.AsJson = False,
) -> None:
    """List every model and its sizes with shape, parameters, FLOPs of one image and tokens."""
    from ..errors import InputError
    from ..tables.sizes import parse_size

    if size and sizes != _USUAL_SIZES:
        raise InputError(f"--size {size} and --sizes {sizes} both choose sizes. Omit one of them")
    only = parse_size(size) if size else None
    with patience("counting parameters and FLOPs of timm's models. The counts are cached for the next call"):
        rows = _model_rows(dataset, [only] if only else [parse_size(each) for each in sizes.split(",")], model or ())
    rows = [row for row in rows if only in (None, row["size"])]
    if not rows:
        named = f" of {', '.join(model)}" if model else ""
        raise InputError(f"no model{named} has the size {size}. Omit --size to list all sizes")
    return result_json(rows, indent=1) if as_json else _print(rows, wide=wide)


def _print(rows: Sequence[dict[str, Any]], *, wide: bool) -> None:
    """Print the rows as a table, and the reasons for those that are empty."""
    from ..system.columns import columns
    from ..tables.shape import with_unit

    heads = ("model", "size", "shape", "parameters", *(("non-embedding",) if wide else ()), "GFLOPs", "tokens")
    lines = [
        (r["model"], r["size"] if wide or r["size"] != r["model"] else "-", _wide(r) if wide else _short(r),
         f"{r['parameters']:,}", *((f"{r['non_embedding']:,}",) if wide else ()), f"{r['flops'] / 1e9:.2f}",
         r["tokens"])
        for r in rows if "why_not" not in r
    ]  # fmt: skip
    for name, image in dict.fromkeys((row["dataset"], row["image"]) for row in rows):
        only = ", ".join(dict.fromkeys(r["model"] for r in rows if r["dataset"] == name != rows[0]["dataset"]))
        what = f" ({only})" if only else "; GFLOPs of one input's forward pass"
        result(f"on {name}: {with_unit(image)}{what}")
    if not wide:
        legend = ", ".join(f"{short} {name}" for name, short in _SHORT.items())
        result(f"shape: {legend}; --wide prints every cell")
    result(columns(heads, lines))
    for why, named in _why_not(rows).items():
        result(f"note: {', '.join(named)}: {why}")
    result("any other of timm's by its name: --model timm/NAME (vit_timm is timm/vit_base_patch16_384)")


def _wide(row: dict[str, Any]) -> str:
    """Return every cell of a row's shape; its switches are on or off, as an option has them."""
    return str(row["shape"]).replace(" True", " on").replace(" False", " off")


def _short(row: dict[str, Any]) -> str:
    """Return the shape of a row in few characters: `d256 L12 h4 p8`."""
    return " ".join(f"{short}{row[name]}" for name, short in _SHORT.items() if name in row) or "-"


def _why_not(rows: Sequence[dict[str, Any]]) -> dict[str, list[str]]:
    """Return the reasons for empty rows, each with the models, and with the sizes if only some are empty."""
    found: dict[str, list[str]] = {}
    for row in rows:
        if "why_not" in row:
            every = all("why_not" in other for other in rows if other["model"] == row["model"])
            name = row["model"] if every else f"{row['model']} at {row['size']}"
            if name not in found.setdefault(row["why_not"], []):
                found[row["why_not"]].append(name)
    return found


def _model_rows(dataset: str, sizes: Sequence[str], only: Sequence[str]) -> list[dict[str, Any]]:
    """Return a row for each model with a fixed size, and for each other model at each size, or the reason for none.

    `only` names the models that are listed; empty: all.

    A model for another kind of data has rows for the first dataset of that kind.
    """
    from ..counts import family_for
    from ..tables import own
    from ..tables.datasets import DATASETS
    from ..tables.models import MODELS, model_row

    asked = _dataset_row(dataset)
    rows = []
    for model in [model_row(name) for name in only] or MODELS.values():
        kinds = family_for(model).kinds
        row = next(each for each in (asked, *DATASETS.values()) if each.kind in kinds)
        if asked.kind not in (row.kind, "image"):
            continue  # models of images have a table of their own
        if not model.sized:
            rows.append(_model_row(row, {"model": model.name}))
        if not model.preset and model.family != own.FAMILY:  # which grows by --grow only
            rows += [_model_row(row, {"model": model.name, "size": size}) for size in sizes]
    return rows


def _model_row(row: DatasetRow, request: dict[str, str]) -> dict[str, Any]:
    from ..config.facts import dataset_facts
    from ..config.run import resolve
    from ..errors import InputError
    from ..tables.protocols import PROTOCOLS
    from ..tables.shape import CELLS

    named = {"model": request["model"], "size": request.get("size", request["model"]), "dataset": row.name}
    try:
        config = resolve(request, dataset_facts(row))
    except InputError as error:
        return {**named, "image": PROTOCOLS[row.name].image, "why_not": str(error)}
    family = config.family
    cells = {name: value for name in CELLS if (value := getattr(config, name)) is not None}
    return {
        **named,
        "size": config.size,
        "image": config.image,
        "shape": ", ".join(f"{name} {value}" for name, value in cells.items()),
        **cells,
        "parameters": config.parameters,
        "non_embedding": config.parameters - family.embedding_parameters(config.shape),
        "flops": family.flops(config.shape),
        "tokens": config.tokens,
        "activation_bytes": family.activation_bytes(config.shape, maps_kept=False),
    }


def _dataset_row(dataset: str) -> DatasetRow:
    """Return the row of a dataset by its name or its repository on the Hub. Raise InputError if there is none."""
    from ..errors import InputError
    from ..tables.datasets import DATASETS, dataset_row
    from ..tables.names import look_up

    if "/" not in dataset:
        return look_up("dataset", dataset, DATASETS)
    if row := dataset_row(dataset):
        return row
    raise InputError(
        f"{dataset} is not in the table of datasets, and models are counted for those only. Use one of: "
        f"{', '.join(DATASETS)}"
    )
