"""A picture laid on one of the same ground: far better than telemetry, or telemetry as it was, and it says so."""

import cv2
import numpy as np
import pytest

from crowdwatch.calibration.registration import GroundPicture, refined
from crowdwatch.ground import AerialPose, aerial_plane, position_sigma_m, to_ground, to_image, valid_ground
from pipelines.evaluation.drawn_ground import drawn_ground, drawn_picture

HW, FOCAL = (540, 960), 670.0
ERRORS = AerialPose(1.5, 1.5, 1.0, 1.0, 0.5, 0.5, 0.01 * FOCAL)
TRUE = AerialPose(2.0, -4.0, 50.0, 8.0, -60.0, 0.0, FOCAL)
TOLD = AerialPose(3.4, -2.9, 50.8, 7.1, -60.0, 0.0, FOCAL)
PEOPLE = np.random.default_rng(2).uniform((-25, 5), (25, 55), (300, 2))


@pytest.fixture(scope="module")
def ground():
    return drawn_ground(-50, -20, 50, 90)


@pytest.fixture(scope="module")
def gray(ground):
    image = drawn_picture(aerial_plane(TRUE, ERRORS, HW), ground, PEOPLE, light=0.7)
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY))


def off_m(plane):
    return np.hypot(*(to_ground(plane, to_image(aerial_plane(TRUE, ERRORS, HW), PEOPLE)) - PEOPLE).T)


def test_it_finds_the_pose_that_telemetry_missed(gray, ground):
    found = refined(gray, TOLD, ERRORS, ground, max_sigma_m=5)
    assert found.why == ""
    assert found.matches >= 20
    assert np.median(off_m(aerial_plane(TOLD, ERRORS, HW))) > 1.0
    assert np.percentile(off_m(found.plane), 90) < 0.2
    assert found.after_m < 0.3 < found.before_m
    # heads go through the same pose, so the camera's place counts too
    assert found.plane.camera_centre_m == pytest.approx([2.0, -4.0, 50.0], abs=0.3)


def test_its_error_is_told_and_not_too_small(gray, ground):
    plane = refined(gray, TOLD, ERRORS, ground, max_sigma_m=5).plane
    uv = to_image(aerial_plane(TRUE, ERRORS, HW), PEOPLE)
    _, sigma = valid_ground(plane, uv)
    assert np.nanmax(sigma) < 0.5
    assert np.mean(off_m(plane)[np.isfinite(sigma)] <= 2 * sigma[np.isfinite(sigma)]) > 0.95


def test_another_ground_leaves_telemetry_as_it_was(gray):
    found = refined(gray, TOLD, ERRORS, drawn_ground(-50, -20, 50, 90, seed=99), max_sigma_m=5)
    assert found.why
    assert found.pose is None
    assert found.plane.plane_id == aerial_plane(TOLD, ERRORS, HW, max_sigma_m=5).plane_id


def test_ground_that_repeats_itself_decides_nothing():
    """Slabs of two metres fit at every other slab."""
    step_m = 0.1
    rows, cols = np.mgrid[0:1100, 0:1000]
    slabs = np.where((rows // 20 + cols // 20) % 2 == 0, 110, 160).astype(np.uint8)
    ground = GroundPicture(slabs, np.array([[step_m, 0, -50.0], [0, -step_m, 90.0], [0, 0, 1.0]]))
    image = drawn_picture(aerial_plane(TRUE, ERRORS, HW), ground, PEOPLE)
    found = refined(np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)), TOLD, ERRORS, ground, max_sigma_m=5)
    assert found.pose is None
    assert "alike" in found.why


def test_a_reference_elsewhere_is_said(gray):
    far = drawn_ground(400, 400, 440, 440)
    assert refined(gray, TOLD, ERRORS, far, max_sigma_m=5).why == "the picture shows nothing of the reference"


def test_the_error_of_a_pose_grows_over_the_picture_and_decides_what_is_valid():
    """One degree of yaw moves a place by its distance from the point below the camera times pi / 180."""
    yaw = AerialPose(0, 0, 0, 1.0, 0, 0, 0)
    plane = aerial_plane(TRUE, yaw, HW, max_sigma_m=0.9, pixel_sigma_px=1e-9)
    places = np.array([[2.0, 20.0], [2.0, 40.0], [2.0, 60.0]])
    uv = to_image(plane, places)
    away_m = np.hypot(*(places - [2.0, -4.0]).T)
    assert position_sigma_m(plane, uv) == pytest.approx(away_m * np.pi / 180, rel=1e-3)
    assert np.isfinite(valid_ground(plane, uv)[1]).tolist() == [True, True, False]
