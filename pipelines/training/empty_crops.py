"""Drawn crops without people, for training: a counter learns that texture alone is nobody.

Other kinds than those of :mod:`pipelines.evaluation.empty_pictures`, which are to be told from people without having
been learned from.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["empty_crop"]

Picture = NDArray[np.uint8]
Rng = np.random.Generator


def empty_crop(rng: Rng, side_px: int) -> Picture:
    """(side, side, 3) a texture of a kind, of colours and of a grain that are drawn."""
    kind = _KINDS[int(rng.integers(len(_KINDS)))]
    return np.asarray(kind(rng, side_px), np.uint8)


def _colours(rng: Rng) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Two colours that are not much more colourful than a street's."""
    grey = np.sort(rng.uniform(0, 255, 2))
    low, high = (np.clip(level + rng.normal(0, 25, 3), 0, 255) for level in grey)
    return low, high


def _mixed(value: NDArray[np.float32], rng: Rng) -> Picture:
    low, high = _colours(rng)
    return np.asarray(low + (high - low) * np.clip(value, 0, 1)[:, :, None], np.uint8)


def _grain(rng: Rng, side: int) -> Picture:
    """Noise of any grain, in one colour or in three."""
    cells = int(side / rng.uniform(1, 12))
    how = cv2.INTER_CUBIC if rng.random() < 0.5 else cv2.INTER_NEAREST
    coarse = rng.random((cells, cells, 3), dtype=np.float32)
    value = np.asarray(cv2.resize(coarse, (side, side), interpolation=how), np.float32)
    return _mixed(value[:, :, 0], rng) if rng.random() < 0.5 else np.asarray(np.clip(value, 0, 1) * 255, np.uint8)


def _clouds(rng: Rng, side: int) -> Picture:
    """Bumps of all sizes, as clouds, plaster and asphalt have."""
    value: NDArray[np.float32] = np.zeros((side, side), np.float32)
    weight = 0.0
    fall = rng.uniform(0.4, 1.0)
    for octave in range(1, 8):
        cells = min(side, 2**octave + 1)
        coarse = rng.random((cells, cells), dtype=np.float32)
        value += fall**octave * np.asarray(cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC))
        weight += fall**octave
    return _mixed((value / np.float32(weight) - 0.3) * 2.5, rng)


def _stripes(rng: Rng, side: int) -> Picture:
    """Stripes and grids of any direction: fences, stairs, facades, tiles."""
    down, across = np.mgrid[0:side, 0:side].astype(np.float32)
    value = np.ones((side, side), np.float32)
    first = rng.uniform(0, np.pi)
    for angle in (first, first + np.pi / 2)[: int(rng.integers(1, 3))]:
        period = rng.uniform(4, 60)
        wave = np.sin((across * np.cos(angle) + down * np.sin(angle)) * 2 * np.pi / period)
        value *= wave > rng.uniform(-0.9, 0.5)
    return _noisy(_mixed(value, rng), rng)


def _polygons(rng: Rng, side: int) -> Picture:
    """Pieces with straight edges, one over the other: rubble, roofs, parked things."""
    picture = _clouds(rng, side)
    size = rng.uniform(4, 40)
    for _ in range(int(min(1500, 3 * (side / size) ** 2))):
        corners = rng.uniform(0, side, 2) + rng.normal(0, size, (int(rng.integers(3, 6)), 2))
        low, high = _colours(rng)
        cv2.fillPoly(picture, [corners.astype(np.int32)], (low if rng.random() < 0.5 else high).tolist(), cv2.LINE_AA)
    return _noisy(picture, rng)


def _rings(rng: Rng, side: int) -> Picture:
    """Bubbles and rings, bright on dark or dark on bright."""
    picture = _clouds(rng, side)
    size = rng.uniform(3, 20)
    for x, y, share in rng.random((int(min(1500, 1.5 * (side / size) ** 2)), 3)):
        shade = np.clip(rng.normal(140, 60, 3), 0, 255).tolist()
        thick = -1 if rng.random() < 0.7 else 1
        radius = max(2, int(size * (0.5 + 0.5 * share)))
        cv2.circle(picture, (int(x * side), int(y * side)), radius, shade, thick, cv2.LINE_AA)
    return _noisy(picture, rng)


def _noisy(picture: Picture, rng: Rng) -> Picture:
    noisy = picture + rng.normal(0, rng.uniform(0, 8), picture.shape)
    blurred = cv2.GaussianBlur(noisy.clip(0, 255).astype(np.uint8), (0, 0), float(rng.uniform(0.3, 1.2)))
    return np.asarray(blurred, np.uint8)


_KINDS: tuple[Callable[[Rng, int], Picture], ...] = (_grain, _clouds, _stripes, _polygons, _rings)
