"""A stream that breaks: opened again where it stopped, every row once, and given up in the end."""

import datasets
import pytest

from app.data.sources import library

from .pictures import write_parquet


class Breaking:
    """A stream of `datasets` that raises before some rows, each time once."""

    def __init__(self, rows, breaks):
        self.rows, self.breaks, self.at = rows, list(breaks), 0
        self.state_dict = rows.state_dict

    def load_state_dict(self, state):
        self.rows.load_state_dict(state)

    def __iter__(self):
        for row in self.rows:
            if self.breaks and self.breaks[0][0] == self.at:
                raise self.breaks.pop(0)[1]
            self.at += 1
            yield row


@pytest.fixture
def waited(monkeypatch):
    """The seconds that were waited, without waiting."""
    waits = []
    monkeypatch.setattr("time.sleep", waits.append)
    return waits


@pytest.fixture
def rows(tmp_path):
    """40 rows in two files of several row groups."""
    for part in range(2):
        labels = list(range(20 * part, 20 * part + 20))
        write_parquet(tmp_path / f"train-{part}-of-2.parquet", labels, size=(4, 4), row_group_size=6)
    return datasets.load_dataset(str(tmp_path), split="train", streaming=True)


def labels(rows):
    return [row["label"] for row in library._resumed(rows)]


@pytest.mark.parametrize("places", [(0,), (1,), (5, 6, 7), (19, 20), (39,), (3, 3, 3)])
def test_every_row_comes_once_wherever_the_stream_breaks(rows, waited, places):
    breaking = Breaking(rows, [(place, ConnectionError("gone")) for place in places])
    assert labels(breaking) == list(range(40))
    assert len(waited) == len(places)


def test_a_stream_is_given_up_after_three_vain_waits(rows, waited):
    with pytest.raises(ConnectionError):
        labels(Breaking(rows, [(7, ConnectionError("gone"))] * 9))
    assert waited == [2, 8, 30]


def test_what_waiting_cannot_mend_is_not_waited_for(rows, waited):
    with pytest.raises(ValueError, match="no image"):
        labels(Breaking(rows, [(7, ValueError("no image"))]))
    assert waited == []
