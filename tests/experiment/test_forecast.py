"""The note on a run that takes days on a CPU: it is printed before the first step and names a smaller size."""

from types import SimpleNamespace

import pytest
import torch

from app.config.facts import dataset_facts
from app.config.run import resolve
from app.experiment import forecast, length
from app.plan import costs
from app.plan.extent import Extent
from app.tables.datasets import dataset_row


def job(said, *, ranks=1, state=None, device="cpu", **request):
    config = resolve(request, dataset_facts(dataset_row(request["dataset"])))
    splits = SimpleNamespace(train=range(45_000), val=range(5_000), test=range(10_000))
    total = config.epochs * -(-45_000 // config.batch_size)
    return SimpleNamespace(
        config=config, splits=splits, here=SimpleNamespace(device=torch.device(device), ranks=ranks),
        kept=SimpleNamespace(schedule=SimpleNamespace(total_steps=total)),
        state=state and SimpleNamespace(step=round(state * total)), screen=SimpleNamespace(say=said.append),
    )  # fmt: skip


@pytest.fixture
def rate(monkeypatch):
    monkeypatch.setattr(forecast, "products_per_second", lambda: 1e11)


def work(run):
    return length.flops(run.config, train=45_000, val=5_000, test=10_000)


@pytest.mark.parametrize("model", ["vit_classic", "vit_differential", "t2t_vit", "resnet50", "cnn"])
def test_work_is_what_plan_prints(model):
    run = job([], model=model, dataset="cifar100")
    extent = Extent(
        train=45_000, val=5_000, test=10_000, total=60_000, classes=100, licence="", download_bytes=0, cached=True,
        carved_test=False,
    )  # fmt: skip
    steps, evaluated = 50 * 88, 50 * 88 * 128 + 50 * 5_000 + 10_000
    assert costs.steps_of(run.config, extent) == steps
    assert work(run) == costs.training_flops(run.config, extent) == run.config.flops * (3 * 50 * 45_000 + evaluated)


@pytest.mark.parametrize("model", ["vit_classic", "vit_differential"])
def test_a_run_of_days_is_predicted_and_a_smaller_size_named(rate, model):
    said = []
    forecast.warn(job(said, model=model, dataset="cifar10", size="50M"))
    assert len(said) == 1 and "days" in said[0] and "launch" in said[0]
    named = said[0].split("--size ")[1].split()[0]
    smaller, own = (
        job([], model=model, dataset="cifar10", size=named),
        job([], model=model, dataset="cifar10", size="50M"),
    )
    assert work(smaller) < 86_400e11 < work(own)


def test_a_model_without_smaller_sizes_gets_the_note_too(rate):
    said = []
    forecast.warn(job(said, model="resnet101", dataset="cifar100"))
    assert "--epochs" in said[0] and "--size" not in said[0]


@pytest.mark.parametrize(
    "request_", [{"dataset": "digits"}, {"dataset": "cifar10", "size": "1M", "epochs": 1}],
    ids=["digits", "one epoch"],
)  # fmt: skip
def test_a_short_run_is_not_measured(monkeypatch, request_):
    monkeypatch.setattr(forecast, "products_per_second", lambda: pytest.fail("measured"))
    said = []
    forecast.warn(job(said, model="vit_classic", **request_))
    assert said == []


def test_what_is_left_counts_and_a_gpu_needs_no_note(rate):
    said = []
    forecast.warn(job(said, model="vit_classic", dataset="cifar10", size="50M", state=0.999))
    forecast.warn(job(said, model="vit_classic", dataset="cifar10", size="50M", device="cuda"))
    assert said == []


def test_the_rate_is_the_products_flops_by_their_time():
    ticks = iter([0.0, 0.0, 0.25, 0.5])
    assert forecast.products_per_second(seconds=0.5, now=lambda: next(ticks)) == 2 * 2 * 1024**3 / 0.5
