"""The Hub client: deadlines, bounded waits, errors that pass through, and a token that is seen nowhere."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from app.errors import HubUnavailable, InputError
from app.system import answers, hub, repositories

REPOSITORY, TOKEN = "tester/runs", "hf_write"
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def repository(online):
    online.create(REPOSITORY)
    return online


@pytest.fixture
def waits(monkeypatch):
    found = []
    monkeypatch.setattr(time, "sleep", found.append)
    return found


@pytest.mark.parametrize(("asked", "waited"), [("7", 7.0), ("86400", 60.0), ("Wed, 21 Oct 2026 07:28:00 GMT", 0.0)])
def test_a_retry_after_is_honoured_and_capped(repository, waits, asked, waited):
    repository.fault("GET /api/whoami", 429, headers={"Retry-After": asked})
    repositories.require_writable(REPOSITORY, private=False)
    assert waits == [waited]


def test_a_call_is_asked_four_times_and_no_more(repository, waits):
    repository.fault("GET /api/whoami", 503, times=99)
    with pytest.raises(HubUnavailable, match="the Hub cannot be reached for the token's owner"):
        repositories.require_writable(REPOSITORY, private=False)
    assert len(waits) == 3 and len([line for line in repository.requests if "whoami" in line[1]]) == 4


def test_a_call_that_is_silent_ends_at_its_deadline(monkeypatch):
    monkeypatch.setenv("ISOSCALE_HUB_SECONDS", "1")
    monkeypatch.setattr(hub, "_WAITS", (0.0, 0.0, 0.0))
    asked, began = [], time.monotonic()

    def silent():
        asked.append(1)
        time.sleep(5)

    with pytest.raises(HubUnavailable, match=r"cannot be reached for it \(no answer within 1 s\)"):
        hub.call("it", silent)
    assert len(asked) == 4 and time.monotonic() - began >= 4


@pytest.mark.parametrize("given", ["soon", "0", "-1", "nan", "1e9"])
def test_a_deadline_that_is_no_time_is_refused(monkeypatch, given):
    monkeypatch.setenv("ISOSCALE_HUB_SECONDS", given)
    with pytest.raises(
        InputError, match=r"ISOSCALE_HUB_SECONDS=.* is not a valid number of seconds. Use a number from 1 to 3600"
    ):
        hub.call("it", lambda: 1)


@pytest.mark.parametrize("error", [hub.StaleParent, hub.NoBranch])
def test_what_a_caller_waits_for_passes_through_at_once(waits, error):
    def raising():
        raise error

    with pytest.raises(error):
        hub.call("it", raising)
    assert waits == []


def test_an_attempt_that_was_given_up_does_not_meddle_with_the_next(repository, tmp_path, monkeypatch):
    content = bytes(range(256)) * 40
    repository.commit(REPOSITORY, {"a.bin": content})
    sha = repositories.head(REPOSITORY)
    monkeypatch.setenv("ISOSCALE_HUB_SECONDS", "1")
    repository.fault("GET .*/resolve/.*a.bin", None, bytes_per_second=4000)
    repositories.fetch(REPOSITORY, sha, repositories.listing(REPOSITORY, sha)["a.bin"], tmp_path / "a.bin")
    time.sleep(2.5)  # the first one ends meanwhile
    assert (tmp_path / "a.bin").read_bytes() == content and list(tmp_path.iterdir()) == [tmp_path / "a.bin"]


def test_a_commit_whose_answer_came_too_late_is_made_once(repository, monkeypatch):
    from huggingface_hub import CommitOperationAdd

    head = repositories.head(REPOSITORY)
    monkeypatch.setenv("ISOSCALE_HUB_SECONDS", "1")
    repository.fault("POST .*/commit/main", None, delay_seconds=1.3)
    with pytest.raises(hub.StaleParent):  # the late one, or ours, stands: whoever reads the head again finds it
        while True:
            repositories.commit(REPOSITORY, [CommitOperationAdd("a", b"1")], message="a", parent=head)
            repositories.commit(REPOSITORY, [CommitOperationAdd("b", b"1")], message="b", parent=head)
    assert [commit.message for commit in repository.commits(REPOSITORY)].count("a") == 1


@pytest.mark.parametrize("status", [401, 403, 413, 500])
def test_no_message_shows_the_token(repository, waits, status):
    repository.fault("GET .*/auth-check", status, times=99)
    with pytest.raises(Exception) as refusal:
        repositories.require_writable(REPOSITORY, private=False)
    seen = "".join(str(error) + repr(error) for error in answers.chain(refusal.value))
    assert TOKEN not in seen


A_BUG = """
import sys
from app.cli import main
from app.sharing import store
from app.system import hub, repositories

