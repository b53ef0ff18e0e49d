"""`reproduce`: a published result holds, does not hold, or cannot be tried, and code and report say which."""

import json
import re
import shutil

import numpy as np
import pytest
from data.pictures import write_parquet
from raw_records import put, raw
from report import reseeded

from app.artifacts.predictions import Predictions
from app.artifacts.runs import find_runs
from app.system.durable import sha256

REPOSITORY = "tester/runs"
INTO = "--into again --threads 1"


def facts(ended):
    """What a report says of each fact, by name."""
    return {fact["what"]: fact["holds"] for fact in json.loads(ended.out)["facts"]}


def flip(path, at=-3):
    """Flips one bit of a file."""
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def with_top1(run, top1, **more):
    """The record of a run with another published top-1, sealed as by a careful forger."""
    values = raw(run) | more
    values["results"]["test"]["top1"] = top1
    put(run.files.record, values)


def test_a_result_that_holds_is_reproduced_and_no_file_of_the_run_is_written(call, run):
    before = {path: (sha256(path), path.stat().st_mtime_ns) for path in run.files.present()}
    ended = call("reproduce checkpoints")
    assert ended.code == 0, ended.err
    assert re.search(r"same +predictions: (\d+) of 60 correct, published \1; 0 predictions changed", ended.out)
    assert ended.out.endswith("versions and machine that differ: none\nevaluation: reproduced\n")
    assert {path: (sha256(path), path.stat().st_mtime_ns) for path in run.files.present()} == before


def test_a_flipped_bit_of_the_weights_is_not_reproduced(call, run):
    flip(run.files.weights)
    ended = call(f"reproduce {run.record.run_id} --json")
    assert ended.code == 5 and json.loads(ended.out)["reproduced"] is False
    assert facts(ended) == {"record": True, "files": False, "numbers": True, "predictions": None}
    assert run.files.weights.name in ended.err and "is not reproduced" in ended.err


@pytest.mark.parametrize("forged", [False, True])
def test_one_changed_prediction_is_not_reproduced_even_if_every_checksum_and_number_is_forged(call, run, forged):
    stored = Predictions.load(run.files.predictions)
    stored.logits[7] = np.roll(stored.logits[7], 1)
    stored.save(run.files.predictions)
    if forged:
        from app import evaluation

        values = raw(run)
        values["files"]["predictions"] = sha256(run.files.predictions)
        values["results"]["test"] = evaluation.metrics(stored)
        put(run.files.record, values)
    ended = call("reproduce checkpoints --json")
    assert ended.code == 5
    changed = next(fact for fact in json.loads(ended.out)["facts"] if fact["what"] == "predictions")
    assert changed["holds"] is False and changed["changed"] == 1
    assert facts(ended)["files"] is facts(ended)["numbers"] is forged


def test_a_changed_number_is_named_with_a_broken_seal_and_with_a_forged_one(call, run):
    text, top1 = run.files.record.read_text(), run.record.test.top1
    run.files.record.write_text(text.replace(f'"top1": {top1}', '"top1": 0.99'))
    for line in ("reproduce checkpoints", f"reproduce {run.record.run_id}", f"reproduce {run.files.weights}"):
        ended = call(line)
        assert ended.code == 5, ended.err
        assert f"top1 0.99 (recomputed {top1:.6g})" in ended.out and "its seal does not match" in ended.out
    run.files.record.write_text(text)
    with_top1(run, 0.99)
    ended = call("reproduce checkpoints --retrain")
    assert ended.code == 5 and "nothing was trained" in ended.out and "seal does not" not in ended.out
    assert f"top1 0.99 (recomputed {top1:.6g})" in ended.err


def unfinished(run):
    put(run.files.record, raw(run) | {"status": "stopped"})


def untested(run):
    put(run.files.record, raw(run) | {"results": {}})


def without_weights(run):
    run.files.weights.unlink()


def on_other_arrays(run):
    values = raw(run)
    values["data"]["arrays_digest"] = "0" * 16
    put(run.files.record, values)


