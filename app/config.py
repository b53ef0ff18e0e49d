"""RunConfig: everything that decides a run's result, resolved and validated when made, and named by its content."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from app.errors import InputError
from app.tables.datasets import DATASETS, DatasetRow
from app.tables.models import ATTENTIONS, DEFAULT_MODEL, MODELS, ModelRow, Shape
from app.tables.names import look_up, suggestion
from app.tables.protocols import AUGMENTS, PROTOCOLS, UNKNOWN
from app.tables.sizes import TOLERANCE, budget, parse_size, row_for

RESIZE = "bilinear-antialias"  # how images reach their stored side; part of a run's name
PRECISIONS = ("auto", "fp32", "bf16")
_MOST = 2**31  # of pixels, layers, rows, steps: anything that is counted


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
        _validate_shape(self)
        _validate_numbers(self)
        _validate_size(self)

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
        """8 hex digits of a hash over the fields that decide the result, each left out at its default."""
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
        return f"model_{self.run_id}_{self.size}_{self.dataset.replace('/', '--')}"

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
    return RunConfig(**_with_shape(cells, request, row))


_FIELDS = {field.name for field in dataclasses.fields(RunConfig)}


def _with_shape(cells: dict[str, Any], request: Mapping[str, Any], row: ModelRow) -> dict[str, Any]:
    """Fills d_model, depth and heads from the size table, or solves depth where the table's does not apply."""
    size_row, own = row_for(cells["size"], cells["dataset"])
    cells.setdefault("attention", row.attention)
    _known("attention", cells["attention"], ATTENTIONS)
    cells.setdefault("d_model", size_row.d_model)
    cells.setdefault("mlp_ratio", size_row.mlp_ratio)
    cells.setdefault("heads", ATTENTIONS[cells["attention"]].of_classic(size_row.heads))
    if "depth" in request:
        return cells
    table_holds = own and (cells["d_model"], cells["mlp_ratio"]) == (size_row.d_model, size_row.mlp_ratio)
    if table_holds and cells["attention"] in ("classic", "differential"):
        return cells | {"depth": size_row.depth}
    _check_divisions(**{name: cells[name] for name in ("attention", "d_model", "heads", "image", "patch")})
    _positive(mlp_ratio=cells["mlp_ratio"], most=_MOST)
    shape: dict[str, Any] = {field.name: cells.get(field.name) for field in dataclasses.fields(Shape)}
    return cells | {"depth": nearest_depth(row, Shape(**(shape | {"depth": 1})), budget(cells["size"]))}


def nearest_depth(row: ModelRow, shape: Shape, wanted: int) -> int:
    """The depth, at least 1, whose count comes nearest to the budget; counts are linear in depth."""
    one, two = (row.parameters(dataclasses.replace(shape, depth=depth)) for depth in (1, 2))
    return max(1, round(1 + (wanted - one) / (two - one)))


def _known(kind: str, name: str, known: Iterable[str]) -> None:
    if name not in known:
        raise InputError(f"unknown {kind} {name!r}; {suggestion(name, [*known])}")


def _positive(most: float = sys.float_info.max, **numbers: float | None) -> None:
    """Raises InputError unless every number that is given is above 0 and at most `most`."""
    for name, value in numbers.items():
        if value is not None and not 0 < value <= most:
            raise InputError(f"{name}={value} must be a number above 0" + (f", at most {most:,}" if value > 0 else ""))


def _not_negative(most: float = sys.float_info.max, **numbers: float | None) -> None:
    for name, value in numbers.items():
        if value is not None and not 0 <= value <= most:
            raise InputError(f"{name}={value} must be 0 or more" + (f", at most {most:,}" if value > 0 else ""))


