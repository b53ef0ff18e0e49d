"""The one Hub client: a deadline on every call, a bounded retry where the client has none, sentences for errors."""

from __future__ import annotations

import hashlib
import os
import queue
import re
import shutil
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, TypeVar

from app.durable import replacing, sha256
from app.errors import HubUnavailable, InputError

if TYPE_CHECKING:
    from huggingface_hub import HfApi

Answer = TypeVar("Answer")

ATTEMPTS = 4
_WAITS = (1.0, 2.0, 4.0)  # seconds between the attempts
_LONGEST_WAIT = 60.0  # seconds that a Retry-After of the Hub's may ask for
_CONNECT_SECONDS, _SILENCE_SECONDS = 10.0, 60.0
_CALL_SECONDS, _BYTES_PER_SECOND = 120.0, 50_000.0  # a call's deadline: the first, and its bytes at the slowest line
_TRANSIENT = (408, 429, 500, 502, 503, 504)


def token() -> str | None:
    """The user's token: HF_TOKEN, else what `hf auth login` left."""
    from huggingface_hub import get_token

    return get_token()


def repository() -> str:
    """owner/name from HF_REPOSITORY, which may be an address; raises InputError when it is not set or is neither."""
    given = os.environ.get("HF_REPOSITORY", "").strip()
    if not given:
        raise InputError("HF_REPOSITORY is not set; put HF_REPOSITORY=owner/name into .env (see .env.example)")
    path = re.sub(r"^(https?://)?(www\.)?(huggingface\.co|hf\.co)/(models/)?", "", given)
    found = re.fullmatch(r"([\w.-]+/[\w.-]+)(/tree/[\w./-]+)?/?", path)
    if not found:
        raise InputError(f"HF_REPOSITORY={given} is neither owner/name nor the address of a model repository")
    return found[1].removesuffix(".git")


@cache
def api() -> HfApi:
    """The client, made once, with deadlines for the calls that have none of their own, and without its own bars."""
    import huggingface_hub
    from huggingface_hub import constants
    from huggingface_hub.utils import httpx
    from huggingface_hub.utils._http import hf_request_event_hook

    if constants.HF_HUB_DISABLE_PROGRESS_BARS is None:  # its variable is read when the client is imported, before us
        huggingface_hub.utils.disable_progress_bars()
    timeout = httpx.Timeout(_SILENCE_SECONDS, connect=_CONNECT_SECONDS)
    hooks = {"request": [hf_request_event_hook]}
    huggingface_hub.set_client_factory(lambda: httpx.Client(timeout=timeout, follow_redirects=True, event_hooks=hooks))
    return huggingface_hub.HfApi()


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and what caused it, outermost first."""
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__


def status(error: BaseException) -> int | None:
    """The HTTP status behind an error, or None."""
    for link in _chain(error):
        if (response := getattr(link, "response", None)) is not None:
            return int(response.status_code)
    return None


def is_silence(error: BaseException) -> bool:
    """Whether an error means that the Hub did not answer or is in trouble itself, so that waiting can help."""
    from huggingface_hub.errors import LocalEntryNotFoundError, OfflineModeIsEnabled
    from huggingface_hub.utils import httpx

    if (code := status(error)) is not None:
        return code in _TRANSIENT
    kinds = (httpx.TransportError, LocalEntryNotFoundError, OfflineModeIsEnabled, ConnectionError, TimeoutError)
    return any(isinstance(link, kinds) for link in _chain(error))


def call(what: str, request: Callable[[], Answer], *, size: int = 0) -> Answer:
    """The request's answer, asked up to 4 times while the Hub is silent, each time with a deadline.

    Raises HubUnavailable when it stays silent and InputError when it refuses; `what` completes "the Hub ... for".
    `size` is how many bytes travel.
    """
    from huggingface_hub.errors import OfflineModeIsEnabled

    for attempt in range(ATTEMPTS):
        try:
            return _within(_CALL_SECONDS + size / _BYTES_PER_SECOND, request)
        except (StaleParent, NoBranch):
            raise
        except Exception as error:
            if not is_silence(error):
                if refusal := _refusal(what, error):
                    raise refusal from error
                raise
            offline = any(isinstance(link, OfflineModeIsEnabled) for link in _chain(error))
            if offline or attempt == ATTEMPTS - 1:
                reason = "HF_HUB_OFFLINE is set" if offline else (str(error) or type(error).__name__).splitlines()[0]
                raise HubUnavailable(f"the Hub cannot be reached for {what} ({reason})") from error
            time.sleep(max(_WAITS[attempt], min(_asked_wait(error), _LONGEST_WAIT)))
    raise AssertionError("unreachable")


def _within(seconds: float, request: Callable[[], Answer]) -> Answer:
    """The request's answer; raises TimeoutError when it takes longer, and leaves it to end by itself."""
    answers: queue.SimpleQueue[tuple[Answer | None, BaseException | None]] = queue.SimpleQueue()

    def answer() -> None:
        try:
            answers.put((request(), None))
        except BaseException as error:  # raised again below, by the thread that waits  # noqa: BLE001
            answers.put((None, error))

    threading.Thread(target=answer, daemon=True, name="hub").start()
    try:
        found, error = answers.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError(f"no answer within {seconds:.0f} s") from None
    if error:
        raise error
    return found  # type: ignore[return-value]


