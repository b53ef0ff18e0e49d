"""The command lines that are pinned, by name: trainings of three steps, configs that are only resolved, exit codes."""

from __future__ import annotations

STEPS = 3

_ON_CPU = "--threads 1 --device cpu"
_CUT = "--limit-train 24 --limit-val 16 --limit-test 16 --batch-size 8 --val-batch-size 16 --epochs 1"
_DIGITS = f"--dataset digits {_CUT}"
_PETS = "--dataset ./pets --image 32 --limit-train 24 --batch-size 8 --val-batch-size 8 --epochs 1"
_PLAIN = "--dataset ./plain --image 32 --limit-train 24 --batch-size 8 --val-batch-size 8 --epochs 1"
_TABLE = "--dataset ./table --image 16 --patch 4 --limit-train 24 --batch-size 8 --val-batch-size 8 --epochs 1"
_FIELDS = "--dataset nested_cylinder --data fields --crop 0:40,0:12 --train-batches 3 --val-batches 2"
_FIELDS += " --batch-size 3 --epochs 1"
_SIGNALS = "--dataset diffraction --data signals --limit-train 24 --batch-size 8 --val-batch-size 8 --epochs 1"
_SPLITS = "--dataset diffraction --data splits --limit-train 24 --batch-size 8 --val-batch-size 8 --epochs 1"
_STUDY = "--size 100K --d-model 64"  # of vit_classic and vit_differential
_VIT = "--d-model 32 --depth 2 --heads 2 --mlp-ratio 2"  # of models that are named whole
_T2T = "--d-model 32 --depth 2 --heads 2 --mlp-ratio 1"
_C, _D = f"--model vit_classic {_STUDY}", f"--model vit_differential {_STUDY}"

