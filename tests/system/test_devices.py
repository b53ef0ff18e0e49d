"""The limits of devices that tests lack: choice, memory, precision, ranks; commands without float64 and pinning."""

from types import SimpleNamespace

import pytest
import torch
from experiment import kinds
from experiment.runs import Quiet, train
from PIL import Image

from app import place
from app.bench import step
from app.cli import main
from app.computing import trials
from app.config.command import Command
from app.data.transforms import chain, zoo_randaugment
from app.data.transforms.corruptions import patterns, stored
from app.data.transforms.corruptions.applied import corrupted
from app.data.transforms.corruptions.frost import Frost
from app.data.transforms.transform import Draws
from app.doctor import gpu
from app.errors import InputError
from app.experiment import run as experiment
from app.optim.optimisers import OPTIMISERS, Numbers
from app.place import Place
from app.system import devices, float32
from app.tables.augmentations import AUGMENTATIONS
from app.tables.corruptions import CORRUPTIONS
from app.tables.families import FAMILIES
from app.tables.models import MODELS
from app.tables.optimizers import OPTIMIZERS

from .refusing import Refusing, refusing

MPS, XPU = torch.device("mps"), torch.device("xpu")


def only(monkeypatch, kind):
    """Pretends that torch has one kind of device."""
    for name, module in {"cuda": torch.cuda, "mps": torch.backends.mps, "xpu": torch.xpu}.items():
        monkeypatch.setattr(module, "is_available", lambda name=name: name == kind)


@pytest.mark.parametrize("kind", ["cuda", "mps", "xpu", "cpu"])
def test_auto_is_the_device_that_is_there(kind, monkeypatch):
    only(monkeypatch, kind)
    assert devices.best() == kind


def test_a_device_that_is_not_there_is_refused_by_name():
    for name in ("mps", "xpu", "cuda"):
        if not {"mps": torch.backends.mps, "xpu": torch.xpu, "cuda": torch.cuda}[name].is_available():
            with pytest.raises(InputError, match=f"device={name} is unavailable here"):
                place.choose(device=name)


def test_memory_of_mps_ends_where_macos_would_swap(monkeypatch):
    monkeypatch.setattr(torch.mps, "recommended_max_memory", lambda: 12_000)
    monkeypatch.setattr(torch.mps, "driver_allocated_memory", lambda: 2_000)
    here = Place(MPS, "fp32")
    assert here.room() == (10_000, 12_000) and here.peak_bytes() == 2_000


def test_several_ranks_are_refused_where_they_cannot_exchange_gradients(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    for device in (MPS, XPU):
        with pytest.raises(InputError, match="one process"), place.joined(Place(device, "fp32")):
            pass


def test_amd_has_no_tf32_and_no_driver_rule_of_nvidia(monkeypatch, tmp_path):
    monkeypatch.setattr("torch.version.hip", "7.1")
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    monkeypatch.setattr("torch.cuda.get_device_name", lambda _: "AMD Instinct MI300X")
    monkeypatch.setattr("torch.cuda.get_device_capability", lambda _: (9, 4))
    monkeypatch.setattr("torch.cuda.get_device_properties", lambda _: SimpleNamespace(gcnArchName="gfx942:sramecc+"))
    monkeypatch.setattr("torch.cuda.get_arch_list", lambda: ["gfx90a", "gfx942"])
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda _: (190 << 30, 192 << 30))
    monkeypatch.setattr(gpu, "product", lambda device: gpu.Finding("pass", "product", f"exact on {device}"))
    found = {each.about: each for each in gpu.look(tmp_path)}
    assert (
        "driver" not in found and found["architecture"].verdict == "pass" and "ROCm 7.1" in found["architecture"].says
    )
    cuda = torch.device("cuda")
    assert Place(cuda, "bf16").architecture() is None
    with pytest.raises(InputError, match="NVIDIA"):
        float32.resolved("tf32", cuda)
    monkeypatch.setattr("torch.cuda.get_arch_list", lambda: ["gfx90a"])
    assert gpu.look(tmp_path)[0].verdict == "fail"