def _asked_wait(error: BaseException) -> float:
    """Seconds that the answer's Retry-After asks for, 0 without one."""
    for link in _chain(error):
        if (response := getattr(link, "response", None)) is not None:
            asked = response.headers.get("Retry-After", "")
            return float(asked) if asked.isdigit() else 0.0
    return 0.0


def _refusal(what: str, error: Exception) -> InputError | None:
    """Our sentence for an answer that waiting cannot change; None for an error that has none."""
    from huggingface_hub.errors import RepositoryNotFoundError

    code = status(error)
    hidden = any(isinstance(link, RepositoryNotFoundError) for link in _chain(error))
    if code == 404 or (code == 401 and hidden and "Invalid credentials" not in str(error)):
        return InputError(f"the Hub has nothing there for {what}; check the name, or set HF_TOKEN if it is private")
    if code == 401:
        return InputError(f"the Hub does not accept HF_TOKEN for {what}; make a new one in your Hub account's settings")
    if code == 403:
        return InputError(f"HF_TOKEN may not do that ({what}); use a token with write access to that repository")
    if code == 413:
        return InputError(f"the Hub says the repository's storage is full ({what})")
    return None


def dataset_sha(name: str, revision: str) -> str:
    """The commit that a dataset's revision stands for now."""
    info = call(
        f"dataset {name} at revision {revision}",
        lambda: api().dataset_info(name, revision=revision, timeout=_CONNECT_SECONDS),
    )
    return str(info.sha)


def dataset_licence(name: str, revision: str) -> str:
    """The licence that a dataset's card names, or `unknown`."""
    info = call(f"dataset {name}", lambda: api().dataset_info(name, revision=revision, timeout=_CONNECT_SECONDS))
    return str((info.card_data and info.card_data.get("license")) or "unknown")


def require_writable(name: str, *, private: bool) -> None:
    """Makes the model repository if it is missing; raises InputError unless the token may write to it.

    So it does where `private` is asked for and the repository stands open.
    """
    if not token():
        raise InputError("no HF_TOKEN is set; put a token with write access into .env, or train without --upload")
    call("the token's owner", lambda: api().whoami())
    call(f"creating {name}", lambda: api().create_repo(name, private=private, exist_ok=True))
    call(f"writing to {name}", lambda: api().auth_check(name, write=True))
    if private and not call(name, lambda: api().model_info(name, timeout=_CONNECT_SECONDS)).private:
        raise InputError(
            f"--private was asked for, but {name} exists and is public; make it private in its settings on the Hub, "
            "choose another HF_REPOSITORY, or leave --private out"
        )


