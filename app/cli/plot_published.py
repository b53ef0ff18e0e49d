"""The published losses that `plot history --published` draws."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError

if TYPE_CHECKING:
    from ..report.curves import Published


def published_file(path: Path) -> Published:
    """Return the losses in a file of LANL's: <group>/study_NNN/studyNNN_trainval_summary.csv. Raises InputError."""
    from ..report.curves import Published
    from ..studies.legacy import lanl
    from ..system.durable import text

    try:
        rows = lanl.read_summary(text(path), str(path))
    except (OSError, UnicodeError) as error:
        raise InputError(f"--published {path} cannot be read ({error}). Name a file of LANL's study") from None
    if not rows:
        raise InputError(f"--published {path} has no epochs. Name a file with at least one")
    folders = path.resolve().parent
    group = folders.parent.name if folders.name.startswith("study_") else folders.name
    name = path.name.removesuffix("_trainval_summary.csv")
    return Published(group, name, [row.train_loss for row in rows], [row.val_loss for row in rows])
