"""CIFAR-N's files: converted without executing anything, if their clean labels are those of the dataset."""

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from app.data.labels import human
from app.errors import InputError

from .pictures import write_hub
from .reading import Reading

TRAIN = [number % 3 for number in range(30)]


class Spy:
    """An object whose reading would call a function."""

    def __reduce__(self):
        return (pytest.fail, ("a file executed code",))


@pytest.fixture(scope="module")
def cached(tmp_path_factory, shared_cache):
    folder = write_hub(tmp_path_factory.mktemp("hub") / "cifar", {"train": TRAIN, "test": [0, 1, 2]}, ["a", "b", "c"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ISOSCALE_CACHE", str(shared_cache))
        yield Reading(folder).cached


def saved(folder, **sets):
    torch.save(sets, path := folder / "human.pt")
    return path


def test_each_set_becomes_a_file_of_rows_and_labels_with_its_rate(tmp_path, cached):
    worse = (np.array(TRAIN) + (np.arange(30) < 12)) % 3
    file = saved(tmp_path, clean_label=np.array(TRAIN), worse_label=worse, aggre_label=torch.tensor(TRAIN))
    found = {each.name: each for each in human.converted(file, cached, tmp_path, name="cifar")}
    assert {name: (each.rate, each.n) for name, each in found.items()} == {
        "aggre_label": (0, 30),
        "worse_label": (0.4, 30),
    }
    table = pq.read_table(found["worse_label"].path)
    assert table["row"].to_pylist() == [*range(30)] and table["label"].to_pylist() == worse.tolist()
    assert found["worse_label"].path.name == "cifar_worse_label.parquet"


@pytest.mark.parametrize(
    ("sets", "says"),
    [
        (
            {"clean_label": np.roll(TRAIN, 1), "worse_label": np.array(TRAIN)},
            "30 of 30 clean labels in human.pt differ",
        ),
        ({"clean_label": np.array(TRAIN[:9]), "worse_label": np.array(TRAIN[:9])}, "labels for 9 rows, and .* has 30"),
        ({"clean_label": np.array(TRAIN), "worse_label": np.array(TRAIN[:9])}, "one whole number per row is needed"),
        ({"labels": np.array(TRAIN)}, "is not a file of CIFAR-N: it has labels"),
        ({"clean_label": np.array(TRAIN), "worse_label": Spy()}, "contains more than plain tensors"),
    ],
)
def test_another_order_or_file_is_refused_and_nothing_is_written(tmp_path, cached, sets, says):
    with pytest.raises(InputError, match=says):
        human.converted(saved(tmp_path, **sets), cached, tmp_path / "out", name="cifar")
    assert not (tmp_path / "out").exists()
