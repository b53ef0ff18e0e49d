"""The checks of a machine that `doctor` and `plan` share: memory and CPUs within control groups, what a GPU lacks."""

import dataclasses
import os

import pytest
import torch

from app.doctor import gpu, host
from app.place import choose
from app.system import checks, machine, memory

from .test_memory import GIB, system, version_1, version_2


def verdicts(found):
    return {line.about: line.verdict for line in found}


@pytest.mark.parametrize(
    ("cgroup", "files"),
    [
        ("0::/job", version_2("/job", most=3 * GIB, used=GIB)),
        ("0::/not/seen/here", version_2("", most=3 * GIB, used=GIB)),
        ("4:memory:/job", version_1("/job", most=3 * GIB, used=GIB)),
        ("4:memory:/outside", version_1("", most=3 * GIB, used=GIB)),
    ],
    ids=["version 2", "a container", "version 1", "a container in version 1"],
)
def test_memory_is_what_the_control_group_allows(tmp_path, monkeypatch, cgroup, files):
    monkeypatch.setattr(os, "sysconf", {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 64 * GIB // 4096}.__getitem__)
    found = checks.host(system(tmp_path, cgroup=cgroup, **files))[0]
    assert found.verdict == "warn" and "2.1 GB of 3.2 GB are free" in found.says
    assert checks.host(system(tmp_path / "free"))[0].verdict == "pass"


def test_a_group_without_statistics_still_limits(tmp_path):
    files = version_2("", most=4 * GIB, used=3 * GIB)
    root = system(tmp_path, **{name: text for name, text in files.items() if not name.endswith("stat")})
    assert memory.free(root) == GIB


def test_a_place_on_a_cpu_has_no_more_room_than_its_control_group(monkeypatch):
    monkeypatch.setattr(memory, "total", lambda: 3 * GIB)
    monkeypatch.setattr(memory, "free", lambda: GIB)
    assert choose(device="cpu").room() == (GIB, 3 * GIB)


@pytest.mark.parametrize(
    ("quota", "allowed"),
    [({"sys/fs/cgroup/job/cpu.max": "150000 100000"}, 1.5), ({"sys/fs/cgroup/cpu/job/cpu.cfs_quota_us": "150000",
      "sys/fs/cgroup/cpu/job/cpu.cfs_period_us": "100000"}, 1.5), ({"sys/fs/cgroup/job/cpu.max": "max 100000"}, None)],
    ids=["version 2", "version 1", "no quota"],
)  # fmt: skip
def test_a_quota_of_cpus_warns_as_many_threads_as_would_wait(tmp_path, monkeypatch, quota, allowed):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    root = system(tmp_path, cgroup="0::/job\n3:cpu:/job", **quota)
    found = checks.host(root)[1]
    assert (found.verdict, found.fix) == (("warn", "train with --threads 2") if allowed else ("pass", ""))
    assert checks.cpus(*machine.cpus(root), threads=1).verdict == "pass"
    assert checks.cpus(*machine.cpus(root), threads=16).verdict == ("warn" if allowed else "pass")


def test_doctor_and_plan_look_at_the_same_machine(tmp_path, monkeypatch):
    monkeypatch.setattr(checks, "cpus", lambda *_, **__: checks.Finding("warn", "CPUs", "as faked"))
    assert next(line for line in host.look(tmp_path, tmp_path) if line.about == "CPUs").says == "as faked"
    from app.plan.drawing import _of_machine

    assert _of_machine(choose(device="cpu"), 1)[0].says == "as faked"


@dataclasses.dataclass
class Fake:
    """A GPU as torch.cuda shows one."""

    capability: tuple[int, int]
    total: int = 80 * 10**9
    free: int = 79 * 10**9
    name: str = "NVIDIA of a test"

    def put(self, monkeypatch):
        major, minor = self.capability
        for name, answer in {
            "is_available": True, "device_count": 1, "get_device_name": self.name,
            "get_device_capability": self.capability, "get_arch_list": [f"sm_{major}{minor}"],
            "mem_get_info": (self.free, self.total),
        }.items():  # fmt: skip
            monkeypatch.setattr(f"torch.cuda.{name}", lambda *_, answer=answer: answer)
        monkeypatch.setattr("app.doctor.gpu.product", lambda _: checks.Finding("pass", "product", "not made"))
        return self


@pytest.mark.parametrize(
    ("fake", "lacks"),
    [
        (Fake((9, 0)), set()), (Fake((8, 0)), set()), (Fake((8, 6), total=24 * 10**9, free=23 * 10**9), set()),
        (Fake((7, 5), total=16 * 10**9, free=15 * 10**9), {"bf16 units", "TF32", "Triton kernels"}),
        (Fake((7, 0)), {"bf16 units", "TF32", "Triton kernels"}),
        (Fake((6, 1)), {"bf16 units", "TF32", "Triton kernels"}),
        (Fake((8, 9), total=6 * 10**9, free=5 * 10**9), {"GPU memory"}),
        (Fake((9, 0), free=10**9), {"GPU memory"}),
        (Fake((7, 5), total=4 * 10**9, free=3 * 10**9), {"bf16 units", "TF32", "Triton kernels", "GPU memory"}),
    ],
)  # fmt: skip
def test_doctor_names_what_a_gpu_lacks(tmp_path, monkeypatch, fake, lacks):
    fake.put(monkeypatch)
    found = verdicts(gpu.look(tmp_path))
    assert {about for about, verdict in found.items() if verdict == "warn"} == lacks
    assert found["architecture"] == "pass" and ("units" in found) is (fake.capability >= (8, 0))
    assert all(line.fix for line in gpu.look(tmp_path) if line.verdict == "warn")


def test_a_gpu_lacks_less_than_triton_s_kernels_where_only_these_are_missing(monkeypatch, tmp_path):
    for capability, compiles in (((7, 5), True), ((6, 1), False)):
        Fake(capability).put(monkeypatch)
        (line,) = [line for line in gpu.look(tmp_path) if line.about == "Triton kernels"]
        assert ("torch.compile" in line.says) is not compiles and "fused attention path" in line.says


def test_a_torch_without_cuda_multiplies_nothing_and_says_so():
    if torch.version.cuda is None or not torch.cuda.is_available():
        found = gpu.product(torch.device("cuda"))
        assert found.verdict == "fail" and "cuda cannot multiply" in found.says
