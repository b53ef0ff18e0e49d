"""The valid ranges of numbers, and the error messages for them."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable

from ..errors import InputError
from .names import suggestion

_FEW = 8  # names that a message lists in addition to the nearest one
MOST_THREADS = 4096  # of one process; the largest machines have fewer cores
MOST = 2**31  # of pixels, layers, rows, steps: anything that is counted


def check_known(kind: str, name: str, names: Iterable[str]) -> None:
    """Raise InputError with the nearest name unless the name is known. If there are few names, all are listed."""
    known = [*names]
    if name not in known:
        near = suggestion(name, known)
        valid = f" Valid values: {', '.join(known)}" if "Valid values" not in near and len(known) <= _FEW else ""
        raise InputError(f"unknown {kind} {name!r}. {near}{valid}")


def check_positive(most: float = sys.float_info.max, **numbers: float | None) -> None:
    """Raise InputError unless every given number is above 0 and at most `most`."""
    for name, value in numbers.items():
        if value is not None and not 0 < value <= most:
            raise InputError(
                f"{name}={value} is out of range. Use a number above 0" + (f", at most {most:,}" if value > 0 else "")
            )


def check_not_negative(most: float = sys.float_info.max, **numbers: float | None) -> None:
    """Raise InputError unless every given number is 0 or more and at most `most`."""
    for name, value in numbers.items():
        if value is not None and not 0 <= value <= most:
            raise InputError(
                f"{name}={value} is out of range. Use 0 or more" + (f", at most {most:,}" if value > 0 else "")
            )


def check_between(least: float, most: float, **numbers: float | None) -> None:
    """Raise InputError unless every given number is in a range."""
    for name, value in numbers.items():
        if value is not None and not least <= value <= most:
            raise InputError(f"{name}={value} is out of range. Use a number from {least:g} to {most:g}")


def around(wanted: int, *, n: int, of: int = 1) -> str:
    """Return the numbers next to `wanted` whose product with `of` divides n."""
    low = [divisor for divisor in range(1, math.isqrt(n) + 1) if n % divisor == 0]
    fits = sorted(divisor // of for divisor in {*low, *(n // divisor for divisor in low)} if divisor % of == 0)
    near = [*[fit for fit in fits if fit < wanted][-1:], *[fit for fit in fits if fit > wanted][:1]]
    return f"Use {' or '.join(map(str, near))}" if near else f"No value divides, because {n} is not a multiple of {of}"
