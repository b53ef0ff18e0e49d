"""A run's attention maps for test images, and for canvases with distractors, as numbers per image that are kept."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor, nn

from .. import place
from ..artifacts import attention_rows
from ..artifacts.attention_rows import TEST, Numbers, Part
from ..artifacts.runs import Run
from ..artifacts.which import FINAL, Which
from ..config import effects
from ..data.splits.resident import Split
from ..data.transforms import canvases
from ..data.transforms.normalise import Normalise
from ..data.transforms.resize import Resize
from ..errors import InputError
from ..models.attention import measures
from ..models.attention.lambdas import lambdas_of, scaled_lambda
from ..models.attention.layer import Maps
from ..models.attention.seen import blocks_of, largest_difference, patches_of, seen
from ..place import Place
from ..system.locks import lock
from ..tables.attention_numbers import EVERY, FACTORS, MOST_DISTRACTORS, USUAL_ROWS
from ..tables.shape import plane
from . import recomputing
from .corrupting import chosen, part_of
from .elsewhere import restored
from .observers import Screen
from .options import Options

_ENTRIES = 1 << 24  # of the maps of a layer, of all images of a chunk
_MOST = 64  # images of a chunk
_SECONDS = 20.0  # between two writes of the file

Found = dict[Part, dict[str, Tensor]]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The test rows, and whether canvases are measured, too."""

    rows: int | None = USUAL_ROWS  # a fixed stratified part; None: all
    canvases: bool = False


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
        with work.kept():
            work.inputs(TEST, lambda: test, _of_images)
            for count in range(MOST_DISTRACTORS + 1) if asked.canvases else ():
                made = _Canvases.of(run, test, here, count)
                work.inputs(f"canvas{count}", made.split, made.numbers)
        rows = np.sort(test.rows)
        wanted = {TEST, *(f"canvas{count}" for count in range(MOST_DISTRACTORS + 1) if asked.canvases)}
        found = {
            part: numbers for part, all_rows in work.stored.items()
            if part.weights == which.name and part.inputs in wanted and (numbers := all_rows.of(rows)) is not None
        }  # fmt: skip
    return Looked(run, str(run.record.stored_execution.get("attention_path")), found)


