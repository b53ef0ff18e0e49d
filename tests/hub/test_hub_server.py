"""The small Hub against the real clients: it understands what they send and shows them what the Hub shows them."""

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, constants, snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import httpx

from hub.server import HubServer

REPO = "tester/vit"
LARGE = bytes(range(256)) * 4096  # 1 MiB, binary


@pytest.fixture(autouse=True)
def plain_http(monkeypatch: pytest.MonkeyPatch) -> None:
    """The switches of `HubServer.environment`, for a client that may have been imported without them."""
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_PROGRESS_BARS", True)


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with HubServer() as server:
        yield server


@pytest.fixture
def api(hub: HubServer) -> HfApi:
    """A writer, with its repository."""
    hub.create(REPO)
    return HfApi(endpoint=hub.url, token="hf_write")


def add(path: str, data: bytes) -> CommitOperationAdd:
    return CommitOperationAdd(path, data)


def paths(hub: HubServer, start: str) -> list[str]:
    """The paths of requests that began with that method."""
    return [path for method, path, _ in hub.requests if method == start]


def test_a_commit_of_small_and_large_files_comes_back_bit_for_bit(hub: HubServer, api: HfApi, tmp_path: Path) -> None:
    sent = {"config.json": b"{}", "state/weights.safetensors": LARGE, "empty.bin": b"", "läuft b+c.txt": "ä\n".encode()}
    commit = api.create_commit(REPO, [add(*item) for item in sent.items()], commit_message="epoch 1")
    got = {path: api.hf_hub_download(REPO, path, revision=commit.oid, cache_dir=tmp_path) for path in sent}
    assert {path: Path(place).read_bytes() for path, place in got.items()} == sent
    assert {path: hub.files(REPO)[path] for path in sent} == sent
    assert [path.startswith("/lfs/") for path in paths(hub, "PUT")] == [True]
    assert [commit.message for commit in hub.commits(REPO)] == ["epoch 1", "initial commit"]


def test_unchanged_files_are_neither_sent_nor_committed_again(hub: HubServer, api: HfApi) -> None:
    files = {"log.csv": b"1", "weights.safetensors": LARGE}
    first = api.create_commit(REPO, [add(*item) for item in files.items()], commit_message="once")
    again = api.create_commit(REPO, [add(*item) for item in files.items()], commit_message="twice")
    assert (again.oid, len(paths(hub, "PUT")), len(hub.commits(REPO))) == (first.oid, 1, 2)


def test_a_stale_parent_is_refused_and_changes_nothing(hub: HubServer, api: HfApi) -> None:
    parent = api.model_info(REPO).sha
    push = partial(api.create_commit, REPO, commit_message="mine", parent_commit=parent)
    push([add("a", b"1")])
    with pytest.raises(HfHubHTTPError, match="A commit has happened since") as refusal:
        push([add("b", b"2")])
    assert refusal.value.response.status_code == 412
    assert sorted(hub.files(REPO)) == [".gitattributes", "a"]


def test_a_wrong_token_is_refused_even_on_public_data(hub: HubServer, api: HfApi) -> None:
    stranger = HfApi(endpoint=hub.url, token="hf_wrong")
    for call in (stranger.whoami, partial(stranger.model_info, REPO)):
        with pytest.raises(HfHubHTTPError) as refusal:
            call()
        assert refusal.value.response.status_code == 401
        assert refusal.value.response.json() == {"error": "Invalid credentials in Authorization header"}
    assert HfApi(endpoint=hub.url, token=False).model_info(REPO).id == REPO
    assert api.whoami()["auth"]["accessToken"]["role"] == "write"


def test_a_read_token_reads_but_does_not_write(hub: HubServer, api: HfApi) -> None:
    reader = HfApi(endpoint=hub.url, token="hf_read")
    hub.create("alice/hers")
    assert reader.model_info(REPO).sha == api.model_info(REPO).sha
    upload = {"path_or_fileobj": b"1", "path_in_repo": "a"}
    for call in (
        partial(reader.upload_file, repo_id=REPO, **upload),
        partial(reader.create_repo, "tester/new"),
        partial(reader.create_branch, REPO, branch="b"),
        partial(reader.auth_check, REPO, write=True),
        partial(api.upload_file, repo_id="alice/hers", **upload),
    ):
        with pytest.raises(HfHubHTTPError) as refusal:
            call()
        assert refusal.value.response.status_code == 403


