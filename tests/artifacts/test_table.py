"""Files of predictions: which are recognised as such, and may be replaced."""

import numpy as np
import pytest

from app.artifacts import table


@pytest.fixture
def written(tmp_path):
    """The CSV and the parquet file of one prediction."""
    csv, parquet = tmp_path / "p.csv", tmp_path / "p.parquet"
    with table.written(csv, parquet, ["cat", "path"]) as rows:
        rows.add(["a.png"], ["cat"], np.array([[0.75, 0.25]], np.float32))
    return csv, parquet


def test_files_of_predictions_are_recognised_by_their_columns(written):
    assert [table.is_ours(path) for path in written] == [True, True]


@pytest.mark.parametrize("content", [b"", b"name,score\nAda,1\n", b"\xff\xfe", b"PAR1 but no parquet"])
def test_other_files_are_not_predictions(tmp_path, content):
    for name in ("mine.csv", "mine.parquet"):
        (tmp_path / name).write_bytes(content)
        assert not table.is_ours(tmp_path / name)
