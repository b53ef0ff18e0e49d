"""The place of a run: device, precision, threads, memory, ranks. No other module checks the device's kind."""

import inspect  # no annotations from the future here: DDP reads those of its hook
import os
import platform
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import numpy as np
import torch
from torch import Tensor, distributed, nn

from .errors import InputError
from .system import channels, deterministic, devices, float32, machine, memory, neighbours
from .system.ranks import rank
from .tables.computing import meant

_MIXED = {"bf16": torch.bfloat16, "fp16": torch.float16}  # of precisions
_SHARE_FOR_DATA = 0.5  # of free memory; the rest is for the model and its activations, or for others
_PATIENCE = timedelta(hours=12)  # until a rank stops waiting for another; torchrun ends all if one dies


@dataclass(frozen=True)
class Place:
    """One device and how it computes. `precision` is resolved to fp32, bf16, fp16 or tf32.

    Under `torchrun` it is one of several ranks, which compute the same step, each on its share of the batch.
    """

    device: torch.device
    precision: str
    rank: int = 0
    ranks: int = 1

    def share(self, examples: np.ndarray) -> np.ndarray:
        """Return this rank's part of a batch. Parts differ by one example at most, and may be empty."""
        return np.array_split(examples, self.ranks)[self.rank] if self.ranks > 1 else examples

    def total(self, sums: Tensor) -> Tensor:
        """Return the sum of a small tensor over all ranks."""
        if self.ranks > 1:
            sums = sums.clone()
            distributed.all_reduce(sums)
        return sums

    def agree(self, number: int) -> int:
        """Return the largest number that any rank gives, on every rank, without waiting for a GPU."""
        if self.ranks == 1:
            return number
        largest = torch.tensor(number)
        distributed.all_reduce(largest, distributed.ReduceOp.MAX)
        return int(largest)

    def gather(self, part: Tensor) -> Tensor | None:
        """Return every rank's rows of a tensor on the host, (n_r, ...) -> (n, ...), to the first rank only.

        They are in the order of ranks. Ranks may have different numbers of rows, including none. The other dimensions
        are equal.
        """
        if self.ranks == 1:
            return part
        longest = self.agree(len(part))
        padded = torch.cat([part, part.new_zeros(longest - len(part), *part.shape[1:])])
        lengths = [torch.tensor(0) for _ in range(self.ranks)]
        distributed.all_gather(lengths, torch.tensor(len(part)))
        parts = [torch.empty_like(padded) for _ in lengths] if self.rank == 0 else None
        distributed.gather(padded, parts)
        return torch.cat([rows[:length] for rows, length in zip(parts, lengths, strict=True)]) if parts else None

    def laid_out(self, model: nn.Module) -> nn.Module:
        """Return the model in the fastest memory format for its kernels."""
        return channels.laid_out(model, self.device)

    def spread(self, model: nn.Module, *, gradients: str = "fp32", partly_used: bool = False) -> nn.Module:
        """Return the model for training. With several ranks its gradients are summed as they are computed (DDP).

        If it is `partly_used`, the ranks do not wait for gradients of the other parameters. DDP then looks through the
        graph of each step, which takes time.
        """
        if self.ranks == 1:
            return model
        ddp = nn.parallel.DistributedDataParallel
        new = "forward_sync_buffers" in inspect.signature(ddp).parameters  # from torch 2.13 on
        apart: dict[str, Any] = {"forward_sync_buffers" if new else "broadcast_buffers": False}
        apart |= {"find_unused_parameters": True} if partly_used else {}
        spread = ddp(model, **apart, gradient_as_bucket_view=True)
        # if a rank has one image of an epoch's last batch, the gradient of the cls token has other strides
        warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides")
        spread.register_comm_hook(None, _summed_in_bf16 if gradients == "bf16" else _summed)
        return spread

    def alone(self, model: nn.Module, *, last: bool) -> AbstractContextManager:
        """Return a context for each micro-batch, in which gradients are exchanged only at the last one."""
        waits = isinstance(model, nn.parallel.DistributedDataParallel) and not last
        return model.no_sync() if waits else nullcontext()  # type: ignore[operator]

    def autocast(self) -> AbstractContextManager:
        """Return the context of mixed precision for the forward pass. bf16 needs no loss scaling, fp16 does."""
        dtype = _MIXED.get(self.precision)
        return torch.autocast(self.device.type, dtype) if dtype else nullcontext()

    def hold(self, array: np.ndarray) -> tuple[Tensor, str]:
        """Return a memory-mapped array in the fastest memory that has room for it now, and the name of that memory.

        It is `device`, else `pinned` host memory, else `mapped`: the file as it is. On a CPU it stays `memory-mapped`.
        """
        tensor = torch.from_numpy(array)
        if self.device.type == "cpu":
            return tensor, "memory-mapped"
        its = devices.limits(self.device)
        if self.has_room(tensor.nbytes):
            return tensor.to(self.device), "device"
        copies = self.ranks * neighbours.here().on_machine
        taken = copies << (tensor.nbytes - 1).bit_length()  # torch pins powers of two
        if its.pins and taken < _SHARE_FOR_DATA * memory.free():
            with suppress(RuntimeError):  # the driver may have lower limits
                return tensor.pin_memory(), "pinned"
        return tensor, "mapped"

    def has_room(self, data_bytes: int) -> bool:
        """Return whether a device that is not the CPU has room for an array next to the model and its activations."""
        return self.device.type != "cpu" and data_bytes < _SHARE_FOR_DATA * self.room()[0]

    def staging(self, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        """Return an empty tensor in host memory for `send`, which copies it to the device without waiting."""
        return torch.empty(*shape, dtype=dtype, pin_memory=devices.limits(self.device).pins)

    def send(self, tensor: Tensor) -> Tensor:
        """Return a tensor of host memory on the device, without waiting for the copy.

        torch manages the memory that is pinned for it, and reuses it only after the copy.
        """
        if devices.limits(self.device).pins and tensor.device.type == "cpu":
            return tensor.pin_memory().to(self.device, non_blocking=True)
        return tensor.to(self.device)

    def memory(self) -> tuple[int, int]:
        """Return the bytes of a CUDA device and the GiB in use now, stored images included, or zeros for other devices.

        Memory that torch keeps to reuse it does not count. Next to other runs, both are of this run's share.
        """
        if self.device.type != "cuda":
            return 0, 0
        total, used = devices.in_use(self.device)
        return total, round(used / 2**30)

    def take_threads(self, count: int) -> None:
        """Compute with `count` threads from here on, if the device is a CPU."""
        if self.device.type == "cpu":
            torch.set_num_threads(count)

    def repeat_bits(self, on: bool) -> None:
        """Switch deterministic kernels on or off. A CPU repeats every bit with and without them."""
        deterministic.use(on, self.device)

    def repeats_no_bits(self) -> str:
        """Return why the device cannot repeat every bit, as a sentence, or an empty text if it can."""
        return deterministic.unavailable(self.device)

    def wait(self) -> None:
        """Wait until the device has finished all its work, for measuring, never in a loop."""
        devices.wait(self.device)

    def fetch(self, tensor: Tensor) -> Callable[[], Sequence[float]]:
        """Start copying a small tensor to the host. The returned function waits for it and returns its numbers."""
        if not devices.limits(self.device).pins:
            return tensor.tolist
        host = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
        host.copy_(tensor, non_blocking=True)
        copied = torch.cuda.Event()
        copied.record()

        def numbers() -> Sequence[float]:
            copied.synchronize()
            return host.tolist()

        return numbers

    def peak_bytes(self) -> int:
        """Return the peak memory so far: of the device if it has a memory, else the resident memory of this process."""
        return devices.limits(self.device).peak(self.device)

    def forget_peak(self) -> None:
        """Reset the peak of a device that keeps one, so that trials before a run do not count."""
        devices.forget_peak(self.device)

    def room(self) -> tuple[int, int]:
        """Return the free and the total bytes of memory: of the device, or of the host's control group for a CPU."""
        return devices.limits(self.device).room(self.device)

    def architecture(self) -> tuple[tuple[int, int], list[str]] | None:
        """Return an NVIDIA GPU's compute capability, and the architectures that this torch supports, or else None."""
        if self.device.type != "cuda" or devices.is_amd():
            return None
        return torch.cuda.get_device_capability(self.device), torch.cuda.get_arch_list()

    def describe(self) -> dict[str, Any]:
        """Return the description of the machine for results, without a name or address of the host."""
        return {
            "device": devices.name(self.device),
            "device_type": self.device.type,
            "precision": self.precision,
            "threads": torch.get_num_threads(),
            "ranks": self.ranks,
            "cuda": torch.version.cuda if self.device.type == "cuda" else None,
            **({"hip": torch.version.hip} if self.device.type == "cuda" and devices.is_amd() else {}),
            "platform": platform.system(),
            **neighbours.here().described,
        }


def choose(*, device: str = "auto", precision: str = "auto", threads: int | None = None, exact: bool = False) -> Place:
    """Return the place for a run. Raises InputError for a device that this machine does not have.

    `auto` is CUDA or ROCm, else Apple's MPS, else Intel's XPU, else the CPU. `auto` precision is bf16 on a GPU with
    bf16 units, else fp32. A GPU that exists but is unusable is an error, since a CPU would take hours at a GPU's price.
    float32 is computed in full, except with precision `tf32`, which raises InputError on a device without TF32, or is
    fp32 there if `exact`.
    """
    if device == "auto":
        device = devices.best()
        if device == "cpu":
            machine.require_usable(cuda=torch.version.cuda)
    local = os.environ.get("LOCAL_RANK")
    if local and device.startswith("cuda:"):
        raise InputError(
            f"device={device} is one GPU, but every rank needs a separate one. Use --device cuda, and each rank "
            "uses a different GPU"
        )
    if local and device == "cuda":
        device = f"cuda:{local}"
    if (kind := device.partition(":")[0]) not in devices.KINDS:
        raise InputError(f"unknown device {device!r}. Use {meant(device)}")
    if kind == "cuda":
        deterministic.reserve_workspace()
    try:
        found = torch.device(device)
        if found.type == "cuda" and found.index is not None:
            torch.cuda.set_device(found)  # events and streams are of the current device, wherever the tensors are
        torch.empty(1, device=found)
    except (RuntimeError, AssertionError) as error:
        first = str(error).splitlines()[0].partition(". ")[0]
        raise InputError(f"device={device} is unavailable here ({first}). Use --device cpu") from error
    devices.take_share(found)
    if threads is not None:
        torch.set_num_threads(threads)
    if found.type == "cpu":
        memory.keep()
    return Place(found, float32.resolved(precision, found, exact=exact))


@contextmanager
def own_threads() -> Iterator[None]:
    """Restore the process's number of threads, TF32 and deterministic kernels at the end of the context."""
    before = torch.get_num_threads()
    try:
        with float32.kept(), deterministic.kept():
            yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def joined(place: Place) -> Iterator[Place]:
    """Yield the place among the ranks that `torchrun` started, after all have met, or the place alone without it.

    The device's numbers are exchanged by NCCL on GPUs and by gloo otherwise, those of the host by gloo. Raises
    InputError for several ranks on MPS and XPU, where they cannot exchange numbers.
    """
    if (ranks := int(os.environ.get("WORLD_SIZE", "1"))) == 1:
        yield place
        return
    if (backend := devices.limits(place.device).backend) is None:
        raise InputError(
            f"{ranks} ranks cannot train on {place.device}, which supports one process. Start one without torchrun"
        )
    distributed.init_process_group(backend, timeout=_PATIENCE)
    try:
        yield replace(place, rank=rank(), ranks=ranks)
    finally:
        distributed.destroy_process_group()


def _summed(_: None, bucket: distributed.GradBucket) -> torch.futures.Future[Tensor]:
    """Return the sum of gradients for DDP, since each rank's loss is already its part of the batch's mean."""
    work = distributed.all_reduce(bucket.buffer(), async_op=True)
    return work.get_future().then(lambda done: done.value()[0])


def _summed_in_bf16(_: None, bucket: distributed.GradBucket) -> torch.futures.Future[Tensor]:
    """Return the same sum with half the bytes exchanged: each part, and the sum, is rounded to 8 bits of mantissa."""
    gradients = bucket.buffer()
    work = distributed.all_reduce(gradients.to(torch.bfloat16), async_op=True)
    return work.get_future().then(lambda done: gradients.copy_(done.value()[0]))
