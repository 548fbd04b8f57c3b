"""Two cameras over the same ground: what one finds there bears witness against the other, which counts."""

from dataclasses import replace

import numpy as np
import pytest
from scenes import T0, S, camera, fold, ladder, see, square, started

from crowdwatch.core.outcomes import Level, Quality
from crowdwatch.core.reasons import Code
from crowdwatch.core.records import Tick
from crowdwatch.core.site import HandOver
from crowdwatch.sources.synthetic import lattice, looking_down

CROWD = lattice(3.0, -4, 0, 4, 6)
"""144 people on the zone, of whom each camera counts about half."""


def run(found, seconds=120):
    """Fold a picture of both cameras and a tick a second; ``found(camera, second)`` is whom it finds."""
    south, north = looking_down((0.0, -8.0, 14.0), (0.0, 3.0)), looking_down((0.0, 14.0, 14.0), (0.0, 3.0))
    cameras = [replace(camera(name, plane), counts_heads=False) for name, plane in (("north", north), ("south", south))]
    site = replace(square(cameras=cameras, limits=ladder(1.0, 2.0)), hand_over=HandOver(9.0, 9.9, least_recall=1.0))
    state, outcomes = started(site), []
    for second in range(seconds):
        t_ns = T0 + second * S
        seen = [see(t_ns, found(name, second), camera_id=name) for name in ("north", "south")]
        state, done = fold(state, [*seen, Tick(t_ns, tuple(each.stamp.id for each in seen))])
        outcomes += done
    return [outcome.readings[0] for outcome in outcomes]


def fading(second):
    """A model that finds one person less of these in every second, so that nothing falls at once."""
    return CROWD[np.argsort(np.random.default_rng(0).random(len(CROWD)))][max(0, second - 20) :]


@pytest.mark.parametrize("name", ["south", "north"])
def test_a_camera_that_finds_fewer_than_another_one_calms_nothing(name):
    readings = run(lambda camera_id, second: fading(second) if camera_id == name else CROWD)
    other = "north" if name == "south" else "south"
    last = readings[-1]
    assert last.count < 0.8 * len(CROWD)
    assert last.quality is Quality.DEGRADED
    (why,) = [reason for reason in last.reasons if reason.code is Code.FINDS_MORE]
    assert why.camera_id == other
    assert last.count_high >= len(CROWD) - 10
    assert {reading.level for reading in readings[20:]} == {Level.CAUTION}


def test_cameras_that_agree_but_for_a_few_are_not_doubted():
    rng = np.random.default_rng(1)

    def found(_, __):
        return CROWD[rng.random(len(CROWD)) < 0.8]

    assert {reading.quality for reading in run(found, 60)[1:]} == {Quality.GOOD}


def test_a_crowd_that_both_see_leave_has_left():
    readings = run(lambda _, second: fading(second), 200)
    assert readings[-1].level is Level.NORMAL
    assert not {reason.code for reading in readings for reason in reading.reasons} & {Code.FINDS_MORE}
