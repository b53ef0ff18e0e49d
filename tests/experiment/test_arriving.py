"""What comes from the Hub never costs what is here: compared in a side folder, then moved, and a kill tears nothing."""

import json
import os
import shutil
import signal
from pathlib import Path

import pytest
from msgspec.structs import replace

from app.artifacts import record
from app.artifacts.runs import Run
from app.errors import Stopped
from app.sharing import store

from .runs import Quiet, train

pytestmark = pytest.mark.usefixtures("cache_folder")
REPOSITORY = "tester/runs"
PUSH = {"upload": True, "push_every": 3600.0}


@pytest.fixture(scope="module")
def whole(tmp_path_factory, shared_cache):
    """The run that nothing disturbed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ISOSCALE_CACHE", str(shared_cache))
        return train(tmp_path_factory.mktemp("whole"), options={"keep_every": 1})


@pytest.fixture
def there(online, whole):
    """The Hub with the finished run, and the folder of the run on it."""
    online.create(REPOSITORY)
    folder = f"{whole.config.model}/{whole.files.stem}"
    store.upload(whole.files.folder / whole.files.stem, folder)
    return online, folder


def stopped(folder, step=4):
    """An unfinished run in a folder; its Hub knows nothing of it."""
    with pytest.raises(Stopped):
        train(folder, Quiet(after=lambda now: os.kill(os.getpid(), signal.SIGTERM) if now == step else None))


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


class Watching(Quiet):
    """A screen that looks at the folder when the Hub's run is refused."""

    def __init__(self, folder):
        super().__init__()
        self.folder, self.at_refusal = folder, None

    def say(self, text):
        super().say(text)
        if "is not used" in text:
            self.at_refusal = {
                path: data for path, data in contents(self.folder).items() if path.suffix not in (".holder", ".lock")
            }


def same(one, other):
    names = ("weights", "best", "predictions", "splits")
    return [name for name in names if getattr(one.files, name).read_bytes() != getattr(other.files, name).read_bytes()]


def left(folder):
    """What a run's end leaves besides its files."""
    return [path for path in folder.rglob("*") if path.name.startswith(".") or path.suffix in (".state", ".push")]


def flipped(whole, name):
    data = bytearray(getattr(whole.files, name).read_bytes())
    data[len(data) // 2] ^= 1
    return bytes(data)


def resealed(whole, tmp_path, **fields):
    """The record with other values, and a seal of its own."""
    record.write(tmp_path / "x" / whole.files.record.name, replace(whole.record, **fields))
    return (tmp_path / "x" / whole.files.record.name).read_bytes()


def of_another_run(whole):
    found = json.loads(whole.files.record.read_text())
    return json.dumps(found | {"run_id": "00000000"}).encode()


DAMAGE = {
    "weights in which a bit is flipped": lambda whole, _: {"weights": flipped(whole, "weights")},
    "best weights in which a bit is flipped": lambda whole, _: {"best": flipped(whole, "best")},
    "a log in which a bit is flipped": lambda whole, _: {"log": flipped(whole, "log")},
    "predictions in which a bit is flipped": lambda whole, _: {"predictions": flipped(whole, "predictions")},
    "a record in which a bit is flipped": lambda whole, _: {"record": flipped(whole, "record")},
    "half a record": lambda whole, _: {"record": whole.files.record.read_bytes()[:2000]},
    "an empty record": lambda *_: {"record": b""},
    "weights cut short": lambda whole, _: {"weights": whole.files.weights.read_bytes()[:-7]},
    "no weights": lambda *_: {"weights": None},
    "no predictions": lambda *_: {"predictions": None},
    "a record of no files": lambda whole, tmp_path: {"record": resealed(whole, tmp_path, files={})},
    "the record of an unfinished run": lambda whole, tmp_path: {"record": resealed(whole, tmp_path, status="stopped")},
    "the record of another run": lambda whole, _: {"record": of_another_run(whole)},
}
QUICK = ("weights in which a bit is flipped", "half a record", "no predictions", "the record of another run")


def spoil(there, whole, parts):
    server, folder = there
    server.commit(
        REPOSITORY, {f"{folder}/{getattr(whole.files, name).name}": data or b"" for name, data in parts.items()}
    )
    gone = [f"{folder}/{getattr(whole.files, name).name}" for name, data in parts.items() if data is None]
    repository = server.repositories.all["model", REPOSITORY]
    kept = {path: blob for path, blob in repository.at("main").files.items() if path not in gone}
    repository.commit("main", "others", kept)


@pytest.mark.parametrize(
    "begun",
    [pytest.param(False, marks=pytest.mark.slow, id="nothing here"), pytest.param(True, id="an unfinished run here")],
)
@pytest.mark.parametrize(
    "damage",
    [pytest.param(each, marks=() if name in QUICK else pytest.mark.slow, id=name) for name, each in DAMAGE.items()],
)
def test_a_damaged_finished_run_on_the_hub_costs_nothing_here(tmp_path, there, whole, damage, begun):
    here = tmp_path / "here"
    if begun:
        stopped(here)
    before = contents(here) if begun else {}
    spoil(there, whole, damage(whole, tmp_path))
    screen = Watching(here)
    ended = train(here, screen, options=PUSH)
    assert screen.at_refusal == before and screen.steps[0] == (5 if begun else 1)
    assert sum("is not used" in text for text in screen.said) == 1
    assert ended.done and same(ended, whole) == [] and left(here) == []


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 503},
        pytest.param({"status": None, "cut_after_bytes": 99}, marks=pytest.mark.slow),
        pytest.param({"status": None, "flip_byte": 9}, marks=pytest.mark.slow),
    ],
)
def test_a_finished_run_that_does_not_arrive_is_trained_from_what_is_here(tmp_path, there, whole, fault):
    here = tmp_path / "here"
    stopped(here)
    before = contents(here)
    there[0].fault(r"GET .*/resolve/.*_best.safetensors", times=99, **fault)
    screen = Watching(here)
    ended = train(here, screen, options=PUSH)
    assert screen.at_refusal == before and screen.steps[0] == 5
    assert same(ended, whole) == [] and left(here) == []