@pytest.mark.parametrize("device", [MPS, XPU], ids=str)
def test_doctor_names_apple_s_and_intel_s_gpus_and_that_they_are_untested(device, monkeypatch, tmp_path):
    only(monkeypatch, device.type)
    monkeypatch.setattr("torch.mps.recommended_max_memory", lambda: 24 << 30)
    monkeypatch.setattr("torch.mps.driver_allocated_memory", lambda: 0)
    monkeypatch.setattr("torch.xpu.mem_get_info", lambda _: (24 << 30, 24 << 30))
    monkeypatch.setattr("torch.xpu.get_device_name", lambda _: "Arc")
    monkeypatch.setattr(gpu, "product", lambda device: gpu.Finding("pass", "product", f"exact on {device}"))
    first, *rest = gpu.look(tmp_path)
    assert "untested" in first.says and f"({device})" in first.says
    assert [each.about for each in rest] == ["product", "GPU memory"]


def test_an_amd_gpu_under_another_torch_is_reported(monkeypatch, tmp_path):
    only(monkeypatch, "cpu")
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev" / "kfd").touch()
    assert "not built for ROCm" in gpu.look(tmp_path)[0].says


def test_the_mode_notices_float64_and_pinned_memory():
    with Refusing():
        with pytest.raises(TypeError, match="float64"):
            torch.zeros(2).double()
        with pytest.raises(RuntimeError, match="pinned"):
            torch.empty(2, pin_memory=True)


def test_the_zoo_s_randaugment_has_the_same_pixels_without_float64_on_the_device(monkeypatch):
    x = torch.randint(0, 256, (4, 3, 32, 32), generator=torch.Generator().manual_seed(0)).float()
    found = zoo_randaugment._autocontrast(x), zoo_randaugment._blends(x)["Contrast"]
    with refusing(monkeypatch):
        again = zoo_randaugment._autocontrast(x), zoo_randaugment._blends(x)["Contrast"]
    assert all(torch.equal(one, other) for one, other in zip(found, again, strict=True))


def test_a_training_and_its_test_need_neither_float64_nor_pinned_memory_on_the_device(monkeypatch, work):
    with refusing(monkeypatch):
        run = train(work, epochs=1)
        again = experiment.evaluate(run, experiment.Options(checkpoints=work), Quiet(), again=True)
    assert again.record.test.n == 60


@pytest.mark.slow
@pytest.mark.parametrize("kind", kinds.REQUESTS)
def test_every_kind_of_data_trains_without_float64_on_the_device(kind, monkeypatch, work):
    with refusing(monkeypatch):
        assert kinds.train(kind, work, "runs").done


def without_float64(monkeypatch, function):
    """The bytes of a function's tensor, which are the same where the device has no float64."""
    found = function()
    with refusing(monkeypatch):
        assert torch.equal(function(), found)
    return found


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_every_augmentation_has_the_same_pixels_without_float64_on_the_device(name, monkeypatch):
    images, rows = torch.randint(0, 256, (6, 3, 24, 24), dtype=torch.uint8), torch.arange(6)
    way = chain.of_images(name, stored=24, side=24, mean=torch.full((3,), 0.5), std=torch.full((3,), 0.25))
    without_float64(monkeypatch, lambda: chain.passed(way, images.clone(), rows, Draws(0, 1, rows))[0])


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_every_corruption_has_the_same_values_without_float64_on_the_device(name, monkeypatch):
    rows, kind = torch.arange(2), CORRUPTIONS[name].kind
    shape = {"image": (3, 32, 32), "signal": (1, 100), "field": (2, 40, 12)}[kind]
    inputs = torch.rand(2, *shape, generator=torch.Generator().manual_seed(0))
    inputs = (inputs * 255).to(torch.uint8) if kind == "image" else inputs
    more = patterns.in_degrees(0.2) | {"frost": Frost([torch.full((3, 40, 40), 9, dtype=torch.uint8)] * 5)}
    found = without_float64(monkeypatch, lambda: corrupted(inputs, name, 3, seed=0, rows=rows, more=more))
    assert not torch.equal(found, inputs)


