"""WGS84 on the site's map: degrees to metres from the site's origin, and where true north lies there."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from crowdwatch.core.records import FloatArray

__all__ = ["SitePlace"]

NORTHWARD_DEG = 1e-4
"""How far north, about 11 m, one looks to see where the map puts north."""


@lru_cache(maxsize=8)
def _from_wgs84(crs: str) -> Any:
    from pyproj import Transformer  # takes a second, which a site without a map does not pay

    return Transformer.from_crs("EPSG:4326", crs, always_xy=True)


@dataclass(frozen=True, slots=True)
class SitePlace:
    """Where a site lies.

    Args:
        crs: the EPSG code of its map in metres.
        origin_m: easting and northing of its own (0, 0).
    """

    crs: str
    origin_m: tuple[float, float]

    def to_site(self, lat_deg: FloatArray, lon_deg: FloatArray) -> FloatArray:
        """(N, 2) east and north of places in degrees; NaN where the map does not reach."""
        east, north = _from_wgs84(self.crs).transform(lon_deg, lat_deg)
        xy = np.stack([np.asarray(east, np.float64), np.asarray(north, np.float64)], axis=-1) - self.origin_m
        return np.where(np.isfinite(xy), xy, np.nan)

    def to_wgs84(self, xy_m: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Latitude and longitude of (N, 2) places on the site."""
        east, north = (np.asarray(xy_m, np.float64) + self.origin_m).T
        lon, lat = _from_wgs84(self.crs).transform(east, north, direction="INVERSE")
        return np.asarray(lat, np.float64), np.asarray(lon, np.float64)

    @property
    def lat_lon(self) -> tuple[float, float]:
        """Latitude and longitude of the origin."""
        lat, lon = self.to_wgs84(np.zeros((1, 2)))
        return float(lat[0]), float(lon[0])

    def true_north_deg(self) -> float:
        """Direction of true north on the map at the origin, clockwise from the map's north: what a heading by the
        compass needs to be a direction on the map.

        >>> round(SitePlace("EPSG:32631", (500000.0, 5000000.0)).true_north_deg(), 3) + 0.0  # on the middle meridian
        0.0
        >>> round(SitePlace("EPSG:32631", (650000.0, 5000000.0)).true_north_deg(), 1)  # 150 km east of it
        -1.4
        """
        lat, lon = self.lat_lon
        here, there = self.to_site(np.array([lat, lat + NORTHWARD_DEG]), np.array([lon, lon]))
        return math.degrees(math.atan2(there[0] - here[0], there[1] - here[1]))
