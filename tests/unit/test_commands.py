"""What operators do: judged, refused with a reason, written down before anything follows, done again at its tick."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from scenes import T0, S, every_second, fold, ladder, square, started

from crowdwatch.analytics.coverage import view_site
from crowdwatch.core.reasons import Code
from crowdwatch.core.records import OperatorAction, Tick
from crowdwatch.core.runs import Command, CommandKind, Mode, Run
from crowdwatch.drivers.clock import PacedClock
from crowdwatch.drivers.inlet import Journaled
from crowdwatch.drivers.lifecycle import StoreSink, go_back
from crowdwatch.drivers.loop import Loop
from crowdwatch.drivers.outbox import Outbox
from crowdwatch.drivers.streams import LoggedStream
from crowdwatch.drivers.totals import RunTotals
from crowdwatch.errors import StoreBusy
from crowdwatch.store.journal import ActionJournal
from crowdwatch.store.log import LogReader, LogWriter
from crowdwatch.store.sql import SqlStore

SECONDS, ACKNOWLEDGED = 40, 25
RUN = Run("r", "square", Mode.REPLAY, "{}", "", T0, T0 + SECONDS * S, 0)
SITE = square(limits=ladder(0.05, 0.1, 0.15))


def crowd(second):
    """A person more every two seconds: the level climbs from WATCH to ALERT."""
    return np.array([[-3.5 + 0.3 * n, 3.0] for n in range(int(second) // 2)]).reshape(-1, 2)


EVENTS = every_second(crowd, SECONDS)


@pytest.fixture
def store(tmp_path):
    opened = SqlStore(f"sqlite:///{tmp_path}/store.sqlite")
    opened.begin(RUN)
    yield opened
    opened.close()


def acknowledge(store, level, zone_id="z"):
    return store.submit(Command("r", CommandKind.ACKNOWLEDGE, "ana", 0, zone_id, "crowding", float(level)))


def folded(store, progress=lambda t_ns: None, *, events=EVENTS, log=None, state=None, journaled=None, speed=0.0):
    totals, clock = RunTotals(), PacedClock(speed)
    with Outbox(store, "r") as outbox:
        loop = Loop(
            store, "r", clock, threading.Event(), log, StoreSink(outbox), totals, progress, zone_ids={"z"},
            journaled=journaled or Journaled(),
        )  # fmt: skip
        loop.run(state or started(SITE), LoggedStream(events), T0)
        outbox.flush()
    return totals


def rows(tmp_path, *values):
    """Rows that no page of ours wrote."""
    with sqlite3.connect(tmp_path / "store.sqlite") as raw:
        for kind, zone_id, value, actor in values:
            raw.execute(
                "INSERT INTO commands (run_id, kind, actor, wall_ns, zone_id, alarm, value) VALUES ('r',?,?,?,?,?,?)",
                (kind, actor, "yesterday", zone_id, "crowding", value),
            )
    raw.close()


DAMAGED = {
    ("acknowledge", "z", None, "ana"): Code.REFUSED_VALUE,
    ("acknowledge", "z", "four", "ana"): Code.REFUSED_VALUE,
    ("acknowledge", "z", 1e400, "ana"): Code.REFUSED_VALUE,
    ("acknowledge", "z", 2.5, "ana"): Code.REFUSED_LEVEL,
    ("acknowledge", "z", 9.0, "ana"): Code.REFUSED_LEVEL,
    ("acknowledge", "z", -1.0, "ana"): Code.REFUSED_LEVEL,
    ("acknowledge", "nowhere", 3.0, "ana"): Code.REFUSED_ZONE,
    ("sing", "z", 3.0, "ana"): Code.REFUSED_KIND,
    (b"\xff\xfe", "z", 3.0, b"\xc3"): Code.REFUSED_KIND,
    ("speed", "", None, "ana"): Code.REFUSED_VALUE,
    ("speed", "", -2.0, "ana"): Code.REFUSED_VALUE,
}


def test_damaged_commands_are_refused_with_their_reason_and_the_run_goes_on(store, tmp_path):
    rows(tmp_path, *DAMAGED)
    good = acknowledge(store, 3)
    totals = folded(store, lambda t_ns: None)
    assert totals.ticks == SECONDS
    assert store.pending("r") == []
    late, refused = store.refused("r")[0], store.refused("r")[:0:-1]
    assert (late.command_id, late.refused[0].code) == (good, Code.REFUSED_OVER), "nothing was raised yet"
    assert [command.refused[0].code for command in refused] == list(DAMAGED.values())
    assert {command.sequenced_t_ns for command in refused} == {T0}


def test_a_resume_does_not_take_refused_commands_again(store, tmp_path):
    rows(tmp_path, *DAMAGED)
    folded(store, events=EVENTS[:4])
    store.rewind("r", 0)
    assert store.pending("r") == []
    assert len(store.refused("r")) == len(DAMAGED)


def test_a_store_that_cannot_be_asked_ends_nothing_and_no_command_is_done_twice(store, caplog, monkeypatch):
    monkeypatch.setattr("crowdwatch.drivers.inlet.AGAIN_S", 0.0)
    acknowledge(store, 3)
    marked, sequenced, fails = [], store.sequenced, [True, True, False]

    def failing(command_id, t_ns, refused=None):
        marked.append(t_ns)
        if fails.pop(0):
            raise StoreBusy("store: another process holds it.")
        sequenced(command_id, t_ns, refused)

    store.sequenced = failing
    done = []
    folded(store, journaled=Journaled(done.append))
    assert [action.t_ns for action in done] == [T0]
    assert marked == [T0, T0, T0]
    assert store.pending("r") == []
    assert caplog.text.count("cannot be taken or answered") == 1


KILLED = """
import os, signal, sys
from crowdwatch.drivers.lifecycle import begun
from test_commands import *
folder = Path(sys.argv[1])
store = SqlStore(f"sqlite:///{folder}/store.sqlite")
log = LogWriter(folder / "log", "{}", event_id="square", part_s=10)

