"""A run's branch: whose lease counts, until when, what is said while it lasts, and what a missing branch means."""

import json
import re
import time

import pytest
from report import reseeded

from app.errors import InputError
from app.sharing import claims, finished, store
from app.sharing.branch import Branch, LeaseLost
from app.sharing.claims import DAY, Lease, Unreadable, lease_of, manifest_of, written
from app.system import clock

REPOSITORY, RUN = "tester/runs", "0123abcd"
NAME = f"run-{RUN}"


@pytest.fixture
def there(online):
    """The Hub with the branch of a run that nobody holds."""
    online.create(REPOSITORY)
    repository = online.repositories.all["model", REPOSITORY]
    repository.branches[NAME] = repository.branches["main"]
    return online


def ours(**fields):
    return Branch(REPOSITORY, RUN, "me", **{"lease_seconds": 900.0} | fields)


def claim(there, *, until, age=0.0, holder="another", **more):
    """Somebody's lease, written `age` seconds ago, as a JSON object or as it is given."""
    there.commit(
        REPOSITORY, {"state/lease.json": json.dumps({"holder": holder, "until": until, **more}).encode()}, NAME, age=age
    )


def taken(branch):
    said = []
    branch.take(wait=False, say=said.append)
    return said


def test_a_lease_says_who_and_until_when_and_is_read_as_it_was_written(there):
    ours().take(wait=False, say=pytest.fail)
    lease = lease_of(there.files(REPOSITORY, NAME)["state/lease.json"].decode())
    assert lease.holder == "me" and abs(lease.until - time.time() - 900) < 5
    assert lease.host == claims.Lease(holder="", until=0, host=lease.host).machine  # printable, without a domain
    assert lease_of(written(lease)) == lease


@pytest.mark.parametrize("seconds", [900.0, 3e5])
@pytest.mark.parametrize("ahead", [0.0, -7200.0, 90000.0])
def test_no_lease_is_written_for_more_than_a_day_by_the_hub_s_clock(there, seconds, ahead):
    there.ahead = ahead
    ours(lease_seconds=seconds).take(wait=False, say=lambda _: None)
    until = json.loads(there.files(REPOSITORY, NAME)["state/lease.json"])["until"]
    assert abs(until - time.time() - ahead - min(seconds, DAY)) < 5


@pytest.mark.parametrize(("says", "age", "left"), [
    (3600, 0, 3600), (40 * DAY, 0, DAY), (1e10, 3600, DAY - 3600), (22 * 3600, 4 * 3600, DAY - 4 * 3600),
    (1e10, -40 * DAY, DAY),  # from the future, as another clock has it
])  # fmt: skip
def test_a_lease_counts_for_a_day_after_it_was_written_at_most(there, says, age, left):
    claim(there, until=time.time() + says, age=age)
    assert abs(ours().look().left - left) < 5
    with pytest.raises(LeaseLost, match="another machine trains run"):
        taken(ours())


@pytest.mark.parametrize("age", [DAY + 5, 400 * DAY])
def test_a_lease_that_was_written_a_day_ago_counts_no_more_whatever_it_says(there, age):
    claim(there, until=time.time() + 1e8, age=age)
    assert taken(ours()) == []


def test_a_commit_beside_it_does_not_renew_a_lease(there):
    claim(there, until=time.time() + 1e8, age=DAY + 5)
    there.commit(REPOSITORY, {"note.txt": b"x"}, NAME)
    assert taken(ours()) == []


def test_a_lease_from_the_future_ends_a_day_after_it_was_seen(there, monkeypatch):
    claim(there, until=time.time() + 1e8, age=-1e7)
    branch, now = ours(), time.time()
    assert branch.look().left > 0
    monkeypatch.setattr(clock, "now", lambda: now + DAY + 60)
    assert branch.look().left == 0


@pytest.mark.parametrize("ahead", [7200.0, -7200.0])
def test_a_wrong_clock_neither_robs_a_run_nor_waits_too_long(there, ahead):
    there.ahead = ahead
    ours().take(wait=False, say=lambda _: None)
    other = Branch(REPOSITORY, RUN, "other", 900.0)
    assert abs(other.look().left - 900) < 5
    said = []
    with pytest.raises(LeaseLost):
        other.take(wait=False, say=said.append)
    assert "this machine's clock is 2 h" in said[0]


STRANGE = [
    b"", b"{", b"null", b"[]", b"[" * 10**5, b'"text"', b"{}", b'{"holder": 3, "until": 1}',
    b'{"holder": "x", "until": "soon"}', b'{"holder": "x", "until": -1}', b'{"holder": "x", "until": 1e300}',
    b'{"holder": "x", "until": NaN}', b'{"holder": "x"}', b"\xff\xfe\x00", b'{"lock": true}', b" " * 10**7,
    json.dumps({"holder": "x" * 10**5, "until": 5e9}).encode(),
]  # fmt: skip


@pytest.mark.parametrize("content", STRANGE, ids=range(len(STRANGE)))
def test_a_lease_that_is_none_is_reported_and_counts_as_none(there, content):
    there.commit(REPOSITORY, {"state/lease.json": content}, NAME)
    [said] = taken(ours())
    assert "damaged or foreign" in said and len(said) < 300
    assert lease_of(there.files(REPOSITORY, NAME)["state/lease.json"].decode()).holder == "me"


