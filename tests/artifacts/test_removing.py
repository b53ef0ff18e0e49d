"""Deleting runs: all files of a run and of no other, no link followed, nothing while another process uses the run."""

import os
import shutil

import pytest
from raw_records import put, raw
from report import made_up_run

from app.artifacts import removing, runs, stems
from app.artifacts.removing import chosen, leftovers, removal_of, remove
from app.config.conditions import conditions
from app.errors import Held, InputError
from app.system import locks

HALF = "1234-5678"  # process and thread


@pytest.fixture
def run(tmp_path):
    """A run with every file that a run may have, in the folder of its model."""
    run = made_up_run(tmp_path / "checkpoints", steps=1)
    for path in [*run.files.all(), run.files.kept_at(2), run.files.kept_at(1000)]:
        if path.suffix in (".state", ".push"):
            path.mkdir()
            (path / "state-3.json").write_text("12345")
        elif not path.exists() and path.suffix != ".lock":
            path.write_text("1234567")
    (run.files.folder / f".{run.files.best.name}.{HALF}.aside").write_text("half")
    (run.files.folder / f".{run.files.weights.name}.{HALF}.scratch").mkdir()
    (run.files.folder / f".{run.files.kept_at(3).name}.{HALF}.aside").write_text("half")
    return run


def select(root, *names, where=(), only=()):
    return chosen(names, root, pytest.fail, conditions(where), only)


def everything(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() or path.is_symlink()}


def test_all_files_of_a_run_are_deleted_and_no_other(run, tmp_path):
    other = made_up_run(tmp_path / "checkpoints", seed=1, steps=1)
    (run.files.folder / "notes.txt").write_text("mine")
    (run.files.folder / f"{run.files.stem}_notes.txt").write_text("mine")
    kept = {path for path in everything(tmp_path) if run.files.stem not in path} | {
        str((run.files.folder / f"{run.files.stem}_notes.txt").relative_to(tmp_path))
    }
    [removal] = select(tmp_path / "checkpoints", run.record.run_id[:6])
    assert removal.state == "done" and removal.others == [f"{run.files.stem}_notes.txt"]
    before = sum(
        path.stat().st_size for path in run.files.folder.rglob("*") if path.is_file() and path in removal.parts
    )
    assert remove(removal) == removal.bytes == before + 5 * 2 + 0
    assert everything(tmp_path) == kept and other.files.record.exists()


def test_a_run_whose_name_begins_another_s_takes_none_of_its_files(run):
    longer = run.files.folder / f"{run.files.stem}_best.json"  # its weights are called as this run's best weights
    longer.write_text("{")
    removal = removal_of(run.files)
    assert run.files.best not in removal.parts and run.files.weights in removal.parts
    remove(removal)
    assert longer.exists() and run.files.best.exists() and not run.files.record.exists()


def test_links_are_removed_and_what_they_lead_to_is_not(run, tmp_path):
    (outside := tmp_path / "outside").mkdir()
    (outside / "mine").write_text("mine")
    shutil.rmtree(run.files.state)
    run.files.state.symlink_to(outside)
    run.files.weights.unlink()
    run.files.weights.symlink_to(outside / "mine")
    (run.files.push / "elsewhere").symlink_to(outside)
    moved = shutil.move(run.files.record, outside / "record.json")
    run.files.record.symlink_to(moved)
    removal = removal_of(run.files)
    assert removal.parts[run.files.weights] == removal.parts[run.files.state] == removal.parts[run.files.record] == 0
    remove(removal)
    assert everything(tmp_path) == {"outside/mine", "outside/record.json"}


def test_a_run_behind_a_link_is_kept_and_named(tmp_path):
    run = made_up_run(tmp_path / "volume", steps=1)
    (root := tmp_path / "checkpoints").mkdir()
    (root / "linked").symlink_to(tmp_path / "volume")
    said = []
    assert [entry.run_id for entry in runs.indexed(root)] == [run.record.run_id]
    with pytest.raises(InputError, match=r"no run .* is selected"):
        chosen((), root, said.append, conditions(["model=vit_classic"]), ())
    assert len(said) == 1 and "behind a link" in said[0] and str(root / "linked") in said[0]
    with pytest.raises(InputError, match="0 runs"):
        select(root, run.record.run_id)
    assert run.files.record.exists()


def test_an_id_means_every_copy_and_a_path_one(run, tmp_path):
    root = tmp_path / "checkpoints"
    copy = shutil.copytree(run.files.folder, root / "away" / "copy")
    both = {removal.files.folder for removal in select(root, run.record.run_id)}
    assert both == {run.files.folder, copy} == {each.files.folder for each in select(root, where=["epochs=50"])}
    for named in (copy / run.files.record.name, copy / run.files.stem, copy / run.files.log.name, copy):
        assert [each.files.folder for each in select(root, str(named))] == [copy]
    assert len(select(root, str(copy), run.record.run_id)) == 2, "each run is deleted once"


