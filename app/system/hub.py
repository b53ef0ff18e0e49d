"""The one Hub client: a deadline on every call, a bounded retry where the client has none, sentences for errors."""

from __future__ import annotations

import os
import queue
import re
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import Explained, HubUnavailable, InputError
from . import clock, endpoint
from .answers import chain, is_silence, meaning, reason, refuse_no_redirect, require_form, response_of, status, strange
from .printable import is_secret, may_be_secret

if TYPE_CHECKING:
    from huggingface_hub import HfApi

Answer = TypeVar("Answer")

NAME = re.compile(r"(?!.*(--|\.\.))\w([\w.-]*\w)?/\w([\w.-]*\w)?(?<!\.git)", re.ASCII)  # as the Hub names them
ATTEMPTS = 4
_WAITS = (1.0, 2.0, 4.0)  # seconds between the attempts
_LONGEST_WAIT = 60.0  # seconds that a Retry-After of the Hub's may ask for
CONNECT_SECONDS = 10.0  # until a connection stands, or an answer without a body comes
_CALL_SECONDS, _BYTES_PER_SECOND = 120.0, 50_000.0  # a call's deadline: the first, and its bytes at the slowest line
_MOST_SECONDS = 3600.0  # that ISOSCALE_HUB_SECONDS may give


def token() -> str | None:
    """The user's token: HF_TOKEN, else what `hf auth login` left. None where it is not sent: see `no_token`."""
    return None if _is_withheld() else _own_token()


def _own_token() -> str | None:
    from huggingface_hub import get_token

    endpoint.require_sendable(found := get_token())
    return found


def _is_withheld() -> bool:
    from huggingface_hub import constants

    api()  # whose requests carry no token then
    return endpoint.is_withheld(constants.ENDPOINT)


def no_token() -> str:
    """Why there is no token: none is set, or the Hub's address is one that gets none; and what to do."""
    if _is_withheld() and _own_token():
        return endpoint.WITHHELD
    return "HF_TOKEN is not set. Put a token with write access into .env"


def repository() -> str:
    """owner/name from HF_REPOSITORY, which may be an address; raises InputError when it is not set or is neither.

    A value that may be a token is not repeated.
    """
    given = os.environ.get("HF_REPOSITORY", "").strip()
    if not given:
        raise InputError("HF_REPOSITORY is not set. Put HF_REPOSITORY=owner/name into .env (see .env.example)")
    path = re.sub(r"^(https?://)?([^/@]*@)?(www\.)?(huggingface\.co|hf\.co)/(models/)?", "", given)
    name = re.sub(r"(\.git)?(/tree/[\w./-]+)?/?$", "", path)
    if not NAME.fullmatch(name) or is_secret(name):
        shown = " (not shown: it may contain a token or a password)" if may_be_secret(given) else f"={given}"
        raise InputError(
            f"HF_REPOSITORY{shown} is neither owner/name nor the address of a model repository. Use owner/name"
        )
    return name


@cache
def api() -> HfApi:
    """The client, made once, with deadlines for the calls that have none of their own, and without its own bars."""
    endpoint.require_sound()
    import huggingface_hub
    from huggingface_hub import constants
    from huggingface_hub.utils import httpx

    if constants.HF_HUB_DISABLE_PROGRESS_BARS is None:  # its variable is read when the client is imported, before us
        huggingface_hub.utils.disable_progress_bars()
    if "HF_HUB_VERBOSITY" not in os.environ:  # its words on attempts that are made again, and the Hub's, as they come
        huggingface_hub.utils.logging.set_verbosity_error()
    timeout = httpx.Timeout(call_seconds() / 2, connect=CONNECT_SECONDS)  # of silence, within a call
    answered: list[Any] = [clock.note, refuse_no_redirect]
    hooks: dict[str, Any] = {"request": [_refuse_offline, _withhold], "response": answered}
    if endpoint.is_withheld(constants.ENDPOINT):  # for requests that do not pass our client: hf_xet's
        constants.HF_HUB_DISABLE_IMPLICIT_TOKEN = True
    huggingface_hub.set_client_factory(lambda: _client(timeout=timeout, follow_redirects=True, event_hooks=hooks))
    return huggingface_hub.HfApi()


