"""Every kind of `bench`, tiny: one JSON object of positive numbers under the stated keys; peers that are missing."""

import importlib.util
import json

import pytest
import torch

from app.bench import peers, step
from app.system import packages
from benchmarks import loaders

QUICK = "--rounds 1 --seconds 0 --device cpu --threads 1"


def asked(call, line, program="run.py bench "):
    """The JSON object of a command, checked for what every kind states."""
    ended = call(f"{program.removeprefix('run.py ').removeprefix('-m benchmarks.')}{line} --json")
    assert ended.code == 0, ended.err
    report = json.loads(ended.out)
    assert set(report) == {
        "bench", "setting", "hardware", "groups", "left_out", "notes", "facts", "versions", "command"
    }  # fmt: skip
    assert report["bench"] == line.split()[0] and report["command"] == f"python {program}{line} --json"
    assert {"device", "device_type", "precision", "threads", "cores"} <= set(report["hardware"])
    assert {"isoscale", "python", "torch"} <= set(report["versions"])
    for group in report["groups"]:
        for one in [*group["contenders"], *group["ratios"]]:
            assert len(one["samples"]) == 1 and one["samples"][0] > 0
            assert one["median"] == one["quartiles"][0] == one["quartiles"][1] == one["samples"][0]
    return report


def contenders(group):
    return [one["name"] for one in group["contenders"]]


def ratio_names(group):
    return [(one["over"], one["under"]) for one in group["ratios"]]


@pytest.fixture
def without_hf(monkeypatch):
    """As if transformers and accelerate were not installed."""
    monkeypatch.setattr(
        packages, "is_installed", lambda name: name not in peers.NEEDS["HF Trainer"] and importlib.util.find_spec(name)
    )


@pytest.fixture
def together(monkeypatch):
    """All contenders in this process: one of their own takes seconds to start."""

    class Together:
        def __init__(self, make):
            self.prepare = make

        def peak_bytes(self):
            return 1 << 28

    monkeypatch.setattr(step, "Apart", Together)


@pytest.mark.slow
def test_step_compares_models_of_equal_size_and_names_the_peer_that_is_missing(call, without_hf):
    report = asked(call, f"step --size 1M --dataset digits --batch-size 2 {QUICK}")
    (group,) = report["groups"]
    assert contenders(group) == ["vit_classic", "vit_differential", "timm eager"]
    assert ratio_names(group) == [("vit_classic", "timm eager"), ("vit_differential", "vit_classic")]
    classic, differential, timm = group["contenders"]
    assert classic["threads"] == differential["threads"] == report["hardware"]["threads"] == 1
    assert all(one["peak_bytes"] > 1e8 for one in group["contenders"])  # each a process
    assert classic["parameters"] == timm["parameters"] and classic["heads"] == timm["heads"] == 4
    assert differential["parameters"] == pytest.approx(classic["parameters"], rel=2e-3)
    assert all(one["images_per_second"] == pytest.approx(2000 / one["median"]) for one in group["contenders"])
    assert "HF Trainer: transformers and accelerate are not installed (`uv sync --group bench`)" in report["left_out"]
    assert report["setting"]["tokens"] == 5 and report["setting"]["batch_size"] == 2


@pytest.mark.slow
def test_a_step_of_little_work_takes_one_thread_and_its_peers_the_default(call, without_hf, together):
    torch.set_num_threads(2)
    report = asked(call, "step --size 1M --dataset digits --batch-size 2 --rounds 1 --seconds 0 --device cpu")
    assert [one.get("threads") for one in report["groups"][0]["contenders"]] == [1, 1, None]
    assert report["hardware"]["threads"] == torch.get_num_threads() == 2


@pytest.mark.slow
def test_a_model_of_a_file_is_measured_next_to_ours_in_a_separate_process(call, without_hf, work):
    made = "nn.Sequential(nn.Flatten(), nn.Linear(channels * image**2, width), nn.Linear(width, classes))"
    text = f"from torch import nn\n\ndef net(*, image, channels, classes, width=2):\n    return {made}\n"
    (work / "net.py").write_text(text)
    line = f"step --model net.py:net --model-args width=3 --size 1M --dataset digits --batch-size 2 {QUICK}"
    (group,) = asked(call, line)["groups"]
    name = contenders(group)[2]
    assert name.startswith("own/net-") and ratio_names(group)[-1] == (name, "vit_classic")
    assert group["contenders"][2]["parameters"] == 64 * 3 + 3 + 3 * 10 + 10


