"""Time boxes of the GPU sheet: they are long enough, end within the seconds of the page, and see one GPU."""

import ctypes
import re
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.gpu import bars, cases, machine, parts, running, side_by_side, tuning, turns
from benchmarks.gpu.child import MODULES
from benchmarks.gpu.running import Room

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def room(tmp_path):
    files = {"results": tmp_path / "results.jsonl", "log": tmp_path / "results.log", "work": tmp_path}
    return Room(**files, root=ROOT, ends=0.0, tiny=True)


class Asked(dict):
    """Steps that are not measured, with the names of those that a bar asks for."""

    def __init__(self):
        self.names = set()

    def get(self, name, default=None):
        self.names.add(name)
        return default

    def __contains__(self, name):
        self.names.add(name)
        return False


def asked_for():
    """The names of the steps that bars need, with an epoch that was compiled and one that was not."""
    asked = Asked()
    for how in ("off", "blocks"):
        ran = {"compile": how, "attention_path": "sdpa"}
        found = bars.Found([{"kind": "epoch", "part": "epoch-differential", "execution": ran}])
        found.steps = asked
        for bar in bars.BARS:
            bar.found(found)
    return asked.names


def test_each_box_has_the_seconds_of_the_cases_that_its_bars_need(room):
    boxes, needed = {part.name: part.box / parts.ON_A_CPU for part in parts.parts(room)}, asked_for()
    least = {"side-by-side": sum(case.least for case in side_by_side.CASES), "peers-256": sum(turns.LEAST)}
    least |= {"peers-384": sum(turns.LEAST), "tune": tuning.LEAST * tuning.count()}
    for name in (name for name, module in MODULES.items() if module == "steps"):
        steps = cases.of(name)
        barred = (
            [number for number, case in enumerate(steps) if case.name in needed] if name.startswith("steps-") else []
        )
        least[name] = sum(case.least for case in steps[: barred[-1] + 1 if barred else len(steps)])
    assert {"d256 differential fused compiled", "d384 classic sdpa compiled"} <= needed
    assert {name: boxes[name] for name in least if boxes[name] < bars.START + least[name]} == {}
    assert boxes["compile-deep"] > bars.START + 60  # its bar, so that a late end is an answer


def test_the_boxes_end_within_the_seconds_that_the_page_states(room):
    page = (ROOT / "benchmarks" / "gpu" / "README.md").read_text()
    boxes = {part.name: part.box / parts.ON_A_CPU for part in parts.parts(room)}
    first, large, small = (int(number) for number in re.findall(r"^\| .* \| `--seconds (\d+)` \|$", page, re.MULTILINE))
    assert all(f"| `{name}` | {parts.ABOUT[name]} | {box:g} |" in page for name, box in boxes.items())
    names = list(boxes)
    for stated, chosen, together in ((first, names[: names.index("loop") + 1], parts.TOGETHER),
                                     (large, names, parts.TOGETHER), (small, names, set())):  # fmt: skip
        alone = sum(boxes[name] for name in chosen if name not in together)
        assert alone + max(map(boxes.get, together), default=0) + running.GRACE * len(chosen) <= stated


def test_each_part_sees_one_gpu_and_only_a_large_one_runs_parts_together(room, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "MIG-5, 0")
    on_gpu = replace(room, tiny=False)
    for size, most in ((141e9, len(parts.TOGETHER)), (18e9, 0)):
        monkeypatch.setattr(
            machine, "visible", lambda size=size: {"name": "NVIDIA H200 MIG 1g.18gb", "memory_bytes": size}
        )
        found = parts.parts(on_gpu)
        assert {part.environment["CUDA_VISIBLE_DEVICES"] for part in found} == {"MIG-5"}
        assert sum(part.together for part in found) == most
    assert machine.short_name() == "nvidia-h200-mig-1g-18gb"
    assert "CUDA_VISIBLE_DEVICES" not in parts.environment(room, "rates")


class Driver:
    """CUDA's driver with one slice of a GPU, whose number is not its ordinal."""

    def __init__(self, _name):
        self.cuInit = lambda _flags: 0
        self.cuDeviceGet = lambda number, ordinal: setattr(number._obj, "value", 7) or ordinal
        self.cuDeviceGetName = lambda name, _length, number: setattr(name, "value", b"Slice") or number.value - 7
        self.cuDeviceTotalMem_v2 = lambda size, number: setattr(size._obj, "value", 18 << 30) or number.value - 7


def test_the_name_and_the_memory_are_those_that_cuda_reports(monkeypatch, capsys):
    monkeypatch.setattr(ctypes, "CDLL", Driver)
    exec(machine._CUDA, {})  # as another process runs it
    assert capsys.readouterr().out.splitlines() == ["Slice", str(18 << 30)]
