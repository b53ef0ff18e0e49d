"""`bench step`: one training step of ours, timm's and HF's, at equal shape, dropout 0, the batch on the device."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from torch import nn

from ..computing import choosing, execution
from ..computing.rehearsal import HeldBatch, Rehearsal
from ..config.run import RunConfig
from ..errors import InputError
from ..models import count
from ..place import Place
from ..system import memory
from ..tables import own
from ..tables.computing import PATHS
from ..tables.own import OwnModel
from . import meter, ours, peers
from .apart import Apart
from .meter import Prepared
from .report import Group, Report, hardware
from .request import MODELS
from .rounds import Contender, Pace, Samples, measure, spread

_NOTES = (
    "timm as its training script has it: create_optimizer_v2 makes torch.optim.AdamW without fused or foreach "
    "arguments, so torch chooses: foreach on CUDA, a loop on a CPU; its synchronisation per step and its meters are "
    "left out",
    "HF Trainer with its defaults (fused AdamW, clipping at 1.0, its own data loader without workers over tensors in "
    "host memory), progress bar, saving and reports off; its time includes feeding, the others' images are on the "
    "device",
    "on a CPU, each contender has a separate process, as its users run it. Only isoscale keeps freed memory for the "
    "next step. There, peak MB is that of the whole process with its libraries",
    "isoscale: one optimiser step with the fused AdamW, as `train` makes it, without its validation batch and its log",
)
_PAIRS = (
    ("vit_classic", "timm eager"),
    ("vit_differential", "vit_classic"),
    ("vit_classic", "timm compiled"),
    ("vit_classic", "HF Trainer"),
)


def compare(
    request: Mapping[str, Any],
    here: Place,
    pace: Pace,
    wishes: execution.Wishes,
) -> Report:
    """Measure the milliseconds per step and, on CUDA, its rate as a share of a large matrix product's rate.

    The request's model is measured next to ours.
    """
    configs = ours.configs(request, here)
    classic, added = configs[0], configs[len(MODELS) :]
    compiled = here.device.type == "cuda" if wishes.compile is None else wishes.compile
    paths, left_out = _paths(configs, here, wishes.attention_path)
    contenders = [
        _ours(config, here, replace(wishes, attention_path=path, compile=compiled))
        for config, path in zip(configs, paths, strict=True)
    ]
    rivals, absent = _rivals(classic, here, compiled=compiled)
    pairs = [*_PAIRS, *((config.model, classic.model) for config in added)]
    samples, failed = measure([*contenders, *rivals], pace, meter.Memory(here.device))
    rate = meter.matmul_rate(here.device) if here.device.type == "cuda" else None
    flops = {config.model: config.flops for config in configs}
    samples = [_rated(one, classic.batch_size, flops.get(one.name, flops[classic.model]), rate) for one in samples]
    cells = ("size", "dataset", "d_model", "depth", "mlp_ratio", "image", "patch", "channels", "classes", "batch_size")
    setting = {name: getattr(classic, name) for name in cells} | {"tokens": classic.tokens}
    return Report(
        bench="step",
        setting=setting | {"precision": here.precision},
        hardware=hardware(here.describe()),
        groups=[Group(title="a training step", unit="ms per step", samples=samples, pairs=pairs)],
        left_out=[*left_out, *absent, *failed],
        notes=_NOTES,
        facts={"bf16_matmul_flops_per_second": rate} if rate else {},
    )


def _milliseconds(run: Prepared) -> Prepared:
    return lambda units: 1000 * run(units)


def _paths(configs: list[RunConfig], here: Place, asked: str | None) -> tuple[list[str | None], list[str]]:
    """Return the path to use for each model, and a sentence for each model that lacks the requested path.

    A model whose path is None chooses one.

    Raises InputError for a path that no model has.
    """
    if asked is None or asked not in PATHS:  # an unknown path is refused when the execution is chosen
        return [asked for _ in configs], []
    reasons = [choosing.unfit_path(config, here, asked) for config in configs]
    if all(reasons):
        first, *more = dict.fromkeys(reasons)
        raise InputError(". ".join([f"attention_path={asked}: {first}", *(why[:1].upper() + why[1:] for why in more)]))
    named = zip(configs, reasons, strict=True)
    left_out = [f"{config.model} by {asked}, which uses another path: {why}" for config, why in named if why]
    return [None if why else asked for why in reasons], left_out


def _ours(config: RunConfig, here: Place, wishes: execution.Wishes) -> Contender:
    chosen = ours.choose(config, here, wishes, say=lambda _: None)
    facts = {"heads": config.heads, "parameters": config.parameters, **chosen.to_json()}
    make = partial(_rehearsed, config, here, chosen, own.known(config.model))
    return _contender(config.model, make, here, facts=facts, required=True, threads=chosen.threads)


def _rehearsed(config: RunConfig, here: Place, chosen: execution.Execution, code: OwnModel | None) -> Prepared:
    """Return the steps of ours. `code` is the file of a user's own model, which the user named to this process."""
    if code:
        own.allow(code)
    if here.device.type == "cpu":
        memory.keep()
    step = Rehearsal(config, here, HeldBatch.of(config, here.device), chosen).step
    return meter.stopwatch(step, here.device)


def _contender(name: str, make: Callable[[], Prepared], here: Place, **more: Any) -> Contender:
    """Return a contender whose steps a stopwatch of `make` times in milliseconds, in a separate process on a CPU."""
    if here.device.type == "cpu":
        apart = Apart(make)
        make, more["peak_bytes"] = apart.prepare, apart.peak_bytes
    return Contender(
        name=name, prepare=lambda: _milliseconds(make()), seconds=lambda milliseconds: milliseconds / 1000, **more
    )


def _rivals(config: RunConfig, here: Place, *, compiled: bool) -> tuple[list[Contender], list[str]]:
    """Return the installed peers, and a sentence for each that is not installed."""
    found, left_out = [], [sentence for peer in ("timm", "HF Trainer") if (sentence := peers.missing(peer))]
    if not peers.missing("timm"):
        found.append(_rival("timm eager", peers.timm_model, partial(peers.timm_step, compiled=False), config, here))
        if compiled:
            step = partial(peers.timm_step, compiled=True)
            found.append(_rival("timm compiled", peers.timm_model, step, config, here))
        else:
            left_out.append("timm compiled: --compile includes it")
    if not peers.missing("HF Trainer"):
        found.append(_rival("HF Trainer", peers.hf_model, peers.hf_steps, config, here))
    return found, left_out


def _rival(
    name: str, model: Callable[[RunConfig], nn.Module], steps: Callable[..., Prepared], config: RunConfig, here: Place
) -> Contender:
    """Return a peer's contender.

    Its parameters are counted when it is made, so that one that cannot be made is skipped.
    """
    facts: dict[str, Any] = {"heads": config.heads}
    made = _contender(name, partial(steps, config, here), here, facts=facts)

    def prepare() -> Prepared:
        facts["parameters"] = count(model(config))
        return made.prepare()

    return replace(made, prepare=prepare)


def _rated(samples: Samples, batch_size: int, flops: int, rate: float | None) -> Samples:
    """Add images per second, and the share of the matrix product's rate that the FLOPs of 3 forward passes reach."""
    speed = 1000 * batch_size / spread(samples.values).median
    facts: dict[str, Any] = {**samples.facts, "images_per_second": speed}
    return replace(samples, facts=facts | ({"flop_utilisation": 3 * flops * speed / rate} if rate else {}))
