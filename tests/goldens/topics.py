"""What is pinned, a function for each kind: it runs the program and says what it saw, in values that JSON holds."""

from __future__ import annotations

import ast
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from . import lines, observe

TESTS = Path(__file__).resolve().parents[1]
_PLACES = ("path", "design", "filelist")  # of a record's data, where a folder may lie elsewhere
_MEASURED = ("seconds", "wait_ms", "images_per_second", "peak_bytes")  # of a log's rows
_NEW = ("correct_at_3", "lambdas")  # columns of a log that came after the bits were taken
_OF_A_TEST = {
    "n", "top1", "top1_interval", "top3", "top3_interval", "top5", "top5_interval", "loss", "correct", "per_class",
    "confusion", "mse", "target_mean", "target_std", "resampled", "rmse", "rmse_interval", "mae", "mae_interval", "r2",
    "r2_interval",
}  # fmt: skip


def training(name: str, root: Path) -> dict[str, Any]:
    """Trains one configuration in a scene's folder: what any machine must see, and the bits of this one."""
    checkpoints = Path("runs") / name
    ended = observe.call(f"{lines.TRAININGS[name]} --checkpoints {checkpoints}")
    assert ended.code == 0, ended.err
    path, record = observe.record_of(root / checkpoints)
    steps = record["schedule"]["total_steps"]
    assert steps == lines.STEPS, f"{name} takes {steps} steps"
    files, stem = sorted(found for found in path.parent.iterdir() if found.is_file()), path.stem
    header, *rows = map(json.loads, path.with_name(f"{stem}_training.log").read_text().splitlines())
    first = observe.initial_weights(record["config"])
    last = _weights(path.with_suffix(".safetensors"))
    return {
        "run_id": record["run_id"],
        "config": _given(record["config"]),
        "config_fields": list(record["config"]),
        "record": {
            **{key: record[key] for key in ("status", "model", "size", "dataset", "parameters", "flops_per_image")},
            **{key: record[key] for key in ("tokens", "execution", "schedule")},
            "data": {key: value for key, value in record["data"].items() if key not in _PLACES},
        },
        "record_keys": sorted(keys(record)),
        "folder": path.parent.name,
        "files": [found.name.replace(stem, "STEM") for found in files],
        "log": {"header": header, "columns": {split: sorted(_columns(rows, split)) for split in _splits(rows)}},
        "order": _digest(observe.first_order(record)),
        "splits": _rows(path.with_name(f"{stem}_splits.parquet")),
        "initial": _shapes(first),
        "sums": {"initial": _sums(first), "final": _sums(last)},
        "bytes": {
            "initial": tensors_digest(first),
            "final": tensors_digest(last),
            "best": tensors_digest(_weights(path.with_name(f"{stem}_best.safetensors"))),
            "log": _text_digest([{k: v for k, v in row.items() if k not in (*_MEASURED, *_NEW)} for row in rows]),
            "results": _text_digest({"test": _known(record["results"]["test"])}),
        },
    }


def _known(test: Mapping[str, Any]) -> dict[str, Any]:
    """The numbers of a test that the bits are taken over; a metric that is new is not among them."""
    return {name: value for name, value in test.items() if name in _OF_A_TEST}


def identity(name: str) -> dict[str, Any]:
    """Resolves one configuration as `plan` does, or is refused; nothing is trained or read."""
    ended = observe.call(lines.IDENTITIES[name])
    plan = json.loads(ended.out) if ended.out else {"error": None}
    if "error" in plan:
        return {"refused": ended.code}
    counts = ("parameters", "non_embedding", "flops", "tokens", "steps", "rows")
    return {
        "run_id": plan["run_id"],
        "config": _given(plan["config"]),
        "config_fields": list(plan["config"]),
        **{count: plan["costs"][count] for count in counts},
    }


def table(name: str) -> dict[str, Any]:
    """The table of models on a dataset: what is counted of each at each size, or why there is none."""
    rows = json.loads(observe.call(lines.TABLES[name]).out)
    counts = ("shape", "parameters", "non_embedding", "flops", "tokens", "activation_bytes")
    return {
        f"{row['model']} {row['size']}": [row[count] for count in counts] if "why_not" not in row else None
        for row in rows
    }


def datasets() -> list[dict[str, Any]]:
    """The table of datasets, with how each is trained."""
    return json.loads(observe.call("datasets --json").out)


def options() -> dict[str, dict[str, Any]]:
    """The options of each command by name, and their order."""
    return {
        name or "(no command)": {
            "(order)": [str(each.name) for each in command.params],
            **{str(each.name): _option(each) for each in command.params},
        }
        for name, command in observe.commands()
    }


def exit_codes(command_lines: Iterable[str]) -> dict[str, Any]:
    """How each command line ends; a line that is there twice has a code for each time."""
    found: dict[str, list[int]] = {}
    for line in command_lines:
        found.setdefault(line, []).append(observe.call(line).code)
    return {line: codes[0] if len(codes) == 1 else codes for line, codes in found.items()}


