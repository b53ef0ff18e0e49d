"""A run kept on the Hub while it trains: pushed beside the training, claimed by one machine, moved to another."""

import json
import os
import shutil
import signal
import threading
import time

import pytest
from huggingface_hub import CommitOperationAdd, HfApi

from app.artifacts.runs import Run
from app.errors import Held, Stopped, Unavailable
from app.experiment import run as experiment
from app.experiment.run import Push
from app.sharing.branch import Branch, discard, read_holder
from app.system import repositories

from .runs import TINY, Quiet, train

pytestmark = pytest.mark.usefixtures("cache_folder")
REPOSITORY = "tester/runs"


@pytest.fixture
def repository(online):
    online.create(REPOSITORY)
    return online


def stop_at(step, number=signal.SIGTERM):
    return Quiet(after=lambda now: os.kill(os.getpid(), number) if now == step else None)


def pushing(*, every=0.001, wait=True, lease=900.0, **more):
    return {"upload": True, "push_every": every, "if_held": "wait" if wait else "refuse", "lease": lease} | more


def branch_of(run_id, holder="somebody", lease=60.0):
    return Branch(REPOSITORY, run_id, holder, lease)


def stopped_at(folder, step, **fields):
    with pytest.raises(Stopped) as stopped:
        train(folder, stop_at(step), options=pushing(**fields))
    return str(stopped.value)


def run_id(**request):
    return experiment.plan(TINY | request, Quiet()).run_id


def wait_for_a_state(branch):
    end = time.monotonic() + 20
    while (standing := branch.look()) is None or "manifest.json" not in standing.files:
        assert time.monotonic() < end, "no state was pushed"
        time.sleep(0.01)


def test_a_run_stopped_here_goes_on_in_an_empty_folder_elsewhere_and_ends_in_the_same_bytes(tmp_path, repository):
    whole = train(tmp_path / "whole", options={"keep_every": 1})
    assert stopped_at(tmp_path / "here", 7, keep_every=1).endswith("Its state is saved, and on the Hub")
    screen = Quiet()
    ended = train(tmp_path / "elsewhere", screen, options=pushing(keep_every=1))
    assert screen.steps[0] == 8 and "the run resumes from the state on the Hub" in screen.said
    for name in ("weights", "best", "predictions", "splits", "epoch001", "epoch002"):
        assert getattr(ended.files, name).read_bytes() == getattr(whole.files, name).read_bytes(), name
    assert [place.from_step for place in ended.record.places] == [0, 7] and ended.record.kept == whole.record.kept
    assert ended.record.files["epoch001"] == whole.record.files["epoch001"] and [*ended.files.kept()] == [1, 2]
    discard(REPOSITORY, [ended], screen.say)
    assert branch_of(ended.record.run_id).look() is None and not ended.files.holder.exists()


def test_a_killed_command_finds_its_own_claim_and_need_not_wait(tmp_path, repository):
    class Killed(BaseException):
        pass

    def die(step):
        if step == 4:
            raise Killed

    with pytest.raises(Killed):
        train(tmp_path, Quiet(after=die), options=pushing())
    branch = branch_of(run_id())
    lease = json.dumps({"holder": branch.look().lease.holder, "until": time.time() + 900})
    repositories.commit(
        REPOSITORY, [CommitOperationAdd("state/lease.json", lease.encode())],
        message="as after a kill", parent=branch._head, branch=branch.name,
    )  # fmt: skip
    assert train(tmp_path, options=pushing(wait=False)).done


def test_a_run_that_another_machine_trains_is_refused_or_waited_for(tmp_path, repository):
    other = branch_of(run_id(), lease=3.0)
    other.take(wait=False, say=print)
    with pytest.raises(Held, match=r"another machine trains run .* omit `--if-held refuse`"):
        train(tmp_path, options=pushing(wait=False))
    screen, began = Quiet(), time.monotonic()
    assert train(tmp_path, screen, options=pushing()).done
    assert time.monotonic() - began > 0.5 and "waits until it ends or its claim expires" in screen.said[0]


def test_a_released_run_is_taken_at_once(tmp_path, repository):
    other = branch_of(run_id(), lease=900.0)
    other.take(wait=False, say=print)
    other.release()
    assert train(tmp_path, options=pushing(wait=False)).done


