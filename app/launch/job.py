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

    `arguments` are what follows `run.py`: a `train`, `study` or `sweep` command. `workers` is how many machines work on
    a study or a sweep. `gpu` is the place's name of a GPU, None for the place's usual one. `files` are paths in the
    folder of submission that the command reads. `environment` has what everybody may read. `secrets` are names only:
    no text contains their values.
    """

    arguments: tuple[str, ...]
    image: str
    workers: int = 1
    files: tuple[str, ...] = ()
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
        for number, least in (("gpus", 1), ("memory_gb", 1), ("hours", 0.1), ("workers", 1)):
            if not least <= (given := getattr(self, number)) < float("inf"):
                raise InputError(f"{number}={given} is out of range. Use {least} or more")
        if self.workers > 1 and not self.is_study:
            raise InputError(
                f"--workers {self.workers} has an effect on a study only, because one run is trained on one machine. "
                "Omit it, or launch a study"
            )
        if bad := [name for name in self.names if not _NAME.fullmatch(name)]:
            raise InputError(f"name={bad[0]!r} is not a valid name. Use at most 48 of a-z, 0-9 and -")
        if not _IMAGE.fullmatch(self.image):
            raise InputError(
                f"image={self.image!r} is not the name of an image. Use one such as ghcr.io/owner/isoscale:main"
            )
        for what, words in (("gpu", [self.gpu or ""]), ("command", self.arguments)):
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
            job = replace(job, arguments=(*job.arguments, "--grace", f"{seconds}s"))
        return job

    def _has(self, option: str) -> bool:
        """Return whether the command has an option, in either spelling."""
        return any(word.partition("=")[0].replace("_", "-") == f"--{option}" for word in self.arguments)

    @property
    def is_study(self) -> bool:
        """Whether the command is the worker of a study or of a sweep."""
        return self.arguments[:1] in (("study",), ("sweep",))

    @property
    def names(self) -> list[str]:
        """The name of each worker; the job's name if there is one."""
        return [f"{self.name}-{number}" for number in range(1, self.workers + 1)] if self.workers > 1 else [self.name]

    @property
    def ranks(self) -> int:
        """The processes that the place starts, one for each GPU; the worker of a study starts its trainings itself."""
        return 1 if self.is_study else self.gpus

    @property
    def command(self) -> list[str]:
        """What runs in the container; `torchrun` starts several ranks."""
        ranks = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={self.ranks}"]
        return [PYTHON, *(ranks if self.ranks > 1 else []), RUN, *self.arguments]

    @property
    def uploads(self) -> bool:
        """Whether runs are kept on the Hub, so that another machine goes on with them."""
        return "--upload" in self.arguments

    @property
    def is_timed(self) -> bool:
        """Whether --max-minutes or a study's budget ends the command, which then is not restarted."""
        return self._has("max-minutes") or self.is_budgeted

    @property
    def is_budgeted(self) -> bool:
        """Whether a study's budget ends the command: it counts over all starts, those after a signal among them."""
        return (self._has("max-hours") or self._has("max-usd")) and not self._has("max-minutes")

    @property
    def cuda(self) -> str | None:
        """CUDA's version by the image's tag; a place then chooses hosts whose driver serves it."""
        found = re.search(r"-cuda-(\d+\.\d+)$", self.image)
        return found[1] if found else None

    @property
    def minutes(self) -> int:
        """The time limit, in whole minutes."""
        return max(1, round(60 * self.hours))
