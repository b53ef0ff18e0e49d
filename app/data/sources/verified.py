"""The files of a dataset repository at one commit, compared with the commit's listing before they are decoded.

A file that `datasets` reads is downloaded, checked, decoded and deleted, with at most one more file ahead of it on the
disk. The file on the disk has no name, so a process that is killed leaves nothing behind. An image in a separate file
stays in memory.
"""

from __future__ import annotations

import io
import os
import re
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from itertools import chain, pairwise
from pathlib import Path, PurePosixPath
from typing import IO, Any

from ...errors import DISK_FULL, Damaged, HubUnavailable, InputError
from ...system import downloads, durable, home, hub
from ...system.downloads import Listed
from . import undocumented

SCHEME = "checked"  # of addresses, as in checked://datasets/owner/name@sha/path
_PACKED = {"zip", "tar", "gzip", "bz2", "lz4", "xz", "zstd"}  # schemes that may come before `::` in an address
_CARD = ("README.md", ".huggingface.yaml", "dataset_infos.json")  # the files that define which files are which split
_LISTED_AT_ONCE, _MOST_LISTED = 500, 50_000
_KEPT = 2  # files on the disk: the one that is being read, and the one before or after it


class Files:
    """The files of one dataset repository at one commit, for the threads that read it."""

    def __init__(self, name: str, sha: str) -> None:
        self.name, self.sha = name, sha
        self._root = f"datasets/{name}@{sha}/"
        self._splits: dict[str, list[str]] = {}  # paths
        self._images: tuple[str, ...] = ()  # endings of files with one image each, which are never on the disk
        self._paths: list[str] = []  # of all splits
        self._at: dict[str, int] = {}
        self._listed: dict[str, Listed] = {}
        self._listing = threading.Lock()
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._keeping = threading.Lock()
        self._next: dict[str, str] = {}

    def require_card(self) -> None:
        """Check the files that define how the dataset is read, in the client's cache, where `datasets` finds them.

        Raises Damaged for a file that differs twice, and InputError if the dataset has a loading script.
        """
        script = f"{self.name.rpartition('/')[2]}.py"
        there = downloads.listing(self.name, self.sha, [*_CARD, script])
        if script in there:
            raise InputError(
                f"{self.name} has a loading script, {script}. Scripts are not run, and their data cannot be checked. "
                "Use --revision refs/convert/parquet, or a dataset of parquet files"
            )
        for path in there:
            self._require_in_client_s_cache(path, there[path])

    def _require_in_client_s_cache(self, path: str, listed: Listed) -> None:
        found = None
        for force in (False, True):
            kept = Path(self._in_client_s_cache(path, listed, force=force))
            if (found := downloads.digest(kept, listed)) == listed.digest:
                return
        for damaged in (kept.resolve(), kept):
            damaged.unlink(missing_ok=True)
        raise Damaged(
            f"{path} of {self.name} arrived damaged twice. The Hub lists {listed.kind} {listed.digest} at commit "
            f"{self.sha[:10]}, but {found} arrived. Run the same command again"
        )

    def _in_client_s_cache(self, path: str, listed: Listed, *, force: bool) -> str:
        def once() -> str:
            return str(
                hub.api().hf_hub_download(self.name, path, repo_type="dataset", revision=self.sha, force_download=force)
            )

        return hub.call(f"{path} of {self.name}", once, size=listed.size)

    def redirect(self, builder: Any) -> None:
        """Make a builder read its files from here.

        Raises InputError for a file that is not of this commit, and HubUnavailable if the files cannot be listed.
        """
        if not (files := undocumented.data_files(builder)):
            raise HubUnavailable(
                f"the files of {self.name} cannot be listed on the Hub now. Run the same command again"
            )
        for split in files.values():
            split[:] = map(self.address, split)
        self._splits = {name: [*map(self.path, split)] for name, split in files.items()}
        folder = undocumented.image_files(builder)
        self._images = tuple(folder[1]) if folder else ()
        self._paths = [*dict.fromkeys(chain.from_iterable(self._splits.values()))]
        self._at = {path: index for index, path in enumerate(self._paths)}

    def address(self, url: str) -> str:
        """Return the address at which a file of this commit is read, packed or not.

        Raises InputError for other files.
        """
        *packed, last = url.split("::")
        own = re.sub(rf"^(hf|{SCHEME})://", "", last)
        if own == last or not own.startswith(self._root) or not all(hop.split("://")[0] in _PACKED for hop in packed):
            raise InputError(
                f"{self.name} names data outside its repository ({url}), which cannot be checked. "
                "Use a dataset that contains its files, or download them into a folder and use --dataset ./FOLDER"
            )
        return "::".join([*packed, f"{SCHEME}://{own}"])

    def path(self, address: str) -> str:
        """Return the path in the repository of the file at an address, or of the archive that contains it."""
        return address.rpartition("::")[2].removeprefix(f"{SCHEME}://").removeprefix(self._root)

    def listed(self, path: str) -> Listed:
        """Return a file's entry in the commit's listing.

        Raises FileNotFoundError for a path that is not in it, and InputError for a file without a checksum.
        """
        with self._listing:
            if path not in self._listed:
                if len(self._listed) > _MOST_LISTED:
                    self._listed.clear()
                at = self._at.get(path)
                asked = [path] if at is None else self._paths[at : at + _LISTED_AT_ONCE]
                self._listed |= downloads.listing(self.name, self.sha, asked)
            if not (found := self._listed.get(path)):
                raise FileNotFoundError(f"{path} is not in {self.name} at {self.sha}")
        if not found.digest:
            raise InputError(
                f"the Hub lists no checksum of {path} of {self.name}, so it is not read. Use another --revision or "
                "dataset"
            )
        return found

    def most_bytes(self) -> int:
        """Return the most bytes that the files take on the disk at one time."""
        return sum(sorted(self.listed(path).size for path in self._paths if self._is_kept(path))[-_KEPT:])

    def _is_kept(self, path: str) -> bool:
        return not path.lower().endswith(self._images) if self._images else True

    def content(self, url: str, most: int) -> bytes:
        """Return the content of a file, or of a file in an archive.

        If it has more than `most` bytes, the result has `most` + 1 bytes.
        """
        address = self.address(url)
        if "::" in address:
            with undocumented.opened(address) as file:
                return file.read(most + 1)
        path = self.path(address)
        if (listed := self.listed(path)).size > most:
            return bytes(most + 1)  # only the size of the result is used
        downloads.download(self.name, self.sha, path, listed, content := io.BytesIO())
        return content.getvalue()

    @contextmanager
    def reading(self, splits: Sequence[str]) -> Iterator[None]:
        """Fetch the files of these splits while the first split is read, each while the previous one is decoded.

        The files on the disk are deleted at the end of the last split, and on an error. The images of an archive are
        read by several threads, also across its end. That needs both files on the disk, so none is fetched ahead.
        """
        paths = [*dict.fromkeys(path for split in splits for path in self._splits[split] if self._is_kept(path))]
        self._next = {path: after for path, after in pairwise(paths) if not path.lower().endswith(".zip")}
        complete = False
        try:
            yield
            complete = True
        finally:
            if not complete or len(splits) == 1:
                self._forget()

    def read(self, path: str, at: int, count: int) -> bytes:
        """Return up to `count` bytes of a verified file, starting at a position."""
        kept = self._keep(path)
        content = kept.read(at, count)
        if after := self._next.pop(path, None):
            self._keep(after).begin()
            self._keep(path)  # the file is needed longer than the one ahead
        return content

    def _forget(self) -> None:
        self._next = {}
        with self._keeping:
            self._kept.clear()

    def _keep(self, path: str) -> _Kept:
        with self._keeping:
            kept = self._kept.setdefault(path, _Kept(self, path))
            self._kept.move_to_end(path)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
            return kept

    def fetch(self, path: str) -> IO[bytes]:
        """Return one verified file. It is on the disk of the cache until it is closed."""
        listed, folder = self.listed(path), home.root() / "data"
        try:
            durable.make_folder(folder)
            durable.require_space(folder, listed.size, f"{path} of {self.name}")
            file = tempfile.TemporaryFile(dir=folder, buffering=0)  # closed by `_Kept`  # noqa: SIM115
        except OSError as error:
            if error.errno in DISK_FULL:
                raise
            raise InputError(
                f"the cache folder {folder} cannot be written. Set ISOSCALE_CACHE to a folder that you may write"
            ) from error
        with durable.no_space_named(folder / PurePosixPath(path).name, listed.size):
            downloads.download(self.name, self.sha, path, listed, file)
        return file


class _Kept:
    """A verified file on the disk, fetched when first used and deleted with the last reference to it."""

    def __init__(self, files: Files, path: str) -> None:
        self._files, self._path = files, path
        self._file: IO[bytes] | None = None
        self._damage: Damaged | None = None
        self._lock = threading.Lock()

    def begin(self) -> None:
        """Fetch the file in a separate thread. A reader of the file gets the error, if there is one."""

        def fetch() -> None:
            with suppress(Exception):
                self.read(0, 0)

        threading.Thread(target=fetch, daemon=True, name="ahead").start()

    def read(self, at: int, count: int) -> bytes:
        with self._lock:
            if self._damage:
                raise self._damage
            if not self._file:
                try:
                    self._file = self._files.fetch(self._path)
                except Damaged as error:
                    self._damage = error
                    raise
        return os.pread(self._file.fileno(), count, at)

    def __del__(self) -> None:
        if self._file:
            self._file.close()


@lru_cache(maxsize=1)
def files_of(name: str, sha: str) -> Files:
    """Return the files of a commit. All readers of the commit share one object."""
    return Files(name, sha)


def shown(text: str) -> str:
    """Return a text with addresses as the Hub writes them."""
    return text.replace(f"{SCHEME}://", "hf://")
