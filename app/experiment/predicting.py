"""A run's classes for images without labels, computed as in the run's test and written batch by batch."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import nn

from .. import models
from ..artifacts import table as tables
from ..artifacts.runs import Run
from ..artifacts.table import Table
from ..artifacts.which import FINAL, Which
from ..config import effects
from ..errors import InputError
from ..place import Place
from . import loading, pictures, stages
from .elsewhere import restored
from .observers import Screen
from .options import Options

SHOWN = 10  # files that a message names


@dataclass
class Predicted:
    """What was written, and which files were skipped."""

    csv: Path
    parquet: Path
    classes: Counter[str] = field(default_factory=Counter)  # images by their predicted class
    skipped: list[tuple[str, str]] = field(default_factory=list)  # path and reason
    others: int = 0  # files in the folders without an image ending
    replaced: bool = False  # whether files of an earlier prediction were there

    @property
    def n(self) -> int:
        """The number of images with a prediction."""
        return sum(self.classes.values())


def predict(
    run: Run, given: Sequence[str], out: Path, options: Options, screen: Screen, *, which: Which = FINAL,
    batch_size: int | None = None,
) -> Predicted:  # fmt: skip
    """Write the class and the probabilities of each image to `out`.csv and `out`.parquet, which appear when complete.

    `given` are folders, whose images are found at any depth, image files, and lists of paths (.txt). Files that cannot
    be read are skipped and reported. Raises InputError if none can be read.
    """
    run.require_done()
    which.require(run)
    models.require_file(run.config)
    _require_images(run)
    _require_apart(run, out)
    done = Predicted(csv=out.with_name(f"{out.name}.csv"), parquet=out.with_name(f"{out.name}.parquet"))
    done.replaced = _replaced(done)
    found = pictures.found(given)
    config = run.config
    here = stages.place_of_evaluation(run, options, screen.say)
    model = restored(run, here, options, screen, weights=which.file)
    done.others = found.others
    preprocess = loading.preprocess_of(run, here.device)
    names, size, read = run.record.data.class_names, batch_size or config.val_batch_size, 0
    with tables.written(done.csv, done.parquet, names) as table:
        for at, (paths, images, reasons) in enumerate(_decoded(found.paths, preprocess, size)):
            done.skipped += reasons
            read += sum(image.nbytes for image in images)
            if images:
                probabilities = _probabilities(model, preprocess.of_stored(images), here)
                _write(table, paths, probabilities, names, done)
            screen.reading("images", min((at + 1) * size, len(found.paths)), len(found.paths), read)
        if not done.n:
            many = f"none of the {len(found.paths):,} files can" if len(found.paths) > 1 else "the only file cannot"
            raise InputError(f"{many} be read: {shown(done.skipped)}. Give images in a readable format")
    return done


def _require_images(run: Run) -> None:
    """Raise InputError unless the run classifies images."""
    config = run.config
    if (kind := effects.kind_of(config.dataset)) != "image" or config.task != "classification":
        raise InputError(
            f"run {config.run_id} was trained on {kind}s, but `predict` reads images. Use `evaluate --on DATA`, or "
            "isoscale.load in Python"
        )


def _require_apart(run: Run, out: Path) -> None:
    """Raise InputError if the output would replace a file of the run."""
    ours = {out.with_name(f"{out.name}{ending}").resolve() for ending in (".csv", ".parquet")}
    if taken := [path for path in run.files.present() if path.resolve() in ours]:
        raise InputError(f"--out {out} would replace {taken[0]}, a file of the run. Use another name")


def _replaced(done: Predicted) -> bool:
    """Return whether files of an earlier prediction will be replaced. Raise InputError for any other file."""
    there = [path for path in (done.csv, done.parquet) if path.exists()]
    for path in there:
        if not tables.is_ours(path):
            raise InputError(
                f"{path} exists, and `predict` did not write it. Only earlier predictions are replaced. Choose another "
                "--out, or delete the file"
            )
    return bool(there)


def _decoded(
    paths: Sequence[Path], preprocess: loading.Preprocess, size: int
) -> Iterator[tuple[list[str], list[np.ndarray], list[tuple[str, str]]]]:
    """Yield paths and images of each batch, and the files skipped in it, while the next batch is read."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:

        def begun(start: int) -> list[tuple[str, Future[np.ndarray | str]]]:
            return [(pictures.text(p), pool.submit(_image, p, preprocess)) for p in paths[start : start + size]]

        coming = begun(0)
        for start in range(0, len(paths), size):
            batch, coming = coming, begun(start + size)
            results = [(path, future.result()) for path, future in batch]
            images = [(path, found) for path, found in results if not isinstance(found, str)]
            reasons = [(path, found) for path, found in results if isinstance(found, str)]
            yield [path for path, _ in images], [image for _, image in images], reasons


def _image(path: Path, preprocess: loading.Preprocess) -> np.ndarray | str:
    """Return the image as the run's cache would store it, or why it cannot be read."""
    try:
        if not path.exists():
            return "it does not exist"
        if not path.is_file():
            return "it is a folder" if path.is_dir() else "it is not a regular file"
        return preprocess.stored(path)
    except InputError as error:
        return str(error)


def _probabilities(model: nn.Module, inputs: torch.Tensor, here: Place) -> np.ndarray:
    """Return the softmax over the logits: float32 (B, K)."""
    with torch.inference_mode(), here.autocast():
        logits = model(inputs)
    return np.asarray(logits.cpu().double().softmax(1).float().numpy())


def _write(table: Table, paths: list[str], probabilities: np.ndarray, names: list[str], done: Predicted) -> None:
    """Add the rows whose probabilities are numbers, and skip the others."""
    known = np.isfinite(probabilities).all(1)
    done.skipped += [(path, "the model's outputs for it are not numbers") for path in np.array(paths)[~known].tolist()]
    kept = [path for path, fine in zip(paths, known, strict=True) if fine]
    classes = [names[best] for best in probabilities[known].argmax(1)]
    done.classes.update(classes)
    table.add(kept, classes, probabilities[known])


def shown(skipped: Sequence[tuple[str, str]]) -> str:
    """Return the first skipped files with their reasons, and the number of the others."""
    named = "; ".join(f"{path}: {reason}" for path, reason in skipped[:SHOWN])
    return named + (f"; and {len(skipped) - SHOWN:,} more" if len(skipped) > SHOWN else "")
