"""When a counter runs: by event time and the frame's own boxes, so that cutting the footage changes nothing."""

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from crowdwatch.core.records import Positions, Stamp
from crowdwatch.observation.schedule import NS, Schedule, due, lead_ns

RATE = 25
FRAME_NS = NS // RATE
T0 = 1_800_000_000 * NS


def standing(n, spread_m=0.5, score=0.9):
    xy = np.random.default_rng(n).uniform(0.5, 0.5 + spread_m, (n, 2))
    return Positions(Stamp("c", 0, T0), xy, np.full(n, 0.1), np.full(n, score))


def plan(sample_hz=None, every="1", dense="1/5"):
    hz = None if sample_hz is None else Fraction(sample_hz)
    return Schedule(hz, Fraction(every), Fraction(dense), dense_p_m2=0.4, score_min=0.3)


def runs(schedule, positions, first=0, last=250, saturated=False):
    """Frames of a 25 Hz recording at which the counter runs; the frame before ``first`` is known when there is one."""
    found = set()
    for k in range(first, last):
        before = None if k == 0 else T0 + (k - 1) * FRAME_NS
        if schedule.due(before, T0 + k * FRAME_NS, positions, saturated):
            found.add(k)
    return found


def test_once_a_second_where_people_stand_apart():
    assert runs(plan(), standing(1)) == {0, 25, 50, 75, 100, 125, 150, 175, 200, 225}


@pytest.mark.parametrize("saturated", [False, True])
def test_more_often_where_they_stand_close_or_the_detector_is_full(saturated):
    found = runs(plan(), standing(0 if saturated else 2), saturated=saturated)
    assert found == set(range(0, 250, 5))


def test_low_scores_and_people_without_ground_do_not_make_it_dense():
    lost = standing(9)
    nowhere = Positions(lost.stamp, np.full((9, 2), np.nan), lost.sigma_m, lost.score)
    assert runs(plan(), standing(9, score=0.2)) == runs(plan(), nowhere) == runs(plan(), standing(0))


@pytest.mark.parametrize("cut", [1, 7, 25, 60, 113])
@pytest.mark.parametrize("people", [0, 9])
def test_cutting_the_footage_changes_nothing(cut, people):
    whole = runs(plan(), standing(people))
    assert runs(plan(), standing(people), 0, cut) | runs(plan(), standing(people), cut, 250) == whole


@pytest.mark.parametrize("every", ["0.3", "1", "2.5"])
def test_every_span_of_analysed_frames_is_counted_once(every):
    schedule = plan(sample_hz="7", every=every)
    analysed = [T0 + int(np.ceil(j * NS / 7)) for j in range(200)]
    counted = [t for b, t in pairwise(analysed) if schedule.due(b, t, standing(0), False)]
    gaps = np.diff(counted) / NS
    assert len(counted) == pytest.approx(199 / 7 / max(float(every), 1 / 7), abs=2)
    assert gaps.max() <= float(every) + 1 / 7 + 1e-6


@pytest.mark.parametrize(("hz", "tick_s", "lead_s"), [("2", "1/2", 0.25), ("2", "1", 0.25), ("1/2", "1/2", 0.25)])
def test_a_live_camera_is_looked_at_half_a_step_before_its_ticks(hz, tick_s, lead_s):
    hz, tick_ns = Fraction(hz), round(NS * Fraction(tick_s))
    lead = lead_ns(hz, tick_ns)
    assert lead == lead_s * NS
    taken = [t for k in range(250) if due(T0 + (k - 1) * FRAME_NS, t := T0 + k * FRAME_NS, hz, lead)]
    step_ns = round(NS / hz)
    assert all(0 <= (t + lead) % step_ns < FRAME_NS for t in taken)
    assert all(abs(after - before - step_ns) < FRAME_NS for before, after in pairwise(taken))


def test_cameras_take_turns_in_counting():
    """Four cameras whose pictures are analysed twice a second: two of them count in each half."""
    turns = [replace(plan(dense="1"), shift_ns=k * NS // 4) for k in range(4)]
    half_ns = NS // 2
    taken = [T0 + half_ns // 2 + k * half_ns for k in range(20)]
    counted = [[n for n, each in enumerate(turns) if each.due(b, t, standing(1), False)] for b, t in pairwise(taken)]
    assert counted == [[2, 3], [0, 1]] * 9 + [[2, 3]]
