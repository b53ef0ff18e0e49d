"""A run's attention maps for test images, and for images among distractors, as numbers per image that are kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from .. import place
from ..artifacts import attention_rows
from ..artifacts.attention_rows import CANVAS, PATCHED, TEST, Numbers, Part
from ..artifacts.runs import Run
from ..artifacts.which import FINAL, Which
from ..config import effects, noisy
from ..data.splits.resident import Split
from ..errors import InputError
from ..models.attention import measures
from ..models.attention.seen import blocks_of, largest_difference, patches_of, seen
from ..place import Place
from ..system.locks import lock
from ..tables.attention_numbers import EVERY, MOST_DISTRACTORS, USUAL_ROWS
from . import recomputing, scenes
from .corrupting import chosen, part_of
from .elsewhere import restored
from .observers import Screen
from .options import Options
from .scenes import Found, Scene

_ENTRIES = 1 << 24  # of the maps of a layer, of all images of a chunk
_MOST = 64  # images of a chunk
_SECONDS = 20.0  # between two writes of the file


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The test rows, and the images among distractors that are measured, too."""

    rows: int | None = USUAL_ROWS  # a fixed stratified part; None: all
    canvases: bool = False
    distractors: int | None = None  # patches of an image, at most; None: as many as the run was trained with

    def inputs(self, run: Run) -> tuple[str, ...]:
        """Return the names of a run's inputs: test images, canvases by their distractors, images by their patches."""
        count = self.patches(run)
        return (
            TEST,
            *(f"{CANVAS}{each}" for each in range(MOST_DISTRACTORS + 1) if self.canvases),
            *(f"{PATCHED}{each}" for each in range(count + 1) if count),
        )

    def patches(self, run: Run) -> int:
        """Return the largest number of patches in an image. 0: images with patches are not measured."""
        usual = max(run.config.distractors, run.config.test_distractors)
        return usual if self.distractors is None else self.distractors


@dataclass(frozen=True)
class Looked:
    """A run with the numbers of its test images, all for the same rows."""

    run: Run
    path: str  # of attention, in training
    parts: Mapping[Part, Numbers]


def look(run: Run, asked: Asked, options: Options, screen: Screen, *, which: Which = FINAL) -> Looked:
    """Return the numbers of a run. Those that are kept are not computed again.

    Raises InputError for an unfinished run, for a model without attention maps, and if its data are unavailable or
    differ.
    """
    run.require_done()
    which.require(run)
    require_maps(run, asked)
    with lock(run.files.lock, wait=False), place.own_threads():
        here = place.choose(device=options.device, precision="fp32", threads=options.threads, exact=True)
        whole = recomputing.splits_of(run, here, options, screen).test
        test = part_of(whole, chosen(whole, asked.rows, regression=run.config.task == "regression"))
        work = _Work(run, test, here, which, options, screen, attention_rows.load(run.files.attention))
        wanted = asked.inputs(run)
        with work.kept():
            for name in wanted:
                work.inputs(name, (lambda: None) if name == TEST else partial(scenes.of, name, run, whole, test, here))
        rows = np.sort(test.rows)
        found = {
            part: numbers for part, all_rows in work.stored.items()
            if part.weights == which.name and part.inputs in wanted and (numbers := all_rows.of(rows)) is not None
        }  # fmt: skip
    return Looked(run, str(run.record.stored_execution.get("attention_path")), found)


def require_maps(run: Run, asked: Asked) -> None:
    """Raise InputError for a run without attention of isoscale, and for distractors if data are no labelled images."""
    config = run.config
    if "attention" not in config.family.cells:
        raise InputError(
            f"run {config.run_id} is a {config.model}, which has no attention maps that can be computed here. Name a "
            "run of a model with an `attention` option, such as vit_classic"
        )
    classified = effects.kind_of(config.dataset) == "image" and config.task != "regression"
    for option, wanted in (("--canvases", asked.canvases), ("--distractors", asked.distractors)):
        if wanted and not classified:
            raise InputError(f"{option} needs a classification of images, which run {config.run_id} is not. Omit it")
    noisy.require_side("distractors", asked.distractors or 0, config.stored_side)


