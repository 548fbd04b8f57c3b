"""Time stamps and arrivals of a stream become event time: jitter, drift, jumps, clocks that are set wrong."""

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crowdwatch.sources.live.event_clock import EventClock
from crowdwatch.sources.live.stream_clock import ARRIVAL_SIGMA_S, REPORT_SIGMA_S, StreamClock

NS = 1_000_000_000
T0 = 1_700_000_000 * NS


def at(seconds: float) -> int:
    return T0 + round(seconds * NS)


def test_jitter_of_the_network_is_taken_out() -> None:
    clock = StreamClock()
    late_s = [0.0, 0.3, 0.05, 0.2, 0.0, 0.4, 0.1] * 20
    found = [clock.stamp(n / 10, at(n / 10 + late)).t_ns for n, late in enumerate(late_s)]
    assert found == [at(n / 10) for n in range(len(late_s))]


def test_the_jitter_is_in_the_standard_error() -> None:
    calm, rough = StreamClock(), StreamClock()
    for n in range(100):
        still = calm.stamp(n / 10, at(n / 10))
        shaken = rough.stamp(n / 10, at(n / 10 + (0.5 if n % 2 else 0.0)))
    assert still.sigma_s == pytest.approx(ARRIVAL_SIGMA_S)
    assert shaken.sigma_s > 0.3


def test_a_crystal_that_drifts_is_followed() -> None:
    """200 ppm, ten times what cameras have, for an hour: 0.7 s in all, and never more than 5 s' share at once."""
    clock = StreamClock()
    worst_ns = 0
    for n in range(3600):
        t_s = float(n)
        worst_ns = max(worst_ns, abs(clock.stamp(t_s * (1 - 200e-6), at(t_s)).t_ns - at(t_s)))
    assert worst_ns <= 1.1e-3 * NS


def test_a_single_wrong_time_stamp_moves_nothing() -> None:
    clock = StreamClock()
    found = [clock.stamp(n / 10 + (7200 if n == 100 else 0), at(n / 10)) for n in range(200)]
    assert [each.t_ns for each in found] == [at(n / 10) for n in range(200)]
    assert [n for n, each in enumerate(found) if each.restamped] == [100]
    assert clock.timelines == 0


@pytest.mark.parametrize("jump_s", [3600.0, -3600.0, 1e9, -4.0, 4.0])
def test_a_clock_that_jumps_for_good_is_a_new_one(jump_s: float) -> None:
    """As recorders do: stamps hours off are stamped anew, at once, and it is said."""
    clock = StreamClock()
    found = [clock.stamp(n / 10 + (jump_s if n >= 100 else 0), at(n / 10)) for n in range(200)]
    assert [each.t_ns for each in found] == [at(n / 10) for n in range(200)]
    assert clock.timelines == 1
    assert sum(each.restamped for each in found) == 2


def test_pictures_that_were_held_up_and_come_at_once_keep_their_times() -> None:
    """A network that stood still for 0.8 s is no new clock."""
    clock = StreamClock()
    found = [clock.stamp(n / 10, at(max(n / 10, 10.8) if 100 <= n < 109 else n / 10)).t_ns for n in range(200)]
    assert found == [at(n / 10) for n in range(200)]
    assert clock.timelines == 0


def test_the_first_lot_that_waited_to_be_read_does_not_delay_the_rest() -> None:
    """What was buffered while the stream was opened comes at once, three seconds late."""
    clock = StreamClock()
    found = [clock.stamp(n / 10, at(max(n / 10, 3.0))).t_ns for n in range(100)]
    assert found[31:] == [at(n / 10) for n in range(31, 100)]
    assert all(a < b for a, b in itertools.pairwise(found))
    assert max(abs(t_ns - at(3.0)) for t_ns in found[:30]) < 1_000_000
    assert clock.timelines == 0


def test_a_camera_that_is_set_right_is_believed() -> None:
    """Its sender reports tell of the delay that arrival alone cannot see: here 0.3 s."""
    clock = StreamClock()
    found = [clock.stamp(n / 10, at(n / 10 + 0.3), at(n / 10) if n >= 50 else None) for n in range(100)]
    assert found[-1].t_ns == at(9.9)
    assert (found[-1].source, found[-1].sigma_s) == ("sender_report", REPORT_SIGMA_S)
    assert found[49].t_ns == at(4.9 + 0.3)
    assert found[49].source == "arrival"
    assert all(a.t_ns < b.t_ns for a, b in itertools.pairwise(found))


@pytest.mark.parametrize("wrong_s", [3600.0, -3600.0, 5.0, -0.5])
def test_a_camera_whose_clock_is_wrong_is_not_believed_and_it_is_told(wrong_s: float) -> None:
    clock = StreamClock()
    wrong = 30 * 365 * 86400 if wrong_s == 5.0 else wrong_s
    found = [clock.stamp(n / 10, at(n / 10), at(n / 10 - wrong)) for n in range(100)]
    assert found[-1].t_ns == at(9.9)
    assert found[-1].source == "arrival"
    assert clock.offset_s == pytest.approx(-wrong)


def test_without_time_stamps_arrival_counts() -> None:
    clock = StreamClock()
    found = [clock.stamp(None, at(n / 10)) for n in range(20)]
    assert [each.t_ns for each in found] == [at(n / 10) for n in range(20)]
    assert all(each.restamped and each.source == "estimated" for each in found)
    assert math.isnan(clock.offset_s)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.one_of(st.none(), st.floats(-1e7, 1e7)),
            st.floats(0, 3),
            st.one_of(st.none(), st.integers(T0 - 10**13, T0 + 10**13)),
        ),
        max_size=60,
    )
)
def test_whatever_comes_times_rise_and_none_is_in_the_future(
    came: list[tuple[float | None, float, int | None]],
) -> None:
    clock, arrival_ns, last_ns = StreamClock(), T0, 0
    for count, (pts_s, later_s, sent_ns) in enumerate(came, 1):
        arrival_ns += round(later_s * NS)
        t_ns = clock.stamp(pts_s, arrival_ns, sent_ns).t_ns
        assert last_ns < t_ns <= arrival_ns + 1000 * count  # one microsecond a picture where many come at one moment
        last_ns = t_ns


def test_event_time_goes_on_when_the_wall_clock_jumps(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = EventClock.start()
    before_ns = clock.now_ns()
    real = __import__("time").time_ns
    monkeypatch.setattr("time.time_ns", lambda: real() + 3600 * NS)
    assert 0 <= clock.now_ns() - before_ns < 60 * NS
    assert clock.wall_error_s() == pytest.approx(3600, abs=60)
