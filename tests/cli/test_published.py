"""Published results of LANL's form: pairing is refused, and runs that did not learn are a clump that is counted."""

import csv
import io
import json

import numpy as np
import pytest
from scipy import stats

from app.errors import InputError
from app.report import unpaired as shown
from app.results import unpaired
from app.studies.legacy import lanl, published

CNN = [5.5e-5, 1.1e-4, 2.0e-4, 2.5e-4, 3.7e-4, 4.1e-4, 5.7e-4, 8.6e-4]
T2T = [1.3e-4, 2.6e-4, 1.8e-4, 0.266, 0.289, 0.258, 0.277, 0.252]


def model(folder, errors, *, first=100, rows=8, same_rows=False, best=()):
    """A folder of a model's test files as LANL publishes them, with these mean squared errors."""
    for kind, values in (("", errors), ("bestCHKPT_", best)):
        for number, error in enumerate(values, first):
            random = np.random.default_rng(0 if same_rows else number)
            truth = random.uniform(0.25, 2, rows).astype(np.float32)
            made = [lanl.Example(at, at // 4 + 1, true, true + np.float32(error**0.5), np.float32(error))
                    for at, true in enumerate(truth)]  # fmt: skip
            path = folder / f"study_{number}" / f"study{number}_{kind}testset_results.csv"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(lanl.tested(made))
    return folder


@pytest.fixture
def found(tmp_path):
    folders = [model(tmp_path / "CNN_Models", CNN, first=200), model(tmp_path / "T2T_ViT_Models", T2T)]
    return unpaired.compare(published.arms(map(str, folders), best=False))


def test_the_shares_that_learned_and_all_runs_are_compared_by_exact_tests(found):
    (pair,) = found.pairs
    assert pair.clumps.learned == (8, 3) and pair.clumps.runs == (8, 8)
    assert pair.clumps.p_learned == pytest.approx(stats.fisher_exact([[8, 0], [3, 5]]).pvalue)
    assert pair.clumps.p_all == pytest.approx(stats.mannwhitneyu(CNN, T2T, method="exact").pvalue)
    assert pair.beats == pytest.approx(np.mean(np.array(CNN)[:, None] < np.array(T2T)))
    low, high = pair.clumps.shares[1]
    assert (low, high) == pytest.approx(stats.binomtest(3, 8).proportion_ci(method="wilson"))


def test_the_runs_that_learned_are_compared_by_welch_in_log_mse(found):
    (pair,) = found.pairs
    a, b = np.log(CNN), np.log(T2T[:3])
    assert pair.difference == pytest.approx(b.mean() - a.mean(), rel=1e-5) and pair.verdict.word == "undecided"
    expected = stats.ttest_ind(b, a, equal_var=False).confidence_interval()
    assert pair.verdict.interval == pytest.approx((expected.low, expected.high), rel=1e-5)
    assert [arm.learned.count(True) for arm in found.arms] == [8, 3]


@pytest.mark.parametrize(
    ("same_rows", "reason"),
    [(False, "16 runs have 16 different sets of test rows"), (True, "equal rows cannot be verified")],
)
def test_pairing_is_refused_for_different_rows_and_for_rows_that_have_no_number(tmp_path, same_rows, reason):
    folders = [model(tmp_path / name, values, first=first, same_rows=same_rows)
               for name, values, first in (("a", CNN, 200), ("b", T2T, 100))]  # fmt: skip
    assert reason in unpaired.compare(published.arms(map(str, folders), best=False)).refusal


def test_a_model_that_never_learned_is_decided_by_all_runs_and_one_clump_by_welch(tmp_path):
    mixed = [2e-4, 3e-4, 4e-4, 5e-4, 6e-4, 0.25]
    one, never = model(tmp_path / "one", mixed), model(tmp_path / "never", [0.25, 0.26, 0.27, 0.28, 0.29, 0.30])
    arms = published.arms([str(one), str(never)], best=False)
    (pair,) = unpaired.compare(arms).pairs
    assert pair.clumps.learned == (5, 0) and pair.verdict.word == "better" and pair.verdict.interval is None
    (even,) = unpaired.compare(published.arms([str(model(tmp_path / "x", CNN)), str(model(tmp_path / "y", CNN))],
                                              best=False)).pairs  # fmt: skip
    assert even.clumps is None and even.difference == 0 and even.verdict.word == "undecided"


def test_the_command_prints_both_clumps_in_every_format_and_refuses_what_has_no_effect(call, work):
    model(work / "CNN_Models", CNN, first=200, best=CNN)
    model(work / "T2T_ViT_Models", T2T, best=T2T[::-1])
    told = call("compare CNN_Models T2T_ViT_Models")
    assert told.code == 0 and told.out.startswith("log MSE of published runs") and "two clumps" in told.out
    assert "3 of 8 runs of T2T_ViT_Models" in told.out and "not paired" in told.out and "P(CNN_Models beats" in told.out
    row = next(csv.DictReader(io.StringIO(call("compare CNN_Models T2T_ViT_Models --format csv").out)))
    answer = json.loads(call("compare CNN_Models T2T_ViT_Models --json --delta 5").out)
    assert float(row["difference"]) == answer["pairs"][0]["difference"] and row["learned_b"] == "3"
    assert answer["pairs"][0]["verdict"] == "equivalent"
    assert r"\begin{tabular}" in call("compare CNN_Models T2T_ViT_Models --format latex").out
    assert "| --- |" in call("compare CNN_Models T2T_ViT_Models --format md --best").out
    for more in ("--metric rmse", "--looks 3,5", "--dataset digits", "--target test-set", "--usd-per-hour 1",
                 "--power --sd 1"):  # fmt: skip
        assert call(f"compare CNN_Models T2T_ViT_Models {more}").code == 2, more
    assert call("compare CNN_Models").code == 2 and call("compare CNN_Models model=cnn").code == 2
    assert "none are named" in call("compare --best").err


def test_the_notebook_s_table_is_an_arm_and_a_wrong_line_is_named(tmp_path):
    table = tmp_path / "T2T.csv"
    table.write_text("studyIDX,TEST_AVG,CHKPT_TEST\n100,0.000257,0.00026\n101,0.266471,\n")
    assert published.are_published([str(table)])
    (arm,) = published.arms([str(table)], best=False)
    assert [(run.name, run.mse) for run in arm.runs] == [("study100", 0.000257), ("study101", 0.266471)]
    with pytest.raises(InputError, match=r"line 3 of .* has the CHKPT_TEST ''"):
        published.arms([str(table)], best=True)
    (tmp_path / "CNN").mkdir()
    table.rename(tmp_path / "CNN" / "study_table.csv")
    assert published.arms([str(tmp_path / "CNN" / "study_table.csv")], best=False)[0].title == "CNN"
    study = tmp_path / "grid.csv"
    study.write_text("studyIDX,DEPTH\n200,3\n")
    assert not published.are_published([str(study), str(tmp_path / "nothing"), str(tmp_path)])


def test_damaged_and_perfect_files_are_refused(tmp_path):
    folder = model(tmp_path / "CNN", [1e-4, 2e-4])
    (folder / "study_100" / "study100_testset_results.csv").write_text("loss\n1\n")
    with pytest.raises(InputError, match="not a file of LANL's study"):
        published.arms([str(folder)], best=False)
    exact = published.arms([str(model(tmp_path / name, [0.0])) for name in "ab"], best=False)
    with pytest.raises(InputError, match="which has no logarithm"):
        unpaired.compare(exact)
    assert shown.HEADS[0] == "model"