def test_repositories_are_created_once_hidden_if_private_and_deleted(
    hub: HubServer, api: HfApi, tmp_path: Path
) -> None:
    stranger = HfApi(endpoint=hub.url, token=False)
    api.create_repo("tester/secret", private=True)
    assert api.create_repo("tester/secret", exist_ok=True).repo_id == "tester/secret"
    with pytest.raises(HfHubHTTPError, match="409"):
        api.create_repo("tester/secret")
    with pytest.raises(RepositoryNotFoundError) as refusal:
        stranger.model_info("tester/secret")
    assert refusal.value.response.status_code == 401
    assert api.model_info("tester/secret").private
    api.update_repo_settings("tester/secret", visibility="public", gated="auto")
    assert stranger.model_info("tester/secret").gated == "auto"
    with pytest.raises(GatedRepoError):
        stranger.hf_hub_download("tester/secret", ".gitattributes", cache_dir=tmp_path)
    api.delete_repo("tester/secret")
    assert not api.repo_exists("tester/secret")


def test_what_is_missing_is_named_by_its_own_error(api: HfApi, tmp_path: Path) -> None:
    with pytest.raises(RepositoryNotFoundError):
        api.model_info("tester/none")
    with pytest.raises(RevisionNotFoundError):
        api.model_info(REPO, revision="none")
    with pytest.raises(RemoteEntryNotFoundError):
        api.hf_hub_download(REPO, "none", cache_dir=tmp_path)
    with pytest.raises(RemoteEntryNotFoundError):
        api.delete_file("none", REPO)
    with pytest.raises(HfHubHTTPError, match="501"):
        api.upload_file(path_or_fileobj=b"1", path_in_repo="a", repo_id=REPO, create_pr=True)


def test_a_branch_holds_its_own_state_until_it_is_deleted(hub: HubServer, api: HfApi) -> None:
    api.create_branch(REPO, branch="states/run-1")
    api.upload_file(path_or_fileobj=LARGE, path_in_repo="old/state.bin", repo_id=REPO, revision="states/run-1")
    edit = [CommitOperationDelete("old/"), add("state.bin", b"2")]
    commit = api.create_commit(REPO, edit, commit_message="next", revision="states/run-1")
    branches = {ref.name: ref.target_commit for ref in api.list_repo_refs(REPO).branches}
    assert branches == {"main": hub.commits(REPO)[0].id, "states/run-1": commit.oid}
    assert sorted(hub.files(REPO, "states/run-1")) == [".gitattributes", "state.bin"]
    assert api.list_repo_commits(REPO, revision="states/run-1")[0].title == "next"
    with pytest.raises(HfHubHTTPError, match="409"):
        api.create_branch(REPO, branch="states/run-1")
    api.delete_branch(REPO, branch="states/run-1")
    assert not api.revision_exists(REPO, "states/run-1")
    assert sorted(hub.files(REPO)) == [".gitattributes"]


def test_a_range_and_the_ids_of_a_file_are_told(hub: HubServer, api: HfApi) -> None:
    sha = api.upload_file(path_or_fileobj=LARGE, path_in_repo="a/weights.bin", repo_id=REPO).oid
    url = f"{hub.url}/{REPO}/resolve/main/a/weights.bin"
    for asked, expected in {"bytes=3-9": LARGE[3:10], "bytes=1048570-": LARGE[-6:], "bytes=-4": LARGE[-4:]}.items():
        answer = httpx.get(url, headers={"Range": asked})
        assert (answer.status_code, answer.content, answer.headers["X-Repo-Commit"]) == (206, expected, sha)
    assert httpx.get(url, headers={"Range": "bytes=1048576-"}).status_code == 416
    metadata = api.get_hf_file_metadata(url=url)
    file = api.model_info(REPO, files_metadata=True).siblings[1]
    assert (metadata.size, metadata.etag, metadata.commit_hash) == (len(LARGE), file.lfs.sha256, sha)
    entry = api.get_paths_info(REPO, ["a/weights.bin", "none"], expand=True)[0]
    assert (entry.lfs.sha256, entry.last_commit.oid) == (file.lfs.sha256, sha)


