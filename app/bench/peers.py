"""Other libraries' models and steps, built as their users build them: timm's ViT and step, HF's ViT under Trainer."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..computing.rehearsal import HeldBatch
from ..config.run import RunConfig
from ..counts.vit import hidden
from ..place import Place
from ..system import packages
from ..tables.shape import plane, side_of
from .meter import Prepared, stopwatch, synchronise

NEEDS = {
    "timm": ("timm",),
    "HF Trainer": ("transformers", "accelerate"),
}


def missing(peer: str, needs: Mapping[str, Sequence[str]] = NEEDS) -> str:
    """Return the sentence that reports why a peer is skipped, or an empty text if all that it needs is installed."""
    lacking = [library for library in needs[peer] if not packages.is_installed(library)]
    verb = "are" if len(lacking) > 1 else "is"
    return f"{peer}: {' and '.join(lacking)} {verb} not installed (`uv sync --group bench`)" if lacking else ""


def timm_model(config: RunConfig) -> nn.Module:
    """Return timm's VisionTransformer of the classic config's shape."""
    from timm.models.vision_transformer import VisionTransformer

    return VisionTransformer(
        img_size=side_of(config.image), patch_size=config.patch, in_chans=config.channels, num_classes=config.classes,
        embed_dim=config.d_model, depth=config.depth, num_heads=config.heads, mlp_ratio=config.mlp_ratio,
    )  # fmt: skip


def timm_step(config: RunConfig, here: Place, *, compiled: bool) -> Prepared:
    """Return a step of timm's training script, with autocast around the loss.

    Its optimiser is torch's AdamW with its defaults.
    """
    from timm.optim import create_optimizer_v2

    model = timm_model(config).to(here.device).train()
    optimizer = create_optimizer_v2(model, opt="adamw", lr=config.lr, weight_decay=config.weight_decay)
    forward = torch.compile(model) if compiled else model
    batch, loss_of = HeldBatch.of(config, here.device), nn.CrossEntropyLoss()

    def step() -> None:
        with here.autocast():
            loss = loss_of(forward(batch.images), batch.targets)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    return stopwatch(step, here.device)


class _InMemory(torch.utils.data.Dataset):
    """A long dataset over one batch in host memory, so that reading an example takes almost no time."""

    def __init__(self, batch: HeldBatch) -> None:
        self.images, self.targets = batch.images, batch.targets

    def __len__(self) -> int:
        return len(self.targets) << 12

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        at = index % len(self.targets)
        return {"pixel_values": self.images[at], "labels": self.targets[at]}


def hf_model(config: RunConfig) -> nn.Module:
    """Return HF's ViTForImageClassification of the classic config's shape."""
    from transformers import ViTConfig, ViTForImageClassification

    more: dict[str, Any] = {"num_labels": config.classes, "image_size": plane(config.image)}
    shape = ViTConfig(
        patch_size=config.patch, num_channels=config.channels, **more,
        hidden_size=config.d_model, num_hidden_layers=config.depth, num_attention_heads=config.heads,
        intermediate_size=hidden(config.shape), layer_norm_eps=1e-6,
    )  # fmt: skip
    return ViTForImageClassification(shape)


def hf_steps(config: RunConfig, here: Place) -> Prepared:
    """Return steps of HF's model under Trainer with its defaults, its data loader included.

    The time is measured between the ends of two steps.
    """
    from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

    if here.device.type == "cuda" and torch.cuda.device_count() > 1:
        raise RuntimeError("Trainer uses all visible GPUs. Set CUDA_VISIBLE_DEVICES to one")

    class Clock(TrainerCallback):
        """A callback that notes when the first step of a call ended, and when the last one did."""

        ends: tuple[float, float] = (0.0, 0.0)

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
            if state.global_step in (1, state.max_steps):
                synchronise(here.device)
                self.ends = (self.ends[1], time.perf_counter())

    clock = Clock()
    folder = tempfile.TemporaryDirectory(prefix="isoscale-bench-")
    arguments = TrainingArguments(
        output_dir=folder.name, per_device_train_batch_size=config.batch_size, learning_rate=config.lr,
        weight_decay=config.weight_decay, bf16=here.precision == "bf16", use_cpu=here.device.type == "cpu",
        report_to="none", save_strategy="no", disable_tqdm=True,
    )  # fmt: skip
    dataset = _InMemory(HeldBatch.of(config, torch.device("cpu")))
    trainer = Trainer(model=hf_model(config), args=arguments, train_dataset=dataset, callbacks=[clock])
    trainer.remove_callback(PrinterCallback)  # it writes to stdout

    def run(units: int, _kept: Any = folder) -> float:
        trainer.args.max_steps = units + 1
        trainer.train()
        return (clock.ends[1] - clock.ends[0]) / units

    return run
