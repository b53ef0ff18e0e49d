"""A small Hub and a process of the real clients, for all tests that read datasets of the Hub. It starts in 7 s."""

import pytest
from hub.server import HubServer

from .at_hub import Client


@pytest.fixture(scope="session")
def server():
    with HubServer() as server:
        yield server


@pytest.fixture(scope="session")
def reader(server, tmp_path_factory):
    """The process; tests give it an empty cache, and datasets of other names, for the clients keep what they learnt."""
    client = Client(server, tmp_path_factory.mktemp("client"))
    yield client
    client.close()
