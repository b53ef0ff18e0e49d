"""The notebook: the committed file is the conversion of its script, whose cells are those that it promises."""

import importlib.util
import json
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = (ROOT / "docs" / "notebook.py").read_text()
NOTEBOOK = (ROOT / "docs" / "notebook.ipynb").read_text()


def converter():
    spec = importlib.util.spec_from_file_location("notebook", ROOT / ".ci" / "notebook.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_notebook_is_the_conversion_of_its_script():
    assert converter().converted(SCRIPT) == NOTEBOOK, "run python .ci/notebook.py"


def test_the_notebook_has_six_cells_of_code_without_outputs_hosts_or_absolute_paths():
    found = json.loads(NOTEBOOK)
    code = [cell for cell in found["cells"] if cell["cell_type"] == "code"]
    titles = re.findall(r"^## (\d)", "\n".join("".join(cell["source"]) for cell in found["cells"]), re.MULTILINE)
    assert (found["nbformat"], len(code), titles) == (4, 6, list("123456"))
    assert all(cell["outputs"] == [] for cell in code)
    assert code[0]["source"][0] == "%pip install -q isoscale\n"
    assert not re.search(r"https?://|[\"' (]/(?:home|content|kaggle|root|tmp)", NOTEBOOK)
