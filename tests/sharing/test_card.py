"""Cards: what stands in them, and metadata that the Hub's own library reads back."""

import re
from email.message import Message

import numpy as np
import pytest
from huggingface_hub import ModelCard, ModelCardData, metadata_load
from msgspec.structs import replace
from report import made_up_run

from app.artifacts.parts import Init, Rates
from app.artifacts.predictions import Predictions
from app.artifacts.runs import Run
from app.artifacts.which import FINAL
from app.cli import evaluate
from app.sharing import card, licence, public, table, using
from app.system import project


def test_a_rate_stands_with_its_interval_and_n():
    test = Rates(n=1359, top1=0.8607, top1_interval=[0.8211, 0.8927], top5=1.0, loss=0.5, per_class=[1.0],
                 confusion=[[1]])  # fmt: skip
    assert card.with_interval(test) == "86.07 % (95 % Wilson interval 82.11 % to 89.27 %, n = 1,359)"


def test_an_interval_of_grouped_rows_states_that_groups_are_ignored(run):
    grouped = Run(run.files, replace(run.record, config=run.record.config | {"group_column": "patient"}))
    of_groups, plain = (" ".join(card.test_lines(each, run.record.test)) for each in (grouped, run))
    assert "as if rows with one value of patient were independent" in of_groups and "independent" not in plain


def test_a_card_says_what_how_data_licence_numbers_command_and_the_way_back(run):
    text, record = card.run_card(run, "hf://tester/runs/a/b"), run.record
    command = record.command.partition(" --checkpoints ")[0]
    for part in (
        "Differential ViT, 100K, Optical digits", "arXiv:2410.05258", f"{record.parameters.total:,} trainable",
        "patch 4, attention differential, d_model 64, depth 2, heads 2, mlp_ratio 4", "8 px, 5 tokens",
        "AdamW, learning rate 0.001, weight decay 0.01, batch size 32", "licence: cc-by-4.0",
        "version `uci-1998`", "n = 60",
        "A trial: the dataset was cut", f"{command}\n", "160 rows trained on, 40 for validation, 60 for the test",
        f"s, peak memory {record.peak_bytes / 1e9:.1f} GB |",
        f"python run.py download hf://tester/runs/a/b {run.files.stem}", f"python run.py evaluate {run.files.stem}",
    ):  # fmt: skip
        assert part in text, part
    assert "None" not in text and "nan" not in text.lower().split()


def test_a_card_embeds_the_figures_that_are_next_to_it(run):
    stem = run.files.stem
    text = card.run_card(run, "hf://tester/runs/a")
    assert re.findall(r"!\[.+\]\((.+)\)", text) == [f"{stem}_loss.png", f"{stem}_confusion.png"]
    assert card.run_card(run, "hf://tester/runs/a", [f"{stem}_loss.png"]).count("![") == 1
    run.files.loss_png.unlink()
    assert f"{stem}_loss.png" not in card.run_card(run, "hf://tester/runs/a")


def test_a_card_of_a_run_has_no_path_of_the_machine(run, tmp_path):
    text = card.run_card(run, "hf://tester/runs/a")
    assert "/tmp" not in text and str(tmp_path) not in text and "shown without `--checkpoints`" in text
    data = replace(run.record.data, path="/home/me/my data", warning="no list in /home/me/my data; /mnt/x/list.txt is")
    text = card.run_card(Run(run.files, replace(run.record, data=data)), "hf://tester/runs/a")
    assert "/home" not in text and "/mnt" not in text and "no list in my data; list.txt is" in text


