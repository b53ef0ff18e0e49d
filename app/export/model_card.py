"""The card of a model that timm or transformers loads: how to load it, its inputs, its classes and its licence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..artifacts.runs import Run
from ..artifacts.which import FINAL
from ..sharing import card, licence, recipe, using
from ..sharing.entry import dataset_title, index_entry, is_regression, metadata, tags_of
from ..sharing.front import front
from ..system.durable import write_text
from ..system.printable import NAME, block, code, escaped, printable
from ..tables.models import model_row
from ..tables.shape import with_unit
from .exported import Request

_SHOWN = 20  # classes that the card names


def write(path: Path, run: Run, request: Request, *, repository: str = "") -> None:
    """Write README.md into a folder. `repository` is `owner/name` on the Hub. Default: the folder itself."""
    write_text(path / "README.md", text(run, request, repository))


def text(run: Run, request: Request, repository: str) -> str:
    """Return the card of a model in a repository of the Hub, or in a folder if `repository` is empty."""
    record, row = run.record, model_row(run.record.model)
    about = using.program()
    return f"""{front(_fields(run, request))}
# {row.title}, {escaped(record.size)}, {escaped(dataset_title(record.dataset))}

The {request.which.title} of run {code(record.run_id)}: a {row.title} ({row.source}) of
{record.parameters.total:,} trainable parameters, {recipe.began(run.config, record.init)} by {about}.
{_results(run, request)}
## Load the model

{_python(_LOADING[request.format](run, repository))}

{_inputs(run, request)}

{_classes(run)}

## Licence

{licence.sentences(run)}
"""


def _fields(run: Run, request: Request) -> dict[str, Any]:
    """Return the metadata of the card. Test results are those of the final weights."""
    hub = run.record.data.hub
    entries = [index_entry(run)] if run.record.tested and request.which is FINAL else []
    tags = tags_of(run.record.model, run.config.attention)
    fields = metadata(entries, [hub] if hub else [], tags, licence.metadata(run)) | {"library_name": request.format}
    if is_regression(run):
        return fields
    return {name: value for name, value in fields.items() if value} | {"pipeline_tag": "image-classification"}


def _results(run: Run, request: Request) -> str:
    if not run.record.tested or request.which is not FINAL:
        return ""
    rows = card.results(run, run.record.test)
    table = "\n".join(f"| {name} | {escaped(found)} |" for name, found in rows.items())
    limited = "\n**A trial: the dataset was cut with `--limit-*`.**\n" if run.config.limited else ""
    return f"{limited}\n| test | |\n|---|---|\n{table}\n"


def _python(lines: list[str]) -> str:
    shown = block(*lines)
    fence = shown[: len(shown) - len(shown.lstrip("`"))]
    return f"{fence}python{shown[len(fence) :]}"


def _timm(run: Run, repository: str) -> list[str]:
    place = f"hf-hub:{repository}" if repository else "local-dir:FOLDER"
    lines = ["import timm", "import torch", f"model = timm.create_model({_quoted(place)}, pretrained=True).eval()"]
    if run.record.data.mean is None:
        shape = ", ".join(map(str, run.config.input_shape))
        return [*lines, "with torch.no_grad():", f"    print(model(torch.zeros(1, {shape})))"]
    return [
        "from PIL import Image",
        *lines,
        "transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model))",
        f'image = transform(Image.open("image.png").convert({_quoted(_mode(run))}))',
        "with torch.no_grad():",
        "    logits = model(image[None])[0]",
        'print(model.pretrained_cfg["label_names"][logits.argmax()])',
    ]


def _transformers(run: Run, repository: str) -> list[str]:
    if run.config.channels == 1:  # the pipeline converts every image to three channels
        place = _quoted(repository or "FOLDER")
        return [
            "import torch",
            "from PIL import Image",
            "from transformers import AutoImageProcessor, AutoModelForImageClassification",
            f"processor = AutoImageProcessor.from_pretrained({place})",
            f"model = AutoModelForImageClassification.from_pretrained({place})",
            'image = processor(Image.open("image.png").convert("L"), return_tensors="pt")',
            "with torch.no_grad():",
            "    logits = model(**image).logits[0]",
            "print(model.config.id2label[int(logits.argmax())])",
        ]
    return [
        "from PIL import Image",
        "from transformers import pipeline",
        f'classify = pipeline("image-classification", {_quoted(repository or "FOLDER")})',
        f'print(classify(Image.open("image.png").convert({_quoted(_mode(run))})))',
    ]


_LOADING = {"timm": _timm, "transformers": _transformers}


def _mode(run: Run) -> str:
    return "L" if run.config.channels == 1 else "RGB"


def _inputs(run: Run, request: Request) -> str:
    """Return how inputs are prepared, and where that differs from the training of the run."""
    config, data = run.config, run.record.data
    if data.mean is None or data.std is None:
        return f"An input has the shape ({', '.join(map(str, config.input_shape))}) and is not normalised."
    mean, std = ("(" + ", ".join(f"{value:.4f}" for value in part) + ")" for part in (data.mean, data.std))
    found = f"Images are squashed to {with_unit(config.image)} (bilinear), with mean {mean}\nand deviation {std}."
    if config.stored_side != config.image:
        found += f"""
In training, images were first squashed to {with_unit(config.stored_side)}. For larger images, do that first, or the
predictions may differ. {request.format} rounds resized images to 8 bits and training did not, which changes
logits slightly."""
    return found


def _classes(run: Run) -> str:
    known = [code(printable(name, NAME)) for name in run.record.data.class_names]
    more = f" and {len(known) - _SHOWN:,} more in `config.json`" if len(known) > _SHOWN else ""
    if is_regression(run):
        return f"The output is one value, {known[0]}."
    return f"The {len(known):,} classes are, in the order of the logits: {', '.join(known[:_SHOWN])}{more}."


def _quoted(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)
