"""The commit of this checkout, read without the repository's configuration, which can make git run programs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

_DIGITS = 12  # digits of a commit's name
_SECONDS = 10.0
_ROOT = Path(__file__).resolve().parents[2]
_SETTINGS = (
    "core.fsmonitor=",
    "core.hooksPath=/dev/null",
    "core.attributesFile=/dev/null",
    "core.fileMode=false",
)


def commit(root: Path = _ROOT) -> str | None:
    """Return the commit of a checkout, with `-dirty` if a tracked file was changed.

    Return None if that folder is not a checkout, if git is missing, or if anything about it is unusual. No program that
    the repository names is run, whether by its configuration, hooks, attributes or submodules.
    """
    try:
        folder, common = _folders(root)
        name = _named(folder, common)
        return name[:_DIGITS] + ("-dirty" if _is_changed(root, folder, common, name) else "")
    except (OSError, ValueError, subprocess.SubprocessError):
        return None


def _folders(root: Path) -> tuple[Path, Path]:
    """Return the git folder of a checkout and the folder with its objects. They differ in a worktree."""
    folder = root / ".git"
    if folder.is_file():  # the checkout is a worktree
        folder = root / _content(folder).removeprefix("gitdir: ")
    common = folder / "commondir"
    return folder, folder / _content(common) if common.is_file() else folder


def _named(folder: Path, common: Path) -> str:
    """Return the commit that HEAD names, directly or by its branch. Raises ValueError if it names none."""
    name = _content(folder / "HEAD")
    if (branch := name.removeprefix("ref: ")) != name:
        place = common / branch
        packed = common / "packed-refs"
        name = _content(place) if place.is_file() else _packed(packed, branch)
    if not re.fullmatch(r"[0-9a-f]{40}", name):
        raise ValueError(name)
    return name


def _packed(file: Path, branch: str) -> str:
    pairs = (line.partition(" ") for line in _content(file).splitlines())
    return next((name for name, _, of in pairs if of == branch), "")


def _content(file: Path) -> str:
    """Return the text of a small file.

    Raise FileNotFoundError unless it is a regular file, since a pipe could block.
    """
    if not file.is_file():
        raise FileNotFoundError(file)
    return file.read_text(encoding="utf-8").strip()


def _is_changed(root: Path, folder: Path, common: Path, name: str) -> bool:
    """Return whether a tracked file differs from the commit.

    git is called with a temporary git folder instead of the checkout's. Only the list of tracked files and the objects
    are the checkout's.
    """
    git = shutil.which("git")
    if git is None:
        raise FileNotFoundError("git")
    with tempfile.TemporaryDirectory(prefix="isoscale-git-") as own:
        for part in ("objects", "refs"):
            Path(own, part).mkdir()
        Path(own, "HEAD").write_text(f"{name}\n", encoding="utf-8")
        Path(own, "config").write_text("[core]\n\trepositoryformatversion = 0\n\tbare = false\n", encoding="utf-8")
        shutil.copyfile(folder / "index", Path(own, "index"))
        settings = [word for setting in _SETTINGS for word in ("-c", setting)]
        found = subprocess.run(
            [git, *settings, "status", "--porcelain", "--untracked-files=no", "--ignore-submodules=all"],
            cwd=root, env=_environment(own, root, common), stdin=subprocess.DEVNULL,
            capture_output=True, timeout=_SECONDS, check=True,
        )  # fmt: skip
    return bool(found.stdout.strip())


def _environment(own: str, root: Path, common: Path) -> dict[str, str]:
    """Return git's environment: only the search path of ours, and no configuration of the user or the system."""
    return {
        "PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "HOME": own,
        "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_SYSTEM": os.devnull, "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_ATTR_NOSYSTEM": "1", "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "GIT_NO_LAZY_FETCH": "1",
        "GIT_DIR": own, "GIT_WORK_TREE": str(root), "GIT_OBJECT_DIRECTORY": str((common / "objects").resolve()),
    }  # fmt: skip
