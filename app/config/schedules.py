"""The learning rate of a step: a linear warm-up, then half a cosine or a constant."""

from __future__ import annotations

import math

_CLAMP_ABOVE, _CLAMP_TO = 0.2, 0.1  # a warm-up over 20 % of the schedule becomes 10 % of it


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


def learning_rate(step: int, *, lr: float, warmup_steps: int, total_steps: int, schedule: str = "cosine") -> float:
    """Return the rate of step 1, 2, ... total_steps: linear from lr / warmup_steps to lr, then half a cosine to 0.

    With the constant schedule it stays at lr after the warm-up.
    """
    if step <= warmup_steps:
        return lr * step / warmup_steps
    if schedule == "constant":
        return lr
    progress = (step - warmup_steps) / max(1, total_steps - warmup_steps)
    return lr * 0.5 * (1 + math.cos(math.pi * progress))
