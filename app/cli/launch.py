"""`launch`: print the text that starts a training on a rented machine."""

from __future__ import annotations

import os
from functools import partial
from typing import Annotated, Any

import typer

from . import options as o
from . import train as of_train
from .examples import page
from .screen import note, result

_option = partial(typer.Option, show_default=False)

Place = Annotated[str, typer.Argument(help="Select a place: docker, vast, runpod, hfjobs, skypilot or slurm.")]
Train = Annotated[
    list[str],
    typer.Argument(
        metavar="-- train ...", help="Give the train command with its options, as you would type it on this machine."
    ),
]
Image = Annotated[
    str | None,
    _option(
        "--image",
        envvar="ISOSCALE_IMAGE",
        show_envvar=False,
        help="Run this image and tag. Default: $ISOSCALE_IMAGE, else ghcr.io/OWNER/isoscale at this version.",
    ),
]
Name = Annotated[str, _option("--name", help="Name the job, container or machine. Default: isoscale.")]
Gpu = Annotated[
    str | None, _option("--gpu", help="Select a GPU by the place's name for it. Default: the place's usual GPU.")
]
Gpus = Annotated[int, _option("--gpus", min=1, help="Use this many GPUs, with one process per GPU. Default: 1.")]
DiskGb = Annotated[
    int, _option("--disk-gb", help="Rent a disk of this many GB, at least 40, for image, data and states. Default: 60.")
]
MemoryGb = Annotated[int, _option("--memory-gb", help="Rent a host with this many GB of memory. Default: 32.")]
Hours = Annotated[
    float | None, _option("--hours", help="Limit one job on hfjobs or slurm to this many hours. Default: 24.")
]


# Options that may name a path of this machine, and what to do instead.
_INSTEAD = {
    "dataset": "Put it on the Hub, or",
    "checkpoints": "Omit it, or",
    "data": "Copy it there, and",
    "design": "Copy it there, and",
    "filelist": "Copy it there, and",
}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(**page("launch"))(launch)


def launch(
    place: Place, command: Train, image: Image = None, name: Name = "isoscale", gpu: Gpu = None, gpus: Gpus = 1,
    disk_gb: DiskGb = 60, memory_gb: MemoryGb = 32, hours: Hours = None,
) -> None:  # fmt: skip
    """Print the command, template or file that starts a training on a rented machine, without starting anything."""
    from ..launch import Job, text

    given = _checked(command)
    _require_effect(place, hours)
    environment, secrets = _surroundings(uploads="upload" in given and given["upload"])
    job = Job(
        train=("train", *command[1:]), image=image or _usual_image(), name=name, gpu=gpu, gpus=gpus,
        disk_gb=disk_gb, memory_gb=memory_gb, hours=24.0 if hours is None else hours,
        environment=environment, secrets=secrets,
    )  # fmt: skip
    printed = text(place, job)
    _remark(job)
    result(printed, most=len(printed))  # complete, for it is run


def _checked(command: list[str]) -> dict[str, Any]:
    """Return the options of a `train` command. Raise the errors of `train` that can be found without torch."""
    from typer.main import get_command

    from ..config.command import Command
    from ..errors import InputError

    if command[0] != "train":
        raise InputError(f"{command[0]!r} after -- is not a train command. Write: launch PLACE -- train ...")
    alone = typer.Typer(add_completion=False)
    of_train.register(alone)
    context = get_command(alone).make_context("run.py train", command[1:])
    given = {option: value for option, value in context.params.items() if value is not None}
    Command.of({name: value for name, value in given.items() if name != "as_json"})
    for option in _INSTEAD:
        for path in str(given.get(option, "")).split(","):
            _require_there(option, path)
    return given


def _require_effect(place: str, hours: float | None) -> None:
    """Raise InputError for a limit on hours at a place that has none."""
    from ..errors import InputError

    if hours is not None and place not in ("hfjobs", "slurm"):
        raise InputError(f"--hours has no effect on {place}, which runs until the training is done. Omit it")


def _require_there(option: str, path: str) -> None:
    """Raise InputError for a path of this machine: the container writes and keeps /workspace only."""
    from ..errors import InputError

    named = option != "dataset" and path not in ("", str(o.DEFAULT_CHECKPOINTS))
    local = named or path.startswith((".", "~", "/"))
    if local and not path.startswith("/workspace/"):
        raise InputError(
            f"--{option} {path} is not on the rented machine. {_INSTEAD[option]} give a path below /workspace"
        )


def _surroundings(*, uploads: bool) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return variables by value, and names of the secrets. Raise InputError if an upload has no repository."""
    from ..system import hub
    from ..system.endpoint import require_sound

    environment = {"HF_REPOSITORY": hub.repository()} if uploads else {}
    if endpoint := os.environ.get("HF_ENDPOINT"):
        require_sound()
        environment["HF_ENDPOINT"] = endpoint
    return environment, ("HF_TOKEN",) if uploads else ()


def _usual_image() -> str:
    from .. import __version__
    from ..tables.image import CUDA, REPOSITORY

    return f"{REPOSITORY}:{__version__}-cuda-{CUDA}"


def _remark(job: Any) -> None:
    """Print notes about a text that runs as printed, but may not do what you want."""
    from ..tables.image import REPOSITORY

    if job.image.startswith(f"{REPOSITORY}:"):
        note(
            f"note: OWNER in {job.image} stands for the GitHub account that published your image. Name the image with "
            "--image or ISOSCALE_IMAGE, or replace OWNER in the text"
        )
    if not job.uploads:
        note("note: without --upload the run is lost when that machine is deleted")
