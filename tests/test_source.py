"""What the source never does: run what a file says."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted([ROOT / "run.py", *(ROOT / "app").rglob("*.py")])
PATTERNS = (
    ROOT / "app" / "data" / "sources" / "tensors.py"
)  # reads and writes tensors, in the form that others exchange them in
PROGRAMS = ROOT / "app" / "export" / "programs.py"  # loads the trace that it has just written, to check it
PICKLES = {"pickle", "cPickle", "_pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}
LOADS = {"torch.load", "torch.save", "torch.jit.load", "torch.hub.load", "pd.read_pickle", "yaml.load"}
SWITCHES = {"allow_pickle", "trust_remote_code"}


def danger(tree):
    """What in a source could run code that came with data, by name and line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            if ast.unparse(node) == "from pickle import UnpicklingError":  # what a refusal raises
                continue
            modules = [getattr(node, "module", None) or "", *(alias.name for alias in node.names)]
            yield from ((name, node.lineno) for name in modules if name.partition(".")[0] in PICKLES)
        elif isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            if name == "torch.load" and any(ast.unparse(word) == "weights_only=True" for word in node.keywords):
                continue
            if name in {"eval", "exec", "compile", "__import__"} | LOADS:
                yield name, node.lineno
        elif isinstance(node, ast.keyword) and node.arg in SWITCHES and ast.unparse(node.value) != "False":
            yield node.arg, node.value.lineno
        elif isinstance(node, ast.Constant) and node.value in SWITCHES:
            yield node.value, node.lineno


def test_nothing_that_is_read_is_ever_run():
    found = {path: [name for name, _ in danger(ast.parse(path.read_text()))] for path in FILES}
    assert {path: names for path, names in found.items() if names} == {
        PATTERNS: ["torch.save"],
        PROGRAMS: ["torch.jit.load"],
    }


def test_files_of_tensors_are_read_in_one_place():
    named = [path for path in FILES if "torch.load" in path.read_text()]  # in a string, at most, but for one file
    calls = {path: [n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call)] for path in named}
    assert [path for path in named if any(ast.unparse(n.func) == "torch.load" for n in calls[path])] == [PATTERNS]


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "from joblib import load",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "np.load(path, allow_pickle=True)",
        "load_dataset(name, trust_remote_code=switch)",
        "load(**{'trust_remote_code': True})",
        "eval(text)",
        "exec(text)",
    ],
)
def test_the_search_finds_what_it_looks_for(line):
    assert len(list(danger(ast.parse(line)))) == 1


def test_the_search_lets_a_model_evaluate_and_an_array_refuse_pickles():
    assert not list(danger(ast.parse("model.eval(); np.load(path, allow_pickle=False); re.compile('x')")))
