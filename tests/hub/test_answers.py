"""Every status, every strange body and every error of the client ends in a sentence and a documented exit code."""

import gzip
import inspect
import shutil
import sys
import time

import pytest
from huggingface_hub import errors as of_client
from huggingface_hub.utils import httpx

from app.artifacts.runs import find_runs
from app.cli import main
from app.errors import Explained, HubUnavailable, InputError
from app.system import answers, hub, repositories

REPOSITORY, ALWAYS = "tester/runs", 10**6
STATUSES = range(300, 600)
SOME = (
    300,
    302,
    304,
    399,
    400,
    402,
    405,
    408,
    409,
    410,
    418,
    425,
    429,
    451,
    499,
    500,
    501,
    502,
    503,
    504,
    505,
    507,
    511,
    599,
)
FEW = (302, 402, 409, 425, 501, 503)  # one of each kind, for the quick suite
TRANSIENT = {408, 425, 429, *range(500, 600)} - {501, 505}
UPLOAD = {
    "whoami": "GET /api/whoami",
    "create": "POST /api/repos/create",
    "auth check": "GET .*/auth-check",
    "info": "GET /api/models/tester/runs/revision",
    "preupload": "POST .*/preupload/",
    "LFS batch": "POST .*/info/lfs/objects/batch",
    "LFS PUT": "PUT /lfs/",
    "commit": "POST .*/commit/main",
}
DOWNLOAD = {"info": "GET /api/models/", "head": "HEAD .*/resolve/", "file": "(GET|HEAD) .*/resolve/"}
STRANGE = {
    "a page": b"<!doctype html><title>Sign in to the network</title>",
    "nothing": b"",
    "a cut object": b'{"sha": "0123456789',
    "null": b"null",
    "a list": b"[]",
    "a text": b'"hello"',
    "a number": b"7",
    "an empty object": b"{}",
    "other values": b'{"name": 5, "id": [], "sha": {}, "siblings": [{"rfilename": 3}], "files": 3, "objects": 4}',
    "bytes": bytes(range(128, 256)),
}
TYPICAL = ("a page", "a cut object")  # for the quick suite


@pytest.fixture(autouse=True)
def _no_waits(monkeypatch):
    monkeypatch.setattr(time, "sleep", lambda _: None)


@pytest.fixture
def repository(online):
    return created(online)


def created(online):
    """The Hub with the repository of the upload."""
    online.create(REPOSITORY)
    return online


@pytest.fixture
def here(work):
    """A small file of text and one that goes up as a large object."""
    (work / "some").mkdir()
    (work / "some" / "note.txt").write_text("x")
    (work / "some" / "large.bin").write_bytes(bytes(range(256)) * 50_000)
    return work


@pytest.fixture
def call(capsys, monkeypatch):
    def call(*words):
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["run.py", *words])
        return main(list(words)), capsys.readouterr().err

    return call


def wrong(code, said, status):
    """What a command's end leaves to be wished after a status that stayed."""
    wanted = 4 if status in TRANSIENT or status in (501, 505) or status < 400 else 2
    named = str(status) in said or status in (401, 403, 404, 413)
    sound = "internal error" not in said and "Traceback" not in said and "hf_write" not in said
    looks = status >= 400 or "does not look like a Hub" in said
    return "" if (code, named, sound, looks) == (wanted, True, True, True) else f"{status}: exit {code}, {said}"


def swept(repository, call, match, words, statuses):
    found = []
    for status in statuses:
        repository.faults.clear()
        repository.fault(match, status, times=ALWAYS)
        found.append(wrong(*call(*words), status))
        assert repository.faults[0].times < ALWAYS, "the fault met nothing"
    repository.faults.clear()
    return [each for each in found if each]


@pytest.mark.parametrize("statuses", [FEW, pytest.param(STATUSES, marks=pytest.mark.slow)], ids=["some", "all"])
@pytest.mark.parametrize(
    "match",
    [
        pytest.param(match, id=name, marks=() if name in ("whoami", "LFS PUT", "commit") else pytest.mark.slow)
        for name, match in UPLOAD.items()
    ],
)
def test_an_upload_ends_with_a_sentence_at_a_status(online, here, call, match, statuses):
    repository = online if match == UPLOAD["create"] else created(online)  # one that is there contents the client
    meant = {(UPLOAD["create"], 409), (UPLOAD["commit"], 412)}  # it exists: its address is read; the branch moved on
    statuses = [each for each in statuses if (match, each) not in meant]
    assert swept(repository, call, match, ("upload", "some", "x"), statuses) == []
    assert call("upload", "some", "x")[0] == 0


