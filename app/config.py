"""RunConfig: everything that decides a run's result, resolved and validated when made, and named by its content."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.errors import InputError
from app.tables.datasets import DATASETS, DatasetRow
from app.tables.models import ATTENTIONS, DEFAULT_MODEL, MODELS, ModelRow, Shape
from app.tables.names import look_up, suggestion
from app.tables.protocols import AUGMENTS, PROTOCOLS, UNKNOWN
from app.tables.sizes import TOLERANCE, budget, parse_size, row_for

RESIZE = "bilinear-antialias"  # how images reach their stored side; part of a run's name
PRECISIONS = ("auto", "fp32", "bf16")


@dataclass(frozen=True, kw_only=True)
class DatasetFacts:
    """What a config needs to know of a dataset; `fingerprint` is a local dataset's content."""

    name: str
    classes: int
    channels: int = 3
    native: int | None = None  # None: nothing is known, images are stored at the side the model sees
    fingerprint: str | None = None


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


def is_local(dataset: str) -> bool:
    """Whether a dataset is named by a path: `./folder`, `/folder`, `~/folder` or `..`."""
    return dataset.startswith((".", "/", "~"))


def dataset_row(dataset: str) -> DatasetRow | None:
    """The dataset's own row, or None for one of the Hub or of a folder; raises InputError for neither."""
    if is_local(dataset) or dataset.startswith("local/"):
        return None
    if "/" not in dataset:
        try:
            return look_up("dataset", dataset, DATASETS)
        except InputError as error:
            hint = f"./{dataset} for the folder of that name" if Path(dataset).is_dir() else "owner/name on the Hub"
            raise InputError(f"{error} (or {hint})") from None
    owner, _, name = dataset.partition("/")
    if not owner or not name or "/" in name:
        raise InputError(f"dataset {dataset!r} is neither a name in the table, owner/name on the Hub nor ./a-folder")
    return next((row for row in DATASETS.values() if row.hub and row.hub.lower() == dataset.lower()), None)


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
    if cells["attention"] not in ATTENTIONS:
        known = list(ATTENTIONS)
        raise InputError(f"unknown attention {cells['attention']!r}; {suggestion(cells['attention'], known)}")
    cells.setdefault("d_model", size_row.d_model)
    cells.setdefault("mlp_ratio", size_row.mlp_ratio)
    cells.setdefault("heads", ATTENTIONS[cells["attention"]].of_classic(size_row.heads))
    if "depth" in request:
        return cells
    table_holds = own and (cells["d_model"], cells["mlp_ratio"]) == (size_row.d_model, size_row.mlp_ratio)
    if table_holds and cells["attention"] in ("classic", "differential"):
        return cells | {"depth": size_row.depth}
    _check_divisions(**{name: cells[name] for name in ("attention", "d_model", "heads", "image", "patch")})
    shape: dict[str, Any] = {field.name: cells.get(field.name) for field in dataclasses.fields(Shape)}
    return cells | {"depth": nearest_depth(row, Shape(**(shape | {"depth": 1})), budget(cells["size"]))}


def nearest_depth(row: ModelRow, shape: Shape, wanted: int) -> int:
    """The depth, at least 1, whose count comes nearest to the budget; counts are linear in depth."""
    one, two = (row.parameters(dataclasses.replace(shape, depth=depth)) for depth in (1, 2))
    return max(1, round(1 + (wanted - one) / (two - one)))


