"""The table of faults: every row is one of its own, hits something, and says what is kept."""

import re

import pytest

from hub.cases import ALWAYS, CALLS, DONE, FIRST_STATE, ROWS, At
from hub.server import HubServer

SCENES, KEPT = {"empty", "done", "state", "whole", "evaluated"}, {"there", "here", "state", "nothing half"}


def test_every_row_has_a_name_of_its_own():
    names = [re.sub(r"\W+", "-", row.name) for row in ROWS]
    assert len(set(names)) == len(names) > 50


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_row_is_whole(row):
    assert row.scene in SCENES and row.kept in KEPT
    re.compile(row.says)
    assert (row.code == DONE) == (row.kept == "there"), "an exit that is not 0 says where everything is"
    assert row.code == DONE or row.says, "an exit that is not 0 has its sentence"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_an_order_reaches_the_hub(row):
    with HubServer() as server:
        server.create("tester/case")
        row.order(At(server, "tester/case", "run-1a2b3c4d"))
        assert server.faults or "run-1a2b3c4d" in server.repositories.all["model", "tester/case"].branches
        for fault in server.faults:
            assert "{" not in fault.match and 1 <= fault.times <= ALWAYS
            re.compile(fault.match)


def test_each_status_meets_each_call_of_an_upload():
    names = {row.name for row in ROWS}
    for call in CALLS:
        assert {f"500 on {call}", f"503 on {call}", f"429 with Retry-After 2 on {call}"} <= names
    assert FIRST_STATE in CALLS.values()
