"""The layouts of a dataset repository that the program reads: each a function that writes the same pictures.

A layout has 12 training and 6 test pictures of two classes, drawn by `noise(seed)`: seeds 0 to 11 and 1000 to 1005.
"""

import io
import tarfile
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq

from .pictures import encoded, noise, write_card, write_hub, write_parquet

NAMES = ["cat", "dog"]
SEEDS = {"train": range(12), "test": range(1000, 1006)}
LABELS = {split: [index % 2 for index, _ in enumerate(seeds)] for split, seeds in SEEDS.items()}


def parquet(folder):
    """A card, and one file a split."""
    write_hub(folder, LABELS, NAMES)


def shards(folder):
    """A card, and three files a split."""
    write_card(folder, NAMES)
    for split, seeds in SEEDS.items():
        size = len(seeds) // 3
        for part in range(3):
            at = slice(part * size, (part + 1) * size)
            path = folder / "data" / f"{split}-{part:05}-of-00003.parquet"
            write_parquet(path, LABELS[split][at], first=seeds[at][0])


def bare_parquet(folder):
    """No card: the columns are those of the first file."""
    for split in SEEDS:
        write_parquet(folder / f"{split}.parquet", [NAMES[label] for label in LABELS[split]], first=SEEDS[split][0])


def arrow(folder):
    """Files as `Dataset.save_to_disk` writes them."""
    for split, seeds in SEEDS.items():
        images = [{"bytes": encoded(noise(seed)), "path": None} for seed in seeds]
        table = pa.table({"image": images, "label": [NAMES[label] for label in LABELS[split]]})
        folder.mkdir(parents=True, exist_ok=True)
        with pa.OSFile(str(folder / f"{split}.arrow"), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as stream:
            stream.write_table(table)


def image_folders(folder):
    """split/class/picture.png"""
    for split, seeds in SEEDS.items():
        for seed, label in zip(seeds, LABELS[split], strict=True):
            (folder / split / NAMES[label]).mkdir(parents=True, exist_ok=True)
            (folder / split / NAMES[label] / f"{seed:04}.png").write_bytes(encoded(noise(seed)))


def zips(folder):
    """An archive a split, of pictures and a CSV that names them with their classes."""
    folder.mkdir(parents=True)
    for split in SEEDS:
        with zipfile.ZipFile(folder / f"{split}.zip", "w") as archive:
            for name, content in _listed(split):
                archive.writestr(name, content)


def metadata(folder):
    """Pictures, and a CSV a split that names them with their classes."""
    for split in SEEDS:
        (folder / split).mkdir(parents=True)
        for name, content in _listed(split):
            (folder / split / name).write_bytes(content)


def webdataset(folder):
    """A tar a split, with a picture and its class a sample."""
    folder.mkdir(parents=True)
    for split, seeds in SEEDS.items():
        with tarfile.open(folder / f"{split}-000.tar", "w") as archive:
            for seed, label in zip(seeds, LABELS[split], strict=True):
                for name, content in ((f"{seed:04}.png", encoded(noise(seed))), (f"{seed:04}.cls", b"%d" % label)):
                    entry = tarfile.TarInfo(name)
                    entry.size = len(content)
                    archive.addfile(entry, io.BytesIO(content))


def _listed(split):
    """Names and contents of a folder's pictures, and of the CSV that lists them."""
    names = [f"{seed:04}.png" for seed in SEEDS[split]]
    rows = [f"{name},{NAMES[label]}" for name, label in zip(names, LABELS[split], strict=True)]
    yield "metadata.csv", "\n".join(["file_name,label", *rows, ""]).encode()
    yield from zip(names, map(encoded, map(noise, SEEDS[split])), strict=True)


def with_path_only(folder, path):
    """A parquet file whose one training picture is elsewhere."""
    write_card(folder, NAMES, splits=("train",))
    images = [{"bytes": encoded(noise(0)), "path": None}, {"bytes": None, "path": path}] * 6
    (folder / "data").mkdir(parents=True)
    pq.write_table(pa.table({"image": images, "label": LABELS["train"]}), folder / "data" / "train-0.parquet")


# Name -> how it is written, and what has to be said of its columns.
ALL = {
    "parquet": (parquet, {}),
    "shards": (shards, {}),
    "bare parquet": (bare_parquet, {}),
    "arrow": (arrow, {}),
    "image folders": (image_folders, {}),
    "zips": (zips, {}),
    "metadata": (metadata, {}),
    "webdataset": (webdataset, {"image_column": "png", "label_column": "cls"}),
}
