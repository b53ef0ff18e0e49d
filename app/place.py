"""Where a run is computed: device, precision, threads, memory, ranks; nothing else asks for the device's kind."""

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
from .system import float32, machine, memory
from .system.ranks import rank
from .tables.computing import meant

_DEVICES = ("cuda", "mps", "cpu")
_SHARE_FOR_DATA = 0.5  # of free memory; the rest is for the model and its activations, or for others
_PATIENCE = timedelta(hours=12)  # of a rank that waits for another; torchrun ends all when one dies


@dataclass(frozen=True)
class Place:
    """One device and how it computes; `precision` is resolved to fp32, bf16 or tf32.

    Under `torchrun` it is one of several ranks, which work at the same step, each on its share of the batch.
    """

    device: torch.device
    precision: str
    rank: int = 0
    ranks: int = 1

    def share(self, examples: np.ndarray) -> np.ndarray:
        """This rank's part of a batch; parts differ by one example at most, and may be empty."""
        return np.array_split(examples, self.ranks)[self.rank] if self.ranks > 1 else examples

    def total(self, sums: Tensor) -> Tensor:
        """The sum over all ranks of a small tensor."""
        if self.ranks > 1:
            sums = sums.clone()
            distributed.all_reduce(sums)
        return sums

    def agree(self, number: int) -> int:
        """The largest number that any rank gives: each rank gets the same answer, without waiting for a GPU."""
        if self.ranks == 1:
            return number
        largest = torch.tensor(number)
        distributed.all_reduce(largest, distributed.ReduceOp.MAX)
        return int(largest)

    def gather(self, part: Tensor) -> Tensor | None:
        """Every rank's rows of a tensor on the host, (n_r, ...) -> (n, ...), in the ranks' order; on the first only.

        Ranks may have different numbers of rows, none too; all else of their tensors is alike.
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
        """The model with the memory format that its kernels are fastest in: channels last where it is convolutional.

        A convolutional network takes its inputs (B, C, H, W) in any format; one patch embedding does not make one.
        """
        if sum(isinstance(module, nn.Conv2d) for module in model.modules()) > 1:
            model = model.to(memory_format=torch.channels_last)
            model.register_forward_pre_hook(_channels_last)
        return model

    def spread(self, model: nn.Module, *, gradients: str = "fp32") -> nn.Module:
        """The model as it is trained: over several ranks its gradients are summed while they are made (DDP)."""
        if self.ranks == 1:
            return model
        ddp = nn.parallel.DistributedDataParallel
        new = "forward_sync_buffers" in inspect.signature(ddp).parameters  # from torch 2.13 on
        apart: dict[str, Any] = {"forward_sync_buffers" if new else "broadcast_buffers": False}
        spread = ddp(model, **apart, gradient_as_bucket_view=True)
        # a cls token's gradient of one image, which an epoch's last batch may leave a rank, has other strides
        warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides")
        spread.register_comm_hook(None, _summed_in_bf16 if gradients == "bf16" else _summed)
        return spread

    def alone(self, model: nn.Module, *, last: bool) -> AbstractContextManager:
        """Around each micro-batch: gradients are exchanged at the last only."""
        waits = isinstance(model, nn.parallel.DistributedDataParallel) and not last
        return model.no_sync() if waits else nullcontext()  # type: ignore[operator]

    def autocast(self) -> AbstractContextManager:
        """Mixed precision for the forward pass: bf16 needs no loss scaling."""
        return torch.autocast(self.device.type, torch.bfloat16) if self.precision == "bf16" else nullcontext()

    def hold(self, array: np.ndarray) -> tuple[Tensor, str]:
        """A memory-mapped array in the fastest memory that has room for it now, and which that is.

        `device`, else `pinned` host memory, else `mapped`: the file as it is. On a CPU it stays `memory-mapped`.
        """
        tensor = torch.from_numpy(array)
        if self.device.type == "cpu":
            return tensor, "memory-mapped"
        cuda = self.device.type == "cuda"
        free = torch.cuda.mem_get_info(self.device)[0] if cuda else memory.total()  # which MPS shares
        if tensor.nbytes < _SHARE_FOR_DATA * free:
            return tensor.to(self.device), "device"
        taken = self.ranks << (tensor.nbytes - 1).bit_length()  # torch pins powers of two
        if taken < _SHARE_FOR_DATA * memory.free():
            with suppress(RuntimeError):  # the driver may have limits of its own
                return tensor.pin_memory(), "pinned"
        return tensor, "mapped"

    def staging(self, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        """An empty tensor in host memory for `send`, which copies it to the device without waiting."""
        return torch.empty(*shape, dtype=dtype, pin_memory=self.device.type == "cuda")

    def send(self, tensor: Tensor) -> Tensor:
        """A tensor in host memory on the device, without waiting for the copy.

        The memory that is pinned for it is torch's own, which is used again only once the copy has been made.
        """
        if self.device.type == "cuda" and tensor.device.type == "cpu":
            return tensor.pin_memory().to(self.device, non_blocking=True)
        return tensor.to(self.device)

    def memory(self) -> tuple[int, int]:
        """Of a CUDA device: its bytes, and the GiB that are taken now, images held there among them; else zeros.

        What torch keeps of measurements before this one, to use it again, is not taken.
        """
        if self.device.type != "cuda":
            return 0, 0
        free, total = torch.cuda.mem_get_info(self.device)
        kept = torch.cuda.memory_reserved(self.device) - torch.cuda.memory_allocated(self.device)
        return total, round((total - free - kept) / 2**30)

    def take_threads(self, count: int) -> None:
        """Computes with so many threads from here on, where it is a CPU."""
        if self.device.type == "cpu":
            torch.set_num_threads(count)

    def wait(self) -> None:
        """Returns when the device has done all that it was given; for measuring, never in a loop."""
        if self.device.type != "cpu":
            torch.accelerator.synchronize(self.device)

    def fetch(self, tensor: Tensor) -> Callable[[], Sequence[float]]:
        """Starts copying a small tensor to the host; the call that is returned waits for it and gives its numbers."""
        if self.device.type != "cuda":
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
        """The most memory that was held so far: of the device on CUDA, else of this process, resident.

        MPS keeps no peak: there it is what its driver holds now, which it seldom gives back.
        """
        if self.device.type == "cuda":
            return torch.cuda.max_memory_allocated(self.device)
        if self.device.type == "mps":
            return torch.mps.driver_allocated_memory()
        return memory.peak()

    def forget_peak(self) -> None:
        """Lets `peak_bytes` of a CUDA device begin here: what was tried before a run is none of its memory."""
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)

    def room(self) -> tuple[int, int]:
        """Bytes of memory that are free and that there are, of the device on CUDA, else of the host's control group."""
        if self.device.type == "cuda":
            return torch.cuda.mem_get_info(self.device)
        return memory.free(), memory.total()

    def architecture(self) -> tuple[tuple[int, int], list[str]] | None:
        """A GPU's compute capability, and the architectures that this torch has programs for; None without CUDA."""
        if self.device.type != "cuda":
            return None
        return torch.cuda.get_device_capability(self.device), torch.cuda.get_arch_list()

    def describe(self) -> dict[str, Any]:
        """What a result must state about the machine; no name or address of the host."""
        cuda = self.device.type == "cuda"
        return {
            "device": torch.cuda.get_device_name(self.device) if cuda else machine.cpu_name(),
            "device_type": self.device.type,
            "precision": self.precision,
            "threads": torch.get_num_threads(),
            "ranks": self.ranks,
            "cuda": torch.version.cuda if cuda else None,
            "platform": platform.system(),
        }


