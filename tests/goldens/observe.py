"""How the goldens look into the program: the only file here that uses anything but its command line.

When a module moves, this file changes and no golden does.
"""

from __future__ import annotations

import contextlib
import enum
import io
import json
import os
import platform
import shlex
import sys
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


QUIET = {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_XET": "1", "NO_COLOR": "1"}
UNSET = (
    "HF_TOKEN", "HF_REPOSITORY", "HF_ENDPOINT", "HF_HOME", "ISOSCALE_COMMIT", "ISOSCALE_DEBUG", "RANK", "COLUMNS",
)  # fmt: skip


@contextlib.contextmanager
def surroundings(folder: Path, **variables: str) -> Iterator[None]:
    """Makes a folder the working folder, with a cache of its own, no network and one thread; undoes it at the end."""
    import torch

    before, here, threads = dict(os.environ), Path.cwd(), torch.get_num_threads()
    for name in UNSET:
        os.environ.pop(name, None)
    os.environ |= {**QUIET, "ISOSCALE_CACHE": str(folder / "cache"), **variables}
    os.chdir(folder)
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        os.chdir(here)
        os.environ.clear()
        os.environ |= before


def call(line: str) -> Ended:
    """Runs a command line in this process."""
    from app.cli import main

    arguments, before, out, err = shlex.split(line), sys.argv, io.StringIO(), io.StringIO()
    sys.argv = ["run.py", *arguments]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main(arguments)
    finally:
        sys.argv = before
    return Ended(code, out.getvalue(), err.getvalue())


def commands() -> Iterator[tuple[str, Any]]:
    """Each command's full name and the object that parses it, groups included."""
    import typer.main

    from app.cli import app

    def walk(name: str, command: Any) -> Iterator[tuple[str, Any]]:
        yield name, command
        for part, inner in getattr(command, "commands", {}).items():
            yield from walk(f"{name} {part}".strip(), inner)

    yield from walk("", typer.main.get_command(app))


def taken(option: Any) -> dict[str, Any]:
    """What Typer takes for an option: its type, and its bounds and choices where it has them."""
    described, choices = option.type_descriptor, []
    kind = described.annotation
    if issubclass(type(kind), type) and issubclass(kind, enum.Enum):
        choices = [str(member.value) for member in kind]
    elif typing.get_origin(kind) is typing.Literal:
        choices = [*typing.get_args(kind)]
    name = "choice" if choices else getattr(kind, "__name__", str(kind)) if kind != list[str] else "str"
    name = "parsed" if described.parameter_info.parser else name
    bounds = {bound: held for bound in ("min", "max") if (held := getattr(option, bound, None)) is not None}
    return {"type": name, **bounds, **({"choices": choices} if choices else {})}


def initial_weights(config: dict[str, Any]) -> dict[str, np.ndarray]:
    """The tensors of a run's model before its first step; `config` is that of its record."""
    import torch

    from app import models
    from app.config.run import RunConfig

    read = RunConfig.from_json(config)
    torch.manual_seed(read.seed)
    model = models.build(read, attention_path="none" if read.attention is None else "plain")
    return {name: tensor.numpy() for name, tensor in model.state_dict().items()}


def first_order(record: dict[str, Any]) -> np.ndarray:
    """The examples of epoch 0 in the order that training takes them; the dataset is in the cache."""
    from app import data, place
    from app.config.run import RunConfig

    config, known = RunConfig.from_json(record["config"]), record["data"]
    where = {name: known.get(name) for name in ("path", "design", "filelist")}
    cached = data.prepare(data.ask_of(config.to_json(), **where), _silent, _silent, version=known["version"])
    here = place.choose(device="cpu", precision="fp32", threads=1)
    train = data.splits(config, here, cached, _silent).train
    size = config.train_batches * config.batch_size if config.train_batches else None
    return np.asarray(train.order(0, size) if size else train.order(0))


def _silent(*_: Any) -> None:
    """Says nothing."""


def machine() -> str:
    """What the last bits of float32 weights depend on."""
    import torch

    capability = torch.backends.cpu.get_cpu_capability()
    return f"torch {torch.__version__} {capability} {platform.machine()} {_vendor()}".strip()


def _vendor() -> str:
    """The maker of the processor where Linux says it: libraries choose their kernels by it."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("vendor_id"):
                return line.partition(":")[2].strip()
    return ""


def record_of(checkpoints: Path) -> tuple[Path, dict[str, Any]]:
    """The one record below a folder, and where it is."""
    (path,) = checkpoints.rglob("model_*.json")
    return path, json.loads(path.read_text())
