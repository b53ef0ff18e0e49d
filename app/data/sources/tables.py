"""Folders that the `datasets` library reads: parquet, arrow, WebDataset, cards with configs, metadata lists."""

from __future__ import annotations

import dataclasses
import json
import posixpath
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...errors import InputError
from ...system.printable import printable
from ..splits import holdout
from . import csvfile, words
from .layout import Layout, LeftOut
from .walk import Walk

_METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
_TEXTS = (".csv", ".tsv", ".json", ".jsonl")
_DATA = (".parquet", ".arrow", ".tar", ".zip", *_TEXTS)  # endings of files that a card may name
_IGNORED = ("config.json", "dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json")
_SHARDED = re.compile(r"data/([^/]*)-\d{5}-of-\d{5}[^/]*\.[^/]*")
_ARCHIVES = (".zip", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar", ".zst")
_NAMES = {"train": "train", "val": "validation", "test": "test"}  # of splits, as `datasets` spells them


@dataclass(frozen=True, kw_only=True)
class Tables:
    """The parts of a folder that `datasets` reads."""

    module: str | None  # its reader; None: the library finds it
    data_files: Mapping[str, Sequence[str]] | None  # split -> paths below the folder; None: the library finds them
    read: Sequence[str]  # paths of the files that are read
    layout: Layout
    revision: int


def found(walk: Walk, *, carve_test: bool = False) -> Tables | None:
    """Return the tables of a folder, or None for a folder of images. Raise InputError for unreadable content."""
    others, images = walk.others, list(walk.top.all_images())
    lists = [path for path in others if _base(path) in _METADATA]
    if _has_configs(walk.root):
        read = [path for path in (*others, *images) if path == "README.md" or path.lower().endswith(_DATA)]
        read += [] if any(path.lower().endswith((".parquet", ".arrow", ".tar")) for path in read) else images
        candidates = tuple(path for path in read if path != "README.md")
        layout = dataclasses.replace(_layout(walk, read), candidates=candidates)
        return Tables(module=None, data_files=None, read=read, layout=layout, revision=1)
    for module, ending in (("parquet", ".parquet"), ("arrow", ".arrow")):
        if files := [path for path in others if path.lower().endswith(ending) and path not in lists]:
            return _by_words(walk, module, files)
    if lists and images:
        return _of_metadata(walk, lists, images, carve_test=carve_test)
    if images:
        return None
    if files := [path for path in others if path.lower().endswith(".tar")]:
        return _by_words(walk, "webdataset", files)
    if lists:
        raise InputError(no_images(walk))
    if files := [path for path in others if path.lower().endswith(_TEXTS) and _base(path) not in _IGNORED]:
        for path in files:
            if path.lower().endswith(csvfile.ENDINGS):
                csvfile.table(walk.root, path)
        return Tables(module=None, data_files=None, read=files, layout=_layout(walk, files), revision=1)
    return None


def _base(path: str) -> str:
    return path.rpartition("/")[2]


def _card(root: Path) -> str:
    """Return the front matter of a folder's README.md, or "" if there is none."""
    try:
        text = (root / "README.md").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return text.split("\n---", 1)[0] if text.startswith("---") else ""


def _has_configs(root: Path) -> bool:
    return "\nconfigs:" in _card(root)


def _by_words(walk: Walk, module: str, files: list[str]) -> Tables:
    """Return the tables whose folders or names give their splits.

    If the library finds the same splits, it finds them itself.
    """
    sharded = [path for path in files if _SHARDED.fullmatch(path)]
    if any(path.startswith("data/train-") for path in sharded) and not _mixed(walk, files):
        return Tables(
            module=None, data_files=None, read=_with_card(walk, sharded), layout=_layout(walk, sharded), revision=1
        )
    files = sharded or files
    parts = [path.split("/") for path in files]
    ours, theirs = words.of_files(parts), words.of_files(parts, library=True)
    same = not _mixed(walk, files) and _used(ours) == _used(theirs)
    of = {split: [files[at] for at in places] for split, places in ours.items() if split}
    read = [path for paths in of.values() for path in paths]
    return Tables(
        module=None if same else module,
        data_files=None if same else {_NAMES[split]: of[split] for split in _NAMES if split in of},
        read=_with_card(walk, read), layout=_layout(walk, read), revision=1 if same else 2,
    )  # fmt: skip


def _used(found: Mapping[str | None, Sequence[int]]) -> dict[str, Sequence[int]]:
    """Return the files of the splits that are used."""
    there = {split: at for split, at in found.items() if split}
    return {ours: there[theirs] for ours, theirs in holdout.published(list(there), carve_test=False).items()}


def _taken(found: Mapping[str | None, Sequence[int]], carve_test: bool) -> Iterable[str]:
    """Return our names of the splits that are used."""
    return holdout.published([split for split in found if split], carve_test=carve_test).values()


def _require_lists(walk: Walk, files: Mapping[str, Sequence[str]], lists: Sequence[str]) -> None:
    """Raise InputError for a split whose images are in no metadata list, if another split has one."""
    for split, paths in files.items():
        if set(paths).isdisjoint(lists):
            folder = printable(posixpath.commonpath([posixpath.dirname(path) for path in paths]))
            instead = "" if split == "train" else ", or hold out a test set from train by --test-fraction 0.2"
            raise InputError(
                f"{printable(lists[0])} of {walk.root} is not about the split {split}, whose images are in {folder}. "
                f"Put a {_base(lists[0])} with their labels into {folder}{instead}"
            )


def _mixed(walk: Walk, files: Sequence[str]) -> bool:
    """Return whether there are other files, whose number may change the reader that the library chooses."""
    others = [path for path in walk.others if path not in files and _base(path) not in (*_IGNORED, "README.md")]
    return bool(others or walk.top.count)


def _with_card(walk: Walk, read: Sequence[str]) -> list[str]:
    """Return the files that are read, with the card if it describes the columns."""
    cards = ["README.md"] if re.search(r"^(dataset_info|configs):", _card(walk.root), re.MULTILINE) else []
    return [*read, *cards, *(["dataset_infos.json"] if "dataset_infos.json" in walk.others else [])]


def _layout(walk: Walk, read: Iterable[str], *more: LeftOut) -> Layout:
    taken = {*read, "README.md"}
    found = [
        *more,
        LeftOut.of("files", "not read", [path for path in walk.others if path not in taken]),
        LeftOut.of("images", "in no table", [path for path in walk.top.all_images() if path not in taken]),
    ]
    return Layout(left_out=tuple(each for each in found if each.count))


def _of_metadata(walk: Walk, lists: list[str], images: list[str], *, carve_test: bool) -> Tables:
    """Return the tables of images that metadata files list. The splits are those of the folders."""
    there = set(images)
    named = [name for path in lists for name in _listed(walk.root, path)]
    if not named:
        raise InputError(
            f"{walk.root / lists[0]} lists no files. It needs a column file_name with the path of an image in each row"
        )
    listed = [name for name in dict.fromkeys(named) if name in there]
    spare = LeftOut.of("images", f"not listed in {printable(lists[0])}", sorted(there - set(listed)))
    layout = _layout(walk, [*lists, *images], *([spare] if spare.count else []))
    files = sorted([*lists, *images])
    parts = [path.split("/") for path in files]
    ours, theirs = words.of_files(parts), words.of_files(parts, library=True)
    _require_lists(walk, {split: [files[at] for at in ours[split]] for split in _taken(ours, carve_test)}, lists)
    read = [*lists, *listed]
    if _used(ours) == _used(theirs):
        return Tables(module=None, data_files=None, read=read, layout=layout, revision=1)
    of = {_NAMES[split]: [files[at] for at in ours[split]] for split in _NAMES if split in ours}
    return Tables(module="imagefolder", data_files=of, read=read, layout=layout, revision=2)


def _listed(root: Path, path: str) -> list[str]:
    """Return the files that a metadata list names, as paths below the folder, or nothing if it names none."""
    folder = path.rpartition("/")[0]
    if path.endswith(".csv"):
        columns: Mapping[str, Sequence[str]] = csvfile.table(root, path)
    elif path.endswith(".jsonl"):
        columns = _of_lines(root / path)
    else:
        from pyarrow import parquet

        held = parquet.read_table(root / path)
        columns = {name: [str(value) for value in held[name].to_pylist()] for name in held.column_names
                   if name.endswith("file_name")}  # fmt: skip
    names = [name for name in columns if name.endswith("file_name")]
    twice = [name for name, count in Counter(columns.get("file_name", ())).items() if name and count > 1]
    if twice:
        raise InputError(
            f"{root / path} lists {printable(twice[0])} more than once ({len(twice):,} such files). Keep one row per "
            "image"
        )
    values = [value for name in names for value in columns[name] if value]
    return [f"{folder}/{value}" if folder else value for value in values]


def _of_lines(path: Path) -> dict[str, list[str]]:
    """Return the columns of file names in a file of JSON lines."""
    columns: dict[str, list[str]] = {}
    try:
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line) if line.strip() else {}
            if not isinstance(row, dict):
                raise TypeError
            for name in row:
                if name.endswith("file_name"):
                    columns.setdefault(name, []).append(str(row[name]))
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise InputError(
            f"{path} is not JSON lines in UTF-8 ({type(error).__name__}). Write one object per line"
        ) from error
    return columns


def no_images(walk: Walk) -> str:
    """Return the message for a folder without images: the files that it has, and what to do with them."""
    kinds = Counter(Path(path).suffix.lower() or "no ending" for path in walk.others)
    there = ", ".join(f"{count:,} {kind}" for kind, count in kinds.most_common(3))
    says = f"{walk.root} contains no images that can be read. It has other files: {printable(there)}"
    first = printable(walk.others[0]) if walk.others else ""
    if any(kind in (".npy", ".npz") for kind in kinds):
        return f"{says}. Save numpy arrays as images, such as PIL.Image.fromarray(array).save('cat/1.png')"
    if any(kind in _ARCHIVES for kind in kinds):
        archive = next(path for path in walk.others if path.lower().endswith(_ARCHIVES))
        return f"{says}. Archives are not read: unpack {printable(archive)} and give the folder"
    return f"{says}{f' (such as {first})' if first else ''}. Put a folder of images per class there, or parquet files"
