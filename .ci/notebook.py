"""Convert docs/notebook.py into docs/notebook.ipynb: `python .ci/notebook.py`. A test compares the two.

The script is in percent format: `# %%` begins a cell of code, `# %% [markdown]` one of text whose lines are comments. A
line `# %pip ...` is a command of the notebook, which the script leaves to whoever runs it.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SCRIPT, NOTEBOOK = ROOT / "docs" / "notebook.py", ROOT / "docs" / "notebook.ipynb"
_CELL = re.compile(r"^# %%(?: \[(markdown)\])?\n", re.MULTILINE)


def converted(script: str) -> str:
    """Return a script in percent format as the JSON of a notebook, nbformat 4.5."""
    parts = _CELL.split(script)
    assert not parts[0].strip(), "the script begins with a cell"
    pairs = zip(parts[1::2], parts[2::2], strict=True)
    cells = [_cell(number, kind, text) for number, (kind, text) in enumerate(pairs)]
    about = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
             "language_info": {"name": "python"}}  # fmt: skip
    return json.dumps({"cells": cells, "metadata": about, "nbformat": 4, "nbformat_minor": 5}, indent=1) + "\n"


def _cell(number: int, kind: str | None, text: str) -> dict[str, Any]:
    lines = text.strip("\n").split("\n")
    lines = [re.sub("^# ?", "", line) for line in lines] if kind else [re.sub("^# %", "%", line) for line in lines]
    source = [f"{line}\n" for line in lines[:-1]] + lines[-1:]
    cell = {"cell_type": kind or "code", "id": f"cell-{number:02d}", "metadata": {}, "source": source}
    return cell if kind else cell | {"execution_count": None, "outputs": []}


if __name__ == "__main__":
    NOTEBOOK.write_text(converted(SCRIPT.read_text()))