def chunk_of(model: nn.Module, tokens: int) -> int:
    """Return how many images are computed at once, which depends on the model only, so that bits do not change."""
    heads = max(int(block.attention.heads) for block in blocks_of(model))  # type: ignore[arg-type]
    return max(1, min(_MOST, _ENTRIES // (2 * heads * tokens * tokens)))


@dataclass
class _Work:
    """The numbers that are there, and the model, which is built if one is missing."""

    run: Run
    test: Split
    here: Place
    which: Which
    options: Options
    screen: Screen
    stored: dict[Part, Numbers]
    changed: bool = False
    _model: nn.Module | None = None
    _at: float = field(default_factory=time.monotonic)

    @property
    def model(self) -> nn.Module:
        if self._model is None:
            self._model = restored(self.run, self.here, self.options, self.screen, weights=self.which.file)
        return self._model

    def kept(self) -> _Kept:
        return _Kept(self)

    def inputs(self, name: str, scene: Callable[[], Scene | None]) -> None:
        """Add the numbers of the missing rows for some inputs, a chunk at a time. No scene: the test images."""
        there = self.stored.get(Part(self.which.name, name, EVERY))
        missing = np.flatnonzero(~np.isin(self.test.rows, [] if there is None else there.rows))
        if not len(missing):
            return
        made = scene()
        given, measured = (self.test, _of_images) if made is None else (made.split, made.numbers)
        size = chunk_of(self.model, _tokens(self.model, given))
        for start in range(0, len(missing), size):
            self.screen.stage(f"{self.run.record.run_id}: {name}, image {start + 1:,} of {len(missing):,}")
            examples = missing[start : start + size]
            images, targets = given.batch(examples)
            found = measured(self.model, images, targets, examples)
            self.add(name, self.test.rows[examples].astype(np.int64), found)

    def add(self, name: str, rows: np.ndarray, found: Found) -> None:
        """Add the numbers of a chunk, and write the file if the last write is some time ago."""
        order = np.argsort(rows, kind="stable")
        for part, values in found.items():
            key = Part(self.which.name, name, part.layer)
            new = Numbers(
                rows[order],
                {each: value.cpu().numpy()[order].astype(np.float64) for each, value in values.items()},
            )
            self.stored[key] = self.stored[key].joined(new) if key in self.stored else new
        self.changed = True
        if time.monotonic() - self._at > _SECONDS:
            self.write()

    def write(self) -> None:
        """Write what is there."""
        if self.changed:
            attention_rows.save(self.run.files.attention, self.stored)
            self.changed, self._at = False, time.monotonic()


@dataclass
class _Kept:
    """A context at whose end, also after an interruption, the numbers are written."""

    work: _Work

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        self.work.write()


def _tokens(model: nn.Module, split: Split) -> int:
    images, _ = split.batch(np.arange(1))
    _, layers = seen(model, images.float())
    return int(next(layers).hidden.shape[1])


def _of_images(model: nn.Module, images: Tensor, targets: Tensor, examples: np.ndarray) -> Found:
    """Return the numbers of each layer for a chunk of test images, and the checks of all layers together."""
    del targets, examples
    patches, found = patches_of(model), Found()
    errors = []
    for number, layer in enumerate(seen(model, images.float())[1]):
        found[Part("", TEST, number)] = {
            **measures.numbers(layer.maps),
            **measures.of_tokens(layer.hidden, layer.maps, patches),
            **measures.of_activations("logit", layer.scores),
            **measures.of_activations("hidden", layer.hidden.flatten(1)),
        }
        errors.append(measures.sum_error(layer.maps))
    off = largest_difference(model, images[:1].float())
    checks = {"sum_error": max(errors), "path_difference": off}  # float32 numbers
    return found | {Part("", TEST, EVERY): {name: torch.full((len(images),), value) for name, value in checks.items()}}
