"""The picture with the ground grid."""

import numpy as np
import pytest
import shapely

from crowdwatch.calibration.control_points import ControlPoint
from crowdwatch.calibration.grid_picture import EAST_BGR, NORTH_BGR, POINT_BGR, draw_ground_grid
from crowdwatch.core.records import Lens
from crowdwatch.errors import CalibrationError
from crowdwatch.ground import plane_from_pose, to_image

HW = (540, 960)
K = np.array([[700.0, 0, 480], [0, 700.0, 270], [0, 0, 1]])
TILT = np.radians(15)
ROTATION = np.array([[1, 0, 0], [0, -np.sin(TILT), -np.cos(TILT)], [0, np.cos(TILT), -np.sin(TILT)]])


def plane(lens=None, **settings):
    return plane_from_pose(K, ROTATION, -ROTATION @ np.array([0, 0, 8.0]), image_hw=HW, lens=lens, **settings)


def frame(value=128):
    return np.full((*HW, 3), value, dtype=np.uint8)


def near(image, uv, colour):
    """Share of the pixels around which the colour of a line is found: lines are 1 or 2 px wide with soft edges."""
    found = 0
    for u, v in np.round(uv).astype(int):
        patch = image[max(v - 2, 0) : v + 3, max(u - 2, 0) : u + 3].astype(int)
        found += bool((np.abs(patch - colour).max(axis=2) < 90).any())
    return found / len(uv)


@pytest.mark.parametrize(
    "lens", [None, Lens("opencv", K, np.array([-0.3, 0.08, 0, 0])), Lens("tsai", K, np.array([0.15]))]
)
def test_bold_lines_lie_where_the_ground_is(lens):
    camera = plane(lens)
    source = frame()
    image = draw_ground_grid(source, camera, step_m=2.0)
    assert image.shape == source.shape
    assert (source == 128).all()
    for axis, colour in ((0, EAST_BGR), (1, NORTH_BGR)):
        along = np.linspace(20, 35, 60) if axis == 0 else np.linspace(-9, 9, 60)
        xy = np.column_stack([np.full(60, 0.0), along]) if axis == 0 else np.column_stack([along, np.full(60, 20.0)])
        # labels and crossings cover some of a line
        assert near(image, to_image(camera, xy), colour) > 0.8
        beside = xy + np.eye(2)[axis]
        assert near(image, to_image(camera, beside), colour) < 0.4


def test_what_is_not_used_is_grey_and_the_rest_keeps_its_colour():
    source = frame()
    source[:] = (40, 160, 200)
    camera = plane()
    image = draw_ground_grid(source, camera, step_m=5.0)
    horizon = round(270 - 700 * np.tan(TILT))
    sky = image[horizon // 2, 600:900].astype(int)
    assert (sky.max(axis=1) == sky.min(axis=1)).all()
    kept = (image[300:] == source[300:]).all(axis=2).mean()
    assert kept > 0.5


def test_control_points_area_heads_and_a_large_picture():
    camera = plane()
    uv = to_image(camera, np.array([[0.0, 20.0], [3.0, 25.0]]))
    points = [
        ControlPoint(u, v, x, y, name) for (u, v), (x, y, name) in zip(uv, [(0, 20, "A"), (3, 25.5, "B")], strict=True)
    ]
    image = draw_ground_grid(frame(), camera, area=shapely.box(-8, 14, 8, 40), points=points)
    assert near(image, uv + np.array([5, 0]), np.array(POINT_BGR)) == 1.0
    # the residual of B, ten times as long, towards where 25.5 m is
    there = to_image(camera, np.array([[3.0, 25.5]]))
    assert near(image, uv[1:] + 6 * (there - uv[1:]), np.array(POINT_BGR)) == 1.0
    heads = draw_ground_grid(frame(), camera, height_m=1.65)
    assert not (heads == draw_ground_grid(frame(), camera)).all()


def test_a_camera_without_valid_ground_is_all_grey_but_drawn():
    image = draw_ground_grid(frame(200), plane(max_sigma_m=1e-6))
    assert image.shape == (*HW, 3)
    assert not (image[500] == 200).any()


def test_wrong_size_and_step_are_refused():
    with pytest.raises(CalibrationError, match="the picture is 100 x 50, the calibration is for 960 x 540"):
        draw_ground_grid(np.zeros((50, 100, 3), np.uint8), plane())
    with pytest.raises(CalibrationError, match="step_m"):
        draw_ground_grid(frame(), plane(), step_m=0.0)
