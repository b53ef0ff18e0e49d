"""What the benches count: bytes that a layer saves, batches in the order of training, and waiting inside a step."""

import numpy as np
import pytest
import torch
from torch import nn

from app import data, place
from app.bench import attention, demand, ours, peers, step
from app.bench.attention import saved_bytes
from app.bench.request import resolved, token_counts
from app.bench.rounds import Pace
from app.computing.execution import Wishes
from app.computing.rehearsal import HeldBatch, Walk
from app.counts.vit import ATTENTIONS
from app.data.sources.source import Example, Source
from app.data.splits.resident import Split
from app.data.store import cache
from app.errors import InputError
from app.models import count
from app.models.attention import ATTENTION_CLASSES, fused
from benchmarks.data import sent
from benchmarks.pictures import Pictures, cached, config_of, made
from benchmarks.waiting import HostHeld, Watched

CPU = place.choose(device="cpu")


def test_saved_bytes_are_storages_counted_once_without_parameters():
    x = torch.randn(3, 5, 8, requires_grad=True)
    assert saved_bytes(nn.Linear(8, 16), x, CPU) == x.nbytes  # its input; its weight is a parameter
    square = nn.Sequential(nn.Linear(8, 8), nn.ReLU())
    assert saved_bytes(square, x, CPU) == 2 * x.nbytes  # the input, and what ReLU gives

    class Twice(nn.Module):
        def forward(self, x):
            return x * x  # keeps one storage for both factors

    assert saved_bytes(Twice(), x, CPU) == x.nbytes


def test_a_walk_is_the_order_of_training_epoch_after_epoch():
    class Train:
        def __len__(self):
            return 7

        def order(self, epoch):
            return (np.arange(7) + epoch) % 7

    walk = Walk(Train(), 3)
    seen = [(list(examples), epoch) for examples, epoch in (walk() for _ in range(4))]
    assert seen == [([0, 1, 2], 0), ([3, 4, 5], 0), ([1, 2, 3], 1), ([4, 5, 6], 1)]


def test_a_held_batch_gives_parts_without_a_copy():
    config = resolved({"dataset": "digits", "model": "vit_classic", "batch_size": 6})
    batch = HeldBatch.of(config, torch.device("cpu"))
    images, targets = batch.batch(batch.order(3)[2:5])
    assert images.shape == (3, 1, 8, 8) and targets.max() < 10
    assert images.untyped_storage().data_ptr() == batch.images.untyped_storage().data_ptr()
    assert torch.equal(targets, batch.targets[2:5])


def test_configs_of_a_comparison_have_no_dropout_and_equal_shape():
    classic, differential = (resolved({"model": model}) for model in ("vit_classic", "vit_differential"))
    assert classic.dropout == differential.dropout == 0
    for cell in ("d_model", "depth", "mlp_ratio", "image", "patch", "classes", "batch_size"):
        assert getattr(classic, cell) == getattr(differential, cell)


def test_a_signal_is_no_input_of_a_peer_s_and_a_field_is_one_of_hf_s():
    pytest.importorskip("timm")
    pytest.importorskip("transformers")
    signal = resolved({"model": "vit_classic", "size": "1M", "dataset": "diffraction"})
    for model in (peers.timm_model, peers.hf_model):
        with pytest.raises(InputError, match="takes images and fields, not a signal of 3042 samples"):
            model(signal)
    field = resolved({"model": "vit_classic", "size": "1M", "dataset": "nested_cylinder"})
    with torch.device("meta"):
        assert count(peers.hf_model(field)) == field.parameters


def test_a_watched_split_adds_up_the_seconds_of_its_batches():
    batch = HeldBatch(torch.zeros(4, 1, 2, 2), torch.zeros(4, dtype=torch.int64))
    watched = Watched(batch, CPU.device)
    assert len(watched) == 4 and watched.seconds == 0
    assert watched.batch(watched.order(0))[0] is not None and watched.seconds > 0


def test_host_held_images_stay_where_they_lie():
    array = np.zeros((2, 3, 4, 4), np.uint8)
    held, where = HostHeld(torch.device("meta"), "fp32").hold(array)
    assert where == "mapped" and held.device.type == "cpu" and held.data_ptr() == array.ctypes.data