TRAININGS = {
    # the study's two models and their attentions
    "digits-classic": f"{_DIGITS} {_C}",
    "digits-differential": f"{_DIGITS} {_D}",
    "digits-differential-v2": f"{_DIGITS} {_D} --size 110K --attention differential_v2",
    "digits-dint": f"{_DIGITS} --model vit_dint {_STUDY}",
    "digits-grouped": f"{_DIGITS} --model vit_grouped {_STUDY}",
    "digits-adan": f"{_DIGITS} {_C} --optimizer adan --ema 1 --drop-path 0.1 --label-smoothing 0.1 --schedule wsd",
    "digits-muon": f"{_DIGITS} {_C} --optimizer muon --layer-decay 0.8 --loss bce --schedule linear",
    "digits-1M-classic": f"{_DIGITS} --model vit_classic",
    "digits-1M-differential": f"{_DIGITS} --model vit_differential",
    "digits-match-params": f"{_DIGITS} --model cnn --match params --like vit_differential --size 1M --depth 3",
    "digits-match-flops": f"{_DIGITS} --model cnn --match flops --like vit_classic --size 1M --depth 3",
    # other rows of the ViT, and what each of its options changes
    "vit": f"{_PETS} --model vit {_VIT}",
    "vit-differential": f"{_PETS} --model vit {_VIT} --attention differential",
    "vit-differential-v2": f"{_PETS} --model vit {_VIT} --attention differential_v2",
    "vit-lsa": f"{_PETS} --model vit {_VIT} --attention lsa",
    "vit_small": f"{_PETS} --model vit_small {_VIT}",
    "vit_tiny": f"{_PETS} --model vit_tiny {_VIT} --head-width 16",
    "simplevit": f"{_PETS} --model simplevit {_VIT}",
    "dyt": f"{_PETS} --model dyt {_VIT}",
    "vit-dyt-mean-sincos": f"{_PETS} --model vit {_VIT} --norm dyt --pooling mean --positions sincos",
    "vit-shifted-biases": f"{_PETS} --model vit {_VIT} --patching shifted --qkv-bias --no-projection-bias",
    "classic-mlp-ratio-heads": f"{_DIGITS} --model vit_classic --size 94K --d-model 64 --heads 8 --mlp-ratio 3.5",
    # T2T-ViT
    "t2t": f"{_PETS} --model t2t_vit {_T2T}",
    "t2t-differential": f"{_PETS} --model t2t_vit {_T2T} --attention differential",
    "t2t-differential-v2": f"{_PETS} --model t2t_vit {_T2T} --attention differential_v2",
    "t2t-transformer": f"{_PETS} --model t2t_vit_t_14 {_T2T}",
    "t2t-transformer_31-skip": f"{_PETS} --model t2t_vit {_T2T} --tokenizer transformer_31 --value-skip",
    "t2t-digits": f"{_DIGITS} --image 32 --model t2t_vit_7 {_T2T} --qkv-bias",
    # convolutions
    "cnn": f"{_PETS} --model cnn --features 4",
    "cnn_6": f"{_DIGITS} --model cnn_6 --features 4",
    "resnet18": f"{_PETS} --model resnet18 --width 4",
    "resnet34-digits": f"{_DIGITS} --image 32 --model resnet34 --width 4",
    "resnet50": f"{_PETS} --model resnet50 --width 4",
    "resnet18-64px": f"{_PETS} --image 64 --model resnet18 --width 4",
    # what timm builds
    "cait": f"{_PETS} --model cait --patch 8 {_VIT}",
    "cait_small": f"{_PETS} --model cait_small --patch 8 --d-model 16 --depth 1 --heads 2",
    "swin": f"{_PETS} --model swin --width 6",
    "convmixer": f"{_PETS} --model convmixer --patch 4 --d-model 8 --depth 2",
    "mlpmixer": f"{_PETS} --model mlpmixer --patch 8 --d-model 16 --depth 2 --mlp-ratio 0.5",
    "mobilevit": f"{_PETS} --image 64 --model mobilevit --width 4",
    "vgg": f"{_PETS} --model vgg --width 4",
    "timm-resnet": f"{_PETS} --model timm/test_resnet",
    "timm-vit": f"{_PETS} --model timm/test_vit",
    # a recipe's settings
    "adam-constant-eps": f"{_DIGITS} {_C} --optimizer adam --schedule constant --eps 1e-6 --lr 0.002",
    "warmup-decay-clip": f"{_DIGITS} {_D} --warmup-steps 2 --weight-decay 0.1 --clip-norm 0.5",
    "warmup-longer-than-run": f"{_DIGITS} {_C} --warmup-steps 500",
    "dropout": f"{_DIGITS} {_D} --dropout 0.3",
    "no-dropout": f"{_DIGITS} {_D} --dropout 0",
    "seed": f"{_DIGITS} {_D} --seed 12345",
    "bf16": f"{_DIGITS} {_C} --precision bf16 --attention-path sdpa",  # a CPU without AVX-512 chooses plain
    "fp32": f"{_DIGITS} {_C} --precision fp32",
    "micro-batches": f"{_DIGITS} {_D} --micro-batch-size 3",
    "checkpointing": f"{_DIGITS} {_D} --checkpointing",
    "attention-path-sdpa": f"{_DIGITS} {_C} --attention-path sdpa",
    "batches-of-train-and-val": f"{_DIGITS} {_C} --train-batches 3 --val-batches 1 --limit-train 20",
    "three-epochs-of-a-batch": f"{_DIGITS} {_D} --limit-train 12 --epochs 3 --train-batches 1 --val-batch-size 5",
    # images: augmentation, splits, columns
    "augment-none": f"{_PETS} --model vit {_VIT} --augment none",
    "augment-randaugment": f"{_PETS} --model vit {_VIT} --augment randaugment",
    "augment-digits": f"{_DIGITS} {_C} --augment flip_crop",
    "randaugment-resnet": f"{_PETS} --model resnet18 --width 4 --augment randaugment --seed 3",
    "augment-list": f"{_PETS} --model vit {_VIT} --augment resized_crop+flip+trivial+jitter+erasing_noise:0.5",
    "augment-turns-zoo": f"{_PETS} --model vit {_VIT} --augment rot90+vflip+zoo_rand+cutout",
    "mixed-digits": f"{_DIGITS} {_C} --mixup 0.8 --cutmix 1 --mix-mode element --mix-prob 0.9",
    "mixed-fields": f"{_FIELDS} --model cnn --features 4 --mixup 0.4",
    "split-seed": f"{_DIGITS} {_D} --split-seed 5",
    "val-fraction": f"{_PETS} --model cnn --features 4 --val-fraction 0.25 --split-seed 2",
    "test-fraction-of-digits": f"{_DIGITS} {_C} --test-fraction 0.3",
    "test-carved-without-one": f"{_PLAIN} --model cnn --features 4",
    "test-fraction-beside-one": f"{_PETS} --model cnn --features 4 --test-fraction 0.25 --limit-val 4",
    "table-groups": f"{_TABLE} --model vit {_VIT} --group-column patient --image-column image",
    "table-other-label": f"{_TABLE} --model vit {_VIT} --label-column mood --image-column image",
    "table-other-image": f"{_TABLE} --model vit {_VIT} --label-column label --image-column scan",
    # fields
    "fields-cnn": f"{_FIELDS} --model cnn --features 4",
    "fields-two-channels": f"{_FIELDS} --model cnn --features 4 --field rho,pressure --no-mirror",
    "fields-float16-crop": f"{_FIELDS} --model resnet18 --width 4 --stored-dtype float16 --crop 4:36,0:8",
    "fields-target-design": f"{_FIELDS} --model cnn --features 4 --target other --design fields/design.csv",
    "fields-lists": f"{_FIELDS} --model cnn --features 4 --filelist fields-lists",
    "fields-vit": f"{_FIELDS} --model vit --patch 4 {_VIT} --crop 0:40,0:8",
    "fields-t2t_lanl": f"{_FIELDS} --model t2t_lanl {_T2T}",
    # signals
    "signals-resnet1d": f"{_SIGNALS} --model resnet1d --width 8",
    "signals-resnet1d-one-head": f"{_SIGNALS} --model resnet1d --width 8 --no-discriminator",
    "signals-resnet1d-two-heads": f"{_SIGNALS} --model resnet1d --width 8 --discriminator",
    "signals-resnet1d_layer": f"{_SIGNALS} --model resnet1d_layer --width 8",
    "signals-resnet1d-options": f"{_SIGNALS}"
    " --model resnet1d --width 8 --projection every --pooling max --no-stem-pool",
    "signals-classic": f"{_SIGNALS} --patch 10 {_C}",
    "signals-differential": f"{_SIGNALS} --patch 10 {_D}",
    "signals-vit-dyt-sincos": f"{_SIGNALS} --model vit --patch 8 {_VIT} --norm dyt --positions sincos",
    "signals-background": f"{_SIGNALS} --model resnet1d --width 8 --background 0.01 --stored-dtype float16",
    "signals-range-grid": f"{_SIGNALS} --model resnet1d --width 8 --range 10:20 --grid 5:0.25",
    "signals-space-group": f"{_SIGNALS} --model resnet1d --width 8 --target space_group",
    "signals-own-splits": f"{_SPLITS} --model resnet1d --width 8",
    "signals-splits-carved": f"{_SPLITS} --model resnet1d --width 8 --test-fraction 0.2 --val-fraction 0.2",
}
TRAININGS = {name: f"train {line} {_ON_CPU}" for name, line in TRAININGS.items()}
QUICK = ("digits-classic", "digits-differential")  # the others are slow tests

