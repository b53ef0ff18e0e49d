"""Which packages are installed, without importing them."""

from __future__ import annotations

import importlib.util


def is_installed(package: str) -> bool:
    """Return whether a top-level package can be imported. A folder of its name without `__init__.py` does not count.

    Python would import such a folder, for example the `wandb` folder with the files of W&B's offline runs.
    """
    spec = importlib.util.find_spec(package)
    return spec is not None and spec.origin is not None  # a namespace package has no origin
