"""The statistics of a comparison on samples whose answers are known, and the order in which contenders run."""

import itertools

import numpy as np
import pytest
import torch

from app.bench.meter import Memory, threads
from app.bench.report import Group, Report
from app.bench.rounds import Contender, Pace, Samples, measure, ratios, spread, turn
from app.errors import OutOfMemory
from app.system.columns import columns


def pace(rounds, seconds=60.0):
    return Pace(rounds=rounds, seconds=seconds, say=lambda _: None)


def contender(name, ran, value=1.0, **more):
    """One that notes each call, and costs nothing; long units keep it at one per sample."""

    def run(units):
        ran.append((name, units))
        return value

    return Contender(name=name, prepare=lambda: run, seconds=lambda _: 0.5, **more)


def test_median_and_quartiles_are_numpys():
    draw = np.random.default_rng(1)
    for n in (2, 3, 5, 8, 21):
        values = draw.lognormal(size=n)
        assert spread(list(values)) == pytest.approx(tuple(np.quantile(values, [0.5, 0.25, 0.75])))
    assert spread([4.0, 1.0, 2.0, 3.0, 5.0]) == (3.0, 2.0, 4.0)
    assert spread([7.0]) == (7.0, 7.0, 7.0)


def test_a_ratio_is_of_each_round_so_that_what_slows_a_whole_round_cancels():
    slow_rounds = [1.0, 10.0, 3.0]
    assert ratios([2 * s for s in slow_rounds], slow_rounds) == [2.0, 2.0, 2.0]
    with pytest.raises(ValueError, match="shorter"):
        ratios([1.0, 2.0], [1.0])


def test_a_group_gives_the_ratios_of_the_pairs_that_were_measured():
    a, b = Samples(name="a", values=[2.0, 6.0, 8.0], units=1), Samples(name="b", values=[1.0, 2.0, 8.0], units=1)
    group = Group(title="t", unit="ms", samples=[a, b], pairs=[("a", "b"), ("a", "gone")])
    assert group.ratios() == [{"over": "a", "under": "b", "median": 2.0, "quartiles": [1.5, 2.5], "samples": [2, 3, 1]}]


def test_every_other_round_runs_backwards():
    assert [turn("abc", number) for number in range(3)] == [["a", "b", "c"], ["c", "b", "a"], ["a", "b", "c"]]
    ran = []
    samples, left_out = measure([contender("a", ran), contender("b", ran)], pace(4), Memory(None))
    warm = ran[: -4 * 2]
    assert {name for name, _ in warm} == {"a", "b"} and len(warm) == 4
    assert "".join(name for name, _ in ran[len(warm) :]) == "abbaabba"
    assert [len(one.values) for one in samples] == [4, 4] and left_out == []


def test_no_round_but_the_first_three_begins_when_the_time_is_over():
    said, ran = [], []
    over = Pace(rounds=9, seconds=0.0, say=said.append)
    samples, _ = measure([contender("a", ran)], over, Memory(None))
    assert samples[0].values == [1.0] * 3
    assert said[-1] == "stopped after 3 of 9 rounds: --seconds is over"


def test_the_time_begins_after_what_contenders_do_before_their_first_sample(monkeypatch):
    clock, said = [0.0], []
    monkeypatch.setattr("app.bench.rounds.time.monotonic", lambda: clock[0])

    def prepare():
        clock[0] += 100.0  # it compiles

        def run(_):
            clock[0] += 1.0
            return 1.0

        return run

    one = Contender(name="a", prepare=prepare, seconds=lambda _: 0.5)
    samples, _ = measure([one], Pace(rounds=9, seconds=5.5, say=said.append), Memory(None))
    assert len(samples[0].values) == 6 and said[-1] == "stopped after 6 of 9 rounds: --seconds is over"


def test_a_call_that_is_longer_than_the_time_is_its_own_sample():
    def calls_of(seconds, allowed):
        values = itertools.count(1.0)
        one = Contender(name="a", prepare=lambda: lambda _: next(values), seconds=lambda _: seconds)
        samples, _ = measure([one], pace(1, allowed), Memory(None))
        return samples[0].values, next(values) - 1

    assert calls_of(70.0, 60.0) == ([2.0], 2)
    assert calls_of(50.0, 60.0) == ([3.0], 3)
    assert calls_of(0.001, 0.0) == ([3.0], 3)  # no longer than any sample


def test_a_long_contender_and_a_short_one_have_as_many_samples():
    ran = []
    long = Contender(name="long", prepare=lambda: lambda _: 1.0, seconds=lambda _: 70.0)
    samples, _ = measure([contender("a", ran), long], pace(1), Memory(None))
    assert [len(one.values) for one in samples] == [1, 1]


