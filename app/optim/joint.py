"""Two optimisers of one model as one: each updates a part of the parameters, and they share groups and state."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch


class Joint(torch.optim.Optimizer):
    """Optimisers of disjoint parameters, which step one after the other. A change of a group's rate is seen by both."""

    def __init__(self, *parts: torch.optim.Optimizer) -> None:
        groups = [group for part in parts for group in part.param_groups]
        super().__init__([{"params": group["params"]} for group in groups], {})
        self.parts, self.param_groups = parts, groups
        for part in parts:
            part.state = self.state

    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Make one step of every part."""
        assert closure is None
        for part in self.parts:
            part.step()

    def state_dict(self) -> dict[str, Any]:
        """Raise NotImplementedError: a state is saved by parameters (`artifacts.checkpoint.optimizer_state`)."""
        raise NotImplementedError
