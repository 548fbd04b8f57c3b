"""Pictures that no camera should send, and files that are no detector: a sound number, or a clear refusal."""

import numpy as np
import pytest

from crowdwatch import counters, detectors
from crowdwatch.analytics.health import judge
from crowdwatch.core.outcomes import Health
from crowdwatch.core.records import Frame, FramePair, Stamp
from crowdwatch.counters import preparing
from crowdwatch.detectors.letterbox import InputSize, blob
from crowdwatch.errors import RecordError
from crowdwatch.observation.evidence import evidence

RNG = np.random.default_rng(0)
HW = (180, 320)


def card():
    """Colour bars over a grey ramp."""
    bars = np.array([[192, 192, 192], [0, 192, 192], [192, 192, 0], [0, 192, 0], [192, 0, 192], [0, 0, 192]], np.uint8)
    picture = bars[np.arange(HW[1]) * 6 // HW[1]][None].repeat(HW[0], 0).copy()
    picture[HW[0] * 3 // 4 :] = np.linspace(0, 255, HW[1]).astype(np.uint8)[None, :, None]
    return picture


EMPTY = {
    "black": np.zeros((*HW, 3), np.uint8),
    "white": np.full((*HW, 3), 255, np.uint8),
    "test card": card(),
    "16 x 16": RNG.integers(0, 256, (16, 16, 3), dtype=np.uint8),
    "one pixel": np.zeros((1, 1, 3), np.uint8),
}


def frame(picture, number=0):
    return Frame(Stamp("c", number, number), picture)


@pytest.fixture(scope="module")
def detector():
    return detectors.load("auto", "openvino")


@pytest.fixture(scope="module")
def counter():
    return counters.load("auto", "openvino")


@pytest.mark.parametrize("kind", EMPTY)
def test_nobody_is_found_where_nobody_is(kind, detector, counter):
    (found,), (mass,) = detector.detect([frame(EMPTY[kind])]), counter.count([frame(EMPTY[kind])])
    assert (found.score < 0.25).all()
    assert found.image_hw == mass.image_hw == EMPTY[kind].shape[:2]
    assert 0 <= mass.mass.sum() < 0.5


def test_noise_has_nobody_to_box_and_is_refused_as_a_picture(detector, counter):
    """The density estimator sees a crowd in pure noise: what protects a reading is that the camera is unhealthy."""
    first, second = (frame(RNG.integers(0, 256, (*HW, 3), dtype=np.uint8), number) for number in (0, 1))
    assert (detector.detect([second])[0].score < 0.25).all()
    assert np.isfinite(counter.count([second])[0].mass).all()
    assert judge(evidence(FramePair(first, second))) is Health.NOISY


@pytest.mark.parametrize(("kind", "one"), [("black", Health.DARK), ("white", Health.OVEREXPOSED)])
def test_a_picture_of_one_tone_is_refused_as_a_picture(kind, one):
    shown = frame(EMPTY[kind]), frame(EMPTY[kind], 1)
    assert judge(evidence(FramePair(*shown))) is one


@pytest.mark.parametrize(
    "picture",
    [
        np.zeros(HW, np.uint8),
        np.zeros((*HW, 1), np.uint8),
        np.zeros((*HW, 4), np.uint8),
        np.zeros((*HW, 3), np.uint16),
        np.zeros((*HW, 3), np.float32),
        np.zeros((0, 320, 3), np.uint8),
    ],
)
def test_no_picture_of_three_colours_in_bytes(picture):
    """One channel, 16 bit: refused, never scaled or guessed."""
    with pytest.raises(RecordError, match="need \\(H, W, 3\\) uint8"):
        frame(picture)


def test_a_hundred_megapixels(detector):
    """The detector shrinks them; the density estimator takes them in pieces, each block once."""
    large = np.broadcast_to(np.uint8(128), (10_000, 10_000, 3))  # needs no memory of its own
    (found,) = detector.detect([frame(large)])
    assert found.image_hw == (10_000, 10_000)
    assert (found.score < 0.25).all()
    pieces = []

    def forward(picture):
        pieces.append(picture.shape)
        return np.full((picture.shape[2] // 8, picture.shape[3] // 8), 1e-3, np.float32)

    mass = preparing.count(frame(large), forward, stride=8, scale=0.25, counter_id="x")
    assert mass.mass.shape == (313, 313)
    assert mass.mass.sum() == pytest.approx(0.001 * 313 * 313)
    assert len(pieces) == 4
    assert max(max(shape) for shape in pieces) <= preparing.PIECE_PX


@pytest.mark.parametrize("hw", [(1, 1), (1, 4000), (4000, 1), (16, 16), (10_000, 10)])
def test_any_shape_has_an_input(hw):
    fit = InputSize.square(640).fit(hw)
    picture = blob([np.zeros((*hw, 3), np.uint8)], [fit])
    assert picture.shape == (1, 3, *fit.input_hw)
    assert min(fit.input_hw) >= 32
    assert min(fit.resized_hw) >= 1
