"""A W&B sweep file: what is read, what is noted, and what is refused."""

import base64
from dataclasses import replace

import pytest

from app.errors import InputError
from app.sweeps import drawing, metric, sweepfile
from app.sweeps.naming import Names

SEARCHED = """parameters:
  lr: {distribution: q_log_uniform_values, min: 1e-4, max: 2e-3, q: 1e-4}
  bs: {value: 64}
"""
FILE = f"""
program: train_cifar10.py
method: bayes
metric: {{name: val_acc, goal: maximize}}
{SEARCHED}early_terminate: {{type: hyperband, min_iter: 3}}
"""


@pytest.fixture
def read(tmp_path):
    def read(text):
        path = tmp_path / "my sweep.yaml"
        path.write_text(text)
        return sweepfile.read(path)

    return read


def test_a_number_that_yaml_reads_as_text_is_a_number_and_noted(read):
    file = read(FILE)
    (rate,) = (each for each in file.parameters if each.name == "lr")
    assert rate.its == {"min": 1e-4, "max": 2e-3, "q": 1e-4} and file.name == "my-sweep"
    assert "1e-4 of lr.min, 2e-3 of lr.max, 1e-4 of lr.q" in file.notes[0]


def test_what_has_no_effect_here_and_the_default_of_strict_are_noted(read):
    notes = " ".join(read(FILE).notes)
    assert "program of the file are for W&B's agents" in notes and "`strict`, which is read as true" in notes
    assert "strict" not in " ".join(read(FILE.replace("min_iter: 3", "min_iter: 3, strict: true")).notes)


def test_numbers_as_text_are_read_in_all_parts_and_exponents_of_e_are_noted_with_their_values(read):
    text = FILE.replace("method: bayes", "method: bayes\nrun_cap: 1e1").replace("maximize}", "maximize, target: 9e1}")
    file = read(text.replace("q_log_uniform_values, min: 1e-4, max: 2e-3, q: 1e-4", "log_uniform, min: 1e-4, max: 0.1"))
    assert (file.run_cap, file.metric.target) == (10, 90.0)
    assert file.notes[0].startswith(
        "lr is drawn from 1 to 1.105, because min and max of log_uniform are exponents of e"
    )
    assert "1e1 of run_cap" in file.notes[1] and "9e1 of metric.target" in file.notes[1]
    assert "impute_while_running" in read(FILE.replace("maximize}", "maximize, impute_while_running: latest}")).notes[0]


def test_a_data_url_is_a_file():
    data = base64.urlsafe_b64encode(FILE.encode()).decode()
    url = sweepfile.Path(f"data:application/yaml;name=s.yaml;base64,{data}")
    assert (sweepfile.read(url).name, sweepfile.read(url).method) == ("s", "bayes")


BAD = {
    "method is 'byes'": ("bayes", "byes"),
    "no method. Write": ("method: bayes\n", ""),
    "Did you mean `bayes`": ("method: bayes", "method: BAYES"),
    "parameters is \\['lr'\\]": (SEARCHED, "parameters: [lr]\n"),
    "contains itself by an alias": ("bs: {value: 64}", "bs: &here {parameters: *here}"),
    "run_cap is True": ("method: bayes", "method: bayes\nrun_cap: true"),
    "latest_val_acc is unknown": ("val_acc", "latest_val_acc"),
    "`method: custom`, `scheduler` and `metrics` are not supported": ("method: bayes", "method: custom"),
    "distribution \\['a'\\]": ("value: 64", "distribution: [a], min: 1, max: 2"),
    "bs.max is above the largest number": ("value: 64", f"min: 1, max: 1{'0' * 400}"),
    "run_cap is above the largest number": ("method: bayes", f"method: bayes\nrun_cap: 1{'0' * 400}"),
    "unknown key 'runcap'. Did you mean `run_cap`": ("method: bayes", "method: bayes\nruncap: 3"),
    "run_cap is 0": ("method: bayes", "method: bayes\nrun_cap: 0"),
    "bayes needs a metric": ("metric: {name: val_acc, goal: maximize}\n", ""),
    "which is the worst end. Write goal: maximize": (", goal: maximize", ""),
    "test_acc is of the test split": ("val_acc", "test_acc"),
    "metric accuracy is unknown": ("val_acc", "accuracy"),
    "unknown goal 'up'": ("goal: maximize", "goal: up"),
    "Write 90 for 0.9": ("goal: maximize", "goal: maximize, target: 0.9"),
    "metric has no key 'x'": ("goal: maximize", "goal: maximize, x: 1"),
    "line 5 of my sweep.yaml cannot be read as YAML": ("metric: {", "metric: [{"),
    "with 'lr' twice": ("  bs:", "  lr: {value: 1}\n  bs:"),
    "parameters has no parameters": ("parameters:", "description:"),
}


