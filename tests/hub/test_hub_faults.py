"""Faults of the small Hub and its branches, as the real client meets them."""

import hashlib
from functools import partial
from pathlib import Path

import pytest
from huggingface_hub import CommitOperationAdd, HfApi, constants
from huggingface_hub.errors import HfHubHTTPError, RevisionNotFoundError
from huggingface_hub.utils import httpx

from hub.server import HubServer

REPO, BRANCH = "tester/vit", "run-1a2b3c4d"
LARGE = bytes(range(256)) * 4096  # 1 MiB, binary
ADDRESS = "GET .*/resolve/.*/weights.bin"


@pytest.fixture(autouse=True)
def _plain_http(monkeypatch):
    for name in ("HF_HUB_DISABLE_XET", "HF_HUB_DISABLE_PROGRESS_BARS"):
        monkeypatch.setattr(constants, name, True)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)


@pytest.fixture
def hub():
    with HubServer() as server:
        server.create(REPO)
        yield server


@pytest.fixture
def api(hub):
    return HfApi(endpoint=hub.url, token="hf_write")


@pytest.fixture
def branch(api):
    """A branch of the run, made by the client; its head."""
    api.create_branch(REPO, branch=BRANCH)
    return api.model_info(REPO, revision=BRANCH).sha


def push(api, path, data, **where):
    return api.create_commit(REPO, [CommitOperationAdd(path, data)], commit_message=path, **where)


def refused(call):
    with pytest.raises(HfHubHTTPError) as refusal:
        call()
    return refusal.value.response.status_code


@pytest.mark.parametrize("after", [0, 1, 100_000])
def test_an_upload_cut_in_the_middle_leaves_nothing(hub, after):
    digest = hashlib.sha256(LARGE).hexdigest()
    hub.fault("PUT /lfs/", cut_upload_after_bytes=after)
    with pytest.raises(httpx.TransportError):
        httpx.put(f"{hub.url}/lfs/{digest}", content=LARGE)
    assert digest not in hub.repositories.contents.places
    assert httpx.put(f"{hub.url}/lfs/{digest}", content=LARGE).status_code == 200
    assert digest in hub.repositories.contents.places


def test_the_client_itself_repeats_an_upload_that_was_cut(hub, api):
    hub.fault("PUT /lfs/", cut_upload_after_bytes=100_000)
    push(api, "weights.bin", LARGE)
    assert hub.files(REPO)["weights.bin"] == LARGE
    assert [status for method, _, status in hub.requests if method == "PUT"] == [0, 200]


def test_a_commit_cut_in_the_middle_of_its_request_is_none(hub, api):
    hub.fault("POST .*/commit/main", cut_upload_after_bytes=40)
    with pytest.raises(httpx.TransportError):
        push(api, "log.txt", b"a line\n" * 9000)
    assert len(hub.commits(REPO)) == 1
    assert [status for method, path, status in hub.requests if "/commit/" in path] == [0]


def test_a_revision_moves_between_two_requests_of_a_client(hub, api):
    head = api.model_info(REPO).sha
    hub.fault("POST .*/commit/main", meanwhile=lambda: hub.commit(REPO, {"theirs": b"1"}))
    assert refused(partial(push, api, "mine", b"2", parent_commit=head)) == 412
    assert sorted(hub.files(REPO)) == [".gitattributes", "theirs"]
    push(api, "mine", b"2", parent_commit=api.model_info(REPO).sha)
    assert sorted(hub.files(REPO)) == [".gitattributes", "mine", "theirs"]


@pytest.mark.parametrize("status", [401, 413, 429, 500, 503])
def test_a_refusal_on_order_reaches_the_client_with_its_headers(hub, api, status):
    hub.fault("POST .*/commit/main", status, headers={"Retry-After": "7"})
    with pytest.raises(HfHubHTTPError) as refusal:
        push(api, "a", b"1")
    assert (refusal.value.response.status_code, refusal.value.response.headers["Retry-After"]) == (status, "7")
    assert len(hub.commits(REPO)) == 1


def test_a_flipped_bit_arrives_as_if_nothing_were_wrong(hub, api, tmp_path):
    push(api, "weights.bin", LARGE)
    hub.fault(ADDRESS, flip_byte=-1)
    first, second = (
        Path(api.hf_hub_download(REPO, "weights.bin", local_dir=tmp_path, force_download=True)).read_bytes()
        for _ in range(2)
    )
    assert (first, second) == (LARGE[:-1] + bytes([LARGE[-1] ^ 1]), LARGE)


def test_a_slow_answer_trickles_and_a_patience_shorter_than_its_gaps_ends_it(hub, api):
    push(api, "weights.bin", LARGE)
    hub.fault(ADDRESS, bytes_per_second=20 * len(LARGE), times=1)
    address = f"{hub.url}/{REPO}/resolve/main/weights.bin"
    with httpx.Client() as client, client.stream("GET", address) as answer:
        pieces = [len(piece) for piece in answer.iter_raw()]
    assert sum(pieces) == len(LARGE) and len(pieces) > 1
    hub.fault(ADDRESS, bytes_per_second=1)
    with pytest.raises(httpx.ReadTimeout):
        httpx.get(address, timeout=0.2)


def test_a_branch_that_is_missing_is_a_revision_not_found(api):
    for call in (
        partial(api.model_info, REPO, revision=BRANCH),
        partial(api.delete_branch, REPO, branch=BRANCH),
        partial(push, api, "a", b"1", revision=BRANCH),
    ):
        with pytest.raises(RevisionNotFoundError) as refusal:
            call()
        assert refusal.value.response.status_code == 404
        assert refusal.value.response.headers["X-Error-Code"] == "RevisionNotFound"


def test_a_branch_that_exists_is_a_conflict_unless_that_is_fine(hub, api, branch):
    assert refused(partial(api.create_branch, REPO, branch=BRANCH)) == 409
    api.create_branch(REPO, branch=BRANCH, exist_ok=True)
    assert api.model_info(REPO, revision=BRANCH).sha == branch == hub.commits(REPO)[0].id


def test_a_branch_moves_alone_and_only_from_the_parent_that_it_has(hub, api, branch):
    main = api.model_info(REPO).sha
    first = push(api, "state.bin", LARGE, revision=BRANCH, parent_commit=branch).oid
    assert refused(partial(push, api, "lease.json", b"{}", revision=BRANCH, parent_commit=branch)) == 412
    second = push(api, "lease.json", b"{}", revision=BRANCH, parent_commit=first).oid
    info = api.model_info(REPO, revision=BRANCH, files_metadata=True)
    assert info.sha == second and {file.rfilename for file in info.siblings} >= {"state.bin", "lease.json"}
    assert {ref.name: ref.target_commit for ref in api.list_repo_refs(REPO).branches} == {"main": main, BRANCH: second}
    api.delete_branch(REPO, branch=BRANCH)
    assert [ref.name for ref in api.list_repo_refs(REPO).branches] == ["main"]
    assert sorted(hub.files(REPO)) == [".gitattributes"]


def test_a_branch_starts_where_it_is_told(hub, api):
    first = api.model_info(REPO).sha
    push(api, "a", b"1")
    api.create_branch(REPO, branch=BRANCH, revision=first)
    assert (api.model_info(REPO, revision=BRANCH).sha, sorted(hub.files(REPO, BRANCH))) == (first, [".gitattributes"])