def test_trainer_takes_its_turn_where_it_is_installed_and_writes_nothing_to_stdout(call):
    pytest.importorskip("transformers")
    pytest.importorskip("accelerate")
    (group,) = asked(call, f"step --size 1M --dataset digits --batch-size 2 {QUICK}")["groups"]
    assert contenders(group)[-1] == "HF Trainer" and ratio_names(group)[-1] == ("vit_classic", "HF Trainer")
    assert group["contenders"][0]["parameters"] == group["contenders"][-1]["parameters"]


@pytest.mark.slow
def test_attention_compares_every_path_with_classic_sdpa_and_counts_what_is_saved(call):
    report = asked(call, f"attention --tokens 5,16 --size 1M {QUICK}")
    assert [group["title"] for group in report["groups"]] == ["5 tokens", "16 tokens"]
    for group in report["groups"]:
        names = contenders(group)
        assert {"classic plain", "classic sdpa", "differential plain", "timm DiffAttention"} <= set(names)
        assert ratio_names(group) == [(name, "classic sdpa") for name in names if name != "classic sdpa"]
        assert all(one["saved_bytes"] > 0 for one in group["contenders"])


@pytest.mark.slow
def test_data_compares_both_sides_and_says_how_long_a_step_waits(measure):
    report = asked(measure, f"data --size 1M --image 64 --patch 8 --batch-size 2 {QUICK}", "-m benchmarks.")
    big, small, *waiting = report["groups"]
    assert [big["title"], small["title"]] == [f"32 px stored, {side} px for the model" for side in (64, 32)]
    ours, theirs = ("ours, host's part", "ours, CPU resizes"), ("map-style PIL loader", "datasets map-style")
    for group in (big, small):
        assert group["unit"] == "images per host-core-second" and contenders(group) == [*ours, *theirs]
        assert ratio_names(group) == [(mine, peer) for mine in ours for peer in theirs]
    assert [waits["title"].rpartition(" ")[2] for waits in waiting] == ["2", "128"]
    assert all(contenders(waits) == ["resident"] for waits in waiting)
    assert report["setting"]["size"] == "1M" and waiting[0]["contenders"][0]["threads"] == 1
    for one in [one for waits in waiting for one in waits["contenders"]]:
        assert 0 <= one["waiting_percent"] <= one["median"] < 100 and 0 < one["input_ms"] < one["step_ms"]


def test_log_compares_a_line_with_its_write_and_with_a_step(measure):
    report = asked(measure, f"log --sizes 1M --batch-size 2 {QUICK}", "-m benchmarks.")
    lines, steps = report["groups"]
    assert lines["unit"] == "µs per line" and len(lines["contenders"]) == 3 and len(lines["ratios"]) == 2
    (step,) = steps["contenders"]
    fetched = lines["contenders"][-1]["median"]
    assert step["dataset"] == "digits" and step["log_percent"] == pytest.approx(2 * fetched / 10 / step["median"])
    bare, added, _ = (one["median"] for one in lines["contenders"])
    assert report["facts"]["microseconds_beside_the_write"] == pytest.approx(added - bare)


@pytest.mark.slow
@pytest.mark.long
def test_startup_compares_processes_and_names_the_modules_that_are_loaded(measure):
    report = asked(measure, "startup --rounds 1 --seconds 0", "-m benchmarks.")
    sentences, first_step = report["groups"]
    assert len(sentences["contenders"]) == 6 and len(sentences["ratios"]) == 3
    assert ratio_names(first_step) == [("run.py train, first step", "torch alone")]
    assert all(one["peak_bytes"] > 1e6 for group in report["groups"] for one in group["contenders"])
    assert report["facts"] == {"modules_of_help": [], "modules_of_train": ["torch", "numpy"]}


def test_a_reader_gets_tables_on_stdout_and_progress_on_stderr(call, without_hf, together):
    ended = call(f"bench step --size 1M --dataset digits --batch-size 2 {QUICK}")
    assert ended.code == 0 and "warming up: vit_classic" in ended.err and "warming up" not in ended.out
    for part in (
        "ms per step",
        "vit_differential / vit_classic",
        "rounds: 1, in turns",
        "left out: HF Trainer",
        "note: ",
    ):
        assert part in ended.out


@pytest.mark.parametrize(
    ("peer", "gone", "sentence"),
    [
        ("timm", {"timm"}, "timm: timm is not installed (`uv sync --group bench`)"),
        ("HF Trainer", {"transformers", "accelerate"}, "HF Trainer: transformers and accelerate are not installed "
         "(`uv sync --group bench`)"),
        ("PIL loader", set(), ""),
    ],
)  # fmt: skip
def test_a_missing_peer_is_named_with_the_command_that_installs_it(monkeypatch, peer, gone, sentence):
    monkeypatch.setattr(packages, "is_installed", lambda name: name not in gone)
    assert (loaders if peer in loaders.NEEDS else peers).missing(peer) == sentence