def head(name: str, revision: str = "main") -> str:
    """The newest commit of a model repository's branch; raises NoBranch where there is none of that name."""
    from huggingface_hub.errors import RevisionNotFoundError

    def once() -> str:
        try:
            return str(api().model_info(name, revision=revision, timeout=_CONNECT_SECONDS).sha)
        except RevisionNotFoundError as error:
            raise NoBranch(revision) from error

    return call(f"model repository {name}", once)


def create_branch(name: str, branch: str) -> None:
    """Makes a branch of a model repository where main stands; one that is there stays as it is."""
    call(f"making branch {branch} of {name}", lambda: api().create_branch(name, branch=branch, exist_ok=True))


def delete_branch(name: str, branch: str) -> None:
    """Removes a branch of a model repository, if it is there."""
    with suppress(NoBranch, InputError):
        head(name, branch)
        call(f"removing branch {branch} of {name}", lambda: api().delete_branch(name, branch=branch))


def listing(name: str, sha: str, folder: str = "") -> dict[str, Any]:
    """Path -> file of a model repository at one commit, below a folder (or the file of that name)."""
    info = call(
        f"the files of {name}",
        lambda: api().model_info(name, revision=sha, files_metadata=True, timeout=_CONNECT_SECONDS),
    )
    files = {sibling.rfilename: sibling for sibling in info.siblings or []}
    prefix = folder.strip("/")
    return {path: file for path, file in files.items() if path == prefix or not prefix or path.startswith(f"{prefix}/")}


def fetch(name: str, sha: str, file: Any, target: Path) -> None:
    """Downloads one file of a commit to `target`, compared by size and sha256; raises InputError if it differs."""
    import huggingface_hub

    def once() -> None:
        with replacing(target) as aside, _scratch(target) as scratch:
            api()
            path = huggingface_hub.hf_hub_download(
                name, file.rfilename, revision=sha, local_dir=scratch, force_download=True
            )
            shutil.move(path, aside)
            if not matches(aside, file):
                raise ConnectionError(f"{file.rfilename} arrived damaged")

    call(f"{name}/{file.rfilename}", once, size=file.size or 0)


def text(name: str, sha: str, file: Any) -> str:
    """The content of a small text file of a commit."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "file"
        fetch(name, sha, file, target)
        return target.read_text(encoding="utf-8", errors="replace")


def matches(path: Path, file: Any) -> bool:
    """Whether a local file is the repository's: by sha256 for a large file, by git's blob hash for a small one."""
    if not path.is_file() or path.stat().st_size != file.size:
        return False
    if file.lfs:
        return sha256(path) == str(file.lfs.sha256)
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest() == file.blob_id


@contextmanager
def _scratch(target: Path) -> Iterator[Path]:
    """A folder beside the target for the client's own bookkeeping, removed at the end."""
    folder = target.parent / f".{target.name}.{os.getpid()}.scratch"
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def safe_path(path: str) -> PurePosixPath:
    """A repository path that cannot leave the folder it is put into; raises InputError."""
    found = PurePosixPath(path)
    if found.is_absolute() or ".." in found.parts or "\\" in path or "\0" in path:
        raise InputError(f"{path!r} would lead out of its folder; nothing is written there")
    return found


def commit(
    name: str, operations: Sequence[Any], *, message: str, parent: str, branch: str = "main", size: int = 0
) -> str:
    """One commit on a branch upon `parent`; returns its address. Raises StaleParent when the branch has moved on.

    `size` is how many bytes the operations add.
    """

    def once() -> str:
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "It seems that you are about to commit a data file")
                done = api().create_commit(
                    name, operations, commit_message=message, parent_commit=parent, revision=branch
                )
        except Exception as error:
            if status(error) == 412:
                raise StaleParent from error
            raise
        return str(done.commit_url)

    return call(f"writing to {name}", once, size=size)


class StaleParent(Exception):
    """Somebody else committed since the parent was read; read it again and repeat."""


class NoBranch(Exception):
    """The repository has no branch of that name."""
