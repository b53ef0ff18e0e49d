"""A page that classifies images in a browser, without a server or a network: model, runtime and script in one file."""

from __future__ import annotations

import base64
import dataclasses
import gzip
import json
import re
import tempfile
from pathlib import Path

from ..artifacts.runs import Run
from ..config import effects
from ..errors import InputError
from . import browser, onnx
from .exported import Exported, Request
from .subject import Subject, subject

_TEMPLATE = Path(__file__).with_name("demo.html")
_JSON = ("classes", "input", "mean", "std", "side")  # facts that are JSON texts


def page(run: Run, request: Request, path: Path) -> Exported:
    """Write a page that classifies a dropped image by the run. The model is an ONNX file, which is compared first.

    Raises InputError for a run that does not classify images.
    """
    config = run.config
    if (kind := effects.kind_of(config.dataset)) != "image" or config.task != "classification":
        raise InputError(
            f"run {config.run_id} was trained on {kind}s for {config.task}, but --format web classifies images. Use "
            "--format onnx"
        )
    onnx.require_packages()
    found = browser.runtime(request.runtime)
    inside = dataclasses.replace(request, preprocess=True, softmax=True)
    made = subject(run, inside)
    with tempfile.TemporaryDirectory(prefix="isoscale-web-") as folder:
        model = Path(folder) / "model.onnx"
        done = onnx.write_onnx(made, inside, model)
        path.write_text(_filled(made, model.read_bytes(), found), encoding="utf-8")
    done.note = f"open it in a browser; it has onnxruntime-web {found.version or 'of --runtime'}"
    return done


def _filled(made: Subject, model: bytes, runtime: browser.Runtime) -> str:
    facts = {name: json.loads(text) if name in _JSON else text for name, text in made.facts.items()}
    parts = {
        "@FACTS@": json.dumps(facts).replace("<", "\\u003c"),  # a class name may contain </script>
        "@MODEL@": _packed(model),
        "@VERSION@": runtime.version,
        "@RUNTIME@": _packed(runtime.script),
        "@WASM@": _packed(runtime.wasm),
    }
    text = _TEMPLATE.read_text(encoding="utf-8")
    return re.sub("|".join(parts), lambda found: parts[found[0]], text)


def _packed(content: bytes) -> str:
    return base64.b64encode(gzip.compress(content, mtime=0)).decode()
