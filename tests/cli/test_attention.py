"""`attention`: numbers of a run's maps, kept and resumed, compared between architectures, and refused."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from app.artifacts import attention_rows
from app.artifacts.attention_rows import Numbers, Part
from app.cli import attention_tables
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
    assert "rows sum to their exact values" in call(ASKED).out


@pytest.mark.slow
def test_numbers_of_patched_images_resume_to_the_same_bytes_and_have_a_table(call, run, monkeypatch):
    monkeypatch.setattr(looking, "_MOST", 16)
    asked = f"{ASKED} --distractors 2"
    done, file = call(f"{asked} --json"), run.files.attention
    whole, parts = file.read_bytes(), attention_rows.load(file)
    assert {part.inputs for part in parts} == {"test", "patched0", "patched1", "patched2"}
    for number in (0, 1, 2):
        model, layer = parts[Part("final", f"patched{number}", -1)], parts[Part("final", f"patched{number}", 0)]
        assert np.allclose(model.values["uniform"], 1 - number / 16) and {*model.values["correct"]} <= {0, 1}
        shares = {name: each for name, each in layer.values.items() if name.startswith("share")}
        assert len(shares) == 9 and all(each.min() >= 0 and each.max() <= 1 + 1e-6 for each in shares.values())
        same = np.array_equal(shares["share"], shares["share_clean"])
        assert (number == 0) == same == np.allclose(shares["share"], 1)
    add = looking._Work.add

    def killed_in_the_second_chunk(work, name, *given):
        if Part("final", name, -1) in work.stored and name == "patched1":
            raise KeyboardInterrupt
        add(work, name, *given)

    file.unlink()
    monkeypatch.setattr(looking._Work, "add", killed_in_the_second_chunk)
    assert call(asked).code == 130
    assert {part.inputs: len(its.rows) for part, its in attention_rows.load(file).items()}["patched1"] == 16
    monkeypatch.setattr(looking._Work, "add", add)
    again = call(f"{asked} --json")
    assert file.read_bytes() == whole and json.loads(again.out) == json.loads(done.out)
    table = call(asked).out.split("what patches leave of the image")[1]
    assert "uniform" in table and "0.875" in table and "D, clean" in table and "D - A1" in table
    (effect,) = json.loads(done.out)["subtracted"]
    assert effect["inputs"] == "patched2" and effect["n"] == 40 and effect["interval"] and effect["slope_interval"]


@pytest.mark.parametrize("path", ["plain", "sdpa"])
def test_the_path_of_training_is_compared_with_the_plain_one_unless_it_is_that_one(path):
    rows = np.arange(3)
    parts = {
        Part("final", "test", 0): Numbers(rows, dict.fromkeys(("entropy", "logit_max"), rows + 0.5)),
        Part("final", "test", -1): Numbers(rows, {"sum_error": 1e-7 * rows, "path_difference": 1e-6 * rows}),
    }
    about = SimpleNamespace(run_id="1a", model="vit", size="1M", dataset="digits")
    run = SimpleNamespace(record=about, files=SimpleNamespace(attention="1a_attention.parquet"))
    lines = [*attention_tables.of_run(looking.Looked(run, path, parts))]
    found = [line for line in lines if "against plain" in line]
    wanted = "path sdpa against plain, in float32: largest difference 2.0e-06 (limit 1e-05)"
    assert found == ([wanted] if path == "sdpa" else [])
    assert "rows sum to their exact values within 2.0e-07" in lines and not any("distractors" in each for each in lines)


@pytest.mark.slow
def test_the_numbers_are_per_image_and_a_run_does_not_differ_from_a_copy(call, run):
    done = json.loads(call(f"{ASKED} --json").out)
    (found,) = done["runs"]
    assert found["run_id"] == run.record.run_id and len(found["rows"]) == 40 and "compared" not in done
    assert done["notes"] == [] and done["subtracted"] == []  # no images among distractors
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
    assert found["layers"] == [0, 1] and found["queries"] == ["head", "point"] and found["at"] == [3, 7]
    first, second, combined = (np.array(found["maps"][title]) for title in ("A1", "lambda A2", "D"))
    assert first.ndim == 4 and first.shape[:2] == (2, 2) and np.allclose(combined, first - second, atol=1e-6)
    assert (first.sum((2, 3)) < 1).all() and first.min() >= 0
    assert "outside of the image" in call("plot maps checkpoints --at 3,70").err
    assert "is not a layer" in call("plot maps checkpoints --layers 99").err
