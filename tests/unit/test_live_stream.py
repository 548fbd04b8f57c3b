"""Ticks by the clock, what is late, and clocks that jump; in simulated time."""

import threading
from fractions import Fraction

import cv2
import numpy as np
import pytest
from live_scene import clock_at
from scenes import T0, S, camera, see

from crowdwatch.core.live import CoarsePicture, StreamPhase, StreamStatus
from crowdwatch.core.reasons import Code
from crowdwatch.core.records import CameraFault, Observation, Stamp, Tick
from crowdwatch.drivers.board import Board
from crowdwatch.drivers.live.live_stream import LiveStream


def seen(t_s, camera_id="a", seq=None):
    """An observation of an empty square."""
    t_ns = T0 + round(t_s * S)
    return see(t_ns, np.zeros((0, 2)), camera_id=camera_id, seq=round(t_s * 1000) if seq is None else seq)


class Messages:
    """Observers that say what they are told to at their times; time passes while they are waited for."""

    def __init__(self, clock, *messages):
        self.clock = clock
        self.coming = sorted(((T0 + round(at_s * S), n, message) for n, (at_s, message) in enumerate(messages)))

    def receive(self, timeout_s):
        until_ns = self.clock.now_ns() + max(round(timeout_s * S), 1)
        if self.coming and self.coming[0][0] <= until_ns:
            until_ns = max(self.coming[0][0], self.clock.now_ns())
        self.clock.mono[0] += until_ns - self.clock.now_ns()
        found = [message for at_ns, _, message in self.coming if at_ns <= until_ns]
        self.coming = self.coming[len(found) :]
        return found


def streamed(*messages, seconds=5, cameras=("a",), begin_s=0.2, board=None, **more):
    """(stream, what it gave: seconds of ticks with what they include and when, and other events)."""
    clock = clock_at(T0 + round(begin_s * S))
    stream = LiveStream(
        Messages(clock, *messages), [camera(camera_id) for camera_id in cameras], clock, S,
        to_ns=T0 + seconds * S, board=board or Board(), **more,
    )  # fmt: skip
    return stream, clock


