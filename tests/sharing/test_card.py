"""Cards: what stands in them, and metadata that the Hub's own library reads back."""

import pytest
from huggingface_hub import ModelCard, ModelCardData, metadata_load
from msgspec.structs import replace
from report import made_up_run

from app.artifacts.parts import Rates
from app.artifacts.runs import Run
from app.cli import evaluate
from app.sharing import card


def test_a_rate_stands_with_its_interval_and_n():
    test = Rates(n=1359, top1=0.8607, top1_interval=[0.8211, 0.8927], top5=1.0, loss=0.5, per_class=[1.0],
                 confusion=[[1]])  # fmt: skip
    assert card.with_interval(test) == "86.07 % (95 % Wilson interval 82.11 % to 89.27 %, n = 1,359)"


def test_a_card_says_what_how_data_licence_numbers_command_and_the_way_back(run):
    text, record = card.run_card(run, "hf://tester/runs/a/b"), run.record
    for part in (
        "Differential ViT, 100K, Optical digits", "arXiv:2410.05258", f"{record.parameters.total:,} trainable",
        "patch 4, attention differential, d_model 64, depth 2, heads 2, mlp_ratio 4", "8 px, 5 tokens",
        "AdamW, lr 0.001, weight decay 0.01, batch 32", "licence: cc-by-4.0", "version `uci-1998`", "n = 60",
        "A trial: the dataset was cut", record.command, "160 rows trained on, 40 for validation, 60 for the test",
        f"s, peak memory {record.peak_bytes / 1e9:.1f} GB |",
        f"python run.py download hf://tester/runs/a/b {run.files.stem}", f"python run.py evaluate {run.files.stem}",
    ):  # fmt: skip
        assert part in text, part
    assert "None" not in text and "nan" not in text.lower().split()


@pytest.mark.parametrize(("dataset", "says"), [("bach", False), ("digits", True)])
def test_top_5_is_left_out_where_five_classes_or_fewer_are_all_there_are(tmp_path, dataset, says):
    run = made_up_run(tmp_path, dataset=dataset)
    assert ("| top-5 accuracy |" in card.run_card(run, "hf://tester/runs/a")) is says
    assert ("top-5" in evaluate._text(run, best=False)) is says
    assert "top5" in evaluate._result(run, best=False)


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


def test_the_index_lists_every_run_best_first_within_its_dataset(tmp_path):
    entries = [entry("low", top1=0.3), entry("high"), entry("trial", limited=True, dataset="bach")]
    text = card.index_card("tester/runs", entries, {"low": "a/low", "high": "a/high", "trial": "b"})
    rows = [line for line in text.splitlines() if line.startswith("| ") and "](" in line]
    assert [row.rpartition("](")[2] for row in rows] == ["b) |", "a/high) |", "a/low) |"]
    assert "BACH (trial)" in rows[0]
    assert rows[1] == (
        "| CIFAR100 | vit_classic | 10M | 9,753,956 | 0 | 50.00 % | 49.00 % to 51.00 % | 10,000 | [high](a/high) |"
    )
    (tmp_path / "README.md").write_text(text)
    metadata = metadata_load(tmp_path / "README.md")
    assert metadata["model-index"] == entries and metadata["datasets"] == ["owner/bach", "owner/cifar100"]
    assert len(ModelCardData(**metadata).eval_results) == 3


def test_no_name_breaks_the_index():
    odd = entry("odd")
    odd["results"][0]["dataset"]["name"] = "local/a|b\nc"
    line = card.index_card("tester/runs", [odd], {"odd": "my runs/(a|b)"}).splitlines()[-2]
    assert line.startswith(r"| local/a\|b c | vit_classic |")
    assert line.endswith("| [odd](my%20runs/%28a%7Cb%29) |")
    assert line.replace(r"\|", "").count("|") == 10
