"""Several workers and commands of one study: versions, shares of a machine, and a file that changed."""

import dataclasses
from types import SimpleNamespace

import pytest

from app import __version__
from app.errors import InputError
from app.studies import changes, jobs, versions
from app.studies.folder import StudyFiles


def run(started, **versions):
    """The progress of a run that was begun then, with those versions."""
    entry = SimpleNamespace(started=started, run_id=f"run{started}", versions=versions)
    return SimpleNamespace(run=SimpleNamespace(entry=entry))


def test_a_study_goes_on_with_the_versions_of_its_first_run(monkeypatch):
    monkeypatch.setattr(versions, "version", lambda _: "2.9.1+cpu")
    same = run("1", isoscale=__version__, torch="2.9.0+cu130")
    versions.require_same([SimpleNamespace(run=None)], mixed=False)
    versions.require_same([run("2", isoscale="0.0.1", torch="1.0"), same], mixed=False)  # the first one counts
    for other in (run("1", isoscale="0.0.1", torch="2.9.1"), run("1", isoscale=__version__, torch="2.8.1+cpu")):
        with pytest.raises(InputError, match=r"run1\).*--mixed-versions"):
            versions.require_same([run("2", isoscale=__version__, torch="2.9.1"), other], mixed=False)
        versions.require_same([other], mixed=True)


def test_each_worker_gets_a_gpu_or_its_share_of_the_cores(monkeypatch):
    apart = [([], {"CUDA_VISIBLE_DEVICES": name, "ISOSCALE_NEIGHBOURS": "1 2"}) for name in "03"]
    assert jobs.shares(2, ["0", "3"], threads=None) == apart
    with pytest.raises(InputError, match=r"--jobs 3 needs 3 GPUs.* has 2\. Use --jobs 2"):
        jobs.shares(3, ["0", "1"], threads=None)
    monkeypatch.setattr(jobs.os, "sched_getaffinity", lambda _: set(range(7)), raising=False)
    monkeypatch.delenv("TORCHINDUCTOR_COMPILE_THREADS", raising=False)
    more = {"ISOSCALE_NEIGHBOURS": "3 3", "TORCHINDUCTOR_COMPILE_THREADS": "2"}
    assert jobs.shares(3, [], threads=None) == [(["--threads", "2"], more)] * 3
    assert jobs.shares(3, [], threads=4) == [([], more)] * 3
    pairs = jobs.shares(2, list("0123"), threads=None, ranks=2)
    assert [more["CUDA_VISIBLE_DEVICES"] for _, more in pairs] == ["0,1", "2,3"]
    assert [own for own, _ in jobs.shares(2, [], threads=None, ranks=3)] == [["--threads", "1"]] * 2
    with pytest.raises(InputError, match=r"--ranks 3 needs 6 GPUs.*Use --jobs 1 or less"):
        jobs.shares(2, list("0123"), threads=None, ranks=3)
    with pytest.raises(InputError, match=r"Use --ranks 2 or less"):
        jobs.shares(1, list("01"), threads=None, ranks=3)
    with pytest.raises(InputError, match=r"--jobs 8 needs 8 cores.* has 7\. Use --jobs 7"):
        jobs.shares(8, [], threads=None)


def test_workers_that_share_gpus_are_dealt_in_turn_and_told_how_many_share_each(monkeypatch):
    monkeypatch.setattr(jobs.os, "sched_getaffinity", lambda _: set(range(16)), raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")  # the user's stays
    found = [more for _, more in jobs.shares(None, ["0", "MIG-b"], threads=None, per_device=2)]
    assert [more["CUDA_VISIBLE_DEVICES"] for more in found] == ["0", "MIG-b", "0", "MIG-b"]
    assert {more["ISOSCALE_NEIGHBOURS"] for more in found} == {"2 4"} and "OMP_NUM_THREADS" not in found[0]
    assert found[0]["TORCHINDUCTOR_COMPILE_THREADS"] == "4"
    uneven = jobs.shares(3, ["0", "1"], threads=None, per_device=4)
    assert [more["ISOSCALE_NEIGHBOURS"] for _, more in uneven] == ["2 3", "1 3", "2 3"]
    cpu = {"jobs_per_device": 2, "device": "cpu"}
    assert jobs.parts_of(cpu) == jobs.parts_of({"jobs": 2, "device": "cpu"}) and len(jobs.parts_of(cpu)) == 2
    assert jobs.parts_of({"jobs": 1, **cpu}) == jobs.parts_of({"ranks": 2, "work": True}) == []


@pytest.mark.parametrize(
    ("asked", "gpus", "says"),
    [
        ({"jobs": 9, "jobs_per_device": 4}, "0,1", "9 with --jobs-per-device 4 needs 3 GPUs, .* has 2. Use --jobs 8"),
        ({"jobs_per_device": 9}, "", "--jobs-per-device 9 needs 9 cores, .* has 7. Use --jobs-per-device 7"),
        ({"jobs": 4, "jobs_per_device": 2}, "", "--jobs 4 is more than --jobs-per-device 2, .* has no GPU"),
        ({"ranks": 2, "jobs_per_device": 2}, "0,1", "--ranks 2 one run on several. Omit one of them"),
    ],
)  # fmt: skip
def test_more_runs_than_devices_have_room_for_are_refused(monkeypatch, asked, gpus, says):
    monkeypatch.setattr(jobs.os, "sched_getaffinity", lambda _: set(range(7)), raising=False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", gpus)
    with pytest.raises(InputError, match=says):
        jobs.parts_of(asked)


def test_gpus_are_those_that_this_process_may_use(monkeypatch, tmp_path):
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'GPU 0: NVIDIA H200 (UUID: GPU-1)'\necho 'GPU 1: NVIDIA H200 (UUID: GPU-2)'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert jobs.devices(on_cpu=False) == ["0", "1"] and jobs.devices(on_cpu=True) == []
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3, 5")
    assert jobs.devices(on_cpu=False) == ["3", "5"]
    for text, there in {"-1": [], "none": [], "NoDevFiles": [], "": [], "0,-1,1": ["0"]}.items():
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", text)
        assert jobs.devices(on_cpu=False) == there


def test_a_changed_file_names_its_new_its_gone_and_its_equal_runs(tmp_path):
    def cells(*names):
        return [SimpleNamespace(run_id=name, where=f"line {name}", given={"seed": 1, "lr": None}) for name in names]

    path = tmp_path / "studies" / "grid" / "cells.json"
    assert changes.since(path, cells("1", "2")) == ""
    changes.keep(path, cells("1", "2"))
    assert changes.since(path, cells("2", "1")) == ""
    said = changes.since(path, cells("2", "3", "4", "5", "6"))
    assert "4 new (line 3; line 4; line 5 and 1 more), 1 gone (line 1), 1 equal" in said and "kept" in said
    path.write_text("{")
    assert changes.since(path, cells("1")) == ""


def test_the_folder_of_a_study_is_named_after_its_file_or_after_its_runs(tmp_path):
    of_file = StudyFiles.of(tmp_path, tmp_path / "my grid.v2.csv", ["a"])
    assert of_file.folder == tmp_path / "studies" / "my-grid.v2"
    by_runs = [StudyFiles.of(tmp_path, None, runs).folder.name for runs in (["a", "b"], ["b", "a"], ["a"])]
    assert by_runs[0] == by_runs[1] != by_runs[2] and by_runs[0].startswith("cross-")
    assert dataclasses.astuple(of_file) == (of_file.folder,)
