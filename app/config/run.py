"""RunConfig: everything that decides a run's result, resolved and validated when made, and named by its content."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..counts import family_of
from ..errors import InputError
from ..tables.datasets import DATASETS, DatasetRow
from ..tables.models import DEFAULT_MODEL, model_row
from ..tables.protocols import PROTOCOLS, UNKNOWN
from ..tables.reading import BACKGROUND
from ..tables.shape import CELLS, Extent, Shape, extent, normal, smaller
from . import checks, matching, sizing

_ABSENT: Any = None  # typed as if present: a family reads its own cells only
RESIZE = "bilinear-antialias"  # how images reach their stored side; part of a run's name


@dataclass(frozen=True, kw_only=True)
class DatasetFacts:
    """What a config needs to know of a dataset; `fingerprint` is a local dataset's content."""

    name: str
    classes: int
    channels: int = 3
    native: Extent | None = None  # None: nothing is known, images are stored at the side the model sees
    fingerprint: str | None = None
    kind: str = "image"  # image | field | signal
    image: Extent | None = None  # of fields and signals, which a model sees as their files hold them
    task: str = "classification"  # classification | regression


def dataset_facts(row: DatasetRow) -> DatasetFacts:
    """The facts of a dataset with a row, of which nothing has to be opened."""
    return DatasetFacts(
        name=row.name, classes=row.classes, channels=row.channels, native=row.native, kind=row.kind, task=row.task
    )


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """One run. Raises InputError for what cannot be trained. Sides are in pixels, fractions in [0, 1).

    The cells from attention to discriminator are those of the model's shape; None stands where its family has no such
    cell, and where the family's own value holds.
    """

    model: str
    size: str  # a budget, or the model's own name where it is named whole
    attention: str = _ABSENT
    d_model: int = _ABSENT
    depth: int = _ABSENT
    heads: int = _ABSENT
    head_width: int = _ABSENT
    mlp_ratio: float = 4.0
    qkv_bias: bool = _ABSENT
    projection_bias: bool = _ABSENT
    norm: str = _ABSENT
    pooling: str = _ABSENT
    positions: str = _ABSENT
    patching: str = _ABSENT
    tokenizer: str = _ABSENT
    value_skip: bool = _ABSENT
    features: int = _ABSENT
    width: int = _ABSENT
    stem_pool: bool = _ABSENT
    projection: str = _ABSENT
    discriminator: bool = _ABSENT
    image: Extent
    patch: int = _ABSENT

    dataset: str
    dataset_config: str | None = None
    revision: str = "main"
    image_column: str | None = None
    label_column: str | None = None
    group_column: str | None = None
    fingerprint: str | None = None
    task: str = "classification"  # of the dataset's row; of a regression `classes` counts the targets
    classes: int
    channels: int = 3
    native: Extent | None = None
    augment: str = "none"
    split_seed: int = 0
    val_fraction: float = 0.1
    test_fraction: float | None = None  # None: carved only where the source has no labelled test split
    field: str | None = None  # of fields: which are stacked as channels, between commas; None: the row's own
    target: str | None = None  # of fields and signals: what is learned; None: the row's own
    crop: str | None = None  # of fields, TOP:BOTTOM,LEFT:RIGHT in pixels of the file; None: as published
    mirror: bool | None = None  # of fields; None: mirrored, as published
    background: float | None = None  # of signals, added to files without one; None: as published
    range: str | None = None  # of signals, FROM:TO in degrees 2-theta; None: the whole pattern
    grid: str | None = None  # of signals, START:STEP in degrees; None: as their length says
    stored_dtype: str = "float32"  # of fields and signals in the cache
    limit_train: int | None = None
    limit_val: int | None = None
    limit_test: int | None = None

    batch_size: int
    val_batch_size: int = 128
    epochs: int
    train_batches: int | None = None  # of an epoch, drawn anew each time; None: every example once
    val_batches: int | None = None  # of an epoch's validation pass
    optimizer: str = "adamw"
    eps: float = 1e-8
    schedule: str = "cosine"
    lr: float
    warmup_steps: int | None = None  # None: 10 % of the schedule
    clamp_warmup: bool = True  # False where --warmup-steps was given
    weight_decay: float
    dropout: float
    pretrained: bool = False  # of timm/NAME: begins at its published weights
    clip_norm: float | None = None
    seed: int = 0
    precision: str = "auto"

    def __post_init__(self) -> None:
        for name in ("image", "native"):  # lists of JSON are tuples here, and a square is its side
            if getattr(self, name) is not None:
                object.__setattr__(self, name, normal(getattr(self, name)))
        checks.check_shape(self)
        checks.check_numbers(self)
        checks.check_size(self)
        checks.check_name(self.dataset, size=self.size)

    @property
    def shape(self) -> Shape:
        """The cells that the parameter count depends on."""
        return family_of(self.model).shape(vars(self))

    @property
    def parameters(self) -> int:
        """Trainable parameters, embeddings and head included, as the family counts them."""
        return family_of(self.model).parameters(self.shape)

    @property
    def tokens(self) -> int:
        """Tokens of a block of the model, 1 where it has none."""
        return family_of(self.model).tokens(self.shape)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """One input as the model sees it: (channels, H, W), or (channels, L) of a signal."""
        return (self.channels, *extent(self.image))

    @property
    def stored_side(self) -> Extent:
        """Side in pixels at which the cache keeps the images, or (H, W), or a signal's (L,); the smaller per axis."""
        return smaller(self.image, self.native)

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
    def folder(self) -> str:
        """The folder of the model's runs, below the checkpoints and on the Hub."""
        return checks.file_part(self.model)

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
            if value is not None or name not in CELLS:
                _check_type(name, value, str(known[name].type))
        if missing := [n for n, f in known.items() if f.default is dataclasses.MISSING and n not in fields]:
            raise InputError(f"the config lacks {', '.join(missing)}")
        return cls(**fields)


