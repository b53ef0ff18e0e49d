"""Runs of models without attention of ours: they go through the whole program as the ViTs do."""

import hashlib
import os
import signal
from contextlib import nullcontext

import pytest
import timm
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from app import models
from app.artifacts.runs import Run
from app.computing import execution
from app.errors import InputError, Stopped
from app.experiment import run as experiment
from app.place import Place
from app.report import confusion, loss
from app.sharing import card

from .runs import TINY, Quiet

pytestmark = pytest.mark.usefixtures("cache_folder")
CUT = {name: value for name, value in TINY.items() if name not in ("size", "d_model")}
SMALL = {
    "cnn": {"features": 4},
    "resnet18": {"width": 4},
    "cait": {"depth": 1, "d_model": 16, "dropout": 0.2},
    "mlpmixer": {"depth": 1, "d_model": 16},
    "timm/test_resnet": {"image": 32},
}


def run_of(folder, model, screen=None, options=None, **cells) -> Run:
    screen = screen or Quiet()
    config = experiment.plan(CUT | {"model": model} | SMALL[model] | cells, screen)
    return experiment.train_run(config, experiment.Options(checkpoints=folder, **(options or {})), screen)


@pytest.mark.parametrize(
    "model",
    [pytest.param(each, marks=() if each in ("cnn", "resnet18", "mlpmixer") else pytest.mark.slow) for each in SMALL],
)
def test_a_run_stopped_by_a_signal_ends_in_the_same_bits(tmp_path, model):
    whole = run_of(tmp_path / "whole", model)
    stop = Quiet(after=lambda step: os.kill(os.getpid(), signal.SIGTERM) if step == 7 else None)
    with pytest.raises(Stopped, match="state is saved"):
        run_of(tmp_path / "cut", model, stop)
    ended = run_of(tmp_path / "cut", model)
    assert ended.files.weights.read_bytes() == whole.files.weights.read_bytes()
    assert ended.files.best.read_bytes() == whole.files.best.read_bytes()
    assert ended.record.results == whole.record.results
    again = experiment.evaluate(ended, experiment.Options(checkpoints=tmp_path), Quiet(), again=True)
    assert again.record.results.test == whole.record.results.test


@pytest.mark.slow
def test_a_model_of_timm_s_has_a_folder_a_card_and_figures_named_without_a_slash(tmp_path):
    run = run_of(tmp_path / "runs", "timm/test_resnet")
    assert run.files.folder == tmp_path / "runs" / "timm--test_resnet"
    assert run.files.stem == f"model_{run.config.run_id}_timm--test_resnet_digits"
    assert Run.load(run.files.record).config == run.config
    text = card.run_card(run, "hf://owner/name/timm--test_resnet/x")
    assert "trained from scratch" in text
    drawn = [*loss.draw_run(run), *confusion.draw_run(run)]
    assert drawn and all(path.parent == run.files.folder and path.stat().st_size for path in drawn)


@pytest.mark.parametrize("model", ["cnn", "cait", "timm/test_resnet"])
def test_what_only_attention_of_ours_takes_is_refused(tmp_path, model):
    with pytest.raises(InputError, match=r"--checkpointing has no effect on .*. Omit it"):
        run_of(tmp_path, model, options={"checkpointing": True})
    with pytest.raises(InputError, match=r"has no attention\. Omit --attention-path"):
        run_of(tmp_path, model, options={"attention_path": "plain"})


@pytest.mark.parametrize("model", ["cnn", "resnet18", "timm/test_resnet"])
def test_a_model_that_normalises_over_the_batch_is_given_it_whole(tmp_path, model):
    with pytest.raises(InputError, match=r"32 images cannot be computed 16 at a time. Use --batch-size 16"):
        run_of(tmp_path, model, options={"micro_batch_size": 16})
    with pytest.raises(
        InputError, match=r"an epoch of 161 images would have 1, too few for 1 process. Use --batch-size 33"
    ):
        run_of(tmp_path, model, limit_train=161)


@pytest.mark.parametrize(
    ("device", "ranks", "apart", "examples", "says"),
    [
        ("cuda", 2, 16, 320, None),
        ("cuda", 2, 8, 320, "16 images cannot be computed 8 at a time. Use --batch-size 16"),
        ("cuda", 4, 32, 323, "would have 3, too few for 4 ranks. Use --batch-size 33"),
        ("cpu", 2, 32, 320, "which 2 ranks would split. Start one process"),
    ],
)
def test_ranks_on_gpus_share_a_batch_s_statistics_and_others_are_refused(device, ranks, apart, examples, says):
    config = experiment.plan(CUT | {"model": "resnet18", **SMALL["resnet18"]}, Quiet())  # 32 images a batch
    here = Place(torch.device(device), "fp32", ranks=ranks)
    chosen = execution.Execution(attention_path="none", micro_batch_size=apart, threads=1)
    with nullcontext() if says is None else pytest.raises(InputError, match=says):
        execution.require_whole_batches(config, here, chosen, examples=examples)


