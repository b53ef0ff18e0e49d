"""`doctor` under each fault: no GPU, an old driver, tiny /dev/shm, a full disk, a bad token, no network."""

import errno
import json
import os
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch
from online import lead_to

from app import cli, doctor
from app.doctor import gpu, host, remote
from app.system import checks, machine

OLD = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.90.07  Fri May 31 09:35:42 UTC 2024\n"


def lines(found):
    return {line.about: line for line in found}


@pytest.fixture
def old_driver(tmp_path, monkeypatch):
    """A system with a GPU whose driver is older than the wheel's CUDA."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.version.cuda", "13.2")
    root = tmp_path / "system"
    for name, content in {"dev/nvidia0": "", "proc/driver/nvidia/version": OLD}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    return root


def test_without_a_gpu_it_warns_and_multiplies_on_the_cpu(tmp_path, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    found = lines(gpu.look(tmp_path))
    assert found["GPU"].verdict == "warn" and "run.py launch" in found["GPU"].fix
    assert found["product"].says == "exact on cpu, in float32 and bfloat16"


def test_an_old_driver_fails_with_what_to_take_instead(old_driver):
    (found,) = gpu.look(old_driver)
    assert found.verdict == "fail" and "driver 550.90.07 is too old" in found.says and "cuda-12.8" in found.fix


def test_a_wrong_product_fails(monkeypatch):
    right = torch.Tensor.__matmul__
    monkeypatch.setattr(torch.Tensor, "__matmul__", lambda a, b: right(a, b) + (a.dtype == torch.float32))
    found = gpu.product(torch.device("cpu"))
    assert found.verdict == "fail" and "wrongly: 65536 of 65536" in found.says


def test_a_gpu_that_others_use_warns():
    assert [checks.gpu_memory(free * 10**9, 80 * 10**9).verdict for free in (39, 41)] == ["warn", "pass"]


def test_a_tiny_shared_memory_warns_and_fails_for_several_gpus():
    assert checks.shared_memory(None, 8).verdict == checks.shared_memory(2**30, 8).verdict == "pass"
    assert [checks.shared_memory(2**26, gpus).verdict for gpus in (0, 1, 2)] == ["warn", "warn", "fail"]
    assert "--ipc=host" in checks.shared_memory(2**26, 1).fix
    assert checks.shared_memory(2**26, 8, ranks=1).verdict == "pass"


def test_a_quota_of_cpus_and_little_memory_warn():
    assert checks.cpus(2.5, 64).fix == "train with --threads 2" and checks.cpus(64.0, 64).verdict == "pass"
    assert [checks.enough(free, 8 * 10**9).verdict for free in (10**9, 5 * 10**9)] == ["warn", "pass"]
    assert checks.enough(10**9, 2 * 10**9).verdict == "warn"  # a small machine trains small runs


def test_a_full_disk_fails_and_no_file_stays(tmp_path, monkeypatch):
    assert host.writable("cache", tmp_path / "a" / "b", "ISOSCALE_CACHE").verdict == "pass"

    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.fsync", full)
    found = host.writable("cache", tmp_path / "a", "ISOSCALE_CACHE")
    assert found.verdict == "fail" and "No space left" in found.says and "ISOSCALE_CACHE" in found.fix
    assert not list(tmp_path.iterdir())
    assert machine.room([(tmp_path, 2, 1)])[0].verdict == "fail"


def test_a_file_in_a_folder_s_place_fails_and_a_link_to_none_passes(tmp_path):
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        found = host.writable("cache", folder, "ISOSCALE_CACHE")
        assert found.verdict == "fail" and f"{tmp_path / 'file'} is not a folder" in found.says
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "there" / "not-yet")
    assert host.writable("cache", tmp_path / "link", "ISOSCALE_CACHE").verdict == "pass"


def test_a_folder_that_may_not_be_looked_into_counts_as_not_there(tmp_path, monkeypatch):
    stat = os.stat

    def shut(path, *arguments, **options):
        if str(path).startswith(f"{tmp_path}/shut/"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return stat(path, *arguments, **options)

    (tmp_path / "shut" / "in").mkdir(parents=True)
    monkeypatch.setattr("os.stat", shut)
    assert machine.disks([(tmp_path / "shut" / "in" / "cache", 1)])[0][0] == tmp_path / "shut"


def test_a_token_that_may_write_passes_all_lines_of_the_hub(online):
    online.create("tester/runs")
    answer = remote.ask()
    assert {line.verdict for line in [remote.clock(answer), *remote.look(answer)]} == {"pass"}
    assert not [request for request in online.requests if request[0] not in ("GET", "HEAD")]


@pytest.mark.parametrize(
    ("token", "repository", "about", "verdict", "says"),
    [
        ("hf_wrong", "tester/runs", "token", "fail", "does not accept HF_TOKEN"),
        ("hf_wrïte", "tester/runs", "token", "fail", "HF_TOKEN contains a character that no token has"),
        ("hf_read", "tester/there", "repository", "fail", "HF_TOKEN has no right to do this"),
        ("hf_read", "tester/runs", "repository", "fail", "may not create it"),
        ("hf_write", "tester/runs", "repository", "pass", "The first upload creates it"),
        ("hf_write", "other/runs", "repository", "fail", "does not exist, or is hidden from this token"),
        ("hf_write", "", "repository", "warn", "HF_REPOSITORY is not set"),
        ("hf_write", "a/b/c", "repository", "fail", "neither owner/name nor"),
        ("", "tester/runs", "token", "warn", "no token is set, so nothing can be uploaded"),
    ],
)
def test_a_token_is_judged_by_what_it_may_do(online, monkeypatch, token, repository, about, verdict, says):
    online.create("tester/there")
    lead_to(online.url, monkeypatch, token=token, repository=repository)
    monkeypatch.setattr("huggingface_hub.get_token", lambda: token or None)
    found = lines(remote.look(remote.ask()))[about]
    assert found.verdict == verdict and says in found.says
    assert "hf_w" not in found.line() and ("model", "tester/runs") not in online.repositories.all


def test_a_page_to_log_in_to_the_network_fails_and_the_address_shows_no_password(monkeypatch):
    class Page(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", "6")
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(b"<html>")

        do_HEAD = do_GET

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        lead_to(f"http://me:hf_secret@127.0.0.1:{server.server_port}", monkeypatch)
        found = lines(remote.look(remote.ask()))
        server.shutdown()
    assert found["token"].verdict == "fail" and "this does not look like a Hub" in found["token"].says
    assert "hf_secret" not in "".join(line.line() for line in found.values())


def test_without_a_network_the_hub_fails_once_and_offline_it_warns(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as closed_at_once:
        port = closed_at_once.getsockname()[1]
    lead_to(f"http://127.0.0.1:{port}", monkeypatch)
    (found,) = remote.look(remote.ask())
    assert found.verdict == "fail" and "does not answer" in found.says and "HF_HUB_OFFLINE=1" in found.fix
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert remote.look(remote.ask())[0].verdict == remote.clock(remote.ask()).verdict == "warn"


def test_a_clock_that_is_off_fails():
    off = [remote.clock(remote.Answer(theirs=1000.0, ours=1000.0 + by)).verdict for by in (-299, 299, 301, -3600)]
    assert off == ["warn", "warn", "fail", "fail"]


def test_the_command_prints_a_line_each_and_ends_with_2_where_one_fails(old_driver, work, capsys, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert cli.main(["doctor", "--json"]) == 0
    whole = json.loads(capsys.readouterr().out)
    assert whole["verdict"] == "warn"
    assert all(set(line) == {"verdict", "about", "says", "fix", "mend"} for line in whole["checks"])
    monkeypatch.setattr(doctor, "examine", lambda folder, examine=doctor.examine: examine(folder, old_driver))
    assert cli.main(["doctor"]) == 2
    ended = capsys.readouterr()
    assert "fail  GPU: /dev/nvidia0 exists" in ended.out and "checks failed: GPU (fail)" in ended.err
    assert not list(work.iterdir())


def test_an_answer_that_is_no_hub_s_is_a_line(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr(remote.hub, "token", lambda: "hf_any")
    monkeypatch.setattr(remote.hub, "call", lambda what, ask: {"welcome": "to the hotel"})
    found = remote.look(remote.Answer(theirs=0.0))
    assert found[-1].verdict == "fail" and "answers, but not as a Hub does" in found[-1].says


@pytest.mark.parametrize("more", [
    {"auth": []}, {"auth": {"accessToken": 3}}, {"auth": None, "orgs": None}, {"orgs": [3, {}]}, {"name": 5},
])  # fmt: skip
def test_a_token_s_owner_of_another_form_is_no_internal_error(online, more):
    body = json.dumps({"name": "somebody", **more}).encode()
    online.fault("GET /api/whoami", 200, body=body, headers={"Content-Type": "application/json"}, times=9)
    assert all(finding.says for finding in remote.look(remote.ask()))
