"""`bench attention`: forward and backward pass of each attention layer on each of its paths, by number of tokens."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from ..config.run import RunConfig
from ..counts.vit import ATTENTIONS
from ..errors import InputError
from ..models.attention import ATTENTION_CLASSES
from ..models.attention.paths import unfit
from ..place import Place
from . import demand, meter, ours, peers
from .meter import Prepared
from .report import Group, Report, hardware
from .rounds import Contender, Pace, measure

_BASELINE, _TIMM = "classic sdpa", "timm DiffAttention"
_NOTES = (
    "saved MB: storages that the forward pass keeps for the backward pass, each once, parameters excluded, the layer's "
    "input included",
    "a path that is unavailable for an attention on this device is skipped, and so is a call that by estimate would "
    "take more than half of the free memory or more than about a minute",
    "milliseconds of forward and backward of one layer, projections included, gradients of the input included",
)


def compare(request: Mapping[str, Any], here: Place, pace: Pace, *, tokens: Sequence[int]) -> Report:
    """Measure milliseconds and saved bytes of each layer per number of tokens, as ratios to classic attention by SDPA.

    Raises InputError if nothing can be measured at any number of tokens.
    """
    config = ours.config_at({**request, "model": "vit_classic"}, here)
    groups, failures = [], []
    for n in tokens:
        group, failed = _at(config, here, pace.share(len(tokens)), n)
        groups.append(group)
        failures += [f"at {n:,} tokens, {sentence}" for sentence in failed]
    if not any(group.samples for group in groups):
        raise InputError(f"nothing could be measured: {failures[0]}. Use fewer --tokens or a smaller --batch-size")
    setting = {name: getattr(config, name) for name in ("d_model", "heads", "batch_size")}
    return Report(
        bench="attention",
        setting=setting | {"precision": here.precision, "tokens": list(tokens)},
        hardware=hardware(here.describe()),
        groups=groups,
        left_out=[*filter(None, [peers.missing("timm")]), *failures],
        notes=_NOTES,
    )


def _at(config: RunConfig, here: Place, pace: Pace, tokens: int) -> tuple[Group, list[str]]:
    common: dict[str, Any] = {"d_model": config.d_model, "layer": 1, "dropout": 0.0}
    layers: dict[str, Callable[[], nn.Module]] = {
        f"{kind} {path}": partial(make, **common, heads=ATTENTIONS[kind].of_classic(config.heads), path=path)
        for kind, make in ATTENTION_CLASSES.items()
        for path in ATTENTIONS[kind].paths
        if not unfit(path, attention=kind, head_width=_head_width(kind, config), device=here.device.type)
    }
    if not peers.missing("timm"):
        layers[_TIMM] = partial(_timm, config)
    able, refused = _within(list(layers), config, here, tokens)
    contenders = [_contender(name, layers[name], config, here, tokens) for name in able]
    samples, failed = measure(contenders, pace, meter.Memory(here.device))
    pairs = [(one.name, _BASELINE) for one in samples if one.name != _BASELINE]
    return Group(title=f"{tokens:,} tokens", unit="ms per layer", samples=samples, pairs=pairs), [*refused, *failed]


def _within(names: list[str], config: RunConfig, here: Place, tokens: int) -> tuple[list[str], list[str]]:
    """Return the layers that this machine can run, and one sentence per reason for which others are refused."""
    able: list[str] = []
    refused: dict[str, list[str]] = {}
    for name in names:
        kind, path = name.split() if name != _TIMM else ("differential", "sdpa")
        if why := demand.too_much(kind, path, config, here, tokens=tokens):
            refused.setdefault(why, []).append(name)
        else:
            able.append(name)
    return able, [f"{', '.join(those)}: {why}" for why, those in refused.items()]


def _head_width(kind: str, config: RunConfig) -> int:
    """Return the width of a query head, at the kind's number of heads."""
    attention = ATTENTIONS[kind]
    return attention.head_width(config.d_model, attention.of_classic(config.heads))


def _timm(config: RunConfig) -> nn.Module:
    """Return timm's differential attention with the biases and heads of ours."""
    from timm.layers.diff_attention import DiffAttention

    heads = ATTENTIONS["differential"].of_classic(config.heads)
    return DiffAttention(config.d_model, num_heads=heads, qkv_bias=True, depth=1)


def _contender(name: str, make: Callable[[], nn.Module], config: RunConfig, here: Place, tokens: int) -> Contender:
    facts: dict[str, Any] = {}

    def prepare() -> Prepared:
        torch.manual_seed(0)
        layer = make().to(here.device)
        x = torch.randn(config.batch_size, tokens, config.d_model, device=here.device, requires_grad=True)
        back = torch.randn_like(x, requires_grad=False)  # (B, N, D)
        facts["saved_bytes"] = saved_bytes(layer, x, here)

        def both() -> None:
            with here.autocast():
                out = layer(x)
            out.backward(back.to(out.dtype))
            layer.zero_grad(set_to_none=True)
            x.grad = None

        run = meter.stopwatch(both, here.device)
        return lambda units: 1000 * run(units)

    return Contender(name=name, prepare=prepare, facts=facts)


def saved_bytes(layer: nn.Module, x: Tensor, here: Place) -> int:
    """Return the bytes that a forward pass keeps for the backward pass, without parameters.

    Each storage is counted once.
    """
    parameters = {parameter.untyped_storage().data_ptr() for parameter in layer.parameters()}
    kept: dict[int, int] = {}
    held = []  # the address of a freed storage could be used again

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in parameters:
            kept[storage.data_ptr()] = storage.nbytes()
            held.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor), here.autocast():
        layer(x)
    return sum(kept.values())
