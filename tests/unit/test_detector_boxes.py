"""Pictures to network input and network output to boxes, against what can be counted by hand."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from crowdwatch.core.records import Anchor
from crowdwatch.detectors.boxes import BoxLimits, ModelShape, people
from crowdwatch.detectors.letterbox import PAD, InputSize, Letterbox, blob, letterboxed
from crowdwatch.detectors.torch_yolo import of_bytes
from crowdwatch.errors import ConfigError, ModelError

SHAPE = ModelShape(3, 1, Anchor.FEET)
FIT = Letterbox.fit((640, 640), (640, 640))


def output(rows, n=None):
    """(7, N) answer of a three-class network: rows of x, y, w, h, and the score of the counted class."""
    answer = np.zeros((7, n or max(len(rows), 8)), dtype=np.float32)
    for i, (x, y, w, h, score) in enumerate(rows):
        answer[:4, i], answer[5, i] = (x, y, w, h), score
    return answer


def brute_force(xyxy, score, limit):
    """Greedy suppression written as its definition says."""
    kept = []
    for i in np.argsort(-score, kind="stable"):
        a = xyxy[i]
        for j in kept:
            b = xyxy[j]
            w, h = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
            shared = max(w, 0) * max(h, 0)
            union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared
            if shared / union > limit:
                break
        else:
            kept.append(i)
    return kept


@given(st.integers(1, 3000), st.integers(1, 3000), st.sampled_from([(640, 640), (384, 640)]))
def test_there_and_back(height, width, input_hw):
    """A box drawn in the picture comes back from the network's coordinates."""
    fit = Letterbox.fit((height, width), input_hw)
    assert max(fit.resized_hw[0] / input_hw[0], fit.resized_hw[1] / input_hw[1]) == 1
    box = np.array([[0.2 * width, 0.1 * height, 0.9 * width, 0.7 * height]])
    scale = np.array([fit.resized_hw[1] / width, fit.resized_hw[0] / height] * 2)
    there = box * scale + np.array([fit.left, fit.top] * 2)
    np.testing.assert_allclose(fit.to_image(there), box, rtol=1e-12, atol=1e-9)  # rounding of doubles


@given(st.integers(1, 3000), st.integers(1, 3000), st.sampled_from([64, 640, 1280]), st.booleans())
def test_an_input_that_follows_shows_what_the_square_shows(height, width, image_px, centred):
    """At the same scale and at the same place within the network's cells, with less than a cell of border more."""
    square = Letterbox.fit((height, width), (image_px, image_px), centred=centred)
    fit = Letterbox.follow((height, width), (image_px, image_px), centred=centred)
    assert fit.resized_hw == square.resized_hw
    for place, whole, shown, side in (
        (fit.left, square.left, fit.resized_hw[1], fit.input_hw[1]),
        (fit.top, square.top, fit.resized_hw[0], fit.input_hw[0]),
    ):
        assert (whole - place) % 32 == 0
        assert place + shown <= side <= image_px
        assert side % 32 == 0
        assert side < place + shown + 32
        assert place < 32


@pytest.mark.parametrize(
    ("image_hw", "input_hw", "share"),
    [((1080, 1920), (384, 640), 0.6), ((576, 768), (512, 640), 0.8), ((1920, 1080), (640, 384), 0.6)],
)
def test_what_is_computed_of_a_square(image_hw, input_hw, share):
    size = InputSize.square(640)
    assert size.fit(image_hw).input_hw == input_hw
    assert np.prod(input_hw) == pytest.approx(share * 640**2)
    assert str(size) == "640fit"
    assert str(InputSize((640, 640))) == "640"


@pytest.mark.parametrize("image_px", [0, -32, 16, 641])
def test_a_size_of_no_multiple_is_refused(image_px):
    with pytest.raises(ConfigError, match="need a multiple of 32"):
        InputSize.square(image_px)


def test_the_blob_is_rgb_in_0_to_1_with_a_grey_border():
    picture = np.zeros((320, 640, 3), dtype=np.uint8)
    picture[..., 0], picture[..., 2] = 255, 51
    images = [picture, picture[:, :320]]
    fits = [Letterbox.fit(image.shape[:2], (640, 640)) for image in images]
    pictures = blob(images, fits)
    assert pictures.shape == (2, 3, 640, 640)
    assert pictures.dtype == np.float32
    assert (fits[0].top, fits[0].left) == (160, 0)
    # one unit in the last place of f32 at most
    np.testing.assert_allclose(pictures[0, :, 320, 320], [51 / 255, 0, 1], rtol=2e-7)
    np.testing.assert_allclose(pictures[0, :, 159, 320], PAD / 255, rtol=2e-7)
    np.testing.assert_allclose(pictures[1, :, 320, 320], [51 / 255, 0, 1], rtol=2e-7)