def choose(*, device: str = "auto", precision: str = "auto", threads: int | None = None, exact: bool = False) -> Place:
    """The place for a run; raises InputError for a device that this machine does not have.

    `auto` takes CUDA, then Apple's MPS, then the CPU; `auto` precision is bf16 on a GPU with bf16 units and fp32
    elsewhere. A GPU that is there but cannot be used is refused: hours of a CPU at a GPU's price are nobody's wish.
    float32 is computed in full everywhere but with precision `tf32`, which is refused on a device without it; if
    `exact`, that device computes in fp32 instead, as an evaluation may.
    """
    if device == "auto":
        if not torch.cuda.is_available():
            machine.require_usable(cuda=torch.version.cuda)
        device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    local = os.environ.get("LOCAL_RANK")
    if local and device.startswith("cuda:"):
        raise InputError(
            f"device={device} is one GPU, but every rank needs a separate one. Use --device cuda, and each rank "
            "uses a different GPU"
        )
    if local and device == "cuda":
        device = f"cuda:{local}"
    if device.partition(":")[0] not in _DEVICES:
        raise InputError(f"unknown device {device!r}. Use {meant(device)}")
    try:
        found = torch.device(device)
        if found.type == "cuda" and found.index is not None:
            torch.cuda.set_device(found)  # events and streams are of the current device, wherever the tensors are
        torch.empty(1, device=found)
    except (RuntimeError, AssertionError) as error:
        first_line = str(error).splitlines()[0]
        raise InputError(f"device={device} is unavailable here ({first_line}). Use --device cpu") from error
    if threads is not None:
        torch.set_num_threads(threads)
    if found.type == "cpu":
        memory.keep()
    return Place(found, float32.resolved(precision, found, exact=exact))


@contextmanager
def own_threads() -> Iterator[None]:
    """What is computed within leaves the process's number of threads, and its use of TF32, as they were."""
    before = torch.get_num_threads()
    try:
        with float32.kept():
            yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def joined(place: Place) -> Iterator[Place]:
    """The place among the ranks that `torchrun` started, from the meeting of all ranks to the end; alone without it.

    Numbers of the device travel by NCCL on GPUs and by gloo else, those of the host by gloo.
    """
    if (ranks := int(os.environ.get("WORLD_SIZE", "1"))) == 1:
        yield place
        return
    backend = "cpu:gloo,cuda:nccl" if place.device.type == "cuda" else "gloo"
    distributed.init_process_group(backend, timeout=_PATIENCE)
    try:
        yield replace(place, rank=rank(), ranks=ranks)
    finally:
        distributed.destroy_process_group()


def _summed(_: None, bucket: distributed.GradBucket) -> torch.futures.Future[Tensor]:
    """DDP's exchange of gradients: their sum, since each rank's loss is already its part of the batch's mean."""
    work = distributed.all_reduce(bucket.buffer(), async_op=True)
    return work.get_future().then(lambda done: done.value()[0])


def _summed_in_bf16(_: None, bucket: distributed.GradBucket) -> torch.futures.Future[Tensor]:
    """The same with half the bytes on the way: each rank's part, and their sum, is rounded to 8 bits of mantissa."""
    gradients = bucket.buffer()
    work = distributed.all_reduce(gradients.to(torch.bfloat16), async_op=True)
    return work.get_future().then(lambda done: gradients.copy_(done.value()[0]))


def _channels_last(_: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """Inputs of a convolutional network, converted once."""
    return tuple(each.contiguous(memory_format=torch.channels_last) if _is_images(each) else each for each in inputs)


def _is_images(value: Any) -> bool:
    return isinstance(value, Tensor) and value.dim() == 4