COMMANDS = {  # as a record has it, and as a card shows it
    "python run.py train --model cnn": "python run.py train --model cnn",
    "python /home/me/isoscale/run.py train --lr 1e-3": "python run.py train --lr 1e-3",
    "uv run ../isoscale/run.py train": "uv run run.py train",
    "isoscale train --checkpoints /mnt/a --seed 1": "isoscale train --seed 1",
    "isoscale train --checkpoints=/mnt/a --env_file ../.env --data 'my data' --design d.csv --filelist=x --lr=1": (
        "isoscale train --lr=1"
    ),
    "isoscale train --dataset /mnt/photos --lr 1": "isoscale train --dataset ./photos --lr 1",
    "isoscale train --dataset ../../acme/photos": "isoscale train --dataset ./photos",
    "isoscale train --dataset=~/photos": "isoscale train --dataset=./photos",
    "isoscale train --dataset owner/name": "isoscale train --dataset owner/name",
    "isoscale train --init 1a2b3c4d": "isoscale train --init 1a2b3c4d",
    "isoscale train --init hf://a/b/c": "isoscale train --init hf://a/b/c",
    "isoscale train --init /mnt/w.safetensors": "isoscale train --init w.safetensors",
    "isoscale train --split-folders train=/mnt/a/b,test=/mnt/c": "isoscale train --split-folders train=b,test=c",
    "isoscale train --model 'a": "isoscale train --model 'a",
    "isoscale train --checkpoints": "isoscale train",
    "isoscale.train(model='cnn', seed=1)": "isoscale.train(model='cnn', seed=1)",
    "isoscale.train(model='cnn', checkpoints=PosixPath('/mnt/a'), dataset=PosixPath('/mnt/photos'), seed=1)": (
        "isoscale.train(model='cnn', dataset='./photos', seed=1)"
    ),
    "isoscale.train(data='/mnt/a', lr=0.001)": "isoscale.train(lr=0.001)",
    "isoscale.train(model=<object at 0x1>, data='/mnt/a')": "isoscale.train(...)",
}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_shown_without_options_that_only_name_a_place(run, command):
    dataset = "local/photos" if "photos" in command else run.record.dataset
    shown, omitted = public.command(replace(run.record, command=command, dataset=dataset))
    assert shown == COMMANDS[command] and "/mnt" not in shown and "/home" not in shown
    assert bool(omitted) is (shown != "isoscale.train(...)" and ("checkpoints" in command or "data=" in command))


def test_weights_of_a_file_are_named_by_their_run_where_it_is_known(run):
    init = Init(source="/mnt/w", path="/mnt/w", sha256="ab", run_id="1a2b3c4d", head="kept")
    record = replace(run.record, command="isoscale train --init /mnt/w.safetensors", init=init)
    assert public.command(record)[0] == "isoscale train --init 1a2b3c4d"


@pytest.mark.parametrize(("stated", "hub", "expected"), [
    ("cc-by-nc-nd-4.0", "1aurent/BACH", {"license": "cc-by-nc-nd-4.0"}), ("MIT", None, {"license": "mit"}),
    ("unknown", None, {"license": "other", "license_name": "not-stated"}),
    ("none", "a/b", {"license": "other", "license_name": "not-stated",
                     "license_link": "https://huggingface.co/datasets/a/b"}),
    ("Terms of ACME: ask", None, {"license": "other", "license_name": "terms-of-acme-ask"}),
    ("['mit', 'x']", None, {"license": "other", "license_name": "mit-x"}),
])  # fmt: skip
def test_a_card_states_the_licence_of_the_dataset_or_other(run, stated, hub, expected):
    licensed = Run(run.files, replace(run.record, data=replace(run.record.data, licence=stated, hub=hub)))
    assert licence.metadata(licensed) == expected
    data = ModelCard(card.run_card(licensed, "hf://tester/runs/a")).data.to_dict()
    assert {name: value for name, value in data.items() if name.startswith("license")} == expected
    init = Init(source="w", path="w", sha256="ab" * 32, head="kept")
    began = Run(run.files, replace(licensed.record, init=init))
    assert licence.metadata(began)["license_name"] == "not-stated"
    assert "started from other weights" in card.run_card(began, "hf://tester/runs/a")


def test_a_repository_states_a_licence_only_where_all_of_its_runs_have_it():
    assert licence.of_all(["mit", "mit"]) == {"license": "mit"} and licence.of_all([]) == {}
    for mixed in (["mit", None], ["mit", "cc-by-4.0"], [None], ["other"]):
        assert licence.of_all(mixed) == {"license": "other", "license_name": "see-the-card-of-each-run"}


