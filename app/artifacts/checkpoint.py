"""Weights and state in safetensors. A finished run has weights, and an unfinished one resumes from its state."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ..errors import Damaged, InputError
from ..system.durable import replacing, require_allowed, require_file, scratch, sha256
from . import states
from .states import Facts, Manifest

_HEADER = "isoscale"
_HEADER_BYTES = 1 << 16  # room for the names and shapes before the tensors
KEPT = 2  # complete states: the newest, and the one before it in case the newest is damaged


def save_weights(path: Path, model: nn.Module, metadata: Mapping[str, Any]) -> None:
    """Write the parameters, and the metadata as JSON under one key of the header.

    There is one key, because several keys are written in no fixed order.
    """
    save_tensors(path, model.state_dict(), header(metadata))


def header(metadata: Mapping[str, Any]) -> dict[str, str]:
    """Return metadata as a header of safetensors has it."""
    return {_HEADER: json.dumps(metadata)}


def save_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    """Write tensors as safetensors, by name. Raises DiskFull if there is no space for them."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    wanted = sum(tensor.nbytes for tensor in tensors.values()) + _HEADER_BYTES
    with replacing(path, wanted=wanted) as aside, scratch(path) as folder:  # a killed writer leaves a file behind
        try:
            written = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
            save_file(written, folder / path.name, metadata)
            (folder / path.name).replace(aside)
        except SafetensorError as error:  # the writer gives system errors only as text
            if code := re.search(r"\(os error (\d+)\)", str(error)):
                raise OSError(int(code[1]), os.strerror(int(code[1])), str(path)) from error
            raise


def metadata(path: Path) -> dict[str, Any]:
    """Return the metadata in the header of a file of weights, written by `save_weights`.

    Other files have none, and the result is empty. Raises InputError for a file that is not safetensors.
    """
    with _opened(path) as file:
        try:
            found = json.loads((file.metadata() or {}).get(_HEADER, "{}"))
        except (ValueError, RecursionError):
            return {}
    return found if isinstance(found, dict) else {}


def shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Return the shape of each tensor in a file of weights, by name, without reading the numbers.

    Raises InputError for a file that is not safetensors.
    """
    with _opened(path) as file:
        return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118


def tensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors in a file of weights, by name, on the CPU.

    Raises InputError for a file that is not safetensors.
    """
    with _opened(path) as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open a file of weights of any origin. Raise InputError unless it is safetensors."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except (SafetensorError, OSError, ValueError) as error:
        raise InputError(f"the weights {path} cannot be read as safetensors ({error}). Give another file") from error


def load_weights(path: Path, model: nn.Module) -> dict[str, Any]:
    """Load the parameters into the model, with every name and shape matched, and return the metadata.

    Raises Damaged for a file that is missing, damaged or of another model.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(require_file(path), framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            metadata = json.loads((file.metadata() or {}).get(_HEADER, "{}"))
    except FileNotFoundError:
        raise Damaged(f"the weights {path} do not exist. Download the run again, or retrain it with --fresh") from None
    except (SafetensorError, OSError, ValueError) as error:
        raise Damaged(f"the weights {path} are damaged ({error}). Download the run again") from error
    own = {name: tensor.shape for name, tensor in model.state_dict().items()}
    if own != {name: tensor.shape for name, tensor in tensors.items()}:
        wrong = sorted(name for name in own.keys() | tensors.keys() if own.get(name) != _shape(tensors.get(name)))
        raise Damaged(f"the weights {path} do not fit the run's config (first at {wrong[0]}). Download the run again")
    model.load_state_dict(tensors)
    return metadata


def _shape(tensor: Tensor | None) -> torch.Size | None:
    return None if tensor is None else tensor.shape


class State(NamedTuple):
    """Everything that is needed to resume, as of the end of a step.

    Each tensor's name begins with its part: `model/`, `optimizer/`, and any other part of a run's state, such as
    `ema/`.
    """

    step: int
    tensors: dict[str, Tensor]
    facts: Facts

    def part(self, name: str) -> dict[str, Tensor]:
        """Return a part's tensors by the rest of their names, or nothing if the state has no such part."""
        return {
            whole.removeprefix(f"{name}/"): tensor
            for whole, tensor in self.tensors.items()
            if whole.startswith(f"{name}/")
        }