def test_made_images_have_every_class_and_compress_like_pictures():
    import io

    from PIL import Image

    pixels, labels = made()
    file = io.BytesIO()
    Image.fromarray(pixels[0]).save(file, "PNG")
    assert pixels.dtype == np.uint8 and set(labels[:10]) == set(range(10))
    assert 0.3 < len(file.getvalue()) / pixels[0].nbytes < 0.9


@pytest.mark.parametrize("text", ["0", "-4", "64,,8", "many", "", "8,1e3"])
def test_tokens_that_are_no_counts_are_refused_with_what_to_write(text):
    assert token_counts("64,256") == [64, 256]
    with pytest.raises(InputError, match="Use --tokens 64,256,1024"):
        token_counts(text)


def test_images_of_a_cached_dataset_come_channels_last_with_labels_numbered_from_0(tmp_path, monkeypatch):
    monkeypatch.setenv("ISOSCALE_CACHE", str(tmp_path))
    config = resolved({"dataset": "cifar10"})
    draw = np.random.default_rng(0)
    given = draw.integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)
    source = Source(
        version="v", rows={"train": 6, "test": 6}, class_names=tuple("abcdefghij"),
        examples=lambda _: (Example(image, 3 + 2 * (at % 2), None) for at, image in enumerate(given)),
    )  # fmt: skip
    cache.build(data.ask_of(config.to_json(), path=None), source, lambda *_: None)
    pixels, labels = cached("cifar10")
    assert np.array_equal(pixels, given) and list(labels) == [0, 1, 0, 1, 0, 1]


def test_what_a_run_would_take_leaves_the_threads_as_they_are():
    torch.set_num_threads(2)
    little = resolved({"dataset": "digits", "size": "1M", "batch_size": 1})
    assert ours.choose(little, CPU, Wishes(), say=lambda _: None).threads == 1
    assert torch.get_num_threads() == 2


def test_a_batch_that_is_larger_than_the_free_memory_is_not_begun(monkeypatch):
    config = resolved({"dataset": "digits", "batch_size": 6})
    monkeypatch.setattr("app.system.memory.free", lambda: 4 * 6 * 64 - 1)
    with pytest.raises(MemoryError, match="are free"):
        HeldBatch.of(config, torch.device("cpu"))
    monkeypatch.setattr("app.system.memory.free", lambda: 4 * 6 * 64)
    assert len(HeldBatch.of(config, torch.device("cpu"))) == 6


def test_a_path_goes_to_the_models_that_have_it_and_the_others_choose(monkeypatch):
    configs = [resolved({"model": model}) for model in ("vit_classic", "vit_differential")]
    assert step._paths(configs, CPU, "tiled") == (["tiled", "tiled"], [])
    assert step._paths(configs, CPU, None) == ([None, None], [])
    with pytest.raises(
        InputError, match=r"^attention_path=fused: classic attention has no path fused\..*\. The fused path needs"
    ):
        step._paths(configs, CPU, "fused")
    monkeypatch.setattr(fused, "available", lambda device: True)
    paths, left_out = step._paths(configs, CPU, "fused")
    assert paths == [None, "fused"]
    assert left_out == [
        "vit_classic by fused, which uses another path: classic attention has no path fused. Valid values: plain, "
        "sdpa, tiled, stored"
    ]


def test_the_hosts_part_makes_what_a_split_sends_to_its_device():
    seen = []

    def send(tensor):
        seen.append(tensor)
        return tensor

    images = torch.randint(256, (9, 3, 4, 4), dtype=torch.uint8)
    split = Split(
        images=images, labels=torch.arange(9), members=np.array([8, 6, 4, 2, 0]), rows=np.arange(5),
        transforms=(), send=send,
    )  # fmt: skip
    examples = np.array([3, 0, 4])
    split.batch(examples)
    assert torch.equal(sent(split, examples), seen[0]) and seen[0].tolist() == [[2, 8, 0], [3, 0, 4], [3, 0, 4]]


