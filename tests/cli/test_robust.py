"""`robust`: runs on corrupted test images, resumed, and refused where it cannot apply."""

import json

import numpy as np
import pytest
from data.pictures import noise
from PIL import Image

from app import evaluation
from app.artifacts import record, robust_rows
from app.artifacts.predictions import Predictions

ASKED = "robust checkpoints --corruption primary --severity 1,5 --limit-test 40"


@pytest.mark.slow
def test_a_killed_command_computes_what_is_missing_and_ends_in_the_same_bytes(call, run, monkeypatch):
    done, file = call(f"{ASKED} --json"), run.files.robust
    assert done.code == 0
    (found,) = json.loads(done.out)
    whole = file.read_bytes()
    file.unlink()
    computed, predict = [], evaluation.predict

    def killed_at_the_third(*given, **named):
        computed.append(named)
        if len(computed) == 3:
            raise KeyboardInterrupt
        return predict(*given, **named)

    monkeypatch.setattr(evaluation, "predict", killed_at_the_third)
    assert call(ASKED).code == 130
    again = call(f"{ASKED} --json")
    assert len(computed) == 3 + 5  # clean and six pairs, of which two were kept
    assert file.read_bytes() == whole and json.loads(again.out) == [found]
    assert call(ASKED).code == 0 and len(computed) == 8


@pytest.mark.slow
def test_the_clean_result_and_the_record_are_those_of_the_run_and_its_file(call, run):
    done = call("robust checkpoints --corruption contrast,fog --like checkpoints --json")
    (found,) = json.loads(done.out)
    test = Predictions.load(run.files.predictions)
    assert found["clean"] == (test.logits.argmax(1) == test.labels).mean() and found["n"] == len(test.rows)
    assert set(found["like"]["ce"].values()) == {1.0} and found["like"]["mce"] == 1.0
    pairs = robust_rows.load(run.files.robust)
    ((name, kept),) = record.read(run.files.record).results.robust.items()
    assert name == f"final-generated-seed0-8px-n{len(test.rows)}" and kept.values == found["corruptions"]
    for pair, outcome in pairs.items():
        if pair.severity:
            assert found["corruptions"][pair.corruption][str(pair.severity)] == outcome.value
    done = call("robust checkpoints --corruption contrast,all --severity 1 --limit-test 20")
    assert "note: spatter and saturate need images of three channels, which not all runs have" in done.err
    text = call("robust checkpoints --corruption contrast,fog").out
    assert "clean:" in text and "mean over 2 of the benchmark's 15 corruptions at 5 severities" in text


@pytest.mark.slow
def test_photographs_and_another_side_are_conditions_of_their_own(call, run, work):
    (work / "ice").mkdir()
    for number in range(5):
        Image.fromarray(noise(number, size=(120, 90))).save(work / "ice" / f"frost{number + 1}.png")
    asked = "robust checkpoints --severity 3 --limit-test 30 --json"
    for more in ("--corruption frost --frost ice --at 16", "--corruption fog --at 16", "--corruption fog"):
        assert call(f"{asked} {more}").code == 0
    pairs = [pair for pair in robust_rows.load(run.files.robust) if pair.severity]
    assert [(pair.corruption, pair.side, pair.source[:11]) for pair in pairs] == [
        ("fog", "16", "generated"), ("fog", "8", "generated"), ("frost", "16", "photographs"),
    ]  # fmt: skip
    (work / "ice" / "frost5.png").unlink()
    assert "5 are needed" in call(f"{asked} --corruption frost --frost ice").err


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("--corruption fogg", "fog"),
        ("--corruption frost", "--frost"),
        ("--corruption spatter", "three channels"),
        ("--severity 0-6", "1 to 5"),
        ("--severity 5-1", "no list of severities"),
        ("--severity 1-300000000", "no list of severities"),
        ("--severity 1 --like checkpoints --corruption fog", "--like needs severities 1 to 5"),
        ("--at 5000 --corruption fog", "draws at most 16,777,216"),
        ("--cifar-c nowhere --corruption fog", "fog.npy"),
    ],
)
def test_what_cannot_be_computed_is_refused_with_what_to_do(call, run, given, says):
    done = call(f"robust checkpoints {given}")
    assert done.code == 2 and says in done.err


def test_an_outcome_is_found_for_rows_in_any_order_and_not_for_rows_that_it_lacks():
    logits = np.array([[2, 1, 0], [0, 1, 1], [0, 0, 9]], np.float32)
    found = robust_rows.outcome_of(Predictions(np.array([4, 2, 7]), np.array([0, 2, 2]), logits))
    assert found.ranks.tolist() == [0, 1, 0] and found.value == pytest.approx(2 / 3)
    some = found.of(np.array([7, 4]))
    assert some.labels.tolist() == [2, 0] and found.of(np.array([7, 5])) is None
    assert found.nll[0] == pytest.approx(-np.log(np.exp(2) / np.exp([2, 1, 0]).sum()))


@pytest.mark.slow
def test_runs_are_named_by_their_settings_and_one_run_serves_as_the_reference(call, run):
    chosen = f"model={run.config.model},dataset=digits"
    done = call(f"robust {chosen} --like {chosen} --corruption contrast --limit-test 40 --json")
    assert done.code == 0 and [each["run_id"] for each in json.loads(done.out)] == [run.record.run_id]
    assert call("robust model=resnet18 --corruption primary").code == 2
