"""--init: a run starts from the weights of another, or of a file; only the head may differ, and resuming reads none."""

import dataclasses
import shutil

import pytest
import torch
from data import pictures
from safetensors.torch import load_file, save_file
from torch.nn import functional as F

from app import data, models, place
from app.artifacts import checkpoint, record
from app.config.run import RunConfig
from app.data.splits import division
from app.errors import Damaged, InputError, Stopped
from app.experiment import initial
from app.experiment import run as experiment

from .runs import TINY, Quiet, interrupted, rows, train
from .test_other_families import CUT, SMALL

pytestmark = pytest.mark.usefixtures("cache_folder")
FOLDER = {**pictures.TINY, "epochs": 1, "batch_size": 8, "augment": "none"}


@pytest.fixture(scope="module")
def source(shared_cache, tmp_path_factory):
    """A finished run whose weights others start from."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ISOSCALE_CACHE", str(shared_cache))
        yield train(tmp_path_factory.mktemp("source"))


def started(folder, where, screen=None, *, options=None, **request):
    """A run that starts from weights."""
    more = {"init": str(where), "lr": 1e-4, "dropout": 0.0} | request
    return train(folder, screen, options={"init": str(where), **(options or {})}, **more)


def folder_run(root, classes, folder, screen=None, **request):
    """A run on a folder of images, one class folder each."""
    pictures.write_images(root / "images", classes, splits=("train",))
    asked = FOLDER | {"dataset": str(root / "images"), **request}
    screen = screen or Quiet()
    options = experiment.Options(checkpoints=folder, init=request.get("init"))
    return experiment.train_run(experiment.plan(asked, screen), options, screen, path=str(root / "images"))


def test_the_first_step_is_computed_with_the_weights_that_the_run_starts_from(source, tmp_path):
    run = started(tmp_path, source.files.weights)
    cached = data.prepare(data.ask_of(run.config.to_json(), path=None), print, lambda *_: None)
    splits = division.splits(run.config, place.choose(device="cpu", precision="fp32"), cached, lambda _: None)
    images, labels = splits.train.batch(splits.train.order(0)[:32], epoch=0)
    model = models.build(run.config, attention_path="plain")
    checkpoint.load_weights(source.files.weights, model)
    with torch.no_grad():
        expected = F.cross_entropy(model(images), labels).item()
    assert rows(run)[0]["loss"] == pytest.approx(expected, rel=1e-5)
    assert run.record.init == record.Init(
        source=str(source.files.weights), path=str(source.files.weights), sha256=run.config.init_sha256,
        run_id=source.record.run_id, head="kept",
    )  # fmt: skip


def test_the_content_of_the_weights_is_part_of_the_run_id_and_their_place_is_not(source, tmp_path):
    def config(where):
        return experiment.plan(TINY | {"init": str(where)}, Quiet(), checkpoints=source.files.folder.parent)

    copy = shutil.copy(source.files.weights, tmp_path / "copy.safetensors")
    stem = source.files.folder / source.files.stem
    same = [config(where) for where in (source.files.weights, copy, stem, source.files.folder, source.record.run_id)]
    assert len({each.run_id for each in same}) == 1 and same[0].init_sha256 == source.record.files["weights"]
    changed(source, tmp_path / "other.safetensors", lambda tensors: tensors["norm.bias"].add_(1))
    other, plain = config(tmp_path / "other.safetensors"), experiment.plan(TINY, Quiet())
    assert len({same[0].run_id, other.run_id, plain.run_id}) == 3 and plain.init_sha256 is None


def test_a_head_for_another_number_of_classes_is_new_and_everything_else_is_the_source_s(tmp_path):
    first = folder_run(tmp_path / "a", ("cat", "dog"), tmp_path / "runs")
    screen = Quiet()
    second = folder_run(
        tmp_path / "b", ("ant", "bee", "cow"), tmp_path / "runs", screen, init=str(first.files.weights), lr=1e-9
    )
    assert second.record.init.head == "replaced" and second.record.init.run_id == first.record.run_id
    assert any("The head for 3 classes is new, which was for 2" in text for text in screen.said)
    ours, theirs = load_file(second.files.weights), load_file(first.files.weights)
    assert all(torch.allclose(ours[name], theirs[name], atol=1e-5) for name in ours if not name.startswith("head"))
    assert ours["head.weight"].shape[0] == 3


def test_a_head_that_is_kept_for_classes_of_other_names_is_reported(tmp_path):
    first = folder_run(tmp_path / "a", ("cat", "dog"), tmp_path / "runs")
    screen = Quiet()
    second = folder_run(tmp_path / "b", ("ant", "bee"), tmp_path / "runs", screen, init=str(first.files.weights))
    assert second.record.init.head == "kept" and any("Its head is kept" in text for text in screen.said)


@pytest.mark.parametrize("model", ["vit_classic", "vit_differential", *SMALL])
def test_the_weights_of_every_family_fit_it_and_their_head_alone_depends_on_the_classes(tmp_path, model):
    asked = TINY | {"model": model} if model.startswith("vit") else CUT | {"model": model} | SMALL[model]
    config = experiment.plan(asked, Quiet())
    built = models.build(config, attention_path="plain")
    checkpoint.save_weights(path := tmp_path / "x.safetensors", built, {"config": config.to_json()})
    found = initial.found(str(path), tmp_path, print)
    assert initial.require_fit(found, config) == "kept"
    assert {name.split(".")[0] for name in initial._head(models.tensor_shapes(config), config)} <= {
        "head",
        "fc",
        "classifier",
    }
    options = experiment.Options(init=str(path))
    torch.manual_seed(5)
    other = models.build(config, attention_path="plain")
    initial.load(other, dataclasses.replace(config, init_sha256=found.sha256), options)
    assert all(torch.equal(a, b) for a, b in zip(other.state_dict().values(), built.state_dict().values(), strict=True))


def changed(source, path, change):
    """The source's weights without their metadata, changed."""
    tensors = load_file(source.files.weights)
    change(tensors)
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda tensors: tensors.pop("norm.weight"), "1 missing (norm.weight)"),
        (lambda tensors: tensors.update(extra=torch.zeros(2)), "1 unexpected (extra)"),
        (lambda tensors: tensors.update({"norm.bias": torch.zeros(3)}), "norm.bias is 3, the model's is 64"),
        (lambda tensors: tensors.update({"head.weight": torch.zeros(7, 5)}), "head.weight is 7 x 5"),
        (lambda tensors: tensors.update({"head.weight": torch.zeros(7)}), "head.weight is 7"),
        (lambda tensors: tensors.update({"head.weight": torch.zeros(7, 64)}), "is 7 x 64, the model's is 10 x 64"),
        (lambda tensors: tensors.update({"norm.bias": torch.full((64,), torch.nan)}), "not numbers, first in norm"),
        (lambda tensors: tensors.update({"norm.bias": torch.ones(64, dtype=torch.int8)}), "type int8, first norm.bias"),
        (lambda tensors: tensors.update({"norm.bias": torch.ones(64, dtype=torch.bool)}), "type bool, first norm.bias"),
    ],
)  # fmt: skip
def test_any_other_tensor_that_differs_is_refused_by_name(source, tmp_path, change, says):
    changed(source, path := tmp_path / "changed.safetensors", change)
    with pytest.raises(InputError) as refused:
        started(tmp_path / "runs", path)
    assert says in str(refused.value) and not [*(tmp_path / "runs").rglob("*.json")]


