"""Closed forms of the ground geometry."""

import numpy as np
import pytest
import shapely

from crowdwatch.core.records import GroundPlane, Lens
from crowdwatch.errors import AnchorRefused, CalibrationError, RecordError
from crowdwatch.ground import (
    distort,
    inside,
    plane_from_pose,
    polygon,
    polygon_fault,
    position_sigma_m,
    sees_ground,
    to_ground,
    to_image,
    undistort,
    valid_px,
    visible_area,
)

F_PX, HW = 1400.0, (1080, 1920)
K = np.array([[F_PX, 0, 960], [0, F_PX, 540], [0, 0, 1.0]])
OPENCV = Lens("opencv", K, np.array([-0.35, 0.12, 0.001, -0.002, -0.02]))
TSAI = Lens("tsai", K, np.array([0.16]))


def camera(height_m=8.0, tilt_deg=25.0, lens=None, east=0.0, north=0.0, image_hw=HW, **settings):
    """Look north, ``tilt_deg`` below the horizontal."""
    tilt = np.radians(tilt_deg)
    rotation = np.array([[1, 0, 0], [0, -np.sin(tilt), -np.cos(tilt)], [0, np.cos(tilt), -np.sin(tilt)]])
    centre = np.array([east, north, height_m])
    return plane_from_pose(K, rotation, -rotation @ centre, image_hw=image_hw, lens=lens, **settings)


def bare(plane, **settings):
    """Forget the camera's position."""
    return GroundPlane(plane.image_to_ground, plane.image_hw, lens=plane.lens, **settings)


def test_principal_ray_meets_the_ground_at_height_over_tangent():
    plane = camera(8.0, 25.0, east=3.0, north=-2.0)
    assert np.allclose(plane.camera_centre_m, [3, -2, 8], atol=1e-12)  # rounding of one 3x3 product
    found = to_ground(plane, np.array([[960.0, 540.0]]))
    assert np.allclose(found, [[3.0, -2.0 + 8 / np.tan(np.radians(25))]], atol=1e-9)


def test_pixels_at_and_above_the_horizon_have_no_ground_point():
    plane = camera(8.0, 10.0)
    horizon = 540 - F_PX * np.tan(np.radians(10))
    uv = np.array([[960, horizon - 1], [960, horizon - 200], [960, horizon + 1]])
    assert np.isnan(to_ground(plane, uv)).all(axis=1).tolist() == [True, True, False]
    assert np.isnan(position_sigma_m(plane, uv)).tolist() == [True, True, False]
    assert valid_px(plane, uv).tolist() == [False, False, False]  # the last is kilometres away


def test_points_behind_the_camera_are_not_in_the_picture():
    plane = camera()
    assert np.isnan(to_image(plane, np.array([[0.0, -30.0]]))).all()
    assert np.isnan(to_image(plane, np.array([[0.0, -30.0]]), 1.65)).all()


# domain table: share of the true density that is read when heads are put on the ground
@pytest.mark.parametrize(
    ("height_m", "factor"),
    [(4, 0.345), (6, 0.526), (8, 0.630), (10, 0.697), (15, 0.792), (20, 0.842), (30, 0.893), (60, 0.946), (100, 0.967)],
)
def test_heads_on_the_ground_lose_density_by_the_square_of_the_height_ratio(height_m, factor):
    plane = camera(float(height_m), 45.0)
    # a square of 1 m about a place in view, at head height
    middle = np.array([0.0, height_m - 1.65])
    square = middle + 0.5 * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    wrong = to_ground(plane, to_image(plane, square, 1.65))
    right = to_ground(plane, to_image(plane, square, 1.65), 1.65)
    assert shapely.Polygon(right).area == pytest.approx(1.0, abs=1e-9)
    assert 1 / shapely.Polygon(wrong).area == pytest.approx(factor, abs=5e-4)  # the table has three digits


def test_heads_land_where_similar_triangles_say():
    plane = camera(8.0, 25.0)
    wrong = to_ground(plane, to_image(plane, np.array([[0.0, 20.0]]), 1.65))
    assert wrong[0, 1] - 20.0 == pytest.approx(1.65 * 20 / (8 - 1.65), abs=1e-9)


def test_points_above_the_camera_are_seen_above_the_horizon():
    plane = camera(2.0, 0.5)
    top = to_image(plane, np.array([[0.0, 10.0]]), 3.0)[0]
    tilt = np.radians(0.5)
    # in camera coordinates: 1 m above and 10 m in front, turned by the tilt
    below = 10 * np.sin(-tilt) - 1 * np.cos(tilt)
    ahead = 10 * np.cos(tilt) - 1 * np.sin(tilt)
    assert top[1] == pytest.approx(540 + F_PX * below / ahead, abs=1e-6)
    # a plane above the camera has no point that could be looked down upon
    assert np.isnan(to_ground(plane, np.array([[960.0, 900.0]]), 3.0)).all()


