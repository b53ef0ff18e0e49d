"""Compare the augmentations with their references on noise and on smooth images: `python -m benchmarks.augmentations`.

It prints the largest difference in grey levels per operation and magnitude, and the seconds of a batch of 512 images.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import v2

from app.data.transforms import chain, operations, randaugment
from app.data.transforms.transform import Draws
from app.tables.augmentations import AUGMENTATIONS

SIDES = (8, 32, 96)
MAGNITUDES = (0, 1, 9, 14, 22, 30)
BATCH, ROUNDS = 512, 7


def pictures(side: int, count: int = 3) -> Tensor:
    """Return noise and smooth images of unequal contrast: float (2 count, 3, S, S) in [0, 1]."""
    random = np.random.default_rng(side)
    found = []
    for each in range(count):
        noise = random.integers(0, 256, (side, side, 3), dtype=np.uint8)
        smooth = np.asarray(Image.fromarray(noise[:4, :4]).resize((side, side))) * (0.3 + 0.7 * each / count)
        found += [noise, smooth.astype(np.uint8)]
    return torch.from_numpy(np.stack(found)).permute(0, 3, 1, 2).float() / 255


def differences(policy: v2.Transform, space: operations.Space) -> Iterator[tuple[str, float]]:
    """Yield each operation and its largest difference from torchvision's, over magnitudes, signs and sides."""
    table = policy._AUGMENTATION_SPACE
    for number, name in enumerate(operations.OPERATIONS):
        worst = 0.0
        for side in SIDES:
            x = pictures(side)
            which = torch.full((len(x),), number)
            strengths, signed = table[name][0](operations.BINS, side, side), table[name][1]
            for magnitude in MAGNITUDES:
                for sign in (1, -1) if signed else (1,):
                    value = 0.0 if strengths is None else float(strengths[magnitude] if strengths.ndim else strengths)
                    expected = policy._apply_image_or_video_transform(
                        x, name, sign * value, interpolation=policy.interpolation, fill=policy._fill
                    )
                    negative = torch.full_like(which, int(sign < 0))
                    ours = operations.drawn(space, side, which=which, magnitude=magnitude, negative=negative)
                    worst = max(worst, float((operations.applied(x, which, ours) - expected).abs().max()) * 255)
        yield name, worst


def seconds(name: str) -> tuple[float, float]:
    """Return median and spread of the seconds for a batch of 512 images of 32 px, resize and normalisation excluded."""
    way = chain.of_images(name, stored=32, side=32, mean=torch.full((3,), 0.5), std=torch.full((3,), 0.25))
    plain = chain.of_images("none", stored=32, side=32, mean=torch.full((3,), 0.5), std=torch.full((3,), 0.25))
    images = (pictures(32, BATCH // 2) * 255).to(torch.uint8)
    examples, found = torch.arange(BATCH), []
    for each in range(ROUNDS):
        draws = Draws(0, each, examples)
        found.append(_took(lambda: chain.passed(way, images.clone(), examples, draws))  # noqa: B023
                     - _took(lambda: chain.passed(plain, images.clone(), examples, draws)))  # noqa: B023  # fmt: skip
    return statistics.median(found), max(found) - min(found)


def _took(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def main() -> None:
    """Print both tables in Markdown."""
    fill = {"interpolation": v2.InterpolationMode.NEAREST, "fill": 0}
    policies = {
        "rand": (v2.RandAugment(**fill), randaugment.RAND),
        "trivial": (v2.TrivialAugmentWide(**fill), randaugment.TRIVIAL),
    }  # fmt: skip
    found = {name: dict(differences(*policy)) for name, policy in policies.items()}
    print("| operation | `rand`, grey levels | `trivial`, grey levels |\n|---|---|---|")
    for name in operations.OPERATIONS:
        print(f"| {name} | {found['rand'][name]:.1e} | {found['trivial'][name]:.1e} |")
    print("\n| augmentation | ms of 512 images of 32 px: median (spread) |\n|---|---|")
    for name in AUGMENTATIONS:
        median, spread = seconds(name)
        print(f"| `{name}` | {1000 * median:.1f} ({1000 * spread:.1f}) |")


if __name__ == "__main__":
    main()
