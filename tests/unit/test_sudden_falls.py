"""Counts that fall faster than people walk, and come back or not: the fold over drawn crowds, with perfect boxes."""

from dataclasses import replace

import numpy as np
import pytest
from scenes import T0, S, camera, fold, ladder, see, square, started

from crowdwatch.core.outcomes import Level, Quality
from crowdwatch.core.reasons import Code
from crowdwatch.core.records import Tick
from crowdwatch.core.site import HandOver
from crowdwatch.sources.synthetic import lattice, looking_down

CROWD = lattice(6.0, -4, 0, 4, 6)
"""288 people on the whole zone, which is 8 x 6 m."""
NOBODY = np.empty((0, 2))


def site(cameras=("c",), **changes):
    """A zone of which each camera sees an equal part, from west to east. Boxes are the truth, however close."""
    edges = np.linspace(-6.0, 6.0, len(cameras) + 1)
    views = []
    for name, west, east in zip(cameras, edges, edges[1:], strict=False):
        hull = np.array([[west, -2], [east, -2], [east, 8], [west, 8]])
        plane = replace(
            looking_down(((west + east) / 2, -4.0, 14.0), ((west + east) / 2, 2.5)), hull_m=hull, hull_reach=1.0
        )
        views.append(replace(camera(name, plane), counts_heads=False))
    return replace(square(cameras=views, **changes), hand_over=HandOver(9.0, 9.9, least_recall=1.0), window_s=10.0)


def run(place, seconds, found, hz=5):
    """Fold ``hz`` observations of every camera and a tick a second; ``found(camera, time)`` is whom it finds."""
    state, outcomes = started(place), []
    names = [each.camera_id for each in place.cameras]
    edges = np.linspace(-6.0, 6.0, len(names) + 1)
    for second in range(seconds):
        seen = []
        for part in range(hz):
            at_s = second - 1 + (part + 1) / hz
            for number, name in enumerate(names):
                people = found(name, at_s)
                own = (people[:, 0] >= edges[number]) & (people[:, 0] < edges[number + 1])
                seen.append(see(T0 + round(at_s * S), people[own], camera_id=name))
        state, done = fold(state, [*seen, Tick(T0 + second * S, tuple(each.stamp.id for each in seen))])
        outcomes += done
    return outcomes


def codes(reading):
    return {reason.code for reason in reading.reasons}


def levels(outcomes):
    return [a.level for o in outcomes for a in o.alarms if a.alarm == "crowding"]


@pytest.mark.parametrize(("bad_s", "every_s"), [(2, 4), (1, 2), (3, 5), (0.4, 1)])
def test_a_count_that_comes_and_goes_is_read_from_the_good_pictures(bad_s, every_s):
    def found(_, at_s):
        return NOBODY if 20 <= at_s < 50 and (at_s - 20) % every_s < bad_s - 1e-6 else CROWD

    outcomes = run(site(limits=ladder(1.0, 2.0, 4.0, 5.5)), 75, found)
    for second, outcome in enumerate(outcomes[15:], start=15):
        (reading,) = outcome.readings
        assert reading.count_high >= len(CROWD)
        if (found("c", second)).size:
            assert reading.count == pytest.approx(len(CROWD)), f"at {second} s"
        if 24 <= second < 55:
            assert reading.quality is Quality.DEGRADED
            assert codes(reading) & {Code.SUDDEN_FALL, Code.COUNT_CAME_BACK}
    assert set(levels(outcomes[15:])) == {Level.CRITICAL}
    assert outcomes[-1].readings[0].quality is Quality.GOOD


def test_one_camera_of_three_that_comes_and_goes_is_found_and_named():
    """A third of the people come and go: too few for the zone's count to show it."""

    def found(name, at_s):
        return NOBODY if name == "b" and 20 <= at_s < 60 and at_s % 4 < 2 else CROWD

    outcomes = run(site(("a", "b", "c"), limits=ladder(1.0, 2.0, 4.0, 5.5)), 60, found)
    assert set(levels(outcomes[15:])) == {Level.CRITICAL}
    for second in (24, 31, 43, 59):
        (reading,) = outcomes[second].readings
        came_back = [reason for reason in reading.reasons if reason.code is Code.COUNT_CAME_BACK]
        fell = Code.SUDDEN_FALL in codes(reading)
        assert fell or [reason.camera_id for reason in came_back] == ["b"]
        assert reading.count_high >= len(CROWD)
        if not fell:
            assert reading.count == pytest.approx(len(CROWD))


def test_groups_that_walk_past_are_not_doubted():
    """Every six seconds twelve people cross the zone at 1.3 m/s, two metres wide."""
    offsets = lattice(1.5, -2, 2, 2, 4)[:12]

    def found(_, at_s):
        return offsets + np.array([(1.3 * at_s) % 16.0 - 8.0, 0.0])

    outcomes = run(site(), 60, found)
    assert {outcome.readings[0].quality for outcome in outcomes[1:]} == {Quality.GOOD}


def test_people_who_appear_in_one_picture_alone_did_not_vanish():
    outcomes = run(site(), 40, lambda _, at_s: CROWD if at_s == 20.0 else NOBODY)
    assert {outcome.readings[0].quality for outcome in outcomes[1:]} == {Quality.GOOD}


@pytest.mark.parametrize("later", [12, 25])
def test_time_alone_does_not_end_a_doubt(later):
    """Ten people are found of a crowd, then a few more: only where ten more are counted, some minutes later, is it
    shown that people are counted there."""

    def found(_, at_s):
        return CROWD[: 288 if at_s < 20 else 10 if at_s < 330 else later]

    outcomes = run(site(limits=ladder(1.0, 2.0)), 380, found, hz=1)
    for outcome in outcomes[22:330]:
        assert Code.SUDDEN_FALL in codes(outcome.readings[0])
        assert outcome.readings[0].level is Level.CAUTION
    (last,) = outcomes[-1].readings
    if later < 20:
        assert (last.quality, last.level) == (Quality.DEGRADED, Level.CAUTION)
        assert {Code.SUDDEN_FALL, Code.LEVEL_HELD} <= codes(last)
    else:
        assert (last.quality, last.level) == (Quality.GOOD, Level.NORMAL)
