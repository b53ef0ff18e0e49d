"""Up to the Hub and back: one commit per upload upon a known parent, downloads verified, nothing lost in a race."""

import json
from pathlib import Path

import pytest
from hub.repositories import Blob
from huggingface_hub import ModelCard
from PIL import Image
from raw_records import put, raw
from report import reseeded

from app.errors import Explained, HubUnavailable, InputError
from app.sharing import store
from app.sharing.parcel import pack
from app.system import hub, repositories

REPOSITORY = "tester/runs"


def listed(server):
    """The names in the root README's model-index."""
    content = server.files(REPOSITORY)["README.md"].decode()
    found = ModelCard(content).data.eval_results
    return {result.metric_args["run_id"] for result in found if "run_id" in (result.metric_args or {})}


def another(run, seed):
    """A copy of a run as another seed would have left it, in a folder of its own."""
    return reseeded(run, run.files.folder.parent / f"seed-{seed}", seed)


def names(*runs):
    return {run.record.run_id for run in runs}


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
    folder = f"all/checkpoints/vit_differential/{run.files.stem}"
    own = {f"{folder}/{path.name}" for path in run.files.present()}
    rest = {
        "README.md",
        ".gitattributes",
        f"{folder}/README.md",
        "all/checkpoints/vit_differential/notes/plan.txt",
    }
    assert online.files(REPOSITORY).keys() == own | rest
    assert online.commits(REPOSITORY)[0].message == f"Add {work.name}"


def test_every_run_of_a_folder_gets_its_own_folder_card_and_line_of_the_index(run, online):
    folder = run.files.folder
    runs = [run, reseeded(run, folder, 1), reseeded(run, folder, 2)]
    copy = reseeded(run, folder / "mine" / "more", 3)  # stays behind: the next is the same run
    settled = reseeded(run, folder / "mine" / copy.files.stem, 3)
    put(runs[2].files.record, raw(runs[2]) | {"status": "running"})
    said = []
    store.upload(folder, "x", say=said.append)
    there = online.files(REPOSITORY)
    places = {f"x/{one.files.stem}": one for one in runs[:2]} | {f"x/mine/{settled.files.stem}": settled}
    for place, one in places.items():
        for path in one.files.present():
            assert there[f"{place}/{path.name}"] == path.read_bytes()
        assert f"python run.py download hf://{REPOSITORY}/{place} " in there[f"{place}/README.md"].decode()
        assert f"[{one.record.run_id}]({place})" in there["README.md"].decode()
    assert len(there) == 2 + sum(len(one.files.present()) + 1 for one in places.values())
    assert listed(online) == names(*places.values())
    assert said == [f"skipped unfinished runs: {runs[2].record.run_id}. The train command of a run resumes it"]


@pytest.mark.parametrize("status", ["running", "stopped", "failed"])
def test_a_folder_of_unfinished_runs_is_refused_and_the_runs_are_named(run, online, status):
    failure = {"failure": {"kind": "diverged", "sentence": "x"}} if status == "failed" else {}
    put(run.files.record, raw(run) | {"status": status} | failure)
    with pytest.raises(InputError, match=f"unfinished .{run.record.run_id}"):
        store.upload(run.files.folder, "x")
    assert not online.requests


def test_a_second_run_never_overwrites_the_card_or_the_files_of_another(run, online):
    other, third = another(run, 1), another(run, 2)
    store.upload(stem(run), "x")
    first, said = online.files(REPOSITORY), []
    store.upload(stem(other), "x", say=said.append)
    there = online.files(REPOSITORY)
    assert {name: there[name] for name in first if name != "README.md"} == {
        name: content for name, content in first.items() if name != "README.md"
    }
    place = f"x/{other.files.stem}"
    assert said == [f"x has the card or the files of another run, so this run is in {place}"]
    assert f"hf://{REPOSITORY}/{place}" in there[f"{place}/README.md"].decode()
    assert f"[{other.record.run_id}]({place})" in there["README.md"].decode()
    store.upload(stem(run), "x")  # the same run again stays where it is
    assert online.files(REPOSITORY).keys() == there.keys()
    online.commit(REPOSITORY, {"y/README.md": b"by hand"})
    store.upload(stem(third), "y")
    assert online.files(REPOSITORY)["y/README.md"] == b"by hand"
    assert f"y/{third.files.stem}/README.md" in online.files(REPOSITORY)


