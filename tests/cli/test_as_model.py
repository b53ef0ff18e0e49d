"""upload --as-model: a model at the top of a repository, which timm and transformers load without isoscale."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import app
from app.artifacts.runs import find_runs
from tests.export.test_folders import needs_transformers
from tests.export.weighed import weighed

pytestmark = pytest.mark.slow
SCRIPT = Path(__file__).parents[1] / "export" / "elsewhere.py"
MODELS = [
    ("timm", "vit_classic", "digits"), ("timm", "vit_differential", "digits"), ("timm", "vit_differential", "cifar10"),
    pytest.param("transformers", "vit_classic", "cifar10", marks=needs_transformers),
]  # fmt: skip


def made(work, model="vit_classic", dataset="digits", **more):
    """A run below ./checkpoints."""
    return weighed(work / "checkpoints", model=model, dataset=dataset, size="1M", **more)


def elsewhere(library, name, images, online, home):
    """What a library computes from the Hub, in a process without isoscale."""
    np.save(home / "images.npy", images)
    place = f"hf-hub:{name}" if library == "timm" else name
    environment = os.environ | online.environment(token="hf_read", home=home / "hub") | {"PYTHONPATH": ""}
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path.endswith("site"))
    command = [sys.executable, str(SCRIPT), library, place, str(home / "images.npy")]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=home, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize(("library", "model", "dataset"), MODELS)
def test_logits_top_5_and_class_names_from_the_hub_are_the_run_s(call, online, work, tmp_path, library, model, dataset):
    run = made(work, model, dataset)
    ended = call(f"upload {run.record.run_id} --as-model tester/model --format {library}")
    assert ended.code == 0, ended.err
    shape = (20, *run.config.input_shape[1:], 3)[: 3 if run.config.channels == 1 else 4]
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    ours = app.load(work / "checkpoints")
    with torch.no_grad():
        wanted = ours(ours.preprocess(list(images)))
    found = elsewhere(library, "tester/model", images, online, tmp_path)
    logits = torch.tensor(found["logits"])
    assert (logits - wanted).abs().max() <= 1e-6 * wanted.abs().max()
    assert found["names"] == [*ours.classes]
    assert found["top5"] == [[ours.classes[i] for i in row] for row in wanted.topk(5).indices.tolist()]
    files = online.files("tester/model")
    assert not [name for name in files if name.endswith((".bin", ".pth", ".pt"))]
    assert f"library_name: {library}".encode() in files["README.md"] and b"tester/model" in files["README.md"]


def test_other_files_at_the_top_are_replaced_on_request_only(call, online, work):
    run = made(work)
    online.create("tester/other")
    online.commit("tester/other", {"README.md": b"mine", "notes/a.txt": b"a"})
    before = online.commits("tester/other")
    refused = call(f"upload {run.record.run_id} --as-model tester/other")
    assert refused.code == 2 and "has other files at its top (README.md). Use --force" in refused.err
    assert len(online.commits("tester/other")) == len(before)
    forced = call(f"upload {run.record.run_id} --as-model tester/other --force")
    assert forced.code == 0 and "replaced at the top of tester/other: README.md" in forced.err
    files = online.files("tester/other")
    assert files["notes/a.txt"] == b"a" and files["README.md"] != b"mine" and "model.safetensors" in files
    assert call(f"upload {run.record.run_id} --as-model hf://tester/other").code == 0  # the same run again
    other = made(work, seed=5)
    assert call(f"upload {other.record.run_id} --as-model tester/other").code == 2
    assert len(find_runs(work / "checkpoints")) == 2


def test_a_model_without_a_counterpart_makes_no_repository(call, online, work):
    run = weighed(work / "checkpoints", model="vit_tiny", dataset="cifar10", depth=1, d_model=16, heads=2)
    ended = call(f"upload {run.record.run_id} --as-model tester/none")
    assert ended.code == 2 and "timm has no model like vit_tiny" in ended.err
    assert ("model", "tester/none") not in online.repositories.all
