"""RunConfig: everything that decides a run's result, resolved and validated when made, and named by its content."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app import checks
from app.errors import InputError
from app.tables.datasets import DATASETS, DatasetRow
from app.tables.models import ATTENTIONS, DEFAULT_MODEL, MODELS, ModelRow, Shape
from app.tables.names import look_up
from app.tables.protocols import PROTOCOLS, UNKNOWN
from app.tables.sizes import budget, parse_size, row_for

RESIZE = "bilinear-antialias"  # how images reach their stored side; part of a run's name


@dataclass(frozen=True, kw_only=True)
class DatasetFacts:
    """What a config needs to know of a dataset; `fingerprint` is a local dataset's content."""

    name: str
    classes: int
    channels: int = 3
    native: int | None = None  # None: nothing is known, images are stored at the side the model sees
    fingerprint: str | None = None


def dataset_facts(row: DatasetRow) -> DatasetFacts:
    """The facts of a dataset with a row, of which nothing has to be opened."""
    return DatasetFacts(name=row.name, classes=row.classes, channels=row.channels, native=row.native)


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """One run. Raises InputError for what cannot be trained. Sides are in pixels, fractions in [0, 1)."""

    model: str
    size: str
    attention: str
    d_model: int
    depth: int
    heads: int
    mlp_ratio: float = 4.0
    image: int
    patch: int

    dataset: str
    dataset_config: str | None = None
    revision: str = "main"
    image_column: str | None = None
    label_column: str | None = None
    group_column: str | None = None
    fingerprint: str | None = None
    classes: int
    channels: int = 3
    native: int | None = None
    augment: str = "none"
    split_seed: int = 0
    val_fraction: float = 0.1
    test_fraction: float | None = None  # None: carved only where the source has no labelled test split
    limit_train: int | None = None
    limit_val: int | None = None
    limit_test: int | None = None

    batch_size: int
    val_batch_size: int = 128
    epochs: int
    lr: float
    warmup_steps: int | None = None  # None: 10 % of the schedule
    clamp_warmup: bool = True  # False where --warmup-steps was given
    weight_decay: float
    dropout: float
    clip_norm: float | None = None
    seed: int = 0
    precision: str = "auto"

    def __post_init__(self) -> None:
        checks.check_shape(self)
        checks.check_numbers(self)
        checks.check_size(self)
        checks.check_name(self.dataset, size=self.size)

    @property
    def shape(self) -> Shape:
        """The cells that the parameter count depends on."""
        return Shape(**{field.name: getattr(self, field.name) for field in dataclasses.fields(Shape)})

    @property
    def parameters(self) -> int:
        """Trainable parameters, embeddings and head included, by the family's closed form."""
        return MODELS[self.model].parameters(self.shape)

    @property
    def stored_side(self) -> int:
        """Side in pixels at which the cache keeps the images."""
        return min(self.image, self.native or self.image)

    @property
    def limited(self) -> bool:
        """Whether the dataset is cut for a trial."""
        return any(limit is not None for limit in (self.limit_train, self.limit_val, self.limit_test))

    @property
    def run_id(self) -> str:
        """8 hex digits of a hash over the fields that decide the result, each left out at its default.

        What a config cannot know may give one result two names, never two results one: `--warmup-steps` at the
        protocol's own value is another run, since only the data tell whether that value would have been clamped, and so
        is `--test-fraction 0.2` on a set without a row, since only its source tells whether it has a test split.
        """
        identity = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if field.name not in ("classes", "channels", "native") and getattr(self, field.name) != field.default
        }
        identity |= {"stored_side": self.stored_side, "resize": RESIZE}
        return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:8]

    @property
    def stem(self) -> str:
        """The name that all files of the run begin with."""
        return checks.run_stem(run_id=self.run_id, size=self.size, dataset=self.dataset)

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> RunConfig:
        """The config of `to_json`; raises InputError for a field that is unknown, missing or of the wrong type."""
        known = {field.name: field for field in dataclasses.fields(cls)}
        if strange := sorted(set(fields) - set(known)):
            raise InputError(f"the config has unknown fields {', '.join(strange)}; it was written by another version")
        for name, value in fields.items():
            _check_type(name, value, str(known[name].type))
        if missing := [n for n, f in known.items() if f.default is dataclasses.MISSING and n not in fields]:
            raise InputError(f"the config lacks {', '.join(missing)}")
        return cls(**fields)


