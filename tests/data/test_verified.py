"""What a dataset of the Hub is decoded from: files that equal the commit's listing, whatever the layout."""

import itertools
import json
import random
import re
import time
from pathlib import Path

import numpy as np
import pytest

from . import layouts
from .at_hub import Client
from .pictures import noise

_numbers = itertools.count()
ALWAYS = 1_000_000
TINY_RUN = ["--size", "100K", "--d-model", "64", "--image", "16", "--patch", "4", "--epochs", "1", "--batch-size", "4"]


@pytest.fixture
def client(server, reader, tmp_path):
    """The process that reads, with an empty cache."""
    server.faults.clear()
    server.requests.clear()
    reader.cache = tmp_path / "cache"
    return reader


class Set:
    """A dataset of one layout, published anew for each reading, since the clients keep what they learnt of a name."""

    def __init__(self, layout, server, client, folder):
        write, self.columns = layouts.ALL[layout]
        write(folder)
        self.server, self.client, self.folder = server, client, folder
        self.files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
        self.read_files = 0

    def read(self, *faults, **request):
        """What came of reading it while these faults are on order, each a pattern and what happens."""
        name = f"bob/set-{next(_numbers)}"
        self.server.add_dataset(name, self.folder)
        self.server.requests.clear()
        for path, how in faults:
            self.server.fault(rf"GET /datasets/{name}/resolve/[0-9a-f]{{40}}/{path}$", **{"times": ALWAYS} | how)
        self.client.cache = self.client.cache.with_name(f"cache-{next(_numbers)}")
        done = self.client.read(name, image=16, **self.columns | request)
        self.server.faults.clear()
        return done

    def left(self):
        """What a reading has left on the disk: names, locks apart."""
        data = self.client.cache / "data"
        return [path.name for path in data.glob("*") if not path.name.endswith(".lock")] if data.exists() else []


@pytest.fixture(params=layouts.ALL)
def published(request, server, client, tmp_path):
    return Set(request.param, server, client, tmp_path / "set")


@pytest.fixture
def shards(server, client, tmp_path):
    return Set("shards", server, client, tmp_path / "set")


def pixels(done, split):
    """The stored pictures in a cache, by row, and their classes."""
    folder = Path(done["folder"])
    images = np.fromfile(folder / f"{split}-images.u8", np.uint8).reshape(-1, 3, 16, 16)
    return images, [done["class_names"][label] for label in np.load(folder / f"{split}-labels.npy")]


def test_every_layout_gives_its_pictures_and_classes_and_leaves_its_cache_alone_on_the_disk(published):
    done = published.read()
    assert "error" not in done, done
    for split, seeds in layouts.SEEDS.items():
        expected = dict(zip(seeds, layouts.LABELS[split], strict=True))
        images, classes = pixels(done, split)
        of = {noise(seed).transpose(2, 0, 1).tobytes(): seed for seed in seeds}
        order = [of[image.tobytes()] for image in images]
        assert sorted(order) == [*seeds]
        names = layouts.NAMES if done["class_names"] != ["0", "1"] else ["0", "1"]
        assert classes == [names[expected[seed]] for seed in order]
        if "cat/" not in published.files[0]:  # there by class
            assert order == [*seeds]
    assert published.left() == [Path(done["folder"]).name]


def flips(published, count, seed):
    """`count` single bytes of files of a dataset: a file, and a position in it."""
    draws = random.Random(seed)
    for _ in range(count):
        file = draws.choice(published.files)
        yield file, draws.randrange((published.folder / file).stat().st_size)


def verdict(published, clean, file, at):
    """What became of one flipped byte; `trained on` must never be among the answers."""
    done = published.read((file, {"flip_byte": at}))
    if "error" in done:
        assert f"{file} of bob/set-" in done["error"] and "arrived damaged" in done["error"], done
        assert published.left() == []
        return "refused"
    return "harmless" if done["files"] == clean["files"] else "trained on"


def test_a_flipped_byte_is_refused_or_harmless_in_every_layout(published):
    clean = published.read()
    found = {verdict(published, clean, file, at) for file, at in flips(published, 3, seed=15)}
    assert "refused" in found and "trained on" not in found


@pytest.mark.slow
def test_of_25_flipped_bytes_none_is_trained_on_in_any_layout(published):
    clean = published.read()
    found = [verdict(published, clean, file, at) for file, at in flips(published, 25, seed=2025)]
    assert found.count("refused") >= 20 and "trained on" not in found


def test_every_file_that_is_read_is_checked_the_card_too(published):
    clean = published.read()
    read = {path.split("/", 6)[-1] for _, path, _ in published.server.requests if "/resolve/" in path}
    files = [file for file in published.files if file in read]
    assert len(files) == len(published.files), "each file of these layouts is read"
    for file in random.Random(5).sample(files, min(4, len(files))):
        assert verdict(published, clean, file, 7) == "refused"


def test_a_byte_that_is_flipped_once_is_fetched_again_and_heals(published):
    clean = published.read()
    file = random.Random(1).choice(published.files)
    assert published.read((file, {"flip_byte": 3, "times": 1}))["files"] == clean["files"]
    asked = [path for _, path, _ in published.server.requests if path.endswith(f"/{file}")]
    assert len(asked) >= 2


