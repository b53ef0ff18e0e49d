"""`train`: one run, from the command to its files, its figures and the Hub."""

from __future__ import annotations

import json
import shlex
import sys
import textwrap
from typing import TYPE_CHECKING, Any

import typer

from ..tables.datasets import DEFAULT_DATASET
from ..tables.names import suggestion
from . import options as o
from .screen import program

if TYPE_CHECKING:
    from ..artifacts.paths import Run
    from ..errors import NotUploaded
    from ..experiment.run import Push
    from .screen import Screen

_COMPUTING = (
    "checkpoints", "device", "threads", "attention_path", "micro_batch_size", "compile", "checkpointing", "gradients",
    "state_every", "max_minutes", "fresh",
)  # fmt: skip
_HUB = ("private", "push_every", "if_held", "lease")


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(epilog=o.WHERE_DEFAULTS_COME_FROM)(train)


def train(
    model: o.Model = None, size: o.Size = None, dataset: o.Dataset = None, epochs: o.Epochs = None,
    batch_size: o.BatchSize = None, lr: o.Lr = None, seed: o.Seed = None, match: o.Match = None,
    like: o.Like = None, attention: o.Attention = None,
    d_model: o.DModel = None, depth: o.Depth = None, heads: o.Heads = None, mlp_ratio: o.MlpRatio = None,
    head_width: o.HeadWidth = None, qkv_bias: o.QkvBias = None, projection_bias: o.ProjectionBias = None,
    norm: o.Norm = None, pooling: o.Pooling = None, positions: o.Positions = None, patching: o.Patching = None,
    tokenizer: o.Tokenizer = None, value_skip: o.ValueSkip = None, features: o.Features = None,
    width: o.Width = None, stem_pool: o.StemPool = None, projection: o.Projection = None,
    discriminator: o.Discriminator = None, image: o.Image = None, patch: o.Patch = None, dropout: o.Dropout = None,
    pretrained: o.Pretrained = None,
    dataset_config: o.DatasetConfig = None, revision: o.Revision = None, image_column: o.ImageColumn = None,
    label_column: o.LabelColumn = None, group_column: o.GroupColumn = None, augment: o.Augment = None,
    data: o.Data = None, design: o.Design = None, filelist: o.Filelist = None, field: o.Field = None,
    target: o.Target = None, crop: o.Crop = None, mirror: o.Mirror = None, background: o.Background = None,
    range: o.Range = None, grid: o.Grid = None, stored_dtype: o.StoredDtype = None,
    split_seed: o.SplitSeed = None, val_fraction: o.ValFraction = None, test_fraction: o.TestFraction = None,
    limit_train: o.LimitTrain = None, limit_val: o.LimitVal = None, limit_test: o.LimitTest = None,
    val_batch_size: o.ValBatchSize = None, train_batches: o.TrainBatches = None, val_batches: o.ValBatches = None,
    optimizer: o.Optimizer = None, eps: o.Eps = None, schedule: o.Schedule = None,
    warmup_steps: o.WarmupSteps = None, weight_decay: o.WeightDecay = None,
    clip_norm: o.ClipNorm = None, precision: o.Precision = None, device: o.Device = None, threads: o.Threads = None,
    attention_path: o.AttentionPath = None, micro_batch_size: o.MicroBatchSize = None, compile: o.Compile = None,
    checkpointing: o.Checkpointing = None, gradients: o.Gradients = None, state_every: o.StateEvery = None,
    max_minutes: o.MaxMinutes = None, checkpoints: o.Checkpoints = o.DEFAULT_CHECKPOINTS, fresh: o.Fresh = False,
    upload: o.Upload = False, private: o.Private = False, push_every: o.PushEvery = None, if_held: o.IfHeld = None,
    lease: o.Lease = None, as_json: o.AsJson = False,
) -> None:  # fmt: skip
    """Train a model, test it, and keep weights, log, record and figures; the same command continues a stopped run."""
    given = {name: value for name, value in locals().items() if value is not None}
    run = _trained(*divided(given))
    if run is None:  # the first rank speaks for all
        return
    address, failed = _uploaded(run, private=private) if upload else (None, None)
    typer.echo(json.dumps(run.record) if as_json else _summary(run, address))
    if failed:
        raise failed


def divided(given: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any] | None]:
    """The options: what decides the result, how it is computed, and how it is kept on the Hub, None if it is not."""
    given.pop("as_json")
    at_hub = {name: given.pop(name) for name in _HUB if name in given} if given.pop("upload") else None
    if at_hub is None:
        _refuse_without_upload(given)
    computing = {name: given.pop(name) for name in _COMPUTING if name in given}
    request = {"dataset": DEFAULT_DATASET, **given}
    _refuse_early(request, computing)
    return request, computing, at_hub


