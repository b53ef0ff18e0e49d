"""Host memory, free and in all: the kernel's figure, within the limits of the process's control groups."""

import os
import platform
import resource

import pytest
import torch

from app.system import memory

GIB = 1 << 30


def system(root, *, cgroup="0::/", **files):
    """A /proc and a /sys of a machine with 8 GiB available."""
    files = {"proc/meminfo": f"MemTotal: 1 kB\nMemAvailable: {8 * GIB // 1024} kB\n", "proc/self/cgroup": cgroup} | {
        name: str(content) for name, content in files.items()
    }
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    return root


def version_2(folder, *, most, used, droppable=0):
    at = f"sys/fs/cgroup{folder}"
    stat = f"anon 5\ninactive_file {droppable}\n"
    return {f"{at}/memory.max": most, f"{at}/memory.current": used, f"{at}/memory.stat": stat}


def version_1(folder, *, most, used, droppable=0):
    at = f"sys/fs/cgroup/memory{folder}"
    stat = f"cache 5\ntotal_inactive_file {droppable}\n"
    return {f"{at}/memory.limit_in_bytes": most, f"{at}/memory.usage_in_bytes": used, f"{at}/memory.stat": stat}


def test_without_a_limit_it_is_what_the_kernel_calls_available(tmp_path):
    assert memory.free(system(tmp_path)) == 8 * GIB
    assert memory.free(system(tmp_path, **version_2("", most="max", used=3 * GIB))) == 8 * GIB


def test_a_system_that_does_not_say_has_none_to_give(tmp_path):
    assert memory.free(tmp_path) == 0


@pytest.mark.parametrize(
    ("cgroup", "files"),
    [
        ("0::/job", version_2("/job", most=4 * GIB, used=3 * GIB, droppable=GIB)),
        ("0::/job/step", version_2("/job", most=4 * GIB, used=2 * GIB) | version_2("/job/step", most="max", used=1)),
        ("0::/not/seen/here", version_2("", most=4 * GIB, used=2 * GIB)),
        ("0::/\n4:cpu,memory:/job\n1:name=systemd:/", version_1("/job", most=4 * GIB, used=3 * GIB, droppable=GIB)),
        ("4:memory:/outside", version_1("", most=4 * GIB, used=2 * GIB)),
    ],
    ids=["its own group", "a group above", "a container", "version 1", "a container in version 1"],
)
def test_a_control_group_leaves_its_limit_less_what_cannot_be_dropped(tmp_path, cgroup, files):
    assert memory.free(system(tmp_path, cgroup=cgroup, **files)) == 2 * GIB


def test_a_group_that_is_full_leaves_nothing(tmp_path):
    assert memory.free(system(tmp_path, **version_2("", most=GIB, used=2 * GIB))) == 0


@pytest.mark.parametrize(
    ("cgroup", "files", "expected"),
    [
        ("0::/", {}, 16 * GIB),
        ("0::/", version_2("", most="max", used=3 * GIB), 16 * GIB),
        ("0::/", version_2("", most=64 * GIB, used=3 * GIB), 16 * GIB),
        ("0::/job/step", version_2("/job", most=4 * GIB, used=9) | version_2("/job/step", most="max", used=1), 4 * GIB),
        ("0::/not/seen/here", version_2("", most=4 * GIB, used=3 * GIB), 4 * GIB),
        ("4:cpu,memory:/job", version_1("/job", most=2 * GIB, used=GIB) | version_1("", most=1 << 62, used=9), 2 * GIB),
    ],
    ids=["no group", "no limit", "more than there is", "a group above", "a container", "version 1"],
)
def test_in_all_there_is_what_the_machine_has_or_less_by_a_group(tmp_path, monkeypatch, cgroup, files, expected):
    monkeypatch.setattr(os, "sysconf", {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 16 * GIB // 4096}.__getitem__)
    assert memory.total(system(tmp_path, cgroup=cgroup, **files)) == expected


def test_the_peak_is_of_this_program_as_its_status_has_it(tmp_path):
    root = system(tmp_path, **{"proc/self/status": "Name:\tpython\nVmHWM:\t  2048 kB\nVmRSS:\t 7 kB\n"})
    assert memory.peak(root) == 2048 * 1024


def test_without_a_status_the_peak_is_what_getrusage_says(tmp_path):
    assert memory.peak(tmp_path) >= resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's own way with freed memory")
def test_what_a_step_freed_is_there_for_the_next_without_a_fault_for_every_page():
    def step():
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        blocks = [torch.ones(30 << 18) for _ in range(4)]  # 30 MiB each: 30,720 pages in all
        del blocks
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    memory.keep()
    step()
    assert min(step() for _ in range(3)) < 30_720 / 2  # one of them may not fit into a heap with holes
