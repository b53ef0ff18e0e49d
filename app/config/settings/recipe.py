"""The settings of training that decide the result: batches, optimiser, schedule, seed, precision."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ...losses import LOSSES
from ...tables.optimizers import OPTIMIZERS, Betas, spelled_betas
from ...tables.protocols import SCHEDULES
from ...tables.recipes import RECIPES
from .declaring import MOST, derived, setting
from .model import PANEL as MODEL
from .model import TIMM

PANEL = "Recipe"
PRECISIONS = ("auto", "fp32", "bf16", "fp16", "tf32")
MIX_MODES = ("batch", "element")
CLASS_WEIGHTS = ("none", "balanced")
BEST_BY = ("loss", "accuracy")
_PROTOCOL = "the dataset's protocol"
_BATCHES = 2**24  # the most batches of an epoch
RESIDUAL_PRECISIONS = ("fp32", "bf16")
_WITH_STREAM = ("vit", "t2t")
_WITH_PATHS = ("vit", "t2t", "cait", "swin", "mlpmixer", "timm")
_WITH_LAYERS = ("vit", "t2t", "cait", "swin", "convmixer", "mlpmixer", "mobilevit", "vgg", "timm")


def _of_optimizers(setting_: str, spell: Callable[[Any], str] = "{:g}".format) -> str:
    """Return the defaults of a setting, by optimiser."""
    rows = [row for row in OPTIMIZERS.values() if getattr(row, setting_) is not None]
    by_value: dict[str, list[str]] = {}
    for row in rows:
        by_value.setdefault(spell(getattr(row, setting_)), []).append(row.name)
    return "; ".join(f"{value} for {', '.join(names)}" for value, names in by_value.items())


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How the model is trained. The defaults come from the dataset's protocol."""

    recipe: str = setting(
        "none", panel=PANEL, choices=tuple(RECIPES), decides=False,
        help="Fill settings that are not given from this recipe, whose values then decide the run.", differs="harmless",
    )  # fmt: skip
    batch_size: int = setting(
        panel=PANEL,
        shown=_PROTOCOL,
        above=0,
        most=MOST,
        help="Set the examples of one optimiser step.",
        differs="confound",
    )
    val_batch_size: int = setting(
        128,
        panel=PANEL,
        above=0,
        most=MOST,
        help="Set the validation examples that each step evaluates.",
        differs="harmless",
    )
    epochs: int = setting(
        panel=PANEL,
        shown=_PROTOCOL,
        least=0,
        most=MOST,
        help="Set the number of passes over the training rows; 0 tests the weights of --init or --pretrained.",
        differs="confound",
    )
    train_batches: int | None = setting(
        None, panel=PANEL, shown=f"{_PROTOCOL}, else all", above=0, most=_BATCHES,
        help="Train on this many random batches per epoch instead of on every row once.", differs="confound",
    )  # fmt: skip
    val_batches: int | None = setting(
        None, panel=PANEL, shown=f"{_PROTOCOL}, else all", above=0, most=_BATCHES,
        help="Use this many batches in the validation pass at the end of an epoch.", differs="harmless",
    )  # fmt: skip
    optimizer: str = setting(
        "adamw", panel=PANEL, shown=_PROTOCOL, choices=OPTIMIZERS, help="Select the optimiser.", differs="confound"
    )
    eps: float = setting(1e-8, panel=PANEL, above=0, help="Set epsilon in the denominator of the optimiser.",
                         shown=f"{_PROTOCOL}, else 1e-08", differs="confound")  # fmt: skip
    betas: Betas | None = setting(
        None, panel=PANEL, shown=_of_optimizers("betas", spelled_betas), metavar="B1,B2[,B3]",
        help="Set the share of each moment that a step keeps, which is 1 minus the share of new information.",
        differs="confound",
    )  # fmt: skip
    momentum: float | None = setting(
        None, panel=PANEL, least=0, below=1, shown=_of_optimizers("momentum"),
        help="Set the momentum of sgd or muon.", differs="confound",
    )  # fmt: skip
    nesterov: bool | None = setting(
        None, panel=PANEL, shown=_of_optimizers("nesterov", {True: "on", False: "off"}.__getitem__),
        help="Use Nesterov's momentum in sgd or muon.", differs="confound",
    )  # fmt: skip
    schedule: str = setting(
        "cosine", panel=PANEL, shown=_PROTOCOL, choices=SCHEDULES,
        help="Select the learning-rate schedule after the warm-up.", differs="confound",
    )  # fmt: skip
    lr: float = setting(
        panel=PANEL, shown=_PROTOCOL, above=0, help="Set the highest learning rate.", differs="confound"
    )
    lr_min: float = setting(
        0.0, panel=PANEL, least=0, help="Set the learning rate at the end of the schedule.", differs="confound"
    )
    warmup_steps: int | None = setting(
        None, panel=PANEL, shown=f"{_PROTOCOL}, shortened to 10 % if it exceeds 20 % of all steps",
        least=0, most=MOST, help="Increase the learning rate over this many steps.", differs="confound",
    )  # fmt: skip
    clamp_warmup: bool = derived(True, differs="confound")  # False where --warmup-steps was given
    weight_decay: float = setting(
        panel=PANEL, shown=_PROTOCOL, least=0,
        help="Set the weight decay of matrices; norms, biases and positions have none.", differs="confound",
    )  # fmt: skip
    layer_decay: float = setting(
        1.0, panel=PANEL, above=0, most=1, families=_WITH_LAYERS,
        help="Multiply the learning rate by this factor for each layer between a parameter and the head.",
        differs="confound",
    )  # fmt: skip
    dropout: float = setting(
        panel=MODEL, shown=_PROTOCOL, least=0, below=1,
        help="Drop this fraction of embeddings, projections and MLP activations in training.", differs="confound",
    )  # fmt: skip
    drop_path: float = setting(
        0.0, panel=PANEL, least=0, below=1, families=_WITH_PATHS,
        help="Skip the residual branches of the last block for this share of the examples, and fewer before it.",
        differs="confound",
    )  # fmt: skip
    pretrained: bool = setting(
        False,
        panel=TIMM,
        families=("timm",),
        help="Start from the published weights of a timm/NAME model.",
        differs="confound",
    )
    mixup: float = setting(
        0.0, panel=PANEL, least=0, most=100,
        help="Mix each training example with another by shares from a Beta distribution with this parameter.",
        differs="confound",
    )  # fmt: skip
    cutmix: float = setting(
        0.0, panel=PANEL, kinds=("image", "field"), least=0, most=100,
        help="Replace a box of each training image by another's, of an area from a Beta distribution with this "
        "parameter.", differs="confound",
    )  # fmt: skip
    mix_prob: float = setting(
        1.0, panel=PANEL, above=0, most=1, help="Set the probability of mixing.", differs="confound"
    )
    mix_switch: float = setting(
        0.5, panel=PANEL, above=0, below=1, help="Set the probability of CutMix if --mixup is given too.",
        differs="confound",
    )  # fmt: skip
    mix_mode: str = setting(
        "batch", panel=PANEL, choices=MIX_MODES,
        help="Draw the mixture once per optimiser batch or for each example (element).", differs="confound",
    )  # fmt: skip
    mix_epochs: int | None = setting(
        None, panel=PANEL, shown="all", above=0, most=MOST, help="Mix in this many first epochs only.",
        differs="confound",
    )  # fmt: skip
    loss: str = setting(
        "cross_entropy", panel=PANEL, kinds=("image", "signal"), choices=LOSSES,
        help="Select the training loss of a classification; bce is the binary cross-entropy of each class.",
        differs="confound",
    )  # fmt: skip
    label_smoothing: float = setting(
        0.0, panel=PANEL, kinds=("image", "signal"), least=0, below=1,
        help="Give this share of each training label to all classes equally.", differs="confound",
    )  # fmt: skip
    class_weights: str = setting(
        "none", panel=PANEL, kinds=("image", "signal"), choices=CLASS_WEIGHTS,
        help="Weigh the training loss of each class, balanced by n / (K n_c) of its n_c of n training rows.",
        differs="confound",
    )  # fmt: skip
    init_sha256: str | None = derived(None, differs="confound")  # of the file of the weights that training starts from
    clip_norm: float | None = setting(
        None,
        panel=PANEL,
        shown="no limit",
        above=0,
        help="Scale gradients down to this norm if theirs is larger.",
        differs="confound",
    )
    ema: float | None = setting(
        None, panel=PANEL, shown="no average", above=0, most=MOST, metavar="EPOCHS",
        help="Also average the weights with this half-life in epochs, and validate and keep the average.",
        differs="confound",
    )  # fmt: skip
    best_by: str = setting(
        "loss", panel=PANEL, choices=BEST_BY,
        help="Choose the best weights by the lowest validation loss or by the highest validation accuracy.",
        differs="harmless",
    )  # fmt: skip
    seed: int = setting(
        0, panel=PANEL, least=0, most=2**63 - 1,
        help="Set the seed of initial weights, data order, augmentation and dropout.", differs="harmless",
    )  # fmt: skip
    precision: str = setting(
        "auto", panel=PANEL, choices=PRECISIONS,
        help="Select the number format; auto is bf16 on GPUs with bf16 units and fp32 elsewhere, fp16 scales the loss, "
        "and tf32 is fp32 with rounded products on GPUs.", differs="confound",
    )  # fmt: skip
    residual_precision: str = setting(
        "fp32", panel=PANEL, choices=RESIDUAL_PRECISIONS, families=_WITH_STREAM,
        help="Select the number format of the residual stream of a run in bf16.", differs="confound",
    )  # fmt: skip