def test_a_finished_run_is_fetched_over_an_unfinished_one_with_all_its_files(tmp_path, there, whole):
    stopped(tmp_path)
    screen = Quiet()
    ended = train(tmp_path, screen, options=PUSH)
    assert screen.steps == [] and same(ended, whole) == [] and left(tmp_path) == []
    assert ended.files.record.read_bytes() == whole.files.record.read_bytes()
    assert ended.files.log.read_bytes() == whole.files.log.read_bytes()
    kept = [path.read_bytes() for path in ended.files.kept().values()]
    assert kept == [path.read_bytes() for path in whole.files.kept().values()] and len(kept) == 2


def test_a_name_on_the_hub_that_no_finished_run_has_is_not_fetched(tmp_path, there, whole):
    server, folder = there
    server.commit(
        REPOSITORY, {f"{folder}/{whole.files.stem}{end}": b"x" for end in (".lock", ".holder", ".state", "_x.sh")}
    )
    ended = train(tmp_path, options=PUSH)
    here = {path.name for path in ended.files.folder.iterdir()} - {ended.files.holder.name}
    assert here == {path.name for path in whole.files.present()}
    assert ended.files.holder.read_text() != "x"


class Killed(BaseException):
    pass


def kill_at(number, monkeypatch):
    """The number-th move out of the side folder, or onto its place, never happens."""
    moves, replace_ = [], Path.replace

    def moved(self, target):
        if self.name.endswith(".arriving.scratch") or any(part.endswith(".arrived") for part in self.parts):
            moves.append(self)
            if len(moves) == number:
                raise Killed
        return replace_(self, target)

    monkeypatch.setattr(Path, "replace", moved)
    return moves


@pytest.mark.parametrize(
    "number", [pytest.param(each, marks=() if each in (1, 5) else pytest.mark.slow) for each in range(1, 9)]
)
def test_a_kill_while_a_finished_run_is_moved_leaves_a_run_that_can_be_ended_without_the_hub(
    tmp_path, there, whole, monkeypatch, number
):
    stopped(tmp_path)
    with monkeypatch.context() as patch:
        moves = kill_at(number, patch)
        try:
            train(tmp_path, options=PUSH)
        except Killed:
            pass
        else:
            assert len(moves) < number
    screen = Quiet()
    ended = train(tmp_path, screen)
    assert ended.done and same(ended, whole) == []
    assert screen.steps == [] or number == 1  # once all of it is here, nothing is trained
    assert [path for path in left(tmp_path) if "arriv" in path.name] == []


@pytest.mark.parametrize(
    "number", [pytest.param(each, marks=() if each in (1, 2) else pytest.mark.slow) for each in range(1, 6)]
)
@pytest.mark.parametrize(
    "begun",
    [pytest.param(False, marks=pytest.mark.slow, id="nothing here"), pytest.param(True, id="an earlier state here")],
)
def test_a_kill_while_a_state_is_moved_leaves_a_run_that_can_be_ended_without_the_hub(
    tmp_path, online, whole, monkeypatch, number, begun
):
    online.create(REPOSITORY)
    with pytest.raises(Stopped):
        train(
            tmp_path / "there", Quiet(after=lambda now: os.kill(os.getpid(), signal.SIGTERM) if now == 8 else None),
            options=PUSH,
        )  # fmt: skip
    shutil.rmtree(tmp_path / "there")
    here = tmp_path / "here"
    if begun:
        stopped(here, 3)
    with monkeypatch.context() as patch:
        kill_at(number, patch)
        with pytest.raises(Killed):
            train(here, Quiet(), options=PUSH)
    screen = Quiet()
    ended = train(here, screen)
    assert isinstance(ended, Run) and ended.done and same(ended, whole) == []
    assert screen.steps[0] == (9 if number > 1 else 4 if begun else 1)
    assert [path for path in left(here) if "arriv" in path.name] == []


def test_a_finished_run_with_a_file_that_only_a_later_version_knows_is_fetched(tmp_path, there, whole):
    files = whole.record.files | {"onnx": "0" * 64}
    spoil(there, whole, {"record": resealed(whole, tmp_path, files=files)})
    screen = Quiet()
    ended = train(tmp_path / "here", screen, options=PUSH)
    assert screen.steps == [] and same(ended, whole) == [] and ended.record.files == files
