"""The Hub's clock is read from its answers, and a machine whose own is wrong hears of it."""

import time
from types import SimpleNamespace

import pytest

from app.doctor import remote
from app.system import clock, repositories


def answer(url, **headers):
    return SimpleNamespace(request=SimpleNamespace(url=f"http://{url}/x"), headers=headers)


@pytest.mark.parametrize("ahead", [7200.0, -7200.0, 400 * 86400.0])
def test_the_time_is_the_hub_s_and_a_wrong_clock_is_reported(online, ahead):
    online.create("tester/runs")
    online.ahead = ahead
    assert clock.warning() == "" and abs(clock.now() - time.time()) < 1  # nobody was asked yet
    repositories.head("tester/runs")
    assert abs(clock.now() - time.time() - ahead) < 3
    direction = "behind" if ahead > 0 else "ahead of"
    assert f"{clock.duration(abs(ahead))} {direction} the Hub's" in clock.warning()


def test_a_clock_that_agrees_to_a_minute_is_not_mentioned(online):
    online.create("tester/runs")
    online.ahead = 50.0
    repositories.head("tester/runs")
    assert clock.warning() == ""


def test_a_refusal_tells_the_time_too(online):
    online.ahead = 7200.0
    online.fault("GET /api/models", status=404)
    with pytest.raises(ValueError, match="nothing there"):
        repositories.head("tester/absent")
    assert "behind" in clock.warning()


def test_other_hosts_cached_answers_and_dates_that_are_none_tell_no_time(online):
    host, date = online.url.removeprefix("http://"), "Sat, 01 Jan 2000 00:00:00 GMT"
    for strange in (
        answer("cdn.example.org", Date=date), answer(host, Date=date, Age="9000"), answer(host), answer(host, Date=""),
        answer(host, Date="yesterday"), answer(host, Date="Sat, 01 Jan 99999 00:00:00 GMT"),
    ):  # fmt: skip
        clock.note(strange)
    assert abs(clock.now() - time.time()) < 1
    clock.note(answer(host, Date=date))
    assert clock.warning() != ""


def test_one_late_answer_does_not_set_the_time_back(online):
    online.create("tester/runs")
    for late in (0.0, -40.0, 0.0, -3000.0):
        online.ahead = late
        repositories.head("tester/runs")
    assert abs(clock.now() - time.time()) < 3


@pytest.mark.parametrize(("by", "verdict"), [(0, "pass"), (-59, "pass"), (61, "warn"), (-299, "warn"), (-301, "fail")])
def test_doctor_warns_of_a_minute_and_fails_at_five(by, verdict):
    assert remote.clock(remote.Answer(theirs=1000.0, ours=1000.0 + by)).verdict == verdict


def test_durations_and_times_are_for_a_reader():
    texts = [clock.duration(seconds) for seconds in (-3, 45, 900, 7500, 7200, 40 * 86400)]
    assert texts == ["0 s", "45 s", "15 min", "2 h 5 min", "2 h", "40 days"]
    assert clock.utc(0) == "1970-01-01 00:00:00 UTC" and "after 1970" in clock.utc(1e40)


@pytest.mark.parametrize(("address", "asked"), [
    ("https://Hub.Example", "https://hub.example/x"), ("https://hub.example:443/a", "https://hub.example/x"),
    ("http://hub.example:80", "http://hub.example/x"), ("https://hub.example/", "https://hub.example:443/x"),
])  # fmt: skip
def test_one_hub_has_one_clock_however_its_address_is_written(monkeypatch, address, asked):
    from huggingface_hub import constants
    from huggingface_hub.utils import httpx

    monkeypatch.setattr(constants, "ENDPOINT", address)
    monkeypatch.setattr(clock, "_ahead", type(clock._ahead)(clock._ahead.default_factory))
    date = "Sat, 01 Jan 2000 00:00:00 GMT"
    clock.note(httpx.Response(200, headers={"Date": date}, request=httpx.Request("GET", asked)))
    assert abs(clock.now() - 946_684_800) < 5


@pytest.mark.parametrize("date", ["", "x", "Sat, 01 Jan 99999 00:00:00 GMT", "Sat, 01 Jan 2000 00:00:00 +9999999999"])
def test_a_date_that_is_none_is_none(date):
    assert clock.date_of(SimpleNamespace(headers={"Date": date})) is None


def test_a_date_of_no_zone_is_not_read_in_this_machine_s(monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        found = clock.date_of(SimpleNamespace(headers={"Date": "Sat, 01 Jan 2000 00:00:00 -0000"}))
    finally:
        monkeypatch.undo()
        time.tzset()
    assert found == 946_684_800
