"""Zone readings over scenes whose truth is known.

A perfect model: rendered scenes are seen by ``TruthDetector``; the other tests give positions themselves.
"""

import math
from dataclasses import replace

import numpy as np
import pytest
from scenes import FINE, T0, S, camera, every_second, fold, rendered, see, square, started

from crowdwatch.analytics.health import judge
from crowdwatch.core.outcomes import Health, Level, Quality
from crowdwatch.core.reasons import Code, Reason
from crowdwatch.core.records import Anchor, Evidence, Frame, FramePair, Stamp, Tick
from crowdwatch.core.site import Bias
from crowdwatch.observation.evidence import evidence
from crowdwatch.sources.synthetic import Scene, lattice, looking_down, standing

CROWD = lattice(4.0, -6, -2, 6, 8)


def last(outcomes):
    return outcomes[-1].readings[0]


@pytest.mark.parametrize("anchor", [Anchor.FEET, Anchor.HEAD])
@pytest.mark.parametrize("height", [6.0, 10.0, 20.0])
@pytest.mark.parametrize("density", [1.0, 4.0])
def test_rendered_crowd_reads_its_density_at_every_mast_height(height, anchor, density):
    """Heads through the head plane, feet through the ground: 4.0 is read as 4.0 from any mast."""
    plane = looking_down((0, -14, height), (0, 3), focal_px=560.0)
    site = square(cameras=[camera(plane=plane, anchor=anchor)])
    people = lattice(density, -6, -2, 6, 8)
    reading = last(rendered(Scene(plane, standing(people), T0, 10), site))
    inside = ((np.abs(people[:, 0]) < 4) & (people[:, 1] > 0) & (people[:, 1] < 6)).sum()
    assert reading.count == inside
    assert reading.density_p_m2 == pytest.approx(density, rel=1e-9)  # the lattice's step divides the zone's sides
    assert reading.quality is Quality.DEGRADED  # boxes alone are not to be trusted at these densities
    assert reading.reasons == (Reason.of(Code.TOO_CLOSE, "c"),)


def test_heads_through_the_ground_would_read_half():
    """The error that the head plane removes: ((Hc - h) / Hc)^2 = 0.526 at 6 m."""
    plane = looking_down((0, -14, 6.0), (0, 3), focal_px=560.0)
    crowd = lattice(16.0, -30, -10, 30, 30)
    site = square(cameras=[camera(plane=plane)])
    from crowdwatch.ground import to_ground, to_image

    heads = to_ground(plane, to_image(plane, crowd, 1.65))
    read = fold(started(site), every_second(lambda _: heads, 3))[1]
    # a lattice of 0.25 m blown up 1.38 times: counting lattice points in 48 m2 is good to about its border, 3 %
    assert last(read).density_p_m2 / 16.0 == pytest.approx(((6 - 1.65) / 6) ** 2, rel=0.03)


def test_the_mean_over_the_window_uses_every_observation():
    counts = [10, 20, 30, 40]
    people = [CROWD[(np.abs(CROWD[:, 0]) < 4) & (CROWD[:, 1] > 0) & (CROWD[:, 1] < 6)][:n] for n in counts]
    _, outcomes = fold(started(square()), every_second(lambda s: people[int(s)], 4))
    assert [o.readings[0].count for o in outcomes] == [10, 15, 20, 25]
    assert last(outcomes).density_p_m2 == pytest.approx(25 / 48)
    assert last(outcomes).occupancy_frac == pytest.approx(0.25)


def test_the_window_forgets_after_ten_seconds():
    people = lambda second: CROWD if second < 1 else np.empty((0, 2))  # noqa: E731
    _, outcomes = fold(started(square()), every_second(people, 12))
    assert outcomes[9].readings[0].count > 0
    assert outcomes[10].readings[0].count == 0


def test_low_scores_and_people_off_the_valid_ground_are_not_counted():
    xy = np.array([[0, 1], [0, 2], [np.nan, np.nan], [0, 3]])
    seen = see(T0, xy, scores=np.array([0.9, 0.29, 0.9, 0.3]))
    _, outcomes = fold(started(square()), [seen, Tick(T0, (seen.stamp.id,))])
    assert last(outcomes).count == 2
    assert seen.positions.dropped == 1