def of_a_later_version(run):
    values = raw(run)
    put(run.files.record, values | {"config": values["config"] | {"of_tomorrow": 1}})


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (unfinished, "is not finished"),
        (untested, "has no test results"),
        (without_weights, "does not exist. Download the complete run"),
        (of_a_later_version, "Update isoscale"),
        (on_other_arrays, "cannot be tried: the cached arrays of digits"),
    ],
)
def test_a_run_that_cannot_be_tried_ends_with_2(call, run, spoil, message):
    spoil(run)
    for option in ("", " --retrain"):
        ended = call(f"reproduce {run.files.record}{option}")
        assert ended.code == 2 and message in ended.err and not ended.out


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("reproduce nothing", "there is no run at nothing"),
        ("reproduce checkpoints --best", "has no results of its best weights. Omit --best"),
        ("reproduce checkpoints --retrain --best", "Omit it, or train without it"),
        ("reproduce checkpoints --retrain --new-seed", "are two experiments. Omit one"),
        ("reproduce checkpoints --new-seed=many", "is not a seed"),
        ("reproduce checkpoints --into again", "--into has an effect with --retrain or --new-seed only"),
        ("reproduce checkpoints --design x.csv", "--design has an effect with --data only"),
        ("reproduce checkpoints --data .", "is not read from a folder. Omit --data"),
        ("reproduce checkpoints --new-seed", "needs two finished seeds"),
        ("reproduce checkpoints --retrain --into checkpoints", "did not train and does not replace"),
    ],
)
def test_what_cannot_be_asked_ends_with_2_and_says_what_to_do(call, run, line, message):
    ended = call(line)
    assert ended.code == 2 and message in ended.err and not ended.out


def test_best_weights_are_compared_with_their_published_test(call, run):
    assert call("evaluate checkpoints --best").code == 0
    ended = call("reproduce checkpoints --best --json")
    assert ended.code == 0 and json.loads(ended.out)["weights"] == "best" and facts(ended)["predictions"]


def test_a_run_of_the_hub_is_downloaded_at_one_commit_and_its_card_is_compared(call, run, online, work):
    assert call(f"upload checkpoints/vit_differential/{run.files.stem} some/where").code == 0
    commit = online.commits(REPOSITORY)[0].id
    shutil.rmtree(work / "checkpoints")
    ended = call(f"reproduce hf://{REPOSITORY}/some/where --json")
    assert ended.code == 0 and json.loads(ended.out)["commit"] == commit
    assert facts(ended) == dict.fromkeys(["record", "files", "numbers", "card", "rows", "predictions"], True)

    assert call(f"download hf://{REPOSITORY}/some/where back").code == 0
    card = work / "back" / "README.md"
    card.write_text(card.read_text().replace(f"value: {run.record.test.top1}", "value: 0.99", 1))
    ended = call("reproduce back")
    assert ended.code == 5 and "top-1 0.99 (record:" in ended.out


def test_a_folder_that_is_gone_or_has_other_images_cannot_be_tried(call, work, tmp_path, monkeypatch):
    monkeypatch.setenv("ISOSCALE_CACHE", str(tmp_path / "cache"))
    for split, first in (("train", 0), ("test", 100)):
        write_parquet(work / "pets" / f"{split}-0.parquet", ["cat", "dog"] * 20, first=first)
    train = (
        "train --dataset ./pets --image 16 --patch 4 --size 100K --d-model 64 --epochs 1 --batch-size 16 --threads 1"
    )
    assert call(train).code == 0
    (work / "pets").rename(tmp_path / "moved")
    shutil.rmtree(tmp_path / "cache")
    for option in ("", " --retrain"):
        gone = call(f"reproduce checkpoints{option}")
        assert gone.code == 2 and "does not exist" in gone.err
    moved = call(f"reproduce checkpoints --data {tmp_path / 'moved'}")
    assert moved.code == 0 and "evaluation: reproduced" in moved.out
    write_parquet(tmp_path / "moved" / "test-0.parquet", ["cat", "dog"] * 20, first=500)
    for option in ("", " --retrain"):
        other = call(f"reproduce checkpoints --data {tmp_path / 'moved'}{option}")
        assert other.code == 2 and "is not the data that the run was made with" in other.err


@pytest.mark.slow
def test_a_retrained_run_has_the_same_bits_and_the_same_command_finds_it_done(call, run, work):
    before = {path: sha256(path) for path in run.files.present()}
    ended = call(f"reproduce checkpoints --retrain {INTO} --json")
    assert ended.code == 0, ended.err
    assert facts(ended) == dict.fromkeys(["record", "files", "numbers", "weights", "first steps"], True)
    [again] = find_runs(work / "again")
    assert again.files.weights.read_bytes() == run.files.weights.read_bytes()
    assert {path: sha256(path) for path in run.files.present()} == before
    same = call(f"reproduce checkpoints --retrain {INTO} --json")
    assert same.code == 0 and json.loads(same.out) == json.loads(ended.out) and "done already" in same.err

    flip(again.files.weights)
    values = raw(again)
    values["files"]["weights"] = sha256(again.files.weights)
    put(again.files.record, values)
    other = call(f"reproduce checkpoints --retrain {INTO}")
    assert other.code == 5 and "tensors differ, by at most" in other.err


