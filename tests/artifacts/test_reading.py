"""Nobody outside `artifacts/record.py` reads a record by the names of its keys."""

import ast
from pathlib import Path

import pytest

APP = Path(__file__).resolve().parents[2] / "app"
RECORDS = {"record", "kept"}  # how a record is called: `run.record`, `record`, `kept`, `job.kept`
OTHERS = {"splits.record"}  # what the splits add to a record that is begun


def string_reads(source):
    """Lines that take a part of a record by a key: `record["a"]`, `run.record.get("a")`, `"a" in kept`, `kept | {}`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
            found = node.value
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("get", "items"):
            found = node.func.value
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
            found = node.left
        elif isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.In | ast.NotIn):
            found = node.comparators[0]
        else:
            continue
        name = found.attr if isinstance(found, ast.Attribute) else found.id if isinstance(found, ast.Name) else ""
        if name in RECORDS and ast.unparse(found) not in OTHERS:
            yield node.lineno


def readers():
    """The files that can have a record of a run in hand: all that import from the artifacts, `record.py` excepted."""
    files = {path: path.read_text() for path in APP.rglob("*.py") if path != APP / "artifacts" / "record.py"}
    return [path for path, text in files.items() if "artifacts" in text or path.parent.name == "artifacts"]


@pytest.mark.parametrize(
    "line", ['record["status"]', 'run.record["a"]["b"]', 'job.kept.get("a", 1)', '"a" in kept', 'run.record | {"a": 1}']
)
def test_a_read_by_key_is_found(line):
    assert [*string_reads(line)] == [1]


def test_no_record_is_read_by_a_key():
    found = {f"{path.relative_to(APP)}:{line}" for path in readers() for line in string_reads(path.read_text())}
    assert len(readers()) > 20 and not found
