"""The places that run a job: which template a place has, and what its text needs besides the job."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from typing import Any, NamedTuple

from ..errors import InputError
from .job import Job
from .render import render, until_done

_VAST_GPU, _RUNPOD_GPU, _SKYPILOT_GPU = "RTX_4090", "NVIDIA GeForce RTX 4090", "RTX4090"
_FLAVORS = {1: "l40sx1", 4: "l40sx4", 8: "l40sx8"}  # of HF Jobs, by GPUs
_CONTAINER_DISK = 20  # GB on RunPod next to the volume: what is written outside of /workspace
_ATTEMPTS = 5  # times that a job is started again after a failure


class Place(NamedTuple):
    """A place for rent: its template, and the function that checks a job for it and returns the template's values.

    `grace` is how many seconds its text makes the place wait between the signal and the kill; None: as it likes.
    `shared` says that its workers share a folder.
    """

    template: str
    values: Callable[[Job], dict[str, Any]]
    grace: int | None = None
    shared: bool = False

    def text(self, job: Job) -> str:
        """Return the place's text for a job; raises InputError for a job that the place cannot run."""
        if job.workers > 1 and not (self.shared or job.uploads):
            raise InputError(
                f"{job.workers} workers share no folder there, so each would train all runs of the study. Add --upload "
                "to the study, or use one worker"
            )
        given = job.granted(self.grace) if self.grace else job
        return render(self.template, job=given, attempts=_ATTEMPTS, grace=self.grace, **self.values(given))


def _docker(job: Job) -> dict[str, Any]:
    """`docker run --gpus` reads a CSV, in which a list of devices is quoted."""
    given = (job.gpu or ("all" if job.gpus == 1 else str(job.gpus))).strip('"')
    if not re.fullmatch(r"all|\d+|device=[\w:.-]+(,[\w:.-]+)*", given, re.ASCII):
        raise InputError(f"gpu={job.gpu!r} is not a value of `docker run --gpus`. Use all, a number, or device=0,1")
    return {"gpus": f'"{given}"' if "," in given else given}


def _vast(job: Job) -> dict[str, Any]:
    """A search for offers and a machine in args mode, which keeps the image's variables and has no SSH."""
    pairs = " ".join(f"-e {name}={shlex.quote(value)}" for name, value in job.environment.items())
    return {"gpu": job.gpu_or(_VAST_GPU, _VAST_GPU), "environment": pairs, "until_done": until_done(job, "vast")}


def _runpod(job: Job) -> dict[str, Any]:
    """A pod by RunPod's API, version 2. It starts a container again forever, hence the stop from within."""
    args = {"entrypoint": ["tini", "-g", "--"], "cmd": ["bash", "-c", until_done(job, "runpod")]}
    secrets = {name: f"{{{{ RUNPOD_SECRET_{name} }}}}" for name in job.secrets}
    gpu = {"id": job.gpu or _RUNPOD_GPU, "count": job.gpus, "minRamPerGpu": max(1, job.memory_gb // job.gpus)}
    pod = {
        "name": job.name,
        "image": job.image,
        "args": json.dumps(args),
        "disk": _CONTAINER_DISK,
        "mounts": {"persistent": {"size": job.disk_gb, "path": "/workspace"}},
        "env": job.environment | secrets,
        "gpu": gpu | ({"minCudaVersion": job.cuda} if job.cuda else {}),
    }
    return {"pod": pod}


def _hfjobs(job: Job) -> dict[str, Any]:
    """A job keeps no files, and ends after 30 minutes unless a time limit is given."""
    if not job.uploads:
        raise InputError("HF Jobs keep no files, so what is not uploaded is lost with the machine. Add --upload")
    if job.gpu is None and job.gpus not in _FLAVORS:
        raise InputError(f"gpus={job.gpus} has no usual flavor. Choose with --gpu one that `hf jobs hardware` lists")
    flavor = job.gpu or _FLAVORS[job.gpus]
    if not re.fullmatch(r"[a-z0-9-]+", flavor):
        raise InputError(f"gpu={flavor!r} is not a flavor of HF Jobs. Use one that `hf jobs hardware` lists")
    return {"flavor": flavor}


PLACES = {
    "docker": Place("docker.sh", _docker, grace=120),  # a host with NVIDIA's container toolkit, or a virtual machine
    "vast": Place("vast.sh", _vast),
    "runpod": Place("runpod.sh", _runpod),
    "hfjobs": Place("hfjobs.sh", _hfjobs),
    "skypilot": Place("skypilot", lambda job: {"gpu": job.gpu_or(_SKYPILOT_GPU, _SKYPILOT_GPU)}),
    "slurm": Place("slurm.sbatch", lambda job: {"gpu": job.gpu_or("", "a100")}, grace=180, shared=True),
}
