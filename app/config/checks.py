"""What a RunConfig refuses, each with a sentence that says what to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .. import task
from ..counts import family_of
from ..counts.vit import ATTENTIONS
from ..errors import InputError
from ..tables.models import DEFAULT_MODEL, MODELS, TIMM, model_row
from ..tables.protocols import AUGMENTS, OPTIMIZERS, SCHEDULES
from ..tables.ranges import MOST, check_known, check_not_negative, check_positive
from ..tables.reading import reading_of
from ..tables.shape import CELLS, TASKS, smaller
from ..tables.sizes import budget, parse_size
from . import sizing

if TYPE_CHECKING:
    from ..tables.datasets import DatasetRow
    from .run import RunConfig

PRECISIONS = ("auto", "fp32", "bf16")
NAME_BYTES = 255  # of one file name, on Linux's and macOS's file systems
SUFFIX_BYTES = len("._best_predictions.parquet.4194304.aside")  # the longest that files of a run add to its stem


def check_shape(config: RunConfig) -> None:
    """Raises InputError for a shape that cannot be built."""
    if not config.model.startswith(TIMM):
        check_known("model", config.model, MODELS)
    elif config.model != config.size:
        raise InputError(f"{config.model} has one size; leave --size out")
    check_positive(channels=config.channels, classes=config.classes, most=MOST)
    check_known("task", config.task, TASKS)
    if config.native is not None:
        smaller(config.image, config.native)
    if config.classes < task.of(config.task).least_outputs:
        raise InputError(f"the dataset {config.dataset} has {config.classes} class; at least 2 are needed")
    if config.attention is not None:
        check_known("attention", config.attention, ATTENTIONS)
        _check_attention(config.model, config.attention)
    family = family_of(config.model)
    for name in CELLS:
        if name not in family.cells and getattr(config, name) is not None:
            raise InputError(f"{name}={getattr(config, name)} has no effect on {config.model}; leave it out")
    family.check(config.shape)
    if config.pretrained and family.name != "timm":
        raise InputError(f"--pretrained has no effect on {config.model}; it is for --model timm/NAME")


def _check_attention(model: str, attention: str) -> None:
    """Raises InputError for an attention that makes another model of the study of this one."""
    row = model_row(model)
    ours = {"vit_classic": ("classic",), "vit_differential": ("differential", "differential_v2")}
    if not row.sized or attention in ours[model]:
        return
    other = "vit_small" if attention == "lsa" else DEFAULT_MODEL if row.attention == "classic" else "vit_classic"
    raise InputError(f"attention={attention} does not fit model={model}; use --model {other}")


def run_stem(*, run_id: str, size: str, dataset: str) -> str:
    """The name that all files of a run begin with."""
    return f"model_{run_id}_{file_part(size)}_{file_part(dataset)}"


def file_part(name: str) -> str:
    """A dataset or model as the names of files and folders hold it: `owner--name`, `timm--resnet18`."""
    return name.replace("/", "--")


def check_name(dataset: str, *, size: str = "1M") -> None:
    """Raises InputError for a dataset whose runs' files would have longer names than a file system takes (in UTF-8)."""
    stem = run_stem(run_id="0" * 8, size=size, dataset=dataset)
    over = len(stem.encode(errors="surrogateescape")) + SUFFIX_BYTES - NAME_BYTES
    if over > 0:
        raise InputError(
            f"the dataset's name {dataset} is too long for the names of a run's files, by {over} of {NAME_BYTES} "
            f"bytes; rename {'its folder' if dataset.startswith('local/') else 'it'}"
        )


FILES = ("data", "design", "filelist")  # options that say where a dataset of the user's own files lies


def require_files(row: DatasetRow, request: Mapping[str, Any]) -> None:
    """Raises InputError unless a request says where the files of fields or signals are, and only what suits them."""
    if "data" not in request:
        raise InputError(f"{row.name} is read from files of your own; say where they are with --data")
    if row.kind == "signal" and (given := [name for name in FILES[1:] if name in request]):
        raise InputError(f"--{given[0]} has no effect on the dataset {row.name}; leave it out")
    if "image" in request:
        part = "--crop" if row.kind == "field" else "--range"
        raise InputError(
            f"--image has no effect on {row.name}, which is seen as its files hold it; {part} takes a part"
        )
    reading_of({**request, "dataset": row.name})


def check_numbers(config: RunConfig) -> None:
    """Raises InputError for a number or choice outside its range."""
    counted = ("batch_size", "val_batch_size", "epochs", "limit_train", "limit_val", "limit_test")
    check_positive(**{name: getattr(config, name) for name in counted}, most=MOST)
    check_positive(train_batches=config.train_batches, val_batches=config.val_batches, most=2**24)
    check_positive(lr=config.lr, clip_norm=config.clip_norm, eps=config.eps)
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
    check_known("optimizer", config.optimizer, OPTIMIZERS)
    check_known("schedule", config.schedule, SCHEDULES)
    if config.augment == "randaugment" and not isinstance(config.stored_side, int):
        raise InputError("augment=randaugment turns square images only; give one side, or --augment flip_crop")
    if reading_of(vars(config)) and config.augment != "none":
        raise InputError(f"augment={config.augment} is for images, which {config.dataset} has not; leave it out")
    check_known("precision", config.precision, PRECISIONS)


def check_size(config: RunConfig) -> None:
    """Raises InputError when the shape's count is more than 5 % off its budget.

    A row of the size table stands as it is, and so does a model that is named whole.
    """
    if sizing.is_whole(config.model, config.size):
        return
    if config.size != (spelled := parse_size(config.size)):
        raise InputError(f"size={config.size} is written {spelled}")
    wanted, shape = budget(config.size), config.shape
    row = sizing.is_a_row(config.model, config.size, config.dataset, shape)
    if row or not sizing.too_far(config.model, shape, wanted):
        return
    family = family_of(config.model)
    grown = [name for name in dict.fromkeys(("d_model", family.growth)) if getattr(config, name) is not None]
    near = sizing.nearest(family, shape, budget(config.size))
    cells = " ".join(f"{name}={getattr(config, name)}" for name in grown)
    raise InputError(
        f"size={config.size} is missed by {sizing.misses(config.model, shape, wanted):+.1%}: {cells} has "
        f"{config.parameters:,} parameters (5 % is allowed); reachable: {sizing.reachable(family, shape, near)}"
    )