def test_a_machine_that_lost_its_claim_stops_with_its_state_saved(tmp_path, repository):
    branch = branch_of(run_id(epochs=20))

    def robbed(step):
        if step == 2:
            wait_for_a_state(branch)
            branch._commit({}, [], "Take the lease whatever it says")
        time.sleep(0.2 if step > 2 else 0)

    with pytest.raises(Stopped, match=r"stopped since another machine has taken over run .*. Its state is saved"):
        train(tmp_path, Quiet(after=robbed), options=pushing(), epochs=20)


def test_a_commit_beside_ours_does_not_lose_the_claim(tmp_path, repository):
    def beside(step):
        if step == 2:
            api = HfApi(endpoint=repository.url, token="hf_write")
            wait_for_a_state(branch_of(run_id()))
            api.create_commit(
                REPOSITORY,
                [CommitOperationAdd("note.txt", b"hello")],
                commit_message="beside",
                revision=f"run-{run_id()}",
            )
        time.sleep(0.1)

    assert train(tmp_path, Quiet(after=beside), options=pushing()).done


def test_training_goes_on_while_the_hub_fails_and_pushes_once_it_answers(tmp_path, repository, monkeypatch):
    monkeypatch.setattr("app.experiment.pushing._FIRST_PAUSE", 0.05)
    repository.fault(r"POST .*/commit/run-", status=500, times=9)

    def slowly(_):
        time.sleep(0.1)

    screen = Quiet(after=slowly)
    run = train(tmp_path, screen, options=pushing(), epochs=4)
    assert run.done and any("not pushed" in text for text in screen.said)
    assert any("is on the Hub" in text for text in screen.said)


def snapshots(folder):
    return list(folder.rglob("*.push/*"))


@pytest.mark.slow
@pytest.mark.parametrize("status", [pytest.param(500, marks=pytest.mark.slow), 413])
def test_snapshots_of_pushes_that_fail_are_removed(tmp_path, repository, monkeypatch, status):
    monkeypatch.setattr("app.experiment.pushing._FIRST_PAUSE", 0.01)
    monkeypatch.setattr("app.experiment.pushing._LONGEST_PAUSE", 0.01)
    most = []

    def slowly(_):
        if not most:  # after the claim
            repository.fault(r"POST .*/preupload/run-", status=status, times=10**6)
        time.sleep(0.15)
        most.append(len(snapshots(tmp_path)))

    screen = Quiet(after=slowly)
    assert train(tmp_path, screen, options=pushing(), epochs=3).done
    assert sum("not pushed" in text for text in screen.said) > 2
    assert max(most) <= 2 and snapshots(tmp_path) == [] and not list(tmp_path.rglob("*.push"))


def test_what_a_kill_leaves_of_a_push_is_gone_after_the_next_start(tmp_path, repository):
    stopped_at(tmp_path, 4)
    [record] = tmp_path.rglob("model_*.json")
    for name in ("step-4", "step-2", "pulled"):
        left = record.with_suffix(".push") / name / "state-4.safetensors"
        left.parent.mkdir(parents=True)
        left.write_bytes(b"x" * 10**6)
    with pytest.raises(Stopped):
        train(tmp_path, stop_at(6), options=pushing())
    assert not list(tmp_path.rglob("*.push"))


@pytest.mark.parametrize(
    "how", [pytest.param({"status": 503}, marks=pytest.mark.slow), {"status": None, "flip_byte": 9}]
)
def test_a_state_that_cannot_be_fetched_leaves_nothing_half_here(tmp_path, repository, how):
    stopped_at(tmp_path / "here", 8)
    repository.fault(r"GET .*/resolve/.*state-8.safetensors", times=99, **how)
    with pytest.raises(Unavailable):
        train(tmp_path / "elsewhere", options=pushing())
    assert not list((tmp_path / "elsewhere").rglob("*.push"))


def test_training_never_waits_for_a_push(tmp_path, repository):
    repository.fault(r"POST .*/preupload/run-", status=None, delay_seconds=2.0, times=99)
    gaps, last = [], [time.monotonic()]

    def timed(_):
        gaps.append(time.monotonic() - last[0])
        last[0] = time.monotonic()

    train(tmp_path, Quiet(after=timed), options=pushing())
    assert max(gaps[1:]) < 2.0


