"""Checks for `train` before its first step: a run of the same ID, the upload, and the size of a batch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..artifacts.listing import state_of
from ..artifacts.runs import Run, place_of
from ..config.run import RunConfig
from ..counts.zoo import idle_kernel
from ..errors import Explained, InputError
from ..experiment import length
from ..system import hub
from ..system.findings import FAIL, PASS, WARN, Finding
from .extent import Extent

if TYPE_CHECKING:
    from ..experiment.options import Options


def findings(config: RunConfig, options: Options) -> list[Finding]:
    """Return the checks of a run on this machine that need neither its data nor the network."""
    return [
        *existing(config, options.checkpoints, fresh=options.fresh),
        *upload(asked=options.upload, offline=is_offline()),
    ]


def is_offline() -> bool:
    """Return whether HF_HUB_OFFLINE blocks the Hub's client from the network."""
    import huggingface_hub

    return bool(huggingface_hub.is_offline_mode())


def existing(config: RunConfig, checkpoints: Path, *, fresh: bool) -> list[Finding]:
    """Return what `train` does with an existing run of this ID, or nothing if there is none."""
    files = place_of(checkpoints, config)
    if not files.record.exists():
        return []
    try:
        run = Run.load(files.record)
    except Explained as error:
        return [Finding(PASS if fresh else FAIL, "run", str(error))]
    total = run.record.schedule.total_steps
    state, step = state_of(files, run.record.status, total)
    at = f"run {config.run_id} in {files.folder}"
    if state == "running":
        return [Finding(WARN, "run", f"another process trains {at}", "wait until it ends")]
    if fresh:
        return [Finding(WARN, "run", f"--fresh deletes {at} ({state}) and retrains it")]
    if state == "done":
        return [Finding(PASS, "run", f"{at} is done, so `train` trains nothing. --fresh retrains it")]
    resumes = f"{at} {'failed' if state == 'failed' else 'was stopped'}. `train` resumes it at step {step:,}/{total:,}"
    return [Finding(PASS, "run", resumes)]


def upload(*, asked: bool, offline: bool) -> list[Finding]:
    """Return whether the variables that --upload needs are set, or nothing without --upload.

    The Hub is not contacted.
    """
    if not asked:
        return []
    try:
        name = hub.repository()
    except InputError as error:
        return [Finding(FAIL, "upload", f"{error}, or train without --upload")]
    if not hub.token():
        return [Finding(FAIL, "upload", f"{hub.no_token()}, or train without --upload")]
    if offline:
        return [
            Finding(
                WARN, "upload", "HF_HUB_OFFLINE is set, so the run is trained but not uploaded", "unset the variable"
            )
        ]
    return [Finding(PASS, "upload", f"to {name}. `run.py doctor` checks whether the token may write")]


def batch(config: RunConfig, extent: Extent) -> list[Finding]:
    """Return a warning if a batch is larger than the training split, else nothing."""
    says = length.small_split(config, extent.train)
    return [Finding(WARN, "batch size", says)] if says else []


def idle(config: RunConfig, extent: Extent) -> list[Finding]:
    """Return warnings if the only step of a run changes nothing, or if weights of a kernel meet no patch."""
    found = {"learning rate": length.still(config, extent.train), "kernel": idle_kernel(config.shape)}
    return [Finding(WARN, about, says) for about, says in found.items() if says]
