"""Every option of the command line, once; commands take them by annotation. What stands in (...) is the default."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from ..errors import InputError
from ..tables.shape import Extent, normal

_option = partial(typer.Option, show_default=False)
_flag = partial(_option, metavar="")
_model = partial(_option, rich_help_panel="Model")
_data = partial(_option, rich_help_panel="Data")
_learn = partial(_option, rich_help_panel="Optimisation")
_compute = partial(_option, rich_help_panel="Computing (no part of a run's name)")
_hub = partial(_option, rich_help_panel="The Hub")


def _seconds(given: str) -> float:
    """A time in seconds: a plain number, or one with s, m or h behind it."""
    number, unit = (given[:-1], given[-1]) if given[-1:] in _UNITS else (given, "s")
    try:
        seconds = float(number) * _UNITS[unit]
    except ValueError:
        raise typer.BadParameter(f"{given!r} is no time; write 90s, 30m or 1h") from None
    if not 0 <= seconds < float("inf"):
        raise typer.BadParameter(f"{given!r} is no time; write 0 or more")
    return seconds


def _image(given: str) -> Extent:
    """A side, or height x width, in pixels; the length of a signal."""
    axes = given.lower().split("x")
    if not all(axis.strip().isdecimal() for axis in axes):
        raise typer.BadParameter(f"{given!r} is no size of an input; write 224, or height x width as 1700x500")
    try:
        return normal([int(axis) for axis in axes] if len(axes) > 1 else int(axes[0]))
    except InputError as error:
        raise typer.BadParameter(str(error)) from None


_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}

WHERE_DEFAULTS_COME_FROM = (
    "(by dataset): as the protocol in `run.py datasets` says. (by size): as the shapes in `run.py models` say."
)

Model = Annotated[
    str | None,
    _model("--model", help="vit_classic, resnet18, ..., as `run.py models` lists, or timm/NAME (vit_differential)."),
]
Size = Annotated[
    str | None, _model("--size", help="Parameter budget: 1M, 10M, 25M, 50M or any other such as 7.5M (by dataset).")
]
Match = Annotated[
    str | None, _model("--match", help="params or flops: the size that comes nearest to those of --like at its size.")
]
Like = Annotated[str | None, _model("--like", help="The model to match; --size is then that model's.")]
Attention = Annotated[str | None, _model("--attention", help="classic, differential, differential_v2, lsa (by model).")]
DModel = Annotated[int | None, _model("--d-model", help="Width of a token (by size).")]
Depth = Annotated[int | None, _model("--depth", help="Number of blocks (by size).")]
Heads = Annotated[int | None, _model("--heads", help="Heads of the attention (by size).")]
MlpRatio = Annotated[float | None, _model("--mlp-ratio", help="Hidden width of the MLP over d_model (4).")]
HeadWidth = Annotated[int | None, _model("--head-width", help="Width of a head's queries (d_model / heads).")]
QkvBias = Annotated[bool | None, _model("--qkv-bias/--no-qkv-bias", help="Biases of queries, keys, values (by model).")]
ProjectionBias = Annotated[
    bool | None, _model("--projection-bias/--no-projection-bias", help="Bias of attention's output (by model).")
]
Norm = Annotated[str | None, _model("--norm", help="layer or dyt; of the 1-D ResNet batch or layer (by model).")]
Pooling = Annotated[str | None, _model("--pooling", help="What the head reads: cls, mean, or max (by model).")]
Positions = Annotated[str | None, _model("--positions", help="learned or sincos (by model).")]
Patching = Annotated[str | None, _model("--patching", help="linear, or shifted: four shifted images too (by model).")]
Tokenizer = Annotated[
    str | None, _model("--tokenizer", help="Of T2T-ViT: performer, transformer or transformer_31 (by model).")
]
ValueSkip = Annotated[bool | None, _model("--value-skip/--no-value-skip", help="Attention adds its values (by model).")]
Features = Annotated[int | None, _model("--features", help="Channels of the interpretable CNN (by model).")]
Width = Annotated[
    int | None, _model("--width", help="Channels of the first stage: ResNets, Swin, MobileViT, VGG (by model).")
]
StemPool = Annotated[
    bool | None, _model("--stem-pool/--no-stem-pool", help="Of the 1-D ResNet: a max-pool after the stem (on).")
]
Projection = Annotated[
    str | None, _model("--projection", help="Of the 1-D ResNet: first or every block of a stage projects (by model).")
]
Discriminator = Annotated[
    bool | None, _model("--discriminator/--no-discriminator", help="Of the 1-D ResNet: the second head too (on).")
]
Image = Annotated[
    int | None,  # or a tuple, as app.tables.shape.Extent
    _model("--image", parser=_image, metavar="SIDE", help="What the model sees: 224, 1700x500 px (by dataset)."),
]
Patch = Annotated[int | None, _model("--patch", help="Side of a patch, in pixels (by dataset).")]
Dropout = Annotated[float | None, _model("--dropout", help="On embeddings, projections and MLPs (by dataset).")]
Pretrained = Annotated[
    bool | None, _model("--pretrained/--no-pretrained", help="Of timm/NAME: begin at its published weights (off).")
]

Dataset = Annotated[
    str | None, _data("--dataset", help="A name of `run.py datasets`, owner/name on the Hub, or ./a-folder (cifar100).")
]
DatasetConfig = Annotated[str | None, _data("--dataset-config", help="The Hub's name of a subset.")]
Revision = Annotated[str | None, _data("--revision", help="Branch, tag or commit of the dataset on the Hub (main).")]
ImageColumn = Annotated[str | None, _data("--image-column", help="Column with the images, where it is not plain.")]
LabelColumn = Annotated[str | None, _data("--label-column", help="Column with the labels, where it is not plain.")]
GroupColumn = Annotated[
    str | None, _data("--group-column", help="Rows of one group stay in one split (a patient, say).")
]
Augment = Annotated[str | None, _data("--augment", help="none, flip_crop or randaugment (by dataset).")]
SplitSeed = Annotated[int | None, _data("--split-seed", help="Which rows are held out; not the run's seed (0).")]
ValFraction = Annotated[float | None, _data("--val-fraction", help="Share of train that is validation (0.1).")]
TestFraction = Annotated[
    float | None, _data("--test-fraction", help="Carve this share of train as test; the source's is not read.")
]
LimitTrain = Annotated[int | None, _data("--limit-train", help="Rows to train on, for trials (all).")]
LimitVal = Annotated[int | None, _data("--limit-val", help="Rows to validate on, for trials (all).")]
LimitTest = Annotated[int | None, _data("--limit-test", help="Rows to test on, for trials (all).")]

Data = Annotated[
    str | None, _data("--data", help="Files of nested_cylinder or diffraction: a folder, or .pt files between commas.")
]
Design = Annotated[
    str | None, _data("--design", help="CSV with a row for each simulation (the only one in the folder of --data).")
]
Filelist = Annotated[
    str | None, _data("--filelist", help="Folder of the lists that say train, val and test, or one of them (none).")
]
Field = Annotated[str | None, _data("--field", help="Of fields: which are read, as channels: rho,pressure (rho).")]
Target = Annotated[
    str | None, _data("--target", help="A column of the design file; or bravais, space_group (ptw_scale; bravais).")
]
Crop = Annotated[
    str | None,
    _data("--crop", help="Of fields: TOP:BOTTOM,LEFT:RIGHT in pixels of the file (rows 800:, columns :250)."),
]
Mirror = Annotated[bool | None, _data("--mirror/--no-mirror", help="Of fields: the part and its mirror image (on).")]
Background = Annotated[
    float | None, _data("--background", help="Of patterns: added once to files without one (0.001).")
]
Range = Annotated[str | None, _data("--range", help="Of patterns: FROM:TO in degrees 2-theta, such as 10:80 (all).")]
Grid = Annotated[
    str | None, _data("--grid", help="Of patterns: first angle and step, such as 5.02:0.05 (3:0.05 of 3041 or 3042).")
]
StoredDtype = Annotated[
    str | None, _data("--stored-dtype", help="Of fields and patterns in the cache: float32 or float16 (float32).")
]

Epochs = Annotated[int | None, _learn("--epochs", help="Passes over train (by dataset).")]
BatchSize = Annotated[int | None, _learn("--batch-size", help="The optimiser's batch (by dataset).")]
ValBatchSize = Annotated[int | None, _learn("--val-batch-size", help="Validation examples beside each step (128).")]
TrainBatches = Annotated[
    int | None, _learn("--train-batches", help="Batches of an epoch, drawn anew each time (by dataset: all).")
]
ValBatches = Annotated[
    int | None, _learn("--val-batches", help="Batches of an epoch's validation pass (by dataset: all).")
]
Optimizer = Annotated[str | None, _learn("--optimizer", help="adamw or adam (by dataset).")]
Eps = Annotated[
    float | None, _learn("--eps", help="In the optimiser's denominator, where the dataset's protocol has none (1e-08).")
]
Schedule = Annotated[str | None, _learn("--schedule", help="cosine, or constant after the warm-up (by dataset).")]
Lr = Annotated[float | None, _learn("--lr", help="Highest learning rate (by dataset).")]
WarmupSteps = Annotated[
    int | None, _learn("--warmup-steps", help="Taken as it stands; by default clamped where it is long (by dataset).")
]
WeightDecay = Annotated[
    float | None, _learn("--weight-decay", help="Of matrices; norms, biases, positions have none (by dataset).")
]
ClipNorm = Annotated[float | None, _learn("--clip-norm", help="Largest gradient norm (no limit).")]
Seed = Annotated[int | None, _learn("--seed", help="Of weights, order, augmentation and dropout (0).")]
Precision = Annotated[
    str | None, _learn("--precision", help="fp32, bf16 or auto: bf16 on GPUs with bf16 units, else fp32 (auto).")
]

Device = Annotated[str | None, _compute("--device", help="cpu, cuda, cuda:1, mps or auto: the first there is (auto).")]
Threads = Annotated[
    int | None, _compute("--threads", min=1, help="Threads on a CPU (1 where little is to do, else one per core).")
]
AttentionPath = Annotated[
    str | None, _compute("--attention-path", help="plain, sdpa, tiled, stored or fused: all exact (the fastest here).")
]
Compile = Annotated[
    bool | None, _compute("--compile/--no-compile", help="Compile the blocks (where the run is long enough to gain).")
]
Checkpointing = Annotated[
    bool | None,
    _compute("--checkpointing/--no-checkpointing", help="Make activations twice to save memory (if few images fit)."),
]
MicroBatchSize = Annotated[int | None, _compute("--micro-batch-size", min=1, help="Images at a time (what fits).")]
Gradients = Annotated[
    str | None, _compute("--gradients", help="Between ranks: fp32, or bf16 for half the traffic, rounded (fp32).")
]
StateEvery = Annotated[
    float | None,
    _compute("--state-every", parser=_seconds, metavar="TIME", help="Between saved states: 90s, 5m, 1h (5m)."),
]
MaxMinutes = Annotated[
    float | None, _compute("--max-minutes", min=0, help="Save the state and stop after that long, as at SIGTERM.")
]
PushEvery = Annotated[
    float | None,
    _hub("--push-every", parser=_seconds, metavar="TIME", help="Between states put on the Hub, with --upload (30m)."),
]
IfHeld = Annotated[
    str | None, _hub("--if-held", help="wait or refuse, while another machine trains this run, with --upload (wait).")
]
Lease = Annotated[
    float | None,
    _hub("--lease", parser=_seconds, metavar="TIME", help="How long a machine that went away holds a run (15m)."),
]
Checkpoints = Annotated[Path, _option("--checkpoints", help="Folder of all runs (checkpoints).")]

Fresh = Annotated[bool, _flag("--fresh/--no-fresh", help="Train anew, forgetting what is there of this run.")]
AsJson = Annotated[bool, _flag("--json/--no-json", help="Print JSON on stdout, for machines.")]
Upload = Annotated[
    bool,
    _flag("--upload/--no-upload", help="Keep the run in HF_REPOSITORY, its state while it trains too."),
]
Private = Annotated[
    bool, _flag("--private/--public", help="Who may see the repository, if it has to be made (public).")
]
Best = Annotated[bool, _flag("--best/--no-best", help="The weights best on validation, not the final ones.")]
TopK = Annotated[int | None, _option("--top-k", min=1, help="Also the share whose class is among the K likeliest.")]
Again = Annotated[bool, _flag("--again/--no-again", help="Predict anew from weights and data.")]
DataAt = Annotated[
    str | None, _option("--data", metavar="FOLDER", help="With --again: where the run's local dataset lies now.")
]
On = Annotated[
    str | None,
    _option("--on", metavar="DATA", help="Other files of the run's kind: measured beside its own test, which stays."),
]
OnGrid = Annotated[str | None, _option("--grid", help="With --on: first angle and step of patterns, 5.02:0.05.")]
OnDesign = Annotated[str | None, _option("--design", help="With --on or --data: the CSV of the fields' targets.")]
OnFilelist = Annotated[str | None, _option("--filelist", help="With --on or --data: the lists of the fields' splits.")]
OfModel = Annotated[str | None, _option("--model", help="The newest finished run of this model,")]
OfSize = Annotated[str | None, _option("--size", help="of this size,")]
OfDataset = Annotated[str | None, _option("--dataset", help="on this dataset; the others that fit are named.")]
RunId = Annotated[str | None, _option("--run", help="Id of a run, or its beginning.", metavar="ID")]
RunIds = Annotated[
    list[str] | None, _option("--run", help="Id of a run, or its beginning; give it again for more.", metavar="ID")
]

DEFAULT_CHECKPOINTS = Path("checkpoints")
