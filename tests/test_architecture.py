"""Imports point down the layers only, and no file or function outgrows its noun or verb."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LAYERS = [
    {"cli"},
    {"bench", "selftest", "plan", "doctor", "launch"},
    {"experiment", "report"},
    {"artifacts", "train", "evaluation"},
    {"data", "models", "optim", "task", "place", "log"},
    {
        "hub",
        "repositories",
        "durable",
        "memory",
        "config",
        "recipes",
        "checks",
        "matching",
        "sizing",
        "draws",
        "machine",
        "findings",
    },
    {"tables", "errors"},
]
LEVEL = {part: level for level, layer in enumerate(LAYERS) for part in layer}
FILES = sorted((ROOT / "app").rglob("*.py"))


def part_of(path):
    return path.relative_to(ROOT / "app").with_suffix("").parts[0]


def imported_parts(path):
    """The parts of app that a file imports anywhere, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[1] for alias in node.names if alias.name.startswith("app."))
        elif isinstance(node, ast.ImportFrom) and node.module == "app":
            yield from (alias.name for alias in node.names if alias.name in LEVEL)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("app."):
            yield node.module.split(".")[1]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_down_the_layers_only(path):
    part = part_of(path)
    if part == "__init__":
        return
    assert part in LEVEL, f"{part} has no layer"
    for other in set(imported_parts(path)) - {part}:
        allowed = LEVEL[other] > LEVEL[part] or {part, other} <= LAYERS[-2] | LAYERS[-1]
        assert allowed, f"{path.name} ({part}) imports {other}, which is not below it"


def test_the_tables_import_the_standard_library_only():
    import sys

    for path in (ROOT / "app" / "tables").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            assert all(name.split(".")[0] in {*sys.stdlib_module_names, "app"} for name in names), path.name


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_and_its_functions_keep_to_the_house_limits(path):
    text = path.read_text()
    assert text.count("\n") <= 300
    tree = ast.parse(text)
    assert ast.get_docstring(tree), "the first line of a file says what it is about"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            assert node.end_lineno - node.lineno < 60, node.name


def test_run_py_is_under_ten_lines():
    assert len((ROOT / "run.py").read_text().splitlines()) < 10
