"""Cards and the index say of every protocol and kind what that run was, and hold whatever names they are given."""

import json
import re
import shlex

import pytest
from huggingface_hub import ModelCard, metadata_load
from markdown_it import MarkdownIt
from msgspec.structs import replace
from raw_records import put, raw
from report import made_up_run

from app.artifacts.runs import Run
from app.config.facts import DatasetFacts
from app.config.run import RunConfig
from app.sharing import card, entry, recipe, table
from app.system.printable import printable
from app.tables.datasets import DATASETS
from app.tables.families import FAMILIES
from app.tables.models import MODELS
from app.tables.protocols import PROTOCOLS, UNKNOWN

FIELD = DatasetFacts(
    name="nested_cylinder", classes=1, channels=1, kind="field", image=(1700, 500), task="regression", fingerprint="f"
)
SIGNAL = DatasetFacts(name="diffraction", classes=14, channels=1, kind="signal", image=(3041,), fingerprint="f")
READ = {"fields": ["rho"], "target": "ptw_scale"}
RUNS = {  # what is trained, and what its card must say of how
    "cifar100": ({"dataset": "cifar100"},
        "AdamW, learning rate 0.0001, weight decay 0.01, batch size 512", "cosine to 0"),
    "bach": ({"dataset": "bach"}, "AdamW, learning rate 0.0003, weight decay 0.01, batch size 64", "cosine to 0"),
    "cifar10": ({"dataset": "cifar10", "model": "vit_small"},
        "AdamW, learning rate 0.0001, weight decay 0.01", "cosine"),
    "digits": ({"dataset": "digits"}, "AdamW, learning rate 0.001, weight decay 0.01, batch size 64", "cosine to 0"),
    "fields": (
        {"facts": FIELD, "data": "x", "model": "cnn", "record": {}},
        "AdamW, learning rate 0.001, weight decay 0.01, batch size 4",
        "constant",
    ),
    "fields of a ViT": (
        {"facts": FIELD, "data": "x", "model": "t2t_lanl", "record": {}},
        "AdamW, learning rate 0.001, weight decay 0.01, batch size 4", "constant",
    ),
    "signals": (
        {"facts": SIGNAL, "data": "x", "model": "resnet1d"},
        "Adam, learning rate 0.0005, no weight decay, batch size 500, epsilon 1e-05",
        "constant",
    ),
    "space groups": (
        {"facts": DatasetFacts(**{**vars(SIGNAL), "classes": 230}), "data": "x", "target": "space_group",
         "model": "vit_classic"}, "Adam, learning rate 0.0005, no weight decay", "constant",
    ),
    "two classes": (
        {"facts": DatasetFacts(name="alice/cats-or-dogs", classes=2), "model": "resnet18"},
        "AdamW, learning rate 0.0003, weight decay 0.05, batch size 128", "cosine to 0",
    ),
    "an unusual recipe": (
        {"dataset": "digits", "optimizer": "adam", "schedule": "constant", "warmup_steps": 0, "weight_decay": 0.0,
         "clip_norm": 0.5, "eps": 1e-6, "train_batches": 7, "val_batches": 3, "augment": "flip_crop"},
        "Adam, learning rate 0.001, no weight decay, batch size 64, epsilon 1e-06, gradients clipped to norm 0.5",
        "constant",
    ),
}  # fmt: skip


def made(folder, name, **more):
    """The run of an entry of RUNS, with a schedule and a record as it would have."""
    asked = dict(RUNS[name][0])
    asked.pop("record", None)
    run = made_up_run(folder, **{**asked, **more})
    config = run.config
    schedule = {"total_steps": 4_400, "warmup_steps": 0 if config.warmup_steps == 0 else 440}
    data = {"reading": READ} if config.task == "regression" else {}
    put(run.files.record, raw(run) | {"schedule": schedule, "data": raw(run)["data"] | data})
    return Run.load(run.files.record)


@pytest.fixture(params=RUNS)
def kind(request, tmp_path):
    """A name of RUNS, its run, and the text of the run's card."""
    run = made(tmp_path, request.param)
    return request.param, run, card.run_card(run, "hf://tester/runs/a/b")


def rows_of(text):
    """The cells of a card's tables, by their first."""
    found = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ") and line != "| | |"]
    return {first: rest for first, *rest in found if rest}


def test_the_rows_are_over_every_protocol():
    assert (
        {RUNS[name][0].get("dataset") or RUNS[name][0]["facts"].name for name in RUNS}
        >= set(PROTOCOLS)
        == set(DATASETS)
    )