def test_a_finished_run_behind_a_linked_folder_goes_up_and_nothing_else_from_there(run, online, tmp_path):
    (tmp_path / "volume").mkdir()
    moved = reseeded(run, tmp_path / "volume" / "deep", 1)
    (tmp_path / "volume" / "secret.txt").write_text("mine")
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "linked").symlink_to(tmp_path / "volume")
    (tmp_path / "volume" / "back").symlink_to(tmp_path / "study")
    store.upload(tmp_path / "study", "x")
    place = f"x/linked/deep/{moved.files.stem}"
    own = {f"{place}/{path.name}" for path in moved.files.present()}
    assert online.files(REPOSITORY).keys() == own | {f"{place}/README.md", "README.md", ".gitattributes"}
    assert listed(online) == names(moved)


def test_a_folder_named_by_its_run_stays_as_it_is_wherever_it_goes(run, online, tmp_path):
    store.upload(stem(run), f"a/{run.files.stem}")
    store.download(f"a/{run.files.stem}", tmp_path / run.files.stem, lambda _: None)
    for local, folder in ((tmp_path / run.files.stem, "b"), (run.files.folder, f"c/{run.files.stem}"), (tmp_path, "d")):
        store.upload(local, folder)
    own = {path.name for path in run.files.present()} | {"README.md"}
    places = (f"a/{run.files.stem}", "b", f"c/{run.files.stem}", f"d/{run.files.stem}")
    assert {f"{place}/{name}" for place in places for name in own} == {
        name for name in online.files(REPOSITORY) if "/" in name
    }


def test_the_index_follows_runs_to_where_their_records_are(run, online):
    other, api = another(run, 1), hub.api()
    for folder in ("old", f"new/{other.files.stem}"):
        store.upload(stem(other), folder)
    store.upload(stem(run), "x")
    assert f"[{other.record.run_id}](new/{other.files.stem})" in online.files(REPOSITORY)["README.md"].decode()
    api.delete_file(f"new/{other.files.stem}/{other.files.record.name}", repo_id=REPOSITORY)  # what else is there stays
    store.upload(stem(run), "y")
    assert f"[{other.record.run_id}](old)" in online.files(REPOSITORY)["README.md"].decode()


def test_a_single_file_goes_up_alone(online, tmp_path):
    (tmp_path / "table.csv").write_text("a,b\n")
    store.upload(tmp_path / "table.csv", "/")
    assert set(online.files(REPOSITORY)) == {".gitattributes", "table.csv"}


def test_the_index_keeps_other_runs_and_drops_those_that_are_gone(run, online):
    others = [another(run, seed) for seed in (1, 2)]
    for other, folder in zip(others, "ab", strict=True):
        store.upload(stem(other), f"x/{folder}")
    assert listed(online) == names(*others)
    hub.api().delete_folder("x/a", repo_id=REPOSITORY)
    store.upload(stem(run), "x/mine")
    assert listed(online) == names(others[1], run)


def test_the_lines_of_a_card_load_the_weights(run, online, work, capsys):
    store.upload(stem(run), "a/b")
    Image.new("L", (8, 8), 90).save(work / "image.png")
    text = online.files(REPOSITORY)["a/b/README.md"].decode()
    ours, plain = (part.partition("\n```")[0] for part in text.split("```python\n")[1:])
    found = {}
    exec(ours.replace("import isoscale", "import app as isoscale"), found)
    assert found["logits"].shape == (1, 10) and capsys.readouterr().out.strip() in run.record.data.class_names
    local = f"hf_hub_download = lambda *_: {str(run.files.weights)!r}"
    exec(plain.replace("from huggingface_hub import hf_hub_download", local), found)
    assert json.loads(found["about"])["run_id"] == run.record.run_id
    assert sum(tensor.numel() for tensor in found["weights"].values()) == run.record.parameters.total


def test_an_index_that_was_downloaded_does_not_come_back_in_place_of_a_new_one(run, online, tmp_path):
    store.upload(stem(run), f"x/{run.files.stem}")
    store.download("", tmp_path / "all", lambda _: None)
    other = reseeded(run, tmp_path / "all" / "x", 1)
    store.upload(tmp_path / "all", "/")
    assert listed(online) == names(run, other)
    (tmp_path / "all" / "README.md").write_text("by hand")
    store.upload(tmp_path / "all", "/")
    assert online.files(REPOSITORY)["README.md"] == b"by hand"