_SIZES = ("10M", "25M", "50M")
_GROWN = (
    "cnn", "resnet18", "cait", "swin", "convmixer", "mlpmixer", "vgg", "t2t_vit", "vit", "vit_small", "vit_tiny",
    "simplevit", "dyt",
)  # fmt: skip
_WHOLE = (
    *_GROWN, "cnn_6", "cnn_12", "resnet34", "resnet50", "resnet101", "cait_small", "t2t_vit_14", "t2t_vit_24",
    "t2t_vit_t_14", "t2t_vit_t_24", "t2t_lanl", "timm/resnet18", "timm/vit_tiny_patch16_224",
)  # fmt: skip

IDENTITIES = {
    **{
        f"{dataset} {model} {size}": f"--dataset {dataset} --model {model} --size {size}"
        for dataset in ("cifar100", "bach")
        for model in ("vit_classic", "vit_differential")
        for size in _SIZES
    },
    **{
        f"cifar10 {model} {size}": f"--dataset cifar10 --model {model} --size {size}"
        for model in _GROWN
        for size in _SIZES
    },
    **{f"cifar10 {model}": f"--dataset cifar10 --model {model}" for model in _WHOLE},
    "under noise": "--dataset cifar10 --label-noise asymmetric:0.40 --distractors 4 --test-distractors 2"
    " --corrupt-train gaussian_noise:3",
    "nothing": "",
    "digits": "--dataset digits",
    "cifar10 mobilevit": "--dataset cifar10 --model mobilevit --image 64",
    "cifar10 mobilevit 10M": "--dataset cifar10 --model mobilevit --image 64 --size 10M",
    "cifar100 7M": "--size 7M",
    "cifar100 7.5M classic": "--size 7.5m --model vit_classic",
    "cifar100 10000K": "--size 10000K",
    "cifar100 v2 10M": "--attention differential_v2",
    "cifar100 dint 10M": "--model vit_dint",
    "cifar100 grouped 10M": "--model vit_grouped",
    "cifar100 wide 10M": "--model vit_differential_wide",
    "cifar100 match params": "--model resnet18 --match params --like vit_classic --size 10M",
    "cifar100 match flops": "--model t2t_vit --match flops --like vit_differential --size 10M",
    "bach match params": "--dataset bach --model resnet50 --match params --like vit_classic --size 25M",
    "cifar10 7M": "--dataset cifar10 --size 7M",
    "vit alias": "--dataset cifar10 --model vit_timm",
    "a dataset's repository": "--dataset uoft-cs/cifar10",
    "a dataset's address": "--dataset https://huggingface.co/datasets/uoft-cs/cifar10/tree/main",
    "every recipe option": "--epochs 3 --batch-size 32 --val-batch-size 64 --train-batches 5 --val-batches 2"
    " --optimizer adam --eps 1e-7 --schedule constant --lr 0.01 --warmup-steps 7 --weight-decay 0 --clip-norm 1"
    " --seed 9 --precision bf16 --dropout 0 --augment randaugment",
    "every data option": "--split-seed 3 --val-fraction 0.2 --test-fraction 0.3 --limit-train 100 --limit-val 50"
    " --limit-test 60 --image 64 --patch 8 --image-column img --size 1M",
    "every option of adan": "--optimizer adan --betas 0.97,0.9,0.98 --eps 1e-7 --schedule wsd --lr-min 1e-6"
    " --layer-decay 0.8 --ema 2 --label-smoothing 0.1 --drop-path 0.1 --best-by accuracy",
    "every option of sgd": "--optimizer sgd --momentum 0.8 --nesterov --schedule linear --loss bce --precision fp16",
    "lion by epoch": "--optimizer lion --schedule cosine_epoch",
    "muon": "--optimizer muon",
    "integers for floats": "--lr 1 --dropout 0 --weight-decay 1 --clip-norm 2 --mlp-ratio 4",
    "the protocol's own values": "--image 224 --patch 8 --batch-size 512 --epochs 50 --lr 1e-4 --weight-decay 0.01"
    " --dropout 0.2 --augment none --size 10M --model vit_differential --attention differential --seed 0",
    "the protocol's own warm-up": "--warmup-steps 500",
    "a rectangle": "--dataset cifar10 --model cnn --image 32x64",
}  # fmt: skip
_OF_TIMM = ("cait", "swin", "convmixer", "mlpmixer", "mobilevit", "vgg", "timm", "alias")  # built to be counted
SLOW_IDENTITIES = [name for name in IDENTITIES if any(part in name for part in _OF_TIMM)]
IDENTITIES = {name: f"plan {line} {_ON_CPU} --json" for name, line in IDENTITIES.items()}

