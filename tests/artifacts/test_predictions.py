"""Predictions on disk: read as arrays, old files too, and refused where a number is missing or none."""

import tracemalloc

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from app import task
from app.artifacts.predictions import Predictions
from app.errors import Damaged, Diverged
from app.evaluation import metrics

DRAWN = np.random.default_rng(3)
LOGITS = DRAWN.normal(size=(6, 4)).astype(np.float32)
LABELS, ROWS = np.array([0, 3, 1, 2, 2, 0]), np.arange(6) + 10
LISTS = [row.tolist() for row in LOGITS]
CLASSES = {"row": pa.array(ROWS), "label": pa.array(LABELS), "logits": pa.array(LISTS, pa.list_(pa.float32()))}
NUMBERS = {
    "row": pa.array(ROWS),
    "name": pa.array([f"case {place}" for place in range(6)]),
    "target": pa.array(LOGITS[:, 0]),
    "prediction": pa.array(LOGITS[:, 1]),
}


def written(folder, columns, **how):
    parquet.write_table(pa.table(columns), folder / "p.parquet", **how)
    return folder / "p.parquet"


@pytest.mark.parametrize(
    "kind",
    [pa.list_(pa.float32()), pa.list_(pa.float64()), pa.large_list(pa.float32()), pa.list_(pa.float32(), 4)],
    ids=str,
)
@pytest.mark.parametrize("rows_a_group", [2, 100])
def test_logits_are_read_from_every_kind_of_list_and_from_a_file_in_pieces(tmp_path, kind, rows_a_group):
    path = written(tmp_path, CLASSES | {"logits": pa.array(LISTS, kind)}, row_group_size=rows_a_group)
    found = Predictions.load(path)
    assert np.array_equal(found.logits, LOGITS) and found.logits.dtype == np.float32
    assert np.array_equal(found.labels, LABELS) and np.array_equal(found.rows, ROWS)
    assert {found.labels.dtype, found.rows.dtype} == {np.dtype(np.int64)}
    assert found.names is None and found.task is task.classes


def test_numbers_are_read_with_their_names_from_a_file_in_pieces(tmp_path):
    found = Predictions.load(written(tmp_path, NUMBERS, row_group_size=4))
    assert np.array_equal(found.labels, LOGITS[:, 0]) and np.array_equal(found.logits, LOGITS[:, 1:2])
    assert found.names.tolist() == NUMBERS["name"].to_pylist() and found.task is task.values


def test_a_file_is_written_in_the_bytes_of_earlier_versions(tmp_path):
    Predictions(ROWS, LABELS, LOGITS).save(tmp_path / "new.parquet")
    before = written(tmp_path, {"row": ROWS, "label": LABELS, "logits": list(LOGITS)})
    assert (tmp_path / "new.parquet").read_bytes() == before.read_bytes()


@pytest.mark.parametrize("shape", [(1, 1), (5, 1), (2, 300)])
def test_predictions_of_any_shape_come_back(tmp_path, shape):
    logits = DRAWN.normal(size=shape).astype(np.float32)
    Predictions(np.arange(shape[0]), np.zeros(shape[0], np.int64), logits[:, ::-1]).save(tmp_path / "p.parquet")
    assert np.array_equal(Predictions.load(tmp_path / "p.parquet").logits, logits[:, ::-1])


def changed(values, place, value):
    return [*values[:place], value, *values[place + 1 :]]