def test_one_height_per_point():
    plane = camera()
    xy = np.array([[1.0, 15.0], [1.0, 15.0]])
    both = to_image(plane, xy, np.array([0.0, 1.65]))
    assert np.allclose(both[0], to_image(plane, xy[:1])[0])
    assert np.allclose(both[1], to_image(plane, xy[:1], 1.65)[0])


def test_a_bare_homography_refuses_heads_and_takes_feet():
    plane = bare(camera())
    uv = np.array([[960.0, 800.0]])
    assert np.isfinite(to_ground(plane, uv)).all()
    for call in (
        lambda: to_ground(plane, uv, 1.65),
        lambda: to_image(plane, np.array([[0.0, 9.0]]), 1.65),
        lambda: position_sigma_m(plane, uv, 1.65),
        lambda: valid_px(plane, uv, 1.65),
        lambda: visible_area(plane, 1.65, shapely.box(-5, 5, 5, 20)),
    ):
        with pytest.raises(AnchorRefused, match="Survey the camera's position"):
            call()


def test_sigma_on_the_principal_ray():
    plane = camera(8.0, 25.0, pixel_sigma_px=2.0)
    slant = 8 / np.sin(np.radians(25))
    along, across = 2 * slant / F_PX / np.sin(np.radians(25)), 2 * slant / F_PX
    assert position_sigma_m(plane, np.array([[960.0, 540.0]]))[0] == pytest.approx(np.hypot(along, across))


def test_rmse_of_a_pose_is_added_in_squares():
    uv = np.array([[960.0, 540.0], [300.0, 900.0]])
    alone = position_sigma_m(camera(), uv)
    both = position_sigma_m(camera(rmse_m=0.3), uv)
    assert np.allclose(both**2, alone**2 + 0.09)


@pytest.mark.parametrize("lens", [OPENCV, TSAI])
def test_sigma_agrees_with_moving_the_pixel(lens):
    plane = camera(lens=lens, pixel_sigma_px=1.0)
    uv = np.array([[300.0, 700.0], [1700.0, 1000.0], [960.0, 540.0]])
    step = 0.01
    moved = [
        (to_ground(plane, uv + d) - to_ground(plane, uv - d)) / (2 * step)
        for d in (np.array([step, 0]), np.array([0, step]))
    ]
    expected = np.sqrt(np.sum(np.stack(moved) ** 2, axis=(0, 2)))
    # the lens is differentiated over 1 px there, over 0.02 px here
    assert np.allclose(position_sigma_m(plane, uv), expected, rtol=1e-4)


@pytest.mark.parametrize(
    "lens", [OPENCV, TSAI, Lens("tsai", K, np.array([-0.1])), Lens("opencv", K, np.array([0.2, 0.05, 0, 0]))]
)
def test_lens_round_trip(lens):
    u, v = np.meshgrid(np.linspace(0, 1920, 41), np.linspace(0, 1080, 31))
    uv = np.column_stack([u.ravel(), v.ravel()])
    back = distort(lens, undistort(lens, uv))
    assert np.abs(back - uv).max() < 1e-6  # the promise of the module


def test_strong_barrel_inverts_where_it_can_and_says_so_elsewhere():
    # r (1 - 0.5 r^2) grows up to r = 0.8165, where it is 0.5443: 762 px from the middle
    lens = Lens("opencv", K, np.array([-0.5, 0.0, 0.0, 0.0]))
    uv = 960.0 + np.array([[100.0, 0], [755.0, 0], [770.0, 0]])
    uv[:, 1] = 540.0
    ideal = undistort(lens, uv)
    assert np.isnan(ideal).any(axis=1).tolist() == [False, False, True]
    assert np.abs(distort(lens, ideal)[:2] - uv[:2]).max() < 1e-6  # the promise of the module
    beyond = np.array([[960 + 0.9 * F_PX, 540.0]])
    assert np.isnan(distort(lens, beyond)).all()


def test_lens_of_none_changes_nothing_and_empty_stays_empty():
    uv = np.array([[1.0, 2.0]])
    assert (undistort(None, uv) == uv).all()
    for lens in (None, OPENCV, TSAI):
        assert undistort(lens, np.empty((0, 2))).shape == (0, 2)
        assert distort(lens, np.empty((0, 2))).shape == (0, 2)
    plane = camera(lens=OPENCV)
    assert to_ground(plane, np.empty((0, 2))).shape == (0, 2)
    assert valid_px(plane, np.empty((0, 2))).shape == (0,)


def test_nan_pixels_stay_nan():
    for lens in (None, OPENCV, TSAI):
        plane = camera(lens=lens)
        uv = np.array([[np.nan, 5.0], [960.0, 900.0]])
        assert np.isnan(to_ground(plane, uv)).any(axis=1).tolist() == [True, False]
        assert valid_px(plane, uv).tolist() == [False, True]


