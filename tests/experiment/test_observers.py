"""The observers of the first rank and of the others meet in the same order, and each keeps what it says."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from app import loop, optim, task
from app.artifacts import checkpoint
from app.artifacts.paths import RunFiles
from app.artifacts.states import Facts
from app.computing.arithmetic import Arithmetic
from app.errors import Stopped
from app.experiment.learner import Learner
from app.experiment.observers import Best, Diverging, Logging, Progress, Pushing, Saving, Stopping
from app.experiment.stopping import Reason
from app.log import TrainingLog
from app.loop import Batch, EpochEnd, StepEnd
from app.place import Place

from .runs import Quiet, interrupted, rows, train


class Meetings(Place):
    """A place that notes what its rank asks of the others."""

    asked: list

    def total(self, sums):
        self.asked.append("total")
        return sums

    def agree(self, number):
        self.asked.append("agree")
        return number


class Points:
    """A split of ten points on a line."""

    def __len__(self):
        return 10

    def order(self, epoch, size=None):
        return np.arange(10)

    def paired(self, examples, epoch):
        return examples

    def expect(self, examples):
        pass

    def batch(self, examples, *, epoch=None):
        examples = torch.from_numpy(np.asarray(examples))
        return examples[:, None] / 10, examples % 3


@pytest.fixture
def files(tmp_path):
    return RunFiles(tmp_path, "model_x")


def meetings():
    place = Meetings(torch.device("cpu"), "fp32")
    object.__setattr__(place, "asked", [])
    return place


def fitted(place, observers, model, optimizer):
    schedule = loop.Schedule(
        epochs=2, batch_size=4, val_batch_size=5, micro_batch_size=4, clip_norm=None, learning_rate=lambda step: 0.1
    )
    loop.fit(
        model, optimizer, train=Points(), val=Points(), schedule=schedule, observers=observers,
        arithmetic=Arithmetic(place=place, seed=0, task=task.classes),
    )  # fmt: skip


def writers(place, files, model, optimizer, *, stop_asked, every=1e9, push=None):
    """The observers of the rank that writes, as a run has them."""
    log = TrainingLog(files.log, header={})
    logging, best = Logging(log, place), Best(files, model, log)
    saving = Saving(files, Learner(model, optimizer), logging, best, total_steps=6, every=every)
    keepers = [saving, *([Pushing(push, every)] if push else [])]
    return [logging, best, Progress(Quiet(), log, 6), Stopping(place, stop_asked, 6, keepers)], saving


def small():
    model = nn.Linear(1, 3)
    return model, torch.optim.AdamW(model.parameters())


@pytest.mark.parametrize("stop", [False, True], ids=["to the end", "stopped"])
def test_every_rank_asks_the_others_the_same_in_the_same_order(files, stop):
    asked = {"first": meetings(), "other": meetings()}
    reasons = {name: iter([None, None, Reason("by a test")] if stop else [None] * 6) for name in asked}
    for name, place in asked.items():
        model, optimizer = small()
        observers = [Stopping(place, lambda name=name: next(reasons[name]), 6)]
        if name == "first":
            observers, _ = writers(
                place,
                files,
                model,
                optimizer,
                stop_asked=lambda: next(reasons["first"]),
                every=0.0,
                push=lambda _: None,
            )
        if stop:
            with pytest.raises(Stopped, match=r"stopped by a test after step 3 of 6. Its state is saved"):
                fitted(place, observers, model, optimizer)
        else:
            fitted(place, observers, model, optimizer)
    step, epoch = ["total", "total", "agree"], ["total", "total", "total", "agree", "agree"]
    assert asked["first"].asked == asked["other"].asked == ([*step, *step, *epoch] * 2)[: 11 if stop else None]


def test_a_state_is_saved_when_it_is_due_at_the_last_step_and_where_a_rank_stops(files):
    def steps(**how):
        saved = []
        model, optimizer = small()
        place = meetings()
        observers, saving = writers(place, files, model, optimizer, **how)
        saving.save = saved.append
        try:
            fitted(place, observers, model, optimizer)
        except Stopped:
            saved.append("stopped")
        return saved

    assert steps(stop_asked=lambda: None) == [6]
    assert steps(stop_asked=lambda: None, every=0.0) == [1, 2, 3, 4, 5, 6]
    assert steps(stop_asked=lambda: Reason("by a test")) == [1, "stopped"]


def test_by_accuracy_the_most_correct_examples_win_and_of_equal_ones_the_lower_loss(files):
    model, log = nn.Linear(1, 3), SimpleNamespace(drain=lambda: None, last={})
    best, found = Best(files, model, log, by="accuracy"), []
    for epoch, (loss, correct) in enumerate([(2.0, 5), (1.0, 4), (2.5, 6), (2.4, 6), (2.4, 6)], start=1):
        log.last["val_full"] = {"loss": loss, "correct": correct}
        best(EpochEnd(step=epoch, epoch=epoch))
        found.append(best.found.epoch)
    assert found == [1, 1, 3, 4, 4] and (best.found.correct, best.found.val_loss) == (6, 2.4)


def test_of_equally_good_epochs_the_first_is_the_best_and_a_lower_loss_wins(files):
    model, log = nn.Linear(1, 3), SimpleNamespace(drain=lambda: None, last={})
    best, found = Best(files, model, log), []
    for epoch, loss in enumerate([2.0, 2.0, 1.5, 1.5, 1.6], start=1):
        log.last["val_full"] = {"loss": loss, "correct": 0}
        nn.init.constant_(model.weight, epoch)
        best(EpochEnd(step=10 * epoch, epoch=epoch))
        found.append(best.found.epoch)
    assert found == [1, 1, 3, 3, 3] and best.found.val_loss == 1.5
    assert load_file(files.state / best.found.file)["weight"].unique().item() == 3


def test_a_push_is_offered_when_it_is_time_and_when_the_run_stops():
    offered = []
    seldom, often = Pushing(offered.append, 1e9), Pushing(offered.append, 0.0)
    for step, wish in ((1, 0), (2, 3)):
        assert not seldom.due(step)
        seldom.keep(step, wish)
    assert offered == [2] and often.due(3)
    often.keep(3, 1)
    assert offered == [2, 3]


def diverging(losses, *, steps_per_epoch=2, first_epoch=1):
    """What the observer says of epochs with these training losses, in sums over four examples of ten classes."""
    said = []
    observer = Diverging(Place(torch.device("cpu"), "fp32"), said.append, math.log(10), steps_per_epoch)
    for epoch, batches in enumerate(losses, first_epoch):
        for loss in batches:
            observer(Batch("train", 1, epoch, 4, 0.1, torch.tensor([4 * loss, 0.0])))
            observer(Batch("val", 1, epoch, 4, 0.1, torch.tensor([0.0, 0.0])))
        observer(EpochEnd(1, epoch))
    return said


def test_an_epoch_whose_every_loss_is_above_that_of_a_guess_is_reported():
    assert diverging([[9, 9], [2.6, 2.6], [1, 1]])[0].startswith("warning: the run is diverging. In epoch 2 ")
    assert len(diverging([[9, 9], [2.6, 2.6], [1, 1]])) == 1


@pytest.mark.parametrize("losses", [[[9, 9]], [[1, 1], [2.5, 2.6]], [[1, 1], [2.6, 2.5]], [[1, 1], [2.6]]],
                         ids=["the first", "lower in its first step", "in its last", "resumed within it"])  # fmt: skip
def test_other_epochs_are_not_reported_as_diverging(losses):
    assert diverging(losses) == []


def test_a_row_has_the_wait_of_a_training_batch_and_the_peak_of_a_full_pass(tmp_path):
    rows = []
    facts = Facts(best=None, log_bytes=0, log_sha256="", seconds=9, peak_bytes=5, waiting=1.5, validation=3.0)
    logging = Logging.after(SimpleNamespace(add=rows.append), Place(torch.device("cpu"), "fp32"), facts)
    logging(Batch("train", 1, 1, 4, 0.1, torch.ones(2), waited=0.25))
    logging(Batch("val_full", 1, 1, 4, 0.1, torch.ones(3), peak_bytes=9))
    logging(StepEnd(1))
    assert [set(row.fields) - {"step", "epoch", "split", "lr", "examples", "seconds"} for row in rows] == [
        {"wait_ms"}, {"peak_bytes"}
    ]  # fmt: skip
    assert logging.waiting == 1.75 and 3 < logging.validation < 3.5  # of the processes before too
    assert rows[0].fields["wait_ms"] == 250 and logging.peak_bytes == 9 and rows[1].fetch() == [1.0, 1.0, 1.0]


class Nested(torch.optim.SGD):
    """An optimiser whose state is a tree: what an optimiser of a library may keep."""

    def __init__(self, *given, **named):
        super().__init__(*given, **named)
        self.steps = torch.zeros(1)  # of all parameters

    def step(self, closure=None):
        super().step(closure)
        for group in self.param_groups:
            for parameter in group["params"]:
                state = self.state[parameter]
                count = state.get("count", 0) + 1
                parts = ["a", None, True, [torch.full((2,), float(count))]]
                self.state[parameter] = {
                    "count": count,
                    "rate": 0.5,
                    "nested": {"parts": (*parts, {})},
                    "own": parameter.detach() + 1,
                    "by place": {0: torch.full((2,), float(count)), (1, "b"): None},
                    "steps": self.steps,
                }


def state_of(model, optimizer):
    return [sorted(optimizer.state.get(parameter, {}).items()) for parameter in model.parameters()]


@pytest.mark.parametrize("kind", [lambda p: torch.optim.SGD(p, lr=0.1), lambda p: Nested(p, lr=0.1), torch.optim.AdamW])
def test_an_optimiser_s_state_may_be_any_tree_and_comes_back_through_a_file(tmp_path, kind):
    model, other = nn.Linear(2, 3), nn.Linear(2, 3)
    optimizer, again = kind(model.parameters()), kind(other.parameters())
    for _ in range(2):
        model(torch.ones(1, 2)).sum().backward()
        optimizer.step()
    tensors, trees = checkpoint.optimizer_state(model, optimizer)
    facts = Facts(best=None, log_bytes=0, log_sha256="", seconds=0, optimizer=trees or None)
    assert bool(trees) == (kind(other.parameters()).__class__ is Nested)
    named = {f"optimizer/{name}": tensor for name, tensor in tensors.items()} | {"ema/weight": torch.zeros(1)}
    checkpoint.save_state(tmp_path, checkpoint.State(2, named, facts), best=None)
    state = checkpoint.load_state(tmp_path, print)
    checkpoint.restore_optimizer(other, again, state.part("optimizer"), state.facts.optimizer)
    assert repr(state_of(other, again)) == repr(state_of(model, optimizer))
    assert state.part("ema").keys() == {"weight"}
    for one, two in [(optimizer, again)] if trees else []:  # a tensor of all parameters stays one tensor
        shared = [[found["steps"] for found in each.state.values()] for each in (one, two)]
        assert all(tensor is tensors[0] for tensors in shared for tensor in tensors)


@pytest.mark.usefixtures("cache_folder")
@pytest.mark.parametrize("kind", [torch.optim.SGD, Nested], ids=["empty state", "nested state"])
def test_a_run_with_another_optimiser_s_state_is_resumed_in_the_same_bits(tmp_path, monkeypatch, kind):
    def made(_, groups, numbers):
        return kind(groups, lr=numbers.lr)

    monkeypatch.setitem(optim.OPTIMISERS, "adamw", made)
    whole = train(tmp_path / "whole")
    with pytest.raises(Stopped):
        train(tmp_path / "cut", interrupted(7))
    ended = train(tmp_path / "cut")
    assert ended.files.weights.read_bytes() == whole.files.weights.read_bytes() and rows(ended) == rows(whole)
