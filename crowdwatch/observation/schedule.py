"""When something runs: decided by absolute event time alone, so that cutting a recording changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from crowdwatch.core.records import Positions

__all__ = ["NS", "Schedule", "due", "first_of_span", "lead_ns"]

NS = 1_000_000_000

SQUARE_M = 2.0
"""Squares on the ground in which a frame's own detections are counted: 4 m2, a third of the kernel's 12.6 m2, so that a
dense spot shows before its zone does."""


def due(previous_ns: int | None, t_ns: int, sample_hz: Fraction | None, lead: int = 0) -> bool:
    """Is the frame at ``t_ns`` the first one at or after a sampling instant k / sample_hz of UTC?

    A frame without a predecessor is the first of its footage and is always due.

    Args:
        previous_ns: the frame before.
        t_ns: the frame.
        sample_hz: sampling instants per second; None where every frame is due.
        lead: nanoseconds by which the instants lie before these, as of :func:`lead_ns`.

    >>> [due(t - 40_000_000, t, Fraction(5)) for t in (160_000_000, 200_000_000, 240_000_000)]
    [False, True, False]
    """
    if sample_hz is None or previous_ns is None:
        return True
    return int((t_ns + lead) * sample_hz) // NS != int((previous_ns + lead) * sample_hz) // NS


def lead_ns(sample_hz: Fraction | None, tick_ns: int) -> int:
    """How long before a tick a live camera is looked at: half of the time between two ticks or two pictures, whichever
    is less. A picture that was taken just after a tick would wait for nearly all of the next one.

    >>> lead_ns(Fraction(2), NS) / NS, lead_ns(Fraction(2), NS // 2) / NS, lead_ns(None, NS)
    (0.25, 0.25, 0)
    """
    return 0 if sample_hz is None else int(min(Fraction(tick_ns), NS / sample_hz) / 2)


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
        shift_ns: by how much its times lie later than those of other cameras, of live ones: all at once would keep each
            other waiting.
    """

    sample_hz: Fraction | None
    every_s: Fraction
    dense_every_s: Fraction
    dense_p_m2: float
    score_min: float
    moves: bool = False
    shift_ns: int = 0

    def due(self, previous_ns: int | None, t_ns: int, positions: Positions, saturated: bool) -> bool:
        """Does the counter run on this analysed frame?

        Args:
            previous_ns: the frame decoded just before; None for the first of its footage, which is always counted.
            t_ns: the frame.
            positions: where its detections stand.
            saturated: whether the detector reached one of its limits.
        """
        t_ns -= self.shift_ns
        previous_ns = None if previous_ns is None else previous_ns - self.shift_ns
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
