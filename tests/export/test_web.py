"""`export --format web`: one page that classifies a dropped image as `predict` does, from a file, without a network."""

import hashlib
import os
import shutil
import subprocess
import tarfile

import numpy as np
import pytest
import torch
from data import pictures
from PIL import Image

from app.artifacts.runs import find_runs
from app.cli import main
from app.errors import Unavailable
from app.experiment import loading
from app.export import browser

from .chromium import PATH, Chromium


@pytest.fixture
def npm(tmp_path, monkeypatch):
    """Returns a function that puts an npm into the path which packs these files, or fails."""

    def put(files, code=0):
        (tmp_path / "package" / "dist").mkdir(parents=True)
        for name, content in files.items():
            (tmp_path / "package" / "dist" / name).write_bytes(content)
        with tarfile.open(tmp_path / "made.tgz", "w:gz") as archive:
            archive.add(tmp_path / "package", "package")
        (tmp_path / "bin").mkdir()
        script = (
            f"#!/bin/sh\necho $* > {tmp_path}/asked\ncp {tmp_path}/made.tgz x.tgz\necho no route >&2\nexit {code}\n"
        )
        (tmp_path / "bin" / "npm").write_text(script)
        (tmp_path / "bin" / "npm").chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
        monkeypatch.setenv("ISOSCALE_CACHE", str(tmp_path / "cache"))
        return tmp_path

    return put


FILES = {name: f"the content of {name}".encode() for name in browser.FILES}
SUMS = {name: hashlib.sha256(content).hexdigest() for name, content in FILES.items()}


def test_the_package_is_fetched_once_by_npm_and_kept(npm, monkeypatch):
    folder = npm(FILES)
    monkeypatch.setattr(browser, "FILES", SUMS)
    assert list(browser.runtime(None)) == [*FILES.values(), browser.VERSION]
    assert f"pack onnxruntime-web@{browser.VERSION}" in (folder / "asked").read_text()
    (folder / "asked").unlink()
    assert browser.runtime(None).script == FILES["ort.wasm.bundle.min.mjs"] and not (folder / "asked").exists()


@pytest.mark.parametrize(("code", "telling"), [(0, "another"), (1, "no route")])
def test_other_files_of_npm_and_a_failing_npm_are_refused_and_nothing_is_kept(npm, code, telling):
    folder = npm(FILES, code)  # whose sums are not those of the package
    with pytest.raises(Unavailable, match=telling):
        browser.runtime(None)
    assert not list((folder / "cache").rglob("*.*"))


def test_a_folder_without_the_files_and_a_machine_without_npm_are_bad_input(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="--runtime"):
        browser.runtime(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("ISOSCALE_CACHE", str(tmp_path / "cache"))
    with pytest.raises(ValueError, match="npm is not installed"):
        browser.runtime(None)


@pytest.fixture
def runtime(tmp_path):
    """The folder of the real package; skips where npm cannot fetch it."""
    pytest.importorskip("onnxscript")
    if PATH is None or shutil.which("npm") is None:
        pytest.skip("needs Chromium and npm")
    words = ["npm", "pack", f"onnxruntime-web@{browser.VERSION}", "--silent", "--ignore-scripts"]
    if subprocess.run(words, cwd=tmp_path, capture_output=True, check=False, timeout=300).returncode:
        pytest.skip("npm cannot fetch onnxruntime-web")
    with tarfile.open(next(tmp_path.glob("*.tgz"))) as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path / "package"


def probabilities(tab):
    """What the page shows, as class -> probability in percent."""
    rows = tab.value("[...document.querySelectorAll('tr')].map(row => [...row.cells].map(cell => cell.textContent))")
    return {name: float(text.removesuffix(" %")) for name, text, _ in rows}


TRAIN = "--dataset ./photos --model vit_classic --size 64K --d-model 64 --image 32 --patch 8 --epochs 1 --batch-size 8"


@pytest.mark.slow
def test_a_dropped_image_gets_the_probabilities_of_the_run_without_a_network(runtime, work, tmp_path):
    pictures.write_images(work / "photos", classes=("cat <b>", "dog & bird"))
    assert main(["train", *TRAIN.split(), "--threads", "1", "--val-batch-size", "4"]) == 0
    words = ["export", "checkpoints", "--format", "web", "--out", "page.html", "--runtime", str(runtime)]
    assert main(words) == 0
    model = loading.load(find_runs(work / "checkpoints")[0].files.record)
    files = {"colour.png": (57, 40, 3), "enlarged.png": (20, 9, 3), "clear.png": (33, 70, 4), "grey.png": (32, 64)}
    drawn = np.random.default_rng(0)
    for name, shape in files.items():
        Image.fromarray(drawn.integers(0, 256, shape, dtype=np.uint8)).save(work / name)
    with Chromium(tmp_path / "profile") as tab:
        tab.ask("Page.navigate", url=(work / "page.html").as_uri())
        tab.until("document.querySelector('#state')?.textContent.includes('ready')")
        for name in files:
            tab.drop(work / name, "#drop")
            tab.until(f"document.querySelector('#state').textContent.startsWith('{name}: computed')")
            with torch.no_grad():
                wanted = model(model.preprocess(work / name)).softmax(1)[0] * 100
            shown = probabilities(tab)
            # the page resizes rows first and Pillow 13 may begin with columns, so pixels differ by up to 1 of 255
            loose = {"clear.png": 0.5, "grey.png": 0.006}.get(
                name, 0.1
            )  # a browser stores colours multiplied by their opacity
            assert all(abs(shown[each] - float(wanted[i])) < loose for i, each in enumerate(model.classes)), name
        assert tab.value("performance.getEntriesByType('resource').filter(e => /^https?:/.test(e.name)).length") == 0