def test_weights_of_another_architecture_are_refused_although_their_shapes_are_equal(source, tmp_path):
    with pytest.raises(InputError, match="another architecture"):
        experiment.plan(TINY | {"model": "vit_classic", "init": str(source.files.weights)}, Quiet())
    classic = experiment.plan(TINY | {"model": "vit_classic"}, Quiet())
    checkpoint.save_weights(path := tmp_path / "x.safetensors", models.build(classic, attention_path="plain"),
                            {"config": classic.to_json()})  # fmt: skip
    other = TINY | {"model": "vit_classic", "heads": 2 if classic.heads != 2 else 4, "init": str(path)}
    with pytest.raises(InputError, match=f"heads {classic.heads} instead of {other['heads']}"):
        experiment.plan(other, Quiet())


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("x.pt", b"", "pickled files are unsupported"), ("x.safetensors", b"junk", "cannot be read as safetensors"),
        ("x.safetensors", None, "this file does not exist"), ("nowhere", None, "there is no run at"),
    ],
)  # fmt: skip
def test_what_is_no_file_of_weights_is_refused_before_data_are_read(tmp_path, name, content, says):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=says):
        experiment.plan(TINY | {"init": str(tmp_path / name)}, Quiet())


def test_an_unfinished_run_and_one_with_damaged_weights_give_none(source, tmp_path):
    shutil.copytree(source.files.folder, tmp_path / "copy")
    files = dataclasses.replace(source.files, folder=tmp_path / "copy")
    files.weights.write_bytes(files.weights.read_bytes()[:-1] + b"x")
    with pytest.raises(Damaged):
        experiment.plan(TINY | {"init": str(files.folder)}, Quiet())
    with pytest.raises(Stopped):
        train(tmp_path / "runs", interrupted(3))
    with pytest.raises(InputError, match="is not finished"):
        experiment.plan(TINY | {"init": str(tmp_path / "runs" / "vit_differential")}, Quiet())


def test_published_weights_and_one_s_own_are_not_both_taken(source):
    for asked in ({"model": "timm/test_resnet"}, {"model": "timm/test_resnet", "image": 32}):
        with pytest.raises(InputError, match="Omit one"):
            experiment.plan(
                {"dataset": "digits", "pretrained": True, "init": str(source.files.weights), **asked}, Quiet()
            )
    fields = source.record.config | {"init_sha256": "0" * 64, "pretrained": True}
    with pytest.raises(InputError):
        RunConfig.from_json(fields)


def test_a_stopped_run_resumes_without_the_file_and_ends_in_the_same_bits(source, tmp_path):
    copy = shutil.copy(source.files.weights, tmp_path / "copy.safetensors")
    whole = started(tmp_path / "whole", copy)
    with pytest.raises(Stopped):
        started(tmp_path / "cut", copy, interrupted(4))
    copy.unlink()
    with pytest.raises(InputError, match="sha256:"):
        started(tmp_path / "cut", copy)
    ended = started(tmp_path / "cut", f"sha256:{whole.config.init_sha256}")
    assert ended.files.weights.read_bytes() == whole.files.weights.read_bytes()
    assert ended.record.init == whole.record.init


def test_a_digest_alone_starts_no_run_and_takes_nothing_away(source, tmp_path):
    run = started(tmp_path, source.files.weights)
    digest = f"sha256:{run.config.init_sha256}"
    before = {path.name: path.read_bytes() for path in run.files.present()}
    with pytest.raises(InputError, match="no saved state"):
        started(tmp_path, digest, options={"fresh": True})
    assert {path.name: path.read_bytes() for path in run.files.present()} == before
    assert started(tmp_path, digest).record.run_id == run.record.run_id  # it is done


def test_weights_in_half_precision_are_read_as_the_model_s_own(source, tmp_path):
    changed(source, path := tmp_path / "half.safetensors",
            lambda tensors: tensors.update({name: tensor.half() for name, tensor in tensors.items()}))  # fmt: skip
    assert started(tmp_path / "runs", path).record.init.run_id is None
