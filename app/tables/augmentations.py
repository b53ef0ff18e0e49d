"""The augmentations of training images, a row each, and the text that lists them: `flip_crop+rand:9+erasing`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from ..errors import InputError
from .names import suggestion


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """One augmentation. Its number follows a colon; without a number, it has its default."""

    does: str  # for the table in docs/training.md
    source: str
    number: str = ""  # what the number means; empty: it has none
    default: float | None = None
    least: float = 0.0
    most: float = 1.0
    integer: bool = False
    square: bool = False  # whether it needs square images
    colour: bool = False  # whether it needs three channels
    late: bool = False  # whether it changes the model's normalised inputs, after the images at their stored side


AUGMENTATIONS = {
    "flip_crop": Augmentation(does="pads by an eighth of the side, crops at random, and flips left to right in half of "
                              "all cases", source="He et al. 2015, arXiv:1512.03385, section 4.2"),
    "flip": Augmentation(does="flips left to right in half of all cases", source="torchvision RandomHorizontalFlip"),
    "vflip": Augmentation(does="flips upside down in half of all cases", source="torchvision RandomVerticalFlip"),
    "rot90": Augmentation(does="turns by 0, 90, 180 or 270 degrees", source="usual in histology", square=True),
    "resized_crop": Augmentation(does="resizes a random part, with sides of a ratio from 3/4 to 4/3, to the image's "
                                 "size", source="Szegedy et al. 2014, arXiv:1409.4842, section 6",
                                 number="least share of the area", default=0.08, least=0.01),
    "jitter": Augmentation(does="changes brightness, contrast and saturation by random factors in random order",
                           source="torchvision ColorJitter", number="largest change of a factor", default=0.4,
                           least=0.01),
    "hue": Augmentation(does="moves every hue along the colour circle by a random share",
                        source="torchvision ColorJitter", number="largest share of the circle", default=0.1,
                        least=0.01, most=0.5, colour=True),
    "rand": Augmentation(does="applies two of 14 operations", source="RandAugment, arXiv:1909.13719, section 3.1",
                         number="magnitude", default=9, most=30, integer=True, square=True),
    "trivial": Augmentation(does="applies one of 14 operations at a random magnitude",
                            source="TrivialAugment, arXiv:2103.10158, section 3", square=True),
    "zoo_rand": Augmentation(does="applies two of the CIFAR zoo's 16 operations to integer grey levels, as Pillow does",
                             source="kentaroy47/vision-transformers-cifar10, randomaug.py", number="magnitude",
                             default=14, most=30, integer=True, square=True, colour=True),
    "cutout": Augmentation(does="sets a square at a random place to the channel means",
                           source="Cutout, arXiv:1708.04552, section 3.1", number="share of the side", default=0.5,
                           least=0.01, late=True),
    "erasing": Augmentation(does="sets a random rectangle of 2 to 33 % of the area to the channel means",
                            source="Random Erasing, arXiv:1708.04896, section 3.2", number="probability", default=0.25,
                            least=0.01, late=True),
    "erasing_noise": Augmentation(does="fills such a rectangle with normal noise, one draw per value",
                                  source="timm's RandomErasing in pixel mode", number="probability", default=0.25,
                                  least=0.01, late=True),
}  # fmt: skip
NONE = "none"
_NAMED: dict[tuple[str, ...], str] = {("flip_crop", "rand"): "randaugment"}
AUGMENTS = (NONE, *_NAMED.values(), *AUGMENTATIONS)
_SAME_DRAWS = ({"flip_crop", "flip"}, {"erasing", "erasing_noise"})  # two that would repeat each other's draws


class Part(NamedTuple):
    """One augmentation of a list, with its number if it has one."""

    name: str
    number: float | None


def parts(text: str) -> tuple[Part, ...]:
    """Return the augmentations of a list such as `flip_crop+rand:9`, in order. `none` is the empty list.

    Raises InputError for an unknown name, a number out of range, a repetition, and a late augmentation before others.
    """
    if text == NONE:
        return ()
    named = {name: "+".join(each) for each, name in _NAMED.items()}
    found = tuple(_part(each, text) for each in named.get(text, text).split("+"))
    names = [part.name for part in found]
    if len({*names}) < len(names) or any(pair <= {*names} for pair in _SAME_DRAWS):
        raise InputError(f"augment={text} repeats an augmentation. Use each of them once")
    late = [AUGMENTATIONS[name].late for name in names]
    if late != sorted(late):
        last = ", ".join(name for name, row in AUGMENTATIONS.items() if row.late)
        raise InputError(f"augment={text} is in an impossible order. Put {last} last: they change normalised inputs")
    return found


def canonical(text: str) -> str:
    """Return the shortest text with the same augmentations, which the configuration stores.

    Raises InputError as `parts` does.
    """
    found = parts(text)
    spelled = tuple(map(_spelled, found))
    return _NAMED.get(spelled, "+".join(spelled) or NONE)


def check(text: str, *, square: bool, channels: int) -> None:
    """Raise InputError for an augmentation that does not fit the shape of the images, or a longer text than needed."""
    for part in parts(text):
        row = AUGMENTATIONS[part.name]
        if row.square and not square:
            raise InputError(
                f"augment={text} works on square images only, because of {part.name}. Give --image one side, or use "
                "--augment flip_crop"
            )
        if row.colour and channels != 3:
            raise InputError(
                f"augment={text} works on images with three channels only, because of {part.name}. Use --augment rand"
            )
    if text != (shortest := canonical(text)):
        raise InputError(f"augment={text} is not written in its shortest form. Use {shortest}")


def _part(text: str, within: str) -> Part:
    name, colon, number = text.partition(":")
    row = AUGMENTATIONS.get(name)
    if row is None and name == NONE:
        raise InputError(
            f"augment={within} joins none with other augmentations. Use --augment none alone, or omit none"
        )
    if row is None and "," in name:
        raise InputError(f"augment={within} has a comma. Join augmentations with +, such as flip_crop+rand:9")
    if row is None:
        raise InputError(f"unknown augment {name!r}. {suggestion(name, [*AUGMENTS])}")
    if not colon:
        return Part(name, row.default)
    if not row.number:
        raise InputError(f"augment={within} gives a number to {name}, which has none. Use {name}")
    try:
        value = float(number)
    except ValueError:
        value = float("nan")
    if not row.least <= value <= row.most or (row.integer and value != int(value)):
        kind = "whole number" if row.integer else "number"
        raise InputError(
            f"augment={within} gives {name} the {row.number} {number!r}. Use a {kind} from {row.least:g} to "
            f"{row.most:g}"
        )
    return Part(name, value)


def _spelled(part: Part) -> str:
    if part.number == AUGMENTATIONS[part.name].default:
        return part.name
    return f"{part.name}:{part.number:g}"
