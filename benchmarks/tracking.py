"""A tracker that hangs: the time that a training loses to it, and whether its bytes change.

Each round trains the same run without a tracker and with one whose every call takes `--hang` seconds, in turns.
"""

from __future__ import annotations

import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer

from tests.trackers import pretended

_ROOT = Path(__file__).resolve().parents[1]
_TRAIN = ("train", "--dataset", "digits", "--size", "1M", "--threads", "1")


def main(
    rounds: Annotated[int, typer.Option(help="Train so many pairs.")] = 5,
    epochs: Annotated[int, typer.Option(help="Train for so many epochs of digits.")] = 60,
    hang: Annotated[float, typer.Option(help="Let each call of the tracker take so many seconds.")] = 10.0,
) -> None:
    """Print each pair's seconds and ratio, and the median of the ratios, as JSON lines."""
    ratios = []
    for number in range(rounds):
        pair = [("with", ("--track", "trackio")), ("without", ())]
        found = {
            name: _trained(words, hang=hang, epochs=epochs) for name, words in (pair if number % 2 else reversed(pair))
        }
        (with_, digest), (without, plain) = found["with"], found["without"]
        ratios.append(with_ / without)
        line = {"with_s": round(with_, 2), "without_s": round(without, 2), "ratio": round(ratios[-1], 4)}
        typer.echo(json.dumps(line | {"equal_bytes": digest == plain}))
    typer.echo(json.dumps({"rounds": rounds, "median_ratio": round(statistics.median(ratios), 4),
                           "least": round(min(ratios), 4), "most": round(max(ratios), 4)}))  # fmt: skip


def _trained(words: tuple[str, ...], *, hang: float, epochs: int) -> tuple[float, str]:
    """Train in a new folder; return the seconds of the process, and a digest of weights and predictions."""
    with tempfile.TemporaryDirectory(prefix="isoscale-track-") as name:
        folder = Path(name)
        fake = pretended.write(folder / "fake")
        env = os.environ | fake | {"PRETENDED_SECONDS": str(hang), "MPLBACKEND": "agg"}
        command = [sys.executable, str(_ROOT / "run.py"), *_TRAIN, "--epochs", str(epochs), *words]
        began = time.monotonic()
        subprocess.run(command, cwd=folder, env=env, check=True, capture_output=True)
        seconds, digest = time.monotonic() - began, hashlib.sha256()
        for path in sorted(folder.glob("checkpoints/*/*")):
            if path.suffix in (".safetensors", ".parquet"):
                digest.update(path.read_bytes())
    return seconds, digest.hexdigest()


if __name__ == "__main__":
    typer.run(main)
