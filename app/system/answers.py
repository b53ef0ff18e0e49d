"""The meaning of a Hub's answers and of its client's errors: wait and retry, not a Hub at all, or a refusal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from types import TracebackType
from typing import Any

from ..errors import Explained, HubUnavailable, InputError
from .printable import printable

_TRANSIENT = (408, 425, 429)  # in addition to the server's failures
_LASTING = (501, 505)  # server failures that waiting does not change
_CLIENTS = ("huggingface_hub", "httpx2", "httpx", "httpcore2", "httpcore", "h11", "h2", "hf_xet")
_OTHERS = (__name__.partition(".")[0], "datasets")
_LONGEST = 200  # characters of a message of the Hub


class NoHub(Exception):
    """An answer whose form no Hub gives."""


def require_form(right: bool, what: str) -> None:
    """Raise NoHub, which `hub.call` turns into a sentence, unless an answer has the form that a Hub gives."""
    if not right:
        raise NoHub(f"the answer contains no {what}")


def refuse_no_redirect(response: object) -> None:
    """Raise NoHub for a redirect without a target. The client would count it as a success, even for an upload."""
    code = getattr(response, "status_code", 0)
    if not 200 <= code < 600 or (code // 100 == 3 and not getattr(response, "has_redirect_location", False)):
        raise NoHub(f"the answer has the status {code}")


def chain(error: BaseException) -> Iterator[BaseException]:
    """Return the error and what caused it, outermost first."""
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__


def response_of(error: BaseException) -> Any:
    """Return the client's HTTP response behind an error, or None."""
    found = (getattr(link, "response", None) for link in chain(error))
    return next((each for each in found if each is not None), None)


def status(error: BaseException) -> int | None:
    """Return the HTTP status behind an error, or None."""
    found = response_of(error)
    return None if found is None else int(found.status_code)


def is_silence(error: BaseException) -> bool:
    """Return whether an error means that the Hub did not answer or is in trouble itself, so that waiting can help."""
    from huggingface_hub.errors import LocalEntryNotFoundError, OfflineModeIsEnabled
    from huggingface_hub.utils import httpx

    if _no_hub(error):
        return False
    if (code := status(error)) is not None:
        return code in _TRANSIENT or (500 <= code < 600 and code not in _LASTING)
    kinds = (httpx.TransportError, LocalEntryNotFoundError, OfflineModeIsEnabled, ConnectionError, TimeoutError)
    return any(isinstance(link, kinds) or _is_short(link) for link in chain(error))


def _is_short(error: BaseException) -> bool:
    """Return whether the client reports that a file arrived with another size, which is not an error of the system."""
    return type(error) is OSError and error.errno is None and _of_client(error.__traceback__)


def meaning(what: str, error: Exception) -> Explained | None:
    """Return our sentence for an answer that waiting cannot change, or None if the error is not the Hub's."""
    if why := _no_hub(error):
        return HubUnavailable(
            f"this does not look like a Hub: {what} ({why}). Check HF_ENDPOINT, and whether the network wants a login"
        )
    if (code := status(error)) is not None:
        return _refusal(what, error, code)
    if any(_is_of_token(link) for link in chain(error)):
        return InputError(f"HF_TOKEN contains a character that no token has ({what}). Copy it from the Hub again")
    if any(_of_client(link.__traceback__) and _is_clients_own(link) for link in chain(error)):
        said = _printable(str(error) or type(error).__name__).rstrip(".")
        return InputError(f"the Hub's client refuses {what}: {said}. Check the names")
    return None


def strange(what: str, error: Exception) -> Explained | None:
    """Return our sentence for an answer that does not concern the request, or None for any other error."""
    if _no_hub(error) or status(error) not in (None, 401, 403, 404):
        return meaning(what, error)
    return None


