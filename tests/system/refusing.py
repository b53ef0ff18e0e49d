"""A CPU in the place of a device without float64 and pinned memory, such as MPS, for one process."""

import sys
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from app.system import devices

# code that computes in float64 on the host by design: file, function
ON_THE_HOST = {
    ("app/system/devices.py", "on_host"), ("app/models/t2t.py", "sinusoids"), ("app/task.py", "metrics"),
    ("app/data/transforms/operations.py", "_table"), ("app/experiment/predicting.py", "_probabilities"),
    ("app/evaluation.py", "require_numbers"), ("app/doctor/gpu.py", "product"),
    ("app/data/transforms/canvases.py", "patch_cells"), ("app/export/folder.py", "compared"),
    ("app/results/retrain.py", "_weights"),
}  # fmt: skip
_WIDE = (torch.float64, torch.complex128)
# `torch.tensor` makes it on the host, then casts and sends it; `numpy` reads what the host has
_MAKES_NONE = (torch.ops.aten.lift_fresh.default, torch.ops.aten.detach.default)


class Refusing(TorchDispatchMode):
    """Raises as MPS does for a tensor in float64, and for pinned memory."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if (kwargs or {}).get("pin_memory") or "pin_memory" in str(func):
            raise RuntimeError(f"pinned memory by {func} at {_place()}")
        found = func(*args, **(kwargs or {}))
        if func in _MAKES_NONE:
            return found
        for each in found if isinstance(found, tuple | list) else (found,):
            if isinstance(each, torch.Tensor) and each.dtype in _WIDE and not _is_on_the_host():
                raise TypeError(f"{each.dtype} by {func} at {_place()}")
        return found


def _frames():
    frame = sys._getframe(2)
    while frame:
        if "/app/" in frame.f_code.co_filename:
            yield "app/" + frame.f_code.co_filename.rpartition("/app/")[2], frame.f_code.co_name
        frame = frame.f_back


def _is_on_the_host():
    return any(place in ON_THE_HOST for place in _frames())


def _place():
    return next(iter(_frames()), "a test")


@contextmanager
def refusing(monkeypatch):
    """Compute in the context as on MPS: by its limits, and without float64 and pinned memory."""
    host = devices.limits(torch.device("cpu"))
    like_mps = replace(devices.limits(torch.device("mps")), room=host.room, peak=host.peak)
    monkeypatch.setattr(devices, "limits", lambda device: like_mps)
    with Refusing():
        yield