def _client(**settings: Any) -> Any:
    """Return an HTTP client; raise InputError where the environment's proxies or certificates are no use."""
    from huggingface_hub.utils import httpx

    try:
        return httpx.Client(**settings)
    except (ImportError, ValueError, httpx.InvalidURL, OSError) as error:
        if getattr(error, "filename", None):  # of a file that the error names
            raise
        raise endpoint.unusable(error) from error


def _refuse_offline(request: Any) -> None:
    """Raise OfflineModeIsEnabled for a request under HF_HUB_OFFLINE, as the client's own factory does."""
    import huggingface_hub
    from huggingface_hub.errors import OfflineModeIsEnabled

    if huggingface_hub.is_offline_mode():
        raise OfflineModeIsEnabled(f"cannot reach {request.url}: HF_HUB_OFFLINE is set")


def _withhold(request: Any) -> None:
    """Take the token out of a request that would carry it in clear text over a network, a redirected one too."""
    if endpoint.is_withheld(str(request.url)):
        request.headers.pop("authorization", None)


def call_seconds() -> float:
    """A call's deadline without its bytes: 120 s, or ISOSCALE_HUB_SECONDS; raises InputError where that is no time."""
    given = os.environ.get("ISOSCALE_HUB_SECONDS", "").strip()
    with suppress(ValueError):
        if not given or 1 <= float(given) <= _MOST_SECONDS:
            return float(given or _CALL_SECONDS)
    raise InputError(
        f"ISOSCALE_HUB_SECONDS={given} is not a valid number of seconds. Use a number from 1 to {_MOST_SECONDS:.0f}"
    )


def call(what: str, request: Callable[[], Answer], *, size: int = 0) -> Answer:
    """The request's answer, asked up to 4 times while the Hub is silent, each time with a deadline.

    Raises HubUnavailable when it stays silent and InputError when it refuses; `what` completes "the Hub ... for".
    `size` is how many bytes travel.
    """
    endpoint.require_sound()
    from huggingface_hub.errors import OfflineModeIsEnabled

    seconds = call_seconds()
    for attempt in range(ATTEMPTS):
        try:
            return _within(seconds + size / _BYTES_PER_SECOND, request)
        except (StaleParent, NoBranch, Explained):
            raise
        except Exception as error:
            if not is_silence(error):
                if explained := _without_token(what, error) or meaning(what, error):
                    raise explained from error
                raise
            offline = any(isinstance(link, OfflineModeIsEnabled) for link in chain(error))
            if offline or attempt == ATTEMPTS - 1:
                why = "HF_HUB_OFFLINE is set" if offline else reason(error)
                raise HubUnavailable(f"the Hub cannot be reached for {what} ({why})") from error
            time.sleep(max(_WAITS[attempt], min(_asked_wait(error), _LONGEST_WAIT)))
    raise AssertionError("unreachable")


def _without_token(what: str, error: Exception) -> InputError | None:
    """Return our sentence for a refusal of a request whose token was withheld; None for any other error."""
    code = status(error)
    if code in (401, 403, 404) and _is_withheld() and _own_token():
        return InputError(f"the Hub refuses {what} without a token ({code}). {endpoint.WITHHELD}")
    return None


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
    found = response_of(error)
    asked = "" if found is None else found.headers.get("Retry-After", "")
    return float(asked) if re.fullmatch(r"\d{1,9}", asked, re.ASCII) else 0.0


def dataset_sha(name: str, revision: str) -> str:
    """The commit that a dataset's revision stands for now."""

    def once() -> str:
        return sha_of(api().dataset_info(name, revision=revision, timeout=CONNECT_SECONDS))

    return call(f"dataset {name} at revision {revision}", once)


def sha_of(info: Any) -> str:
    """The commit that the Hub's description of a repository names."""
    require_form(isinstance(info.sha, str) and info.sha.isalnum(), "commit")
    return str(info.sha)


def dataset_licence(name: str, revision: str) -> str:
    """The licence that a dataset's card names, or `unknown`."""
    info = call(f"dataset {name}", lambda: api().dataset_info(name, revision=revision, timeout=CONNECT_SECONDS))
    return str((info.card_data and info.card_data.get("license")) or "unknown")


class StaleParent(Exception):
    """Somebody else committed since the parent was read; read it again and repeat."""


class NoBranch(Exception):
    """The repository has no branch of that name."""


__all__ = ["is_silence", "reason", "status", "strange"]
