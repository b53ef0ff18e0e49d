"""ONNX Runtime for browsers, from the npm package onnxruntime-web: two files, fetched once and kept in the cache."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import NamedTuple

from ..errors import InputError, Unavailable
from ..system import home
from ..system.durable import content, replacing

VERSION = "1.30.0"
# the script and the WebAssembly, each with its sha256 in that version
FILES = {
    "ort.wasm.bundle.min.mjs": "11e64bd8ffe11bd1a2a2f0d6275fdfbbba7262f0b76b99b53d228a8a22ef3d90",
    "ort-wasm-simd-threaded.wasm": "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2",
}
_SECONDS = 600  # for npm, which waits for its registry


class Runtime(NamedTuple):
    """The bytes of both files, and the version if it is known."""

    script: bytes
    wasm: bytes
    version: str = ""


def runtime(folder: Path | None) -> Runtime:
    """Return the two files from a folder of the user, else from the cache, else from the package that npm fetches.

    Raises InputError if the folder lacks one of them or npm is not installed, and Unavailable if npm cannot fetch it.
    """
    if folder is not None:
        script, wasm = (_given(folder, name) for name in FILES)
        return Runtime(script, wasm)
    kept = home.root() / f"onnxruntime-web-{VERSION}"
    if not all(_is_right(kept / name) for name in FILES):
        _fetch(kept)
    script, wasm = ((kept / name).read_bytes() for name in FILES)
    return Runtime(script, wasm, VERSION)


def _given(folder: Path, name: str) -> bytes:
    for path in (folder / name, folder / "dist" / name):
        if path.is_file():
            return content(path)
    raise InputError(
        f"--runtime {folder} has no {name}. Name the folder of the npm package onnxruntime-web {VERSION}, unpacked, or "
        "omit the option"
    )


def _is_right(path: Path) -> bool:
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == FILES[path.name]


def _fetch(kept: Path) -> None:
    """Let npm fetch the package, and keep the two files, whose sums are known."""
    if (npm := shutil.which("npm")) is None:
        raise InputError(
            f"--format web needs the npm package onnxruntime-web {VERSION}, and npm is not installed. Install Node.js, "
            "or unpack the package elsewhere and name its folder with --runtime"
        )
    with tempfile.TemporaryDirectory(prefix="isoscale-npm-") as folder:
        words = [npm, "pack", f"onnxruntime-web@{VERSION}", "--silent", "--ignore-scripts"]
        try:
            ended = subprocess.run(
                words, cwd=folder, capture_output=True, text=True, check=False, timeout=_SECONDS
            )  # fmt: skip
            why = (
                (ended.stderr.strip().splitlines() or [f"exit code {ended.returncode}"])[-1] if ended.returncode else ""
            )
        except subprocess.TimeoutExpired:
            why = f"no answer in {_SECONDS} s"
        if why:
            raise Unavailable(
                f"npm cannot fetch onnxruntime-web {VERSION} ({why}). Try again with a network, or unpack the package "
                "elsewhere and name its folder with --runtime"
            )
        with tarfile.open(next(Path(folder).glob("*.tgz"))) as archive:
            for name, digest in FILES.items():
                file = archive.extractfile(f"package/dist/{name}")
                found = file.read() if file else b""
                if hashlib.sha256(found).hexdigest() != digest:
                    raise Unavailable(
                        f"npm gave another {name} than that of onnxruntime-web {VERSION}. Check npm's registry "
                        "(`npm config get registry`), or use --runtime"
                    )
                with replacing(kept / name, wanted=len(found)) as aside:
                    aside.write_bytes(found)
