"""Synthetic fields: the published mean's densities, local differences, the published files' form."""

import numpy as np
import pytest

from app.errors import InputError
from app.synthetic import cylinder_files
from app.synthetic.cylinder_files import read_design
from app.synthetic.nested_cylinder import density, simulate
from app.tables.synthetic import FieldRecipe

# Radius in cm -> height in cm -> the mean of 31 real simulations at 22.2 microseconds, read off the published figure.
CHECKPOINTS = {
    0.0: {24: 7.23, 16.4: 9.9, 16.2: 11.7, 16: 10.1, 15: 7.4, 14: 5.8, 13: 4.9, 12: 4.6, 11: 5.3, 10.5: 6.5, 9.5: 6.4},
    0.5: {18: 7.23, 17: 9.7, 16: 10.3, 15: 9.4, 14: 8.2, 13: 6.8, 12: 6.2, 11: 5.6, 10: 6.1},
    1.0: {18.5: 7.23, 18: 9.3, 16: 8.9, 15: 9.7, 14: 8.1, 13: 6.9, 12: 6.6, 10: 6.4},
    2.1: {20: 1.77, 19: 2.13, 18: 1.86, 17: 1.66, 16: 1.51, 14: 1.31, 12: 0.84, 10: 0.64, 8.3: 0.50},
}


@pytest.fixture(scope="module")
def fields():
    return np.stack([density(simulate(key, seed=0), 112) for key in cylinder_files.drawn_keys(31)])


@pytest.mark.slow
def test_the_mean_density_is_the_published_one_at_every_checkpoint(fields):
    mean = fields.mean(0)
    for r, column in CHECKPOINTS.items():
        for z, wanted in column.items():
            assert mean[round(100 * z), round(100 * r)] == pytest.approx(wanted, abs=0.5), (r, z)


@pytest.mark.slow
def test_the_difference_between_simulations_is_local(fields):
    spread = fields.std(0)[800:, :250]
    apex, edge = spread[760:880, :20].max(), spread[600:1000, 110:150].max(1)
    assert 2.3 < apex < 3.5 and 0.3 < np.median(edge) < 0.9
    assert (spread > 0.1).mean() < 0.04 and (spread[1250:, :130] == 0).all()


def test_the_fronts_move_up_with_time_and_a_cavity_opens_late_smaller_in_stronger_tin():
    weak, strong = (simulate("a_b_1", seed=0, ptw_scale=scale) for scale in (0.3, 1.9))
    fields = {index: density(weak, index) for index in (105, 112, 125)}
    apexes = [int(field[800:, 0].argmax()) for field in fields.values()]
    assert np.diff(apexes) / 100 == pytest.approx([0.9 * 1.4, 0.9 * 2.6], abs=0.03)
    torn = [(field[1000:1400, 5:40] < 3).sum() for field in (fields[125], density(strong, 125), fields[112])]
    assert torn[0] > 1.5 * torn[1] > 0 == torn[2]


def test_the_same_seed_gives_the_same_bytes_however_many_are_made(tmp_path):
    for name, simulations in (("one", 1), ("two", 2)):
        recipe = FieldRecipe(simulations=simulations, frames=2, seed=3)
        cylinder_files.make(recipe, tmp_path / name, design=None, progress=lambda done, of: None)
    files = {path.name: path.read_bytes() for path in (tmp_path / "one").glob("*.npz")}
    assert sorted(files) == [f"nc231213_Sn_id0001_pvi_idx00{index}.npz" for index in (105, 125)]
    assert all((tmp_path / "two" / name).read_bytes() == data for name, data in files.items())
    with np.load(tmp_path / "one" / "nc231213_Sn_id0001_pvi_idx00125.npz") as field:
        assert field["rho"].dtype == np.float32 and field["rho"].shape == (2500, 500)
        assert (float(field["sim_time"]), field["Rcoord"][250], field["Zcoord"][800]) == (24.8, 2.5, 8.0)
        assert "synthetic" in str(field["synthetic"])


def test_a_drawn_design_is_read_back_as_it_was_written(tmp_path):
    targets = {key: simulate(key, seed=0).ptw_scale for key in cylinder_files.drawn_keys(40)}
    (tmp_path / "design.csv").write_text(cylinder_files.design_table(targets))
    assert read_design(tmp_path / "design.csv", 40) == targets
    assert 0.25 <= min(targets.values()) < 0.5 and 1.7 < max(targets.values()) <= 2


@pytest.mark.parametrize(("text", "says"), [
    ("", "has no header. Add one such as `key, ptw_scale`"), ("key, scale\na_b_1, 1", "no column 'ptw_scale'"),
    ("key, ptw_scale  \na_b_1, x", "line 2 .* has 'x' as ptw_scale"), ("key,ptw_scale\na_b_1,nan", "has 'nan'"),
    ("key,ptw_scale\na_b,1", "the key 'a_b' is not three words"), ("key,ptw_scale\n../_b_1,1", "is not three words"),
    ("key,ptw_scale\na_b_1,1\na_b_1,1", "line 3 .* repeats the key a_b_1"),
    ("key,ptw_scale\na_b_1,1\na_b_2,11", "of a_b_2 is 11. Use a"),
    ("key,ptw_scale\na_b_1,1", "has 1 simulations, fewer than the 2 that"),
])  # fmt: skip
def test_a_design_that_cannot_be_used_is_refused_with_its_place(tmp_path, text, says):
    (tmp_path / "design.csv").write_text(text)
    with pytest.raises(InputError, match=says):
        read_design(tmp_path / "design.csv", 2)
