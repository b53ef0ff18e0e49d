"""A finished run as a model in eval mode, with its class names and the preprocessing of its training."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor, nn

from .. import models, place
from ..artifacts import checkpoint
from ..artifacts.runs import Run
from ..artifacts.which import chosen
from ..computing import execution
from ..computing.execution import Wishes
from ..config.run import RunConfig
from ..data.store.decode import stored
from ..data.transforms import chain
from ..data.transforms.transform import Draws
from ..errors import InputError
from ..sharing import named
from ..system.durable import content
from ..tables import own
from ..tables.decoding import decoding_of

_ATTRIBUTES = ("classes", "predict", "preprocess", "run_id")  # of a loaded model
_OF_PNG = ("1", "LA", "P", "RGBA", "I;16", "I", "F")  # I and F are refused, as in files


class Wrapped(nn.Module):
    """A model that has an attribute of the same name as one of a loaded model. `module` is that model.

    Other attributes are those of `module`, and so are calls.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, *inputs: Any, **named: Any) -> Any:
        """Return what the model returns."""
        return self.module(*inputs, **named)

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("module"), name)


class Preprocess:
    """The preprocessing of a run's data, for inputs of the same kind."""

    def __init__(
        self, config: RunConfig, *, mean: Sequence[float] | None, std: Sequence[float] | None,
        span: tuple[int, int] | None = None, device: torch.device | None = None,
    ) -> None:  # fmt: skip
        """Store the settings. `span` is the range of 16-bit values that became 0..255, if the run had 16-bit images.

        Inputs are returned on `device`, which is the model's. Default: the CPU.
        """
        self._config, self._device = config, device or torch.device("cpu")
        decoding = decoding_of(config.to_json())
        self._decoding = dataclasses.replace(decoding, span=span or decoding.span)
        self._mean, self._std = (None if part is None else torch.tensor(part) for part in (mean, std))

    def __call__(self, given: Any) -> Tensor:
        """Return one input or a list of inputs in the model's format: float32 (B, C, H, W), or (B, C, L).

        An image is a path, its encoded bytes, a PIL image, or uint8 (H, W) or (H, W, C). A field or a signal is an
        array (C, H, W) or (C, L). Raises InputError for anything else.
        """
        inputs = given if isinstance(given, list | tuple) else [given]
        if not inputs:
            raise InputError("predict was called without an input. Give at least one")
        if self._mean is None or self._std is None:
            return torch.stack([self._as_stored(one) for one in inputs]).to(self._device)
        return self.of_stored([self.stored(one) for one in inputs])

    def stored(self, given: Any) -> np.ndarray:
        """Return an image as the run's cache stores it: uint8 (C, H, W). Raises InputError."""
        config = self._config
        return stored(_image(given), side=config.stored_side, channels=config.channels, decoding=self._decoding)

    def of_stored(self, images: Sequence[np.ndarray]) -> Tensor:
        """Return stored images in the model's format: float32 (B, C, H, W)."""
        config = self._config
        assert self._mean is not None and self._std is not None, "images have statistics"
        way = chain.of_images("none", stored=config.stored_side, side=config.image, mean=self._mean, std=self._std)
        none = torch.zeros(len(images), dtype=torch.int64)  # without targets and without random draws of training
        found = chain.passed(way, torch.from_numpy(np.stack(images)), none, Draws(config.seed, None, none))[0]
        return found.to(self._device)

    def _as_stored(self, given: Any) -> Tensor:
        """Return a field or a signal, which the model reads unchanged."""
        found = torch.as_tensor(np.asarray(given), dtype=torch.float32)
        if found.shape != self._config.input_shape:
            wanted = " x ".join(map(str, self._config.input_shape))
            raise InputError(f"the input has the shape {tuple(found.shape)}. Use {wanted}")
        return found


