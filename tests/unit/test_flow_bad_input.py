"""What moves in a picture and is nobody: no velocity of it is told where people are, or nothing at all."""

import cv2
import numpy as np

from crowdwatch.core.records import Anchor, Detections, Frame, FramePair, Stamp
from crowdwatch.observation.flow import measure_flow
from crowdwatch.sources.synthetic import looking_down

HW = (288, 384)
PLANE = looking_down((0.0, -8.0, 8.0), (0.0, 2.0), HW, 350.0)
BOXES = np.array([[100.0, 120, 124, 180], [180, 140, 206, 205], [260, 130, 284, 190]])
STILL_M_S = 0.25
"""A standing person's velocity may read so much here: a pixel of the small picture is 0.03 m, seen twice in 0.2 s."""


def scene(seed=0):
    rng = np.random.default_rng(3)
    grain = rng.integers(70, 150, (*HW, 3)).astype(np.float32)
    image = cv2.GaussianBlur(grain, (0, 0), 1.5)
    image = (image - image.mean()) * 3 + 110
    return np.clip(image + np.random.default_rng(seed).normal(0, 1.5, image.shape), 0, 255).astype(np.uint8)


def measured(now, before, span_s=0.2):
    frames = [Frame(Stamp("c", n, round(n * span_s * 1e9)), image) for n, image in enumerate((before, now))]
    at = Detections(frames[1].stamp, BOXES, np.full(3, 0.9), np.zeros(3, np.int64), Anchor.FEET, HW, "drawn")
    return measure_flow(FramePair(frames[0], frames[1]), at, PLANE)


def flag(image, shift):
    stripes = (127 + 100 * np.sin((np.arange(90) + shift) / 3))[None, :, None]
    image[20:70, 20:110] = np.broadcast_to(stripes, (50, 90, 3))


def car(image, shift):
    image[210:260, 30 + shift : 120 + shift] = (30, 40, 160)
    image[215:235, 45 + shift : 100 + shift] = (200, 190, 180)


def shadow(image, shift):
    image[225:280, 120 + shift : 300 + shift] = image[225:280, 120 + shift : 300 + shift] // 2


def specks(image, shift):
    """Rain and confetti: other ones in every picture."""
    rng = np.random.default_rng(50 + shift)
    for x, y in rng.integers((0, 0), (HW[1] - 2, HW[0] - 8), (250, 2)):
        image[y : y + 6, x : x + 1] = 230


def test_what_is_nobody_gives_people_who_stand_no_velocity():
    for name, draw in {"flag or screen": flag, "vehicle": car, "shadow": shadow, "rain, confetti": specks}.items():
        before, now = scene(1), scene(2)
        draw(before, 0)
        draw(now, 7)
        flow = measured(now, before)
        assert flow is not None, name
        assert len(flow), name
        assert np.hypot(*flow.v_m_s.T).max() < STILL_M_S, name
    walks = scene(2)
    walks[100:220, 170:220] = np.roll(walks, 6, axis=1)[100:220, 170:220]
    assert np.hypot(*measured(walks, scene(1)).v_m_s.T).max() > 2 * STILL_M_S, "a person who walks has one"
    swayed = np.roll(scene(2), (2, 3), axis=(0, 1))  # the whole picture: a mast in the wind
    flow = measured(swayed, scene(1))
    assert flow is None or not len(flow) or np.hypot(*flow.v_m_s.T).max() < STILL_M_S
    assert measured(scene(1), scene(1)) is None, "a frame doubled by a recorder"
    assert measured(np.clip(scene(2).astype(int) + 60, 0, 255).astype(np.uint8), scene(1)) is None, "a flash"
    assert measured(scene(2), scene(1), span_s=0.5) is None, "two frames a second"
