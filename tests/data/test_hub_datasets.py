"""Datasets of the Hub, through the real clients: pinned, read once, then without a network; silence and refusals."""

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from .at_hub import ROOT
from .pictures import encoded, noise, write_hub, write_images, write_parquet
from .reading import Reading

NAMES = ["disc", "square"]
LABELS = {"train": [0, 1] * 15, "test": [1, 0] * 4}
SIDE = {"image": 16}
TINY_RUN = ["--size", "100K", "--d-model", "64", "--image", "16", "--patch", "4", "--epochs", "1", "--batch-size", "16"]
_numbers = itertools.count()


@pytest.fixture
def client(reader):
    return reader


@pytest.fixture
def hub(server, client, tmp_path):
    """The server, with an empty cache for the client, no faults and no requests yet."""
    server.faults.clear()
    server.requests.clear()
    client.cache = tmp_path / "cache"
    return server


def fresh_name():
    """A dataset's name that no test used before: the clients keep what they learnt of one."""
    return f"alice/set-{next(_numbers)}"


def paths(hub):
    return [path for _, path, _ in hub.requests]


def folders(client):
    """What lies in the cache, locks apart."""
    found = (client.cache / "data").glob("*") if client.cache.exists() else ()
    return [path for path in found if not path.name.endswith(".lock")]


def test_a_dataset_is_pinned_by_its_sha_and_asked_for_once(hub, client, tmp_path):
    name = fresh_name()
    sha = hub.add_dataset(name, write_hub(tmp_path / "set", LABELS, NAMES))
    first = client.read(name, **SIDE)
    assert (first["version"], first["rows"], first["class_names"]) == (sha, {"train": 30, "test": 8}, NAMES)
    assert {path.split("/")[5] for path in paths(hub) if "/resolve/" in path} == {sha}
    hub.requests.clear()
    again = client.read(name, **SIDE)
    assert (again["folder"], again["was_read"]) == (first["folder"], {})
    assert paths(hub) == [f"/api/datasets/{name}/revision/main"]  # where main is now, and nothing more


def test_the_cached_pixels_are_the_dataset_s(hub, client, tmp_path):
    name = fresh_name()
    hub.add_dataset(name, write_hub(tmp_path / "set", LABELS, NAMES))
    folder = Path(client.read(name, **SIDE)["folder"])
    for split, first in (("train", 0), ("test", 1000)):
        images = np.fromfile(folder / f"{split}-images.u8", np.uint8).reshape(-1, 3, 16, 16)
        assert np.array_equal(images, [noise(first + i).transpose(2, 0, 1) for i in range(len(LABELS[split]))])
        assert np.load(folder / f"{split}-labels.npy").tolist() == LABELS[split]


def test_an_image_folder_on_the_hub_is_read_file_by_file(hub, client, tmp_path):
    name = fresh_name()
    hub.add_dataset(name, write_images(tmp_path / "pets", each=3))
    done = client.read(name, **SIDE)
    assert (done["class_names"], done["rows"]) == (["cat", "dog"], {"train": 6, "test": 6})
    images = np.fromfile(Path(done["folder"]) / "train-images.u8", np.uint8).reshape(-1, 3, 16, 16)
    assert np.array_equal(images, [noise(seed).transpose(2, 0, 1) for seed in (0, 1, 2, 1000, 1001, 1002)])


@pytest.mark.parametrize("kind", ["parquet", "files"])
def test_broken_images_of_the_hub_are_reported_together_and_skipped_where_asked(hub, client, tmp_path, kind):
    name, folder = fresh_name(), tmp_path / "set"
    if kind == "files":
        write_images(folder, each=3)
        for broken in ("train/cat/01.png", "train/dog/02.png"):
            (folder / broken).write_bytes(b"")
    else:
        images = {split: [{"bytes": encoded(noise(row)), "path": None} for row in range(len(labels))]
                  for split, labels in LABELS.items()}  # fmt: skip
        images["train"][1] = images["train"][5] = {"bytes": b"half", "path": None}
        write_hub(folder, LABELS, NAMES, image=images)
    hub.add_dataset(name, folder)
    refusal, done = client.read(name, **SIDE), client.read(name, skip_unreadable=True, **SIDE)
    assert refusal["error"].startswith("2 of ") and all(f"row {row} of train" in refusal["error"] for row in (1, 5))
    assert done["rows"]["train"] == (6 if kind == "files" else len(LABELS["train"])) - 2
    assert sum("are skipped" in text for text in done["said"]) == 1


