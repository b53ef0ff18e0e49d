"""The wheel installs as `isoscale`: the command, and both examples of docs/python.md, in a fresh environment."""

import os
import re
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "python.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE, re.S)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A fresh environment with the wheel; what it depends on is that of this environment."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    venv.create(folder / "fresh", with_pip=False, symlinks=True)
    python = folder / "fresh" / "bin" / "python"
    [site] = (folder / "fresh" / "lib").glob("python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    [wheel] = folder.glob("isoscale-*.whl")
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-index", "--no-deps", str(wheel)]
    subprocess.run(pip, check=True, capture_output=True)
    return folder


@pytest.fixture
def run(installed, tmp_path, shared_cache):
    """Runs a program of the fresh environment in an empty folder."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"ISOSCALE_CACHE": str(shared_cache), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}

    def run(program, *arguments, code=0):
        words = [installed / "fresh" / "bin" / program, *arguments]
        ended = subprocess.run(
            words, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=900, check=False
        )
        assert ended.returncode == code, ended.stderr
        return ended

    return run


def test_the_examples_of_the_docs_train_and_predict(run):
    train, predict, *_ = EXAMPLES
    assert re.fullmatch(r"[0-9a-f]{8} \d+\.\d% of 359 images\n", run("python", "-c", train).stdout)
    assert re.fullmatch(r"\d \d+\.\d%\n", run("python", "-c", predict).stdout)


def test_the_examples_of_arrays_and_comparisons_print_what_the_page_shows(run):
    for example in EXAMPLES[2:]:
        shown = re.search(re.escape(example) + r"```\n\n```\n(.*?)```", PAGE, re.S)[1]
        ended = run("python", "-c", example)
        assert (ended.stdout, ended.stderr) == (shown, "")


def test_the_notebook_s_script_runs_from_the_wheel(run, tmp_path):
    script = (ROOT / "docs" / "notebook.py").read_text()
    cut = script.replace("EPOCHS = 4", "EPOCHS = 1").replace('"nvidia-smi"', '"no-such-program"')
    assert cut.count("EPOCHS = 1") == 1 and cut.count("no-such-program") == 1
    (tmp_path / "notebook.py").write_text(cut)
    said = run("python", "notebook.py").stdout
    assert re.search(r"run [0-9a-f]{8}: \d+\.\d% of 359 test images", said) and "report.html: " in said
    assert (tmp_path / "report.html").stat().st_size > 10_000


def test_the_command_has_the_project_s_name(run):
    assert run("isoscale", "--version").stdout.startswith("isoscale ")
    assert "Usage: isoscale " in run("isoscale", "--help").stdout
    assert "isoscale train --help" in run("isoscale", "train", "--qqqqzz", code=2).stderr
    assert "Usage: isoscale " in run("python", "-m", "isoscale", "--help").stdout


def test_importing_the_library_loads_no_torch_and_nothing_of_the_checkout(run):
    said = run("python", "-c", "import isoscale, sys; print('torch' in sys.modules, 'app' in sys.modules)")
    assert said.stdout.split() == ["False", "False"]


def test_a_kill_test_starts_its_children_under_the_installed_name(run):
    assert "PASS kill" in run("isoscale", "selftest", "--kill", "1").stdout
