"""The sheet of a GPU: what a crash, a time box and a kill leave, and parts of it in miniature on a CPU."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks import command
from benchmarks.gpu import __main__ as sheet
from benchmarks.gpu import bars, epochs, running, summary, testing, tuning
from benchmarks.gpu.findings import Findings, read
from benchmarks.gpu.running import Part, Room

ROOT = Path(__file__).resolve().parents[2]
NOTE = """import sys
from pathlib import Path
from benchmarks.gpu.findings import Findings
findings = Findings(Path(sys.argv[1]), sys.argv[2])
"""


@pytest.fixture
def room(tmp_path):
    (tmp_path / "work").mkdir()
    return Room(
        results=tmp_path / "results.jsonl", log=tmp_path / "results.log", work=tmp_path / "work", root=ROOT,
        ends=time.monotonic() + 600, tiny=True,
    )  # fmt: skip


def made_up(room, name, code, **more):
    """A part of milliseconds: a Python without site packages that runs some code."""
    command = [sys.executable, "-S", "-c", NOTE + code, str(room.results), name]
    return Part(name=name, command=command, **{"box": 30, **more})


def ends(room):
    return {one["part"]: one for one in read(room.results) if one["kind"] == "part"}


class Clock:
    """The time, moved beyond any box once a part has written a finding."""

    sleep = staticmethod(time.sleep)

    def __init__(self, room):
        self.room, self.past = room, 0.0

    def monotonic(self):
        return time.monotonic() + self.past

    def changed(self):
        if any(one["kind"] == "step" for one in read(self.room.results)):
            self.past = 40.0


def test_a_part_that_crashes_or_exceeds_its_box_costs_only_itself(room, monkeypatch):
    monkeypatch.setattr(running, "time", clock := Clock(room))
    waits = "findings.note('step', case='a', value=1)\nimport time; time.sleep(60)"
    running.run(
        [
            made_up(room, "crash", "import os; os.kill(os.getpid(), 9)"),
            made_up(room, "raise", "raise ValueError('no such kernel in /a/b/c.py')"),
            made_up(room, "long", waits),
            made_up(room, "well", "findings.note('rate', case='b', flops_per_second=5)"),
            made_up(room, "gpu", "", lacks="needs a CUDA device"),
        ],
        room,
        changed=clock.changed,
    )
    ended = ends(room)
    assert [ended[name]["exit"] for name in ("crash", "raise", "well")] == [-9, 1, 0]
    assert ended["raise"]["last"] == "ValueError: no such kernel in c.py" and ended["long"]["late"]
    assert [one["part"] for one in read(room.results) if one["kind"] in ("step", "rate")] == ["long", "well"]
    assert ended["gpu"]["skipped"] == "needs a CUDA device"
    assert "no such kernel" in room.log.read_text()


def test_a_part_whose_process_dies_goes_on_with_its_other_cases(room):
    code = """from benchmarks.gpu.findings import read
import os, signal
begun = {one["case"] for one in read(findings.path) if one["kind"] == "begun"}
for case in "abc":
    if case not in begun:
        findings.note("begun", case=case)
        if case == "b":
            os.kill(os.getpid(), signal.SIGSEGV)
        findings.note("found", case=case)
