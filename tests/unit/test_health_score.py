"""The measurement of faults of pictures: which cameras stand still, and what its sums are of."""

from dataclasses import replace
from fractions import Fraction

import cv2
import numpy as np
import pytest

from pipelines.evaluation.camera_drift import drift_frac
from pipelines.evaluation.health_score import FalseAlarms, summary


@pytest.fixture(scope="module")
def square():
    """A picture of rectangles: corners everywhere."""
    rng = np.random.default_rng(0)
    picture = np.full((240, 320, 3), 120, np.uint8)
    for x, y, width, height in zip(
        *(rng.integers(low, high, 150) for low, high in ((0, 300), (0, 220), (6, 40), (6, 40))), strict=True
    ):
        picture[y : y + height, x : x + width] = rng.integers(20, 235, 3)
    return picture


def test_a_drift_is_told_in_shares_of_the_width(square):
    def panned(px):
        return cv2.warpAffine(
            square, np.float64([[1, 0, px], [0, 1, 0]]), (320, 240), borderMode=cv2.BORDER_REFLECT_101
        )

    assert drift_frac([square] * 3, Fraction(1)) < 0.001
    assert drift_frac([square, panned(4), panned(8)], Fraction(1)) == pytest.approx(8 / 320, abs=0.003)


def test_what_is_said_of_a_camera_that_is_held_by_hand_is_not_false():
    still = FalseAlarms("street.mp4", "as recorded", 0.5, 1, 2, 0.0, 0.0, 0.0001)
    held = replace(still, recording="escalator.mp4", blind=40, drift_frac=0.012)
    figures = summary([], [still, held])
    assert (figures["hours"], figures["false_blind_per_h"], figures["false_partly_per_h"]) == (0.5, 2.0, 4.0)
    assert figures["held_by_hand"] == ["escalator.mp4"]
    assert len(figures["unspoiled"]) == 2
