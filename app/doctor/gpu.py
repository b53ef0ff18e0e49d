"""The GPU: driver and architecture compared with the wheel's, missing features, an exact product, memory."""

from __future__ import annotations

from pathlib import Path

import torch

from ..system import checks, devices, machine
from ..system.findings import FAIL, PASS, WARN, Finding

_SIDE = 256  # side of the product's matrices: with entries -1, 0, 1, sums are exact even in bfloat16


def look(root: Path) -> list[Finding]:
    """Return the checks of every GPU. Without a usable GPU, return the reason and check a product on the CPU."""
    if torch.cuda.is_available():
        numbered = [torch.device("cuda", number) for number in range(torch.cuda.device_count())]
        if devices.is_amd():
            return [line for device in numbered for line in _amd(device)]
        return [_driver(root), *(line for device in numbered for line in _one(device))]
    if failure := machine.unusable(root, cuda=torch.version.cuda):
        return [failure]
    if (kind := devices.best()) != "cpu":
        return _untested(torch.device(kind))
    if (root / "dev/kfd").exists() and not devices.is_amd():
        fix = "install torch for ROCm from PyTorch's own index, if this GPU is supported by ROCm"
        return [Finding(WARN, "GPU", "AMD's, but this torch is not built for ROCm", fix), product(torch.device("cpu"))]
    why = "hidden by CUDA_VISIBLE_DEVICES" if machine.gpus(root) else "none"
    fix = "unset CUDA_VISIBLE_DEVICES" if machine.gpus(root) else "rent one (python run.py launch --help)"
    says = f"{why}: the study's models take very long on a CPU"
    return [Finding(WARN, "GPU", says, fix), product(torch.device("cpu"))]


def _driver(root: Path) -> Finding:
    """Return the check of the driver. If CUDA starts, an unknown driver version is not a problem."""
    version = machine.driver(root)
    if version is None:
        return Finding(PASS, "driver", f"its version is unknown. CUDA {torch.version.cuda} starts")
    return machine.require_driver(version, torch.version.cuda)


def _amd(device: torch.device) -> list[Finding]:
    """Return the checks of an AMD GPU. NVIDIA's drivers and compute capabilities do not apply to it."""
    built, name = torch.cuda.get_arch_list(), torch.cuda.get_device_name(device)
    kind = str(torch.cuda.get_device_properties(device).gcnArchName).partition(":")[0]
    says = f"{name}, {kind}; this torch is built with ROCm {torch.version.hip} for {', '.join(built)}"
    if kind not in built:
        return [Finding(FAIL, "architecture", says, "install another torch for ROCm, or use another GPU")]
    found = Finding(PASS, "architecture", says)
    return [found, product(device), checks.gpu_memory(*torch.cuda.mem_get_info(device))]


def _untested(device: torch.device) -> list[Finding]:
    """Return the checks of MPS or XPU, on which isoscale was never run."""
    free, total = devices.limits(device).room(device)
    says = f"{devices.name(device)} ({device}), on which isoscale is untested; without float64, one process only"
    return [
        Finding(WARN, "GPU", says, "run `selftest` and `bench step` once, and report what they print"),
        product(device),
        checks.gpu_memory(free, total),
    ]


def _one(device: torch.device) -> list[Finding]:
    name = torch.cuda.get_device_name(device)
    capability = torch.cuda.get_device_capability(device)
    fits = machine.architecture(capability, torch.cuda.get_arch_list())
    fits = fits._replace(about="architecture", says=f"{name}, {fits.says}")
    lacks = checks.units(capability)
    if fits.verdict == FAIL:
        return [fits, *lacks]
    return [fits, *lacks, product(device), checks.gpu_memory(*torch.cuda.mem_get_info(device))]


def product(device: torch.device) -> Finding:
    """Return whether a matrix product is correct in float32 and in bfloat16."""
    draw = torch.Generator().manual_seed(0)
    left, right = (torch.randint(-1, 2, (_SIDE, _SIDE), generator=draw).double() for _ in range(2))
    wanted = left @ right
    for dtype in (torch.float32, torch.bfloat16):
        try:
            found = (left.to(dtype).to(device) @ right.to(dtype).to(device)).cpu().double()
        except (RuntimeError, AssertionError) as error:  # AssertionError: torch has no CUDA at all
            says = f"{device} cannot multiply {dtype}: {str(error).splitlines()[0]}"
            return Finding(FAIL, "product", says, "take another host")
        if not torch.equal(found, wanted):
            says = f"{device} multiplies {dtype} wrongly: {int((found != wanted).sum())} of {wanted.numel()} entries"
            return Finding(FAIL, "product", says, "take another host")
    return Finding(PASS, "product", f"exact on {device}, in float32 and bfloat16")
