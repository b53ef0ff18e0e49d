"""The words in names of folders and files that mean train, validation or test, in any case and spelling."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_SPLITS = {
    "train": ("train", "training", "trainval", "trn"),
    "val": ("val", "valid", "validation", "validate", "dev", "eval", "evaluation"),
    "test": ("test", "testing", "tst"),
}
_WHAT = "(?:sets?|data|images?|imgs?|files?|samples?|splits?)"  # words that may follow directly, as in trainset
_TOKEN = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")  # words of `X_train`, `trainImages`, `TRAIN-01`, `train2017`
_WORD = {split: re.compile(f"(?:{'|'.join(words)}){_WHAT}?") for split, words in _SPLITS.items()}

# How the `datasets` library finds splits: these words in lower case, between such characters.
_LIBRARY = {
    "train": ("train", "training"),
    "val": ("validation", "valid", "dev", "val"),
    "test": ("test", "testing", "eval", "evaluation"),
}
_BETWEEN = re.compile(r"[-._ 0-9]+")


def split_of(name: str) -> str | None:
    """Return train, val or test if a name has a word of exactly one of them, or None.

    A name with words of train and val is train.
    """
    tokens = [token.lower() for token in _TOKEN.findall(name)]
    found = {split for split, pattern in _WORD.items() if any(pattern.fullmatch(token) for token in tokens)}
    if found == {"train", "val"}:  # such as train_val next to test
        return "train"
    return found.pop() if len(found) == 1 else None


def library_split_of(name: str, *, folder: bool) -> str | None:
    """Return the split that `datasets` finds in the name of a folder or file, or None.

    In a file's name, the word must be followed by one of the characters between words, such as the dot of the ending.
    """
    parts = _BETWEEN.split(name if folder else name.rpartition(".")[0])
    for split, words in _LIBRARY.items():
        if any(part in words for part in parts):
            return split
    return None


def of_files(files: Iterable[Sequence[str]], *, library: bool = False) -> dict[str | None, list[int]]:
    """Return the positions of files by split, from the words in their folders, or else in their names.

    As in `datasets`, names of files count only if no folder has a word. The key None has the files of no split. If no
    file has a word, all are train.
    """

    def word(name: str, folder: bool) -> str | None:
        return library_split_of(name, folder=folder) if library else split_of(name if folder else _stem(name))

    listed = list(files)
    by_folder = [next((found for part in parts[:-1] if (found := word(part, True))), None) for parts in listed]
    by_name = [word(parts[-1], False) for parts in listed]
    chosen = by_folder if any(by_folder) else by_name if any(by_name) else ["train"] * len(listed)
    out: dict[str | None, list[int]] = {}
    for number, split in enumerate(chosen):
        out.setdefault(split, []).append(number)
    return out


def _stem(name: str) -> str:
    return name.rpartition(".")[0] or name
