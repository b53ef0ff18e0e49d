"""Where trials run: in another process on CUDA, so that an error of the device, which ends a process, ends no run.

An illegal access or a failed launch makes every later call of that process fail. The other process also sees the memory
of this one on the device as taken, and leaves its compiled programs in the cache for this one.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import torch

from ..config.run import RunConfig
from ..errors import first_line
from ..place import Place
from ..system import devices, float32, neighbours
from ..system.child import Child
from ..tables import own
from ..tables.own import OwnModel

Run = Callable[..., Any]  # a function of `trials` or `attempts` with its arguments -> its result
_SECONDS = 600.0  # of a trial: a cold compile of a deep network on a slow host takes minutes


class UnreachableError(RuntimeError):
    """Another process cannot use the device, such as in exclusive compute mode."""


class _Setting(NamedTuple):
    """The settings of torch in this process that affect time or results."""

    threads: int
    tf32: bool
    deterministic: bool

    @classmethod
    def here(cls) -> _Setting:
        """Return the current settings."""
        tf32 = torch.backends.cuda.matmul.allow_tf32
        return cls(torch.get_num_threads(), tf32, torch.are_deterministic_algorithms_enabled())

    def take(self, place: Place) -> None:
        """Apply the settings for a place."""
        torch.set_num_threads(self.threads)
        float32.allow_tf32(self.tf32)
        place.repeat_bits(self.deterministic)


class _Trials:
    """Trials in one other process, which is started by the first trial, and again after one that failed."""

    def __init__(self, config: RunConfig, place: Place, say: Callable[[str], None]) -> None:
        self._make = partial(_prepared, place, _Setting.here(), own.known(config.model), _taken(place))
        self._place, self._say = place, say
        self._child: Child | None = None
        self._is_here = False

    def __call__(self, function: Run, *arguments: Any, **options: Any) -> Any:
        """Return the result of a trial. Raises its error, or one of `Child.ask` if the process ends or hangs."""
        if self._is_here:
            return function(*arguments, **options)
        devices.empty_cache(self._place.device)  # the other process needs what torch keeps for reuse here
        try:
            return self._running().ask(function, arguments, options, seconds=_SECONDS)
        except UnreachableError as error:
            self._say(f"trials run in this process, because another cannot use {self._place.device} ({error})")
            self._is_here = True
            return function(*arguments, **options)

    def _running(self) -> Child:
        """Return the process, which is started if it does not run."""
        if self._child is None or not self._child.is_alive:
            try:
                self._child = Child(self._make, quiet=True)
            except OSError as error:  # no memory or no number for a process
                raise UnreachableError(first_line(error)) from error
        return self._child

    def close(self) -> None:
        """End the process."""
        if self._child:
            self._child.end()


def needs_process(place: Place) -> bool:
    """Return whether trials on a device run in another process. On other devices an error does not end a process."""
    return place.device.type == "cuda"


@contextmanager
def trials_on(config: RunConfig, place: Place, say: Callable[[str], None]) -> Iterator[Run]:
    """Yield the function that runs trials of a model on a place, in another process if the device needs it.

    Of several runs on one device, one at a time makes trials, because trials at the same time slow each other.
    """
    with neighbours.in_turn(place.device.type, say):
        if not needs_process(place):
            yield lambda function, *arguments, **options: function(*arguments, **options)
            return
        trials = _Trials(config, place, say)
        try:
            yield trials
        finally:
            trials.close()


def _taken(place: Place) -> int:
    """Return the bytes that this process has allocated on a CUDA device, else 0."""
    return torch.cuda.memory_allocated(place.device) if place.device.type == "cuda" else 0


def _prepared(
    place: Place, setting: _Setting, code: OwnModel | None, taken: int
) -> Callable[[Run, Any, Mapping[str, Any]], Any]:
    """Return what answers in the other process.

    `code` is a user's file, which the user named to the first process. `taken` is what that process has on the device.
    """
    if code:
        own.allow(code)
    setting.take(place)
    try:
        if place.device.index is not None:
            torch.accelerator.set_device_index(place.device.index)
        torch.empty(1, device=place.device)
        devices.take_share(place.device, taken=taken)
        place.wait()
    except (RuntimeError, AssertionError) as error:
        raise UnreachableError(first_line(error)) from error

    def answer(function: Run, arguments: Any, options: Mapping[str, Any]) -> Any:
        gc.collect()  # of the trial before: a compiled block refers to itself
        return function(*arguments, **options)

    return answer