def upload(*_, **__):
    with_a_token = hub.api().whoami, {"Authorization": f"Bearer {hub.token()}"}
    assert not with_a_token, "a bug"

store.upload = upload
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("debug", ["", "1"])
@pytest.mark.parametrize("status", ["a bug", *(pytest.param(each, marks=pytest.mark.slow) for each in (401, 403, 418))])
def test_a_refused_command_shows_the_token_neither_with_nor_without_a_traceback(repository, tmp_path, status, debug):
    (tmp_path / "note.txt").write_text("x")
    program = ["-c", A_BUG] if status == "a bug" else [str(ROOT / "run.py")]
    if status != "a bug":
        repository.fault("POST .*/commit/main", status, times=99)
    environment = os.environ | repository.environment() | {"HF_REPOSITORY": REPOSITORY, "ISOSCALE_DEBUG": debug}
    command = [sys.executable, *program, "upload", "note.txt", "x"]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == (1 if status == "a bug" else 2)
    assert TOKEN not in done.stdout + done.stderr + " ".join(command)
    assert ("Traceback" in done.stderr) == (status == "a bug" and debug == "1")


def test_nothing_that_a_run_leaves_here_or_on_the_hub_holds_the_token(repository, trained, tmp_path, monkeypatch):
    import shutil

    from app.sharing import store

    monkeypatch.chdir(tmp_path)
    shutil.copytree(trained, tmp_path / "checkpoints")
    store.upload(Path("checkpoints"), "all")
    there = b"".join(repository.files(REPOSITORY).values())
    here = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert TOKEN.encode() not in there + here
    record = next(path for path in tmp_path.rglob("model_*.json"))
    assert "HF_TOKEN" not in json.dumps(json.loads(record.read_text()))


@pytest.mark.parametrize(
    "given", ["a/b", "https://huggingface.co/a/b.git", "hf.co/a/b/tree/main", "https://x:hf_y@hf.co/a/b"]
)
def test_a_repository_is_named_plainly_or_by_its_address(monkeypatch, given):
    monkeypatch.setenv("HF_REPOSITORY", given)
    assert hub.repository() == "a/b"


@pytest.mark.parametrize("given", ["a--b/c", "a b/c", "a", "https://x:hf_secret@evil/a"])
def test_a_repository_that_is_none_is_refused_without_what_may_be_a_token(monkeypatch, given):
    monkeypatch.setenv("HF_REPOSITORY", given)
    with pytest.raises(InputError, match="neither owner/name nor the address") as refused:
        hub.repository()
    assert "hf_secret" not in str(refused.value)


def test_offline_no_request_leaves_the_process(online, monkeypatch):
    from huggingface_hub import constants
    from huggingface_hub.errors import OfflineModeIsEnabled

    assert hub.api().whoami()["name"]
    asked = len(online.requests)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(OfflineModeIsEnabled):
        hub.api().whoami()
    assert len(online.requests) == asked


NETWORKS = {
    "a SOCKS proxy": ({"ALL_PROXY": "socks5://me:pa55word@127.0.0.1:1080"}, "pip install socksio"),
    "a proxy of another kind": ({"HTTP_PROXY": "ftp://me:pa55word@proxy"}, "is not an address"),
    "a proxy's port": ({"HTTP_PROXY": "http://me:pa55word@proxy:port"}, "is not an address"),
    "no certificates": ({"SSL_CERT_FILE": "/nowhere"}, "SSL_CERT_FILE"),
    "other certificates": ({"SSL_CERT_FILE": __file__}, "SSL_CERT_FILE"),
}


@pytest.mark.parametrize(("given", "says"), NETWORKS.values(), ids=NETWORKS)
def test_proxies_and_certificates_that_no_client_can_use_are_bad_input_without_a_password(
    online, monkeypatch, given, says
):
    from app.doctor import remote

    monkeypatch.setitem(sys.modules, "socksio", None)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    hub.api.cache_clear()
    with pytest.raises(InputError, match=says) as refused:
        repositories.head("tester/runs")
    assert "pa55" not in str(refused.value) and "\n" not in str(refused.value)
    assert remote.ask().silent == str(refused.value)
    monkeypatch.undo()
    hub.api.cache_clear()


@pytest.mark.parametrize("asked", ["\xb2", "9" * 30, "-1", "soon", "1.5", ""])
def test_a_strange_retry_after_is_no_time(asked):
    error = SimpleNamespace(response=SimpleNamespace(headers={"Retry-After": asked}), __cause__=None, __context__=None)
    assert hub._asked_wait(error) == 0.0
