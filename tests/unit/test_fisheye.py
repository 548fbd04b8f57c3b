"""OpenCV's fisheye lens against OpenCV itself, and where it has no pinhole's picture."""

import cv2
import numpy as np
import pytest

from crowdwatch.errors import CalibrationError
from crowdwatch.ground import distort, fisheye_lens, plane_from_pose, to_ground, to_image, undistort, visible_area

K = np.array([[500.0, 0.0, 640.0], [0.0, 480.0, 360.0], [0.0, 0.0, 1.0]])
COEFFICIENTS = [(0.0, 0.0, 0.0, 0.0), (-0.02, 0.004, -0.003, 0.0006), (0.08, -0.03, 0.01, -0.002)]


@pytest.mark.parametrize("coefficients", COEFFICIENTS)
def test_it_is_the_lens_of_opencv(coefficients: tuple[float, ...]) -> None:
    rng = np.random.default_rng(3)
    ideal = rng.uniform(-3, 3, (200, 2))  # up to 77 degrees from the axis
    shown = cv2.fisheye.distortPoints(ideal[:, None], K, np.array(coefficients)).reshape(-1, 2)
    lens = fisheye_lens(K, coefficients)
    pixels = ideal @ K[:2, :2].T + K[:2, 2]
    assert np.abs(distort(lens, pixels) - shown).max() < 1e-6
    assert np.abs(undistort(lens, shown) - pixels).max() < 1e-5  # a pixel here is up to 9 of a pinhole's


def test_what_it_sees_beside_itself_has_no_ground_point() -> None:
    lens = fisheye_lens(K, COEFFICIENTS[0])
    at = 640 + 500 * np.radians([0.0, 60.0, 88.0, 89.5, 100.0])
    found = undistort(lens, np.column_stack([at, np.full(5, 360.0)]))
    assert np.isfinite(found).all(axis=1).tolist() == [True, True, True, False, False]
    assert found[1, 0] == pytest.approx(640 + 500 * np.tan(np.radians(60)))


def test_it_ends_where_it_folds_over() -> None:
    """theta - 0.5 theta^3 turns at 0.816."""
    lens = fisheye_lens(K, (-0.5, 0.0, 0.0, 0.0))
    radius = 500 * np.array([0.5, 0.54, 0.56])
    found = undistort(lens, np.column_stack([640 + radius, np.full(3, 360.0)]))
    assert np.isfinite(found).all(axis=1).tolist() == [True, True, False]  # highest: 0.544
    beyond = np.array([[640 + 500 * np.tan(0.9), 360.0]])
    assert np.isnan(distort(lens, beyond)).all()


def test_a_camera_on_a_mast_sees_the_ground_around_it() -> None:
    """6 m up, looking down: people are found where they stand, and the valid ground is round."""
    down = np.diag([1.0, -1.0, -1.0])
    plane = plane_from_pose(
        K, down, np.array([0.0, 0.0, 6.0]), image_hw=(720, 1280), lens=fisheye_lens(K, COEFFICIENTS[1])
    )
    rng = np.random.default_rng(5)
    people = rng.uniform(-9, 9, (300, 2))
    assert np.abs(to_ground(plane, to_image(plane, people)) - people).max() < 1e-6
    west, _, east, north = visible_area(plane).bounds
    assert east == pytest.approx(-west, rel=0.01)
    assert 6.0 < north < east


@pytest.mark.parametrize("coefficients", [(), (0.1,), (0.1, 0.0, 0.0, 0.0, 0.0), (np.nan, 0.0, 0.0, 0.0)])
def test_it_has_four_coefficients(coefficients: tuple[float, ...]) -> None:
    with pytest.raises(CalibrationError, match="need the four finite"):
        fisheye_lens(K, coefficients)