def test_the_project_is_named_and_linked_only_to_an_address_that_the_package_states(monkeypatch):
    stated = Message()
    monkeypatch.setattr(project, "packaged", lambda name: stated)
    assert using.program() == "isoscale" and project.tracker().endswith("that isoscale was installed from")
    stated["Project-URL"] = "Repository, https://example.org/isoscale"
    assert using.program() == "[isoscale](https://example.org/isoscale)"
    assert project.tracker() == "the issue tracker of the project: https://example.org/isoscale"


@pytest.mark.parametrize(("dataset", "says"), [("bach", False), ("digits", True)])
def test_top_5_is_left_out_where_five_classes_or_fewer_are_all_there_are(tmp_path, dataset, says):
    run = made_up_run(tmp_path, dataset=dataset)
    logits = np.eye(6, run.config.classes, dtype=np.float32)
    Predictions(np.arange(6), np.arange(6) % 4, logits).save(run.files.predictions)
    assert ("| top-5 accuracy |" in card.run_card(run, "hf://tester/runs/a")) is says
    assert ("top-5" in evaluate._text(run, FINAL)) is says
    assert "top5" in evaluate._result(run, FINAL)


def test_a_card_says_which_fold_the_test_rows_are(tmp_path):
    def shown(**folds):
        return card.run_card(made_up_run(tmp_path, dataset="digits", **folds), "hf://tester/runs/a")

    assert "The test rows are fold 2 of 5 folds of train (repeat 1)." in shown(folds=5, fold=2, repeat=1)
    assert "folds" not in shown()


def test_a_record_from_before_the_peak_of_memory_was_kept_has_a_card_without_it(run):
    earlier = Run(run.files, replace(run.record, peak_bytes=None))
    assert "peak memory" not in card.run_card(earlier, "hf://tester/runs/a/b")


def test_a_record_from_before_a_field_has_its_default_in_the_card(run):
    config = {name: value for name, value in run.record.config.items() if name != "mlp_ratio"}
    older = Run(run.files, replace(run.record, config=config))
    assert "mlp_ratio 4" in card.run_card(older, "hf://tester/runs/a")


def test_the_commands_of_a_card_are_quoted_where_they_must_be(run):
    assert "download 'hf://tester/runs/my runs' model_" in card.run_card(run, "hf://tester/runs/my runs")


def test_a_card_s_metadata_is_a_valid_model_index(run):
    loaded = ModelCard(card.run_card(run, "hf://tester/runs/a"))
    top1, top5 = loaded.data.eval_results
    test = run.record.results.test
    assert loaded.data.model_name == run.files.stem
    assert (top1.metric_type, top1.metric_value, top5.metric_value) == ("accuracy", test.top1, test.top5)
    assert (top1.task_type, top1.dataset_type, top1.dataset_split) == ("image-classification", "digits", "test")
    assert top1.metric_args["interval"] == test.top1_interval and top1.metric_args["n"] == 60
    assert "datasets" not in loaded.data.to_dict()  # digits is not on the Hub


def entry(name, *, dataset="cifar100", top1=0.5, limited=False):
    about = {"run_id": name, "model": "vit_classic", "size": "10M", "parameters": 9_753_956, "seed": 0,
             "limited": limited, "n": 10_000, "interval": [top1 - 0.01, top1 + 0.01]}  # fmt: skip
    metrics = [{"type": "accuracy", "value": top1, "name": "top-1", "args": about}]
    where = {"type": f"owner/{dataset}", "name": dataset.upper()}
    return {"name": name, "results": [{"task": {"type": "image-classification"}, "dataset": where, "metrics": metrics}]}


def of(name, **more):
    """An entry as this version makes it; two of equal `pool` are seeds of one model."""
    made = entry(name, top1=more.pop("top1", 0.5))
    made["results"][0]["dataset"]["revision"] = "abc"
    made["results"][0]["metrics"][0]["args"] |= {
        "epochs": 50, "lr": 1e-4, "batch_size": 512, "augment": "none", "protocol": "p", "pool": "a", "split": "s",
        "license": "mit", **more,
    }  # fmt: skip
    return made