def test_a_card_says_the_recipe_that_the_run_had(kind):
    name, run, text = kind
    _, optimiser, schedule = RUNS[name]
    rows = {first: rest[0] for first, rest in rows_of(text).items()}
    assert rows["optimiser"].startswith(optimiser) and schedule in rows["schedule"] and "4,400" in rows["schedule"]
    config = run.config
    assert ("AdamW" in text) is (config.optimizer == "adamw") and ("cosine" in text) is (config.schedule == "cosine")
    assert ("no warm-up" in text) is (config.warmup_steps == 0) and ("440 warm-up steps" in text) is (
        "no warm-up" not in text
    )
    assert rows["epochs"].startswith(f"{config.epochs:,}, each of ")
    assert ("random batches; " in rows["epochs"]) is (config.train_batches is not None)
    assert (f"each of {config.train_batches:,} random batches" in rows["epochs"]) if config.train_batches else (
        "every training row" in rows["epochs"])  # fmt: skip
    assert ("validated on every validation row" in rows["epochs"]) is (config.val_batches is None)
    assert (
        f"dropout {config.dropout:g}" in rows["regularisation"]
        and f"final weights after {config.epochs} epochs" in text
    )


@pytest.mark.parametrize(("augment", "flat"), [("zoo_rand+flip_crop", True), ("zoo_rand:3", False), ("rand", False)])
def test_a_card_says_how_many_images_the_zoo_s_randaugment_makes_flat(augment, flat):
    config = RunConfig.from_strings({"dataset": "cifar10", "augment": augment})
    assert (
        "zoo_rand turns about 23 % of images of 32 px into one flat colour" in recipe.regularisation(config, "image")
    ) is flat


def test_a_card_names_only_what_the_run_s_kind_has(kind):
    name, run, text = kind
    image = DATASETS.get(run.config.dataset) is None or DATASETS[run.config.dataset].kind == "image"
    assert ("augmentation" in text) is image
    rows = {first: rest[0] for first, rest in rows_of(text).items()}
    for cell in ("mlp_ratio", "patch", "heads", "features", "stem_dropout", "norm_eps"):
        assert (re.search(rf"\b{cell} ", rows["shape"]) is not None) <= (cell in run.config.family.cells), cell
    assert ("tokens" in rows["input"]) is (run.config.tokens > 1)
    assert ("samples" in rows["input"]) is ("signals" in name or "space" in name)
    if run.config.task == "regression":
        assert "| RMSE |" in text and "top-1" not in text and "predicts one value, `ptw_scale`" in text
    else:
        assert "| top-1 accuracy |" in text and "RMSE" not in text and f"predicts {run.config.classes} classes" in text
    assert ("top-5" in text) is (run.config.task == "classification" and run.config.classes > 5)
    assert not re.search(r"\b(None|nan|inf)\b", text.partition("\n---\n")[2])


def test_a_card_s_metadata_fits_its_task_its_model_and_its_metrics(kind, tmp_path):
    name, run, text = kind
    data = ModelCard(text).data
    values, signal = run.config.task == "regression", "signals" in name or "space" in name
    wanted = "image-regression" if values else "signal-classification" if signal else "image-classification"
    assert {result.task_type for result in data.eval_results} == {wanted}
    assert (data.pipeline_tag == "image-classification") is (wanted == "image-classification")
    metrics = [result.metric_name for result in data.eval_results]
    assert metrics == (["RMSE", "MAE", "R2"] if values else ["top-1", "top-5"] if run.config.classes > 5 else ["top-1"])
    assert ("vision-transformer" in data.tags) is (run.config.attention is not None)
    assert "differential-attention" not in data.tags  # of classic ViTs and of networks without attention
    differential = card.run_card(made_up_run(tmp_path / "d", model="vit_differential_h32"), "hf://a/b")
    assert {"vision-transformer", "differential-attention"} <= set(ModelCard(differential).data.tags)


@pytest.mark.parametrize("family", [name for name in FAMILIES if name != "own"])  # own needs a file
def test_a_card_of_every_family_has_its_tags_its_cells_and_its_recipe(tmp_path, family):
    model = next((name for name, row in MODELS.items() if row.family == family), "timm/test_vit")
    signals = FAMILIES[family].kinds == ("signal",)
    asked = {"facts": SIGNAL, "data": "x"} if signals else {"dataset": "cifar10", "image": 64}
    run = made_up_run(tmp_path, model=model, lr=0.00031, **asked)
    text = card.run_card(run, "hf://tester/runs/x")
    tags = set(ModelCard(text).data.tags) - {"isoscale"}
    assert tags - {"differential-attention"} == set(entry.TAGS[family])
    assert ("differential-attention" in tags) is (run.config.attention or "").startswith("differential")
    rows = {first: rest[0] for first, rest in rows_of(text).items()}
    assert rows["optimiser"].startswith(f"{'Adam' if signals else 'AdamW'}, learning rate 0.00031,")
    assert entry.index_entry(run)["results"][0]["metrics"][0]["args"]["lr"] == 0.00031


def test_attention_that_an_option_chose_decides_the_tags_of_card_and_index(tmp_path):
    run = made_up_run(tmp_path, dataset="cifar10", model="vit_differential", attention="differential_v2")
    made_entry = entry.index_entry(run)
    assert "differential-attention" in ModelCard(card.run_card(run, "hf://a/b/c")).data.tags
    assert "differential-attention" in table.index_metadata([made_entry])["tags"]


