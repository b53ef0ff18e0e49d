"""A tracker that hangs: the time that a training loses to it, and whether its bytes change.

Each round trains the same run without a tracker and with one whose every call takes `--hang` seconds, in turns. The
ratio is that of the seconds in training and validation. What a run waits for its tracker at its end is the rest.
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
from typing import Annotated, NamedTuple

import typer

from tests.trackers import pretended

_ROOT = Path(__file__).resolve().parents[1]
_TRAIN = ("train", "--dataset", "digits", "--size", "1M", "--threads", "1")


def main(
    rounds: Annotated[int, typer.Option(help="Train so many pairs.")] = 5,
    epochs: Annotated[int, typer.Option(help="Train for so many epochs of digits.")] = 60,
    hang: Annotated[float, typer.Option(help="Let each call of the tracker take so many seconds.")] = 10.0,
) -> None:
    """Print each pair's seconds in the loop, their ratio, and the seconds of the rest, as JSON lines; then medians."""
    ratios, waits = [], []
    for number in range(rounds):
        pair = [("with", ("--track", "trackio")), ("without", ())]
        found = {
            name: _trained(words, hang=hang, epochs=epochs) for name, words in (pair if number % 2 else reversed(pair))
        }
        with_, without = found["with"], found["without"]
        ratios.append(with_.loop / without.loop)
        waits.append(with_.rest - without.rest)
        line = {"loop_with_s": with_.loop, "loop_without_s": without.loop, "ratio": round(ratios[-1], 4)}
        line |= {"longer_end_s": round(waits[-1], 2), "equal_bytes": with_.digest == without.digest}
        typer.echo(json.dumps(line))
    typer.echo(json.dumps({"rounds": rounds, "median_ratio": round(statistics.median(ratios), 4),
                           "least": round(min(ratios), 4), "most": round(max(ratios), 4),
                           "median_longer_end_s": round(statistics.median(waits), 2)}))  # fmt: skip


class Trained(NamedTuple):
    """A finished training."""

    loop: float  # seconds in training and validation, by its record
    rest: float  # seconds of the process outside of them
    digest: str  # of weights and predictions


def _trained(words: tuple[str, ...], *, hang: float, epochs: int) -> Trained:
    """Train in a new folder."""
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
        (record,) = (json.loads(path.read_text()) for path in folder.glob("checkpoints/*/*.json"))
    loop = record["seconds"]["training"] + record["seconds"]["validation"]
    return Trained(loop, seconds - loop, digest.hexdigest())


if __name__ == "__main__":
    typer.run(main)
