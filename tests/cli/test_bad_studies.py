"""Bad files and axes of a study end with one sentence that names the place and the value; nothing is trained."""

import pytest

from app.studies.worker import Worker

HEAD = "model,dataset,size,seed\n"
GOOD = "vit_classic,digits,1M,0\n"
UTF_16 = (HEAD + GOOD).encode("utf-16")
BOMB = (  # lists in lists, with 2 to the power of 100 leaves
    "base: {lr: [&a0 [1, 1]" + "".join(f", &a{each + 1} [*a{each}, *a{each}]" for each in range(100)) + "]}\n"
)
MANY_KEYS = "".join(f"k{number}: 1\n" for number in range(3000)) + "k0: 2\n"

CSV = [
    # what the file has, and what the sentence names
    ("", "grid.csv has no runs"),
    (HEAD, "grid.csv has no runs"),
    ("# nothing\n\n  # here\n", "grid.csv has no runs"),
    (",,\n,,\n", "grid.csv has no runs"),
    ("modle,seed\nvit_classic,0\n", "line 1 .*'modle'.*Did you mean `model`"),
    ("model,batch\nvit_classic,8\n", "line 1 .*'batch'"),
    ("model,seed,--model\na,0,b\n", "line 1 .*two columns for model"),
    ("lr,LR\n1,1\n", "line 1 .*'LR'.*Did you mean `lr`"),
    (HEAD + GOOD + "vit_classic,digits,1M,0,8\n", "line 3 .*5 cells.*4"),
    (HEAD + "vit_classic,digits\n", "line 2 .*2 cells.*4"),
    (HEAD + 'vit_classic,digits,"1M,0\n', "line 2 .*quotes"),
    ("model,,seed\nvit_classic,8,0\n", "line 2 .*'8' .*without a name"),
    ("model;seed\nvit_classic;0\n", "line 1 .*semicolons"),
    ("model\tseed\nvit_classic\t0\n", "line 1 .*tabs"),
    (GOOD, "line 1 .*'vit_classic' is a value"),
    (HEAD + "vit_clasic,digits,1M,0\n", "line 2 .*'vit_clasic'.*Did you mean `vit_classic`"),
    (HEAD + "vit_classic,digit,1M,0\n", "line 2 .*'digit'.*Did you mean `digits`"),
    (HEAD + "vit_classic,digits,10B,0\n", "line 2 .*'10B'"),
    (HEAD + "vit_classic,digits,2K,0\n", "line 2 .*size=2K.*Reachable"),
    (HEAD + GOOD + "vit_classic,digits,1M,one\n", "line 3 .*seed='one'.*whole number"),
    (HEAD + "vit_classic,digits,1M,1.5\n", "line 2 .*seed='1.5'"),
    (HEAD + "vit_classic,digits,1M,1_0\n", "line 2 .*seed='1_0'"),
    (HEAD + "vit_classic,digits,1M,-1\n", "line 2 .*seed=-1"),
    (HEAD + "vit_classic,digits,1M,0-4\n", "line 2 .*seed='0-4'.*--cross seed=0-4"),
    ("lr\n0\n", "line 2 .*lr=0"),
    ("lr\nnan\n", "line 2 .*lr=nan"),
    ("lr\n1e\n", "line 2 .*lr='1e' is not a number"),
    ("lr\n1e999\n", "line 2 .*lr=inf"),
    ("epochs\n0\n", "line 2 .*epochs=0"),
    ("dropout\n1\n", "line 2 .*dropout=1"),
    ("image\n8y8\n", "line 2 .*'8y8'"),
    ("compile\nmaybe\n", "line 2 .*compile='maybe'"),
    ("state_every\n5d\n", "line 2 .*state_every='5d'|line 2 .*'5d'"),
    ("augment\nflipcrop\n", "line 2 .*'flipcrop'.*Did you mean `flip_crop`"),
    ("precision\nfp8\n", "line 2 .*'fp8'"),
    ("dataset,patch\ndigits,3\n", "line 2 .*patch=3"),
    ("model,patch\nresnet18,4\n", "line 2 .*--patch has no effect on resnet18"),
    ("size,depth\n1M,40\n", "line 2 .*size=1M"),
    ("folds,test_fraction\n5,0.2\n", "line 2.*--test-fraction.*--folds|line 2.*--folds.*--test-fraction"),
    ("fold\n1\n", "line 2 .*fold"),
    ("folds\n1\n", "line 2 .*folds=1"),
    ("folds,fold\n5,7\n", "line 2 .*fold=7"),
    ("match\nparams\n", "line 2 .*--match"),
    ("private\ntrue\n", "line 2 .*private is a setting of the complete study"),
    ("max_minutes\n5\n", "line 2 .*max_minutes is a setting of the complete study"),
    ("upload\ntrue\n", "line 2 .*upload is a setting of the complete study"),
    ("studyIDX,DEPTH\n1.5,3\n", "line 2 .*studyIDX='1.5'"),
    ("studyIDX,seed\n1,2\n", "line 1 .*two columns for seed"),
    ("seed,tag\n0," + 101 * "x" + "\n", "line 2 .*--tag"),
    (b"seed\n0\x00\n", "grid.csv has NUL bytes"),
    (UTF_16, "grid.csv is not text in UTF-8"),
    (b"seed\n\xe9\n", "grid.csv is not text in UTF-8"),
]
YAML = [
    ("", "grid.yaml has no runs"),
    ("# nothing\n", "grid.yaml has no runs"),
    ("- model: vit_classic\n", "grid.yaml is not a study"),
    ("vit_classic\n", "grid.yaml is not a study"),
    ("base: {xyzzy: 1}\n", "base of grid.yaml: unknown setting 'xyzzy'.*option of `train`, such as model"),
    ("plan: {seed: 1}\n", "unknown part 'plan'"),
    ("seed: 0-4\n", "unknown part 'seed'"),
    ("cross: [seed]\n", "cross of grid.yaml is not a mapping"),
    ("cross: {seed: []}\n", "seed has no values"),
    ("cross: {seed: }\n", "seed has an empty value"),
    ("cross: {seed: ~}\n", "seed='~'"),
    ("cross: {seed: null}\n", "seed='null'"),
    ("cross: {sed: 1}\n", "cross of grid.yaml.*'sed'.*Did you mean `seed`"),
    ("cross: {seed: {a: 1}}\n", "seed has several values"),
    ("cross: {seed: [[1, 2]]}\n", "seed has several values"),
    ("cross: {seed: 4-0}\n", "seed=4-0 .*as 0-4"),
    ("cross: {seed: 0-99999999}\n", "seed=0-99999999 .*100,000,000"),
    ("cross: {seed: a-b}\n", "seed='a-b'"),
    ("cross: {lr: 1-2}\n", "lr='1-2'"),
    ("cross:\n\tseed: 1\n", "line 2 of grid.yaml cannot be read as YAML"),
    ("cross: {seed: 1\n", "line 2 of grid.yaml cannot be read as YAML"),
    ("cross: {seed: 1}\ncross: {seed: 2}\n", "line 1 .*'cross' twice"),
    ("cross:\n  seed: 1\n  seed: 2\n", "line 2 .*'seed' twice"),
    ("base: {batch-size: 1, batch_size: 2}\n", "base of grid.yaml: batch_size is given twice"),
    ("base: [1]\n", "base of grid.yaml is not a mapping"),
    ("base: {seed: [1, 2]}\n", "seed has several values"),
    ("base: {lr: fast}\ncross: {seed: 1}\n", "lr='fast'"),
    ("base: {1: 2}\n", "base of grid.yaml.*'1'"),
    ("base: {? [a] : b}\n", "line 1 of grid.yaml cannot be read as YAML"),
    ("runs: {seed: 1}\n", "runs of grid.yaml is not a list"),
    ("runs: [1]\n", "run 1 of grid.yaml is not a mapping"),
    ("runs: [{seed: 1}, {sed: 1}]\n", "run 2 of grid.yaml.*'sed'"),
    ("runs: [{seed: 1}, {seed: one}]\n", "run 2 of grid.yaml.*seed='one'"),
    ("runs:\n- seed: 1\n-\n", "run 2 of grid.yaml is empty"),
    ("runs: [{seed: 1-2}]\n", "run 1 of grid.yaml.*seed='1-2' is a range.*--cross seed=1-2"),
    ("runs:\n- *other\n", "cannot be read as YAML"),
    (BOMB, "base of grid.yaml: lr has several values"),
    ("cross: {seed: [1, *a]}\nbase: &a {lr: 1}\n", "line 1 .*undefined alias 'a'"),
    ("cross: {tag: bell\x07}\n", "line 1 .*U\\+0007"),
    (MANY_KEYS, "line 1 .*'k0' twice"),
    (400 * "[", "grid.yaml cannot be read as YAML"),
    ("a: 1\n---\na: 2\n", "cannot be read as YAML"),
    ("cross: {seed: 0-9, epochs: 1-10001}\n", "more than 100,000 runs"),
    ("cross: !!python/object/apply:os.getcwd []\n", "grid.yaml has no runs"),
    (b"cross: {seed: \x00}\n", "grid.yaml has NUL bytes"),
]
LINES = [
    # arguments behind `study`, and what the sentence names
    ("--dataset digits", "the study has no runs.*--cross"),
    ("none.csv", "none.csv is not a file"),
    (".", r"\. is not a file"),
    ("notes.txt", "notes.txt is neither CSV nor YAML .*csv"),
    ("--cross seed", "--cross 'seed'"),
    ("--cross seed=", "--cross 'seed='"),
    ("--cross seed=4-0", "seed=4-0 .*as 0-4"),
    ("--cross seed=0-99999999", "seed=0-99999999 .*100,000,000"),
    ("--cross seed=0,,2", "seed has an empty value"),
    ("--cross seed=a-b", "seed='a-b'"),
    ("--cross seed=0-99999 --cross epochs=1-2", "more than 100,000 runs"),
    ("--cross seed=0-99999,100000", "more than 100,000 runs"),
    ("--cross seed=0 --cross --seed=1", "names seed a second time"),
    ("--cross sed=0", "--cross 'sed=0'.*Did you mean `seed`"),
    ("--cross model=vit_classic,vit_clasic", "vit_clasic"),
    ("--cross private=true", "private is a setting of the complete study"),
    ("--cross seed=0 --repeats 3", "--repeats 3 has no effect without folds"),
    ("--cross seed=0 --folds 5 --repeats 0", "--repeats"),
    ("--cross repeat=0-1 --folds 5 --repeats 2", "repeat=0 and --repeats 2"),
    ("--cross seed=0 --jobs 0", "--jobs"),
    ("--cross seed=0 --max-usd 5", "--max-usd needs the price"),
    ("--cross seed=0 --legacy lanle", "Did you mean `lanl`"),
    ("--cross seed=0 --fresh", "--fresh retrains one run.*`runs rm`"),
    ("status none.csv", "none.csv is not a file"),
]


