"""Imports point down the layers only, and no file or function outgrows its noun or verb."""

import ast
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
APP = ROOT / "app"
LAYERS = [
    {"__main__"},
    {"cli"},
    {"report", "studies"},
    {"results"},
    {"plan", "export"},
    {"experiment", "bench", "selftest"},
    {"evaluation", "sharing"},
    {"computing", "artifacts", "synthetic"},
    {"models", "optim", "data"},
    {"config"},
    {"counts"},
    {"place", "log", "launch", "doctor"},
    {"tables", "system", "loop"},
    {"task", "draws", "errors", "statistics", "trackers"},
]
LEVEL = {part: level for level, layer in enumerate(LAYERS) for part in layer}
FILES = sorted(APP.rglob("*.py"))


def name_of(path):
    """The module's dotted name below app; a package has the name of its folder."""
    parts = path.relative_to(APP).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in FILES}


def imported(path):
    """The modules of app that a file imports anywhere: in functions and for type checkers too."""
    package = path.relative_to(APP).parts[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            assert not any(alias.name.split(".")[0] == "app" for alias in node.names), "imports in app are relative"
        elif isinstance(node, ast.ImportFrom):
            assert (node.module or "").split(".")[0] != "app" or node.level, "imports in app are relative"
            if node.level:
                base = ".".join([*package[: len(package) + 1 - node.level], *filter(None, [node.module])])
                for alias in node.names:
                    full = f"{base}.{alias.name}".lstrip(".")
                    yield full if full in MODULES else base


def part_of(module):
    return module.split(".")[0]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_down_the_layers_only(path):
    part = part_of(name_of(path))
    if not part:  # app itself
        return
    assert part in LEVEL, f"{part} has no layer"
    for other in {part_of(module) for module in imported(path)} - {part, ""}:
        assert LEVEL[other] > LEVEL[part], f"{name_of(path)} imports {other}, which is not below {part}"


@pytest.mark.parametrize("part", sorted({part_of(name) for name in MODULES} - {""}))
def test_imports_inside_a_package_have_an_order(part):
    inside = {name: path for name, path in MODULES.items() if part_of(name) == part}
    graph = {name: {other for other in imported(path) if other in inside} for name, path in inside.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"a circle of imports: {' -> '.join(error.args[1])}")


def test_the_tables_import_the_standard_library_only():
    for path in (APP / "tables").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module] if isinstance(node, ast.ImportFrom) and not node.level else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            assert all(name.split(".")[0] in sys.stdlib_module_names for name in names), path.name


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_and_its_functions_keep_to_the_house_limits(path):
    text = path.read_text()
    assert text.count("\n") <= 300
    tree = ast.parse(text)
    assert ast.get_docstring(tree), "the first line of a file says what it is about"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            most = 60 if (name_of(path), node.name) == ("loop", "fit") else 40
            assert node.end_lineno - node.lineno < most, node.name
            assert len(parameters(node)) <= 8 or may_take_many(path, node), node.name


def parameters(node):
    names = [each.arg for each in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
    return [name for name in names if name not in ("self", "cls")]


def may_take_many(path, node):
    """Constructors of models, kernels, and commands whose options are written out."""
    name = name_of(path)
    constructs = (part_of(name) == "models" and node.name == "__init__") or name == "counts.builders"
    return constructs or name == "models.attention.kernels" or part_of(name) == "cli"


def test_run_py_is_under_ten_lines():
    assert len((ROOT / "run.py").read_text().splitlines()) < 10
