"""The rows of a study: CSV, YAML and axes, the originals' files among them."""

import pytest

from app.errors import InputError
from app.studies import axes, rows

# As published at lanl/CNN-T2TViT-comparison 0326cdf: CR LF, and no newline behind the last row.
CNN = "studyIDX,DEPTH\r\n" + "\r\n".join(
    [*(f"{study},3" for study in range(200, 215)), "#240,6", "#250,12", "#251,12", "#252,12"]
)
T2T = "studyIDX,\r\n" + "\r\n".join(f"{study}," for study in range(100, 115))


@pytest.fixture
def read(tmp_path):
    """Returns the rows of a text in a file of that name."""

    def read(text, name="grid.csv", options=None, cross=()):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return rows.of_file(path, options=options or {}, axes=axes.of_options(cross))

    return read


def cells(found):
    return [row.cells for row in found]


def test_lanls_file_of_cnns_names_seeds_and_depths(read):
    found = read(CNN)
    assert cells(found) == [{"seed": str(study), "depth": "3"} for study in range(200, 215)]
    assert [row.number for row in found] == list(range(200, 215)) and found[0].where == "line 2 of grid.csv"


def test_lanls_file_of_t2t_vits_has_a_column_without_a_name(read):
    assert cells(read(T2T)) == [{"seed": str(study)} for study in range(100, 115)]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("last", ["", "end"])
def test_a_comment_begins_anywhere_and_lines_end_in_any_way(read, end, last):
    lines = ["# a study", "model,seed  # two columns", "", "cnn,1", "cnn , 2 # twice", " # no run", ",,", "cnn,3"]
    text = end.join(lines) + (end if last else "")
    assert cells(read(text)) == [{"model": "cnn", "seed": str(seed)} for seed in (1, 2, 3)]


def test_a_mark_of_utf_8_is_no_part_of_the_first_column(read):
    assert cells(read(b"\xef\xbb\xbfseed\n1\n")) == [{"seed": "1"}]


def test_a_column_is_named_as_the_option_or_the_setting_and_a_cell_may_be_quoted(read):
    (found,) = read('--batch-size,val_batch_size,weight-decay,field\n8,16,0.1,"rho,pressure"\n')
    assert found.cells == {"batch_size": "8", "val_batch_size": "16", "weight_decay": "0.1", "field": "rho,pressure"}


def test_a_row_overrides_an_axis_and_that_the_base_and_that_the_options(read):
    text = "base: {lr: 2, epochs: 2, seed: 2}\ncross: {seed: [3, 4], epochs: 3}\nruns: [{epochs: 5}]\n"
    found = read(text, "grid.yaml", options={"lr": 1.0, "epochs": 1, "seed": 1, "batch_size": 8})
    assert cells(found) == [
        {"lr": "2", "epochs": "3", "seed": "3", "batch_size": 8},
        {"lr": "2", "epochs": "3", "seed": "4", "batch_size": 8},
        {"lr": "2", "epochs": "5", "seed": "2", "batch_size": 8},
    ]


def test_the_rows_of_a_csv_are_crossed_with_the_axes_of_the_command(read):
    found = read("model\ncnn\nresnet18\n", options={"seed": 9}, cross=["seed=0-1"])
    assert cells(found) == [{"model": model, "seed": seed} for model in ("cnn", "resnet18") for seed in ("0", "1")]


def test_an_axis_of_the_command_takes_the_place_of_the_files(read):
    found = read("cross: {seed: 0-9, model: cnn}", "grid.yml", cross=["seed=5,7"])
    assert cells(found) == [{"seed": "5", "model": "cnn"}, {"seed": "7", "model": "cnn"}]


def test_every_combination_of_axes_is_a_row_and_the_last_changes_first():
    found = rows.of_axes(axes.of_options(["model=cnn,resnet18", "seed=0-2"]), {"epochs": 2})
    assert [(row.cells["model"], row.cells["seed"]) for row in found] == [
        (model, seed) for model in ("cnn", "resnet18") for seed in ("0", "1", "2")
    ]
    assert all(row.cells["epochs"] == 2 for row in found)


def test_a_value_of_yaml_is_the_text_that_is_written(read):
    """YAML's own reading makes 680 of 10:80, 8 of 1_0 in octal and False of no."""
    text = (
        "base: {range: 10:80, size: 010M, model: no, precision: off, seed: 0x10, dataset_config: 2024-01-01, eps: 1e-7}"
    )
    assert read(text, "grid.yaml")[0].cells == {
        "range": "10:80", "size": "010M", "model": "no", "precision": "off", "seed": "0x10",
        "dataset_config": "2024-01-01", "eps": "1e-7",
    }  # fmt: skip


def test_sides_may_be_a_list_and_an_anchor_is_followed(read):
    text = "base: &all {image: [96, 64]}\nruns:\n- {seed: 1}\n- *all\n"
    assert cells(read(text, "grid.yaml")) == [{"image": "96x64", "seed": "1"}, {"image": "96x64"}]