def _refusal(what: str, error: Exception, code: int) -> Explained:
    """Return our sentence for a status that waiting cannot change."""
    from huggingface_hub.errors import RepositoryNotFoundError

    hidden = any(isinstance(link, RepositoryNotFoundError) for link in chain(error))
    if code == 404 or (code == 401 and hidden and "Invalid credentials" not in str(error)):
        return InputError(f"the Hub has nothing there for {what}. Check the name, or set HF_TOKEN if it is private")
    if code == 401:
        return InputError(
            f"the Hub does not accept HF_TOKEN for {what}. Create a new token in your Hub account's settings"
        )
    if code == 403:
        return InputError(
            f"HF_TOKEN has no right to do this ({what}). Use a token with write access to that repository"
        )
    if code == 413:
        return InputError(
            f"the storage of the repository on the Hub is full ({what}). Delete files there, or use another "
            "HF_REPOSITORY"
        )
    said = f"{code} {_said(error)}".strip()
    if code >= 500:
        return HubUnavailable(f"the Hub cannot do {what} ({said})")
    return InputError(f"the Hub refuses {what} ({said}). Check the names and HF_TOKEN")


def reason(error: BaseException) -> str:
    """Return the first line of an error, with the Hub's status and words if the Hub answered."""
    if (code := status(error)) is not None:
        return f"{code} {_said(error)}".strip()
    return _printable(str(error) or type(error).__name__)


def _said(error: BaseException) -> str:
    """Return the Hub's explanation of a refusal as one line: the server's message, else the name of the status."""
    for link in chain(error):
        if (response := getattr(link, "response", None)) is not None:
            return _printable(getattr(link, "server_message", None) or response.reason_phrase or "")
    return ""


def _printable(text: str) -> str:
    """Return the first line of a text that others wrote, safe to print."""
    return printable(next((line for line in text.splitlines() if line.strip()), "").strip(), _LONGEST)


def _no_hub(error: BaseException) -> str:
    """Return why the answer does not look like a Hub's, or an empty text if it may be one."""
    from huggingface_hub.errors import FileMetadataError
    from huggingface_hub.utils import httpx

    named = (
        (NoHub, ""), (httpx.TooManyRedirects, "redirects without end"), (httpx.DecodingError, "a damaged body"),
        (FileMetadataError, "a file without its checksum"), (httpx.InvalidURL, "an address that is none"),
        (httpx.UnsupportedProtocol, "an address that is none"),
    )  # fmt: skip
    for link in chain(error):
        for kind, why in named:
            if isinstance(link, kind):
                return why or str(link)
    fallen = [link for link in chain(error) if _of_client(link.__traceback__)] if status(error) is None else []
    if any(isinstance(link, json.JSONDecodeError | UnicodeDecodeError) for link in fallen):
        return "no JSON"
    return "JSON of another form" if any(_is_of_another_form(link) for link in fallen) else ""


def _is_of_another_form(error: BaseException) -> bool:
    """Return whether the client failed because it could not parse an answer."""
    kinds = (LookupError, TypeError, AttributeError, AssertionError, ArithmeticError)
    return isinstance(error, kinds) or type(error) is ValueError


def _is_of_token(error: BaseException) -> bool:
    """Return whether the token cannot be sent. The client's error would show the token."""
    from huggingface_hub.utils import httpx

    return isinstance(error, UnicodeEncodeError | httpx.LocalProtocolError)


def _is_clients_own(error: BaseException) -> bool:
    """Return whether the error is of one of the client's kinds, not of Python's or the system's."""
    return type(error).__module__.partition(".")[0] in _CLIENTS


def _of_client(trace: TracebackType | None) -> bool:
    """Return whether an error was raised by the client, or by a part of Python's library that the client called.

    Among the frames of the client's packages and of the packages that call it, the innermost one decides.
    """
    found = False
    while trace:
        package = str(trace.tb_frame.f_globals.get("__name__", "")).partition(".")[0]
        found = package in _CLIENTS if package in (*_CLIENTS, *_OTHERS) else found
        trace = trace.tb_next
    return found
