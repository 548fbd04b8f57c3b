"""How a live run begins, goes on and ends; in simulated time."""

import shutil
import sqlite3
import threading
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from drawn import drawn_square
from live_scene import S, drawn_event, drawn_observations, simulated
from typer.testing import CliRunner

from crowdwatch.commands.cli import app
from crowdwatch.commands.live_command import left_out
from crowdwatch.core.live import StreamPhase, StreamStatus
from crowdwatch.core.outcomes import AlarmState, Level, Quality
from crowdwatch.core.reasons import Code
from crowdwatch.core.runs import Command, CommandKind, Mode, RunState
from crowdwatch.drivers import build
from crowdwatch.drivers.live import live as lives
from crowdwatch.drivers.live import recovery
from crowdwatch.drivers.live.lease import LeaseKeeper, take_lease
from crowdwatch.drivers.live.live import live
from crowdwatch.drivers.live.live_stream import LiveCounts
from crowdwatch.drivers.replay import Options, replay_log
from crowdwatch.errors import SourceUnavailable, StoreError
from crowdwatch.store import files
from crowdwatch.store.live_journal import JOURNAL
from crowdwatch.ui.view import Pulse, look


@pytest.fixture(scope="module")
def event(tmp_path_factory):
    return drawn_event(tmp_path_factory.mktemp("event"))


@pytest.fixture(scope="module")
def seen(event):
    return drawn_observations(event)


@pytest.fixture(scope="module")
def t0(event):
    return event.cameras[0].source.start_ns


@pytest.fixture
def store(tmp_path):
    opened = build.open_store(f"sqlite:///{tmp_path}/store.sqlite")
    yield opened
    opened.close()


def wait_for(what):
    deadline = time.monotonic() + 60
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def await_beat(store):
    """Until another heartbeat of the newest run is written."""
    before_ns = store.runs()[0].beat_wall_ns
    wait_for(lambda: store.runs()[0].beat_wall_ns != before_ns)


def stopped_after(folder, event, seen, t0, seconds, from_s=0, **more):
    """A run that somebody stops."""
    stop = threading.Event()

    def progress(t_ns):
        if t_ns >= t0 + seconds * S:
            stop.set()

    return live(event, simulated(folder, seen, t0, t0 + from_s * S, progress=progress, stop=stop, **more)).summary


@pytest.fixture(scope="module")
def forty(event, seen, t0, tmp_path_factory):
    """A run that was stopped after 40 s, with an alarm that nobody has acknowledged."""
    folder = tmp_path_factory.mktemp("forty")
    return folder, stopped_after(folder, event, seen, t0, 40)


@pytest.fixture
def first(forty, tmp_path):
    """A copy of it, and of its store, for one test."""
    folder, summary = forty
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    moved = replace(summary.run, folder=str(tmp_path / summary.run.run_id))
    file = sqlite3.connect(tmp_path / "store.sqlite")
    file.execute("UPDATE runs SET folder = ?", (moved.folder,))
    file.commit()
    file.close()
    return replace(summary, run=moved)


