"""Up to the Hub and back: one commit per upload upon a known parent, downloads verified, nothing lost in a race."""

import json
import shutil
from pathlib import Path

import pytest
from huggingface_hub import ModelCard

from app import hub
from app.artifacts import store
from app.artifacts.paths import find_runs
from app.errors import HubUnavailable, InputError
from app.selftest.hub_repositories import Blob

REPOSITORY = "tester/runs"


def listed(server):
    """The names in the root README's model-index."""
    content = server.files(REPOSITORY)["README.md"].decode()
    return {result.metric_args["run_id"] for result in ModelCard(content).data.eval_results if result.metric_args}


def another(run, run_id):
    """A copy of a run under another id."""
    folder = run.files.folder.parent / run_id
    folder.mkdir()
    for path in run.files.folder.iterdir():
        shutil.copy(path, folder / path.name.replace(run.record["run_id"], run_id))
    record = next(folder.glob("model_*.json"))
    record.write_text(json.dumps(run.record | {"run_id": run_id}))
    return find_runs(folder)[0]


def stem(run):
    return run.files.folder / run.files.stem


def test_what_goes_up_comes_down_bit_for_bit(run, online, tmp_path):
    store.upload(stem(run), "a/b", message="mine")
    said = []
    paths = store.download("a/b", tmp_path / "back", said.append)
    assert {path.name for path in paths} == {"README.md", *(path.name for path in run.files.present())}
    for path in run.files.present():
        assert (tmp_path / "back" / path.name).read_bytes() == path.read_bytes()
    assert len(said) == len(paths) and not list((tmp_path / "back").glob(".*"))
    assert store.download("a/b", tmp_path / "back", pytest.fail) == paths
    one = store.download(f"a/b/{run.files.log.name}", tmp_path / "one", said.append)
    assert one == [tmp_path / "one" / run.files.log.name]


def test_a_folder_goes_up_whole_without_state_locks_and_hidden_files(run, online, work):
    for name in ("x.lock", ".hidden", "y.state/state-1.json", "notes/plan.txt"):
        path = run.files.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("text")
    (run.files.folder / "link").symlink_to(run.files.log)
    store.upload(Path(), "all")
    names = {name.removeprefix("all/checkpoints/vit_differential/") for name in online.files(REPOSITORY)}
    kept = {path.name for path in run.files.present()}
    assert names == {"README.md", ".gitattributes", "notes/plan.txt", *kept}
    assert online.commits(REPOSITORY)[0].message == f"Add {work.name}"


def test_a_single_file_goes_up_alone(online, tmp_path):
    (tmp_path / "table.csv").write_text("a,b\n")
    store.upload(tmp_path / "table.csv", "/")
    assert set(online.files(REPOSITORY)) == {".gitattributes", "table.csv"}


def test_the_index_keeps_other_runs_and_drops_those_that_are_gone(run, online):
    for run_id in ("aaaaaaaa", "bbbbbbbb"):
        store.upload(stem(another(run, run_id)), f"x/{run_id}")
    assert listed(online) == {"aaaaaaaa", "bbbbbbbb"}
    api, gone = hub.api(), "x/aaaaaaaa"
    api.delete_folder(gone, repo_id=REPOSITORY)
    store.upload(stem(run), "x/mine")
    assert listed(online) == {"bbbbbbbb", run.record["run_id"]}


@pytest.mark.parametrize(
    "readme", ["no metadata\n", "---\n: [broken\n---\n", "---\nmodel-index: [1, {results: []}]\n---\n"]
)
def test_a_readme_that_somebody_wrote_by_hand_is_left_as_it_is(run, online, readme):
    online.create(REPOSITORY)
    hub.api().upload_file(path_or_fileobj=readme.encode(), path_in_repo="README.md", repo_id=REPOSITORY)
    store.upload(stem(run), "x")
    assert online.files(REPOSITORY)["README.md"] == readme.encode()
    assert f"x/{run.files.record.name}" in online.files(REPOSITORY)


def test_a_hidden_file_is_never_uploaded(tmp_path):
    (tmp_path / ".env").write_text("HF_TOKEN=secret")
    with pytest.raises(InputError, match="never uploaded"):
        store.files_of(tmp_path / ".env")


def test_two_uploads_that_race_both_end_in_the_index(run, online, monkeypatch):
    other, head, raced = another(run, "cccccccc"), hub.head, []

    def slow_head(name):
        sha = head(name)
        if not raced:
            raced.append(sha)
            store.upload(stem(other), "x/other")
        return sha

    monkeypatch.setattr(hub, "head", slow_head)
    store.upload(stem(run), "x/mine")
    assert 412 in [status for _, _, status in online.requests]
    assert listed(online) == {"cccccccc", run.record["run_id"]}
    assert len(online.commits(REPOSITORY)) == 3


def test_an_upload_outlasts_a_hub_in_trouble_for_a_moment(run, online):
    online.fault(r"POST .*/commit/", status=503, times=2)
    online.fault(r"PUT /lfs/", status=500)
    store.upload(stem(run), "x")
    assert f"x/{run.files.weights.name}" in online.files(REPOSITORY)


def test_a_commit_whose_answer_is_lost_is_not_made_twice(run, online):
    online.fault(r"POST .*/commit/", status=None, cut_after_bytes=0)
    store.upload(stem(run), "x")
    assert len(online.commits(REPOSITORY)) == 2


def test_a_file_that_arrives_damaged_is_not_kept(run, online, tmp_path):
    store.upload(stem(run), "x")
    contents = online.repositories.contents
    blob: Blob = online.commits(REPOSITORY)[0].files[f"x/{run.files.weights.name}"]
    right = b"".join(contents.read(blob.sha256))
    contents.places[blob.sha256] = right[:-1] + bytes([right[-1] ^ 1])
    with pytest.raises(HubUnavailable, match=f"{run.files.weights.name} arrived damaged"):
        store.download("x", tmp_path / "back", lambda _: None)
    assert not (tmp_path / "back" / run.files.weights.name).exists()
    contents.places[blob.sha256] = right
    store.download("x", tmp_path / "back", lambda _: None)
    assert (tmp_path / "back" / run.files.weights.name).read_bytes() == right


def test_a_repository_s_file_cannot_leave_the_target_folder(online, tmp_path):
    online.create(REPOSITORY)
    repository, contents = online.repositories.all["model", REPOSITORY], online.repositories.contents
    repository.commit("main", "evil", {"x/../../evil": contents.blob("evil", contents.add(b"1"))})
    with pytest.raises(InputError, match="would lead out of its folder"):
        store.download("x", tmp_path / "here" / "back", pytest.fail)
    assert not list(tmp_path.rglob("evil"))


def test_an_unfinished_run_is_not_uploaded(run, online):
    record = run.files.record
    record.write_text(record.read_text().replace('"status": "done"', '"status": "running"'))
    with pytest.raises(InputError, match="is not finished; its train command continues it"):
        store.upload(stem(run), "x")
    assert not online.requests


def test_addresses_are_of_the_hub_or_within_ones_own_repository(monkeypatch):
    monkeypatch.setenv("HF_REPOSITORY", "https://huggingface.co/me/runs/tree/main")
    assert store.parse_address("a/b") == ("me/runs", "a/b")
    assert store.parse_address("hf://you/theirs/a/b") == ("you/theirs", "a/b")
    assert store.parse_address("hf://you/theirs") == ("you/theirs", "")
    with pytest.raises(InputError, match="no address of the form"):
        store.parse_address("hf://you")
