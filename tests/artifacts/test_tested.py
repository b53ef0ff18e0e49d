"""Every number that a task makes of a test is a field of the record."""

import numpy as np
import pytest

from app import task
from app.artifacts import parts
from app.artifacts.parts import Errors, Rates


@pytest.mark.parametrize(("learned", "kind", "outputs"), [(task.classes, Rates, 3), (task.values, Errors, 1)])
def test_metrics_become_a_part_of_the_record_and_none_is_lost(learned, kind, outputs):
    labels = np.arange(12) % 3 if learned is task.classes else np.linspace(0, 1, 12).astype(np.float32)
    values = np.random.default_rng(0).normal(size=(12, outputs)).astype(np.float32)
    metrics = learned.metrics(labels, values)
    found = parts.tested(metrics)
    assert type(found) is kind and {name: getattr(found, name) for name in metrics} == metrics
