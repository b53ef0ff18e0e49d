"""What arithmetic allows a training step on a GPU: operations, bytes, and the time that a device needs for them.

    python -m benchmarks.gpu.bounds

It prints the tables of docs/performance.md. Nothing is measured. Limits are those of public data sheets, dense and with
float32 sums, and every kernel is assumed to run at one of them. Bytes count each tensor once per kernel that reads or
writes it. For compiled blocks the kernels are those that torch.compile 2.15 makes of a block for a CPU.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from app.bench.request import resolved
from app.config.run import RunConfig
from app.counts import vit

from .cases import CLASSIC, SHAPES


@dataclass(frozen=True)
class Device:
    """A device's dense bf16 operations and bytes per second, and the share of the former that flash attention reaches.

    FlashAttention-2 reaches 35 % on an H100 (arXiv:2407.08608, abstract) and 50 to 73 % on an A100 (arXiv:2307.08691,
    abstract). The lower end is used, for the RTX 4090 too, of which there is no published number.
    """

    name: str
    flops: float
    bytes: float
    flash: float


DEVICES = (
    Device("H200 SXM", 989.4e12, 4.8e12, 0.35),
    Device("H100 SXM", 989.4e12, 3.35e12, 0.35),
    Device("A100 80 GB SXM", 312e12, 2.039e12, 0.5),
    Device("RTX 4090", 165.2e12, 1.008e12, 0.5),
)
FLASH_WORK = 3.5  # forward and backward pass, in forward passes: the backward pass has 5 products, the forward 2
TWO_CALLS = 40 / 28  # products of a differential pair over those of two classic heads
# Bytes per token and d_model of a block in mixed precision, with a float32 residual stream: forward and backward pass
COMPILED = {
    "norm 1, and its backward pass": (6, 14),
    "residual and norm 2, and their backward pass": (8, 16),
    "GELU": (16, 24),
    "residual": (12, 0),
    "casts of gradients": (0, 12),
    "gradients of queries, keys and values into one tensor": (0, 12),
    "gradients of biases and norms": (0, 28),
}
BF16_STREAM = COMPILED | {  # the same with a bf16 residual stream, whose first sum is written and read again
    "norm 1, and its backward pass": (4, 8),
    "residual and norm 2, and their backward pass": (10, 8),
    "residual": (6, 0),
    "casts of gradients": (0, 0),
    "gradients of biases and norms": (0, 22),
}
EAGER = {  # of timm's block under autocast, whose norms give float32
    "norms, and their backward pass": (16, 40),
    "casts": (12, 12),
    "residuals, and the sums of their gradients": (20, 36),
    "GELU": (16, 24),
    "gradients of queries, keys and values into one tensor": (0, 24),
    "gradients of biases": (0, 18),
}
LINEAR, ATTENTION = (32, 64), (8, 16)
OPTIMIZER = 28  # bytes per parameter: AdamW reads weight, gradient and two moments, and writes three of them
TRAINED, HELD_OUT = 45_000, 5_000  # images of CIFAR-100's training split
MAPS = (29, 43)  # bytes per number of a map that is written out in fp16, with its float32 softmax and dropout


class Load(NamedTuple):
    """Operations and bytes of one kind of work in a step."""

    flops: float
    bytes: float
    is_attention: bool = False

    def limits(self, device: Device) -> tuple[float, float]:
        """Return the seconds that a device needs for the operations, and for the bytes."""
        return self.flops / device.flops / (device.flash if self.is_attention else 1), self.bytes / device.bytes


def config_of(label: str) -> RunConfig:
    """Return the classic model of a shape of the sheet."""
    return resolved({**SHAPES[label], "model": CLASSIC})


def unit(config: RunConfig) -> float:
    """Return the bytes of one byte per token and d_model in all blocks of a batch."""
    assert config.d_model and config.depth, "it is a ViT's"
    return float(config.batch_size * vit.tokens(config.shape) * config.d_model * config.depth)


def loads(config: RunConfig, kernels: dict[str, tuple[int, int]], *, attention: float = 1.0) -> dict[str, Load]:
    """Return the work of a step. `attention` is that of attention over the classic one's."""
    assert config.d_model and config.depth, "it is a ViT's"
    d, n, each = config.d_model, vit.tokens(config.shape), unit(config)
    blocks, products = 24 * d * each, 4 * n * each  # 2 operations per multiply-add, forward
    rest = config.batch_size * config.flops - blocks - products
    return {
        "linear layers of the blocks": Load(3 * blocks, sum(LINEAR) * each),
        "attention": Load(attention * FLASH_WORK * products, sum(ATTENTION) * each, is_attention=True),
        "elementwise kernels": Load(0, each * sum(map(sum, kernels.values()))),
        "patches and head": Load(3 * rest, 0),
        "optimiser": Load(0, OPTIMIZER * config.parameters),
    }