@pytest.mark.parametrize("text", ["{", "", "[1]", "\xff\x00"])
def test_a_damaged_record_is_deleted_by_its_id_and_by_its_path(run, tmp_path, text):
    run.files.record.write_text(text)
    for named in (run.record.run_id, str(run.files.record), str(tmp_path / "checkpoints")):
        [removal] = select(tmp_path / "checkpoints", named)
        assert removal.state == "damaged record" and removal.run_id == run.record.run_id
    remove(removal)
    assert not [path for path in everything(tmp_path) if run.files.stem in path]


def test_a_run_that_another_process_uses_is_refused_and_whole(run, tmp_path):
    before = everything(tmp_path)
    removals = select(tmp_path / "checkpoints", run.record.run_id)
    with locks.lock(run.files.lock, wait=False):
        with pytest.raises(Held, match=rf"run {run.record.run_id} .*nothing was deleted"):
            removing.require_free(removals)
        with pytest.raises(Held):
            remove(removals[0])
        assert everything(tmp_path) == before | {str(run.files.lock.relative_to(tmp_path))}
    removing.require_free(removals)


def test_a_run_that_changed_since_it_was_listed_is_refused(run):
    removal = removal_of(run.files)
    put(run.files.record, raw(run) | {"status": "running", "finished": "later"})
    with pytest.raises(InputError, match=r"changed since .*again"):
        remove(removal)
    assert run.files.record.exists() and run.files.weights.exists()
    removal = removal_of(run.files)
    run.files.record.unlink()
    with pytest.raises(InputError, match="changed"):
        remove(removal)


@pytest.fixture
def half_removed(run):
    """What a removal leaves that was killed after its first step."""
    run.files.record.rename(stems.marker(run.files))
    run.files.best.unlink()
    return run


def test_leftovers_are_found_named_and_deleted_with_any_other_run(half_removed, tmp_path):
    root, other = tmp_path / "checkpoints", made_up_run(tmp_path / "checkpoints", seed=1, steps=1)
    [left] = leftovers(root)
    assert left.state == "left by an interrupted removal" and left.run_id == half_removed.record.run_id
    assert {each.run_id for each in select(root, other.record.run_id)} == {left.run_id, other.record.run_id}
    assert select(root) == [left] == select(root, left.run_id)
    remove(left)
    assert leftovers(root) == [] and not [path for path in everything(tmp_path) if left.files.stem in path]
    with pytest.raises(InputError, match=r"no run .* is selected"):
        select(root)


def test_a_run_that_is_trained_again_after_a_killed_removal_is_no_leftover(half_removed, tmp_path):
    half_removed.files.sweep()  # as `train` does before its first step
    assert leftovers(tmp_path / "checkpoints") == [] and not stems.marker(half_removed.files).exists()
    assert half_removed.files.weights.exists()


def test_leftovers_that_a_process_uses_are_kept(half_removed, tmp_path):
    with locks.lock(half_removed.files.lock, wait=False):
        assert leftovers(tmp_path / "checkpoints") == []


def test_the_folder_of_a_model_goes_with_its_last_run_and_the_root_stays(run, tmp_path):
    root = tmp_path / "checkpoints"
    removal = removal_of(run.files)
    removing.remove_folder(removal, root)
    assert run.files.folder.exists(), "it has files"
    remove(removal)
    removing.remove_folder(removal, run.files.folder)
    assert run.files.folder.exists(), "it is the root"
    removing.remove_folder(removal, root)
    assert not run.files.folder.exists() and root.exists()


@pytest.mark.parametrize("name", ["zzz", "model_x", "notes.txt", "fffffffff", "../outside"])
def test_a_name_that_no_run_has_is_refused(run, tmp_path, name):
    with pytest.raises(InputError, match="0 runs"):
        select(tmp_path / "checkpoints", name)


def test_several_runs_of_one_beginning_and_two_ways_to_select_are_refused(run, tmp_path):
    root = tmp_path / "checkpoints"
    others = [made_up_run(root, seed=seed, steps=1).record.run_id for seed in range(1, 4)]
    with pytest.raises(InputError, match=r"4 runs are in the folder .*Name one") as refusal:
        select(root, str(root))
    assert all(run_id in str(refusal.value) for run_id in [run.record.run_id, *others])
    with pytest.raises(InputError, match="--where or --state both select"):
        select(root, run.record.run_id, where=["seed=0"])


def test_a_half_removed_file_that_may_not_be_deleted_leaves_leftovers(run, tmp_path, monkeypatch):
    refused = PermissionError(13, "Permission denied", str(run.files.splits))
    unlink = os.unlink
    monkeypatch.setattr(
        os, "unlink", lambda path, **more: (_ for _ in ()).throw(refused) if str(path).endswith("_splits.parquet")
        else unlink(path, **more)
    )  # fmt: skip
    with pytest.raises(PermissionError):
        remove(removal_of(run.files))
    assert len(leftovers(tmp_path / "checkpoints")) == 1 and not run.files.record.exists()