def _check_type(name: str, value: Any, declared: str) -> None:
    """Raises InputError unless a JSON value has its field's declared type."""
    types: dict[str, Any] = {"int": int, "float": (int, float), "str": str, "bool": bool, "None": type(None)}
    allowed = [types[part] for part in declared.split(" | ")]
    if not any(isinstance(value, kind) for kind in allowed) or (isinstance(value, bool) and "bool" not in declared):
        raise InputError(f"the config's {name}={value!r} is not of type {declared}")


def resolve(request: Mapping[str, Any], facts: DatasetFacts) -> RunConfig:
    """The config of a command: what was asked for, then the dataset's protocol, then the size table.

    `request` holds only the options that were given, under their fields' names.
    """
    row = look_up("model", request.get("model", DEFAULT_MODEL), MODELS)
    protocol = PROTOCOLS.get(facts.name, UNKNOWN)
    cells = {
        name: getattr(protocol, name)
        for name in ("image", "patch", "batch_size", "epochs", "lr", "warmup_steps", "weight_decay", "dropout")
    }
    cells |= {"augment": protocol.augment, "size": protocol.size, "clamp_warmup": "warmup_steps" not in request}
    if known := DATASETS.get(facts.name):
        cells |= {"split_seed": known.split_seed, "val_fraction": known.val_fraction}
        cells |= {"test_fraction": known.test_fraction or None}
    cells |= {name: value for name, value in request.items() if name in _FIELDS}
    cells |= {"model": row.name, "size": parse_size(cells["size"]), "dataset": facts.name}
    cells |= {"classes": facts.classes, "channels": facts.channels}
    cells |= {"native": facts.native, "fingerprint": facts.fingerprint}
    if known:  # the row's own names, given or not, are one run
        own = {"image_column": known.image_column, "label_column": known.label_column, "dataset_config": known.config}
        cells |= {name: None for name, value in own.items() if cells.get(name) == value}
    return RunConfig(**_with_shape(cells, request, row))


_FIELDS = {field.name for field in dataclasses.fields(RunConfig)}


def _with_shape(cells: dict[str, Any], request: Mapping[str, Any], row: ModelRow) -> dict[str, Any]:
    """Fills d_model, depth and heads from the size table, or solves depth where the table's does not apply."""
    size_row, own = row_for(cells["size"], cells["dataset"])
    cells.setdefault("attention", row.attention)
    checks.check_known("attention", cells["attention"], ATTENTIONS)
    cells.setdefault("d_model", size_row.d_model)
    cells.setdefault("mlp_ratio", size_row.mlp_ratio)
    cells.setdefault("heads", ATTENTIONS[cells["attention"]].of_classic(size_row.heads))
    if "depth" in request:
        return cells
    table_holds = own and (cells["d_model"], cells["mlp_ratio"]) == (size_row.d_model, size_row.mlp_ratio)
    if table_holds and cells["attention"] in ("classic", "differential"):
        return cells | {"depth": size_row.depth}
    checks.check_divisions(**{name: cells[name] for name in ("attention", "d_model", "heads", "image", "patch")})
    checks.check_positive(mlp_ratio=cells["mlp_ratio"], most=checks.MOST)
    shape: dict[str, Any] = {field.name: cells.get(field.name) for field in dataclasses.fields(Shape)}
    return cells | {"depth": checks.nearest_depth(row, Shape(**(shape | {"depth": 1})), budget(cells["size"]))}
