"""What `plan` counts of images, fields and signals is what the run then does: steps, inputs, bytes of the cache."""

import pytest
from data.measured import fields, patterns

from app import data, log
from app.experiment import run as experiment
from app.experiment.options import Options
from app.plan import costs, room
from app.plan.extent import extent_of

QUIET = type("Quiet", (), dict.fromkeys(("say", "stage", "reading", "step"), lambda *_: None))()
SMALL = {"batch_size": 4, "val_batch_size": 3, "epochs": 2}
DIGITS = {"dataset": "digits", "model": "cnn", "features": 2, "limit_train": 30, "limit_val": 10, "limit_test": 7}
KINDS = {
    "images": DIGITS,
    "fields": {"dataset": "nested_cylinder", "model": "cnn", "features": 2, "crop": "0:40,0:12"},
    "signals": {"dataset": "diffraction", "model": "resnet1d", "width": 4},
}


@pytest.fixture
def of_kind(tmp_path, cache_folder, monkeypatch):
    """The request of a kind, with files of its own in a fresh cache."""

    def request(kind, **more):
        asked = KINDS[kind] | SMALL | more
        if kind == "images":
            return asked
        monkeypatch.setenv("ISOSCALE_CACHE", str(tmp_path / "cache"))
        folder = tmp_path / kind
        folder.mkdir()
        if kind == "fields":
            fields(folder, rows=40, columns=12)
        else:
            patterns(folder / "made_all.pt", 60, length=400)
        return asked | {"data": str(folder)}

    return request


def log_splits(rows):
    """The names of the splits in a log."""
    return {row["split"] for row in rows}


@pytest.mark.parametrize(
    ("train_batches", "val_batches"), [(None, None), (5, None), (None, 2), pytest.param(40, 9, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("kind", KINDS)
def test_a_plan_s_inputs_and_steps_are_those_of_the_log(of_kind, tmp_path, kind, train_batches, val_batches):
    if kind == "fields":  # whose protocol has 3,000 and 1,000
        train_batches, val_batches = train_batches or 3, val_batches or 1
    given = {"train_batches": train_batches, "val_batches": val_batches}
    request = of_kind(kind, **{name: value for name, value in given.items() if value})
    config = experiment.plan(request, QUIET)
    ask = data.ask_of(config.to_json(), **data.where(request))
    planned = extent_of(data.understood(config, ask, print), ask)  # before the data are read, but for digits
    options = Options(checkpoints=tmp_path / "runs", data=request.get("data"), threads=1, device="cpu")
    run = experiment.train_run(config, options, QUIET, path=request.get("data"))
    rows = log.read(run.files.log)[1]
    seen = {split: sum(row["examples"] for row in rows if row["split"] == split) for split in log_splits(rows)}
    assert costs.steps_of(config, planned) == run.record.schedule.total_steps
    assert costs.trained_inputs(config, planned) == seen["train"]
    tested = run.record.data.rows.test
    assert costs.evaluated_inputs(config, planned) == seen["val"] + seen["val_full"] + tested
    assert (planned.train, planned.val, planned.test) == tuple(
        getattr(run.record.data.rows, name) for name in ("train", "val", "test")
    )


@pytest.mark.parametrize("stored", ["float32", "float16"])
@pytest.mark.parametrize("kind", ["fields", "signals"])
def test_a_plan_s_cache_is_as_large_as_the_one_that_is_written(of_kind, tmp_path, kind, stored):
    request = of_kind(kind, stored_dtype=stored)
    config = experiment.plan(request, QUIET)
    ask = data.ask_of(config.to_json(), **data.where(request))
    planned = room.disk(config, extent_of(data.understood(config, ask, print), ask), 10)["cache"]
    cached = data.prepare(ask, QUIET.say, QUIET.reading)
    written = {split: cached.images(split) for split in cached.manifest.rows}
    assert planned == sum(array.nbytes for array in written.values()) and {str(a.dtype) for a in written.values()} == {
        stored
    }
    assert room.disk(config, extent_of(data.understood(config, ask, print), ask), 10)["cache"] == 0