# command lines whose exit code is pinned, each in a folder with the datasets and without a run
EXITS = (
    "", "--help", "--version", "train --help", "bench", "bench --help", "trian", "train --sise 1M",
    "train --epochs many", "train --epochs", "train --upload=maybe", "upload checkpoints",
    "train --model vit_clasic", "models --dataset cifar1000", "train --dataset cifar-1000", "train --dataset a/b/c",
    "train --dataset hf://datasets/alice/shapes@v1", "models --dataset alice/shapes", "train --size 10B",
    "train --size large", "train --size 2K", "train --size 10M --depth 3", "train --image 224 --patch 15",
    "train --model vit_classic --heads 5", "train --d-model 255", "train --attention differntial",
    "train --attention classic", "train --match params", "train --like vit_classic",
    "train --match param --like vit_classic", "train --match flops --like vit_classic --depth 9",
    "train --augment flipcrop", "train --precision fp8", "train --epochs 0", "train --epochs -3", "train --lr nan",
    "train --lr inf", "train --mlp-ratio nan", "train --dropout 1", "train --val-fraction 1.5", "train --seed -1",
    "train --threads 0", "train --state-every 5d", "train --max-minutes -1", "train --push-every 30m",
    "train --if-held refuse", "train --attention-path flash", "train --gradients fp16", "train --norm batch",
    "train --model resnet18 --heads 2", "train --model resnet1d --dataset cifar10", "train --pretrained",
    "train --model vit_classic --attention lsa", "train --model swin --image 64x32 --dataset cifar10",
    "train --dataset digits --revision main", "train --dataset digits --private", "train --dataset digits --data pets",
    "train --dataset nested_cylinder", "train --dataset diffraction --data none",
    "train --dataset diffraction --data signals --design x.csv",
    "train --dataset diffraction --data signals --image 64",
    "train --dataset nested_cylinder --data fields --crop 0:40", "train --dataset nested_cylinder --data fields",
    "train --dataset diffraction --data signals --range 10:20", "train --dataset diffraction --data signals --target x",
    "train --dataset ./nothing", "train --dataset ./pets --label-column lable --image 32 --size 1M",
    "train --dataset ./pets --group-column patient --image 32 --size 1M", "train", "train --device cuda:99",
    "evaluate", "evaluate --run abc", "evaluate --dataset digits", "evaluate checkpoints/nothing", "evaluate hf://alice",
    "plot loss", "plot nothing", "download x", "plan --usd-per-hour 2", "plan --dataset digits", "plan --json",
    "plan --dataset digits --strict --limit-train 100", "plan --model nothing", "models", "datasets", "models --json",
    "datasets --json", "selftest --kill 0", "selftest --model nothing", "bench step --size 10B",
    "bench attention --tokens many", "data make", "data make diffraction",
    "data make diffraction --out made --target x",
    "data split nothing", "data split fields --out lists", "data split fields --tag x",
    "launch nowhere", "doctor --nothing",
)  # fmt: skip

