"""Where noise hides the scene: blocks with several times their structure, none of which stays."""

from __future__ import annotations

import numpy as np

from crowdwatch.analytics.loss import LEAST_JUDGED
from crowdwatch.analytics.reference import Mask, Reference, Shown
from crowdwatch.core.blocks import BLOCKS_HW, BlockEvidence, decoded

__all__ = ["NOISE_LOST", "SOME_NOISE", "noisy_blocks"]

NOISE_SHARE, NOISE_FLEETS, SOME_NOISE, NOISE_LOST = 2.0, 0.7, 0.25, 0.35
"""In noise neighbours differ as much as one pixel does from a picture to the next: the ratio of both is 1. A block that
has so many times the structure that is usual, of which most does not stay, is noise. From the first share of
the blocks on nothing is learned from the picture, from the second on people drown in those blocks. A street recording
with near traffic reaches 0.27 in half an hour, forth and back; PETS2009 (frames 0 to 199) 0.06."""


def noisy_blocks(reference: Reference, shown: Shown, blocks: BlockEvidence) -> tuple[Mask, float]:
    """The judged blocks in which noise hides the scene, and their share of those that are judged.

    The share is 0 where it cannot be told.

    Args:
        reference: what is usual.
        shown: by the picture.
        blocks: of it.
    """
    judged = reference.judged
    if blocks.change is None or judged.sum() < LEAST_JUDGED:
        return np.zeros(BLOCKS_HW, dtype=np.bool_), 0.0
    rough = reference.share(shown) > NOISE_SHARE
    fleeting = decoded(blocks.change) > NOISE_FLEETS * decoded(blocks.sharpness)
    noisy: Mask = rough & fleeting & judged
    return noisy, float(noisy[judged].mean())
