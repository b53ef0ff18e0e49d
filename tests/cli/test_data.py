"""`data` on the command line: sets are made and split, bad options are one sentence, help is light."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CYLINDER, DIFFRACTION = "data make nested_cylinder --out made", "data make diffraction --out made"
BAD = [
    (f"{CYLINDER} --simulations 0", "simulations=0 is out of range. Use a number above 0"),
    (f"{CYLINDER} --frames 22", "frames=22 is out of range. Use a number above 0, at most 21"),
    (f"{CYLINDER} --seed -1", "seed=-1 is out of range. Use 0 or more"),
    (f"{CYLINDER} --design no.csv", "--design no.csv is not a file"),
    (f"{DIFFRACTION} --target bravis", "unknown target 'bravis'. Did you mean `bravais`?"),
    (f"{DIFFRACTION} --patterns -1", "patterns=-1 is out of range. Use a number above 0"),
    (f"{DIFFRACTION} --classes 144", "--classes 144 has no effect with --target bravais"),
    (f"{DIFFRACTION} --target space_group --classes 7", "--classes 7 is unavailable for space groups. Use 230 or 144"),
    (f"{DIFFRACTION} --points 9999", "2-theta from 3 to 502.9 degrees is out of range. Angles from 0 to 170"),
    (f"{DIFFRACTION} --fwhm-min 1", "They must rise and be from 0.01 to 5"),
    (f"{DIFFRACTION} --val-fraction 0.9", "leave no rows for training. Their sum must be below 1"),
    (f"{DIFFRACTION} --kalpha2 0.5 --radiation neutron", "--kalpha2 is the second line of copper"),
    (f"{DIFFRACTION} --texture 2", "--texture 2 is out of range. Use a number from 0.1 to 1"),
    (f"{DIFFRACTION} --tag a/b", "--tag 'a/b' cannot begin a file name"),
    (f"{DIFFRACTION} --wavelength nan", "wavelength=nan is out of range. Use a number above 0"),
    ("data split nowhere", "nowhere does not exist. Name a folder"),
    ("data split . --by sim", "unknown --by 'sim'. Valid values: simulation, file"),
]


@pytest.mark.parametrize(("line", "says"), BAD)
def test_bad_options_are_one_sentence_and_leave_nothing(call, work, line, says):
    ended = call(line)
    assert (ended.code, ended.out, ended.err.count("\n")) == (2, "", 1)
    assert says in ended.err
    assert list(work.iterdir()) == []


MODULES = """
import sys
from app.cli import main
def run(lines):
    codes = [main(line.split()) for line in lines]
    print("imported", *codes, *{name.partition(".")[0] for name in sys.modules})
"""


@pytest.mark.slow
def test_help_and_bad_options_of_data_import_no_heavy_library_and_fields_need_no_torch(work):
    light = ["data --help", "data make --help", "data make diffraction --help", "data split --help"]
    made = ["data make nested_cylinder --simulations 2 --out made", "data split made --val-fraction 0 "
            "--train-fraction 0.5 --test-fraction 0.5 --out lists"]  # fmt: skip
    code = f"{MODULES}run({[*light, *[line for line, _ in BAD]]!r})\nrun({made!r})"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    first, second = ([*line.split()[1:]] for line in done.stdout.splitlines() if line.startswith("imported"))
    assert first[: len(light)] == ["0"] * len(light) and set(first[len(light) : len(light) + len(BAD)]) == {"2"}
    assert "typer" in first and not set(first) & {"torch", "numpy", "scipy", "gemmi"}
    assert second[:2] == ["0", "0"] and "numpy" in second and "torch" not in second


@pytest.mark.slow
def test_fields_are_made_kept_and_split_by_simulation(call, work):
    line = "data make nested_cylinder --simulations 3 --frames 2 --out fields"
    assert call(line).out == "fields\n"
    assert len(list((work / "fields").glob("*.npz"))) == 6
    assert "6 of its fields existed already" in call(line).err
    other = call(f"{line} --seed 1")
    assert other.code == 2 and "another synthetic set, whose seed is 0 and not 1" in other.err
    ended = call("data split fields --out lists --train-fraction 0.34 --val-fraction 0.33 --test-fraction 0.33")
    assert ended.code == 2 and "3 simulations are too few for a share of 0.33 as val" in ended.err
    ended = call("data split fields --out lists --by file --train-fraction 0.5 --val-fraction 0.2 --test-fraction 0.3")
    assert ended.code == 0 and "puts frames of one simulation into several splits" in ended.err
    assert len(ended.out.splitlines()) == 3


@pytest.mark.slow
def test_patterns_are_made_and_split_by_class(call, work):
    line = (
        "data make diffraction --patterns 4 --points 300 --step 0.25 --val-fraction 0 --test-fraction 0.25 --out made"
    )
    assert call(line).code == 0
    assert sorted(path.name for path in (work / "made").iterdir()) == [
        "Synthetic_Test.pt", "Synthetic_Train.pt", "synthetic.json"
    ]  # fmt: skip
    ended = call("data split made/Synthetic_Train.pt --out cut --val-fraction 0.34 --tag Cut")
    assert ended.code == 0 and ended.out.split() == ["cut/Cut_Train.pt", "cut/Cut_Validation.pt"]
    assert "--test-fraction has no effect" in call("data split made --test-fraction 0.1 --out x").err


def test_a_folder_with_something_else_is_refused(call, work):
    (work / "made").mkdir()
    (work / "made" / "mine.txt").write_text("mine")
    ended = call(CYLINDER)
    assert ended.code == 2 and "made is not empty and contains no synthetic set" in ended.err
    assert [path.name for path in (work / "made").iterdir()] == ["mine.txt"]
