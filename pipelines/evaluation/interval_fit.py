"""Fits the table of :mod:`crowdwatch.core.intervals` to counts whose truth is known."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from crowdwatch.core.intervals import COVERAGE, IntervalBand, IntervalTable, scale
from crowdwatch.core.records import FloatArray

__all__ = ["fit"]


def fit(
    found: FloatArray, true: FloatArray, crowded: FloatArray, *, bands: int, spread: float, weight: FloatArray,
    source: NDArray[np.int64] | None = None,
) -> IntervalTable:  # fmt: skip
    """Make a table from counts whose truth is known.

    Args:
        found, true: (N,) persons.
        crowded: (N,) crowding of each; NaN belongs to the first band.
        bands: how many, of equal weight.
        spread: b.
        weight: (N,) what each counts for; those of one photograph together weigh what a case does.
        source: (N,) the photograph of each, since regions of one tell less than as many photographs; by default each is
            its own.

    Returns:
        The table; the quantiles are those of the weighted errors with the level raised to (k + 1) / k of itself, k the
        sources that stand in the band: (sum W)^2 / sum W^2 of their weights W there (Kish 1965, "Survey Sampling").
    """
    source = np.arange(len(found)) if source is None else source
    z = (true - found) / scale(found, spread)
    place = np.nan_to_num(crowded, nan=-1.0)
    order = np.argsort(place, kind="stable")
    share = np.cumsum(weight[order]) / weight.sum()
    cuts = [float(place[order][np.searchsorted(share, i / bands)]) for i in range(1, bands)]
    edges = [*sorted({cut for cut in cuts if cut > 0}), math.inf]
    made, low = [], -math.inf
    for edge in edges:
        here = (place >= low) & (place < edge)
        if not here.any():
            continue
        made.append(IntervalBand(edge, *_ends(z[here], weight[here], _sources(weight[here], source[here]))))
        low = edge
    return IntervalTable(spread, tuple(made))


def _sources(weight: FloatArray, source: NDArray[np.int64]) -> float:
    """How many equal, independent sources the cases of a band are worth.

    >>> _sources(np.array([0.5, 0.5, 1.0]), np.array([7, 7, 9])), _sources(np.array([3.0, 1.0]), np.array([0, 1]))
    (2.0, 1.6)
    """
    each = np.bincount(np.unique(source, return_inverse=True)[1], weights=weight)
    return float(each.sum() ** 2 / (each**2).sum())


def _ends(z: FloatArray, weight: FloatArray, sources: float) -> tuple[float, float]:
    """The two quantiles of a band."""
    tail = (1 - COVERAGE) / 2
    level = min(1.0, (1 - tail) * (1 + 1 / sources))
    level -= 1e-12  # a level that the sum of the weights misses by rounding holds
    return -_quantile(-z, weight, level), _quantile(z, weight, level)


def _quantile(values: FloatArray, weight: FloatArray, level: float) -> float:
    """The least value that so much of the weight does not exceed.

    >>> _quantile(np.array([3.0, 1.0, 2.0]), np.array([1.0, 1.0, 2.0]), 0.75)
    2.0
    """
    return float(np.quantile(values, level, weights=weight, method="inverted_cdf"))
