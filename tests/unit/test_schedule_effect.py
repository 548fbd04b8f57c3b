"""The schedule against every frame: which counts are left, and that a bad schedule is told from a good one."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
from scenes import T0, S, camera, see, square

from crowdwatch.core.records import GroundMass
from crowdwatch.ground import make_grid, polygon
from crowdwatch.observation.schedule import Schedule
from pipelines.evaluation import schedule_effect

SITE = square(cameras=[replace(camera(), sample_interval_s=1.0, heads_hold_s=20.0)])


class _Feed:
    """A crowd that doubles within ten seconds, counted on every frame, at 2 Hz."""

    source = None

    def __init__(self):
        self.source = self

    def pairs(self):
        return range(60)

    def observe(self, half_second):
        seen = see(T0 + half_second * S // 2, np.empty((0, 2)), seq=half_second)
        grid = make_grid(polygon(SITE.walkable_m), SITE.cell_m)
        people = 2.0 if half_second < 20 else min(4.0, 2.0 + (half_second - 20) / 10)
        mass = np.full(grid.shape, people * grid.cell_m**2)
        return replace(seen, mass=GroundMass(seen.stamp, grid.origin_m, grid.cell_m, mass, 0.0, 0.0, "n"))


def test_a_schedule_leaves_the_counts_that_it_asks_for():
    seen = [_Feed().observe(k) for k in range(20)]
    plan = Schedule(None, Fraction(2), Fraction(2), 0.4, 0.3)
    kept = [k for k, each in enumerate(schedule_effect.thinned(seen, plan)) if each.mass is not None]
    assert kept == [0, 4, 8, 12, 16]


def test_a_slow_schedule_is_told_from_a_fast_one():
    fast, slow = (
        schedule_effect.effect(
            schedule_effect.Watched(SITE, _Feed(), Schedule(None, Fraction(s), Fraction(s), 9.0, 0.3)), "drawn"
        )
        for s in (1, 20)
    )
    assert fast["counted"] == 0.5
    assert slow["counted"] <= 3 / 60
    assert fast["apart_most"] < 10 < slow["apart_most"], "a fifth of the 192 people that came"
    assert fast["within"] == 1.0
    assert fast["fastest"] > 0
