"""The parameters of a W&B sweep: each a name and a distribution, checked as W&B's schema does."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ..errors import InputError
from ..tables.names import suggestion
from .quantiles import FORMS, clean, quantile

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_POSITIVE = ("log_uniform_values", "q_log_uniform_values", "inv_log_uniform_values")  # whose logarithms are taken
_EXPONENTS = ("log_uniform", "q_log_uniform", "inv_log_uniform")  # whose min and max are exponents of e
MOST_TRIALS = 100_000  # of one sweep
_NUMBERS = ("min", "max", "mu", "sigma", "a", "b", "q")
_INFERRED = (
    "Give `value`, `values` or `min` and `max`, or name its `distribution`. W&B infers int_uniform from two whole "
    "numbers and uniform from others"
)


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One parameter: its name, nested ones with dots, its distribution, and the distribution's keys with defaults."""

    name: str
    distribution: str
    its: Mapping[str, Any]

    @property
    def is_constant(self) -> bool:
        """Whether every trial has the same value."""
        return self.distribution == "constant"

    @property
    def is_fractional(self) -> bool:
        """Whether draws may have digits after the decimal point."""
        kind, q = self.distribution, self.its.get("q", 0.5)
        return kind not in ("constant", "categorical", "categorical_w_probabilities", "int_uniform") and q % 1 != 0

    def at(self, u: float) -> Any:
        """Return the value at a quantile, without digits of rounding."""
        steps = (self.its["q"],) if "q" in self.its else ()
        return clean(quantile(self.distribution, self.its, u), *steps)

    @cached_property
    def grid(self) -> Sequence[Any]:
        """The values that a grid search tries, as W&B does: q_uniform ends before `max`.

        Raises InputError for a distribution that has no list of values, and for a list of more than 100,000.
        """
        its = self.its
        if self.is_constant:
            return [its["value"]]
        if self.distribution == "categorical":
            return _once(its["values"])
        if self.distribution == "int_uniform":
            return range(its["min"], its["min"] + self._few(its["max"] - its["min"] + 1))
        if self.distribution == "q_uniform":
            count = self._few(math.ceil((its["max"] - its["min"]) / its["q"]))
            return [clean(its["min"] + at * its["q"], its["min"], its["q"]) for at in range(count)]
        raise InputError(
            f"parameter {self.name}: {self.distribution} has no list of values for `method: grid`. Use values, value, "
            "int_uniform or q_uniform, or another method"
        )

    def _few(self, count: int) -> int:
        """Return how many values a grid has. Raises InputError for too many."""
        if count > MOST_TRIALS:
            raise InputError(
                f"parameter {self.name} has {count:,} values for `method: grid`, and a sweep has at most "
                f"{MOST_TRIALS:,} trials. Use a shorter range, a larger q, or `method: random`"
            )
        return count

    @property
    def ends(self) -> tuple[float, float] | None:
        """The least and the largest value that are drawn between `min` and `max`; None without these."""
        return (self.at(1e-12), self.at(1 - 1e-12)) if "min" in self.its else None

    @property
    def note(self) -> str:
        """A sentence on a range that a reader may take for another one; empty for any other."""
        if self.distribution not in _EXPONENTS or not self.ends:
            return ""
        low, high = self.ends
        return (
            f"{self.name} is drawn from {low:.4g} to {high:.4g}, because min and max of {self.distribution} are "
            f"exponents of e. {self.distribution}_values takes the values"
        )

    def to_json(self) -> dict[str, Any]:
        """Return the parameter as a file could have it."""
        return {"name": self.name, "distribution": self.distribution, **self.its}


def of_mapping(given: Any, where: str = "parameters", prefix: str = "") -> list[Parameter]:
    """Return the parameters of a mapping, sorted by name at each level as W&B sorts them. Raises InputError."""
    if not isinstance(given, Mapping) or not given:
        wrong = f"is {given!r}" if given else "has no parameters"
        raise InputError(f"{where} {wrong}. Write names with `value`, `values` or a distribution below it")
    return list(_nested(given, where, prefix))


def _nested(given: Mapping[Any, Any], where: str, prefix: str) -> Iterator[Parameter]:
    for name in given:
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise InputError(
                f"{where}: {name!r} is not a parameter's name. Use letters, digits, `_`, `-` and `.`, and begin with a "
                "letter or `_`"
            )
    for name, its in sorted(given.items()):
        full = f"{prefix}{name}"
        if not isinstance(its, Mapping):
            raise InputError(f"parameter {full} is {its!r}, not a mapping. {_INFERRED}")
        if "parameters" in its:
            if len(its) > 1:
                others = ", ".join(sorted(str(key) for key in its if key != "parameters"))
                raise InputError(f"parameter {full} has `parameters` and {others}. Remove one of them")
            yield from of_mapping(its["parameters"], f"parameters of {full}", f"{full}.")
        else:
            yield _parameter(full, its)


