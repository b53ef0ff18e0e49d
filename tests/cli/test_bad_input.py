"""Bad input ends with exit code 2 and a sentence, what happened with 4; both leave everything as it was."""

import re

import pytest
from conftest import TINY
from hub.server import HubServer

from app.artifacts import checkpoint
from app.log import read

from . import scenes
from .scenes import Scene

DIGITS, PETS = f"train {TINY}", "train --dataset ./pets --image 8 --patch 4 --size 1M"
RUN = "checkpoints/vit_differential"

CASES = [
    # arguments, what the sentence says, what is wrong before
    ("", "^$", None),
    ("trian", "No such command 'trian'. Did you mean `train`", None),
    ("train --sise 1M", r"No such option: --sise. Did you mean `--size`\?$", None),
    ("train digits", "unexpected argument 'digits'. Write --dataset digits", None),
    ("plan vit_classic", "unexpected argument 'vit_classic'. Write --model vit_classic", None),
    ("track 76858d92 --to tensorboard --track-every 0", "track_every=0 is out of range. Use a number above 0", None),
    ("plot --width 3in loss", "No such option: --width. Write it after the command, as in `run.py plot loss", None),
    ("plot loss --out loss.pdf", "--out loss.pdf is a file, but .* --format pdf$", None),
    ("plot loss --format jpg", "unknown format 'jpg'. .*Valid values: png, svg, pdf", None),
    ("plot scaling --fit --separate", "--fit fits all architectures, and --separate .* Omit one of them$", None),
    ("plot scaling --fit --metric nll", "--metric nll is not available with --fit", None),
    ("plot scaling --x epochs", "unknown --x 'epochs'. .*Valid values: parameters, flops, dollars", None),
    ("plot scaling --x flops --separate", "--x flops is for the figure of all architectures. Omit it, or omit", None),
    ("plot classes --run 5", "needs two architectures at one size, and the runs to draw are ", scenes.a_run),
    ("plot disagreements --run 5", "needs two architectures at one size", scenes.a_run),
    ("plot scaling --fit --run 5", "a fit over sizes needs at least 3 sizes and 4 runs", scenes.a_run),
    ("plot scaling --metric rmse --run 5", "--metric rmse is for a regression", scenes.a_run),
    ("plot loss --width 3", "--width: '3' is not a width with a unit. Valid units", None),
    ("models --size 10M --sizes 25M", "--size 10M and --sizes 25M both choose sizes. Omit one of them", None),
    ("train --size 1G", r"'1G' means billions of parameters. Did you mean `1M`\?", None),
    ("train --size 7.5", "size '7.5' is not .* no unit. Write 7.5M for millions of parameters, or 7.5K", None),
    ("study stauts", r"No such command 'stauts'. Did you mean `status`\?$", None),
    ("train --epochs many", "--epochs 'many' is not a whole number. Use a whole number", None),
    ("train --epochs", "'--epochs' requires an argument", None),
    ("train --upload=maybe", "'--upload' does not take a value", None),
    ("upload checkpoints", "Missing argument 'hub_folder'", None),
    ("upload checkpoints --as-model name", "name is not a repository of the form owner/name", None),
    ("upload checkpoints x --best", "--best has an effect with --as-model only", None),
    ("upload checkpoints --as-model owner/name --format onnx", "unknown --format 'onnx'", None),
    ("train --model vit_clasic", r"unknown model 'vit_clasic'. Did you mean `vit_classic`\?", None),
    ("models --dataset cifar1000", "unknown dataset 'cifar1000'. Did you mean `cifar100`", None),
    ("train --dataset cifar-1000", r"unknown dataset 'cifar-1000'. Did you mean `cifar100`\? Or use owner/name", None),
    ("train --dataset a/b/c", "'a/b/c' is not a dataset. Use a name .*owner/name on the Hub, or the path", None),
    (
        "train --dataset data/pets",
        r"can be a dataset on the Hub or the folder data/pets here. Write \./data/pets for the folder",
        lambda scene: (scene.work / "data" / "pets").mkdir(parents=True),
    ),
    ("train --dataset hf://datasets/alice/shapes@v1", "not the address of a dataset .*--revision for a", None),
    ("train --dataset https://hf.co/datasets/alice/shapes", "Hub cannot be reached for dataset alice/shapes at", None),
    ("models --dataset alice/shapes", "alice/shapes is not in the table of datasets.* Use one of: cifar100", None),
    (
        f"train --dataset ./{'x' * 221} --size 1M",
        "the dataset's name local/x+ makes a run's file names 286 bytes long. 255 bytes are allowed. Rename its folder",
        lambda scene: (scene.work / ("x" * 221)).mkdir(),
    ),
    ("train --size 10B", r"'10B' means billions of parameters. Did you mean `10M`\?", None),
    ("train --size large", "'large' is not a parameter budget such as 10M", None),
    ("train --size 2K", r"size=2K does not fit .*Reachable sizes: [\d.]+M at depth=1", None),
    ("train --size 10M --depth 3", r"size=10M does not fit .*\(-[\d.]+ %\).*Reachable sizes: .*depth=12", None),
    ("train --image 224 --patch 15", "image=224 is not a multiple of patch=15. Use 14 or 16", None),
    ("train --model vit_classic --heads 5", "d_model=256 does not divide into heads=5 .*Use 4 or 8", None),
    (
        "train --d-model 255",
        "d_model=255 does not divide into heads=2 of differential attention. .*255 is not a multiple of 2",
        None,
    ),
    ("train --attention differntial", r"unknown attention 'differntial'. Did you mean `differential`\?", None),
    ("train --attention classic", "attention=classic is unavailable .*Use --model vit_classic", None),
    ("train --match params", "--match params needs a second model to match. Add --like vit_classic", None),
    ("train --like vit_classic", "--like vit_classic has an effect with --match only. Add --match params, or", None),
    ("train --match param --like vit_classic", r"unknown match 'param'. Did you mean `params`\?", None),
    ("train --match flops --like vit_clasic", r"unknown model 'vit_clasic'. Did you mean `vit_classic`\?", None),
    ("train --match flops --like vit_classic --depth 9", "--depth and --match both choose the depth .*Omit one", None),
    (
        "train --model vit --match params --like vit_classic --size 1M --dataset digits",
        r"no depth of vit comes within 5 % of the 0.996M parameters of vit_classic. Reachable: 1.59 at depth=1, 3.17",
        None,
    ),
    ("train --augment rand_augment", r"unknown augment 'rand_augment'. Did you mean `randaugment`\?", None),
    ("train --augment flipcrop", r"unknown augment 'flipcrop'. Did you mean `flip_crop`\?", None),
    (
        "train --precision fp8",
        r"unknown precision 'fp8'. Valid values: auto, fp32, bf16, fp16, tf32",
        None,
    ),
    ("train --epochs 0", "epochs=0 is out of range. Use a number above 0", None),
    ("train --epochs -3", "epochs=-3 is out of range. Use 0 or more", None),
    ("train --lr nan", "lr=nan is out of range. Use a number above 0", None),
    ("train --lr inf", "lr=inf is out of range. Use a number above 0", None),
    ("train --mlp-ratio nan", "mlp_ratio=nan is out of range. Use a number above 0", None),
    ("train --dropout 1", "dropout=1.0 is out of range. Use at least 0 and less than 1", None),
    ("train --val-fraction 1.5", "val_fraction=1.5 is out of range. Use a number between 0 and 1", None),
    ("train --seed -1", "seed=-1 is out of range. Use 0 or more", None),
    ("train --seed 99999999999999999999", "seed=9+ is out of range. Use 0 or more, at most", None),
    ("train --threads 0", "--threads 0 is out of range. Valid values: whole numbers from 1 to 4096", None),
    ("train --lr x", "--lr 'x' is not a number. Use a number", None),
    ("train --state-every nan", "'nan' is not a time. Use 0 or more", None),
    ("train --state-every 5d", "'5d' is not a time. Use 90s, 30m or 1h", None),
    ("train --max-minutes -1", "--max-minutes -1 is out of range. Valid values: numbers from 0$", None),
    ("train --push-every 30m", "--push-every has an effect with --upload only", None),
    ("train --if-held refuse", "--if-held has an effect with --upload only", None),
    (f"{DIGITS} --upload --if-held refused", r"unknown --if-held 'refused'. Did you mean `refuse`\?", scenes.a_hub),
    (f"{DIGITS} --seed 1 --gradients bf16", "--gradients bf16 has no effect with one process. Omit it", None),
    (
        f"{DIGITS} --micro-batch-size 64",
        "micro_batch_size=64 is out of range. Use a number from 1 to batch_size=32",
        None,
    ),
    (f"{DIGITS} --attention-path flash", "unknown --attention-path 'flash'. Valid values: plain, sdpa", None),
    (f"{DIGITS} --device cuda:99", "device=cuda:99 is unavailable here .*--device cpu", None),
    (f"{DIGITS} --revision main", "--revision has no effect .*Omit it", None),
    (f"{DIGITS} --private", "--private has an effect with --upload only", None),
    (f"{DIGITS} --checkpoints a-file", "a-file.*: (Not a directory|File exists). Fix this path", scenes.a_file),
    (f"{DIGITS} --seed 1", r"needs [\d,]+ bytes in .*but 1,000 are free. Free some space", scenes.full_disk),
    (f"{DIGITS} --seed 1", r"the cached dataset .* is damaged .*`rm -r ", scenes.damaged_cache),
    (DIGITS, "the run record .* is damaged .*--fresh", scenes.truncated_record),
    ("train --dataset ./pets", "the folder ./pets does not exist. Give --dataset a folder of parquet", None),
    (PETS, "the folder ./pets contains no files. Put", scenes.an_empty_folder),
    (f"{PETS} --label-column lable", r"has no column 'lable'. Did you mean `label`\?", scenes.pictures),
    (f"{PETS} --group-column patient", "has no column 'patient'. Valid values: image, label", scenes.pictures),
    (
        PETS,
        r"1 of 40 images of local/pets cannot be read: train/cat/0.png .*the bytes are not a readable",
        scenes.a_picture_that_is_none,
    ),
    (PETS, "the test split of local/pets has classes that train lacks: cow", scenes.a_class_that_train_lacks),
    (PETS, "the test split of local/pets has no labels.*--test-fraction", scenes.a_test_split_without_labels),
    (
        f"{PETS} --group-column patient",
        "groups? (is|are) in both train and test. .*--test-fraction",
        scenes.a_group_in_two_splits,
    ),
    (PETS, "has 1 class. At least 2 are needed", scenes.one_class),
    ("train", "Hub cannot be reached .*cifar100 is not in the cache .*--dataset digits", None),
    ("train --dataset alice/shapes", "Hub cannot be reached .*not in the cache .*--dataset", scenes.silent_hub),
    ("evaluate", "no run is named. Give a path, or --run ID, or --model", None),
    ("evaluate --run abc", "0 runs under checkpoints .*begins with 'abc'. Valid values: none. `run.py train`", None),
    (
        "evaluate --run 0",
        "2 runs under checkpoints .*begins with '0'. Valid values: 0",
        scenes.two_runs_of_one_beginning,
    ),
    ("evaluate --dataset digits --size 1M", "no finished run of size 1M, dataset digits", scenes.a_run),
    ("evaluate checkpoints/nothing", "there is no run at checkpoints/nothing. Give a folder", None),
    (f"evaluate {RUN}", "is not finished. Run its train command again to resume it", scenes.unfinished),
    (f"evaluate {RUN}", "the run record .* is damaged .*Download the run again", scenes.truncated_record),
    (f"evaluate {RUN}", "damaged .*it has no schedule.*Download the run again", scenes.incomplete_record),
    (f"evaluate {RUN}", r"\(1\).json is the record of .*. Rename it to model_.*", scenes.renamed_record),
    ("evaluate --dataset digits", "no finished run of dataset digits under checkpoints", scenes.incomplete_record),
    ("plot loss", "there is no run to draw yet", scenes.incomplete_record),
    (DIGITS, "the run record .* is damaged .it has no schedule.*--fresh", scenes.incomplete_record),
    (f"evaluate {RUN}", "damaged .*unknown fields haeds.*Download the run again", scenes.edited_record),
    (f"evaluate {RUN}", "_predictions.parquet is damaged. Run `evaluate --again`", scenes.truncated_predictions),
    (f"evaluate {RUN} --again", r"\.safetensors is damaged. Download the run again", scenes.truncated_weights),
    (f"evaluate {RUN} --again", r"\.safetensors is damaged. Download the run again", scenes.foreign_weights),
    (f"evaluate {RUN} --again", r"\.safetensors is gone. Download the run again", scenes.lost_weights),
    ("evaluate hf://alice", "not an address of the form hf://owner/name/path", scenes.a_hub),
    ("plot loss", "there is no run to draw yet. Train one with", None),
    ("plot scaling --run fff", "--run fff fits no run. Valid values: ", scenes.a_run),
    ("plot loss --run 0", "_training.log is damaged. Download the run again", scenes.damaged_log),
    ("upload nothing here", "there is nothing to upload at nothing", scenes.a_hub),
    (f"upload {RUN} x", "HF_REPOSITORY is not set. Put HF_REPOSITORY=owner/name into .env", scenes.no_repository),
    (f"upload {RUN} x", "HF_REPOSITORY=my runs is neither owner/name", scenes.a_repository_that_is_none),
    (f"upload {RUN} x", "HF_TOKEN is not set. Put a token with write access into .env", scenes.no_token),
    (f"upload {RUN} x", "the Hub does not accept HF_TOKEN .*Create a new token", scenes.wrong_token),
    (f"upload {RUN} x", "HF_TOKEN has no right to do this .*write access", scenes.read_only_token),
    (f"upload {RUN} x", "HF_TOKEN has no right to do this .*write access", scenes.the_repository_of_another),
    (f"upload {RUN} ../x", "'../x' leads out of its folder", scenes.a_hub),
    (f"upload {RUN} x/.git", "'x/.git' is hidden. Give a folder", scenes.a_hub),
    (f"upload {RUN} x --private", "tester/runs exists and is public. Make it private.*omit --private", scenes.a_hub),
    (f"{DIGITS} --seed 1 --upload --private", "tester/runs exists and is public", scenes.a_hub),
    (f"{DIGITS} --seed 1 --upload", "HF_TOKEN is not set. .*or train without --upload", scenes.no_token),
    (f"{DIGITS} --seed 1 --upload", "HF_TOKEN has no right to do this", scenes.read_only_token),
    ("download nothing here", "tester/runs has no nothing. See its page on the Hub", scenes.a_hub),
    ("download hf://tester/none/x here", "the Hub has nothing there for .*tester/none. Check the name", scenes.a_hub),
    ("download hf://tester/runs/x a-file", "a-file is a file. Give a folder", scenes.a_file),
    ("download x here", "the Hub cannot be reached for model repository tester/runs", scenes.silent_hub),
]
HAPPENED = r"cannot be reached|damaged|is gone|are free"  # not asked for: exit code 4


