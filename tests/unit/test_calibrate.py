"""Control points to a ground plane with its error."""

import numpy as np
import pytest

from crowdwatch.calibration import calibrate
from crowdwatch.calibration.calibrate import ControlPoint
from crowdwatch.core.records import GroundPlane, Lens
from crowdwatch.errors import AnchorRefused, CalibrationError
from crowdwatch.ground import fit_homography, plane_from_pose, position_sigma_m, to_ground, to_image, valid_px

HW = (1080, 1920)
K = np.array([[1400.0, 0, 960], [0, 1400.0, 540], [0, 0, 1]])
OPENCV = Lens("opencv", K, np.array([-0.3, 0.1, 0.001, -0.001, -0.01]))
TILT = np.radians(25)
ROTATION = np.array([[1, 0, 0], [0, -np.sin(TILT), -np.cos(TILT)], [0, np.cos(TILT), -np.sin(TILT)]])
CENTRE = np.array([0.0, 0.0, 8.0])

NEAR = [(-3, 10), (3, 10), (-5, 20), (5, 20)]
SPREAD = [(-3, 10), (3, 10), (-12, 40), (12, 40)]
EIGHT = [*SPREAD, (-6, 20), (6, 20), (-9, 30), (9, 30)]
TWELVE = [*EIGHT, (0, 10), (0, 20), (0, 30), (0, 40)]
CHECK_M = np.array([(0, 12.0), (0, 25), (0, 40), (0, 60)])


def truth(lens=None):
    return plane_from_pose(K, ROTATION, -ROTATION @ CENTRE, image_hw=HW, lens=lens)


def clicked(xy, lens=None, click_px=0.0, survey_m=0.0, seed=0, survey_sigma_m=0.05):
    rng = np.random.default_rng(seed)
    xy = np.asarray(xy, dtype=float)
    uv = to_image(truth(lens), xy) + rng.normal(0, 1, xy.shape) * click_px
    xy = xy + rng.normal(0, 1, xy.shape) * survey_m
    return [ControlPoint(*p, *x, f"P{n}", survey_sigma_m) for n, (p, x) in enumerate(zip(uv, xy, strict=True), start=1)]


@pytest.mark.parametrize("lens", [None, OPENCV, Lens("tsai", K, np.array([0.15]))])
@pytest.mark.parametrize("xy", [SPREAD, EIGHT])
def test_exact_points_give_the_exact_plane(xy, lens):
    made = calibrate.from_points(clicked(xy, lens), HW, lens=lens, camera_centre_m=CENTRE)
    uv = to_image(truth(lens), CHECK_M)
    # undistortion closes to 1e-6 px, and a pixel is 0.4 m at 60 m
    assert np.abs(to_ground(made.plane, uv) - CHECK_M).max() < 1e-5
    heads = to_image(truth(lens), CHECK_M, 1.65)
    assert np.abs(to_ground(made.plane, heads, 1.65) - CHECK_M).max() < 1e-5
    assert made.residuals_m.max() < 1e-5


def test_four_points_leave_the_error_unknown_and_say_so():
    made = calibrate.from_points(clicked(SPREAD), HW)
    assert np.isnan(made.plane.rmse_m)
    assert made.leave_one_out_m is None
    assert np.isnan(made.leave_one_out_rmse_m)
    assert "error is UNKNOWN" in calibrate.report(made)
    assert any("exactly four points" in text for text in made.warnings)
    # yet the position error is not taken for zero: clicks and survey still propagate
    uv = to_image(made.plane, CHECK_M)
    alone = position_sigma_m(truth(), uv)
    assert (position_sigma_m(made.plane, uv) > 1.05 * alone).all()


@pytest.mark.parametrize(
    ("xy", "known"),
    [
        # domain 4.1, same camera and noise; the places of its points left and right are not stated there
        (SPREAD, (0.06, 0.11, 0.21, 0.59)),
        (EIGHT, (0.05, 0.07, 0.18, 0.60)),
        (TWELVE, (0.04, 0.05, 0.14, 0.52)),
    ],
    ids=["4 spread", "8 spread", "12 spread"],
)
def test_monte_carlo_of_the_position_error(xy, known):
    uv = to_image(truth(), CHECK_M)
    errors, predicted = [], []
    survey = np.full(len(xy), 0.05)
    for seed in range(200):
        noisy = clicked(xy, click_px=2.0, survey_m=0.05, seed=seed)
        pixels = np.array([(p.u_px, p.v_px) for p in noisy])
        ground = np.array([(p.x_m, p.y_m) for p in noisy])
        fit = fit_homography(pixels, ground, survey, 2.0, None)
        plane = GroundPlane(fit.image_to_ground, HW, pixel_sigma_px=0.0, homography_cov=fit.covariance)
        errors.append(to_ground(plane, uv) - CHECK_M)
        predicted.append(position_sigma_m(plane, uv))
    rmse = np.sqrt(np.mean(np.sum(np.square(errors), axis=2), axis=0))
    # published with two digits, and 200 draws know an RMSE to 5 %: 25 % holds the order, not the digit
    assert np.allclose(rmse, known, rtol=0.25, atol=0.005)
    # first order, and never scaled down when the residuals are small by chance: 8 points predict up to 15 % too much
    ratio = np.sqrt(np.mean(np.square(predicted), axis=0)) / rmse
    assert ratio.min() > 0.90
    assert ratio.max() < 1.25


