"""The log of a live run: whole ticks, also after a kill; a journal that is damaged loses no more than it held."""

import shutil
import stat
from pathlib import Path

import numpy as np
import pytest
from scenes import T0, S, every_second, fold, see, square, started

from crowdwatch.core.records import OperatorAction, Tick
from crowdwatch.drivers.live.memory import _packed, program, read_state, state_bytes
from crowdwatch.errors import LogCorrupt, StoreUnavailable
from crowdwatch.store.live_journal import JOURNAL, LiveJournal
from crowdwatch.store.live_log import LiveLog
from crowdwatch.store.log import LogReader

EVENTS = every_second(lambda second: np.array([[0.0, 2.0 + second / 20], [1.0, 3.0]]), 100)


def written(folder, events, **more):
    """A log as a kill leaves it: nothing is closed."""
    log = LiveLog(folder, "{}", **more)
    for event in events:
        log.append(event)
    return log


def killed(folder, log):
    """What is on the disk now, as another machine would find it."""
    copy = folder.with_name(folder.name + "-killed")
    shutil.copytree(folder, copy)
    log.close(complete=False)
    return copy


def same(one, other):
    return list(map(repr, one)) == list(map(repr, other)) and len(one) > 0


def test_after_a_kill_everything_up_to_the_last_tick_is_there(tmp_path):
    action = OperatorAction(1, T0 + 90 * S, "acknowledge", "z", "crowding", "ana", 2)
    events = [*EVENTS[:180], action, *EVENTS[180:182], see(T0 + 91 * S, np.zeros((1, 2)))]
    folder = killed(tmp_path / "log", written(tmp_path / "log", events))
    reader = LogReader(folder)
    assert same(list(reader.events()), events[:-1])
    assert (reader.last_tick_ns, reader.observation_count) == (T0 + 90 * S, 91)
    assert not reader.complete
    assert len(list(folder.glob("timeline/*"))) >= 1, "some of it is in closed parts"
    assert same(list(reader.events(150)), events[150:-1])
    assert [o.t_ns for o in reader.observations(from_ns=T0 + 89 * S)] == [T0 + 89 * S, T0 + 90 * S]

    going_on = LiveLog(folder, "{}", resume=True)
    assert going_on.last_tick_ns == T0 + 90 * S
    for event in EVENTS[182:]:
        going_on.append(event)
    assert same(list(going_on.events()), [*events[:-1], *EVENTS[182:]])
    going_on.close(complete=True)
    reader = LogReader(folder)
    assert same(list(reader.events()), [*events[:-1], *EVENTS[182:]])
    assert reader.complete
    assert not list(folder.glob(f"{JOURNAL}*"))


@pytest.mark.parametrize("part_s", [1.0, 7.0, 1000.0])
def test_killed_again_and_again_it_is_one_log(tmp_path, part_s):
    folder, done = tmp_path / "log", 0
    for number, until in enumerate((2, 20, 21, 40, 80, 200)):
        log = LiveLog(folder, "{}", resume=number > 0, part_s=part_s)
        for event in EVENTS[done:until]:
            log.append(event)
        done = until - until % 2
        folder = killed(folder, log)
    assert same(list(LogReader(folder).events()), EVENTS)


def test_what_is_closed_is_not_kept_twice(tmp_path):
    log = written(tmp_path / "log", EVENTS)
    journal = LiveJournal(tmp_path / "log")
    numbers = [number for number, _ in journal.events()]
    assert 0 < len(numbers) < len(EVENTS)
    assert numbers[-1] == len(EVENTS) - 1
    journal.close()
    log.close(complete=False)
    journal = LiveJournal(tmp_path / "log")
    assert list(journal.events()) == []
    journal.close()


def test_only_its_user_can_read_it(tmp_path):
    written(tmp_path / "log", EVENTS[:10]).close(complete=False)
    assert stat.S_IMODE((tmp_path / "log" / JOURNAL).stat().st_mode) == 0o600