SPOILT = {
    "a null among logits": (CLASSES, "logits", changed(LISTS, 2, [0.0, None, 0.0, 0.0]), "without a value"),
    "no logits of a row": (CLASSES, "logits", changed(LISTS, 2, None), "without a value"),
    "a short row": (CLASSES, "logits", changed(LISTS, 2, [0.0, 1.0, 2.0]), "differ in length"),
    "two rows that even out": (
        CLASSES,
        "logits",
        changed(changed(LISTS, 2, [0.0] * 3), 3, [0.0] * 5),
        "differ in length",
    ),
    "empty logits": (CLASSES, "logits", pa.array([[]] * 6, pa.list_(pa.float32())), "empty"),
    "logits that are numbers": (CLASSES, "logits", [0.5] * 6, "not of lists"),
    "logits that are texts": (CLASSES, "logits", [["a"] * 4] * 6, "not of numbers"),
    "a label above the classes": (CLASSES, "label", changed(LABELS.tolist(), 1, 4), "above the 4 classes"),
    "a negative label": (CLASSES, "label", changed(LABELS.tolist(), 1, -1), "below 0"),
    "a label that is a fraction": (CLASSES, "label", changed(LABELS.tolist(), 1, 0.5), "not of whole numbers"),
    "a null among rows": (CLASSES, "row", changed(ROWS.tolist(), 0, None), "without a value"),
    "no column of labels": (CLASSES, "label", None, "no column label"),
    "no column of logits": (CLASSES, "logits", None, "no column logits"),
    "NaN among targets": (NUMBERS, "target", changed(LISTS[0] + [0.0, 0.0], 5, float("nan")), "NaN"),
    "a null among predictions": (NUMBERS, "prediction", changed(LISTS[0] + [0.0, 0.0], 5, None), "without a value"),
    "no column of predictions": (NUMBERS, "prediction", None, "no column prediction"),
    "a null among names": (NUMBERS, "name", changed(NUMBERS["name"].to_pylist(), 0, None), "without a value"),
    "targets that are texts": (NUMBERS, "target", ["a"] * 6, "not of numbers"),
}


def test_a_missing_file_is_called_missing(tmp_path):
    with pytest.raises(Damaged, match=r"gone\.parquet are missing\. Run `evaluate --again`"):
        Predictions.load(tmp_path / "gone.parquet")


@pytest.mark.parametrize("case", SPOILT.values(), ids=SPOILT)
def test_what_is_no_number_where_one_belongs_is_refused_as_damaged(tmp_path, case):
    columns, name, values, reason = case
    others = {other: column for other, column in columns.items() if other != name}
    path = written(tmp_path, others | ({} if values is None else {name: pa.array(values)}))
    with pytest.raises(Damaged, match=rf"p\.parquet are damaged .*{reason}.*evaluate --again"):
        Predictions.load(path)


def test_outputs_that_are_not_numbers_are_read_since_a_model_diverged_and_no_file_is_damaged(tmp_path):
    logits = written(tmp_path, CLASSES | {"logits": pa.array(changed(LISTS, 2, [0.0, float("nan"), 0.0, 0.0]))})
    with pytest.raises(Diverged, match="not numbers for 1 of 6"):
        metrics(Predictions.load(logits))
    values = pa.array(changed(LISTS[0] + [0.0, 0.0], 5, float("nan")))
    with pytest.raises(Diverged, match="not numbers for 1 of 6"):
        metrics(Predictions.load(written(tmp_path, NUMBERS | {"prediction": values})))


def test_a_file_s_read_only_arrays_are_measured_without_a_warning(tmp_path, recwarn):
    for columns in (CLASSES, NUMBERS):
        found = Predictions.load(written(tmp_path, columns))
        assert metrics(found)["n"] == 6
    assert not [warning for warning in recwarn if "writable" in str(warning.message)]


def test_reading_makes_no_objects_of_python_of_the_values(tmp_path):
    many = Predictions(np.arange(5000), np.zeros(5000, np.int64), DRAWN.normal(size=(5000, 400)).astype(np.float32))
    many.save(tmp_path / "p.parquet")
    Predictions.load(tmp_path / "p.parquet")  # what is imported does not count
    tracemalloc.start()
    found = Predictions.load(tmp_path / "p.parquet")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert np.array_equal(found.logits, many.logits)
    assert peak < 2 * many.logits.nbytes  # Arrow's own memory is not counted; a float of Python alone takes 24 bytes
    assert all(array.flags.writeable for array in (found.rows, found.labels, found.logits))  # torch warns of others
