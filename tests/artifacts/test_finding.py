"""Which run is meant: found by anything that names it alone, refused with what there is otherwise."""

import shutil

import pytest
from raw_records import put, raw
from report import made_up_run, seeds_of

from app.artifacts import runs as finding
from app.artifacts.runs import find_runs
from app.errors import Damaged, InputError


def test_a_run_is_found_at_its_stem_at_any_of_its_files_and_alone_in_a_folder(tmp_path):
    run = made_up_run(tmp_path, size="7.5M")
    stem = run.files.folder / run.files.stem
    for path in (tmp_path, run.files.folder, stem, run.files.record, run.files.log, run.files.best_predictions):
        assert finding.at_path(path).files == run.files


def test_a_second_download_s_file_belongs_to_the_record_of_that_name(tmp_path):
    run = made_up_run(tmp_path)
    again = shutil.copy(run.files.record, run.files.folder / f"{run.files.stem} (1).json")
    with pytest.raises(
        InputError, match=rf"\(1\)\.json is .* another name. Rename it to {run.files.stem}\.json, or re"
    ):
        finding.at_path(again.with_name(f"{again.stem}_training.log"))


def test_a_folder_of_several_runs_or_of_none_is_refused_with_their_names(tmp_path):
    with pytest.raises(InputError, match=r"contains 0 runs \(none\). Name one"):
        finding.at_path(tmp_path)
    runs = [made_up_run(tmp_path, seed=seed) for seed in (0, 1)]
    with pytest.raises(InputError, match="contains 2 runs") as refusal:
        finding.at_path(tmp_path)
    assert all(run.files.stem in str(refusal.value) for run in runs)


def copied(run, folder):
    """A copy of a run's files in another folder."""
    shutil.copytree(run.files.folder, folder)
    return folder / run.files.record.name


def test_the_beginning_of_an_id_is_enough_where_it_fits_one_run(tmp_path):
    first = made_up_run(tmp_path)
    both = [first, made_up_run(tmp_path, minute=1, seed=next(seeds_of(first, first.record.run_id[0])))]
    ids = [run.record.run_id for run in both]
    assert finding.by_id(ids[1][:6], tmp_path, pytest.fail).files == both[1].files
    for beginning in (ids[0][0], "x", ""):
        with pytest.raises(InputError, match=f"have an ID that begins with .*. Valid values: {', '.join(ids)}"):
            finding.by_id(beginning, tmp_path, pytest.fail)


def test_copies_of_a_run_are_no_second_run(tmp_path):
    run = made_up_run(tmp_path)
    copied(run, run.files.folder / run.files.stem)
    asked = {"model": "vit_classic", "size": None, "dataset": None, "checkpoints": tmp_path, "say": pytest.fail}
    found = [finding.by_id(run.record.run_id, tmp_path, pytest.fail), finding.newest(**asked)]
    assert [*found, finding.at_path(tmp_path), finding.at_path(run.files.folder)] == [run] * 4


def test_a_damaged_record_stops_only_who_asks_for_it(tmp_path):
    run, other = made_up_run(tmp_path), made_up_run(tmp_path, seed=1)
    other.files.record.write_text("{")
    said = []
    asked = {"model": "vit_classic", "size": None, "dataset": None, "checkpoints": tmp_path, "say": said.append}
    assert finding.by_id(run.record.run_id, tmp_path, said.append) == finding.newest(**asked) == run
    assert len(said) == 2 and all(str(other.files.record) in text for text in said)
    for path in (other.files.record, other.files.folder / other.files.stem, tmp_path):
        with pytest.raises(Damaged, match="is damaged"):
            finding.at_path(path)
    with pytest.raises(Damaged, match="is damaged"):
        finding.by_id(other.record.run_id, tmp_path, pytest.fail)


def test_a_damaged_copy_hides_no_run(tmp_path):
    run = made_up_run(tmp_path)
    copied(run, tmp_path / "copy").write_text("{")
    said = []
    assert finding.by_id(run.record.run_id, tmp_path, said.append) == run
    assert len(said) == 1


