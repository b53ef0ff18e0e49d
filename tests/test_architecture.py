"""Imports point down the layers only, and no file or function outgrows its noun or verb."""

import ast
import functools
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
APP = ROOT / "app"
LAYERS = [
    {"__main__"},
    {"cli"},
    {"sweeps"},
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
    {"task"},
    {"scoring", "draws", "errors", "statistics", "trackers", "losses", "events"},
]
LEVEL = {part: level for level, layer in enumerate(LAYERS) for part in layer}
FILES = sorted(APP.rglob("*.py"))


BY_NAME = set()  # modules that import by a computed name
PRIVATE = {
    "models.internals",
    "data.sources.undocumented",
    "optim.foreach",
}  # where what libraries do not promise is kept


@functools.cache
def name_of(path):
    """The module's dotted name below app; a package has the name of its folder."""
    parts = path.relative_to(APP).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in FILES}


@functools.cache
def parsed(path):
    return ast.parse(path.read_text())


@functools.cache
def nodes(path):
    """The nodes of a file, which most tests walk."""
    return tuple(ast.walk(parsed(path)))


def part_of(module):
    return module.split(".")[0]


# a test a package: a test for each of 300 files costs more than what it does
PARTS = {part: [path for path in FILES if part_of(name_of(path)) == part] for part in map(part_of, MODULES)}
every_part = pytest.mark.parametrize("files", PARTS.values(), ids=[part or "app" for part in PARTS])


@functools.cache
def imported(path):
    """The modules of app that a file imports anywhere: in functions and for type checkers too."""
    return tuple(_imported(path))


def _imported(path):
    package = path.relative_to(APP).parts[:-1]
    for node in nodes(path):
        if isinstance(node, ast.Import):
            assert not any(alias.name.split(".")[0] == "app" for alias in node.names), "imports in app are relative"
        elif isinstance(node, ast.ImportFrom):
            assert (node.module or "").split(".")[0] != "app" or node.level, "imports in app are relative"
            if node.level:
                base = ".".join([*package[: len(package) + 1 - node.level], *filter(None, [node.module])])
                for alias in node.names:
                    full = f"{base}.{alias.name}".lstrip(".")
                    yield full if full in MODULES else base


@every_part
def test_imports_point_down_the_layers_only(files):
    for path in files:
        part = part_of(name_of(path))
        if not part:  # app itself
            continue
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
        for node in nodes(path):
            names = [node.module] if isinstance(node, ast.ImportFrom) and not node.level else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            assert all(name.split(".")[0] in sys.stdlib_module_names for name in names), path.name


@every_part
def test_a_file_and_its_functions_keep_to_the_house_limits(files):
    for path in files:
        assert path.read_text().count("\n") <= 300, path
        assert ast.get_docstring(parsed(path)), f"the first line of {path} says what it is about"
        for node in nodes(path):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                most = 60 if (name_of(path), node.name) == ("loop", "fit") else 40
                assert node.end_lineno - node.lineno < most, f"{node.name} of {path}"
                assert len(parameters(node)) <= 8 or may_take_many(path, node), f"{node.name} of {path}"
            if isinstance(node, ast.Lambda):
                assert len(parameters(node)) <= 8, f"a lambda in {path}:{node.lineno}"


@every_part
def test_nothing_is_imported_by_another_way_than_a_statement_that_names_a_module_below(files):
    for path in files:
        depth, name = len(path.relative_to(APP).parts), name_of(path)
        for node in nodes(path):
            if isinstance(node, ast.ImportFrom) and name != "":
                root = node.level == depth and not node.module
                names = {alias.name for alias in node.names}
                assert not root or names <= {"__version__", *map(part_of, MODULES)}, f"{names} of the package itself"
            words = [node.id] if isinstance(node, ast.Name) else [node.attr] if isinstance(node, ast.Attribute) else []
            if name not in BY_NAME:
                assert not {*words} & {"import_module", "__import__"}, f"{path}:{node.lineno} imports by a name"
            if isinstance(node, ast.Import | ast.ImportFrom):
                modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
                assert "isoscale" not in {name.split(".")[0] for name in modules}, f"{path} imports the installed one"


@every_part
def test_no_private_name_of_another_file_or_of_a_library_is_used(files):
    for path in files:
        if name_of(path) not in PRIVATE:
            assert not list(private_names(nodes(path))), path


def private_names(found):
    """The private names of other modules that the nodes of a file use, each with its line."""
    modules = {alias.asname or alias.name.split(".")[0] for node in found
               if isinstance(node, ast.Import | ast.ImportFrom) for alias in node.names}  # fmt: skip
    for node in found:
        if isinstance(node, ast.ImportFrom):
            names = (*(node.module or "").split("."), *(alias.name for alias in node.names))
            yield from (f"{name} in line {node.lineno}" for name in names if is_private(name))
        if isinstance(node, ast.Attribute) and is_private(node.attr):
            holder = node.value
            while isinstance(holder, ast.Attribute):
                holder = holder.value
            named = isinstance(holder, ast.Name) and holder.id in modules and holder.id[:1].islower()
            if named and ast.unparse(node) != "os._exit":
                yield f"{ast.unparse(node)} in line {node.lineno}"


def is_private(name):
    return name.startswith("_") and not name.startswith("__")


def parameters(node):
    names = [each.arg for each in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
    names += [each.arg for each in (node.args.vararg, node.args.kwarg) if each]
    return [name for name in names if name not in ("self", "cls")]


def may_take_many(path, node):
    """Constructors of models, kernels, and commands whose options are written out."""
    name = name_of(path)
    constructs = (part_of(name) == "models" and node.name == "__init__") or name == "counts.builders"
    kernels = ("models.attention.kernels", "models.attention.one_pass")
    return constructs or name in kernels or node.name in commands(path)


def commands(path):
    """The functions that a file registers as commands, `app.command()(train)`; their parameters are its options."""
    calls = [node for node in nodes(path) if isinstance(node, ast.Call)]
    return {
        call.args[0].id for call in calls
        if isinstance(call.func, ast.Call) and ast.unparse(call.func.func).endswith(".command") and call.args
    }  # fmt: skip


def test_run_py_is_under_ten_lines():
    assert len((ROOT / "run.py").read_text().splitlines()) < 10
