"""What must hold of alarms for any history of a zone."""

import math
from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scenes import every_second, fold, ladder, square, started

from crowdwatch.core.outcomes import Level, Quality
from crowdwatch.sources.synthetic import lattice

SITE = replace(square(limits=ladder(1.0, 2.0, 3.0, 4.0, on_s=2, off_s=3)), window_s=1.0)
START = started(SITE)
HISTORY = st.lists(st.sampled_from([None, 0.5, 1.2, 2.4, 4.4]), min_size=1, max_size=40)
CROWDS = {density: lattice(density, -4, 0, 4, 6) for density in (0.5, 1.2, 2.4, 4.4)}


def events(history):
    return every_second(lambda s: None if history[int(s)] is None else CROWDS[history[int(s)]], len(history))


@given(HISTORY)
@settings(deadline=None, max_examples=60)
def test_the_unknown_never_calms_an_alarm(history):
    _, outcomes = fold(START, events(history))
    for outcome in outcomes:
        (reading,) = outcome.readings
        calmed = {a.transition for a in outcome.alerts if a.alarm == "crowding"} & {"cleared", "level_down"}
        if math.isnan(reading.density_p_m2):
            assert not calmed
            assert reading.level is Level.UNKNOWN
            assert reading.quality in (Quality.STALE, Quality.BLIND)
        else:
            assert reading.level is not Level.UNKNOWN


@given(HISTORY, st.integers(0, 40))
@settings(deadline=None, max_examples=40)
def test_cutting_the_stream_and_going_on_changes_nothing(history, cut):
    every = events(history)
    _, whole = fold(START, every)
    state, first = fold(START, every[:cut])
    _, rest = fold(state, every[cut:])
    assert [repr(o.readings) + repr(o.alerts) + repr(o.alarms) for o in whole] == [
        repr(o.readings) + repr(o.alerts) + repr(o.alarms) for o in first + rest
    ]


@given(HISTORY)
@settings(deadline=None, max_examples=60)
def test_a_raised_level_was_reached_for_its_delay(history):
    """No level without two whole seconds at or above its limit, and no alarm vanishes without a transition."""
    _, outcomes = fold(START, events(history))
    raised = {Level.NORMAL: 0.0, Level.WATCH: 1.0, Level.CAUTION: 2.0, Level.ALERT: 3.0, Level.CRITICAL: 4.0}
    before = Level.NORMAL
    densities = []
    for outcome in outcomes:
        densities.append(outcome.readings[0].density_p_m2)
        moves = [a for a in outcome.alerts if a.alarm == "crowding"]
        assert len(moves) <= 1
        for move in moves:
            assert move.level != before
            if move.level > before:
                known = [d for d in densities if not math.isnan(d)][-3:]
                assert len(known) == 3
                assert min(known) >= raised[move.level]
            before = move.level
        open_alarm = [a for a in outcome.alarms if a.alarm == "crowding"]
        assert (before is Level.NORMAL) or (open_alarm and open_alarm[0].level is before)


@given(st.permutations(range(12)), st.integers(0, 5))
@settings(deadline=None, max_examples=20)
def test_order_of_people_is_irrelevant(order, seconds):
    people = np.random.default_rng(1).uniform([-4, 0], [4, 6], (12, 2))
    straight = events_of(people, seconds)
    shuffled = events_of(people[list(order)], seconds)
    for one, other in zip(fold(START, straight)[1], fold(START, shuffled)[1], strict=True):
        assert one.readings[0].count == other.readings[0].count
        # sums in another order: rounding only
        assert np.allclose(one.grid.rho_p_m2, other.grid.rho_p_m2, atol=1e-12, equal_nan=True)
        assert [a.event_id for a in one.alerts] == [a.event_id for a in other.alerts]


def events_of(people, seconds):
    return every_second(lambda _: people, seconds + 1)
