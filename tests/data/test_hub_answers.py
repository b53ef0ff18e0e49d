"""A dataset of a Hub that answers strangely: every status and body ends in a sentence, and no cache is half-read."""

import itertools

import pytest

from .pictures import write_hub
from .test_hub_datasets import LABELS, NAMES, TINY_RUN

ALWAYS = 10**6
SOME = (302, 402, 425, 501)
TRANSIENT = {408, 425, 429, *range(500, 600)} - {501, 505}
CALLS = {"info": "GET /api/datasets/[^/]*/[^/]*/revision/", "files": "/api/datasets/.*/(tree|paths-info)/",
         "file": "(GET|HEAD) /datasets/.*/resolve/.*parquet"}  # fmt: skip
STRANGE = {"a page": b"<!doctype html><title>Sign in</title>", "a cut object": b'{"sha": "01', "null": b"null",
           "a list": b"[]", "a number": b"7", "an empty object": b"{}"}  # fmt: skip
_numbers = itertools.count()


@pytest.fixture
def client(reader):
    return reader


def met(server, client, folder, match, status, **how):
    """How a training ends where a call gets an answer each time, and how often that was; each dataset is a new one."""
    name = f"carol/set-{next(_numbers)}"
    server.faults.clear()
    server.add_dataset(name, write_hub(folder / name, LABELS, NAMES))
    client.cache = folder / name / "cache"
    fault = server.fault(match, status, times=ALWAYS, **how)
    ended = client.run("train", "--dataset", name, *TINY_RUN, "--checkpoints", str(folder / "runs"))
    said = ended["stderr"]
    assert "internal error" not in said and "Traceback" not in said and said.splitlines()[-1].startswith("error: ")
    kept = [path for path in client.cache.rglob("*") if path.is_file() and path.suffix != ".lock"]
    assert not [path for path in kept if path.name.startswith(("train-", "test-"))], kept
    return ended["code"], said.splitlines()[-1], ALWAYS - fault.times


@pytest.mark.parametrize("match", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("statuses", [SOME, pytest.param(range(300, 600), marks=pytest.mark.slow)], ids=["some", "all"])
def test_reading_ends_with_a_sentence_at_a_status(server, client, tmp_path, match, statuses):
    wrong = []
    for status in statuses:
        code, said, times = met(server, client, tmp_path, match, status)
        wanted = 4 if status in TRANSIENT or status in (501, 505) or status < 400 else 2
        named = str(status) in said or status in (401, 403, 404, 413, 429) or status < 400  # `datasets` hides a 429
        if times and (code, named) != (wanted, True):
            wrong.append(f"{status}: exit {code}, {said}")
    assert wrong == []


@pytest.mark.parametrize(
    "body",
    [pytest.param(body, marks=() if name == "a page" else pytest.mark.slow, id=name) for name, body in STRANGE.items()],
)
@pytest.mark.parametrize("match", CALLS.values(), ids=CALLS)
def test_reading_from_what_is_no_hub_ends_with_a_sentence(server, client, tmp_path, match, body):
    code, said, times = met(server, client, tmp_path, match, 200, body=body)
    if match == CALLS["info"]:
        assert code == 4 and "does not look like a Hub" in said, said
    assert code in (2, 4) and times
