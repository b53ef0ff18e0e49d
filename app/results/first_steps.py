"""The training losses of a run and of the same configuration trained again: where they begin to differ."""

from __future__ import annotations

from .. import log
from ..artifacts.runs import Run
from ..errors import Damaged, InputError
from .reproduction import Fact

_ROUNDING = {"fp32": 1e-3, "tf32": 1e-2, "bf16": 5e-2}  # of a first loss, as a part of it


def fact(run: Run, new: Run) -> Fact:
    """Return whether both runs began with the same loss, and up to which step their losses are equal.

    The first loss depends on initial weights, data order, augmentation and dropout. Devices of different types draw
    dropout differently, so that the fact decides nothing between them.
    """
    try:
        theirs, ours = _losses(run), _losses(new)
    except (Damaged, InputError) as error:
        return Fact(what="first steps", holds=None, text=f"not compared: {error}")
    first, other = theirs[min(theirs)], ours[min(ours)]
    differing = [step for step in sorted(theirs.keys() & ours.keys()) if theirs[step] != ours[step]]
    equal = (
        f"equal until step {differing[0]} of {max(theirs):,}" if differing else f"equal in all {len(theirs):,} steps"
    )
    places = (run.record.places[0], new.record.places[0])
    rounding = max(_ROUNDING.get(place.precision, _ROUNDING["bf16"]) for place in places)
    alike = abs(first - other) <= rounding * max(1.0, abs(first))
    comparable = len({(place.device_type, place.ranks) for place in places}) == 1
    values = {"published": first, "here": other, "first_difference": differing[0] if differing else None}
    text = f"the loss of the first step is {other:.6g}, published {first:.6g}; the losses are {equal}"
    return Fact(what="first steps", holds=alike if comparable else None, text=text, values=values)


def _losses(run: Run) -> dict[int, float]:
    """Return the training loss of each step. Raise Damaged for a log without one."""
    found = {int(row["step"]): float(row["loss"]) for row in log.read(run.files.log)[1] if row["split"] == "train"}
    if not found:
        raise Damaged(f"the log {run.files.log} has no training step")
    return found