@pytest.mark.parametrize("damage", ["no database", "a page", "another version"])
def test_a_damaged_journal_is_moved_aside_and_said(tmp_path, damage):
    folder = killed(tmp_path / "log", written(tmp_path / "log", EVENTS, part_s=20.0))
    path = folder / JOURNAL
    journal = LiveJournal(folder)
    if damage == "another version":
        journal._file.execute("PRAGMA user_version=99")
    journal.close()  # the write-ahead log goes into the file
    content = path.read_bytes()
    if damage == "no database":
        path.write_bytes(b"x" * len(content))
    if damage == "a page":
        path.write_bytes(content[:4096] + b"\xff" * 60000 + content[64096:])
    with pytest.raises(LogCorrupt, match="journal"):
        LogReader(folder)
    log = LiveLog(folder, "{}", resume=True)
    assert "the last minute before the restart is lost" in log.lost
    assert 20 <= len(list(log.events())) < len(EVENTS)
    assert (folder / f"{JOURNAL}.damaged-1").exists()
    assert list(log.snapshots()) == []
    log.append(Tick(T0 + 1000 * S, ()))
    assert log.last_tick_ns == T0 + 1000 * S
    log.close(complete=True)


def test_one_process_writes(tmp_path):
    log = written(tmp_path / "log", EVENTS[:10])
    with pytest.raises(StoreUnavailable, match="another process is writing it"):
        LiveLog(tmp_path / "log", "{}", resume=True)
    log.close(complete=False)


def test_two_snapshots_are_kept_with_the_alerts_before_them(tmp_path):
    log = written(tmp_path / "log", EVENTS[:10])
    for number in range(4):
        log.keep(T0 + number, "p", f"{number}", bytes([number]), [f"a{number}"])
        log.append(Tick(T0 + (60 + number) * S, ()))
    assert [(s.t_ns - T0, s.facts, s.state) for s in log.snapshots()] == [(3, "3", b"\x03"), (2, "2", b"\x02")]
    assert log.alert_ids(3) == ["a0", "a1", "a2"]
    assert log.alert_ids(9) == ["a0", "a1", "a2"], "those after them are forgotten"
    log._journal._file.execute("UPDATE snapshots SET state = x'00' WHERE t_ns = ?", (T0 + 3,))
    assert [s.t_ns - T0 for s in log.snapshots()] == [2], "a damaged one is passed over"
    log.close(complete=False)


@pytest.mark.parametrize("at", [2, 60, 140])
def test_a_state_goes_on_from_its_bytes_as_if_nothing_had_been(at):
    whole = started(square())
    before, _ = fold(whole, EVENTS[:at])
    back = read_state(state_bytes(before), whole.view)
    assert back.view is whole.view
    assert back.coverage.views["c"] is whole.view.cameras["c"], "what follows from the event file is shared"
    _, expected = fold(before, EVENTS[at:])
    _, found = fold(back, EVENTS[at:])
    assert list(map(repr, found)) == list(map(repr, expected))
    assert [o.grid.rho_p_m2.tobytes() for o in found] == [o.grid.rho_p_m2.tobytes() for o in expected]


class Harmful:
    def __reduce__(self):
        return Path.unlink, (Path("/nowhere"),)


def test_bytes_that_are_no_state_are_refused():
    import pickle

    view = started(square()).view
    for made in (b"", b"x" * 100, pickle.dumps(Harmful()), pickle.dumps({"a": 1}), pickle.dumps(print)):
        with pytest.raises(LogCorrupt, match="snapshot of the state"):
            read_state(_packed(made), view)
    whole = state_bytes(started(square()))
    for content in (b"", b"x" * 100, whole[:-9], b"\xff" + whole[1:]):
        with pytest.raises(LogCorrupt, match="snapshot of the state"):
            read_state(content, view)
    assert len(program()) == 64