def test_a_wrong_token_is_told_apart_from_a_wrong_name(hub, client, tmp_path):
    name = fresh_name()
    hub.add_dataset(name, write_hub(tmp_path / "set", LABELS, NAMES))
    hub.fault("GET /api/datasets/.*", status=401)
    assert "the Hub does not accept HF_TOKEN for dataset" in client.read(name, **SIDE)["error"]


def test_a_moved_main_is_read_anew_while_a_run_goes_on_with_its_own_commit(hub, client, tmp_path):
    name = fresh_name()
    old = hub.add_dataset(name, write_hub(tmp_path / "one", LABELS, NAMES))
    first = client.read(name, **SIDE)
    new = hub.add_dataset(name, write_hub(tmp_path / "two", LABELS | {"train": [0, 1] * 20}, NAMES))
    moved = client.read(name, **SIDE)
    assert (moved["version"], moved["rows"]["train"]) == (new, 40)
    assert moved["folder"] != first["folder"]
    hub.requests.clear()
    assert client.read(name, version=old, **SIDE)["folder"] == first["folder"]
    assert paths(hub) == []
    client.cache = tmp_path / "elsewhere"
    from_the_hub = client.read(name, version=old, **SIDE)
    assert (from_the_hub["version"], from_the_hub["rows"]["train"]) == (old, 30)


def test_a_revision_is_read_as_named(hub, client, tmp_path):
    name = fresh_name()
    old = hub.add_dataset(name, write_hub(tmp_path / "one", LABELS, NAMES))
    hub.add_dataset(name, write_hub(tmp_path / "two", LABELS | {"train": [0, 1] * 20}, NAMES))
    assert client.read(name, revision=old, **SIDE)["version"] == old
    refusal = client.read(name, revision="v9", **SIDE)["error"]
    assert refusal.startswith(f"the Hub has nothing there for dataset {name} at revision v9. Check the name")


def test_bach_has_four_classes_and_its_unlabelled_test_files_are_never_downloaded(hub, client, tmp_path, monkeypatch):
    names = ["Benign", "InSitu", "Invasive", "Normal", "Unknown"]
    labels = {"train": [0, 1, 2, 3] * 10, "test": [4] * 8}
    hub.add_dataset("1aurent/BACH", write_hub(tmp_path / "bach", labels, names, size=(64, 48)))
    done = client.read("BACH", **SIDE)
    assert (done["classes"], done["class_names"], done["rows"]) == (4, names[:4], {"train": 40})
    assert not [path for path in paths(hub) if "test-00000" in path]
    monkeypatch.setenv("ISOSCALE_CACHE", str(client.cache))
    splits = Reading("bach").splits()
    assert splits.record["rows"] == {"train": 27, "val": 3, "test": 10}
    test = np.bincount(splits.test.labels[splits.test.members])
    assert (test.min(), test.max()) == (2, 3)


def test_unlabelled_class_names_of_a_known_dataset_are_skipped_and_counted(hub, client, tmp_path):
    names = ["Benign", "InSitu", "Invasive", "Normal", "Unknown"]
    folder = write_hub(tmp_path / "bach", {"train": [0, 1, 2, 3, 4] * 8}, names)
    sha = hub.add_dataset("1aurent/BACH", folder)
    done = client.read("bach", revision=sha, image=16)
    assert (done["classes"], done["rows"], done["unlabelled"]) == (4, {"train": 32}, {"train": 8})


