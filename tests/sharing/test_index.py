"""The index in a repository's README: other text and metadata stay, and a README without a place for it is kept."""

import pytest
import yaml
from huggingface_hub import ModelCard
from report import reseeded

from app.sharing import entry, front, index, store, table
from app.sharing.table import BEGIN, END, HEADER

REPOSITORY = "tester/runs"
OTHER = {"name": "resnet", "results": [{"task": {"type": "x"}, "dataset": {"type": "y", "name": "z"}, "metrics": []}]}


def stem(run):
    return run.files.folder / run.files.stem


def uploaded(run, online, readme=None, folder="x"):
    """What is in the README, and what was said, after an upload into a repository that has one."""
    if ("model", REPOSITORY) not in online.repositories.all:
        online.create(REPOSITORY)
    if readme is not None:
        online.commit(REPOSITORY, {"README.md": readme if isinstance(readme, bytes) else readme.encode()})
    said = []
    store.upload(stem(run), folder, say=said.append)
    content = online.files(REPOSITORY).get("README.md")
    assert f"{folder}/{run.files.record.name}" in online.files(REPOSITORY)
    return content, said


def metadata_of(content):
    return yaml.safe_load(content.decode().split("---\n")[1])


def runs_of(content):
    """The runs in the metadata, and in the table."""
    found = ModelCard(content.decode()).data.eval_results or []
    listed = {result.metric_args["run_id"] for result in found if "run_id" in (result.metric_args or {})}
    tables = content.decode().partition(BEGIN)[2].partition(END)[0]
    assert all(f"[{run_id}](" in tables for run_id in listed)
    return listed


STRANGE = [
    "", "no metadata\n", "---\n: [broken\n---\n", "---\nmodel-index: [1, {results: []}]\n---\n", "---\n- a\n---\ntext",
    "---\nlibrary_name: isoscale\nmodel-index: 5\n---\n", "---\nlibrary_name: isoscale\nmodel-index: [{}]\n---\n# mine",
    "---\nlibrary_name: isoscale\nmodel-index: {a: b}\n---\n", f"{END}\n{BEGIN}\n", f"{BEGIN}{END}{BEGIN}{END}",
    "---\nlibrary_name: isoscale\n: [\n---\n" + index.EARLIER_HEADER,
    "see library_name: isoscale\n" + index.EARLIER_HEADER,
    b"\xff\xfe\x00", "---\n" + "[" * 5000 + "\n---\n" + BEGIN + END, b"\x00" * 6 * 10**6,
]  # fmt: skip


@pytest.mark.parametrize(
    "readme",
    [
        pytest.param(text, marks=pytest.mark.slow if "[[[" in str(text) else (), id=str(i))
        for i, text in enumerate(STRANGE)
    ],
)
def test_a_readme_without_a_place_for_the_index_is_kept_and_one_sentence_says_so(run, online, readme):
    content, said = uploaded(run, online, readme)
    assert content == (readme if isinstance(readme, bytes) else readme.encode())
    assert len(said) == 1 and "stays as it is" in said[0] and BEGIN in said[0]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_readme_of_others_is_extended_between_markers_and_all_else_of_it_stays(run, online, end):
    front = ["---", "license: mit", "tags: [mine]", "language: en", "---"]
    before, after = ["# A study", "", "By hand: é | `x`", ""], ["", "## More", "the end"]
    readme = end.join([*front, *before, BEGIN, "stale", END, *after])
    content, said = uploaded(run, online, readme)
    text = content.decode()
    assert said == [] and runs_of(content) == {run.record.run_id} and "stale" not in text
    assert end.join(before) in text and text.endswith(end.join(after))
    found = metadata_of(content)
    assert (found["license"], found["language"]) == ("mit", "en") and {"mine", "isoscale"} <= set(found["tags"])
    assert found["library_name"] == "isoscale"


def test_text_metadata_and_entries_that_others_added_to_an_index_stay(run, online):
    content, _ = uploaded(run, online)
    found = metadata_of(content) | {"license": "mit", "library_name": "timm"}
    found["tags"].append("mine")
    found["model-index"].append(OTHER)
    body = content.decode().split("---\n", 2)[2]
    readme = f"---\n{yaml.safe_dump(found)}---\n{body}\nwritten by hand\n"
    other = reseeded(run, run.files.folder.parent / "seed-1", 1)
    content, said = uploaded(other, online, readme, folder="y")
    assert said == [] and "written by hand" in content.decode()
    assert OTHER in metadata_of(content)["model-index"] and "mine" in metadata_of(content)["tags"]
    assert (metadata_of(content)["license"], metadata_of(content)["library_name"]) == ("mit", "timm")
    tables = content.decode().partition(BEGIN)[2].partition(END)[0]
    assert all(f"[{each.record.run_id}](" in tables for each in (run, other))


_LATER = ("epochs", "lr", "batch_size", "augment", "attention", "protocol", "pool", "split", "license")


def of_an_earlier_version(run, place):
    """A README as the version before tables had markers wrote it: one table, and entries without a protocol."""
    made = entry.index_entry(run)
    about = made["results"][0]["metrics"][0]["args"]
    for name in _LATER:
        about.pop(name, None)
    fields = {"library_name": "isoscale", "tags": ["isoscale"], "model-index": [made]}
    row = f"| Optical digits (trial) | vit_differential | 100K | 1 | 0 | 1 % | 0 % to 2 % | 60 | [x]({place}) |"
    return (
        f"---\n{yaml.safe_dump(fields, sort_keys=False)}---\n\n# runs\n\n{index._EARLIER_CLAIMS[0]}\n\n"
        f"{index.EARLIER_HEADER}\n|---|---|---|---|---|---|---|---|---|\n{row}\n"
    )


