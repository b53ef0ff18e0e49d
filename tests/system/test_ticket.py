"""Tickets: of many processes that want a run one gets it, and one that is silent for too long loses it."""

import os
import subprocess
import sys
import threading
import time

import pytest

from app.errors import Held
from app.system import ticket
from app.system.ticket import FREE, Holder, Ticket

LASTS = 100


@pytest.fixture
def on(monkeypatch):
    """Make the tickets of this process those of a process on another machine."""

    def on(host, boot="0" * 8):
        monkeypatch.setattr(ticket, "_host", lambda: host)
        monkeypatch.setattr(ticket, "_boot", lambda: boot)

    return on


def names(folder):
    return [path.name for path in folder.iterdir()]


def aged(folder, seconds):
    """Let the last renewal of a claim be so long ago."""
    (path,) = folder.iterdir()
    then = time.time() - seconds
    os.utime(path, (then, then))


def test_a_run_is_claimed_once_and_again_when_it_is_given_back(tmp_path, on):
    on("alpha")
    first = Ticket(tmp_path / "run", LASTS)
    assert first.take() is None and first.is_mine() and not first.taken_over
    on("beta")
    second = Ticket(tmp_path / "run", LASTS)
    holder = second.take()
    assert (holder.host, holder.process, holder.lasts) == ("alpha", os.getpid(), LASTS)
    assert ticket.holders(tmp_path) == {"run": holder}
    first.give_back()
    assert names(tmp_path / "run") == [FREE] and ticket.holders(tmp_path) == {}
    assert second.take() is None and not second.taken_over


def test_a_claim_that_is_not_renewed_is_taken_over_and_its_holder_must_stop(tmp_path, on):
    on("alpha")
    first = Ticket(tmp_path / "run", LASTS)
    first.take()
    aged(tmp_path / "run", LASTS - 1)
    on("beta")
    second = Ticket(tmp_path / "run", LASTS)
    assert second.take()
    first.renew()
    aged(tmp_path / "run", LASTS + 1)
    assert ticket.holders(tmp_path) == {}
    assert second.take() is None and second.taken_over
    with pytest.raises(Held, match=r"beta, since .*took over"):
        first.require()
    first.renew()
    first.give_back()
    second.require()
    assert len(names(tmp_path / "run")) == 1


def test_a_recent_look_counts_for_small_writes_only(tmp_path, on):
    on("alpha")
    first = Ticket(tmp_path / "run", LASTS)
    first.take()
    first.require()
    for path in (tmp_path / "run").iterdir():
        path.rename(path.with_name(Holder("beta", 1, "0" * 8, 1, LASTS).name))
    first.require(recent=True)
    with pytest.raises(Held):
        first.require()


def test_a_free_ticket_that_is_old_is_fresh_once_it_is_claimed(tmp_path, on):
    """A rename keeps a file's time: the claim would be void at once."""
    on("alpha")
    Ticket(tmp_path / "run", LASTS).take()
    (path,) = (tmp_path / "run").iterdir()
    path.rename(path.with_name(FREE))
    aged(tmp_path / "run", 10 * LASTS)
    assert Ticket(tmp_path / "run", LASTS).take() is None
    on("beta")
    assert Ticket(tmp_path / "run", LASTS).take()


def test_a_claim_of_a_process_of_this_machine_that_ended_is_void_at_once(tmp_path):
    program = (
        "import os, sys; from pathlib import Path; from app.system.ticket import Ticket; "
        "assert Ticket(Path(sys.argv[1]), 1000).take() is None; os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", program, str(tmp_path / "run")], check=False).returncode == 9
    assert ticket.holders(tmp_path) == {}
    again = Ticket(tmp_path / "run", LASTS)
    assert again.take() is None and again.taken_over


def test_of_many_at_once_one_gets_the_run(tmp_path, on):
    """Each thread is another machine, as far as names go; the run is free, then expired, again and again."""
    on("many")
    for turn in range(30):
        folder = tmp_path / f"run{turn // 2}"
        if turn % 2:
            aged(folder, 10 * LASTS)
        tickets = [Ticket(folder, LASTS) for _ in range(8)]
        for number, each in enumerate(tickets):
            each._name = Holder(f"host{turn}-{number}", 1, "1" * 8, 1, LASTS).name
        got, begin = [], threading.Barrier(len(tickets))

        def work(each, got=got, begin=begin):
            begin.wait()
            got.append(each.take() is None)

        threads = [threading.Thread(target=work, args=(each,)) for each in tickets]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        assert sum(got) == 1 and sum(each.is_mine() for each in tickets) == 1
        assert len(names(folder)) == 1


def test_a_rename_whose_answer_was_lost_is_no_loss(tmp_path, on, monkeypatch):
    """A network file system repeats the call, and reports that the source is missing."""
    on("alpha")
    rename = os.rename

    def repeated(source, target):
        rename(source, target)
        raise FileNotFoundError(source)

    first = Ticket(tmp_path / "run", LASTS)
    ticket._make(tmp_path / "run")
    monkeypatch.setattr(os, "rename", repeated)
    assert first.take() is None and first.is_mine()


def test_the_tickets_of_a_finished_study_go_and_claims_stay(tmp_path, on):
    on("alpha")
    first, second = Ticket(tmp_path / "claims" / "a", LASTS), Ticket(tmp_path / "claims" / "b", LASTS)
    first.take(), second.take()
    first.give_back()
    ticket.clear(tmp_path / "claims")
    assert names(tmp_path / "claims") == ["b"]
    second.give_back()
    ticket.clear(tmp_path / "claims")
    assert names(tmp_path) == []
