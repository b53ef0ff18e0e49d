"""The learning rate of a step: a linear warm-up, then a schedule."""

from __future__ import annotations

import math

_CLAMP_ABOVE, _CLAMP_TO = 0.2, 0.1  # a warm-up over 20 % of the schedule becomes 10 % of it
_DECAY = 0.2  # of all steps, at the end of `wsd`


def warmup(asked: int | None, total_steps: int, *, clamp: bool) -> tuple[int, str]:
    """Return the warm-up steps for a schedule, and a note if they were clamped (else an empty text).

    `None` requests 10 % of the schedule.
    """
    tenth = max(1, round(_CLAMP_TO * total_steps))
    if asked is None:
        return tenth, ""
    if not clamp or asked <= max(tenth, _CLAMP_ABOVE * total_steps):
        return asked, ""
    share = "more than" if asked > total_steps else f"{100 * asked / total_steps:.0f} % of"
    run = f"the run's {total_steps:,} step{'s' if total_steps > 1 else ''}"
    return tenth, f"{asked:,} warm-up steps are {share} {run}: shortened to {tenth:,} (--warmup-steps sets it)"


def learning_rate(
    step: int, *, lr: float, warmup_steps: int, total_steps: int, schedule: str = "cosine", lr_min: float = 0.0,
    epochs: int = 1,
) -> float:  # fmt: skip
    """Return the rate of step 1, 2, ... total_steps: linear from lr / warmup_steps to lr, then by the schedule.

    With x from 0 at the warm-up's end to 1 at the last step, the rate is lr_min + (lr - lr_min) f:

    - `cosine`: f = (1 + cos(pi x)) / 2
    - `linear`: f = 1 - x
    - `wsd` (warm-up, stable, decay; arXiv:2405.18392, section 4): f = 1, and in the last 20 % of all steps 1 - sqrt(y),
      with y from 0 to 1 over these
    - `cosine_epoch`: f = (1 + cos(pi e / epochs)) / 2 in epoch e = 0, 1, ..., as torch's CosineAnnealingLR that is
      stepped once per epoch. The epochs count from the run's start, and the warm-up multiplies the rate.

    With `constant` it stays at lr.
    """
    if schedule == "cosine_epoch":
        epoch = (step - 1) * epochs // total_steps
        return _between(lr_min, lr, _half_cosine(epoch / epochs)) * min(1, step / max(1, warmup_steps))
    if step <= warmup_steps:
        return lr * step / warmup_steps
    if schedule == "constant":
        return lr
    if schedule == "wsd":
        return _between(lr_min, lr, 1 - math.sqrt(_decayed(step, warmup_steps, total_steps)))
    progress = (step - warmup_steps) / max(1, total_steps - warmup_steps)
    return _between(lr_min, lr, 1 - progress if schedule == "linear" else _half_cosine(progress))


def _between(low: float, high: float, share: float) -> float:
    return low + (high - low) * share


def _half_cosine(progress: float) -> float:
    return 0.5 * (1 + math.cos(math.pi * progress))


def _decayed(step: int, warmup_steps: int, total_steps: int) -> float:
    """Return the share of the decay that a step of `wsd` has behind it: 0 before it, 1 at the last step."""
    length = max(1, min(round(_DECAY * total_steps), total_steps - warmup_steps))
    return max(0.0, (step - (total_steps - length)) / length)