@pytest.mark.parametrize("cells", [{"model": "resnet18"}, {"model": "mobilevit", "image": 64, "width": 8}])
def test_norms_that_share_statistics_have_the_same_parameters_and_do_the_same_beside(cells):
    config = experiment.plan(CUT | {"width": 4} | cells, Quiet())
    model = models.build(config, attention_path="none")
    before, parameters = model.state_dict(), [*model.parameters()]
    activations = [module.act for module in model.modules() if hasattr(module, "act")]
    models.share_statistics(model)
    after = model.state_dict()
    assert [*after] == [*before] and all(torch.equal(after[name], before[name]) for name in after)
    assert all(one is other for one, other in zip(model.parameters(), parameters, strict=True))
    assert [module.act for module in model.modules() if hasattr(module, "act")] == activations
    norms = [module for module in model.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    assert norms and all(isinstance(norm, nn.SyncBatchNorm) for norm in norms)


def test_a_model_that_does_not_may_split_it(tmp_path):
    assert run_of(tmp_path, "mlpmixer", options={"micro_batch_size": 16}, limit_train=161).done


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        ({"model": "timm/resnet188"}, "timm has no model 'resnet188'. Did you mean `timm/resnet18`"),
        ({"model": "timm/test_vit", "image": 30}, "image=30 is not a multiple of this model's patch=16"),
        ({"model": "timm/test_resnet", "size": "1M"}, "timm/test_resnet has one size. Omit --size"),
        ({"model": "timm/test_resnet", "depth": 2}, "--depth has no effect on timm/test_resnet"),
        ({"model": "resnet18", "pretrained": True}, "--pretrained has no effect on resnet18. It is for"),
        ({"model": "mobilevit"}, "image=8 is too small for mobilevit"),
        ({"model": "mobilevit", "size": "10M"}, "image=8 is too small for mobilevit"),
        ({"model": "swin", "width": 4, "patch": 2}, "width=4 does not divide into swin's 3 heads. Use 3 or 6"),
        (
            {"model": "cait", "size": "1M"},
            r"size=1M does not fit .*\(\+375.0 %\).*Reachable sizes: 4.75M at depth=1, 6.33M",
        ),
    ],
)
def test_a_model_that_cannot_be_had_is_refused_before_the_data_are_read(request_, says):
    screen = Quiet()
    screen.reading = lambda *_: pytest.fail("read")
    with pytest.raises(InputError, match=says):
        experiment.plan({"dataset": "digits", **request_}, screen)


@pytest.mark.slow
def test_published_weights_begin_a_run_and_are_not_laid_in_again_when_it_goes_on(tmp_path, monkeypatch):
    torch.manual_seed(3)
    published = timm.create_model("test_resnet").state_dict()
    save_file(published, tmp_path / "published.safetensors")
    asked = []

    def weights(name):
        asked.append(name)
        return tmp_path / "published.safetensors"

    for module in ("app.models.zoo", "app.models.pretrained"):
        monkeypatch.setattr(f"{module}.weights", weights)
    plain = run_of(tmp_path / "runs", "timm/test_resnet", lr=1e-9)
    stop = Quiet(after=lambda step: os.kill(os.getpid(), signal.SIGTERM) if step == 7 else None)
    with pytest.raises(Stopped):
        run_of(tmp_path / "runs", "timm/test_resnet", stop, pretrained=True, lr=1e-9)
    assert set(asked) == {"test_resnet"}
    built = []
    monkeypatch.setattr(models, "build", lambda *a, build=models.build, **k: built.append(k) or build(*a, **k))
    ended = run_of(tmp_path / "runs", "timm/test_resnet", pretrained=True, lr=1e-9)
    assert built and not any(arguments.get("pretrained") for arguments in built)
    assert ended.config.run_id != plain.config.run_id
    name = "layer1.0.conv1.weight"
    far = [(load_file(run.files.weights)[name] - published[name]).abs().max() for run in (ended, plain)]
    assert far[0] < 1e-6 and far[1] > 1e-3
    began = ended.record.init
    assert (began.source, began.head) == ("timm/test_resnet", "replaced") and began.path.startswith("hf://timm/")
    assert began.sha256 == hashlib.sha256((tmp_path / "published.safetensors").read_bytes()).hexdigest()
    card_of = card.run_card(ended, "hf://owner/name/x")
    assert "fine-tuned from timm's published weights" in card_of and began.sha256[:16] in card_of
