"""What a camera sees, and how large heads appear."""

import numpy as np
import pytest
import shapely

from crowdwatch.core.records import GroundPlane, Lens
from crowdwatch.ground import (
    head_size_px,
    inside,
    plane_from_pose,
    polygon,
    to_ground,
    to_image,
    valid_px,
    visible_area,
)

K = np.array([[1400.0, 0, 960], [0, 1400.0, 540], [0, 0, 1.0]])
HW = (1080, 1920)


def camera(height_m=8.0, tilt_deg=25.0, roll_deg=0.0, lens=None, **settings):
    tilt, roll = np.radians([tilt_deg, roll_deg])
    rotation = np.array([[1, 0, 0], [0, -np.sin(tilt), -np.cos(tilt)], [0, np.cos(tilt), -np.sin(tilt)]])
    turn = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    rotation = turn @ rotation
    translation = -rotation @ np.array([0, 0, height_m])
    return plane_from_pose(K, rotation, translation, image_hw=HW, lens=lens, **settings)


def disagreements(plane, height_m, within, rng):
    """Random ground points on which visible_area and valid_px differ although validity is settled 1 px around.

    A border runs between straight chords a few pixels long, so within 1 px of it they may differ.
    """
    west, south, east, north = within.bounds
    xy = rng.uniform((west, south), (east, north), (3000, 2))
    xy = xy[inside(within, xy)]
    uv = to_image(plane, xy, height_m)
    valid = valid_px(plane, uv, height_m)
    seen = inside(visible_area(plane, height_m, within), xy)
    settled = np.ones(len(xy), dtype=bool)
    for angle in np.linspace(0, 2 * np.pi, 8, endpoint=False):
        around = valid_px(plane, uv + np.array([np.cos(angle), np.sin(angle)]), height_m)
        settled &= around == valid
    assert settled.mean() > 0.8  # else nothing would be tested
    return int(np.sum((valid != seen) & settled)), float(valid.mean())


OPENCV = Lens("opencv", K, np.array([-0.35, 0.12, 0.001, -0.002, -0.02]))
HULL = np.array([[-6.0, 9], [5, 10], [8, 26], [-9, 24]])


@pytest.mark.parametrize("height_m", [0.0, 1.65])
@pytest.mark.parametrize(
    "plane",
    [
        camera(),
        camera(lens=OPENCV),
        camera(lens=Lens("tsai", K, np.array([0.2]))),
        camera(4.0, 5.0, 12.0),  # the horizon crosses the picture aslant
        camera(30.0, 90.0, lens=OPENCV),  # a drone that looks straight down
        camera(6.0, 10.0, max_sigma_m=0.15),
        camera(6.0, 3.0, max_sigma_m=1e6),  # only the horizon ends it
    ],
    ids=["plain", "opencv", "tsai", "rolled", "nadir", "strict", "unlimited"],
)
def test_visible_area_agrees_with_valid_px(plane, height_m):
    rng = np.random.default_rng(7)
    wrong, share = disagreements(plane, height_m, shapely.box(-40, -5, 40, 90), rng)
    assert wrong == 0
    assert 0.001 < share < 0.999


def test_visible_area_agrees_with_valid_px_inside_a_hull():
    whole = camera(lens=OPENCV)
    plane = GroundPlane(whole.image_to_ground, HW, OPENCV, whole.camera_centre_m, hull_m=HULL)
    wrong, share = disagreements(plane, 0.0, shapely.box(-30, 0, 30, 60), np.random.default_rng(7))
    assert wrong == 0
    assert share > 0.05


def test_visible_area_of_a_camera_that_looks_straight_down():
    plane = camera(14.0, 90.0)
    # picture edges -0.5..1920 and -0.5..1080 at 100 px/m, and at heads 4/3 of that
    assert visible_area(plane).area == pytest.approx(19.205 * 10.805, rel=1e-9)
    heads = visible_area(plane, 3.5)
    assert heads.area == pytest.approx(19.205 * 10.805 * 0.75**2, rel=1e-9)


def test_a_small_far_zone_is_not_lost_between_cells():
    plane = camera(8.0, 10.0)
    far = shapely.box(-0.5, 60, 0.5, 61)
    assert visible_area(plane, 0.0, far).area == pytest.approx(1.0, rel=1e-9)


def test_nothing_is_seen_behind_the_camera_or_of_nothing():
    plane = camera()
    assert visible_area(plane, 0.0, shapely.box(-10, -30, 10, -5)).is_empty
    assert visible_area(plane, 0.0, shapely.Polygon()).is_empty
    assert visible_area(plane, 9.0, shapely.box(-10, 5, 10, 30)).is_empty  # a plane above the camera
    assert visible_area(camera(max_sigma_m=1e-6)).is_empty


def test_a_walkable_area_with_a_hole_keeps_it():
    plane = camera()
    walkable = polygon([(-2, 12), (2, 12), (2, 16), (-2, 16)], holes=[[(0, 13), (1, 13), (1, 14), (0, 14)]])
    assert visible_area(plane, 0.0, walkable).area == pytest.approx(15.0, rel=1e-9)


@pytest.mark.parametrize("lens", [None, OPENCV])
@pytest.mark.parametrize(("height_m", "tilt_deg"), [(4.0, 35.0), (8.0, 15.0), (30.0, 80.0)])
def test_head_size_is_never_too_small(height_m, tilt_deg, lens):
    plane = camera(height_m, tilt_deg, lens=lens)
    size = head_size_px(plane, 0.25)
    rng = np.random.default_rng(3)
    uv = rng.uniform(0, (1920, 1080), (150, 2))
    # spheres of 25 cm about the head plane and up to 35 cm above it, seen at these pixels
    angles = rng.normal(size=(60, 3))
    ball = 0.125 * angles / np.linalg.norm(angles, axis=1, keepdims=True)
    for level in (1.65, 2.0):
        centre = to_ground(plane, uv, level)
        known = np.isfinite(centre).all(axis=1)
        u, v = uv[known].astype(int).T
        said = size[v, u]
        for x, pixel, claim in zip(centre[known], uv[known], said, strict=True):
            rim = to_image(plane, x + ball[:, :2], level + ball[:, 2])
            across = 2 * np.linalg.norm(rim - pixel, axis=1).max()
            assert claim >= 0.97 * across  # 3 %: perspective makes the near half of a ball reach out farther
            if level == 2.0:
                assert (
                    claim <= 1.5 * across + 1
                )  # nor absurdly large: at most a lattice step and 60 random rim points off


def test_head_size_without_a_camera_position_is_larger_than_with_it():
    for height_m in (2.7, 4.0, 10.0):
        plane = camera(height_m, 30.0)
        known = head_size_px(plane)
        unknown = head_size_px(GroundPlane(plane.image_to_ground, HW))
        # the pose says the whole picture when heads may reach the lens; a bare homography cannot know
        near = known < 1920
        # known sizes are for heads at 2.0 m; 3 covers (Hc - 0) / (Hc - 2.0) for cameras from 3 m on
        if height_m >= 3:
            assert near.all()
            assert (unknown[near] >= known[near]).all()


def test_head_size_above_the_horizon_and_for_a_camera_among_heads():
    plane = camera(8.0, 5.0)
    size = head_size_px(plane)
    assert size.shape == HW
    assert (size[:300] == 0).all()
    assert (size[600:] > 0).all()
    assert (head_size_px(camera(2.0, 10.0)) == 1920).all()
