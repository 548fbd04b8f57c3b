"""What two cameras say of the ground that both see: how far they agree, and whether one of them must be wrong."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from scipy.spatial import cKDTree

from crowdwatch.analytics.overlap import MOMENT_S, Pair
from crowdwatch.analytics.shift import Shift, best_shift
from crowdwatch.core.intervals import Z
from crowdwatch.core.records import FloatArray

__all__ = ["Doubt", "PairReport", "report_of"]

WALK_M_S = 1.34
"""Free walking speed (Weidmann 1993): how far people go while two clocks differ by a second."""

MATCH_M = 1.0
"""Nearest neighbours of each other within it are one person; in 4 p/m2 the next one stands half a metre away, so that
some pairs are wrong, which widens intervals and shifts nothing."""

BLOCK_S = 10.0
"""Moments of one block are not independent: whoever is counted twice is so for some time."""

ROUNDING_M = 0.1
"""Below it no shift is known, whatever agrees: people are half a metre wide."""


class Doubt(StrEnum):
    """Why a pair cannot be right as it is: the doubt is on both, since nothing says on which."""

    DENSITY = "density"
    POSITION = "position"


@dataclass(frozen=True, slots=True)
class PairReport:
    """Two cameras over common ground. What is said of "the second" is relative to the first.

    Args:
        cameras: their names, the first one and the second.
        moments, seconds: at which they were compared, and how long that is.
        cells, area_m2: of common ground, on average.
        density_p_m2: of the first and the second.
        interval_p_m2: of each, as the pictures are counted.
        ratio: second to first, with its 90 % interval; NaN where the first finds nobody.
        difference_p_m2: second less first, likewise.
        agreeing_frac: share of the moments in which the intervals of both counts have something in common.
        shift: where the second has the people of the first.
        shift_sigma_m: standard error of the shift, each axis.
        told_m: how far they may lie apart by their calibrations and clocks, one standard error.
        matched_frac: share of those in boxes whom both have, after the shift; NaN without boxes.
        clock_s: standard error of the times of both.
        doubted_s: for how long readings said that one finds more than the other counts.
        doubts: why one of them must be wrong; empty where they agree.
    """

    cameras: tuple[str, str]
    moments: int
    seconds: float
    cells: float
    area_m2: float
    density_p_m2: tuple[float, float]
    interval_p_m2: tuple[tuple[float, float], tuple[float, float]]
    ratio: tuple[float, float, float]
    difference_p_m2: tuple[float, float, float]
    agreeing_frac: float
    shift: Shift
    shift_sigma_m: float
    told_m: float
    matched_frac: float
    clock_s: float
    doubted_s: float
    doubts: tuple[Doubt, ...]


def report_of(pair: Pair, cell_m: float) -> PairReport:
    """Sum a pair's moments up.

    The ratio's interval is the wider one of two: that of blocks of ten seconds (jack-knife), and that of persons whom
    one camera has and the other lacks (McNemar: the variance of the logarithm is u / (n1 n2) with u of them), because
    a crowd that stands shows the same people again and again. A density is doubted where the counts' own intervals
    have nothing in common on average and the difference's does not hold 0; a position where the shift is longer than
    calibrations and clocks allow in nine of ten.

    Args:
        pair: with one moment or more.
        cell_m: of the grid.
    """
    rows = np.array(pair.series)
    t_ns, area, cells = rows[:, 0], rows[:, 1], rows[:, 2]
    people, low, high = rows[:, 3:5], rows[:, 5:7], rows[:, 7:9]
    clock_s = float(rows[:, 9].max())
    moving_s = float(np.sqrt(np.mean(rows[:, 10] ** 2)))
    shift, sigma_m = _shift(pair, cell_m)
    shift, sigma_m, lonely, matched = _matched(pair, shift, sigma_m)
    mean, ground = people.mean(axis=0), float(area.mean())
    ratio, difference = _relations(t_ns, people, area, lonely)
    told_m = float(math.hypot(*np.sqrt(pair.sigma2_m2 / len(rows)), WALK_M_S * math.hypot(clock_s, moving_s)))
    apart = (low[:, 1] > high[:, 0]) | (low[:, 0] > high[:, 1])
    ends = [(float(low[:, i].mean()) / ground, float(high[:, i].mean()) / ground) for i in (0, 1)]
    doubts = []
    beyond = ends[1][0] > ends[0][1] or ends[0][0] > ends[1][1]
    if beyond and not difference[1] <= 0 <= difference[2]:
        doubts.append(Doubt.DENSITY)
    if shift.known and shift.length_m > Z * math.hypot(told_m, sigma_m):
        doubts.append(Doubt.POSITION)
    return PairReport(
        pair.cameras, len(rows), len(rows) * MOMENT_S, float(cells.mean()), ground,
        (float(mean[0]) / ground, float(mean[1]) / ground), (ends[0], ends[1]), ratio, difference,
        float(1 - apart.mean()), shift, sigma_m, told_m, matched, clock_s, pair.doubted_s, tuple(doubts),
    )  # fmt: skip


def _shift(pair: Pair, cell_m: float) -> tuple[Shift, float]:
    """The shift of all moments, and its standard error by those of the groups."""
    assert pair.sums is not None, "a pair has a moment"
    shift = best_shift(pair.sums.sum(axis=0), cell_m)
    if not shift.known:
        return shift, math.nan
    each = [best_shift(sums, cell_m) for sums in pair.sums if sums.any()]
    places = np.array([(one.east_m, one.north_m) for one in each if one.known])
    if len(places) < 3:
        return shift, cell_m
    return shift, max(ROUNDING_M, float(places.std(axis=0, ddof=1).max()) / math.sqrt(len(places)))


def _matched(pair: Pair, shift: Shift, sigma_m: float) -> tuple[Shift, float, float, float]:
    """The shift made finer by people whom both have in boxes, its error, how many a moment only one has, and the share
    whom both have."""
    by = np.array([shift.east_m, shift.north_m]) if shift.known else np.zeros(2)
    off, alone, both = [], [], []
    for ours, theirs in pair.samples:
        if not len(ours) or not len(theirs):
            alone.append(len(ours) + len(theirs))
            both.append(0)
            continue
        moved = theirs - by
        near, there = (np.asarray(each) for each in cKDTree(moved).query(ours))
        back = np.asarray(cKDTree(ours).query(moved)[1])
        mutual = (near <= MATCH_M) & (back[there] == np.arange(len(ours)))
        off.append((moved[there] - ours)[mutual])
        both.append(int(mutual.sum()))
        alone.append(len(ours) + len(theirs) - 2 * both[-1])
    boxed = 2 * sum(both) + sum(alone)
    lonely = float(np.mean(alone)) if alone else 0.0
    # people by density map cannot be matched: each of them may be one whom the other lacks
    rows = np.array(pair.series)
    lonely += max(0.0, float(rows[:, 3:5].sum(axis=1).mean()) - boxed / max(len(pair.samples), 1))
    share = 2 * sum(both) / boxed if boxed else math.nan
    places = np.concatenate([np.empty((0, 2)), *off])
    if not shift.known or len(places) < 10:
        return shift, sigma_m, lonely, share
    finer = np.median(places, axis=0)
    held = max(1.0, float(np.mean(both)))  # the same people again are no further evidence
    error = max(ROUNDING_M, float(places.std(axis=0).max()) / math.sqrt(held))
    east, north = by + finer
    return Shift(float(east), float(north), shift.agreement, shift.unshifted), min(error, sigma_m), lonely, share


Relation = tuple[float, float, float]


def _relations(t_ns: FloatArray, people: FloatArray, area: FloatArray, lonely: float) -> tuple[Relation, Relation]:
    """Ratio and difference of densities with their 90 % intervals."""
    block = ((t_ns - t_ns[0]) / 1e9 // BLOCK_S).astype(np.int64)
    number = int(block.max()) + 1
    sums = np.stack([np.bincount(block, each, number) for each in (*people.T, area)])
    sums = sums[:, sums[2] > 0]
    total, ground = sums.sum(axis=1), float(area.mean())
    first, second = people.mean(axis=0)
    difference = float((second - first) / ground)
    chance = math.sqrt(max(lonely, 1.0)) / ground
    nan = math.nan
    if not first > 0 or not second > 0:
        ends = difference - Z * chance, difference + Z * chance
        return (float(second / first) if first > 0 else nan, nan, nan), (difference, *ends)
    log_sigma, flat_sigma = math.sqrt(max(lonely, 1.0) / (first * second)), chance
    blocks = sums.shape[1]
    if blocks > 2:
        left = total[:, None] - sums
        logs, flats = np.log(np.maximum(left[1], 1e-9) / np.maximum(left[0], 1e-9)), (left[1] - left[0]) / left[2]
        scale = (blocks - 1) ** 2 / blocks
        log_sigma = max(log_sigma, math.sqrt(scale * float(logs.var())))
        flat_sigma = max(flat_sigma, math.sqrt(scale * float(flats.var())))
    ratio = float(second / first)
    return (
        (ratio, ratio * math.exp(-Z * log_sigma), ratio * math.exp(Z * log_sigma)),
        (difference, difference - Z * flat_sigma, difference + Z * flat_sigma),
    )
