"""The initial weights of a run: those of a finished run of the same architecture, a .safetensors file, or timm's."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .. import models
from ..artifacts import checkpoint, parts
from ..config.run import RunConfig
from ..errors import InputError
from ..models import pretrained
from ..sharing import named
from ..system.durable import sha256
from ..tables.models import TIMM
from ..tables.shape import CELLS
from . import foreign
from .options import Options

Say = Callable[[str], None]
Shapes = Mapping[str, tuple[int, ...]]
_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")
_PICKLED = (".pt", ".pth", ".bin", ".ckpt", ".pkl", ".tar")
_CONVERT = "convert it once: safetensors.torch.save_file(torch.load(FILE, weights_only=True), 'weights.safetensors')"
_SHOWN = 3  # tensors of a kind that a message names


@dataclass(frozen=True, kw_only=True)
class Weights:
    """A file of weights. `path` is None if only its digest is known, which is enough to find a stopped run."""

    path: Path | None
    sha256: str
    run_id: str | None = None  # the run of these weights, if the file names it
    config: RunConfig | None = None  # that run's
    classes: tuple[str, ...] = ()  # that run's


def found(where: str, checkpoints: Path, say: Say) -> Weights:
    """Return the weights that `--init` names. Raises InputError if there are none, and for an unfinished run."""
    if digest := _DIGEST.fullmatch(where):
        return Weights(path=None, sha256=digest[1])
    path = Path(where).expanduser()
    if path.suffix.lower() in _PICKLED:
        raise InputError(
            f"--init {where} is not a .safetensors file, and pickled files are unsupported. To use it, {_CONVERT}"
        )
    if foreign.is_foreign(where):
        path = foreign.file_of(where)
    elif path.suffix != ".safetensors":
        path = _of_run(where, checkpoints, say)
    if not path.is_file():
        raise InputError(
            f"--init {where}: this file does not exist. Give a finished run (its ID or path), a .safetensors file, "
            "timm/NAME or hf-hub:owner/name. A stopped run also resumes with --init sha256:DIGEST, where DIGEST is in "
            "its record under `init`"
        )
    about = checkpoint.metadata(path)
    run_id, classes = about.get("run_id"), about.get("class_names")
    return Weights(
        path=path, sha256=sha256(path), run_id=run_id if isinstance(run_id, str) else None,
        config=_config(about.get("config")), classes=tuple(map(str, classes)) if isinstance(classes, list) else (),
    )  # fmt: skip


def _of_run(where: str, checkpoints: Path, say: Say) -> Path:
    run = named.run_of(where, checkpoints, say)
    if not run.done:
        raise InputError(
            f"--init {where}: run {run.record.run_id} is not finished. Run its train command again to resume it, or "
            "give a .safetensors file"
        )
    run.require_whole("weights")
    return run.files.weights


def _config(fields: Any) -> RunConfig | None:
    """Return the config in a file's metadata, or None if there is none that this version can read."""
    try:
        return RunConfig.from_json(fields) if isinstance(fields, dict) else None
    except (InputError, TypeError):
        return None


def asked(request: Mapping[str, Any], checkpoints: Path, say: Say) -> tuple[dict[str, Any], Weights | None]:
    """Return the request with the digest of its initial weights, and these weights if it names some."""
    if "init" not in request:
        return dict(request), None
    weights = found(request["init"], checkpoints, say)
    return {**request, "init_sha256": weights.sha256}, weights


def require_fit(weights: Weights, config: RunConfig) -> str:
    """Return whether the head is `kept` or `replaced`. Raise InputError unless all other tensors are the model's.

    A head for another number of classes is replaced, and so is a missing one.
    """
    if weights.path is None:
        return "kept"
    if weights.config:
        _require_shape(weights, weights.config, config)
    theirs = foreign.translated(checkpoint.shapes(weights.path), config)
    ours = models.tensor_shapes(config)
    head, replaced = _head(ours, config), {}
    if any(theirs.get(name) != ours[name] for name in head):
        replaced = {name: theirs[name] for name in head if name in theirs}
    if replaced:
        _require_head(weights.path, replaced, ours, config)
    elif not head & theirs.keys():
        replaced = dict.fromkeys(head, ())
    _require_same(weights.path, theirs, {name: shape for name, shape in ours.items() if name not in replaced}, replaced)
    return "replaced" if replaced else "kept"


def _require_shape(weights: Weights, theirs: RunConfig, ours: RunConfig) -> None:
    """Raise InputError for weights of another model whose tensors might have the same shapes."""
    names = [name for name in CELLS if not name.endswith("dropout")]  # which acts in training only
    cells = {name: (getattr(theirs.shape, name), getattr(ours.shape, name)) for name in names}
    other = [f"{name} {a} instead of {b}" for name, (a, b) in cells.items() if a != b]
    if theirs.family.name != ours.family.name or (theirs.row.name.startswith("timm/") and theirs.model != ours.model):
        other = [f"model {theirs.model} instead of {ours.model}"]
    if other:
        raise InputError(
            f"the weights {weights.path} are those of another architecture ({', '.join(other[:_SHOWN])}). Use the "
            "weights of a run of the same --model and --size, or change these options"
        )


def _head(ours: Shapes, config: RunConfig) -> set[str]:
    """Return the tensors whose shape depends on the number of classes."""
    wider = models.tensor_shapes(config, classes=config.classes + 1)
    return {name for name, shape in ours.items() if wider[name] != shape}


