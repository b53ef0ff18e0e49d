"""Other ways to train the classic model: timm's, compiled before it is measured, and a plain loop as in tutorials."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from app.bench import meter, ours, peers
from app.config.run import RunConfig
from app.tables.shape import side_of

from .cases import CLASSIC, SHAPES, TINY
from .findings import Findings
from .timing import as_compiled_runs, here, tried

_WAYS = ((256, 8), (128, 8), (256, 0))  # images at a time and workers; the last one where workers lack shared memory
_STEPS, _FIRST, _SECONDS = 60, 6, 20.0


def measure(findings: Findings) -> None:
    """Compile timm's model, or run the plain loop."""
    if findings.part == "warm":
        as_compiled_runs()  # as in `turns`
        for label in SHAPES:
            tried(findings, "first", f"{label} timm compiled", lambda: warmed(label, findings))  # noqa: B023
        return
    done: list[int] = []
    for batch, workers in ((4, 0),) if findings.tiny else _WAYS:
        if not (workers == 0 and done):
            name = f"batch {batch}, {workers} workers"
            tried(findings, "loop", name, lambda: looped(batch, workers, done, findings), least=8.0)  # noqa: B023


def warmed(label: str, findings: Findings) -> dict[str, Any]:
    """Return the seconds of the first step of timm's compiled model, whose programs `bench step` then finds."""
    at = here(findings)
    config = ours.config_at({**(TINY if findings.tiny else SHAPES[label]), "model": CLASSIC}, at)
    return {"first_step_seconds": peers.timm_step(config, at, compiled=True)(1)}


class Attention(nn.Module):
    """Attention with its maps written out."""

    def __init__(self, d_model: int, heads: int) -> None:
        super().__init__()
        self.heads, self.scale = heads, (d_model // heads) ** -0.5
        self.norm, self.qkv = nn.LayerNorm(d_model), nn.Linear(d_model, 3 * d_model, bias=False)
        self.out, self.drop = nn.Linear(d_model, d_model), nn.Dropout(0.1)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in self.qkv(self.norm(x)).chunk(3, -1))
        weights = self.drop((q @ k.transpose(-1, -2) * self.scale).softmax(-1))
        return self.drop(self.out((weights @ v).transpose(1, 2).flatten(2)))


class Model(nn.Module):
    """A ViT as tutorials write it."""

    def __init__(self, config: RunConfig) -> None:
        super().__init__()
        assert config.d_model and config.heads and config.patch and config.depth, "it is a ViT's"
        d = config.d_model
        self.patch = nn.Conv2d(config.channels, d, config.patch, config.patch)
        self.cls = nn.Parameter(torch.randn(1, 1, d))
        self.positions = nn.Parameter(torch.randn(1, config.tokens, d))
        self.attention = nn.ModuleList(Attention(d, config.heads) for _ in range(config.depth))
        self.mlp = nn.ModuleList(_mlp(d) for _ in range(config.depth))
        self.head = nn.Sequential(nn.LayerNorm(d), nn.Linear(d, config.classes))

    def forward(self, images: Tensor) -> Tensor:
        x = self.patch(images).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls.expand(len(x), -1, -1), x], 1) + self.positions
        for attention, mlp in zip(self.attention, self.mlp, strict=True):
            x = attention(x) + x
            x = mlp(x) + x
        return self.head(x[:, 0])


def _mlp(d: int) -> nn.Sequential:
    inner = (nn.LayerNorm(d), nn.Linear(d, 4 * d), nn.GELU(), nn.Dropout(0.1))
    return nn.Sequential(*inner, nn.Linear(4 * d, d), nn.Dropout(0.1))


class Images(torch.utils.data.Dataset):
    """PIL images of 32 px, through torchvision's transforms, as torchvision's CIFAR classes give them."""

    def __init__(self, rows: int, classes: int, side: int) -> None:
        from torchvision import transforms

        draw = np.random.default_rng(0)
        self.pixels = draw.integers(0, 256, (rows, 32, 32, 3), np.uint8)
        self.labels = draw.integers(0, classes, rows)
        resize = transforms.Resize((side, side))
        self.change = transforms.Compose([resize, transforms.ToTensor(), transforms.Normalize((0.5,) * 3, (0.25,) * 3)])

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        from PIL import Image

        return self.change(Image.fromarray(self.pixels[index])), int(self.labels[index])


def looped(batch: int, workers: int, done: list[int], findings: Findings) -> dict[str, Any]:
    """Return the images per second of the loop with its input, as it is after its first steps."""
    at = here(findings, "fp32")
    small = {"size": "1M", "dataset": "cifar10"}
    config = ours.config_at({**(small if findings.tiny else SHAPES["d256"]), "model": CLASSIC}, at)
    rows, ends = 64 if findings.tiny else 20_000, time.monotonic() + min(_SECONDS, findings.left() - 3)
    images = Images(rows, config.classes, side_of(config.image))
    loader = torch.utils.data.DataLoader(images, batch, shuffle=True, num_workers=workers, drop_last=True)
    times = list(
        _steps(Model(config).to(at.device), iter(loader), at.device, ends, most=4 if findings.tiny else _STEPS)
    )
    steady = times[min(_FIRST, len(times) // 2) :]
    done.append(batch)
    return {
        "batch": batch, "workers": workers, "steps": len(times), "samples": steady,
        "images_per_second": batch * len(steady) / sum(steady),
    }  # fmt: skip


def _steps(model: nn.Module, loader: Any, device: torch.device, ends: float, *, most: int) -> Iterator[float]:
    """Yield the seconds of each step: fp16 with a scaler, and two numbers read from the device."""
    loss_of, optimizer = nn.CrossEntropyLoss(), torch.optim.Adam(model.parameters(), lr=1e-4)
    cuda = device.type == "cuda"
    scaler = torch.amp.GradScaler("cuda", enabled=cuda)
    total = correct = 0.0
    for _ in range(most):
        meter.synchronise(device)
        began = time.perf_counter()
        images, targets = (part.to(device) for part in next(loader))
        with torch.autocast(device.type, torch.float16 if cuda else torch.bfloat16):
            outputs = model(images)
            loss = loss_of(outputs, targets)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad()
        total += loss.item()
        correct += outputs.argmax(1).eq(targets).sum().item()
        yield time.perf_counter() - began
        if time.monotonic() > ends:
            return