def told(stream, clock):
    """Ticks as (second, what it includes in ms, when it was given), other events as they are."""
    said = []
    for event, _ in stream:
        if isinstance(event, Tick):
            when_s = round((clock.now_ns() - T0) / S, 2)
            said.append(((event.t_ns - T0) // S, [seq for _, seq in event.included], when_s))
        elif isinstance(event, CameraFault):
            said.append(event.code)
    return said


def test_a_tick_waits_for_the_picture_after_it_and_no_longer_than_its_lateness():
    messages = [(0.7, seen(0.4)), (1.2, seen(0.9)), (1.3, seen(1.1)), (2.1, seen(1.9))]
    stream, clock = streamed(*messages, seconds=3)
    assert told(stream, clock) == [(1, [400, 900], 1.3), (2, [1100, 1900], 2.5), (3, [], 3.5)]
    assert stream.counts.late == {}


def test_a_tick_waits_for_no_picture_that_cannot_come_before_it():
    """One picture for each half of a second: after that of the second half the next one is behind the tick."""
    messages = [(0.3, seen(0.1)), (0.8, seen(0.62)), (1.8, seen(1.1)), (2.2, seen(1.6)), (3.2, seen(3.1))]
    hz = {"a": Fraction(2)}
    stream, clock = streamed(*messages, seconds=3, sample_hz=hz)
    assert told(stream, clock) == [(1, [100, 620], 1.0), (2, [1100, 1600], 2.2), (3, [], 3.2)]
    assert stream.counts.late == {}


def test_a_tick_does_not_wait_for_pictures_that_a_lead_puts_behind_it():
    """Looked at a quarter of a second before every half: after the picture of 0.77 the next one is that of 1.25."""
    messages = [(0.5, seen(0.27)), (1.1, seen(0.77)), (1.4, seen(1.28)), (2.3, seen(1.76))]
    hz, lead_ns = {"a": Fraction(2)}, {"a": S // 4}
    stream, clock = streamed(*messages, seconds=2, sample_hz=hz, lead_ns=lead_ns)
    assert told(stream, clock) == [(1, [270, 770], 1.1), (2, [1280, 1760], 2.3)]


def test_a_camera_whose_station_yields_is_not_waited_for_in_vain():
    """Wanted twice a second, and looked at once: at 0.62, and then not before 1."""
    slower = StreamStatus("a", StreamPhase.STREAMING, T0, sample_hz=1.0)
    stream, clock = streamed((0.3, slower), (0.8, seen(0.62)), seconds=1, sample_hz={"a": Fraction(4)})
    assert told(stream, clock) == [(1, [620], 1.0)]


def test_what_comes_after_its_tick_is_late_and_in_the_next_one_once():
    board = Board()
    late = seen(1.9)
    messages = [(0.7, seen(0.4)), (2.8, late), (2.85, late), (2.9, seen(2.6)), (3.8, late)]
    stream, clock = streamed(*messages, seconds=4, board=board)
    assert [n for _, n, _ in told(stream, clock)] == [[400], [], [1900, 2600], []]
    assert (stream.counts.late, stream.counts.repeated) == ({"a": 1}, {"a": 2})
    assert "came 0.9 s after it was taken, too late for its reading; 1 so far" in board.message


def test_a_slow_link_makes_readings_older_and_not_blind():
    messages = [(s + 2.7, seen(s)) for s in range(8)]
    stream, clock = streamed(*messages, seconds=9)
    assert [n for _, n, _ in told(stream, clock)] == [[], [], [0], [1000], [2000], [3000], [4000], [5000], [6000]]
    assert stream.counts.late == {"a": 7}


def test_what_waited_behind_a_link_that_was_cut_comes_in_its_order():
    cut = [(6.2, seen(s + 0.5)) for s in range(1, 6)]
    stream, clock = streamed((0.7, seen(0.4)), *cut, seconds=8)
    given = [n for _, n, _ in told(stream, clock)]
    assert given == [[400], [], [], [], [], [1500, 2500, 3500, 4500, 5500], [], []]
    assert stream.counts.late == {"a": 4}


def test_late_is_said_no_more_once_it_is_over():
    board = Board()
    stream, clock = streamed((0.7, seen(0.4)), (2.8, seen(1.9)), seconds=20, board=board)
    told(stream, clock)
    assert board.message == ""


def test_no_picture_is_folded_twice():
    again = seen(0.4)
    stream, clock = streamed((0.7, again), (0.8, again), (1.8, again), (1.9, seen(0.3)), seconds=3)
    assert [n for _, n, _ in told(stream, clock)] == [[400], [], []]
    assert stream.counts.repeated == {"a": 3}


def test_a_reader_that_numbers_anew_loses_no_tick():
    stream, clock = streamed((0.5, seen(0.4, seq=7)), (0.9, seen(0.8, seq=7)), seconds=2)
    assert [n for _, n, _ in told(stream, clock)] == [[7], []]
    assert stream.counts.repeated == {"a": 1}


def test_a_camera_that_does_not_stream_is_not_waited_for():
    """The other one's picture after the tick is enough, once this one is known to be lost, or silent for too long."""
    lost = StreamStatus("b", StreamPhase.WAITING, T0, "its server is gone.")
    pictures = [(s + 0.3, seen(s + 0.1)) for s in range(9)]
    stream, clock = streamed(*pictures, (0.3, seen(0.2, "b")), (2.0, lost), seconds=4, cameras=("a", "b"))
    assert [when_s for *_, when_s in told(stream, clock)] == [1.5, 2.3, 3.3, 4.3]
    assert [str(fault) for fault in stream.faults] == ["camera b: its server is gone."]
    stream, clock = streamed(*pictures, (0.3, seen(0.2, "b")), seconds=7, cameras=("a", "b"))
    assert [when_s for *_, when_s in told(stream, clock)] == [1.5, 2.5, 3.5, 4.5, 5.5, 6.3, 7.3]


def test_a_camera_is_named_also_where_its_name_is_a_word_and_no_opening_is_a_stream():
    """A station that was started again begins with opening: that is no news of a stream."""
    board, said = Board(), "stream rtsp://***@10.0.0.7/a: the camera refuses the password."
    waiting, opening = StreamStatus("a", StreamPhase.WAITING, T0, said), StreamStatus("a", StreamPhase.OPENING, T0)
    stream, clock = streamed((0.5, waiting), (0.6, opening), seconds=2, board=board)
    told(stream, clock)
    assert board.message == f"camera a: {said}"
    assert [str(fault) for fault in stream.faults] == [
        "camera a: no picture has come yet. Give it time; crowdwatch check EVENT.YAML --live says what keeps it."
    ]
    own = StreamStatus("a", StreamPhase.WAITING, T0, "camera a: nothing came for 2.5 s.")
    stream, clock = streamed((0.5, own), (1.2, StreamStatus("a", StreamPhase.STREAMING, T0)), seconds=2, board=board)
    told(stream, clock)
    assert (board.message, stream.faults) == ("", [])


def test_ticks_go_on_without_any_camera():
    stream, clock = streamed(seconds=3)
    assert told(stream, clock) == [(1, [], 1.5), (2, [], 2.5), (3, [], 3.5)]


def test_a_fault_comes_before_the_tick_after_it_and_once():
    faults = [(t_s, CameraFault("a", T0 + S // 2, Code.NOT_OBSERVED)) for t_s in (1.8, 2.2, 3.2)]
    stream, clock = streamed(*faults, (4.4, CameraFault("elsewhere", T0, Code.NOT_OBSERVED)), seconds=5)
    assert told(stream, clock)[:3] == [(1, [], 1.5), Code.NOT_OBSERVED, (2, [], 2.5)]
    assert stream.counts.foreign == 1


def test_a_fault_of_a_clock_that_is_ahead_is_said_now():
    stream, clock = streamed((1.8, CameraFault("a", T0 + 3600 * S, Code.NOT_OBSERVED)), seconds=3)
    assert told(stream, clock) == [(1, [], 1.5), Code.NOT_OBSERVED, (2, [], 2.5), (3, [], 3.5)]


def test_a_picture_from_the_future_is_left_out_and_said():
    board = Board()
    stream, clock = streamed((0.5, seen(3600.0)), (0.6, seen(0.4)), seconds=2, board=board)
    assert [n for _, n, _ in told(stream, clock)] == [[400], []]
    assert stream.counts.ahead == {"a": 1}
    assert "camera a: its pictures are stamped 3600 s in the future" in board.message


@pytest.mark.parametrize(("hours", "said"), [(1, "3600 s forward"), (-1, "3600 s back")])
def test_the_wall_clock_jumps_and_event_time_goes_on(hours, said):
    board = Board()
    stream, clock = streamed(*((s + 0.3, seen(s + 0.1)) for s in range(9)), seconds=6, board=board)
    ticks = []
    for event, _ in stream:
        if isinstance(event, Tick):
            ticks.append((event.t_ns - T0) // S)
            clock.wall_off_s[0] = 3600.0 * hours if ticks[-1] in (2, 3) else 0.0
            assert (said in board.message) == (ticks[-1] in (3, 4))
    assert ticks == [1, 2, 3, 4, 5, 6]


def test_an_engine_that_is_too_slow_leaves_ticks_out_and_says_so():
    board = Board()
    stream, clock = streamed(*((s + 0.3, seen(s + 0.1)) for s in range(30)), seconds=14, board=board)
    ticks = []
    for event, _ in stream:
        if isinstance(event, Tick):
            ticks.append(((event.t_ns - T0) // S, len(event.included)))
            clock.mono[0] += 8 * S if len(ticks) == 2 else 0  # a tick that takes eight seconds
    assert ticks == [(1, 1), (2, 1), (9, 7), (10, 1), (11, 1), (12, 1), (13, 1), (14, 1)]
    assert stream.counts.left_ticks == 6
    assert "left out 6 ticks" in board.message


def test_a_run_that_goes_on_shows_at_once_that_nobody_looked():
    stream, clock = streamed((3600.3, seen(3600.1)), seconds=3602, begin_s=3600.05)
    stream.go_on_after(T0 + 5 * S, {})
    assert told(stream, clock) == [(3600, [], 3600.05), (3601, [3600100], 3601.5), (3602, [], 3602.5)]


def test_a_picture_goes_with_its_own_observation():
    shown = seen(0.4)
    size = shown.detections.image_hw
    jpeg = cv2.imencode(".jpg", np.full((*size, 3), 90, np.uint8))[1].tobytes()
    other = Stamp("a", 1, T0 + S // 10)
    for picture, given in ((CoarsePicture(shown.stamp, jpeg), True), (CoarsePicture(other, jpeg), False)):
        stream, _ = streamed((0.6, picture), (0.7, shown), seconds=1)
        (frame,) = [frame for event, frame in stream if isinstance(event, Observation)]
        assert (frame is not None) == given
        if frame is not None:
            assert (frame.image_hw, frame.stamp) == (size, shown.stamp)
    board = Board()
    stream, _ = streamed((0.6, CoarsePicture(shown.stamp, b"no picture")), (0.7, shown), seconds=1, board=board)
    assert [frame for _, frame in stream] == [None, None]
    assert "its picture for the page is damaged" in board.message


def test_it_ends_when_it_is_stopped():
    stop = threading.Event()
    stream, _ = streamed(seconds=10**6, stop=stop)
    given = []
    for event, _ in stream:
        given.append(event)
        if len(given) == 3:
            stop.set()
    assert len(given) == 3
