"""The folders below a dataset's path, with their images and other files. Links to folders are followed."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from ...errors import InputError
from ...system.printable import printable

# Endings of the images that `datasets` reads.
_IMAGES = """
    apng blp bmp bufr bw cur dcx dds dib emf eps fit fits flc fli ftc ftu gbr gif grib icb icns ico iim im j2c j2k jfif
    jp2 jpc jpe jpeg jpf jpg jpx mpeg mpg msp pbm pcd pcx pgm png pnm ppm ps psd pxr ras rgb rgba sgi tga tif tiff vda
    vst webp wmf xbm xpm
"""
ENDINGS = frozenset(f".{ending}" for ending in _IMAGES.split())
# Names that systems and tools create, and that are never classes.
_SYSTEM = (
    "._*", ".DS_Store", ".AppleDouble", ".Spotlight-*", ".fseventsd", ".TemporaryItems", ".Trash*", "__MACOSX",
    ".ipynb_checkpoints", "__pycache__", ".git", ".hg", ".svn", ".dvc", ".cache", ".thumbnails", ".idea", ".vscode",
    ".venv", ".snapshot", ".nfs*",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Folder:
    """A folder with its contents, sorted by name. `path` is relative to the dataset's folder, which has ""."""

    name: str
    path: str
    images: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)  # files that are not images
    system: list[str] = field(default_factory=list)  # folders that systems make
    back: list[str] = field(default_factory=list)  # links to folders that lead back
    linked: bool = False
    folders: list[Folder] = field(default_factory=list)

    def at(self, name: str) -> str:
        """Return the path of an entry of the folder, relative to the dataset's folder."""
        return f"{self.path}/{name}" if self.path else name

    @cached_property
    def count(self) -> int:
        """The number of images in the folder and below it."""
        return len(self.images) + sum(folder.count for folder in self.folders)

    @cached_property
    def with_images(self) -> list[Folder]:
        """The folders directly in it that have images somewhere below."""
        return [folder for folder in self.folders if folder.count]

    def every(self) -> Iterator[Folder]:
        """Yield the folder and every folder below it."""
        yield self
        for folder in self.folders:
            yield from folder.every()

    def all_images(self) -> Iterator[str]:
        """Yield the paths of the images in the folder and below it, relative to the dataset's folder."""
        for folder in self.every():
            yield from map(folder.at, folder.images)


@dataclass(frozen=True, kw_only=True)
class Walk:
    """The contents of a dataset's folder, and the reasons why some of it would be left out, one sentence each."""

    root: Path
    top: Folder
    refusals: list[str]

    @cached_property
    def others(self) -> list[str]:
        """The paths of all files that are not images, relative to the root."""
        return [folder.at(name) for folder in self.top.every() for name in folder.others]

    def require_taken(self) -> None:
        """Raise InputError for an image that would be left out, and for a folder that occurs twice.

        Such images are in hidden folders, behind links that lead nowhere, or have names that cannot be shown.
        """
        if self.refusals:
            raise InputError(self.refusals[0])


def walk(root: Path) -> Walk:
    """Return the contents of a folder."""
    refusals: list[str] = []
    return Walk(root=root, top=_walked(root, "", {}, (), refusals), refusals=refusals)


def _walked(root: Path, path: str, seen: dict[str, str], above: tuple[str, ...], refusals: list[str]) -> Folder:
    here = root / path if path else root
    real = os.path.realpath(here)
    if real in seen:
        first, second = printable(seen[real] or "."), printable(path)
        refusals.append(f"{first} and {second} of {root} are the same folder. Remove the link, or one of them")
    seen[real] = path
    found = Folder(name=here.name, path=path, linked=here.is_symlink() and bool(path))
    with os.scandir(here) as entries:
        listed = sorted(entries, key=lambda entry: entry.name)
    for entry in listed:
        name = entry.name
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in _SYSTEM):
            if entry.is_dir():
                found.system.append(name)
        elif entry.is_dir():
            if os.path.realpath(entry.path) in (*above, real):
                found.back.append(name)
            else:
                found.folders.append(_walked(root, found.at(name), seen, (*above, real), refusals))
        elif Path(name).suffix.lower() in ENDINGS:
            if why := _why_not(found.at(name), entry):
                refusals.append(f"{printable(found.at(name))} of {root} would be skipped: {why}")
            found.images.append(name)
        elif not name.startswith("."):
            found.others.append(name)
    return found


def _why_not(path: str, entry: os.DirEntry[str]) -> str:
    """Return the reason why an image would be left out, or "".

    It is hidden, cannot be shown, or is not a file.
    """
    why, parts = "", path.split("/")
    if not entry.is_file():
        why = (
            "it is a link that leads nowhere. Remove it"
            if entry.is_symlink()
            else "it is not a regular file. Remove it"
        )
    for part in reversed(parts):
        if not part.isprintable():
            why = f"its name has characters that cannot be shown. Rename {printable(part)}"
        if part.startswith(".") or (part.startswith("__") and part != parts[-1]):
            why = f"names that begin with . or __ are hidden. Rename {printable(part)}"
    return why
