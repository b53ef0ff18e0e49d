"""The training log: one line per batch and split, whole at every moment, cut back when a run continues."""

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app import log
from app.errors import Damaged, Diverged, Explained, InputError
from app.log import Row, TrainingLog


def row(step, split="train", *, loss_sum=8.0, extra=()):
    fields = {"step": step, "epoch": 1, "split": split, "lr": 0.1, "examples": 4, "seconds": 0.1}
    return Row(fields, lambda: (loss_sum, 3.0, *extra))


def write(path, steps, *, offset=0):
    """Adds a row for each step; returns the length in bytes."""
    rows = TrainingLog(path, header={"run_id": "ab"}, offset=offset)
    for step in steps:
        rows.add(row(step))
    length = rows.drain()
    rows.close()
    return length


def test_rows_hold_means_and_counts_behind_a_header(tmp_path):
    rows = TrainingLog(tmp_path / "a.log", header={"run_id": "ab"})
    rows.add(row(1))
    rows.add(row(1, "val_full", extra=[3.0, 4.0]))
    rows.drain()
    header, (train, full) = log.read(tmp_path / "a.log")
    assert header == {"log": "isoscale", "format": 1, "run_id": "ab"}
    assert (train["loss"], train["correct"], train["examples"]) == (2.0, 3, 4) and "correct_at_5" not in train
    assert (full["correct_at_3"], full["correct_at_5"]) == (3, 4) and rows.last["val_full"] == full


def test_a_row_waits_for_two_later_ones_so_that_no_step_waits_for_the_device(tmp_path):
    rows, fetched = TrainingLog(tmp_path / "a.log", header={}), []
    for step in range(1, 5):
        rows.add(Row(row(step).fields, lambda step=step: fetched.append(step) or (1.0, 1.0)))
        assert fetched == list(range(1, step - 1))
        assert len(log.read(tmp_path / "a.log")[1]) == len(fetched)


def test_a_continued_log_is_cut_at_the_state_and_has_neither_gap_nor_double(tmp_path):
    whole, cut = tmp_path / "whole.log", tmp_path / "cut.log"
    write(whole, range(1, 8))
    offset = write(cut, range(1, 4))
    write(cut, range(4, 7), offset=offset)
    write(cut, range(4, 8), offset=offset)
    assert cut.read_bytes() == whole.read_bytes()
    assert write(cut, range(1, 8)) == whole.stat().st_size


def test_a_log_shorter_than_the_state_says_is_refused(tmp_path):
    offset = write(tmp_path / "a.log", range(3))
    with pytest.raises(Damaged, match=rf"the saved state expects {offset + 1}: rows are lost. Use --fresh"):
        TrainingLog(tmp_path / "a.log", header={}, offset=offset + 1)


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_loss_that_is_no_number_is_refused_and_not_written(tmp_path, loss):
    rows = TrainingLog(tmp_path / "a.log", header={})
    rows.add(row(1))
    rows.add(row(2, "val", loss_sum=loss))
    rows.add(row(3))
    with pytest.raises(Diverged, match=rf"the val loss is {loss} at step 2. .*lower --lr or with --clip-norm"):
        rows.drain()
    assert [found["step"] for found in log.read(tmp_path / "a.log")[1]] == [1]


def test_a_line_that_was_cut_off_by_a_crash_is_left_out(tmp_path):
    write(tmp_path / "a.log", range(3))
    with (tmp_path / "a.log").open("ab") as file:
        file.write(b'{"step": 3, "spl')
    assert len(log.read(tmp_path / "a.log")[1]) == 3


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"{}\n", b"text\n", b'{"log": "other"}\n', b'{"log": "isoscale"}\n{}\n']
)
def test_what_is_no_log_is_refused_by_name(tmp_path, content):
    (tmp_path / "a.log").write_bytes(content)
    with pytest.raises(Explained, match=r"a\.log"):
        log.read(tmp_path / "a.log")
    with pytest.raises(Damaged, match=r"cannot read the log .*b\.log: No such file"):
        log.read(tmp_path / "b.log")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    path = tmp_path_factory.mktemp("log") / "a.log"
    write(path, range(20))
    return path.read_bytes(), path.with_name("b.log")


GOOD = {"step": 1, "epoch": 1, "split": "train", "loss": 2.0, "examples": 4, "correct": 3}
WRONG = [
    {"step": None}, {"step": "1"}, {"step": True}, {"step": 1.0}, {"step": -1}, {"step": 10**400}, {"epoch": [1]},
    {"split": 1}, {"loss": "2"}, {"loss": math.nan}, {"loss": -math.inf}, {"loss": False}, {"loss": 10**400},
    {"examples": 0}, {"correct": {}}, {"correct_at_5": "4"}, {"correct_at_3": 2.5},
]  # fmt: skip