@pytest.mark.parametrize("statuses", [FEW, pytest.param(STATUSES, marks=pytest.mark.slow)], ids=["some", "all"])
@pytest.mark.parametrize("match", DOWNLOAD.values(), ids=DOWNLOAD)
def test_a_download_ends_with_a_sentence_at_a_status_and_leaves_no_file(repository, work, call, match, statuses):
    repository.commit(REPOSITORY, {"a.txt": b"words"})
    assert swept(repository, call, match, ("download", "a.txt", "got"), statuses) == []
    assert not [path for path in work.rglob("*") if path.is_file()]
    assert call("download", "a.txt", "got")[0] == 0 and (work / "got" / "a.txt").read_text() == "words"


strange = pytest.mark.parametrize(
    "body",
    [pytest.param(STRANGE[name], marks=() if name in TYPICAL else pytest.mark.slow, id=name) for name in STRANGE],
)


@strange
@pytest.mark.parametrize("match", UPLOAD.values(), ids=UPLOAD)
def test_an_upload_to_what_is_no_hub_says_so_and_nothing_is_taken_for_done(repository, here, call, match, body):
    repository.fault(match, 200, body=body, times=ALWAYS)
    code, said = call("upload", "some", "x")
    assert "internal error" not in said and "Traceback" not in said
    if match == UPLOAD["LFS PUT"]:  # whose answer nobody reads; the Hub is asked afterwards whether the object is there
        assert code == 2 and "the Hub has nothing there for writing to tester/runs" in said
    elif code:
        assert code == 4 and "does not look like a Hub" in said, said
    else:
        assert match in (UPLOAD["create"], UPLOAD["auth check"])  # of which a status alone is read
        assert set(repository.files(REPOSITORY)) > {"x/note.txt", "x/large.bin"}


@strange
@pytest.mark.parametrize("match", DOWNLOAD.values(), ids=DOWNLOAD)
def test_a_download_from_what_is_no_hub_says_so(repository, work, call, match, body):
    repository.commit(REPOSITORY, {"a.txt": b"words"})
    repository.fault(match, 200, body=body, times=ALWAYS)
    code, said = call("download", "a.txt", "got")
    assert code == 4 and "does not look like a Hub" in said and "Traceback" not in said
    assert not [path for path in work.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    "match",
    [UPLOAD["info"], *(pytest.param(UPLOAD[name], marks=pytest.mark.slow) for name in ("whoami", "commit"))],
)
@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (302, {"Location": "/again"}, None),
        (307, {"Location": "{url}"}, None),
        (302, {"Location": "ftp://elsewhere/x"}, None),
        (200, {"Content-Encoding": "gzip"}, gzip.compress(b"{}", mtime=0)[:-9]),
        (200, {"Content-Encoding": "gzip"}, b"not gzip at all"),
        (200, {"Content-Encoding": "deflate"}, b"not deflate"),
    ],
)
def test_redirects_without_end_and_bodies_that_cannot_be_unpacked_are_no_hub(
    repository, here, call, match, status, headers, body
):
    answered = {name: text.replace("{url}", repository.url) for name, text in headers.items()}
    for each in (match, "(GET|POST) /(again)?$"):
        repository.fault(each, status, headers=answered, body=body, times=ALWAYS)
    code, said = call("upload", "some", "x")
    assert code == 4 and "does not look like a Hub" in said and "internal error" not in said, said


@pytest.fixture
def done(work, trained):
    """A finished run in the folder, which `train --upload` only uploads."""
    shutil.copytree(trained, work / "checkpoints")
    return find_runs(work / "checkpoints")[0]


TRAIN = ("train", "--upload", "--threads", "1")


