"""A run's own folder later: gone, changed, or somewhere else."""

import pytest

from app import data
from app.errors import InputError

from .pictures import encoded, noise, write_images
from .reading import Reading


@pytest.fixture(autouse=True)
def _empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ISOSCALE_CACHE", str(tmp_path / "cache"))


def test_a_run_goes_on_without_its_folder_while_the_cache_is_there(tmp_path):
    reading = Reading(write_images(tmp_path / "pets"))
    (tmp_path / "pets").rename(tmp_path / "gone")
    version = reading.manifest["version"]
    assert data.prepare(reading.ask, print, print, version=version).folder == reading.cached.folder


def moved(tmp_path, monkeypatch):
    """What a run knows of ./pets and its version, started in the folder above; then pets lies elsewhere, uncached."""
    write_images(tmp_path / "pets")
    monkeypatch.chdir(tmp_path)
    reading = Reading("./pets")
    (tmp_path / "cache").rename(tmp_path / "no-cache")
    (tmp_path / "pets").rename(tmp_path / "elsewhere")
    return reading.ask, reading.manifest["version"]


def test_a_folder_that_is_gone_is_missed_in_the_directory_where_it_was_sought(tmp_path, monkeypatch):
    ask, version = moved(tmp_path, monkeypatch)
    says = rf"the folder \./pets of local/pets does not exist in {tmp_path}, and the data are not in the cache. Start"
    with pytest.raises(InputError, match=says):
        data.prepare(ask, print, print, version=version)


def test_a_run_s_dataset_is_read_from_another_folder_of_the_same_content_and_no_other(tmp_path, monkeypatch):
    ask, version = moved(tmp_path, monkeypatch)
    found = data.prepare(data.at(ask, "./elsewhere"), print, lambda *_: None, version=version)
    assert found.manifest.version == version and found.manifest.rows == {"train": 24, "test": 24}
    with pytest.raises(
        InputError, match=r"other is not the data that the run was made with: its fingerprint is .*. Give the"
    ):
        data.at(ask, str(write_images(tmp_path / "other", each=3)))
    with pytest.raises(InputError, match=r"digits is not read from a folder. Omit --data \./elsewhere"):
        data.at(Reading("digits").ask, "./elsewhere")


def test_a_changed_folder_is_not_taken_for_the_run_s_own(tmp_path):
    reading = Reading(write_images(tmp_path / "pets"))
    (tmp_path / "pets" / "train" / "cat" / "00.png").write_bytes(encoded(noise(99)))
    (tmp_path / "cache").rename(tmp_path / "no-cache")
    with pytest.raises(InputError, match="differs from the data that the run was made with"):
        data.prepare(reading.ask, print, print, version=reading.manifest["version"])
