"""The form of a record: what a real one has, and that none of it can be missing where somebody relies on it."""

import copy

import pytest

from app.artifacts import form
from app.artifacts.paths import Run, read_record, write_record
from app.cli import evaluate
from app.errors import Explained
from app.sharing import card


def keys(value, before=()):
    """Every key of an object and of the objects within, as a path."""
    for name, inner in value.items():
        yield (*before, name)
        yield from keys(inner, (*before, name)) if isinstance(inner, dict) else ()


def changed(record, path, *value):
    """The record without the key at a path, or with another value there."""
    record = copy.deepcopy(record)
    *parents, last = path
    inner = record
    for name in parents:
        inner = inner[name]
    del inner[last]
    if value:
        inner[last] = value[0]
    return record


def used(run):
    """What cards and `evaluate` make of a record."""
    card.run_card(run, "hf://tester/runs/a")
    evaluate._text(run, best=False)


@pytest.mark.parametrize("value", [(), (None,), ("text",), ([],), ({},), (7,)], ids=repr)
def test_a_record_without_a_key_or_with_another_value_is_refused_or_still_serves(run, value):
    refused, served = set(), set()
    for path in keys(run.record):
        write_record(run.files.record, changed(run.record, path, *value))
        try:
            record = read_record(run.files.record)
        except Explained as error:
            assert str(run.files.record) in str(error)
            refused.add(path)
            continue
        served.add(path)
        if record["status"] == "done" and "test" in record["results"]:
            used(Run(run.files, record))
    assert ("flops_per_image",) in served
    assert {("schedule",), ("data", "rows"), ("results", "test", "top1_interval"), ("best",)} <= refused


def test_a_key_that_is_missing_is_named_with_its_place(run):
    assert form.lacking(run.record) is None
    for path in (("data", "rows", "val"), ("places",), ("execution", "threads"), ("results", "test", "top1_interval")):
        assert form.lacking(changed(run.record, path)) == ".".join(path)
    assert form.lacking(changed(run.record, ("results", "test"))) is None  # `evaluate` makes them


def test_an_unfinished_run_needs_no_results(run):
    begun = {name: value for name, value in run.record.items() if name not in ("best", "seconds", "results")}
    assert form.lacking(begun) == "best"
    assert form.lacking(begun | {"status": "running"}) is None
