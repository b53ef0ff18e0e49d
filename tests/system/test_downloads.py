"""A file of a dataset on its way here: continued where it broke, compared with its listing, given up in the end."""

import hashlib
import io
import random
import threading
from contextlib import contextmanager

import huggingface_hub
import pytest
from huggingface_hub.utils import httpx

from app.errors import Damaged, HubUnavailable, InputError
from app.system import downloads
from app.system.downloads import Listed, download

CONTENT = random.Random(15).randbytes(5000)
SHA = "5ea" + "0" * 37
LISTED = {
    "sha256": Listed(len(CONTENT), hashlib.sha256(CONTENT).hexdigest()),
    "blob": Listed(len(CONTENT), hashlib.sha1(b"blob 5000\0" + CONTENT).hexdigest()),
}
ANSWERS_RANGES = [True, False]


class Session:
    """A Hub that answers as it is told to, one request after the other, then completely."""

    def __init__(self, *steps, content=CONTENT, ranges=True):
        self.steps, self.content, self.ranges, self.asked = list(steps), content, ranges, []

    @contextmanager
    def stream(self, method, url, *, headers):
        assert method == "GET" and url.endswith(f"/datasets/a/b/resolve/{SHA}/data/x.parquet")
        start = int(headers.get("Range", "bytes=0-")[6:-1])
        self.asked.append(start)
        step = self.steps.pop(0) if self.steps else None
        request = httpx.Request("GET", url)
        if isinstance(step, int) and step >= 400:
            yield httpx.Response(step, request=request)
            return
        start = start if self.ranges else 0
        content = self.content[start:]
        headers = {"Content-Length": str(len(content))}
        status = 206 if start else 200
        yield httpx.Response(status, headers=headers, content=self.pieces(content, step), request=request)

    def pieces(self, content, step):
        """The content in pieces of 100 bytes, cut after as many as the step says, or as it does itself."""
        if callable(step):
            yield from step(content)
            return
        for number, at in enumerate(range(0, len(content), 100)):
            if step is not None and number >= -step:
                raise httpx.RemoteProtocolError("peer closed connection")
            yield content[at : at + 100]


@pytest.fixture
def waited(monkeypatch):
    """The seconds that were waited, without waiting."""
    waits = []
    monkeypatch.setattr("time.sleep", waits.append)
    return waits


def fetched(monkeypatch, session, kind="sha256"):
    monkeypatch.setattr(huggingface_hub, "get_session", lambda: session)
    target = io.BytesIO()
    download("a/b", SHA, "data/x.parquet", LISTED[kind], target)
    return target.getvalue()


def cut(pieces):
    return -pieces


@pytest.mark.parametrize("ranges", ANSWERS_RANGES, ids=["ranges", "no ranges"])
@pytest.mark.parametrize("pieces", [(0,), (1,), (5, 6, 7), (49,), (3, 0, 0)])
def test_every_byte_comes_once_wherever_a_file_breaks(monkeypatch, waited, pieces, ranges):
    session = Session(*map(cut, pieces), ranges=ranges)
    assert fetched(monkeypatch, session) == CONTENT
    before = [sum(pieces[:number]) if ranges else pieces[number - 1] for number in range(1, len(pieces) + 1)]
    assert session.asked == [0, *(100 * number for number in before)]


@pytest.mark.parametrize("kind", LISTED)
def test_a_file_that_differs_is_fetched_once_more_and_then_refused_with_both_digests(monkeypatch, waited, kind):
    wrong = bytearray(CONTENT)
    wrong[4321] ^= 8
    session = Session(content=bytes(wrong))
    with pytest.raises(
        Damaged, match=rf"data/x.parquet of a/b .*{LISTED[kind].digest}.* but (?!{LISTED[kind].digest})"
    ):
        fetched(monkeypatch, session, kind)
    assert session.asked == [0, 0]
    healed = Session(lambda _content: iter([bytes(wrong)]))
    assert fetched(monkeypatch, healed, kind) == CONTENT and healed.asked == [0, 0]


@pytest.mark.parametrize("content", [b"", CONTENT[:-1], CONTENT + b"x", 1000 * CONTENT], ids=len)
def test_a_file_of_another_length_is_refused_and_never_written_beyond_its_own(monkeypatch, waited, content):
    target = io.BytesIO()
    monkeypatch.setattr(huggingface_hub, "get_session", lambda: Session(content=content))
    with pytest.raises(Damaged):
        download("a/b", SHA, "data/x.parquet", LISTED["sha256"], target)
    assert len(target.getvalue()) <= len(CONTENT)


def test_a_file_that_ended_early_and_has_no_more_to_give_is_damaged(monkeypatch, waited):
    with pytest.raises(Damaged):
        fetched(monkeypatch, Session(cut(5), 416, cut(5), 416))


def test_a_file_is_given_up_after_three_vain_rounds(monkeypatch, waited):
    session = Session(*[503] * 100)
    with pytest.raises(HubUnavailable, match=r"data/x\.parquet of a/b"):
        fetched(monkeypatch, session)
    assert waited == [1, 2, 4, 2, 1, 2, 4, 8, 1, 2, 4, 30, 1, 2, 4] and len(session.asked) == 16


def test_what_arrives_renews_the_patience(monkeypatch, waited):
    assert fetched(monkeypatch, Session(*[cut(1), 503, 503, 503] * 30)) == CONTENT
    assert waited.count(2) > 30 and 8 not in waited


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_refusal_is_not_waited_for(monkeypatch, waited, status):
    with pytest.raises(InputError, match=r"data/x\.parquet of a/b"):
        fetched(monkeypatch, Session(status))
    assert waited == []


def test_an_attempt_that_was_given_up_adds_nothing_more(monkeypatch):
    half, late = threading.Event(), threading.Event()

    def given_up(content):
        yield content[:100]
        half.wait(60)
        try:
            yield b"late" * 10
        finally:
            late.set()

    def next_one(content):
        yield content[:900]
        half.set()
        late.wait(60)
        yield content[900:]

    monkeypatch.setenv("ISOSCALE_HUB_SECONDS", "1")
    monkeypatch.setattr(downloads.hub, "_WAITS", (0.0, 0.0, 0.0))
    session = Session(given_up, next_one)
    assert fetched(monkeypatch, session) == CONTENT and session.asked[:2] == [0, 100]


def test_an_empty_file_is_not_asked_for(monkeypatch, waited):
    session = Session(404)
    monkeypatch.setattr(huggingface_hub, "get_session", lambda: session)
    download("a/b", SHA, "data/x.parquet", Listed(0, hashlib.sha1(b"blob 0\0").hexdigest()), io.BytesIO())
    assert session.asked == []
