"""The section of a card on loading the weights of a run and recomputing its numbers."""

from __future__ import annotations

import json
import shlex

from ..artifacts.runs import Run
from ..config.effects import kind_of
from ..system import project
from ..system.printable import block, code
from .entry import LIBRARY, is_regression


def section(run: Run, address: str) -> str:
    """Return the part of a card that shows how to load the weights, how to evaluate them, and the program."""
    own = ["--again", "--model", f"FILE.py:{run.record.code.name}"] if run.record.code else []
    back = (["download", address, run.files.stem], ["evaluate", run.files.stem, *own])
    return f"""## Load the weights

{_about_code(run)}{_python(*_load(run, address))}

{_about_inputs(run)}

Without isoscale, the weights are plain safetensors, and the configuration is in the header of the file:

{_python(*_plain(run, address))}

## Evaluate the weights again

{block(*(f"python run.py {shlex.join(words)}" for words in back))}

Trained and tested by {program()} {run.record.versions.get(LIBRARY, "")}."""


def _load(run: Run, address: str) -> list[str]:
    given = '"image.png"' if kind_of(run.config.dataset) == "image" else f"torch.zeros({_shape(run)})"
    output, shown = ("values", "values") if is_regression(run) else ("logits", "model.classes[logits.argmax()]")
    return [
        "import isoscale",
        "import torch",
        f"model = isoscale.load({_quoted(address)}{_code(run)})",
        "with torch.no_grad():",
        f"    {output} = model(model.preprocess({given}))",
        f"print({shown})",
    ]


def _code(run: Run) -> str:
    """Return the argument that names the file of the author's own model, or "" for any other model."""
    return f', model="FILE.py:{run.record.code.name}"' if run.record.code else ""


def _about_code(run: Run) -> str:
    """Return a paragraph on the file that a reader needs to use the weights, or "" without such a file."""
    about = run.record.code
    if not about:
        return ""
    named = f"{code(about.name)} of a file with the sha256 {code(about.sha256)}"
    return f"""The model is code of the author: {named}.
Its text is in the record, under {code("code.source")}. isoscale never runs code of a record. Read the text, save it
byte for byte as {code("FILE.py")}, and name the file as shown.

"""


def _shape(run: Run) -> str:
    return ", ".join(map(str, run.config.input_shape))


def _about_inputs(run: Run) -> str:
    if kind_of(run.config.dataset) == "image":
        return (
            f"{code('preprocess')} resizes and normalises an image as the run did. For a folder of images, run\n"
            f"{code('python run.py predict')}."
        )
    return f"Replace the zeros by your input of the shape ({_shape(run)})."


def _plain(run: Run, address: str) -> list[str]:
    owner, name, *folder = address.removeprefix("hf://").split("/")
    path = "/".join([*folder, run.files.weights.name])
    return [
        "from huggingface_hub import hf_hub_download",
        "from safetensors import safe_open",
        f"path = hf_hub_download({_quoted(f'{owner}/{name}')}, {_quoted(path)})",
        'with safe_open(path, "pt") as file:',
        "    weights = {name: file.get_tensor(name) for name in file.keys()}",
        '    about = file.metadata()["isoscale"]  # JSON',
    ]


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _python(*lines: str) -> str:
    shown = block(*lines)
    fence = shown[: len(shown) - len(shown.lstrip("`"))]
    return f"{fence}python{shown[len(fence) :]}"


def program() -> str:
    """Return the program's name, linked to its address if the installed package has one."""
    url = project.address()
    return f"[{LIBRARY}]({url})" if url else LIBRARY
