"""The parts of a run's record and their types. The order of fields is the order in the file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Generic, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from ..tables.ranges import MOST_THREADS

# A JSON number: 1 stays 1 when a record is rewritten. A number of 400 digits has no use, and fits no float.
Number = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)] | float
Count = Annotated[int, msgspec.Meta(ge=1)]
Threads = Annotated[int, msgspec.Meta(ge=1, le=MOST_THREADS)]
Interval = Annotated[list[Number], msgspec.Meta(min_length=2, max_length=2)]


class Part(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A part of a record. None means that the file lacks the key.

    If the file may have null, UNSET means that it lacks the key.
    """


PartOfRecord = TypeVar("PartOfRecord", bound=Part)
Test = TypeVar("Test")  # Rates or Errors, which the config's task decides


class Parameters(Part, kw_only=True):
    """Trainable parameters."""

    total: int
    non_embedding: int


class Rows(Part, kw_only=True):
    """Rows of each split."""

    train: int
    val: int
    test: int


class Inputs(Part, kw_only=True):
    """The storage in the cache of inputs that are not images."""

    dtype: str
    shape: list[int]
    regression: bool


class Pixels(Part, kw_only=True):
    """Images that were transparent or had more than 8 bits: rows by split, without splits that have none."""

    transparent: dict[str, int] | None = None  # composed onto white
    deep: dict[str, int] | None = None  # of 16 bits, of which low..high became 0..255
    clipped: dict[str, int] | None = None  # of those, rows with a value outside low..high
    low: int | None = None
    high: int | None = None


class LabelNoise(Part, kw_only=True):
    """The label noise of a run: labels that differ from the published ones, by split."""

    rule: str  # as in the configuration
    train: int
    val: int
    digest: str  # 16 hex digits over the given labels of both splits


class DataRecord(Part, kw_only=True):
    """The data of the run, and how they were read and split."""

    hub: str | None
    path: str | None
    version: str
    class_names: Annotated[list[str], msgspec.Meta(min_length=1)]
    unlabelled_rows: dict[str, int] | None = None
    licence: str
    warning: str
    pixels: Pixels | None = None  # None: all images are opaque and of 8 bits, or were decoded by revision 1
    design: str | UnsetType | None = UNSET  # design, filelist, reading, inputs: of fields and signals
    filelist: str | UnsetType | None = UNSET
    left_out: list[str] | None = None  # files, or images with the reason, that could not be read
    reading: dict[str, Any] | None = None  # a reading of `tables.reading`, field by field
    inputs: Inputs | None = None
    rows: Rows
    class_rows: dict[str, list[int]] | None = None  # of each class in train, val and test; None: of earlier versions
    label_noise: LabelNoise | None = None
    mean: list[Number] | None = None  # of each channel of the training images
    std: list[Number] | None = None
    test_from: str | None = None  # the split of the source that the test rows come from
    split_fingerprint: str
    arrays_digest: str | None = None  # of the cached arrays; records of earlier versions lack it
    val_from: str | None = None
    streamed: bool | None = None
    shuffle_buffer: int | None = None
    held: str | None = None


class Execution(Part, kw_only=True):
    """The settings that were chosen for the machine, as `computing.execution` writes them."""

    attention_path: str
    micro_batch_size: Count
    threads: Threads
    compile: str | None = None
    checkpointing: bool | None = None
    gradients: str | None = None
    deterministic: bool | None = None  # whether a CUDA device repeats every bit
    paths_skipped: dict[str, str] | None = None


class Place(Part, kw_only=True):
    """A machine that the run was computed on, from a step on, and its settings."""

    device: str
    device_type: str | None = None
    precision: str
    threads: int | None = None
    ranks: int | None = None
    cuda: str | UnsetType | None = UNSET
    hip: str | None = None  # the version of ROCm, on AMD's GPUs
    platform: str | None = None
    jobs: Count | None = None  # runs at once on the machine, which share its price; None: 1
    jobs_per_device: Count | None = None  # runs at once on the device; None: 1
    from_step: int | None = None
    started: str | None = None
    execution: Execution | None = None
    seconds: Number | None = None  # of its occupation: reading data, training, testing, lost work
    usd_per_hour: Number | None = None  # its price, if stated
    energy_kwh: Number | None = None  # of its GPUs, if their driver measures it; without lost work


class Schedule(Part, kw_only=True):
    """The length of the run."""

    total_steps: int
    warmup_steps: int


class Best(Part, kw_only=True):
    """The epoch with the lowest loss over the validation split, or with --best-by accuracy the highest accuracy."""

    val_loss: Number
    correct: int | None = None  # of the validation split, with --best-by accuracy
    step: int | None = None
    epoch: int


