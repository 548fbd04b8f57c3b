"""The parts of the run loop: readers, streams, clocks, the heartbeat. Models are perfect here (TruthDetector)."""

import threading
import time
from types import SimpleNamespace

import pytest
from scenes import T0, S, camera, square, started

from crowdwatch.core.reasons import Code
from crowdwatch.core.records import CameraFault, Observation, Tick
from crowdwatch.core.runs import Mode, Run, RunState
from crowdwatch.drivers.build import open_store
from crowdwatch.drivers.clock import LiveClock, PacedClock
from crowdwatch.drivers.feed import Feed
from crowdwatch.drivers.heartbeat import Heartbeat
from crowdwatch.drivers.loop import Loop
from crowdwatch.drivers.reading import read_in_thread
from crowdwatch.drivers.streams import LoggedStream, RecordedStream
from crowdwatch.drivers.totals import RunTotals
from crowdwatch.errors import SourceTruncated, StoreBusy
from crowdwatch.sources.live.event_clock import EventClock
from crowdwatch.sources.synthetic import Scene, SyntheticSource, TruthDetector, lattice, looking_down, standing

PLANES = {"a": looking_down((0, -12, 10), (0, 3)), "b": looking_down((0, 18, 10), (0, 3))}


@pytest.fixture(autouse=True)
def no_thread_is_left():
    before = set(threading.enumerate())
    yield
    deadline = time.monotonic() + 60
    while set(threading.enumerate()) - before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert set(threading.enumerate()) <= before


class Slow(SyntheticSource):
    """Footage that takes its time, and may break off."""

    delay_s, breaks_after = 0.0, 10**9

    def pairs(self, from_ns=None, to_ns=None):
        for number, pair in enumerate(super().pairs(from_ns, to_ns)):
            time.sleep(self.delay_s)
            if number == self.breaks_after:
                raise SourceTruncated("camera b: the rest is missing.")
            yield pair


def stream_of(*, delay_s=0.0, breaks_after=10**9, seconds=3):
    feeds = []
    for name, plane in PLANES.items():
        scene = Scene(plane, standing(lattice(1.0, -6, -2, 6, 8)), T0, 5 * seconds)
        source = Slow(scene, camera_id=name)
        if name == "b":
            source.delay_s, source.breaks_after = delay_s, breaks_after
        feeds.append(Feed(source, TruthDetector(scene, camera().anchor), plane))
    return RecordedStream(feeds, T0, T0 + seconds * S, S)


def told(stream):
    """What a stream gives, in words that can be compared."""
    said = []
    for event, frame in stream:
        if isinstance(event, Tick):
            said.append((event.t_ns, event.included))
        elif isinstance(event, CameraFault):
            said.append((event.camera_id, event.t_ns, event.code, frame))
        else:
            assert isinstance(event, Observation)
            assert frame is not None
            assert frame.stamp == event.stamp
            said.append((event.stamp, repr(event.evidence), event.positions.xy_m.tobytes()))
    return said


def test_a_slow_camera_changes_nothing_in_the_events():
    fast, slow = stream_of(), stream_of(delay_s=0.02)
    assert told(fast) == told(slow)
    assert fast.faults == slow.faults == []


