"""Heatmaps of the ground over time: people per square metre, weighted by time, absolute (never stretched to the data).

A density grid of a tick stands for the time since the tick before it. The mean of a cell over a minute is

    mean = sum(rho * dt) / sum(dt)    over the ticks at which the cell was known

with ``sum(dt)`` kept beside it, which shows how much of a minute was seen. A cell that was never known is NaN.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from crowdwatch.core.outcomes import DensityGrid
from crowdwatch.core.records import FloatArray, readonly

__all__ = ["GroundMap", "HeatState", "add", "bands", "finish", "weighted_percentile"]

MINUTE_NS = 60 * 1_000_000_000


@dataclass(frozen=True, slots=True, eq=False)
class GroundMap:
    """One value for every cell of the ground, row 0 south.

    Args:
        t_ns: start of the time that it covers.
        rho_p_m2: (rows, cols) people per square metre; NaN where nothing was known.
        known_s: (rows, cols) seconds during which the cell was known.
    """

    t_ns: int
    rho_p_m2: FloatArray
    known_s: FloatArray

    def __post_init__(self) -> None:
        object.__setattr__(self, "rho_p_m2", readonly("rho_p_m2", self.rho_p_m2, (None, None)))
        object.__setattr__(self, "known_s", readonly("known_s", self.known_s, self.rho_p_m2.shape))


@dataclass(frozen=True, slots=True, eq=False)
class HeatState:
    """What :func:`add` remembers: the sums of the open minute and of the whole, and the maximum.

    Args:
        start_ns: start of the whole.
        minute_ns: start of the open minute.
        minute, whole: sums of rho * dt and of dt, each (2, rows, cols).
        highest: (rows, cols) the largest density of any tick; NaN where nothing was known.
    """

    start_ns: int
    minute_ns: int
    minute: FloatArray
    whole: FloatArray
    highest: FloatArray


def add(state: HeatState | None, grid: DensityGrid, begin_ns: int, end_ns: int) -> tuple[HeatState, GroundMap | None]:
    """Take in the grid of one tick, which stands for the time from ``begin_ns`` up to ``end_ns``.

    Returns:
        The new state, and the map of a minute when the tick opens another. A tick that ends on the full minute closes
        it: it stands for the time before.

    >>> grid = lambda t, rho: DensityGrid(t, np.zeros(2), 1.0, np.array([[rho]]), 1.0)
    >>> second = 1_000_000_000
    >>> state, _ = add(None, grid(second, 2.0), 0, second)
    >>> state, _ = add(state, grid(2 * second, 4.0), second, 2 * second)
    >>> float(finish(state)[0].rho_p_m2[0, 0])
    3.0
    """
    dt_s = (end_ns - begin_ns) / 1e9
    minute_ns = (end_ns - 1) // MINUTE_NS * MINUTE_NS
    known = np.isfinite(grid.rho_p_m2)
    sums = np.stack([np.where(known, grid.rho_p_m2, 0.0) * dt_s, known * dt_s])
    closed = None
    if state is None:
        return HeatState(begin_ns, minute_ns, sums, sums, grid.rho_p_m2), None
    minute = state.minute + sums
    if minute_ns != state.minute_ns:
        closed, minute = _mean(state.minute_ns, state.minute), sums
    highest = np.fmax(state.highest, grid.rho_p_m2)
    return HeatState(state.start_ns, minute_ns, minute, state.whole + sums, highest), closed


def finish(state: HeatState) -> tuple[GroundMap, GroundMap, GroundMap]:
    """The map of the minute that is still open, the mean and the maximum of the whole."""
    whole = _mean(state.start_ns, state.whole)
    return _mean(state.minute_ns, state.minute), whole, GroundMap(state.start_ns, state.highest, whole.known_s)


def weighted_percentile(values: FloatArray, weights: FloatArray, shares: Sequence[float]) -> FloatArray:
    """Percentiles over time of every cell.

    Args:
        values: (n, ...) values in any order; NaN where unknown, which weighs nothing.
        weights: (n, ...) seconds of each.
        shares: (k,) in 0..1.

    Returns:
        (k, ...): the smallest value that is not exceeded during at least this share of the known time; NaN where
        nothing is known.

    >>> weighted_percentile(np.array([[3.0], [1.0], [2.0]]), np.array([[1.0], [1.0], [2.0]]), [0.25, 0.5, 1.0]).tolist()
    [[1.0], [2.0], [3.0]]
    """
    known = np.isfinite(values)
    order = np.argsort(np.where(known, values, np.inf), axis=0, kind="stable")
    ordered = np.take_along_axis(values, order, axis=0)
    passed = np.cumsum(np.take_along_axis(np.where(known, weights, 0.0), order, axis=0), axis=0)
    total = passed[-1]
    found = np.full((len(shares), *values.shape[1:]), np.nan)
    for number, share in enumerate(shares):
        # rounding of the sum must not push the share past the value that just reaches it
        at = (passed >= share * total * (1 - 1e-12)).argmax(axis=0)
        picked = np.take_along_axis(ordered, at[None], axis=0)[0]
        found[number] = np.where(total > 0, picked, np.nan)
    return found


def _mean(t_ns: int, sums: FloatArray) -> GroundMap:
    mean = np.divide(sums[0], sums[1], out=np.full(sums[0].shape, np.nan), where=sums[1] > 0)
    return GroundMap(t_ns, mean, sums[1])


def bands(rows: int, cols: int, count: int, most: int) -> Iterator[slice]:
    """Bands of rows so narrow that ``count`` maps of one hold at most ``most`` values (but at least one row)."""
    height = max(1, most // max(1, count * cols))
    for first in range(0, rows, height):
        yield slice(first, min(rows, first + height))
