"""The cases that intervals are fitted on: regions of pictures with what was counted and what is true there.

A zone may be any part of a view, so whole pictures, their quarters and their sixteenths are cases. All of one picture
together weigh 1: they are one picture's evidence. Folds are drawn by place, so that no photograph, nor one that shows
the same place, is on both sides; every fold has its share of every part.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from crowdwatch.core import intervals
from crowdwatch.core.intervals import IntervalTable
from crowdwatch.core.records import FloatArray
from pipelines.evaluation.counting_score import SIDE, PhotoCount
from pipelines.evaluation.interval_fit import fit

__all__ = [
    "BANDS",
    "FOLDS",
    "LEVELS",
    "SPREADS",
    "Cases",
    "Counted",
    "Held",
    "cases",
    "choose",
    "cross_fitted",
    "ends_of",
    "held",
]

FOLDS = 5
LEVELS = (1, 2, 4)
"""Parts along a side: the whole picture, quarters, sixteenths."""

BANDS = (1, 2, 3, 4, 5)
SPREADS = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5)

TOLERANCE = 0.03
"""How far the coverage of a part may be from what is promised."""


@dataclass(frozen=True, slots=True, eq=False)
class Counted:
    """One picture.

    Args:
        count: counted and true people in 64 parts of it.
        image_hw: its size.
        part: the set that it belongs to; coverage is reported for each.
        place: pictures of one place have one number within their part.
        weight: what it counts for; less than 1 for a frame that tells little more than its neighbours.
    """

    count: PhotoCount
    image_hw: tuple[int, int]
    part: str
    place: int
    weight: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Cases:
    """Regions of pictures; (N,) each: persons found and true, crowding, weight, number of the picture, fold, part."""

    found: FloatArray
    true: FloatArray
    crowding: FloatArray
    weight: FloatArray
    picture: NDArray[np.int64]
    fold: NDArray[np.int64]
    part: NDArray[np.str_]

    def fit(self, which: NDArray[np.bool_], bands: int, spread: float) -> IntervalTable:
        """A table from some of the cases."""
        return fit(
            self.found[which], self.true[which], self.crowding[which],
            bands=bands, spread=spread, weight=self.weight[which], source=self.picture[which],
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Held:
    """What intervals hold: share of the cases, all and by part, and the mean width in persons."""

    coverage: float
    by_part: dict[str, float]
    width: float

    @property
    def off(self) -> float:
        """How far the worst part is from what is promised, beyond the tolerance."""
        worst = max(abs(each - intervals.COVERAGE) for each in self.by_part.values())
        return max(0.0, round(worst - TOLERANCE, 6))


def _folds(counted: Sequence[Counted]) -> list[int]:
    """A fold for every picture: the places of each part in their order, cut into five."""
    folds = [0] * len(counted)
    for part in sorted({one.part for one in counted}):
        members = sorted((one.place, index) for index, one in enumerate(counted) if one.part == part)
        first: dict[int, int] = {}
        for rank, (place, index) in enumerate(members):
            folds[index] = first.setdefault(place, rank) * FOLDS // len(members)
    return folds


def cases(counted: Sequence[Counted]) -> Cases:
    """Regions of pictures, in their order.

    >>> one = Counted(PhotoCount(np.full((8, 8), 1.0), np.full((8, 8), 2.0)), (800, 800), "A", 0)
    >>> cut = cases([one])
    >>> len(cut.found), cut.found[:2].tolist(), cut.true[:2].tolist()
    (21, [128.0, 32.0], [64.0, 16.0])
    >>> round(float(cut.crowding[0]), 6), round(float(cut.weight.sum()), 6), set(cut.picture.tolist())
    (2.0, 1.0, {0})
    """
    rows, parts_of = [], []
    for index, (one, fold) in enumerate(zip(counted, _folds(counted), strict=True)):
        patch_px2 = math.prod(one.image_hw) / SIDE**2
        for parts in LEVELS:
            side = SIDE // parts
            found, true = (
                grid.reshape(parts, side, parts, side).swapaxes(1, 2).reshape(parts**2, -1)
                for grid in (one.count.found, one.count.true)
            )
            weight = one.weight / len(LEVELS) / parts**2
            for here, there in zip(found, true, strict=True):
                crowding = intervals.crowding(here, np.full(len(here), patch_px2))
                rows.append((here.sum(), there.sum(), crowding, weight, index, fold))
                parts_of.append(one.part)
    table = np.array(rows, dtype=np.float64)
    whole = table[:, 4:].astype(np.int64)
    found_n, true_n, crowded, weights = table[:, :4].T
    return Cases(found_n, true_n, crowded, weights, whole[:, 0], whole[:, 1], np.array(parts_of))


def _judged(some: Cases, which: NDArray[np.bool_], table: IntervalTable) -> tuple[NDArray[np.bool_], FloatArray]:
    """(n,) whether the interval of each case holds its truth, and how wide it is."""
    low, high = ends_of(table, some.found[which], some.crowding[which])
    true = some.true[which]
    return (low <= true) & (true <= high), high - low


def ends_of(table: IntervalTable, found: FloatArray, crowding: FloatArray) -> tuple[FloatArray, FloatArray]:
    """:meth:`IntervalTable.bounds` of many counts at once, a camera's unknown factor included."""
    band = np.searchsorted([band.below for band in table.bands], np.nan_to_num(crowding, nan=0.0), side="right")
    u = intervals.scale(found, table.spread)
    low, high = (np.array(each)[band] for each in zip(*((b.low, b.high) for b in table.bands), strict=True))
    down, up = table.factor
    below, beyond = np.hypot(np.minimum(0.0, low) * u, down * found), np.hypot(np.maximum(0.0, high) * u, up * found)
    return np.maximum(0.0, found - below), found + beyond


