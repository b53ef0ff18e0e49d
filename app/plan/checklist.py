"""The checks of a run that do not depend on the machine; none needs torch."""

from __future__ import annotations

from ..config.run import RunConfig
from ..system.findings import Finding
from ..tables.datasets import dataset_row
from . import findings, readiness
from .extent import Extent


def of_data(config: RunConfig, extent: Extent, steps: int | None) -> list[Finding]:
    """Return the checks of a run on its data, in the order of a plan."""
    return [
        findings.warmup(config, steps),
        findings.labels_of_test(dataset_row(config.dataset), extent),
        findings.licence(extent.licence),
        findings.classes(config, extent),
        findings.rows_per_class(config, extent),
        *readiness.batch(config, extent),
        *readiness.idle(config, extent),
        findings.dataset(config, extent, offline=readiness.is_offline()),
        *findings.rate(config),
        *findings.heads(config),
        *findings.recipe(config),
    ]
