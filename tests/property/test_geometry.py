"""Properties of the ground geometry for any camera."""

import numpy as np
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crowdwatch.core.records import GroundPlane, Lens
from crowdwatch.errors import CalibrationError, RecordError
from crowdwatch.ground import (
    fit_homography,
    inside,
    plane_from_pose,
    polygon,
    polygon_fault,
    position_sigma_m,
    to_ground,
    to_image,
    valid_px,
    visible_area,
)

HW = (720, 1280)
QUICK = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def cameras(draw, with_lens=True):
    """A pose: focal length, height, tilt, roll, heading, place, lens."""
    focal = draw(st.floats(500, 2500))
    matrix = np.array([[focal, 0, 640], [0, focal * draw(st.floats(0.95, 1.05)), 360], [0, 0, 1]])
    tilt, roll, heading = (np.radians(draw(st.floats(low, high))) for low, high in ((8, 90), (-15, 15), (-180, 180)))
    level = np.array([[1, 0, 0], [0, -np.sin(tilt), -np.cos(tilt)], [0, np.cos(tilt), -np.sin(tilt)]])
    rotation = turn(roll) @ level @ turn(heading)
    centre = np.array([draw(st.floats(-50, 50)), draw(st.floats(-50, 50)), draw(st.floats(2.5, 60))])
    kinds = ["none", "opencv", "tsai"] if with_lens else ["none"]
    lens = {
        "none": None,
        "opencv": Lens("opencv", matrix, np.array([draw(st.floats(-0.25, 0.1)), 0.02, 0.001, -0.001])),
        "tsai": Lens("tsai", matrix, np.array([draw(st.floats(-0.05, 0.3))])),
    }[draw(st.sampled_from(kinds))]
    return matrix, rotation, centre, lens


def turn(angle):
    return np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])


def built(camera, **more):
    matrix, rotation, centre, lens = camera
    return plane_from_pose(matrix, rotation, -rotation @ centre, image_hw=HW, lens=lens, **more)


@pytest.fixture(scope="module")
def pixels():
    u, v = np.meshgrid(np.linspace(0, HW[1], 9), np.linspace(0, HW[0], 7))
    return np.column_stack([u.ravel(), v.ravel()])


@QUICK
@given(camera=cameras(), height_m=st.sampled_from([0.0, 0.3, 1.65, 2.2]))
def test_ground_and_back(pixels, camera, height_m):
    plane = built(camera)
    xy = to_ground(plane, pixels, height_m)
    seen = np.isfinite(xy).all(axis=1)
    back = to_image(plane, xy[seen], height_m)
    # the lens closes to 1e-6 px; near the horizon a pixel's place on the ground is known to fewer digits
    assert np.abs(back - pixels[seen]).max(initial=0.0) < 1e-5


@QUICK
@given(camera=cameras(), height_m=st.floats(0.1, 2.2))
def test_a_point_above_the_ground_lies_on_the_ray_of_its_ground_point(pixels, camera, height_m):
    plane = built(camera)
    low, high = to_ground(plane, pixels), to_ground(plane, pixels, height_m)
    seen = np.isfinite(low).all(axis=1)
    assert (np.isfinite(high).all(axis=1) == seen).all()
    centre = plane.camera_centre_m
    share = (centre[2] - height_m) / centre[2]
    far = np.abs(low[seen]).max(initial=1.0)
    assert np.allclose(high[seen], centre[:2] + share * (low[seen] - centre[:2]), rtol=1e-9, atol=1e-12 * far)


@settings(parent=QUICK, max_examples=12)
@given(camera=cameras(), angle=st.floats(-3.1, 3.1), east=st.floats(-80, 80), north=st.floats(-80, 80))
def test_moving_the_world_moves_the_points_and_nothing_else(pixels, camera, angle, east, north):
    matrix, rotation, centre, lens = camera
    spin = turn(angle)
    moved = (matrix, rotation @ spin.T, spin @ centre + np.array([east, north, 0]), lens)
    here, there = built(camera), built(moved)
    xy = to_ground(here, pixels)
    near = position_sigma_m(here, pixels) < 5.0
    expected = xy @ spin[:2, :2].T + [east, north]
    assert np.allclose(to_ground(there, pixels)[near], expected[near], atol=1e-6)
    sigmas = position_sigma_m(here, pixels)[near], position_sigma_m(there, pixels)[near]
    assert np.allclose(*sigmas, rtol=1e-6)
    assert (valid_px(here, pixels) == valid_px(there, pixels)).all()
    areas = [visible_area(plane).area for plane in (here, there)]
    assert areas[0] == pytest.approx(areas[1], rel=1e-6, abs=1e-6)


