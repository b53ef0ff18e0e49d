"""Sizes: one spelling per budget, and the row that a budget's shape starts from."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import InputError
from app.tables.sizes import budget, named_sizes, parse_size, row_for


@pytest.mark.parametrize(
    ("typed", "spelled", "parameters"),
    [
        ("10M", "10M", 10_000_000),
        (" 10m", "10M", 10_000_000),
        ("10.0M", "10M", 10_000_000),
        ("10000K", "10M", 10_000_000),
        ("7.5M", "7.5M", 7_500_000),
        ("0.1M", "100K", 100_000),
        ("1234567K", "1234.567M", 1_234_567_000),
    ],
)
def test_a_budget_has_one_spelling(typed, spelled, parameters):
    assert (parse_size(typed), budget(spelled)) == (spelled, parameters)


@pytest.mark.parametrize("typed", ["", "M", "ten", "-1M", "1e3M", "nanM", "0M", "0.5K", "10", "10 M", "9" * 400 + "M"])
def test_what_is_no_budget_is_refused(typed):
    with pytest.raises(InputError, match="is not a parameter budget such as 10M"):
        parse_size(typed)


@pytest.mark.parametrize("slip", ["10B", "25b", "50B"])
def test_billions_are_a_slip_for_millions(slip):
    with pytest.raises(InputError, match=rf"Did you mean `{slip[:2]}M`\?"):
        parse_size(slip)


@given(st.integers(1000, 10**12))
def test_a_spelling_is_exact_and_stands_for_itself(count):
    spelled = parse_size(f"{count / 1000:.3f}K" if count < 10**12 else "1000000M")
    assert parse_size(spelled) == spelled
    assert budget(spelled) == count


def test_a_budget_without_a_row_starts_from_the_nearest_width():
    assert named_sizes() == ["1M", "10M", "25M", "50M"]
    assert row_for("25M", "bach")[0].d_model == 384 and row_for("25M", "digits")[0].d_model == 256
    assert [row_for(size, "cifar100")[0].size for size in ("2M", "7.5M", "100M")] == ["1M", "10M", "50M"]
    assert [row_for(size, "any")[1] for size in ("10M", "11M")] == [True, False]
