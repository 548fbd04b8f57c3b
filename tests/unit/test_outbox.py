"""A store that is held, gone or full: what was found waits and is written in order and once, or ends the run loudly."""

import sqlite3
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
import sqlalchemy as sa
from scenes import T0, S, every_second, fold, square, started

from crowdwatch.core.runs import Mode, Run, RunState
from crowdwatch.drivers import lifecycle
from crowdwatch.drivers import outbox as outboxes
from crowdwatch.drivers.board import Board
from crowdwatch.drivers.clock import PacedClock
from crowdwatch.drivers.lifecycle import StoreSink, closing_run
from crowdwatch.drivers.loop import Loop
from crowdwatch.drivers.outbox import Outbox
from crowdwatch.drivers.patience import patiently
from crowdwatch.drivers.streams import LoggedStream
from crowdwatch.drivers.totals import RunTotals
from crowdwatch.errors import StoreBusy, StoreUnavailable
from crowdwatch.store.sql import SqlStore

TICKS = 40
RUN = Run("r", "square", Mode.REPLAY, "{}", "/runs/r", T0, T0 + TICKS * S, 0)
EVENTS = every_second(lambda second: np.array([[0.0, 2.0 + second / 20]]), TICKS)


@pytest.fixture
def outcomes():
    return fold(started(square()), EVENTS)[1]


@pytest.fixture
def store(tmp_path):
    opened = SqlStore(f"sqlite:///{tmp_path}/store.sqlite", busy_timeout_s=0.05)
    opened.begin(RUN)
    yield opened
    opened.close()


@pytest.fixture
def held(tmp_path):
    """Another process holds the file until the fixture's function is called."""
    holder = sqlite3.connect(tmp_path / "store.sqlite", isolation_level=None, check_same_thread=False)

    def hold():
        holder.execute("BEGIN EXCLUSIVE")

    yield hold, lambda: holder.execute("ROLLBACK")
    holder.close()


def run_of(store, outbox, outcomes):
    """A run that hands these outcomes over and ends."""
    with closing_run(store, RUN, PacedClock(), threading.Event(), outbox, list):
        outbox.put(outcomes)


def put_each(outbox, outcomes):
    for outcome in outcomes:
        outbox.put([outcome])


def times(store):
    return [reading.t_ns for reading in store.readings("r")]


def wait_for(what, seconds=30):
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_what_was_found_while_the_store_was_held_is_written_once_and_in_order(store, held, outcomes, caplog):
    hold, release = held
    written = []
    write = store.write
    store.write = lambda run_id, some: (write(run_id, some), written.extend(each.t_ns for each in some))
    board, told = Board(), []
    with Outbox(store, "r", board, written=told.append) as outbox:
        outbox.put(outcomes[:5])
        outbox.flush()
        hold()
        outbox.put(outcomes[5:6])
        wait_for(lambda: board.ailing("store"))
        for outcome in outcomes[6:]:
            outbox.put([outcome])
        assert outbox.written_ns == T0 + 4 * S
        assert "Another process holds the file" in board.message
        release()
        outbox.flush()
        assert outbox.written_ns == T0 + (TICKS - 1) * S
    assert (told == sorted(told), told[-1]) == (True, T0 + (TICKS - 1) * S), "it is told when the store has it"
    assert written == times(store) == [T0 + second * S for second in range(TICKS)]
    assert caplog.text.count("Another process holds the file") == 1
    assert caplog.text.count("the store answers again") == 1
    assert board.message == ""


def test_a_full_memory_ends_the_run_with_what_waits_and_what_to_do(store, held, outcomes):
    hold, _ = held
    board = Board()
    with Outbox(store, "r", board, most_ticks=10, patience_s=0.2) as outbox:
        hold()
        outbox.put(outcomes[:1])
        wait_for(lambda: board.ailing("store"))
        with pytest.raises(StoreUnavailable, match=r"holds the file.* 10 ticks wait in memory.*resume the run"):
            put_each(outbox, outcomes[1:])


def test_a_store_that_does_not_come_back_ends_the_run_as_failed(store, held, outcomes, monkeypatch):
    monkeypatch.setattr(lifecycle, "LEAVE_S", 0.2)
    hold, release = held
    outbox = Outbox(store, "r", patience_s=0.2)
    hold()
    with pytest.raises(StoreUnavailable, match="1 ticks wait in memory"):
        run_of(store, outbox, outcomes[:1])
    release()
    assert times(store) == []


def test_a_full_disk_is_said_at_once(tmp_path, outcomes):
    store = SqlStore(f"sqlite:///{tmp_path}/store.sqlite")
    store.begin(RUN)
    pages = store._reads.connect().exec_driver_sql("PRAGMA page_count").scalar()
    sa.event.listen(store._reads, "begin", lambda c: c.exec_driver_sql(f"PRAGMA max_page_count={pages}"))
    noise = np.random.default_rng(0).random((90, 90))
    big = [replace(each, grid=replace(each.grid, rho_p_m2=noise)) for each in outcomes]
    outbox = Outbox(store, "r")
    with pytest.raises(StoreUnavailable, match="The disk is full: free some space"):
        run_of(store, outbox, big)
    assert store.run("r").state is RunState.FAILED
    assert "disk is full" in store.run("r").message
    store.close()


def test_a_stop_does_not_wait_long_for_a_store_that_is_held(store, held, outcomes, monkeypatch):
    monkeypatch.setattr(outboxes, "LEAVE_S", 0.1)
    hold, _ = held
    stop = threading.Event()
    with Outbox(store, "r", stop=stop) as outbox:
        hold()
        outbox.put(outcomes[:1])
        stop.set()
        with pytest.raises(StoreUnavailable, match="ticks wait in memory"):
            outbox.flush()


def test_a_run_goes_through_a_store_that_is_held_in_its_middle(store, held):
    """The loop, its heartbeat and its commands: nothing is lost, and the run's time is never ahead of its readings."""
    hold, release = held
    board = Board()
    outbox = Outbox(store, "r", board)
    ahead = []

    def progress(t_ns):
        run = store.run("r")
        ahead.append(run.t_ns > max(times(store), default=T0))
        if t_ns == T0 + 10 * S:
            outbox.flush()
            hold()
        if t_ns == T0 + 12 * S:
            wait_for(lambda: board.ailing("store"))
        if t_ns == T0 + 30 * S:
            release()

    loop = Loop(
        store, "r", PacedClock(), threading.Event(), None, StoreSink(outbox), RunTotals(), progress, board,
        lambda: outbox.written_ns,
    )  # fmt: skip
    with closing_run(store, RUN, PacedClock(), threading.Event(), outbox, list):
        loop.run(started(square()), LoggedStream(EVENTS), T0)
    assert times(store) == [T0 + second * S for second in range(TICKS)]
    assert not any(ahead)
    run = store.run("r")
    assert (run.state, run.t_ns, run.message) == (RunState.FINISHED, T0 + (TICKS - 1) * S, "")


def test_patience_ends_with_the_error_of_the_last_try():
    tries = []

    def call():
        tries.append(1)
        raise StoreBusy(f"held, try {len(tries)}")

    with pytest.raises(StoreBusy, match="try 3"):
        patiently(call, ended=lambda: len(tries) == 3)
    with pytest.raises(StoreUnavailable, match="read-only"):
        patiently(lambda: (_ for _ in ()).throw(StoreUnavailable("read-only")))
