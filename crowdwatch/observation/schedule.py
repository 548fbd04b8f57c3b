"""When something runs: decided by absolute event time alone, so that cutting a recording changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from crowdwatch.core.records import Positions

__all__ = ["NS", "Schedule", "due", "first_of_span"]

NS = 1_000_000_000

SQUARE_M = 2.0
"""Squares on the ground in which a frame's own detections are counted: 4 m2, a third of the kernel's 12.6 m2, so that a
dense spot shows before its zone does."""


def due(previous_ns: int | None, t_ns: int, sample_hz: Fraction | None) -> bool:
    """Is the frame at ``t_ns`` the first one at or after a sampling instant k / sample_hz of UTC?

    A frame without a predecessor is the first of its footage and is always due.

    >>> [due(t - 40_000_000, t, Fraction(5)) for t in (160_000_000, 200_000_000, 240_000_000)]
    [False, True, False]
    """
    if sample_hz is None or previous_ns is None:
        return True
    return int(t_ns * sample_hz) // NS != int(previous_ns * sample_hz) // NS


def first_of_span(every_s: Fraction, previous_ns: int | None, t_ns: int, sample_hz: Fraction | None) -> bool:
    """Is the analysed frame at ``t_ns`` the first one of a span [k, k + 1) * every_s of UTC?

    Analysed frames stand for sampling instants j / sample_hz; a span holds some of them, and its first one counts. The
    first frame of its footage always does.

    >>> [first_of_span(Fraction(1), t - 40_000_000, t, Fraction(5, 2)) for t in (NS, NS * 6 // 5, NS * 8 // 5)]
    [False, True, False]
    """
    if previous_ns is None:
        return True
    if sample_hz is None:
        return due(previous_ns, t_ns, 1 / every_s)
    now, before = (int(int(at_ns * sample_hz) // NS / (sample_hz * every_s)) for at_ns in (t_ns, previous_ns))
    return now != before


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a counter runs on one camera. It needs no memory: the clock, and what the detector says of the same frame.

    Args:
        sample_hz: frames analysed per second; None is every frame.
        every_s: time between two counts.
        dense_every_s: the same where the frame's own detections stand close, or the detector is saturated.
        dense_p_m2: detections per square metre, in a square of 2 m, from which they stand close.
        score_min: detections below are not looked at.
        moves: of a camera that moves every analysed frame is counted: a density map holds for the ground of its own
            pose alone, and is never held over to the next.
    """

    sample_hz: Fraction | None
    every_s: Fraction
    dense_every_s: Fraction
    dense_p_m2: float
    score_min: float
    moves: bool = False

    def due(self, previous_ns: int | None, t_ns: int, positions: Positions, saturated: bool) -> bool:
        """Does the counter run on this analysed frame?

        Args:
            previous_ns: the frame decoded just before; None for the first of its footage, which is always counted.
            t_ns: the frame.
            positions: where its detections stand.
            saturated: whether the detector reached one of its limits.
        """
        if self.moves or first_of_span(self.every_s, previous_ns, t_ns, self.sample_hz):
            return True
        often = first_of_span(self.dense_every_s, previous_ns, t_ns, self.sample_hz)
        return often and (saturated or self.stand_close(positions))

    def stand_close(self, positions: Positions) -> bool:
        """Whether detections stand close somewhere."""
        known = (positions.score >= self.score_min) & np.isfinite(positions.xy_m).all(axis=1)
        if not known.any():
            return False
        squares = np.floor(positions.xy_m[known] / SQUARE_M).astype(np.int64)
        _, people = np.unique(squares, axis=0, return_counts=True)
        return bool(people.max() >= self.dense_p_m2 * SQUARE_M**2)
