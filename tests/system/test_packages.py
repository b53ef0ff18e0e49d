"""Which packages are installed: a folder of a package's name is none."""

import pytest

from app.errors import InputError
from app.sharing import mirrored
from app.system import packages
from app.tables.trackers import tracker_row


def test_a_folder_without_code_is_not_a_package(tmp_path, monkeypatch):
    (tmp_path / "notthere" / "offline-run").mkdir(parents=True)
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    assert packages.is_installed("there") and packages.is_installed("sys") and packages.is_installed("torch")
    assert not packages.is_installed("notthere") and not packages.is_installed("neither_folder_nor_package")


def test_the_folder_of_offline_runs_does_not_count_as_the_package_of_w_and_b(tmp_path, monkeypatch):
    row = tracker_row("wandb")._replace(package="wandb_as_if_missing")
    (tmp_path / row.package / "offline-run").mkdir(parents=True)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(mirrored, "tracker_row", lambda name: row)
    with pytest.raises(InputError, match="not installed"):
        mirrored.require_installed(["wandb"])