def test_the_readme_is_read_once_for_an_upload(run, online):
    store.upload(stem(another(run, 1)), "x/other")
    online.requests.clear()
    store.upload(stem(run), "x/mine")
    assert len([path for method, path, _ in online.requests if method == "GET" and path.endswith("/README.md")]) == 1


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
        pack(tmp_path / ".env", ".")


def test_two_uploads_that_race_both_end_in_the_index(run, online, monkeypatch):
    other, head, raced = another(run, 1), repositories.head, []

    def slow_head(name):
        sha = head(name)
        if not raced:
            raced.append(sha)
            store.upload(stem(other), "x/other")
        return sha

    monkeypatch.setattr(repositories, "head", slow_head)
    store.upload(stem(run), "x/mine")
    assert 412 in [status for _, _, status in online.requests]
    assert listed(online) == names(other, run)
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
    with pytest.raises(InputError, match="leads out of its folder"):
        store.download("x", tmp_path / "here" / "back", pytest.fail)
    assert not list(tmp_path.rglob("evil"))


@pytest.mark.parametrize(
    ("wrong", "folder", "says"),
    [
        ({"status": "running"}, "x", "is not finished. Run its train command again to resume it"),
        ({"results": {}}, "x", "has no test results. Run `run.py evaluate .*` to compute them"),
        ({"schedule": {}}, "x", "is damaged .it has no schedule.total_steps"),
        ({}, "a/../../x", "leads out of its folder"),
        ({}, "a/.git/x", "is hidden. Give a folder whose name does not begin with a dot"),
        ({}, "hf://alice", "not an address of the form"),
    ],
)
def test_what_is_wrong_here_is_told_before_the_hub_is_asked(run, online, wrong, folder, says):
    put(run.files.record, raw(run) | wrong)
    with pytest.raises(Explained, match=says):
        store.upload(stem(run), folder)
    assert not online.requests


def test_a_file_that_cannot_be_read_is_told_before_the_hub_is_asked(run, online, monkeypatch):
    monkeypatch.setattr("os.access", lambda path, _: path != run.files.weights)
    with pytest.raises(InputError, match=f"{run.files.weights.name} cannot be read. Fix its permissions"):
        store.upload(run.files.folder, "x")
    assert not online.requests


def test_a_public_repository_takes_no_upload_that_shall_be_private(run, online):
    online.create(REPOSITORY)
    with pytest.raises(InputError, match=f"{REPOSITORY} exists and is public. Make it private .* or omit --private"):
        store.upload(stem(run), "x", private=True)
    assert len(online.commits(REPOSITORY)) == 1
    online.repositories.all["model", REPOSITORY].private = True
    store.upload(stem(run), "x", private=True)
    assert len(online.commits(REPOSITORY)) == 2


@pytest.mark.parametrize("address", ["x/{stem}", "x/{stem}.json", "hf://tester/runs/x/{stem}.json"])
def test_a_run_s_name_or_record_stands_for_all_its_files(run, online, tmp_path, address):
    store.upload(stem(run), "x")
    paths = store.download(address.format(stem=run.files.stem), tmp_path / "back", lambda _: None)
    assert {path.name for path in paths} == {path.name for path in run.files.present()}
    assert {path.parent for path in paths} == {tmp_path / "back"}


def test_a_json_that_is_no_run_s_comes_alone_and_a_beginning_of_names_is_nothing(online, tmp_path):
    (tmp_path / "up").mkdir()
    for name in ("table.json", "table_more.json", "table.csv", "tables.csv"):
        (tmp_path / "up" / name).write_text(name)
    store.upload(tmp_path / "up", "x")
    for path, names in (("x/table.json", "table.json"), ("x/table", "table.csv table.json table_more.json")):
        paths = store.download(path, tmp_path / path, lambda _: None)
        assert sorted(each.name for each in paths) == names.split()
    with pytest.raises(InputError, match=r"has no x/tab. See"):
        store.download("x/tab", tmp_path / "back", pytest.fail)


