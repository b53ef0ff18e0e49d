"""The page of a study: every number follows from the files, nothing is fetched, and all readers can use it."""

import itertools
import json
import re
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import pytest
from results import arms, classified, finished, fitted
from scipy import stats

from app.artifacts.runs import find_runs, indexed
from app.report import assembling, gathering
from app.report.document import html, jsontwin, markdown, parts
from app.results.comparing import Asked
from report import made_up_run
from report.readings import Files, Page


def subject_of(folder, page=None, *, missing=None, asked=None):
    """The subject of a study of all runs below a folder."""
    runs = find_runs(folder)
    source = gathering.Source(
        name="made", folder=folder / "studies" / "made", checkpoints=folder, file=Path("made.csv"), runs=runs,
        missing=missing or {}, complete=lambda _: 3, seeds=lambda _: 3,
    )  # fmt: skip
    return gathering.gathered(
        source, indexed(folder, print), asked=asked or Asked(), planned=None,
        records=gathering.relative_records(runs, page or folder / "r.html"),
    )  # fmt: skip


def page_of(folder, *, drawn=False, **more):
    """The document of such a study, and its page; without training curves, which take longer than all else."""
    if not drawn:
        for log in folder.rglob("*_training.log"):
            log.unlink()
    document = assembling.document(subject_of(folder, **more))
    return document, html.to_html(document)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A study of two models and three seeds at two sizes on digits, whose difference is large."""
    folder = tmp_path_factory.mktemp("made")
    random = np.random.default_rng(3)
    ease = random.normal(0, 0.15, 300)
    for size, d_model in (("1M", None), ("300K", 64)):
        for model, rate in (("vit_classic", 0.45), ("vit_differential", 0.8)):
            for seed in range(3):
                right = random.random(300) < rate + ease
                shape = {"d_model": d_model} if d_model else {}
                finished(folder, classified(right), dataset="digits", size=size, model=model, seed=seed,
                         test=measured(right), about={"energy_kwh": 0.25 + seed, "dollars": 1.5}, **shape)  # fmt: skip
    document, text = page_of(folder)
    return SimpleNamespace(folder=folder, document=document, text=text, page=Page(text), files=Files(folder))


def measured(right):
    return {"top1": float(right.mean()), "top1_interval": [float(right.mean()) - 0.05, float(right.mean()) + 0.05]}


@pytest.mark.slow
def test_every_value_of_a_record_is_the_one_in_the_file_and_links_to_it(made):
    single = [each for each in made.page.numbers if re.fullmatch(r"[a-z_0-9]+(\.[a-z_0-9]+)+", each.path)]
    assert len(single) > 60
    for each in single:
        (run_id,) = each.runs[:1]
        assert each.value == made.files.at(run_id, each.path), each
        assert (made.folder / each.address).resolve() == made.files.paths[run_id].resolve()
    top1 = next(each for each in single if each.path == "results.test.top1")
    assert top1.text == f"{100 * top1.value:.2f} %"


def test_sums_means_and_spreads_are_those_of_the_runs_files(made):
    found = dict.fromkeys(("sum", "mean", "sd", "beats"), 0)
    for each in made.page.numbers:
        kind, _, inner = each.path.rstrip("012.)").partition("(")
        if kind == "sum":
            expected = sum(made.files.at(run_id, inner) for run_id in each.runs)
        elif kind == "mean" and inner in ("top1", "nll", "brier", "ece"):
            expected = made.files.results(each.runs, each.path[5:-1]).mean()
        elif kind == "sd" and inner != "ece-debiased":  # which test_numbers.py recomputes
            expected = made.files.results(each.runs, each.path[3:-1]).std(ddof=1)
        elif kind == "beats":
            a, b = (made.files.results(arm, "top1") for arm in made.files.arms(each.runs))
            expected = np.mean((a[:, None] > b) + 0.5 * (a[:, None] == b))
        else:
            continue
        found[kind] += 1
        assert each.value == pytest.approx(expected, abs=1e-9), each
    assert found["sum"] > 10 and found["mean"] > 8 and found["sd"] > 8 and found["beats"] >= 4


def crossed(a, b):
    """The comparison of section 1, with explicit formulas: D, SE and the degrees of freedom."""
    (k, n), c = a.shape, a.mean(0) - b.mean(0)
    v = [arm.mean(1).var(ddof=1) for arm in (a, b)]
    rest = [arm - arm.mean(1, keepdims=True) - arm.mean(0) + arm.mean() for arm in (a, b)]
    e = [(each**2).sum() / ((k - 1) * (n - 1)) for each in rest]
    w = max(0.0, c.var(ddof=1) - sum(e) / k) / n
    square = sum(v) / k + w
    return c.mean(), square**0.5, square**2 / sum(each**2 / (k**2 * (k - 1)) for each in v), w


def test_each_difference_with_its_interval_and_p_is_recomputed_from_the_predictions(made):
    seen = set()
    for each in made.page.numbers:
        found = re.fullmatch(r"crossed\((top1|nll|brier)\)\.(difference|interval\.[01]|p|se|examples_share)", each.path)
        if not found:
            continue
        arms = [np.stack([made.files.scores(run, found[1]) for run in arm]) for arm in made.files.arms(each.runs)]
        difference, se, df, w = crossed(*arms)
        half = stats.t.ppf(0.9875, df) * se  # two pairs: Bonferroni
        p = min(1.0, 2 * stats.t.sf(abs(difference) / se, df))
        expected = {"difference": difference, "interval.0": difference - half, "interval.1": difference + half,
                    "se": se, "examples_share": w / se**2}  # fmt: skip
        if found[2] == "p":
            assert p - 1e-9 <= each.value <= min(1, 2 * p) + 1e-9  # after Holm's adjustment for two pairs
        else:
            assert each.value == pytest.approx(expected[found[2]], abs=1e-9), each
        seen.add(found[2])
    assert len(seen) == 6


@pytest.mark.slow
def test_several_datasets_are_one_family_with_a_forest_plot_and_no_average(tmp_path):
    random = np.random.default_rng(4)
    for dataset in ("digits", "cifar10"):
        for model, rate in (("vit_classic", 0.6), ("vit_differential", 0.7)):
            for seed in range(3):
                right = random.random(200) < rate
                finished(tmp_path, classified(right), dataset=dataset, size="1M", model=model, seed=seed,
                         test=measured(right))  # fmt: skip
    document, text = page_of(tmp_path)
    (forest,) = [each for each in parts.blocks(document.sections) if getattr(each, "key", "") == "forest"]
    page, files = Page(text), Files(tmp_path)
    shown = [each for each in page.numbers if each.path == "crossed(top1).interval.0"]
    assert len(forest.tables[0].rows) == 2 and forest.svg.count("<svg") == 1
    for each in shown:
        a, b = (np.stack([files.scores(run, "top1") for run in arm]) for arm in files.arms(each.runs))
        difference, se, df, _ = crossed(a, b)
        low, high = difference - stats.t.ppf(0.9875, df) * se, difference + stats.t.ppf(0.9875, df) * se
        assert min(abs(each.value - low), abs(each.value + high)) < 1e-9  # or of the model that is ahead
    assert "97.5 % interval" in text and "Results are not averaged." in text and "sign test needs 6" in text
    assert "The 2 p values of all datasets were adjusted" in text


def test_the_page_is_well_formed_with_one_title_headings_in_order_and_unique_ids(made):
    ElementTree.fromstring(made.text.partition("\n")[2])
    assert not made.page.open and len(made.page.ids()) == len(set(made.page.ids()))
    levels = [int(tag[1]) for tag, _ in made.page.elements if re.fullmatch("h[1-6]", tag)]
    assert levels.count(1) == 1 and levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    tags = [tag for tag, _ in made.page.elements]
    assert {"header", "nav", "main", "figure", "details", "caption"} <= set(tags)
    assert dict(made.page.elements)["html"]["lang"] == "en"
    names = {given["id"] for _, given in made.page.elements if "id" in given}
    for tag, given in made.page.elements:
        for label in (given.get("aria-labelledby") or "").split():
            assert label in names, tag
        if tag == "a" and (given["href"] or "").startswith("#"):
            assert given["href"][1:] in names
        if tag == "th":
            assert given["scope"] in ("row", "col")
        if tag == "svg":
            assert given["role"] == "img" and given["viewbox"]
    regions = [given.get("aria-labelledby") for _, given in made.page.elements if given.get("role") == "region"]
    captions = re.findall(r"<caption[^>]*><span>(.*?)</span>", made.text)
    assert len(regions) > 5 and len(captions) == len(set(captions))


def test_nothing_is_fetched_and_links_lead_to_records_or_into_the_page(made):
    assert "default-src 'none'; style-src 'unsafe-inline'; img-src data:" in made.text.replace("&#x27;", "'")
    for tag, given in made.page.elements:
        assert tag not in ("script", "link", "iframe", "object", "embed", "base", "form", "img")
        assert not {"src", "srcset", "action", "onload", "onclick", "background"} & given.keys()
        href = given.get("href") or given.get("xlink:href") or ""
        assert href.startswith("#") or (made.folder / href).is_file() or not href
    for address in re.findall(r"https?://[^\s\"'<)]+", made.text):
        assert address.startswith("http://www.w3.org/"), address
    assert "url(" not in re.sub(r"url\(#[\w-]+\)", "", made.text) and "@import" not in made.text


def test_texts_of_a_figure_stay_text_and_its_colours_follow_the_page(made):
    (first, *_) = re.findall(r"<svg.*?</svg>", made.text, re.DOTALL)
    assert ">vit_classic 1M</text>" in first and "<title" in first and "<desc" in first
    inside = "".join(re.findall(r"<svg.*?</svg>", made.text, re.DOTALL))
    assert "var(--p1)" in inside and "currentColor" in inside
    assert not re.findall(r"(?:fill|stroke): ?#(?:000000|ffffff|0072b2|d55e00)", inside, re.IGNORECASE)


def luminance(colour):
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))


def test_letters_and_curves_have_a_contrast_of_at_least_4_5_in_both_schemes(made):
    schemes = [dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", part)) for part in made.text.split("@media screen")[:2]]
    assert len(schemes) == 2
    for scheme in schemes:
        for back in ("back", "panel"):
            for name in ("text", "muted", "link", *(f"p{place}" for place in range(1, 8) if back == "back")):
                light, dark = sorted((luminance(scheme[name]), luminance(scheme[back])), reverse=True)
                assert (light + 0.05) / (dark + 0.05) >= 4.5, (name, back)


def test_markdown_and_json_have_the_same_numbers_as_the_page(made):
    twin = jsontwin.to_json(made.document)
    assert json.loads(jsontwin.as_text(made.document)) == json.loads(json.dumps(twin))
    found = []

    def collect(value):
        if isinstance(value, dict):
            if "path" in value:
                found.append((value["value"], value["text"], tuple(value["runs"]), value["path"]))
            for each in value.values():
                collect(each)
        elif isinstance(value, list):
            for each in value:
                collect(each)

    collect(twin)
    assert found == [(each.value, each.text, each.runs, each.path) for each in made.page.numbers]
    text = markdown.to_markdown(made.document)
    for each in parts.numbers(made.document):
        assert each.text.replace("<", "&lt;") in text
    assert "<svg" not in text and "| --- |" in text


@pytest.mark.slow
def test_a_page_of_thirty_runs_with_curves_has_less_than_a_megabyte(tmp_path):
    for model, seed in itertools.product(("vit_classic", "vit_differential"), range(15)):
        run = made_up_run(tmp_path, dataset="digits", size="1M", model=model, seed=seed, steps=600)
        classified(np.arange(90) % (seed + 3) > 0).save(run.files.predictions)
    document, text = page_of(tmp_path, drawn=True)
    assert len(text.encode()) < 1_000_000
    page, files = Page(text), Files(tmp_path)
    assert len(page.ids()) == len(set(page.ids())) and text.count("<svg") == 5
    lowest = [each for each in page.numbers if each.path == "best.val_loss"]
    assert len(lowest) == 60 and all(each.value == files.at(each.runs[0], each.path) for each in lowest)
    curves = next(section for section in document.sections if section.key == "curves")
    assert [block.title for block in curves.blocks] == [
        "Validation loss on Optical digits",
        "Validation accuracy on Optical digits",
    ]


def verdict(document):
    """The paragraphs of the verdict, as text."""
    return [parts.plain(each.text) for each in parts.blocks(document.sections)
            if isinstance(each, parts.Paragraph) and each.role == "verdict"]  # fmt: skip


def test_the_verdict_comes_first_with_interval_n_k_and_target(made):
    one, two = verdict(made.document)
    assert made.document.sections[0].key == "verdict"
    assert re.match(
        r"Better: vit_differential 1M is better than vit_classic 1M by [\d.]+ points of top-1 accuracy on", one
    )
    assert "97.5 % interval" in one and "n = 300; k = 3 seeds each; for new seeds and new test examples" in one
    assert "300K" in two
    keys = [section.key for section in made.document.sections]
    assert keys == ["verdict", "audit", "change", "results", "scaling", "classes", "disagreements", "curves",
                    "calibration", "ledger", "reproduce", "limits", "licences", "methods"]  # fmt: skip


def test_without_a_finished_run_the_page_says_so_and_lists_what_is_missing(tmp_path):
    missing = {"0a1b2c3d": {"model": "vit_classic", "size": "1M", "seed": "1", "dataset": "digits"}}
    document, text = page_of(tmp_path, missing=missing)
    assert verdict(document) == ["No verdict: no run of this study is finished and tested."]
    assert "0a1b2c3d" in text and "1 of 1 runs have no result yet (1 missing)" in text


def test_one_seed_of_each_and_unequal_seeds_take_no_verdict_word(tmp_path):
    arms(tmp_path, {"vit_classic": 0.3, "vit_differential": 0.9}, seeds=1, n=80)
    (one,) = verdict(page_of(tmp_path)[0])
    assert one.startswith("One seed: not an answer about architectures. In these runs, vit_differential")
    assert "k = 1 seed each; one run of each, by McNemar's test" in one and "better" not in one


def test_an_undecided_page_says_what_would_change_it(tmp_path):
    arms(tmp_path, {"vit_classic": 0.50, "vit_differential": 0.52}, seeds=3, n=80)
    document, _ = page_of(tmp_path)
    assert verdict(document)[0].startswith("Undecided: ") and "test examples" in verdict(document)[0]
    change = next(section for section in document.sections if section.key == "change")
    assert "No number of seeds can detect 1 point" in str(change) or "seeds of each" in str(change)


def test_runs_of_different_data_are_not_comparable_and_the_page_has_their_results(tmp_path):
    arms(tmp_path, {"vit_classic": 0.5}, seeds=2, n=60)
    arms(tmp_path, {"vit_differential": 0.5}, seeds=2, n=60, data={"version": "another"})
    document, text = page_of(tmp_path)
    (one,) = verdict(document)
    assert one.startswith("Not comparable: ") and "another" in one
    assert len({each.runs for each in Page(text).numbers if each.path == "results.test.top1"}) == 4
    assert not [section for section in document.sections if section.key in ("audit", "change", "calibration")]


def test_a_study_of_one_model_has_results_and_no_comparison(tmp_path):
    arms(tmp_path, {"vit_classic": 0.5}, seeds=3, n=60)
    document, _ = page_of(tmp_path)
    assert "two architectures" in verdict(document)[0]


def test_a_regression_is_reported_by_rmse_with_groups(tmp_path):
    random, names = np.random.default_rng(5), np.array([f"id{i // 4:03}" for i in range(80)])
    for model, spread in (("cnn", 0.05), ("resnet18", 0.10)):
        for seed in range(3):
            found = fitted(random.normal(0, spread, 80), names=names)
            error = found.logits[:, 0] - found.labels
            finished(tmp_path, found, dataset="nested_cylinder", model=model, seed=seed,
                     test={"rmse": float((error.astype(float) ** 2).mean() ** 0.5)})  # fmt: skip
    document, text = page_of(tmp_path)
    page, files = Page(text), Files(tmp_path)
    assert "in RMSE" in verdict(document)[0] and "n = 80 in 20 groups" in verdict(document)[0]
    means = [each for each in page.numbers if each.path == "mean(rmse)"]
    assert means and all(
        each.value == pytest.approx(files.results(each.runs, "rmse").mean(), rel=1e-6) for each in means
    )
    assert "Calibration" not in [section.title for section in document.sections] and "top-1" not in text


@pytest.mark.slow
def test_three_sizes_have_a_figure_and_exponents_that_follow_from_the_files(tmp_path):
    random, errors = np.random.default_rng(2), {"1M": 0.5, "2M": 0.4, "4M": 0.3}
    for (size, error), model, seed in itertools.product(errors.items(), ("vit_classic", "vit_differential"), range(2)):
        right = random.random(400) > error - 0.05 * (model == "vit_differential")
        finished(tmp_path, classified(right), dataset="digits", size=size, model=model, seed=seed,
                 test=measured(right))  # fmt: skip
    document, text = page_of(tmp_path)
    page, files = Page(text), Files(tmp_path)
    scaling = next(section for section in document.sections if section.key == "scaling")
    assert [type(block).__name__ for block in scaling.blocks][:2] == ["Figure", "Figure"]
    slopes = [each for each in page.numbers if each.path == "fit(line).b"]
    for each in slopes:
        sizes = [np.log(files.at(run, "parameters.total")) for run in each.runs]
        slope = np.polyfit(sizes, np.log(1 - files.results(each.runs, "top1")), 1)[0]
        assert each.value == pytest.approx(-slope, rel=1e-6)
    assert len(slopes) == 2


@pytest.mark.slow
def test_two_datasets_have_a_verdict_each_and_no_mean_over_them(tmp_path):
    arms(tmp_path, {"vit_classic": 0.2, "vit_differential": 0.9}, seeds=3, n=60)
    for seed, model in itertools.product(range(3), ("vit_classic", "vit_differential")):
        right = np.arange(60) % (5 + seed) > (model == "vit_classic")
        finished(tmp_path, classified(right), dataset="cifar10", size="1M", model=model, seed=seed)
    document, text = page_of(tmp_path)
    assert len(verdict(document)) == 2 and "Results are not averaged" in text
    first = document.sections[0]
    assert [section.title for section in first.sections] == ["Optical digits", "CIFAR-10"]
    captions = re.findall(r"<caption[^>]*><span>(.*?)</span>", text)
    assert len(Page(text).ids()) == len(set(Page(text).ids())) and len(captions) == len(set(captions))


@pytest.mark.slow
def test_a_report_is_a_look_and_the_same_runs_are_one(tmp_path):
    arms(tmp_path, {"vit_classic": 0.2, "vit_differential": 0.9}, seeds=3, n=60)
    for _ in range(2):
        assert "look 1 at this study" in page_of(tmp_path)[1]
    lines = (tmp_path / "studies" / "made" / "looks.jsonl").read_text().splitlines()
    assert len(lines) == 2  # the plan and one look


def test_names_of_others_are_shown_and_never_obeyed(tmp_path):
    right = np.arange(60) % 3 > 0
    hostile = {"class_names": [f"<script>{place}</script>" for place in range(10)], "licence": "<img src=x onerror=1>",
               "version": "1\x1b[31m\"'&"}  # fmt: skip
    for model in ("vit_classic", "vit_differential"):
        for seed in (0, 1):
            finished(tmp_path, classified(np.roll(right, seed)), dataset="digits", size="1M", model=model, seed=seed,
                     data=hostile, about={"tag": "</style>"})  # fmt: skip
    _, text = page_of(tmp_path)
    page = Page(text)
    assert "script" not in {tag for tag, _ in page.elements} and "img" not in {tag for tag, _ in page.elements}
    ElementTree.fromstring(text.partition("\n")[2])


def test_the_page_names_the_model_that_learned_as_the_better_one(tmp_path):
    random = np.random.default_rng(9)
    for model, scales in (("cnn", [0.02] * 7 + [1e4]), ("resnet18", [1e3] * 8)):
        for seed, scale in enumerate(scales):
            errors = fitted(scale * random.normal(size=60))
            finished(tmp_path, errors, dataset="nested_cylinder", model=model, seed=seed)
    text = markdown.to_markdown(page_of(tmp_path)[0])
    assert "**Better**: cnn is better than resnet18 by" in text and "resnet18 is better" not in text
    assert "0 of resnet18 and 7 of cnn did. Their difference is the median" in text


def test_a_score_that_a_test_set_does_not_give_is_named_and_the_page_is_written(tmp_path):
    for model in ("vit_classic", "vit_differential"):
        for seed in range(2):
            finished(tmp_path, classified(np.array([True])), dataset="digits", size="1M", model=model, seed=seed)
    text = markdown.to_markdown(page_of(tmp_path)[0])
    assert "## Calibration" in text and "--metric ece of run" in text and "Brier" in text
