"""A share of the slow tests leaves out no test function for long, and turns in a row leave out no case."""

from itertools import pairwise

import pytest
from share import chosen

NAMES = [*(f"a.py::test_one[{case}]" for case in range(10)), "a.py::test_two", "b.py::test_one[x]", "b.py::test_one[y]"]


@pytest.mark.parametrize("share", [1, 2, 3, 4, 20])
def test_two_turns_have_every_function_and_all_turns_have_every_case(share):
    turns = [chosen(NAMES, share, turn) for turn in range(7, 8 + share)]
    assert set().union(*turns[:share]) == set(range(len(NAMES)))
    functions = {name.partition("[")[0] for name in NAMES}
    for turn, following in pairwise(turns):
        assert {NAMES[place].partition("[")[0] for place in turn + following} == functions
        assert sum(NAMES[place].startswith("a.py::test_one") for place in turn) <= -(-10 // share)


def test_of_one_in_one_everything_is_taken():
    assert chosen(NAMES, 1, 5) == [*range(len(NAMES))]
