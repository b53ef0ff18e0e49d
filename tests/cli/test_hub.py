"""The way to the Hub and back, through a small Hub: upload, download, and what happens when it is down."""

import json
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import TINY
from hub.server import HubServer
from huggingface_hub import ModelCard, metadata_load
from huggingface_hub.utils import are_progress_bars_disabled
from online import lead_to
from report import reseeded

TRAIN = f"train {TINY} --threads 1"
REPOSITORY = "tester/runs"


def test_a_run_goes_up_in_one_commit_with_its_card_and_comes_back_with_the_same_numbers(call, run, online, work):
    stem, folder = run.files.stem, f"vit_differential/{run.files.stem}"
    up = call(f"{TRAIN} --upload")
    assert up.code == 0 and f"uploaded: {online.url}/{REPOSITORY}/commit/" in up.out
    files = online.files(REPOSITORY)
    assert {name: files.get(f"{folder}/{name}") for name in (path.name for path in run.files.present())} == {
        path.name: path.read_bytes() for path in run.files.present()
    }
    assert {*files} - {f"{folder}/{path.name}" for path in run.files.present()} == {
        ".gitattributes", "README.md", f"{folder}/README.md",
    }  # fmt: skip
    assert [commit.message for commit in online.commits(REPOSITORY)] == [
        f"Add run {run.record.run_id}", "initial commit",
    ]  # fmt: skip

    assert call(f"download {folder} back/{stem}").code == 0
    mine, theirs = (json.loads(call(f"evaluate {where} --json").out) for where in ("checkpoints", f"back/{stem}"))
    assert mine == theirs
    assert mine == json.loads(call(f"evaluate back/{stem} --again --json").out)
    assert mine == json.loads(call(f"evaluate hf://{REPOSITORY}/{folder} --json").out)
    card = ModelCard.load(work / "back" / stem / "README.md")
    assert card.data.eval_results[0].metric_value == mine["top1"]
    assert f"python run.py download hf://{REPOSITORY}/{folder} {stem}" in card.text
    assert f"python run.py {TRAIN}" in card.text and re.search(r"\d+\.\d\d % \(95 % Wilson interval", card.text)


def test_the_index_lists_the_run_with_valid_metadata(call, run, online, work):
    assert call(f"upload checkpoints/vit_differential/{run.files.stem} some/where").code == 0
    (work / "README.md").write_bytes(online.files(REPOSITORY)["README.md"])
    entry = metadata_load(work / "README.md")["model-index"][0]
    metric = entry["results"][0]["metrics"][0]
    assert (entry["name"], metric["type"], metric["value"]) == (
        run.files.stem, "accuracy", run.record.test.top1,
    )  # fmt: skip
    assert ModelCard.load(work / "README.md").data.model_name == run.files.stem
    assert f"[{run.record.run_id}](some/where)" in (work / "README.md").read_text()


def test_a_folder_of_runs_goes_up_as_runs_and_each_is_evaluated_where_it_went(call, run, online):
    other = reseeded(run, run.files.folder, 1)
    assert call("upload checkpoints/vit_differential vit_differential").code == 0
    there = online.files(REPOSITORY)
    for one in (run, other):
        place = f"vit_differential/{one.files.stem}"
        assert f"[{one.record.run_id}]({place})" in there["README.md"].decode()
        assert metadata_of(there[f"{place}/README.md"])["model-index"][0]["name"] == one.files.stem
        for address in (place, f"{place}/{one.files.stem}", f"{place}/{one.files.stem}.json"):
            found = json.loads(call(f"evaluate hf://{REPOSITORY}/{address} --json").out)
            assert (found["run_id"], found["n"]) == (one.record.run_id, 60)


def metadata_of(content):
    return ModelCard(content.decode()).data.to_dict()


def test_a_run_that_was_downloaded_beside_itself_is_still_one_run(call, run, online):
    folder, run_id = "checkpoints/vit_differential", run.record.run_id
    assert call(f"upload {folder} hf://{REPOSITORY}/vit_differential").code == 0
    assert call(f"download vit_differential {folder}").code == 0
    assert (run.files.folder / run.files.stem / run.files.record.name).exists()
    for named in (f"--run {run_id}", "--model vit_differential", "checkpoints"):
        ended = call(f"evaluate {named}")
        assert ended.code == 0 and str(run.files.record.relative_to(Path.cwd())) in ended.out, ended.err
        assert ended.err == ""
    assert call(f"plot loss --run {run_id} --out drawn").err.count("\n") <= 1


