"""Test images among distractors at known places, and the shares of attention on the image in them.

A canvas has an image in one of 3 x 3 cells, and images of other classes in others. A patched image has patches of other
classes on its border, as `train --distractors` pastes them.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from ..artifacts.attention_rows import CANVAS, PATCHED, Part
from ..artifacts.runs import Run
from ..data.splits import noisy
from ..data.splits.resident import Split
from ..data.transforms import canvases, distractors
from ..data.transforms.normalise import Normalise
from ..data.transforms.resize import Resize
from ..errors import InputError
from ..models.attention import measures
from ..models.attention.lambdas import lambdas_of, scaled_lambda
from ..models.attention.layer import Maps
from ..models.attention.seen import patches_of, seen
from ..place import Place
from ..system import devices
from ..tables.attention_numbers import EVERY, FACTORS
from ..tables.shape import plane

Found = dict[Part, dict[str, Tensor]]


@dataclass(frozen=True)
class Scene(ABC):
    """Test rows as inputs with a number of distractors, and what is measured on them."""

    split: Split  # whose batches are the inputs
    count: int
    extent: tuple[int, int]  # of an input, in pixels

    @abstractmethod
    def share(self, weights: Tensor, rows: Tensor) -> Tensor:
        """Return the share on the image, of weights (B, P) of patch tokens and published rows (B,): (B,)."""

    def numbers(self, model: nn.Module, images: Tensor, targets: Tensor, examples: np.ndarray) -> Found:
        """Return the shares on the image in each layer, and which inputs are classified correctly."""
        rows = torch.from_numpy(self.split.rows[examples].astype(np.int64)).to(images.device)
        found, correct = self._at_factor(model, images, targets, rows, "")
        for factor in FACTORS if lambdas_of(model) is not None else ():
            with scaled_lambda(model, factor):
                more, right = self._at_factor(model, images, targets, rows, f"_at_{factor:g}")
            correct |= right
            for part, values in more.items():
                found[part] |= values
        return found | {Part("", "", EVERY): correct}

    def _at_factor(
        self, model: nn.Module, images: Tensor, targets: Tensor, rows: Tensor, suffix: str
    ) -> tuple[Found, dict[str, Tensor]]:
        logits, found = self._shares(model, images, rows, suffix)
        return found, {f"correct{suffix}": (logits.argmax(1) == targets).float()}

    def _shares(self, model: nn.Module, images: Tensor, rows: Tensor, suffix: str) -> tuple[Tensor, Found]:
        """Return the logits, and the shares of each layer's maps as `share<suffix>` and, for A1 and A2, likewise."""
        patches, found = patches_of(model), Found()
        logits, layers = seen(model, images.float())
        for number, layer in enumerate(layers):
            found[Part("", "", number)] = {
                f"{name}{suffix}": self.share(read_of(each, patches), rows) for name, each in _shown(layer.maps, suffix)
            }
        return logits, found


@dataclass(frozen=True)
class Canvases(Scene):
    """Canvases of 3 x 3 cells."""

    @classmethod
    def of(cls, run: Run, whole: Split, test: Split, here: Place, count: int) -> Canvases:
        """Return the test rows on canvases, whose distractors are drawn from the complete test set.

        Raises InputError for test images of one class.
        """
        try:
            others = canvases.distractors(whole.targets, test.targets, test.rows.astype(np.int64), count)
        except ValueError as error:
            raise InputError(f"--canvases needs test images of two classes ({error}). Omit it") from error
        mean = run.record.data.mean or [0.5] * run.config.channels
        empty = torch.tensor([round(255 * value) for value in mean], device=here.device)
        rows = torch.from_numpy(test.rows.astype(np.int64)).to(here.device)
        positions = torch.from_numpy(whole.members[others]).to(test.images.device)
        made = canvases.Canvas(test.images, positions, rows, empty)
        return cls(replace(test, transforms=(made, *_shaped(test))), count, plane(run.config.image))

    def share(self, weights: Tensor, rows: Tensor) -> Tensor:
        """Return the share on the target's cell, of what is on all cells with an image."""
        at = canvases.places(rows, self.count)
        cells = canvases.patch_cells(grid_of(weights.shape[1], self.extent)).to(weights.dtype).to(weights.device)
        return measures.on_cells(weights, cells, at[:, 0], canvases.occupied(at))


