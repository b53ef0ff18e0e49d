"""The index of runs: always what the records say, whatever happened to them or to the index in between."""

import dataclasses
import json
import multiprocessing
import os
import time
from contextlib import suppress

import pytest
from raw_records import put, raw
from report import made_up_run, reseeded

from app.artifacts import index, record
from app.artifacts import runs as finding

HOUR = 3_600_000_000_000


@pytest.fixture
def folder(tmp_path):
    """Three finished runs whose records have not changed for an hour."""
    for seed in range(3):
        settle(made_up_run(tmp_path, seed=seed, minute=seed, steps=1).files.record)
    return tmp_path


def settle(path, ago=HOUR):
    """Gives a file a time at which nobody writes any more."""
    then = time.time_ns() - ago
    os.utime(path, ns=(then, then))


@pytest.fixture(autouse=True)
def _worth(monkeypatch):
    monkeypatch.setattr(index, "_WORTH", 3)


@pytest.fixture
def opened(monkeypatch):
    """The records that are opened, by name."""
    found, read = [], record.read

    def remembered(path):
        found.append(path.name)
        return read(path)

    monkeypatch.setattr(record, "read", remembered)
    return found


def seeds(folder):
    return [finding.Run.load(folder / entry.name).config.seed for entry in finding.indexed(folder, pytest.fail)]


def test_records_that_did_not_change_are_opened_once(folder, opened):
    first = finding.indexed(folder)
    assert len(opened) == 3 and (folder / index.NAME).exists()
    opened.clear()
    assert finding.indexed(folder) == first and not opened
    asked = {"model": "vit_classic", "size": None, "dataset": None, "checkpoints": folder, "say": lambda _: None}
    assert finding.newest(**asked).config.seed == 2 and len(opened) == 1


def test_the_index_has_the_runs_that_a_full_reading_finds(folder):
    run = finding.find_runs(folder)[0]
    copy = run.files.folder / run.files.stem / run.files.record.name
    put(copy, raw(run))
    put(folder / "away" / copy.name, raw(run) | {"finished": "2027-01-01"})
    for _ in range(2):
        found = finding.indexed(folder)
        assert [folder / entry.name for entry in found] == [run.files.record for run in finding.find_runs(folder)]


def test_a_record_that_changed_is_opened_again_and_no_other(folder, opened):
    finding.indexed(folder)
    entry = finding.indexed(folder)[0]
    path = folder / entry.name
    path.write_text(path.read_text().replace('"done"', '"done" '))
    settle(path, ago=HOUR // 2)
    opened.clear()
    finding.indexed(folder)
    assert opened == [path.name]


def test_a_change_of_the_same_size_shortly_after_the_index_was_written_is_seen(folder):
    path = folder / finding.indexed(folder)[0].name
    values = raw(finding.Run.load(path))
    put(path, values | {"started": "2026-11-20T10:00:00+00:00"})
    at = path.stat().st_mtime_ns
    finding.indexed(folder)
    put(path, values | {"started": "2026-11-20T10:59:00+00:00"})
    os.utime(path, ns=(at, at))
    assert finding.indexed(folder)[-1].started == "2026-11-20T10:59:00+00:00"


def test_deleted_and_added_runs_are_followed(folder):
    assert seeds(folder) == [0, 1, 2]
    run = finding.find_runs(folder)[0]
    reseeded(run, run.files.folder, 7)
    run.files.record.unlink()
    assert sorted(seeds(folder)) == [1, 2, 7]
    assert len(json.loads((folder / index.NAME).read_text())["entries"]) == 3


def test_a_damaged_record_is_told_each_time_until_it_is_whole(folder):
    path = folder / finding.indexed(folder)[0].name
    whole = path.read_bytes()
    path.write_bytes(whole[:-9])
    settle(path)
    for _ in range(2):
        said = []
        assert len(finding.indexed(folder, said.append)) == 2
        assert len(said) == 1 and f"passed over: the run record {path} is damaged" in said[0]
    path.write_bytes(whole)
    assert seeds(folder) == [0, 1, 2]


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"format": 1, "entries": []}', b"\xff", b"[" * 100_000], ids=range(6)
)
def test_an_index_that_is_damaged_or_of_another_version_is_made_again(folder, content):
    (folder / index.NAME).write_bytes(content)
    assert seeds(folder) == [0, 1, 2]
    assert len(json.loads((folder / index.NAME).read_text())["entries"]) == 3


