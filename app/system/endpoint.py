"""The Hub's address and the token: which ones are refused before any request, and where a token may be sent.

The address comes from HF_ENDPOINT of the environment only, because others can often write to a `.env` file.
"""

from __future__ import annotations

import ipaddress
import os
import re
from urllib.parse import urlsplit

from ..errors import InputError

_HOST = re.compile(r"[A-Za-z0-9._:-]+", re.ASCII)  # a name or a number; `%40` in it would be a password's `@`
ALLOWED = "ISOSCALE_INSECURE_HUB"  # set to 1 in the environment: a token may travel in clear text

_CREDENTIALS = "HF_ENDPOINT contains a name or a password, which is never used or shown. Remove it, and use HF_TOKEN"
WITHHELD = (
    "HF_TOKEN is not sent to HF_ENDPOINT, whose plain http anybody on the way can read. Give an https address, or "
    f"export {ALLOWED}=1 to send it nevertheless"
)
_PROXIES = "ALL_PROXY, HTTPS_PROXY or HTTP_PROXY"
_NO_ADDRESS = "HF_ENDPOINT is not an address. Give https://HOST or https://HOST/PATH, or unset it"


def require_sound() -> None:
    """Raise InputError if HF_ENDPOINT is not an address or contains a password. The message does not repeat it."""
    if not (given := os.environ.get("HF_ENDPOINT", "")):
        return
    if "@" in given:
        raise InputError(_CREDENTIALS)
    try:
        parts = urlsplit(given)
        sound = parts.scheme in ("http", "https") and bool(_HOST.fullmatch(parts.hostname or ""))
        sound = sound and (parts.port is None or parts.port > 0)
    except ValueError:
        sound = False
    if not sound or not re.fullmatch(r"[!-~]+", given) or parts.query or parts.fragment:
        raise InputError(_NO_ADDRESS)


def require_sendable(token: str | None) -> None:
    """Raise InputError for a token that no request can carry. The client's error would repeat the token."""
    if token and not re.fullmatch(r"[!-~]+", token):
        raise InputError("HF_TOKEN contains a character that no token has. Copy it from the Hub again")


def in_clear(address: str) -> bool:
    """Return whether a token to that address would cross a network in clear text: plain http other than to loopback."""
    parts = urlsplit(address)
    return parts.scheme == "http" and not _is_loopback(parts.hostname or "")


def unusable(error: Exception) -> InputError:
    """Return our sentence for proxies or certificates of the environment with which no client can be built.

    Neither the error nor a value is repeated, because the address of a proxy may contain a password.
    """
    if isinstance(error, ImportError):
        return InputError(
            f"a proxy in {_PROXIES} uses SOCKS, which needs the package socksio. Run `pip install socksio` (or `uv "
            "pip install socksio`), give an http proxy, or unset the variable"
        )
    if isinstance(error, OSError):
        return InputError(
            "SSL_CERT_FILE or SSL_CERT_DIR names no certificates that can be read. Give a PEM file, or unset it"
        )
    return InputError(f"a proxy in {_PROXIES} is not an address. Give http://HOST:PORT, or unset the variable")


def _is_loopback(host: str) -> bool:
    """Return whether a host is this machine, by name or by number. Other spellings of it are not trusted."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_withheld(address: str) -> bool:
    """Return whether no token is sent to that address."""
    return in_clear(address) and os.environ.get(ALLOWED) != "1"
