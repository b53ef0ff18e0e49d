"""Verified files as the file system that `datasets` opens them through (fsspec)."""

from __future__ import annotations

import io
import os
import re
from typing import Any

import fsspec
from fsspec.spec import AbstractFileSystem

from . import verified
from .verified import Files


def register() -> None:
    """Have fsspec open the addresses of verified files here."""
    fsspec.register_implementation(verified.SCHEME, Verified, clobber=True)


class Verified(AbstractFileSystem):
    """Files of datasets at their commits; there are no folders, because `datasets` lists none here."""

    protocol = verified.SCHEME
    cachable = False

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        """Return name, size and type; raise FileNotFoundError for a path that is not in the commit."""
        files, inside = _parsed(self._strip_protocol(path))
        return {"name": path, "size": files.listed(inside).size, "type": "file"}

    def ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        """Return the file itself."""
        found = self.info(path)
        return [found] if detail else [found["name"]]

    def _open(self, path: str, mode: str = "rb", **_: Any) -> Any:
        assert mode == "rb", mode
        files, inside = _parsed(self._strip_protocol(path))
        return io.BufferedReader(_Reader(files, inside), 1 << 20)


def _parsed(path: str) -> tuple[Files, str]:
    found = re.fullmatch(r"datasets/([^@]+)@([0-9a-f]{40})/(.+)", path)
    if not found:
        raise FileNotFoundError(path)
    return verified.files_of(found[1], found[2]), found[3]


class _Reader(io.RawIOBase):
    """One position in a file; where its bytes are is the business of `Files`."""

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
