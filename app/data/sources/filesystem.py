"""Verified files as the file system through which `datasets` opens them (fsspec)."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import fsspec
from fsspec.spec import AbstractFileSystem
from huggingface_hub import HfFileSystem

from . import verified
from .verified import Files


@contextmanager
def registered() -> Iterator[None]:
    """Make fsspec open verified files, and the Hub's files of a commit as verified ones until the block ends.

    `datasets` reads archives on the Hub to find out what they contain, before it reports which files a split has.
    """
    fsspec.register_implementation(verified.SCHEME, Verified, clobber=True)
    theirs = fsspec.get_filesystem_class("hf")
    fsspec.register_implementation("hf", _Hub, clobber=True)
    try:
        yield
    finally:
        fsspec.register_implementation("hf", theirs, clobber=True)


class Verified(AbstractFileSystem):
    """Files of datasets at their commits. There are no folders, because `datasets` lists none here."""

    protocol = verified.SCHEME
    cachable = False

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        """Return name, size and type. Raise FileNotFoundError for a path that is not in the commit."""
        files, inside = _parsed(self._strip_protocol(path))
        return {"name": path, "size": files.listed(inside).size, "type": "file"}

    def ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        """Return the file at the path."""
        found = self.info(path)
        return [found] if detail else [found["name"]]

    def _open(self, path: str, mode: str = "rb", **_: Any) -> Any:
        assert mode == "rb", mode
        return _opened(*_parsed(self._strip_protocol(path)))


class _Hub(HfFileSystem):
    """The client's file system, which reads files of datasets at a commit as verified files."""

    def _open(self, path: str, mode: str = "rb", **options: Any) -> Any:  # type: ignore[override]
        if mode == "rb" and _OF_COMMIT.fullmatch(path):
            return _opened(*_parsed(path))
        return super()._open(path, mode, **options)


_OF_COMMIT = re.compile(r"datasets/([^@]+)@([0-9a-f]{40})/(.+)")


def _parsed(path: str) -> tuple[Files, str]:
    if not (found := _OF_COMMIT.fullmatch(path)):
        raise FileNotFoundError(path)
    return verified.files_of(found[1], found[2]), found[3]


def _opened(files: Files, path: str) -> io.BufferedReader:
    return io.BufferedReader(_Reader(files, path), 1 << 20)


class _Reader(io.RawIOBase):
    """A position in a file. `Files` fetches the bytes."""

    def __init__(self, files: Files, path: str) -> None:
        self._files, self._path = files, path
        self._at, self._size = 0, files.listed(path).size

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        self._at = start + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        content = self._files.read(self._path, self._at, len(buffer))
        buffer[: len(content)] = content
        self._at += len(content)
        return len(content)
