"""Every registered model in every format that is a graph: the largest difference, the size, and the seconds.

    uv run python -m benchmarks.exports --results exports.jsonl [--models vit_classic,cnn]

Weights are random, and batch statistics are those of random inputs. A result is one line of the file, so that the same
command continues after a stop. The table is printed at the end.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn

from app.config.facts import DatasetFacts
from app.config.run import RunConfig, resolve
from app.errors import Explained
from app.export import onnx, programs, subject
from app.export.exported import Exported, Request
from app.tables.families import FAMILIES
from app.tables.models import MODELS

WRITE: dict[str, Callable[..., Exported]] = {
    "onnx": onnx.write_onnx,
    "pt2": programs.write_pt2,
    "torchscript": programs.write_torchscript,
}
ENDINGS = {"onnx": ".onnx", "pt2": ".pt2", "torchscript": ".pt"}
SIDES = {"mobilevit": 64, "t2t_lanl": 64, "timm/resnet10t": 64}  # in pixels; the others take 32
FIELDS = DatasetFacts(name="nested_cylinder", classes=1, channels=1, kind="field", task="regression", image=(96, 64))
SIGNALS = DatasetFacts(name="diffraction", classes=14, channels=1, kind="signal", image=(3041,))


def cases() -> Iterator[tuple[str, dict[str, Any], DatasetFacts | None]]:
    """Yield the title, the settings and the data of each export: every model, and data that are not images."""
    for name, row in MODELS.items():
        small = {"size": "1M", "d_model": 128} if row.sized else {}
        if FAMILIES[row.family].kinds == ("signal",):
            yield name, {"model": name, "dataset": "diffraction"}, SIGNALS
        else:
            yield name, {"model": name, "dataset": "cifar10", "image": SIDES.get(name, 32)} | small, None
    yield "timm/resnet10t", {"model": "timm/resnet10t", "dataset": "cifar10", "image": 64}, None
    for name, more in (("cnn", {}), ("t2t_lanl", {}), ("vit_differential", {"size": "1M", "patch": 16})):
        yield f"{name} on fields", {"model": name, "dataset": "nested_cylinder"} | more, FIELDS
    yield "vit_differential on signals", {"model": "vit_differential", "dataset": "diffraction", "size": "1M"}, SIGNALS


def built(config: RunConfig) -> nn.Module:
    """Return the config's model with random parameters, and batch statistics of random inputs."""
    torch.manual_seed(0)
    model = subject.plain(config)
    for parameter in model.parameters():
        parameter.data.add_(0.02 * torch.randn_like(parameter))  # none is 0
    model.train()
    with torch.no_grad():
        for _ in range(3):
            model(torch.randn(4, *config.input_shape))
    return model


def measured(config: RunConfig, folder: Path) -> dict[str, dict[str, Any]]:
    """Return the error, the size in bytes and the CPU seconds of each export, or why it is refused, by format."""
    made = subject.deployed(built(config), config, Request(format="pt2"))
    began = _cpu()
    program = programs.traced(made, Request(format="pt2"))  # of two formats
    common = _cpu() - began
    found: dict[str, dict[str, Any]] = {}
    for name, ending in ENDINGS.items():
        request, path, began = Request(format=name), folder / f"model{ending}", _cpu()
        graph = {} if name == "torchscript" else {"program": program}
        try:
            done = WRITE[name](made, request, path, **graph)
        except Explained as error:
            found[name] = {"refused": str(error)}
            continue
        seconds = _cpu() - began + (common if graph else 0)
        found[name] = {"error": done.error, "bytes": path.stat().st_size, "cpu_seconds": seconds}
    return found


def _cpu() -> float:
    """Return the seconds of CPU of this process and of those that it started."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def table(rows: list[dict[str, Any]]) -> str:
    """Return the results as a Markdown table: a row for each model, three columns for each format."""
    lines = ["| model | parameters | " + " | ".join(f"{name}: difference | MB | CPU s" for name in WRITE) + " |"]
    lines += ["|---" * (2 + 3 * len(WRITE)) + "|"]
    for row in rows:
        cells = [cell for name in WRITE for cell in _cells(row["formats"][name])]
        lines.append(f"| {row['title']} | {row['parameters']:,} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cells(row: dict[str, Any]) -> list[str]:
    if "error" not in row:
        return ["refused", "-", "-"]
    return [f"{row['error']:.0e}" if row["error"] else "0", f"{row['bytes'] / 1e6:.1f}", f"{row['cpu_seconds']:.0f}"]


def main() -> None:
    """Measure what is not in the file yet, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.exports", description=__doc__)
    parser.add_argument("--results", type=Path, required=True, help="JSON lines, which are read and appended to")
    parser.add_argument("--models", help="titles of the table, separated by commas; all by default")
    parser.add_argument("--threads", type=int, default=1)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    path: Path = asked.results
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    known = {row["title"] for row in rows}
    wanted = asked.models.split(",") if asked.models else None
    for title, settings, facts in cases():
        if title in known or (wanted and title not in wanted):
            continue
        config = resolve(settings, facts) if facts else RunConfig.from_strings(settings)
        with tempfile.TemporaryDirectory() as folder:
            found = measured(config, Path(folder))
        rows.append({"title": title, "parameters": config.parameters, "formats": found})
        print(json.dumps(rows[-1]), file=sys.stderr)
        with path.open("a") as file:
            file.write(json.dumps(rows[-1]) + "\n")
    print(table(rows))


if __name__ == "__main__":
    main()
