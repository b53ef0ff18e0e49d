"""The figure of a field early and late: which files, which pixels, which centimetres and microseconds."""

import numpy as np
import pytest

from app.errors import InputError
from app.report import field


def save(folder, name, rows=900, columns=300, **more):
    rho = np.arange(rows * columns, dtype=np.float64).reshape(rows, columns)
    np.savez(folder / name, **{"rho": rho, **more})


@pytest.fixture
def folder(tmp_path):
    for key in ("id0001", "id0020"):
        for frame in (105, 112, 125):
            save(tmp_path, f"nc231213_Sn_{key}_pvi_idx{frame:05}.npz")
    return tmp_path


def test_the_first_and_the_last_frame_of_a_simulation_are_drawn(folder):
    early, late = field._files(folder, "id0020")
    assert (early.name[-9:], late.name[-9:]) == ("00105.npz", "00125.npz") and "id0020" in early.name
    paths = field.draw(folder, field="rho", simulation=None, out=folder / "out")
    assert [path.name for path in paths] == [f"field_rho_nc231213_Sn_id0001.{kind}" for kind in ("png", "svg")]


def test_the_part_below_the_crop_is_left_out_and_mirrored_at_the_axis(folder):
    frame = field._frame(field._files(folder, None)[0], "rho")
    assert frame.image.shape == (100, 500) and np.array_equal(frame.image, np.fliplr(frame.image))
    assert frame.image[0, 250] == 800 * 300
    assert (frame.radius, frame.bottom, frame.top) == pytest.approx((2.5, 8.0, 9.0))
    assert frame.time == pytest.approx(20.8)


def test_coordinates_and_time_of_the_file_stand_before_what_is_published(tmp_path):
    about = {"Rcoord": 0.02 * np.arange(300), "Zcoord": 1 + 0.02 * np.arange(900), "sim_time": np.float64(23.4)}
    save(tmp_path, "nc231213_Sn_id0001_pvi_idx00105.npz", **about)
    frame = field._frame(next(tmp_path.glob("*.npz")), "rho")
    assert (frame.radius, frame.bottom, frame.top, frame.time) == pytest.approx((5.0, 17.0, 19.0, 23.4))


def test_what_is_not_there_is_said_with_what_is(folder, tmp_path):
    with pytest.raises(InputError, match="no simulation 'id0002'"):
        field.draw(folder, field="rho", simulation="id0002", out=folder)
    with pytest.raises(InputError, match="has no field 'density'"):
        field.draw(folder, field="density", simulation=None, out=folder)
    with pytest.raises(InputError, match=r"contains no .npz files. Give the folder"):
        field.draw(tmp_path / "none", field="rho", simulation=None, out=folder)
    next(folder.glob("*id0001*105*")).write_bytes(b"PK")
    with pytest.raises(InputError, match="cannot be read as an archive of fields"):
        field.draw(folder, field="rho", simulation="id0001", out=folder)
