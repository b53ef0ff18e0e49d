"""The folders of an image folder that are train, validation and test, and those that are classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ...errors import InputError
from ...system.printable import printable
from ...tables.names import suggestion
from ..splits import holdout
from . import words
from .layout import LeftOut
from .walk import Folder

_SPLITS = ("train", "val", "test")
_TITLES = {"train": "train", "val": "validation", "test": "test"}
_HOW = (
    "Use --split-folders train=FOLDER,test=FOLDER to name the folders of splits, or --split-folders none if all are "
    "classes"
)


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """The layout of a folder that a command asks for."""

    level: str = "1"  # 1 | 2 | last: the folder below the split that is the class
    folders: str | None = None  # train=...,test=..., or none
    val: str | None = None  # the split that is the validation set
    test: str | None = None
    carve_test: bool = field(default=False, compare=False)  # the source's test split is not used
    tested: bool = field(default=False, compare=False)  # the folder is for testing: nothing is trained on


@dataclass(frozen=True, kw_only=True)
class Parts:
    """The folders of each split: used ones, unused ones, and whether the folders are classes instead of splits."""

    used: Mapping[str, Sequence[Folder]]
    unused: Mapping[str, Sequence[Folder]]
    base: str = ""  # the folder below the given one that contains the splits
    of_classes: bool = False
    left_out: tuple[LeftOut, ...] = ()
    notes: tuple[str, ...] = ()


def divided(root: Path, top: Folder, wishes: Wishes) -> Parts:
    """Return the folders that are splits. Raise InputError if that is ambiguous."""
    if wishes.folders and wishes.folders.strip().lower() == "none":
        return _classes(root, top, wishes)
    if wishes.folders:
        given = _given(root, top, wishes.folders)
        return _chosen(root, "", given, wishes, beside=_beside(top, given))
    base = top
    while not base.images and len(base.with_images) == 1 and not _is_split(base.with_images[0]):
        base = base.with_images[0]
        if _split_words(base):
            break
    found = _split_words(base)
    if not found:
        _require_no_splits_below(root, base)
        _require_no_lone_train(root, base)
        return _classes(root, top, wishes)
    if base.images:
        raise InputError(
            f"{root / base.path} contains {len(base.images):,} images next to the folders of splits "
            f"({_shown(folder for folders in found.values() for folder in folders)}). Move these images into one of "
            "the folders, or elsewhere"
        )
    _require_clear(root, base, found)
    return _chosen(root, base.path, found, wishes)


def _is_split(folder: Folder) -> bool:
    """Return whether a folder without siblings is a split by its name."""
    return words.split_of(folder.name) is not None


def _split_words(base: Folder) -> dict[str, list[Folder]]:
    """Return the folders with images by the split in their names, or nothing if these are not splits."""
    found: dict[str, list[Folder]] = {}
    for folder in base.with_images:
        if split := words.split_of(folder.name):
            found.setdefault(split, []).append(folder)
    if "train" in found and len(found) > 1:
        return found
    everything = sum(map(len, found.values())) == len(base.with_images)
    alone = everything and len(base.with_images) == 1
    trainless = everything and len(found) > 1 and all(each.with_images for each in base.with_images)
    return found if alone or trainless else {}


def _require_no_splits_below(root: Path, base: Folder) -> None:
    """Raise InputError for classes that contain folders of train and of another split.

    All of their images would be trained on.
    """
    holding = [each for folder in base.folders for each in folder.every() if "train" in _split_words(each)]
    holding = [each for each in holding if len(_split_words(each)) > 1]
    if not holding:
        return
    first = holding[0]
    where, names = printable(str(root / first.path)), _shown(first.with_images)
    if len(holding) == 1:
        beside = _shown(each for each in base.with_images if not f"{first.path}/".startswith(f"{each.path}/"))
        raise InputError(
            f"{where} has the splits {names}, and next to it {root / base.path} has other images ({beside}). Give "
            f"{where} as the dataset, or --split-folders none if all folders are classes"
        )
    raise InputError(
        f"{len(holding):,} folders of {root / base.path} have splits inside ({where}: {names}). Move the splits to the "
        "top, as in train/CLASS and test/CLASS, give one of these folders, or --split-folders none if all are classes"
    )


def _require_no_lone_train(root: Path, base: Folder) -> None:
    """Raise InputError if a single folder is train by its name, has class folders, and has siblings.

    The siblings may be a test set. Words of one split alone are classes (plane, train, bus), unless only that folder
    has folders of images.
    """
    named = [each for each in base.with_images if words.split_of(each.name) == "train"]
    others = [each for each in base.with_images if each not in named]
    if len(named) != 1 or not others or len(named[0].with_images) < 2:
        return
    if len(others) == 1 or not any(each.with_images for each in others):
        raise InputError(
            f"{root / base.path} has {printable(named[0].name)} with folders of images "
            f"({_shown(named[0].with_images[:3])}), and next to it {_shown(others)}, which may be a split or a class "
            f"(images: {sum(each.count for each in others):,}). {_HOW}"
        )


def _require_clear(root: Path, base: Folder, found: Mapping[str, Sequence[Folder]]) -> None:
    """Raise InputError for a sibling that is not a split, for two of one split, and for splits without train."""
    named = [folder for folders in found.values() for folder in folders]
    where = root / base.path
    if others := [folder for folder in base.with_images if folder not in named]:
        raise InputError(
            f"{where} has the splits {_shown(named)}, and next to them {_shown(others)}, which may be a split or a "
            f"class (images: {sum(folder.count for folder in others):,}). {_HOW}"
        )
    for split, folders in found.items():
        if len(folders) > 1:
            raise InputError(f"{where} has several folders for {_TITLES[split]}: {_shown(folders)}. {_HOW}")
    if "train" not in found and len(found) > 1:
        raise InputError(f"{where} has no split named train. Its splits are {_shown(named)}. {_HOW}")


def _shown(folders: object) -> str:
    return ", ".join(printable(folder.name) for folder in folders)  # type: ignore[attr-defined]


def _classes(root: Path, top: Folder, wishes: Wishes) -> Parts:
    """Return the folders as classes, all of train."""
    for option, name in (("--val-split", wishes.val), ("--test-split", wishes.test)):
        if name:
            raise InputError(f"{option} {name}: {root} has no folders for splits. {_HOW}")
    return Parts(used={"train": [top]}, unused={}, of_classes=True)


def _given(root: Path, top: Folder, text: str) -> dict[str, list[Folder]]:
    """Return the folders that `--split-folders` names. Raise InputError for an invalid value."""
    at = {folder.path: folder for folder in top.every() if folder.path}
    found: dict[str, list[Folder]] = {}
    for part in text.split(","):
        name, sign, path = (piece.strip() for piece in part.partition("="))
        split = words.split_of(name)
        if not sign or not path or split is None:
            raise InputError(
                f"--split-folders {text!r} is not in the right form. Use train=FOLDER,val=FOLDER,test=FOLDER or none"
            )
        path = path.strip("/").removeprefix("./")
        if path not in at:
            known = suggestion(path, [folder.path for folder in top.folders])
            raise InputError(f"--split-folders: {root} has no folder {path!r}. {known}")
        if not at[path].count:
            raise InputError(
                f"--split-folders: the folder {path} of {root} contains no readable images. Name another folder"
            )
        found.setdefault(split, []).append(at[path])
    paths = [folder.path for folders in found.values() for folder in folders]
    for path in paths:
        if paths.count(path) > 1 or any(path.startswith(f"{other}/") for other in paths):
            raise InputError(f"--split-folders {text!r} uses the folder {path} for two splits. Use each folder once")
    if "train" not in found:
        raise InputError(f"--split-folders {text!r} names no folder for train. Add train=FOLDER")
    return found


def _beside(top: Folder, found: Mapping[str, Sequence[Folder]]) -> list[str]:
    """Return the images that are in none of the folders."""
    within = {image for folders in found.values() for folder in folders for image in folder.all_images()}
    return [image for image in top.all_images() if image not in within]


def _chosen(
    root: Path, base: str, found: Mapping[str, list[Folder]], wishes: Wishes, *, beside: list[str] | None = None
) -> Parts:
    """Return the splits that are used.

    `beside` are images outside the folders that a command names.
    """
    val = _named(root, found, "--val-split", wishes.val)
    test = _named(root, found, "--test-split", wishes.test)
    if beside is not None and "test" in found and test != "val":
        val = val or ("val" if "val" in found else None)
    roles = holdout.published(list(found), carve_test=wishes.carve_test, val=val, test=test)
    used = {ours: found[roles[ours]] for ours in _SPLITS if ours in roles}
    unused = {split: folders for split, folders in found.items() if split not in roles.values()}
    notes = [f"the splits are in {printable(str(root / base))}"] if base else []
    if roles["train"] != "train" and not wishes.tested:
        notes.append(
            f"{root} has one split, {_shown(used['train'])}: it is used as train, and validation and test are held out "
            "from it"
        )
    if roles.get("test") == "val" and not test:
        notes.append(f"there is no test folder: {_shown(used['test'])} is the test set")
    why = {"val": "validation is held out from train; --val-split uses this folder"}
    left_out = [
        LeftOut(
            what="images", why=why.get(split, "this split is not used"), count=sum(each.count for each in folders),
            names=tuple(each.path for each in folders),
        )
        for split, folders in unused.items()
    ]  # fmt: skip
    left_out += [LeftOut.of("images", "in no folder that --split-folders names", beside)] if beside else []
    return Parts(used=used, unused=unused, base=base, left_out=tuple(left_out), notes=tuple(notes))


def _named(root: Path, found: Mapping[str, Sequence[Folder]], option: str, name: str | None) -> str | None:
    """Return the split that a name means: a folder's name, or train, val or test in any spelling."""
    if name is None:
        return None
    by_name = {folder.name.lower(): split for split, folders in found.items() for folder in folders}
    split = by_name.get(name.strip().lower()) or words.split_of(name)
    if split in found and split != "train":
        return split
    known = [folder.name for each, folders in found.items() if each != "train" for folder in folders]
    raise InputError(f"{option} {name}: {root} has no such split. {suggestion(name, known) if known else _HOW}")
