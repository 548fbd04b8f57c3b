"""Trends that single outliers do not move, and when a rising value reaches a limit."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["LEAST_SKILL", "Forecast", "Trend", "forecast", "skill", "theil_sen"]

CHANCE = 0.9
"""Of the interval of a slope."""

LEAST_POINTS, LEAST_SPAN_S = 6, 50.0
"""Fewer, or a shorter span, say nothing of a trend: six means of 10 s are a minute."""

LEAST_SKILL = 0.3
"""Of a hindcast against persistence, below which a forecast is silent. See docs/alert_rules.md for the measurement."""

HORIZON_SPANS = 3.0
"""A forecast looks ahead at most so many times the span that it has seen."""

_Z = NormalDist().inv_cdf((1 + CHANCE) / 2)


@dataclass(frozen=True, slots=True)
class Trend:
    """A straight line through values: per second, its 90 % interval, and the line's value at time 0."""

    slope: float
    low: float
    high: float
    at_zero: float

    def at(self, t_s: float) -> float:
        """The line's value at a time."""
        return self.at_zero + self.slope * t_s


def theil_sen(times_s: ArrayLike, values: ArrayLike) -> Trend:
    """The median of the slopes between all pairs of points; up to 29 % of the points may be anything.

    Args:
        times_s: (N,) all different.
        values: (N,).

    Returns:
        NaN for fewer than two points. The interval is that of Kendall's rank correlation, for independent points.

    Source: Theil 1950; Sen 1968, J. Am. Stat. Assoc. 63:1379, equation 2.6.

    >>> theil_sen([0, 1, 2, 3], [1, 3, 5, 70]).slope, theil_sen([-2, -1, 0], [1, 2, 3]).at_zero
    (12.5, 3.0)
    """
    t, y = np.asarray(times_s, float), np.asarray(values, float)
    n = len(t)
    if n < 2:
        return Trend(math.nan, math.nan, math.nan, math.nan)
    first, second = np.triu_indices(n, 1)
    slopes = np.sort((y[second] - y[first]) / (t[second] - t[first]))
    slope = float(np.median(slopes))
    reach = _Z * math.sqrt(n * (n - 1) * (2 * n + 5) / 18)
    below = max(round((len(slopes) - reach) / 2) - 1, 0)
    above = min(round((len(slopes) + reach) / 2), len(slopes) - 1)
    return Trend(slope, float(slopes[below]), float(slopes[above]), float(np.median(y - slope * t)))


@dataclass(frozen=True, slots=True)
class Forecast:
    """Minutes until a limit is reached, and the 90 % interval by the slope's; NaN where nothing can be said."""

    minutes: float
    low: float
    high: float


SILENT = Forecast(math.nan, math.nan, math.nan)


def forecast(times_s: ArrayLike, values: ArrayLike, limit: float) -> Forecast:
    """When a value that rises reaches a limit, if it goes on as it does.

    minutes = (limit - now) / slope / 60, by the Theil-Sen line; 0 where it is reached. It is silent, all NaN, where

    * fewer than 6 points, or less than 50 s, are known;
    * the lower end of the slope's interval is not above 0: the value may not rise at all;
    * the newer half of it does not rise; where it rises less than the whole, its slope is taken;
    * the trend had no skill just now: the line through the first two thirds, extended over the last third, is not by
      :data:`LEAST_SKILL` nearer to what came than the last value of the first part (persistence);
    * the limit is further off than three times the span that was seen.

    Args:
        times_s: (N,) seconds, rising; now is the last one.
        values: (N,) of any unit.
        limit: in the same unit.

    >>> forecast(range(0, 180, 10), [2 + 0.005 * t for t in range(0, 180, 10)], 4.0)
    Forecast(minutes=3.833333, low=3.833333, high=3.833333)
    >>> forecast(range(0, 180, 10), [2.0] * 18, 4.0).minutes
    nan
    """
    t, y = np.asarray(times_s, float), np.asarray(values, float)
    if len(t) < LEAST_POINTS or t[-1] - t[0] < LEAST_SPAN_S:
        return SILENT
    t = t - t[-1]
    line = theil_sen(t, y)
    if line.at_zero >= limit:
        return Forecast(0.0, 0.0, 0.0)
    if not line.low > 0 or skill(t, y) < LEAST_SKILL:
        return SILENT
    late = theil_sen(t[len(t) // 2 :], y[len(t) // 2 :]).slope
    if not late > 0:
        return SILENT
    slow = min(late / line.slope, 1.0)  # a rise that slows takes longer
    slopes = (line.slope * slow, line.high, line.low * slow)
    minutes, low, high = (round((limit - line.at_zero) / slope / 60, 6) for slope in slopes)
    return SILENT if minutes * 60 > -HORIZON_SPANS * t[0] else Forecast(minutes, low, high)


def skill(times_s: ArrayLike, values: ArrayLike) -> float:
    """How much better the trend was just now than saying that nothing changes: 1 - error of the extended line / error
    of persistence, over the last third; 0 where nothing changed. At least six points.

    >>> round(skill(range(0, 180, 10), [2 + 0.005 * t for t in range(0, 180, 10)]), 2)
    1.0
    """
    t, y = np.asarray(times_s, float), np.asarray(values, float)
    cut = max(len(t) * 2 // 3, 3)
    line = theil_sen(t[:cut], y[:cut])
    ahead = np.abs(line.at_zero + line.slope * t[cut:] - y[cut:]).sum()
    stays = np.abs(float(np.median(y[max(cut - 3, 0) : cut])) - y[cut:]).sum()
    return float(1 - ahead / stays) if stays > 0 else 0.0