def _refuse_without_upload(given: dict[str, Any]) -> None:
    """Raises InputError for an option that has an effect with --upload only; takes the switch out."""
    from ..errors import InputError

    if useless := [name for name in _HUB if given.get(name, False) is not False]:
        option = f"--{useless[0].replace('_', '-')}"
        raise InputError(f"{option} has an effect with --upload only; leave it out or add --upload")
    given.pop("private")


def _refuse_early(request: dict[str, Any], computing: dict[str, Any]) -> None:
    """Raises InputError for what can be told without torch; a dataset or subset without a row is looked at later."""
    from ..config import checks, matching
    from ..config.run import dataset_facts, resolve
    from ..tables.computing import GRADIENTS, PATHS
    from ..tables.datasets import dataset_row
    from ..tables.models import DEFAULT_MODEL, model_row
    from ..tables.ranges import check_known

    for name in (request.get("model", DEFAULT_MODEL), *([request["like"]] if matching.asked(request) else [])):
        model_row(name)
    row, subset = dataset_row(request["dataset"]), {"dataset_config", "revision", "label_column"} & request.keys()
    if row and row.kind != "image":
        checks.require_files(row, request)
    elif row and not subset:
        resolve(request, dataset_facts(row))
    check_known("--attention-path", computing.get("attention_path", PATHS[0]), PATHS)
    check_known("--gradients", computing.get("gradients", GRADIENTS[0]), GRADIENTS)


def _trained(request: dict[str, Any], computing: dict[str, Any], at_hub: dict[str, Any] | None) -> Run | None:
    """Trains and draws; None on all ranks but the first."""
    from .. import data, place
    from ..experiment import run as experiment
    from .screen import Screen

    command = shlex.join(["python", "run.py", *sys.argv[1:]])
    with Screen(quiet=place.rank() > 0) as screen:
        config = experiment.plan(request, screen)
        push = _push(**at_hub, screen=screen) if at_hub is not None else None
        where = data.where(request)
        path = where.pop("path")
        options = experiment.Options(**computing, **where, push=push, command=command)
        run = experiment.train_run(config, options, screen, path=path)
    if run:
        _draw(run)
    return run


def _push(
    *, private: bool, push_every: float = 1800.0, if_held: str = "wait", lease: float = 900.0, screen: Screen
) -> Push:
    """How the run is kept on the Hub; bad tokens and repositories end here, before the first step."""
    from ..errors import HubUnavailable, InputError
    from ..experiment.run import Push
    from ..system import hub, repositories

    if if_held not in ("wait", "refuse"):
        raise InputError(f"unknown --if-held {if_held!r}; {suggestion(if_held, ['wait', 'refuse'])}")
    if push_every <= 0 or lease <= 0:
        raise InputError("--push-every and --lease must be above 0")
    try:
        repositories.require_writable(hub.repository(), private=private)
    except HubUnavailable as error:
        screen.say(f"warning: {error}; training goes on, and the upload is tried again at the end")
    return Push(every=push_every, wait=if_held == "wait", lease=lease)


def _draw(run: Run) -> None:
    """The run's own figures, where they are not there yet."""
    from ..report import testing

    if not testing.picture(run).exists():
        from ..report import loss

        loss.draw_run(run)
        testing.draw_once(run)


def _uploaded(run: Run, *, private: bool) -> tuple[str | None, NotUploaded | None]:
    """The address of the run's commit, or the error with the command that repeats the upload."""
    from ..errors import NotUploaded
    from ..sharing import store
    from .screen import Screen

    local, folder = run.files.folder / run.files.stem, f"{run.config.folder}/{run.files.stem}"
    try:
        message = f"Add run {run.record['run_id']}"
        address = store.upload(local, folder, say=Screen().say, private=private, message=message)
    except Exception as error:  # whatever it is, the run is safe here and its result is told  # noqa: BLE001
        words = [*program(), "upload", *(["--private"] if private else []), str(local), folder]
        failed = NotUploaded(
            f"the run is done and safe in {local}.*, but not uploaded ({error}); retry: {shlex.join(words)}"
        )
        return None, failed
    return address, None


def _summary(run: Run, address: str | None) -> str:
    from ..sharing.card import test_lines

    test, stem = run.record["results"]["test"], run.files.folder / run.files.stem
    written = ", ".join(path.name.removeprefix(run.files.stem) for path in run.files.present())
    return "\n".join(
        [
            *test_lines(run, test),
            f"written: {stem}",
            textwrap.fill(f"with {written}", 78, initial_indent="  ", subsequent_indent="  "),
            *([f"uploaded: {address}"] if address else []),
            f"next: {shlex.join([*program(), 'evaluate', str(stem)])}",
        ]
    )