def progress(t_ns):
    if t_ns == T0 + (ACKNOWLEDGED - 1) * S:
        acknowledge(store, 3)
    if t_ns == T0 + (ACKNOWLEDGED + 4) * S:
        os.kill(os.getpid(), signal.SIGKILL)

folded(store, progress, log=log, journaled=begun(folder / "log"))
"""


def acknowledged(store):
    return [(a.t_ns, a.level, a.cause) for a in store.alerts("r") if a.transition == "acknowledged"]


def test_after_sigkill_an_acknowledgement_is_at_the_same_tick_and_level(store, tmp_path):
    """It lies in the part of the log that the kill loses; the log before it ends five seconds earlier."""
    here = Path(__file__).parent
    path = os.pathsep.join([str(here), str(here.parent), os.environ.get("PYTHONPATH", "")])
    words = [sys.executable, "-c", KILLED, str(tmp_path)]
    done = subprocess.run(words, check=False, env={**os.environ, "PYTHONPATH": path})
    assert done.returncode == -signal.SIGKILL
    log = LogWriter(tmp_path / "log", "{}", event_id="square", resume=True)
    last_ns = log.last_tick_ns
    assert last_ns == T0 + 20 * S, "the acknowledgement must be in the part that was lost"
    (action,) = ActionJournal(tmp_path / "log").read()
    assert (action.t_ns, action.seen_level) == (T0 + ACKNOWLEDGED * S, 3)
    totals = RunTotals()
    with Outbox(store, "r") as outbox:
        state, journaled = go_back(store, RUN, tmp_path / "log", view_site(SITE), totals, StoreSink(outbox))
        outbox.flush()
    assert store.pending("r") == []
    rest = [event for event in EVENTS if event.t_ns > last_ns]
    folded(store, events=rest, log=log, state=state, journaled=journaled)
    log.close(complete=True)
    assert acknowledged(store) == [(T0 + ACKNOWLEDGED * S, 3, "ana")]
    logged = [event for event in LogReader(tmp_path / "log").events() if isinstance(event, OperatorAction)]
    assert logged == [action]
    at = next(n for n, event in enumerate(EVENTS) if isinstance(event, Tick) and event.t_ns == action.t_ns)
    whole = fold(started(SITE), [*EVENTS[:at], action, *EVENTS[at:]])[1]
    assert repr(store.alerts("r")[::-1]) == repr([alert for outcome in whole for alert in outcome.alerts])


def test_a_command_that_no_engine_took_waits_for_the_time_at_which_it_was_given(store):
    """It was queued when the killed run had come to 20 s; the run goes on from its start."""
    acknowledge(store, 2)
    done = []
    folded(store, journaled=Journaled(done.append, not_before_ns=T0 + 20 * S))
    assert [action.t_ns for action in done] == [T0 + 20 * S]


def test_the_journal_passes_over_what_a_kill_tore(tmp_path, caplog):
    journal = ActionJournal(tmp_path)
    actions = [OperatorAction(n, T0 + n, "acknowledge", "z", "crowding", "安娜\n[b]", 3) for n in (1, 2, 3)]
    journal.add(actions[0])
    journal.add(actions[1])
    whole = journal.path.read_bytes()
    journal.path.write_bytes(whole[:-20])
    journal.add(actions[2])
    assert journal.read() == [actions[0], actions[2]]
    assert "line 2 is passed over" in caplog.text
    journal.path.write_bytes(whole.replace(b"crowding", b"growding", 1))
    assert journal.read() == [actions[1]]


def test_what_people_did_is_on_the_disk_when_the_call_returns(store):
    def safety(engine):
        with engine.begin() as connection:
            return connection.exec_driver_sql("PRAGMA synchronous").scalar()

    full, normal = 2, 1
    assert [safety(store._durable), safety(store._writes), safety(store._reads), safety(store._durable)] == [
        full, normal, normal, full,
    ]  # fmt: skip
    used = []
    sa.event.listen(
        store._reads,
        "commit",
        lambda c: used.append(c.connection.driver_connection.execute("PRAGMA synchronous").fetchone()[0]),
    )
    command_id = acknowledge(store, 2)
    store.sequenced(command_id, T0)
    assert used == [full, full]
    outcomes = fold(started(SITE), EVENTS)[1]
    store.write("r", outcomes[:1])
    assert used[2:] == [normal]
    state, _ = fold(started(SITE), EVENTS[:30])
    action = OperatorAction(1, T0 + 15 * S, "acknowledge", "z", "crowding", "ana", 4)
    _, (after,) = fold(state, [action, *EVENTS[30:32]])
    assert [alert.transition for alert in after.alerts] == ["acknowledged"]
    store.write("r", [after])
    assert used[3:] == [full]