def test_a_run_that_was_stopped_goes_on_by_itself(event, seen, t0, tmp_path, first, store):
    """Its alarms stand as they stood, its gap is no reading, and the summary counts both parts."""
    assert first.stopped
    assert store.run(first.run.run_id).state is RunState.STOPPED
    before = store.alarms(first.run.run_id, 2**62)
    assert before
    second = live(event, simulated(tmp_path, seen, t0, t0 + 44 * S, for_s=11)).summary
    assert second.run.run_id == first.run.run_id
    assert store.run(first.run.run_id).state is RunState.FINISHED
    ticks = sorted({(r.t_ns - t0) // S for r in store.readings(first.run.run_id)})
    assert ticks == [*range(41), *range(44, 56)]
    after = {(a.zone_id, a.alarm): a for a in store.alarms(first.run.run_id, t0 + 44 * S)}
    for alarm in before:
        now = after[alarm.zone_id, alarm.alarm]
        assert now.level >= alarm.level
        assert now.state is alarm.state is AlarmState.UNACKNOWLEDGED
    assert second.totals.ticks == 41 + 12
    assert len(store.runs()) == 1
    third = live(event, simulated(tmp_path, seen, t0, t0 + 60 * S, for_s=2)).summary
    assert third.run.run_id != first.run.run_id, "a run that is over does not go on"


def test_a_long_gap_is_unknown_at_once(event, seen, t0, tmp_path, first, store):
    live(event, simulated(tmp_path, seen, t0, t0 + 640 * S, for_s=5))
    readings = store.readings(first.run.run_id, from_ns=t0 + 640 * S, to_ns=t0 + 640 * S)
    assert {(r.quality, r.level) for r in readings} == {(Quality.STALE, Level.UNKNOWN)}
    assert all(np.isnan(r.density_p_m2) for r in readings)
    raised = [a for a in store.alerts(first.run.run_id) if a.t_ns == t0 + 640 * S and a.transition == "raised"]
    assert {a.alarm for a in raised} == {"blindness"}


def test_another_event_file_begins_a_new_run_and_says_so(event, seen, t0, tmp_path):
    first = stopped_after(tmp_path, event, seen, t0, 5)
    other = event.model_copy(update={"labels": ["OTHER"]})
    said = []
    second = live(other, simulated(tmp_path, seen, t0, t0 + 8 * S, for_s=2, say=said.append)).summary
    assert second.run.run_id != first.run.run_id
    assert any("was started with another event file: a new run begins" in text for text in said)


@pytest.mark.parametrize("why", ["asked", "too long ago", "its folder is gone", "its log is damaged"])
def test_a_run_that_cannot_go_on_leaves_room_for_a_new_one(event, seen, t0, tmp_path, store, monkeypatch, why):
    first = stopped_after(tmp_path, event, seen, t0, 5)
    said, folder = [], Path(first.run.folder)
    if why == "too long ago":
        monkeypatch.setattr(lives, "RESUME_WITHIN_NS", 0)
    if why == "its folder is gone":
        folder.rename(tmp_path / "elsewhere")
    if why == "its log is damaged":
        part = next((folder / "timeline").glob("*.parquet"))
        part.write_bytes(b"x" * 100)
    options = simulated(tmp_path, seen, t0, t0 + 8 * S, for_s=2, say=said.append, new=why == "asked")
    second = live(event, options).summary
    assert second.run.run_id != first.run.run_id
    assert len(said) == (why != "asked")
    assert all("new run begins" in text for text in said)


def test_the_wall_clock_was_set_back_over_a_restart(event, seen, t0, tmp_path, store):
    first = stopped_after(tmp_path, event, seen, t0, 20)
    said = []

    def watch(t_ns):
        if not said:
            await_beat(store)
        said.append(store.run(first.run.run_id).message)

    live(event, simulated(tmp_path, seen, t0, t0 - 3600 * S, for_s=3, progress=watch))
    ticks = sorted({(r.t_ns - t0) // S for r in store.readings(first.run.run_id)})
    assert ticks == [*range(21), 21, 22, 23, 24]
    assert any("set back behind the last reading" in text and "3621 s ahead" in text for text in said)


@pytest.mark.parametrize("wrong", ["", "another program", "damaged", "none"])
def test_what_is_remembered_equals_what_is_folded_again(event, seen, t0, tmp_path, first, store, monkeypatch, wrong):
    folder = Path(first.run.folder)
    journal = sqlite3.connect(folder / JOURNAL)
    assert journal.execute("SELECT count(*) FROM snapshots").fetchone() == (2,)
    if wrong == "none":
        journal.execute("DELETE FROM snapshots")
    if wrong == "damaged":
        journal.execute("UPDATE snapshots SET state = x'80'")
    if wrong == "another program":
        monkeypatch.setattr(recovery, "program", lambda: "another")
    journal.commit()
    journal.close()
    folded = []
    real = recovery.advance
    monkeypatch.setattr(recovery, "advance", lambda state, each: (folded.append(each), real(state, each))[1])
    second = live(event, simulated(tmp_path, seen, t0, t0 + 44 * S, for_s=8)).summary
    assert (len(folded) < 5) == (wrong == ""), "a snapshot saves the folding"
    again = replay_log(folder, Options(tmp_path / "again", f"sqlite:///{tmp_path}/again.sqlite"))
    assert again.digest == second.digest
    assert again.totals.facts() == second.totals.facts()
    other = build.open_store(f"sqlite:///{tmp_path}/again.sqlite")
    assert repr(store.readings(first.run.run_id)) == repr(other.readings(again.run.run_id))
    assert repr(store.alerts(first.run.run_id)) == repr(other.alerts(again.run.run_id))
    other.close()


def test_a_second_engine_is_refused(event, seen, t0, tmp_path, store):
    held = take_lease(store, event.id)
    with LeaseKeeper(store, held, threading.Event()), pytest.raises(StoreError, match="another engine drives it live"):
        live(event, simulated(tmp_path, seen, t0, t0, for_s=1))
    assert store.runs() == []


def test_one_that_stands_by_takes_the_run_over(event, seen, t0, tmp_path, store):
    """The first is gone without a word; the second goes on with its run and its alarms."""
    first = stopped_after(tmp_path, event, seen, t0, 30, from_s=25)
    held = take_lease(store, event.id)
    keeper = LeaseKeeper(store, held, threading.Event())
    said = []
    with keeper:
        standing = threading.Thread(
            target=lambda: said.append(
                live(event, simulated(tmp_path, seen, t0, t0 + 33 * S, for_s=3, standby=True, say=said.append))
            )
        )
        standing.start()
        wait_for(lambda: said)
        time.sleep(0.6)  # it has looked again
        assert len(said) == 1
        assert "This one stands by" in said[0]
    standing.join(120)
    assert said[1].summary.run.run_id == first.run.run_id


def test_the_log_of_an_engine_that_is_still_ending_is_waited_for(event, seen, t0, tmp_path):
    first = stopped_after(tmp_path, event, seen, t0, 5)
    lock = files.hold(Path(first.run.folder) / ".writer.lock")
    threading.Timer(0.5, files.release, [lock]).start()
    second = live(event, simulated(tmp_path, seen, t0, t0 + 8 * S, for_s=2)).summary
    assert second.run.run_id == first.run.run_id


def test_an_engine_whose_lease_is_taken_ends_with_an_error(event, seen, t0, tmp_path, store):
    def take(t_ns):
        time.sleep(0.02)
        if t_ns == t0 + 3 * S:
            stands = store.lease(event.id)
            while not store.change_lease(stands, replace(stands, holder="other", host="elsewhere")):
                stands = store.lease(event.id)

    with pytest.raises(StoreError, match="another engine has taken it over"):
        live(event, simulated(tmp_path, seen, t0, t0, progress=take))
    assert store.lease(event.id).holder == "other"


def test_operators_acknowledge_and_stop_but_cannot_hold_up_time(event, seen, t0, tmp_path, store):
    def operate(t_ns):
        (run,) = store.runs()
        second = (t_ns - t0) // S
        if second == 45:
            wait_for(lambda: store.alarms(run.run_id, 2**62))  # what was found is written
            (alarm, *_) = store.alarms(run.run_id, 2**62)
            assert alarm.state is AlarmState.UNACKNOWLEDGED
            store.submit(
                Command(run.run_id, CommandKind.ACKNOWLEDGE, "ana", 0, alarm.zone_id, alarm.alarm, alarm.level)
            )
            store.submit(Command(run.run_id, CommandKind.PAUSE, "ana", 0))
            store.submit(Command(run.run_id, CommandKind.SPEED, "ana", 0, value=8.0))
        if second == 50:
            store.submit(Command(run.run_id, CommandKind.STOP, "ana", 0))

    summary = live(event, simulated(tmp_path, seen, t0, t0 + 33 * S, progress=operate)).summary
    run_id = summary.run.run_id
    assert [a.t_ns for a in store.alerts(run_id) if a.transition == "acknowledged"] == [t0 + 46 * S]
    assert {c.kind: c.refused[0].code for c in store.refused(run_id)} == {
        CommandKind.PAUSE: Code.REFUSED_LIVE, CommandKind.SPEED: Code.REFUSED_LIVE,
    }  # fmt: skip
    assert summary.stopped
    assert summary.totals.last_tick_ns == t0 + 50 * S
    again = replay_log(Path(summary.run.folder), Options(tmp_path / "again", f"sqlite:///{tmp_path}/again.sqlite"))
    assert again.digest == summary.digest


def test_a_camera_that_is_gone_is_said_and_its_zones_are_unknown(event, seen, t0, tmp_path, store):
    lost = StreamStatus("mast", StreamPhase.WAITING, t0 + 20 * S, "its server does not answer. Look at it.")
    found = StreamStatus("mast", StreamPhase.STREAMING, t0 + 40 * S)
    messages = []

    def watch(t_ns):
        second = (t_ns - t0) // S
        if second in (30, 45):
            await_beat(store)
            messages.append(store.runs()[0].message)

    options = simulated(
        tmp_path, seen, t0, t0 + 15 * S, for_s=35, progress=watch, more=[(t0 + 21 * S, lost), (t0 + 40 * S, found)],
        sees=lambda t_ns: not 20 * S < t_ns - t0 < 40 * S,
    )  # fmt: skip
    summary = live(event, options).summary
    qualities = {(r.t_ns - t0) // S: r.quality for r in store.readings(summary.run.run_id, zone_id="stage")}
    unknown = sorted(second for second, quality in qualities.items() if quality is Quality.STALE)
    assert unknown == list(range(26, 40)), "5 s after its last picture, until the first one after"
    assert messages == ["camera mast: its server does not answer. Look at it.", ""]
    assert summary.faults == ()


def test_a_slow_link_is_said_and_blinds_nobody(event, seen, t0, tmp_path, store):
    summary = live(event, simulated(tmp_path, seen, t0, t0 + 20 * S, for_s=16, delay_ns=3 * S)).summary
    readings = store.readings(summary.run.run_id, zone_id="stage", from_ns=t0 + 30 * S)
    assert {reading.quality for reading in readings} == {Quality.GOOD}
    assert {round(reading.age_s, 1) for reading in readings} == {2.5}
    again = replay_log(Path(summary.run.folder), Options(tmp_path / "again", f"sqlite:///{tmp_path}/again.sqlite"))
    assert again.digest == summary.digest


def test_pictures_for_the_page_are_written_coarse(event, seen, t0, tmp_path):
    size = seen[0].detections.image_hw
    jpeg = cv2.imencode(".jpg", np.full((*size, 3), 90, np.uint8))[1].tobytes()
    summary = live(event, simulated(tmp_path, seen, t0, t0, for_s=4, pictures=True, jpeg=jpeg)).summary
    written = sorted((Path(summary.run.folder) / "pictures" / "mast").glob("*.jpg"))
    assert [(int(path.stem) - t0) // S for path in written] == [0, 1, 2, 3, 4]
    assert cv2.imread(str(written[0])).shape[:2] == size


def test_the_page_takes_a_live_engine_that_is_silent_for_dead(event, seen, t0, tmp_path, store):
    """Every zone is UNKNOWN once the heartbeat is older than 5 s, and when the engine was stopped."""
    looks = []

    def watch(t_ns):
        if (t_ns - t0) // S == 40:
            await_beat(store)
            (run,) = store.runs()
            for later_s in (0, 3, 9):  # another heartbeat may come in between
                looks.append(look(store, run.run_id, now_ns=run.beat_wall_ns + later_s * S))

    summary = live(event, simulated(tmp_path, seen, t0, t0 + 30 * S, for_s=11, progress=watch)).summary
    assert [moment.pulse for moment in looks] == [Pulse.RUNNING, Pulse.RUNNING, Pulse.DEAD]
    levels = [{reading.level for reading in moment.readings} for moment in looks]
    assert Level.UNKNOWN not in levels[0]
    assert levels[1] == levels[0]
    assert levels[2] == {Level.UNKNOWN}
    assert summary.totals.ticks == 12
    stopped_after(tmp_path, event, seen, t0, 63, from_s=60)
    run = store.runs()[0]
    moment = look(store, run.run_id, now_ns=run.beat_wall_ns)
    assert moment.pulse is Pulse.STOPPED
    assert {reading.level for reading in moment.readings} == {Level.UNKNOWN}


def test_observers_that_cannot_begin_end_the_run_with_their_error(event, seen, t0, tmp_path, store):
    def observers(configuration, clock):
        raise SourceUnavailable("no station. Start one.")

    with pytest.raises(SourceUnavailable, match="no station"):
        live(event, replace(simulated(tmp_path, seen, t0, t0), observers=observers))
    (run,) = store.runs()
    assert (run.state, run.message) == (RunState.FAILED, "no station. Start one.")
    assert store.lease(event.id) is None


class Nobody:
    """Observers that see nothing, in real time."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def want_pictures(self, camera_ids):
        return None

    def receive(self, timeout_s):
        time.sleep(timeout_s)
        return []


def test_the_command_runs_for_a_while_and_says_what_was(tmp_path, event, monkeypatch):
    monkeypatch.setattr(lives, "local_station", lambda configuration, clock: Nobody())
    path = drawn_square(tmp_path)
    runs = tmp_path / "runs"
    done = CliRunner().invoke(app, ["live", str(path), "--runs", str(runs), "--for", "1"])
    assert done.exit_code == 0, done.output
    assert "live: run synthetic-plaza-" in done.output
    assert "camera mast: gave no picture that could be analysed" in done.output
    store = build.open_store(f"sqlite:///{runs}/crowdwatch.sqlite")
    assert [(run.mode, run.state) for run in store.runs()] == [(Mode.LIVE, RunState.FINISHED)]
    held = take_lease(store, event.id)
    with LeaseKeeper(store, held, threading.Event()):
        refused = CliRunner().invoke(app, ["live", str(path), "--runs", str(runs), "--for", "1"])
    assert isinstance(refused.exception, StoreError)
    assert "another engine drives it live" in str(refused.exception)
    store.close()


def test_what_came_otherwise_than_it_should_is_told():
    counts = LiveCounts(late={"b": 2, "a": 1}, repeated={"a": 3}, ahead={"c": 4}, left_ticks=5)
    assert left_out(counts) == [
        "camera a: 1 pictures came too late for their reading, and were counted in the next one.",
        "camera b: 2 pictures came too late for their reading, and were counted in the next one.",
        "camera a: 3 pictures came twice or out of their order, and were counted once or not at all.",
        "camera c: 4 pictures were stamped in the future and were not counted.",
        "5 ticks were left out: the engine was behind.",
    ]
    assert left_out(LiveCounts()) == []
