"""Which blocks of a camera's picture show nothing any more, against its reference: dark, clipped, covered, blurred,
noise.

A block is **weak** in a picture that lacks the structure which is expected of it, and **lost** when it was weak for two
seconds. Few blocks count as lost only when they went together: people who leave one after the other bare the ground
block by block, a cover takes many at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from scipy.ndimage import uniform_filter

from crowdwatch.analytics.reference import Mask, Reference, Shown
from crowdwatch.core.blocks import BLOCKS_HW
from crowdwatch.core.outcomes import Health
from crowdwatch.core.records import FloatArray

__all__ = ["Loss"]

WEAK_SHARE = 0.35
"""Less of the expected structure than this is weak. On PETS2009 and two street recordings the least block in a hundred
keeps 0.4 of it; defocus by 12 px leaves 0.05 to 0.3, fog of which a seventh comes through 0.15."""

DARK_LUMA, DARK_SHARE = 50.0, 0.25
CLIPPED_LUMA, UNCLIPPED_LUMA = 240.0, 225.0

LOST_AFTER_S, SEEN_BELOW_S, MOST_S, PARDON = 2.0, 1.0, 3.0, 0.5
"""A block is lost after two seconds of weakness, and seen again when its seconds, which run back at half the pace, are
below one: a cover that comes and goes every two seconds stays one."""

TOGETHER_S, TOGETHER_SHARE = 3.0, 0.08
"""Blocks went together when so many of them turned weak within about three seconds."""

FEW_SHARE = 0.04
"""Fewer blocks than this are no loss, whether or not they went together: someone stood there when they were learned."""

MUCH_SHARE = 0.3
"""Where so much is weak, it is lost however slowly it went."""

WHOLE_SHARE = 0.9
"""Where so much is lost, the camera is."""

BLURRED_SHARE, BLURRED_REST = 0.4, 0.65
"""So is it where so much is blurred, and half of what is not lost keeps less of its structure than this: a lens out of
focus, a shaking mast and fog spoil all of a picture, though coarse structure survives them."""

LEAST_JUDGED = 20
"""Blocks that must be judged before anything is said: a tenth of the picture."""

ALIKE = 0.5
"""Correlation of the blocks' brightness with the reference's from which the scene is still there, only unclear."""

NOTHING = np.zeros(BLOCKS_HW)
NOWHERE = np.zeros(BLOCKS_HW, dtype=np.bool_)


@dataclass(frozen=True, slots=True, eq=False)
class Loss:
    """What is remembered of the blocks of one camera.

    Args:
        weak: in the newest picture.
        weak_s: seconds of weakness, less half the seconds since.
        fresh: 1 when a block turned weak, from then on less with every second.
        together: blocks that turned weak with many others.
        lost: what shows nothing; blocks that are not judged themselves go with those around them.
        share: of the judged blocks that are lost.
        whole: nothing is left that could be counted from.
        doubtful: the newest picture lacks more than is known to be lost: nobody is counted from it.
        kind: of most of what is lost; OK where nothing is.
    """

    weak: Mask = field(default_factory=lambda: NOWHERE)
    weak_s: FloatArray = field(default_factory=lambda: NOTHING)
    fresh: FloatArray = field(default_factory=lambda: NOTHING)
    together: Mask = field(default_factory=lambda: NOWHERE)
    lost: Mask = field(default_factory=lambda: NOWHERE)
    share: float = 0.0
    whole: bool = False
    doubtful: bool = False
    kind: Health = Health.OK

    @property
    def hidden(self) -> Mask:
        """Blocks from which nothing is learned: lost, or on the way to it."""
        return self.lost | (self.weak & self.together)

    def see(self, reference: Reference, shown: Shown, dt_s: float, noisy: Mask | None = None) -> Loss:
        """Take in a picture, ``dt_s`` after the one before; ``noisy`` are the blocks in which noise hides the scene."""
        judged = reference.judged
        count = int(judged.sum())
        if count < LEAST_JUDGED:
            return Loss()
        kinds = _kinds(reference, shown, NOWHERE if noisy is None else noisy)
        weak = judged & np.any(list(kinds.values()), axis=0)
        fresh = np.where(weak & ~self.weak, 1.0, self.fresh * np.exp(-dt_s / TOGETHER_S))
        at_once = float(fresh[weak].sum()) >= TOGETHER_SHARE * count
        going = (weak & (fresh > np.exp(-1.0))) if at_once else NOWHERE
        much = weak if weak.sum() >= MUCH_SHARE * count else NOWHERE
        together = (self.together & (weak | (self.weak_s > 0))) | going | much
        if ((weak | self.lost) & together).sum() < FEW_SHARE * count:
            together = NOWHERE
        counts = weak & together
        weak_s = np.clip(self.weak_s + np.where(counts, dt_s, -PARDON * dt_s), 0.0, MOST_S)
        lost = judged & together & ((weak_s >= LOST_AFTER_S) | (self.lost & (weak_s > SEEN_BELOW_S)))
        share = float(lost.sum()) / count
        doubtful = int((counts & ~lost).sum()) >= TOGETHER_SHARE * count
        kind = self.kind
        if counts.any():  # of what is lost and shows again between two faults, it stays what it was
            kind = _most(kinds, counts, reference, shown)
        whole = share >= WHOLE_SHARE
        if kind is Health.BLURRED and BLURRED_SHARE <= share < WHOLE_SHARE:
            whole = float(np.median(reference.share(shown)[judged & ~lost])) < BLURRED_REST
        return Loss(weak, weak_s, fresh, together, _filled(lost, judged, share), share, whole, doubtful, kind)


def _kinds(reference: Reference, shown: Shown, noisy: Mask) -> Mapping[Health, Mask]:
    """Why each block is weak, if it is."""
    luma, share = shown.luma, reference.share(shown)
    dark = (luma < DARK_LUMA) & (luma < DARK_SHARE * reference.luma) & (share < 1.0)
    clipped = (luma > CLIPPED_LUMA) & (reference.luma < UNCLIPPED_LUMA)
    blurred = share < WEAK_SHARE
    return {Health.DARK: dark, Health.OVEREXPOSED: clipped, Health.NOISY: noisy, Health.BLURRED: blurred}


def _most(kinds: Mapping[Health, Mask], where: Mask, reference: Reference, shown: Shown) -> Health:
    """What most of some blocks suffer from."""
    for kind in (Health.DARK, Health.OVEREXPOSED, Health.NOISY):
        if (kinds[kind] & where).sum() > where.sum() / 2:
            return kind
    now, usual = shown.luma[where], reference.luma[where]
    now, usual = now - now.mean(), usual - usual.mean()
    spread = float(np.sqrt((now**2).sum() * (usual**2).sum()))
    return Health.BLURRED if spread > 0 and float((now * usual).sum()) >= ALIKE * spread else Health.COVERED


def _filled(lost: Mask, judged: Mask, share: float) -> Mask:
    """Lost blocks with those that are not judged and around which more judged blocks are lost than not."""
    if not lost.any():
        return lost
    near, of = (uniform_filter(each.astype(np.float64), 5, mode="constant") for each in (lost, judged))
    around = np.where(of > 1e-9, near >= of / 2, share >= 0.5)
    return np.where(judged, lost, around)
