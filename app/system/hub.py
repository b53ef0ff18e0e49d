"""The only Hub client: a deadline for every call, a limited number of retries, and readable errors."""

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
_LONGEST_WAIT = 60.0  # most seconds that a Retry-After of the Hub may ask for
CONNECT_SECONDS = 10.0  # until a connection is established, or an answer without a body arrives
_CALL_SECONDS, _BYTES_PER_SECOND = 120.0, 50_000.0  # a deadline without bytes, and the slowest rate
_MOST_SECONDS = 3600.0  # most seconds that ISOSCALE_HUB_SECONDS may give


def token() -> str | None:
    """Return the user's token: HF_TOKEN, else that of `hf auth login`.

    None if it is not sent, for the reason of `no_token`.
    """
    return None if _is_withheld() else _own_token()


def _own_token() -> str | None:
    from huggingface_hub import get_token

    endpoint.require_sendable(found := get_token())
    return found


def _is_withheld() -> bool:
    from huggingface_hub import constants

    api()  # then the client's requests carry no token
    return endpoint.is_withheld(constants.ENDPOINT)


def no_token() -> str:
    """Return why there is no token, and what to do: none is set, or the Hub's address must not receive one."""
    if _is_withheld() and _own_token():
        return endpoint.WITHHELD
    return "HF_TOKEN is not set. Put a token with write access into .env"


def repository() -> str:
    """Return owner/name from HF_REPOSITORY, which may also be an address.

    Raises InputError if it is unset or is neither. A value that may be a token is not repeated.
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
    """Return the Hub's client, made once, without its progress bars and with deadlines for the calls that have none."""
    endpoint.require_sound()
    import huggingface_hub
    from huggingface_hub import constants
    from huggingface_hub.utils import httpx

    if constants.HF_HUB_DISABLE_PROGRESS_BARS is None:  # the client reads its variable when it is imported, before this
        huggingface_hub.utils.disable_progress_bars()
    if "HF_HUB_VERBOSITY" not in os.environ:  # messages about repeated attempts, and the Hub's own words
        huggingface_hub.utils.logging.set_verbosity_error()
    timeout = httpx.Timeout(call_seconds() / 2, connect=CONNECT_SECONDS)  # seconds without data, within a call
    answered: list[Any] = [clock.note, refuse_no_redirect]
    hooks: dict[str, Any] = {"request": [_refuse_offline, _withhold], "response": answered}
    if endpoint.is_withheld(constants.ENDPOINT):  # for requests that do not pass our client: hf_xet's
        constants.HF_HUB_DISABLE_IMPLICIT_TOKEN = True
    huggingface_hub.set_client_factory(lambda: _client(timeout=timeout, follow_redirects=True, event_hooks=hooks))
    return huggingface_hub.HfApi()


def _client(**settings: Any) -> Any:
    """Return an HTTP client. Raise InputError if the environment's proxies or certificates are unusable."""
    from huggingface_hub.utils import httpx

    try:
        return httpx.Client(**settings)
    except (ImportError, ValueError, httpx.InvalidURL, OSError) as error:
        if getattr(error, "filename", None):  # the error names a file
            raise
        raise endpoint.unusable(error) from error


def _refuse_offline(request: Any) -> None:
    """Raise OfflineModeIsEnabled for a request under HF_HUB_OFFLINE, as the client's default factory does."""
    import huggingface_hub
    from huggingface_hub.errors import OfflineModeIsEnabled

    if huggingface_hub.is_offline_mode():
        raise OfflineModeIsEnabled(f"cannot reach {request.url}: HF_HUB_OFFLINE is set")


def _withhold(request: Any) -> None:
    """Remove the token from a request, or a redirected one, that would carry it in clear text over a network."""
    if endpoint.is_withheld(str(request.url)):
        request.headers.pop("authorization", None)


def call_seconds() -> float:
    """Return a call's deadline, without the time for its bytes: ISOSCALE_HUB_SECONDS, else 120 s.

    Raises InputError if the variable is not a valid number of seconds.
    """
    given = os.environ.get("ISOSCALE_HUB_SECONDS", "").strip()
    with suppress(ValueError):
        if not given or 1 <= float(given) <= _MOST_SECONDS:
            return float(given or _CALL_SECONDS)
    raise InputError(
        f"ISOSCALE_HUB_SECONDS={given} is not a valid number of seconds. Use a number from 1 to {_MOST_SECONDS:.0f}"
    )


def call(what: str, request: Callable[[], Answer], *, size: int = 0) -> Answer:
    """Return the request's answer.

    It is repeated, up to 4 attempts with a deadline each, while the Hub does not answer. Raises HubUnavailable if the
    Hub never answers and InputError if it refuses. `what` completes "the Hub ... for". `size` is the number of bytes
    that are transferred.
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
    """Return our sentence for a refused request whose token was withheld, or None for any other error."""
    code = status(error)
    if code in (401, 403, 404) and _is_withheld() and _own_token():
        return InputError(f"the Hub refuses {what} without a token ({code}). {endpoint.WITHHELD}")
    return None


def _within(seconds: float, request: Callable[[], Answer]) -> Answer:
    """Return the request's answer.

    Raises TimeoutError if it takes longer, and lets the request end in the background.
    """
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
    """Return the seconds that the answer's Retry-After asks for, or 0 without one."""
    found = response_of(error)
    asked = "" if found is None else found.headers.get("Retry-After", "")
    return float(asked) if re.fullmatch(r"\d{1,9}", asked, re.ASCII) else 0.0


def dataset_sha(name: str, revision: str) -> str:
    """Return the commit that a dataset's revision refers to now."""

    def once() -> str:
        return sha_of(api().dataset_info(name, revision=revision, timeout=CONNECT_SECONDS))

    return call(f"dataset {name} at revision {revision}", once)


def sha_of(info: Any) -> str:
    """Return the commit in the Hub's description of a repository."""
    require_form(isinstance(info.sha, str) and info.sha.isalnum(), "commit")
    return str(info.sha)


def dataset_licence(name: str, revision: str) -> str:
    """Return the licence that a dataset's card names, or `unknown`."""
    info = call(f"dataset {name}", lambda: api().dataset_info(name, revision=revision, timeout=CONNECT_SECONDS))
    return str((info.card_data and info.card_data.get("license")) or "unknown")


class StaleParent(Exception):
    """Another commit was made since the parent was read. Read it again and repeat."""


class NoBranch(Exception):
    """The repository has no branch of that name."""


__all__ = ["is_silence", "reason", "status", "strange"]
