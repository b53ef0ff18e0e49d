"""Little datasets of noise for the tests: folders of parquet or of images, with the Hub's card where one is needed."""

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

# What a request for a folder or a dataset of the Hub needs to name a model of seconds.
TINY = {"size": "100K", "d_model": 64, "image": 16, "patch": 4}


def noise(seed, *, size=(16, 16), channels=3):
    """uint8 noise of width x height."""
    shape = (size[1], size[0], channels)[: 3 if channels > 1 else 2]
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def encoded(image, kind="png", **options):
    """An array or a PIL image in a file's bytes."""
    picture = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    picture.save(buffer := io.BytesIO(), kind, **options)
    return buffer.getvalue()


def write_parquet(path, labels, *, first=0, size=(16, 16), row_group_size=None, **columns):
    """Rows of noise, each its own; `columns` stand beside image and label, or replace them."""
    images = [{"bytes": encoded(noise(first + i, size=size)), "path": None} for i in range(len(labels))]
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"image": images, "label": labels} | columns), path, row_group_size=row_group_size)
    return path


def write_card(folder, names, *, label="label", splits=("train", "test"), more_features=()):
    """A dataset's README as on the Hub: images, a ClassLabel of these names, a parquet file per split."""
    features = [
        "  - name: image\n    dtype: image",
        f"  - name: {label}\n    dtype:\n      class_label:\n        names:",
    ]
    features += [f"          '{index}': {name}" for index, name in enumerate(names)]
    features += [f"  - name: {name}\n    dtype: {kind}" for name, kind in more_features]
    files = [f"  - split: {split}\n    path: data/{split}-*" for split in splits]
    lines = ["---", "license: cc-by-4.0", "dataset_info:", "  features:", *features]
    lines += ["configs:", "- config_name: default", "  data_files:", *files, "---", ""]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "README.md").write_text("\n".join(lines))


def write_hub(folder, labels, names, *, size=(16, 16), more_features=(), **columns):
    """A dataset as the Hub holds it: `labels` by split, `names` of its classes."""
    write_card(folder, names, splits=tuple(labels), more_features=more_features)
    for number, (split, values) in enumerate(labels.items()):
        more = {name: by_split[split] for name, by_split in columns.items()}
        path = folder / "data" / f"{split}-00000-of-00001.parquet"
        write_parquet(path, values, first=1000 * number, size=size, **more)
    return folder


def write_images(folder, classes=("cat", "dog"), *, each=12, splits=("train", "test")):
    """An image folder: split/class/00.png and so on."""
    for number, split in enumerate(splits):
        for label, name in enumerate(classes):
            (folder / split / name).mkdir(parents=True)
            for i in range(each):
                seed = 10_000 * number + 1000 * label + i
                (folder / split / name / f"{i:02}.png").write_bytes(encoded(noise(seed)))
    return folder
