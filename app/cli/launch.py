"""`launch`: print the text that starts a training, or the workers of a study, on rented machines."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any

import typer

from . import launched
from .examples import page
from .screen import note, result
from .study_options import MOST_WORKERS

_option = partial(typer.Option, show_default=False)

Place = Annotated[str, typer.Argument(help="Select a place: docker, vast, runpod, hfjobs, skypilot or slurm.")]
Command = Annotated[
    list[str],
    typer.Argument(
        metavar="-- train|study|sweep ...",
        help="Give the train, study or sweep command with its options, as you would type it on this machine.",
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
Workers = Annotated[
    int,
    _option("--workers", min=1, max=MOST_WORKERS, help="Start this many workers of a study or sweep, each on one "
            "machine. Default: 1."),
]  # fmt: skip
Gpu = Annotated[
    str | None, _option("--gpu", help="Select a GPU by the place's name for it. Default: the place's usual GPU.")
]
Gpus = Annotated[
    int, _option("--gpus", min=1, help="Use this many GPUs per machine, with one process per GPU. Default: 1.")
]
DiskGb = Annotated[
    int, _option("--disk-gb", help="Rent a disk of this many GB, at least 40, for image, data and states. Default: 60.")
]
MemoryGb = Annotated[int, _option("--memory-gb", help="Rent a host with this many GB of memory. Default: 32.")]
Hours = Annotated[
    float | None, _option("--hours", help="Limit one job on hfjobs or slurm to this many hours. Default: 24.")
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(**page("launch"))(launch)


def launch(
    place: Place, command: Command, image: Image = None, name: Name = "isoscale", workers: Workers = 1, gpu: Gpu = None,
    gpus: Gpus = 1, disk_gb: DiskGb = 60, memory_gb: MemoryGb = 32, hours: Hours = None,
) -> None:  # fmt: skip
    """Print the command, template or file that starts a training on rented machines, without starting anything."""
    given = launched.checked(command, shared=_is_shared(place))
    _require_effect(place, hours)
    _require_gpus(given, gpus)
    _print(
        place, given, image, name=name, workers=workers, gpu=gpu, gpus=gpus, disk_gb=disk_gb, memory_gb=memory_gb,
        hours=24.0 if hours is None else hours,
    )  # fmt: skip


def of_study(options: Mapping[str, Any]) -> None:
    """Print what starts the workers of a study, by its options --launch and --workers. Raises InputError."""
    from ..errors import InputError

    place, workers = options["launch"], options["workers"]
    if not place:
        raise InputError(
            f"--workers {workers} has no effect without --launch. Add --launch PLACE, or use --jobs {workers} for "
            "workers on this machine"
        )
    given = launched.of_study(options, shared=_is_shared(place))
    _require_gpus(given, 1)
    _print(place, given, os.environ.get("ISOSCALE_IMAGE"), workers=workers or 1)


def _print(place: str, given: launched.Launched, image: str | None, **machine: Any) -> None:
    from ..launch import Job, text

    environment, secrets = _surroundings(uploads=given.uploads)
    job = Job(
        arguments=given.words, files=given.files, image=image or _usual_image(), environment=environment,
        secrets=secrets, **machine,
    )  # fmt: skip
    printed = text(place, job)
    _remark(job, keeps=_is_shared(place))
    result(printed, most=len(printed))  # complete, for it is run


def _is_shared(place: str) -> bool:
    """Return whether the workers of a place share a folder. Raises InputError for an unknown place."""
    from ..launch import PLACES
    from ..tables.names import look_up

    return look_up("place", place, PLACES).shared


def _require_gpus(given: launched.Launched, gpus: int) -> None:
    """Raise InputError for another number of GPUs than a study trains on."""
    from ..errors import InputError

    if given.gpus not in (None, gpus):
        raise InputError(
            f"--gpus {gpus} does not fit the study, which trains on {given.gpus} per machine (--jobs times --ranks, or "
            f"--jobs divided by --jobs-per-device). Use `launch PLACE --gpus {given.gpus} -- study ...`, or change "
            "these options. For more machines, use --workers"
        )


def _require_effect(place: str, hours: float | None) -> None:
    """Raise InputError for a limit on hours at a place that has none."""
    from ..errors import InputError

    if hours is not None and place not in ("hfjobs", "slurm"):
        raise InputError(f"--hours has no effect on {place}, which runs until the command is done. Omit it")


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


def _remark(job: Any, *, keeps: bool) -> None:
    """Print notes about a text that runs as printed, but may not do what you want; `keeps`: the place keeps files."""
    from ..tables.image import REPOSITORY

    if job.image.startswith(f"{REPOSITORY}:"):
        note(
            f"note: OWNER in {job.image} stands for the GitHub account that published your image. Name the image with "
            "--image or ISOSCALE_IMAGE, or replace OWNER in the text"
        )
    if not (job.uploads or keeps):
        note("note: without --upload the run is lost when that machine is deleted")
