"""Lists of fields: no simulation in two splits, unreadable files left out, shares that cannot be refused."""

import io
import zipfile

import numpy as np
import pytest

from app.data.sources import filelist
from app.data.sources.design import key_of
from app.errors import InputError

SHARES = {"train": 0.6, "val": 0.2, "test": 0.2}


@pytest.fixture
def fields(tmp_path):
    """Twenty simulations at three times each, of a few bytes."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, rho=np.zeros((2, 2)))
    for number in range(1, 21):
        for index in (105, 112, 125):
            (tmp_path / f"nc231213_Sn_id{number:04d}_pvi_idx{index:05d}.npz").write_bytes(buffer.getvalue())
    return tmp_path


def test_the_frames_of_a_simulation_stay_together_and_files_alone_do_not(fields):
    by = {kind: filelist.divided(fields, fractions=SHARES, by=kind, seed=0)[0] for kind in ("simulation", "file")}
    for kind, split in by.items():
        assert [len(files) for files in split.values()] == [36, 12, 12]
        assert len({path for files in split.values() for path in files}) == 60
        groups = [{key_of(path.name) for path in files} for files in split.values()]
        assert bool(groups[0] & groups[2]) == (kind == "file")


def test_the_seed_alone_decides_and_lists_are_as_upstream_writes_them(fields, tmp_path):
    found = [filelist.divided(fields, fractions=SHARES, by="simulation", seed=seed)[0] for seed in (0, 0, 1)]
    assert found[0] == found[1] != found[2]
    out = tmp_path / "lists"
    paths = filelist.write(found[0], out)
    assert [path.name for path in paths] == [f"datalist_{split}_samples.txt" for split in SHARES]
    assert paths[0].read_text().splitlines() == [str(path) for path in found[0]["train"]]
    assert filelist.write(found[0], out) == paths
    with pytest.raises(InputError, match=r"exists and lists other files. Give --out a new folder"):
        filelist.write(found[2], out)


def test_files_that_cannot_be_read_are_listed_and_left_out(fields):
    files = sorted(fields.glob("*.npz"))
    files[0].write_bytes(b"")
    files[1].write_bytes(files[2].read_bytes()[:-30])
    damaged = bytearray(files[3].read_bytes())
    damaged[60] ^= 255
    files[3].write_bytes(damaged)
    with zipfile.ZipFile(files[4], "w"):
        pass
    found, _, unreadable = filelist.divided(fields, fractions=SHARES, by="file", seed=0)
    assert unreadable == [files[i] for i in (0, 1, 3, 4)]
    assert not set(unreadable) & {path for split in found.values() for path in split}


@pytest.mark.parametrize("kind", ["simulation", "file"])
def test_files_of_no_split_are_returned(fields, kind):
    """Shares are rounded down to complete simulations or files."""
    shares = {"train": 0.63, "val": 0.18, "test": 0.19}
    found, rest, _ = filelist.divided(fields, fractions=shares, by=kind, seed=0)
    assert rest and sorted([*rest, *(path for split in found.values() for path in split)]) == sorted(
        fields.glob("*.npz")
    )


@pytest.mark.parametrize("shares", [(0.7, 0.2, 0.2), (-0.1, 0.5, 0.5), (0, 0, 0), (float("nan"), 0.2, 0.2)])
def test_shares_that_are_none_are_refused(shares):
    with pytest.raises(InputError, match="with a sum above 0 and at most 1"):
        filelist.require_fractions(dict(zip(SHARES, shares, strict=True)))


def test_a_folder_without_fields_or_with_too_few_is_refused(tmp_path, fields):
    with pytest.raises(InputError, match=r"20 simulations are too few for a share of 0\.01 as val"):
        filelist.divided(fields, fractions={**SHARES, "val": 0.01}, by="simulation", seed=0)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"empty contains no readable \.npz files of fields. Name the folder"):
        filelist.divided(tmp_path / "empty", fractions=SHARES, by="simulation", seed=0)
