"""Fields and patterns as a user has them: from files to test, table and figures, by the same commands as images."""

import json
import re
from pathlib import Path

import pytest
from data.measured import fields, patterns
from PIL import Image

from app.artifacts.runs import find_runs
from app.log import read

FIELDS = (
    "train --dataset nested_cylinder --data fields --design fields/design.csv --crop 0:40,0:12 --epochs 3 "
    "--train-batches 2 --val-batches 1 --batch-size 3 --threads 1"
)
PATTERNS = "train --dataset diffraction --data patterns --epochs 2 --batch-size 12 --threads 1"


@pytest.fixture
def measured(work, cache_folder):
    fields(work / "fields")
    patterns(work / "patterns" / "made.pt", length=100)
    return work


@pytest.mark.slow
@pytest.mark.figures
def test_a_number_is_learned_from_fields_tested_and_drawn(call, measured):
    trained = call(f"{FIELDS} --model cnn")
    assert trained.code == 0, trained.err
    assert trained.out.startswith("test RMSE: ") and "MAE: " in trained.out and "acc" not in trained.err
    run = find_runs(measured / "checkpoints")[0]
    assert run.files.truth_png.is_file() and not run.files.confusion_png.exists() and run.config.classes == 1
    header, rows = read(run.files.log)
    assert header["task"] == "regression" and all("mae" in row and "correct" not in row for row in rows)
    full = [row for row in rows if row["split"] == "val_full"]
    assert min(row["loss"] for row in full) == run.record.best.val_loss
    found = json.loads(call("evaluate checkpoints --json").out)
    assert found["rmse_interval"][0] <= found["rmse"] <= found["rmse_interval"][1] and found["resampled"] == "names"
    assert found == json.loads(call("evaluate checkpoints --json --again").out)
    refused = call("evaluate checkpoints --top-k 3")
    assert refused.code == 2 and "which predicts a number. Omit it" in refused.err


@pytest.mark.figures
@pytest.mark.slow
def test_seeds_of_two_models_make_histories_and_the_time_to_a_threshold(call, measured):
    for seed in (1, 2):
        assert call(f"{FIELDS} --model cnn --seed {seed}").code == 0
    assert call(f"{FIELDS} --model t2t_vit --d-model 32 --heads 2 --depth 1 --mlp-ratio 1").code == 0
    drawn = call("plot history --threshold 9 --out drawn")
    assert drawn.code == 0, drawn.err
    names = {path.stem for path in map(Path, drawn.out.splitlines())}
    assert names == {f"{name}_nested_cylinder" for name in ("history_cnn", "history_t2t_vit", "history_all", "event")}


@pytest.mark.slow
@pytest.mark.figures
@pytest.mark.parametrize("model", ["resnet1d", "vit_differential --size 1M --patch 10"])
def test_a_class_is_learned_from_patterns_tested_and_drawn(call, measured, model):
    trained = call(f"{PATTERNS} --model {model}")
    assert trained.code == 0, trained.err
    assert "top-3 accuracy: " in trained.out
    found = json.loads(call("evaluate checkpoints --json --top-k 7").out)
    assert found["top1"] <= found["top3"] <= found["top5"] <= found["top7"] <= 1
    assert found["top3_interval"][0] < found["top3_interval"][1]
    assert "top7: " in call("evaluate checkpoints --top-k 7").out
    drawn = call("plot patterns --count 3 --out drawn")
    assert drawn.code == 0 and all(Path(line).is_file() for line in drawn.out.splitlines()), drawn.err
    refused = call("evaluate checkpoints --top-k 15")
    assert refused.code == 2 and "--top-k 15 is more than the 14 classes of diffraction" in refused.err


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("10x20x30", r"image=\[10, 20, 30\] is not an input size. Use a side"),
        ("224x", "'224x' is not an input size"),
        ("0", "image=0 is out of range. Use a"), ("64x32 --model swin", "takes square images only, not image=64x32"),
    ],
)  # fmt: skip
def test_a_size_that_is_none_is_refused_in_one_sentence(call, given, says):
    refused = call(f"train --dataset cifar10 --image {given}")
    assert refused.code == 2 and re.search(says, refused.err) and refused.err.count("\n") == 1
    assert "Value error" not in refused.err


def test_a_field_is_drawn_from_its_files(call, measured):
    drawn = call("plot field fields --simulation id0002 --out drawn")
    assert drawn.code == 0 and drawn.out.splitlines()[0] == "drawn/field_rho_nc231213_Sn_id0002.png"
    assert call("plot field fields --field pressure").code == 2


@pytest.mark.figures
def test_a_figure_for_a_column_is_as_wide_as_asked_and_its_caption_is_one_line_on_stderr(call, measured):
    ended = call("plot field fields --simulation id0002 --width 82mm --no-caption")
    assert ended.code == 0 and ended.err.startswith("caption: ") and ended.err.count("\n") == 1
    png, svg = map(Path, ended.out.splitlines())
    with Image.open(png) as image:
        assert image.width / image.info["dpi"][0] == pytest.approx(82 / 25.4, rel=1e-3)
    assert "pixels" in ended.err and "pixels" not in svg.read_text(encoding="utf-8")
    assert "caption" not in call("plot field fields --simulation id0002").err and "pixels" in svg.read_text("utf-8")


@pytest.mark.parametrize(("given", "says"), [("3.25", "in, mm, cm"), ("25in", "2.5in to 20in"), ("wide", "3.25in")])
def test_a_width_that_is_none_is_refused_with_its_forms(call, given, says):
    for kind in ("loss", "scaling", "history", "patterns", "field ."):
        refused = call(f"plot {kind} --width {given}")
        assert refused.code == 2 and f"'{given}'" in refused.err and says in refused.err
