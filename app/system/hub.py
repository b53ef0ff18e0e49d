"""The one Hub client: a deadline on every call, a bounded retry where the client has none, sentences for errors."""

from __future__ import annotations

import json
import os
import queue
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import Explained, HubUnavailable, InputError
from . import clock

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
_TRANSIENT = (408, 429, 500, 502, 503, 504)


def token() -> str | None:
    """The user's token: HF_TOKEN, else what `hf auth login` left."""
    from huggingface_hub import get_token

    return get_token()


def shown(address: str) -> str:
    """An address without the name and the token in it, which nobody shall read in a sentence."""
    return re.sub(r"//[^/@]*@", "//", address)


def repository() -> str:
    """owner/name from HF_REPOSITORY, which may be an address; raises InputError when it is not set or is neither."""
    given = os.environ.get("HF_REPOSITORY", "").strip()
    if not given:
        raise InputError("HF_REPOSITORY is not set; put HF_REPOSITORY=owner/name into .env (see .env.example)")
    given = shown(given)
    path = re.sub(r"^(https?://)?(www\.)?(huggingface\.co|hf\.co)/(models/)?", "", given)
    name = re.sub(r"(\.git)?(/tree/[\w./-]+)?/?$", "", path)
    if not NAME.fullmatch(name):
        raise InputError(f"HF_REPOSITORY={given} is neither owner/name nor the address of a model repository")
    return name


@cache
def api() -> HfApi:
    """The client, made once, with deadlines for the calls that have none of their own, and without its own bars."""
    import huggingface_hub
    from huggingface_hub import constants
    from huggingface_hub.utils import httpx

    if constants.HF_HUB_DISABLE_PROGRESS_BARS is None:  # its variable is read when the client is imported, before us
        huggingface_hub.utils.disable_progress_bars()
    timeout = httpx.Timeout(call_seconds() / 2, connect=CONNECT_SECONDS)  # of silence, within a call
    hooks: dict[str, Any] = {"request": [_refuse_offline], "response": [clock.note]}
    huggingface_hub.set_client_factory(lambda: httpx.Client(timeout=timeout, follow_redirects=True, event_hooks=hooks))
    return huggingface_hub.HfApi()


def _refuse_offline(request: Any) -> None:
    """Raise OfflineModeIsEnabled for a request under HF_HUB_OFFLINE, as the client's own factory does."""
    import huggingface_hub
    from huggingface_hub.errors import OfflineModeIsEnabled

    if huggingface_hub.is_offline_mode():
        raise OfflineModeIsEnabled(f"cannot reach {request.url}: HF_HUB_OFFLINE is set")


def call_seconds() -> float:
    """A call's deadline without its bytes: 120 s, or ISOSCALE_HUB_SECONDS; raises InputError where that is no time."""
    given = os.environ.get("ISOSCALE_HUB_SECONDS", "").strip()
    with suppress(ValueError):
        if not given or 1 <= float(given) <= _MOST_SECONDS:
            return float(given or _CALL_SECONDS)
    raise InputError(f"ISOSCALE_HUB_SECONDS={given} is no number of seconds from 1 to {_MOST_SECONDS:.0f}")


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

    seconds = call_seconds()
    for attempt in range(ATTEMPTS):
        try:
            return _within(seconds + size / _BYTES_PER_SECOND, request)
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


def _refusal(what: str, error: Exception) -> Explained | None:
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
    if isinstance(error, UnicodeEncodeError) and not (token() or "").isascii():
        return InputError(f"HF_TOKEN holds a character that no token has ({what}); copy it from the Hub once more")
    if isinstance(error, json.JSONDecodeError):
        why = "what answers is not the Hub: HF_ENDPOINT's address, or the network's page to log in"
        return HubUnavailable(f"the Hub cannot be reached for {what} ({why})")
    return None


def dataset_sha(name: str, revision: str) -> str:
    """The commit that a dataset's revision stands for now."""
    info = call(
        f"dataset {name} at revision {revision}",
        lambda: api().dataset_info(name, revision=revision, timeout=CONNECT_SECONDS),
    )
    return str(info.sha)


def dataset_licence(name: str, revision: str) -> str:
    """The licence that a dataset's card names, or `unknown`."""
    info = call(f"dataset {name}", lambda: api().dataset_info(name, revision=revision, timeout=CONNECT_SECONDS))
    return str((info.card_data and info.card_data.get("license")) or "unknown")


class StaleParent(Exception):
    """Somebody else committed since the parent was read; read it again and repeat."""


class NoBranch(Exception):
    """The repository has no branch of that name."""
