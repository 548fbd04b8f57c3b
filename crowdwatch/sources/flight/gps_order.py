"""Which number of a position is the latitude, where the file does not name them: decided by evidence, or not at all.

``GPS(149.0251,-20.2533,16)`` of most DJI firmware has the longitude first, ``GPS(36.6146,-6.1120,0.0M)`` of a Matrice
300 the latitude. The second one is in Spain or in Tanzania, and nothing in the file says where.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from crowdwatch.core.records import FloatArray
from crowdwatch.errors import SourceUnavailable
from crowdwatch.sources.flight.log import Field, FlightLog, Order

__all__ = ["MOST_AWAY_M", "decided", "metres_between", "positions_of"]

EARTH_M = 6_371_000.0

MOST_AWAY_M = 20_000.0
"""Farther from the site nothing that films it can be: radio links of such drones end there."""

FIT = 0.03
"""How well a distance to home fits a position: those that DJI writes fit within a few parts in a thousand."""


def positions_of(log: FlightLog) -> tuple[FloatArray, FloatArray]:
    """(N,) latitude and longitude in degrees of a log whose order is known; NaN where an entry has none."""
    lat, lon = log.get(Field.LAT), log.get(Field.LON)
    pair = log.get(Field.FIRST), log.get(Field.SECOND)
    if log.order is Order.UNDECIDED or (log.order is Order.NAMED and not log.has(Field.FIRST)):
        return lat, lon
    by_pair = pair if log.order is Order.LAT_LON else pair[::-1]
    return np.where(np.isnan(lat), by_pair[0], lat), np.where(np.isnan(lon), by_pair[1], lon)


def metres_between(lat: FloatArray, lon: FloatArray, to_lat: FloatArray, to_lon: FloatArray) -> FloatArray:
    """(N,) metres on a sphere between places in degrees (haversine; Sinnott 1984).

    >>> float(metres_between(np.array([0.0]), np.array([0.0]), np.array([0.0]), np.array([1.0])).round(-2)[0])
    111200.0
    """
    lat, lon, to_lat, to_lon = (np.radians(each) for each in (lat, lon, to_lat, to_lon))
    half = np.sin((to_lat - lat) / 2) ** 2 + np.cos(lat) * np.cos(to_lat) * np.sin((to_lon - lon) / 2) ** 2
    return np.asarray(2 * EARTH_M * np.arcsin(np.sqrt(np.clip(half, 0.0, 1.0))))


def decided(log: FlightLog, told: Order | None = None, site: tuple[float, float] | None = None) -> FlightLog:
    """The log with its order, where it can be told; else as it is, undecided.

    In this order: a latitude is at most 90 degrees; the written distance to home fits one order alone; a person has
    told it; the site is near in one order alone.

    Args:
        log: whose order may be undecided.
        told: what a person says.
        site: latitude and longitude of the site.

    Raises:
        SourceUnavailable: what a person says cannot be.
    """
    if log.order is not Order.UNDECIDED:
        return log
    by_range = _by_range(log.get(Field.FIRST), log.get(Field.SECOND))
    if told is not None and by_range is not None and told is not by_range:
        raise SourceUnavailable(
            f"telemetry {log.name}: gps_order is {told.value}, and then a latitude is beyond 90 degrees. Remove it."
        )
    found = by_range or _by_distance(log) or told or _by_site(log, site)
    if found is not None and told is not None and found is not told:
        raise SourceUnavailable(
            f"telemetry {log.name}: gps_order is {told.value}, but its distances to home fit {found.value} alone. "
            "Remove the key."
        )
    return log if found is None else replace(log, order=found)


def _by_range(first: FloatArray, second: FloatArray) -> Order | None:
    with np.errstate(invalid="ignore"):
        if (np.abs(first) > 90).any():
            return Order.LON_LAT
        return Order.LAT_LON if (np.abs(second) > 90).any() else None


def _by_distance(log: FlightLog) -> Order | None:
    """By the distance to home, which is another one where latitude and longitude are exchanged."""
    pair = log.get(Field.FIRST), log.get(Field.SECOND)
    home = log.get(Field.HOME_FIRST), log.get(Field.HOME_SECOND)
    told_m = log.get(Field.HOME_DISTANCE)
    known = np.isfinite(pair[0] + home[0] + told_m) & (told_m > 20)
    if known.sum() < 3:
        return None
    room_m = 3 * log.degrees_step * np.radians(EARTH_M)
    fits = {}
    for order, turn in ((Order.LON_LAT, -1), (Order.LAT_LON, 1)):
        (lat, lon), (home_lat, home_lon) = pair[::turn], home[::turn]
        off = np.abs(metres_between(lat, lon, home_lat, home_lon) - told_m)[known]
        fits[order] = bool(np.median(off - FIT * told_m[known]) <= room_m)
    if fits[Order.LON_LAT] == fits[Order.LAT_LON]:
        return None
    return Order.LON_LAT if fits[Order.LON_LAT] else Order.LAT_LON


def _by_site(log: FlightLog, site: tuple[float, float] | None) -> Order | None:
    if site is None:
        return None
    near = {}
    for order in (Order.LON_LAT, Order.LAT_LON):
        lat, lon = positions_of(replace(log, order=order))
        known = np.isfinite(lat) & np.isfinite(lon) & ((lat != 0) | (lon != 0))
        away_m = metres_between(lat[known], lon[known], np.full(known.sum(), site[0]), np.full(known.sum(), site[1]))
        near[order] = bool(known.any()) and bool(np.median(away_m) <= MOST_AWAY_M)
    if near[Order.LON_LAT] == near[Order.LAT_LON]:
        return None
    return Order.LON_LAT if near[Order.LON_LAT] else Order.LAT_LON
