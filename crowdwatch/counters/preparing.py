"""Picture -> network input, network output -> density map. Every runtime, and the training's own validation, goes
through this module, so that only the network's own arithmetic can differ between them."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from crowdwatch.core.records import FloatArray, Frame, HeadMass
from crowdwatch.counters.margins import Margins
from crowdwatch.errors import ConfigError, ModelError

__all__ = ["MULTIPLE", "Forward", "check_scale", "count", "picture", "spans"]

PAD = 114
"""Grey of the border: what the network's layers were first trained with."""

MULTIPLE = 32
"""The network halves a picture five times."""

PIECE_PX = 2048
"""A picture with a longer side is counted in pieces: memory is then that of one piece."""

CONTEXT_PX = 64
"""What a piece sees of its neighbours, and then leaves to them."""

ROUNDING = 1e-3
"""OpenVINO's softplus gives down to -2e-6 for an empty block: so little below zero is nobody, more is a fault."""

Forward: TypeAlias = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""(1, 3, h, w) RGB in 0..1, sides multiples of 32 -> (h / stride, w / stride) persons per block."""


def picture(image_bgr: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(H, W, 3) u8 -> (1, 3, h, w) f32 RGB in 0..1, bordered at the right and the bottom to multiples of 32.

    >>> picture(np.zeros((33, 64, 3), np.uint8)).shape
    (1, 3, 64, 64)
    """
    height, width = image_bgr.shape[:2]
    bordered = np.full((1, 3, _padded(height), _padded(width)), np.float32(PAD / 255), dtype=np.float32)
    for plane, channel in zip(cv2.split(image_bgr), (2, 1, 0), strict=True):
        np.multiply(plane, np.float32(1 / 255), out=bordered[0, channel, :height, :width])
    return bordered


def check_scale(scale: float) -> float:
    """The scale, if it is one. Raises ConfigError."""
    if not 0.1 <= scale <= 8:
        raise ConfigError(f"counter: scale: got {scale}, need 0.1 to 8. 1.0 counts a picture in its own size.")
    return scale


def count(
    frame: Frame, forward: Forward, *, stride: int, scale: float, counter_id: str, margins: Margins | None = None
) -> HeadMass:
    """Count one frame of any size.

    The picture is resized by ``scale`` and counted whole, or in pieces of one size where a side is above 2048. Blocks
    that lie wholly in the grey border are dropped.

    Args:
        frame: the picture.
        forward: the network.
        stride: side of its blocks in pixels of its input.
        scale: the picture is resized by this factor first.
        counter_id: of the record.
        margins: says how far the answer may be off for the state of the picture.

    Raises:
        ModelError: the answer is not finite, negative or of the wrong shape.
    """
    image = _resized(frame.image_bgr, stride, check_scale(scale))
    height, width = image.shape[:2]
    mass: FloatArray = np.empty((_padded(height) // stride, _padded(width) // stride))
    for (y0, y1, top, bottom), (x0, x1, left, right) in product(spans(_padded(height)), spans(_padded(width))):
        answer = _checked(forward(picture(image[y0:y1, x0:x1])), (y1 - y0, x1 - x0), stride, counter_id)
        mine = answer[(top - y0) // stride : (bottom - y0) // stride, (left - x0) // stride : (right - x0) // stride]
        mass[top // stride : bottom // stride, left // stride : right // stride] = mine
    mass = mass[: -(-height // stride), : -(-width // stride)]
    fewer, more = (math.nan, math.nan) if margins is None else margins.of(frame.image_bgr, mass, stride / scale)
    return HeadMass(frame.stamp, mass, stride / scale, frame.image_hw, counter_id, fewer, more)


def spans(side: int) -> list[tuple[int, int, int, int]]:
    """Cut one side into pieces of one size: from where to where each looks, and what it owns. All multiples of 32.

    >>> spans(2048)
    [(0, 2048, 0, 2048)]
    >>> spans(3840)
    [(0, 2048, 0, 1920), (1792, 3840, 1920, 3840)]
    """
    if side <= PIECE_PX:
        return [(0, side, 0, side)]
    pieces = -(-side // (PIECE_PX - 2 * CONTEXT_PX))
    own = -(-side // (pieces * MULTIPLE)) * MULTIPLE
    look = own + 2 * CONTEXT_PX
    starts = [min(max(mine - CONTEXT_PX, 0), side - look) for mine in range(0, side, own)]
    return [(start, start + look, i * own, min((i + 1) * own, side)) for i, start in enumerate(starts)]


def _padded(side: int) -> int:
    return -(-side // MULTIPLE) * MULTIPLE


def _resized(image: NDArray[np.uint8], stride: int, scale: float) -> NDArray[np.uint8]:
    # rounded up, so that there are as many blocks as the exact size has
    height, width = (max(1, math.ceil(side * scale - 1e-9 * stride)) for side in image.shape[:2])
    if (height, width) == image.shape[:2]:
        return image
    smooth = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (width, height), interpolation=smooth), dtype=np.uint8)


def _checked(
    answer: NDArray[np.float32], piece_hw: tuple[int, int], stride: int, counter_id: str
) -> NDArray[np.float32]:
    need = tuple(_padded(side) // stride for side in piece_hw)
    if answer.shape != need:
        raise ModelError(f"counter {counter_id}: the network gave {answer.shape}, need {need}. Export it again.")
    if not np.isfinite(answer).all() or float(answer.min()) < -ROUNDING:
        raise ModelError(
            f"counter {counter_id}: the network gave NaN, infinity or less than nobody. The weights or the runtime are "
            "faulty: check the sha256 of the weights and try precision f32."
        )
    return np.maximum(answer, 0)
