"""A drone over ground that is not flat: rays meet the ground, and the plane of a picture says how wrong it is."""

import numpy as np
import pytest
import tifffile

from crowdwatch.calibration.terrain_files import read_terrain
from crowdwatch.errors import CalibrationError
from crowdwatch.ground import (
    AerialPose,
    Terrain,
    aerial_plane,
    aerial_rotation,
    camera_matrix,
    position_sigma_m,
    to_ground,
)
from crowdwatch.sources.flight.film import FlightView
from crowdwatch.sources.flight.flight import Flight

HW, FOCAL_PX = (1080, 1920), 1331.0
POSE = AerialPose(3.0, -35.0, 60.0, 8.0, -58.0, 0.0, FOCAL_PX)
NONE = AerialPose(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
RING = np.array([[-40.0, -20.0], [40.0, -20.0], [40.0, 40.0], [-40.0, 40.0]])


def raster(height):
    """Heights every metre from (-90, -90) to (90, 90), north up."""
    x, y = np.meshgrid(np.arange(-90, 91.0), np.arange(90, -91.0, -1))
    return Terrain(height(x, y), np.array([[1.0, 0, 90], [0, -1.0, 90], [0, 0, 1]]), 0.1)


def pixels(places, heights):
    """Where people on the ground are in the picture, by a pinhole of the test's own."""
    world = np.column_stack([places, heights]) - [POSE.east_m, POSE.north_m, POSE.up_m]
    rotation = aerial_rotation(POSE.yaw_deg, POSE.pitch_deg, POSE.roll_deg)
    seen = world @ rotation.T @ camera_matrix(FOCAL_PX, HW).T
    return seen[:, :2] / seen[:, 2:]


def people(height, count=300):
    places = np.random.default_rng(2).uniform((-20, -12), (25, 30), (count, 2))
    heights = height(*places.T)
    uv = pixels(places, heights)
    shown = (uv > 0).all(axis=1) & (uv < [HW[1], HW[0]]).all(axis=1)
    return places[shown], uv[shown], pixels(places, heights + 1.65)[shown]


def view(terrain, errors=NONE):
    flight = Flight(np.array([0.0, 1.0]), np.tile(POSE.values(), (2, 1)), errors, 0.0, 2.0)
    return FlightView(flight, HW, max_sigma_m=20.0, terrain=terrain).at(0.5)


def test_on_a_slope_feet_and_heads_lie_where_people_stand():
    def height(x, y):
        return 1.0 + 0.06 * x - 0.1 * y

    local = raster(height).local(POSE, HW)
    assert local.surface == pytest.approx((1.0, 0.06, -0.1), abs=1e-6)
    assert local.most_m < 1e-6
    places, feet, heads = people(height)
    plane = view(raster(height))
    assert np.abs(to_ground(plane, feet) - places).max() < 1e-3
    assert np.abs(to_ground(plane, heads, 1.65) - places).max() < 1e-3
    flat = aerial_plane(POSE, NONE, HW, max_sigma_m=20.0)
    assert np.median(np.hypot(*(to_ground(flat, feet) - places).T)) > 0.7


def test_what_one_plane_cannot_follow_goes_into_the_error_that_is_told():
    def height(x, y):
        return 2.0 * np.sin(x / 12) + 1.5 * np.cos(y / 15)

    local = raster(height).local(POSE, HW)
    assert 0.5 < local.off_m < local.most_m < 5
    places, feet, _ = people(height)
    off, told = (
        np.hypot(*(to_ground(view(raster(height)), feet) - places).T),
        position_sigma_m(view(raster(height)), feet),
    )
    assert np.mean(off <= 2 * told) > 0.9
    assert np.percentile(off, 90) > 0.3  # it is no small thing


def test_a_hill_hides_what_lies_behind_it_and_unknown_ground_is_none():
    def height(x, y):
        return np.where(np.abs(y - 5) < 3, 20.0, 0.0)

    met = raster(height).met(np.array([0.0, -60.0, 30.0]), np.array([[0.0, 60.0, -24.0], [0.0, 60.0, 1.0]]))
    assert met[0, 1] == pytest.approx(2.0, abs=1.5)  # its front, not the ground 15 m on
    assert np.isnan(met[1]).all()
    hole = raster(lambda x, y: np.where(y > -60, np.nan, 0.0))
    with pytest.raises(CalibrationError, match="does not hold the ground that it looks at"):
        hole.local(POSE, HW)
    with pytest.raises(CalibrationError, match="terrain rises to 100"):
        raster(lambda x, y: np.full(x.shape, 100.0)).local(POSE, HW)


def write(path, heights, *, code=32650, corner=(447410.5, 4418590.5), scale=1.0, georeference=True, no_data=None):
    keys = (1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, code)
    tags = [
        (33550, "d", 3, (scale, scale, 0.0), True), (33922, "d", 6, (0.0, 0.0, 0.0, *corner, 0.0), True),
        (34735, "H", len(keys), keys, True),
    ]  # fmt: skip
    more = [] if no_data is None else [(42113, "s", 0, no_data, True)]
    tifffile.imwrite(path, heights.astype(np.float32), extratags=(tags if georeference else []) + more)
    return path


def test_a_geotiff_is_read_on_the_sites_map_and_others_are_refused(tmp_path):
    place = ("EPSG:32650", (447500.0, 4418500.0), RING)
    x, y = np.meshgrid(np.arange(-89.0, 92), np.arange(90.0, -91, -1))
    heights = 43.0 + 0.05 * x + 0.0 * y
    heights[0, 0] = -9999
    good = write(tmp_path / "dtm.tif", heights, corner=(447410.5, 4418590.5), no_data="-9999")
    terrain = read_terrain(good, *place)
    # the raster's level is that of the site's middle: heights on the site count from it
    assert terrain.at(np.array([[20.0, 0.0], [0.0, 10.0]])) == pytest.approx([1.0, 0.0], abs=0.06)
    assert read_terrain(good, *place, level_m=40.0).at(np.array([0.0, 0.0])) == pytest.approx(3.0, abs=0.06)
    cases = [
        (write(tmp_path / "a.tif", heights, georeference=False), {}, "has no georeference"),
        (write(tmp_path / "b.tif", heights, code=32651), {}, "lies on EPSG:32651, the site on EPSG:32650"),
        (
            write(tmp_path / "c.tif", heights, corner=(440000.0, 4418590.5)),
            {},
            "does not hold the site's walkable area",
        ),
        (write(tmp_path / "d.tif", np.zeros((2, 9))), {}, "need one band of heights"),
        (write(tmp_path / "e.tif", np.full(heights.shape, np.nan)), {}, "does not hold the site's walkable area"),
        (good, {"level_m": 900.0}, "ground_elevation_m says 900"),
        (tmp_path / "none.tif", {}, "none.tif"),
    ]
    for path, more, what in cases:
        with pytest.raises(CalibrationError, match=what):
            read_terrain(path, *place, **more)