@pytest.mark.parametrize("says", BAD)
def test_a_bad_file_is_refused_with_its_name_and_what_is_wrong(read, says):
    with pytest.raises(InputError, match=says) as refused:
        read(FILE.replace(*BAD[says]))
    assert "my sweep.yaml" in str(refused.value)


def test_a_search_without_an_end_needs_a_number_of_trials(read):
    with pytest.raises(InputError, match="--trials"):
        drawing.require(read(FILE), None)
    drawing.require(read(FILE), 3)
    with pytest.raises(InputError, match="has 100,001 trials"):
        drawing.require(read(FILE), 100_001)


def test_metrics_are_of_the_validation_rows_of_a_log(read):
    row = {"correct": 30, "examples": 40, "loss": 0.25, "mae": 0.4}
    values = {name: metric.of_mapping({"name": name}).value(row) for name in ("val_loss", "val_mae", "val_rmse")}
    assert values == {"val_loss": 0.25, "val_mae": 0.4, "val_rmse": 0.5}
    accuracy = read(FILE).metric
    assert accuracy.value(row) == 75.0 and accuracy.best([10.0, 75.0, 30.0]) == 75.0 and accuracy.best([]) is None
    with pytest.raises(InputError, match="not available for regression"):
        accuracy.require_task("regression")


def test_names_of_the_zoo_and_nested_ones_are_mapped_and_noted():
    names = Names(["net", "n_epochs", "bs", "optimizer.lr", "adan_beta1", "adan_beta3", "weight_decay"])
    given = names.given({"net": "res18", "n_epochs": 5.0, "bs": 64.0, "optimizer.lr": 1, "adan_beta1": 0.035,
                         "adan_beta3": 0.015, "weight_decay": 0.02})  # fmt: skip
    assert given == {"model": "resnet18", "epochs": 5, "batch_size": 64, "lr": 1, "weight_decay": 0.02,
                     "betas": "0.965,0.92,0.985"}  # fmt: skip
    assert "net is read as model" in names.notes() and "optimizer.lr is read as lr" in names.notes()
    assert not [note for note in names.notes() if note.startswith("weight_decay")]


def test_nested_shares_are_betas_and_null_leaves_a_setting_at_its_default():
    given = Names(["optim.adan_beta1", "optim.adan_beta3", "dropout"]).given
    assert given({"optim.adan_beta1": 0.035, "optim.adan_beta3": None, "dropout": None}) == {"betas": "0.965,0.92,0.99"}
    with pytest.raises(InputError, match="'low', not a share"):
        given({"optim.adan_beta1": "low"})


@pytest.mark.parametrize("its", ["min: 1.0, max: 9.0", "distribution: log_uniform_values, min: 1, max: 9"])
def test_fractions_of_a_setting_that_is_a_whole_number_are_refused_before_the_first_trial(read, sweep_of, its):
    with pytest.raises(InputError, match=r"parameter bs: .* draws fractions, and batch_size is a whole number"):
        sweep_of(FILE.replace("value: 64", its))
    sweep_of(FILE.replace("value: 64", "distribution: q_uniform, min: 8, max: 64, q: 8"))


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (["lr", "optimizer.lr"], "both set lr"),
        (["learning_rate"], "lr"),
        (["checkpoints"], "of the complete sweep"),
        (["optimizer.momentums"], "unknown setting"),
    ],
)
def test_a_name_that_is_unknown_or_ambiguous_is_refused(names, says):
    with pytest.raises(InputError, match=says):
        Names(names)


def test_the_published_sweep_of_adan_is_read_and_its_values_are_settings():
    from app.config.run import RunConfig

    path = sweepfile.Path(__file__).resolve().parents[2] / "studies" / "adan" / "adan_betas_decay.yaml"
    file = sweepfile.read(path)
    names = Names(each.name for each in file.parameters)
    given = names.given(drawing.draw(replace(file, method="random"), 0, 0, ()).values)
    config = RunConfig.from_strings({"dataset": "cifar10"} | given)
    assert (config.model, config.epochs, config.optimizer) == ("vit_small", 5, "adan")
    assert file.early_terminate.bands[:2] == (3, 9) and file.run_cap is None
    shares = [1 - kept for kept in config.betas]
    ends = ((0.01, 0.05), (0.05, 0.15), (0.005, 0.03))
    assert all(low - 1e-9 <= share <= high + 1e-9 for share, (low, high) in zip(shares, ends, strict=True))
