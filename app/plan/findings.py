"""Checks of a run before it starts: one line per check, pass, warn, fail or note."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..config import recipes, schedules
from ..config.matching import counted
from ..config.resolve import protocol_of
from ..config.run import RunConfig
from ..counts.vit import head_width
from ..system import machine, storage
from ..system.findings import FAIL, NOTE, PASS, WARN, Finding
from ..tables import own
from ..tables.datasets import DatasetRow
from ..tables.recipes import NONE
from ..tables.shape import with_unit
from ..tables.sizes import TOLERANCE
from .extent import Extent

_LONG_WARMUP = 0.2  # of the schedule
_FEW_ROWS = 50  # of a class
_EQUAL = 0.001  # relative difference of matched models
_FEW_HEADS = 8  # or fewer (arXiv:2410.05258)
_RESTRICTED = re.compile(r"(^|-)(nc|nd)(-|$)|non-?commercial|no-?deriv", re.IGNORECASE)
_RATES = {
    "lion": "Its authors advise a rate 3 to 10 times smaller, and a weight decay as many times larger",
    "sgd": "SGD usually needs a larger one",
    "muon": "Muon's steps have AdamW's size, so it can stay",
}  # what to do about AdamW's learning rate
_SLOW_ON_CPU = 1e9  # floating-point operations of an image's forward pass: hours on a CPU


def warmup(config: RunConfig, steps: int | None) -> Finding:
    """Return the warm-up's share of the schedule."""
    if steps is None:
        return Finding(WARN, "warm-up", "its share is unknown before the rows are counted")
    used, clamped = schedules.warmup(config.warmup_steps, steps, clamp=config.clamp_warmup)
    share = f"{used:,} of {steps:,} steps ({100 * used / steps:.0f} %)"
    if clamped or used > _LONG_WARMUP * steps:
        return Finding(
            WARN, "warm-up", clamped or f"{share} is more than {100 * _LONG_WARMUP:.0f} %. Lower --warmup-steps"
        )
    return Finding(PASS, "warm-up", share)


def recipe(config: RunConfig) -> list[Finding]:
    """Return the settings of the run's recipe, if it has one."""
    text = recipes.described(config, config.row)
    return [Finding(PASS, "recipe", text)] if text else []


def rate(config: RunConfig) -> list[Finding]:
    """Return a note if another optimiser than the protocol's has the protocol's learning rate, else nothing."""
    protocol = protocol_of(config.dataset, config.row)
    alike = ("adam", "adamw")
    if config.recipe != NONE or config.lr != protocol.lr or config.optimizer in (*alike, protocol.optimizer):
        return []
    hint = _RATES.get(config.optimizer, "Choose one with --lr")
    says = f"{config.lr:g} is the protocol's, for {protocol.optimizer}, and this run uses {config.optimizer}. {hint}"
    return [Finding(NOTE, "learning rate", says)]


def labels_of_test(row: DatasetRow | None, extent: Extent) -> Finding:
    """Return whether the source's test rows have labels."""
    if row and row.unlabelled and extent.carved_test:
        return Finding(
            WARN,
            "test labels",
            f"{row.title}'s test rows have none. The test set is held out from train. {row.warning}",
        )
    if extent.carved_test:
        return Finding(PASS, "test labels", f"test is held out from the labelled rows{_n(extent.test)}")
    return Finding(PASS, "test labels", f"the source's own test split{_n(extent.test)}")


def _n(rows: int | None) -> str:
    return "" if rows is None else f", n = {rows:,}"


def licence(name: str) -> Finding:
    """Return what the dataset's licence allows."""
    if _RESTRICTED.search(name):
        return Finding(WARN, "licence", f"{name} restricts what may be done with the images. Read it before you share")
    if name in ("unknown", "other", ""):
        return Finding(WARN, "licence", "the source names no known licence. Ask its authors before you share images")
    return Finding(PASS, "licence", name)


def classes(config: RunConfig, extent: Extent) -> Finding:
    """Return whether the number of classes matches the data."""
    if config.task == "regression":
        return Finding(PASS, "target", "one value for each row")
    if extent.classes is None:
        return Finding(PASS, "classes", f"{config.classes}, as the dataset's row or metadata says")
    if extent.classes != config.classes:
        says = (
            f"the config has {config.classes}, but the cached dataset has {extent.classes}. Give its --dataset-config"
        )
        return Finding(FAIL, "classes", says)
    return Finding(PASS, "classes", f"{config.classes}, as the cached dataset has them")


