"""What the benches count: bytes that a layer saves, batches in the order of training, and waiting inside a step."""

import numpy as np
import pytest
import torch
from torch import nn

from app import data, place
from app.bench.attention import saved_bytes
from app.bench.pictures import cached, made
from app.bench.request import resolved, token_counts
from app.bench.waiting import HostHeld, Watched
from app.data import cache
from app.data.source import Example, Source
from app.errors import InputError
from app.experiment.rehearsal import HeldBatch, Walk

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
    with pytest.raises(InputError, match="write --tokens 64,256,1024"):
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
