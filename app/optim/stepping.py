"""The frame of our optimisers: which parameters have a gradient, how many steps each has made, and its state."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor


class Moments(NamedTuple):
    """Parameters of one group that make the same step, with their gradients and states."""

    step: int  # from 1
    parameters: list[Tensor]
    gradients: list[Tensor]
    states: list[dict[str, Any]]

    def of(self, name: str) -> list[Tensor]:
        """Return a part of the states, parameter by parameter."""
        return [state[name] for state in self.states]

    def each(self) -> Iterator[tuple[Tensor, Tensor, dict[str, Any]]]:
        """Yield (parameter, gradient, state)."""
        yield from zip(self.parameters, self.gradients, self.states, strict=True)


class StepByStep(torch.optim.Optimizer):
    """An optimiser that updates all parameters of a group at once. Subclasses define `begun` and `update`."""

    def begun(self, parameter: Tensor, gradient: Tensor) -> dict[str, Any]:
        """Return a parameter's state before its first step, of which `gradient` is the gradient."""
        raise NotImplementedError

    def update(self, moments: Moments, group: dict[str, Any]) -> None:
        """Make one step of the parameters."""
        raise NotImplementedError

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Make one step of every parameter that has a gradient."""
        assert closure is None
        for group in self.param_groups:
            by_step: dict[int, Moments] = {}
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if not state:
                    state |= {"step": 0, **self.begun(parameter, parameter.grad)}
                state["step"] += 1
                moments = by_step.setdefault(state["step"], Moments(state["step"], [], [], []))
                moments.parameters.append(parameter)
                moments.gradients.append(parameter.grad)
                moments.states.append(state)
            for moments in by_step.values():
                self.update(moments, group)
