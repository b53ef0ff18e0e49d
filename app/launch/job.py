"""One description of a job, of which every place's text is made."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from ..errors import InputError

PYTHON = "/usr/local/bin/python3"  # the image's; a shell of the place may have another one first
RUN = "/app/run.py"
_LEAST_DISK = 40  # GB: the image unpacked takes 7, the study's datasets, states and weights 10; hosts keep some
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,46}[a-z0-9])?")
_IMAGE = re.compile(r"(?!.*://)[a-zA-Z0-9][\w.:/@-]*", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is to be run and what it needs.

    `train` is what follows `run.py`; `gpu` is the place's own name of a GPU, None for the place's usual one.
    `environment` holds what may be read by everybody; `secrets` are names only: their values never stand in a text.
    """

    train: tuple[str, ...]
    image: str
    name: str = "isoscale"
    gpu: str | None = None
    gpus: int = 1
    disk_gb: int = 60
    memory_gb: int = 32
    hours: float = 24.0  # after which the place may end the job; it goes on from there
    environment: dict[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.disk_gb < _LEAST_DISK:
            raise InputError(
                f"disk_gb={self.disk_gb} is too small for image, data and states. Use {_LEAST_DISK} or more"
            )
        for number, least in (("gpus", 1), ("memory_gb", 1), ("hours", 0.1)):
            if not least <= (given := getattr(self, number)) < float("inf"):
                raise InputError(f"{number}={given} is out of range. Use {least} or more")
        if not _NAME.fullmatch(self.name):
            raise InputError(f"name={self.name!r} is not a valid name. Use at most 48 of a-z, 0-9 and -")
        if not _IMAGE.fullmatch(self.image):
            raise InputError(
                f"image={self.image!r} is not the name of an image. Use one such as ghcr.io/owner/isoscale:main"
            )
        for what, words in (("gpu", [self.gpu or ""]), ("train", self.train)):
            if bad := [word for word in words if not word.isprintable()]:
                raise InputError(f"{what}={bad[0]!r} contains a character that cannot be printed. Remove it")

    def gpu_or(self, usual: str, example: str) -> str:
        """Return the GPU's name for places that take one word. Raise InputError for other names."""
        if self.gpu and not re.fullmatch(r"[\w.-]+", self.gpu, re.ASCII):
            raise InputError(f"gpu={self.gpu!r} is not the name of a GPU there. Use one word, such as {example}")
        return self.gpu or usual

    def granted(self, seconds: int) -> Job:
        """Return the job for a place that waits so many seconds between the signal and the kill, for its last push."""
        job = self
        if self.gpus > 1:  # how long torchrun waits for its ranks
            job = replace(job, environment={**job.environment, "TORCH_ELASTIC_SHUTDOWN_TIMEOUT": str(seconds)})
        if self.uploads and not self._has("grace"):
            job = replace(job, train=(*job.train, "--grace", f"{seconds}s"))
        return job

    def _has(self, option: str) -> bool:
        """Return whether the command has an option, in either spelling."""
        return any(word.partition("=")[0].replace("_", "-") == f"--{option}" for word in self.train)

    @property
    def command(self) -> list[str]:
        """What runs in the container; on several GPUs one process for each, which `torchrun` starts."""
        ranks = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={self.gpus}"]
        return [PYTHON, *(ranks if self.gpus > 1 else []), RUN, *self.train]

    @property
    def uploads(self) -> bool:
        """Whether the run is kept on the Hub, so that another machine goes on with it."""
        return "--upload" in self.train

    @property
    def is_timed(self) -> bool:
        """Whether --max-minutes ends the run, which then is not restarted."""
        return self._has("max-minutes")

    @property
    def cuda(self) -> str | None:
        """CUDA's version by the image's tag; a place then chooses hosts whose driver serves it."""
        found = re.search(r"-cuda-(\d+\.\d+)$", self.image)
        return found[1] if found else None

    @property
    def minutes(self) -> int:
        """The time limit, in whole minutes."""
        return max(1, round(60 * self.hours))