def require_maps(run: Run, asked: Asked) -> None:
    """Raise InputError for a run without attention of isoscale, and for canvases of other data than labelled images."""
    config = run.config
    if "attention" not in config.family.cells:
        raise InputError(
            f"run {config.run_id} is a {config.model}, which has no attention maps that can be computed here. Name a "
            "run of a model with an `attention` option, such as vit_classic"
        )
    if asked.canvases and (effects.kind_of(config.dataset) != "image" or config.task == "regression"):
        raise InputError(f"--canvases needs a classification of images, which run {config.run_id} is not. Omit it")


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

    def inputs(
        self, name: str, split: Callable[[], Split], measured: Callable[[nn.Module, Tensor, Tensor, Tensor], Found]
    ) -> None:  # fmt: skip
        """Add the numbers of the missing rows for some inputs, a chunk at a time."""
        there = self.stored.get(Part(self.which.name, name, EVERY))
        missing = np.flatnonzero(~np.isin(self.test.rows, [] if there is None else there.rows))
        if not len(missing):
            return
        given = split()
        size = chunk_of(self.model, _tokens(self.model, given))
        for start in range(0, len(missing), size):
            self.screen.stage(f"{self.run.record.run_id}: {name}, image {start + 1:,} of {len(missing):,}")
            examples = missing[start : start + size]
            images, targets = given.batch(examples)
            rows = torch.from_numpy(self.test.rows[examples].astype(np.int64)).to(self.here.device)
            found = measured(self.model, images, targets, rows)
            self.add(name, self.test.rows[examples].astype(np.int64), found)

    def add(self, name: str, rows: np.ndarray, found: Found) -> None:
        """Add the numbers of a chunk, and write the file if the last write is some time ago."""
        order = np.argsort(rows, kind="stable")
        for part, values in found.items():
            key = Part(self.which.name, name, part.layer)
            new = Numbers(
                rows[order],
                {each: value.double().cpu().numpy()[order] for each, value in values.items()},
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


def _of_images(model: nn.Module, images: Tensor, targets: Tensor, rows: Tensor) -> Found:
    """Return the numbers of each layer for a chunk of test images, and the checks of all layers together."""
    del targets, rows
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
    alike = torch.ones(len(images), dtype=torch.float64)
    off = largest_difference(model, images[:1].float())
    checks = {"sum_error": max(errors) * alike, "path_difference": off * alike}
    return found | {Part("", TEST, EVERY): checks}


@dataclass(frozen=True)
class _Canvases:
    """Canvases with a number of distractors, and what is measured on them."""

    made: canvases.Canvas
    test: Split
    count: int
    extent: tuple[int, int]

    @classmethod
    def of(cls, run: Run, test: Split, here: Place, count: int) -> _Canvases:
        labels = test.labels.cpu().numpy()[test.members]
        try:
            others = canvases.distractors(labels, test.rows.astype(np.int64), count)
        except ValueError as error:
            raise InputError(f"--canvases needs test images of two classes ({error}). Omit it") from error
        mean = run.record.data.mean or [0.5] * run.config.channels
        empty = torch.tensor([round(255 * value) for value in mean], device=here.device)
        rows = torch.from_numpy(test.rows.astype(np.int64)).to(here.device)
        positions = torch.from_numpy(test.members[others]).to(test.images.device)
        made = canvases.Canvas(test.images, positions, rows, empty)
        return cls(made, test, count, plane(run.config.image))

    def split(self) -> Split:
        """Return the test rows on canvases, resized and normalised as the run's images."""
        rest = [each for each in self.test.transforms if isinstance(each, Resize | Normalise)]
        return replace(self.test, transforms=(self.made, *rest))

    def numbers(self, model: nn.Module, images: Tensor, targets: Tensor, rows: Tensor) -> Found:
        """Return the shares on the target's cell in each layer, and which canvases are classified correctly."""
        at = canvases.places(rows, self.count)
        with_lambda = lambdas_of(model) is not None
        found, correct = self._at_factor(model, images, targets, at, "")
        for factor in FACTORS if with_lambda else ():
            with scaled_lambda(model, factor):
                more, right = self._at_factor(model, images, targets, at, f"_at_{factor:g}")
            correct |= right
            for part, values in more.items():
                found[part] |= values
        return found | {Part("", "", EVERY): correct}

    def _at_factor(
        self, model: nn.Module, images: Tensor, targets: Tensor, at: Tensor, suffix: str
    ) -> tuple[Found, dict[str, Tensor]]:
        patches, found = patches_of(model), Found()
        logits, layers = seen(model, images.float())
        for number, layer in enumerate(layers):
            values = {f"{name}{suffix}": self._share(each, patches, at) for name, each in _shown(layer.maps, suffix)}
            found[Part("", "", number)] = values
        return found, {f"correct{suffix}": (logits.argmax(1) == targets).double()}

    def _share(self, weights: Tensor, patches: slice, at: Tensor) -> Tensor:
        """Return the share on the target's cell of what the cls token reads, or all tokens without one: (B,)."""
        queries = slice(0, 1) if patches.start else slice(None)
        read = measures.shares(weights)[:, :, queries, patches].mean((1, 2))  # (B, P)
        cells = canvases.patch_cells(grid_of(read.shape[1], self.extent)).to(read)
        return measures.on_cells(read, cells, at[:, 0], canvases.occupied(at))


def _shown(maps: Maps, suffix: str) -> Iterator[tuple[str, Tensor]]:
    """Yield the maps whose shares are measured: D, and without a changed lambda also A1 and A2."""
    yield "share", maps.combined
    if maps.second is not None and not suffix:
        yield "share_first", maps.first
        yield "share_second", maps.second


def grid_of(patches: int, extent: tuple[int, int]) -> tuple[int, int]:
    """Return the rows and columns of patches in an image of (H, W) pixels."""
    rows = max(1, round(math.sqrt(patches * extent[0] / extent[1])))
    assert patches % rows == 0, "patches are a grid"
    return rows, patches // rows
