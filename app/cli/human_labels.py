"""`data labels`: convert CIFAR-N's labels by people into files for `train --label-noise`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from .screen import Screen, result_line

_option = partial(typer.Option, show_default=False)
_SIDE = 32  # px, of the datasets that these labels are for

Source = Annotated[
    Path, typer.Argument(metavar="FILE", help="Read CIFAR-10_human.pt or CIFAR-100_human.pt, as plain arrays.")
]
Dataset = Annotated[
    str, _option("--dataset", help="Name the dataset of these labels: cifar10, cifar100, or a folder. Required.")
]
Out = Annotated[
    Path, _option("--out", metavar="FOLDER", help="Write one file per set of labels into this folder. Default: the "
                  "current folder."),
]  # fmt: skip


def labels(file: Source, dataset: Dataset, out: Out = Path()) -> None:
    """Convert CIFAR-N's labels by people into files for `train --label-noise`.

    Its clean labels must be those of the dataset, row by row.
    """
    from ..config.checks import file_part
    from ..tables.datasets import dataset_name

    with Screen() as screen:
        screen.stage(f"reading {dataset}")
        from .. import data
        from ..data.labels import human

        cached = data.prepare(data.asked({"dataset": dataset, "image": _SIDE}), screen.say, screen.reading)
        found = human.converted(file, cached, out, name=file_part(dataset_name(dataset)))
        for each in found:
            screen.say(_told(each.name, each.rate, each.n))
            result_line(each.path)


def _told(name: str, rate: float, n: int) -> str:
    """Return the share of labels that differ from the dataset's, next to the published share."""
    from ..data.labels.human import PUBLISHED, ROWS

    published = f", published {PUBLISHED[name]:.2f} %" if n == ROWS else ""
    return f"{name}: {100 * rate:.2f} % of {n:,} labels differ from the dataset's{published}"
