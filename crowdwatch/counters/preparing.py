"""Picture -> network input, network output -> head mass. Every runtime goes through this module, so that only the
network's own arithmetic can differ between them."""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from crowdwatch.errors import ConfigError, ModelError
from crowdwatch.records import Frame, HeadMass

__all__ = ["MULTIPLE", "count", "picture"]

PAD = 114
"""Grey of the border: what the network's layers were first trained with."""

MULTIPLE = 32
"""The network halves a picture five times."""

PIECE_PX = 1536
"""Larger pictures are counted in pieces of this side: an 8k picture at once would take 20 GB."""

CONTEXT_PX = 128
"""What a piece sees of its neighbours, and then leaves to them."""

Forward = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""(1, 3, h, w) RGB in 0..1 -> (h / stride, w / stride) persons per block."""


def picture(image_bgr: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(H, W, 3) u8 -> (1, 3, h, w) f32 RGB in 0..1, bordered at the right and the bottom to multiples of 32.

    >>> picture(np.zeros((33, 64, 3), np.uint8)).shape
    (1, 3, 64, 64)
    """
    height, width = image_bgr.shape[:2]
    sides = (math.ceil(height / MULTIPLE) * MULTIPLE, math.ceil(width / MULTIPLE) * MULTIPLE)
    bordered = np.full((1, 3, *sides), np.float32(PAD / 255), dtype=np.float32)
    for plane, channel in zip(cv2.split(image_bgr), (2, 1, 0), strict=True):
        np.multiply(plane, np.float32(1 / 255), out=bordered[0, channel, :height, :width])
    return bordered


def count(frame: Frame, forward: Forward, *, stride: int, scale: float, counter_id: str) -> HeadMass:
    """Count one frame.

    Args:
        frame: the picture.
        forward: the network.
        stride: side of its blocks in pixels of its input.
        scale: the picture is resized by this factor first.
        counter_id: of the record.

    Raises:
        ModelError: the answer is not finite, negative or of the wrong shape.
    """
    if not 0.05 <= scale <= 8:
        raise ConfigError(f"counter: scale: got {scale}, need 0.05 to 8.")
    height, width = frame.image_hw
    size = max(1, math.ceil(width * scale - 1e-9)), max(1, math.ceil(height * scale - 1e-9))
    image = frame.image_bgr
    if size != (width, height):
        smooth = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        image = np.asarray(cv2.resize(image, size, interpolation=smooth), dtype=np.uint8)
    mass = np.zeros((math.ceil(size[1] / stride), math.ceil(size[0] / stride)))
    for own_y, y0, y1 in _pieces(size[1]):
        for own_x, x0, x1 in _pieces(size[0]):
            answer = _checked(forward(picture(image[y0:y1, x0:x1])), (y1 - y0, x1 - x0), stride, counter_id)
            rows, columns = (own_y[1] - own_y[0]) / stride, (own_x[1] - own_x[0]) / stride
            top, left = (own_y[0] - y0) // stride, (own_x[0] - x0) // stride
            part = answer[top : top + math.ceil(rows), left : left + math.ceil(columns)]
            at_y, at_x = own_y[0] // stride, own_x[0] // stride
            mass[at_y : at_y + part.shape[0], at_x : at_x + part.shape[1]] = part
    return HeadMass(frame.stamp, mass, stride / scale, frame.image_hw, counter_id)


def _pieces(side: int) -> list[tuple[tuple[int, int], int, int]]:
    """What each piece of a side owns, and from where to where it looks; everything but the end in multiples of 32."""
    if side <= PIECE_PX + 2 * CONTEXT_PX:
        return [((0, side), 0, side)]
    starts = range(0, side, PIECE_PX)
    return [
        ((s, min(s + PIECE_PX, side)), max(0, s - CONTEXT_PX), min(side, s + PIECE_PX + CONTEXT_PX)) for s in starts
    ]


def _checked(
    answer: NDArray[np.float32], piece_hw: tuple[int, int], stride: int, counter_id: str
) -> NDArray[np.float32]:
    need = tuple(math.ceil(side / MULTIPLE) * MULTIPLE // stride for side in piece_hw)
    if answer.shape != need:
        raise ModelError(f"counter {counter_id}: the network gave {answer.shape}, need {need}. Export it again.")
    if not np.isfinite(answer).all() or float(answer.min()) < 0:
        raise ModelError(
            f"counter {counter_id}: the network gave NaN, infinity or less than nobody. The weights or the runtime are "
            "faulty: check the sha256 of the weights and try precision f32."
        )
    return answer
