"""Loss of sight lowers no level and reads as nobody's absence: the fold over drawn crowds, with perfect boxes."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from scenes import FINE, SQUARE, T0, S, camera, fold, ladder, see, square, started

from crowdwatch.analytics.memory import first_memory, remember
from crowdwatch.core.outcomes import Health, Level, Quality
from crowdwatch.core.reasons import Code
from crowdwatch.core.records import Tick
from crowdwatch.core.site import HandOver, Limit, Phase, Quantity, ZoneLimits
from crowdwatch.sources.synthetic import lattice, looking_down

DARK = replace(FINE, luma=2.0, contrast=1.0)
WEST, EAST = "west", "east"
CROWD = lattice(6.0, -4, 0, 0, 6)
"""150 people on the west half of the zone, which is 8 x 6 m."""
TRUSTED = HandOver(9.0, 9.9, least_recall=1.0)
"""Boxes are the truth, however close people stand."""


def halves(**changes):
    """A zone of which each of two cameras sees one half."""
    cameras = []
    for name, west in ((WEST, -6.0), (EAST, 0.0)):
        hull = np.array([[west, -2], [west + 6, -2], [west + 6, 8], [west, 8]])
        plane = replace(looking_down((west + 3, -4.0, 14.0), (west + 3, 2.5)), hull_m=hull, hull_reach=1.0)
        cameras.append(replace(camera(name, plane), counts_heads=False))
    return replace(square(cameras=cameras, **changes), hand_over=TRUSTED, window_s=2.0)


def run(site, seconds, people, spoiled):
    """Fold one observation of every camera and a tick a second.

    ``people(second)`` gives everybody; ``spoiled(camera, second)`` an evidence of the picture, or None for no picture.
    """
    state, outcomes = started(site), []
    for second in range(seconds):
        t_ns = T0 + second * S
        everybody = people(second)
        seen = []
        for name, half in ((WEST, everybody[:, 0] < 0), (EAST, everybody[:, 0] >= 0)):
            evidence = spoiled(name, second)
            if evidence is not None:
                seen.append(see(t_ns, everybody[half] if evidence is FINE else np.empty((0, 2)),
                                camera_id=name, evidence=evidence))  # fmt: skip
        state, done = fold(state, [*seen, Tick(t_ns, tuple(each.stamp.id for each in seen))])
        outcomes += done
    return outcomes


def transitions(outcomes, alarm="crowding"):
    return [((o.t_ns - T0) // S, a.transition, a.level.name) for o in outcomes for a in o.alerts if a.alarm == alarm]


def lost_from(name, second, evidence=DARK, until=10**9):
    return lambda which, now: evidence if which == name and second <= now < until else FINE


def codes(reading):
    return {reason.code for reason in reading.reasons}


@pytest.mark.parametrize("evidence", [DARK, None], ids=["dark", "silent"])
@pytest.mark.parametrize(
    "limits", [ladder(1.0, 2.0, 2.5, 2.9), ladder(0.6, 0.8, 1.0, 1.3, quantity=Quantity.OCCUPANCY)],
    ids=["density", "occupancy"],
)  # fmt: skip
def test_losing_the_half_that_holds_the_crowd_is_blindness_and_clears_nothing(evidence, limits):
    outcomes = run(halves(limits=limits), 90, lambda _: CROWD, lost_from(WEST, 20, evidence))
    assert transitions(outcomes)[-1][1:] == ("level_up", "CRITICAL") or transitions(outcomes)[-1][2] == "CRITICAL"
    assert all(second < 20 for second, _, _ in transitions(outcomes))
    said_at = 20 + (0 if evidence is DARK else 5)
    for outcome in outcomes[said_at:]:
        (reading,) = outcome.readings
        assert (reading.quality, reading.level) == (Quality.BLIND, Level.UNKNOWN)
        assert math.isnan(reading.density_p_m2)
        assert Code.CROWD_UNSEEN in codes(reading)
    ((raised, transition, _),) = transitions(outcomes, "blindness")
    assert transition == "raised"
    assert raised <= said_at + 4
    assert outcomes[-1].alarms[1].level is Level.CRITICAL


def test_losing_the_empty_half_keeps_the_reading_and_says_so():
    outcomes = run(halves(limits=ladder(1.0, 2.0)), 60, lambda _: CROWD, lost_from(EAST, 20))
    (reading,) = outcomes[-1].readings
    assert reading.quality is Quality.DEGRADED
    assert {Code.PARTLY_SEEN, Code.GROUND_LOST, Code.UNHEALTHY} <= codes(reading)
    assert reading.count == pytest.approx(len(CROWD))
    assert reading.level is Level.CAUTION


def test_a_level_stays_until_as_much_is_seen_as_when_it_was_raised():
    """The crowd walks out while the empty half is not seen: it may have gone there, so nothing clears before."""

    def leaving(second):
        return CROWD if second < 30 else CROWD[: max(0, len(CROWD) - 8 * (second - 30))]

    outcomes = run(halves(limits=ladder(1.0, 2.0)), 90, leaving, lost_from(EAST, 20, until=70))
    before = [o.readings[0] for o in outcomes[60:70]]
    assert all(reading.level is Level.CAUTION for reading in before)
    assert all(Code.LEVEL_HELD in codes(reading) for reading in before)
    assert all(reading.count_high > 100 for reading in before), "they may stand on the ground that nobody sees"
    assert [t[1:] for t in transitions(outcomes)][-1] == ("cleared", "NORMAL")
    assert transitions(outcomes)[-1][0] == 73, "three seconds, the off-delay, after it is seen again"


def test_the_bound_of_lost_ground_holds_who_stood_there_and_grows_to_the_densest_that_can_be():
    few = lattice(0.3, -4, 0, 0, 6)
    many = lattice(4.0, 0, 0, 4, 6)
    outcomes = run(halves(), 300, lambda _: np.concatenate([few, many]), lost_from(WEST, 20))
    readings = [o.readings[0] for o in outcomes]
    assert readings[22].quality is Quality.DEGRADED
    assert readings[22].count == pytest.approx(len(many), abs=1)
    assert readings[22].count_high > len(many) + len(few)
    highs = [reading.count_high for reading in readings[21:]]
    assert all(later >= sooner - 1e-9 for sooner, later in itertools.pairwise(highs))
    own = readings[19].count_high
    assert highs[-1] - highs[0] > 100
    assert highs[-1] <= own + 240 + 1e-6, "10 p/m2 on the 24 m2 that were lost"
    assert readings[-1].density_high == pytest.approx(highs[-1] / 48, rel=0.02)


def test_a_phase_that_begins_while_nobody_sees_lowers_nothing_and_is_named_when_sight_comes_back():
    critical = ladder(1.0, 2.0, 2.5, 2.9)
    phases = (
        Phase("show", 0, (ZoneLimits("z", critical),)),
        Phase("egress", T0 + 30 * S, (ZoneLimits("z", critical[:2], watch_blindness=False),)),
    )

    def people(second):
        return CROWD if second < 60 else CROWD[:70]

    def spoiled(_, second):
        return DARK if 20 <= second < 60 else FINE

    outcomes = run(replace(halves(), phases=phases), 100, people, spoiled)
    assert [t for t in transitions(outcomes) if 20 <= t[0] < 60] == []
    assert outcomes[59].alarms[1].level is Level.CRITICAL
    events = [a for o in outcomes for a in o.alerts if a.alarm == "crowding" and a.t_ns > T0 + 59 * S]
    assert [(e.transition, e.level.name, e.cause) for e in events] == [("level_down", "WATCH", "phase egress")]
    assert events[0].reasons[0].code is Code.PHASE_CHANGED
    assert [t[:2] for t in transitions(outcomes, "blindness")] == [(23, "raised"), (70, "cleared")]


def test_a_zone_that_is_blind_every_other_moment_raises_blindness():
    outcomes = run(halves(), 120, lambda _: CROWD, lambda _, second: DARK if second % 4 < 2 else FINE)
    ((raised, transition, _),) = transitions(outcomes, "blindness")
    assert transition == "raised"
    assert raised <= 40
    (event,) = [a for o in outcomes for a in o.alerts if a.alarm == "blindness"]
    assert event.reasons[0].code is Code.OFTEN_NOT_COUNTED


def test_two_flashes_of_a_firework_raise_no_blindness():
    outcomes = run(halves(), 60, lambda _: CROWD, lambda _, second: DARK if second in (10, 11, 40, 41) else FINE)
    assert transitions(outcomes, "blindness") == []


def test_a_crush_in_a_corner_of_a_large_zone_is_not_averaged_away():
    """70 people on 12 m2 of 120 m2: 0.58 p/m2 on average, five where they stand."""
    crush = lattice(70 / 12, -6, -2, -2.54, 1.46)
    limit = Limit(Quantity.PEAK, Level.ALERT, 4.0, 3.7, 10.0, 30.0)
    site = halves(zone=SQUARE, area_m2=120.0, limits=(*ladder(2.0, 3.0), limit))
    outcomes = run(site, 30, lambda _: crush, lambda *_: FINE)
    (reading,) = outcomes[-1].readings
    assert reading.density_p_m2 == pytest.approx(70 / 120, rel=0.1)
    assert reading.level is Level.ALERT
    (event,) = [a for o in outcomes for a in o.alerts]
    assert (event.quantity, event.unit) == ("peak", "p/m2")
    assert event.value > 4.0


def test_people_do_not_vanish_a_count_that_falls_at_once_is_doubted_and_clears_nothing():
    outcomes = run(halves(limits=ladder(1.0, 2.0)), 60, lambda s: CROWD if s < 20 else CROWD[:10], lambda *_: FINE)
    assert all(health.health is Health.OK for health in outcomes[-1].health)
    assert outcomes[19].readings[0].quality is Quality.GOOD
    for outcome in outcomes[20:]:
        (reading,) = outcome.readings
        assert reading.quality is Quality.DEGRADED
        assert Code.SUDDEN_FALL in codes(reading)
        assert reading.level is Level.CAUTION


def test_a_crowd_that_walks_out_is_not_doubted():
    """From the edge inwards, 8 of 144 a second: 0.5 per metre and second."""
    centre = np.array([-2.0, 3.0])
    inner = CROWD[np.argsort(np.abs(CROWD - centre).max(axis=1), kind="stable")]

    def leaving(second):
        return inner if second < 20 else inner[: max(0, len(inner) - 8 * (second - 20))]

    outcomes = run(halves(limits=ladder(1.0, 2.0)), 60, leaving, lambda *_: FINE)
    assert all(Code.SUDDEN_FALL not in codes(outcome.readings[0]) for outcome in outcomes)
    assert transitions(outcomes)[-1][1] == "cleared"


@pytest.mark.parametrize(("found", "quality"), [(0, Quality.GOOD), (1, Quality.GOOD), (11, Quality.DEGRADED)])
def test_boxes_alone_in_what_may_be_a_dense_crowd_say_at_least(found, quality):
    """Of 240 people on 48 m2, 5.0 p/m2, a detector finds 11. The interval holds them all, and nothing clears."""
    people = lattice(5.0, -4, 0, 4, 6)
    some = people[np.linspace(0, len(people) - 1, found).astype(int)] if found else np.empty((0, 2))
    site = replace(halves(limits=ladder(1.0, 2.0)), hand_over=HandOver())
    outcomes = run(site, 20, lambda _: some, lambda *_: FINE)
    (reading,) = outcomes[-1].readings
    assert reading.quality is quality
    assert reading.too_few is (quality is Quality.DEGRADED)
    if found == 11:
        assert codes(reading) == {Code.BOXES_ALONE}
        assert reading.density_high >= 5.0
        assert reading.count_high >= 240


def test_boxes_that_fail_in_the_crowd_clear_no_alarm():
    """The crowd packs, and boxes find fewer and fewer of it; nobody walks out."""
    people = lattice(5.0, -4, 0, 4, 6)

    def found(second):
        return people[:: 1 + second // 8] if second < 20 * 8 else people[::20]

    site = replace(halves(limits=ladder(1.0, 2.0)), hand_over=HandOver())
    outcomes = run(site, 240, found, lambda *_: FINE)
    assert [t[1:] for t in transitions(outcomes)] == [("raised", "CAUTION")]
    assert outcomes[-1].readings[0].density_p_m2 < 0.3


def test_a_phase_without_the_limit_clears_nothing_while_less_is_seen():
    """The empty half is dark when the phase begins that has no such limit; the crowd may have gone there."""
    critical = ladder(1.0, 2.0, 2.5, 2.9)
    phases = (
        Phase("show", 0, (ZoneLimits("z", critical),)),
        Phase("egress", T0 + 30 * S, (ZoneLimits("z", critical[:1]),)),
    )
    outcomes = run(replace(halves(), phases=phases), 90, lambda _: CROWD, lost_from(EAST, 20, until=60))
    assert [t for t in transitions(outcomes) if 20 <= t[0] < 60] == []
    assert outcomes[59].readings[0].level is Level.CRITICAL
    assert Code.LEVEL_HELD in codes(outcomes[59].readings[0])
    assert transitions(outcomes)[-1] == (63, "level_down", "WATCH")


def test_what_is_noted_of_ground_is_its_mean_and_what_that_was_one_and_two_windows_before():
    """One cell: 4 people are seen, then 2, then nobody sees it; the mean has the time constant of half a window."""
    view = started(square()).view
    memory, at = first_memory(view, T0), tuple(n // 2 for n in view.grid.shape)
    means, mean = [], 0.0
    for second in range(35):
        seen = np.full(view.grid.shape, 0xFFFF if second < 25 else 0, np.uint16)
        people = np.full(view.grid.shape, 4.0 if second < 12 else 2.0)
        memory = remember(memory, seen, people, T0 + second * S, 10.0)
        if second < 25:
            mean = people[at] if second == 0 else people[at] + math.exp(-1 / 5) * (mean - people[at])
            means.append(mean)
    assert [float(each[at]) for each in memory.people] == pytest.approx([means[24], means[19], means[9]])
    assert memory.seen_ns[at] == T0 + 24 * S
