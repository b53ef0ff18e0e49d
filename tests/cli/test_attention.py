"""`attention`: numbers of a run's maps, kept and resumed, compared between architectures, and refused."""

import json

import numpy as np
import pytest

from app.artifacts import attention_rows
from app.artifacts.attention_rows import Part
from app.experiment import looking
from app.results import attended

ASKED = "attention checkpoints --limit-test 40"


@pytest.mark.slow
def test_a_killed_command_computes_what_is_missing_and_ends_in_the_same_bytes(call, run, monkeypatch):
    monkeypatch.setattr(looking, "_MOST", 16)
    done, file = call(f"{ASKED} --canvases --json"), run.files.attention
    assert done.code == 0
    whole = file.read_bytes()
    file.unlink()
    add = looking._Work.add

    def killed_at_the_third(work, *given):
        if len(work.stored) > 0 and len(next(iter(work.stored.values())).rows) == 32:
            raise KeyboardInterrupt
        add(work, *given)

    monkeypatch.setattr(looking._Work, "add", killed_at_the_third)
    assert call(f"{ASKED} --canvases").code == 130
    assert {len(each.rows) for each in attention_rows.load(file).values()} == {32}
    monkeypatch.setattr(looking._Work, "add", add)
    again = call(f"{ASKED} --canvases --json")
    assert file.read_bytes() == whole and json.loads(again.out) == json.loads(done.out)
    monkeypatch.setattr(looking, "restored", None)  # nothing is computed again
    assert "largest difference" in call(ASKED).out


@pytest.mark.slow
def test_the_numbers_are_per_image_and_a_run_does_not_differ_from_a_copy(call, run):
    done = json.loads(call(f"{ASKED} --json").out)
    (found,) = done["runs"]
    assert found["run_id"] == run.record.run_id and len(found["rows"]) == 40 and "compared" not in done
    for layer in found["inputs"]["test"]["layers"]:
        assert len(layer["entropy"]["values"]) == 40
        assert layer["entropy"]["mean"] == pytest.approx(sum(layer["entropy"]["values"]) / 40)
    parts = attention_rows.load(run.files.attention)
    assert Part("final", "test", -1) in parts and run.files.attention in run.files.present()
    for gap in attended.differences([parts], [parts]):
        assert gap.difference == 0 and gap.interval is None and not gap.marked


@pytest.mark.slow
def test_a_model_without_attention_maps_is_refused(call, work, train_once):
    folder = train_once("--dataset digits --model cnn --epochs 1 --limit-train 64 --val-batches 1")
    done = call(f"attention {folder}")
    assert done.code == 2 and "has no attention maps" in done.err


@pytest.mark.slow
def test_maps_of_one_image_are_written_with_their_numbers(call, run):
    done = call("plot maps checkpoints --layers 0,1 --at 3,7")
    assert done.code == 0, done.err
    (found,) = json.loads(next((run.files.folder.parents[1] / "figures").glob("maps_*.json")).read_text())
    assert found["layers"] == [0, 1] and found["queries"] == ["head", "point"]
    first, second, combined = (np.array(found["maps"][title]) for title in ("A1", "lambda A2", "D"))
    assert first.ndim == 4 and first.shape[:2] == (2, 2) and np.allclose(combined, first - second, atol=1e-6)
    assert (first.sum((2, 3)) < 1).all() and first.min() >= 0
    assert "outside of the image" in call("plot maps checkpoints --at 3,70").err
    assert "is not a layer" in call("plot maps checkpoints --layers 99").err