_RUN = TRAININGS["digits-classic"]
# the same, one after the other in one folder
EXITS_IN_ORDER = (
    f"{_RUN} --max-minutes 0", _RUN, _RUN, f"{_RUN} --fresh", f"{_RUN} --upload", f"{_RUN} --seed 1 --upload",
    f"{_RUN} --seed 1 --micro-batch-size 64", f"{_RUN} --seed 1 --gradients bf16",
    f"{_RUN} --seed 1 --checkpoints pets/train/cat/00.bmp", f"plan {_RUN.removeprefix('train ')}",
    "evaluate checkpoints", "evaluate checkpoints --best", "evaluate checkpoints --again",
    "evaluate checkpoints --top-k 3",
    "evaluate checkpoints --top-k 11", "evaluate checkpoints --on pets", "evaluate checkpoints --data pets",
    "evaluate checkpoints --grid 1:2", "evaluate --model vit_classic", "evaluate --dataset digits --size 1M",
    "evaluate --run zzz", "evaluate --run d88", "plot loss --out drawn", "plot loss --run d88 --out drawn",
    "plot loss --run fff", "plot scaling --out drawn", "plot history --out drawn", "plot patterns --out drawn",
    "plot field fields --out drawn", "plot field fields --simulation id0002 --out drawn",
    "upload checkpoints x", "upload nothing here",
)  # fmt: skip
_FIELD_RUN = TRAININGS["fields-cnn"]
# what prints JSON, one after the other in one folder
AS_JSON = {
    "train": f"{_RUN} --json",
    "train of fields": f"{_FIELD_RUN} --checkpoints fields-run --json",
    "evaluate": "evaluate checkpoints --json",
    "evaluate --best": "evaluate checkpoints --best --json",
    "evaluate --top-k": "evaluate checkpoints --top-k 3 --json",
    "evaluate of fields": "evaluate fields-run --json",
    "evaluate --on": "evaluate fields-run --on fields --json",
    "plan": f"plan {_RUN.removeprefix('train ')} --json",
    "plan --like": "plan --dataset digits --model vit_classic --like vit_differential --threads 1 --device cpu --json",
    "plan of fields": f"plan {_FIELD_RUN.removeprefix('train ')} --json",
    "models": "models --json",
    "datasets": "datasets --json",
}  # fmt: skip
# the same of what measures, which takes longer
MEASURED_AS_JSON = {
    "plan --probe": f"plan {_RUN.removeprefix('train ')} --probe --usd-per-hour 2 --json",
    "bench step": "bench step --dataset digits --size 1M --rounds 1 --seconds 1 --threads 1 --device cpu --json",
    "bench attention": "bench attention --dataset digits --size 1M --tokens 16 --rounds 1 --seconds 1 --threads 1"
    " --device cpu --json",
    "selftest --kill": "selftest --kill 1 --epochs 2 --json",
    "doctor": "doctor --json",
}
# runs and cache, after one training, in one folder
LISTED_AS_JSON = {
    "train": f"{_RUN} --json",
    "runs": "runs --json",
    "runs show": "runs show checkpoints --json",
    "cache": "cache --json",
}
EXITS_LISTED = (
    "runs", "runs show checkpoints", "runs rm", "cache clear", _RUN, "runs", "runs --where seed=0-2 --state done",
    "runs --where sed=1", "runs --state paused", "runs list", "runs --json", "runs show checkpoints",
    "runs show nothing", "runs path checkpoints", "runs path fff", "runs rm fff", "runs rm checkpoints",
    "runs rm --where seed=9 --yes", "runs rm --where seed=0 --yes", "runs rm checkpoints --yes", "cache", "cache show",
    "cache --json", "cache list", "cache clear", "cache clear nothing", "cache clear digits",
    "cache clear digits --yes", "cache clear digits --yes", "cache clear --all digits",
)  # fmt: skip
QUICK_TABLES = ("diffraction",)
TABLES = {name: f"models --dataset {name} --json" for name in ("cifar100", "cifar10", "bach", "digits", "diffraction")}
