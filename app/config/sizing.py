"""The shape for a model's row and a budget: from the size table, or the growth axis at the nearest integer."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..counts import Family, family_for
from ..counts.t2t import TOKENIZERS
from ..counts.vit import ATTENTIONS
from ..errors import InputError
from ..tables import keywords, own
from ..tables.keywords import Axis
from ..tables.models import ModelRow
from ..tables.protocols import PROTOCOLS, UNKNOWN, Protocol
from ..tables.shape import CELLS, Extent, Shape
from ..tables.sizes import SizeRow, budget, parse_size, row_for
from . import effects

_MOST = 2**20  # of a growth axis


@dataclass(frozen=True, kw_only=True)
class Sized:
    """A model at a size: its row and family, looked up once, and its shape."""

    row: ModelRow
    family: Family
    shape: Shape
    size: str  # a budget, or the model's name at its default size
    dataset: str

    @property
    def whole(self) -> bool:
        """Whether the model has its default size, without a budget."""
        return not self.row.sized and self.size == self.row.name

    @property
    def countable(self) -> bool:
        """Whether the model can be counted here: one of a user's file needs the file."""
        return self.row.family != own.FAMILY or own.known(self.row.name) is not None

    @property
    def parameters(self) -> int:
        """Trainable parameters, embeddings and head included, as the family counts them."""
        return self.family.parameters(self.shape)

    @property
    def tabled(self) -> bool:
        """Whether the shape is that of the size table at the dataset's default image and patch."""
        if not self.row.sized:
            return False
        row, own = row_for(self.size, self.dataset)
        protocol, shape = PROTOCOLS.get(self.dataset, UNKNOWN), self.shape
        attention, ratio = self.row.cells["attention"], self.row.cells.get("mlp_ratio", row.mlp_ratio)
        heads = _heads(self.row, attention, row, row.d_model, self.row.cells.get("head_width"))
        cells = (shape.d_model, shape.depth, shape.heads, shape.mlp_ratio, shape.image, shape.patch, shape.attention)
        wanted = (row.d_model, row.depth, heads, ratio, protocol.image, protocol.patch, attention)
        return own and cells == wanted

    @property
    def missed_by(self) -> float:
        """The relative difference between the count and the budget."""
        return self.parameters / budget(self.size) - 1


def sized(
    row: ModelRow,
    request: Mapping[str, Any],
    protocol: Protocol,
    *,
    dataset: str,
    image: Extent,
    classes: int,
    channels: int,
) -> dict[str, Any]:
    """Return the cells of a model's shape and its size, from the request, the model's row and the size table.

    A cell that the family lacks is None. Raises InputError for a requested cell that has no effect, and for a budget
    that no integer reaches.
    """
    family = family_for(row)
    effects.require_on_model(request, row, family)
    given = {name: request[name] for name in family.cells if name in request}
    if "attention" in given and "heads" in row.cells:
        given.setdefault("heads", ATTENTIONS[given["attention"]].of_classic(row.cells["heads"]))
    if given.get("tokenizer") in TOKENIZERS:
        given.setdefault("token_dropout", TOKENIZERS[given["tokenizer"]].drops)
    if "patch" in family.cells:
        given.setdefault("patch", row.cells.get("patch", protocol.patch))
    cells: dict[str, Any] = {**dict.fromkeys(CELLS), **row.cells, **given}
    left = row.left_at(row.revision)
    meant = {**family.defaults, **left}
    cells |= {name: None for name, value in meant.items() if cells[name] == value}  # one model has one name
    require_effect(request, cells)
    common = {"image": image, "classes": classes, "channels": channels}
    common |= {name: value for name, value in left.items() if cells[name] is None}
    if not row.sized:
        return _of_whole(row, family, cells, common, request)
    size = parse_size(request.get("size", protocol.size))
    return cells | {"size": size} | _of_table(row, family, cells, common, request, size=size, dataset=dataset)


def require_effect(request: Mapping[str, Any], cells: Mapping[str, Any]) -> None:
    """Raise InputError if an epsilon of layer norms is requested for a model without layer norms."""
    if "norm_eps" in request and cells["norm"] == "dyt" and cells["patching"] != "shifted":
        raise InputError("--norm-eps has no effect with --norm dyt, which has no epsilon. Omit one of them")


def _heads(row: ModelRow, attention: str, size: SizeRow, d_model: int, head_width: int | None) -> int:
    """Return the heads for a row of the size table: of the given width, else converted from its classic heads.

    Raises InputError if heads of that width do not fill d_model.
    """
    kind = ATTENTIONS[attention]
    if head_width is None:
        return kind.of_classic(size.heads)
    heads, over = divmod(row.widening * d_model, kind.parts * head_width)
    if over or not heads:
        raise InputError(
            f"d_model={d_model} is not a multiple of the head width {head_width}. Use a multiple of "
            f"{kind.parts * head_width}, or give --heads"
        )
    return heads