@QUICK
@given(camera=cameras(), scale=st.floats(0.2, 5.0))
def test_scaling_the_world_scales_positions_and_errors(pixels, camera, scale):
    matrix, rotation, centre, lens = camera
    one, other = built(camera), built((matrix, rotation, centre * scale, lens))
    near = position_sigma_m(one, pixels) < 5.0
    assert np.allclose(to_ground(other, pixels)[near], scale * to_ground(one, pixels)[near], atol=1e-6)
    errors = [position_sigma_m(plane, pixels)[near] for plane in (one, other)]
    assert np.allclose(errors[1], scale * errors[0], rtol=1e-6)


@settings(parent=QUICK, max_examples=20)
@given(camera=cameras(), height_m=st.sampled_from([0.0, 1.65]), fenced=st.booleans(), seed=st.integers(0, 2**16))
def test_visible_area_is_the_image_of_the_valid_pixels(camera, height_m, fenced, seed):
    plane = built(camera)
    nadir = camera[2][:2]
    if fenced:
        hull = nadir + np.array([[-9.0, -7], [8, -9], [11, 10], [-6, 12]])
        plane = GroundPlane(plane.image_to_ground, HW, plane.lens, plane.camera_centre_m, hull_m=hull)
    within = shapely.Point(nadir).buffer(60.0)
    rng = np.random.default_rng(seed)
    # half of the points through random pixels, so that the valid part is met; half anywhere
    pixel = rng.uniform((0, 0), HW[::-1], (200, 2))
    xy = np.concatenate([to_ground(plane, pixel, height_m), nadir + rng.uniform(-60, 60, (200, 2))])
    xy = xy[inside(within, xy)]
    uv = to_image(plane, xy, height_m)
    valid = valid_px(plane, uv, height_m)
    settled = np.ones(len(xy), dtype=bool)
    for angle in np.linspace(0, 2 * np.pi, 8, endpoint=False):  # the border is drawn with chords: 1 px either way
        beside = uv + np.array([np.cos(angle), np.sin(angle)])
        settled &= valid_px(plane, beside, height_m) == valid
    seen = inside(visible_area(plane, height_m, within), xy)
    assert (seen[settled] == valid[settled]).all()


@QUICK
@given(camera=cameras(with_lens=False))
def test_a_homography_fitted_to_exact_points_is_the_camera(camera):
    plane = built(camera)
    uv = np.array([[100.0, 700], [1200, 690], [640, 450], [200, 400], [1100, 420], [700, 600]])
    xy = to_ground(plane, uv)
    sigma = position_sigma_m(plane, uv)
    if not (sigma < 2.0).all():
        return
    fit = fit_homography(uv, xy, np.full(6, 0.05), 2.0, None)
    q = np.column_stack([uv, np.ones(6)]) @ fit.image_to_ground.T
    assert np.allclose(q[:, :2] / q[:, 2:], xy, atol=1e-6)
    assert (q[:, 2] > 0).all()
    assert (np.linalg.eigvalsh(fit.covariance) > -1e-9 * np.trace(fit.covariance)).all()


@QUICK
@given(st.lists(st.tuples(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3)), min_size=0, max_size=7))
def test_polygon_fault_and_polygon_agree(ring):
    fault = polygon_fault(ring)
    if fault is None:
        area = polygon(ring)
        assert area.is_valid
        assert area.area > 0
    else:
        with pytest.raises(RecordError, match="polygon: "):
            polygon(ring)


@QUICK
@given(cameras(), st.floats(-89, -60))
def test_looking_up_is_refused(camera, tilt_deg):
    matrix, _, centre, lens = camera
    tilt = np.radians(tilt_deg)
    up = np.array([[1, 0, 0], [0, -np.sin(tilt), -np.cos(tilt)], [0, np.cos(tilt), -np.sin(tilt)]])
    with pytest.raises(CalibrationError, match="looks at the sky"):
        built((matrix, up, centre, lens))
