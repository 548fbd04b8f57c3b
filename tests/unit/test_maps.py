"""The map on which a site lies: its code exists, it counts in metres, and they are metres where the site is."""

import math
import re
from pathlib import Path

import pytest

from crowdwatch import config
from crowdwatch.config.maps import map_fault, map_notes, place_of

from .test_config import plain, refused, write

LONDON, BEIJING = (699_000.0, 5_709_000.0), (447_000.0, 4_419_000.0)


def on_map(folder: Path, crs: str, origin_m: tuple[float, float]) -> Path:
    event = plain()
    event["site"] |= {"crs": crs, "origin_m": list(origin_m)}
    return write(folder, event)


@pytest.mark.parametrize(
    ("crs", "origin_m"),
    [
        ("EPSG:32630", LONDON),
        ("EPSG:32650", BEIJING),
        ("EPSG:27700", (530_000.0, 180_000.0)),
        ("EPSG:3035", (4_321_000.0, 3_210_000.0)),
        ("EPSG:2154", (652_000.0, 6_862_000.0)),
        ("EPSG:4527", (39_447_000.0, 4_419_000.0)),  # Gauss-Kruger with the zone's number before the easting
        ("EPSG:3857", (0.0, 100_000.0)),  # a degree off the equator a web map is 0.01 % off
    ],
)
def test_maps_whose_metres_are_metres_are_accepted(tmp_path: Path, crs: str, origin_m: tuple[float, float]) -> None:
    assert config.load(on_map(tmp_path, crs, origin_m)).site.crs == crs


def test_a_web_map_is_stretched_by_the_cosine_of_the_latitude() -> None:
    place = place_of("EPSG:3857", (-14_000.0, 6_711_000.0))
    assert place is not None
    # of a sphere; the ellipsoid differs by 0.3 %
    assert place.most_scale == pytest.approx(1 / math.cos(math.radians(place.lat_deg)), rel=0.003)


@pytest.mark.parametrize(
    ("crs", "origin_m", "says"),
    [
        # ((1 / cos 51.5) ** 2 = 2.58
        ("EPSG:3857", (-14_000.0, 6_711_000.0), r"160\.7 m.*wrong by up to 2\.6 times.*EPSG:32630 (?!.*swapped)"),
        ("EPSG:3857", (12_956_000.0, -4_008_000.0), r"33\.8\d+ S 116\.38\d+ E.*EPSG:32750"),
        ("EPSG:3395", (-14_000.0, 6_711_000.0), r"100 m is 161\.0 m"),
        # equal areas, but lengths to the east 1.2 % short
        ("EPSG:5070", (1e6, 2e6), r"need 99\.5 to 100\.5 m"),
        ("EPSG:32650", BEIJING[::-1], r"119\.6 m.*swapped\? Swapped, the origin lies at 39\.9\d+ N 116\.3\d+ E"),
        ("EPSG:3035", (4e7, 3e6), "does not reach to"),
        ("EPSG:32650", (116.38, 39.91), r"origin_m \(116\.38, 39\.91\) looks like degrees.*in metres"),
        ("EPSG:2263", (985_000.0, 200_000.0), "counts in US survey foot, need metres"),
        ("EPSG:4326", (-0.1, 51.5), "is a Geographic 2D CRS"),
        ("EPSG:99999", (0.0, 0.0), "no such code is registered"),
    ],
)
def test_maps_whose_metres_are_not_are_refused(tmp_path: Path, crs: str, origin_m: tuple[float, float], says: str):
    said = refused(on_map(tmp_path, crs, origin_m))
    assert re.search(says, said), said
    assert said.count("\n") == 1, "one fault, one line"


def test_half_a_percent_is_the_limit() -> None:
    # UTM: k = 0.9996 (1 + x^2 / 2 R^2); 500 km + 663 km is 0.5 % too long, with R = 6,382 km
    assert map_fault("EPSG:32650", (500_000.0 + 655_000.0, 4_419_000.0)) is None
    assert "EPSG:3265" in (map_fault("EPSG:32650", (500_000.0 + 675_000.0, 4_419_000.0)) or "")


def test_a_map_of_another_country_is_said() -> None:
    here, elsewhere = map_notes("EPSG:32650", BEIJING), map_notes("EPSG:32651", (10_000.0, 4_419_000.0))
    assert here == [
        "EPSG:32650 puts the site's origin at 39.9194 N 116.3798 E; lengths on it are right there within 0.04 %."
    ]
    assert "is not made for 39.7798 N 117.2797 E" in elsewhere[1]
    assert map_notes("local", None) == []