@pytest.fixture(scope="module")
def hub():
    with HubServer() as server:
        yield server


def tree(folder):
    """Every path below a folder, and what the files hold."""
    return {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


@pytest.mark.parametrize(("arguments", "says", "wrong_before"), CASES, ids=[case[0] or "nothing" for case in CASES])
def test_bad_input_is_one_sentence_and_nothing_is_written(
    arguments, says, wrong_before, call, work, monkeypatch, hub, trained
):
    hub.repositories.all.clear()
    if wrong_before:
        wrong_before(Scene(work, monkeypatch, hub, trained))
    before = tree(work)
    ended = call(arguments)
    errors = [line for line in ended.err.splitlines() if line.startswith("error: ")]
    assert ended.code == (4 if re.search(HAPPENED, says) else 2)
    assert re.search(says, errors[-1] if errors else "") and len(errors) <= 1, ended.err
    assert "Traceback" not in ended.err and ended.err.rstrip().endswith(errors[-1] if errors else "")
    assert not arguments or not ended.out
    assert tree(work) == before
    assert not hub.repositories.all or all(len(hub.commits(repository)) == 1 for _, repository in hub.repositories.all)


def test_a_loss_that_is_no_number_names_its_step_and_the_last_good_state_stays(call, work, monkeypatch):
    monkeypatch.setattr("app.optim.learning_rate", lambda step, **_: 1e-3 if step < 4 else 1e30)
    ended = call(f"{DIGITS} --state-every 0")
    assert ended.code == 4
    assert re.search(r"error: the \w+ loss is (nan|inf) at step 4. What was saved before is kept", ended.err)
    state = checkpoint.load_state(next(work.rglob("*.state")), pytest.fail)
    assert state.step == 3
    assert all(tensor.isfinite().all() for tensor in state.tensors.values())
    assert {row["step"] for row in read(next(work.rglob("*.log")))[1]} <= {1, 2, 3, 4}
    assert not list(work.rglob("*.lock"))


@pytest.mark.parametrize("given", ["--qkv-bias=Y", "--no-qkv-bias=1"])
def test_an_option_that_is_on_or_off_says_how_it_is_given(call, given):
    refused = call(f"train --dataset digits {given}")
    assert refused.code == 2
    assert refused.err.rstrip().endswith("does not take a value. Write --qkv-bias or --no-qkv-bias")
