"""Parameter budgets and the shapes that match them. Within a dataset's study, only depth grows."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from decimal import Decimal

from ..errors import InputError
from .names import suggestion

_UNITS = {"K": 10**3, "M": 10**6}
TOLERANCE = 0.05  # a shape further than this from its budget is not that size


@dataclass(frozen=True)
class SizeRow:
    """One line of the study's size table. Heads are the classic model's."""

    size: str
    dataset: str  # `any`: every dataset without a separate row
    d_model: int
    depth: int
    heads: int
    mlp_ratio: float = 4.0


SIZES = (
    #        size  dataset   d_model depth heads    parameters classic / differential (tested)
    SizeRow("1M",  "any",        128,    5,    4),  #  1,019,236 /  1,020,196 at 32 px, patch 4, 100 classes
    SizeRow("10M", "any",        256,   12,    4),  #  9,753,956 /  9,758,564 on cifar100
    SizeRow("25M", "any",        256,   31,    4),  # 24,759,396 / 24,771,300
    SizeRow("50M", "any",        256,   63,    4),  # 50,031,716 / 50,055,908
    SizeRow("10M", "bach",       384,    5,    6),  #  9,563,908 /  9,565,828 on bach
    SizeRow("25M", "bach",       384,   14,    6),  # 25,534,084 / 25,539,460
    SizeRow("50M", "bach",       384,   28,    6),  # 50,376,580 / 50,387,332
)  # fmt: skip


def named_sizes() -> list[str]:
    """Return the sizes in the table, smallest first."""
    return sorted({row.size for row in SIZES}, key=budget)


def parse_size(text: str) -> str:
    """Return the size as the tables spell it: `10M` for `10m`, `10000K` and `10.0M`.

    Raises InputError for any other text.
    """
    found = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)([KMBG]?)", text.strip().upper())
    if found and found[2] in ("B", "G"):
        raise InputError(f"size {text!r} means billions of parameters. Did you mean `{found[1]}M`?")
    if found and not found[2]:
        raise InputError(
            f"size {text!r} is not a parameter budget such as 10M, because it has no unit. Write {found[1]}M for "
            f"millions of parameters, or {found[1]}K"
        )
    count = Decimal(found[1]) * _UNITS[found[2]] if found else Decimal(0)
    if count < _UNITS["K"]:
        raise InputError(
            f"size {text!r} is not a parameter budget such as 10M or 7.5M. {suggestion(text, named_sizes())}"
        )
    unit = "M" if count >= _UNITS["M"] else "K"
    return f"{(count / _UNITS[unit]).normalize():f}{unit}"


def budget(size: str) -> int:
    """Return the parameters of a parsed size: `10M` is 10,000,000."""
    return round(Decimal(size[:-1]) * _UNITS[size[-1]])


def spelled(parameters: int) -> str:
    """Return a count as a size, to three digits or more: 9,758,564 is `9.76M`. Raises InputError below 1,000."""
    if parameters < _UNITS["K"]:
        raise InputError(
            f"a model of {parameters:,} parameters has no size, since sizes begin at 1K. Use a larger model"
        )
    return parse_size(f"{parameters / 1e6:.2f}M" if parameters >= _UNITS["M"] else f"{parameters / 1e3:.1f}K")


def row_for(size: str, dataset: str) -> tuple[SizeRow, bool]:
    """Return the row whose shape a size starts from, and whether it is exactly that size's row.

    A budget without a row uses the width of the row nearest to it on a logarithmic scale.
    """
    own = {row.size: row for row in SIZES if row.dataset == "any"}
    own |= {row.size: row for row in SIZES if row.dataset == dataset}
    if size in own:
        return own[size], True
    return min(own.values(), key=lambda row: abs(math.log(budget(row.size) / budget(size)))), False


def named(model: str, size: str) -> str:
    """Return a model with its size, or the model alone if it has no budget."""
    return model if size == model else f"{model} {size}"
