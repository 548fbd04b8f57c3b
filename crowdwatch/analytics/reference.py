"""What is usual for a camera, block by block: its brightness and its structure while it is healthy.

A picture is judged against the same camera's earlier pictures, never against a number that shall hold for all. The
reference learns slowly, from blocks without people, and only while the structure of the picture as a whole is there:
fog that comes slowly is not learned away, and a crowd that comes or leaves is not taken for a lens that is covered.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from crowdwatch.core.blocks import BlockEvidence, decoded
from crowdwatch.core.records import FloatArray

__all__ = ["KEPT_FRAC", "Mask", "Reference", "Shown", "towards"]

Mask = NDArray[np.bool_]

SURE_S = 5.0
"""A block must have been seen without people for so long before it is judged."""

LEAST_SHARPNESS = 0.75
"""Grey levels; a block with less structure than this (sky, a plain wall) has none to lose."""

RISES_S, FALLS_S = 600.0, 60.0
"""Time constants of the structure that is expected. It is a low quantile of what is seen (a tenth): a vehicle that
stood there is forgotten."""

ANCHOR_S = 3600.0
LIGHT_S = 300.0
"""Time constants of the long memory of structure, and of brightness, which follows the evening."""

KEPT_FRAC = 0.7
"""Nothing is forgotten while half of the blocks have less than this of the structure of the long memory."""

DARKEST_FRAC = 0.25
"""Structure is expected to fall with brightness down to this share of what is usual."""


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """What the blocks of one picture show.

    Args:
        luma: brightness, 0..255.
        sharpness: structure in grey levels, without the camera's noise.
    """

    luma: FloatArray
    sharpness: FloatArray

    @classmethod
    def of(cls, blocks: BlockEvidence, noise: float = 0.0) -> Shown:
        """Take the noise off: in noise alone neighbours differ as much as a pixel does from picture to picture.

        Args:
            blocks: of the picture.
            noise: grey levels by which a still scene changes from picture to picture.
        """
        sharpness = np.sqrt(np.maximum(decoded(blocks.sharpness) ** 2 - noise**2, 0.0))
        return cls(blocks.luma.astype(np.float64), sharpness)


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """What the blocks of one camera usually show. All arrays have the shape of the blocks.

    Args:
        luma: brightness, 0..255.
        sharpness: structure that is expected, grey levels.
        anchor: the long memory of the structure.
        seen_s: seconds for which each block was seen without people.
    """

    luma: FloatArray
    sharpness: FloatArray
    anchor: FloatArray
    seen_s: FloatArray

    @classmethod
    def of(cls, shown: Shown, *, calibrated: bool = False) -> Reference:
        """Begin with one picture; a calibrated one is trusted at once."""
        seen_s = np.full(shown.luma.shape, ANCHOR_S if calibrated else 0.0)
        return cls(shown.luma, shown.sharpness, shown.sharpness, seen_s)

    @property
    def judged(self) -> Mask:
        """The blocks that have structure and are known well enough to be judged."""
        known: Mask = (self.seen_s >= SURE_S) & (self.sharpness >= LEAST_SHARPNESS)
        return known

    def share(self, shown: Shown) -> FloatArray:
        """Structure that each block shows / structure that is expected of it at its brightness.

        In less light contrast falls in proportion, so that an evening costs nothing here.
        """
        light = np.clip(shown.luma / np.maximum(self.luma, 1.0), DARKEST_FRAC, 1.0)
        shares: FloatArray = shown.sharpness / np.maximum(self.sharpness * light, 1e-3)
        return shares

    def kept(self, shown: Shown) -> FloatArray:
        """Structure that each block shows / that of the long memory, at its brightness."""
        light = np.clip(shown.luma / np.maximum(self.luma, 1.0), DARKEST_FRAC, 1.0)
        kept: FloatArray = shown.sharpness / np.maximum(self.anchor * light, 1e-3)
        return kept

    def learn(self, shown: Shown, free: Mask, dt_s: float) -> Reference:
        """Take in a picture of a healthy camera.

        Args:
            shown: by the picture.
            free: the blocks to learn from: nobody in them, and nothing lost.
            dt_s: time since the picture before.
        """
        sharpness = shown.sharpness
        seen_s = np.where(free, np.minimum(self.seen_s + dt_s, 1e6), self.seen_s)
        luma = np.where(free, towards(self.luma, shown.luma, dt_s, np.minimum(LIGHT_S, seen_s)), self.luma)
        dimmed = np.minimum(luma / np.maximum(self.luma, 1.0), 1.0)
        expected, anchor = self.sharpness * dimmed, self.anchor * dimmed
        judged = self.judged
        kept = np.median((sharpness / np.maximum(anchor, 1e-3))[judged]) >= KEPT_FRAC if judged.any() else True
        learns = free & (kept | (sharpness > expected))
        pace_s = np.minimum(np.where(sharpness > expected, RISES_S, FALLS_S), seen_s)
        return replace(
            self,
            luma=luma,
            sharpness=np.where(learns, towards(expected, sharpness, dt_s, pace_s), expected),
            anchor=np.where(learns, towards(anchor, sharpness, dt_s, np.minimum(ANCHOR_S, seen_s)), anchor),
            seen_s=seen_s,
        )


def towards(old: FloatArray | float, new: FloatArray | float, dt_s: float, pace_s: FloatArray | float) -> FloatArray:
    """An exponential mean with a time constant: ``old`` after ``new`` has been seen for ``dt_s``.

    >>> towards(np.array([0.0]), np.array([1.0]), 1.0, 1.0).round(2).tolist()
    [0.63]
    """
    share = -np.expm1(-dt_s / np.maximum(pace_s, 1e-3))
    moved: FloatArray = np.asarray(old + (new - old) * share)
    return moved
