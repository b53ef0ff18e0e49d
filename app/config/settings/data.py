"""The settings of the data: the dataset, the part of its files to use, the rows that are held out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...tables import augmentations
from ...tables.augmentations import AUGMENTS, NONE
from ...tables.datasets import DEFAULT_DATASET
from ...tables.decoding import LEAST_BITS, MOST_BITS
from ...tables.reading import BACKGROUND, DTYPES
from ...tables.shape import TASKS, Extent
from .declaring import MOST, derived, setting
from .model import PANEL as MODEL

CLASS_LEVELS = ("1", "2", "last")
MOST_FOLDS = 1000
PANEL, SPLITS = "Data", "Data: splits"
FILES, FIELDS, SIGNALS = "Data: fields and signals", "Data: fields", "Data: signals"
PANELS = (PANEL, SPLITS, FILES, FIELDS, SIGNALS)
_FIELD, _SIGNAL = ("field",), ("signal",)


def _limit(split: str, *, differs: str) -> Any:
    return setting(
        None, panel=SPLITS, shown="all", above=0, most=MOST, differs=differs,
        help=f"Use only this many {split} rows, for a trial.",
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Data:
    """The data to learn from. Fractions are in (0, 1). For a regression, `classes` counts the targets."""

    dataset: str = setting(
        panel=PANEL, shown=DEFAULT_DATASET,
        help="Name a dataset that `run.py datasets` lists, owner/name on the Hub, or a folder such as ./photos.",
        differs="voids",
    )  # fmt: skip
    dataset_config: str | None = setting(
        None, panel=PANEL, shown="the only one", help="Name the subset of a dataset on the Hub.", differs="voids"
    )
    revision: str = setting(
        "main", panel=PANEL, help="Select the branch, tag or commit of the dataset on the Hub.", differs="voids"
    )
    image_column: str | None = setting(
        None, panel=PANEL, shown="the only image column", help="Name the column with the images.", differs="voids"
    )
    label_column: str | None = setting(
        None, panel=PANEL, shown="the only label column", help="Name the column with the labels.", differs="voids"
    )
    group_column: str | None = setting(
        None,
        panel=PANEL,
        help="Keep rows with the same value in this column, such as one patient's, in one split.",
        differs="confound",
    )
    bit_depth: int | None = setting(
        None, panel=PANEL, kinds=("image",), least=LEAST_BITS, most=MOST_BITS,
        shown="the range of the training images",
        help="Scale the values of 16-bit images from 0 to 2^N - 1 of this many bits N, such as 12.", differs="voids",
    )  # fmt: skip
    skip_unreadable: bool = setting(
        False, panel=PANEL, kinds=("image",),
        help="Train without the images that cannot be read, and list them in the record.", differs="voids",
    )  # fmt: skip
    fingerprint: str | None = derived(None, differs="voids")  # of a local dataset's content
    task: str = derived("classification", choices=TASKS, differs="voids")
    classes: int = derived(above=0, most=MOST, differs="voids")
    channels: int = derived(3, above=0, most=MOST, differs="voids")
    native: Extent | None = derived(None, differs="voids")
    augment: str = setting(
        NONE, panel=PANEL, words=AUGMENTS, spelled=augmentations.canonical, kinds=("image",),
        shown="the dataset's protocol", metavar="NAME[:NUMBER]+...",
        help="Augment training images: names joined by +, a number after a colon, such as flip_crop+rand:9+erasing.",
        differs="confound",
    )  # fmt: skip
    split_seed: int = setting(
        0, panel=SPLITS, least=0, most=2**63 - 1, help="Set the seed that selects the held-out rows.", differs="voids"
    )
    folds: int | None = setting(
        None, panel=SPLITS, least=2, most=MOST_FOLDS,
        help="Divide the labelled rows of train into this many folds and test on one of them, not on the source's own "
        "test split.", differs="voids",
    )  # fmt: skip
    fold: int | None = setting(
        None, panel=SPLITS, least=0, most=MOST_FOLDS - 1, shown="every fold, as a study",
        help="Test on the fold with this number, which counts from 0.", differs="voids",
    )  # fmt: skip
    repeat: int = setting(
        0, panel=SPLITS, least=0, most=2**31 - 1,
        help="Select the partition into folds with this number, which counts from 0.", differs="voids",
    )  # fmt: skip
    val_fraction: float = setting(
        0.1,
        panel=SPLITS,
        above=0,
        below=1,
        help="Hold out this fraction of the training rows for validation.",
        differs="confound",
    )
    test_fraction: float | None = setting(
        None, panel=SPLITS, above=0, below=1, shown="the source's own test split",
        help="Hold out this fraction of the training rows for testing, and ignore the source's test split.",
        differs="voids",
    )  # fmt: skip
    val_split: str | None = setting(
        None, panel=SPLITS, kinds=("image",), shown="rows held out from train",
        help="Use this split of the source, such as validation, as the validation set.", differs="confound",
    )  # fmt: skip
    test_split: str | None = setting(
        None, panel=SPLITS, kinds=("image",), shown="test, else a labelled validation split",
        help="Use this split of the source as the test set.", differs="voids",
    )  # fmt: skip
    split_folders: str | None = setting(
        None, panel=SPLITS, kinds=("image",), shown="by the names of the folders",
        help="State which folders of a folder of images are splits, as train=FOLDER,test=FOLDER, or none.",
        differs="voids",
    )  # fmt: skip
    class_level: str = setting(
        "1", panel=PANEL, kinds=("image",), choices=CLASS_LEVELS,
        help="Take the class of an image from the folder at this level below its split.", differs="voids",
    )  # fmt: skip
    field: str | None = setting(
        None,
        panel=FIELDS,
        kinds=_FIELD,
        shown="rho",
        help="Stack these fields as channels, such as rho,pressure.",
        differs="voids",
    )
    target: str | None = setting(
        None, panel=FILES, kinds=("field", "signal"), shown="ptw_scale for fields, bravais for signals",
        help="Predict this column of the design file, or bravais or space_group of signals.", differs="voids",
    )  # fmt: skip
    crop: str | None = setting(
        None, panel=FIELDS, kinds=_FIELD, shown="rows from 800, columns to 250",
        help="Use only this part of a field, as TOP:BOTTOM,LEFT:RIGHT in pixels of the file.", differs="voids",
    )  # fmt: skip
    mirror: bool | None = setting(
        None, panel=FIELDS, kinds=_FIELD, shown="on", help="Join a field's part and its mirror image.", differs="voids"
    )
    background: float | None = setting(
        None, panel=SIGNALS, kinds=_SIGNAL, least=0, below=1, shown=f"{BACKGROUND:g}",
        help="Add this fraction of the highest line to signals without a background.", differs="voids",
    )  # fmt: skip
    range: str | None = setting(
        None, panel=SIGNALS, kinds=_SIGNAL, shown="all",
        help="Use only this part of a signal, as FROM:TO in degrees 2-theta, such as 10:80.", differs="voids",
    )  # fmt: skip
    grid: str | None = setting(
        None, panel=SIGNALS, kinds=_SIGNAL, shown="3:0.05 for 3041 or 3042 samples",
        help="State the first angle and the step of the signals in degrees 2-theta, such as 5.02:0.05.",
        differs="voids",
    )  # fmt: skip
    stored_dtype: str = setting(
        "float32", panel=FILES, kinds=("field", "signal"), choices=DTYPES,
        help="Store fields and signals in the cache in this number format.", differs="voids",
    )  # fmt: skip
    limit_train: int | None = _limit("training", differs="confound")
    limit_val: int | None = _limit("validation", differs="harmless")
    limit_test: int | None = _limit("test", differs="voids")


@dataclass(frozen=True, kw_only=True)
class Files:
    """The paths of the user's files. Their content, not their path, belongs to the run ID."""

    init: str | None = setting(
        None, panel=MODEL, decides=False, metavar="RUN|FILE", shown="random weights",
        help="Start from the weights of a finished run of this architecture (ID or path), of a .safetensors file, or "
        "of timm (timm/NAME, or hf-hub:owner/name on the Hub).",
        differs="confound",
    )  # fmt: skip

    data: str | None = setting(
        None, panel=FILES, kinds=("field", "signal"), decides=False,
        help="Read nested_cylinder or diffraction from this folder, or from .pt files separated by commas.",
        differs="harmless",
    )  # fmt: skip
    design: str | None = setting(
        None, panel=FIELDS, kinds=_FIELD, decides=False, shown="the only CSV file in the folder of --data",
        help="Read the targets of fields from this CSV file, which has one row per simulation.", differs="harmless",
    )  # fmt: skip
    filelist: str | None = setting(
        None, panel=FIELDS, kinds=_FIELD, decides=False,
        help="Read the splits of fields from the file lists in this folder, or from one list.", differs="harmless",
    )  # fmt: skip
