"""Runs begun by an earlier version or on other data: which of them a command resumes or reports."""

from __future__ import annotations

from .. import data
from ..artifacts.record import Record
from ..artifacts.runs import Run, place_of, unfinished_of_another_file, unfinished_on_other_data
from ..config.run import RunConfig
from .observers import Screen
from .options import Options


def as_begun(config: RunConfig, options: Options, screen: Screen, path: str | None) -> RunConfig:
    """Return the config, or its form in an earlier version if such a run exists and is not finished.

    An earlier form has an earlier revision of its model, or a fingerprint of all files of its folder, read or not. A
    run with the config's current ID takes precedence. A note names a finished run of an earlier revision.
    """
    if options.fresh or place_of(options.checkpoints, config).record.exists():
        return config
    for earlier in config.at_earlier_revisions():
        files = place_of(options.checkpoints, earlier)
        if not files.record.exists():
            continue
        if not Run.load(files.record).done:
            screen.say(f"resuming run {earlier.run_id} at {_revisions(earlier, config)}, as it began")
            return earlier
        screen.say(
            f"note: run {earlier.run_id} is finished and differs only by {_revisions(earlier, config)}. This command "
            f"starts another run, {config.run_id}. Do not compare the two as one model"
        )
    report_other_file(unfinished_of_another_file(options.checkpoints, config), config, screen)
    other = unfinished_on_other_data(options.checkpoints, config)
    if not (other and path and config.layout_revision == 1 and data.named_by_all_files(path, other.config)):
        report_other_data(other, config, screen)
        return config
    screen.say(f"resuming run {other.record.run_id}, whose fingerprint covers every file of {path}, as it began")
    return other.config


def report_other_data(other: Run | None, config: RunConfig, screen: Screen) -> None:
    """Report an unfinished run that differs from the config only in its data or how they are read."""
    if other and other.config.fingerprint == config.fingerprint:
        screen.say(
            f"note: run {other.record.run_id} is unfinished and cannot be resumed. Earlier versions divided "
            f"{config.dataset} differently into splits and classes, so this command starts another run, "
            f"{config.run_id}"
        )
    elif other:
        screen.say(
            f"note: run {other.record.run_id} is unfinished and differs from this command only in its data: the "
            f"files of {config.dataset} have changed since (fingerprint {other.config.fingerprint}, now "
            f"{config.fingerprint}). This command starts another run, {config.run_id}. To resume the first, restore "
            "the files"
        )


def report_other_file(other: Run | None, config: RunConfig, screen: Screen) -> None:
    """Report an unfinished run that differs from the config only in the content of its model's file."""
    if other:
        screen.say(
            f"note: run {other.record.run_id} is unfinished and differs from this command only in its model's file, "
            f"which has changed since (sha256 {other.config.model_sha256}, now {config.model_sha256}). This command "
            f"starts another run, {config.run_id}. To resume the first, restore the file"
        )


def _revisions(earlier: RunConfig, config: RunConfig) -> str:
    """Return the revisions in which an earlier run differs, as text."""
    rules = {"model_revision": config.model, "decoding_revision": "the decoding", "layout_revision": "the layout"}
    numbers = {rule: getattr(earlier, name) for name, rule in rules.items()
               if getattr(earlier, name) != getattr(config, name)}  # fmt: skip
    return " and ".join(f"revision {number} of {rule}" for rule, number in numbers.items())


def streamed(kept: Record) -> str:
    """Return why a run that an earlier version trained from the stream no longer has data."""
    return (
        f"run {kept.run_id} was trained from the stream by an earlier version, on validation and test rows that "
        "depended on the machine's memory. This is no longer supported"
    )
