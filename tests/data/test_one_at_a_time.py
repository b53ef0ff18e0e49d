"""What of a dataset's files is on the disk while it is read: one, at most one more, and nothing afterwards."""

import os
import random
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from app.data.sources import verified
from app.data.sources.filesystem import Verified
from app.errors import Damaged, DiskFull, HubUnavailable, InputError
from app.system import downloads
from app.system.downloads import Listed

SHA = "5ea" + "0" * 37
SIZE = 1000


class Hub:
    """Files of random bytes, and what is asked for; it stands in for the listing and the downloads."""

    def __init__(self, monkeypatch, sizes):
        self.files = {path: random.Random(path).randbytes(size) for path, size in sizes.items()}
        self.listed, self.fetched, self.broken = [], [], {}
        self.ahead = threading.Semaphore(0)
        monkeypatch.setattr(downloads, "listing", self.listing)
        monkeypatch.setattr(downloads, "download", self.download)

    def listing(self, name, sha, paths):
        self.listed.append(list(paths))
        return {path: Listed(len(self.files[path]), "ab" * 32) for path in paths if path in self.files}

    def download(self, name, sha, path, listed, target):
        self.fetched.append(path)
        if error := self.broken.get(path):
            raise error
        target.write(self.files[path])
        self.ahead.release()


@pytest.fixture
def hub(monkeypatch, tmp_path):
    monkeypatch.setenv("ISOSCALE_CACHE", str(tmp_path))
    sizes = {f"data/train-{part}.parquet": SIZE + part for part in range(6)}
    return Hub(monkeypatch, sizes | {"data/test.parquet": 5 * SIZE})


def address(path):
    return f"hf://datasets/a/b@{SHA}/{path}"


def built(**splits):
    """A builder with these files, and the files with which it was redirected."""
    builder = SimpleNamespace(
        config=SimpleNamespace(data_files={name: [*map(address, split)] for name, split in splits.items()})
    )
    files = verified.Files("a/b", SHA)
    files.redirect(builder)
    return files, builder


def on_disk(folder):
    """The bytes of files without a name in a folder that this process holds."""
    held = 0
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            where, size = descriptor.readlink(), descriptor.stat().st_size
        except OSError:
            continue
        held += size if str(where).startswith(str(folder)) else 0
    return held


def nothing_ahead():
    """Waits for the threads that fetch ahead, which hold their file until they end."""
    for thread in threading.enumerate():
        if thread.name == "ahead":
            thread.join(20)


needs_proc = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts open files in /proc")


@needs_proc
def test_the_next_file_is_fetched_while_one_is_read_and_no_third_is_on_the_disk(hub, tmp_path):
    train = sorted(path for path in hub.files if "train" in path)
    files, _ = built(train=train)
    with files.reading(["train"]):
        for number, path in enumerate(train):
            assert files.read(path, 10, 5) == hub.files[path][10:15]
            hub.ahead.acquire(timeout=20)
            if number + 1 < len(train):
                hub.ahead.acquire(timeout=20)
                hub.ahead.release()  # it was the next file's
            assert hub.fetched == train[: number + 2]
            assert on_disk(tmp_path) <= files.most_bytes()
            assert files.read(path, 0, SIZE * 9) == hub.files[path]
    nothing_ahead()
    assert on_disk(tmp_path) == 0
    assert hub.fetched == train


@needs_proc
def test_after_an_error_in_the_middle_nothing_is_on_the_disk(hub, tmp_path):
    files, _ = built(train=["data/train-0.parquet"], test=["data/test.parquet"])
    with pytest.raises(ValueError, match="row"), files.reading(["test", "train"]):
        files.read("data/test.parquet", 0, 1)
        assert on_disk(tmp_path) >= 5 * SIZE
        raise ValueError("a bad row")
    nothing_ahead()
    assert on_disk(tmp_path) == 0


def test_a_file_that_was_read_for_its_columns_is_not_fetched_again_for_its_rows(hub):
    files, _ = built(train=["data/train-0.parquet"], test=["data/test.parquet"])
    files.read("data/train-0.parquet", 0, 1)
    with files.reading(["test", "train"]):
        files.read("data/test.parquet", 0, 1)
    with files.reading(["train"]):
        files.read("data/train-0.parquet", 5, 1)
    assert sorted(hub.fetched) == ["data/test.parquet", "data/train-0.parquet"]


def test_the_room_is_that_of_the_two_largest_files_and_pictures_need_none(hub, monkeypatch):
    files, _ = built(train=["data/train-5.parquet", "data/train-4.parquet"], test=["data/test.parquet"])
    assert files.most_bytes() == 5 * SIZE + SIZE + 5
    monkeypatch.setattr(verified.undocumented, "image_files", lambda _builder: ({}, [".png"], []))
    hub.files |= {"train/cat/0.PNG": b"x" * 10**6, "train/metadata.csv": b"y" * 7}
    assert built(train=["train/cat/0.PNG", "train/metadata.csv"])[0].most_bytes() == 7