def test_a_known_dataset_s_other_label_column_has_its_own_classes(hub, client, tmp_path):
    fine = write_hub(tmp_path / "cifar", LABELS, NAMES)
    card = (fine / "README.md").read_text().replace("name: image", "name: img").replace("name: label", "name: coarse")
    (fine / "README.md").write_text(card.replace("config_name: default", "config_name: cifar100"))
    for split, labels in LABELS.items():
        path = write_parquet(fine / "data" / f"{split}-00000-of-00001.parquet", labels)
        rename(path, {"image": "img", "label": "coarse"})
    hub.add_dataset("uoft-cs/cifar100", fine)
    assert client.read("cifar100", label_column="coarse")["classes"] == 2
    assert "no column 'fine_label'. Valid values: img, coarse" in client.read("cifar100")["error"]


def rename(path, names):
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    pq.write_table(table.rename_columns([names[column] for column in table.column_names]), path)


def test_a_stream_cut_in_the_middle_is_read_to_its_end(hub, client, tmp_path):
    name, labels = fresh_name(), {"train": [0, 1] * 100}
    folder = write_hub(tmp_path / "set", labels, NAMES, size=(64, 64))
    hub.add_dataset(name, folder)
    hub.fault("GET .*train-00000.*", cut_after_bytes=100_000, times=2)
    hub.fault("GET .*train-00000.*", status=503, times=3)
    done = client.read(name, image=64)
    images = np.fromfile(Path(done["folder"]) / "train-images.u8", np.uint8).reshape(-1, 3, 64, 64)
    assert np.array_equal(images, [noise(i, size=(64, 64)).transpose(2, 0, 1) for i in range(200)])
    assert all(fault.times == 0 for fault in hub.faults)


def test_a_stream_that_stays_broken_ends_with_a_sentence_and_no_half_cache(hub, client, tmp_path):
    name = fresh_name()
    hub.add_dataset(name, write_hub(tmp_path / "set", LABELS, NAMES))
    hub.fault("GET .*train-00000.*", status=403, times=10_000)
    refusal = client.read(name, **SIDE)["error"]
    assert name in refusal
    assert folders(client) == []
    hub.faults.clear()
    assert client.read(name, **SIDE)["rows"] == {"train": 30, "test": 8}


def test_a_silent_hub_with_nothing_cached_says_what_to_do(hub, client, tmp_path):
    name = fresh_name()
    hub.add_dataset(name, write_hub(tmp_path / "set", LABELS, NAMES))
    hub.fault("GET /api/.*", status=503, times=10_000)
    ended = client.run("train", "--dataset", name, *TINY_RUN, "--checkpoints", str(tmp_path / "runs"))
    assert ended["code"] == 4
    assert "the Hub cannot be reached for dataset" in ended["stderr"]
    assert f"{name} is not in the cache at 16 px. Connect once, or train on --dataset digits" in ended["stderr"]
    assert "Traceback" not in ended["stderr"]
    assert not (tmp_path / "runs").exists()


def test_a_dataset_of_the_hub_is_planned_by_its_metadata_and_not_read(hub, client, tmp_path):
    name = fresh_name()
    hub.add_dataset(name, write_hub(tmp_path / "set", LABELS, NAMES))
    ended = client.run("plan", "--dataset", name, *TINY_RUN, "--json")
    assert ended["code"] == 0, ended["stderr"]
    plan = json.loads(ended["stdout"])
    assert plan["config"]["classes"] == 2 and plan["costs"]["download_bytes"] is None
    assert folders(client) == []
    client.read(name, **SIDE)
    plan = json.loads(client.run("plan", "--dataset", name, *TINY_RUN, "--json")["stdout"])
    assert (plan["costs"]["download_bytes"], plan["costs"]["rows"]) == (0, {"train": 27, "val": 3, "test": 8})