def test_an_index_of_an_earlier_version_gets_its_markers(run, online):
    uploaded(run, online)
    other = reseeded(run, run.files.folder.parent / "seed-1", 1)
    before = of_an_earlier_version(run, "x") + "\nby hand\n"
    content, said = uploaded(other, online, before, folder="y")
    text = content.decode()
    assert said == [] and runs_of(content) == {run.record.run_id, other.record.run_id}
    assert "by hand" in text and index.EARLIER_HEADER not in text and text.count(HEADER) == 2
    assert "equal budget, data and seed. A rate" not in text and table.INTRODUCTION in text
    assert "Optical digits (trial): protocol not recorded" in text and "without their epochs" in text
    assert metadata_of(content)["license"] == "other"  # an entry without one may have any


def test_a_licence_that_somebody_chose_for_the_repository_stays_alone(run, online):
    content, _ = uploaded(run, online, of_an_earlier_version(run, "x"))
    assert metadata_of(content)["license"] == "cc-by-4.0"  # the only run was uploaded again
    chosen = content.decode().replace("\nlicense: cc-by-4.0", "\nlicense: mit")
    content, _ = uploaded(reseeded(run, run.files.folder.parent / "seed-1", 1), online, chosen, folder="y")
    assert metadata_of(content)["license"] == "mit" and "license_name" not in metadata_of(content)


def test_what_no_run_has_any_more_leaves_the_metadata(run, online):
    content, _ = uploaded(run, online)
    found = metadata_of(content)
    gone = next(entry for entry in found["model-index"])
    gone["name"] = "model_gone"
    gone["results"][0]["metrics"][0]["type"] = "gone"
    found["metrics"] = ["accuracy", "gone", "by hand"]
    body = content.decode().split("---\n", 2)[2]
    content, _ = uploaded(run, online, f"---\n{yaml.safe_dump(found)}---\n{body}", folder="y")
    assert set(metadata_of(content)["metrics"]) == {"accuracy", "by hand"}
    assert runs_of(content) == {run.record.run_id}


@pytest.mark.parametrize("change", [
    {"name": 3}, {"results": []}, {"results": [{}]}, {"results": None}, {"name": ["a"]},
])  # fmt: skip
def test_an_entry_of_another_form_is_not_ours(run, change):
    made = entry.index_entry(run)
    assert index.is_ours(made) and not index.is_ours(made | change) and not index.is_ours("text")
    made["results"][0]["metrics"][0]["args"]["interval"] = ["a"]
    assert not index.is_ours(made)


def test_an_index_that_was_changed_here_is_uploaded_with_the_runs_that_are_there(run, online, tmp_path):
    uploaded(run, online, folder=f"x/{run.files.stem}")
    store.download("", tmp_path / "all", lambda _: None)
    other = reseeded(run, run.files.folder.parent / "seed-1", 1)
    uploaded(other, online, folder="y")
    readme = tmp_path / "all" / "README.md"
    readme.write_text(readme.read_text() + "\na line of mine\n")
    store.upload(tmp_path / "all", "/")
    content = online.files(REPOSITORY)["README.md"]
    assert "a line of mine" in content.decode() and runs_of(content) == {run.record.run_id, other.record.run_id}


FOREIGN = {
    "names that are no texts": "1: x\n~: y\n2024-01-01: z\ntrue: w",
    "names of the client's": "self: x\nto_yaml: y\nto_dict: z\nignore_metadata_errors: w",
    "words of YAML 1.1": "language: no\non: off\nversion: 012\ntime: 10:30\ncount: 1_000",
    "aliases": "a: &a [x]\nb: *a",
    "a list that holds itself": "a: &a [*a]",
    "sets and no numbers": "x: !!set {a, b}\nn: .nan",
    "a line that ends in dashes": "# -----\nlicense: mit\ntitle: a ---\nb: 1",
    "a number in hex": "x: 0x" + "F" * 6000,
}


@pytest.mark.parametrize("metadata", FOREIGN.values(), ids=FOREIGN)
def test_metadata_of_others_means_what_it_meant_however_odd_it_is(run, online, metadata):
    content, said = uploaded(run, online, f"---\n{metadata}\n---\n{BEGIN}\n{END}\n")
    before, now = front.read(metadata), front.read(index._FRONT.match(content.decode())[1])
    assert said == [] and now["model-index"][0]["name"] == run.files.stem
    assert {repr(name): shown(now[name]) for name in before} == {repr(name): shown(before[name]) for name in before}


def shown(value):
    """A value as text, since NaN is unequal to itself; a set in a fixed order."""
    return repr(sorted(value) if isinstance(value, set) else value)


def test_no_is_norwegian_and_a_single_tag_stays(run, online):
    content, _ = uploaded(run, online, f"---\nlanguage: no\ntags: mine\n---\n{BEGIN}\n{END}\n")
    assert metadata_of(content)["language"] == "no" and {"mine", "isoscale"} <= set(metadata_of(content)["tags"])


def test_a_readme_whose_metadata_cannot_be_written_again_is_kept_and_one_sentence_says_so(run, online):
    readme = f"---\nx: !!int 0x{'F' * 6000}\n---\n{BEGIN}\n{END}\n"
    content, said = uploaded(run, online, readme)
    assert content == readme.encode() and len(said) == 1 and "cannot be rewritten" in said[0]
