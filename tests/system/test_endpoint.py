"""HF_ENDPOINT: refused with a password or without an address, and no token travels over a network in clear text."""

import socket

import pytest
from online import lead_to

from app.doctor import remote
from app.errors import InputError
from app.system import endpoint, hub, repositories

REPOSITORY = "tester/runs"


@pytest.mark.parametrize(
    "given",
    [
        "https://me:pa55word@hub.example", "https://pa55word@hub.example", "http://me:pa55word@127.0.0.1:8000",
        "https://me:pa55@word@hub.example/a", "https://me:pa55/word@hub.example", "https://hub.example/?token=pa55word",
        "https://hub.example/#pa55word", "hub.example/pa55word", "pa55word", "ftp://pa55word.example", "https://",
        "https://[pa55word", "https://hub.example:pa55word", "https://hub.example/\npa55word", "https://hüb.pa55word",
        "https://me%3Apa55word%40hub.example", "https://me%3apa55word%40hub.example:443/a", "file:///pa55word", "https://me:pa55word℀@hub.example",
    ],
)  # fmt: skip
@pytest.mark.parametrize("ask", [endpoint.require_sound, hub.api.__wrapped__, lambda: hub.call("it", lambda: 1)])
def test_an_address_that_nothing_may_be_asked_at_is_refused_without_repeating_it(monkeypatch, given, ask):
    monkeypatch.setenv("HF_ENDPOINT", given)
    with pytest.raises(InputError, match="HF_ENDPOINT") as refused:
        ask()
    assert "pa55" not in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize("given", ["", "https://huggingface.co", "https://mirror.example/hf", "http://127.0.0.1:8000/"])
def test_an_address_is_taken(monkeypatch, given):
    monkeypatch.setenv("HF_ENDPOINT", given)
    endpoint.require_sound()


CLEAR = {
    "http://hub.example": True, "http://10.0.0.1:80": True, "http://[2001:db8::1]": True, "http://0.0.0.0:1": True,
    "http://localhost.evil.example": True, "http://127.0.0.1.evil.example": True, "http://127.1": True,
    "http://localhost:8000": False, "http://LOCALHOST": False, "http://127.0.0.1": False, "http://127.8.9.1": False,
    "http://[::1]:8000": False, "https://hub.example": False, "https://10.0.0.1": False,
}  # fmt: skip


@pytest.mark.parametrize(("address", "clear"), CLEAR.items())
def test_plain_http_beyond_this_machine_is_clear_text(address, clear):
    assert endpoint.in_clear(address) is clear


@pytest.fixture
def afar(online, monkeypatch):
    """The small Hub under a name that is not this machine's."""
    from huggingface_hub import constants

    resolve = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, *rest, **named: resolve(
            "127.0.0.1" if host in ("hub.test", b"hub.test") else host, *rest, **named)
    )  # fmt: skip
    seen = []
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_IMPLICIT_TOKEN", False)
    watch(online, monkeypatch, seen)
    lead_to(online.url.replace("127.0.0.1", "hub.test"), monkeypatch)
    online.sent = seen
    return online


def watch(online, monkeypatch, seen):
    """Collects what the small Hub is sent as Authorization."""
    handler = online.listener.RequestHandlerClass
    parse = handler.parse_request

    def parsed(self):
        done = parse(self)
        seen.append(self.headers.get("Authorization"))
        return done

    monkeypatch.setattr(handler, "parse_request", parsed)


def everything(online, tmp_path):
    """Asks for what is public: a dataset, a listing, a file."""
    sha = repositories.head(REPOSITORY)
    for name, file in repositories.listing(REPOSITORY, sha).items():
        repositories.fetch(REPOSITORY, sha, file, tmp_path / name)


def test_without_a_token_plain_http_works(afar, tmp_path, monkeypatch):
    afar.create(REPOSITORY)
    afar.commit(REPOSITORY, {"a.txt": b"public"})
    monkeypatch.delenv("HF_TOKEN")
    everything(afar, tmp_path)
    assert (tmp_path / "a.txt").read_bytes() == b"public" and set(afar.sent) == {None}