def _parameter(name: str, given: Mapping[Any, Any]) -> Parameter:
    kind = given["distribution"] if "distribution" in given else _inferred(name, given)
    if not isinstance(kind, str) or kind not in FORMS:
        raise InputError(f"parameter {name}: unknown distribution {kind!r}. {suggestion(str(kind), list(FORMS))}")
    form = FORMS[kind]
    for key in given:
        if key != "distribution" and key not in form.keys:
            raise InputError(f"parameter {name}: {kind} has no key {key!r}. Its keys: {', '.join(form.keys) or 'none'}")
    if missing := [key for key in form.needs if key not in given]:
        raise InputError(f"parameter {name}: {kind} needs {' and '.join(missing)}. Add the missing keys")
    its = {**form.defaults, **{key: value for key, value in given.items() if key != "distribution"}}
    _require_numbers(name, kind, its)
    _require_range(name, kind, its)
    _require_values(name, its)
    return Parameter(name=name, distribution=kind, its=its)


def _inferred(name: str, given: Mapping[Any, Any]) -> str:
    """Return the distribution of a parameter that names none."""
    if "values" in given:
        return "categorical_w_probabilities" if "probabilities" in given else "categorical"
    if "value" in given:
        return "constant"
    if "min" in given and "max" in given:
        return "int_uniform" if type(given["min"]) is int and type(given["max"]) is int else "uniform"
    raise InputError(f"parameter {name} has no distribution. {_INFERRED}")


def _require_numbers(name: str, kind: str, its: Mapping[str, Any]) -> None:
    for key in _NUMBERS:
        value = its.get(key, 0.0)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise InputError(f"parameter {name}: {key} is {value!r}, not a number. Write it in digits")
        if kind == "int_uniform" and key in ("min", "max") and type(value) is not int:
            raise InputError(f"parameter {name}: {key} of int_uniform is {value!r}. Use a whole number")
    for key in ("sigma", "a", "b", "q"):
        if key in its and not (its[key] > 0 or (key == "sigma" and its[key] == 0)):
            raise InputError(f"parameter {name}: {key} is {its[key]}. Use a number above 0")


def _require_range(name: str, kind: str, its: Mapping[str, Any]) -> None:
    if "min" not in its:
        return
    if its["min"] >= its["max"]:
        raise InputError(f"parameter {name}: min {its['min']} is not below max {its['max']}. Use a smaller min")
    if kind in _POSITIVE and its["min"] <= 0:
        raise InputError(
            f"parameter {name}: min {its['min']} of {kind} has no logarithm. Use a number above 0. Exponents of e are "
            f"for {kind.removesuffix('_values')}"
        )
    if kind in _EXPONENTS and max(abs(its["min"]), abs(its["max"])) > 700:
        raise InputError(
            f"parameter {name}: min and max of {kind} are exponents of e. Use {kind}_values for the values"
        )


def _require_values(name: str, its: Mapping[str, Any]) -> None:
    values = its.get("values", [its["value"]] if "value" in its else [0])
    if not isinstance(values, list) or not values:
        raise InputError(f"parameter {name}: values is {values!r}. Write a list of at least one value, such as [1, 2]")
    for value in values:
        if not _is_plain(value):
            raise InputError(
                f"parameter {name} has the value {value!r}. Use numbers, texts, switches, lists of them, or null for "
                "the default"
            )
    shares = its.get("probabilities")
    if shares is None:
        return
    if not isinstance(shares, list) or not all(_is_share(share) for share in shares):
        raise InputError(f"parameter {name}: probabilities is {shares!r}. Write a list of numbers from 0 to 1")
    if len(shares) != len(values):
        raise InputError(
            f"parameter {name} has {len(values)} values and {len(shares)} probabilities. Give one for each value"
        )
    if abs(sum(shares) - 1) > 1e-8:
        raise InputError(f"parameter {name}: the probabilities sum to {sum(shares):.10g}. They must sum to 1")


def _is_share(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


def _is_plain(value: Any) -> bool:
    if isinstance(value, list):
        return bool(value) and all(not isinstance(each, list | None) and _is_plain(each) for each in value)
    return isinstance(value, str | bool | int | None) or (isinstance(value, float) and math.isfinite(value))


def _once(values: list[Any]) -> list[Any]:
    """Return the values without repetitions: 3 and 3.0 are one value, and 1 and true are two."""
    found: dict[str, Any] = {}
    for value in values:
        whole = isinstance(value, float) and value.is_integer()
        found.setdefault(repr(int(value)) if whole else repr(value), value)
    return list(found.values())
