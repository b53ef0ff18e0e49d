"""Where a training step's time goes on a CPU, by kind of work: shares for docs/performance.md.

    uv run python -m benchmarks.profile [--model vit_classic] [--size 10M] [--precision bf16] [--threads 1] [--steps 3]

Shares are of the operators' own time on the main thread, so take one thread where they are to add up.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter

import torch
from torch.profiler import ProfilerActivity, profile

from app import place
from app.bench import ours
from app.computing import execution
from app.computing.rehearsal import HeldBatch, Rehearsal
from app.errors import Explained

KINDS = {  # the first whose names an operator's name holds
    "linear layers' products": ("aten::mm", "aten::addmm"),
    "products inside attention": ("aten::bmm", "aten::baddbmm", "scaled_dot_product"),
    "softmax": ("softmax",),
    "GELU": ("gelu",),
    "layer norms": ("layer_norm", "rms_norm"),
    "patches": ("convolution",),
    "optimiser": ("adam",),
    "copies and casts": ("copy_", "clone", "contiguous", "::cat", "_to_copy"),
    "sums, sizes and the like": ("",),
}


def kind_of(operator: str) -> str:
    return next(kind for kind, names in KINDS.items() if any(name in operator for name in names))


def main() -> None:
    parser = argparse.ArgumentParser()
    for name, value in (("model", "vit_classic"), ("size", "10M"), ("precision", "bf16")):
        parser.add_argument(f"--{name}", default=value)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--steps", type=int, default=3)
    asked = parser.parse_args()
    here = place.choose(device="cpu", precision=asked.precision, threads=asked.threads)
    config = ours.config_at({"model": asked.model, "size": asked.size}, here)
    wishes = execution.Wishes(threads=asked.threads, compile=False)
    chosen = ours.choose(config, here, wishes, say=lambda text: print(text, file=sys.stderr))
    here.take_threads(asked.threads)
    rehearsal = Rehearsal(config, here, HeldBatch.of(config, here.device), chosen)
    for _ in range(2):
        rehearsal.step()
    with profile(activities=[ProfilerActivity.CPU]) as recorded:
        for _ in range(asked.steps):
            rehearsal.step()
    shares: Counter[str] = Counter()
    for operator in recorded.key_averages():
        shares[kind_of(operator.key)] += operator.self_cpu_time_total
    print(f"{asked.model} {asked.size}, {config.tokens} tokens, batch {config.batch_size}, {asked.precision}, "
          f"{asked.threads} threads, path {chosen.attention_path}, torch {torch.__version__}")  # fmt: skip
    for kind, microseconds in shares.most_common():
        print(f"| {kind} | {100 * microseconds / shares.total():.1f} % |")


if __name__ == "__main__":
    try:
        main()
    except Explained as error:
        sys.exit(f"error: {error}")