def test_bytes_for_a_gpu_are_number_for_number_the_blob():
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (*hw, 3), dtype=np.uint8) for hw in ((576, 768), (640, 640), (700, 300))]
    fits = [Letterbox.fit(image.shape[:2], (640, 640)) for image in images]
    pictures = letterboxed(images, fits)
    assert np.array_equal(of_bytes(torch.from_numpy(pictures)).numpy(), blob(images, fits))


def test_only_the_counted_class_above_the_floor():
    answer = output([(100, 100, 20, 40, 0.9), (300, 300, 20, 40, 0.04), (500, 300, 20, 40, 0.3)])
    answer[4, 3], answer[:4, 3] = 0.99, (200, 200, 20, 40)  # another class
    xyxy, score, saturated = people(answer, SHAPE, FIT, BoxLimits())
    assert xyxy.tolist() == [[90, 80, 110, 120], [490, 280, 510, 320]]
    np.testing.assert_allclose(score, [0.9, 0.3], rtol=1e-7)  # f32
    assert not saturated


@pytest.mark.parametrize("limit", [0.3, 0.5, 0.6, 0.7])
def test_suppression_is_the_definition(limit):
    rng = np.random.default_rng(5)
    rows = np.column_stack(
        [rng.uniform(50, 250, (300, 2)), rng.uniform(20, 60, 300), rng.uniform(40, 90, 300), rng.uniform(0.1, 1, 300)]
    ).astype(np.float32)
    xyxy, score, _ = people(output(rows), SHAPE, FIT, BoxLimits(nms_iou=limit))
    box, given_score = rows[:, :4].astype(np.float64), rows[:, 4].astype(np.float64)
    corners = np.concatenate([box[:, :2] - box[:, 2:] / 2, box[:, :2] + box[:, 2:] / 2], axis=1)
    kept = brute_force(corners, given_score, limit)
    assert 5 < len(kept) < 295  # it both keeps and drops
    np.testing.assert_array_equal(score, given_score[kept])
    np.testing.assert_allclose(xyxy, corners[kept], atol=1e-9)  # rounding of doubles


def test_saturation_is_flagged_at_nine_tenths_of_either_limit():
    rows = [(10 + 12 * (i % 50), 20 + 60 * (i // 50), 8, 40, 0.5) for i in range(90)]
    assert people(output(rows), SHAPE, FIT, BoxLimits(max_det=100))[2]
    assert not people(output(rows[:89]), SHAPE, FIT, BoxLimits(max_det=100))[2]
    xyxy, _, saturated = people(output(rows), SHAPE, FIT, BoxLimits(max_det=30))
    assert len(xyxy) == 30
    assert saturated
    piled = [(300, 300, 20, 40, 0.5)] * 90
    xyxy, _, saturated = people(output(piled), SHAPE, FIT, BoxLimits(max_candidates=100))
    assert len(xyxy) == 1
    assert saturated


def test_end_to_end_rows():
    """Rows of left, top, right, bottom, score, class; the rows that other classes fill count towards the limit."""
    answer = np.zeros((300, 6), dtype=np.float32)
    answer[0], answer[1], answer[2] = (1, 2, 3, 4, 0.2, 1), (5, 6, 9, 9, 0.8, 1), (7, 7, 9, 9, 0.9, 2)
    xyxy, score, saturated = people(answer, SHAPE, FIT, BoxLimits())
    assert xyxy.tolist() == [[5, 6, 9, 9], [1, 2, 3, 4]]
    np.testing.assert_allclose(score, [0.8, 0.2], rtol=1e-7)  # f32
    assert not saturated
    answer[3:270] = (7, 7, 9, 9, 0.9, 2)
    assert people(answer, SHAPE, FIT, BoxLimits())[2]


def test_boxes_wholly_in_the_border_are_nobody():
    fit = Letterbox.fit((320, 640), (640, 640))
    xyxy, _, _ = people(output([(300, 60, 20, 40, 0.9), (300, 160, 20, 40, 0.8)]), SHAPE, fit, BoxLimits())
    assert xyxy.tolist() == [[290, 0, 310, 20]]  # the second reaches 20 px into the picture


@pytest.mark.parametrize("row", [0, 5])
def test_nan_is_an_error_not_nobody(row):
    answer = output([(100, 100, 20, 40, 0.9)])
    answer[row, 0] = np.nan
    with pytest.raises(ModelError, match="NaN"):
        people(answer, SHAPE, FIT, BoxLimits())


def test_another_shape_is_an_error():
    with pytest.raises(ModelError, match=r"need \(7, N\) or \(N, 6\)"):
        people(np.zeros((12, 8400), dtype=np.float32), SHAPE, FIT, BoxLimits())


def test_every_wrong_limit_is_named_at_once():
    with pytest.raises(ConfigError, match=r"score_floor: got 0.*nms_iou: got 2.*max_det"):
        BoxLimits(score_floor=0, nms_iou=2, max_det=0)
