"""`train`: one run, from the command to its files, its figures and the Hub."""

from __future__ import annotations

import json
import shlex
import sys
import textwrap
from typing import TYPE_CHECKING, Any

import typer

from app.cli import options as o
from app.tables.datasets import DEFAULT_DATASET

if TYPE_CHECKING:
    from app.artifacts.paths import Run
    from app.cli.screen import Screen

_NOT_CONFIG = ("checkpoints", "device", "threads", "attention_path", "micro_batch_size", "state_every", "fresh")


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(epilog=o.WHERE_DEFAULTS_COME_FROM)(train)


def train(
    model: o.Model = None,
    size: o.Size = None,
    dataset: o.Dataset = None,
    epochs: o.Epochs = None,
    batch_size: o.BatchSize = None,
    lr: o.Lr = None,
    seed: o.Seed = None,
    attention: o.Attention = None,
    d_model: o.DModel = None,
    depth: o.Depth = None,
    heads: o.Heads = None,
    mlp_ratio: o.MlpRatio = None,
    image: o.Image = None,
    patch: o.Patch = None,
    dropout: o.Dropout = None,
    dataset_config: o.DatasetConfig = None,
    revision: o.Revision = None,
    image_column: o.ImageColumn = None,
    label_column: o.LabelColumn = None,
    group_column: o.GroupColumn = None,
    augment: o.Augment = None,
    split_seed: o.SplitSeed = None,
    val_fraction: o.ValFraction = None,
    test_fraction: o.TestFraction = None,
    limit_train: o.LimitTrain = None,
    limit_val: o.LimitVal = None,
    limit_test: o.LimitTest = None,
    val_batch_size: o.ValBatchSize = None,
    warmup_steps: o.WarmupSteps = None,
    weight_decay: o.WeightDecay = None,
    clip_norm: o.ClipNorm = None,
    precision: o.Precision = None,
    device: o.Device = None,
    threads: o.Threads = None,
    attention_path: o.AttentionPath = None,
    micro_batch_size: o.MicroBatchSize = None,
    state_every: o.StateEvery = None,
    checkpoints: o.Checkpoints = o.DEFAULT_CHECKPOINTS,
    fresh: o.Fresh = False,
    upload: o.Upload = False,
    private: o.Private = False,
    as_json: o.AsJson = False,
) -> None:
    """Train a model, test it, and keep weights, log, record and figures; the same command continues a stopped run."""
    given = {name: value for name, value in locals().items() if value is not None}
    hub = {name: given.pop(name) for name in ("upload", "private")}
    given.pop("as_json")
    computing = {name: given.pop(name) for name in _NOT_CONFIG if name in given}
    request = {"dataset": DEFAULT_DATASET, **given}
    _refuse_early(request, **hub)
    run, done = _trained(request, computing, **hub)
    typer.echo(json.dumps(run.record) if as_json else done)


def _refuse_early(request: dict[str, Any], *, upload: bool, private: bool) -> None:
    """Raises InputError for what can be told without torch; a dataset or subset without a row is looked at later."""
    from app.config import dataset_facts, resolve
    from app.errors import InputError
    from app.tables.datasets import dataset_row
    from app.tables.models import DEFAULT_MODEL, MODELS
    from app.tables.names import look_up

    if private and not upload:
        raise InputError("--private has an effect with --upload only; leave it out or add --upload")
    look_up("model", request.get("model", DEFAULT_MODEL), MODELS)
    row, subset = dataset_row(request["dataset"]), {"dataset_config", "revision", "label_column"} & request.keys()
    if row and not subset:
        resolve(request, dataset_facts(row))


def _trained(request: dict[str, Any], computing: dict[str, Any], *, upload: bool, private: bool) -> tuple[Run, str]:
    """Trains, draws, uploads; returns the run and what to tell the user at the end."""
    from app import experiment
    from app.cli.screen import Screen

    options = experiment.Options(**computing, command=shlex.join(["python", "run.py", *sys.argv[1:]]))
    with Screen() as screen:
        config = experiment.plan(request, screen)
        if upload:
            _check_upload(screen, private=private)
        path = request["dataset"] if config.fingerprint else None
        run = experiment.train_run(config, options, screen, path=path)
    _draw(run)
    address = _uploaded(run, private=private) if upload else None
    return run, _summary(run, address)


def _check_upload(screen: Screen, *, private: bool) -> None:
    """Bad tokens and repositories end here, before the first step; a silent Hub is only told."""
    from app import hub
    from app.errors import HubUnavailable

    try:
        hub.require_writable(hub.repository(), private=private)
    except HubUnavailable as error:
        screen.say(f"warning: {error}; training goes on, and the upload is tried again at the end")


def _draw(run: Run) -> None:
    """The run's own figures, where they are not there yet."""
    if not run.files.confusion_png.exists():
        from app.report import confusion, loss

        loss.draw_run(run)
        confusion.draw_run(run)


def _uploaded(run: Run, *, private: bool) -> str:
    """The address of the run's commit; raises NotUploaded with the command that repeats it."""
    from app.artifacts import store
    from app.errors import NotUploaded

    local, folder = run.files.folder / run.files.stem, f"{run.config.model}/{run.files.stem}"
    try:
        return store.upload(local, folder, private=private, message=f"Add run {run.record['run_id']}")
    except Exception as error:
        words = ["python", "run.py", "upload", *(["--private"] if private else []), str(local), folder]
        raise NotUploaded(
            f"the run is done and safe in {local}.*, but not uploaded ({error}); retry: {shlex.join(words)}"
        ) from error


def _summary(run: Run, address: str | None) -> str:
    from app.artifacts.card import percent, with_interval

    test, stem = run.record["results"]["test"], run.files.folder / run.files.stem
    written = ", ".join(path.name.removeprefix(run.files.stem) for path in run.files.present())
    return "\n".join(
        [
            f"test accuracy: {with_interval(test)}",
            f"top-5 accuracy: {percent(test['top5'])}; cross-entropy: {test['loss']:.4f}",
            f"written: {stem}",
            textwrap.fill(f"with {written}", 78, initial_indent="  ", subsequent_indent="  "),
            *([f"uploaded: {address}"] if address else []),
            f"next: python run.py evaluate {stem}",
        ]
    )