def _around(wanted: int, *, n: int, of: int = 1) -> str:
    """The numbers next to `wanted` of which `of` times divides n."""
    low = [divisor for divisor in range(1, math.isqrt(n) + 1) if n % divisor == 0]
    fits = sorted(divisor // of for divisor in {*low, *(n // divisor for divisor in low)} if divisor % of == 0)
    near = [*[fit for fit in fits if fit < wanted][-1:], *[fit for fit in fits if fit > wanted][:1]]
    return f"nearest: {', '.join(map(str, near))}" if near else f"{n} is not a multiple of {of}"


def _check_divisions(*, attention: str, d_model: int, heads: int, image: int, patch: int) -> None:
    """Raises InputError where a side does not split into patches or a width into heads."""
    _positive(d_model=d_model, heads=heads, image=image, patch=patch, most=_MOST)
    if image % patch:
        raise InputError(f"image={image} is not a multiple of patch={patch}; {_around(patch, n=image)}")
    parts = 2 if attention == "differential" else 1  # of a head's width
    if d_model % (parts * heads):
        near = _around(heads, n=d_model, of=parts)
        raise InputError(f"d_model={d_model} does not divide into heads={heads} of {attention} attention; {near}")


def _validate_shape(config: RunConfig) -> None:
    _known("model", config.model, MODELS)
    _known("attention", config.attention, ATTENTIONS)
    if config.attention == "classic" and MODELS[config.model].attention != "classic":
        raise InputError(f"attention=classic does not fit model={config.model}; use --model vit_classic")
    if config.attention != "classic" and MODELS[config.model].attention == "classic":
        raise InputError(f"attention={config.attention} does not fit model={config.model}; use --model {DEFAULT_MODEL}")
    counted = ("depth", "mlp_ratio", "channels", "native", "classes")
    _positive(**{name: getattr(config, name) for name in counted}, most=_MOST)
    if config.classes < 2:
        raise InputError(f"the dataset {config.dataset} has {config.classes} class; at least 2 are needed")
    _check_divisions(
        attention=config.attention,
        d_model=config.d_model,
        heads=config.heads,
        image=config.image,
        patch=config.patch,
    )


def _validate_numbers(config: RunConfig) -> None:
    counted = ("batch_size", "val_batch_size", "epochs", "limit_train", "limit_val", "limit_test")
    _positive(**{name: getattr(config, name) for name in counted}, most=_MOST)
    _positive(lr=config.lr, clip_norm=config.clip_norm)
    _not_negative(seed=config.seed, split_seed=config.split_seed, most=2**63 - 1)
    _not_negative(warmup_steps=config.warmup_steps, most=_MOST)
    _not_negative(weight_decay=config.weight_decay)
    if not 0 <= config.dropout < 1:
        raise InputError(f"dropout={config.dropout} must be at least 0 and below 1")
    for name in ("val_fraction", "test_fraction"):
        value = getattr(config, name)
        if value is not None and not 0 < value < 1:
            raise InputError(f"{name}={value} must lie between 0 and 1")
    _known("augment", config.augment, AUGMENTS)
    _known("precision", config.precision, PRECISIONS)


def _is_a_row(config: RunConfig) -> bool:
    """Whether the shape is the size table's own at the dataset's own image and patch."""
    row, own = row_for(config.size, config.dataset)
    protocol, attention = PROTOCOLS.get(config.dataset, UNKNOWN), MODELS[config.model].attention
    shape = (config.d_model, config.depth, config.heads, config.mlp_ratio, config.image, config.patch, config.attention)
    heads = ATTENTIONS[attention].of_classic(row.heads)
    return own and shape == (row.d_model, row.depth, heads, row.mlp_ratio, protocol.image, protocol.patch, attention)


def _validate_size(config: RunConfig) -> None:
    """Raises InputError when the shape's count is more than 5 % off its budget; a row of the table stands as it is."""
    if config.size != (spelled := parse_size(config.size)):
        raise InputError(f"size={config.size} is written {spelled}")
    wanted, row = budget(config.size), MODELS[config.model]
    if abs(config.parameters / wanted - 1) <= TOLERANCE or _is_a_row(config):
        return
    depth = nearest_depth(row, config.shape, wanted)
    near = [dataclasses.replace(config.shape, depth=d) for d in sorted({max(1, depth - 1), depth, depth + 1})]
    reachable = ", ".join(f"{row.parameters(shape) / 1e6:.2f}M at depth={shape.depth}" for shape in near)
    raise InputError(
        f"size={config.size} is missed by {config.parameters / wanted - 1:+.1%}: d_model={config.d_model} "
        f"depth={config.depth} has {config.parameters:,} parameters (5 % is allowed); reachable: {reachable}"
    )