def test_nothing_but_the_address_is_printed_by_an_upload(call, run, online):
    ended = call("upload checkpoints x")
    assert (ended.out, ended.err) == (f"{online.url}/{REPOSITORY}/commit/{online.commits(REPOSITORY)[0].id}\n", "")
    assert are_progress_bars_disabled()  # on a terminal too


def test_one_damaged_record_is_named_and_stops_no_other_run(call, run):
    reseeded(run, run.files.folder, 1).files.record.write_text("{")
    run_id = run.record.run_id
    for command in (f"evaluate --run {run_id[:6]}", "evaluate --dataset digits", f"plot loss --run {run_id}"):
        ended = call(command)
        assert ended.code == 0
        assert ended.err.count("passed over: the run record ") == 1, ended.err


def test_the_same_upload_twice_adds_no_second_commit(call, run, online):
    for _ in range(2):
        assert call(f"{TRAIN} --upload").code == 0
    assert len(online.commits(REPOSITORY)) == 2


@pytest.mark.parametrize("option", ["--private", "--public"])
def test_a_repository_that_is_missing_is_made_private_or_public(call, run, online, option):
    assert call(f"{TRAIN} --upload {option}").code == 0
    assert online.repositories.all["model", REPOSITORY].private is (option == "--private")


def test_the_token_stands_in_no_output_and_no_file(call, work, online):
    ends = [
        call(f"{TRAIN} --upload --seed 3"),
        call("upload checkpoints x"),
        call("download x back"),
        call("upload a b"),
    ]
    assert [ended.code for ended in ends] == [0, 0, 0, 2]
    said = "".join(ended.out + ended.err for ended in ends).encode()
    kept = [path.read_bytes() for path in work.rglob("*") if path.is_file()]
    assert len(kept) > 20
    assert not any(b"hf_write" in text for text in [said, *kept, *online.files(REPOSITORY).values()])


def test_with_the_hub_down_a_run_is_trained_ends_with_3_and_the_retry_command_uploads_it(call, monkeypatch, work):
    with socket.create_server(("127.0.0.1", 0)) as closed_at_once:
        port = closed_at_once.getsockname()[1]
    lead_to(f"http://127.0.0.1:{port}", monkeypatch)
    ended = call(f"{TRAIN} --upload --seed 2")
    assert ended.code == 3
    assert "warning: the Hub cannot be reached" in ended.err and "Traceback" not in ended.err
    said = re.search(
        r"error: the run is done and safe in (\S+)\.\*, but not uploaded .*. Retry: (?:python|uv run) run.py (.*)",
        ended.err,
    )
    assert Path(said[1]).with_suffix(".safetensors").is_file()
    with HubServer(port=port) as hub:
        assert call(said[2]).code == 0
        assert f"vit_differential/{Path(said[1]).name}/README.md" in hub.files(REPOSITORY)


def test_token_and_repository_are_read_from_env_in_the_folder(call, run, online, monkeypatch, work):
    for name in ("HF_TOKEN", "HF_REPOSITORY"):
        monkeypatch.delenv(name)
    (work / ".env").write_text("HF_TOKEN=hf_write\nHF_REPOSITORY=https://huggingface.co/tester/elsewhere\n")
    assert call(f"{TRAIN} --upload").code == 0
    assert len(online.commits("tester/elsewhere")) == 2


def test_the_token_stands_in_the_arguments_of_no_process(call, online, monkeypatch):
    started = []

    class Watched(subprocess.Popen):
        def __init__(self, arguments, *rest, **options):
            started.append(repr(arguments))
            super().__init__(arguments, *rest, **options)

    monkeypatch.setattr(subprocess, "Popen", Watched)
    assert call(f"{TRAIN} --upload --seed 9").code == 0
    assert started and not [arguments for arguments in (*started, *sys.argv) if "hf_write" in arguments]
