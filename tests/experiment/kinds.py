"""Runs of seconds on each kind of data and task: images and signals of classes, fields with values."""

from app.artifacts.runs import Run
from app.experiment import run as experiment
from tests.data import measured

from .runs import Quiet

LIMITS = {"limit_train": 48, "limit_val": 16, "limit_test": 16, "epochs": 2, "batch_size": 16, "val_batch_size": 8}
REQUESTS = {
    "images": LIMITS | {"dataset": "digits", "size": "100K", "d_model": 64},
    "images normalised over the batch": LIMITS | {"dataset": "digits", "model": "resnet18", "width": 4},
    "fields": {"dataset": "nested_cylinder", "model": "cnn", "depth": 1, "features": 2, "crop": "0:40,0:12",
               "train_batches": 3, "val_batches": 2, "epochs": 2},
    "signals": {"dataset": "diffraction", "model": "resnet1d", "width": 4, "epochs": 2, "batch_size": 16},
}  # fmt: skip


def files(kind, root):
    """The settings that name the files of a kind, which are made below a folder once."""
    if kind == "fields":
        return {"data": str(root / "fields" if (root / "fields").exists() else measured.fields(root / "fields"))}
    if kind == "signals":
        path = root / "patterns.pt"
        return {"data": str(path if path.exists() else measured.patterns(path, classes=14))}
    return {}


def train(kind, root, name, screen=None, *, options=None, **more) -> Run:
    """Trains the run of a kind into the folder of that name."""
    request, screen = REQUESTS[kind] | files(kind, root) | more, screen or Quiet()
    config = experiment.plan(request, screen)
    options = experiment.Options(checkpoints=root / name, data=request.get("data"), **(options or {}))
    return experiment.train_run(config, options, screen, path=request.get("data"))