@pytest.fixture
def refused(call, work, monkeypatch):
    """Calls `study` and returns its one line; nothing may be trained or written."""
    monkeypatch.setattr(Worker, "_train", lambda *_: pytest.fail("a run was trained"))

    def refused(line):
        before = {path: path.read_bytes() for path in work.rglob("*") if path.is_file()}
        ended = call(f"study {line}")
        assert ended.code == 2 and ended.out == "", ended
        assert {path: path.read_bytes() for path in work.rglob("*") if path.is_file()} == before
        (sentence,) = ended.err.splitlines()
        assert sentence.startswith("error: "), sentence
        return sentence

    return refused


def _written(work, name, text):
    (work / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return name


@pytest.mark.parametrize(("text", "says"), CSV)
def test_a_bad_csv_is_refused_in_one_line(refused, work, matches, text, says):
    matches(refused(_written(work, "grid.csv", text)), says)


@pytest.mark.parametrize(("text", "says"), YAML)
def test_a_bad_yaml_is_refused_in_one_line(refused, work, matches, text, says):
    matches(refused(_written(work, "grid.yaml", text)), says)


@pytest.mark.parametrize(("line", "says"), LINES)
def test_bad_axes_and_options_are_refused_in_one_line(refused, work, matches, line, says):
    _written(work, "notes.txt", "Nothing to train.\n")
    matches(refused(line), says)


def test_a_file_that_is_too_large_is_refused(refused, work, matches):
    with (work / "grid.csv").open("wb") as file:
        file.truncate((16 << 20) + 1)
    matches(refused("grid.csv"), "grid.csv has 16,777,217 bytes")


def test_a_folder_of_runs_that_cannot_be_made_is_refused_once_before_the_first_run(call, work, monkeypatch):
    monkeypatch.setattr(Worker, "_train", lambda *_: pytest.fail("a run was trained"))
    _written(work, "notes.txt", "Nothing to train.\n")
    ended = call("study --dataset digits --size 1M --cross seed=0-1 --checkpoints notes.txt")
    assert ended.code == 2 and ended.out == ""
    assert "notes.txt" in ended.err.splitlines()[-1] and "Not a directory" in ended.err.splitlines()[-1]
    assert (work / "notes.txt").read_text() == "Nothing to train.\n"


@pytest.fixture
def matches():
    """Searches a sentence for what it has to name."""
    import re

    def matches(sentence, says):
        assert re.search(says, sentence), sentence

    return matches
