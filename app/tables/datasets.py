"""The datasets with a table row. Any other image dataset of the Hub or of a folder works without one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError
from .names import look_up
from .shape import Extent


@dataclass(frozen=True, kw_only=True)
class Published:
    """A high published test accuracy as a fraction: whose it is, its source, and in what its test or training differs.

    Later work may be higher.
    """

    top1: float
    model: str
    source: str
    remark: str


@dataclass(frozen=True, kw_only=True)
class DatasetRow:
    """The facts about a dataset that must be known before it is read."""

    name: str
    title: str
    hub: str | None  # owner/name on the Hub; None: ships with scikit-learn, or is the user's files (--data)
    config: str | None = None  # the Hub's name of the subset, if it has several
    image_column: str = "image"  # of a field its own name
    label_column: str = "label"  # of fields and signals the target
    kind: str = "image"  # image | field | signal
    task: str = "classification"  # classification | regression; of the second `classes` counts the targets
    classes: int
    channels: int = 3
    native: Extent | None  # side in pixels beyond which storing adds nothing; None: stored as it is seen
    train_rows: int  # labelled rows of train, from which validation and test may be held out
    test_rows: int  # labelled rows of the source's own test split; 0: held out from train
    test_fraction: float = 0.0  # held out from train if the source has no labelled test split
    val_fraction: float = 0.1  # held out from what remains of train
    split_seed: int = 0
    unlabelled: tuple[str, ...] = ()  # class names that mean "no label"
    megabytes: int  # to download
    licence: str
    warning: str = ""
    published: Published | None = None  # None: no value is known for this test set


DATASETS = {
    row.name: row
    for row in (
        DatasetRow(
            name="cifar100", title="CIFAR-100", hub="uoft-cs/cifar100", config="cifar100",
            image_column="img", label_column="fine_label",
            classes=100, native=32, train_rows=50_000, test_rows=10_000, megabytes=142, licence="unknown",
            published=Published(top1=0.9608, model="EfficientNet-L2 with SAM", source="arXiv:2010.01412, table 3",
                                remark="pre-trained on other images"),
        ),
        DatasetRow(
            name="cifar10", title="CIFAR-10", hub="uoft-cs/cifar10", config="plain_text", image_column="img",
            classes=10, native=32, train_rows=50_000, test_rows=10_000, megabytes=144, licence="unknown",
            published=Published(top1=0.9950, model="ViT-H/14", source="arXiv:2010.11929, table 2",
                                remark="pre-trained on other images"),
        ),
        # The Hub's test split is unlabelled ("Unknown"): test is held out from the 400 labelled rows.
        DatasetRow(
            name="bach", title="BACH", hub="1aurent/BACH", classes=4, native=512, train_rows=400, test_rows=0,
            test_fraction=0.25, unlabelled=("Unknown",), megabytes=7_700, licence="cc-by-nc-nd-4.0",
            warning="BACH has 400 labelled images, several from one patient and no patient column: "
            "the same patient may stand in train and test",
            published=Published(top1=0.87, model="the challenge's best entry", source="arXiv:1808.04277",
                                remark="on the challenge's hidden test images"),
        ),
        DatasetRow(
            name="digits", title="Optical digits", hub=None, classes=10, channels=1, native=8,
            train_rows=1_797, test_rows=0, test_fraction=0.2, megabytes=0, licence="cc-by-4.0",
        ),
        # Files of the user's own, given by --data: .npz fields with a design CSV, and .pt patterns.
        DatasetRow(
            name="nested_cylinder", title="Nested cylinder", hub=None, kind="field", task="regression",
            image_column="rho", label_column="ptw_scale", classes=1, channels=1, native=None, train_rows=0, test_rows=0,
            val_fraction=0.25, megabytes=0, licence="unknown",
        ),
        DatasetRow(
            name="diffraction", title="Powder diffraction", hub=None, kind="signal", image_column="X",
            label_column="bravais", classes=14, channels=1, native=None, train_rows=0, test_rows=0, megabytes=0,
            licence="unknown",
        ),
    )
}  # fmt: skip
DEFAULT_DATASET = "cifar100"
UNKNOWN_TEST_FRACTION = 0.2  # for a dataset without a row and without a test split
# The address of a dataset's main branch, as a browser shows it or as the Hub's programs accept it.
_ADDRESS = re.compile(
    r"(?:hf://|(?:https?://)?(?:www\.)?(?:huggingface\.co|hf\.co)/)datasets/([\w.-]+/[\w.-]+?)(?:\.git)?"
    r"(?:/|/viewer(?:/.*)?|/tree/main/?)?(?:[?#].*)?"
)


def hub_name(asked: str) -> str:
    """Return owner/name if the address of a dataset of the Hub was given, else the given text."""
    found = _ADDRESS.fullmatch(asked.strip())
    return found[1] if found else asked


def is_local(dataset: str) -> bool:
    """Return whether a dataset is named by a path: `./folder`, `/folder`, `~/folder` or `..`."""
    return dataset.startswith((".", "/", "~"))


def dataset_row(dataset: str) -> DatasetRow | None:
    """Return the dataset's row, or None for one of the Hub or of a folder. Raises InputError for any other name."""
    dataset = hub_name(dataset)
    if is_local(dataset) or dataset.startswith("local/"):
        return None
    if "/" not in dataset:
        try:
            return look_up("dataset", dataset, DATASETS)
        except InputError as error:
            known = str(error) if str(error).endswith("?") else f"{error}."
            other = f"./{dataset} for the folder of that name" if Path(dataset).is_dir() else "owner/name on the Hub"
            raise InputError(f"{known} Or use {other}") from None
    if "://" in dataset:
        raise InputError(
            f"dataset {dataset!r} is not the address of a dataset on the Hub "
            "(https://huggingface.co/datasets/owner/name). Use owner/name, and --revision for a revision"
        )
    owner, _, name = dataset.partition("/")
    if not owner or not name or "/" in name:
        neither = (
            f"dataset {dataset!r} is not a dataset. Use a name that `run.py datasets` prints, owner/name on the Hub, "
            "or the path ./a-folder"
        )
        raise InputError(neither + folder_hint(dataset))
    return next((row for row in DATASETS.values() if row.hub and row.hub.lower() == dataset.lower()), None)


def dataset_name(asked: str) -> str:
    """Return the dataset's unique name: the table's, the Hub's owner/name, or local/folder."""
    if row := dataset_row(asked):
        return row.name
    return f"local/{Path(asked).expanduser().resolve().name}" if is_local(asked) else hub_name(asked)


def folder_hint(dataset: str) -> str:
    """Return a hint for the error on an unknown name if a folder here has that name, else an empty text."""
    return f". For the folder of that name, use ./{dataset}" if Path(dataset).is_dir() else ""
