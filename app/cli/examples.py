"""The examples at the end of each command's help: commands that can be copied, one table for all of them."""

from __future__ import annotations

import shlex
from typing import Any

from . import screen
from .pages import Command, Group

# The words of a command -> command lines without the program's name. An empty path is the program itself.
EXAMPLES: dict[str, tuple[str, ...]] = {
    "": (
        "train --dataset digits --epochs 2",
        "datasets ./photos",
        "plan --model vit_classic --size 10M --dataset cifar100",
    ),
    "train": (
        "train --dataset digits --epochs 2",
        "train --model vit_classic --size 10M --dataset cifar100 --seed 1",
        "train --dataset ./photos --model resnet18 --epochs 30 --upload",
    ),
    "study": (
        "study --dataset digits --epochs 2 --cross model=vit_classic,vit_differential --cross seed=0-1",
        "study grid.csv",
        "study status grid.csv",
    ),
    "study run": (
        "study grid.csv --plan",
        "study --dataset digits --epochs 2 --cross model=vit_classic,vit_differential --cross seed=0-1",
    ),
    "study status": ("study status grid.csv", "study status --dataset digits --epochs 2 --cross seed=0-1 --json"),
    "study best": ("study best grid.csv", "study best --dataset digits --epochs 2 --cross seed=0-1 --json"),
    "study clean": ("study clean grid.csv", "study clean grid.csv --yes"),
    "sweep": ("sweep search.yaml --dataset digits", "sweep top search.yaml --dataset digits"),
    "sweep run": (
        "sweep search.yaml --dataset digits",
        "sweep search.yaml --dataset digits --trials 20 --jobs 2",
        "sweep search.yaml --dataset digits --models vit_classic,vit_differential --into best.csv",
    ),
    "sweep status": ("sweep status search.yaml --dataset digits",),
    "sweep top": ("sweep top search.yaml --dataset digits", "sweep top search.yaml --dataset digits --count 10 --json"),
    "sweep promote": ("sweep promote 4 search.yaml --dataset digits",),
    "sweep verify": ("sweep verify search.yaml --dataset digits",),
    "compare": (
        "compare model=vit_classic,size=10M model=vit_differential,size=10M --dataset cifar100",
        "compare grid.csv --looks 3,5,10",
        "compare --power --delta 1 --sd 0.5 --examples-sd 20 --dataset cifar100",
    ),
    "plan": (
        "plan --model vit_classic --size 10M --dataset cifar100",
        "plan --model vit_differential --size 10M --like vit_classic",
        "plan --dataset digits --probe --usd-per-hour 2.50",
    ),
    "evaluate": (
        "evaluate --model vit_classic --size 10M --dataset cifar100",
        "evaluate checkpoints --best --top-k 2",
        "evaluate 3f2a91c0 --on ./more_photos",
    ),
    "robust": (
        "robust 3f2a91c0 --corruption primary",
        "robust 3f2a91c0 5b77e210 --like 5b77e210 --limit-test 1000",
        "robust 3f2a91c0 --corruption histology",
    ),
    "attention": (
        "attention 3f2a91c0",
        "attention model=vit_classic,size=10M model=vit_differential,size=10M --canvases",
        "attention model=vit_classic model=vit_differential --distractors 4",
    ),
    "predict": (
        "predict 3f2a91c0 ./new_photos",
        "predict hf://owner/name/vit_classic/run ./new_photos --out labels",
    ),
    "export": (
        "export 3f2a91c0 --format onnx --preprocess --softmax",
        "export hf://owner/name/vit_classic/run --format torchscript --preprocess --softmax --out model.pt",
    ),
    "reproduce": (
        "reproduce 3f2a91c0",
        "reproduce hf://owner/name/vit_classic/run --retrain",
        "reproduce 3f2a91c0 --new-seed --into again",
    ),
    "runs": ("runs", "runs --where model=vit_classic,resnet18 --where seed=0-2", "runs --state failed --json"),
    "runs show": ("runs show 3f2a91c0", "runs show checkpoints --json"),
    "runs path": ("runs path 3f2a91c0",),
    "runs rm": ("runs rm 3f2a91c0", "runs rm --where dataset=digits --state failed --yes"),
    "upload": (
        "upload checkpoints study",
        "upload figures study/figures --private",
        "upload 3f2a91c0 --as-model owner/name",
    ),
    "download": ("download study checkpoints", "download hf://owner/name/study checkpoints"),
    "import": (
        "import vit-cifar10-4-ckpt.t7",
        "import res18-4-ckpt.t7 --out res18.safetensors",
    ),
    "models": ("models", "models --dataset digits --sizes 1M,7.5M"),
    "datasets": ("datasets", "datasets digits", "datasets ./photos --class-level 2"),
    "track": ("track 3f2a91c0 --to tensorboard", "track 3f2a91c0 --to trackio+wandb --track-every 100"),
    "selftest": ("selftest", "selftest --kill 5 --model vit_classic"),
    "doctor": ("doctor", "doctor --checkpoints runs --json"),
    "launch": (
        "launch vast --gpu RTX_4090 -- train --model vit_classic --size 10M --upload",
        "launch slurm --gpus 4 --hours 12 -- train --model vit_classic --size 50M",
        "launch slurm --workers 4 -- study --dataset cifar100 --cross model=vit_classic,vit_differential",
    ),
    "report": ("report grid.csv -o r.html", "report grid --format md", "report grid.csv --paper paper --delta 0.5"),
    "plot": ("plot loss", "plot scaling --out figures"),
    "plot loss": (
        "plot loss",
        "plot loss --run 3f2a91c0 --out figures",
        "plot loss --separate --width 3.25in --no-caption",
    ),
    "plot accuracy": ("plot accuracy", "plot accuracy --width 3.25in --format pdf"),
    "plot scaling": (
        "plot scaling",
        "plot scaling --fit --x flops",
        "plot scaling --width 82mm --no-caption",
    ),
    "plot classes": ("plot classes", "plot classes --width 3.25in --format pdf"),
    "plot attention": ("plot attention", "plot attention --run 34a1fdcc --run 5b1ec07d"),
    "plot maps": ("plot maps 34a1fdcc", "plot maps 34a1fdcc 5b1ec07d --layers 0,5,11 --at 100,80"),
    "plot lambda": ("plot lambda", "plot lambda --run 34a1fdcc"),
    "plot noise": ("plot noise", "plot noise --run 34a1fdcc --run 5b1ec07d"),
    "plot reliability": ("plot reliability", "plot reliability --run 34a1fdcc --run 5b1ec07d"),
    "plot disagreements": ("plot disagreements", "plot disagreements --count 24", "plot disagreements --width 3.25in"),
    "plot history": (
        "plot history --threshold 0.5",
        "plot history --threshold 0.5 --top 5 --zoom 1",
        "plot history --threshold 0.5 --width 3.25in",
    ),
    "plot field": (
        "plot field cylinders",
        "plot field cylinders --field rho --simulation id0002",
        "plot field cylinders --width 8.2cm",
    ),
    "plot patterns": (
        "plot patterns",
        "plot patterns --run 3f2a91c0 --count 12",
        "plot patterns --count 3 --width 3.25in",
    ),
    "data": ("data make nested_cylinder --out cylinders --simulations 20", "data split cylinders --out lists"),
    "data make": (
        "data make nested_cylinder --out cylinders --simulations 20",
        "data make diffraction --out patterns --patterns 20",
    ),
    "data make nested_cylinder": (
        "data make nested_cylinder --out cylinders --simulations 20",
        "data make nested_cylinder --out series --simulations 20 --frames 3 --seed 1",
    ),
    "data make diffraction": (
        "data make diffraction --out patterns --patterns 20",
        "data make diffraction --out groups --target space_group --classes 144 --counts 1000",
    ),
    "data split": ("data split cylinders --out lists", "data split patterns.pt --out halves --val-fraction 0.1"),
    "data labels": (
        "data labels CIFAR-10_human.pt --dataset cifar10 --out labels",
        "data labels CIFAR-100_human.pt --dataset cifar100",
    ),
    "cache": ("cache", "cache --json", "cache clear digits"),
    "cache show": ("cache show", "cache show --json"),
    "cache clear": ("cache clear digits", "cache clear cifar100 bach --yes", "cache clear --all"),
    "bench": ("bench step --size 1M --dataset digits", "bench attention --tokens 64,256"),
    "bench step": ("bench step --size 1M --dataset digits", "bench step --size 10M --device cuda --compile --json"),
    "bench attention": ("bench attention --tokens 64,256", "bench attention --size 10M --precision bf16 --rounds 10"),
}


def page(path: str, *notes: str) -> dict[str, Any]:
    """Return what Typer needs to register a command at this path: its help page, its notes and its examples."""
    return {"cls": Command, "epilog": _below(path, notes)}


def group(path: str, *notes: str) -> dict[str, Any]:
    """Return the same for a group of commands."""
    return {"cls": Group, "epilog": _below(path, notes)}


def _below(path: str, notes: tuple[str, ...]) -> str:
    """Return what stands below a command's options: a paragraph for each note, then a line for each example."""
    lines = [f"  {shlex.join(screen.program())} {line}" for line in EXAMPLES[path]]
    return "\n\n".join([*notes, "\n".join(["Examples:", "", *lines])])