def test_a_silent_hub_with_a_warm_cache_is_said_and_done_without(hub, client, tmp_path):
    name = fresh_name()
    sha = hub.add_dataset(name, write_hub(tmp_path / "set", LABELS, NAMES))
    client.read(name, **SIDE)
    hub.fault("GET /api/.*", status=503, times=10_000)
    done = client.read(name, **SIDE)
    assert (done["version"], done["was_read"]) == (sha, {})
    assert done["said"][0].endswith(f". The cached {name} is used")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--dataset", "nobody/nothing"], "the Hub has nothing there for dataset nobody/nothing at revision main"),
        (
            ["--dataset", "alice/configs"],
            "has several configs. Name one with --dataset-config. Valid values: big, small",
        ),
        (["--dataset", "alice/configs", "--dataset-config", "smal"], "Did you mean `small`?"),
        (["--dataset", "alice/two", "--label-column", "labl"], "has no column 'labl'. Did you mean `label`?"),
        (["--dataset", "alice/unlabelled"], "none of its 4 rows has one. --test-fraction 0.2 holds out"),
    ],
)
def test_a_refusal_is_one_sentence_and_exit_2_and_nothing_is_written(hub, client, tmp_path, arguments, sentence):
    configs = "".join(f"- config_name: {name}\n  data_files: {name}/*.parquet\n" for name in ("big", "small"))
    for name in ("big", "small"):
        write_parquet(tmp_path / "configs" / name / "train.parquet", LABELS["train"])
    (tmp_path / "configs" / "README.md").write_text(f"---\nconfigs:\n{configs}---\n")
    hub.add_dataset("alice/configs", tmp_path / "configs")
    hub.add_dataset("alice/two", write_hub(tmp_path / "two", LABELS, NAMES))
    unlabelled = LABELS | {"test": [-1] * 4}
    hub.add_dataset("alice/unlabelled", write_hub(tmp_path / "unlabelled", unlabelled, NAMES))
    ended = client.run("train", *arguments, *TINY_RUN, "--checkpoints", str(tmp_path / "runs"))
    assert (ended["code"], ended["stdout"]) == (2, "")
    assert ended["stderr"].splitlines()[-1].startswith("error: ")
    assert sentence in ended["stderr"].splitlines()[-1]
    assert not list((tmp_path / "runs").glob("*/*"))
    assert folders(client) == []


WARM = """
import sys
from pathlib import Path
from app.experiment import run as experiment
from app.cli.screen import Screen

class AtFirstStep(Screen):
    imported = None

    def step(self, *told):
        self.imported = self.imported or set(sys.modules)
        super().step(*told)

dataset, folder = sys.argv[1:]
request = {"dataset": dataset, "size": "100K", "d_model": 64, "image": 16, "patch": 4, "epochs": 1, "batch_size": 16}
screen = AtFirstStep()
run = experiment.train_run(
    experiment.plan(request, screen), experiment.Options(checkpoints=Path(folder), threads=1), screen
)
late = {"pandas", "sklearn", "matplotlib", "scipy"} & screen.imported
print(run.record.data.version, *late, *{"datasets", "torchvision", "timm"} & set(sys.modules))
"""


@pytest.mark.slow
def test_a_warm_cache_trains_without_a_network_and_without_the_libraries_that_read(hub, client, tmp_path):
    name = fresh_name()
    sha = hub.add_dataset(name, write_hub(tmp_path / "set", LABELS, NAMES))
    client.read(name, **SIDE)
    hub.requests.clear()
    environment = {**os.environ, **hub.environment(token=None), "ISOSCALE_CACHE": str(client.cache)}
    ended = subprocess.run(
        [sys.executable, "-c", WARM, name, str(tmp_path / "runs")], cwd=ROOT, check=False, capture_output=True,
        text=True, env=environment | {"HF_HUB_OFFLINE": "1"}, timeout=120,
    )  # fmt: skip
    assert ended.stdout.split() == [sha], ended.stderr
    assert (hub.requests, f"(HF_HUB_OFFLINE is set). The cached {name} is used" in ended.stderr) == ([], True)


