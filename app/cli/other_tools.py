"""Words of other tools (timm, Lightning, HF Trainer, ultralytics): what to type here instead. None of them is accepted.

An option of another tool has a row: its names, the option here if there is one, and one sentence. A command has one
sentence.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import NamedTuple

from . import screen


class Row(NamedTuple):
    """Names of options elsewhere; `ours` is the option here, empty if nothing is needed or nothing exists."""

    names: str
    ours: str
    says: str


_TABLE = (
    # what a run resumes from, and where it is kept
    Row("--resume --resume-from --resume-from-checkpoint --auto-resume --continue --exist-ok",
        "", "Run the same command again: it resumes by itself, and `--fresh` starts over"),
    Row("--ckpt --ckpt-path --checkpoint --checkpoint-path --weights --initial-checkpoint --start-checkpoint "
        "--pretrained-weights --finetune --model-name-or-path", "",
        "`run.py train --init` starts from the weights of a run or a file, and `run.py evaluate RUN` tests a "
        "run"),
    Row("--output-dir --output --out-dir --save-dir --logdir --log-dir --default-root-dir --project "
        "--work-dir",
        "--checkpoints", "It is the folder of all runs"),
    Row("--name --run-name --experiment --exp-name --experiment-name",
        "", "Omit it: a run is named by its ID, a hash of its configuration"),
    Row("--overwrite --overwrite-output-dir --force --restart --clean",
        "--fresh", "It deletes the run and trains it again"),
    Row("--save-every --save-steps --save-strategy --save-interval --save-period --save-freq "
        "--checkpoint-every --checkpoint-interval --checkpoint-hist --save-total-limit",
        "--state-every", "It sets the interval of saved states in time, such as 5m"),
    Row("--max-time --time-limit --max-hours --timeout", "--max-minutes", "It is in minutes"),
    # machines and speed
    Row("--workers --num-workers --dataloader-num-workers --num-proc --n-workers -j",
        "", "Omit it: images are decoded once into a cache, and training needs no worker processes"),
    Row("--pin-mem --pin-memory --no-prefetcher --prefetch --prefetch-factor --persistent-workers --cache "
        "--cache-images",
        "", "Omit it: the data is read from a cache, on the GPU if it fits"),
    Row("--gpus --num-gpus --ngpus --n-gpus --devices --nproc-per-node --nproc --num-nodes --world-size "
        "--local-rank --strategy --distributed --ddp --dist-url --multiprocessing-distributed", "",
        "For several GPUs of one machine, use `torchrun --nproc-per-node N run.py train ...`; for one GPU, "
        "use `--device`"),
    Row("--gpu --gpu-id --gpu-ids --accelerator --cuda --no-cuda --use-cpu --cpu --mps --use-gpu",
        "--device", "Write --device cuda:0 for the first GPU, or --device cpu"),
    Row("--amp --bf16 --half --amp-dtype --mixed-precision --use-amp --native-amp --autocast --bfloat16",
        "--precision", "Omit it on a GPU with bf16 units, where bf16 is the default, or write --precision bf16"),
    Row("--fp16 --float16 --fp16-full-eval",
        "", "fp16 is unsupported. Omit it: bf16 is the default on GPUs with bf16 units, and fp32 elsewhere"),
    Row("--fp32 --float32 --no-amp", "--precision", "Write --precision fp32"),
    Row("--tf32 --allow-tf32", "--precision", "Write --precision tf32"),
    Row("--torch-compile --torchcompile --jit --torchscript",
        "--compile", "Omit it: the blocks are compiled if the run is long enough to gain"),
    Row("--grad-checkpointing --gradient-checkpointing --grad-ckpt --activation-checkpointing "
        "--use-checkpoint",
        "--checkpointing", "Omit it: it is on if fewer than 8 images fit"),
    Row("--channels-last --fast-norm --fused --cudnn-benchmark --benchmark",
        "", "Omit it: the fastest way to compute is chosen for your machine and printed"),
    Row("--deterministic --use-deterministic-algorithms",
        "", "Omit it: on a CPU the same command ends in the same bytes, also after an interruption"),
    Row("--accumulate-grad-batches --gradient-accumulation-steps --grad-accum-steps --grad-accum --accumulate "
        "--accum-iter --update-freq", "--micro-batch-size",
        "Omit it: --batch-size is the batch of one optimiser step, and it is split if it does not fit"),
    # model
    Row("--arch --model-name --net --network --backbone --model-type -a",
        "--model", "`run.py models` lists the models"),
    Row("--num-classes --nc --n-classes --nb-classes --num-labels",
        "", "Omit it: the dataset decides the number of classes"),
    Row("--in-chans --in-channels --input-channels", "", "Omit it: the dataset decides the number of channels"),
    Row("--img-size --image-size --imgsz --input-size --resolution --img --im-size --input-resolution "
        "--train-crop-size",
        "--image", "It is a side in pixels, or height x width such as 128x256"),
    Row("--patch-size", "--patch", "It is a side in pixels"),
    Row("--embed-dim --hidden-size --dim", "--d-model", "It is the width of a token"),
    Row("--num-heads --num-attention-heads --n-heads", "--heads", "It is the number of attention heads"),
    Row("--num-layers --layers --num-hidden-layers --n-layers --num-blocks", "--depth", "It is the number of blocks"),
    Row("--drop --drop-rate --dropout-rate --hidden-dropout-prob", "--dropout", "It is a fraction, such as 0.1"),
    Row("--num-params --params --budget", "--size", "It is the parameter budget, such as 10M"),
    Row("--global-pool --pool", "--pooling", "Its values are cls, mean and max"),
    # data
    Row("--data-dir --data-path --dataset-name --dataset-dir --train-dir --train-data --train-data-dir --root "
        "--data-root --dataset-root --data-set",
        "--dataset", "It takes a name, owner/name on the Hub, or a folder such as ./photos"),
    Row("--dataset-config-name --subset", "--dataset-config", "It names the subset of a dataset on the Hub"),
    Row("--image-column-name --img-column", "--image-column", "It names the column with the images"),
    Row("--label-column-name --target-column", "--label-column", "It names the column with the labels"),
    Row("--val-dir --validation-dir --valid-split --validation-split --eval-split",
        "--val-split", "It names a split of the source; `--val-fraction` holds out rows of train instead"),
    Row("--train-val-split --val-size --val-ratio --val-frac --validation-fraction",
        "--val-fraction", "It is a fraction of the training rows"),
    Row("--test-size --test-ratio --test-frac", "--test-fraction", "It is a fraction of the training rows"),
    Row("--max-train-samples --limit-train-batches --overfit-batches --fraction --num-samples",
        "--limit-train", "It is a number of rows, for a trial"),
    Row("--aa --auto-augment --autoaugment --hflip --scale-range --color-jitter --augmentation "
        "--augmentations --aug --randaug --rand-augment --trivial-augment",
        "--augment", "Its values are none, flip_crop and randaugment"),
    Row("--mixup --cutmix --reprob --random-erase --random-erasing --smoothing --label-smoothing --drop-path "
        "--drop-path-rate --drop-block --bce-loss --mosaic --copy-paste --distillation-type --teacher-model",
        "", "It is unsupported. Omit it"),
    # recipe
    Row("--bs --batch --train-batch-size --per-device-train-batch-size --batch-per-gpu --batchsize -b",
        "--batch-size", "It is the batch of one optimiser step, over all GPUs"),
    Row("--eval-batch-size --per-device-eval-batch-size --validation-batch-size --test-batch-size --vb",
        "--val-batch-size", "It is the number of validation examples that each step evaluates"),
    Row("--epoch --num-epochs --max-epochs --num-train-epochs --n-epochs --nepochs",
        "--epochs", "It counts training epochs"),
    Row("--max-steps --steps --num-steps --num-train-steps --max-iters --iterations --iters --train-steps",
        "--epochs", "A run is as long as its epochs; `--train-batches` sets the batches of one epoch"),
    Row("--learning-rate --lr0 --base-lr --blr --lr-base --max-lr", "--lr", "It is the highest learning rate"),
    Row("--min-lr --lrf --final-lr --lr-end --lr-min", "", "Omit it: the cosine schedule ends at 0"),
    Row("--sched --lr-scheduler --lr-scheduler-type --scheduler --lr-schedule --lr-policy --cos-lr",
        "--schedule", "Its values are cosine and constant"),
    Row("--warmup --warmup-epochs --warmup-iters --num-warmup-steps --warmup-ratio --lr-warmup-epochs "
        "--lr-warmup-steps --warmup-lr",
        "--warmup-steps", "It is a number of steps"),
    Row("--opt --optim --optimiser --optimizer-name", "--optimizer", "Its values are adamw and adam"),
    Row("--opt-eps --adam-epsilon --epsilon", "--eps", "It is epsilon in the denominator of the optimiser"),
    Row("--wd --decay --weightdecay --l2", "--weight-decay", "It is the weight decay of matrices"),
    Row("--momentum --opt-betas --adam-beta1 --adam-beta2 --betas --layer-decay --nesterov",
        "", "It is fixed: AdamW and Adam use betas 0.9 and 0.999. Omit it"),
    Row("--clip-grad --grad-clip --max-grad-norm --gradient-clip-val --clip-gradients --clip-grad-norm --clip "
        "--grad-norm",
        "--clip-norm", "It is the largest norm of the gradients"),
    Row("--random-seed --manual-seed --seed-everything --rng-seed",
        "--seed", "It sets initial weights and data order"),
    Row("--model-ema --ema --ema-decay --swa --early-stopping --patience --early-stop --lr-patience --lr-find",
        "", "It is unsupported: every run of a comparison trains for all of its epochs. Omit it"),
    Row("--class-weight --weighted-loss --balanced", "--class-weights", "Its values are none and balanced"),
    # reports, the Hub, other commands
    Row("--push-to-hub --hub --hub-model-id --upload-to-hub --push",
        "--upload", "HF_REPOSITORY names the repository"),
    Row("--hub-token --token --hf-token --use-auth-token --api-key",
        "", "Omit it: set HF_TOKEN in the environment or in .env"),
    Row("--hub-private-repo", "--private", "It makes a new repository private"),
    Row("--wandb --log-wandb --use-wandb --report-to --tensorboard --logger --tracker --mlflow --comet",
        "", "Omit it: trackers are unsupported, and every run writes a log with one line per batch"),
    Row("--log-interval --logging-steps --log-every --log-every-n-steps --print-freq --log-freq "
        "--print-interval",
        "", "Omit it: the log has one line per batch"),
    Row("--verbose -v --debug --log-level --quiet -q --silent --no-progress --disable-tqdm", "",
        "Omit it: notes are on stderr and results on stdout, and ISOSCALE_DEBUG=1 shows where an internal "
        "error is"),
    Row("--eval --evaluate --eval-only --test-only --test --do-eval --do-test --validate --val",
        "", "`run.py evaluate RUN` tests a finished run"),
    Row("--do-predict --predict --inference", "", "`run.py predict RUN FOLDER` classifies images"),
    Row("--do-train --train", "", "Omit it: `run.py train` trains"),
    Row("--dry-run --fast-dev-run --dryrun --check", "",
        "`run.py plan` takes the same options and trains nothing; `--limit-train 512 --epochs 1` is a short "
        "trial"),
    Row("--config -c --cfg --config-file --yaml --hparams --opts",
        "", "Write the settings as options: a command is the complete configuration of a run"),
    Row("--eval-every --eval-steps --eval-strategy --evaluation-strategy --check-val-every-n-epoch "
        "--val-interval --val-check-interval --eval-metric --load-best-model-at-end --metric-for-best-model",
        "", "Omit it: a run is validated after every epoch, and the weights with the lowest loss are kept too"),
    Row("--yes -y --no-input --assume-yes", "", "Omit it: this command asks nothing"),
)  # fmt: skip

OPTIONS = {name: row for row in _TABLE for name in row.names.split()}

_COMMANDS = (
    ("resume continue restart", "Run the same `train` command again: it resumes by itself"),
    ("list ls show status info history ps",
     "`run.py runs` lists runs, `run.py models` lists models and `run.py datasets` lists datasets"),
    ("test eval val validate score metrics report", "`run.py evaluate RUN` tests a finished run"),
    ("fit run start finetune fine-tune pretrain experiment", "Use `run.py train`"),
    ("infer inference classify detect", "`run.py predict RUN FOLDER` classifies images"),
    ("compare diff stats significance",
     "`run.py plot scaling` draws the accuracy of your runs, and `run.py plan --like MODEL` compares two "
     "models' sizes"),
    ("version", "Use `run.py --version`"),
    ("help man commands", "Use `run.py --help`, or `run.py COMMAND --help`"),
    ("init setup config configure new", "Nothing is needed: start with `run.py train`"),
    ("login auth token logout", "Set HF_TOKEN and HF_REPOSITORY in .env; `run.py doctor` checks them"),
    ("push publish save export-hub", "Use `run.py upload`, or `--upload` with `train`"),
    ("pull get fetch clone", "Use `run.py download`"),
    ("check env diagnose gpus devices", "`run.py doctor` checks this machine"),
    ("delete del rm remove clean prune purge clear",
     "`run.py runs rm` deletes runs, and `run.py cache clear` deletes cached datasets"),
    ("dataset prepare preprocess inspect", "`run.py datasets ./photos` shows how data is read"),
    ("model zoo summary params flops", "`run.py models` lists shapes, parameters and FLOPs"),
    ("draw figure figures graph visualize chart", "Use `run.py plot`"),
    ("benchmark speed profile time", "Use `run.py bench`"),
    ("estimate cost dry-run", "Use `run.py plan` with the options of `train`"),
    ("rent cloud submit slurm deploy", "`run.py launch` prints the command for a rented GPU"),
    ("sweep tune search", "Unsupported. `run.py study grid.csv` trains the runs of a table"),
    ("export convert onnx", "Unsupported; a run's weights are a .safetensors file in checkpoints"),
)  # fmt: skip

COMMANDS = {name: says for names, says in _COMMANDS for name in names.split()}

_WITHIN = {  # a group -> the same for its commands
    "runs": (
        ("list ls all ps status", "`run.py runs` lists runs"),
        ("delete del remove clean prune purge clear", "Use `run.py runs rm`"),
        ("info inspect describe cat get", "Use `run.py runs show`"),
        ("where which find", "Use `run.py runs path`, or `run.py runs --where seed=0` to select runs"),
    ),
    "cache": (
        ("list ls info status size du path dir", "`run.py cache` shows the cache"),
        ("delete del rm remove clean prune purge empty reset", "Use `run.py cache clear`"),
    ),
}  # fmt: skip
_ID = re.compile(r"[0-9a-f]{3,8}")
_AGREED = "-f --force -r -rf -fr --recursive --no-input --assume-yes --no-confirm"  # to what deletes
_TRIED = "-n --dry-run --dryrun --check --simulate"


def command(name: str) -> str | None:
    """Return what to type instead of a command that is unknown here, or None."""
    says = COMMANDS.get(name.lower())
    return screen.named(says) if says else None


def within(group: str, name: str) -> str | None:
    """Return what to type instead of a command that is unknown in a group, or None."""
    if group == "runs" and _ID.fullmatch(name):
        return screen.named(f"`run.py runs show {name}` shows a run")
    found = (says for names, says in _WITHIN.get(group, ()) if name.lower() in names.split())
    return next(map(screen.named, found), None)


def option(name: str, known: Collection[str], command: str) -> str | None:
    """Return what to type instead of another tool's option, or None; `known` are the options of this command."""
    says = _selecting(name, known) or _deleting(name, known) or _option(name, known, command)
    return screen.named(says) if says else None


def _selecting(name: str, known: Collection[str]) -> str | None:
    """Return how a command that selects runs by their settings takes one of them."""
    if "--where" not in known:
        return None
    from ..config.conditions import SETTINGS

    ours = OPTIONS[name].ours if name in OPTIONS else name
    setting = ours.removeprefix("--").replace("-", "_")
    return f"Write --where {setting}=VALUE" if setting in SETTINGS else None


def _deleting(name: str, known: Collection[str]) -> str | None:
    """Return what a command that deletes has for an option of `rm`."""
    if "--yes" not in known or name not in f"{_AGREED} {_TRIED}".split():
        return None
    if name in _TRIED.split():
        return "Omit it: the command lists what it would delete, and asks"
    return "Use --yes. It deletes without asking"


def _option(name: str, known: Collection[str], command: str) -> str | None:
    row = OPTIONS.get(name)
    if row is None:
        return None
    if not row.ours:
        return row.says
    if row.ours not in known:
        return f"`{command}` has no option for this; `run.py train` has {row.ours}"
    return row.says if row.ours in row.says or row.says.startswith("Omit it") else f"Use {row.ours}. {row.says}"
