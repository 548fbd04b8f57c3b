"""Signs in movement that came before crushes. Each is a small pure function of time series of one zone.

A sign may raise a level and never lowers one. Every one is looked for only at densities at which it means something
(domain bands): a group that stops in an empty square is none. Where the series has gaps nothing is found in them.
``docs/movement.md`` has formula, source and validated range of each, and its false alarms.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from crowdwatch.core.records import FloatArray

__all__ = [
    "Oscillation",
    "Waves",
    "oscillation",
    "reversal_rad",
    "slowing_frac",
    "stop_and_go",
    "sudden_stop_m_s",
]

STANDING_M_S, WALKING_M_S = 0.15, 0.30
"""People stand below the one and walk above the other. Between them is the deadband that noise of a zone's mean (0.03
m/s) does not cross."""

LEAST_SWING_M_S = 0.25
"""Between the mean speed of those who walk and of those who stand: noise about 0.2 m/s crosses the deadband, and swings
by 0.18."""

LEAST_CYCLES = 3

LEAST_S, MOST_S = 4.0, 90.0
"""Periods of waves and oscillations that are looked for: stop-and-go waves of 5 to 60 s, crowds that sway in 18 s."""

LEAST_AMPLITUDE_M_S = 0.06
"""An oscillation below is lost in the noise of a zone's mean velocity."""


@dataclass(frozen=True, slots=True)
class Waves:
    """Stop-and-go: the mean time between two starts, NaN where there is none, how many, and the share of the time
    during which people stand."""

    period_s: float
    cycles: int
    stopped_frac: float


@dataclass(frozen=True, slots=True)
class Oscillation:
    """A zone's mean velocity that swings: period, amplitude, share of its variance in that period, and chirality from
    -1 (clockwise) to 1; NaN where it does not."""

    period_s: float
    amplitude_m_s: float
    share: float
    chirality: float


NO_OSCILLATION = Oscillation(math.nan, 0.0, 0.0, math.nan)


def stop_and_go(t_s: FloatArray, speed_m_s: FloatArray) -> Waves:
    """Find a crowd that stops and goes.

    A start is a speed that comes to :data:`WALKING_M_S` after one below :data:`STANDING_M_S`. The period is the mean
    time between two starts; there is none with fewer than :data:`LEAST_CYCLES` of them, where the mean speeds of both
    differ by less than :data:`LEAST_SWING_M_S`, or with a period outside :data:`LEAST_S` to :data:`MOST_S`.

    Args:
        t_s: (N,) rising.
        speed_m_s: (N,) mean speed of the zone, NaN where it is unknown.

    >>> t = np.arange(0.0, 100.0)
    >>> stop_and_go(t, np.where(t % 20 < 10, 0.0, 0.6))
    Waves(period_s=20.0, cycles=5, stopped_frac=0.5)
    >>> stop_and_go(t, np.full(100, 0.6)).cycles
    0
    """
    known = np.isfinite(speed_m_s)
    t, speed = t_s[known], speed_m_s[known]
    if len(t) < 2 * LEAST_CYCLES:
        return Waves(math.nan, 0, math.nan)
    stopped = float((speed < STANDING_M_S).mean())
    state = np.where(speed < STANDING_M_S, -1, np.where(speed >= WALKING_M_S, 1, 0))
    decided = np.flatnonzero(state)
    turns = state[decided]
    starts = t[decided[1:][(turns[1:] == 1) & (turns[:-1] == -1)]]
    if len(starts) < LEAST_CYCLES or speed[state == 1].mean() - speed[state == -1].mean() < LEAST_SWING_M_S:
        return Waves(math.nan, len(starts), stopped)
    period = float(np.diff(starts).mean())
    return Waves(period if LEAST_S <= period <= MOST_S else math.nan, len(starts), stopped)