@pytest.mark.slow
def test_a_dataset_of_the_hub_trains_from_the_command_line_online_and_off(hub, client, tmp_path):
    name = fresh_name()
    sha = hub.add_dataset(name, write_hub(tmp_path / "set", LABELS, NAMES))
    arguments = ["train", "--dataset", name, *TINY_RUN, "--checkpoints", str(tmp_path / "runs")]
    environment = {**os.environ, **hub.environment(token=None, home=tmp_path), "ISOSCALE_CACHE": str(client.cache)}
    for seed, offline in (("0", "0"), ("1", "1")):
        ended = subprocess.run(
            [sys.executable, "run.py", *arguments, "--seed", seed], cwd=ROOT, check=False, capture_output=True,
            text=True, env=environment | {"HF_HUB_OFFLINE": offline}, timeout=120,
        )  # fmt: skip
        assert ended.returncode == 0, ended.stderr
        assert ("reading test  8 rows" in ended.stderr) == (offline == "0"), ended.stderr
    records = [json.loads(path.read_text()) for path in (tmp_path / "runs").glob("*/*.json")]
    assert [record["data"]["version"] for record in records] == [sha, sha]
    assert len({record["data"]["split_fingerprint"] for record in records}) == 1
    assert {record["config"]["seed"] for record in records} == {0, 1}


@pytest.mark.parametrize("nothing", [-1, None])
def test_a_validation_on_the_hub_is_the_test_set_where_the_test_labels_are_hidden(hub, client, tmp_path, nothing):
    name = fresh_name()
    labels = LABELS | {"test": [nothing] * 8, "validation": [0, 1] * 3}
    sha = hub.add_dataset(name, write_hub(tmp_path / "set", labels, NAMES))
    done = client.read(name, **SIDE)
    assert (done["rows"], done["version"]) == ({"train": 30, "test": 6}, sha)
    assert any("has no labels: its split validation is the test set" in line for line in done["said"])
    found = json.loads(client.run("datasets", name, "--image", "16", "--json")["stdout"])
    assert found["splits"]["test"] == {"place": "split validation", "rows": 6, "held_out": False}
    assert {"what": "rows of test", "why": "none has a label", "count": 8, "names": []} in found["left_out"]
    assert client.read(name, **SIDE)["was_read"] == {}


def test_splits_of_a_dataset_of_the_hub_are_named(hub, client, tmp_path):
    name = fresh_name()
    hub.add_dataset(name, write_hub(tmp_path / "set", LABELS | {"validation": [0, 1] * 3}, NAMES))
    told = json.loads(client.run("datasets", name, "--val-split", "validation", "--json")["stdout"])
    assert [part["place"] for part in told["splits"].values()] == ["split train", "split validation", "split test"]
    assert told["rows_per_class"] is None and told["class_names"] == NAMES  # nothing is read of the Hub
    assert folders(client) == []
    assert client.read(name, val_split="validation", **SIDE)["rows"] == {"train": 30, "test": 8, "val": 6}
    assert client.read(name, test_split="validation", **SIDE)["rows"] == {"train": 30, "test": 6}
    refused = client.read(name, test_split="extra", **SIDE)["error"]
    assert f"--test-split extra: the Hub's {name} has no such split" in refused


@pytest.mark.parametrize(
    ("splits", "classes", "sentence"),
    [(("Train", "Test"), ("cat", "dog"), "files of another split that would be read as train, such as Test/cat/"),
     (("train", "test"), ("cat/2019", "cat/2020", "dog/2019"), "folders below its class folders, such as t")],
)  # fmt: skip
def test_folders_of_images_on_the_hub_are_not_read_in_silence_as_the_library_would(
    hub, client, tmp_path, splits, classes, sentence
):
    name = fresh_name()
    hub.add_dataset(name, write_images(tmp_path / "pets", classes, each=2, splits=splits))
    refused = client.read(name, **SIDE)["error"]
    assert sentence in refused and f"hf download {name} --repo-type dataset" in refused