def test_a_damaged_dataset_ends_a_command_with_exit_4_and_both_digests_and_no_run(server, client, tmp_path):
    layouts.shards(tmp_path / "set")
    sha = server.add_dataset("bob/damaged", tmp_path / "set")
    file = "data/train-00001-of-00003.parquet"
    listed = server.repositories.all["dataset", "bob/damaged"].at(sha).files[file].sha256
    server.fault(f"GET .*{file}", flip_byte=100, times=ALWAYS)
    runs = ["--checkpoints", str(tmp_path / "runs")]
    ended = client.run("train", "--dataset", "bob/damaged", *TINY_RUN, *runs, "--json")
    assert ended["code"] == 4, ended
    failure = json.loads(ended["stdout"])["error"]
    assert failure["kind"] == "damaged" and failure["message"].count(listed) == 1
    assert re.search("but [0-9a-f]{64} ", failure["message"]) and file in failure["message"]
    assert not list((tmp_path / "runs").glob("*/*.json"))


def test_a_file_that_breaks_is_continued_where_it_broke(shards):
    file, clean = "data/train-00000-of-00003.parquet", shards.read()
    done = shards.read((file, {"cut_after_bytes": 700, "times": 2}), (file, {"status": 503, "times": 3}))
    assert done["files"] == clean["files"]
    asked = [status for _, path, status in shards.server.requests if path.endswith(file)]
    assert asked.count(503) == 3 and 206 in asked and asked.count(200) == 1


@pytest.mark.parametrize("content", [b"", b"PAR1", b"x" * 100_000])
def test_a_file_of_another_length_is_refused(shards, content):
    done = shards.read(("data/train-00002-of-00003.parquet", {"content": content}))
    assert "arrived damaged" in done["error"]
    assert shards.left() == []


def test_a_file_that_never_ends_is_not_written_beyond_its_length(shards):
    done = shards.read(("data/test-00000-of-00003.parquet", {"content": b"x" * (64 << 20)}))
    assert "arrived damaged" in done["error"]
    assert int(done["error"].split("but ")[1].split("(")[1].split(" bytes")[0].replace(",", "")) < 1 << 20


def test_a_silent_hub_in_the_middle_of_a_dataset_is_unavailable_not_damaged(shards):
    done = shards.read(("data/train-00001-of-00003.parquet", {"cut_after_bytes": 0}))
    assert "cannot be reached" in done["error"] and "damaged" not in done["error"]
    assert shards.left() == []


@pytest.mark.parametrize("path", ["/etc/hostname", "pictures/1.png", "https://example.org/1.png", "file:///etc/hosts",
                                  "hf://datasets/bob/other@main/1.png", "zip://1.png::/tmp/x.zip"])  # fmt: skip
def test_a_picture_outside_the_repository_is_refused(server, client, tmp_path, path):
    name = f"bob/set-{next(_numbers)}"
    layouts.with_path_only(tmp_path / "set", path)
    server.add_dataset(name, tmp_path / "set")
    done = client.read(name, image=16)
    assert "outside its repository" in done["error"] and path in done["error"]


@pytest.mark.parametrize("place", ["hf://datasets/bob/others@main", "URL/datasets/bob/others/resolve/main"])
def test_a_split_outside_the_repository_is_refused(server, client, tmp_path, place):
    name = f"bob/set-{next(_numbers)}"
    layouts.parquet(tmp_path / "set")
    server.add_dataset("bob/others", tmp_path / "set")
    card = (tmp_path / "set" / "README.md").read_text().replace("data/train-*", "data/train-00000-of-00001.parquet")
    (tmp_path / "linked").mkdir()
    linked = card.replace("path: data/train", f"path: {place.replace('URL', server.url)}/data/train")
    (tmp_path / "linked" / "README.md").write_text(linked)
    layouts.parquet(tmp_path / "rest")
    (tmp_path / "rest" / "data" / "test-00000-of-00001.parquet").rename(tmp_path / "linked" / "test.parquet")
    (tmp_path / "linked" / "README.md").write_text(linked.replace("data/test-*", "test.parquet"))
    server.add_dataset(name, tmp_path / "linked")
    assert re.search("outside its repository|belong to", client.read(name, image=16)["error"])


def test_a_dataset_with_a_script_of_its_own_is_refused(server, client, tmp_path):
    layouts.parquet(tmp_path / "set")
    (tmp_path / "set" / "scripted.py").write_text("raise SystemExit")
    server.add_dataset("bob/scripted", tmp_path / "set")
    assert "loading script, scripted.py" in client.read("bob/scripted", image=16)["error"]


@pytest.mark.slow
def test_a_process_that_is_killed_while_it_fetches_leaves_nothing_on_the_disk(server, tmp_path):
    layouts.shards(tmp_path / "set")
    server.faults.clear()
    server.requests.clear()
    server.add_dataset("bob/killed", tmp_path / "set")
    server.fault("GET .*killed/resolve/.*parquet", bytes_per_second=500, times=ALWAYS)
    client = Client(server, tmp_path)
    question = {"request": {"dataset": "bob/killed", "image": 16}, "version": None, "cache": str(client.cache)}
    print(json.dumps(question), file=client.process.stdin, flush=True)
    end = time.monotonic() + 60
    while not any(path.endswith(".parquet") for _, path, _ in server.requests) and time.monotonic() < end:
        time.sleep(0.02)
    time.sleep(0.3)
    client.process.kill()
    client.process.wait()
    server.faults.clear()
    left = [path for path in client.cache.rglob("*") if path.is_file() and path.stat().st_size]
    assert [path for path in left if not path.name.endswith(".lock.by")] == []  # who held the lock is named beside it