@pytest.mark.slow
def test_on_another_machine_the_retrained_result_decides_and_not_its_bits(call, run, work):
    elsewhere = [raw(run)["places"][0] | {"device": "another CPU"}]
    put(run.files.record, raw(run) | {"places": elsewhere})
    assert call(f"reproduce checkpoints --retrain {INTO}").code == 0
    [again] = find_runs(work / "again")
    flip(again.files.weights)
    values = raw(again)
    values["files"]["weights"] = sha256(again.files.weights)
    put(again.files.record, values)
    ended = call(f"reproduce checkpoints --retrain {INTO} --json")
    assert ended.code == 0 and facts(ended)["weights"] is None and facts(ended)["result"] is True
    low, high = next(f for f in json.loads(ended.out)["facts"] if f["what"] == "result")["interval_of_difference"]
    assert low < 0 < high and json.loads(ended.out)["differences"]["device"]["published"] == "another CPU"
    values["results"]["test"] |= {"top1": 0.0, "top1_interval": [0.0, 0.06]}
    put(again.files.record, values)
    assert call(f"reproduce checkpoints --retrain {INTO}").code == 5


@pytest.mark.slow
def test_a_new_seed_is_inside_the_interval_of_the_known_ones_or_outside(call, run, work):
    for seed in (1, 2):
        other = reseeded(run, run.files.folder, seed)
        with_top1(other, run.record.test.top1 + 0.1 * seed)
    inside = call(f"reproduce {run.record.run_id} --new-seed {INTO} --json")
    assert inside.code == 0, inside.err
    result = next(fact for fact in json.loads(inside.out)["facts"] if fact["what"] == "result")
    assert result["seed"] == 3 and [*result["known"]] == ["0", "1", "2"]
    low, high = result["interval"]
    half = 4.302652729911275 * 0.1 * (1 + 1 / 3) ** 0.5  # t(2, 0.975), and the standard deviation of the three
    mean = run.record.test.top1 + 0.1
    assert np.isclose(low, max(0, mean - half)) and np.isclose(high, min(1, mean + half))

    known = call(f"reproduce {run.record.run_id} --new-seed 2 {INTO}")
    assert known.code == 2 and "is a known seed (known: 0, 1, 2). Use another, such as 3" in known.err
    [new] = find_runs(work / "again")
    with_top1(new, high + 0.01)
    outside = call(f"reproduce {run.record.run_id} --new-seed {INTO}")
    assert outside.code == 5 and "is outside" in outside.err


def test_equal_results_of_known_seeds_show_no_spread(call, run):
    for seed in (1, 2):
        with_top1(reseeded(run, run.files.folder, seed), run.record.test.top1)
    ended = call(f"reproduce {run.record.run_id} --new-seed {INTO}")
    assert ended.code == 2 and "only the equal results of 3 seeds are known" in ended.err


def test_seeds_of_the_hub_are_known_seeds_and_other_runs_are_not(call, run, online, work):
    from app.results import published, siblings

    for seed in (1, 2):
        with_top1(reseeded(run, run.files.folder, seed), 0.5)
    other = reseeded(run, run.files.folder, 3)
    put(other.files.record, raw(other) | {"data": raw(other)["data"] | {"split_fingerprint": "other"}})
    assert call("upload checkpoints study").code == 0
    shutil.rmtree(work / "checkpoints")
    address = f"hf://{REPOSITORY}/study/vit_differential/{run.files.stem}"
    found = siblings.known(published.found(address, work / "none", print), work / "none", print)
    assert found.results == {0: run.record.test.top1, 1: 0.5, 2: 0.5} and found.unused == 3


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "train"),
    [
        ("data make nested_cylinder --simulations 6 --frames 2",
         "--dataset nested_cylinder --data made --model cnn --crop 2200:2240,0:20 --batch-size 2"),
        ("data make diffraction --patterns 4 --val-fraction 0.25 --test-fraction 0.25 --step 0.25 --points 300",
         "--dataset diffraction --data made --range 10:40 --model resnet1d --batch-size 14"),
        (None, "--dataset digits --size 100K --d-model 64 --batch-size 128 --folds 3 --fold 1"),
    ],
    ids=["regression", "signals", "folds"],
)  # fmt: skip
def test_every_kind_of_run_is_reproduced_and_retrained(call, work, make, train):
    assert not make or call(f"{make} --out made").code == 0
    trained = call(f"train {train} --epochs 1 --train-batches 1 --val-batches 1 --threads 1")
    assert trained.code == 0, trained.err
    assert call("reproduce checkpoints").code == 0
    again = call(f"reproduce checkpoints --retrain {INTO} --json")
    assert again.code == 0 and facts(again)["weights"], again.err
    [run] = find_runs(work / "checkpoints")
    stored = Predictions.load(run.files.predictions)
    stored.logits[0] += 1
    stored.save(run.files.predictions)
    assert call("reproduce checkpoints").code == 5
