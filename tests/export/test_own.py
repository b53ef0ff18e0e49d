"""Models of the user's files are exported to every format of a file, and load without the file and without isoscale."""

import subprocess
import sys

import pytest

from app import export
from app.errors import InputError
from app.export.exported import Request
from app.tables import own

from .weighed import FIELD, SIGNAL, weighed

pytestmark = pytest.mark.slow
SOURCE = """
from torch import nn

class OfSignals(nn.Module):
    def __init__(self, *, length, channels, classes):
        super().__init__()
        self.map, self.head = nn.Conv1d(channels, 4, 9, 4), nn.Linear(4, classes)

    def forward(self, x):
        return self.head(self.map(x).relu().mean(2))

class OfFields(nn.Module):
    def __init__(self, *, image, channels, outputs):
        super().__init__()
        self.map, self.norm, self.head = nn.Conv2d(channels, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, outputs)

    def forward(self, x):
        return self.head(self.norm(self.map(x)).amax((2, 3)))

def of_images(*, image, channels, classes, width=4):
    return nn.Sequential(nn.Conv2d(channels, width, 3), nn.Flatten(), nn.Linear(width * (image - 2) ** 2, classes))
"""
KINDS = {"OfSignals": {"facts": SIGNAL}, "OfFields": {"facts": FIELD}, "of_images": {"dataset": "cifar10"}}
LOADED = """
import sys, onnxruntime, torch
torch.export.load("pt2").module()(torch.zeros(3, 3, 32, 32, dtype=torch.uint8))
torch.jit.load("torchscript")(torch.zeros(3, 3, 32, 32, dtype=torch.uint8))
onnxruntime.InferenceSession("onnx")
assert not {"app", "net"} & {*sys.modules}
"""


@pytest.fixture
def net(tmp_path):
    """The file."""
    (tmp_path / "net.py").write_text(SOURCE)
    return tmp_path / "net.py"


@pytest.mark.parametrize("name", KINDS)
def test_a_model_of_a_file_is_exported_and_its_file_is_not_needed_again(net, tmp_path, name):
    own.ask(f"{net}:{name}")
    run = weighed(tmp_path / "runs", model=f"{net}:{name}", **KINDS[name])
    pytest.importorskip("onnxscript")
    images = name == "of_images"
    for form in ("pt2", "torchscript", "onnx") if images else ("pt2", "torchscript"):
        request = Request(format=form, preprocess=images, softmax=images)
        assert export.export(run, request, tmp_path / form).error <= 5e-6, form
    net.unlink()
    if images:
        subprocess.run([sys.executable, "-P", "-c", LOADED], check=True, cwd=tmp_path, capture_output=True)


def test_libraries_have_no_model_of_a_file_and_another_format_is_named(net, tmp_path):
    own.ask(f"{net}:of_images")
    run = weighed(tmp_path / "runs", model=f"{net}:of_images", dataset="cifar10")
    for form in ("timm", "transformers"):
        with pytest.raises(InputError, match="--format onnx"):
            export.export(run, Request(format=form), tmp_path / form)