@pytest.mark.parametrize("lines", [*[GOOD | wrong for wrong in WRONG], [], 7, None], ids=str)
def test_a_row_that_lacks_a_value_or_has_one_of_another_kind_is_damage_at_its_line(tmp_path, lines):
    content = [{"log": "isoscale", "format": 1}, GOOD, lines, GOOD]
    (tmp_path / "a.log").write_text("".join(json.dumps(line) + "\n" for line in content))
    with pytest.raises(Damaged, match=r"line 3 of .*a\.log is damaged. Download the log again, or .*--fresh"):
        log.read(tmp_path / "a.log")


@pytest.mark.parametrize("name", GOOD)
def test_every_value_that_figures_need_has_to_be_there(tmp_path, name):
    row = {key: value for key, value in GOOD.items() if key != name}
    (tmp_path / "a.log").write_text(f'{{"log": "isoscale", "format": 1}}\n{json.dumps(row)}\n')
    with pytest.raises(Damaged, match="line 2 of"):
        log.read(tmp_path / "a.log")


def test_a_log_of_another_format_is_told_apart_from_a_damaged_one(tmp_path):
    (tmp_path / "a.log").write_text('{"log": "isoscale", "format": 9}\n')
    with pytest.raises(InputError, match="has format 9, and this version reads 1"):
        log.read(tmp_path / "a.log")


def kinds(row):
    return {name: type(row[name]) for name in GOOD}


def test_a_log_cut_off_anywhere_is_the_beginning_of_its_rows_or_refused(written):
    (content, path), (_, whole) = written, read_back(*written)
    for length in range(len(content) + 1):
        try:
            _, rows = read_back(content[:length], path)
        except Explained as error:
            assert "b.log is not a training log" in str(error) and length <= content.index(b"\n")
        else:
            assert rows == whole[: len(rows)] and len(rows) == content[:length].count(b"\n") - 1


def read_back(content, path):
    path.write_bytes(content)
    return log.read(path)


@given(data=st.data())
@settings(max_examples=500, deadline=None)
def test_a_log_with_one_byte_changed_reads_as_rows_of_the_same_kinds_or_is_refused(written, data):
    content, path = bytearray(written[0]), written[1]
    content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        header, rows = read_back(bytes(content), path)
    except Explained as error:
        assert "b.log" in str(error)
    else:
        assert header["log"] == "isoscale" and 19 <= len(rows) <= 20
        assert all(kinds(row) == kinds(GOOD) or kinds(row)["loss"] is int for row in rows)


@given(data=st.data())
@settings(max_examples=300, deadline=None)
def test_a_damaged_log_is_read_or_refused_never_more(written, data):
    content, path = bytearray(written[0]), written[1]
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=3)):
        content[place] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        header, rows = log.read(path)
    except Explained as error:
        assert "b.log" in str(error)
    else:
        assert isinstance(header, dict) and len(rows) <= 20 and all(json.dumps(found) for found in rows)


def test_rows_of_a_regression_hold_both_errors_and_no_counts_of_classes(tmp_path):
    rows = TrainingLog(tmp_path / "a.log", header={"task": "regression"})
    for split in ("train", "val_full"):
        rows.add(row(1, split))
    rows.drain()
    header, found = log.read(tmp_path / "a.log")
    assert header["task"] == "regression"
    assert [(each["loss"], each["mae"]) for each in found] == [(2.0, 0.75)] * 2
    assert not any("correct" in name for each in found for name in each)


@pytest.mark.parametrize("header", [{"task": "regression"}, {}])
def test_a_row_without_what_its_task_measures_is_damaged(tmp_path, header):
    path = tmp_path / "a.log"
    other = TrainingLog(path, header={} if header else {"task": "regression"})
    other.add(row(1))
    other.drain()
    lines = path.read_text().splitlines()
    path.write_text(json.dumps(json.loads(lines[0]) | {"task": header.get("task")}) + "\n" + lines[1] + "\n")
    with pytest.raises(Damaged, match=r"line 2 of .* is damaged"):
        log.read(path)


def test_a_row_has_lists_of_numbers_that_were_fetched_later(tmp_path):
    rows = TrainingLog(tmp_path / "a.log", header={})
    rows.add(row(1)._replace(later={"lambdas": lambda: (0.25, 0.5)}))
    rows.add(row(2))
    rows.drain()
    first, second = log.read(tmp_path / "a.log")[1]
    assert first["lambdas"] == [0.25, 0.5] and "lambdas" not in second
