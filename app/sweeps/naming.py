"""The settings that the parameters of a sweep stand for: our names, and those of the CIFAR zoo's trainers.

Source of the latter: `train_cifar10.py` of github.com/kentaroy47/vision-transformers-cifar10 and of its fork.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..config.settings import GROUPS, options_of
from ..config.settings.declaring import types_of
from ..errors import InputError
from ..studies import axes
from ..studies.cells import OF_THE_STUDY
from .parameters import Parameter

SETTINGS = options_of(*GROUPS)
_ZOO = {
    "net": "model",
    "n_epochs": "epochs",
    "opt": "optimizer",
    "bs": "batch_size",
    "adan_weight_decay": "weight_decay",
}
_NETS = {f"res{depth}": f"resnet{depth}" for depth in (18, 34, 50, 101)}
_ADAN = {
    "adan_beta1": 0.02,
    "adan_beta2": 0.08,
    "adan_beta3": 0.01,
}  # the shares of new information, the fork's defaults
_DECIMALS = 12


class Names:
    """The setting of each parameter of a sweep. Raises InputError for a name that is unknown or ambiguous."""

    def __init__(self, names: Iterable[str]) -> None:
        self._of = {name: _setting(name) for name in names}
        by_setting: dict[str, list[str]] = {}
        for name, setting in self._of.items():
            by_setting.setdefault(setting, []).append(name)
        for setting, own in by_setting.items():
            if len(own) > 1 and not ({*map(_last, own)} <= {*_ADAN} and len({*map(_last, own)}) == len(own)):
                raise InputError(f"the parameters {' and '.join(own)} both set {setting}. Keep one of them")

    @property
    def settings(self) -> set[str]:
        """The settings that the parameters decide."""
        return set(self._of.values())

    def require_whole(self, parameters: Iterable[Parameter]) -> None:
        """Raise InputError for a parameter that is drawn as a fraction if its setting is a whole number."""
        for each in parameters:
            setting = self._of[each.name]
            types = types_of(SETTINGS[setting])
            if each.is_fractional and {"int", "Extent"} & {*types} and "float" not in types:
                raise InputError(
                    f"parameter {each.name}: {each.distribution} draws fractions, and {setting} is a whole number. "
                    "Write min and max without a decimal point, or use a q_ form with `q: 1`"
                )

    def notes(self) -> list[str]:
        """Return one line per parameter whose name differs from its setting."""
        lines = [f"{name} is read as {setting}" for name, setting in self._of.items()
                 if name != setting and _last(name) not in _ADAN]  # fmt: skip
        if own := [name for name in self._of if _last(name) in _ADAN]:
            lines.append(f"{', '.join(own)} are shares of new information, and betas has 1 minus each of them")
        return lines

    def given(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the settings of one trial from its values by parameter."""
        stated = {name: value for name, value in values.items() if value is not None}  # null is the default
        shared = {_last(name): _share(name, value) for name, value in stated.items() if _last(name) in _ADAN}
        given = {self._of[name]: _valued(self._of[name], value) for name, value in stated.items()}
        if shared:
            shares = [shared.get(name, default) for name, default in _ADAN.items()]
            given["betas"] = ",".join(f"{round(1 - share, _DECIMALS):.{_DECIMALS}g}" for share in shares)
        return given


def _share(name: str, value: Any) -> float:
    """Return a share of new information. Raises InputError for what is no number."""
    try:
        return float(value)
    except (TypeError, ValueError):
        raise InputError(f"parameter {name} has the value {value!r}, not a share. Use numbers from 0 to 1") from None


def _last(name: str) -> str:
    """Return the last part of a nested name."""
    return name.rpartition(".")[2]


def _setting(name: str) -> str:
    """Return the setting of a parameter: its name, the zoo's, or the last part of a nested one."""
    last, where = _last(name), f"parameter {name}"
    found = "betas" if last in _ADAN else _ZOO.get(last) or axes.named(last, where)
    if found in OF_THE_STUDY:
        raise InputError(f"{where}: {found} is a setting of the complete sweep. Give it as an option of `sweep`")
    return found


def _valued(setting: str, value: Any) -> Any:
    """Return a value in the form of its setting: a whole number where one is wanted, and our name of a zoo's net."""
    types = types_of(SETTINGS[setting]) if setting in SETTINGS else ()
    if setting == "model":
        return _NETS.get(value, value)
    if isinstance(value, float) and value.is_integer() and "float" not in types and {"int", "Extent"} & {*types}:
        return int(value)
    if isinstance(value, list) and "Extent" not in types:
        return ",".join(map(str, value))
    return str(value) if "str" in types and not isinstance(value, str | bool) else value
