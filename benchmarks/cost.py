"""What states and pushes cost a step: the same run with and without them, in turns, as ratios of the mean step time.

    uv run python -m benchmarks.cost [pairs]

It trains `digits` at 1M against a small Hub on this machine, with states and pushes far more often than by default.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

RUN = Path(__file__).resolve().parents[1]
TRAIN = ["train", "--dataset", "digits", "--epochs", "12", "--threads", "1"]
OFTEN = ["--upload", "--state-every", "10s", "--push-every", "30s", "--fresh"]
SELDOM = ["--state-every", "10h", "--fresh"]
WARM = 20  # steps at the beginning that are left out


def mean_step(folder: Path, options: list[str], environment: dict[str, str]) -> float:
    """Milliseconds from step to step, states and all, after the first."""
    subprocess.run([sys.executable, str(RUN / "run.py"), *TRAIN, *options], cwd=folder, env=environment, check=True,
                   capture_output=True)  # fmt: skip
    lines = next(folder.rglob("*_training.log")).read_text().splitlines()[1:]
    rows = [row for row in map(json.loads, lines) if row["step"] > WARM]
    return 1000 * sum(row["seconds"] for row in rows) / len({row["step"] for row in rows})


def main() -> None:
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else 8
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "tests.hub.server", "--port", "8141", "--seconds", "7200"]
        server = subprocess.Popen(command, cwd=RUN, stdout=subprocess.DEVNULL)
        own = {"HF_ENDPOINT": "http://127.0.0.1:8141", "HF_TOKEN": "hf_write", "HF_REPOSITORY": "tester/cost",
               "HF_HUB_DISABLE_XET": "1", "HF_HUB_OFFLINE": "0"}  # fmt: skip
        try:
            ratios = []
            for pair in range(pairs):
                order = [OFTEN, SELDOM] if pair % 2 else [SELDOM, OFTEN]
                times = {kind[0]: mean_step(Path(folder), kind, os.environ | own) for kind in order}
                ratios.append(times["--upload"] / times["--state-every"])
                print(f"pair {pair + 1}: with {times['--upload']:.2f} ms, without {times['--state-every']:.2f} ms, "
                      f"ratio {ratios[-1]:.4f}", flush=True)  # fmt: skip
        finally:
            server.terminate()
            server.wait()
    low, _, high = statistics.quantiles(ratios, n=4)
    print(f"median ratio {statistics.median(ratios):.4f}, quartiles {low:.4f} to {high:.4f}, {pairs} pairs")


if __name__ == "__main__":
    main()
