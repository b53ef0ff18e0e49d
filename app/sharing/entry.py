"""A run's entry in the Hub's model-index, and the metadata at the beginning of a card."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from .. import task
from ..artifacts.runs import Run
from ..config.effects import kind_of
from ..config.run import RunConfig
from ..config.settings import Data, Recipe
from ..errors import InputError
from ..tables import own
from ..tables.datasets import DATASETS
from ..tables.models import model_row
from . import licence
from .front import plain

LIBRARY = "isoscale"
_SEEN = {"image": "image", "field": "image", "signal": "signal"}  # in the Hub's task names, by the kind of data
_RATES = (("accuracy", "top-1", "top1"), ("accuracy", "top-5", "top5"))  # the Hub's type, its name, ours
_ERRORS = (("rmse", "RMSE", "rmse"), ("mae", "MAE", "mae"), ("r_squared", "R2", "r2"))
_PIPELINES = ("image-classification",)  # tasks with a page on the Hub; regression and signals have none
_TRANSFORMER, _CONVOLUTIONS = "vision-transformer", "convolutional-neural-network"
TAGS: Mapping[str, tuple[str, ...]] = {  # of each family
    "vit": (_TRANSFORMER,), "t2t": (_TRANSFORMER,), "cait": (_TRANSFORMER,), "swin": (_TRANSFORMER,),
    "mobilevit": (_TRANSFORMER,), "cnn": (_CONVOLUTIONS,), "resnet": (_CONVOLUTIONS,), "resnet1d": (_CONVOLUTIONS,),
    "vgg": (_CONVOLUTIONS,), "convmixer": (_CONVOLUTIONS,), "mlpmixer": ("mlp-mixer",), "timm": ("timm",),
    own.FAMILY: (),
}  # fmt: skip
_NO_PROTOCOL = ("seed", "dataset", "fingerprint", "task", "classes", "channels", "native")


def is_regression(run: Run) -> bool:
    """Return whether the run is a regression."""
    return task.of(run.config.task) is task.values


def dataset_title(name: str) -> str:
    """Return the dataset's name for a reader."""
    return DATASETS[name].title if name in DATASETS else name


def index_entry(run: Run) -> dict[str, Any]:
    """Return the run's entry in the Hub's model-index: its test's rates or errors, and the data for a table of runs."""
    from huggingface_hub import EvalResult
    from huggingface_hub.repocard_data import eval_results_to_model_index

    record, test = run.record, run.record.test
    regression = is_regression(run)
    common: dict[str, Any] = {
        "task_type": f"{_SEEN[kind_of(record.dataset)]}-{run.config.task}",
        "dataset_type": record.data.hub or record.dataset,
        "dataset_name": dataset_title(record.dataset),
        "dataset_split": "test",
        "dataset_revision": record.data.version,
    }
    about = {
        "run_id": record.run_id, "model": record.model, "size": record.size,
        "parameters": record.parameters.total, "seed": run.config.seed, "seeds": 1,
        "limited": run.config.limited, "n": test.n,
        "interval": test.rmse_interval if regression else test.top1_interval,
    } | _trained(run)  # fmt: skip
    first, *others = _ERRORS if regression else _RATES if run.config.classes > 5 else _RATES[:1]
    kind, name, key = first
    found = [EvalResult(metric_type=kind, metric_name=name, metric_value=getattr(test, key), metric_args=about,
                        **common)]  # fmt: skip
    found += [
        EvalResult(metric_type=kind, metric_name=name, metric_value=value, **common)
        for kind, name, key in others if isinstance(value := getattr(test, key), int | float)
    ]  # fmt: skip
    return eval_results_to_model_index(run.files.stem, found)[0]


def _trained(run: Run) -> dict[str, Any]:
    """Return how a run was trained, for a table that groups runs by protocol. Entries of earlier versions lack it."""
    config = run.config
    found = {
        "epochs": config.epochs, "lr": config.lr, "batch_size": config.batch_size,
        "augment": config.augment if kind_of(config.dataset) == "image" else None,
        "attention": config.attention,
        "protocol": _protocol(config),
        "pool": dataclasses.replace(config, seed=0).run_id,  # the same for all seeds
        "split": run.record.data.split_fingerprint,
        "license": licence.metadata(run)["license"],
    }  # fmt: skip
    return {name: value for name, value in found.items() if value is not None}


def _protocol(config: RunConfig) -> str:
    """Return 8 hex digits that are the same for runs that differ only in model, size and seed."""
    fields = [field for group in (Recipe, Data) for field in dataclasses.fields(group)]
    given = {
        field.name: getattr(config, field.name)
        for field in fields
        if field.name not in _NO_PROTOCOL and getattr(config, field.name) != field.default
    }
    text = json.dumps(given | {"image": config.image}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def metadata(
    entries: Iterable[dict[str, Any]], datasets: Iterable[str], tags: Iterable[str], licences: Mapping[str, str]
) -> dict[str, Any]:
    """Return the metadata of a card with these entries."""
    listed = list(entries)
    tasks = {result["task"]["type"] for entry in listed for result in entry["results"]}
    metrics = {metric["type"] for entry in listed for result in entry["results"] for metric in result["metrics"]}
    fields: dict[str, Any] = {
        **licences,
        "library_name": LIBRARY,
        "tags": ["isoscale", *sorted(set(tags))],
        "metrics": sorted(metrics),
        "model-index": listed,
    }
    if tasks <= set(_PIPELINES):
        fields["pipeline_tag"] = _PIPELINES[0]
    found: dict[str, Any] = plain(fields | ({"datasets": known} if (known := sorted(set(datasets))) else {}))
    return found


def tags_of(model: str, attention: str | None) -> list[str]:
    """Return the Hub's tags for a model, by its family, or none for a model that this version does not know."""
    with suppress(InputError):
        row = model_row(model)
        kind = attention or row.attention or ""
        return [*TAGS[row.family], *(["differential-attention"] if kind.startswith("differential") else [])]
    return []