def test_a_run_is_placed_by_its_model_unless_only_a_copy_elsewhere_is_finished(tmp_path):
    run = made_up_run(tmp_path)
    assert finding.place_of(tmp_path / "none", run.config).folder == tmp_path / "none" / "vit_classic"
    copy = copied(run, run.files.folder / run.files.stem)
    assert finding.place_of(tmp_path, run.config) == run.files
    for text in (run.files.record.read_text().replace('"done"', '"running"'), "{"):
        run.files.record.write_text(text)
        assert finding.place_of(tmp_path, run.config).record == copy
    run.files.record.unlink()
    assert finding.place_of(tmp_path, run.config).record == copy
    put(copy, raw(run) | {"status": "running"})
    assert finding.place_of(tmp_path, run.config) == run.files


def test_the_newest_finished_run_that_fits_is_taken_and_the_others_are_told(tmp_path):
    runs = [
        made_up_run(tmp_path, seed=minute, minute=minute, status=status)
        for minute, status in enumerate(("done", "done", "running"))
    ]
    made_up_run(tmp_path, size="25M", minute=9)
    ids, said = [run.record.run_id for run in runs], []
    asked = {"model": None, "size": "10M", "dataset": "cifar100", "checkpoints": tmp_path, "say": said.append}
    assert finding.newest(**asked).record.run_id == ids[1]
    assert said == [f"run {ids[1]} is used, the newest. --run selects another that fits: {ids[0]}"]
    with pytest.raises(InputError, match="no finished run of size 50M, dataset cifar100"):
        finding.newest(**asked | {"size": "50M"})


def test_an_unfinished_run_is_told_to_be_continued(tmp_path):
    made_up_run(tmp_path, status="running")
    with pytest.raises(InputError, match=r"1 unfinished: the same train command resumes one"):
        finding.newest(model="vit_classic", size=None, dataset=None, checkpoints=tmp_path, say=pytest.fail)


@pytest.fixture
def made(tmp_path):
    """A finished run at its place below the folder."""
    return made_up_run(tmp_path, dataset="digits", steps=1)


def test_runs_are_found_at_any_depth_oldest_first(tmp_path):
    for folder, minute in (("b", 1), ("a", 2), ("c/d", 0)):
        made_up_run(tmp_path / folder, seed=minute, minute=minute, steps=1)
    assert [run.files.folder.parent.name for run in find_runs(tmp_path)] == ["d", "b", "a"]
    assert find_runs(tmp_path / "nowhere") == []


def copied_with(run, folder, **fields):
    """A copy of a run's record with other fields."""
    path = folder / run.files.record.name
    put(path, raw(run) | fields)
    return path


def test_copies_of_a_run_are_one_the_finished_one_then_the_one_in_its_place_then_the_newest(tmp_path, made):
    own = made.files.record
    below = copied_with(made, own.parent / made.files.stem, finished="2026-11-22")
    newest = copied_with(made, tmp_path / "away", finished="2026-11-23")
    copied_with(made, tmp_path / ".partial", finished="2026-11-24")
    assert [run.files.record for run in find_runs(tmp_path)] == [own]
    assert [run.files.record for run in find_runs(own.parent)] == [own]
    put(own, raw(made) | {"status": "running"})
    assert [run.files.record for run in find_runs(tmp_path)] == [newest]
    assert [run.files.record for run in find_runs(own.parent)] == [below]
    newest.unlink()
    below.unlink()
    assert [run.done for run in find_runs(tmp_path)] == [False]


def test_a_record_that_cannot_be_read_is_told_once_and_passed_over(tmp_path, made):
    other = made_up_run(tmp_path, dataset="digits", seed=1, steps=1)
    other.files.record.write_text("{")
    said = []
    assert [run.files for run in find_runs(tmp_path, said.append)] == [made.files]
    assert len(said) == 1 and said[0].startswith(f"passed over: the run record {other.files.record} is damaged")
    with pytest.raises(Damaged, match="is damaged"):
        find_runs(tmp_path)
