"""`cache` as a user has it: what is cached, as a table and as JSON, and deleting it after a question."""

import json

import pytest
from data.test_cache import build

from app.cli import screen


@pytest.fixture
def root(work, tmp_path, monkeypatch):
    """A cache with one dataset."""
    monkeypatch.setenv("ISOSCALE_CACHE", str(tmp_path / "cache"))
    build()
    return tmp_path / "cache"


def test_the_cache_is_shown_with_rows_bytes_and_free_space(call, root):
    ended = call("cache")
    heads, _, row, last = ended.out.splitlines()
    assert (ended.code, ended.err) == (0, "") and heads.split()[0] == "dataset"
    assert row.split()[:5] == ["made/up", "8", "px", "train", "300"] and last.startswith(f"{root}: ") and "free" in last
    assert call("cache show") == ended
    about = json.loads(call("cache --json").out)
    assert about == json.loads(call("cache show --json").out) | {"free_bytes": about["free_bytes"]}
    assert [each["dataset"] for each in about["datasets"]] == ["made/up"] and about["folder"] == str(root)


def test_an_empty_cache_and_what_else_is_there_are_shown(call, root, monkeypatch, tmp_path):
    (root / "data" / "bach-512px-0123456789").mkdir()
    (root / "data" / ".bach-16px-0123456789.aside").mkdir()
    (root / "an\x1b[2Jother").mkdir()
    (root / "measured").mkdir()
    (root / "measured" / "batch-0123456789abcdef.json").write_text("{}")
    out = call("cache").out
    assert all(line.isprintable() for line in out.splitlines())
    assert "damaged: bach-512px" in out and "not made by isoscale" in out and "measured once" not in out
    assert "unfinished builds: .bach-16px-0123456789.aside" in out
    monkeypatch.setenv("ISOSCALE_CACHE", str(tmp_path / "nowhere"))
    assert call("cache").out.startswith("no cached datasets\n")


@pytest.mark.parametrize("width", [60, 80])
def test_the_table_fits_a_terminal(call, root, monkeypatch, width):
    monkeypatch.setattr(screen, "width", lambda: width)
    assert max(map(len, call("cache").out.splitlines()[:-1])) <= width


def test_without_a_terminal_nothing_is_deleted_unless_yes_is_given(call, root):
    ended = call("cache clear made/up")
    assert (ended.code, ended.out) == (2, "") and "Add --yes" in ended.err and "made/up at 8 px" in ended.err
    ended = call("cache clear made/up --yes")
    assert ended.code == 0 and ended.out.splitlines()[-1].endswith("freed") and not [*(root / "data").iterdir()]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("cache clear", "--all"), ("cache clear cifar", "made/up"), ("cache clear made/up --all", "Use one of them"),
        ("cache list", "`run.py cache`"), ("cache rm x", "`run.py cache clear`"),
        ("cache --json clear", "after `clear`"),
        ("cache clear x --force", "--yes"), ("cache size", "`run.py cache`"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_ends_with_2_and_what_to_type(call, root, line, says):
    ended = call(line)
    assert ended.code == 2 and says in ended.err and len([*(root / "data").iterdir()]) == 1


def test_everything_is_cleared_and_a_training_rebuilds_it(call, root):
    assert call("cache clear --all --yes").code == 0
    assert json.loads(call("cache --json").out)["bytes"] == 0 and build().verified()
