"""What all tests share: no network, no user settings, one thread per worker, and a quick run of the whole program."""

import os
import signal
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # online.py and share.py are imported by their names

import share

FROM_OUTSIDE = ("HF_TOKEN", "HF_REPOSITORY", "HF_ENDPOINT", "HF_HOME", "ISOSCALE_COMMIT", "UV_RUN_RECURSION_DEPTH")
for name in FROM_OUTSIDE:  # the last one is set under `uv run`, and printed commands follow it
    os.environ.pop(name, None)
os.environ |= {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_XET": "1", "NO_COLOR": "1"}
# tests start many processes: without bytecode on the disk each of them compiles the program again, which was 0.5 of
# the 4.2 seconds of CPU that a `plan` takes
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False


def pytest_xdist_auto_num_workers(config):
    """One worker more than CPUs: a test that waits for a process, a Hub or a pause leaves its CPU to another.

    Up to --maxprocesses. Where PYTEST_XDIST_AUTO_NUM_WORKERS says a number, that is it.
    """
    if os.environ.get("PYTEST_XDIST_AUTO_NUM_WORKERS"):
        return None  # the next who is asked, xdist itself, reads it
    if hasattr(os, "process_cpu_count"):  # from Python 3.13 on
        cpus = os.process_cpu_count()
    else:
        cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return (cpus or 1) + 1


def pytest_addoption(parser):
    """Adds how often, with which model and by which seed the scenarios, damage and faults are tried."""
    group = parser.getgroup("isoscale", "slow tests that disturb a run")
    group.addoption("--scenario-model", default="vit_differential", metavar="MODEL", help="The model of the tiny run.")
    group.addoption("--scenario-seed", default=0, type=int, metavar="S", help="The seed of runs, steps and bytes.")
    group.addoption("--kills", default=4, type=int, metavar="N", help="File operations of each kind of run; 0: all.")
    group.addoption("--moves", default=1, type=int, metavar="N", help="Moves to another machine after SIGKILL.")
    group.addoption("--damages", default=40, type=int, metavar="N", help="Files that are damaged.")
    group.addoption("--share", default=1, type=int, metavar="N", help="One in N cases of each slow test.")
    group.addoption("--turn", default=0, type=int, metavar="T", help="Which of them: N turns in a row run all cases.")


@pytest.hookimpl(trylast=True)  # after -m and -k
def pytest_collection_modifyitems(config, items):
    """Keeps a share of the cases of slow tests, the same in every worker."""
    slow = [item for item in items if item.get_closest_marker("slow")]
    kept = {slow[at] for at in share.chosen([item.nodeid for item in slow], *map(config.getoption, ("share", "turn")))}
    omitted = [item for item in slow if item not in kept]
    config.hook.pytest_deselected(items=omitted)
    items[:] = [item for item in items if item not in set(omitted)]


@pytest.fixture
def trial(tmp_path, pytestconfig):
    """A tiny run that a test disturbs, and its folder."""
    from app.selftest.trial import Trial

    model, seed = (pytestconfig.getoption(f"--scenario-{name}") for name in ("model", "seed"))
    (root := tmp_path / "trial").mkdir()
    return Trial(root=root, say=print, model=model, seed=seed)


@pytest.hookimpl(tryfirst=True)  # before any fixture is set up
def pytest_runtest_setup(item):
    """Skips the tests marked `gpu` on a machine without a CUDA device."""
    if item.get_closest_marker("gpu"):
        import torch

        if not torch.cuda.is_available():
            pytest.skip("needs a CUDA device")


@pytest.fixture(scope="session")
def counts_of_models(tmp_path_factory):
    """Where the counts of timm's models are remembered: once for all workers, since counting takes a minute."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "measured"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory, counts_of_models):
    """A cache for datasets that every test reads alike."""
    folder = tmp_path_factory.mktemp("cache")
    (folder / "measured").symlink_to(counts_of_models)
    return folder


@pytest.fixture(scope="session", autouse=True)
def _no_user_s_cache(shared_cache):
    """What is counted or measured is remembered in the session's cache, never in the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ISOSCALE_CACHE", str(shared_cache))
        yield


@pytest.fixture
def cache_folder(shared_cache, monkeypatch):
    """Points the program at the session's cache."""
    monkeypatch.setenv("ISOSCALE_CACHE", str(shared_cache))
    return shared_cache


@pytest.fixture(autouse=True)
def _one_thread():
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def _hang_up():
    """SIGHUP asks to stop, although `nohup pytest` begins with a process that ignores it."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture
def online(monkeypatch):
    """A Hub on loopback that this process's client talks to, with a token that may write to tester/runs."""
    from hub.server import HubServer
    from online import lead_to

    with HubServer() as server:
        lead_to(server.url, monkeypatch)
        yield server


TINY = (
    "--dataset digits --size 100K --d-model 64 --epochs 2 --batch-size 32 --val-batch-size 16 "
    "--limit-train 160 --limit-val 40 --limit-test 60"
)


@pytest.fixture(scope="session")
def train_once(shared_cache, tmp_path_factory):
    """Return a function that trains by its options and gives the checkpoints folder; tests copy that."""
    from app.cli import main

    def train(options):
        folder = tmp_path_factory.mktemp("trained") / "checkpoints"
        arguments = ["train", *options.split(), "--threads", "1", "--checkpoints", str(folder)]
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("ISOSCALE_CACHE", str(shared_cache))
            patch.setattr(sys, "argv", ["run.py", *arguments])
            assert main() == 0
        return folder

    return train


@pytest.fixture(scope="session")
def trained(train_once):
    """The checkpoints folder of one finished tiny run, figures and all; tests copy it."""
    return train_once(TINY)


@pytest.fixture
def work(tmp_path, monkeypatch, cache_folder):
    """An empty folder to work in, with the session's cache of datasets elsewhere."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder
