"""The Hub: whether it answers, whose clock differs, whose token it is, and whether it may write to HF_REPOSITORY."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

from ..errors import Explained, HubUnavailable, InputError
from ..system import endpoint, hub
from ..system.answers import NoHub, reason
from ..system.clock import TOLERATED, date_of
from ..system.findings import FAIL, PASS, WARN, Finding
from ..system.printable import without_secrets

_OFF = 300.0  # seconds: a larger difference makes logs misleading; machines' claims on a run use the Hub's clock
_TOKEN = "put HF_TOKEN=... into .env (see .env.example). Create a token on the Hub under Settings, Access Tokens"


class Answer(NamedTuple):
    """The Hub's answer: its time and ours in seconds since 1970, or the reason why there is none."""

    theirs: float | None = None
    ours: float = 0.0
    silent: str = ""
    offline: bool = False


def ask() -> Answer:
    """Request the Hub's front page once."""
    from huggingface_hub import constants
    from huggingface_hub.utils import get_session, httpx

    if constants.is_offline_mode():
        return Answer(offline=True, silent="HF_HUB_OFFLINE is set")
    hub.api()
    began = time.time()
    try:
        response = get_session().head(constants.ENDPOINT, timeout=hub.CONNECT_SECONDS)
    except Explained as error:
        return Answer(silent=str(error))
    except (httpx.HTTPError, httpx.InvalidURL, NoHub, OSError) as error:
        return Answer(silent=reason(error))
    return Answer(theirs=date_of(response), ours=(began + time.time()) / 2)


def clock(answer: Answer) -> Finding:
    """Return whether this machine's clock agrees with the Hub's."""
    if answer.theirs is None:
        return Finding(WARN, "clock", "not compared: the Hub sent no time", "compare date -u with another clock")
    off = answer.ours - answer.theirs
    if abs(off) > TOLERATED:
        says = f"{abs(off):,.0f} s {'ahead of' if off > 0 else 'behind'} the Hub's"
        fix = "set it with systemctl restart systemd-timesyncd, or ask the host's support"
        return Finding(FAIL if abs(off) > _OFF else WARN, "clock", says, fix)
    return Finding(PASS, "clock", f"the Hub's within {TOLERATED:.0f} s")


def look(answer: Answer) -> list[Finding]:
    """Return the checks of the Hub, the token and the repository."""
    from huggingface_hub import constants

    address = without_secrets(constants.ENDPOINT)
    if answer.offline:
        return [Finding(WARN, "Hub", "HF_HUB_OFFLINE is set, so the Hub was not asked", "unset HF_HUB_OFFLINE")]
    if answer.silent:
        says = f"{address} does not answer ({answer.silent})"
        fix = "fix the network. If the data are in the cache, export HF_HUB_OFFLINE=1 trains without it"
        return [Finding(FAIL, "Hub", says, fix)]
    reached = Finding(PASS, "Hub", f"{address} answers")
    try:
        if not hub.token():
            return [reached, _no_token()]
        who = hub.call("the token's owner", lambda: hub.api().whoami())
    except Explained as error:
        return [reached, _refused("token", error, "put it into .env as HF_TOKEN=...")]
    if not isinstance(who, dict) or not isinstance(who.get("name"), str):
        says = f"{address} answers, but not as a Hub does"
        return [Finding(FAIL, "Hub", says, "unset HF_ENDPOINT, or sign in to the network that answers in its place")]
    return [reached, Finding(PASS, "token", f"{who['name']}'s, role {_role(who)}"), _repository(who)]


def _no_token() -> Finding:
    """Return the check for a missing token: none is set, or none is sent to that address."""
    if (why := hub.no_token()) == endpoint.WITHHELD:
        return Finding(WARN, "token", why)
    return Finding(WARN, "token", "no token is set, so nothing can be uploaded", _TOKEN)


def _refused(about: str, error: Explained, fix: str) -> Finding:
    """Return a failed check. The user can fix a refusal, while a missing answer is a problem of the network."""
    if isinstance(error, HubUnavailable):
        fix = "ask again later"
    return Finding(FAIL, about, str(error), fix)


def _role(who: dict[str, Any]) -> str:
    found: Any = who
    for name in ("auth", "accessToken", "role"):
        found = found.get(name) if isinstance(found, dict) else None
    return str(found or "unknown")


def _organisations(who: dict[str, Any]) -> list[Any]:
    """Return the names of the owner's organisations, as far as the Hub lists them."""
    given = who.get("orgs")
    return [each.get("name") for each in given if isinstance(each, dict)] if isinstance(given, list) else []


def _repository(who: dict[str, Any]) -> Finding:
    """Return whether the token may write to HF_REPOSITORY, or make it. Neither is done."""
    try:
        name = hub.repository()
    except InputError as error:
        unset = "not set" in str(error)
        return Finding(WARN if unset else FAIL, "repository", str(error))
    try:
        hub.call(f"writing to {name}", lambda: hub.api().auth_check(name, write=True))
    except Explained as error:
        missing = error.__cause__ is not None and hub.status(error.__cause__) == 404
        if not missing:
            return _refused("repository", error, "make a token with write access to it, or set HF_REPOSITORY to yours")
        return _absent(name, who)
    return Finding(PASS, "repository", f"the token may write to {name}")


def _absent(name: str, who: dict[str, Any]) -> Finding:
    """Return the check of a missing repository, which the first upload makes if the token may."""
    owner, own = name.partition("/")[0], [who["name"], *_organisations(who)]
    if owner in own and _role(who) != "read":
        return Finding(PASS, "repository", f"{name} does not exist yet. The first upload creates it")
    says = f"{name} does not exist, or is hidden from this token, which may not create it"
    fix = f"set HF_REPOSITORY={who['name']}/NAME" if owner not in own else "make a token with write access"
    return Finding(FAIL, "repository", says, fix)
