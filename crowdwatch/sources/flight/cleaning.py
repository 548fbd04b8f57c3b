"""What telemetry says and cannot be: no fix, leaps, places far from the site, heights that stand still."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from crowdwatch.core.records import FloatArray
from crowdwatch.sources.flight.log import Field, FlightLog

__all__ = ["clean_angles", "clean_heights", "clean_positions"]

BoolArray = NDArray[np.bool_]

FASTEST_M_S = 40.0
"""Drones that film fly at most 25 m/s, with a storm behind them a little more."""

STILL_S = 10.0
"""A height that another one contradicts for so long has stopped to be written."""

CONTRADICTS_M = 3.0
"""Heights by air pressure and by satellites drift apart by a metre or two within a film."""

FASTEST_UP_M_S = 20.0
"""Such drones rise at 10 m/s at most, and sink no faster."""

MOVED_M, STILL_LONG_S = 100.0, 60.0
"""Who flies so far for so long does not keep its height to the last digit."""


FASTEST_DEG_S, TREMBLES_DEG = 180.0, 5.0
"""Gimbals of drones that film turn by at most 100 degrees a second; what is written jitters by a few degrees."""

SOON_S = 1.0
"""Angles that leap there and back within it were never so."""

MOST_ROLL_DEG = 60.0
"""No gimbal holds a camera on its side. Firmware writes 180 where it counts angles over the top, and nobody knows how
the picture lies then."""


def clean_positions(
    lat: FloatArray, lon: FloatArray, t_s: FloatArray, to_site: Callable[[FloatArray, FloatArray], FloatArray],
    slack_m: float, most_away_m: float,
) -> tuple[FloatArray, list[str]]:  # fmt: skip
    """(N, 2) metres on the site; NaN where there is no fix, where it is far from the site, and where it leaps.

    Args:
        lat, lon: degrees; NaN where there is none.
        t_s: when.
        to_site: as of :meth:`~crowdwatch.sources.flight.place.SitePlace.to_site`.
        slack_m: how far neighbours may lie apart by the rounding of what is written.
        most_away_m: from the site.

    Returns:
        The positions, and what was left out, for people.
    """
    notes: list[str] = []
    known = np.isfinite(lat) & np.isfinite(lon)
    none = known & (lat == 0) & (lon == 0)
    _say(notes, none, "positions are (0, 0): there was no fix by satellites. They are left out")
    known &= ~none & (np.abs(np.where(known, lat, 0)) <= 90) & (np.abs(np.where(known, lon, 0)) <= 180)
    xy = np.full((len(lat), 2), np.nan)
    if known.any():
        xy[known] = to_site(lat[known], lon[known])
    away = known & ~(np.hypot(*xy.T) <= most_away_m)
    if away.any() and not away[known].all():
        _say(notes, away, f"positions are more than {most_away_m / 1000:g} km from the site and are left out")
        xy[away] = np.nan
    leaps = _leaps(xy, t_s, slack_m)
    _say(notes, leaps, f"positions leap faster than {FASTEST_M_S:g} m/s from the others and are left out")
    xy[leaps] = np.nan
    return xy, notes


def _leaps(xy: FloatArray, t_s: FloatArray, slack_m: float) -> BoolArray:
    """Positions that do not belong to the longest stretch without a leap, and cannot be reached from it."""
    found = np.zeros(len(xy), dtype=np.bool_)
    known = np.flatnonzero(np.isfinite(xy).all(axis=1))
    if len(known) < 2:
        return found
    step_m = np.hypot(*np.diff(xy[known], axis=0).T)
    parts = np.split(known, np.flatnonzero(step_m > slack_m + FASTEST_M_S * np.diff(t_s[known])) + 1)
    kept = max(parts, key=len)
    for part in parts:
        if part is kept:
            continue
        near = (
            kept[-1] if part[0] > kept[-1] else kept[0] if part[-1] < kept[0] else kept[np.searchsorted(kept, part[0])]
        )
        end = part[0] if part[0] > near else part[-1]
        away_m = float(np.hypot(*(xy[end] - xy[near])))
        if away_m > slack_m + FASTEST_M_S * abs(t_s[end] - t_s[near]):
            found[part] = True
    return found


def clean_heights(log: FlightLog, field: Field, xy: FloatArray) -> tuple[FloatArray, list[str]]:
    """(N,) heights of a field; NaN where they stand still although the drone rises, sinks or flies far, and
    where they leap."""
    height = log.get(field).copy()
    still = np.zeros(len(height), dtype=np.bool_)
    others = [each for each in (Field.HEIGHT, Field.ALTITUDE) if each is not field and log.has(each)]
    for first, end in _runs(height):
        span_s = log.t_s[end - 1] - log.t_s[first]
        moved = [np.ptp(log.get(each)[first:end]) for each in others]
        contradicted = span_s >= STILL_S and any(np.isfinite(each) and each > CONTRADICTS_M for each in moved)
        climbs = log.get(Field.CLIMB)[first:end]
        rises = span_s >= STILL_S and bool((np.abs(np.nan_to_num(climbs)) > 0.5).mean() > 0.5)
        known = xy[first:end][np.isfinite(xy[first:end]).all(axis=1)]
        far = span_s >= STILL_LONG_S and len(known) > 1 and float(np.hypot(*np.ptp(known, axis=0))) > MOVED_M
        if contradicted or rises or far:
            still[first:end] = True
    leaps = _leaping(height, log.t_s, CONTRADICTS_M, FASTEST_UP_M_S)
    notes: list[str] = []
    _say(notes, leaps, f"values of {field.value} leap faster than {FASTEST_UP_M_S:g} m/s and are left out")
    _say(notes, still, f"values of {field.value} stand still although the drone moves: they are left out")
    height[still | leaps] = np.nan
    return height, notes


def clean_angles(yaw_deg: FloatArray, pitch_deg: FloatArray, roll_deg: FloatArray, t_s: FloatArray) -> list[str]:
    """Put NaN into angles that a gimbal cannot have had; what was left out, for people.

    What leaps and is back within a second is left out; of a leap that lasts, the first entry, so that nothing is
    interpolated over it.

    Args:
        yaw_deg, pitch_deg, roll_deg: (N,), changed; headings go on through north.
        t_s: (N,) when.
    """
    notes: list[str] = []
    rolled = np.abs((roll_deg + 180) % 360 - 180) > MOST_ROLL_DEG
    _say(notes, rolled, f"values of gimbal roll are more than {MOST_ROLL_DEG:g} degrees and are left out")
    roll_deg[rolled] = np.nan
    leaps = np.zeros(len(t_s), dtype=np.bool_)
    for angle in (yaw_deg, pitch_deg):
        gone = _leaping(angle, t_s, TREMBLES_DEG, FASTEST_DEG_S)
        angle[gone], leaps = np.nan, leaps | gone
    _say(notes, leaps, f"directions leap faster than {FASTEST_DEG_S:g} degrees a second and are left out")
    return notes


def _leaping(values: FloatArray, t_s: FloatArray, slack: float, fastest: float) -> BoolArray:
    """(N,) what leaps and is back within :data:`SOON_S`; of a leap that lasts, the first value."""
    leaps = np.zeros(len(t_s), dtype=np.bool_)
    known = np.flatnonzero(np.isfinite(values))
    if len(known) < 2:
        return leaps
    steps = np.abs(np.diff(values[known]))
    parts = np.split(known, np.flatnonzero(steps > slack + fastest * np.diff(t_s[known])) + 1)
    for before, part in itertools.pairwise(parts):
        short = t_s[part[-1]] - t_s[part[0]] < SOON_S and part is not parts[-1]
        leaps[part if short and not leaps[before[-1]] else part[:1]] = True
    return leaps


def _runs(values: FloatArray) -> list[tuple[int, int]]:
    """Begin and end of every stretch of equal values, without unknown ones."""
    if not len(values):
        return []
    cuts = np.flatnonzero(np.diff(values) != 0) + 1
    ends = [0, *cuts.tolist(), len(values)]
    return [(a, b) for a, b in itertools.pairwise(ends) if np.isfinite(values[a])]


def _say(notes: list[str], which: BoolArray, what: str) -> None:
    if which.any():
        notes.append(f"{int(which.sum())} of {len(which)} {what}.")