def _of_table(
    row: ModelRow, family: Family, cells: dict[str, Any], common: Mapping[str, Any], request: Mapping[str, Any],
    *, size: str, dataset: str,
) -> dict[str, Any]:  # fmt: skip
    """Return d_model, depth, heads and MLP ratio of the size table, or the nearest depth if it does not apply."""
    size_row, own = row_for(size, dataset)
    attention = cells["attention"]
    usual = {"d_model": size_row.d_model, "mlp_ratio": row.cells.get("mlp_ratio", size_row.mlp_ratio)}
    asked = {name: request.get(name, value) for name, value in usual.items()}
    if "heads" in request:
        asked["heads"] = request["heads"]
    else:
        head_width = None if "head_width" in request else row.cells.get("head_width")
        asked["heads"] = _heads(row, attention, size_row, asked["d_model"], head_width)
    if "depth" in request:
        return asked | {"depth": request["depth"]}
    table_holds = own and all(asked[name] == value for name, value in usual.items())
    if table_holds and ATTENTIONS[attention].matched:
        return asked | {"depth": size_row.depth}
    return asked | {"depth": nearest(family, family.shape({**cells, **common, **asked, "depth": 1}), budget(size))}


def _of_whole(
    row: ModelRow, family: Family, cells: dict[str, Any], common: Mapping[str, Any], request: Mapping[str, Any]
) -> dict[str, Any]:
    """Return a model at its default size, or its growth axis at the requested budget."""
    if "size" not in request:
        if cells["grow"] is not None:
            raise InputError(f"--grow {cells['grow']} has an effect with --size or --match only. Add --size 10M")
        return cells | {"size": row.name}
    size = parse_size(request["size"])
    if family.growth in request:
        return cells | {"size": size}
    if not family.growth:
        raise InputError(f"{row.name} has one size. Omit --size")
    shape = family.shape({**cells, **common})
    _require_axis(row, shape)
    if not family.closed:
        family.check(shape)  # before it is built to be counted
    return cells | {"size": size, family.growth: nearest(family, shape, budget(size))}


def _require_axis(row: ModelRow, shape: Shape) -> None:
    """Raise InputError for a budget of a user's own model, if no keyword of its constructor is to grow."""
    if row.family == own.FAMILY and shape.grow is None:
        raise InputError(
            f"{row.title} has one size until a keyword of its constructor may grow. Add --grow width, or omit --size "
            "and --match"
        )


def axis_of(family: Family, shape: Shape) -> Axis:
    """Return the name of what grows with a budget, and the step in which it grows."""
    return keywords.axis(shape.grow) if shape.grow else Axis(family.growth, family.step)


def grown(family: Family, shape: Shape, value: int) -> Shape:
    """Return the shape with its growth axis at a value."""
    changed: dict[str, Any] = {family.growth: value}
    return dataclasses.replace(shape, **changed)


def nearest(family: Family, shape: Shape, wanted: int) -> int:
    """Return the integer of the growth axis, at least 1, whose count is closest to the budget. Counts grow with it."""

    def count(value: int) -> int:
        return family.parameters(grown(family, shape, value))

    return nearest_by(count, wanted, step=axis_of(family, shape).step)


def nearest_by(count: Callable[[int], int], wanted: int, *, step: int) -> int:
    """Return the multiple of `step`, at least one step, at which an increasing count is closest to `wanted`.

    Each evaluation may build a model. Counts are linear or quadratic in the axis, so interpolation between two ends of
    a range needs fewer evaluations than bisection.
    """
    low, high = 1, 2  # in steps
    while count(low * step) < count(high * step) < wanted and high < _MOST:  # or it does not grow with the axis
        low, high = high, 2 * high
    while high - low > 1:
        least, most = count(low * step), count(high * step)
        along = (high - low) * (wanted - least) // max(1, most - least)
        middle = min(max(low + 1, low + along), high - 1)
        low, high = (middle, high) if count(middle * step) < wanted else (low, middle)
    return min((low * step, high * step), key=lambda value: abs(count(value) - wanted))


def reachable(family: Family, shape: Shape, near: int) -> str:
    """Return the sizes around a value of the growth axis, for a message."""
    axis = axis_of(family, shape)
    values = sorted({max(axis.step, near - axis.step), near, near + axis.step})
    counts = {value: family.parameters(grown(family, shape, value)) for value in values}
    digits = 2 if min(counts.values()) > 1e5 else 4
    return ", ".join(f"{count / 1e6:.{digits}f}M at {axis.name}={value}" for value, count in counts.items())
