"""Two cameras over the same ground: what a report says of them, where the truth is known."""

from dataclasses import replace

import numpy as np
import pytest
from scenes import T0, S, camera, fold, see, square, started

from crowdwatch.analytics.overlap import MOMENT_S, note
from crowdwatch.analytics.overlap_pairs import Doubt, report_of
from crowdwatch.core.records import Tick
from crowdwatch.core.site import HandOver
from crowdwatch.sources.synthetic import looking_down

AREA = np.array([[-6.0, -2.0], [6.0, 8.0]])


def report(found, seconds=40, clock_s=0.0):
    """Fold a picture of both cameras a second; ``found(camera, people, rng)`` is whom it finds of 60 people."""
    south, north = looking_down((0.0, -8.0, 14.0), (0.0, 3.0)), looking_down((0.0, 14.0, 14.0), (0.0, 3.0))
    cameras = [replace(camera(name, plane), counts_heads=False) for name, plane in (("north", north), ("south", south))]
    state = started(replace(square(cameras=cameras), hand_over=HandOver(9.0, 9.9, least_recall=1.0)))
    rng, pairs = np.random.default_rng(5), {}
    began = rng.uniform(*AREA, (60, 2))
    speed = rng.normal(0.0, 0.4, began.shape)
    for second in range(seconds):
        t_ns = T0 + second * S
        people = AREA[0] + (began + second * speed - AREA[0]) % (2 * (AREA[1] - AREA[0]))
        people = np.where(people > AREA[1], 2 * AREA[1] - people, people)
        seen = [see(t_ns, found(name, people, rng), camera_id=name) for name in ("north", "south")]
        state, _ = fold(state, [*seen, Tick(t_ns, tuple(each.stamp.id for each in seen))])
        if second % MOMENT_S == 0:
            note(pairs, state, t_ns, {"north": clock_s})
    (pair,) = pairs.values()
    return report_of(pair, state.view.grid.cell_m)


def off(by=(0.0, 0.0), missing=0.0, of="south", noise_m=0.15):
    """Everybody, as wrong as positions are; of one camera shifted, and without a share by chance."""

    def found(name, people, rng):
        there = people + rng.normal(0.0, noise_m, people.shape)
        if name != of:
            return there
        return (there + np.array(by))[rng.random(len(there)) >= missing]

    return found


def test_a_pair_that_is_right_agrees():
    found = report(off())
    assert found.cameras == ("north", "south")
    assert found.doubts == ()
    assert found.moments == 20
    assert found.seconds == 40
    assert found.ratio[0] == pytest.approx(1.0, abs=0.03)
    assert found.ratio[1] <= 1.0 <= found.ratio[2]
    assert found.ratio[2] - found.ratio[1] < 0.35
    assert found.difference_p_m2[1] <= 0.0 <= found.difference_p_m2[2]
    assert found.shift.length_m < 0.1
    assert found.matched_frac > 0.8
    assert found.agreeing_frac == 1.0
    assert found.cells * 0.25 >= found.area_m2 > 60


@pytest.mark.parametrize("by", [(1.7, -0.9), (-0.6, 3.1)])
def test_a_known_shift_is_found_and_doubted(by):
    found = report(off(by))
    assert (found.shift.east_m, found.shift.north_m) == pytest.approx(by, abs=0.12)
    assert found.shift.agreement > 0.5 > found.shift.unshifted
    assert found.shift_sigma_m <= 0.3
    assert Doubt.POSITION in found.doubts
    # clocks that may differ by five seconds explain it: people walk
    assert Doubt.POSITION not in report(off(by), clock_s=5.0).doubts


def test_a_known_missing_share_is_found_and_doubted_beyond_the_intervals():
    few, many = report(off(missing=0.1)), report(off(missing=0.7))
    for found, share in ((few, 0.9), (many, 0.3)):
        assert found.ratio[0] == pytest.approx(share, abs=0.03)
        assert found.ratio[1] < share < found.ratio[2]
        rho = found.density_p_m2[0]
        assert found.difference_p_m2[0] == pytest.approx((share - 1) * rho, abs=0.05)
        assert found.shift.length_m < 0.2
    assert few.doubts == ()  # models err by as much
    assert many.doubts == (Doubt.DENSITY,)
    assert many.agreeing_frac < 0.2
    assert many.doubted_s > 0


def test_strangers_have_no_shift():
    """Two cameras that find other people altogether: nothing is read out of it."""
    found = report(lambda _, people, rng: rng.uniform(*AREA, people.shape))
    assert not found.shift.known
    assert found.shift.agreement < 0.2
    assert Doubt.POSITION not in found.doubts
