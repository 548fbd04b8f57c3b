"""How clear a picture is in all: what is left of its usual structure, and whether there ever was any.

What goes at once is a loss (:mod:`.loss`). What goes slowly (fog, dirt, a lens that mists over) leaves less and less:
long before a block counts as lost, models find fewer people. And a fault that is there from the first picture on is
usual for the camera: only what every picture has to show tells of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from crowdwatch.analytics.reference import KEPT_FRAC, Mask, Reference, Shown
from crowdwatch.core.blocks import BlockEvidence, decoded
from crowdwatch.core.outcomes import Health
from crowdwatch.core.records import Evidence

__all__ = ["Clarity", "blank_blocks", "detail", "shows_nothing"]

UNCLEAR_AFTER_S = 3.0
"""For so long half of the blocks must have less than :data:`~.reference.KEPT_FRAC` of the structure of the long memory.
The least of it on three recordings is 0.95. [design value]"""

CLEARER, CLEARER_AFTER_S, ALIKE = 1.5, 3.0, 0.9
"""A picture that shows so much more structure than is expected for so long, in a scene that is as bright in the same
places (correlation of the blocks' brightness), is clearer than the reference, which began with a fault: it is learned
anew. [design values]"""

DARK_BLOCK = 8.0
"""Brightness below which nobody sees anything in a block, at any sharpness of it. As for whole pictures."""

BLANK = 0.3
"""Grey levels of structure, noise included, below which a block shows one tone. On three recordings one block in a
hundred has less in the first picture, the others have 1 and more."""

LEAST_DETAIL = 0.5
"""Below this :func:`detail` a lens may be out of focus, whatever it showed before. The least of 140 photographs of
ShanghaiTech's training split is 1.6, of PETS2009 (frames 0 to 199) 1.8; defocus by 12 px leaves the photographs 0.45 at
most, 0.07 in the middle, by 6 px 0.46 in the middle."""

NOTHING_SHARE = 0.9
"""Where so many blocks are dark or blank, the picture shows nothing."""


@dataclass(frozen=True, slots=True)
class Clarity:
    """What is remembered of how clear one camera's pictures are.

    Args:
        kept: what is left of the usual structure in the newest picture, in half of the blocks at least.
        dim_s, clearer_s: for how long there has been far less of it, and far more.
        soft_s: for how long the pictures have had next to no detail by themselves.
    """

    kept: float = 1.0
    dim_s: float = 0.0
    clearer_s: float = 0.0
    soft_s: float = 0.0

    @property
    def unclear(self) -> bool:
        """Whether fewer people may be found than are there."""
        return self.dim_s >= UNCLEAR_AFTER_S

    @property
    def soft(self) -> bool:
        """Whether a lens out of focus would show as little detail."""
        return self.soft_s >= UNCLEAR_AFTER_S

    @property
    def outdated(self) -> bool:
        """Whether the reference is worse than the pictures."""
        return self.clearer_s >= CLEARER_AFTER_S

    def see(self, reference: Reference, shown: Shown, dt_s: float, *, noisy: bool, sharp: float) -> Clarity:
        """Take in a picture, ``dt_s`` after the one before.

        Args:
            reference: what is usual.
            shown: by the picture.
            dt_s: since the one before.
            noisy: noise hides the scene.
            sharp: its :func:`detail`.
        """
        judged, soft_s = reference.judged, self.soft_s + dt_s if sharp < LEAST_DETAIL else 0.0
        if not judged.any():
            return Clarity(soft_s=soft_s)
        kept = float(np.median(reference.kept(shown)[judged]))
        clearer = not noisy and float(np.median(reference.share(shown)[judged])) >= CLEARER
        clearer = clearer and _alike(reference, shown) >= ALIKE
        dim_s = self.dim_s + dt_s if kept < KEPT_FRAC else 0.0
        return Clarity(kept, dim_s, self.clearer_s + dt_s if clearer else 0.0, soft_s)


def _alike(reference: Reference, shown: Shown) -> float:
    """Correlation of the brightness of all blocks."""
    now, usual = shown.luma - shown.luma.mean(), reference.luma - reference.luma.mean()
    spread = float(np.sqrt((now**2).sum() * (usual**2).sum()))
    return float((now * usual).sum()) / spread if spread > 0 else 0.0


def detail(evidence: Evidence) -> float:
    """How much of a picture's contrast is between neighbours: the Laplacian's variance over that of the brightness.

    >>> detail(Evidence("0" * 16, luma=120.0, contrast=40.0, sharpness=6400.0, change=0.0))
    4.0
    """
    return evidence.sharpness / max(evidence.contrast, 1.0) ** 2


def blank_blocks(blocks: BlockEvidence) -> Mask:
    """The blocks of a picture that show one tone or nothing at all: plain ground, or something in front of it."""
    blank: Mask = (decoded(blocks.sharpness) < BLANK) | (blocks.luma < DARK_BLOCK)
    return blank


def shows_nothing(blocks: BlockEvidence) -> Health:
    """DARK or COVERED where a picture shows nothing by itself, whatever is usual; else OK."""
    if float(blank_blocks(blocks).mean()) < NOTHING_SHARE:
        return Health.OK
    return Health.DARK if float((blocks.luma < DARK_BLOCK).mean()) >= NOTHING_SHARE / 2 else Health.COVERED
