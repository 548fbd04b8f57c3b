"""What yields where the machine is too slow: the counter first, all cameras evenly, and never too far."""

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import pytest
from scenes import camera

from crowdwatch.analytics.staleness import stale_limit_s
from crowdwatch.core.live import StreamPhase, StreamStatus
from crowdwatch.drivers.live.load import JUDGED_S, Load, LoadControl, Pace

TOO_MUCH, ROOM, ENOUGH = Load(1.0, 20, 10), Load(0.3, 20, 0), Load(0.85, 20, 0)
NAN = float("nan")


def control(wanted: str | None = "2", every_s: float = 1.0) -> LoadControl:
    hz = None if wanted is None else Fraction(wanted)
    cameras = {key: replace(camera(key), sample_interval_s=0.5) for key in ("a", "b")}
    return LoadControl(cameras, dict.fromkeys(cameras, hz), dict.fromkeys(cameras, every_s))


def pace(load: LoadControl, *, dense: bool = False, rate_hz: float = 10.0) -> Pace:
    both = {load.pace(key, rate_hz, dense=dense) for key in ("a", "b")}
    assert len(both) == 1, "cameras yield evenly"
    return both.pop()


def test_a_machine_that_is_fast_enough_changes_nothing() -> None:
    load = control()
    assert not any(load.judge(each) for each in (ROOM, ENOUGH) * 20)
    assert pace(load) == Pace(Fraction(2), 1.0)
    assert not load.yields


def test_the_counter_yields_before_pictures_do_and_both_only_so_far() -> None:
    load = control()
    seen = []
    for _ in range(40):
        load.judge(TOO_MUCH)
        seen.append(pace(load))
    first = next(index for index, each in enumerate(seen) if each.sample_hz != 2)
    most = seen[first - 1].counter_times
    hold_s = camera().heads_hold_s
    assert 1 < most < hold_s, "a density map would be too old"
    assert all(each.counter_times == most for each in seen[first:])
    assert not any(each.velocities for each in seen), "they yield first"
    assert [each.counter_times for each in seen[:first]] == sorted({each.counter_times for each in seen[:first]})
    rates = [float(each.sample_hz or 0) for each in seen]
    assert rates == sorted(rates, reverse=True)
    assert 1 / stale_limit_s(0.5) < rates[-1] < 2, "a camera would be silent"


def test_dense_places_keep_theirs_longer() -> None:
    load = control()
    for _ in range(8):
        load.judge(TOO_MUCH)
    thin, dense = pace(load), pace(load, dense=True)
    assert thin.sample_hz is not None
    assert dense.sample_hz is not None
    assert thin.sample_hz < dense.sample_hz < 2
    assert thin.counter_times > dense.counter_times > 1


def test_everything_comes_back_pictures_first_and_in_steps() -> None:
    load = control()
    for _ in range(10):
        load.judge(TOO_MUCH)
    seen = [pace(load)]
    for _ in range(300):
        load.judge(ROOM)
        seen.append(pace(load))
    assert seen[-1] == Pace(Fraction(2), 1.0)
    back = next(index for index, each in enumerate(seen) if each.sample_hz == 2)
    assert all(each.counter_times == seen[0].counter_times for each in seen[:back])
    steps = sorted({each.sample_hz for each in seen[: back + 1]})
    assert len(steps) > 2, "not all at once"
    assert all(after <= 2.01 * before for before, after in pairwise(steps)), "the machine does not become full by it"


def test_what_yields_comes_back_fast_where_there_is_much_room_and_slowly_where_there_is_little() -> None:
    def back_s(busy_frac: float) -> float:
        load = control()
        while load.judge(TOO_MUCH):
            pass
        spans = 0
        while pace(load) != Pace(Fraction(2), 1.0):
            load.judge(Load(busy_frac, 20, 0))
            spans += 1
        return spans * JUDGED_S

    assert back_s(0.2) <= 20
    assert back_s(0.2) < back_s(0.5) < back_s(0.69) < 120


def test_where_every_picture_is_wanted_the_rate_is_that_of_the_stream() -> None:
    load = control(wanted=None)
    for _ in range(10):
        load.judge(TOO_MUCH)
    assert pace(load, rate_hz=NAN).sample_hz is None
    slower = pace(load, rate_hz=25.0).sample_hz
    assert slower is not None
    assert 1 / stale_limit_s(0.5) < slower < 25


def test_pictures_lost_while_threads_are_idle_are_no_load() -> None:
    load = control()
    assert not any(load.judge(Load(0.2, 20, 10)) for _ in range(10))


def test_counts_are_taken_between_two_looks() -> None:
    load = control()
    first = StreamStatus("a", StreamPhase.STREAMING, 0, sampled=100, replaced=5)
    load.load({"a": first}, 0.5)
    assert load.load({"a": replace(first, sampled=110, replaced=9)}, 0.5) == Load(0.5, 10, 4)
    assert load.load({"a": replace(first, sampled=3, replaced=1)}, 0.5) == Load(0.5, 3, 1), "its reader began anew"


@pytest.mark.parametrize("wanted", ["2", None])
def test_what_yields_is_said_with_what_helps(wanted: str | None) -> None:
    load = control(wanted)
    status = StreamStatus("a", StreamPhase.STREAMING, 0, message="Its clock is an hour off.")
    assert load.said(status, pace(load)) == status
    for _ in range(12):
        load.judge(TOO_MUCH)
    text = load.said(status, pace(load)).message
    assert text.startswith("Its clock is an hour off. The machine is too slow")
    assert "heads are counted every" in text
    assert "pictures a second are analysed instead of " + ("every one" if wanted is None else "2") in text
    assert "fewer cameras" in text


def test_what_is_said_is_what_was_measured_where_that_is_less() -> None:
    load = control()
    for _ in range(12):
        load.judge(TOO_MUCH)
    status, asked = StreamStatus("a", StreamPhase.STREAMING, 0), pace(load)
    assert "0.1 pictures a second are analysed instead of 2" in load.said(status, asked, 0.1).message
    assert load.said(status, asked, NAN) == load.said(status, asked, float(asked.sample_hz or 0))
    first = control()
    first.judge(TOO_MUCH)
    assert "pictures" not in first.said(status, pace(first), 1.9).message
    assert "1.2 pictures" in first.said(status, pace(first), 1.2).message
