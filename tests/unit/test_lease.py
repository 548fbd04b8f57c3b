"""One engine drives an event; another one is refused, or stands by and takes over when the first is gone."""

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace

import pytest

from crowdwatch.core.runs import Lease
from crowdwatch.drivers.build import open_store
from crowdwatch.drivers.live import lease as leases
from crowdwatch.drivers.live.lease import LeaseKeeper, is_gone, started_of, take_lease, this_host
from crowdwatch.errors import StoreBusy, StoreError


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Twenty times as fast as a real one."""
    for name in ("RENEW_S", "GONE_S", "LOOK_S"):
        monkeypatch.setattr(leases, name, getattr(leases, name) / 20)


@pytest.fixture
def store(tmp_path):
    opened = open_store(f"sqlite:///{tmp_path}/store.sqlite")
    yield opened
    opened.close()


def until(true):
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


ELSEWHERE = Lease("event", "other", "another-machine 0000 pid:[1]", 77, 1)


def test_a_second_engine_is_refused_while_the_first_renews(store, monkeypatch):
    monkeypatch.setattr(leases, "GONE_S", 60.0)
    first = take_lease(store, "event")
    stop = threading.Event()
    with LeaseKeeper(store, first, stop):
        with pytest.raises(StoreError, match=rf"another engine drives it live, process {os.getpid()} on .*--standby"):
            take_lease(store, "event")
        assert take_lease(store, "another") is not None, "another event is another lease"
        until(lambda: store.lease("event").renewed > 5)
    assert store.lease("event") is None
    assert not stop.is_set()


def test_one_that_stands_by_takes_over_from_a_process_that_was_killed_at_once(store, monkeypatch):
    monkeypatch.setattr(leases, "GONE_S", 60.0)
    engine = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    held = Lease("event", "first", this_host(), engine.pid, started_of(engine.pid))
    store.change_lease(None, held)
    said = []
    standing = threading.Thread(
        target=lambda: said.append(take_lease(store, "event", standby=True, say=said.append)), daemon=True
    )
    standing.start()
    until(lambda: said)
    time.sleep(0.1)  # it has looked again
    assert len(said) == 1
    assert "This one stands by" in said[0]
    engine.send_signal(signal.SIGKILL)
    standing.join(60)  # it is not reaped yet: a process that has ended is gone all the same
    assert said[1].holder == store.lease("event").holder != held.holder
    engine.wait()
    engine.stdin.close()


def test_one_of_another_machine_is_waited_for_until_it_does_not_renew(store):
    store.change_lease(None, ELSEWHERE)
    began = time.monotonic()
    assert take_lease(store, "event").pid == os.getpid()
    assert time.monotonic() - began >= leases.GONE_S


def test_a_number_that_came_again_is_another_process():
    mine = Lease("event", "x", this_host(), os.getpid(), started_of(os.getpid()))
    assert not is_gone(mine)
    assert is_gone(replace(mine, pid_started=mine.pid_started + 1))
    assert not is_gone(replace(mine, host="elsewhere", pid_started=1)), "nobody knows from here"
    assert not is_gone(replace(mine, pid_started=0)), "a machine that cannot tell"


def test_an_engine_whose_lease_was_taken_ends(store):
    first, stop = take_lease(store, "event"), threading.Event()
    with LeaseKeeper(store, first, stop) as keeper:
        while not store.change_lease(store.lease("event"), ELSEWHERE):
            pass
        assert stop.wait(60)
        with pytest.raises(StoreError, match="another engine has taken it over"):
            keeper.must_hold()
    assert store.lease("event") == ELSEWHERE, "what another one holds is not given back"


def test_an_answer_that_was_lost_is_no_loss_of_the_lease(store, monkeypatch):
    """The store did what it was asked and the network broke: the next try finds its own lease, one further."""
    first, stop = take_lease(store, "event"), threading.Event()
    real, lost = store.change_lease, []

    def change(old, new):
        done = real(old, new)
        if len(lost) < 2:
            lost.append(done)
            raise StoreBusy("gone")
        return done

    monkeypatch.setattr(store, "change_lease", change)
    with LeaseKeeper(store, first, stop):
        until(lambda: store.lease("event").renewed >= 3)
        assert not stop.is_set()
    assert lost == [True, False]


def test_standing_by_ends_when_it_is_stopped(store):
    first, stop = take_lease(store, "event"), threading.Event()
    with LeaseKeeper(store, first, threading.Event()):
        threading.Timer(0.3, stop.set).start()
        assert take_lease(store, "event", standby=True, stop=stop) is None