BAD_CSV = {
    "": "has no runs", "\n# nothing\n": "has no runs", "model\n": "has no runs", "modle\ncnn\n": "id you mean `model`",
    "model,model\na,b\n": "two columns for model", "model,--model\na,b\n": "two columns for model",
    "batch-size,batch_size\n1,2\n": "two columns for batch_size", "model,\ncnn,x\n": "column without a name",
    "model\ncnn,resnet18\n": "has 2 cells",
    "model,seed\ncnn\n": "has 1 cells", 'model\n"cnn\n': "Fix its quotes", 'model\n"c"n\n': "Fix its quotes",
    '"",""\n1,2\n': "names no setting", "studyIDX,DEPTH\nx,3\n": "not a number of a study",
    "studyIDX,seed\n1,2\n": "two columns for seed", "studyIDX\n1.5\n": "not a number of a study",
    "model\x00\ncnn\n": "NUL",
}  # fmt: skip
BAD_YAML = {
    "": "has no runs", "- a\n": "is not a study", "text": "is not a study", "grid: {seed: 1}": "unknown part 'grid'",
    "base: [1]": "base of grid.yaml is not a mapping", "cross: 3": "cross of grid.yaml is not a mapping",
    "runs: {seed: 1}": "is not a list", "runs: [1]": "run 1 of grid.yaml is not a mapping",
    "cross: {sed: 1}": "id you mean `seed`", "cross: {seed: []}": "has no values", "cross: {seed: 4-2}": "0 numbers",
    "cross: {seed: 0-999999999}": "1,000,000,000 numbers", "cross: {seed: [1, '']}": "empty value",
    "cross: {seed: {a: 1}}": "several values", "cross: {seed: [[1, 2]]}": "several values",
    "base: {seed: [1, 2]}": "under `cross`", "base: {seed: 1}\nbase: {seed: 2}": "twice",
    "base: {seed: 1, seed: 2}": "twice", "runs:\n- {lr: 1, lr: 2}\n": "twice",
    "base: {batch-size: 1, batch_size: 2}": "given twice", "base: {seed: 1": "cannot be read as YAML",
    "a: b: c": "cannot be read as YAML", "base: !!python/object/apply:os.system [ls]": "is not a mapping",
    "base: *other": "cannot be read as YAML", "a: 1\n---\na: 2": "cannot be read as YAML",
}  # fmt: skip
BAD_AXES = {
    "seed": "is not an axis", "seed=": "is not an axis", "=1": "is not an axis", "sed=1": "id you mean `seed`",
    "seed=1,,2": "empty value", "seed=3-1": "0 numbers",
}  # fmt: skip


@pytest.mark.parametrize("text", BAD_CSV)
def test_a_bad_csv_is_refused_with_its_line_and_what_to_do(read, text):
    with pytest.raises(InputError, match=BAD_CSV[text]):
        read(text)


@pytest.mark.parametrize("text", BAD_YAML)
def test_a_bad_yaml_is_refused_with_its_place_and_what_to_do(read, text):
    with pytest.raises(InputError, match=BAD_YAML[text]):
        read(text, "grid.yaml")


@pytest.mark.parametrize("text", BAD_AXES)
def test_a_bad_axis_is_refused_with_what_to_do(text):
    with pytest.raises(InputError, match=BAD_AXES[text]):
        axes.of_options([text])


def test_an_axis_is_named_once():
    with pytest.raises(InputError, match="a second time"):
        axes.of_options(["seed=1", "--seed=2"])


def test_a_file_that_is_none_or_no_text_is_refused(tmp_path, read):
    for path in (tmp_path, tmp_path / "none.csv"):
        with pytest.raises(InputError, match="is not a file"):
            rows.of_file(path, options={}, axes={})
    with pytest.raises(InputError, match="Save it as UTF-8"):
        read(b"model\n\xff\xfe\n")


def test_too_many_rows_are_refused_at_once():
    with pytest.raises(InputError, match="more than 100,000 runs"):
        rows.of_axes(axes.of_options(["seed=0-99999", "epochs=1-99999"]), {})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("img-size,seed\n8,0\n", "unknown setting 'img-size'. Use image. It is a side in pixels"),
        ("resume,seed\n1,0\n", "Run the same command again: it resumes by itself"),
        ("learning_rate\n1\n", "Use lr. "), ("num_classes\n1\n", "Omit it: the dataset decides"),
        ("model;seed\ncnn;1\n", "line 1 of grid.csv is separated by semicolons"),
        ("model\tseed\ncnn\t1\n", "is separated by tabs"),
        ("vit_classic,1\n", "is not a header, because 'vit_classic' is a value"), ("10M\n", "'10M' is a value"),
        ("sed\n1\n", "Did you mean `seed`?"),
    ],
)  # fmt: skip
def test_a_header_that_is_none_or_another_tool_s_is_answered_with_what_to_write(read, text, says):
    with pytest.raises(InputError) as refused:
        read(text)
    assert says in str(refused.value)


def test_another_tool_s_key_of_a_yaml_is_answered_too(read):
    with pytest.raises(InputError, match=r"'bs'\. Use batch_size"):
        read("cross: {bs: [8]}\n", "grid.yaml")
