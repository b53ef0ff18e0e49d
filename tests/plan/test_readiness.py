"""What a plan says of a run that is there already, of the Hub, and of a batch that is larger than the data."""

import pytest
from report import made_up_run

from app.experiment import length
from app.plan import findings, readiness
from app.system import locks

from .test_findings import config_of, extent


@pytest.fixture
def hub_variables(monkeypatch):
    """A function that sets the repository and the token, or removes them."""

    def set_(repository=None, token=None):
        monkeypatch.setenv("HF_REPOSITORY", repository or "")
        monkeypatch.setattr("app.system.hub.token", lambda: token)

    return set_


@pytest.mark.parametrize(
    ("status", "says"),
    [("done", "is done, so `train` trains nothing. --fresh retrains it"), ("stopped", "was stopped. `train` resumes"),
     ("failed", "failed. `train` resumes it at step 0/30")],
)  # fmt: skip
def test_a_run_of_this_id_is_named_with_what_train_does(tmp_path, status, says):
    failure = {"failure": {"kind": "diverged", "sentence": "the loss is nan"}} if status == "failed" else {}
    run = made_up_run(tmp_path, status=status, steps=1, record=failure)
    (line,) = readiness.existing(run.config, tmp_path, fresh=False)
    assert line.verdict == "pass" and run.record.run_id in line.says and says in line.says
    assert "deletes run" in readiness.existing(run.config, tmp_path, fresh=True)[0].says
    with locks.lock(run.files.lock, wait=False):
        found = readiness.existing(run.config, tmp_path, fresh=False)[0]
    assert found.verdict == ("pass" if status == "done" else "warn")
    assert readiness.existing(config_of(seed=9), tmp_path, fresh=False) == []


def test_a_record_that_cannot_be_read_fails(tmp_path):
    run = made_up_run(tmp_path, steps=1)
    run.files.record.write_text("{")
    assert readiness.existing(run.config, tmp_path, fresh=False)[0].verdict == "fail"


def test_an_upload_needs_a_repository_and_a_token(hub_variables):
    verdicts = []
    for repository, token in ((None, "t"), ("owner/name", None), ("owner/name", "t")):
        hub_variables(repository, token)
        verdicts.append(readiness.upload(asked=True, offline=False)[0])
    assert [line.verdict for line in verdicts] == ["fail", "fail", "pass"]
    assert "HF_REPOSITORY is not set" in verdicts[0].says and "HF_TOKEN is not set" in verdicts[1].says
    assert "not uploaded" in readiness.upload(asked=True, offline=True)[0].says
    assert readiness.upload(asked=False, offline=True) == []


def test_a_dataset_that_is_not_cached_cannot_be_downloaded_without_a_network():
    lacking = findings.dataset(config_of(), extent(), offline=True)
    assert lacking.verdict == "warn" and "HF_HUB_OFFLINE prevents" in lacking.says
    for here in (extent(cached=True), extent(download_bytes=0)):
        assert findings.dataset(config_of(), here, offline=True).verdict == "pass"
    assert "OFFLINE" not in findings.dataset(config_of(), extent()).line()


def test_a_batch_that_is_larger_than_the_training_split_is_one_step_per_epoch():
    (line,) = readiness.batch(config_of(), extent(train=57))
    assert line.verdict == "warn" and "--batch-size 512 is more than the 57 training rows" in line.says
    assert readiness.batch(config_of(), extent(train=512)) == [] == readiness.batch(config_of(), extent(train=None))
    assert length.small_split(config_of(train_batches=3), 57) == ""


def test_a_step_at_a_learning_rate_of_zero_and_weights_of_a_kernel_that_meet_no_patch_are_noted():
    one = {"epochs": 1, "batch_size": 512}
    (line,) = readiness.idle(config_of(**one, warmup_steps=0), extent(train=100))
    assert line.verdict == "warn" and "one step without warm-up" in line.says
    for more in ({}, {"warmup_steps": 0, "schedule": "constant"}, {"warmup_steps": 0, "lr_min": 1e-5}):
        assert readiness.idle(config_of(**one | more), extent(train=100)) == []
    assert readiness.idle(config_of(**one, warmup_steps=0), extent(train=513)) == []
    (line,) = readiness.idle(config_of(model="convmixer", image=32, patch=8, kernel=8), extent())
    assert "15 of its 64 weights see zeros only. Use --kernel 7 or less" in line.says
    assert readiness.idle(config_of(model="convmixer", image=32, patch=8, kernel=7), extent()) == []
