"""A hundred damaged inputs of fields and of patterns: one sentence each, nothing executed, nothing cached."""

import itertools
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from app import data, place
from app.config.run import resolve
from app.errors import InputError

from . import measured

HERE = place.Place(torch.device("cpu"), "fp32")
CROP = {"crop": "0:40,0:12"}


def silent(*_):
    """Says nothing."""


def read(request):
    """A dataset through the door, up to its splits."""
    facts = data.facts(request, silent, silent)
    config = resolve({"model": "cnn", "depth": 1} | request if "crop" in request else SMALL | request, facts)
    ask = data.ask_of(config.to_json(), **data.where(request))
    return data.splits(config, HERE, data.prepare(ask, silent, silent), silent)


SMALL = {"model": "vit_classic", "size": "100K", "d_model": 64, "patch": 8}


class Payload:
    """What creates a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def cut(share):
    def damage(path):
        content = path.read_bytes()
        path.write_bytes(content[: int(share * len(content))])

    return damage


def flipped(path):
    """Some bits of what the archive holds are turned over, and its directory is as it was."""
    content = bytearray(path.read_bytes())
    for at in range(len(content) // 3, len(content) // 3 + 40):
        content[at] ^= 0x55
    path.write_bytes(content)


def bytes_(content):
    return lambda path: path.write_bytes(content)


def archive(**arrays):
    return lambda path: np.savez(path, **arrays)


def member(content):
    """An archive whose `rho` is these bytes."""

    def damage(path):
        with zipfile.ZipFile(path, "w") as made:
            made.writestr("rho.npy", content)

    return damage


def header(text):
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()


def unpickled(path):
    path.write_bytes(pickle.dumps(Payload(path.with_suffix(".ran"))))


def with_objects(path):
    np.savez(path, rho=np.array([[Payload(path.with_suffix(".ran"))]], dtype=object))


GRID = np.ones((40, 12), np.float32)
NAN = np.where(np.arange(480).reshape(40, 12) == 77, np.nan, 1).astype(np.float32)
WHOLE_LIST = "nc231213_Sn_id0001_pvi_idx00112.npz\n"
FIELD_FILES = [
    cut(0), cut(0.1), cut(0.5), cut(0.9), cut(0.99), flipped, bytes_(b""), bytes_(b"PK\x03\x04"), bytes_(b"no archive"),
    unpickled, with_objects, archive(pressure=GRID), archive(rho=GRID[0]), archive(rho=GRID[None]),
    archive(rho=np.float32(1)), archive(rho=GRID[:0]), archive(rho=NAN), archive(rho=-np.inf * GRID),
    archive(rho=GRID.astype(str)), archive(rho=GRID.astype(complex)), archive(rho=GRID > 0),
    archive(rho=GRID.astype([("a", "f4")])), archive(rho=GRID[:39]), archive(rho=GRID[:, :11]), archive(),
    archive(rho=1e300 * GRID.astype(np.float64)), member(b"garbage"), member(b""),
    member(header("{'descr': '<f4', 'fortran_order': False, 'shape': (400000, 4000000), }")),
    member(header("{'descr': '<f4', 'fortran_order': False, 'shape': (-40, -12), }")),
    member(header("__import__('os').getcwd()")), member(header("{'descr': '<f4', 'fortran_order': False, ")),
    member(b"\x93NUMPY\x09\x00" + bytes(50)), lambda path: path.unlink(),
]  # fmt: skip
DESIGNS = [
    "", "key", "key, ptw_scale\n", "key, other\nnc231213_Sn_id0001, 1\n", "key, ptw_scale\nnc231213_Sn_id0002, 1\n",
    "key, ptw_scale\nnc231213_Sn_id0001, 1\nnc231213_Sn_id0001, 1\n", "key, ptw_scale\nnc231213_Sn_id0001, one\n",
    "key, ptw_scale\nnc231213_Sn_id0001, nan\n", "key, ptw_scale\nnc231213_Sn_id0001, -inf\n",
    "key, ptw_scale\nnc231213_Sn_id0001\n", "key, ptw_scale\nnc231213_Sn_id0001,\n",
    "key, ptw_scale\nnc231213_Sn_id0001, 1e39\n", 'key, ptw_scale\n"nc231213_Sn_id0001, 1\n',
    "key; ptw_scale\nnc231213_Sn_id0001; 1\n", b"\xff\xfe\x00k", b"\x89PNG\r\n\x1a\n\x80",
]  # fmt: skip
LISTS = [
    {}, {"datalist_train_samples.txt": ""}, {"datalist_train_samples.txt": "missing.npz\n"},
    {"datalist_train_samples.txt": 2 * WHOLE_LIST}, {"datalist_test_samples.txt": WHOLE_LIST},
    {"datalist_train_samples.txt": WHOLE_LIST, "datalist_test_samples.txt": WHOLE_LIST},
    {"datalist_train_samples.txt": WHOLE_LIST, "PVI_only_train_samples.txt": WHOLE_LIST},
    {"datalist_train_samples.txt": "a\0b.npz"}, {"datalist_train_samples.txt": "x" * 5000},
    {"datalist_train_samples.txt": b"\xff\xfe\x80"},
]  # fmt: skip
FIELD_OPTIONS = [
    {"field": "rh"}, {"field": "rho,rho"}, {"field": ","}, {"target": "ptw"}, {"crop": "1:2"}, {"crop": "0:41,0:12"},
    {"crop": "9:3,0:12"}, {"crop": "-1:3,0:12"}, {"crop": "a:b,c:d"}, {"stored_dtype": "int8"}, {"background": 0.1},
    {"data": "no-such-folder"}, {"design": "no-such.csv"}, {"filelist": "no-such.txt"}, {"image": 32},
    {"augment": "flip_crop"},
]  # fmt: skip


def made(changes, **more):
    """What a `.pt` file holds, with some of it replaced."""
    held = {"X": torch.rand(30, 1, 64), "Y": torch.arange(30) % 4} | {name: value() for name, value in changes.items()}
    return {name: value for name, value in (held | more).items() if value is not None}


def holding(value, **how):
    return lambda path: torch.save(value(path) if callable(value) else value, path, **how)


def tensors(**changes):
    return lambda path: torch.save(made(changes), path)


def at(value):
    x = torch.rand(30, 1, 64, dtype=torch.float64)
    x[7, 0, 9] = value
    return x


PATTERN_FILES = [
    cut(0), cut(0.1), cut(0.5), cut(0.9), cut(0.99), flipped, bytes_(b"PK\x03\x04"), bytes_(b"no archive"), unpickled,
    holding(lambda path: made({}) | {"Y": Payload(path.with_suffix(".ran"))}),
    holding(lambda path: made({}) | {"more": Payload(path.with_suffix(".ran"))}),
    holding(lambda path: Payload(path.with_suffix(".ran")), _use_new_zipfile_serialization=False),
    holding(torch.ones(3)), holding([1, 2]), holding({"x": torch.ones(3, 1, 9), "y": torch.ones(3)}), holding(None),
    tensors(X=lambda: None), tensors(Y=lambda: None), tensors(X=lambda: np.ones((30, 1, 64))),
    tensors(X=lambda: [[1.0]]), tensors(X=lambda: torch.ones(30, 1, 64, dtype=torch.int64)),
    tensors(X=lambda: torch.ones(30, 1, 64, dtype=torch.complex64)), tensors(X=lambda: torch.ones(30, 1, 64) > 0),
    tensors(X=lambda: torch.ones(30, 2, 64)), tensors(X=lambda: torch.ones(64)),
    tensors(X=lambda: torch.ones(30, 1, 1, 64)),
    tensors(X=lambda: torch.ones(30, 1, 0)), tensors(X=lambda: torch.ones(0, 1, 64), Y=lambda: torch.arange(0)),
    tensors(X=lambda: torch.ones(29, 1, 64)),
    tensors(X=lambda: torch.ones(1, 1, 1).expand(30, 1, 64)[:, :, :9].to_sparse()),
    tensors(X=lambda: torch.ones(1, 1, 1).expand(30, 1, 10**9)), tensors(X=lambda: at(float("nan"))),
    tensors(X=lambda: at(float("inf"))), tensors(X=lambda: at(-float("inf"))), tensors(X=lambda: at(1e300)),
    tensors(Y=lambda: torch.ones(30)), tensors(Y=lambda: torch.ones(30, 2, dtype=torch.int64)),
    tensors(Y=lambda: torch.ones(30) > 0), tensors(Y=lambda: torch.arange(30) % 15),
    tensors(Y=lambda: -(torch.arange(30) % 2)),
    tensors(Y=lambda: torch.full((30,), 2**62)),
    lambda path: path.unlink(),
]  # fmt: skip
MAPPINGS = [
    ("mapping.json", b"{"), ("mapping.json", b"[1]"), ("mapping.json", b'{"Bravais Lattice": {"1": "a", "2": "b"}}'),
    ("mapping.json", b'{"Bravais Lattice": {"0": "a", "1": "a"}}'), ("mapping.json", b'{"Bravais Lattice": [1]}'),
    ("mapping.pt", b"no archive"), ("mapping.pt", pickle.dumps([1])),
]  # fmt: skip
PATTERN_OPTIONS = [
    {"range": "10:80"}, {"range": "10:80", "grid": "3:0.05"}, {"range": "5:4"}, {"range": "a"}, {"range": "nan:4"},
    {"grid": "3:0"}, {"grid": "3"}, {"background": -0.1}, {"background": 1.0}, {"target": "lattice"},
    {"crop": "0:1,0:1"},
    {"design": "x.csv"}, {"data": "no-such-folder"}, {"data": "p/a.pt,p/a.pt"}, {"stored_dtype": "float64"},
    {"image": 64},
]  # fmt: skip


def require_one_sentence(request, cache, folder):
    """The dataset is refused in a sentence; nothing ran, and the cache is as if nobody had asked."""
    with pytest.raises(InputError) as refused:
        read(request)
    sentence = str(refused.value)
    assert sentence and "\n" not in sentence and len(sentence) < 600, sentence
    assert not sentence.startswith("size="), "the damage was not what was refused"
    assert "Traceback" not in sentence and not [*folder.rglob("*.ran")]
    assert not [entry for entry in cache.rglob("*") if entry.is_file()]


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ISOSCALE_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "cache"


def fields_with(folder, damage, which):
    """A folder of 8 fields of which the last, or every one, is damaged."""
    measured.fields(folder / "f", simulations=8, frames=1)
    for path in sorted((folder / "f").glob("*.npz"))[-1 if which == "last" else 0 :]:
        damage(path)
    return {"dataset": "nested_cylinder", "data": "f", **CROP}


def test_the_same_files_without_damage_are_read(tmp_path, cache):
    measured.patterns(tmp_path / "p" / "a.pt")
    assert len(read({"dataset": "diffraction", "data": "p"}).test) == 12
    assert len(read(fields_with(tmp_path, lambda path: None, "last")).test) == 2
    assert len([*cache.rglob("manifest.json")]) == 2


@pytest.mark.parametrize("damage", FIELD_FILES)
def test_damaged_fields_are_refused_in_one_sentence(tmp_path, cache, damage):
    require_one_sentence(fields_with(tmp_path, damage, "all"), cache, tmp_path)


@pytest.mark.parametrize("content", DESIGNS)
def test_a_damaged_design_file_is_refused_in_one_sentence(tmp_path, cache, content):
    measured.fields(tmp_path / "f", simulations=1, frames=1)
    (tmp_path / "f" / "design.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    require_one_sentence({"dataset": "nested_cylinder", "data": "f", **CROP}, cache, tmp_path)


@pytest.mark.parametrize("lists", LISTS)
def test_damaged_lists_are_refused_in_one_sentence(tmp_path, cache, lists):
    measured.fields(tmp_path / "f", simulations=3, frames=1)
    (tmp_path / "lists").mkdir()
    for name, content in lists.items():
        (tmp_path / "lists" / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    require_one_sentence({"dataset": "nested_cylinder", "data": "f", "filelist": "lists", **CROP}, cache, tmp_path)


@pytest.mark.parametrize("option", FIELD_OPTIONS)
def test_an_option_of_fields_that_cannot_be_had_is_refused_in_one_sentence(tmp_path, cache, option):
    measured.fields(tmp_path / "f", simulations=8, frames=1)
    require_one_sentence({"dataset": "nested_cylinder", "data": "f", **CROP} | option, cache, tmp_path)


@pytest.mark.parametrize("damage", PATTERN_FILES)
def test_damaged_patterns_are_refused_in_one_sentence(tmp_path, cache, damage):
    path = measured.patterns(tmp_path / "p" / "a.pt")
    damage(path)
    require_one_sentence({"dataset": "diffraction", "data": "p"}, cache, tmp_path)


@pytest.mark.parametrize(("name", "content"), MAPPINGS)
def test_a_damaged_mapping_is_refused_in_one_sentence(tmp_path, cache, name, content):
    measured.patterns(tmp_path / "p" / "a.pt")
    (tmp_path / "p" / name).write_bytes(content)
    require_one_sentence({"dataset": "diffraction", "data": "p"}, cache, tmp_path)


@pytest.mark.parametrize("option", PATTERN_OPTIONS)
def test_an_option_of_patterns_that_cannot_be_had_is_refused_in_one_sentence(tmp_path, cache, option):
    measured.patterns(tmp_path / "p" / "a.pt")
    require_one_sentence({"dataset": "diffraction", "data": "p"} | option, cache, tmp_path)


def test_a_damaged_file_among_whole_ones_is_left_out_and_named_and_its_value_is_not_trusted(tmp_path, cache):
    for number, damage in enumerate(FIELD_FILES[:10]):
        request = fields_with(tmp_path / str(number), damage, "last") | {"data": f"{number}/f"}
        said = []
        facts = data.facts(request, silent, silent)
        config = resolve({"model": "cnn", "depth": 1} | request, facts)
        ask = data.ask_of(config.to_json(), **data.where(request))
        cached = data.prepare(ask, said.append, silent)
        assert cached.manifest.left_out == ["nc231213_Sn_id0008_pvi_idx00112.npz"] and "id0008" in said[-1]
        assert cached.manifest.rows == {"train": 7}


def test_these_are_more_than_a_hundred_inputs():
    counted = (FIELD_FILES, DESIGNS, LISTS, FIELD_OPTIONS, PATTERN_FILES, MAPPINGS, PATTERN_OPTIONS)
    assert len(list(itertools.chain(*counted))) > 100
