"""Runs made up for tests: a whole record and a real log, no training; and copies of a run under other seeds."""

from __future__ import annotations

import dataclasses
import math
import shutil
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from raw_records import put, raw

from app import task
from app.artifacts.paths import RunFiles
from app.artifacts.predictions import Predictions
from app.artifacts.runs import Run
from app.config.facts import DatasetFacts, dataset_facts
from app.config.run import RunConfig, resolve
from app.evaluation import metrics
from app.log import Row, TrainingLog
from app.tables.datasets import DATASETS

PER_EPOCH = 10


def falling(step: int) -> float:
    """A loss that falls from about 4.6, with some noise."""
    return 1.5 + 3.1 * math.exp(-step / 20) + 0.1 * math.sin(7.0 * step)


def made_up_run(
    checkpoints: Path,
    *,
    steps: int = 30,
    loss: Callable[[int], float] = falling,
    top1: float | None = 0.3,
    minute: int = 0,
    status: str = "done",
    record: dict[str, Any] | None = None,
    facts: DatasetFacts | None = None,
    **asked: Any,
) -> Run:
    """A run on disk as `train` and `evaluate` leave it; `top1=None`: not evaluated; `minute` orders runs in time.

    `facts` are those of a dataset without a row, or of files.
    """
    facts = facts or dataset_facts(DATASETS[asked.setdefault("dataset", "cifar100")])
    config = resolve({"model": "vit_classic", "dataset": facts.name, **asked}, facts)
    files = RunFiles.of(checkpoints, config)
    _write_log(files.log, steps, loss, config.task)
    n = config.limit_test or 100 * config.classes
    made = (
        _test_errors(files.predictions, n)
        if config.task == "regression"
        else _test_results(config.classes, n, top1 or 0)
    )
    results = {} if top1 is None else {"test": made}
    started = f"2026-11-20T10:{minute:02}:00+00:00"
    made = _about(config, n) | {"status": status, "started": started, "results": results, "files": {}}
    put(files.record, made | (record or {}))
    return Run.load(files.record)


def _about(config: RunConfig, n: int) -> dict[str, Any]:
    """A record as `train` begins and ends it, but for its status and results."""
    row, named = DATASETS.get(config.dataset), ("run_id", "model", "size", "dataset")
    data = {
        "hub": None,
        "path": None,
        "version": "made up",
        "class_names": [f"class {index}" for index in range(config.classes)],
        "licence": "none",
        "rows": {"train": 45_000, "val": 5_000, "test": n},
        "warning": row.warning if row else "",
        "split_fingerprint": "f00d",
    }
    return {name: getattr(config, name) for name in named} | {
        "command": "python run.py train",
        "config": config.to_json(),
        "parameters": {"total": config.parameters, "non_embedding": config.parameters},
        "tokens": config.tokens,
        "data": data,
        "versions": {"isoscale": "0"},
        "places": [{"device": "made up", "precision": "fp32"}],
        "execution": {"attention_path": "plain", "micro_batch_size": 1, "threads": 1},
        "schedule": {"total_steps": 30, "warmup_steps": 3},
        "best": {"epoch": 1, "val_loss": 1.0},
        "seconds": {"training": 1.0},
    }


def seeds_of(run: Run, beginning: str) -> Iterator[int]:
    """The seeds that give a run an id with that beginning."""
    return (seed for seed in count(1) if dataclasses.replace(run.config, seed=seed).run_id.startswith(beginning))


def reseeded(run: Run, folder: Path, seed: int) -> Run:
    """A copy of a run's files as another seed would have left them; its numbers are the same."""
    config = dataclasses.replace(run.config, seed=seed)
    files = RunFiles(folder, config.stem)
    folder.mkdir(parents=True, exist_ok=True)
    for path in run.files.present():
        shutil.copy(path, folder / path.name.replace(run.files.stem, config.stem))
    put(files.record, raw(run) | {"run_id": config.run_id, "config": config.to_json()})
    return Run.load(files.record)


def _write_log(path: Path, steps: int, loss: Callable[[int], float], task: str) -> None:
    log = TrainingLog(path, header={"task": task})
    for step in range(1, steps + 1):
        fields = {"step": step, "epoch": 1 + (step - 1) // PER_EPOCH, "lr": 1e-4, "seconds": 0.1}
        splits = {"train": 512, "val": 128} | ({"val_full": 5_000} if step % PER_EPOCH == 0 else {})
        for split, examples in splits.items():
            total = loss(step) * examples
            log.add(Row(fields | {"split": split, "examples": examples}, lambda total=total: (total, 1)))
    log.drain()
    log.close()


def _test_errors(path: Path, n: int) -> dict[str, Any]:
    """Writes the predictions of n numbers, two of each name; returns their errors."""
    truth = np.linspace(0.3, 1.9, n).astype(np.float32)
    found = truth + 0.05 * np.sin(7 * np.arange(n)).astype(np.float32)
    predictions = Predictions(
        np.arange(n), truth, found[:, None], np.array([f"id{i // 2:04}" for i in range(n)]), task.values
    )
    predictions.save(path)
    return metrics(predictions)


def _test_results(classes: int, n: int, top1: float) -> dict[str, Any]:
    right = round(top1 * n / classes)
    wrong = n // classes - right
    confusion = [
        [right if p == t else wrong if p == (t + 1) % classes else 0 for p in range(classes)] for t in range(classes)
    ]
    rates = {"top1": top1, "top1_interval": [top1 - 0.01, top1 + 0.01], "top5": top1, "per_class": [top1] * classes}
    return {"n": n, **rates, "loss": 2.0, "correct": classes * right, "confusion": confusion}
