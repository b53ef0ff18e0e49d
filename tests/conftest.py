"""What all tests share: no network, no user settings, one thread per worker, and a quick run of the whole program."""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # hub_server.py and its parts are imported by their names

for name in ("HF_TOKEN", "HF_REPOSITORY", "HF_ENDPOINT", "HF_HOME", "ISOSCALE_COMMIT"):
    os.environ.pop(name, None)
os.environ |= {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_XET": "1", "NO_COLOR": "1"}


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory):
    """A cache for datasets that every test reads alike."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def cache_folder(shared_cache, monkeypatch):
    """Points the program at the session's cache."""
    monkeypatch.setenv("ISOSCALE_CACHE", str(shared_cache))
    return shared_cache


@pytest.fixture(autouse=True)
def _one_thread():
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