def test_an_empty_zone_is_zero_and_an_unseen_one_is_unknown():
    events = every_second(lambda s: np.empty((0, 2)) if s < 3 else None, 12)
    _, outcomes = fold(started(square()), events)
    assert outcomes[2].readings[0].count == 0
    assert outcomes[2].readings[0].level is Level.NORMAL
    fresh = outcomes[7].readings[0]  # 5 s old: not yet stale
    assert fresh.quality is Quality.GOOD
    assert fresh.age_s == 5
    stale = outcomes[8].readings[0]
    assert stale.quality is Quality.STALE
    assert stale.level is Level.UNKNOWN
    assert math.isnan(stale.count)
    assert math.isnan(stale.density_p_m2)
    assert math.isnan(stale.peak_p_m2)
    assert np.isnan(outcomes[8].grid.rho_p_m2).all()
    assert stale.reasons == (Reason.of(Code.UNHEALTHY, "c", health="silent"),)


@pytest.mark.parametrize(
    ("evidence", "health"),
    [
        (Evidence("a" * 16, 2.0, 1.0, 0.0, 1.0), Health.DARK),
        (Evidence("b" * 16, 252.0, 3.0, 0.0, 1.0), Health.OVEREXPOSED),
        (Evidence("c" * 16, 120.0, 2.0, 0.0, 1.0), Health.COVERED),
        (Evidence("d" * 16, 127.0, 49.5, 48_800.0, 56.0), Health.NOISY),
    ],
)
def test_an_ill_picture_is_blind_not_empty(evidence, health):
    seen = see(T0, np.empty((0, 2)), evidence=evidence)
    _, outcomes = fold(started(square()), [seen, Tick(T0, (seen.stamp.id,))])
    assert last(outcomes).quality is Quality.BLIND
    assert last(outcomes).reasons == (Reason.of(Code.UNHEALTHY, "c", health=health.value),)
    assert math.isnan(last(outcomes).count)
    assert outcomes[-1].health[0].health is health


def test_noise_is_told_from_a_fine_crowd():
    rng = np.random.default_rng(1)
    for hw in ((576, 768), (1080, 1920)):
        noise = [Frame(Stamp("c", n, n), rng.integers(0, 256, (*hw, 3), dtype=np.uint8)) for n in range(2)]
        assert judge(evidence(FramePair(*noise))) is Health.NOISY
        assert judge(evidence(FramePair(None, noise[1]))) is Health.OK  # one picture alone does not tell
    # the finest photograph of a crowd that is known, as far as a standing camera sees it move
    assert judge(Evidence("e" * 16, 120.0, 54.3, 52_602.0, 20.0)) is Health.OK


def test_a_frozen_picture_becomes_unknown():
    same = replace(FINE, frame_hash="f" * 16)
    events = []
    for second in range(7):
        seen = see(T0 + second * S, CROWD, evidence=same)
        events += [seen, Tick(T0 + second * S, (seen.stamp.id,))]
    _, outcomes = fold(started(square()), events)
    assert outcomes[4].readings[0].level is Level.NORMAL
    assert outcomes[5].health[0].health is Health.FROZEN
    assert outcomes[5].readings[0].level is Level.UNKNOWN


def test_a_camera_that_never_speaks_is_blind_at_once_and_silent_after_five_seconds():
    _, outcomes = fold(started(square()), every_second(lambda _: None, 8))
    assert outcomes[0].readings[0].quality is Quality.BLIND
    assert outcomes[0].readings[0].age_s == math.inf
    assert outcomes[6].health[0].health is Health.SILENT


def half_seeing():
    """A zone that reaches twice as far as the ground that the camera validly sees."""
    plane = replace(looking_down((0, -12, 10), (0, 3)), hull_m=[[-6, -2], [6, -2], [6, 3], [-6, 3]], hull_reach=1.0)
    return square(cameras=[camera(plane=plane)])


def test_half_a_zone_states_the_density_of_what_is_seen_and_an_interval_for_the_rest():
    crowd = CROWD[CROWD[:, 1] < 3]
    _, outcomes = fold(started(half_seeing()), every_second(lambda _: crowd, 3))
    reading = last(outcomes)
    # the hull's border runs through the middle of the zone; the visible area is traced in steps of the picture
    assert reading.visible_frac == pytest.approx(0.5, abs=0.01)
    assert reading.density_p_m2 == pytest.approx(4.0, rel=0.02)
    assert reading.count == 96
    # boxes whose errors nobody has measured: chance, 1.645 sqrt(96 + 1), and a factor of exp(+-1.645 * 0.2)
    low = 96 - math.hypot(1.6449 * math.sqrt(97), (1 - math.exp(-1.6449 * 0.2)) * 96)
    high = 96 + math.hypot(1.6449 * math.sqrt(97), (math.exp(1.6449 * 0.2) - 1) * 96)
    assert reading.count_low == pytest.approx(low, rel=1e-4)
    unseen = 24 * max(reading.peak_p_m2, reading.density_p_m2)
    assert reading.count_high == pytest.approx(high + unseen, rel=0.03)
    assert reading.density_high == pytest.approx(high / 24, rel=0.02)
    assert reading.quality is Quality.DEGRADED
    assert Reason.of(Code.PARTLY_SEEN, visible_frac=reading.visible_frac) in reading.reasons


