"""What state a picture is in: cheap statistics of the picture and of the density map that was counted in it.

They say how far the counter may be off (:mod:`crowdwatch.counters.margins`): sharpness at four distances, noise,
brightness and what is clipped, blocks of a codec, colour, smear in one direction; and of the answer, how crowded it is
and how much of it is vague. They are measured on :data:`TILES` tiles of 64 x 64 pixels at native resolution, so that
sensor noise shows and a large picture costs what a small one does: 4 ms of one core, under 3 % of what the shipped
counter takes for 1024x768 pixels.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from crowdwatch.core import intervals
from crowdwatch.core.records import FloatArray

__all__ = ["LEAST_PX", "NAMES", "state_of"]

Plane: TypeAlias = NDArray[np.uint8]

TILE_PX = 64
"""A multiple of 8, the side of the blocks of JPEG and H.264, and so are the places of the tiles."""

TILES = (5, 7)
"""Down and across."""

LEAST_PX = 17
"""A smaller picture has no statistics: two blocks of a codec and one pixel."""

CODEC_PX = 8
WHITE, BLACK = 250, 8
LAPLACIAN_TWICE = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], dtype=np.float32)
NEAR, AROUND = 3, 13
"""Blocks of the density map along a side: a head with its nearest, and a group."""

NAMES = (
    "dark", "middle", "bright", "clipped", "black",
    "gradient", "contrast", "slope_2", "slope_4", "slope_8",
    "noise_quiet", "noise_low", "fine", "fine_peak",
    "smear", "codec_edges", "flat",
    "saturation", "red_blue", "green", "colour_noise",
    "slope_sharpest", "slope_softest", "gradient_spread", "light_spread",
    "density", "crowding", "nearness", "peak", "vague", "very_vague",
)  # fmt: skip
"""Of the statistics, in their order."""


def state_of(image_bgr: Plane, mass: FloatArray, block_px: float) -> FloatArray | None:
    """The statistics of a picture and of its density map.

    Args:
        image_bgr: (H, W, 3) as it was counted.
        mass: (h, w) persons per block.
        block_px: side of a block in pixels of that picture.

    Returns:
        As many as :data:`NAMES`, all finite; None for a picture with a side under :data:`LEAST_PX`.
    """
    if min(image_bgr.shape[:2]) < LEAST_PX:
        return None
    side = min(TILE_PX, *image_bgr.shape[:2])
    column = _column(image_bgr, side)
    channels = [np.asarray(each, np.uint8) for each in cv2.split(column)]
    gray = np.asarray(cv2.cvtColor(column, cv2.COLOR_BGR2GRAY), np.uint8)
    steps = {step: _Steps.of(gray, step) for step in (1, 2, 4, 8)}
    found = [*_light(channels, gray), *_structure(gray, steps), *_colour(channels, gray, steps[1].mean)]
    return np.array([*found, *_spread(gray, steps), *_of_map(mass, block_px)], dtype=np.float64)


def _column(image: Plane, side: int) -> Plane:
    """(N t, t, 3) tiles at even distances, one below the other."""
    ys, xs = (
        np.linspace(0, length - side, count).astype(int) // CODEC_PX * CODEC_PX
        for length, count in zip(image.shape[:2], TILES, strict=True)
    )
    return np.concatenate([image[y : y + side, x : x + side] for y in ys for x in xs])


def _within(rows: Plane, side: int, lost: int) -> Plane:
    """What lies within tiles of a column in which the last rows of each reach into the next: (M, w)."""
    missing = -len(rows) % side
    whole = np.concatenate([rows, rows[:missing]]).reshape(-1, side, rows.shape[1])
    return np.ascontiguousarray(whole[:, : side - lost]).reshape(-1, rows.shape[1])


def _row_sums(plane: Plane) -> FloatArray:
    return np.asarray(cv2.reduce(plane, 1, cv2.REDUCE_SUM, dtype=cv2.CV_32S), np.float64)[:, 0]


@dataclass(frozen=True, slots=True, eq=False)
class _Steps:
    """Absolute differences of light over a distance, across and down, and the sum of their means in each tile."""

    across: Plane
    down: Plane
    by_tile: FloatArray

    @classmethod
    def of(cls, gray: Plane, step: int) -> _Steps:
        side = gray.shape[1]
        across = np.asarray(cv2.absdiff(gray[:, step:], gray[:, :-step]), np.uint8)
        down = _within(np.asarray(cv2.absdiff(gray[step:], gray[:-step]), np.uint8), side, step)
        tiles = len(gray) // side
        sums = _row_sums(across).reshape(tiles, -1).sum(axis=1) + _row_sums(down).reshape(tiles, -1).sum(axis=1)
        return cls(across, down, sums / (side * (side - step)))

    @property
    def mean(self) -> float:
        return float(self.by_tile.mean())


def _levels(plane: Plane) -> FloatArray:
    """(256,) the share of values up to each."""
    counted = np.asarray(cv2.calcHist([plane], [0], None, [256], [0, 256]), np.float64)
    return np.cumsum(counted) / plane.size


def _light(channels: Sequence[Plane], gray: Plane) -> list[float]:
    """Quantiles of brightness, and the roots of the shares that are clipped and black."""
    known = _levels(gray)
    quantiles = [float(np.searchsorted(known, level)) / 255 for level in (0.05, 0.5, 0.95)]
    brightest = _levels(_brightest(channels))
    return [*quantiles, math.sqrt(max(0.0, 1 - brightest[WHITE - 1])), math.sqrt(brightest[BLACK])]


def _brightest(channels: Sequence[Plane]) -> Plane:
    return np.asarray(cv2.max(cv2.max(channels[0], channels[1]), channels[2]), np.uint8)


def _structure(gray: Plane, steps: Mapping[int, _Steps]) -> list[float]:
    """Gradient and contrast, how the gradient grows with the distance, noise, smear and the edges of a codec's blocks.

    Noise is what a Laplacian of a Laplacian leaves (Immerkaer 1996, "Fast Noise Variance Estimation"). Smear is the
    coherence of the gradients (Bigun and Granlund 1987); the difference across a diagonal gives their product.
    """
    side, near = gray.shape[1], steps[1].mean
    slopes = [math.log((steps[2 * s].mean + 0.2) / (steps[s].mean + 0.2)) for s in (1, 2, 4)]
    left = cv2.convertScaleAbs(cv2.filter2D(gray, cv2.CV_16S, LAPLACIAN_TWICE))[1:, 1:-1]
    noise = _within(np.asarray(left, np.uint8), side, 2)
    low, high = (float(np.searchsorted(_levels(noise), level)) / 6 for level in (0.2, 0.95))
    by_tile = _row_sums(noise).reshape(len(gray) // side, -1).sum(axis=1) / (side - 2) ** 2 / 6
    quiet, fine = float(np.quantile(by_tile, 0.1)), float(by_tile.mean())
    diagonal = _within(np.asarray(cv2.absdiff(gray[1:, :-1], gray[:-1, 1:]), np.uint8), side, 1)
    xx, yy, both = (cv2.norm(each, cv2.NORM_L2SQR) / each.size for each in (steps[1].across, steps[1].down, diagonal))
    columns = np.asarray(cv2.reduce(steps[1].across, 0, cv2.REDUCE_SUM, dtype=cv2.CV_32S), np.float64)[0]
    lines = _row_sums(steps[1].down).reshape(-1, side - 1).sum(axis=0)
    edge = np.arange(side - 1) % CODEC_PX == CODEC_PX - 1
    at_edges, within = (float(columns[which].mean() + lines[which].mean()) for which in (edge, ~edge))
    return [
        math.log(near + 0.5), math.log(float(_deviations(gray).mean()) + 2), *slopes,
        math.log(quiet + 0.3), math.log(low + 0.1), math.log((fine + 0.2) / (near + 0.2)),
        math.log((high + 1) / (fine + 0.3)), math.hypot(xx - yy, xx + yy - both) / (xx + yy + 1e-3),
        math.log((at_edges + 1) / (within + 1) + 0.1), 1 - cv2.countNonZero(steps[1].across) / steps[1].across.size,
    ]  # fmt: skip


def _deviations(gray: Plane) -> FloatArray:
    """(N,) standard deviation of the light of each tile."""
    squares = cv2.reduce(cv2.multiply(gray, gray, dtype=cv2.CV_16U), 1, cv2.REDUCE_SUM, dtype=cv2.CV_32F)
    side = gray.shape[1]
    sums, squared = (each.reshape(-1, side).sum(axis=1) / side**2 for each in (_row_sums(gray), np.float64(squares)))
    return np.asarray(np.sqrt(np.maximum(squared - sums**2, 0.0)))


def _colour(channels: Sequence[Plane], gray: Plane, gradient: float) -> list[float]:
    """Saturation, red against blue, green against both, and how much colours change beside the light."""
    brightest = _brightest(channels)
    least = cv2.min(cv2.min(channels[0], channels[1]), channels[2])
    most, grey = cv2.mean(brightest)[0], cv2.mean(least)[0]
    blue, green, red = (cv2.mean(channel)[0] + 3 for channel in channels)
    apart = [cv2.subtract(channels[index], gray, dtype=cv2.CV_16S) for index in (0, 2)]
    change = sum(cv2.norm(each[:, 1:], each[:, :-1], cv2.NORM_L1) / each.size for each in apart)
    of_colours = math.log(red / blue), math.log(green / ((red + blue) / 2))
    return [(most - grey) / (most + 1), *of_colours, math.log((change + 0.2) / (gradient + 0.2))]


def _spread(gray: Plane, steps: Mapping[int, _Steps]) -> list[float]:
    """How much the tiles differ: sharpest and softest, gradient, light."""
    near, side = steps[1].by_tile, gray.shape[1]
    slopes = np.log((steps[2].by_tile + 0.1) / (near + 0.1))
    calm, busy = np.quantile(near, (0.1, 0.9))
    between = float((_row_sums(gray).reshape(-1, side).sum(axis=1) / side**2).std()) / 60
    return [*np.quantile(slopes, (0.1, 0.9)).tolist(), math.log((busy + 0.5) / (calm + 0.5)), between]


def _of_map(mass: FloatArray, block_px: float) -> list[float]:
    """How many people there are to the pixels, how close together, how much stands in one place, how much is vague."""
    total, area_px = float(mass.sum()), mass.size * block_px**2
    flat = mass.astype(np.float32)

    def around(side: int) -> float:
        sums = cv2.boxFilter(flat, -1, (side, side), normalize=False, borderType=cv2.BORDER_CONSTANT)
        return float((mass * sums).sum()) / max(total, 1e-9)

    group = around(AROUND) / (AROUND * block_px) ** 2 * intervals.PATCH_PX2
    vague = [float(mass[mass < least].sum()) / max(total, 1e-9) for least in (0.1, 0.03)]
    return [
        math.log((total + 0.5) / area_px * intervals.PATCH_PX2), math.log(group + 0.01),
        math.log(around(NEAR) + 0.02), math.log(float((mass**2).sum()) / max(total, 1e-9) + 0.003), *vague,
    ]  # fmt: skip