def _check_divisions(*, attention: str, d_model: int, heads: int, image: int, patch: int) -> None:
    """Raises InputError where a side does not split into patches or a width into heads."""
    _positive(d_model=d_model, heads=heads, image=image, patch=patch)
    if image % patch:
        lower = max(divisor for divisor in range(1, patch) if image % divisor == 0)
        upper = min((divisor for divisor in range(patch, image + 1) if image % divisor == 0), default=image)
        near = f"{lower}, {upper}" if upper != lower else f"{lower}"
        raise InputError(f"image={image} is not a multiple of patch={patch}; nearest: {near}")
    parts = 2 * heads if attention == "differential" else heads
    if d_model % parts:
        fits = [h for h in range(1, d_model + 1) if d_model % (parts // heads * h) == 0]
        near = ", ".join(str(h) for h in sorted(sorted(fits, key=lambda h: abs(h - heads))[:2]))
        raise InputError(
            f"d_model={d_model} does not divide into heads={heads} of {attention} attention; nearest: {near}"
        )


def _positive(**numbers: float) -> None:
    for name, value in numbers.items():
        if not value > 0 or not math.isfinite(value):
            raise InputError(f"{name}={value} must be a number above 0")


def _validate_shape(config: RunConfig) -> None:
    look_up("model", config.model, MODELS)
    look_up("attention", config.attention, ATTENTIONS)
    if config.attention == "classic" and MODELS[config.model].attention != "classic":
        raise InputError(f"attention=classic does not fit model={config.model}; use --model vit_classic")
    if config.attention != "classic" and MODELS[config.model].attention == "classic":
        raise InputError(f"attention={config.attention} does not fit model={config.model}; use --model {DEFAULT_MODEL}")
    _positive(depth=config.depth, mlp_ratio=config.mlp_ratio, channels=config.channels, classes=config.classes)
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
    _positive(batch_size=config.batch_size, val_batch_size=config.val_batch_size, epochs=config.epochs, lr=config.lr)
    for name in ("limit_train", "limit_val", "limit_test", "clip_norm"):
        if (value := getattr(config, name)) is not None:
            _positive(**{name: value})
    for name in ("seed", "split_seed", "weight_decay", "warmup_steps"):
        value = getattr(config, name)
        if value is not None and not (value >= 0 and math.isfinite(value)):
            raise InputError(f"{name}={value} must be 0 or more")
    if not 0 <= config.dropout < 1:
        raise InputError(f"dropout={config.dropout} must be at least 0 and below 1")
    for name in ("val_fraction", "test_fraction"):
        value = getattr(config, name)
        if value is not None and not 0 < value < 1:
            raise InputError(f"{name}={value} must lie between 0 and 1")
    for name, known in (("augment", AUGMENTS), ("precision", PRECISIONS)):
        if getattr(config, name) not in known:
            raise InputError(f"unknown {name} {getattr(config, name)!r}; {suggestion(getattr(config, name), [*known])}")


def _is_a_row(config: RunConfig) -> bool:
    """Whether the shape is the size table's own at the dataset's own image and patch."""
    row, own = row_for(config.size, config.dataset)
    protocol, attention = PROTOCOLS.get(config.dataset, UNKNOWN), MODELS[config.model].attention
    shape = (config.d_model, config.depth, config.heads, config.mlp_ratio, config.image, config.patch, config.attention)
    heads = ATTENTIONS[attention].of_classic(row.heads)
    return own and shape == (row.d_model, row.depth, heads, row.mlp_ratio, protocol.image, protocol.patch, attention)


def _validate_size(config: RunConfig) -> None:
    """Raises InputError when the shape's count is more than 5 % off its budget; a row of the table stands as it is."""
    wanted, row = budget(parse_size(config.size)), MODELS[config.model]
    if abs(config.parameters / wanted - 1) <= TOLERANCE or _is_a_row(config):
        return
    depth = nearest_depth(row, config.shape, wanted)
    near = [dataclasses.replace(config.shape, depth=d) for d in sorted({max(1, depth - 1), depth, depth + 1})]
    reachable = ", ".join(f"{row.parameters(shape) / 1e6:.2f}M at depth={shape.depth}" for shape in near)
    raise InputError(
        f"size={config.size} is missed by {config.parameters / wanted - 1:+.0%}: d_model={config.d_model} "
        f"depth={config.depth} has {config.parameters:,} parameters (5 % is allowed); reachable: {reachable}"
    )
