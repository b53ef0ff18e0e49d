"""What a RunConfig refuses, each with a sentence that says what to do."""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

from app.errors import InputError
from app.tables.models import ATTENTIONS, DEFAULT_MODEL, MODELS, ModelRow, Shape
from app.tables.names import suggestion
from app.tables.protocols import AUGMENTS, PROTOCOLS, UNKNOWN
from app.tables.sizes import TOLERANCE, budget, parse_size, row_for

if TYPE_CHECKING:
    from app.config import RunConfig

PRECISIONS = ("auto", "fp32", "bf16")
NAME_BYTES = 255  # of one file name, on Linux's and macOS's file systems
SUFFIX_BYTES = len("._best_predictions.parquet.4194304.aside")  # the longest that files of a run add to its stem
MOST = 2**31  # of pixels, layers, rows, steps: anything that is counted


def nearest_depth(row: ModelRow, shape: Shape, wanted: int) -> int:
    """The depth, at least 1, whose count comes nearest to the budget; counts are linear in depth."""
    one, two = (row.parameters(dataclasses.replace(shape, depth=depth)) for depth in (1, 2))
    return max(1, round(1 + (wanted - one) / (two - one)))


def check_known(kind: str, name: str, names: Iterable[str]) -> None:
    """Raises InputError with the nearest name unless the name is known."""
    if name not in names:
        raise InputError(f"unknown {kind} {name!r}; {suggestion(name, [*names])}")


def check_positive(most: float = sys.float_info.max, **numbers: float | None) -> None:
    """Raises InputError unless every number that is given is above 0 and at most `most`."""
    for name, value in numbers.items():
        if value is not None and not 0 < value <= most:
            raise InputError(f"{name}={value} must be a number above 0" + (f", at most {most:,}" if value > 0 else ""))


def check_not_negative(most: float = sys.float_info.max, **numbers: float | None) -> None:
    """Raises InputError unless every number that is given is 0 or more and at most `most`."""
    for name, value in numbers.items():
        if value is not None and not 0 <= value <= most:
            raise InputError(f"{name}={value} must be 0 or more" + (f", at most {most:,}" if value > 0 else ""))


def _around(wanted: int, *, n: int, of: int = 1) -> str:
    """The numbers next to `wanted` of which `of` times divides n."""
    low = [divisor for divisor in range(1, math.isqrt(n) + 1) if n % divisor == 0]
    fits = sorted(divisor // of for divisor in {*low, *(n // divisor for divisor in low)} if divisor % of == 0)
    near = [*[fit for fit in fits if fit < wanted][-1:], *[fit for fit in fits if fit > wanted][:1]]
    return f"nearest: {', '.join(map(str, near))}" if near else f"{n} is not a multiple of {of}"


def check_divisions(*, attention: str, d_model: int, heads: int, image: int, patch: int) -> None:
    """Raises InputError where a side does not split into patches or a width into heads."""
    check_positive(d_model=d_model, heads=heads, image=image, patch=patch, most=MOST)
    if image % patch:
        raise InputError(f"image={image} is not a multiple of patch={patch}; {_around(patch, n=image)}")
    parts = 2 if attention == "differential" else 1  # of a head's width
    if d_model % (parts * heads):
        near = _around(heads, n=d_model, of=parts)
        raise InputError(f"d_model={d_model} does not divide into heads={heads} of {attention} attention; {near}")


def check_shape(config: RunConfig) -> None:
    """Raises InputError for a shape that cannot be built."""
    check_known("model", config.model, MODELS)
    check_known("attention", config.attention, ATTENTIONS)
    if config.attention == "classic" and MODELS[config.model].attention != "classic":
        raise InputError(f"attention=classic does not fit model={config.model}; use --model vit_classic")
    if config.attention != "classic" and MODELS[config.model].attention == "classic":
        raise InputError(f"attention={config.attention} does not fit model={config.model}; use --model {DEFAULT_MODEL}")
    counted = ("d_model", "depth", "mlp_ratio", "channels", "native", "classes")
    check_positive(**{name: getattr(config, name) for name in counted}, most=MOST)
    if config.shape.hidden < 1:
        raise InputError(f"mlp_ratio={config.mlp_ratio} leaves the MLP no hidden layer; 4 is usual")
    if config.classes < 2:
        raise InputError(f"the dataset {config.dataset} has {config.classes} class; at least 2 are needed")
    check_divisions(
        attention=config.attention,
        d_model=config.d_model,
        heads=config.heads,
        image=config.image,
        patch=config.patch,
    )


def run_stem(*, run_id: str, size: str, dataset: str) -> str:
    """The name that all files of a run begin with."""
    return f"model_{run_id}_{size}_{dataset.replace('/', '--')}"


def check_name(dataset: str, *, size: str = "1M") -> None:
    """Raises InputError for a dataset whose runs' files would have longer names than a file system takes (in UTF-8)."""
    stem = run_stem(run_id="0" * 8, size=size, dataset=dataset)
    over = len(stem.encode(errors="surrogateescape")) + SUFFIX_BYTES - NAME_BYTES
    if over > 0:
        raise InputError(
            f"the dataset's name {dataset} is too long for the names of a run's files, by {over} of {NAME_BYTES} "
            f"bytes; rename {'its folder' if dataset.startswith('local/') else 'it'}"
        )


def check_numbers(config: RunConfig) -> None:
    """Raises InputError for a number or choice outside its range."""
    counted = ("batch_size", "val_batch_size", "epochs", "limit_train", "limit_val", "limit_test")
    check_positive(**{name: getattr(config, name) for name in counted}, most=MOST)
    check_positive(lr=config.lr, clip_norm=config.clip_norm)
    check_not_negative(seed=config.seed, split_seed=config.split_seed, most=2**63 - 1)
    check_not_negative(warmup_steps=config.warmup_steps, most=MOST)
    check_not_negative(weight_decay=config.weight_decay)
    if not 0 <= config.dropout < 1:
        raise InputError(f"dropout={config.dropout} must be at least 0 and below 1")
    for name in ("val_fraction", "test_fraction"):
        value = getattr(config, name)
        if value is not None and not 0 < value < 1:
            raise InputError(f"{name}={value} must lie between 0 and 1")
    check_known("augment", config.augment, AUGMENTS)
    check_known("precision", config.precision, PRECISIONS)


def _is_a_row(config: RunConfig) -> bool:
    """Whether the shape is the size table's own at the dataset's own image and patch."""
    row, own = row_for(config.size, config.dataset)
    protocol, attention = PROTOCOLS.get(config.dataset, UNKNOWN), MODELS[config.model].attention
    shape = (config.d_model, config.depth, config.heads, config.mlp_ratio, config.image, config.patch, config.attention)
    heads = ATTENTIONS[attention].of_classic(row.heads)
    return own and shape == (row.d_model, row.depth, heads, row.mlp_ratio, protocol.image, protocol.patch, attention)


def check_size(config: RunConfig) -> None:
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
