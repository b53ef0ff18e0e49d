"""Names: looked up without case and punctuation, and the nearest one suggested."""

import pytest

from app.errors import InputError
from app.tables.names import look_up, suggestion

ROWS = {"cifar100": 1, "cifar10": 2, "bach": 3}


@pytest.mark.parametrize("name", ["cifar100", "CIFAR-100", "Cifar_100", "cifar 100"])
def test_case_and_punctuation_do_not_matter(name):
    assert look_up("dataset", name, ROWS) == 1


def test_an_unknown_name_is_answered_with_the_nearest_or_with_all():
    with pytest.raises(InputError, match=r"unknown dataset 'cifar-1000'. Did you mean `cifar100`\?"):
        look_up("dataset", "cifar-1000", ROWS)
    assert suggestion("", list(ROWS)) == "Valid values: cifar100, cifar10, bach"
    assert suggestion("BACK", list(ROWS)) == "Did you mean `bach`?"