def test_points_bunched_in_the_near_are_far_worse_in_the_distance():
    far = to_image(truth(), CHECK_M[-1:])
    near, spread = (
        position_sigma_m(calibrate.from_points(clicked(xy), HW, pixel_sigma_px=0.0).plane, far)[0]
        for xy in (NEAR, SPREAD)
    )
    assert near > 3 * spread  # domain 4.1: 2.48 against 0.59


def test_leave_one_out_predicts_each_point_from_the_others():
    points = clicked(EIGHT, click_px=2.0, survey_m=0.05)
    made = calibrate.from_points(points, HW)
    others = calibrate.from_points(points[:3] + points[4:], HW)
    left_out = to_ground(others.plane, np.array([[points[3].u_px, points[3].v_px]]))[0]
    expected = np.hypot(left_out[0] - points[3].x_m, left_out[1] - points[3].y_m)
    assert made.leave_one_out_m[3] == pytest.approx(expected, abs=1e-9)
    assert (made.leave_one_out_m > made.residuals_m).all()


def test_leave_one_out_is_nan_for_the_point_on_which_all_hangs():
    # without the last point, three of the four others lie on a line
    made = calibrate.from_points(clicked([(-4, 12), (0, 12), (4, 12), (-8, 30), (8, 30)], click_px=1.0), HW)
    assert np.isnan(made.leave_one_out_m).tolist() == [False, False, False, True, True]
    assert "undecided" in calibrate.report(made)


def test_rmse_counts_the_numbers_that_were_fitted():
    # five points leave two numbers free of ten: the plain mean square understates five times
    plain, corrected = [], []
    for seed in range(20):
        made = calibrate.from_points(clicked([*SPREAD, (0, 20)], click_px=2.0, seed=seed), HW)
        plain.append(np.mean(made.residuals_m**2))
        corrected.append(made.plane.rmse_m**2)
    assert np.allclose(np.array(corrected) / plain, 5.0)  # 10 / (10 - 8)


def test_a_wrong_point_is_named():
    points = clicked(EIGHT, click_px=1.0)
    bad = points[5]
    points[5] = ControlPoint(bad.u_px, bad.v_px, bad.x_m + 3.0, bad.y_m, bad.name)
    made = calibrate.from_points(points, HW)
    assert any("point P6 misses by" in text for text in made.warnings)
    assert any("disagree" in text for text in made.warnings)
    # the misfit widens the error everywhere
    uv = to_image(truth(), CHECK_M[1:2])
    good = calibrate.from_points(clicked(EIGHT, click_px=1.0), HW)
    assert position_sigma_m(made.plane, uv)[0] > 1.5 * position_sigma_m(good.plane, uv)[0]


def test_a_wrong_camera_position_is_noticed_and_a_right_one_is_not():
    for lens in (None, OPENCV):
        right = calibrate.from_points(clicked(EIGHT, lens), HW, lens=lens, camera_centre_m=CENTRE)
        assert not any("place the camera" in text for text in right.warnings)
        wrong = calibrate.from_points(
            clicked(EIGHT, lens), HW, lens=lens, camera_centre_m=CENTRE + np.array([0, 0, 4.0])
        )
        assert any("place the camera at (0.0, 0.0, 8.0) m, 4.0 m from" in text for text in wrong.warnings)


def test_without_a_camera_position_heads_are_refused():
    made = calibrate.from_points(clicked(EIGHT), HW)
    assert any("heads will be refused" in text for text in made.warnings)
    with pytest.raises(AnchorRefused):
        to_ground(made.plane, np.array([[960.0, 800.0]]), made.plane.head_plane_m)


def test_valid_ground_ends_beyond_the_hull():
    plane = calibrate.from_points(clicked(NEAR), HW, hull_reach=1.5, max_sigma_m=100.0).plane
    uv = to_image(plane, np.array([[0, 16.0], [0, 22], [0, 24], [0, 60]]))
    # the hull reaches from 10 to 20 m with its centroid at 15.42: 1.5 times it, to 22.3 m
    assert valid_px(plane, uv).tolist() == [True, True, False, False]


def refused(points, says, **settings):
    with pytest.raises(CalibrationError, match=says) as caught:
        calibrate.from_points(points, HW, **settings)
    return str(caught.value)


