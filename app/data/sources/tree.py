"""A folder of images as splits and classes: what each folder is, what is left out, and all possible readings.

The rules: only folders below the given path count. Siblings are splits if one has a train word and another a val or
test word. The class is the folder at `--class-level` below the split, by default the first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ...errors import InputError
from ...system.printable import printable
from . import names, words
from .layout import Layout, LeftOut
from .parts import Parts, Wishes, divided
from .walk import Folder

_INSTEAD = "--test-fraction 0.2 holds out a test set from train instead"
_TABLES = (".csv", ".tsv", ".json", ".jsonl", ".parquet", ".arrow", ".zip", ".tar")  # other readers in revision 1
_PUBLISHED = ("test", "validation", "valid", "val", "dev")  # names in revision 1 of the layout, with train


class Unclassed(InputError):
    """An error for images that are not in the folders of at least two classes."""


class Row(NamedTuple):
    """An image and its class."""

    path: str  # relative to the dataset's folder
    name: str  # of its class


@dataclass(frozen=True, kw_only=True)
class Tree:
    """A folder of images as it is read: rows, classes, images and layout."""

    rows: Mapping[str, Sequence[Row]]  # train, val, test -> rows, in the order of their paths
    class_names: tuple[str, ...]
    images: tuple[str, ...]  # of all splits, used or not; the fingerprint covers these
    layout: Layout
    revision: int  # 1: revision 1 of the layout read the folder in the same way; 2: it did not


def understand(root: Path, top: Folder, wishes: Wishes) -> Tree:
    """Return the tree of a folder of images. Raise InputError if it is ambiguous, with what to do."""
    parts = divided(root, top, wishes)
    rows = {split: _rows(root, folders, wishes.level) for split, folders in parts.used.items()}
    found = {split: {row.name for row in each} for split, each in rows.items()}
    readings = _readings(parts.used["train"])
    classes = tuple(sorted(set().union(*found.values())))
    names.require_apart(classes, f"folders of {root}")
    if len(found["train"]) < 2 and not wishes.tested:
        raise Unclassed(_one_class(root, parts, found["train"], readings, wishes.level))
    if (strange := sorted(set(classes) - found["train"])) and not wishes.tested:
        shown, split = ", ".join(map(printable, strange[:3])), next(s for s in found if strange[0] in found[s])
        raise InputError(f"the {split} split of {root} has classes that train lacks: {shown}. {_INSTEAD}")
    every = [folder for folders in (*parts.used.values(), *parts.unused.values()) for folder in folders]
    images = tuple(sorted(path for folder in every for path in folder.all_images()))
    notes = [*parts.notes, *_notes(root, parts, rows, wishes.level)]
    layout = Layout(
        places={split: _place(root, folders) for split, folders in parts.used.items()},
        left_out=(*parts.left_out, *_left_out(top, parts, wishes.level)),
        readings=readings,
        notes=tuple(notes),
    )
    plain = wishes == Wishes() and _is_plain(top, parts, set(classes))
    return Tree(rows=rows, class_names=classes, images=images, layout=layout, revision=1 if plain else 2)


def _place(root: Path, folders: Sequence[Folder]) -> str:
    return ", ".join(printable(str(root / folder.path)) for folder in folders)


def _rows(root: Path, folders: Sequence[Folder], level: str) -> list[Row]:
    """Return the rows of a split, sorted by path. Raise InputError for images next to class folders."""
    rows: list[Row] = []
    for split in folders:
        for folder in split.every():
            if folder.images:
                rows += [Row(folder.at(image), _class_of(root, split, folder, level)) for image in folder.images]
    return sorted(rows)


def _class_of(root: Path, split: Folder, folder: Folder, level: str) -> str:
    """Return the class of the images directly in a folder below a split."""
    below = folder.path[len(split.path) :].strip("/").split("/") if folder.path != split.path else []
    where = printable(str(root / folder.path))
    many = f"{len(folder.images):,} image{'s' if len(folder.images) > 1 else ''}"
    if level == "last" and below and not folder.with_images:
        return below[-1]
    if level != "last" and len(below) >= int(level):
        return below[int(level) - 1]
    first = printable(folder.images[0])
    if folder.with_images:
        beside = ", ".join(printable(each.name) for each in folder.with_images[:3])
        raise InputError(
            f"{where} contains {many} ({first}) next to folders of images ({beside}). The class of an image is the "
            "folder that it is in. Move these images into class folders, or elsewhere"
        )
    if below:
        raise InputError(
            f"{where} contains {many} ({first}), but with --class-level {level} the class is a folder further below. "
            f"Use --class-level {len(below)}"
        )
    raise Unclassed(
        f"{where} contains {many} ({first}) outside of class folders. The class of an image is the name of the "
        "folder that it is in. Make a folder per class, such as cat/1.png and dog/1.png, or add a CSV file that "
        "lists each image with its class (file_name,label)"
    )


def _readings(folders: Sequence[Folder]) -> dict[str, int]:
    """Return the number of classes at each class level, or nothing if only the first level has images."""
    paths = []
    for split in folders:
        depth = split.path.count("/") + 1 if split.path else 0
        paths += [each.path.split("/")[depth:] for each in split.every() if each.images and each.path != split.path]
    lengths = {len(path) for path in paths}
    if not paths or max(lengths) < 2:
        return {}
    found = {str(level): len({path[level - 1] for path in paths}) for level in range(1, min(lengths) + 1)}
    return found | ({"last": len({path[-1] for path in paths})} if len(lengths) > 1 else {})


def _one_class(root: Path, parts: Parts, found: set[str], readings: Mapping[str, int], level: str) -> str:
    """Return the error text for a folder with fewer than two classes."""
    folder, name = parts.used["train"][0], next(iter(found), "")
    where = printable(str(root / folder.path))
    says = f"{where} has one class folder, {printable(name)}. At least two are needed"
    below = next((each.with_images for each in folder.with_images if each.name == name), [])
    if len(below) < 2:
        return f"{says}. Add the folders of the other classes, or give the folder above"
    levels = [f"--class-level {each}" for each, count in readings.items() if each != level and count > 1]
    ways = [*([f"--dataset {where}/{printable(name)}"] if parts.of_classes else []), *levels[:1]]
    shown = ", ".join(printable(each.name) for each in below[:3])
    return f"{says}. {printable(name)} contains {len(below):,} folders of images ({shown}). Use {' or '.join(ways)}"


def _notes(root: Path, parts: Parts, rows: Mapping[str, Sequence[Row]], level: str) -> list[str]:
    """Return what a reader should know of the classes."""
    found = []
    for folders in parts.used.values():
        for folder in folders:
            named = [each for each in folder.with_images if words.split_of(each.name) and level == "1"]
            if named and not parts.of_classes:
                shown = ", ".join(printable(each.name) for each in named)
                found.append(f"below {root / folder.path}, {shown} is a class and not a split")
    if missing := sorted({row.name for row in rows["train"]} - {row.name for row in rows.get("test", rows["train"])}):
        shown = ", ".join(map(printable, missing[:3]))
        found.append(
            f"classes without test images: {shown}{f' and {len(missing) - 3:,} more' if len(missing) > 3 else ''}"
        )
    return found


def _left_out(top: Folder, parts: Parts, level: str) -> list[LeftOut]:
    """Return the files that are not images, the folders without images, and what systems made."""
    used = [folder for folders in parts.used.values() for folder in folders]
    classes = [each.path for folder in used if level == "1" for each in folder.folders if not each.count]
    empty = [each.path for each in top.every() if not each.count and each.path not in classes and each.path]
    empty = [path for path in empty if not any(path.startswith(f"{other}/") for other in (*empty, *classes))]
    files = [folder.at(name) for folder in top.every() for name in folder.others]
    found = [
        LeftOut.of("files", "no image format", files),
        LeftOut.of("class folders", "no readable images inside", classes),
        LeftOut.of("folders", "no readable images inside", empty),
        LeftOut.of("folders", "made by the system or by a tool", [f.at(n) for f in top.every() for n in f.system]),
        LeftOut.of("links", "leading back to a folder above", [f.at(n) for f in top.every() for n in f.back]),
    ]
    return [each for each in found if each.count]


def _is_plain(top: Folder, parts: Parts, classes: set[str]) -> bool:
    """Return whether revision 1 of the layout read the folder in the same way: same rows, classes and splits."""
    every = [folder for folders in (*parts.used.values(), *parts.unused.values()) for folder in folders]
    others = [name.lower() for folder in top.every() for name in folder.others]
    if parts.base or any(folder.linked for folder in top.every()) or any(name.endswith(_TABLES) for name in others):
        return False
    leaves = [each for folder in every for each in folder.with_images]
    if any(leaf.with_images for leaf in leaves) or {leaf.name for leaf in leaves} != classes:
        return False
    strange = any(words.library_split_of(leaf.name, folder=True) for leaf in leaves)
    if not parts.of_classes:
        return not strange and all(folder.path in ("train", *_PUBLISHED) for folder in every)
    if "readme.md" in others:  # then it looked for splits in the names of folders and files
        files = [name for leaf in leaves for name in leaf.images]
        return not strange and not any(words.library_split_of(name, folder=False) for name in files)
    return not any(leaf.name.lower() in ("train", *_PUBLISHED) for leaf in leaves)
