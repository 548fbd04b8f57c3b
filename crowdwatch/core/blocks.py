"""What of a picture is kept by blocks: enough to compare a camera with itself, too little to see anybody."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crowdwatch.core.planes import FloatArray, readonly

__all__ = ["BLOCKS_HW", "CODES_A_ROOT", "PROFILES", "PROFILE_XY", "BlockEvidence", "coded", "decoded"]

BLOCKS_HW = 12, 16
"""Rows and columns of blocks that a picture is measured by: 64 x 60 pixels at 1024x720, two people side by side."""

PROFILE_XY = 192, 108
"""Columns and rows of a profile of a tile, a quarter of the picture: 5 pixels each at 1080p."""

PROFILES = 4, sum(PROFILE_XY)
"""Tiles (north-west, north-east, south-west, south-east of the picture), and what is noted of each."""

_SHAPES = {"luma": BLOCKS_HW, "sharpness": BLOCKS_HW, "change": BLOCKS_HW, "profiles": PROFILES}

CODES_A_ROOT = 16.0


def coded(values: FloatArray) -> NDArray[np.uint8]:
    """Grey levels as one byte each, round(16 sqrt(x)): fine where they are small, up to 254.

    >>> decoded(coded(np.array([0.0, 0.01, 4.0]))).tolist()
    [0.0, 0.015625, 4.0]
    """
    return np.minimum(np.rint(CODES_A_ROOT * np.sqrt(values)), 255).astype(np.uint8)


def decoded(codes: NDArray[np.uint8] | NDArray[np.float64]) -> FloatArray:
    """The inverse of :func:`coded`."""
    values: FloatArray = (codes / CODES_A_ROOT) ** 2
    return values


@dataclass(frozen=True, slots=True, eq=False)
class BlockEvidence:
    """What each block of a coarse grid over the picture shows: nobody can be seen in it. All arrays are u8.

    Args:
        luma: (rows, cols) of :data:`BLOCKS_HW`, mean brightness, 0..255; row 0 is the top of the picture.
        sharpness: (rows, cols) geometric mean of the mean absolute difference of pixels side by side and of that of
            pixels one above the other, by :func:`coded`: it falls where either is lost, as by a smear in one direction.
        change: (rows, cols) mean absolute difference to the previous decoded frame, coded; None without one.
        profiles: :data:`PROFILES`, the gradient profiles of four tiles, coded: the mean absolute difference of pixels
            side by side in each of 192 columns, then that of pixels one above the other in each of 108 rows. None where
            they were not measured.
    """

    luma: NDArray[np.uint8]
    sharpness: NDArray[np.uint8]
    change: NDArray[np.uint8] | None = None
    profiles: NDArray[np.uint8] | None = None

    def __post_init__(self) -> None:
        for name, shape in _SHAPES.items():
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, readonly(name, value, shape, np.uint8))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, BlockEvidence):
            return NotImplemented
        return self._bytes() == other._bytes()

    def __hash__(self) -> int:
        return hash(self._bytes())

    def _bytes(self) -> tuple[bytes | None, ...]:
        arrays = (self.luma, self.sharpness, self.change, self.profiles)
        return tuple(None if each is None else each.tobytes() for each in arrays)
