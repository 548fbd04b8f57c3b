"""Heights of the ground from a GeoTIFF (a digital terrain model), on the site's map."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import shapely

from crowdwatch.calibration.ground_pictures import map_of
from crowdwatch.core.records import FloatArray
from crowdwatch.errors import CalibrationError
from crowdwatch.ground import Terrain

__all__ = ["read_terrain"]

NO_DATA = 42113
"""Tag of GDAL: the value of unknown cells, as text."""

AROUND_M = 50.0
"""Beyond the walkable area nothing is counted: what lies farther is cut off, so that a hillside behind the square does
not tilt the plane of the square."""

LEAST_CELLS = 4
MOST_CELLS = 4_000_000


def read_terrain(
    path: Path, crs: str, origin_m: tuple[float, float], walkable_m: FloatArray, sigma_m: float = 0.5,
    level_m: float | None = None,
) -> Terrain:  # fmt: skip
    """Read heights around the walkable area.

    Args:
        path: a GeoTIFF of one band, metres; or a TIFF with a world file.
        crs, origin_m: the site's map, and easting and northing of its own (0, 0).
        walkable_m: (K, 2) ring on the site.
        sigma_m: standard error of the heights.
        level_m: of the site's own zero in the raster's heights; None: the median over the walkable area.

    Raises:
        CalibrationError: it cannot be read, has no georeference, lies on another map, or does not hold the site.
    """
    import tifffile

    to_site = map_of(path, crs, origin_m, "terrain")
    try:
        with tifffile.TiffFile(path) as file:
            page = file.pages[0]
            found = np.asarray(page.asarray(), np.float64)
            no_data = page.tags.get(NO_DATA)  # type: ignore[union-attr]
    except (tifffile.TiffFileError, OSError, ValueError, IndexError) as error:
        raise CalibrationError(f"terrain {path.name}: {error}. Export it again as a GeoTIFF.") from error
    if found.ndim != 2 or min(found.shape) < LEAST_CELLS:
        raise CalibrationError(f"terrain {path.name}: need one band of heights, got an array of shape {found.shape}.")
    if no_data is not None:
        found[np.isclose(found, float(str(no_data.value).strip("\0 ")))] = np.nan
    found[~(np.abs(found) < 9000.0)] = np.nan  # no ground lies there: other marks of unknown cells
    to_cell = np.array([[1, 0, -0.5], [0, 1, -0.5], [0, 0, 1.0]]) @ np.linalg.inv(to_site)
    west, south = walkable_m.min(axis=0) - AROUND_M
    east, north = walkable_m.max(axis=0) + AROUND_M
    corners = np.array([[west, south, 1], [west, north, 1], [east, south, 1], [east, north, 1]]) @ to_cell.T
    low = np.maximum(np.floor(corners[:, :2].min(axis=0)).astype(np.int64), 0)
    high = np.ceil(corners[:, :2].max(axis=0)).astype(np.int64) + 1
    cut = found[low[1] : max(high[1], low[1]), low[0] : max(high[0], low[0])]
    if cut.size > MOST_CELLS:
        raise CalibrationError(f"terrain {path.name}: has {cut.size:,} cells around the site. Resample it to 0.5 m.")
    away = CalibrationError(
        f"terrain {path.name}: does not hold the site's walkable area. Name the raster of this place, or correct "
        "site.crs and origin_m."
    )
    if min(cut.shape) < LEAST_CELLS:
        raise away
    to_cell[:2, 2] -= low
    terrain = Terrain(cut, to_cell, sigma_m)
    x, y = (np.linspace(a, b, 24) for a, b in zip(walkable_m.min(axis=0), walkable_m.max(axis=0), strict=True))
    places = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    inside = terrain.at(places[shapely.contains_xy(shapely.Polygon(walkable_m), *places.T)])
    if not len(inside) or np.isnan(inside).mean() > 0.1:
        raise away
    level = float(np.nanmedian(inside)) if level_m is None else level_m
    if abs(float(np.nanmedian(inside)) - level) > 100.0:
        raise CalibrationError(
            f"terrain {path.name}: the ground lies {float(np.nanmedian(inside)):.0f} m high there, and "
            f"ground_elevation_m says {level:g}. Correct it, or remove it: then the raster says."
        )
    return Terrain(cut - level, to_cell, sigma_m)
