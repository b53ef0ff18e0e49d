"""The optimisers: what each one takes, its numbers if no option sets them, and the memory of its state."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ..errors import InputError

Betas = tuple[float, ...]  # of an optimiser's moments, each the share that a step keeps
EPS = 1e-8  # of a run whose protocol has none, or whose optimiser takes none
_LARGEST_NEW = 0.5  # a share below it is one of new information, as some papers and programs state it
_DIGITS = 12  # 1 - 0.035 is 0.965, without the rounding of the subtraction


@dataclass(frozen=True, kw_only=True)
class OptimizerRow:
    """One optimiser. A number is None if the optimiser does not take it."""

    name: str
    source: str
    betas: Betas | None = None
    momentum: float | None = None
    nesterov: bool | None = None
    eps: bool = True  # whether it takes an epsilon
    floats: int  # of state per parameter, at most

    @property
    def takes(self) -> tuple[str, ...]:
        """The settings that have an effect on it, of those that not every optimiser takes."""
        own = [name for name in ("betas", "momentum", "nesterov") if getattr(self, name) is not None]
        return (*own, *(["eps"] if self.eps else []))


_KEPT, _ADAN = (0.9, 0.999), (0.98, 0.92, 0.99)
OPTIMIZERS = {
    row.name: row
    for row in (
        OptimizerRow(name="adamw", source="arXiv:1711.05101", betas=_KEPT, floats=2),
        OptimizerRow(name="adam", source="arXiv:1412.6980", betas=_KEPT, floats=2),
        OptimizerRow(name="sgd", source="torch.optim.SGD", momentum=0.9, nesterov=False, eps=False, floats=1),
        OptimizerRow(name="adan", source="arXiv:2208.06677", betas=_ADAN, floats=4),
        OptimizerRow(name="adan_lucidrains", source="adan-pytorch 0.1.0", betas=_ADAN, floats=4),
        OptimizerRow(name="lion", source="arXiv:2302.06675", betas=(0.9, 0.99), eps=False, floats=1),
        # betas and eps are those of AdamW, which updates what Muon does not
        OptimizerRow(name="muon", source="torch.optim.Muon", betas=_KEPT, momentum=0.95, nesterov=True, floats=2),
    )
}


def takers(setting: str) -> list[str]:
    """Return the names of the optimisers on which a setting has an effect."""
    return [row.name for row in OPTIMIZERS.values() if setting in row.takes]


def kept_shares(new: Iterable[float]) -> Betas:
    """Return betas as kept shares, 1 - x, from shares x of new information: (0.02, 0.08, 0.01) -> (0.98, 0.92, 0.99).

    The second convention is that of the paper of Adan, of adan-pytorch and of the CIFAR zoo's `adan_beta1`.
    """
    return tuple(round(1 - share, _DIGITS) for share in new)


def are_new_shares(betas: Betas) -> bool:
    """Return whether betas are more likely shares of new information: each is less than one half."""
    return all(0 < beta < _LARGEST_NEW for beta in betas)


def normal_betas(value: Any) -> Betas:
    """Return betas as a tuple of floats. Raise InputError unless each is at least 0 and less than 1."""
    numbers = value if isinstance(value, list | tuple) else [value]
    if not numbers or not all(isinstance(each, int | float) and not isinstance(each, bool) for each in numbers):
        raise InputError(f"betas={value!r} are not numbers. {_HOW}")
    if not all(0 <= each < 1 for each in numbers):
        raise InputError(f"betas={spelled_betas(numbers)} are out of range. Use numbers from 0 to below 1")
    return tuple(float(each) for each in numbers)


def parsed_betas(text: str) -> Betas:
    """Return the betas of a text, separated by commas, or by slashes where a comma separates values."""
    parts = [part.strip() for part in text.replace("/", ",").split(",")]
    try:
        if not all(part.isascii() and "_" not in part for part in parts):
            raise ValueError
        numbers = [float(part) for part in parts]
    except ValueError:
        raise InputError(f"betas={text!r} are not numbers. {_HOW}") from None
    return normal_betas(numbers)


def spelled_betas(betas: Iterable[float]) -> str:
    """Return betas as an option spells them: 0.98,0.92,0.99."""
    return ",".join(f"{beta!r}" for beta in betas)


_HOW = "Write the share of each moment that a step keeps, such as 0.9,0.999"
