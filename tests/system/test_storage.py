"""Bytes on a disk, and removing without following links."""

import pytest

from app.system.storage import remove, spoken, spoken_alike, taken


@pytest.mark.parametrize(
    ("count", "said"),
    [(0, "0 bytes"), (999, "999 bytes"), (1_000, "1.0 kB"), (184_320_000, "184.3 MB"), (1.93e11, "193.0 GB")],
)
def test_bytes_are_said_in_the_unit_that_fits(count, said):
    assert spoken(int(count)) == said


def test_a_folder_takes_what_its_files_take_and_a_link_nothing(tmp_path):
    folder = tmp_path / "folder"
    (folder / "inner").mkdir(parents=True)
    (folder / "a").write_bytes(b"12345")
    (folder / "inner" / "b").write_bytes(b"123")
    (folder / "up").symlink_to(tmp_path)
    (folder / "to_a").symlink_to(folder / "a")
    assert taken(folder) == 8 and taken(folder / "to_a") == 0 and taken(tmp_path / "nowhere") == 0


def test_a_file_a_link_and_a_folder_are_removed_and_nothing_behind_a_link(tmp_path):
    (kept := tmp_path / "kept").mkdir()
    (kept / "mine").write_text("mine")
    (folder := tmp_path / "folder").mkdir()
    (folder / "link").symlink_to(kept)
    (tmp_path / "link").symlink_to(kept)
    (tmp_path / "broken").symlink_to(tmp_path / "absent")
    (tmp_path / "file").write_text("x")
    for name in ("folder", "link", "broken", "file", "absent"):
        remove(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["kept"] and (kept / "mine").read_text() == "mine"


def test_bytes_that_are_read_together_have_the_unit_of_the_largest():
    assert spoken_alike([7, 3_500_000]) == ["0.0 MB", "3.5 MB"]
    assert spoken_alike([39_000_000, 6_947_000_000]) == ["0.04 GB", "6.95 GB"]
    assert spoken_alike([]) == [] and spoken_alike([0, 7]) == ["0 bytes", "7 bytes"]