def test_a_card_shows_how_to_load_the_weights_in_six_lines_that_are_python(kind):
    name, run, text = kind
    ours, plain = (part.partition("\n```")[0] for part in text.split("```python\n")[1:])
    assert len(ours.splitlines()) == len(plain.splitlines()) == 6
    for lines in (ours, plain):
        compile(lines, name, "exec")
    assert 'isoscale.load("hf://tester/runs/a/b")' in ours
    assert f'hf_hub_download("tester/runs", "a/b/{run.files.weights.name}")' in plain
    assert ("image.png" in ours) is (name not in ("fields", "fields of a ViT", "signals", "space groups"))


def test_the_index_lists_every_kind_with_its_own_result(tmp_path):
    runs = [made(tmp_path / str(number), name) for number, name in enumerate(RUNS)]
    entries = [entry.index_entry(run) for run in runs]
    text = table.index_card("tester/runs", entries, {run.files.stem: f"f/{run.files.stem}" for run in runs})
    lines = {line.rpartition("[")[2].partition("]")[0]: line.strip("| ").split(" | ") for line in text.splitlines()
             if "](f/" in line}  # fmt: skip
    for run in runs:
        model, size, parameters, epochs, rate, seed, result, interval, n, _ = lines[run.config.run_id]
        assert (model, size) == (run.config.model, run.config.size)
        assert (epochs, rate, seed) == (str(run.config.epochs), f"{run.config.lr:g}", str(run.config.seed))
        assert f"### {entry.dataset_title(run.config.dataset)}: {epochs} epochs, learning rate {rate}" in text.replace(
            r"\_", "_"
        )
        assert parameters == f"{run.config.parameters:,}" and n == f"{run.record.test.n:,}"
        low, high = run.record.test.rmse_interval if run.config.task == "regression" else run.record.test.top1_interval
        if run.config.task == "regression":
            assert result == f"RMSE {run.record.test.rmse:.4g}" and interval == f"{low:.4g} to {high:.4g}"
        else:
            assert result == card.percent(run.record.test.top1)
            assert interval == f"{card.percent(low)} to {card.percent(high)}"
    (tmp_path / "README.md").write_text(text)
    metadata = metadata_load(tmp_path / "README.md")
    assert metadata["model-index"] == json.loads(json.dumps(entries))
    assert "pipeline_tag" not in metadata and metadata["metrics"] == ["accuracy", "mae", "r_squared", "rmse"]


def test_a_regression_over_one_simulation_has_no_interval_in_the_index_and_no_r2(tmp_path):
    run = made(tmp_path, "fields")
    test = replace(run.record.test, rmse_interval=None, mae_interval=None, r2=None, r2_interval=None)
    alone = Run(run.files, replace(run.record, results=replace(run.record.results, test=test)))
    made_entry = entry.index_entry(alone)
    line = table.index_card("tester/runs", [made_entry], {run.files.stem: "f"}).splitlines()[-2]
    assert f"| RMSE {test.rmse:.4g} | none | " in line and "None" not in line
    text = card.run_card(alone, "hf://tester/runs/f")
    assert "bootstrap" not in text and "R2" not in text.partition("\n---\n")[2]


@pytest.mark.parametrize("name", [
    "local/a|b", "local/a\\|b", "local/`tick` ``two``", "local/line\nbreak", "local/<b>bold</b>", "local/# heading",
    "local/日本語 🦆", "local/- x\n\n---\ntitle: y", "alice/[x](y)", "local/'\"quotes\"", "local/a: b {c}",
])  # fmt: skip
def test_no_name_breaks_a_card_or_the_index(tmp_path, name):
    facts = DatasetFacts(name="local/plain", classes=3)
    run = made_up_run(tmp_path, facts=facts)
    record = replace(run.record, dataset=name, command=f"python run.py train --dataset {shlex.quote(name)}\n```\nx",
                     data=replace(run.record.data, version=name, licence=name),
                     places=[replace(run.record.places[0], device=f"GPU {name}")])  # fmt: skip
    odd = Run(run.files, record)
    text = card.run_card(odd, f"hf://tester/runs/{name}")
    body = text.partition("\n---\n")[2]
    tokens = MarkdownIt("commonmark").enable("table").parse(body)
    assert [token.tag for token in tokens if token.type == "heading_open"] == ["h1", *["h2"] * 5]
    assert [token.type for token in tokens].count("fence") == 4
    assert [token.type for token in tokens].count("table_open") == 2
    assert next(token.content for token in tokens if token.type == "fence").rstrip("\n") == printable(record.command)
    assert ModelCard(text).data.eval_results[0].dataset_name == printable(name)
    made_entry = entry.index_entry(odd)
    index = table.index_card("tester/runs", [made_entry], {run.files.stem: f"runs/{name}"})
    tokens = MarkdownIt("commonmark").enable("table").parse(index.partition("\n---\n")[2])
    assert [token.type for token in tokens].count("td_open") == 10
    assert UNKNOWN.optimizer == "adamw" and "AdamW" in text
