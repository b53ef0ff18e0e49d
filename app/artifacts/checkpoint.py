"""Weights and state in safetensors: what a finished run keeps, and what an unfinished one continues from."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ..errors import InputError
from ..system.durable import replacing, sha256
from . import states
from .states import Facts, Manifest

_HEADER = "isoscale"
_HEADER_BYTES = 1 << 16  # room for the names and shapes before the tensors
KEPT = 2  # complete states: the newest, and the one before in case the newest is broken


def save_weights(path: Path, model: nn.Module, metadata: Mapping[str, Any]) -> None:
    """Writes the parameters, and the metadata as JSON under the header's one key (several come in no fixed order)."""
    _save(path, model.state_dict(), metadata={_HEADER: json.dumps(metadata)})


def _save(path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    wanted = sum(tensor.nbytes for tensor in tensors.values()) + _HEADER_BYTES
    with replacing(path, wanted=wanted) as aside:
        try:
            save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, aside, metadata)
        except SafetensorError as error:  # its writer tells the system's errors in words only
            if code := re.search(r"\(os error (\d+)\)", str(error)):
                raise OSError(int(code[1]), os.strerror(int(code[1])), str(path)) from error
            raise


def load_weights(path: Path, model: nn.Module) -> dict[str, Any]:
    """Reads the parameters into the model, every name and shape matched; returns the metadata.

    Raises InputError for a file that is missing, damaged or of another model.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            metadata = json.loads((file.metadata() or {}).get(_HEADER, "{}"))
    except FileNotFoundError:
        raise InputError(f"there are no weights {path}; download the run again or train it") from None
    except (SafetensorError, OSError, ValueError) as error:
        raise InputError(f"the weights {path} are damaged ({error}); download the run again") from error
    own = {name: tensor.shape for name, tensor in model.state_dict().items()}
    if own != {name: tensor.shape for name, tensor in tensors.items()}:
        wrong = sorted(name for name in own.keys() | tensors.keys() if own.get(name) != _shape(tensors.get(name)))
        raise InputError(
            f"the weights {path} do not fit the run's config (first at {wrong[0]}); download the run again"
        )
    model.load_state_dict(tensors)
    return metadata


def _shape(tensor: Tensor | None) -> torch.Size | None:
    return None if tensor is None else tensor.shape


class State(NamedTuple):
    """Everything that continuing needs, as of the end of a step."""

    step: int
    tensors: dict[str, Tensor]
    facts: Facts


def optimizer_tensors(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimiser's state by parameter name: `<parameter>/<exp_avg|exp_avg_sq|step>`."""
    return {
        f"{name}/{kind}": value
        for name, parameter in model.named_parameters()
        for kind, value in optimizer.state.get(parameter, {}).items()
    }


def restore_optimizer(model: nn.Module, optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Puts back what `optimizer_tensors` took, on each parameter's device.

    Moments lie in memory as their parameter does: the fused optimiser walks through both alike.
    """
    parameters = dict(model.named_parameters())
    for name, value in tensors.items():
        parameter, _, kind = name.rpartition("/")
        own = parameters[parameter]
        like = own if value.shape == own.shape else value
        optimizer.state[own][kind] = torch.empty_like(like, dtype=value.dtype, device=own.device).copy_(value)


def save_state(folder: Path, state: State, *, best: str | None) -> None:
    """Writes a state and then its manifest, and removes those before the last two; `best` names a file it needs."""
    path = folder / f"state-{state.step}.safetensors"
    _save(path, state.tensors)
    files = {name: sha256(folder / name) for name in (path.name, best) if name}
    states.write(folder / f"state-{state.step}.json", Manifest(step=state.step, facts=state.facts, files=files))
    _prune(folder)


def _manifests(folder: Path) -> list[Path]:
    """Manifests of complete states, newest first."""
    found = [path for path in folder.glob("state-*.json") if path.stem.removeprefix("state-").isdigit()]
    return sorted(found, key=lambda path: int(path.stem.removeprefix("state-")), reverse=True)


def _prune(folder: Path) -> None:
    """Removes states before the last two and every file that those two do not name."""
    kept = _manifests(folder)[:KEPT]
    needed = {path.name for path in kept}
    for path in kept:
        needed |= set(found.files if (found := states.read(path)) else ())
    for path in folder.iterdir():
        if path.name not in needed:
            path.unlink()


def newest_step(folder: Path) -> int:
    """The step of the newest state whose every byte is as it was written, 0 where there is none."""
    for path in _manifests(folder):
        if found := _whole(path):
            return found.step
    return 0


def files_of(folder: Path, step: int) -> tuple[list[str], int]:
    """The names of a state's files, and how many bytes of the log belong to it."""
    found = states.read(folder / f"state-{step}.json")
    assert found, "the state was just written"
    return [f"state-{step}.json", *found.files], found.facts.log_bytes


def _whole(path: Path) -> Manifest | None:
    """A state's manifest, or None unless it and all its files are as they were written."""
    found = states.read(path)
    if found and all(_matches(path.parent / name, digest) for name, digest in found.files.items()):
        return found
    return None


def load_state(folder: Path, say: Callable[[str], None]) -> State | None:
    """The newest state whose every byte is as it was written, None where there is none; broken ones are named."""
    from safetensors.torch import load_file

    damaged: list[Path] = []
    for path in _manifests(folder):
        if found := _whole(path):
            for broken in damaged:  # or it would count among the states that are kept
                broken.unlink(missing_ok=True)
            return State(found.step, load_file(folder / f"state-{found.step}.safetensors"), found.facts)
        say(f"the saved state {path} is damaged and left out")
        damaged.append(path)
    return None


def _matches(path: Path, digest: str) -> bool:
    return path.is_file() and sha256(path) == digest