def test_valid_px_keeps_the_last_row_and_drops_what_is_outside():
    plane = camera(8.0, 30.0)
    uv = np.array([[960, 1080.0], [1920, 1080], [960, 1080.5], [-0.5, 900], [-1, 900], [960, 1081]])
    assert valid_px(plane, uv).tolist() == [True, True, False, True, False, False]


def test_valid_px_stops_at_the_error_limit_and_at_the_hull():
    plane = camera(max_sigma_m=0.5)
    xy = np.array([[0.0, d] for d in np.arange(8.0, 100.0, 0.5)])
    uv = to_image(plane, xy)
    sigma = position_sigma_m(plane, uv)
    assert (valid_px(plane, uv) == ((sigma <= 0.5) & (uv[:, 1] <= 1080))).all()
    hull = np.array([[-4.0, 10], [4, 10], [4, 18], [-4, 18]])
    fenced = GroundPlane(plane.image_to_ground, HW, hull_m=hull, hull_reach=1.5)
    uv = to_image(fenced, np.array([[0, 14.0], [5.9, 14], [6.1, 14], [0, 19.9], [0, 20.1]]))
    assert valid_px(fenced, uv).tolist() == [True, True, False, True, False]


def test_pose_faults_are_refused_with_a_remedy():
    good = camera()
    rotation = np.eye(3)
    down = np.diag([1.0, -1.0, -1.0])
    with pytest.raises(CalibrationError, match=r"-8\.00 m above the ground.*z points up"):
        plane_from_pose(K, down, -down @ np.array([0, 0, -8.0]), image_hw=HW)
    with pytest.raises(CalibrationError, match="looks at the sky"):
        camera(8.0, -60.0)
    with pytest.raises(CalibrationError, match="no rotation"):
        plane_from_pose(K, 2 * rotation, np.zeros(3), image_hw=HW)
    with pytest.raises(CalibrationError, match="right-handed"):
        plane_from_pose(K, np.diag([1.0, 1.0, -1.0]), np.array([0, 0, 8.0]), image_hw=HW)
    with pytest.raises(CalibrationError, match="finite"):
        plane_from_pose(K, np.full((3, 3), np.nan), np.zeros(3), image_hw=HW)
    with pytest.raises(CalibrationError, match="shapes"):
        plane_from_pose(K, rotation, np.zeros(4), image_hw=HW)
    assert sees_ground(good)


def test_the_sky_is_refused_even_when_the_lens_is_strong():
    with pytest.raises(CalibrationError, match="looks at the sky"):
        camera(8.0, -40.0, lens=OPENCV)


@pytest.mark.parametrize(
    ("ring", "says"),
    [
        ([(0, 0), (1, 1)], "2 different corners"),
        ([(0, 0), (1, 1), (0, 0), (1, 1)], "2 different corners"),
        ([(0, 0), (1, 1), (2, 2)], "on one line"),
        ([(0, 0), (4, 4), (4, 0), (0, 4)], r"crosses itself near \(2\.00, 2\.00\)"),
        ([(0, 0), (1, 0), (float("nan"), 1)], "corner 3 is not finite"),
        ([(0, 0), (1, 0), (1, 1e-7)], "area is"),
        ([(0, 0, 0), (1, 0, 0), (1, 1, 0)], "shape"),
        ([("a", "b"), (1, 2), (3, 4)], "not pairs of numbers"),
        ([(0, 0), (1, 0), (1,)], "not pairs of numbers"),
    ],
)
def test_faults_of_a_polygon(ring, says):
    with pytest.raises(RecordError, match=says):
        polygon(ring)
    assert polygon_fault(ring).count("\n") == 0


def test_holes_of_a_polygon():
    square = [(0, 0), (10, 0), (10, 10), (0, 10)]
    stage = [(-2, 4), (12, 4), (12, 6), (-2, 6)]
    cut = polygon(square, holes=[stage])
    assert cut.area == pytest.approx(80.0)
    assert cut.geom_type == "MultiPolygon"
    assert inside(cut, np.array([[5, 5.0], [5, 2], [5, 4]])).tolist() == [False, True, True]
    with pytest.raises(RecordError, match=r"hole 1: .*crosses itself"):
        polygon(square, holes=[[(1, 1), (3, 3), (3, 1), (1, 3)]])
    with pytest.raises(RecordError, match="cover all of it"):
        polygon(square, holes=[[(-1, -1), (11, -1), (11, 11), (-1, 11)]])


def test_either_direction_and_a_repeated_last_corner_are_taken():
    square = [(0, 0), (0, 2), (2, 2), (2, 0), (0, 0)]
    assert polygon(square).area == polygon(square[::-1]).area == 4.0
