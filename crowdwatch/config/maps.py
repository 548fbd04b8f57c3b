"""Which map the site lies on: that the code exists, counts in metres, and does not stretch them where the site is.

A density is people divided by the square of lengths, so a map whose metres are not metres puts every number wrong: web
maps (EPSG:3857) stretch lengths by 1 / cos(latitude), which reads 2.6 times too low a density in London.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

__all__ = ["MOST_STRETCH_FRAC", "Place", "code_fault", "map_fault", "map_notes", "place_of"]

MOST_STRETCH_FRAC = 0.005
"""Lengths on the map may differ from lengths on the ground by this share at the site's origin: densities then differ by
1 %. UTM within its zone stays below 0.1 %, national maps below 0.2 %."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a site's origin lies on Earth, and how long a metre of the ground is on its map there.

    Args:
        lat_deg, lon_deg: geographic position.
        least_scale, most_scale: map length / ground length, in the directions in which it is least and most.
        within: whether the map was made for this place.
        name: of the map.
    """

    lat_deg: float
    lon_deg: float
    least_scale: float
    most_scale: float
    within: bool
    name: str

    @property
    def stretch_frac(self) -> float:
        """The largest share by which a length on the map is wrong."""
        return max(abs(self.least_scale - 1), abs(self.most_scale - 1))

    def text(self) -> str:
        """The position for people.

        >>> Place(-33.86, 151.2, 1.0, 1.0, True, "").text()
        '33.8600 S 151.2000 E'
        """
        lat, lon = self.lat_deg, self.lon_deg
        return f"{abs(lat):.4f} {'S' if lat < 0 else 'N'} {abs(lon):.4f} {'W' if lon < 0 else 'E'}"


def code_fault(crs: str) -> str | None:
    """What is wrong with the code of a map by itself, or None. ``local`` is no map and always right.

    >>> code_fault("EPSG:32650"), code_fault("EPSG:99999")
    (None, 'no such code is registered. Take the code of the map that was surveyed')
    """
    if crs == "local":
        return None
    import pyproj  # takes a second, which a site without a map does not pay

    try:
        found = pyproj.CRS.from_user_input(crs)
    except pyproj.exceptions.CRSError:
        return "no such code is registered. Take the code of the map that was surveyed"
    if not found.is_projected or found.is_compound:
        return f"{found.name} is a {found.type_name}, need a projected map without heights, as EPSG:32650"
    units = sorted({axis.unit_name for axis in found.axis_info if axis.unit_conversion_factor != 1})
    if units:
        return f"{found.name} counts in {units[0]}, need metres. Take a map in metres and convert the survey"
    if sorted(axis.direction for axis in found.axis_info) != ["east", "north"]:
        return f"the axes of {found.name} do not run east and north. Take a map whose axes do"
    return None


def place_of(crs: str, origin_m: tuple[float, float]) -> Place | None:
    """Where a site's origin lies; None where the map does not reach that far.

    The scale is that of Tissot's indicatrix (Snyder 1987, section 4), which PROJ works out for every map.

    Args:
        crs: the code of a map in metres.
        origin_m: easting and northing.

    >>> place = place_of("EPSG:3857", (-14000.0, 6711000.0))
    >>> place.text(), round(place.most_scale, 2)
    ('51.5044 N 0.1258 W', 1.61)
    """
    import pyproj

    found = pyproj.CRS.from_user_input(crs)
    projection = pyproj.Proj(found)
    lon, lat = projection(*origin_m, inverse=True)
    if not (math.isfinite(lon) and math.isfinite(lat)):
        return None
    try:
        factors = projection.get_factors(lon, lat)
    except pyproj.exceptions.ProjError:
        return None
    scales = float(factors.tissot_semiminor), float(factors.tissot_semimajor)
    if not all(map(math.isfinite, scales)):
        return None
    area = found.area_of_use
    inside = area is None or _inside(area, lon, lat)
    return Place(float(lat), float(lon), *scales, inside, str(found.name))


def map_fault(crs: str, origin_m: tuple[float, float]) -> str | None:
    """What is wrong with a map in metres at the site's origin, with the remedy, or None.

    >>> map_fault("EPSG:32630", (699000.0, 5709000.0)) is None
    True
    """
    place = place_of(crs, origin_m)
    turned = place_of(crs, (origin_m[1], origin_m[0]))
    hint = ""
    if turned is not None and turned.within and turned.stretch_frac <= MOST_STRETCH_FRAC:
        hint = f" Or are easting and northing swapped? Swapped, the origin lies at {turned.text()}."
    if place is not None and place.within:
        hint = ""
    if place is None:
        return f"{crs} does not reach to ({origin_m[0]:g}, {origin_m[1]:g}) m. Correct origin_m or the code.{hint}"
    if not place.within and abs(origin_m[0]) <= 180 and abs(origin_m[1]) <= 180:
        return (
            f"origin_m ({origin_m[0]:g}, {origin_m[1]:g}) looks like degrees: in metres of {crs} it lies at "
            f"{place.text()}, for which that map is not made. Give easting and northing in metres.{hint}"
        )
    if place.stretch_frac <= MOST_STRETCH_FRAC:
        return None
    wrong = place.most_scale if abs(place.most_scale - 1) >= abs(place.least_scale - 1) else place.least_scale
    return (
        f"{crs} ({place.name}) is not in metres of the ground at the site's origin, {place.text()}: a length of 100 m "
        f"is {100 * wrong:.1f} m on this map, need 99.5 to 100.5 m, or densities are wrong by up to "
        f"{_times(place)}. {_remedy(place)}{hint}"
    )


def map_notes(crs: str, origin_m: tuple[float, float] | None) -> list[str]:
    """What whoever sets a site up should hold against the real place: where the map puts it."""
    place = None if crs == "local" or origin_m is None else place_of(crs, origin_m)
    if place is None:
        return []
    percent = 100 * place.stretch_frac
    said = [f"{crs} puts the site's origin at {place.text()}; lengths on it are right there within {percent:.2f} %."]
    if not place.within:
        said.append(f"{crs} ({place.name}) is not made for {place.text()}: check the code and site.origin_m.")
    return said


def _inside(area: Any, lon: float, lat: float) -> bool:
    """Whether a place lies within a map's area of use, which may reach over the date line."""
    if area.west <= area.east:
        return bool(area.west <= lon <= area.east and area.south <= lat <= area.north)
    return bool((lon >= area.west or lon <= area.east) and area.south <= lat <= area.north)


def _times(place: Place) -> str:
    ratio = max(place.most_scale, 1 / place.least_scale) ** 2
    return f"{ratio:.2g} times" if ratio >= 1.5 else f"{100 * (ratio - 1):.1f} %"


def _remedy(place: Place) -> str:
    from pyproj.aoi import AreaOfInterest
    from pyproj.database import query_utm_crs_info

    here = AreaOfInterest(place.lon_deg, place.lat_deg, place.lon_deg, place.lat_deg)
    fitting = query_utm_crs_info(datum_name="WGS 84", area_of_interest=here)
    if not fitting:
        return "Take a map that is made for this place, or crs: local, and convert the survey."
    best = f"{fitting[0].auth_name}:{fitting[0].code} ({fitting[0].name})"
    return f"Convert the survey to {best}, or to metres of your own with crs: local; or correct origin_m."
