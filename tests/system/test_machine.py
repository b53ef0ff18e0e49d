"""What a machine is, from its files: every fact from a folder that stands for the system's root."""

from pathlib import Path

import pytest

from app import place
from app.errors import InputError
from app.system import machine

OLD = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.90.07  Fri May 31 09:35:42 UTC 2024\nGCC version:\n"
OPEN = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.82.07  Release Build  (dvs-builder)\n"


def system(root, files):
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    return root


def with_gpu(root, version=OLD):
    return system(root, {"dev/nvidia0": "", "dev/nvidiactl": "", "proc/driver/nvidia/version": version})


def test_gpus_are_found_by_their_nodes_or_by_the_driver_s_list(tmp_path):
    assert machine.gpus(tmp_path) == [] and machine.driver(tmp_path) is None
    assert machine.gpus(with_gpu(tmp_path / "a")) == ["/dev/nvidia0"]
    listed = system(tmp_path / "b", {"proc/driver/nvidia/gpus/0000:01:00.0/information": ""})
    assert machine.gpus(listed) == ["0000:01:00.0"]


@pytest.mark.parametrize(("text", "version"), [(OLD, "550.90.07"), (OPEN, "580.82.07"), ("NVRM version: ?\n", None)])
def test_the_driver_s_version_is_read_from_what_the_kernel_says(tmp_path, text, version):
    assert machine.driver(with_gpu(tmp_path, text)) == version


@pytest.mark.parametrize(
    ("version", "cuda", "verdict", "advice"),
    [
        ("580.65.06", "13.2", "pass", ""),
        ("550.90.07", "13.2", "fail", "-cuda-12.8"),
        ("470.82.01", "13.2", "fail", "use a host with a newer driver"),
        ("550.90.07", "12.8", "pass", ""),
        ("525.60.13", "12.8", "pass", ""),
        (None, "13.2", "fail", "--gpus all"),
        ("580.65.06", None, "fail", "CUDA build"),
    ],
)
def test_a_driver_serves_a_wheel_of_its_time_and_older_ones(version, cuda, verdict, advice):
    found = machine.require_driver(version, cuda)
    assert found.verdict == verdict and advice in found.fix


def test_a_gpu_that_cannot_be_used_is_a_failure_unless_it_is_hidden(tmp_path, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert machine.unusable(tmp_path, cuda="13.2") is None
    old, new = with_gpu(tmp_path / "old"), with_gpu(tmp_path / "new", OPEN)
    assert "driver 550.90.07 is too old: this torch's CUDA 13.2 needs 580" in machine.unusable(old, cuda="13.2").says
    assert machine.unusable(new, cuda="13.2").says == "/dev/nvidia0 exists, but CUDA does not start"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert machine.unusable(old, cuda="13.2") is None
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert machine.unusable(old, cuda="13.2")


def test_no_place_is_chosen_beside_a_gpu_that_cannot_be_used_but_for_one_that_is_named(tmp_path, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.version.cuda", "13.2")
    monkeypatch.setattr(machine, "ROOT", with_gpu(tmp_path))
    with pytest.raises(
        InputError, match=r"/dev/nvidia0 exists, but is unavailable: driver 550.* --device cpu runs without"
    ):
        place.choose()
    assert place.choose(device="cpu").device.type == "cpu"
    monkeypatch.setattr(machine, "ROOT", tmp_path / "none")
    assert place.choose().device.type in ("cpu", "mps")


@pytest.mark.parametrize(
    ("capability", "built", "verdict"),
    [
        ((9, 0), ["sm_80", "sm_90", "sm_120"], "pass"),
        ((8, 9), ["sm_80", "sm_90"], "pass"),  # a minor version runs its elder's programs
        ((12, 0), ["sm_90", "sm_120a"], "pass"),
        ((10, 0), ["sm_80", "sm_90", "compute_90"], "warn"),
        ((7, 0), ["sm_80", "compute_80"], "fail"),
        ((8, 0), ["sm_86", "sm_90"], "fail"),
    ],
)
def test_a_gpu_of_which_the_wheel_knows_nothing_fails(capability, built, verdict):
    assert machine.architecture(capability, built).verdict == verdict


def test_a_disk_warns_below_twice_the_need_and_fails_below_it():
    needs = [(Path("a"), 100, free) for free in (200, 199, 100, 99)]
    assert [line.verdict for line in machine.room(needs)] == ["pass", "warn", "warn", "fail"]


def test_folders_of_one_disk_need_their_sum(tmp_path):
    ((folder, wanted, free),) = machine.disks([(tmp_path / "not" / "yet", 5), (tmp_path, 7)])
    assert (folder, wanted) == (tmp_path, 12) and free > 0


def test_cpus_are_those_that_the_tightest_control_group_allows(tmp_path):
    able = machine.cpus(tmp_path)[1]
    cgroup = {"proc/self/cgroup": "0::/job\n"}
    assert machine.cpus(system(tmp_path / "a", cgroup | {"sys/fs/cgroup/job/cpu.max": "max 100000\n"}))[0] == able
    half = {"sys/fs/cgroup/job/cpu.max": "50000 100000\n", "sys/fs/cgroup/cpu.max": "80000 100000\n"}
    assert machine.cpus(system(tmp_path / "b", cgroup | half)) == (0.5, able)
    first = {"proc/self/cgroup": "4:cpu,cpuacct:/job\n", "sys/fs/cgroup/cpu/job/cpu.cfs_period_us": "100000\n"}
    for quota, allowed in (("-1\n", float(able)), ("25000\n", 0.25)):
        files = first | {"sys/fs/cgroup/cpu/job/cpu.cfs_quota_us": quota}
        assert machine.cpus(system(tmp_path / f"c{quota.strip()}", files))[0] == allowed
