"""Recipes of training: values for the settings that a command does not give, a row each with its source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import InputError
from .models import ModelRow, examples_of

NONE = "none"
IMAGE_OF_WEIGHTS = "image_of_weights"  # the side that the published weights of a timm model were trained at


@dataclass(frozen=True, kw_only=True)
class RecipeRow:
    """One recipe. An empty one leaves the dataset's protocol as it is."""

    does: str  # for docs/recipes.md
    source: str
    proven: str  # what was measured with it here
    settings: Mapping[str, Any] = field(default_factory=dict)
    of_family: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # in place of those values
    families: tuple[str, ...] = ()  # empty: all


_CONVOLUTIONAL = ("resnet", "vgg", "mlpmixer")  # of the zoo's README: learning rate 1e-3

RECIPES = {
    NONE: RecipeRow(
        does="the dataset's protocol", source="docs/training.md", proven="used by all trials in docs/",
    ),
    "study": RecipeRow(
        does="the study's CIFAR-100 protocol on any image dataset, at the dataset's image and patch",
        source="the study's README; the weight decay is ours", proven="unproven here",
        settings={
            "optimizer": "adamw", "lr": 1e-4, "schedule": "cosine", "warmup_steps": 500, "weight_decay": 0.01,
            "batch_size": 512, "epochs": 50, "dropout": 0.2, "augment": "none",
        },
    ),
    "zoo": RecipeRow(
        does="the CIFAR zoo's: Adam, a cosine by epoch, its RandAugment, a padded crop and a flip",
        source="kentaroy47/vision-transformers-cifar10, train_cifar10.py",
        proven="unproven here",
        settings={
            "optimizer": "adam", "lr": 1e-4, "schedule": "cosine_epoch", "warmup_steps": 0, "weight_decay": 0.0,
            "batch_size": 512, "epochs": 200, "dropout": 0.1, "augment": "zoo_rand+flip_crop",
        },
        of_family={family: {"lr": 1e-3} for family in _CONVOLUTIONAL},
    ),
    "airbench": RecipeRow(
        does="24 epochs of a ResNet with Nesterov momentum, a linear schedule, padded crops, flips and Cutout of 8 px",
        source="davidcpage/cifar10-fast, dawn.py: 94 % on CIFAR-10 with ResNet-9, where airbench began. It pads by "
        "reflection and warms up for 5 epochs, 440 steps of 45,000 rows",
        proven="94 % is unproven here",
        settings={
            "optimizer": "sgd", "momentum": 0.9, "nesterov": True, "lr": 0.4, "schedule": "linear",
            "warmup_steps": 420, "weight_decay": 5e-4, "batch_size": 512, "epochs": 24, "dropout": 0.0,
            "augment": "flip_crop+cutout:0.25",
        },
        families=("resnet",),
    ),
    "vit_small_data": RecipeRow(
        does="100 epochs of AdamW with strong regularisation: TrivialAugment, erasing, MixUp, CutMix, label smoothing "
        "and stochastic depth",
        source="aanna0701/SPT_LSA_ViT, main.py (arXiv:2112.13492), which has AutoAugment and repeated augmentation in "
        "place of TrivialAugment",
        proven="unproven here",
        settings={
            "optimizer": "adamw", "lr": 1e-3, "schedule": "cosine", "warmup_steps": None, "weight_decay": 0.05,
            "batch_size": 128, "epochs": 100, "dropout": 0.0, "label_smoothing": 0.1, "drop_path": 0.1,
            "augment": "flip_crop+trivial+erasing_noise", "mixup": 1.0, "cutmix": 1.0, "mix_prob": 0.5,
        },
    ),
    "transfer": RecipeRow(
        does="fine-tuning of published weights: a new head, learning rates that fall by 0.75 per layer from the head, "
        "10 epochs",
        source="timm's layer-wise decay of 0.75 (timm/optim/_param_groups.py); epochs, rate and decay are ours",
        proven="unproven here",
        settings={
            "pretrained": True, "image": IMAGE_OF_WEIGHTS, "optimizer": "adamw", "lr": 5e-4, "layer_decay": 0.75,
            "schedule": "cosine", "warmup_steps": None, "weight_decay": 0.05, "batch_size": 128, "epochs": 10,
            "dropout": 0.0, "label_smoothing": 0.1, "augment": "resized_crop:0.35+flip",
        },
        families=("timm",),
    ),
    "bf16_residual": RecipeRow(
        does="the dataset's protocol with a bf16 residual stream, for a run in bf16",
        source="Megatron-LM, transformer_config.py, whose fp32_residual_connection is off unless asked for. Its "
        "parameters and norms are bf16 too, and ours are float32",
        proven="on digits at 100K: 0.1 points below float32 (-2.2 to 2.4), undecided",
        settings={"residual_precision": "bf16"},
        families=("vit", "t2t"),
    ),
}  # fmt: skip


def of(name: str, row: ModelRow) -> dict[str, Any]:
    """Return the settings of a recipe for a model. Raises InputError for a model that the recipe is not for."""
    recipe = RECIPES[name]
    if recipe.families and row.family not in recipe.families:
        raise InputError(
            f"--recipe {name} is not for {row.name}. Use it with --model {examples_of(recipe.families)}, or another "
            "recipe"
        )
    return {**recipe.settings, **recipe.of_family.get(row.family, {})}
