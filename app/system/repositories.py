"""Model repositories of the Hub: branches, commits on a known parent, and verified files."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import warnings
from collections.abc import Sequence
from contextlib import suppress
from copy import copy
from pathlib import Path, PurePosixPath
from typing import Any

from ..errors import InputError
from .answers import require_form, response_of, status
from .durable import no_space_named, replacing, scratch, sha256
from .hub import CONNECT_SECONDS, NoBranch, StaleParent, api, call, no_token, sha_of, token


def require_writable(name: str, *, private: bool) -> None:
    """Make the model repository if it is missing. Raise InputError unless the token may write to it.

    Raises InputError also if `private` is requested and the existing repository is public.
    """
    if not token():
        raise InputError(f"{no_token()}, or train without --upload")
    call("the token's owner", _owner)
    call(f"creating {name}", lambda: api().create_repo(name, private=private, exist_ok=True))
    call(f"writing to {name}", lambda: api().auth_check(name, write=True))
    if private and not call(name, lambda: api().model_info(name, timeout=CONNECT_SECONDS)).private:
        raise InputError(
            f"--private was asked for, but {name} exists and is public. Make it private in its settings on the Hub, "
            "choose another HF_REPOSITORY, or omit --private"
        )


def _owner() -> str:
    """Return the account of the token."""
    about: Any = api().whoami()
    require_form(isinstance(about, dict) and isinstance(about.get("name"), str), "account")
    return str(about["name"])


def head(name: str, revision: str = "main") -> str:
    """Return the newest commit of a model repository's branch. Raises NoBranch if there is no such branch."""
    from huggingface_hub.errors import RevisionNotFoundError

    def once() -> str:
        try:
            return sha_of(api().model_info(name, revision=revision, timeout=CONNECT_SECONDS))
        except RevisionNotFoundError as error:
            raise NoBranch(revision) from error

    return call(f"model repository {name}", once)


def exists(name: str) -> bool:
    """Return whether there is a model repository of that name that this token may read."""
    return call(f"model repository {name}", lambda: bool(api().repo_exists(name)))


def branches(name: str) -> set[str]:
    """Return the names of a model repository's branches."""

    def once() -> set[str]:
        found = {ref.name for ref in api().list_repo_refs(name).branches}
        require_form(all(isinstance(branch, str) for branch in found), "names of branches")
        return found

    return call(f"the branches of {name}", once)


def create_branch(name: str, branch: str) -> None:
    """Make a branch of a model repository at main's commit. An existing branch stays as it is."""
    call(f"making branch {branch} of {name}", lambda: api().create_branch(name, branch=branch, exist_ok=True))


def delete_branch(name: str, branch: str) -> None:
    """Remove a branch of a model repository, if it exists."""
    with suppress(NoBranch):
        head(name, branch)
        call(f"removing branch {branch} of {name}", lambda: api().delete_branch(name, branch=branch))


def listing(name: str, sha: str, folder: str = "") -> dict[str, Any]:
    """Return the files of a model repository at one commit, by path, below a folder (or the file of that name)."""

    def once() -> dict[str, Any]:
        info = api().model_info(name, revision=sha, files_metadata=True, timeout=CONNECT_SECONDS)
        files = info.siblings or []
        require_form(all(map(_is_described, files)), "list of files with their sizes and checksums")
        return {file.rfilename: file for file in files}

    files = call(f"the files of {name}", once)
    prefix = folder.strip("/")
    return {path: file for path, file in files.items() if path == prefix or not prefix or path.startswith(f"{prefix}/")}


def _is_described(file: Any) -> bool:
    """Return whether the Hub's description of a file has everything that `matches` compares."""
    digest = file.lfs.sha256 if file.lfs else file.blob_id
    return isinstance(file.rfilename, str) and type(file.size) is int and file.size >= 0 and isinstance(digest, str)


def fetch(name: str, sha: str, file: Any, target: Path) -> None:
    """Download one file of a commit to `target`, and compare size and sha256. Raises InputError if it differs.

    Each attempt has a separate folder, so that an abandoned attempt cannot interfere with the next.
    """
    import huggingface_hub

    size = file.size or 0

    def once(folder: Path) -> Path:
        api()
        own = tempfile.mkdtemp(dir=folder)
        path = Path(
            huggingface_hub.hf_hub_download(name, file.rfilename, revision=sha, local_dir=own, force_download=True)
        )
        if not matches(path, file):
            raise ConnectionError(f"{file.rfilename} arrived damaged")
        return path

    with no_space_named(target, size), scratch(target) as folder:
        path = call(f"{name}/{file.rfilename}", lambda: once(folder), size=size)
        with replacing(target) as aside:
            shutil.move(path, aside)


def changed(name: str, sha: str, path: str) -> float | None:
    """Return when a file was last changed up to commit `sha`, in seconds since 1970, or None if unknown."""
    found = call(f"the date of {path} in {name}", lambda: api().get_paths_info(name, [path], revision=sha, expand=True))
    dates = [commit.date for entry in found if (commit := getattr(entry, "last_commit", None))]
    return float(dates[0].timestamp()) if dates else None


def text(name: str, sha: str, file: Any) -> str:
    """Return the content of a small text file of a commit."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "file"
        fetch(name, sha, file, target)
        return target.read_text(encoding="utf-8", errors="replace")


def matches(path: Path, file: Any) -> bool:
    """Return whether a local file equals the repository's, by sha256 if it is large, else by git's blob hash."""
    if not path.is_file() or path.stat().st_size != file.size:
        return False
    if file.lfs:
        return sha256(path) == str(file.lfs.sha256)
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest() == file.blob_id


def safe_path(path: str) -> PurePosixPath:
    """Return a repository path that cannot leave the folder it is put into. Raises InputError for any other path."""
    found = PurePosixPath(path)
    if found.is_absolute() or ".." in found.parts or "\\" in path or "\0" in path:
        raise InputError(f"{path!r} leads out of its folder. Nothing is written there. Use a path inside the folder")
    return found


def commit(
    name: str, operations: Sequence[Any], *, message: str, parent: str, branch: str = "main", size: int = 0
) -> str:
    """Commit operations to a branch on `parent`, and return the commit's address.

    Raises StaleParent if the branch has moved on, NoBranch if it no longer exists.

    `size` is the number of bytes that the operations add. Each attempt has copies of them, because the client marks
    what it has committed, even if nobody waits for its answer any more.
    """
    from huggingface_hub.errors import RevisionNotFoundError

    def once() -> str:
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "It seems that you are about to commit a data file")
                done = api().create_commit(
                    name, [copy(one) for one in operations],
                    commit_message=message, parent_commit=parent, revision=branch,
                )  # fmt: skip
        except Exception as error:
            if status(error) == 412 and "/commit/" in str(response_of(error).url):
                raise StaleParent from error
            if isinstance(error, RevisionNotFoundError):
                raise NoBranch(branch) from error
            raise
        require_form(isinstance(done.commit_url, str) and isinstance(done.oid, str), "commit")
        return str(done.commit_url)

    return call(f"writing to {name}", once, size=size)