def test_without_an_index_that_can_be_written_runs_are_found_all_the_same(folder, monkeypatch):
    def refused(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(index, "write_text", refused)
    assert seeds(folder) == [0, 1, 2] and not (folder / index.NAME).exists()
    assert finding.indexed(folder / "nowhere") == []


def _many(folder, times):
    index._WORTH = 3
    for _ in range(times):
        (folder / index.NAME).unlink(missing_ok=True)
        assert len(finding.indexed(folder)) == 3
        with suppress(FileNotFoundError):  # the other process has just removed it
            json.loads((folder / index.NAME).read_text())


@pytest.mark.slow
def test_two_processes_that_write_the_index_at_once_both_answer_right(folder):
    fresh = multiprocessing.get_context("spawn")
    both = [fresh.Process(target=_many, args=(folder, 20)) for _ in range(2)]
    for each in both:
        each.start()
    for each in both:
        each.join()
    assert [each.exitcode for each in both] == [0, 0] and seeds(folder) == [0, 1, 2]
    assert not list(folder.glob(".*.aside"))


def test_a_folder_of_few_runs_gets_no_index(folder):
    next(folder.rglob("model_*.json")).unlink()
    assert len(seeds(folder)) == 2 and not (folder / index.NAME).exists()


def test_a_run_without_a_record_is_missing(folder):
    run = finding.find_runs(folder)[0]
    assert finding.status_of(folder, run.config) == "done"
    run.files.record.unlink()
    assert finding.status_of(folder, run.config) == "missing"


@pytest.mark.parametrize("how", ["another length", "the same length"])
def test_a_record_that_was_replaced_with_its_old_time_is_read_again(folder, opened, how):
    finding.indexed(folder)
    path = next(folder.rglob("model_*.json"))
    about = path.stat()
    fresh = path.with_suffix(".new")
    text = path.read_text()
    fresh.write_text(text + " " if how == "another length" else text)
    os.utime(fresh, ns=(about.st_atime_ns, about.st_mtime_ns))
    fresh.replace(path)
    opened.clear()
    finding.indexed(folder)
    assert opened == [path.name]


def test_runs_that_differ_in_their_epochs_only_are_found_without_opening_a_record(folder, opened):
    longer, other = (made_up_run(folder, seed=0, steps=1, **more) for more in ({"epochs": 90}, {"epochs": 90, "lr": 1}))
    made_up_run(folder, seed=0, steps=1, epochs=70, status="stopped")
    for path in folder.rglob("model_*.json"):
        settle(path)
    finding.indexed(folder)
    opened.clear()
    first = dataclasses.replace(longer.config, epochs=50)
    kin = finding.kin_of(dataclasses.replace(longer.config, epochs=60), folder)
    assert [(entry.run_id, entry.epochs) for entry in kin] == [(first.run_id, 50), (longer.config.run_id, 90)]
    assert not opened and finding.kin_of(other.config, folder) == []
    assert [entry.epochs for entry in finding.kin_of(longer.config, folder)] == [50]


def linked_run(folder, elsewhere, seed=7):
    """A run in a folder elsewhere, to which a link in the folder leads."""
    run = made_up_run(elsewhere / "volume", seed=seed, minute=seed, steps=1)
    settle(run.files.record)
    (folder / "linked").symlink_to(elsewhere / "volume")
    return run


@pytest.fixture
def elsewhere(tmp_path_factory):
    return tmp_path_factory.mktemp("elsewhere")


def test_runs_behind_links_are_found(folder, elsewhere, opened):
    run = linked_run(folder, elsewhere)
    assert sorted(seeds(folder)) == [0, 1, 2, 7]
    opened.clear()
    assert len(finding.indexed(folder)) == 4 and not opened  # they are in the index too
    assert finding.by_id(run.record.run_id, folder, pytest.fail).record == run.record
    assert finding.place_of(folder, run.config).folder.resolve() == run.files.folder.resolve()


def test_links_that_lead_round_end_and_count_a_run_once(folder, elsewhere):
    run = linked_run(folder, elsewhere)
    (elsewhere / "volume" / "back").symlink_to(folder)
    (folder / "self").symlink_to(folder)
    (folder / "again").symlink_to(elsewhere / "volume")
    (folder / "aaa").symlink_to(run.files.folder)
    (folder / "broken").symlink_to(folder / "absent")
    (folder / "round").symlink_to(folder / "round")
    assert sorted(seeds(folder)) == [0, 1, 2, 7]
    assert len(finding.find_runs(folder)) == 4


def test_a_run_is_named_by_its_own_folder_where_a_link_leads_there_too(folder):
    [run, *_] = finding.find_runs(folder)
    (folder / "aaa").symlink_to(run.files.folder, target_is_directory=True)
    assert len(finding.find_runs(folder)) == 3
    assert all("aaa" not in each.files.folder.parts for each in finding.find_runs(folder))


def test_hidden_folders_and_what_unfinished_runs_need_are_not_looked_at_behind_links_either(folder, elsewhere):
    for name in (".hidden", "x.push", "x.state"):
        made_up_run(elsewhere / name, seed=9, steps=1)
        (folder / name).symlink_to(elsewhere / name)
    assert sorted(seeds(folder)) == [0, 1, 2]


def test_a_pipe_in_place_of_a_record_or_of_the_index_is_passed_over(folder):
    os.mkfifo(folder / "model_0123abcd_1M_digits.json")
    os.mkfifo(folder / index.NAME)
    said = []
    assert len(finding.indexed(folder, said.append)) == 3
    assert len(said) == 1 and "pipe" in said[0]