def test_a_commit_stands_though_its_answer_is_lost(hub: HubServer, api: HfApi) -> None:
    hub.fault("POST .*/commit/main", cut_after_bytes=0)
    upload = partial(api.upload_file, path_or_fileobj=b"1", path_in_repo="a", repo_id=REPO)
    with pytest.raises(httpx.RemoteProtocolError):
        upload()
    assert hub.files(REPO)["a"] == b"1"
    assert upload().oid == hub.commits(REPO)[0].id
    assert len(hub.commits(REPO)) == 2


def test_faults_strike_as_often_as_ordered(hub: HubServer, api: HfApi, tmp_path: Path) -> None:
    hub.fault(f"GET /api/models/{REPO}$", status=429, headers={"Retry-After": "7"}, times=2)
    hub.fault(f"GET /api/models/{REPO}/refs", status=None, delay_seconds=0.2)
    hub.fault("GET .*/resolve/.*/weights.bin", cut_after_bytes=1000)
    for _ in range(2):
        with pytest.raises(HfHubHTTPError) as refusal:
            api.model_info(REPO)
        assert (refusal.value.response.status_code, refusal.value.response.headers["Retry-After"]) == (429, "7")
    assert api.model_info(REPO).id == REPO
    started = time.monotonic()
    assert api.list_repo_refs(REPO).branches[0].name == "main"
    assert time.monotonic() - started >= 0.2
    api.upload_file(path_or_fileobj=LARGE, path_in_repo="weights.bin", repo_id=REPO)
    place = api.hf_hub_download(REPO, "weights.bin", cache_dir=tmp_path)
    assert Path(place).read_bytes() == LARGE
    assert len([path for path in paths(hub, "GET") if path.endswith("weights.bin")]) == 2
    assert [status for _, path, status in hub.requests if path == f"/api/models/{REPO}"] == [429, 429, 200]


def test_a_folder_goes_up_and_a_snapshot_comes_down(hub: HubServer, api: HfApi, tmp_path: Path) -> None:
    files = {"README.md": b"---\nlicense: mit\n---\n", "runs/1/log.csv": b"a,b\n", "runs/1/weights.bin": LARGE}
    for name, data in files.items():
        (tmp_path / "up" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "up" / name).write_bytes(data)
    api.upload_folder(folder_path=tmp_path / "up", repo_id=REPO)
    assert hub.commits(REPO)[0].message == "Upload folder using huggingface_hub"
    place = snapshot_download(REPO, endpoint=hub.url, token=False, cache_dir=tmp_path / "down")
    assert {name: (Path(place) / name).read_bytes() for name in files} == files
    api.upload_folder(folder_path=tmp_path / "up" / "runs", repo_id=REPO, delete_patterns="runs/*")
    assert sorted(hub.files(REPO)) == [".gitattributes", "1/log.csv", "1/weights.bin", "README.md"]


def test_a_long_tree_comes_in_pages(hub: HubServer, api: HfApi) -> None:
    names = [f"{folder}/{index:02}.txt" for folder in ("a", "b/c") for index in range(5)]
    api.create_commit(REPO, [add(name, name.encode()) for name in names], commit_message="many")
    hub.page_size = 3
    entries = [entry.path for entry in api.list_repo_tree(REPO, recursive=True)]
    assert entries == sorted([".gitattributes", "a", "b", "b/c", *names])
    assert [entry.path for entry in api.list_repo_tree(REPO, "b/c")] == names[5:]
    assert [entry.path for entry in api.list_repo_tree(REPO)] == [".gitattributes", "a", "b"]
    assert len(paths(hub, "GET")) == 5 + 2 + 1


def test_the_store_survives_a_restart_and_clients_notice_the_gap(tmp_path: Path) -> None:
    with HubServer(store=tmp_path) as hub:
        api, port = HfApi(endpoint=hub.url, token="hf_write"), int(hub.url.rpartition(":")[2])
        api.create_repo(REPO, private=True)
        api.create_repo("tester/gone")
        api.delete_repo("tester/gone")
        api.create_branch(REPO, branch="run")
        api.upload_file(path_or_fileobj=LARGE, path_in_repo="w.bin", repo_id=REPO, revision="run")
        commits = hub.commits(REPO, "run")
    with pytest.raises(httpx.TransportError):
        api.model_info(REPO)
    with HubServer(store=tmp_path, port=port) as hub:
        assert hub.commits(REPO, "run") == commits
        assert hub.files(REPO, "run")["w.bin"] == LARGE
        assert api.model_info(REPO).private
        assert not api.repo_exists("tester/gone")