def json_keys(command_lines: Mapping[str, str]) -> dict[str, list[str]]:
    """The keys of what each command line prints as JSON."""
    found = {}
    for name, line in command_lines.items():
        ended = observe.call(line)
        assert ended.out, f"{name}: {ended.err}"
        told = sorted(keys(json.loads(ended.out)))
        found[name] = [key for key in told if not key.startswith("versions.")]  # what is installed decides them
    return found


def test_names() -> dict[str, list[str]]:
    """Each test's name, with the files (and classes) that hold a test of that name; those of the goldens left out."""
    found: dict[str, list[str]] = {}
    for path in sorted(TESTS.rglob("*.py")):
        if path.parent != Path(__file__).parent:
            for holder, name in _tests(ast.parse(path.read_text()), path.stem):
                found.setdefault(name, []).append(holder)
    return {name: sorted(holders) for name, holders in found.items()}


def _tests(tree: ast.AST, holder: str) -> Iterable[tuple[str, str]]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef):
            yield from _tests(node, f"{holder}::{node.name}")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test"):
            yield holder, node.name
        elif isinstance(node, ast.If | ast.Try | ast.With):
            yield from _tests(node, holder)


def missing_tests(golden: Mapping[str, list[str]], now: Mapping[str, list[str]], removed: Counter[str]) -> list[str]:
    """The tests that were there, are not, and have no reason; a test may move to another file under its name."""
    out = []
    for name, holders in golden.items():
        lost = len(holders) - len(now.get(name, [])) - removed[name]
        if lost > 0:
            out.append(f"{name} ({lost} of those in {', '.join(holders)})")
    return out


def removed_tests(text: str) -> Counter[str]:
    """The names in removed.txt, a line each: a name, a tab, a reason; raises ValueError for a line without a reason."""
    found: Counter[str] = Counter()
    for line in filter(str.strip, text.splitlines()):
        if line.startswith("#"):
            continue
        name, _, reason = line.partition("\t")
        if not reason.strip():
            raise ValueError(f"removed.txt gives no reason for {name}")
        found[name.strip()] += 1
    return found


def keys(value: Any, at: str = "") -> set[str]:
    """The paths of every key below a value of JSON; all items of a list are one."""
    if isinstance(value, dict):
        inner = {f"{at}.{key}".lstrip("."): each for key, each in value.items()}
        return set(inner) | {path for key, each in inner.items() for path in keys(each, key)}
    if isinstance(value, list):
        return {path for each in value for path in keys(each, f"{at}[]")}
    return set()


def tensors_digest(tensors: Mapping[str, np.ndarray]) -> str:
    """sha256 over names, dtypes, shapes and bytes, in the order of the names."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        array = np.ascontiguousarray(tensors[name])
        digest.update(f"{name}\0{array.dtype}\0{[*tensors[name].shape]}\0".encode() + array.tobytes())
    return digest.hexdigest()


def _sums(tensors: Mapping[str, np.ndarray]) -> list[float]:
    """The sum of absolute values and that of squares over all floating-point tensors."""
    held = [array.astype(np.float64) for array in tensors.values() if array.dtype.kind == "f"]
    return [float(sum(np.abs(array).sum() for array in held)), float(sum(np.square(array).sum() for array in held))]


def _shapes(tensors: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """How many tensors there are, and a digest over their names, dtypes and shapes, which no machine changes."""
    held = {name: f"{array.dtype} {[*array.shape]}" for name, array in tensors.items()}
    return {"tensors": len(held), "shapes": _text_digest(held)}


def _weights(path: Path) -> dict[str, np.ndarray]:
    from safetensors.numpy import load_file

    return load_file(path)


def _rows(path: Path) -> dict[str, Any]:
    """How many rows each split has, and a digest of their numbers in order."""
    from pyarrow import parquet

    held = parquet.read_table(path).to_pydict()
    out = {}
    for split in ("train", "val", "test"):
        rows = [row for name, row in zip(held["split"], held["row"], strict=True) if name == split]
        out[split] = [len(rows), _digest(np.array(rows, np.int64))]
    return out


def _digest(numbers: np.ndarray) -> str:
    return hashlib.sha256(numbers.astype("<i8").tobytes()).hexdigest()


def _text_digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _given(config: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that are not null; `config_fields` names all."""
    return {name: value for name, value in config.items() if value is not None}


def _splits(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    return sorted({row["split"] for row in rows})


def _columns(rows: Iterable[Mapping[str, Any]], split: str) -> set[str]:
    return {column for row in rows if row["split"] == split for column in row}


def _option(option: Any) -> dict[str, Any]:
    """One option or argument of a command as a user meets it."""
    default = option.default
    return {
        "flags": [*option.opts],
        "off": [*option.secondary_opts],
        "default": default if isinstance(default, bool | int | float | str | None) else str(default),
        "multiple": bool(getattr(option, "multiple", False)),
        "required": bool(option.required),
        **observe.taken(option),
    }
