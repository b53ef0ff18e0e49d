"""Damaged files of a run and of the cache: each is refused, passed over or harmless, and none is used unnoticed."""

import random
import shutil

import pytest

from . import cases
from .answer import Answer


def test_damage_is_a_cut_or_one_bit(tmp_path):
    data, seen = bytes(range(256)), set()
    for seed in range(40):
        (path := tmp_path / "file").write_bytes(data)
        how = cases.spoil(path, random.Random(seed))
        spoilt = path.read_bytes()
        seen.add(how.split()[0])
        if len(spoilt) == len(data):
            assert sum((a ^ b).bit_count() for a, b in zip(data, spoilt, strict=True)) == 1
        else:
            assert data.startswith(spoilt)
    assert seen == {"cut", "bit"}


@pytest.mark.parametrize(
    ("code", "err", "wrong", "verdict"),
    [
        (2, "error: the weights w are damaged. Download the run again", "", "refused"),
        (2, "Traceback (most recent call last):", "", "defect"),
        (1, "error: a defect of isoscale: KeyError", "", "defect"),
        (0, "", "stdout", "silent"),
        (0, "the saved state s is damaged and skipped", "", "passed over"),
        (0, "the saved state s is damaged and skipped", "weights", "silent"),
        (0, "", "", "harmless"),
    ],
)
def test_a_case_is_judged_by_what_came_out(code, err, wrong, verdict):
    assert cases.judged(Answer(code, "", err, {}), wrong) == verdict


@pytest.mark.slow
def test_every_row_of_damage_finds_its_file_in_a_run(trained, shared_cache, tmp_path):
    shutil.copytree(trained, tmp_path / "checkpoints")
    shutil.copytree(shared_cache, tmp_path / "cache")
    for row in cases.ROWS:
        if "state" not in row.place:
            assert list(tmp_path.glob(row.place)), row.artifact


@pytest.mark.slow
def test_no_damaged_file_is_used_unnoticed(trial, pytestconfig):
    verdict = cases.prove(trial, pytestconfig.getoption("--damages"))
    assert verdict.passed, verdict.line()
