"""Options of other tools (timm, Lightning, HF Trainer, ultralytics), and the options to use here instead.

A row has the other tools' names, the option here if there is one, and one sentence. None of the names is accepted.
"""

from __future__ import annotations

from typing import NamedTuple


class Row(NamedTuple):
    """Names of options of other tools. `ours` is the option here, empty if none is needed or none exists."""

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
        "--local-rank --strategy --distributed --ddp --dp --dist-url --multiprocessing-distributed", "",
        "For several GPUs of one machine, use `torchrun --nproc-per-node N run.py train ...`; for one GPU, "
        "use `--device`"),
    Row("--gpu --gpu-id --gpu-ids --accelerator --cuda --no-cuda --use-cpu --cpu --mps --use-gpu",
        "--device", "Write --device cuda:0 for the first GPU, or --device cpu"),
    Row("--amp --bf16 --half --amp-dtype --mixed-precision --use-amp --native-amp --autocast --bfloat16",
        "--precision", "Omit it on a GPU with bf16 units, where bf16 is the default, or write --precision bf16"),
    Row("--fp16 --float16 --fp16-full-eval",
        "--precision", "Write --precision fp16; bf16 is the default on GPUs with bf16 units"),
    Row("--fp32 --float32 --no-amp --noamp", "--precision", "Write --precision fp32"),
    Row("--tf32 --allow-tf32", "--precision", "Write --precision tf32"),
    Row("--torch-compile --torchcompile --jit --torchscript",
        "--compile", "Omit it: the blocks are compiled if the run is long enough to gain"),
    Row("--grad-checkpointing --gradient-checkpointing --grad-ckpt --activation-checkpointing "
        "--use-checkpoint",
        "--checkpointing", "Omit it: it is on if fewer than 8 images fit"),
    Row("--channels-last --fast-norm --fused --cudnn-benchmark --benchmark",
        "", "Omit it: the fastest way to compute is chosen for your machine and printed"),
    Row("--use-deterministic-algorithms",
        "--deterministic", "On a CPU the same command ends in the same bytes without it"),
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
    Row("--embed-dim --hidden-size --dim --dimhead", "--d-model", "It is the width of a token"),
    Row("--convkernel --kernel-size", "--kernel", "It is the side of ConvMixer's convolutions"),
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
    Row("--aa --auto-augment --autoaugment --hflip --scale --scale-range --color-jitter --augmentation "
        "--augmentations --aug --randaug --rand-augment --trivial-augment --reprob --random-erase --random-erasing",
        "--augment", "It joins names by +, such as flip_crop+trivial+erasing"),
    Row("--noaug --no-aug", "", "Write --augment none"),
    Row("--mixup-alpha", "--mixup", "It is the parameter of the Beta distribution of shares"),
    Row("--cutmix-alpha", "--cutmix", "It is the parameter of the Beta distribution of areas"),
    Row("--mixup-prob", "--mix-prob", "It is the probability of mixing"),
    Row("--mixup-switch-prob", "--mix-switch", "It is the probability of CutMix if --mixup is given too"),
    Row("--mixup-mode", "--mix-mode", "Its values are batch and element"),
    Row("--mixup-off-epoch", "--mix-epochs", "It counts the first epochs, which are mixed"),
    Row("--smoothing", "--label-smoothing", "It is a share, such as 0.1"),
    Row("--drop-path-rate --stochastic-depth --drop-connect", "--drop-path", "It is the rate of the last block"),
    Row("--bce-loss --criterion --loss-fn", "--loss", "Its values are cross_entropy and bce"),
    Row("--drop-block --mosaic --copy-paste --distillation-type --teacher-model",
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
    Row("--min-lr --lrf --final-lr --lr-end --eta-min", "--lr-min", "It is the learning rate at the end"),
    Row("--sched --lr-scheduler --lr-scheduler-type --scheduler --lr-schedule --lr-policy --cos-lr",
        "--schedule", "Its values are cosine, cosine_epoch, linear, constant and wsd"),
    Row("--warmup --warmup-epochs --warmup-iters --num-warmup-steps --warmup-ratio --lr-warmup-epochs "
        "--lr-warmup-steps --warmup-lr",
        "--warmup-steps", "It is a number of steps"),
    Row("--opt --optim --optimiser --optimizer-name", "--optimizer",
        "Its values are adamw, adam, sgd, adan, adan_lucidrains, lion and muon"),
    Row("--opt-eps --adam-epsilon --epsilon", "--eps", "It is epsilon in the denominator of the optimiser"),
    Row("--wd --decay --weightdecay --l2", "--weight-decay", "It is the weight decay of matrices"),
    Row("--opt-betas --adam-beta1 --adam-beta2 --beta1 --beta2",
        "--betas", "It takes the share of each moment that a step keeps, such as 0.9,0.999"),
    Row("--adan-beta1 --adan-beta2 --adan-beta3",
        "--betas", "Write 1 minus each of the three numbers, such as 0.98,0.92,0.99"),
    Row("--layer-wise-lr-decay --llrd --lr-layer-decay", "--layer-decay", "It is a factor per layer, such as 0.75"),
    Row("--clip-grad --grad-clip --max-grad-norm --gradient-clip-val --clip-gradients --clip-grad-norm --clip "
        "--grad-norm",
        "--clip-norm", "It is the largest norm of the gradients"),
    Row("--random-seed --manual-seed --seed-everything --rng-seed",
        "--seed", "It sets initial weights and data order"),
    Row("--model-ema --ema-decay --model-ema-decay --use-ema",
        "--ema", "It is a half-life in epochs, such as 2, so that it fits runs of any length"),
    Row("--swa --early-stopping --patience --early-stop --lr-patience --lr-find",
        "", "It is unsupported: every run of a comparison trains for all of its epochs. Omit it"),
    Row("--class-weight --weighted-loss --balanced", "--class-weights", "Its values are none and balanced"),
    # reports, the Hub, other commands
    Row("--push-to-hub --hub --hub-model-id --upload-to-hub --push",
        "--upload", "HF_REPOSITORY names the repository"),
    Row("--hub-token --token --hf-token --use-auth-token --api-key",
        "", "Omit it: set HF_TOKEN in the environment or in .env"),
    Row("--hub-private-repo", "--private", "It makes a new repository private"),
    Row("--wandb --log-wandb --use-wandb --report-to --tensorboard --logger --tracker --trackio",
        "--track", "Its values are trackio, wandb and tensorboard"),
    Row("--mlflow --comet", "", "Omit it: `--track` sends curves to trackio, wandb and tensorboard only"),
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
