"""How far what one camera sees lies beside what another one sees: the shift at which two fields of people agree best.

Masked normalised cross-correlation: for every shift s, over the ground that camera A sees at x and camera B at x + s,

    r(s) = (n Sab - Sa Sb) / sqrt((n Saa - Sa^2) (n Sbb - Sb^2)),    Sab = sum a(x) b(x + s), and so on.

Source: Padfield 2012, "Masked Object Registration in the Fourier Domain", IEEE T-IP 21:2706, equation 5. The sums add
up over moments, so that hours of a pair are one field of shifts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy.fft
from scipy.ndimage import maximum_filter

from crowdwatch.core.records import FloatArray

__all__ = ["REACH_M", "Shift", "agreement", "best_shift", "shift_sums"]

REACH_M = 5.0
"""Shifts that are tried: a drone by telemetry alone is 2 to 4 m off."""

LEAST_AGREEMENT = 0.3
"""A correlation below it says nothing. [design value]"""

AS_GOOD_FRAC = 0.9
"""Another shift that agrees nearly as well, further away than a person is wide, leaves the answer open: people who
stand in rows look alike a row further on."""

APART_M = 1.0


@dataclass(frozen=True, slots=True)
class Shift:
    """Where B has the people that A has.

    Args:
        east_m, north_m: of B's less A's; NaN where no shift, or more than one, agrees.
        agreement: the correlation there; NaN where there was nobody.
        unshifted: the correlation as the calibrations are.
    """

    east_m: float
    north_m: float
    agreement: float
    unshifted: float

    @property
    def known(self) -> bool:
        """Whether there is an answer."""
        return math.isfinite(self.east_m)

    @property
    def length_m(self) -> float:
        """How far."""
        return math.hypot(self.east_m, self.north_m)


def shift_sums(ours: FloatArray, theirs: FloatArray, sees: tuple[FloatArray, FloatArray], reach: int) -> FloatArray:
    """(6, 2 reach + 1, 2 reach + 1) n, Sa, Sb, Saa, Sbb, Sab for every shift, rows north by columns east.

    Args:
        ours, theirs: (rows, cols) two fields on the same cells.
        sees: (rows, cols) 1 where either is known, else 0.
        reach: cells that shifts go to either side.

    >>> spot = np.zeros((9, 9)); spot[4, 4] = 1.0
    >>> one = np.ones((9, 9))
    >>> found = agreement(shift_sums(spot, np.roll(spot, 2, axis=1), (one, one), 3))
    >>> np.unravel_index(int(np.nanargmax(found)), found.shape)  # two columns to the east, in the middle row
    (np.int64(3), np.int64(5))
    """
    shape = tuple(scipy.fft.next_fast_len(side + reach, real=True) for side in ours.shape)
    mine, other = (sees[0], ours * sees[0], ours**2 * sees[0]), (sees[1], theirs * sees[1], theirs**2 * sees[1])
    left = [np.conj(scipy.fft.rfft2(each, shape)) for each in mine]
    right = [scipy.fft.rfft2(each, shape) for each in other]
    pairs = ((0, 0), (1, 0), (0, 1), (2, 0), (0, 2), (1, 1))
    steps = np.arange(-reach, reach + 1)
    return np.stack([scipy.fft.irfft2(left[a] * right[b], shape)[np.ix_(steps, steps)] for a, b in pairs])


def agreement(sums: FloatArray) -> FloatArray:
    """(S, S) the correlation of every shift; NaN where either field is even."""
    n, a, b, aa, bb, ab = sums
    spread = np.clip(n * aa - a**2, 0, None) * np.clip(n * bb - b**2, 0, None)
    known = spread > 1e-9 * np.max(spread, initial=0.0)
    found = np.full(n.shape, np.nan)
    np.divide(n * ab - a * b, np.sqrt(spread), out=found, where=known & (spread > 0))
    return found


def best_shift(sums: FloatArray, cell_m: float) -> Shift:
    """The shift at which two fields agree best, between cells by a parabola on each axis.

    Args:
        sums: of :func:`shift_sums`, added up.
        cell_m: of the fields.
    """
    found = agreement(sums)
    reach = found.shape[0] // 2
    nothing, unshifted = math.nan, float(found[reach, reach])
    if not np.isfinite(found).any():
        return Shift(nothing, nothing, nothing, nothing)
    row, col = (int(each) for each in np.unravel_index(int(np.nanargmax(found)), found.shape))
    best = float(found[row, col])
    at_edge = row in (0, 2 * reach) or col in (0, 2 * reach)
    if best < LEAST_AGREEMENT or at_edge or _open(found, row, col, cell_m):
        return Shift(nothing, nothing, best, unshifted)
    north = row - reach + _vertex(found[row - 1 : row + 2, col])
    east = col - reach + _vertex(found[row, col - 1 : col + 2])
    return Shift(east * cell_m, north * cell_m, best, unshifted)


def _open(found: FloatArray, row: int, col: int, cell_m: float) -> bool:
    """Whether another peak, apart from the best one, is nearly as high."""
    filled = np.nan_to_num(found, nan=-1.0)
    peaks = (filled == maximum_filter(filled, 3)) & (filled >= AS_GOOD_FRAC * filled[row, col])
    rows, cols = np.nonzero(peaks)
    return bool((np.hypot(rows - row, cols - col) * cell_m > APART_M).any())


def _vertex(three: FloatArray) -> float:
    """Where the parabola through three neighbours has its top, from the middle one; within half a cell."""
    before, here, after = three
    bend = before - 2 * here + after
    if not (np.isfinite(bend) and bend < 0):
        return 0.0
    return float(np.clip((before - after) / (2 * bend), -0.5, 0.5))
