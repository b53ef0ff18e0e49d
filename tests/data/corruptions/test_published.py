"""The statistics of the published code on real images, which the project does not ship.

ISOSCALE_CIFAR100_TEST names the parquet file of CIFAR-100's test split from the Hub.
"""

import os
from pathlib import Path

import pytest
import torch

from app.data.transforms.corruptions.applied import corrupted
from benchmarks.corruptions import PUBLISHED, SHOWN, first_rows, statistics

FILE = Path(os.environ.get("ISOSCALE_CIFAR100_TEST", ""))
COARSE = ("fog", "elastic_transform", "zoom_blur")  # 15 % of the change, since one draw decides much of it

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not FILE.is_file(), reason="ISOSCALE_CIFAR100_TEST names no file of CIFAR-100's test rows"),
]


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_corruption_changes_real_images_as_the_published_code_does(name):
    images = first_rows(FILE)
    for severity, (change, ratio) in zip(SHOWN, PUBLISHED[name], strict=True):
        found = statistics(images, corrupted(images, name, severity, seed=0, rows=torch.arange(100)))
        assert found[0] == pytest.approx(change, rel=0.15 if name in COARSE else 0.05)
        assert found[1] == pytest.approx(ratio, abs=0.02)