@pytest.mark.parametrize(
    "asked",
    [
        {"size": "1M"},
        {"size": "1M", "model": "vit_classic", "image": 64},
        {"size": "5M", "model": "vit_small"},
        {"model": "vit_small"},
        {"model": "t2t_vit_14", "image": 64},
    ],
)
def test_a_model_keeps_its_shape_on_images_of_another_number_of_classes(tmp_path, monkeypatch, asked):
    monkeypatch.setenv("ISOSCALE_CACHE", str(tmp_path / "cache"))
    from benchmarks import pictures

    pixels, labels = made()
    folder = tmp_path / "pictures"
    pictures._write(folder, pixels[:20], labels[:20])
    model = resolved({"batch_size": 2, **asked})
    config = config_of(Pictures(pixels[:20], labels[:20], folder), model)
    assert config.classes == 10 != model.classes
    for cell in (
        "model",
        "image",
        "patch",
        "attention",
        "d_model",
        "depth",
        "heads",
        "mlp_ratio",
        "tokenizer",
        "batch_size",
    ):
        assert getattr(config, cell) == getattr(model, cell)


def at(batch_size, **more):
    return resolved({"model": "vit_classic", "size": "1M", "batch_size": batch_size, **more})


@pytest.mark.parametrize(
    ("kind", "path"), [(kind, path) for kind, row in ATTENTIONS.items() for path in row.paths if path != "fused"]
)
def test_maps_are_expected_of_the_paths_that_keep_them(kind, path):
    def saved(tokens):
        heads = ATTENTIONS[kind].of_classic(4)
        layer = ATTENTION_CLASSES[kind](d_model=16, heads=heads, layer=1, dropout=0.0, path=path)
        return saved_bytes(layer, torch.randn(1, tokens, 16, requires_grad=True), CPU)

    def twice_as_many(count):  # what grows with the square of the tokens
        return count(1024) - 2 * count(512)

    squares = twice_as_many(saved) / (4 * (1024**2 - 2 * 512**2))
    maps = demand._maps(kind, path, at(1), device="cpu")
    assert maps * 0.95 <= squares + 0.05 <= 1.6 * maps + 0.1 or (kind, path) == ("lsa", "sdpa")


def test_a_call_that_needs_too_much_memory_or_time_is_named_before_it_runs(monkeypatch):
    def why(path, tokens, batch_size=1):
        return demand.too_much("classic", path, at(batch_size), CPU, tokens=tokens)

    monkeypatch.setattr("app.system.memory.free", lambda: 2 * 4 * (4 * 4 * 1024**2 + 16 * 1024 * 128))
    assert why("plain", 1024) == why("sdpa", 4096) == ""
    assert why("plain", 1025) == "a call takes about 0.1 GB, and 0.1 GB are allowed here"
    monkeypatch.setattr("app.system.memory.free", lambda: 10**18)
    assert why("sdpa", 2**20) == "a call takes about 2,815 minutes here"  # 6 x 128 n (512 + 2 n)
    assert why("sdpa", 64, batch_size=2_000_000_000).endswith("minutes here")


def attention_report(tokens, failing=()):
    def contender(name, make, config, here, n):
        one = real(name, make, config, here, n)

        def fails():
            raise RuntimeError("no kernel")

        return one if n not in failing else type(one)(name=name, prepare=fails)

    real = attention._contender
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(attention, "_contender", contender)
        quick = Pace(rounds=1, seconds=0.0, say=lambda _: None)
        return attention.compare({"size": "1M", "batch_size": 1}, CPU, quick, tokens=tokens)


@pytest.mark.slow
def test_numbers_of_tokens_at_which_all_fails_or_is_too_much_leave_the_others_their_figures():
    report = attention_report([5, 6, 2**20], failing=[6])
    assert [bool(group.samples) for group in report.groups] == [True, False, False]
    assert "at 6 tokens, classic plain: no kernel" in report.left_out
    assert any(one.startswith("at 1,048,576 tokens, classic plain") for one in report.left_out)
    assert report.to_text().count("nothing could be measured") == 2


@pytest.mark.parametrize(
    ("tokens", "failing", "why"), [([5, 6], [5, 6], "at 5 tokens, .*no kernel"), ([2**20], [], "a call takes about")]
)
def test_attention_of_which_nothing_can_be_measured_is_refused(tokens, failing, why):
    with pytest.raises(InputError, match=f"nothing could be measured: .*{why}.*. Use fewer --tokens or a smaller"):
        attention_report(tokens, failing)
