"""Compare the optimisers with their references over ten steps in float64: `python -m benchmarks.optimisers`.

It prints the largest difference of a parameter.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from typing import Any

import torch
from timm.optim import create_optimizer_v2
from torch import Tensor, nn

from app.optim.muon import Muon
from app.optim.optimisers import OPTIMISERS, Numbers
from app.tables.optimizers import OPTIMIZERS, kept_shares

STEPS, LR, DECAY, SEEDS = 10, 0.01, 0.05, 5
_NEW = (0.02, 0.08, 0.01)  # adan-pytorch's own betas, shares of new information
Reference = Callable[[nn.Module], torch.optim.Optimizer]


class AdanPytorch(torch.optim.Optimizer):
    """adan-pytorch 0.1.0 as its source has it, with its betas and names; the package itself is not needed."""

    def __init__(self, params: Iterable[Any], *, lr: float, weight_decay: float) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Make one step of every parameter."""
        del closure
        b1, b2, b3 = _NEW
        for group in self.param_groups:
            for p in group["params"]:
                g, s = p.grad, self.state[p]
                if not s:
                    s |= {"step": 0, "prev_grad": torch.zeros_like(g)}
                    s |= {name: torch.zeros_like(g) for name in ("m", "v", "n")}
                if s["step"] > 0:
                    change = g - s["prev_grad"]
                    s["m"] = s["m"] * (1 - b1) + b1 * g
                    s["v"] = s["v"] * (1 - b2) + b2 * change
                    s["n"] = s["n"] * (1 - b3) + b3 * (g + (1 - b2) * change) ** 2
                s["step"] += 1
                m, v, n = (s[name] / (1 - (1 - b) ** s["step"]) for name, b in zip("mvn", _NEW, strict=True))
                rate = group["lr"] / (n.sqrt() + 1e-8)
                p.copy_((p - rate * (m + (1 - b2) * v)) / (1 + group["weight_decay"] * group["lr"]))
                s["prev_grad"] = g.clone()


def _torch(kind: type[torch.optim.Optimizer], **more: Any) -> Reference:
    return lambda network: kind(network.parameters(), lr=LR, weight_decay=DECAY, **more)  # type: ignore[call-arg]


def _timm(name: str, **more: Any) -> Reference:
    return lambda network: create_optimizer_v2(
        network, opt=name, lr=LR, weight_decay=DECAY, filter_bias_and_bn=False, **more
    )


_PLAIN = {"foreach": False, "fused": False}
REFERENCES: dict[str, tuple[str, dict[str, Any], Reference]] = {
    "adamw": ("`torch.optim.AdamW`", {}, _torch(torch.optim.AdamW, **_PLAIN)),
    "adam": ("`torch.optim.Adam`", {}, _torch(torch.optim.Adam, **_PLAIN)),
    "sgd": ("`torch.optim.SGD`", {}, _torch(torch.optim.SGD, momentum=0.9, **_PLAIN)),
    "sgd --nesterov": (
        "`torch.optim.SGD`", {"nesterov": True}, _torch(torch.optim.SGD, momentum=0.9, nesterov=True, **_PLAIN)
    ),
    "adan": ("timm's `adan`", {}, _timm("adan", betas=(0.98, 0.92, 0.99))),
    "adan_lucidrains": ("adan-pytorch 0.1.0, transcribed", {"betas": kept_shares(_NEW)}, _torch(AdanPytorch)),
    "lion": ("timm's `lion`", {}, _timm("lion", betas=(0.9, 0.99))),
    "muon": ("`torch.optim.Muon`", {}, _torch(torch.optim.Muon, momentum=0.95, adjust_lr_fn="match_rms_adamw")),
}  # fmt: skip


def network(name: str, seed: int) -> nn.Module:
    """Return a small network in float64. That of Muon has no biases, since torch's Muon takes matrices only."""
    torch.manual_seed(seed)
    biases = name != "muon"
    widths = ((6, 16), (16, 5), (5, 5))
    return nn.Sequential(*(nn.Sequential(nn.Linear(*each, bias=biases), nn.Tanh()) for each in widths)).double()


def trained(model: nn.Module, optimizer: torch.optim.Optimizer, seed: int) -> list[Tensor]:
    """Return the parameters after ten steps on a loss that changes with the step."""
    inputs = torch.randn(8, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    for step in range(STEPS):
        (model(inputs).cos() * (step + 1)).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()
    return [parameter.detach() for parameter in model.parameters()]


def difference(name: str, seed: int) -> float:
    """Return the largest difference of a parameter from the reference's after ten steps."""
    _, given, reference = REFERENCES[name]
    one = network(name, seed)
    other = copy.deepcopy(one)
    row = OPTIMIZERS[name.split(maxsplit=1)[0]]
    own = {part: getattr(row, part) for part in ("betas", "momentum", "nesterov") if getattr(row, part) is not None}
    groups = [{"params": [*one.named_parameters()], "weight_decay": DECAY}]
    if row.name == "muon":  # of all matrices, as the reference; a run gives the first and the last to AdamW
        ours: torch.optim.Optimizer = Muon(groups, lr=LR, momentum=own["momentum"], nesterov=own["nesterov"])
    else:
        ours = OPTIMISERS[row.name](one, groups, Numbers(**{"lr": LR} | own | given))
    pairs = zip(trained(one, ours, seed), trained(other, reference(other), seed), strict=True)
    return max(float((found - expected).abs().max()) for found, expected in pairs)


def main() -> None:
    """Print the table in Markdown."""
    print(f"| `--optimizer` | reference | largest difference, {SEEDS} networks |\n|---|---|---|")
    for name, (reference, *_) in REFERENCES.items():
        worst = max(difference(name, seed) for seed in range(SEEDS))
        print(f"| `{name}` | {reference} | {worst:.1e} |" if worst else f"| `{name}` | {reference} | 0 |")


if __name__ == "__main__":
    main()