def test_a_disk_without_room_for_one_file_is_told_before_it_is_fetched(hub, monkeypatch):
    files, _ = built(train=["data/train-0.parquet"])
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=SIZE - 1))
    with pytest.raises(DiskFull, match=r"train-0.parquet .*needs 1,000 bytes"):
        files.read("data/train-0.parquet", 0, 1)
    assert hub.fetched == []


def test_damage_is_told_to_each_reader_and_fetched_for_none_of_them_again(hub):
    hub.broken["data/test.parquet"] = Damaged("test.parquet arrived damaged")
    files, _ = built(test=["data/test.parquet"])
    for _ in range(3):
        with pytest.raises(Damaged, match="arrived damaged"):
            files.read("data/test.parquet", 0, 1)
    assert hub.fetched == ["data/test.parquet"]


def test_what_was_silent_for_the_one_ahead_is_asked_for_again_by_its_reader(hub):
    hub.broken["data/train-1.parquet"] = HubUnavailable("silent")
    train = ["data/train-0.parquet", "data/train-1.parquet"]
    files, _ = built(train=train)
    with files.reading(["train"]):
        files.read(train[0], 0, 1)
        nothing_ahead()
        del hub.broken[train[1]]
        assert files.read(train[1], 0, 3) == hub.files[train[1]][:3]


def test_files_are_listed_many_at_once_and_each_once(hub):
    hub.files = {f"train/cat/{number:04}.png": b"x" for number in range(1200)}
    files, _ = built(train=[*hub.files])
    for path in hub.files:
        assert files.content(address(path), 10) == b"x"
    assert [len(asked) for asked in hub.listed] == [500, 500, 200]


def test_many_readers_of_few_files_see_their_bytes(hub):
    train = sorted(path for path in hub.files if "train" in path)
    files, _ = built(train=train)
    wrong = []

    def read(seed):
        draws = random.Random(seed)
        for _ in range(60):
            path, at = draws.choice(train), draws.randrange(SIZE)
            if files.read(path, at, 50) != hub.files[path][at : at + 50]:
                wrong.append(path)

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert wrong == []


@pytest.mark.parametrize(
    "url",
    ["/etc/passwd", "data/1.png", "file:///etc/passwd", "https://example.org/x", f"hf://datasets/a/c@{SHA}/x",
     "hf://datasets/a/b@main/x", f"hf://buckets/a/b@{SHA}/x", f"filecache://::{address('x')}", "",
     f"zip://{address('x')}", "zip://x::zip://y::/tmp/z.zip", f"{address('x')}::https://example.org/x"],
)  # fmt: skip
def test_only_files_of_the_commit_have_an_address(url):
    with pytest.raises(InputError, match="outside its repository"):
        verified.Files("a/b", SHA).address(url)


@pytest.mark.parametrize("packed", ["", "zip://a/b.png::", "gzip://x::", "zip://a.csv::zip://b.zip::"])
def test_an_address_leads_to_its_file_and_is_shown_as_the_hub_s(packed):
    files = verified.Files("a/b", SHA)
    given = packed + address("x y/z@1.zip")
    found = files.address(given)
    assert files.path(found) == "x y/z@1.zip" and found.startswith(packed)
    assert files.address(found) == found and verified.shown(found) == given


def test_a_file_without_a_checksum_in_the_listing_is_not_read(hub, monkeypatch):
    files, _ = built(train=["data/train-0.parquet"])
    monkeypatch.setattr(downloads, "listing", lambda name, sha, paths: {path: Listed(3, "") for path in paths})
    with pytest.raises(InputError, match="no checksum"):
        files.read("data/train-0.parquet", 0, 1)


def test_what_an_earlier_use_of_datasets_left_in_its_cache_is_not_read_in_place_of_the_commit():
    for nothing in (None, {}):
        with pytest.raises(HubUnavailable, match="cannot be listed"):
            verified.Files("a/b", SHA).redirect(SimpleNamespace(config=SimpleNamespace(data_files=nothing)))


def test_a_file_of_the_file_system_is_one_that_can_be_sought(hub, monkeypatch):
    files, _ = built(test=["data/test.parquet"])
    monkeypatch.setattr(verified, "files_of", lambda name, sha: files)
    system, content = Verified(), hub.files["data/test.parquet"]
    where = files.address(address("data/test.parquet"))
    assert system.isfile(where) and not system.isdir(where) and system.size(where) == 5 * SIZE
    assert not system.exists(files.address(address("data/none.parquet")))
    with system.open(where, "rb") as file:
        assert file.read(3) == content[:3]
        file.seek(-7, os.SEEK_END)
        assert file.read() == content[-7:]
        assert file.seek(5) == 5 and file.seek(5, os.SEEK_CUR) == 10 and file.read(2) == content[10:12]
