"""What a test reads of a report: its numbers with their runs, from the page, and the same numbers from the files."""

from __future__ import annotations

import itertools
import json
import math
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from app.artifacts.predictions import Predictions

VOID = {"meta", "link", "br", "img", "input", "hr"}


class Shown(NamedTuple):
    """A number of a page."""

    value: float
    text: str
    runs: tuple[str, ...]
    path: str
    address: str  # that it links to, or empty


class Page(HTMLParser):
    """The elements of a page, each with its attributes, and its numbers."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.numbers: list[Shown] = []
        self._links: list[str] = []
        self._number: dict[str, str | None] | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.elements.append((tag, given))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "a":
            self._links.append(given.get("href") or "")
        if tag == "data":
            self._number = given

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, f"</{tag}> closes another element"
        if tag == "a":
            self._links.pop()
        if tag == "data":
            self._number = None

    def handle_data(self, data: str) -> None:
        if self._number is not None:
            given = self._number
            runs = tuple(str(given["data-run"]).split())
            address = self._links[-1] if self._links else ""
            self.numbers.append(Shown(float(str(given["value"])), data, runs, str(given["data-path"]), address))

    def ids(self) -> list[str]:
        return [str(given["id"]) for _, given in self.elements if "id" in given]


class Files:
    """The records and predictions of runs below a folder, read without the program's comparison."""

    def __init__(self, folder: Path) -> None:
        found = [json.loads(path.read_text()) for path in folder.rglob("model_*.json")]
        self.records = {record["run_id"]: record for record in found}
        self.paths = {json.loads(path.read_text())["run_id"]: path for path in folder.rglob("model_*.json")}

    def at(self, run_id: str, path: str) -> Any:
        """The value at a key path of a record."""
        value: Any = self.records[run_id]
        for key in path.split("."):
            value = value[int(key)] if isinstance(value, list) else value[key]
        return value

    def scores(self, run_id: str, metric: str) -> np.ndarray:
        """The scores of one run's examples, whose mean is the metric; higher is worse of nll and brier."""
        record = self.paths[run_id]
        found = Predictions.load(record.with_name(f"{record.stem}_predictions.parquet"))
        logits = found.logits.astype(np.float64)
        rows = np.arange(len(logits))
        if metric == "top1":
            return (logits.argmax(1) == found.labels).astype(float)
        shares = np.exp(logits - logits.max(1, keepdims=True))
        shares /= shares.sum(1, keepdims=True)
        if metric == "nll":
            return -np.log(shares[rows, found.labels])
        if metric == "brier":
            return ((shares - np.eye(logits.shape[1])[found.labels]) ** 2).sum(1)
        if metric == "ece":
            right, top = logits.argmax(1) == found.labels, shares.max(1)
            edges = np.linspace(0, 1, 16)
            inside = [(top > low) & (top <= high) for low, high in itertools.pairwise(edges)]
            return np.array([sum(abs((right[each] - top[each]).sum()) for each in inside) / len(top)])
        error = (logits[:, 0] - found.labels) ** 2
        return np.array([{"rmse": math.sqrt(error.mean())}[metric]])

    def arms(self, runs: tuple[str, ...]) -> list[list[str]]:
        """The runs by model and size, in the order in which they are named."""
        found: dict[tuple[str, str], list[str]] = {}
        for run_id in runs:
            record = self.records[run_id]
            found.setdefault((record["model"], record["size"]), []).append(run_id)
        return list(found.values())

    def results(self, runs: tuple[str, ...] | list[str], metric: str) -> np.ndarray:
        return np.array([self.scores(run_id, metric).mean() for run_id in runs])
