"""The commands of the README and of docs/ run as they are written, page by page, in one folder each."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from app.artifacts.runs import find_runs
from app.cli import main
from tests.studies import test_checkpoints

pytestmark = [pytest.mark.slow, pytest.mark.figures]

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
ELSEWHERE = {  # what a line has that this machine has not, or what it would take minutes for
    r"--upload|^upload |^download |hf://|--model timm/": "a repository on the Hub",
    r"owner/name|^(train|study) .*(CIFAR-100|cifar10|bach)": "a download",
    r"^(train|evaluate) --model vit_\w+ --size 10M( --dataset CIFAR-100)?$": "the same",
    r"rruff|nestedcyl_design_file|model_(1f5e384f|00551d46)|^predict .* a.png": "files that others have",
    r"^bench|^selftest|--probe|--size 10M --image 224|--(simulations|patterns) 200": "minutes of computing",
    r"--precision bf16 .*--seeds": "the same",
    r"--dataset (nested_cylinder|diffraction)|^study .*seed=0-|^study studies/.*--jobs": "the same",
    r"\bgrid\.(csv|yaml)|\b(search\.yaml|best\.csv)|\bhyperparameters\.csv|CNN_Models": "files that others have",
    r"^runs rm|^cache clear": "an answer of the user, or what other tests read",
    r"\)|^plot (patterns|classes|disagreements|scaling --fit)": "more than one command, or runs that the page has not",
    r"^plot noise|^robust .*model=": "the same",
    r"--format web": "a package of npm",
    r"--device cuda": "a GPU",
    r"^data labels": "files that others have",
    r"^doctor": "an answer that depends on the machine",
    r"^compare (?!--power)|^report|^attention|^plot (attention|maps|lambda)": "finished runs of two models",
    r"--init|^(evaluate|predict|reproduce|robust|export) RUN": "a run that its page describes and does not make",
    r"matched\.csv": "the same, in minutes",
}
SHORT = {"train --dataset digits": " --epochs 2"}  # 60 epochs take minutes, as 50 of a folder's protocol do
ID = re.compile(r"(?<![\w_])[0-9a-f]{8}\b")  # of a run that the reader has


def commands(page):
    """Yield the command lines of a page, as words behind `run.py`, each with the output that the page shows."""
    for block in re.findall(r"```\w*\n(.*?)```", page.read_text(), flags=re.S):
        for command in re.split(r"^.*?\brun\.py (?=[a-z])", block.replace("\\\n", " "), flags=re.M)[1:]:
            line, _, shown = command.partition("\n")
            if not any(re.search(pattern, line) for pattern in ELSEWHERE):
                yield line.partition("  #")[0].strip(), " ".join(shown.split())


COMMANDS = {page.stem: list(commands(page)) for page in PAGES}


def photos(folder, each=12):
    """Write a folder of small images of two classes, and a CSV file that lists them with their patients."""
    drawn = np.random.default_rng(0)
    folder.mkdir()
    rows = ["file_name,label,patient"]
    for number in range(2 * each):
        pixels = drawn.integers(0, 256, (64, 64, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
        rows.append(f"{number}.png,{'cat' if number % 2 else 'dog'},p{number // 2}")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")


@pytest.fixture(scope="session")
def had(train_once, tmp_path_factory):
    """What a reader has before the first command of a page: a run, photos, new images, fields and patterns."""
    folder = tmp_path_factory.mktemp("pages")
    shutil.copytree(train_once("--dataset digits --epochs 1"), folder / "checkpoints")
    shutil.copytree(ROOT / "studies", folder / "studies")
    for name in ("photos", "elsewhere", "new"):
        photos(folder / name)
    assert main(f"data make nested_cylinder --simulations 21 --frames 2 --out {folder}/fields".split()) == 0
    assert main(f"data make diffraction --target bravais --patterns 20 --out {folder}/patterns".split()) == 0
    page = (ROOT / "docs" / "own-models.md").read_text()
    (folder / "net.py").write_text(re.search(r"```python\n(.*?)```", page, flags=re.S)[1])
    torch.save({"net": test_checkpoints.weights("vit", classes=10)}, folder / "vit-cifar10-4-ckpt.t7")
    return folder


@pytest.fixture
def things(had, work):
    """A folder with these things, for the commands of one page."""
    shutil.copytree(had, work, dirs_exist_ok=True)
    return work


@pytest.mark.parametrize("page", [page for page in COMMANDS if COMMANDS[page]])
def test_the_commands_of_a_page_run_in_their_order(call, things, page):
    for line, shown in COMMANDS[page]:
        made = max(find_runs(things / "checkpoints"), key=lambda run: run.files.record.stat().st_mtime)
        if (out := re.search(r"^data make .*--out (\w+)", line)) and (things / out[1]).exists():
            shutil.rmtree(things / out[1])  # the page makes what the reader had
        short = SHORT.get(line, " --size 1M --epochs 1" if line.startswith("train --dataset ./photos") else "")
        ended = call(ID.sub(made.record.run_id, line) + short)
        error = re.search(r"error: .*", shown)
        wanted = (2,) if error else (0, 75) if "--max-minutes" in line else (0,)  # a fast machine ends in time
        assert ended.code in wanted, f"{line}: {ended.err}"
        assert not error or " ".join(ended.err.split()).startswith(error[0].removesuffix("...")), ended.err
