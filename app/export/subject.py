"""The model that is exported: the run's weights in float32 on the CPU, with preprocessing and softmax on request."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from .. import __version__, models
from ..artifacts import checkpoint
from ..artifacts.runs import Run
from ..config import effects
from ..config.run import RunConfig
from ..data.transforms import chain
from ..data.transforms.transform import Draws, Transform
from ..errors import InputError
from ..sharing import licence
from ..tables.shape import plane
from .exported import Request

BATCHES = (1, 2, 5)  # at which an export is compared; it is traced with the second, since 1 would be specialised


class Deployed(nn.Module):
    """A model from its inputs to its outputs: [preprocessing of uint8 images], model, [softmax].

    float32 (B, C, H, W) or (B, C, L) -> float32 (B, K). With transforms, the inputs are uint8 (B, C, H, W).
    """

    def __init__(self, model: nn.Module, transforms: tuple[Transform, ...] = (), *, softmax: bool = False) -> None:
        super().__init__()
        self.model, self.transforms, self.softmax = model, transforms, softmax
        self.draws = Draws(0, None, torch.zeros(1, dtype=torch.int64))  # outside of training, none is drawn

    def forward(self, inputs: Tensor) -> Tensor:
        for transform in self.transforms:
            inputs, _ = transform(inputs, self.draws.examples, self.draws)
        outputs = self.model(inputs)
        return outputs.softmax(1) if self.softmax else outputs


class Subject(NamedTuple):
    """A deployed model, inputs to try it with, and what a file states about it."""

    module: Deployed
    shape: tuple[int, ...]  # of one example
    dtype: torch.dtype
    output: str  # logits | probabilities | values
    facts: dict[str, str]

    def inputs(self, batch: int) -> Tensor:
        """Return a batch of random inputs, the same for the same batch size."""
        draws = torch.Generator().manual_seed(batch)
        if self.dtype == torch.uint8:
            return torch.randint(0, 256, (batch, *self.shape), generator=draws, dtype=torch.uint8)
        return torch.randn(batch, *self.shape, generator=draws)


def subject(run: Run, request: Request) -> Subject:
    """Return the model of a run as a request asks for it. Raises InputError for a request without effect on the run."""
    _require(run, request)
    model = plain(run.config)
    checkpoint.load_weights(getattr(run.files, request.which.file), model)
    made = deployed(model, run.config, request, _transforms(run) if request.preprocess else ())
    return made._replace(facts=facts(run, request, made))


def plain(config: RunConfig) -> nn.Module:
    """Return a config's model, newly initialised, whose attention is computed without kernels for training."""
    return models.build(config, attention_path="plain" if "attention" in config.family.cells else "none")


def deployed(
    model: nn.Module, config: RunConfig, request: Request, transforms: tuple[Transform, ...] = ()
) -> Subject:  # fmt: skip
    """Return a config's model as a request asks for it, without facts."""
    module = Deployed(model.float().eval().requires_grad_(False), transforms, softmax=request.softmax).eval()
    shape = (config.channels, *plane(config.stored_side)) if transforms else config.input_shape
    output = "values" if config.task != "classification" else "probabilities" if request.softmax else "logits"
    made = Subject(module, tuple(shape), torch.uint8 if transforms else torch.float32, output, {})
    with torch.no_grad():
        module(made.inputs(2))  # fills caches of constants with real tensors, which tracing would fill with fake ones
    return made


def facts(run: Run, request: Request, made: Subject) -> dict[str, str]:
    """Return what a file states about its model, as texts by name. Lists and numbers are JSON."""
    record, config = run.record, run.config
    values: dict[str, Any] = {
        "isoscale": __version__, "run_id": record.run_id,
        "model": record.model, "size": record.size, "dataset": record.dataset,
        "weights": request.which.name, "task": config.task, "classes": record.data.class_names,
        "input": {"shape": ["batch", *made.shape], "dtype": str(made.dtype).removeprefix("torch."),
                  "preprocessing": "inside" if request.preprocess else "outside"},
        "output": made.output,
        "side": list(made.shape[1:]),
        "mean": record.data.mean, "std": record.data.std,
        **licence.metadata(run),
    }  # fmt: skip
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in values.items()}


def _require(run: Run, request: Request) -> None:
    config = run.config
    if request.preprocess and (kind := effects.kind_of(config.dataset)) != "image":
        raise InputError(f"--preprocess has no effect on run {config.run_id}, whose inputs are {kind}s. Omit it")
    if request.softmax and config.task != "classification":
        raise InputError(f"--softmax has no effect on run {config.run_id}, which is a regression. Omit it")


def _transforms(run: Run) -> tuple[Transform, ...]:
    config, data = run.config, run.record.data
    assert data.mean and data.std, "images have statistics"
    mean, std = torch.tensor(data.mean), torch.tensor(data.std)
    return chain.of_images("none", stored=config.stored_side, side=config.image, mean=mean, std=std)
