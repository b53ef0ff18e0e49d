"""Fields of simulations: what is cropped and mirrored, which target they have, and which split they fall into."""

import ast
import threading

import numpy as np
import pytest

from app import data
from app.config.run import resolve
from app.data.sources import design
from app.errors import DiskFull

from . import measured
from .test_damaged_files import HERE, silent

CROP = {"crop": "5:35,2:12"}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("ISOSCALE_CACHE", str(tmp_path / "cache"))
    return measured.fields(tmp_path / "f", simulations=10, frames=3, names=("rho", "pressure"))


def opened(folder, say=silent, **request):
    """(config, splits) of the fields in a folder."""
    request = {"dataset": "nested_cylinder", "data": str(folder), "model": "cnn", "depth": 1} | CROP | request
    facts = data.facts(request, say, silent)
    config = resolve(request, facts)
    cached = data.prepare(data.ask_of(config.to_json(), **data.where(request)), say, silent)
    return config, data.splits(config, HERE, cached, say)


def test_an_input_is_the_part_after_its_mirror_image_unchanged_and_its_target_the_simulation_s(folder):
    config, splits = opened(folder, field="rho,pressure")
    assert config.image == (30, 20) and config.channels == 2 and config.classes == 1 and config.task == "regression"
    inputs, targets = splits.train.batch(np.arange(len(splits.train)), epoch=0)
    target = design.targets(folder / "design.csv", "ptw_scale")
    files = sorted(folder.glob("*.npz"))
    for row, at in enumerate(splits.train.rows):
        with np.load(files[at]) as held:
            part = np.stack([held["rho"][5:35, 2:12], held["pressure"][5:35, 2:12]])
        assert np.array_equal(inputs[row], np.concatenate([part[:, :, ::-1], part], axis=2))
        assert targets[row] == np.float32(target[design.key_of(files[at].name)])


@pytest.mark.slow
def test_the_published_part_is_rows_from_800_and_250_columns_mirrored(tmp_path, monkeypatch):
    monkeypatch.setenv("ISOSCALE_CACHE", str(tmp_path / "cache"))
    measured.fields(tmp_path / "f", simulations=8, frames=1, rows=2500, columns=260)
    config, splits = opened(tmp_path / "f", crop=None)
    assert config.image == (1700, 500) and splits.train.batch(np.arange(1))[0].shape == (1, 1, 1700, 500)


def test_without_mirror_and_in_float16_they_are_the_part_itself_rounded(folder):
    config, splits = opened(folder, mirror=False, stored_dtype="float16")
    inputs, _ = splits.test.batch(np.arange(1))
    with np.load(sorted(folder.glob("*.npz"))[splits.test.rows[0]]) as held:
        wanted = held["rho"][5:35, 2:12].astype(np.float16).astype(np.float32)
    assert config.image == (30, 10) and np.array_equal(inputs[0, 0], wanted)


def test_all_frames_of_a_simulation_are_in_one_split(folder):
    _, splits = opened(folder)
    keys = [set(split.names) for split in (splits.train, splits.val, splits.test)]
    assert sum(map(len, keys)) == len(set.union(*keys)) == 10 and min(map(len, keys)) >= 2


@pytest.mark.parametrize("name", ["datalist_{}_samples.txt", "PVI_only_{}_samples.txt"])
def test_lists_decide_the_splits_and_what_they_leak_is_said(folder, tmp_path, name):
    files = [path.name for path in sorted(folder.glob("*.npz"))]
    lists = {"train": files[:11], "val": files[11:20], "test": files[20:]}
    (tmp_path / "lists").mkdir()
    for split, named in lists.items():
        (tmp_path / "lists" / name.format(split)).write_text("".join(f"../data/{file}\n" for file in named))
    said = []
    config, splits = opened(folder, said.append, filelist=str(tmp_path / "lists"))
    sizes = [len(split) for split in (splits.train, splits.val, splits.test)]
    assert sizes == [11, 9, 10] and config.fingerprint != opened(folder)[0].fingerprint
    assert "2 simulations in more than one split" in said[0] and splits.record["val_from"] == "val"


def test_the_upstream_list_of_samples_is_all_there_is_and_is_split_by_simulation(folder, tmp_path):
    files = [path.name for path in sorted(folder.glob("*.npz"))][:15]
    (tmp_path / "samples.txt").write_text("\n".join(files))
    _, splits = opened(folder, filelist=str(tmp_path / "samples.txt"))
    assert len(splits.train) + len(splits.val) + len(splits.test) == 15


def test_files_elsewhere_with_the_same_content_are_the_same_data_and_other_content_is_not(folder, tmp_path):
    first = opened(folder)[0]
    moved = tmp_path / "moved"
    folder.rename(moved)
    assert opened(moved)[0].run_id == first.run_id
    with (moved / "design.csv").open("a") as file:
        file.write("nc231213_Sn_id0999, 1\n")
    assert opened(moved)[0].run_id != first.run_id


def test_options_at_their_published_values_name_the_same_run(folder):
    plain = opened(folder)[0]
    assert opened(folder, field="rho", target="ptw_scale", mirror=True)[0].run_id == plain.run_id
    others = [
        opened(folder, **other)[0].run_id for other in ({"field": "pressure"}, {"target": "other"}, {"mirror": False})
    ]
    assert len({plain.run_id, *others}) == 4


def test_the_disk_must_have_room_for_the_bytes_of_the_fields(folder, monkeypatch):
    monkeypatch.setattr("app.system.durable.shutil.disk_usage", lambda _: type("Disk", (), {"free": 1 << 19}))
    with pytest.raises(
        DiskFull, match=r"bytes in .* free. To fix it, select a smaller part with --crop or --stored-dtype float16"
    ):
        opened(folder)


def test_velocimetry_files_are_passed_over_aloud(folder):
    (folder / "nc231213_Sn_id0001_pdv_idx00112.npz").write_bytes(b"")
    said = []
    opened(folder, said.append)
    assert "1 velocimetry files" in said[0]


def test_a_field_is_not_left_out_because_the_interpreter_s_parser_met_another_thread(folder, monkeypatch):
    parse, calls, own = ast.literal_eval, [], threading.local()

    def trips(text):
        if threading.current_thread() is threading.main_thread():
            return parse(text)
        calls.append(text)
        own.failed = not getattr(own, "failed", False)  # every other call of each thread
        if own.failed:
            raise SystemError("AST constructor recursion depth mismatch (before=27, after=20)")
        return parse(text)

    monkeypatch.setattr(ast, "literal_eval", trips)
    _, splits = opened(folder)
    assert len(calls) > 30 and sum(len(part) for part in (splits.train, splits.val, splits.test)) == 30
