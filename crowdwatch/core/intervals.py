"""How far a count may be off: quantiles of measured errors, by how close people stand in the picture.

With m people counted where n are, the error is scaled to z = (n - m) / u(m), u(m)^2 = m + 1 + (b m)^2: chance alone for
a few, a share b of the count for many. The 5 % and 95 % quantiles of z over annotated photographs, band by band of
crowding, give the interval that holds the truth nine times in ten, with the finite-sample correction of split conformal
prediction. Bands are of crowding in the picture (people per 10,000 px2 where people are), because that is what a
network sees and what can be computed for a photograph and for a zone alike.

A camera's counts are off by a factor of its own besides. Photographs of many places hold that; cases of one camera do
not, and ``between`` says how far cameras differ. Hand counts of a camera take its place.

Source: Vovk, Gammerman and Shafer 2005, "Algorithmic Learning in a Random World"; scaled scores: Lei et al. 2018,
"Distribution-Free Predictive Inference for Regression", section 5.2.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from crowdwatch.core.records import FloatArray
from crowdwatch.errors import RecordError

__all__ = [
    "BETWEEN_CAMERAS",
    "COVERAGE",
    "PATCH_PX2",
    "UNMEASURED",
    "IntervalBand",
    "IntervalTable",
    "Z",
    "above",
    "crowding",
    "exceeded",
    "merged",
    "scale",
]  # fmt: skip

COVERAGE = 0.9

Z = NormalDist().inv_cdf((1 + COVERAGE) / 2)
"""Standard deviations from the middle to either end of an interval of a normal error: 1.645."""

BETWEEN_CAMERAS = 0.2
"""Standard deviation of the logarithm of the factor between cameras. A counter trained on one set errs by 19.5 persons
of 123, not 6.2, on another (PET from ShanghaiTech A to B, Awiros 2024 model card): a sixth of the people."""

PATCH_PX2 = 10_000.0

_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class IntervalBand:
    """One band of crowding: from the one before it up to ``below`` people per 10,000 px2."""

    below: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class IntervalTable:
    """Quantiles of z by band of crowding, and b, the share of a count that its error grows with.

    ``between`` is the standard deviation of the logarithm of a camera's factor where the bands do not hold it, else 0.
    """

    spread: float
    bands: tuple[IntervalBand, ...]
    between: float = 0.0

    def __post_init__(self) -> None:
        ends = [band.below for band in self.bands]
        if not self.bands or ends != sorted(set(ends)) or ends[-1] != math.inf:
            raise RecordError(f"interval table: need bands that rise to infinity, got {ends}.")
        if not (self.spread >= 0 and self.between >= 0):
            raise RecordError(f"interval table: need spread and between >= 0, got {self.spread}, {self.between}.")
        if any(not band.low <= band.high for band in self.bands):
            raise RecordError("interval table: in every band, need low <= high.")

    def bounds(self, found: float, crowding_p: float) -> tuple[float, float]:
        """The interval of a count, without the camera's factor: it always holds the count itself, and nothing below
        nobody.

        >>> table = IntervalTable(0.0, (IntervalBand(2.0, -1.0, 1.0), IntervalBand(math.inf, -2.0, 5.0)))
        >>> table.bounds(8.0, 1.0), table.bounds(8.0, 3.0), table.bounds(0.0, math.nan)
        ((5.0, 11.0), (2.0, 23.0), (0.0, 1.0))
        """
        held = self.bands[0] if math.isnan(crowding_p) else next(b for b in self.bands if crowding_p < b.below)
        u = float(scale(found, self.spread))
        return max(0.0, found + min(0.0, held.low) * u), found + max(0.0, held.high) * u

    @property
    def factor(self) -> tuple[float, float]:
        """Shares of a count by which it may be too high and too low for the camera's factor alone, in nine of ten.

        >>> tuple(round(each, 2) for each in UNMEASURED.factor)
        (0.28, 0.39)
        """
        return 1 - math.exp(-Z * self.between), math.exp(Z * self.between) - 1


UNMEASURED = IntervalTable(0.0, (IntervalBand(math.inf, -Z, Z),), BETWEEN_CAMERAS)
"""For a model whose errors nobody has measured: chance, and what is known of counters on cameras that they were not
made for."""


def scale(found: FloatArray | float, spread: float) -> FloatArray:
    """u(m): see the module."""
    return np.asarray(np.sqrt(np.asarray(found) + 1.0 + (spread * np.asarray(found)) ** 2))


def crowding(people: FloatArray, area_px2: FloatArray) -> float:
    """How close people stand where they are: sum p (p / a) / sum p, per 10,000 px2; NaN with nobody there.

    Args:
        people: persons in each patch; NaN is left out.
        area_px2: of each patch.

    >>> crowding(np.array([4.0, 0.0]), np.array([10_000.0, 10_000.0]))
    4.0
    """
    known = np.isfinite(people) & np.isfinite(area_px2) & (area_px2 > 0)
    here, area = people[known], area_px2[known]
    total = float(here.sum())
    return float((here**2 / area).sum() / total * PATCH_PX2) if total > 0 else math.nan


def above(middle: float, low: float, high: float, limit: float) -> float:
    """P(value > limit) of a value with an interval: normal on either side of the middle, each with its own width.

    >>> round(above(4.0, 3.0, 5.0, 4.0), 3), round(above(4.0, 3.0, 5.0, 5.0), 3), above(4.0, 4.0, 4.0, 3.9)
    (0.5, 0.05, 1.0)
    """
    if math.isnan(middle):
        return math.nan
    sigma = (high - middle if limit > middle else middle - low) / Z
    if sigma <= 0:
        return float(middle > limit)
    return 1 - _NORMAL.cdf((limit - middle) / sigma)


def exceeded(middle: float, low: float, high: float, chance: float) -> float:
    """The value that is exceeded with a chance: the inverse of :func:`above`; never below 0.

    >>> round(exceeded(4.0, 3.0, 6.0, 0.05), 6), exceeded(4.0, 3.0, 6.0, 0.5)
    (6.0, 4.0)
    """
    z = _NORMAL.inv_cdf(1 - chance)
    return max(0.0, middle + z * (high - middle if z > 0 else middle - low) / Z)


def merged(parts: Sequence[tuple[float, float, float]]) -> tuple[float, float, float]:
    """Sum of independent values, each (middle, low, high): distances to the ends add in squares.

    >>> merged([(10.0, 7.0, 13.0), (5.0, 1.0, 9.0)])
    (15.0, 10.0, 20.0)
    """
    middle = sum(part[0] for part in parts)
    down, up = (math.hypot(*(part[0] - part[end] for part in parts)) for end in (1, 2))
    return middle, middle - down, middle + up
