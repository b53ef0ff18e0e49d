"""The training recipe of a run for its card: one phrase for each part, only from the configuration."""

from __future__ import annotations

from ..artifacts.parts import Init, Schedule
from ..config.run import RunConfig
from ..system.printable import code
from ..tables import augmentations
from ..tables.models import TIMM
from ..tables.optimizers import EPS, spelled_betas

_OPTIMIZERS = {
    "adamw": "AdamW", "adam": "Adam", "sgd": "SGD", "adan": "Adan", "adan_lucidrains": "Adan (as adan-pytorch 0.1.0)",
    "lion": "Lion", "muon": "Muon for hidden matrices and AdamW for the rest",
}  # fmt: skip
_ZOO = augmentations.Part("zoo_rand", augmentations.AUGMENTATIONS["zoo_rand"].default)
_FLAT = "of which zoo_rand turns about 23 % of images of 32 px into one flat colour"
_SCHEDULES = {
    "cosine": "cosine to {:g}", "cosine_epoch": "cosine by epoch to {:g}", "linear": "linear to {:g}",
    "constant": "then constant", "wsd": "then constant, and in the last 20 % of the steps 1 - sqrt to {:g}",
}  # fmt: skip


def optimiser(config: RunConfig) -> str:
    """Return the optimiser with its numbers."""
    name = _OPTIMIZERS.get(config.optimizer, config.optimizer)
    decay = f"weight decay {config.weight_decay:g}" if config.weight_decay else "no weight decay"
    parts = [name, f"learning rate {config.lr:g}", decay, f"batch size {config.batch_size:,}"]
    if config.betas:
        parts.append(f"betas {spelled_betas(config.betas)}")
    if config.momentum is not None:
        parts.append(f"momentum {config.momentum:g}")
    if config.nesterov is not None:
        parts.append(f"{'' if config.nesterov else 'no '}Nesterov momentum")
    if config.layer_decay != 1:
        parts.append(f"learning rate times {config.layer_decay:g} for each layer below the head")
    if config.eps != EPS:
        parts.append(f"epsilon {config.eps:g}")
    if config.ema is not None:
        parts.append(f"weights averaged with a half-life of {config.ema:g} epoch{'s' * (config.ema != 1)}")
    if config.clip_norm is not None:
        parts.append(f"gradients clipped to norm {config.clip_norm:g}")
    return ", ".join(parts)


def schedule(config: RunConfig, made: Schedule) -> str:
    """Return the learning rate over the steps: warm-up, then the schedule."""
    shape = _SCHEDULES.get(config.schedule, config.schedule).format(config.lr_min)
    if not made.warmup_steps:
        return f"no warm-up, {made.total_steps:,} steps, {shape.removeprefix('then ')}"
    return f"{made.warmup_steps:,} warm-up steps of {made.total_steps:,}, {shape}"


def epochs(config: RunConfig) -> str:
    """Return the number of epochs and the batches of each."""
    rows = f"{config.train_batches:,} random batches" if config.train_batches else "every training row"
    val = f"{config.val_batches:,} random batches" if config.val_batches else "every validation row"
    return f"{config.epochs:,}, each of {rows}; validated on {val}"


def regularisation(config: RunConfig, kind: str) -> str:
    """Return dropout, the augmentation of images, and the mixing of examples."""
    parts = [f"dropout {config.dropout:g}"]
    parts += [f"stochastic depth to {config.drop_path:g} in the last block"] if config.drop_path else []
    parts += [f"augmentation {config.augment}"] if kind == "image" else []
    parts += [_FLAT] if kind == "image" and _ZOO in augmentations.parts(config.augment) else []
    return ", ".join([*parts, *([mixing(config)] if mixing(config) else [])])


def mixing(config: RunConfig) -> str:
    """Return the mixing of training examples for readers, or an empty text."""
    used = {"MixUp": config.mixup, "CutMix": config.cutmix}
    parts = [f"{name} {alpha:g}" for name, alpha in used.items() if alpha]
    if len(parts) == 2:
        parts[1] += f" with probability {config.mix_switch:g}"
    if not parts:
        return ""
    of = "by batch" if config.mix_mode == "batch" else "by example"
    prob = f", applied with probability {config.mix_prob:g}" if config.mix_prob < 1 else ""
    until = f", in the first {config.mix_epochs:,} epochs" if config.mix_epochs else ""
    return f"{' or '.join(parts)} {of}{prob}{until}"


def training_loss(config: RunConfig) -> dict[str, str]:
    """Return the row of a training loss that is not the task's own, if it is none."""
    parts = ["binary cross-entropy, the mean over the classes"] if config.loss == "bce" else []
    parts += [f"labels smoothed by {config.label_smoothing:g}"] if config.label_smoothing else []
    return {"training loss": f"{', '.join(parts)}; validation and test use the cross-entropy"} if parts else {}


def stream(config: RunConfig) -> dict[str, str]:
    """Return the row of the residual stream, if it is bf16."""
    return {} if config.residual_precision == "fp32" else {"residual stream": config.residual_precision}


def class_weights(config: RunConfig) -> dict[str, str]:
    """Return the row of the class weights, if there are any."""
    if config.class_weights == "none":
        return {}
    return {"class weights": "balanced, n / (K n_c) in the training loss; none in validation and test"}


def began(config: RunConfig, init: Init | None) -> str:
    """Return the weights that the training started from."""
    if init is None:
        return "fine-tuned from timm's published weights" if config.pretrained else "trained from scratch"
    if config.pretrained:
        head = ", with a new head" if init.head == "replaced" else ""
        return f"fine-tuned from timm's published weights {code(init.path)} (sha256 `{init.sha256[:16]}`){head}"
    published = init.source.startswith((TIMM, "hf-hub:"))
    whose = f"of run {code(init.run_id)}" if init.run_id else code(init.source) if published else "in a file"
    head = ", with a new head" if init.head == "replaced" else ""
    return f"fine-tuned from the weights {whose} (sha256 `{init.sha256[:16]}`){head}"