def test_points_that_decide_nothing_are_refused():
    refused(clicked(SPREAD)[:3], "got 3 points, need at least 4")
    refused([], "got 0 points")
    refused(clicked([(-6, 15), (-2, 15), (2, 15), (6, 15)]), "lie on a line in the picture")
    refused(clicked([(-6, 15), (-2, 15), (2, 15), (0, 30)]), "all but one, lie on a line")
    refused(clicked([(0, 12), (0, 15), (0, 20), (0, 30), (5, 20)]), "all but one, lie on a line")
    refused(
        clicked([*SPREAD, SPREAD[0]]), "P1 and P5 are the same in the picture.*P1 and P5 are the same on the ground"
    )


def test_all_faults_of_all_points_are_listed_at_once():
    points = clicked(SPREAD)
    points[0] = ControlPoint(2500, 10, 0, 0, "far out")
    points[1] = ControlPoint(10, 10, 500_000, 5_400_000, "map grid")
    points[2] = ControlPoint(float("nan"), 10, 0, 0, "no number")
    points[3] = ControlPoint(10, 10, 0, 0, "negative", -1.0)
    text = refused(points, "far out", camera_centre_m=[0, 0, -8.0], click_sigma_px=0.0)
    for part in (
        "2500",
        "outside the 1920 x 1080",
        "site's origin",
        "not finite",
        "survey_sigma_m",
        "height > 0",
        "click_sigma_px",
    ):
        assert part in text


def test_swapped_and_mirrored_points_are_refused():
    points = clicked(EIGHT)
    swapped = [
        ControlPoint(points[1].u_px, points[1].v_px, points[0].x_m, points[0].y_m),
        ControlPoint(points[0].u_px, points[0].v_px, points[1].x_m, points[1].y_m),
        *points[2:4],
    ]
    refused(swapped, "probably swapped")
    refused([ControlPoint(p.u_px, p.v_px, p.y_m, p.x_m) for p in points], "mirrored.*east, north")
    refused([ControlPoint(1920 - p.u_px, p.v_px, p.x_m, p.y_m) for p in points], "mirrored")


def test_a_lens_that_folds_inside_the_picture_is_refused():
    refused(clicked(SPREAD), "folds over", lens=Lens("opencv", K, np.array([-3.0, 0, 0, 0])))


def test_many_points_stay_quick_and_good():
    rng = np.random.default_rng(5)
    xy = np.column_stack([rng.uniform(-4, 4, 400), rng.uniform(10, 40, 400)])
    made = calibrate.from_points(clicked(xy, click_px=2.0, survey_m=0.05), HW)
    assert np.isfinite(made.leave_one_out_m).sum() == 200
    assert 0.03 < made.plane.rmse_m < 0.6  # clicks of 2 px are 0.03 m at 10 m and 0.33 m at 40 m
    assert not made.warnings[:-1]  # all but the unknown camera position


def test_report_of_a_pose_and_of_points():
    text = calibrate.report(truth())
    assert "8.00 m above (0.00, 0.00)" in text
    assert "would lose 0.37 of the density" in text  # 1 - 0.630, domain 4.2
    assert "40.0 m away: 0." in text
    assert "(not used)" in text
    text = calibrate.report(calibrate.from_points(clicked(EIGHT, click_px=2.0, survey_m=0.05), HW))
    for part in (
        "8 control points: RMSE 0.",
        "leave-one-out RMSE",
        "P8",
        "valid ground",
        "warning: the camera's position",
    ):
        assert part in text
    nothing = calibrate.from_pose(K, ROTATION, -ROTATION @ CENTRE, HW, max_sigma_m=1e-6)
    assert "no ground is valid" in calibrate.report(nothing)


def test_from_pose_takes_coefficients_and_a_rotation_vector():
    vector = np.array([np.pi, 0.0, 0.0])
    made = calibrate.from_pose(K, vector, np.array([0, 0, 8.0]), HW, distortion=OPENCV.coefficients, rmse_m=0.1)
    assert made.lens.model == "opencv"
    assert made.rmse_m == 0.1
    with pytest.raises(CalibrationError, match="OpenCV knows 4, 5, 8, 12 or 14"):
        calibrate.from_pose(K, vector, np.array([0, 0, 8.0]), HW, distortion=[0.1, 0.2, 0.3])
    with pytest.raises(CalibrationError, match="3 or 9 finite numbers"):
        calibrate.from_pose(K, np.zeros(4), np.array([0, 0, 8.0]), HW)


def test_points_in_degrees_or_far_away_are_told_once():
    points = clicked(EIGHT)
    degrees = [ControlPoint(p.u_px, p.v_px, 116.391 + p.x_m / 85_000, 39.907 + p.y_m / 111_000, p.name) for p in points]
    refused(degrees, r"all points lie within \S+ m of ground\. They look like degrees\. Give metres east and north")
    mapped = [ControlPoint(p.u_px, p.v_px, 447_000 + p.x_m, 4_419_000 + p.y_m, p.name) for p in points]
    said = refused(mapped, r"point P1: \(446997\.00, 4419010\.00\) m lies beyond 100,000 m. Subtract the site's origin")
    assert said.count("Subtract") == 1
    assert said.endswith("(the same with 7 more points: P2, P3, P4, P5, P6, P7, P8)")
