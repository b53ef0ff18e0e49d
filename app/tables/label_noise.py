"""The text of `--label-noise`, and the class that an asymmetric error turns each class into.

Sources: symmetric noise and pair flipping, Han et al. 2018 (arXiv:1804.06872, appendix A); the pairs of CIFAR-10 and
the next class within a superclass of CIFAR-100, Patrini et al. 2017 (arXiv:1609.03683, section 5).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from ..errors import InputError

NONE, SYMMETRIC, ASYMMETRIC, FILE = "none", "symmetric", "asymmetric", "sha256"
ENDINGS = (".parquet", ".csv", ".npy")  # of files with labels
_DIGEST = re.compile(r"[0-9a-f]{64}")
_HOW = f"Use {SYMMETRIC}:RATE, {ASYMMETRIC}:RATE, or a file that ends in {', '.join(ENDINGS[:2])} or {ENDINGS[2]}"

PAIRS = {"truck": "automobile", "bird": "airplane", "deer": "horse", "cat": "dog", "dog": "cat"}
_CIFAR10 = {"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"}
_SUPERCLASS = (  # of each class of CIFAR-100, in the alphabetical order of the classes
    4, 1, 14, 8, 0, 6, 7, 7, 18, 3, 3, 14, 9, 18, 7, 11, 3, 9, 7, 11, 6, 11, 5, 10, 7, 6, 13, 15, 3, 15, 0, 11, 1, 10,
    12, 14, 16, 9, 11, 5, 5, 19, 8, 8, 15, 13, 14, 17, 18, 10, 16, 4, 17, 4, 2, 0, 17, 4, 18, 17, 10, 3, 2, 12, 12, 16,
    12, 1, 9, 19, 2, 10, 0, 1, 16, 12, 9, 13, 15, 13, 16, 19, 2, 4, 6, 19, 5, 5, 8, 19, 18, 1, 2, 15, 6, 0, 17, 8, 14,
    13,
)  # fmt: skip
_SOME_OF_CIFAR100 = {"aquarium_fish": 1, "lawn_mower": 41, "pickup_truck": 58, "sweet_pepper": 83, "worm": 99}


class LabelNoise(NamedTuple):
    """A rule by which labels become wrong: a rate, or the sha256 of a file with labels."""

    rule: str  # symmetric | asymmetric | sha256
    rate: float = 0.0
    digest: str = ""


def parsed(text: str) -> LabelNoise | None:
    """Return the rule of a text that names no file, or None for `none`. Raises InputError for any other text."""
    if text == NONE:
        return None
    rule, _, value = text.partition(":")
    if rule == FILE and _DIGEST.fullmatch(value):
        return LabelNoise(FILE, digest=value)
    if rule not in (SYMMETRIC, ASYMMETRIC):
        raise InputError(f"label_noise={text} is neither a rule nor a file of labels. {_HOW}")
    try:
        rate = float(value)
    except ValueError:
        rate = 0.0
    if not 0 < rate < 1:
        raise InputError(
            f"label_noise={text} has the rate {value!r}. Use a number between 0 and 1, such as {rule}:0.4, or omit "
            "--label-noise"
        )
    return LabelNoise(rule, rate=rate)


def is_path(text: str) -> bool:
    """Return whether a text is the path of a file with labels."""
    return text.lower().endswith(ENDINGS)


def canonical(text: str) -> str:
    """Return the one spelling of equal rules. A path stays as it is. Raises InputError as `parsed` does."""
    if is_path(text):
        return text
    found = parsed(text)
    if found is None or found.rule == FILE:
        return text
    rate = f"{found.rate:g}"  # six digits
    if float(rate) >= 1:
        raise InputError(f"label_noise={text} has a rate of more than six digits. Use at most {found.rule}:0.999999")
    return f"{found.rule}:{rate}"


def next_classes(names: Sequence[str]) -> list[int]:
    """Return the class that an asymmetric error turns each class into, by number. A class may stay as it is.

    CIFAR-10 has five classes that change, and in CIFAR-100 each class becomes the next one of its superclass. In any
    other dataset each class becomes the next one, and the last class the first one.
    """
    plain = [name.strip().lower().replace(" ", "_") for name in names]
    if {*plain} == _CIFAR10:
        return [plain.index(PAIRS.get(name, name)) for name in plain]
    if len(plain) == len(_SUPERCLASS) and all(plain[at] == name for name, at in _SOME_OF_CIFAR100.items()):
        return [_next_within(at) for at in range(len(plain))]
    return [(at + 1) % len(plain) for at in range(len(plain))]


def _next_within(at: int) -> int:
    """Return the next class of the superclass of a class of CIFAR-100, whose last one is followed by its first."""
    alike = [other for other, its in enumerate(_SUPERCLASS) if its == _SUPERCLASS[at]]
    return alike[(alike.index(at) + 1) % len(alike)]