def test_images_are_squashed_for_corruptions_without_float64_on_the_device(monkeypatch):
    images = torch.randint(0, 256, (2, 3, 24, 24), dtype=torch.uint8)
    without_float64(monkeypatch, lambda: stored.resized(images, 16))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimiser_makes_steps_without_float64_on_the_device(name, monkeypatch):
    network = torch.nn.Linear(4, 3)
    groups = [{"params": [*network.parameters()], "weight_decay": 0.1}]
    with refusing(monkeypatch):
        optimizer = OPTIMISERS[name](network, groups, Numbers(0.1, betas=OPTIMIZERS[name].betas))
        for _ in range(2):
            network(torch.ones(2, 4)).square().mean().backward()
            optimizer.step()


@pytest.mark.slow
@pytest.mark.parametrize("more", [{"augment": "flip_crop+rand:9+erasing"}, {"mixup": 0.8},
                                  {"optimizer": "muon", "ema": 10.0},
                                  {"precision": "bf16", "residual_precision": "bf16"},
                                  {"corrupt_train": "gaussian_noise:3", "distractors": 2, "test_distractors": 1},
                                  {"label_smoothing": 0.1, "cutmix": 1.0, "drop_path": 0.1, "clip_norm": 1.0,
                                   "label_noise": "symmetric:0.2", "class_weights": "balanced"}], ids=str)  # fmt: skip
def test_recipes_train_without_float64_on_the_device(more, monkeypatch, work):
    with refusing(monkeypatch):
        assert train(work, epochs=1, **more).done


@pytest.mark.slow
@pytest.mark.parametrize("model", sorted(name for name, row in MODELS.items() if "image" in FAMILIES[row.family].kinds))
def test_every_model_makes_a_step_without_float64_on_the_device(model, monkeypatch):
    larger = {"image": 64} if model == "mobilevit" else {}  # its smallest
    command = Command.of({"model": model, "dataset": "cifar10", "batch_size": 2} | larger)
    with refusing(monkeypatch):
        config, here = command.config, Place(torch.device("cpu"), "fp32")
        trials.step_trial(config, here, "off", attention_path="plain", checkpointing=False, micro_batch_size=2)


@pytest.mark.slow
@pytest.mark.parametrize("line", ["bench step --size 1M --dataset digits --rounds 2 --seconds 0.1",
                                  "bench attention --size 0.2M --dataset digits --tokens 16 --rounds 1 --seconds 0.1",
                                  "plan --dataset digits --size 1M --probe"])  # fmt: skip
def test_commands_that_measure_need_no_float64_on_the_device(line, monkeypatch, work, capsys):
    monkeypatch.setattr(step, "Apart", lambda make: SimpleNamespace(prepare=make, peak_bytes=int))  # in this process
    monkeypatch.setattr("sys.argv", ["run.py", *line.split()])
    with refusing(monkeypatch):
        assert main() == 0, capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("commands", [
    ["predict RUN new", "evaluate RUN --again --temperature", "evaluate RUN --on labelled", "reproduce RUN"],
    ["robust RUN --corruption all --severity 5", "robust RUN --corruption primary --at 16 --severity 5"],
    ["attention RUN --canvases --distractors 1 --limit-test 4", "plot maps RUN --at 3,3"],
    ["reproduce RUN --retrain", "export RUN --format pt2 --preprocess --softmax", "export RUN --format timm"],
], ids=lambda commands: commands[0])  # fmt: skip
def test_commands_that_use_a_run_need_no_float64_on_the_device(commands, monkeypatch, work, capsys):
    run = train(work / "checkpoints", epochs=1, model="vit_differential")
    for folder in (work / "new", work / "labelled" / "0", work / "labelled" / "1"):
        folder.mkdir(parents=True)
        Image.new("L", (8, 8), 128).save(folder / "a.png")
    for line in commands:
        monkeypatch.setattr("sys.argv", ["run.py", *line.replace("RUN", run.record.run_id).split()])
        with refusing(monkeypatch):
            assert main() == 0, f"{line}: {capsys.readouterr().err}"