def _require_head(path: Path, theirs: Shapes, ours: Shapes, config: RunConfig) -> None:
    """Raise InputError for head tensors that do not form a head of the model for another number of classes."""
    wider = models.tensor_shapes(config, classes=config.classes + 1)
    counts: set[int] = set()
    for name, shape in sorted(theirs.items(), key=lambda item: (item[1] != ours[item[0]], item[0])):  # that differ last
        by_classes = [a != b for a, b in zip(ours[name], wider[name], strict=True)]
        rest = [a == b for a, b, changes in zip(shape, ours[name], by_classes, strict=False) if not changes]
        counts |= {size for size, changes in zip(shape, by_classes, strict=False) if changes}
        if len(shape) != len(ours[name]) or not all(rest) or len(counts) != 1:
            raise _unlike(path, [f"{name} is {_text(shape)}, the model's is {_text(ours[name])}"])


def _require_same(path: Path, theirs: Shapes, ours: Shapes, replaced: Shapes) -> None:
    """Raise InputError, with the names, for tensors that are missing, unexpected or of another shape."""
    missing = sorted(ours.keys() - theirs.keys())
    strange = sorted(theirs.keys() - ours.keys() - replaced.keys())
    wrong = sorted(name for name in ours.keys() & theirs.keys() if ours[name] != theirs[name])
    said = [f"{len(names):,} {what} ({', '.join(names[:_SHOWN])})"
            for what, names in (("missing", missing), ("unexpected", strange)) if names]  # fmt: skip
    shapes = [f"{name} is {_text(theirs[name])}, the model's is {_text(ours[name])}" for name in wrong[:_SHOWN]]
    if shapes:
        said.append(f"{len(wrong):,} of another shape ({'; '.join(shapes)})")
    if said:
        raise _unlike(path, said)


def _unlike(path: Path, said: list[str]) -> InputError:
    return InputError(
        f"the weights {path} do not fit this model. Tensors: {', '.join(said)}. Use weights of the same "
        "architecture, image and patch"
    )


def _text(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "one number"


def begun(config: RunConfig, options: Options, class_names: list[str], say: Say) -> parts.Init | None:
    """Return the record's entry for the initial weights of a run, and report it. None for random weights."""
    if config.pretrained:
        return _published(config, say)
    if not config.init_sha256:
        return None
    weights = _same(config, options, say)
    head = require_fit(weights, config)
    _tensors(weights, config)  # checked before a file of the run is written
    whose = f"run {weights.run_id} ({weights.path})" if weights.run_id else str(weights.path)
    said = f"starting from the weights of {whose}"
    if head == "replaced":
        had = f", which was for {len(weights.classes):,}" if weights.classes else ""
        said += f". The head for {config.classes:,} classes is new{had}"
    elif weights.classes and [*weights.classes] != class_names:
        said += f". Its head is kept, but its {config.classes:,} classes have other names or another order"
    if not weights.config and (heads := getattr(config.shape, "heads", None)):
        said += f". The file does not state its number of attention heads, and this model has {heads}"
    say(said)
    return parts.Init(
        source=options.init or "", path=str(weights.path), sha256=weights.sha256, run_id=weights.run_id, head=head
    )


def _published(config: RunConfig, say: Say) -> parts.Init:
    """Return the entry for the published weights of a timm model, and report it."""
    name = config.model.removeprefix(TIMM)
    path, digest = pretrained.source(name), sha256(pretrained.weights(name))
    replaced = pretrained.classes(name) != config.classes
    head = f". The head for {config.classes:,} classes is new" if replaced else ""
    say(f"starting from the published weights {path} (sha256 {digest[:16]}){head}")
    return parts.Init(
        source=config.model, path=str(path), sha256=digest, run_id=None, head="replaced" if replaced else "kept"
    )


def load(model: nn.Module, config: RunConfig, options: Options) -> None:
    """Put the initial weights of a run into its new model, on its device. A replaced head stays as it is."""
    weights = _same(config, options, lambda _: None)
    head = require_fit(weights, config)
    tensors = _tensors(weights, config)
    if head == "replaced":
        for name in _head(models.tensor_shapes(config), config):
            tensors.pop(name, None)
    model.load_state_dict(tensors, strict=False)  # the names of the tensors were checked


def _tensors(weights: Weights, config: RunConfig) -> dict[str, Tensor]:
    """Return the tensors by our names. Raise InputError for values that are not numbers, or are encoded as integers."""
    assert weights.path, "a digest alone has no tensors"
    tensors = foreign.translated(checkpoint.tensors(weights.path), config)
    if broken := [name for name, tensor in tensors.items() if not _is_finite(tensor)]:
        raise InputError(
            f"the weights {weights.path} contain values that are not numbers, first in {broken[0]}. Use other weights"
        )
    if whole := [name for name, tensor in tensors.items() if tensor.dim() and not tensor.is_floating_point()]:
        kind = str(tensors[whole[0]].dtype).removeprefix("torch.")  # a counter of batches has no dimension
        raise InputError(
            f"the weights {weights.path} are of type {kind}, first {whole[0]}, which this model cannot use. Use "
            "weights in float32, float16 or bfloat16"
        )
    return tensors


def _is_finite(tensor: Tensor) -> bool:
    return bool(torch.isfinite(tensor).all()) if tensor.is_floating_point() else True


def _same(config: RunConfig, options: Options, say: Say) -> Weights:
    """Return the weights. Raise InputError unless they are still those in the run's ID."""
    if not options.init:
        raise InputError(
            f"run {config.run_id} starts from weights, and --init is missing. Name the weights with --init"
        )
    weights = found(options.init, options.checkpoints, say)
    if weights.path is None:
        raise InputError(
            f"--init {options.init} resumes a stopped run, and run {config.run_id} has no saved state here. Give the "
            "file of the weights"
        )
    if weights.sha256 != config.init_sha256:
        raise InputError(f"the weights {weights.path} changed after the command began. Run the command again")
    return weights