def oscillation(t_s: FloatArray, v_m_s: FloatArray) -> Oscillation:
    """Find a crowd that swings to and fro, or round and round.

    For every frequency f of 1 / MOST_S to 1 / LEAST_S that fits three times into the series, both components less
    their trend are fitted by a cos + b sin (least squares, gaps allowed). The one that explains most of the variance
    counts. Chirality is 2 (ax by - bx ay) over the sum of the squares: 1 is a circle, counter-clockwise.

    Source: Gu, Guiselin, Bain, Zuriguel and Bartolo 2025, Nature 638:112 (crowds of more than 4 p/m2 swing by
    themselves; 18 s at 9 p/m2).

    Args:
        t_s: (N,) rising.
        v_m_s: (N, 2) mean velocity of the zone, NaN where it is unknown.

    >>> t = np.arange(0.0, 90.0)
    >>> circle = np.stack([np.cos(t * 2 * np.pi / 18), np.sin(t * 2 * np.pi / 18)], axis=1)
    >>> round(oscillation(t, 0.2 * circle).chirality, 2)
    1.0
    """
    known = np.isfinite(v_m_s).all(axis=1)
    t, v = t_s[known], v_m_s[known]
    if len(t) < 12:
        return NO_OSCILLATION
    span = float(t[-1] - t[0])
    periods = np.geomspace(LEAST_S, max(LEAST_S, min(MOST_S, span / 3)), 48)
    if span / 3 < LEAST_S:
        return NO_OSCILLATION
    trend = np.stack([np.ones(len(t)), t - t.mean()], axis=1)
    rest = v - trend @ np.linalg.lstsq(trend, v, rcond=None)[0]
    total = float((rest**2).sum())
    angle = 2 * math.pi * (t - t[0]) / periods[:, None]
    cos, sin = np.cos(angle), np.sin(angle)
    with_cos, with_sin = cos @ rest, sin @ rest
    cc, cs, ss = ((one * other).sum(axis=1)[:, None] for one, other in ((cos, cos), (cos, sin), (sin, sin)))
    scale = cc * ss - cs**2
    a, b = (ss * with_cos - cs * with_sin) / scale, (cc * with_sin - cs * with_cos) / scale
    explained = (a * with_cos + b * with_sin).sum(axis=1)
    best = int(np.argmax(explained))
    (ax, ay), (bx, by) = a[best], b[best]
    squares = float(ax**2 + ay**2 + bx**2 + by**2)
    if not (total > 0 and math.sqrt(squares) >= LEAST_AMPLITUDE_M_S):
        return NO_OSCILLATION
    share, chirality = float(explained[best]) / total, float(2 * (ax * by - bx * ay)) / squares
    return Oscillation(float(periods[best]), math.sqrt(squares), share, chirality)


def sudden_stop_m_s(t_s: FloatArray, speed_m_s: FloatArray, within_s: float = 5.0) -> float:
    """By how much the speed of a zone fell within the last seconds, to standing: what it was before less what it is.

    0 where people still walk, NaN where either is unknown.

    >>> t = np.arange(0.0, 12.0)
    >>> sudden_stop_m_s(t, np.where(t < 8, 0.75, 0.0))
    0.75
    """
    now, before = t_s > t_s[-1] - 2.0, (t_s <= t_s[-1] - within_s + 1.0) & (t_s > t_s[-1] - 2 * within_s)
    last, was = _mean(speed_m_s[now]), _mean(speed_m_s[before])
    if math.isnan(last) or math.isnan(was):
        return math.nan
    return max(0.0, was - last) if last < STANDING_M_S else 0.0


def reversal_rad(t_s: FloatArray, v_m_s: FloatArray, within_s: float = 10.0) -> float:
    """By how much the mean direction of a zone turned, before against after ``within_s``; NaN unless both walk.

    >>> t = np.arange(0.0, 30.0)
    >>> round(reversal_rad(t, np.stack([np.where(t < 20, 0.6, -0.6), 0 * t], axis=1)), 2)
    3.14
    """
    after, before = t_s > t_s[-1] - within_s / 2, (t_s <= t_s[-1] - within_s) & (t_s > t_s[-1] - 2.5 * within_s)
    now, was = (np.array([_mean(v_m_s[part, axis]) for axis in (0, 1)]) for part in (after, before))
    if not (np.hypot(*now) >= WALKING_M_S and np.hypot(*was) >= WALKING_M_S):
        return math.nan
    return abs(math.atan2(float(was[0] * now[1] - was[1] * now[0]), float(was @ now)))


def slowing_frac(t_s: FloatArray, speed_m_s: FloatArray, density_p_m2: FloatArray, over_s: float = 60.0) -> float:
    """The share of its speed that a zone lost in a minute in which it became denser; 0 where it did not, NaN unknown.

    Both are means of the first and of the last quarter of the time. A crowd that slows for lack of room moves along
    the falling side of the fundamental diagram (Weidmann 1993).

    >>> t = np.arange(0.0, 61.0)
    >>> round(slowing_frac(t, 1.0 - t / 120, 1.0 + t / 60), 2)
    0.4
    """
    t, quarter = t_s - t_s[-1] + over_s, over_s / 4
    first, last = (t >= 0) & (t <= quarter), t > over_s - quarter
    (v0, v1), (rho0, rho1) = ([_mean(each[part]) for part in (first, last)] for each in (speed_m_s, density_p_m2))
    if any(math.isnan(each) for each in (v0, v1, rho0, rho1)) or t[0] > quarter / 2:
        return math.nan
    return max(0.0, 1 - v1 / v0) if v0 > STANDING_M_S and rho1 - rho0 >= 0.3 else 0.0


def _mean(values: FloatArray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else math.nan