def test_a_camera_that_breaks_off_is_left_out_and_ticks_go_on():
    stream = stream_of(breaks_after=4)
    events = told(stream)
    assert [str(fault) for fault in stream.faults] == ["camera b: the rest is missing."]
    assert [t for t, _ in (e for e in events if len(e) == 2)] == [T0 + n * S for n in range(4)]
    assert [e[0].camera_id for e in events if len(e) == 3].count("b") == 4
    assert [e[0].camera_id for e in events if len(e) == 3].count("a") == 15
    assert [e for e in events if len(e) == 4] == [("b", T0 + 3 * S // 5, Code.FOOTAGE_BROKEN, None)]


def test_a_stream_that_is_left_early_ends_its_threads():
    stream = iter(stream_of(delay_s=0.01))
    for _ in range(5):
        next(stream)
    assert any(thread.name.startswith("reader") for thread in threading.enumerate())
    stream.close()  # no_thread_is_left looks


def test_a_reader_hands_on_items_and_errors_in_their_order():
    def broken():
        yield 1
        yield 2
        raise SourceTruncated("the rest is missing.")

    reader = read_in_thread(broken(), waiting=3)
    assert [next(reader), next(reader)] == [1, 2]
    with pytest.raises(SourceTruncated, match="the rest is missing"):
        next(reader)


def test_a_reader_is_ahead_by_what_may_wait_and_no_more():
    taken = []

    def items():
        for number in range(100):
            taken.append(number)
            yield number

    reader = read_in_thread(items(), waiting=2)
    assert next(reader) == 0
    time.sleep(0.3)
    assert len(taken) <= 4  # the one that was asked for, two that wait and one in its hand
    reader.close()


def test_a_paced_clock_takes_the_first_tick_for_due_at_once():
    clock = PacedClock(2.0)
    assert clock.wait_s(T0) <= 0
    assert clock.wait_s(T0 + 4 * S) == pytest.approx(2.0, abs=0.1)
    clock.set_speed(8.0)
    assert clock.wait_s(T0 + 4 * S) <= 0
    assert clock.wait_s(T0 + 12 * S) == pytest.approx(1.0, abs=0.1)
    clock.set_speed(-1.0)
    assert clock.speed == 0.0
    assert clock.wait_s(T0 + 10**6 * S) == 0.0


def test_a_live_clock_is_now_whatever_the_wall_clock_says(monkeypatch):
    clock = LiveClock(EventClock.start())
    now_ns = time.time_ns()
    monkeypatch.setattr(time, "time_ns", lambda: now_ns + 3600 * S)
    assert clock.wait_s(now_ns + 3 * S) == pytest.approx(3.0, abs=0.2)
    assert clock.wait_s(now_ns - 3 * S) == pytest.approx(-3.0, abs=0.2)


@pytest.fixture
def store(tmp_path):
    store = open_store(f"sqlite:///{tmp_path}/store.sqlite")
    store.begin(Run("r", "square", Mode.REPLAY, "{}", str(tmp_path), T0, T0 + 60 * S, 0))
    yield store
    store.close()


@pytest.fixture
def still(monkeypatch):
    """Seconds for which nothing has moved, as the heartbeat takes them from its clock."""
    seconds = [0.0]
    monkeypatch.setattr(
        "crowdwatch.drivers.heartbeat.time", SimpleNamespace(monotonic=lambda: seconds[0], time_ns=time.time_ns)
    )
    return seconds


def heartbeat(store):
    return Heartbeat(store, "r", T0, lambda: (RunState.RUNNING, 1.0), beat_s=0.02, hung_s=60.0)


def test_a_slow_step_does_not_look_like_a_dead_engine(store, still):
    with heartbeat(store) as beats:
        beats.moved(T0 + S)
        wait_for(lambda: store.run("r").t_ns == T0 + S)
        still[0] = 59.0
        wait_for(lambda: store.run("r").message == "the present step has been running for 59 s")
        before_ns = store.run("r").beat_wall_ns
        wait_for(lambda: store.run("r").beat_wall_ns > before_ns)
        assert (store.run("r").t_ns, store.run("r").state) == (T0 + S, RunState.RUNNING)


def test_an_engine_that_hangs_does_not_look_alive(store, still):
    with heartbeat(store) as beats:
        beats.moved(T0 + S)
        wait_for(lambda: store.run("r").t_ns == T0 + S)
        still[0] = 61.0
        time.sleep(0.3)  # a beat that had begun is over
        last_ns = store.run("r").beat_wall_ns
        time.sleep(0.2)
        assert store.run("r").beat_wall_ns == last_ns
        beats.moved(T0 + 2 * S)
        wait_for(lambda: store.run("r").t_ns == T0 + 2 * S)


def test_a_heartbeat_that_cannot_be_written_is_said_and_ends_nothing(store, caplog):
    class Gone:
        def __getattr__(self, name):
            return getattr(store, name)

        fails = False

        def beat(self, *args, **values):
            if self.fails:
                raise StoreBusy("store: another process holds it.")
            store.beat(*args, **values)

    gone = Gone()
    with Heartbeat(gone, "r", T0, lambda: (RunState.RUNNING, 0.0), beat_s=0.02) as heartbeat:
        gone.fails = True
        heartbeat.moved(T0 + S)
        wait_for(lambda: "another process holds it" in caplog.text)
        heartbeat.now()
        gone.fails = False
        wait_for(lambda: store.run("r").t_ns == T0 + S)
    assert caplog.text.count("the heartbeat cannot be written") == 1
    assert caplog.text.count("the heartbeat is written again") == 1


def wait_for(what, seconds=60):
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_sink_has_the_newest_picture_of_every_camera_at_every_tick(store):
    taken = []
    site = square(cameras=[camera(name, plane) for name, plane in PLANES.items()])
    loop = Loop(
        store, "r", PacedClock(), threading.Event(), None, lambda outcome, pictures: taken.append(
            (outcome.t_ns, {name: frame.stamp.t_ns for name, (frame, _) in pictures.items()})
        ), RunTotals(),
    )  # fmt: skip
    loop.run(started(site), stream_of(seconds=2), T0)
    assert taken[0] == (T0, {"a": T0, "b": T0})
    assert taken[1] == (T0 + S, {"a": T0 + S, "b": T0 + S})
    assert taken[2][1] == {"a": T0 + 9 * S // 5, "b": T0 + 9 * S // 5}


def test_a_log_has_no_pictures(store):
    site = square()
    events = [Tick(T0, ()), Tick(T0 + S, ())]
    taken = []
    loop = Loop(
        store, "r", PacedClock(), threading.Event(), None, lambda outcome, pictures: taken.append(dict(pictures)),
        RunTotals(),
    )  # fmt: skip
    loop.run(started(site), LoggedStream(events), T0)
    assert taken == [{}, {}]


def test_a_stop_that_is_set_ends_the_loop_before_the_next_event(store):
    stop = threading.Event()
    totals = RunTotals()

    def sink(outcome, pictures):
        stop.set()

    loop = Loop(store, "r", PacedClock(), stop, None, sink, totals)
    site = square(cameras=[camera(name, plane) for name, plane in PLANES.items()])
    loop.run(started(site), stream_of(seconds=3), T0)
    assert (totals.ticks, totals.last_tick_ns) == (1, T0)
