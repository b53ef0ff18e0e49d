"""RunConfig: everything that decides a run's result, resolved and validated on creation, and named by its content."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from copy import copy
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

from ..counts import Family, family_for
from ..errors import InputError, UnknownRevision
from ..tables import revisions
from ..tables.datasets import DEFAULT_DATASET, dataset_row
from ..tables.models import DEFAULT_MODEL, ModelRow, model_row
from ..tables.shape import Extent, Shape, extent, smaller
from . import checks, effects, matching, noisy, recipes
from . import resolve as resolving
from .facts import DatasetFacts, dataset_facts
from .settings import REQUESTED, Data, Model, Noise, Recipe, Revisions, checked, declaring, options_of, parsed
from .sizing import Sized

RESIZE = "bilinear-antialias"  # how images reach their stored side; part of a run's name
_TOLD = ("classes", "channels", "native")  # by the dataset, which is already in the name
_NAMES = ("recipe",)  # of settings that are fields too


@dataclass(frozen=True, kw_only=True)
class RunConfig(Revisions, Recipe, Noise, Data, Model):
    """One run. Raises InputError if it cannot be trained. Sides are in pixels, fractions in [0, 1).

    The fields of a class's last base come first: those of the model, the data, the noise, the recipe, and the
    revisions.
    """

    def __post_init__(self) -> None:
        own: Any = type(self)
        for field, kept, limited in _declarations(own):
            value = getattr(self, field.name)
            if type(value) not in kept:
                value = declaring.coerced(field, value)
                object.__setattr__(self, field.name, value)
            if limited and value is not None:
                declaring.check(field, value)
        checks.check_revisions(self, self.row)
        checks.check_data(self, image=self.image)
        noisy.check(self, task=self.task, channels=self.channels, stored=self.stored_side)
        checks.check_recipe(self, task=self.task)
        checks.check_decoding(self, self.decoding_revision)
        checks.check_model(self, self.sized)
        checks.check_size(self.sized)
        checks.check_name(self.dataset, size=self.size)

    @classmethod
    def of_row(cls, row: ModelRow, values: Mapping[str, Any]) -> RunConfig:
        """Return the config with these values, whose model's row is given."""
        config = cls.__new__(cls)
        config.__dict__["row"] = row  # in place of a look-up
        cls.__init__(config, **values)
        return config

    def with_seed(self, seed: int) -> RunConfig:
        """Return the run with another seed, which was checked. No other setting depends on it."""
        other = copy(self)
        other.__dict__["seed"] = seed
        for name in ("run_id", "kin_id"):  # which were made from the seed, if they were asked for
            other.__dict__.pop(name, None)
        return other

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> RunConfig:
        """Return the config of `to_json`. Raise InputError for a field that is unknown, missing or of another type."""
        known = {field.name: field for field in dataclasses.fields(cls)}
        if strange := sorted(set(fields) - set(known)):
            names = ", ".join(map(str, strange))
            raise UnknownRevision(
                f"the config has unknown fields {names}, so a later version wrote it. Update isoscale"
            )
        if missing := [n for n, f in known.items() if f.default is dataclasses.MISSING and n not in fields]:
            raise InputError(f"the config has no {', '.join(missing)}. Give every field")
        return cls(**fields)

    @classmethod
    def from_strings(cls, cells: Mapping[str, Any], facts: DatasetFacts | None = None) -> RunConfig:
        """Return the config of a row of a table: settings by name, with values spelled as on the command line.

        An empty cell is a setting that is not given. A cell of YAML may be a number or a switch. `facts` are those of
        the dataset, and may be omitted for a dataset with a row whose content they do not depend on. Raises InputError.
        """
        request = {"dataset": DEFAULT_DATASET} | parsed(SETTINGS, cells)
        effects.require(request)
        return resolve(request, facts or _facts_of(request))

    def __getstate__(self) -> dict[str, Any]:
        """Return only the fields. Rows and counts are not pickled."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    @cached_property
    def row(self) -> ModelRow:
        """The row of the model."""
        return model_row(self.model)

    def at_earlier_revisions(self) -> Iterator[RunConfig]:
        """Yield the configs of the same command at earlier revisions of its model's row and of its data's rules.

        The latest come first. Only a config made by `resolve` knows its command, and so earlier rows of its model.
        """
        at: Any = self.__dict__.get("at")
        models = [self]
        for revision in sorted(self.row.earlier, reverse=True) if at else ():
            with suppress(InputError):  # a size that this shape does not have
                models.append(at(self.row.at(revision)))
        names = [*revisions.KNOWN]
        now = tuple(getattr(self, name) for name in names)
        # A later layout is only for a dataset that an earlier one read differently, with other classes or splits.
        known = [
            [n for n in revisions.KNOWN[name] if n == own or (n < own and name != "layout_revision")]
            for name, own in zip(names, now, strict=True)
        ]
        for config, rules in itertools.product(models, sorted(itertools.product(*known), reverse=True)):
            if config is not self or rules != now:
                changed: dict[str, Any] = dict(zip(names, rules, strict=True))
                with suppress(InputError):  # a setting that the earlier rule does not have
                    yield dataclasses.replace(config, **changed)

    @cached_property
    def family(self) -> Family:
        """The family of the model, with its counts."""
        return family_for(self.row)

    @cached_property
    def shape(self) -> Shape:
        """The cells that the parameter count depends on, as the config's revision of the model's row defines them."""
        left = {k: v for k, v in self.row.left_at(self.model_revision).items() if getattr(self, k) is None}
        return self.family.shape({name: getattr(self, name) for name in Shape.__dataclass_fields__} | left)

    @cached_property
    def sized(self) -> Sized:
        """The model at its size."""
        return Sized(row=self.row, family=self.family, shape=self.shape, size=self.size, dataset=self.dataset)

    @cached_property
    def parameters(self) -> int:
        """Trainable parameters, embeddings and head included, as the family counts them."""
        return self.family.parameters(self.shape)

    @cached_property
    def flops(self) -> int:
        """FLOPs of one input's forward pass."""
        return self.family.flops(self.shape)

    @cached_property
    def tokens(self) -> int:
        """Tokens of a block of the model, or 1 if it has none."""
        return self.family.tokens(self.shape)

    def kept_bytes(self, precision: str, *, maps_kept: bool, checkpointing: bool = False) -> int:
        """Return the bytes that one input's forward pass keeps for the backward pass in a precision."""
        return self.family.kept_bytes(
            self.shape, precision=precision, residual_precision=self.residual_precision, maps_kept=maps_kept,
            checkpointing=checkpointing,
        )  # fmt: skip

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one input of the model: (channels, H, W), or (channels, L) of a signal."""
        return (self.channels, *extent(self.image))

    @property
    def stored_side(self) -> Extent:
        """Side in pixels of the images in the cache, or (H, W), or a signal's (L,), the smaller one per axis."""
        return smaller(self.image, self.native)

    @property
    def limited(self) -> bool:
        """Whether the dataset is reduced for a trial."""
        return any(limit is not None for limit in (self.limit_train, self.limit_val, self.limit_test))

    @cached_property
    def run_id(self) -> str:
        """8 hex digits of a hash over the fields that decide the result, without those at their defaults.

        Facts that a config cannot know may give one result two IDs, but never two results one ID. `--warmup-steps` at
        the protocol's value makes another run, since only the data show whether that value would have been clamped. So
        does `--test-fraction 0.2` on a set without a row, since only its source shows whether it has a test split.
        """
        return _digest(self._identity())

    @cached_property
    def kin_id(self) -> str:
        """8 hex digits that are the same for runs which differ only in their epochs."""
        return _digest(self._identity() | {"epochs": None})

    def _identity(self) -> dict[str, Any]:
        own: Any = type(self)
        identity = {
            field.name: getattr(self, field.name)
            for field, *_ in _declarations(own)
            if field.name not in (*_TOLD, *_NAMES) and getattr(self, field.name) != field.default
        }
        return identity | {"stored_side": self.stored_side, "resize": RESIZE}

    @property
    def folder(self) -> str:
        """The folder of the model's runs, below the checkpoints and on the Hub."""
        return checks.file_part(self.model)

    @property
    def stem(self) -> str:
        """The common prefix of all files of the run."""
        return checks.run_stem(run_id=self.run_id, size=self.size, dataset=self.dataset)

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON values. A revision is omitted at 1."""
        revisions = {field.name for field in dataclasses.fields(Revisions)}
        values = self.__getstate__()  # no field has another dataclass in it
        return {name: value for name, value in values.items() if name not in revisions or value != 1}


SETTINGS = options_of(*REQUESTED)  # that a request may have


def resolve(request: Mapping[str, Any], facts: DatasetFacts, row: ModelRow | None = None) -> RunConfig:
    """Return the config of a command: the request first, then the dataset's protocol, then the size table.

    `request` contains only the given options, under their fields' names. `match` and `like` are not fields: they name
    the model whose parameters or FLOPs the size must match. `row` is the model's, if it was looked up before. Raises
    InputError.
    """
    request = checked(SETTINGS, request)
    if "init" in request and "init_sha256" not in request:
        raise InputError(
            f"the weights of --init {request['init']} are unknown until they are read. Give init_sha256 as well"
        )
    noisy.require_read(request)
    row = row or model_row(request.get("model", DEFAULT_MODEL))
    request = recipes.filled(request, row, facts)
    if matching.asked(request):
        other = resolve(matching.of_the_other(request), facts)
        request = matching.matched(row, request, resolving.protocol_of(facts.name, row), other.sized)
    asked = {name: value for name, value in request.items() if name in _FIELDS}

    def at(row: ModelRow) -> RunConfig:
        return RunConfig.of_row(row, resolving.values(asked, facts, row))

    config = at(row)
    config.__dict__["at"] = at  # the same command on another revision of the row
    return config


def _facts_of(request: Mapping[str, Any]) -> DatasetFacts:
    """Return the facts of a dataset that can be known without opening it. Raise InputError for any other."""
    row = dataset_row(name := request["dataset"])
    looked_up = [asked for asked in LOOKED_UP & request.keys() if request[asked] != SETTINGS[asked].default]
    if row is None or row.kind != "image" or looked_up:
        raise InputError(f"the classes of {name} are unknown until it is read. Give its facts")
    return dataset_facts(row)


@cache
def _declarations(config: Any) -> tuple[tuple[dataclasses.Field[Any], frozenset[type], bool], ...]:
    """Return each field, the types of its values that stay as they are, and whether some values are refused."""
    return tuple(
        (field, declaring.kept_as_given(field), declaring.declared(field).limited)
        for field in dataclasses.fields(config)
    )


def _digest(identity: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:8]


_FIELDS = {field.name for field in dataclasses.fields(RunConfig)}
LOOKED_UP = {"dataset_config", "revision", "label_column"}  # settings on which the classes of a dataset depend