def held(some: Cases, which: NDArray[np.bool_], table: IntervalTable) -> Held:
    """What the intervals of one table hold of some of the cases."""
    return _held(some, which, *_judged(some, which, table))


def _held(some: Cases, which: NDArray[np.bool_], inside: NDArray[np.bool_], width: FloatArray) -> Held:
    weight, part = some.weight[which], some.part[which]
    by_part = {
        str(name): float(np.average(inside[part == name], weights=weight[part == name])) for name in np.unique(part)
    }
    return Held(float(np.average(inside, weights=weight)), by_part, float(np.average(width, weights=weight)))


def choose(some: Cases, which: NDArray[np.bool_]) -> tuple[int, float]:
    """Bands and spread for some of the cases: of those that hold every part as promised (or nearest to it) when each
    fold is judged by the others, the narrowest."""
    results = {}
    for bands in BANDS:
        for spread in SPREADS:
            seen = _over_folds(some, which, partial(some.fit, bands=bands, spread=spread))
            results[bands, spread] = (seen.off, seen.width)
    return min(results, key=lambda how: results[how])


def cross_fitted(some: Cases) -> Held:
    """What intervals hold of cases that nothing was fitted to or chosen by: each fold is judged by a table whose bands,
    spread and quantiles come from the other four."""
    return _over_folds(
        some, np.ones(len(some.found), dtype=bool), lambda others: some.fit(others, *choose(some, others))
    )


def _over_folds(some: Cases, which: NDArray[np.bool_], fit: Callable[[NDArray[np.bool_]], IntervalTable]) -> Held:
    """Each fold of some of the cases judged by what ``fit`` makes of the others."""
    inside, width = np.zeros(len(some.found), dtype=bool), np.zeros(len(some.found))
    for fold in np.unique(some.fold[which]):
        aside = which & (some.fold == fold)
        inside[aside], width[aside] = _judged(some, aside, fit(which & ~aside))
    return _held(some, which, inside[which], width[which])