def tables(entries):
    """The tables of an index: heading -> sentences and rows."""
    text = table.index_table(entries, {each["name"]: f"f/{each['name']}" for each in entries})
    found = {}
    for part in text.split("### ")[1:]:
        heading, *lines = [line for line in part.splitlines() if line]
        rows = [line.strip("| ").split(" | ") for line in lines if line.startswith("| ") and line != table.HEADER]
        found[heading] = ([line for line in lines if not line.startswith("|")], rows)
    return found


def test_the_index_lists_every_run_best_first_within_its_dataset(tmp_path):
    entries = [entry("low", top1=0.3), entry("high"), entry("trial", limited=True, dataset="bach")]
    text = table.index_card("tester/runs", entries, {"low": "a/low", "high": "a/high", "trial": "b"})
    rows = [line for line in text.splitlines() if line.startswith("| ") and "](" in line]
    assert [row.rpartition("](")[2] for row in rows] == ["b) |", "a/high) |", "a/low) |"]
    assert "### BACH (trial): protocol not recorded" in text
    assert rows[1] == (
        "| vit_classic | 10M | 9,753,956 | not recorded | not recorded | 0 | 50.00 % | 49.00 % to 51.00 % | 10,000 "
        "| [high](a/high) |"
    )
    (tmp_path / "README.md").write_text(text)
    metadata = metadata_load(tmp_path / "README.md")
    assert metadata["model-index"] == entries and metadata["datasets"] == ["owner/bach", "owner/cifar100"]
    assert len(ModelCardData(**metadata).eval_results) == 3


def test_the_index_groups_runs_by_protocol_and_pools_the_seeds_of_one_model():
    found = tables([
        of("x", seed=1, top1=0.4), of("y", seed=0, top1=0.5), of("z", pool="b", model="vit_differential", top1=0.46),
        of("more", epochs=90, protocol="q"), of("twin", protocol="r"), of("old"), entry("earlier"),
    ])  # fmt: skip
    first = "CIFAR100: 50 epochs, learning rate 0.0001, batch size 512, augmentation none"
    assert list(found) == [
        f"{first}, protocol p", f"{first}, protocol r", first.replace("50 epochs", "90 epochs"),
        "CIFAR100: protocol not recorded",
    ]  # fmt: skip
    rows = found[f"{first}, protocol p"][1]
    assert [row[0] for row in rows] == ["vit_classic", "vit_differential"]
    assert rows[0][3:8] == ["50", "0.0001", "0, 0, 1", "46.67 % (mean of 3)", "40.00 % to 50.00 % (range)"]
    assert rows[0][-1] == "[old](f/old) 50.00 %, [y](f/y) 50.00 %, [x](f/x) 40.00 %"
    assert found["CIFAR100: protocol not recorded"][0][0].startswith("An earlier version")


@pytest.mark.parametrize(("change", "equal"), [
    ({}, True), ({"seed": 1}, False), ({"split": "t"}, False), ({"parameters": 11_000_000}, False),
    ({"size": "25M"}, False), ({"protocol": "q"}, False), ({"model": "vit_classic"}, False),
    ({"parameters": 9_758_564}, True),
])  # fmt: skip
def test_the_index_claims_equal_budget_data_and_seed_only_where_they_are(change, equal):
    other = of("z", **({"pool": "b", "model": "vit_differential"} | change))
    said = [sentence for sentences, _ in tables([of("x"), other]).values() for sentence in sentences]
    assert said == (["Equal budget, data and seed at 10M: vit_classic, vit_differential."] if equal else [])
    assert not any("Equal" in sentence for sentences, _ in tables([of("x"), of("y", seed=1)]).values()
                   for sentence in sentences)  # fmt: skip


def test_no_name_breaks_the_index():
    odd = entry("odd")
    odd["results"][0]["dataset"]["name"] = "local/a|b\nc"
    lines = table.index_card("tester/runs", [odd], {"odd": "my runs/(a|b)"}).splitlines()
    assert r"### local/a\|b c: protocol not recorded" in lines
    assert lines[-2].endswith("| [odd](my%20runs/%28a%7Cb%29) |") and lines[-2].count("|") == 11