def step(device: Device, config: RunConfig, kernels: dict[str, tuple[int, int]], *, attention: float = 1.0) -> float:
    """Return the least seconds of a step."""
    return sum(max(load.limits(device)) for load in loads(config, kernels, attention=attention).values())


def maps_bytes(config: RunConfig) -> float:
    """Return the bytes of a step's attention maps that are written out."""
    assert config.heads and config.depth, "it is a ViT's"
    return float(sum(MAPS) * config.batch_size * config.depth * config.heads * vit.tokens(config.shape) ** 2)


def epoch_flops(config: RunConfig) -> float:
    """Return the operations of an epoch of CIFAR-100: steps, a validation batch after each, and a validation pass."""
    return (3.0 * TRAINED + validated(config)) * config.flops


def validated(config: RunConfig) -> int:
    """Return the images of an epoch that are validated."""
    return -(-TRAINED // config.batch_size) * config.val_batch_size + HELD_OUT


def fifty_epochs(device: Device, config: RunConfig) -> float:
    """Return the least seconds of 50 epochs. A forward pass counts as a third of a step."""
    return 50 * (TRAINED + validated(config) / 3) / config.batch_size * step(device, config, COMPILED)


def tables() -> Iterator[str]:
    """Yield the tables' lines."""
    yield "| device | bf16 TFLOP/s | TB/s | operations per byte |\n|---|---|---|---|"
    for device in DEVICES:
        limits = f"{device.flops / 1e12:.0f} | {device.bytes / 1e12:.2f} | {device.flops / device.bytes:.0f}"
        yield f"| {device.name} | {limits} |"
    h200 = DEVICES[0]
    for label in SHAPES:
        config = config_of(label)
        yield f"\n{label}: {3 * config.batch_size * config.flops / 1e12:.2f} TFLOP per step are counted\n"
        yield "| part of a step | TFLOP | GB | H200, ms | bound by |\n|---|---|---|---|---|"
        for name, load in loads(config, COMPILED).items():
            operations, moved = load.limits(h200)
            bound = f"{1000 * max(operations, moved):.1f} | {'bytes' if moved >= operations else 'operations'}"
            yield f"| {name} | {load.flops / 1e12:.2f} | {load.bytes / 1e9:.1f} | {bound} |"
        yield "\n| device | step, ms | of the data sheet, % | eager kernels | two calls |\n|---|---|---|---|---|"
        for device in DEVICES:
            yield bound_row(device, config)
    cifar = config_of("d256")
    maps = maps_bytes(cifar)
    yield f"\nmaps that are written out: {maps / 1e12:.2f} TB per step, {1000 * maps / h200.bytes:.0f} ms"
    yield narrower(h200, cifar)
    yield f"an epoch: {epoch_flops(cifar) / 1e15:.2f} PFLOP; 50 epochs: {fifty_epochs(h200, cifar) / 60:.1f} min"


def narrower(device: Device, config: RunConfig) -> str:
    """Return what a bf16 residual stream saves: bytes per token and d_model, bytes of a step, and its least time."""
    wide, narrow = (sum(map(sum, kernels.values())) for kernels in (COMPILED, BF16_STREAM))
    saved, times = (
        (wide - narrow) * unit(config),
        [1000 * step(device, config, each) for each in (COMPILED, BF16_STREAM)],
    )
    return (
        f"a bf16 residual stream: {narrow} bytes instead of {wide}; {saved / 1e9:.1f} GB fewer per step, "
        f"{times[1]:.1f} ms instead of {times[0]:.1f} ms"
    )


def bound_row(device: Device, config: RunConfig) -> str:
    """Return a row: the least time, its share of the data sheet, the time over eager's, and that of two calls."""
    least = step(device, config, COMPILED)
    share = 3 * config.batch_size * config.flops / least / device.flops
    eager = least / step(device, config, EAGER)
    two = step(device, config, {**COMPILED, "difference and norm of heads": (6, 12)}, attention=TWO_CALLS) / least
    return f"| {device.name} | {1000 * least:.1f} | {100 * share:.0f} | {eager:.2f} | {two:.2f} |"


if __name__ == "__main__":
    print("\n".join(tables()))
