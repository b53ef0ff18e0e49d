"""Tables of text: straight, and folded where a terminal is narrower."""

import pytest

from app.system.columns import columns, total

HEADS = ("run", "dataset", "rows")
ROWS = [("abc", "local/" + "x" * 30, 12), ("d", "日本語の名前", 1_797)]


def test_columns_are_straight_with_numbers_to_the_right():
    assert columns(HEADS, ROWS).splitlines() == [
        "run   dataset                                rows",
        "---- -------------------------------------- -----",
        f"abc   local/{'x' * 30}     12",
        f"d     日本語の名前{' ' * 24}   1797",
    ]


def test_a_table_without_rows_has_heads_and_a_rule():
    assert columns(("a", "long head"), []).splitlines() == ["a   long head", "-- ----------"]
    assert columns(("one",), [("x",)]).splitlines() == ["one", "---", "x"]


@pytest.mark.parametrize("width", [49, 40, 30, 24])
def test_a_named_column_is_folded_to_the_width_and_loses_nothing(width):
    shown = columns(HEADS, ROWS, width=width, folds=["dataset"])
    assert max(len(line) for line in shown.splitlines()) <= width
    assert shown.count("x") == 30 and all(letter in shown for letter in "日本語の名前")


def test_columns_are_folded_in_the_order_in_which_they_are_named():
    rows = [("a" * 20, "b" * 20)]
    shown = columns(("one", "two"), rows, width=35, folds=["two", "one"]).splitlines()
    assert shown[2].split() == ["a" * 20, "b" * 12] and shown[3].split() == ["b" * 8]


def test_a_table_that_fits_or_has_nothing_to_fold_is_as_it_is():
    plain = columns(HEADS, ROWS)
    assert plain == columns(HEADS, ROWS, width=total(HEADS, ROWS), folds=["dataset"]) == columns(HEADS, ROWS, width=9)


def test_a_column_of_text_stays_left_where_all_its_cells_begin_with_digits():
    assert columns(("id", "n"), [("1a", 5), ("22b", 5)], left=["id"]).splitlines()[2] == "1a    5"


def test_total_is_the_width_of_the_table():
    assert total(HEADS, ROWS) == 49
