"""Finished runs with random weights, without training: every tensor matters in their outputs."""

import torch
from report import made_up_run

from app import models
from app.artifacts import checkpoint
from app.config.facts import DatasetFacts
from app.experiment import finishing
from tests.raw_records import put, raw

FIELD = DatasetFacts(
    name="nested_cylinder", classes=1, channels=1, kind="field", image=(64, 96), task="regression", fingerprint="f"
)
SIGNAL = DatasetFacts(name="diffraction", classes=14, channels=1, kind="signal", image=(64,), fingerprint="f")


def weighed(folder, **asked):
    """A run of a request on disk, with weights that no tensor can be swapped or left out in unnoticed."""
    run = made_up_run(folder, steps=1, **asked)
    if run.config.channels == 3 or asked.get("dataset") == "digits":
        channels = run.config.channels
        data = raw(run)["data"] | {"mean": [0.5, 0.4, 0.3][:channels], "std": [0.2, 0.25, 0.3][:channels]}
        put(run.files.record, raw(run) | {"data": data})
    model = models.build(run.config, attention_path="plain" if "attention" in run.config.family.cells else "none")
    draws = torch.Generator().manual_seed(0)
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point():
            drawn = torch.randn(tensor.shape, generator=draws) * (
                0.5 if tensor.dim() < 2 else tensor[0].numel() ** -0.5
            )
            tensor.copy_(drawn.abs() + 0.5 if "var" in name else drawn + 0.5 if name.endswith("bn1.weight") else drawn)
    run = type(run).load(run.files.record)
    checkpoint.save_weights(run.files.weights, model, finishing.metadata(run.config, run.record))
    return run