@pytest.mark.parametrize(
    "name",
    ["manifest.json", *(pytest.param(f"state-4.{end}", marks=pytest.mark.slow) for end in ("safetensors", "json"))],
)
def test_a_damaged_state_on_the_hub_is_never_taken(tmp_path, repository, name):
    whole = train(tmp_path / "whole")
    stopped_at(tmp_path / "here", 4)
    branch = branch_of(run_id())
    content = bytearray(repository.files(REPOSITORY, branch.name)[f"state/{name}"])
    content[len(content) // 2] ^= 1
    HfApi(endpoint=repository.url, token="hf_write").create_commit(
        REPOSITORY, [CommitOperationAdd(f"state/{name}", bytes(content))], commit_message="x", revision=branch.name
    )
    screen = Quiet()
    ended = train(tmp_path / "elsewhere", screen, options=pushing())
    assert screen.steps[0] == 1 and any("damaged" in text for text in screen.said)
    assert ended.files.weights.read_bytes() == whole.files.weights.read_bytes()


def test_a_run_that_is_done_on_the_hub_is_fetched_and_not_trained(tmp_path, repository):
    from app.sharing import store

    run = train(tmp_path / "here")
    store.upload(run.files.folder / run.files.stem, f"{run.config.model}/{run.files.stem}")
    screen = Quiet()
    found = train(tmp_path / "elsewhere", screen, options=pushing())
    assert isinstance(found, Run) and found.done and screen.steps == []
    assert found.files.weights.read_bytes() == run.files.weights.read_bytes()


def test_fresh_forgets_what_the_hub_has_of_the_run(tmp_path, repository):
    stopped_at(tmp_path / "here", 4)
    screen = Quiet()
    options = pushing(every=3600.0) | {"fresh": True}
    train(tmp_path / "elsewhere", screen, options=options)
    assert screen.steps[0] == 1
    assert set(branch_of(run_id()).look().files) == {"lease.json"}


def test_a_machine_that_met_a_silent_hub_does_not_put_its_earlier_state_over_a_later_one(tmp_path, repository):
    stopped_at(tmp_path / "here", 8)
    repository.fault("GET .*/api/models/", status=503, times=4)  # all attempts of the first call
    screen = Quiet(after=lambda _: time.sleep(0.2))
    with pytest.raises(Stopped, match=r"stopped since the Hub has a later state \(step 8\) after"):
        train(tmp_path / "elsewhere", screen, options=pushing(), epochs=2)
    there = json.loads(repository.files(REPOSITORY, f"run-{run_id()}")["state/manifest.json"])
    assert there["step"] == 8


def test_a_state_of_the_same_step_on_the_hub_does_not_lose_the_claim(tmp_path, repository):
    from app.artifacts.paths import RunFiles
    from app.experiment.pushing import Pusher

    stopped_at(tmp_path, 8)
    [path] = tmp_path.rglob("model_*.json")
    files, said = RunFiles(path.parent, path.stem), []
    pusher = Pusher(branch_of(run_id(), holder="me"), files, Push(every=0.001), said.append)  # not claimed yet
    pusher.start()
    pusher.offer(8)
    assert pusher.close(seconds=20, release=True), said
    assert pusher.claimed and pusher.lost is None


def test_an_upload_removes_the_branch_that_an_end_without_the_hub_has_left(tmp_path, repository):
    from app.sharing import store

    run = train(tmp_path, options=pushing())
    assert branch_of(run.record.run_id).look() is not None and run.files.holder.exists()
    store.upload(run.files.folder / run.files.stem, "x")
    assert branch_of(run.record.run_id).look() is None and not run.files.holder.exists()


def test_who_waited_for_a_run_that_was_finished_meanwhile_fetches_it(tmp_path, repository, monkeypatch):
    from app.sharing import store

    monkeypatch.setattr("app.sharing.branch._LOOK_AGAIN", 0.1)  # seconds; a look at a Hub elsewhere costs more
    done = train(tmp_path / "here")
    other = branch_of(run_id(), lease=900.0)
    other.take(wait=False, say=print)
    screen = Quiet()

    def finish():
        end = time.monotonic() + 20
        while not any("waits until it ends" in text for text in screen.said) and time.monotonic() < end:
            time.sleep(0.01)
        store.upload(done.files.folder / done.files.stem, f"{done.config.model}/{done.files.stem}")
        other.release()

    finishing = threading.Thread(target=finish)
    finishing.start()
    found = train(tmp_path / "elsewhere", screen, options=pushing())
    finishing.join()
    assert any("waits until it ends" in text for text in screen.said)
    assert screen.steps == [] and found.files.weights.read_bytes() == done.files.weights.read_bytes()


def test_a_run_left_unfinished_here_and_finished_elsewhere_is_fetched(tmp_path, repository):
    from app.sharing import store

    stopped_at(tmp_path / "here", 4)
    done = train(tmp_path / "elsewhere")
    store.upload(done.files.folder / done.files.stem, f"{done.config.model}/{done.files.stem}")
    screen = Quiet()
    assert train(tmp_path / "here", screen, options=pushing()).done and screen.steps == []


def test_a_later_state_that_cannot_be_fetched_ends_the_command_and_stays(tmp_path, repository):
    stopped_at(tmp_path / "here", 8)
    repository.fault(r"GET .*/resolve/.*state-8.safetensors", status=503, times=99)
    with pytest.raises(
        Unavailable, match=r"the Hub has a later state of run .* its download failed .*Run the same command again"
    ):
        train(tmp_path / "elsewhere", options=pushing())
    repository.faults.clear()
    screen = Quiet()
    assert train(tmp_path / "elsewhere", screen, options=pushing(wait=False)).done and screen.steps[0] == 9


def test_a_branch_that_vanishes_stops_the_run_with_its_state_saved(tmp_path, repository):
    def vanish(step):
        if step == 2:
            wait_for_a_state(branch_of(run_id(epochs=20)))
            HfApi(endpoint=repository.url, token="hf_write").delete_branch(
                REPOSITORY, branch=f"run-{run_id(epochs=20)}"
            )
        time.sleep(0.2 if step > 2 else 0)

    text = r"since the branch of run .* is gone: somebody deleted it, .* no finished run .*. Its state is saved"
    with pytest.raises(Stopped, match=text):
        train(tmp_path, Quiet(after=vanish), options=pushing(), epochs=20)


def test_a_run_that_another_machine_finished_meanwhile_stops_and_says_so(tmp_path, repository):
    from app.sharing import store

    done = train(tmp_path / "elsewhere")

    def finish(step):
        if step == 2:
            wait_for_a_state(branch_of(run_id()))
            store.upload(done.files.folder / done.files.stem, f"{done.config.model}/{done.files.stem}")
            HfApi(endpoint=repository.url, token="hf_write").delete_branch(REPOSITORY, branch=f"run-{run_id()}")
        time.sleep(0.2 if step > 2 else 0)

    with pytest.raises(Stopped, match=r"is gone: the run was finished elsewhere and is on the Hub"):
        train(tmp_path / "here", Quiet(after=finish), options=pushing())
    screen = Quiet()
    assert train(tmp_path / "here", screen, options=pushing()).done and screen.steps == []


def test_a_disk_without_room_for_a_snapshot_costs_the_push_only(tmp_path, repository, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("app.experiment.pushing._link", full)
    screen = Quiet()
    assert train(tmp_path, screen, options=pushing()).done
    assert "warning: the state of step 1 is not pushed (No space left on device). Training continues" in screen.said


def test_a_stop_whose_last_state_another_machine_has_overtaken_is_not_said_to_be_on_the_hub(tmp_path, repository):
    branch = branch_of(run_id())

    def robbed(step):
        if step == 2:
            wait_for_a_state(branch)
            branch.look()
            branch._commit({}, [], "Take the lease whatever it says")
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Stopped, match="Its state is saved, but not on the Hub"):
        train(tmp_path, Quiet(after=robbed), options=pushing())


def test_a_stop_whose_last_state_has_no_room_for_a_snapshot_is_not_said_to_be_on_the_hub(
    tmp_path, repository, monkeypatch
):
    def full(*_):
        raise OSError(28, "No space left on device")

    def filled(step):
        if step == 2:
            wait_for_a_state(branch_of(run_id()))
            monkeypatch.setattr("app.experiment.pushing._link", full)
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Stopped, match="Its state is saved, but not on the Hub"):
        train(tmp_path, Quiet(after=filled), options=pushing())


def test_the_branch_of_a_run_that_another_machine_trains_stays(tmp_path, repository):
    from app.sharing import store

    done = train(tmp_path)
    branch_of(run_id(), lease=900.0).take(wait=False, say=print)
    said = []
    store.upload(done.files.folder / done.files.stem, "x", say=said.append)
    assert branch_of(run_id()).look() is not None and "another machine still trains" in said[0]


def test_a_copied_folder_does_not_copy_the_claim(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    first = read_holder(tmp_path / "one" / "x.holder")
    shutil.copy(tmp_path / "one" / "x.holder", tmp_path / "two" / "x.holder")
    assert read_holder(tmp_path / "one" / "x.holder") == first != read_holder(tmp_path / "two" / "x.holder")
