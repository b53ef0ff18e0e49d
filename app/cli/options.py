"""Every option of the command line, once; commands take them by annotation."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

_model = partial(typer.Option, rich_help_panel="Model", show_default=False)
_data = partial(typer.Option, rich_help_panel="Data", show_default=False)
_learn = partial(typer.Option, rich_help_panel="Optimisation", show_default=False)
_compute = partial(typer.Option, rich_help_panel="Computing (changes no result)", show_default=False)
_hub = partial(typer.Option, rich_help_panel="Hub")

Model = Annotated[
    str | None, _model("--model", help="vit_classic or vit_differential [default]; `run.py models` lists them.")
]
Size = Annotated[str | None, _model("--size", help="Parameter budget: 1M, 10M, 25M, 50M or any other such as 7.5M.")]
Attention = Annotated[str | None, _model("--attention", help="classic, differential or differential_v2.")]
DModel = Annotated[int | None, _model("--d-model", help="Width of a token.")]
Depth = Annotated[int | None, _model("--depth", help="Number of blocks; by default what meets the size.")]
Heads = Annotated[int | None, _model("--heads", help="Heads of the attention.")]
MlpRatio = Annotated[float | None, _model("--mlp-ratio", help="Hidden width of the MLP over d_model.")]
Image = Annotated[int | None, _model("--image", help="Side of what the model sees, in pixels.")]
Patch = Annotated[int | None, _model("--patch", help="Side of a patch, in pixels.")]
Dropout = Annotated[float | None, _model("--dropout", help="On embeddings, projections and MLPs.")]

Dataset = Annotated[
    str | None, _data("--dataset", help="A name of `run.py datasets`, owner/name on the Hub, or ./a-folder.")
]
DatasetConfig = Annotated[str | None, _data("--dataset-config", help="The Hub's name of a subset.")]
Revision = Annotated[str | None, _data("--revision", help="Branch, tag or commit of the dataset on the Hub.")]
ImageColumn = Annotated[str | None, _data("--image-column", help="Column with the images, where it is not plain.")]
LabelColumn = Annotated[str | None, _data("--label-column", help="Column with the labels, where it is not plain.")]
GroupColumn = Annotated[
    str | None, _data("--group-column", help="Rows of one group stay in one split (a patient, say).")
]
Augment = Annotated[str | None, _data("--augment", help="none or flip_crop.")]
SplitSeed = Annotated[int | None, _data("--split-seed", help="Which rows are held out; not the run's seed.")]
ValFraction = Annotated[float | None, _data("--val-fraction", help="Share of train that is validation.")]
TestFraction = Annotated[
    float | None, _data("--test-fraction", help="Carve this share of train as test; the source's is not read.")
]
LimitTrain = Annotated[int | None, _data("--limit-train", help="Rows to train on, for trials.")]
LimitVal = Annotated[int | None, _data("--limit-val", help="Rows to validate on, for trials.")]
LimitTest = Annotated[int | None, _data("--limit-test", help="Rows to test on, for trials.")]

Epochs = Annotated[int | None, _learn("--epochs", help="Passes over train.")]
BatchSize = Annotated[int | None, _learn("--batch-size", help="The optimiser's batch.")]
ValBatchSize = Annotated[int | None, _learn("--val-batch-size", help="Validation examples beside each step.")]
Lr = Annotated[float | None, _learn("--lr", help="Highest learning rate.")]
WarmupSteps = Annotated[int | None, _learn("--warmup-steps", help="Taken as it stands, never clamped.")]
WeightDecay = Annotated[float | None, _learn("--weight-decay", help="Of matrices; norms, biases, positions have none.")]
ClipNorm = Annotated[float | None, _learn("--clip-norm", help="Largest gradient norm.")]
Seed = Annotated[int | None, _learn("--seed", help="Of weights, order, augmentation and dropout.")]
Precision = Annotated[str | None, _learn("--precision", help="auto (bf16 on CUDA, else fp32), fp32 or bf16.")]

Device = Annotated[str | None, _compute("--device", help="auto, cuda, cuda:1, mps or cpu.")]
Threads = Annotated[int | None, _compute("--threads", help="Threads on a CPU.")]
AttentionPath = Annotated[str | None, _compute("--attention-path", help="plain or sdpa; by default the faster.")]
MicroBatchSize = Annotated[int | None, _compute("--micro-batch-size", help="Images at a time; by default what fits.")]
StateEvery = Annotated[
    float | None, _compute("--state-every", help="Seconds between saved states [300].", metavar="SECONDS")
]
Checkpoints = Annotated[
    Path, typer.Option("--checkpoints", help="Folder of all runs.", rich_help_panel="Computing (changes no result)")
]
Fresh = Annotated[bool, typer.Option("--fresh/--no-fresh", help="Train anew, forgetting what is there of this run.")]
AsJson = Annotated[bool, typer.Option("--json/--no-json", help="Print JSON on stdout, for machines.")]

Upload = Annotated[bool, _hub("--upload/--no-upload", help="Put the finished run into HF_REPOSITORY.")]
Private = Annotated[bool, _hub("--private/--public", help="If the repository has to be made.")]
RunIds = Annotated[list[str] | None, typer.Option("--run", help="Id of a run, or its beginning.", metavar="ID")]

DEFAULT_CHECKPOINTS = Path("checkpoints")