def optimizer_state(model: nn.Module, optimizer: torch.optim.Optimizer) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the optimiser's state as tensors by `<parameter>/<path>`, and the trees that are not flat, as JSON.

    A parameter's state may be any tree of dicts, lists, tuples, tensors, numbers, strings and None. Several places of
    the trees may refer to one tensor. The first part alone describes a flat dict of tensors that no other place refers
    to, such as AdamW's `<parameter>/<exp_avg|exp_avg_sq|step>`. The second part has the tree of every other state.
    """
    tensors: dict[str, Tensor] = {}
    names: dict[int, str] = {}
    trees: dict[str, Any] = {}
    for name, parameter in model.named_parameters():
        state = optimizer.state.get(parameter, {})
        tree = _taken(state, name, tensors, names)
        if tree != {"dict": {key: {"tensor": f"{name}/{key}"} for key in state}}:
            trees[name] = tree
    return tensors, trees


def _taken(value: Any, name: str, tensors: dict[str, Tensor], names: dict[int, str]) -> Any:
    """Add a tree's tensors to `tensors`, and return the tree as JSON with names in place of tensors.

    `names` has the tensors that were already met, by their identity.
    """
    if isinstance(value, Tensor):
        tensors[names.setdefault(id(value), name)] = value
        return {"tensor": names[id(value)]}
    if isinstance(value, dict) and not all(isinstance(key, str) for key in value):
        return {"items": [[_taken(part, f"{name}/{place}/{side}", tensors, names) for side, part in enumerate(item)]
                          for place, item in enumerate(value.items())]}  # fmt: skip
    if isinstance(value, dict):
        return {"dict": {key: _taken(part, f"{name}/{key}", tensors, names) for key, part in value.items()}}
    if isinstance(value, list | tuple):
        kind = "list" if isinstance(value, list) else "tuple"
        return {kind: [_taken(part, f"{name}/{place}", tensors, names) for place, part in enumerate(value)]}
    assert value is None or isinstance(value, bool | int | float | str), f"{name} has a {type(value).__name__}"
    return value


def restore_optimizer(
    model: nn.Module, optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor],
    trees: Mapping[str, Any] | None = None,
) -> None:  # fmt: skip
    """Restore the state that `optimizer_state` returned, on each parameter's device.

    Moments get their parameter's memory layout, because the fused optimiser reads both in the same order.
    """
    flat: dict[str, dict[str, Any]] = {}
    for name in tensors:
        of, _, kind = name.partition("/")
        flat.setdefault(of, {})[kind] = {"tensor": name}
    whole = {name: {"dict": parts} for name, parts in flat.items()} | dict(trees or {})
    made: dict[str, Tensor] = {}
    for name, parameter in model.named_parameters():
        if name in whole:
            optimizer.state[parameter] = _given(whole[name], parameter, tensors, made)


def _given(tree: Any, own: nn.Parameter, tensors: Mapping[str, Tensor], made: dict[str, Tensor]) -> Any:
    """Return the tree that `_taken` converted to JSON, with its tensors on the parameter's device.

    `made` has the tensors that were already copied.
    """
    if not isinstance(tree, dict):
        return tree
    ((kind, parts),) = tree.items()
    if kind == "tensor":
        value = tensors[parts]
        like = own if value.shape == own.shape else value
        if parts not in made:
            made[parts] = torch.empty_like(like, dtype=value.dtype, device=own.device).copy_(value)
        return made[parts]
    if kind == "dict":
        return {key: _given(part, own, tensors, made) for key, part in parts.items()}
    if kind == "items":
        return {_given(key, own, tensors, made): _given(part, own, tensors, made) for key, part in parts}
    found = [_given(part, own, tensors, made) for part in parts]
    return tuple(found) if kind == "tuple" else found


def state_room(parameters: int, more: int) -> int:
    """Return the bytes of disk for a run's states: the kept ones, one being written, and the best weights.

    `more` are the bytes of a state in addition to its weights.
    """
    weights = 4 * parameters
    return (KEPT + 1) * (weights + more) + weights


def save_state(folder: Path, state: State, *, best: str | None) -> None:
    """Write a state and then its manifest, and remove all but the last two.

    `best` names a file that the state needs.
    """
    path = folder / f"state-{state.step}.safetensors"
    save_tensors(path, state.tensors)
    files = {name: sha256(folder / name) for name in (path.name, best) if name}
    states.write(folder / f"state-{state.step}.json", Manifest(step=state.step, facts=state.facts, files=files))
    _prune(folder)


def _prune(folder: Path) -> None:
    """Remove all but the last two states, and every file that those two do not name."""
    kept = states.manifests(folder)[:KEPT]
    needed = {path.name for path in kept}
    for path in kept:
        needed |= set(found.files if (found := states.read(path)) else ())
    require_allowed()
    for path in folder.iterdir():
        if path.is_dir():  # left by a process that was killed while it was writing
            shutil.rmtree(path)
        elif path.name not in needed:
            path.unlink()


def newest_step(folder: Path) -> int:
    """Return the step of the newest undamaged state, or 0 if there is none."""
    for path in states.manifests(folder):
        if found := _whole(path):
            return found.step
    return 0


def files_of(folder: Path, step: int) -> tuple[list[str], int]:
    """Return the names of a state's files, and the number of bytes of the log that belong to it."""
    found = states.read(folder / f"state-{step}.json")
    assert found, "the state was just written"
    return [f"state-{step}.json", *found.files], found.facts.log_bytes


def _whole(path: Path) -> Manifest | None:
    """Return a state's manifest, or None if it or one of its files has changed since it was written."""
    found = states.read(path)
    if found and all(_matches(path.parent / name, digest) for name, digest in found.files.items()):
        return found
    return None


def load_state(folder: Path, say: Callable[[str], None]) -> State | None:
    """Return the newest undamaged state, or None if there is none. Report damaged ones, and skip them."""
    from safetensors.torch import load_file

    damaged: list[Path] = []
    for path in states.manifests(folder):
        if found := _whole(path):
            for broken in damaged:  # otherwise it would count as one of the kept states
                broken.unlink(missing_ok=True)
            return State(found.step, load_file(folder / f"state-{found.step}.safetensors"), found.facts)
        say(f"the saved state {path} is damaged and skipped")
        damaged.append(path)
    return None


def _matches(path: Path, digest: str) -> bool:
    return path.is_file() and sha256(path) == digest