"""
    running.run([made_up(room, "cases", code, resumes=True)], room, changed=lambda: None)
    assert [one["case"] for one in read(room.results) if one["kind"] == "found"] == ["a", "c"]
    assert [one["exit"] for one in read(room.results) if one["kind"] == "part"] == [-signal.SIGSEGV, 0]


SHEET = """import sys, time
from pathlib import Path
from benchmarks.gpu import __main__ as sheet
from benchmarks.gpu.running import Part, Room
code, results, root = sys.argv[1], Path(sys.argv[2]), Path.cwd()
ends = time.monotonic() + 300
room = Room(results=results, log=results.with_suffix(".log"), work=results.parent, root=root, ends=ends)
part = Part(name="waits", box=300, command=[sys.executable, "-S", "-c", code, str(results), "waits"])
sheet.measure([part], room, tiny=True)
"""


def alive(process):
    """Whether a process runs, and is not one that has ended without a parent that asks for it."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def until(condition):
    deadline = time.monotonic() + 120
    while not (found := condition()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return found


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_kill_leaves_a_readable_results_file_and_summary_and_no_process(room, number):
    code = f"{NOTE}import os, time\nfindings.note('begun', case='a', pid=os.getpid())\ntime.sleep(300)"
    command = [sys.executable, "-c", SHEET, code, str(room.results)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    (begun,) = until(lambda: [one for one in read(room.results) if one["kind"] == "begun"])
    text = room.results.with_suffix(".txt")
    assert until(text.exists)
    process.send_signal(number)
    process.wait(60)
    assert "bars: 0 met, 0 missed" in text.read_text() and read(room.results)[0]["kind"] == "machine"
    assert until(lambda: not alive(begun["pid"]))


def test_a_box_ends_processes_in_other_sessions_that_ignore_sigterm_too(room, monkeypatch):
    monkeypatch.setattr(running, "time", clock := Clock(room))
    waits = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(300)"
    code = f"""import subprocess, time
other = subprocess.Popen([sys.executable, "-S", "-c", {waits!r}], start_new_session=True, stdout=subprocess.PIPE)
other.stdout.readline()
findings.note("step", case="a", pid=other.pid)
time.sleep(300)
"""
    running.run([made_up(room, "long", code)], room, changed=clock.changed)
    (step,) = [one for one in read(room.results) if one["kind"] == "step"]
    assert until(lambda: not alive(step["pid"])) and ends(room)["long"]["late"]


def test_a_line_that_a_kill_has_cut_is_skipped_and_does_not_spoil_the_next(tmp_path):
    findings = Findings(tmp_path / "results.jsonl", "one")
    findings.note("rate", value=1)
    with findings.path.open("a") as file:
        file.write('{"kind": "rate", "val')
    findings.note("rate", value=2)
    assert [one["value"] for one in read(findings.path)] == [1, 2]


def test_bars_are_met_missed_or_not_measured():
    step = {"kind": "step", "part": "steps-256", "images_per_second": 5000.0, "flops_per_image": 6e10, "waits": ""}
    step |= {"peak_bytes": 10**9, "micro_batch": 512}
    lines = [
        {"kind": "rate", "part": "rates", "case": "matrix product", "flops_per_second": 1e15},
        {**step, "case": "d256 classic sdpa compiled", "ms": {"median": 100.0, "quartiles": [99.0, 101.0]}},
        {**step, "case": "d256 differential fused compiled", "ms": {"median": 130.0, "quartiles": [99.0, 131.0]}},
        {"kind": "part", "part": "tests", "exit": 1},
        {"kind": "part", "part": "compile-deep", "exit": -9, "late": True, "seconds": 100.0},
        {"kind": "part", "part": "steps-256", "exit": -9, "late": True, "seconds": 69.0},
    ]
    found = bars.Found(lines)
    verdicts = {bar.name: bar.verdict(bar.found(found)) for bar in bars.BARS}
    assert verdicts["tests marked gpu, exit code"] == "missed"
    assert verdicts["utilisation, d_model 256, classic compiled"] == "missed"  # 30 %
    assert verdicts["differential / classic by the fused kernels, compiled"] == "missed"
    assert verdicts["steps that wait for the device"] == "met"
    assert verdicts["cold compile, 12 layers"] == "not measured"  # cut off after 59 s
    assert verdicts["cold compile, 63 layers"] == "missed"  # still compiling after 90 s
    assert "bars: 1 met, 4 missed, 13 not measured" in summary.text(lines)
    tiny = {
        "kind": "machine",
        "part": "",
        "tiny": True,
        "begun": "",
        "commit": "",
        "gpus": [],
        "cpu": "",
        "versions": {},
    }
    assert "bars: 0 met, 0 missed, 13 not measured" in summary.text([tiny, *lines])


def test_tests_that_are_cut_off_are_counted_and_never_all_passed(tmp_path):
    findings, bar = Findings(tmp_path / "results.jsonl", "tests"), bars.BARS[0]
    for line in ("6 workers [110 items]", "scheduling tests via WorkStealingScheduling",
                 "[gw0] [  1%] PASSED tests/a.py::test_a[33 tokens] ",
                 "[gw5] [  1%] SKIPPED tests/a.py::test_b "):  # fmt: skip
        testing.note(line, findings)
    findings.note("part", exit=-15, late=True)
    text = summary.text(read(findings.path))
    assert "tests: 2 of 110 ran: 1 passed, 1 skipped" in text and "not measured completely" in text
    assert bar.verdict(bar.found(bars.Found(read(findings.path)))) == "not measured"
    testing.note("[gw0] [  2%] FAILED tests/a.py::test_c[1] ", findings)
    found = bars.Found(read(findings.path))
    assert bar.verdict(bar.found(found)) == "missed" and found.tests()["names"] == ["tests/a.py::test_c[1]"]
    skipped = [{"kind": "test", "case": "a", "outcome": "skipped"}, {"kind": "part", "part": "tests", "exit": 0}]
    assert bar.found(bars.Found(skipped)) is None


def test_contenders_are_compared_in_the_rounds_that_both_have(tmp_path):
    findings = Findings(tmp_path / "results.jsonl", "peers-256")
    for name, number, ms in (("vit_classic", 0, 80.0), ("timm eager", 0, 100.0), ("HF Trainer", 0, 400.0),
                             ("vit_classic", 1, 90.0), ("timm eager", 1, 100.0), ("vit_classic", 2, 70.0)):  # fmt: skip
        findings.note("turn", case=name, round=number, ms=ms, units=1)
    found = bars.Found(read(findings.path))
    assert found.ratio("peers-256", "vit_classic", "timm eager") == 0.9  # round 0 is not in turns
    assert found.ratio("peers-256", "vit_classic", "HF Trainer") == 0.2  # it has no other
    assert found.ratio("peers-256", "vit_classic", "timm compiled") is None and not found.peers("peers-384")
    assert "timm eager: 100.00, n = 1" in summary.text(read(findings.path))


def test_the_row_of_the_fastest_block_sizes_omits_those_with_other_results(tmp_path):
    findings = Findings(tmp_path / "results.jsonl", "tune")
    for case, ms, difference in (("keys (64, 32, 4, 2)", 3.0, 0.0), ("keys (32, 64, 4, 2)", 2.0, 1e-3),
                                 ("keys (32, 32, 8, 1)", 1.0, 0.5), ("forward (16, 16, 4, 1)", 0.1, 0.0)):  # fmt: skip
        findings.note("blocks", case=case, ms={"median": ms}, difference=difference)
    chosen = tuning.fastest(findings, "keys")
    assert chosen == (32, 64, 4, 2) and tuning.fastest(findings, "queries") is None
    row = tuning.with_one((tuning.Blocks(128, 32, 8, 3),) * 3, 1, chosen)
    assert tuning.spelled((90, 2, 64), row) == (
        "(90, 2, 64): (Blocks(128, 32, 8, 3), Blocks(32, 64, 4, 2), Blocks(128, 32, 8, 3)),"
    )


def test_fifty_epochs_follow_from_the_steady_steps_of_a_log():
    def row(split, seconds, examples):
        return {"split": split, "seconds": seconds, "examples": examples, "wait_ms": 0.1}

    rows = [row("train", 10.0, 450)] + [row("train", 0.1, 450)] * 19 + [row("val", 0.01, 128)] * 20
    found = epochs.read([*rows, row("val_full", 1.0, 1000)], 450)
    assert found["epoch_seconds"] == pytest.approx(100 * 0.11 + 5.0)
    assert found["once_seconds"] == pytest.approx(9.9)
    assert found["fifty_epochs_minutes"] == pytest.approx((50 * 16.0 + 9.9) / 60)
    killed = epochs.read(rows, 450)  # before the validation pass
    assert killed["epoch_seconds"] == pytest.approx(11.0 + 5000 * 0.01 / 128) and not killed["full_validation"]


def test_an_unknown_part_and_a_machine_without_a_gpu_are_refused_in_a_sentence(monkeypatch, capsys):
    monkeypatch.setattr(sheet.host, "gpus", list)
    assert command.run(sheet.gpu, ["stepz-256"]) == 2 and "Did you mean" in capsys.readouterr().err
    assert command.run(sheet.gpu, []) == 2
    assert "Use --tiny to test it on a CPU" in capsys.readouterr().err


@pytest.mark.slow
def test_parts_in_miniature_measure_on_a_cpu_and_say_why_others_cannot(tmp_path):
    line = ["-m", "benchmarks.gpu", "rates", "graphs", "tune", "--tiny", "--out", str(tmp_path)]
    done = subprocess.run([sys.executable, *line], cwd=ROOT, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    (results,) = tmp_path.glob("tiny-*.jsonl")
    found = bars.Found(read(results))
    assert found.parts["rates"]["exit"] == found.parts["graphs"]["exit"] == 0 and found.rate() > 0
    assert found.parts["tune"]["skipped"] == "block sizes need a CUDA device"
    assert {one["case"] for one in found.of("step")} == {"1M batch 64 classic sdpa eager"}
    reasons = {one["case"]: one["why"] for one in found.of("skipped")}
    assert reasons["1M batch 64 classic sdpa CUDA graphs"] == "CUDA graphs need a CUDA device"
    assert done.stdout == results.with_suffix(".txt").read_text()
