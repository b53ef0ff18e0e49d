"""Which run is meant: found by anything that names it alone, refused with what there is otherwise."""

import pytest
from report import made_up_run

from app.artifacts import finding
from app.errors import InputError


def test_a_run_is_found_at_its_stem_at_any_of_its_files_and_alone_in_a_folder(tmp_path):
    run = made_up_run(tmp_path, size="7.5M")
    stem = run.files.folder / run.files.stem
    for path in (tmp_path, run.files.folder, stem, run.files.record, run.files.log, run.files.best_predictions):
        assert finding.at_path(path).files == run.files


def test_a_file_belongs_to_the_run_with_the_longest_name_that_fits(tmp_path):
    run = made_up_run(tmp_path)
    longer = run.files.folder / f"{run.files.stem}_more.json"
    longer.write_bytes(run.files.record.read_bytes())
    assert finding.at_path(longer.with_name(f"{longer.stem}_training.log")).files.record == longer


def test_a_folder_of_several_runs_or_of_none_is_refused_with_their_names(tmp_path):
    with pytest.raises(InputError, match=r"holds 0 runs \(none\); name one"):
        finding.at_path(tmp_path)
    runs = [made_up_run(tmp_path, seed=seed) for seed in (0, 1)]
    with pytest.raises(InputError, match="holds 2 runs") as refusal:
        finding.at_path(tmp_path)
    assert all(run.files.stem in str(refusal.value) for run in runs)


def test_the_beginning_of_an_id_is_enough_where_it_fits_one_run(tmp_path):
    runs = [made_up_run(tmp_path, seed=n, minute=n, record={"run_id": f"ab{n}00000"}) for n in (0, 1)]
    assert finding.by_id("ab1", tmp_path).files == runs[1].files
    for beginning in ("ab", "c", ""):
        with pytest.raises(InputError, match=r"have an id that begins with .*; there are: ab000000, ab100000"):
            finding.by_id(beginning, tmp_path)


def test_the_newest_finished_run_that_fits_is_taken_and_the_others_are_told(tmp_path):
    names = {"model": "vit_classic", "size": "10M", "dataset": "cifar100"}
    for minute, status in enumerate(("done", "done", "running")):
        made_up_run(tmp_path, seed=minute, minute=minute, status=status, record=names | {"run_id": f"{minute}" * 8})
    made_up_run(tmp_path, size="25M", minute=9, record=names | {"size": "25M"})
    said = []
    asked = {"model": None, "size": "10M", "dataset": "cifar100", "checkpoints": tmp_path, "say": said.append}
    assert finding.newest(**asked).record["run_id"] == "11111111"
    assert said == ["taken: run 11111111, the newest; --run takes another that fits: 00000000"]
    with pytest.raises(InputError, match="no finished run of size 50M, dataset cifar100"):
        finding.newest(**asked | {"size": "50M"})


def test_an_unfinished_run_is_told_to_be_continued(tmp_path):
    made_up_run(tmp_path, status="running", record={"model": "vit_classic"})
    with pytest.raises(InputError, match=r"1 unfinished: the same train command continues one"):
        finding.newest(model="vit_classic", size=None, dataset=None, checkpoints=tmp_path, say=pytest.fail)