def test_addresses_are_of_the_hub_or_within_ones_own_repository(monkeypatch):
    monkeypatch.setenv("HF_REPOSITORY", "https://huggingface.co/me/runs/tree/main")
    assert store.parse_address("a/b") == ("me/runs", "a/b")
    assert store.parse_address("hf://you/theirs/a/b") == ("you/theirs", "a/b")
    assert store.parse_address("hf://you/theirs") == ("you/theirs", "")
    for wrong in (
        "hf://you",
        "hf://you/",
        "hf:///runs",
        "hf://you/their runs/a",
        "hf://you/a--b",
        "hf://-/a",
        "hf://you/a.git",
    ):
        with pytest.raises(InputError, match="not an address of the form"):
            store.parse_address(wrong)


HIDDEN = [
    ".env",
    ".git/config",
    "a/.env",
    "a/.git/hooks/post-checkout",
    "a/b/.bashrc",
    ".x/y/z.txt",
    "a/..x/y",
    "a/.../z",
]


@pytest.mark.parametrize(("wanted", "kept"), [("", {"a/b/c.txt", "r.txt"}), ("a", {"b/c.txt"}), ("a/b", {"c.txt"})])
def test_hidden_files_are_not_downloaded_and_each_is_named(online, tmp_path, wanted, kept):
    online.create(REPOSITORY)
    online.commit(REPOSITORY, dict.fromkeys([*HIDDEN, "a/b/c.txt", "r.txt"], b"x"))
    said = []
    store.download(f"hf://{REPOSITORY}/{wanted}", tmp_path / "down", said.append)
    there = {
        path.relative_to(tmp_path / "down").as_posix() for path in (tmp_path / "down").rglob("*") if path.is_file()
    }
    assert there == kept
    skipped = {line.split(": hidden")[0].removeprefix("skipped ") for line in said if line.startswith("skipped ")}
    assert {name for name in HIDDEN if name.startswith(wanted)} <= skipped


@pytest.mark.parametrize("wanted", [".env", ".git", "a/.git", "a/.env"])
def test_a_hidden_path_that_is_asked_for_is_refused(online, tmp_path, wanted):
    online.create(REPOSITORY)
    online.commit(REPOSITORY, dict.fromkeys(HIDDEN, b"x"))
    with pytest.raises(InputError, match="only hidden files"):
        store.download(f"hf://{REPOSITORY}/{wanted}", tmp_path / "down", print)
    assert not (tmp_path / "down").exists()


@pytest.mark.parametrize("name", ["x/" + "a" * 247, "x/" + "a" * 300, "x/" + "猫" * 83, "x/c:b.txt", "x/c:/b.txt"])
def test_a_name_that_the_client_cannot_download_is_named_before_anything_is_fetched(online, tmp_path, name):
    online.create(REPOSITORY)
    online.commit(REPOSITORY, {"x/0.txt": b"x", name: b"x"})
    with pytest.raises(InputError, match=r"cannot be downloaded.*246 bytes.*Rename it on the Hub") as refused:
        store.download("x", tmp_path / "down", pytest.fail)
    assert len(str(refused.value)) < 500 and not (tmp_path / "down").exists()


@pytest.mark.parametrize("name", ["x/" + "a" * 246, "x/" + "猫" * 82, "x/12:30.txt"])
def test_a_name_that_is_as_long_as_may_be_is_downloaded(online, tmp_path, name):
    online.create(REPOSITORY)
    online.commit(REPOSITORY, {name: b"x"})
    assert store.download("x", tmp_path / "down", lambda _: None) == [tmp_path / "down" / name[2:]]


def test_what_is_in_the_way_of_a_download_is_named_before_anything_is_fetched(online, tmp_path):
    online.create(REPOSITORY)
    online.commit(REPOSITORY, {"x/0": b"x", "x/a": b"x", "x/b/c": b"x"})
    (tmp_path / "one" / "a").mkdir(parents=True)
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "b").write_text("mine")
    for folder, says in (("one", "a is a folder, where the Hub has a file"), ("two", "b is a file, where the Hub has")):
        with pytest.raises(InputError, match=says):
            store.download("x", tmp_path / folder, pytest.fail)
        assert len(list((tmp_path / folder).iterdir())) == 1


def test_a_repository_with_a_file_in_place_of_a_folder_is_refused(online, tmp_path):
    online.create(REPOSITORY)
    online.commit(REPOSITORY, {"x/a": b"x", "x/a/b": b"x"})
    with pytest.raises(InputError, match="a is a file, where the Hub has a folder"):
        store.download("x", tmp_path / "down", pytest.fail)
    assert not (tmp_path / "down").exists()