@dataclass(frozen=True)
class Patched(Scene):
    """Images with patches of other classes on their border."""

    clean: Split  # the same rows without patches
    seed: int  # of the places
    stored: tuple[int, int]  # height and width of a stored image, in pixels

    @classmethod
    def of(cls, run: Run, whole: Split, test: Split, here: Place, count: int) -> Patched:
        """Return the test rows with patches, which are cut from the complete test set as `--test-distractors` does.

        Raises InputError for test images of one class.
        """
        config, seed = run.config, run.config.split_seed
        clean = replace(test, transforms=_shaped(test))
        height, width = (int(side) for side in test.images.shape[-2:])
        split = clean
        if count:
            pasted = noisy.distract(whole, count, config, here, seed=seed, name="measured")
            split = replace(test, transforms=(pasted, *_shaped(test)))
        return cls(split, count, plane(config.image), clean, seed, (height, width))

    def share(self, weights: Tensor, rows: Tensor) -> Tensor:
        """Return the share on the area that no patch covers. A token that is partly covered counts by its area."""
        grid = grid_of(weights.shape[1], self.extent)
        visible = devices.through_float64(
            lambda cells: distractors.visible(cells, self.stored, grid).to(weights.dtype), self._cells(rows)
        )
        return measures.on_image(weights, visible)

    def numbers(self, model: nn.Module, images: Tensor, targets: Tensor, examples: np.ndarray) -> Found:
        """Return also the share of a uniform map, and the shares of the same places in the images without patches."""
        found = super().numbers(model, images, targets, examples)
        rows = torch.from_numpy(self.split.rows[examples].astype(np.int64)).to(images.device)
        covered = distractors.covered(self._cells(rows), *self.stored).cpu().numpy()
        found[Part("", "", EVERY)]["uniform"] = torch.from_numpy(1 - covered.mean((1, 2)))
        for part, values in self._shares(model, self.clean.batch(examples)[0], rows, "")[1].items():
            found[part] |= {f"{name}_clean": share for name, share in values.items()}
        return found

    def _cells(self, rows: Tensor) -> Tensor:
        return distractors.cells(self.count, seed=self.seed, epoch=None, rows=rows)


def of(name: str, run: Run, whole: Split, test: Split, here: Place) -> Scene:
    """Return the scene of inputs such as `canvas3` or `patched4`, of the rows `test` of the complete test set."""
    if name.startswith(CANVAS):
        return Canvases.of(run, whole, test, here, int(name.removeprefix(CANVAS)))
    return Patched.of(run, whole, test, here, int(name.removeprefix(PATCHED)))


def read_of(weights: Tensor, patches: slice) -> Tensor:
    """Return the shares of |weights| (B, H, N, N) on patch tokens that the cls token reads, or all tokens without one.

    They are means over heads and queries, (B, P).
    """
    queries = slice(0, 1) if patches.start else slice(None)
    return measures.shares(weights)[:, :, queries, patches].mean((1, 2))


def grid_of(patches: int, extent: tuple[int, int]) -> tuple[int, int]:
    """Return the rows and columns of patches in an image of (H, W) pixels."""
    rows = max(1, round(math.sqrt(patches * extent[0] / extent[1])))
    assert patches % rows == 0, "patches are a grid"
    return rows, patches // rows


def _shaped(split: Split) -> tuple[Resize | Normalise, ...]:
    """Return the transforms that any of the run's images passes, without its distractors."""
    return tuple(each for each in split.transforms if isinstance(each, Resize | Normalise))


def _shown(maps: Maps, suffix: str) -> Iterator[tuple[str, Tensor]]:
    """Yield the maps whose shares are measured: D, and without a changed lambda also A1 and A2."""
    yield "share", maps.combined
    if maps.second is not None and not suffix:
        yield "share_first", maps.first
        yield "share_second", maps.second
