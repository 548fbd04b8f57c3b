"""Velocities from two pictures: right where they are measured, absent where nothing can be known."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from scenes import T0

from crowdwatch.core.records import Frame, FramePair, GroundMass, Stamp
from crowdwatch.observation.flow import MOST_SAMPLES, measure_flow
from crowdwatch.observation.observe import observe
from crowdwatch.sources.sampling import sample
from crowdwatch.sources.synthetic import looking_down
from pipelines.evaluation.movement_pictures import boxes_of, draw, pair_of, walking_crowd

PLANE = looking_down((0, -12, 10), (0, 2), (360, 640), 465)
BOX = (-10, -5, 10, 10)
MOVED = walking_crowd(2, (0.8, -0.5), BOX, 3)


@pytest.fixture(scope="module")
def pair():
    return pair_of(MOVED, PLANE, 2.0, 0.2)


def measured(pair, crowd=MOVED, mass=None, plane=PLANE):
    return measure_flow(pair, boxes_of(crowd, plane, pair.current.stamp, pair.current.stamp.t_ns / 1e9), plane, mass)


def with_pictures(pair, before, now):
    return FramePair(replace(pair.previous, image_bgr=before), replace(pair.current, image_bgr=now))


def test_a_walking_crowd_has_its_velocity_and_a_fair_error(pair):
    flow = measured(pair)
    assert 50 < len(flow) <= MOST_SAMPLES
    mean = flow.v_m_s.mean(axis=0)
    assert np.hypot(*(mean - (0.8, -0.5))) < 0.06  # half of what is allowed; the crowd's own sway is 0.01
    z = (flow.v_m_s - (0.8, -0.5)) / flow.sigma_m_s[:, None]
    assert 0.5 < np.sqrt(np.median(z**2) / 0.455) < 2.5  # people's own speeds differ by a tenth on top of it


def test_people_who_stand_have_a_velocity_of_nothing():
    crowd = walking_crowd(2, (0.0, 0.0), BOX, 4)
    flow = measured(pair_of(crowd, PLANE, 2.0, 0.2), crowd)
    assert np.median(np.hypot(*flow.v_m_s.T)) < 0.05


def test_a_machine_that_is_too_slow_leaves_velocities_out_and_nothing_else(pair):
    class Boxes:
        def detect(self, frames):
            return [boxes_of(MOVED, PLANE, each.stamp, each.stamp.t_ns / 1e9) for each in frames]

    (whole,), (less,) = (observe([pair], Boxes(), PLANE, velocities=asked) for asked in (True, False))
    assert len(whole.flow) > 50
    assert less.flow is None
    assert np.array_equal(less.positions.xy_m, whole.positions.xy_m, equal_nan=True)
    assert less.evidence.frame_hash == whole.evidence.frame_hash


def test_nothing_is_known_without_a_picture_at_the_right_distance(pair):
    at = [replace(pair.previous, stamp=Stamp("c", 0, pair.current.stamp.t_ns - ns)) for ns in (40_000_000, 500_000_000)]
    assert [measured(FramePair(each, pair.current)) for each in (None, *at)] == [None, None, None]
    assert measured(FramePair(at[0], pair.current, earlier=pair.previous)) is not None


def test_a_picture_shown_twice_and_a_flash_are_not_known(pair):
    now = pair.current.image_bgr
    assert measured(with_pictures(pair, now, now)) is None
    bright = np.clip(now.astype(np.int16) + 40, 0, 255).astype(np.uint8)
    assert measured(with_pictures(pair, pair.previous.image_bgr, bright)) is None


def test_a_mast_that_sways_moves_nobody(pair):
    crowd = walking_crowd(0.5, (0.0, 0.0), BOX, 5)
    shown = [draw(crowd, PLANE, t) for t in (1.8, 2.0)]
    shifted = np.roll(shown[1], (2, -3), axis=(0, 1))  # 3 px here are 0.6 m/s
    stamps = [Stamp("c", n, T0 + n * 200_000_000) for n in (0, 1)]
    moved = FramePair(Frame(stamps[0], shown[0]), Frame(stamps[1], shifted))
    found = boxes_of(crowd, PLANE, stamps[1], 2.0)
    found = replace(found, xyxy_px=found.xyxy_px + np.array([-3.0, 2.0, -3.0, 2.0]))
    flow = measure_flow(moved, found, PLANE)
    assert len(flow) > 20
    assert np.hypot(*np.median(flow.v_m_s, axis=0)) < 0.1


def test_confetti_makes_no_flow(pair):
    rng = np.random.default_rng(1)

    def strewn(image):
        image = image.copy()
        v, u = (rng.integers(0, side - 3, 500) for side in image.shape[:2])
        for dv in range(3):
            for du in range(3):
                image[v + dv, u + du] = rng.integers(0, 255, (500, 3))
        return image

    standing = walking_crowd(2, (0.0, 0.0), BOX, 4)
    still = pair_of(standing, PLANE, 2.0, 0.2)
    flow = measured(with_pictures(still, strewn(still.previous.image_bgr), strewn(still.current.image_bgr)), standing)
    assert np.hypot(*np.median(flow.v_m_s, axis=0)) < 0.05
    assert (np.hypot(*flow.v_m_s.T) > 0.5).mean() < 0.02


def test_a_moving_screen_beside_people_is_not_looked_at(pair):
    images = [each.image_bgr.copy() for each in (pair.previous, pair.current)]
    rng = np.random.default_rng(2)
    film = rng.integers(0, 255, (60, 240, 3), dtype=np.uint8)
    for shift, image in enumerate(images):
        image[:60, :200] = film[:, 8 * shift : 8 * shift + 200]
    flow = measured(with_pictures(pair, *images))
    assert np.hypot(*(np.median(flow.v_m_s, axis=0) - (0.8, -0.5))) < 0.1


def test_a_density_map_says_where_people_are_too(pair):
    nobody = boxes_of(MOVED, PLANE, pair.current.stamp, 2.0, recall=0.0)
    assert len(measure_flow(pair, nobody, PLANE)) == 0
    mass = np.zeros((40, 50))
    mass[10:30, 15:35] = 0.5
    stands = GroundMass(pair.current.stamp, np.array([-12.5, -7.5]), 0.5, mass, 0.0, 0.0, "drawn")
    flow = measure_flow(pair, nobody, PLANE, stands)
    assert len(flow) > 20
    assert (np.abs(flow.xy_m[:, 0]) < 6.5).all()


def test_a_drone_s_own_motion_is_taken_out():
    crowd = walking_crowd(1, (0.6, 0.0), BOX, 6)
    planes = [looking_down((0.3 * n, -12, 10), (0.3 * n, 2), (360, 640), 465) for n in (0, 1)]  # 1.5 m/s
    stamps = [Stamp("c", n, n * 200_000_000) for n in (0, 1)]
    frames = [Frame(stamp, draw(crowd, at, stamp.t_ns / 1e9), at) for stamp, at in zip(stamps, planes, strict=True)]
    flow = measure_flow(FramePair(*frames), boxes_of(crowd, planes[1], stamps[1], 0.2), planes[1])
    assert np.hypot(*(flow.v_m_s.mean(axis=0) - (0.6, 0.0))) < 0.1


def test_pairs_lie_a_fifth_of_a_second_apart_whatever_is_sampled():
    image = np.zeros((8, 8, 3), np.uint8)

    def ages(rate, sample_hz):
        stamps = [Stamp("c", n, T0 + n * 1_000_000_000 // rate) for n in range(5 * rate)]
        frames = ((stamp, lambda stamp=stamp: Frame(stamp, image)) for stamp in stamps)
        pairs = list(sample(frames, sample_hz, T0 + 500_000_000, None))
        return {
            None if p.earlier is None else round((p.current.stamp.t_ns - p.earlier.stamp.t_ns) / 1e9, 2) for p in pairs
        }

    for rate, sample_hz in ((25, Fraction(2)), (25, None), (60, Fraction(5)), (10, None)):
        assert all(0.15 <= age <= 0.25 for age in ages(rate, sample_hz))
    assert ages(7, None) == {0.14}
    assert ages(2, None) == {None}
