"""What the answers of a Hub and the errors of its client mean: wait and ask again, no Hub at all, or a refusal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from types import TracebackType
from typing import Any

from ..errors import Explained, HubUnavailable, InputError
from .printable import printable

_TRANSIENT = (408, 425, 429)  # besides the server's own failures
_LASTING = (501, 505)  # failures of a server that waiting does not change
_CLIENTS = ("huggingface_hub", "httpx2", "httpx", "httpcore2", "httpcore", "h11", "h2", "hf_xet")
_OTHERS = (__name__.partition(".")[0], "datasets")
_LONGEST = 200  # characters of what a Hub says of itself


class NoHub(Exception):
    """An answer has a form that no Hub gives."""


def require_form(right: bool, what: str) -> None:
    """Raise NoHub, which `hub.call` turns into a sentence, unless an answer has the form that a Hub gives."""
    if not right:
        raise NoHub(f"the answer contains no {what}")


def refuse_no_redirect(response: object) -> None:
    """Raise NoHub for a redirect to nowhere: the client takes it for a success, of an upload too."""
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
    """Whether it is the client's word on a file that arrived with another size; it is no error of the system's."""
    return type(error) is OSError and error.errno is None and _of_client(error.__traceback__)


def meaning(what: str, error: Exception) -> Explained | None:
    """Return our sentence for an answer that waiting cannot change; None for an error that is not of the Hub."""
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
    """Return the sentence of an answer that says nothing of what was asked for; None for any other error."""
    if _no_hub(error) or status(error) not in (None, 401, 403, 404):
        return meaning(what, error)
    return None


def _refusal(what: str, error: Exception, code: int) -> Explained:
    """Return the sentence of a status that waiting cannot change."""
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
    """Return the first line of an error, with the status and the words of the Hub where it has answered."""
    if (code := status(error)) is not None:
        return f"{code} {_said(error)}".strip()
    return _printable(str(error) or type(error).__name__)


def _said(error: BaseException) -> str:
    """What a Hub says of its refusal, in a line: its own words, else the status's name."""
    for link in chain(error):
        if (response := getattr(link, "response", None)) is not None:
            return _printable(getattr(link, "server_message", None) or response.reason_phrase or "")
    return ""


def _printable(text: str) -> str:
    """The first line of a text of others."""
    return printable(next((line for line in text.splitlines() if line.strip()), "").strip(), _LONGEST)


def _no_hub(error: BaseException) -> str:
    """Why what answers does not look like a Hub; empty where it may be one."""
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
    """Whether the client fell over an answer that it could not take apart."""
    kinds = (LookupError, TypeError, AttributeError, AssertionError, ArithmeticError)
    return isinstance(error, kinds) or type(error) is ValueError


def _is_of_token(error: BaseException) -> bool:
    """Whether the token cannot be sent; the error of the client itself would show it."""
    from huggingface_hub.utils import httpx

    return isinstance(error, UnicodeEncodeError | httpx.LocalProtocolError)


def _is_clients_own(error: BaseException) -> bool:
    """Whether it is one of the client's kinds of errors, not one of Python's or the system's."""
    return type(error).__module__.partition(".")[0] in _CLIENTS


def _of_client(trace: TracebackType | None) -> bool:
    """Whether an error was raised by the client, or by what it called of Python's own library.

    Of its own packages and those that call it, the innermost counts.
    """
    found = False
    while trace:
        package = str(trace.tb_frame.f_globals.get("__name__", "")).partition(".")[0]
        found = package in _CLIENTS if package in (*_CLIENTS, *_OTHERS) else found
        trace = trace.tb_next
    return found