def test_a_lease_of_a_later_version_with_more_in_it_counts(there):
    claim(there, until=time.time() + 60, region="eu", host="gpu-7")
    with pytest.raises(LeaseLost, match=r"the claim of gpu-7 lasts until .* from now"):
        taken(ours())


def test_who_holds_a_run_until_when_and_how_to_end_it_is_said_once_and_again_when_it_is_renewed(there, monkeypatch):
    said, looks = [], iter(range(99))
    claim(there, until=time.time() + 1, host="gpu-7\x1b[31m.example.org")

    def look_again(_seconds):
        if (number := next(looks)) == 2:
            claim(there, until=now() + 30, host="gpu-7")
            monkeypatch.setattr(clock, "now", lambda: time.time() + 10)
        if number == 5:
            claim(there, until=0)

    now = clock.now
    monkeypatch.setattr("app.sharing.branch.time.sleep", look_again)
    ours().take(wait=True, say=said.append)
    first, second = said
    assert "waiting" in first and "--if-held refuse" in first and "Ctrl-C" in first and "gpu-7" in first
    assert re.search(r"until \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC, \d+ s from now", first) and "\x1b" not in first
    assert "another machine still trains run" in second and "lasts until" in second


def gone(there, branch):
    """What a branch says that was ours and is deleted then."""
    branch.take(wait=False, say=pytest.fail)
    del there.repositories.all["model", REPOSITORY].branches[NAME]
    with pytest.raises(LeaseLost) as lost:
        branch.renew()
    return str(lost.value)


@pytest.mark.parametrize("is_finished", [True, False])
def test_a_deleted_branch_means_finished_only_where_the_finished_run_is_on_the_hub(there, is_finished):
    said = gone(there, ours(finished=lambda: is_finished))
    assert ("was finished elsewhere" in said) == is_finished and ("deleted" in said) == (not is_finished)


def test_a_deleted_branch_and_a_silent_hub_claim_nothing(there, monkeypatch):
    def ask():
        there.fault("", status=503, times=99)
        return finished.is_there(REPOSITORY, "x", "y")

    assert "is unknown" in gone(there, ours(finished=ask))


def test_a_run_is_finished_on_the_hub_where_its_record_says_so_and_its_files_are_there(run, online):
    folder = f"vit_differential/{run.files.stem}"
    online.create(REPOSITORY)
    assert not finished.is_there(REPOSITORY, folder, run.files.stem)
    store.upload(run.files.folder / run.files.stem, folder)
    assert finished.is_there(REPOSITORY, folder, run.files.stem)
    online.commit(REPOSITORY, {f"{folder}/{run.files.weights.name}": b"other"})
    assert not finished.is_there(REPOSITORY, folder, run.files.stem)


@pytest.mark.parametrize("content", [b"", b"{}", b"[" * 10**5, None])
def test_a_record_that_is_none_or_not_done_is_no_finished_run(run, online, content):
    from raw_records import put, raw

    other = reseeded(run, run.files.folder.parent / "other", 5)
    put(other.files.record, raw(other) | {"status": "running"})
    online.create(REPOSITORY)
    files = {f"x/{path.name}": path.read_bytes() for path in other.files.present()}
    online.commit(REPOSITORY, files | ({} if content is None else {f"x/{other.files.record.name}": content}))
    assert not finished.is_there(REPOSITORY, "x", other.files.stem)


def sealed(**fields):
    content = {"format": 1, "run_id": RUN, "step": 4, "files": {"state-4.json": {"size": 1, "sha256": "0" * 64}}}
    from app.system.durable import seal

    content |= fields
    return json.dumps(content | {"seal": seal(content)})


def test_a_manifest_is_read_as_it_was_written():
    manifest = manifest_of(sealed(), run_id=RUN)
    assert manifest_of(written(manifest, sealed=True), run_id=RUN) == manifest and manifest.bytes == 1


FILE = {"size": 1, "sha256": "0" * 64}


@pytest.mark.parametrize("text", [
    "", "{", "[]", "[" * 10**5, "null", "{}", sealed().replace("4", "5", 1), sealed(run_id="ffffffff"),
    sealed(step=-1), sealed(step="4"), sealed(step=1.5), sealed(files=[]), sealed(files={"a": {**FILE, "size": -1}}),
    sealed(files={"a": {**FILE, "sha256": "../x"}}), sealed(files={"a": {"size": 1}}), sealed(files={"a": None}),
])  # fmt: skip
def test_a_manifest_that_is_damaged_or_foreign_is_unreadable_with_a_reason(text):
    with pytest.raises(Unreadable, match=r"\w+\W+\w+"):
        manifest_of(text, run_id=RUN)


def test_a_state_of_a_later_format_is_refused_so_that_nothing_is_put_in_its_place():
    with pytest.raises(InputError, match=r"format 2.*Update isoscale"):
        manifest_of(sealed(format=2, files={"new": "kind"}), run_id=RUN)


def test_the_machine_of_a_lease_is_printable_and_short():
    lease = Lease(holder="x", until=1, host="a\n\x1b]0;b\x07" + "c" * 400)
    assert re.fullmatch(r"[A-Za-z0-9._?-]{1,64}", lease.machine)


def test_a_finished_run_with_a_file_that_only_a_later_version_knows_is_finished(run, online):
    from raw_records import put, raw

    put(run.files.record, raw(run) | {"files": run.record.files | {"onnx": "0" * 64}})
    store.upload(run.files.folder / run.files.stem, "x")
    assert finished.is_there(REPOSITORY, "x", run.files.stem)
