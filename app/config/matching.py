"""A budget equal to another model's: the growth axis whose parameters or FLOPs are closest to that model's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..counts import Family, family_for
from ..errors import InputError
from ..tables import own
from ..tables.families import FAMILIES
from ..tables.keywords import Axis
from ..tables.models import ModelRow, model_row
from ..tables.protocols import Protocol
from ..tables.shape import CELLS, Shape
from ..tables.sizes import TOLERANCE, budget, spelled
from . import sizing
from .sizing import Sized

_OWN = {"match", "like", "model", "init", "init_sha256", *CELLS} - {"patch"}  # these do not apply to the other model


def asked(request: Mapping[str, Any]) -> bool:
    """Return whether the size must match another model's. Raises InputError if only one of the two options is given."""
    match, like = request.get("match"), request.get("like")
    if match is not None:
        if like is None:
            raise InputError(f"--match {match} needs a second model to match. Add --like vit_classic")
    elif like is not None:
        raise InputError(f"--like {like} has an effect with --match only. Add --match params, or omit --like")
    return match is not None


def of_the_other(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the request of the model to match: the same size, data, image and patch, and its default shape.

    Without matching, --size is the first model's, and the model to compare it with has its default size.
    """
    row = model_row(request["like"])
    family = FAMILIES[row.family]
    found = {name: value for name, value in request.items() if name not in _OWN}
    if "patch" not in family.cells:
        found.pop("patch", None)
    if "match" in request and "size" in request and row.family == own.FAMILY:
        raise InputError(
            f"--like {request['like']} has the size that the defaults of its constructor give. Omit --size"
        )
    if "match" not in request and (row.preset or not family.growth or row.family == own.FAMILY):
        found.pop("size", None)
    return found | {"model": row.name}


def counted(family: Family, shape: Shape, match: str) -> int:
    """Return the parameters, or the FLOPs of one image's forward pass."""
    return family.parameters(shape) if match == "params" else family.flops(shape)


def matched(row: ModelRow, request: Mapping[str, Any], protocol: Protocol, other: Sized) -> dict[str, Any]:
    """Return the request with a size, and with the growth axis at the integer closest to the other model.

    The size is the other's if it gives the same shape here, so that one model has one name. Otherwise it is the
    resulting count. Raises InputError if no integer comes within 5 %.
    """
    family, match = family_for(row), request["match"]
    rest = {name: value for name, value in request.items() if name not in ("match", "like", "size")}
    _require_freedom(row, family, rest)
    common: dict[str, Any] = {name: getattr(other.shape, name) for name in ("image", "channels", "classes")}

    def at(size: str) -> dict[str, Any]:
        return sizing.sized(row, rest | {"size": size}, protocol, dataset=other.dataset, **common)

    start = at(spelled(other.parameters))
    shape = family.shape({**start, **common})
    family.check(shape)

    def count(value: int) -> int:
        return counted(family, sizing.grown(family, shape, value), match)

    wanted = counted(other.family, other.shape, match)
    value = sizing.nearest_by(count, wanted, step=sizing.axis_of(family, shape).step)
    if abs(count(value) / wanted - 1) > TOLERANCE:
        raise InputError(_missed(row, sizing.axis_of(family, shape), other, match, count, value))
    reached = start | {family.growth: value}
    parameters = family.parameters(sizing.grown(family, shape, value))
    sizes = [] if other.whole else [other.size]
    near = [size for size in sizes if abs(parameters / budget(size) - 1) <= TOLERANCE]
    own = next((size for size in near if at(size) == reached | {"size": size}), spelled(parameters))
    pinned = {name: cell for name, cell in reached.items() if name in family.cells and at(own)[name] != cell}
    return rest | {"size": own} | pinned


def _require_freedom(row: ModelRow, family: Family, request: Mapping[str, Any]) -> None:
    """Raise InputError if no cell is free to be chosen."""
    if not family.growth:
        raise InputError(f"{row.name} has one size, so it cannot be matched to another model. Omit --match and --like")
    if family.growth in request:
        raise InputError(
            f"--{family.growth.replace('_', '-')} and --match both choose the depth or width of the model. Omit one "
            "of them"
        )


def _missed(row: ModelRow, axis: Axis, other: Sized, match: str, count: Callable[[int], int], value: int) -> str:
    """Return the message for a model that no integer brings close to another, with the counts that are possible."""
    scale, unit = (1e6, "M parameters") if match == "params" else (1e9, " GFLOPs")
    wanted = counted(other.family, other.shape, match) / scale
    values = sorted({max(axis.step, value - axis.step), value, value + axis.step})
    near = ", ".join(f"{count(each) / scale:.3g} at {axis.name}={each}" for each in values)
    return (
        f"no {axis.name} of {row.name} comes within {100 * TOLERANCE:g} % of the {wanted:.3g}{unit} of "
        f"{other.row.name}. Reachable: {near}. Use another --size"
    )