def test_hand_counts_take_the_place_of_what_is_known_of_cameras_in_general():
    """A well audited camera reads the same count with a narrower interval; one of two leaves it wide."""
    sure = Bias(1.0, 0.95, 1.06, 30)

    def ends(*biases):
        views = [replace(camera(name), bias=bias) for name, bias in zip("ab", biases, strict=False)]
        seen = [see(T0, CROWD, camera_id=view.camera_id) for view in views]
        tick = Tick(T0, tuple(each.stamp.id for each in seen))
        reading = last(fold(started(square(cameras=views)), [*seen, tick])[1])
        assert reading.count == 192
        return reading.count_low, reading.count_high

    chance = 1.6449 * math.sqrt(193)
    audited = 192 - math.hypot(chance, 0.05 * 192), 192 + math.hypot(chance, 0.06 * 192)
    assert ends(sure) == pytest.approx(audited, rel=1e-4)
    general = [192 - math.hypot(chance, 0.2803 * 192), 192 + math.hypot(chance, 0.3895 * 192)]
    assert ends(None) == pytest.approx(general, rel=1e-3)
    assert ends(sure, None) == pytest.approx(general, rel=1e-3)


def test_saturation_and_unknown_calibration_error_degrade():
    seen = see(T0, CROWD, saturated=True)
    _, outcomes = fold(started(square()), [seen, Tick(T0, (seen.stamp.id,))])
    assert last(outcomes).quality is Quality.DEGRADED
    assert Reason.of(Code.DETECTOR_LIMIT, "c") in last(outcomes).reasons
    vague = square(cameras=[camera(plane=replace(looking_down((0, -12, 10), (0, 3)), rmse_m=math.nan))])
    _, outcomes = fold(started(vague), every_second(lambda _: CROWD, 2))
    assert last(outcomes).quality is Quality.DEGRADED
    assert Reason.of(Code.CALIBRATION_ERROR_UNKNOWN, "c") in last(outcomes).reasons


def test_two_cameras_on_one_square_count_everyone_once():
    """And when one fails the other takes over: the number does not move."""
    south = camera("south", looking_down((0, -12, 10), (0, 3)))
    north = camera("north", looking_down((0, 18, 10), (0, 3)))
    site = square(cameras=[south, north])
    events = []
    for second in range(20):
        t_ns = T0 + second * S
        both = [see(t_ns, CROWD, camera_id="north")] if second < 8 else []
        both.append(see(t_ns, CROWD, camera_id="south"))
        events += [*both, Tick(t_ns, tuple(o.stamp.id for o in both))]
    _, outcomes = fold(started(site), events)
    assert {o.readings[0].count for o in outcomes} == {192.0}
    assert {reason.code for reason in outcomes[5].readings[0].reasons} == {Code.TOO_CLOSE}
    assert outcomes[15].readings[0].quality is Quality.DEGRADED
    unhealthy, *others = outcomes[15].readings[0].reasons
    assert unhealthy == Reason.of(Code.UNHEALTHY, "north", health="silent")
    assert others == [Reason.of(Code.TOO_CLOSE, "south")]


def test_the_peak_is_the_densest_place_of_the_mean_field():
    cluster = np.array([[1.25, 2.25]] * 10)
    _, outcomes = fold(started(square()), every_second(lambda _: cluster, 5))
    # ten people on one cell's centre, far from the walls: 10 / (2 pi b^2); the share there is 0.998
    assert last(outcomes).peak_p_m2 == pytest.approx(10 / (2 * math.pi), rel=0.005)
    assert last(outcomes).bandwidth_m == 1.0


def test_a_camera_slower_than_the_window_is_read_until_it_is_silent():
    """One picture every 20 s: silent after 60 s, known in between, though the window is 10 s."""
    slow = square(cameras=[replace(camera(), sample_interval_s=20.0)])
    _, outcomes = fold(started(slow), every_second(lambda s: CROWD if s % 20 == 0 and s < 50 else None, 110))
    known = [o.readings[0].level is Level.NORMAL for o in outcomes]
    assert known == [True] * 101 + [False] * 9
