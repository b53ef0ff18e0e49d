"""A `train` command: its options by purpose, checked and resolved as far as possible without opening a file."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import InputError
from ..tables.datasets import DEFAULT_DATASET, dataset_row
from ..tables.models import DEFAULT_MODEL, ModelRow, model_row
from . import effects, matching, noisy
from .facts import dataset_facts
from .run import LOOKED_UP, SETTINGS, RunConfig, resolve
from .settings import Computing, Files, Keeping, checked, declared, flag, options_of
from .settings.declaring import from_python, require_names

_OTHERS = options_of(Computing, Keeping)


@dataclass(frozen=True, kw_only=True)
class Command:
    """The settings of a `train` command.

    `config` is None if the dataset must be read first: one without a row, fields and signals, and a dataset of a row
    with another subset, revision or label. It is also None if weights must be read.
    """

    request: dict[str, Any]  # the settings that decide the result, and where its files are
    row: ModelRow
    computing: Computing
    keeping: Keeping
    config: RunConfig | None

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Command:
        """Return the command with the given settings. Raises InputError."""
        known = SETTINGS | _OTHERS
        require_names(known, given)
        asked = {name: from_python(known[name], value) for name, value in given.items() if value is not None}
        found = checked(known, asked)
        _require_needed(found)
        request = {"dataset": DEFAULT_DATASET} | {name: found[name] for name in SETTINGS.keys() & found.keys()}
        row = model_row(request.get("model", DEFAULT_MODEL))
        if matching.asked(request):
            model_row(request["like"])
        return cls(
            request=request,
            row=row,
            computing=Computing(**_of(Computing, found)),
            keeping=Keeping(**_of(Keeping, found)),
            config=_resolved(request, row),
        )

    def with_seed(self, seed: int) -> Command:
        """Return the command with another seed. Raises InputError for a seed that is out of range."""
        field = SETTINGS["seed"]
        value = checked({"seed": field}, {"seed": from_python(field, seed)})["seed"]
        config = None if self.config is None else self.config.with_seed(value)
        return dataclasses.replace(self, request=self.request | {"seed": value}, config=config)

    @property
    def files(self) -> Files:
        """Where the files of fields and signals are."""
        return Files(**_of(Files, self.request))


def _of(group: type, given: Mapping[str, Any]) -> dict[str, Any]:
    return {field.name: given[field.name] for field in dataclasses.fields(group) if field.name in given}


def _require_needed(given: Mapping[str, Any]) -> None:
    """Raise InputError for a setting that has an effect with another one only, such as --upload."""
    for name, field in _OTHERS.items():
        needs = declared(field).needs
        if needs and not given.get(needs) and given.get(name, False) is not False:
            raise InputError(f"{flag(name)} has an effect with {flag(needs)} only. Omit it or add {flag(needs)}")


def _resolved(request: Mapping[str, Any], row: ModelRow) -> RunConfig | None:
    """Return the config if it needs only the dataset's row, else None."""
    effects.require(request)
    dataset = dataset_row(request["dataset"])
    if dataset is None or dataset.kind != "image" or request.keys() & {*LOOKED_UP, "init"}:
        return None
    if noisy.path_of(request):
        return None
    return resolve(request, dataset_facts(dataset), row)