def test_a_token_is_not_sent_over_plain_http_but_what_is_public_is_read(afar, tmp_path):
    afar.create(REPOSITORY)
    afar.commit(REPOSITORY, {"a.txt": b"public"})
    everything(afar, tmp_path)
    assert (tmp_path / "a.txt").read_bytes() == b"public"
    with pytest.raises(InputError, match=r"not sent.*ISOSCALE_INSECURE_HUB=1"):
        repositories.require_writable(REPOSITORY, private=False)
    with pytest.raises(InputError, match=r"without a token.*not sent"):
        hub.call("the token's owner", lambda: hub.api().whoami(token="hf_write"))
    assert hub.token() is None and afar.sent and set(afar.sent) == {None}


def test_a_private_repository_over_plain_http_says_why_it_is_not_seen(afar):
    afar.create(REPOSITORY, private=True)
    with pytest.raises(InputError, match=r"refuses .* without a token .*HF_TOKEN is not sent to HF_ENDPOINT"):
        repositories.head(REPOSITORY)


def test_the_doctor_says_that_no_token_is_sent(afar):
    found = {line.about: line for line in remote.look(remote.ask())}
    assert found["token"].verdict == "warn" and "HF_TOKEN is not sent" in found["token"].says
    assert set(afar.sent) <= {None}


def test_the_environment_may_allow_it(afar, monkeypatch):
    monkeypatch.setenv("ISOSCALE_INSECURE_HUB", "1")
    assert hub.call("the token's owner", lambda: hub.api().whoami())["name"]
    assert "Bearer hf_write" in afar.sent


@pytest.mark.parametrize("value", ["0", "", "true", "yes"])
def test_nothing_but_1_allows_it(afar, monkeypatch, value):
    monkeypatch.setenv("ISOSCALE_INSECURE_HUB", value)
    assert hub.token() is None


def test_on_loopback_a_token_is_sent(online, monkeypatch):
    seen = []
    watch(online, monkeypatch, seen)
    repositories.require_writable(REPOSITORY, private=False)
    assert "Bearer hf_write" in seen


def test_a_redirection_to_plain_http_carries_no_token(online, monkeypatch):
    from huggingface_hub.utils import httpx

    hub.api()
    request = httpx.Request("GET", "http://hub.example/x", headers={"Authorization": "Bearer hf_write"})
    hub._withhold(request)
    assert "authorization" not in request.headers


@pytest.mark.parametrize("token", ["hf_a\x01b", "hf_a b", "hf_ä", "hf_a\tb"])
def test_a_token_that_no_request_can_carry_is_refused_without_repeating_it(online, monkeypatch, token):
    monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(InputError, match="contains a character that no token has") as refused:
        repositories.require_writable(REPOSITORY, private=False)
    assert token not in str(refused.value) and "hf_a" not in str(refused.value)


TOKEN = "hf_" + "aB3dE6gH9" * 3


@pytest.mark.parametrize(
    "given",
    [
        TOKEN, f"{TOKEN}/runs", f"me/{TOKEN}", f"https://huggingface.co/{TOKEN}", f"https://huggingface.co/me/{TOKEN}",
        f"https://evil.example/{TOKEN}/x", f"me:{TOKEN}@host/x", f"me /{TOKEN}", "hf_short", f"{TOKEN}\n",
        "0123456789abcdef0123456789abcdef01234567", "https://huggingface.co/me/x?token=pa55word", "https://me:pa55word@evil.example/a",
        "me:pa55word/runs",
    ],
)  # fmt: skip
def test_a_token_in_place_of_the_repository_is_refused_without_repeating_it(monkeypatch, given):
    monkeypatch.setenv("HF_REPOSITORY", given)
    with pytest.raises(InputError, match="neither owner/name nor the address") as refused:
        hub.repository()
    assert not any(part in str(refused.value) for part in (TOKEN, "hf_short", "0123456789", "pa55word"))


def test_the_own_token_s_value_is_no_repository(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "secret-of-mine")
    monkeypatch.setenv("HF_REPOSITORY", "me/secret-of-mine")
    with pytest.raises(InputError) as refused:
        hub.repository()
    assert "secret-of-mine" not in str(refused.value)


@pytest.mark.parametrize("given", ["a b", "a/b/c", "plain", "hugging/face/x"])
def test_any_other_bad_repository_is_named(monkeypatch, given):
    monkeypatch.setenv("HF_REPOSITORY", given)
    with pytest.raises(InputError, match=f"HF_REPOSITORY={given} is neither"):
        hub.repository()
