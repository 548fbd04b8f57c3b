"""Whether a camera still looks where it looked: its gradient profiles against those that it usually has.

The profiles of the last seconds are correlated with the slow mean of earlier ones. A camera that was knocked, turned or
sent to another preset shows its edges at other places: the correlation at no shift is gone at once and for good, or is
larger at another shift. People in front of the scene lower it too, but they do not shift it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d

from crowdwatch.analytics.reference import Mask, towards
from crowdwatch.core.blocks import PROFILE_XY, decoded
from crowdwatch.core.records import FloatArray

__all__ = ["Alignment", "likeness"]

RECENT_S = 2.0
USUAL_S = 120.0
"""Time constants of the profiles of now, and of those that they are compared with."""

WIDE = 15
"""Samples whose mean is taken off a profile, so that edges count and not the light."""

LEAST_USUAL = 0.1
"""A direction in which profiles are usually less alike (nothing stands still there) is not judged."""

USUAL_FRAC, OFF_SUM_S, BACK_AFTER_S = 0.75, 1.2, 3.0
"""With less than this of the usual likeness, in either direction, nothing is learned, and what lacks is summed up over
time: a camera that was shifted, turned or sent to another preset is found after four to nine seconds. With more in both
directions for this long the old view is there again."""

COLLAPSED, LATELY_S, SUDDEN = 0.35, 6.0, 0.7
"""With less than this of the usual likeness in one direction the view is another one, if it came suddenly: the mean
likeness of the last seconds was still above the last of these. Else it is another one only if the old one is found
elsewhere: a crowd that fills the picture lowers the likeness too, within twenty seconds or more."""

MOST_SHIFT, LEAST_SHIFT, MORE_ALIKE, SHIFTED_PARTS = 24, 2, 0.2, 3
"""Samples of shift that are tried (a sixteenth of the picture), and from which on something is shifted; by how much the
likeness has to be larger there; and in how many of the eight profiles."""

SEEN_TILE = 0.5
"""A tile of which less is seen is left out."""

CALIBRATED_USUAL = 0.5
"""What is expected of a calibrated picture before the usual likeness is known: a busy street keeps about as much, of
one that was shifted by a hundredth of its width a third at most is left."""

DOUBTED_S = 8.0
"""Profiles that suddenly show another view are doubted for so long at most: by then a camera that was moved is found,
and where it was not (a lorry stands in front of it), people are counted again."""

LEARNED_S = 8.0
"""Time that is learned before anything is judged."""


@dataclass(frozen=True, slots=True, eq=False)
class Alignment:
    """What is remembered of the profiles of one camera.

    Args:
        mean: the usual profiles, grey levels.
        recent: those of the last seconds; None before the first.
        usual: (2, 4) the usual likeness of the two, by direction and tile.
        learned_s: for how long these were learned.
        lately: the mean of what was left of the usual likeness in the last seconds.
        collapsed: whether the likeness was gone at once, and has been since.
        off_s: the sum of what lacked of the usual likeness; while moved, for how long they have been alike again.
        moved: whether the camera looks elsewhere.
        alike: the newest profiles by themselves show the usual view.
        single: what these had of the usual likeness, before they were doubtful; 0 until that can be told.
        doubt_s: for how long they have shown another view, suddenly; 0 where they do not.
    """

    mean: FloatArray
    recent: FloatArray | None
    usual: FloatArray = field(default_factory=lambda: np.ones((2, 4)))
    learned_s: float = 0.0
    lately: float = 1.0
    collapsed: bool = False
    off_s: float = 0.0
    moved: bool = False
    alike: bool = True
    single: float = 0.0
    doubt_s: float = 0.0

    @property
    def doubtful(self) -> bool:
        """Whether the newest profiles by themselves show another view, suddenly, and it is not known yet."""
        return 0.0 < self.doubt_s <= DOUBTED_S

    @classmethod
    def of(cls, profiles: NDArray[np.uint8], *, calibrated: bool = False) -> Alignment:
        """Begin with one picture; a calibrated one is trusted at once."""
        first = decoded(profiles)
        if not calibrated:
            return cls(first, first)
        return cls(first, None, np.full((2, 4), CALIBRATED_USUAL), LEARNED_S)

    def see(self, profiles: NDArray[np.uint8], hidden: Mask, dt_s: float, *, learn: bool) -> Alignment:
        """Take in the profiles of a picture.

        Args:
            profiles: as measured.
            hidden: (blocks) those that show nothing.
            dt_s: time since those before.
            learn: whether the picture is fit to learn from.
        """
        now = decoded(profiles)
        recent = now if self.recent is None else towards(self.recent, now, dt_s, RECENT_S)
        alike = likeness(recent, self.mean)
        rest = self._rest(alike, hidden)
        if self.moved:
            back_s = self.off_s + dt_s if rest >= USUAL_FRAC else 0.0
            return replace(self, recent=recent, off_s=back_s % BACK_AFTER_S, moved=back_s < BACK_AFTER_S)
        at_once = self._rest(likeness(now, self.mean), hidden)
        elsewhere = self.single >= USUAL_FRAC > at_once
        if at_once >= COLLAPSED:
            elsewhere = elsewhere and shifted_parts(now, self.mean) >= SHIFTED_PARTS
        single = self.single if elsewhere else at_once if self.learned_s >= LEARNED_S else 0.0
        collapsed = rest < USUAL_FRAC and (self.collapsed or (rest < COLLAPSED and self.lately >= SUDDEN))
        lately = self.lately + (rest - self.lately) * min(1.0, dt_s / LATELY_S)
        lacks = USUAL_FRAC - rest
        if lacks > 0 and not collapsed and shifted_parts(recent, self.mean) < SHIFTED_PARTS:
            lacks = 0.0
        off_s = max(0.0, self.off_s + lacks * dt_s)
        new = replace(
            self, recent=recent, lately=lately, collapsed=collapsed, off_s=off_s, alike=at_once >= USUAL_FRAC,
            single=single, doubt_s=self.doubt_s + dt_s if elsewhere else 0.0,
        )  # fmt: skip
        if off_s >= OFF_SUM_S:
            return replace(new, off_s=0.0, moved=True, doubt_s=0.0)
        if not learn or elsewhere or rest < USUAL_FRAC:
            return new
        learned_s = self.learned_s + dt_s
        pace_s = min(USUAL_S, learned_s)
        mean, usual = towards(self.mean, now, dt_s, pace_s), towards(self.usual, alike, dt_s, pace_s)
        return replace(new, mean=mean, usual=usual, learned_s=learned_s)

    def _rest(self, alike: FloatArray, hidden: Mask) -> float:
        """What is left of the usual likeness, in the direction in which less is left; 1 where that cannot be told."""
        if self.learned_s < LEARNED_S:
            return 1.0
        rows, cols = hidden.shape
        seen = 1 - hidden.reshape(2, rows // 2, 2, cols // 2).mean(axis=(1, 3)).ravel()
        tiles = seen >= SEEN_TILE
        left = [
            float(alike[axis, tiles].sum() / self.usual[axis, tiles].sum())
            for axis in (0, 1)
            if tiles.any() and self.usual[axis, tiles].mean() >= LEAST_USUAL
        ]
        return min(left, default=1.0)


def likeness(a: FloatArray, b: FloatArray) -> FloatArray:
    """(2, 4) correlation of two sets of profiles, by direction and tile; 0 where one has no edge.

    >>> edges = np.zeros((4, 300))
    >>> edges[:, ::40] = 1.0
    >>> likeness(edges, edges).round(9).min(), bool(likeness(edges, np.roll(edges, 5, axis=1)).max() < 0)
    (np.float64(1.0), True)
    """
    return np.stack([(one * other).sum(axis=1) for one, other in _directions(a, b)])


def shifted_parts(a: FloatArray, b: FloatArray) -> int:
    """In how many of the eight profiles two sets are clearly more alike at a shift than at none.

    >>> edges = np.random.default_rng(0).uniform(0, 9, (4, 300))
    >>> shifted_parts(edges, edges), shifted_parts(edges, np.roll(edges, 5, axis=1))
    (0, 8)
    """
    count = 0
    for one, other in _directions(a, b):
        for row, against in zip(one, other, strict=True):
            at = np.correlate(np.pad(row, MOST_SHIFT), against, "valid")
            best = int(at.argmax())
            count += int(abs(best - MOST_SHIFT) >= LEAST_SHIFT and at[best] - at[MOST_SHIFT] >= MORE_ALIKE)
    return count


def _directions(a: FloatArray, b: FloatArray) -> Iterator[tuple[FloatArray, FloatArray]]:
    """The edges of two sets of profiles, of unit size, direction by direction; 0 where a profile has none."""
    for part in (slice(0, PROFILE_XY[0]), slice(PROFILE_XY[0], None)):
        edges = [each[:, part] - uniform_filter1d(each[:, part], WIDE, axis=1, mode="nearest") for each in (a, b)]
        one, other = (each / np.maximum(np.linalg.norm(each, axis=1, keepdims=True), 1e-9) for each in edges)
        yield one, other