def rows_per_class(config: RunConfig, extent: Extent) -> Finding:
    """Return the training rows per class, on average, or all training rows of a regression."""
    about = "training rows" if config.task == "regression" else "rows per class"
    if extent.train is None:
        return Finding(WARN, about, "unknown before the dataset is read")
    if config.task == "regression":
        few = f", fewer than {_FEW_ROWS}: expect a wide interval" if extent.train < _FEW_ROWS else ""
        return Finding(WARN if few else PASS, about, f"{extent.train:,}{few}")
    each = extent.train / config.classes
    says = f"{each:,.0f} ({extent.train:,} training rows, {config.classes} classes)"
    if each < 1:
        return Finding(FAIL, "rows per class", f"{says}: some classes are never seen. Raise --limit-train")
    if each < _FEW_ROWS:
        return Finding(WARN, "rows per class", f"{says}, fewer than {_FEW_ROWS}: expect a wide interval")
    return Finding(PASS, "rows per class", says)


def dataset(config: RunConfig, extent: Extent, *, offline: bool = False) -> Finding:
    """Return whether the data are on this machine, or can be downloaded."""
    if extent.cached:
        return Finding(PASS, "dataset", f"{config.dataset} is in the cache at {with_unit(config.stored_side)}")
    if extent.download_bytes == 0:
        return Finding(PASS, "dataset", f"{config.dataset} is on this machine, to be read once")
    much = "of unknown size" if extent.download_bytes is None else f"of {storage.spoken(extent.download_bytes)}"
    says = f"{config.dataset} is not in the cache at {with_unit(config.stored_side)}: a download {much}"
    if offline:
        lacks = f"{says}, which HF_HUB_OFFLINE prevents, so `train` would fail here"
        return Finding(WARN, "dataset", lacks, "unset HF_HUB_OFFLINE, or copy a cache that has the dataset")
    return Finding(WARN, "dataset", says)


def matched(config: RunConfig, other: RunConfig, *, match: str) -> list[Finding]:
    """Return whether two models have the same budget, and see equally many tokens."""
    ratio = {what: counted(config.family, config.shape, what) / counted(other.family, other.shape, what)
             for what in ("params", "flops")}  # fmt: skip
    off = abs(ratio[match] - 1)
    verdict = PASS if off <= _EQUAL else WARN if off <= TOLERANCE else FAIL
    params, flops = (f"{100 * ratio[what] - 100:+.2f} %" for what in ("params", "flops"))
    says = f"{params} parameters and {flops} FLOPs against {other.model} {other.parameters:,}"
    if verdict == FAIL:
        grow = "--grow KEYWORD " if config.family.name == own.FAMILY and config.grow is None else ""
        without = ", without --size," if other.family.name == own.FAMILY else ""
        says += f". {grow}--match {match} --like {own.spelled(other.model)}{without} chooses the nearest"
    same = config.tokens == other.tokens
    tokens = f"{config.tokens:,} against {other.tokens:,}" if not same else f"{config.tokens:,} in both"
    where = f"{config.dataset} at {with_unit(config.image)}"
    return [
        Finding(verdict, "matched", says),
        Finding(PASS if same else WARN, "tokens", f"{tokens}, of the same rows of {where}"),
    ]


def device(architecture: tuple[tuple[int, int], Sequence[str]] | None, kind: str, *, flops: int) -> Finding:
    """Return whether this torch has programs for the GPU or, on a CPU, whether the model is too large for one."""
    if architecture is None:
        if kind == "cpu" and flops > _SLOW_ON_CPU:
            return Finding(
                WARN, "device", f"no GPU: {flops / 1e9:.1f} GFLOPs per image and pass take very long on a CPU"
            )
        return Finding(PASS, "device", kind)
    return machine.architecture(*architecture)


def heads(config: RunConfig) -> list[Finding]:
    """Return a check that a differential model has as many heads as its authors advise, or nothing for other models."""
    if config.attention not in ("differential", "differential_v2", "dint") or config.heads > _FEW_HEADS:
        return []
    width = head_width(config.shape)
    says = (
        f"{config.heads} of width {width}. The authors of differential attention advise more than {_FEW_HEADS} "
        "(arXiv:2410.05258), so a null result with fewer is weak evidence"
    )
    narrow = config.d_model // 64  # heads of 32
    theirs = config.row.sized and config.attention != "dint"
    more = f". --model vit_differential_h32 has {narrow}" if theirs and narrow > config.heads else ""
    return [Finding(NOTE, "heads", says + more)]
