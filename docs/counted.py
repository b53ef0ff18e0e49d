"""Writes app/tables/counted_rows.py: what the models that timm builds count, by building each on the meta device.

    uv run docs/counted.py        (or `just counted`; a few minutes)

Each model at its own shape and at the named budgets, on the image, channels and classes of every dataset's row.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from app.config import sizing  # noqa: E402
from app.errors import InputError  # noqa: E402
from app.models import constructor, counting  # noqa: E402
from app.tables.counted import CountedRow  # noqa: E402
from app.tables.datasets import DATASETS  # noqa: E402
from app.tables.families import FAMILIES  # noqa: E402
from app.tables.models import ALIASES, MODELS, ModelRow  # noqa: E402
from app.tables.protocols import PROTOCOLS  # noqa: E402
from app.tables.sizes import TOLERANCE, budget  # noqa: E402

BUDGETS = ("1M", "10M", "25M", "50M")
HEAD = '''"""What the models that timm builds count; written by docs/counted.py (`just counted`), not by hand."""

# ruff: noqa: E501
# fmt: off
COUNTED = (
    # model, size, value, image, channels, classes, parameters, non_embedding, flops, tokens, activation_bytes
'''


def rows_of(row: ModelRow, image: int, channels: int, classes: int) -> Iterator[CountedRow]:
    """A model on one kind of image: whole, then, unless it is a preset, at every budget that it reaches.

    Beside a budget that is missed stand those around it, which the refusal names. Nothing where it does not take the
    image.
    """
    family = counting.measured_of(row.name)
    shape = family.shape({**row.cells, "image": image, "channels": channels, "classes": classes})
    try:
        family.check(shape)
    except InputError as error:
        return print(f"{row.name}: {error}")
    sizes = {row.name: row.cells[family.growth]}
    for size in () if row.preset else BUDGETS:
        sizes[size] = value = sizing.nearest(family, shape, budget(size))
        if abs(family.parameters(sizing.grown(family, shape, value)) / budget(size) - 1) > TOLERANCE:
            sizes |= {f"below {size}": max(family.step, value - family.step), f"above {size}": value + family.step}
    for size, value in sizes.items():
        grown = sizing.grown(family, shape, value)
        non_embedding = family.parameters(grown) - family.embedding_parameters(grown)
        counts = (family.parameters(grown), non_embedding, family.flops(grown), family.tokens(grown))
        kept = family.activation_bytes(grown, maps_kept=True)
        yield CountedRow(row.name, size, value, image, channels, classes, *counts, kept)


def named_row(model: str, image: int, classes: int) -> CountedRow:
    """One of timm's by name, of one size."""
    build = counting.Build.of(constructor(model), image=image, channels=3, classes=classes)
    return CountedRow(model, model, 0, image, 3, classes, *dataclasses.astuple(counting.counted(build, 3, image)))


def main() -> None:
    inputs = sorted({(PROTOCOLS[name].image, row.channels, row.classes) for name, row in DATASETS.items()})
    found = [line for row in MODELS.values() if not FAMILIES[row.family].closed for at in inputs
             for line in rows_of(row, *at)]  # fmt: skip
    found += [named_row(ALIASES["vit_timm"], 384, classes) for classes in (10, 100)]
    lines = [f"    ({', '.join(repr(cell) if isinstance(cell, str) else f'{cell:_}' for cell in row)}),\n"
             for row in found]  # fmt: skip
    (ROOT / "app" / "tables" / "counted_rows.py").write_text(HEAD + "".join(lines).replace("'", '"') + ")\n# fmt: on\n")


if __name__ == "__main__":
    main()