def test_a_process_is_sampled_after_its_warm_up_however_long_it_takes():
    values = itertools.count(1.0)
    one = Contender(name="a", prepare=lambda: lambda _: next(values), seconds=lambda _: 70.0, most=1)
    assert measure([one], pace(1), Memory(None))[0][0].values == [2.0]


def test_every_turn_takes_its_own_threads_and_others_those_of_the_beginning():
    seen = []

    def noting(name, leaves):
        def prepare():
            seen.append((name, torch.get_num_threads()))

            def run(units):
                seen.append((name, torch.get_num_threads()))
                torch.set_num_threads(leaves)  # as a library might
                return 1.0

            return run

        return prepare

    mine = Contender(name="mine", prepare=noting("mine", 4), seconds=lambda _: 0.5, threads=3)
    peer = Contender(name="peer", prepare=noting("peer", 5), seconds=lambda _: 0.5)
    with threads(2):
        measure([mine, peer], pace(3), Memory(None))
        assert torch.get_num_threads() == 2
    assert torch.get_num_threads() == 1  # as before
    of_first_calls = {name: {n for other, n in seen if other == name} for name in ("mine", "peer")}
    assert of_first_calls == {"mine": {3, 4}, "peer": {2, 5}}  # 4 and 5: their own second warm-up
    sampled = seen[-6:]
    assert sampled == [("mine", 3), ("peer", 2), ("peer", 2), ("mine", 3), ("mine", 3), ("peer", 2)]


def test_short_units_are_repeated_until_a_sample_is_long_enough_and_no_more_than_is_allowed():
    def units_of(seconds, most):
        one = Contender(name="a", prepare=lambda: lambda units: seconds, seconds=lambda value: value, most=most)
        return measure([one], pace(1), Memory(None))[0][0].units

    assert [units_of(*case) for case in ((0.01, 1000), (0.5, 1000), (1e-6, 50))] == [20, 1, 50]


def test_a_peer_that_fails_is_left_out_with_its_reason_and_ours_is_an_error():
    def fails():
        raise RuntimeError("no kernel for this\nand a long trace")

    ran = []
    with_peer = [contender("a", ran), Contender(name="peer", prepare=fails)]
    samples, left_out = measure(with_peer, pace(1), Memory(None))
    assert [one.name for one in samples] == ["a"] and left_out == ["peer: no kernel for this"]
    with pytest.raises(RuntimeError, match="no kernel"):
        measure([Contender(name="ours", prepare=fails, required=True)], pace(1), Memory(None))


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory: you tried to ..."
        ),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 8 TiB"),
        RuntimeError("Storage size calculation overflowed with sizes=[4, 4611686018427387904]"),
        MemoryError("a batch of 24 GB, and 3 GB are free"),
    ],
)
def test_ours_without_room_is_refused_with_what_to_do(error):
    def fails():
        raise error

    with pytest.raises(OutOfMemory, match=r"^ours does not fit into memory \(.+\). Use a smaller --batch-size$"):
        measure([Contender(name="ours", prepare=fails, required=True)], pace(1), Memory(None))
    assert measure([Contender(name="peer", prepare=fails)], pace(1), Memory(None))[1] == [f"peer: {error}"]


def test_a_group_without_samples_says_so_beside_those_that_have_some():
    groups = [
        Group(title="5 tokens", unit="ms", samples=[Samples(name="a", values=[2.0], units=1)], pairs=[("a", "b")]),
        Group(title="9 tokens", unit="ms", samples=[], pairs=[("a", "b")]),
    ]
    report = Report(bench="attention", setting={}, hardware={}, groups=groups)
    text = report.to_text()
    assert "5 tokens\nms   median   quartiles" in text and "9 tokens\nnothing could be measured" in text
    assert [len(group["contenders"]) for group in report.to_json("")["groups"]] == [1, 0]
    assert columns(["ms", "median"], []).split() == ["ms", "median", "---", "-------"]


def test_peaks_are_of_the_worst_sample_with_what_the_contender_holds_all_the_time():
    class Counted(Memory):
        """A device that holds 100 bytes more after each contender, whose samples add 7, 9, 8, ..."""

        added, now = itertools.cycle([7, 9, 8]), -100

        def held(self):
            self.now += 100
            return self.now

        def peak(self, *, own):
            return own + next(self.added)

    samples, _ = measure([contender("a", [])], pace(3), Counted(None))
    assert samples[0].peak_bytes == 109