@pytest.mark.parametrize("statuses", [FEW, pytest.param(SOME, marks=pytest.mark.slow)], ids=["few", "some"])
@pytest.mark.parametrize(
    "call_of", ["commit", *(pytest.param(name, marks=pytest.mark.slow) for name in ("whoami", "info"))]
)
def test_a_training_keeps_its_run_at_every_kind_of_status(repository, done, call, call_of, statuses):
    from conftest import TINY

    kept = done.files.weights.read_bytes()
    for status in statuses:
        repository.faults.clear()
        repository.fault(UPLOAD[call_of], status, times=ALWAYS)
        code, said = call(*TRAIN, *TINY.split())
        refused = call_of == "whoami" and status not in TRANSIENT and 400 <= status < 500
        assert code == (2 if refused else 3), (status, code, said)
        assert str(status) in said and "internal error" not in said and "Traceback" not in said
    assert done.files.weights.read_bytes() == kept
    repository.faults.clear()
    assert call(*TRAIN, *TINY.split())[0] == 0


def raised(kind):
    """An error of that class as the client would raise it."""
    response = httpx.Response(418, request=httpx.Request("GET", "http://127.0.0.1/x"))
    if issubclass(kind, of_client.HfHubHTTPError):
        return kind("it refuses\nin lines", response=response)
    if issubclass(kind, httpx.HTTPStatusError):
        return kind("it refuses", request=response.request, response=response)
    wanted = [
        each for each in inspect.signature(kind.__init__).parameters.values()
        if each.default is each.empty and each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)
    ]  # fmt: skip
    try:
        return kind("it refuses")
    except TypeError:
        return kind(*["it refuses"] * (len(wanted) - 1))


def classes(module):
    found = [each for _, each in inspect.getmembers(module, inspect.isclass) if issubclass(each, Exception)]
    return sorted({each for each in found if each.__module__.startswith(("huggingface_hub", "httpx"))}, key=str)


@pytest.mark.parametrize("kind", [*classes(of_client), *classes(httpx)], ids=lambda kind: kind.__name__)
def test_every_error_of_the_client_becomes_a_sentence(online, kind):
    def client():
        exec(compile("raise error", "client", "exec"), {"__name__": "huggingface_hub.somewhere", "error": raised(kind)})

    with pytest.raises(Explained) as explained:
        hub.call("the thing", client)
    assert "the thing" in str(explained.value) and "\n" not in str(explained.value)
    assert isinstance(explained.value, HubUnavailable | InputError)


def test_an_error_of_our_own_is_not_taken_for_the_hub_s(online):
    def ours():
        return {}["a slip"]

    with pytest.raises(KeyError):
        hub.call("it", ours)


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), PermissionError(13, "no")])
def test_an_error_of_the_disk_stays_what_it_is(online, error):
    def client():
        exec(compile("raise error", "client", "exec"), {"__name__": "huggingface_hub.somewhere", "error": error})

    with pytest.raises(type(error)):
        hub.call("it", client)


@pytest.mark.parametrize("status", [425, 500, 507, 511, 520, 599])
def test_a_status_of_a_hub_in_trouble_is_asked_again(repository, status):
    repository.fault("GET /api/whoami", status, times=3)
    repositories.require_writable(REPOSITORY, private=False)
    assert len([line for line in repository.requests if "whoami" in line[1]]) == 4


@pytest.mark.parametrize("status", [400, 418, 501, 505, 304])
def test_a_status_that_waiting_does_not_change_is_asked_once(repository, status):
    repository.fault("GET /api/whoami", status, times=ALWAYS)
    with pytest.raises(Explained, match=str(status)):
        repositories.require_writable(REPOSITORY, private=False)
    assert len([line for line in repository.requests if "whoami" in line[1]]) == 1


def test_the_hub_s_own_words_are_shown_in_one_printable_line(repository):
    body = b'{"error": "no\\u001b[31m\\nsecond line"}'
    repository.fault("GET /api/whoami", 418, body=body, headers={"Content-Type": "application/json"}, times=ALWAYS)
    with pytest.raises(InputError) as refused:
        repositories.require_writable(REPOSITORY, private=False)
    assert "418 no\\x1b[31m" in str(refused.value) and "second" not in str(refused.value)
    assert answers.status(refused.value) == 418
