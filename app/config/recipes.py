"""A recipe in a command: its values for the settings that the command does not give, and what became of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..tables import recipes
from ..tables.models import TIMM, ModelRow
from ..tables.optimizers import OPTIMIZERS
from ..tables.recipes import IMAGE_OF_WEIGHTS, NONE
from .facts import DatasetFacts
from .settings import Data, Model, Recipe, declared, options_of

_ASKED = options_of(Model, Data, Recipe)
_OF_OPTIMIZERS = ("betas", "momentum", "nesterov", "eps")
_OF_MIXING = ("mix_prob", "mix_switch", "mix_mode", "mix_epochs")
_OF_CLASSES = ("label_smoothing", "loss", "best_by")


def filled(request: Mapping[str, Any], row: ModelRow, facts: DatasetFacts) -> dict[str, Any]:
    """Return a request with the values of its recipe for every setting that it does not give.

    Values without effect on the model, the data or the optimiser are omitted. Raises InputError for a model that the
    recipe is not for.
    """
    values = recipes.of(request.get("recipe", NONE), row)
    if values.get("image") == IMAGE_OF_WEIGHTS:
        values["image"] = _image_of_weights(row)
    found = {**values, **request}
    used = {name: value for name, value in found.items() if name in request or _has_effect(name, found, row, facts)}
    # a warm-up that no command gives is shortened in a short run, as that of a protocol
    return used | ({"clamp_warmup": True} if "warmup_steps" in used.keys() - request.keys() else {})


def described(config: Recipe, row: ModelRow) -> str:
    """Return the recipe of a run and the settings in which the run differs from it, or an empty text without one."""
    values = recipes.of(config.recipe, row)
    if not values:
        return ""
    used, other = [], []
    if values.get("image") == IMAGE_OF_WEIGHTS:
        values["image"] = _image_of_weights(row)
    for name, value in values.items():
        now, optimizer = getattr(config, name), OPTIMIZERS[config.optimizer]
        if name in _OF_OPTIMIZERS and name not in optimizer.takes:
            other.append(f"no {name}, which {optimizer.name} does not take (recipe: {_text(value)})")
            continue
        if now is None and name in _OF_OPTIMIZERS:
            now = getattr(optimizer, name)
        if value == now:
            used.append(f"{name}={_text(now)}")
        else:
            other.append(f"{name}={_text(now)} (recipe: {_text(value)})")
    differs = f"; changed: {', '.join(other)}" if other else ""
    return f"recipe {config.recipe}: {', '.join(used) or 'every setting is changed'}{differs}"


def _has_effect(name: str, found: Mapping[str, Any], row: ModelRow, facts: DatasetFacts) -> bool:
    its = declared(_ASKED[name])
    if facts.kind not in its.kinds or (its.families and row.family not in its.families):
        return False
    if name == "nesterov" and found.get("momentum") == 0:
        return False
    if name in _OF_OPTIMIZERS:
        return name in OPTIMIZERS[found["optimizer"]].takes
    if name == "pretrained":
        return not found.get("init_sha256")
    if name in _OF_MIXING:
        return bool(found.get("mixup") or found.get("cutmix"))
    return name not in _OF_CLASSES or facts.task == "classification"


def _image_of_weights(row: ModelRow) -> int:
    """Return the side in pixels of the images that the published weights of a timm model were trained on."""
    from ..counts import builders  # imports timm

    return builders.side_of_weights(row.name.removeprefix(TIMM))


def _text(value: Any) -> str:
    if value is None:
        return "10 % of the steps"  # of a warm-up, which alone is None
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else str(value)
