"""A run that begins: cameras are opened and models loaded, which is no blindness; what was seen once is not excused."""

from dataclasses import replace

import numpy as np
import pytest
from scenes import FINE, T0, S, every_second, fold, see, square, started

from crowdwatch.analytics.engine import START_GRACE_S
from crowdwatch.core.outcomes import Level, Quality
from crowdwatch.core.records import Tick

PEOPLE = np.array([[0.0, 3.0]])


def blindness(outcomes):
    return [((o.t_ns - T0) // S, a.transition) for o in outcomes for a in o.alerts if a.alarm == "blindness"]


def first_seen_at(second, seconds=40):
    return fold(started(square()), every_second(lambda s: PEOPLE if s >= second else None, seconds))[1]


@pytest.mark.parametrize("second", [4, 8, 10])
def test_a_start_within_its_grace_is_unknown_and_raises_nothing(second):
    outcomes = first_seen_at(second)
    unknown = [outcome.readings[0] for outcome in outcomes[:second]]
    assert {reading.level for reading in unknown} == {Level.UNKNOWN}
    assert {reading.quality for reading in unknown} <= {Quality.BLIND, Quality.STALE}
    assert outcomes[second].readings[0].quality not in (Quality.BLIND, Quality.STALE)
    assert blindness(outcomes) == []


def test_a_camera_that_never_comes_raises_blindness_when_the_grace_is_over():
    assert blindness(first_seen_at(40)) == [(START_GRACE_S + 1, "raised")]


def test_what_was_seen_once_is_not_excused():
    """Seen in the first second alone: silent after five, and blind at once."""
    _, outcomes = fold(started(square()), every_second(lambda s: PEOPLE if s < 1 else None, 12))
    assert blindness(outcomes) == [(6, "raised")]


def test_a_covered_camera_is_seen_to_be_covered_and_not_excused():
    state, outcomes = started(square()), []
    covered = replace(FINE, luma=2.0, contrast=1.0)
    for second in range(8):
        shown = see(T0 + second * S, np.zeros((0, 2)), evidence=replace(covered, frame_hash=f"{second:016x}"))
        state, found = fold(state, [shown, Tick(T0 + second * S, (shown.stamp.id,))])
        outcomes += found
    assert blindness(outcomes) == [(3, "raised")]