def _image(given: Any) -> bytes | np.ndarray:
    if isinstance(given, str | Path):
        try:
            return content(Path(given))
        except OSError as error:
            raise InputError(f"the image {given} cannot be read ({error.strerror}). Give another path") from error
    if isinstance(given, bytes | bytearray):
        return bytes(given)
    if isinstance(given, Image.Image):
        given = ImageOps.exif_transpose(given)  # as for a file
        if given.mode not in ("L", "RGB") or given.has_transparency_data:
            return _encoded(given)
    found = np.asarray(given)
    found = found[..., 0] if found.ndim == 3 and found.shape[2] == 1 else found
    if found.dtype != np.uint8 or found.ndim not in (2, 3) or (found.ndim == 3 and found.shape[2] not in (3, 4)):
        raise InputError(
            f"an image has the type {found.dtype} and the shape {found.shape}. Give a path, bytes, a PIL image or "
            "uint8 (H, W, 3)"
        )
    return found


def _encoded(picture: Image.Image) -> bytes:
    """Return a PIL image as an encoded file, so that its palette, transparency and 16 bits are read as from a file."""
    buffer = io.BytesIO()
    if picture.mode in ("CMYK", "YCbCr", "LAB"):
        picture.save(buffer, "tiff")  # lossless, as PNG
        return buffer.getvalue()
    if picture.mode not in _OF_PNG:
        picture = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
    picture.save(buffer, "png")
    return buffer.getvalue()


def span_of(run: Run) -> tuple[int, int] | None:
    """Return the range of 16-bit values that a run's images used, or that it was given."""
    pixels = run.record.data.pixels
    return None if pixels is None or pixels.low is None or pixels.high is None else (pixels.low, pixels.high)


@dataclass(frozen=True)
class Predictions:
    """The answers of a run to some inputs, in their order."""

    probabilities: np.ndarray | None  # float32 (B, K) of a classification, in the order of `classes`
    names: list[str] | None  # (B,) the most probable class of each input
    values: np.ndarray | None  # float32 (B,) of a regression


def _predictor(model: nn.Module, config: RunConfig, classes: tuple[str, ...], preprocess: Preprocess) -> Any:
    """Return `predict` of a loaded model."""

    def predict(given: Any, *, batch_size: int = 64) -> Predictions:
        """Return the answers to one input or a list of inputs, as `preprocess` takes them. Raises InputError."""
        if not isinstance(batch_size, Integral) or batch_size < 1:
            raise InputError(f"batch_size={batch_size!r} is not a number of inputs. Use a whole number from 1")
        inputs = given if isinstance(given, list | tuple) else [given]
        with torch.no_grad():
            parts = [
                model(preprocess(inputs[at : at + batch_size])).float().cpu()
                for at in range(0, max(1, len(inputs)), batch_size)
            ]
        outputs = torch.cat(parts)
        if config.task == "regression":
            return Predictions(None, None, outputs[:, 0].numpy())
        probabilities = outputs.softmax(1).numpy()
        return Predictions(probabilities, [classes[index] for index in probabilities.argmax(1)], None)

    return predict


def load(
    where: str | Path, *, best: bool = False, ema: bool = False, device: str = "auto", model: str | None = None
) -> nn.Module:
    """Return the model of a finished run, as `isoscale.load` describes it."""
    own.ask(model)
    run = named.run_of(str(where), Path("checkpoints"), lambda _: None)
    run.require_done()
    if model is not None:
        own.require_used(model, {run.config.model: run.config.model_sha256})
    which = chosen(best=best, ema=ema)
    which.require(run)
    models.require_file(run.config)
    with place.own_threads():
        return _loaded(run, place.choose(device=str(device)), which.file)


def preprocess_of(run: Run, device: torch.device) -> Preprocess:
    """Return the preprocessing of a run's data, for a model on a device."""
    data = run.record.data
    return Preprocess(run.config, mean=data.mean, std=data.std, span=span_of(run), device=device)


def _loaded(run: Run, here: place.Place, weights: str) -> nn.Module:
    run.require_whole(weights)
    how = execution.again(run.record.stored_execution, run.config, here, Wishes(), lambda _: None)
    model = here.laid_out(models.build(run.config, **how.of_the_model).to(here.device))
    checkpoint.load_weights(getattr(run.files, weights), model)
    names, preprocess = tuple(run.record.data.class_names), preprocess_of(run, here.device)
    model = Wrapped(model) if {*_ATTRIBUTES} & {*dir(model)} else model
    values = (names, _predictor(model, run.config, names, preprocess), preprocess, run.record.run_id)
    vars(model).update(zip(_ATTRIBUTES, values, strict=True))
    return model.eval()