class KeptWeights(Part, kw_only=True):
    """Weights that were kept after an epoch, with their loss over the validation split."""

    epoch: Count  # from 1
    step: int
    val_loss: Number
    correct: int | None = None  # of the validation split, with --best-by accuracy; it may be 0


class Seconds(Part, kw_only=True):
    """Seconds of each stage, over all processes of the run. Lost work is not part of any other stage."""

    training: Number
    waiting: Number | None = None  # of training: for inputs
    validation: Number | None = None  # of training: of validation batches and passes
    test: Number | None = None
    lost: Number | None = None  # of steps that were computed but not saved before a kill


class Code(Part, kw_only=True):
    """The file of a user's own model. Its text is for readers and is never run from a record."""

    name: str  # of the class or function
    path: str  # as the command named it
    sha256: str  # of the file
    source: str


class Init(Part, kw_only=True):
    """The weights that a run started from, if they were not random."""

    source: str  # as the command named them
    path: str
    sha256: str  # of the file
    run_id: str | None = None  # of the run that they are from, if the file has it
    head: str  # kept | replaced


class Failure(Part, kw_only=True):
    """The reason why a run failed: a kind of `errors`, and a sentence for the user."""

    kind: str
    sentence: str


class Measured(Part, kw_only=True):
    """The data and weights of a test, if not final, best or averaged weights on the run's test rows."""

    path: str | None = None
    version: str | None = None
    weights: str | None = None  # final | best | ema
    epoch: int | None = None  # of kept weights
    reading: dict[str, Any] | None = None
    measured: str | None = None  # when
    rows_left_out: int | None = None  # rows of classes that the run does not know
    unreadable: int | None = None  # images; None: all are readable, or the inputs are not images


class Rates(Measured, kw_only=True):
    """A test of a classification. Rates are fractions, and intervals are 95 % Wilson intervals."""

    n: int
    top1: Number
    top1_interval: Interval
    top3: Number | None = None  # records of earlier versions lack it
    top3_interval: Interval | None = None
    top5: Number
    top5_interval: Interval | None = None
    balanced_accuracy: Number | None = None  # records of earlier versions lack it
    loss: Number
    correct: int | None = None
    per_class: Annotated[list[Number | None], msgspec.Meta(min_length=1)]  # accuracy; None: no test example
    confusion: Annotated[list[Annotated[list[int], msgspec.Meta(min_length=1)]], msgspec.Meta(min_length=1)]


class Errors(Measured, kw_only=True):
    """A test of a regression, in the target's unit. An interval is None if all rows are of one simulation."""

    n: int
    mse: Number | None = None
    loss: Number
    target_mean: Number | None = None
    target_std: Number
    resampled: str  # rows | names
    rmse: Number
    rmse_interval: Interval | None
    mae: Number
    mae_interval: Interval | None
    r2: Number | UnsetType | None = UNSET  # records of earlier versions lack it
    r2_interval: Interval | UnsetType | None = UNSET


class Temperature(Part, kw_only=True):
    """The number that divides the logits such that the loss on the validation split is lowest."""

    value: Number
    n: int  # validation rows
    nll_before: Number  # on them, in nats
    nll_after: Number
    measured: str  # when


class Robust(Part, kw_only=True):
    """The results on corrupted test inputs under one set of conditions: accuracy as a fraction, or RMSE."""

    weights: str  # final | best | ema
    source: str  # generated | cifar-c | photographs
    seed: int
    side: str  # in pixels
    n: int
    clean: Number
    values: dict[str, dict[str, Number]]  # by corruption, then by severity
    measured: str


class Results(Part, Generic[Test], kw_only=True):
    """The tests of the final, best, averaged and kept weights, and those on other files by fingerprint and weights."""

    test: Test | None = None
    test_best: Test | None = None
    test_ema: Test | None = None  # of the average of the weights, of a run with --ema
    test_kept: Test | None = None  # of those with the lowest validation loss that `--keep-every` kept
    elsewhere: dict[str, Test] | None = None
    temperatures: dict[str, Temperature] | None = None  # by the name of the weights: final, best, ema
    robust: dict[str, Robust] | None = None  # by conditions


def tested(metrics: Mapping[str, Any]) -> Rates | Errors:
    """Return the metrics of a test as a part of a record."""
    return part(Errors, metrics) if "rmse" in metrics else part(Rates, metrics)


def part(kind: type[PartOfRecord], values: Mapping[str, Any]) -> PartOfRecord:
    """Return a part of a record from its values by name, and assert that every name is known."""
    strange = values.keys() - set(kind.__struct_fields__)
    assert not strange, f"{kind.__name__} has no {', '.join(sorted(strange))}"
    return msgspec.convert(values, kind)