def _check_type(name: str, value: Any, declared: str) -> None:
    """Raises InputError unless a JSON value has its field's declared type."""
    types: dict[str, Any] = {"int": int, "float": (int, float), "str": str, "bool": bool, "None": type(None)}
    types["Extent"] = (int, list, tuple)
    allowed = [types[part] for part in declared.split(" | ")]
    if not any(isinstance(value, kind) for kind in allowed) or (isinstance(value, bool) and "bool" not in declared):
        raise InputError(f"the config's {name}={value!r} is not of type {declared}")


def resolve(request: Mapping[str, Any], facts: DatasetFacts) -> RunConfig:
    """The config of a command: what was asked for, then the dataset's protocol, then the size table.

    `request` holds only the options that were given, under their fields' names; `match` and `like` are no fields: they
    say whose parameters or FLOPs the size is to meet.
    """
    row = model_row(request.get("model", DEFAULT_MODEL))
    protocol = PROTOCOLS.get(facts.name, UNKNOWN)
    if matching.asked(request):
        other = resolve(matching.of_the_other(request), facts)
        request = matching.matched(row, request, protocol, other, channels=facts.channels, classes=facts.classes)
    cells = {
        name: getattr(protocol, name)
        for name in ("image", "batch_size", "val_batch_size", "epochs", "train_batches", "val_batches",
                     "optimizer", "eps", "schedule", "lr", "warmup_steps", "weight_decay", "dropout")
    }  # fmt: skip
    cells |= {"augment": protocol.augment, "clamp_warmup": "warmup_steps" not in request}
    if known := DATASETS.get(facts.name):
        cells |= {"split_seed": known.split_seed, "val_fraction": known.val_fraction}
        cells |= {"test_fraction": known.test_fraction or None}
    cells |= {name: value for name, value in request.items() if name in _FIELDS and name != "size"}
    cells |= {"model": row.name, "dataset": facts.name}
    cells |= {"task": facts.task, "classes": facts.classes, "channels": facts.channels}
    if facts.image is not None:
        cells["image"] = facts.image
    elif facts.kind == "signal" and isinstance(cells["image"], int):
        cells["image"] = (cells["image"],)
    cells |= {"native": facts.native, "fingerprint": facts.fingerprint}
    if known:  # the row's own names, given or not, are one run
        own: dict[str, Any] = {
            "image_column": known.image_column,
            "label_column": known.label_column,
            "dataset_config": known.config,
        }
        own |= {"field": known.image_column, "target": known.label_column, "mirror": True, "background": BACKGROUND}
        cells |= {name: None for name, value in own.items() if cells.get(name) == value}
    cells |= sizing.sized(row, request, protocol, dataset=facts.name, image=cells["image"], classes=facts.classes,
                          channels=facts.channels)  # fmt: skip
    return RunConfig(**cells)


_FIELDS = {field.name for field in dataclasses.fields(RunConfig)}
