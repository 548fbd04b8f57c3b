"""Pictures whose pixels are known places: orthophotos with their georeference, and pictures with control points."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from crowdwatch.calibration.registration import GroundPicture
from crowdwatch.core.records import FloatArray, GroundPlane
from crowdwatch.errors import CalibrationError
from crowdwatch.ground import valid_px

__all__ = ["MOST_PX", "from_orthophoto", "from_picture", "geo_reference", "map_of"]

PIXEL_SCALE, TIEPOINT, TRANSFORM, GEO_KEYS = 33550, 33922, 34264, 34735
"""Tags of GeoTIFF 1.1 (OGC 19-008r4)."""

RASTER_TYPE, PROJECTED_CODE, POINT = 1025, 3072, 2
WORLD_FILES = (".tfw", ".pgw", ".jgw", ".wld")
MOST_PX = 20_000

SIGHT_PX = 8
"""Pixels between those whose ground is asked for, to find what a picture validly shows."""


def from_orthophoto(path: Path, crs: str, origin_m: tuple[float, float], sigma_m: float = 0.15) -> GroundPicture:
    """Read an orthophoto in the site's map.

    Its georeference stands in the file (GeoTIFF) or in a world file beside it (``.tfw``, ``.pgw``, ``.jgw``, ``.wld``),
    which has six numbers and no code of a map: it is taken to be the site's.

    Args:
        path: the picture.
        crs: the site's map.
        origin_m: easting and northing of the site's own (0, 0).
        sigma_m: standard error of its positions.

    Raises:
        CalibrationError: it cannot be read, has no georeference, or lies on another map.
    """
    gray = _read(path)
    return GroundPicture(gray, map_of(path, crs, origin_m), sigma_m)


def map_of(path: Path, crs: str, origin_m: tuple[float, float], what: str = "orthophoto") -> FloatArray:
    """(3, 3) affine from pixels of a raster, whose first one begins at (0, 0), to the site's metres.

    Args:
        path: the raster.
        crs, origin_m: as in :func:`from_orthophoto`.
        what: it is, for people.

    Raises:
        CalibrationError: it cannot be read, has no georeference, or lies on another map.
    """
    matrix, code = geo_reference(path)
    if matrix is None:
        matrix = _world_file(path)
    if matrix is None:
        raise CalibrationError(
            f"{what} {path.name}: has no georeference: neither tags of a GeoTIFF nor a world file "
            f"({path.stem}.tfw) beside it. Export it again with its georeference."
        )
    if code is not None and f"EPSG:{code}" != crs:
        raise CalibrationError(
            f"{what} {path.name}: lies on EPSG:{code}, the site on {crs}. Convert it: gdalwarp -t_srs {crs} IN OUT."
        )
    matrix = matrix.copy()
    matrix[:2, 2] -= origin_m
    if not np.isfinite(matrix).all() or abs(np.linalg.det(matrix[:2, :2])) < 1e-8:
        raise CalibrationError(f"{what} {path.name}: its georeference is no map of the plane. Export it again.")
    return matrix


def from_picture(path: Path, plane: GroundPlane, sigma_m: float = 0.15) -> GroundPicture:
    """Read a picture of the scene with its calibration; what the calibration does not hold for is left out.

    Raises:
        CalibrationError: it cannot be read, or is of another size.
    """
    gray = _read(path)
    if gray.shape != plane.image_hw:
        got, need = gray.shape[::-1], plane.image_hw[::-1]
        raise CalibrationError(f"picture {path.name}: is {got[0]}x{got[1]}, its points are for {need[0]}x{need[1]}.")
    height, width = gray.shape
    u, v = np.meshgrid(np.arange(0, width, SIGHT_PX), np.arange(0, height, SIGHT_PX))
    seen = valid_px(plane, np.column_stack([u.ravel(), v.ravel()]).astype(np.float64)).reshape(u.shape)
    mask = cv2.resize(seen.astype(np.uint8) * 255, (width, height), interpolation=cv2.INTER_NEAREST)
    if plane.lens is not None and plane.lens.model == "opencv":
        gray = np.asarray(cv2.undistort(gray, plane.lens.camera_matrix, plane.lens.coefficients), np.uint8)
    return GroundPicture(gray, plane.image_to_ground, sigma_m, np.asarray(mask, np.uint8))


def _read(path: Path) -> NDArray[np.uint8]:
    gray = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if gray is None:
        raise CalibrationError(f"picture {path.name}: cannot be read as a picture. Convert it to PNG, JPEG or TIFF.")
    if max(gray.shape) > MOST_PX:
        raise CalibrationError(
            f"picture {path.name}: is {gray.shape[1]}x{gray.shape[0]}, more than {MOST_PX} a side. Cut it."
        )
    return np.asarray(gray, np.uint8)


def geo_reference(path: Path) -> tuple[FloatArray | None, int | None]:
    """(3, 3) pixels to map and the EPSG code, as tags of a GeoTIFF say; None for what they do not.

    Raises:
        CalibrationError: it cannot be read as a TIFF.
    """
    if path.suffix.lower() not in (".tif", ".tiff"):
        return None, None
    import tifffile

    try:
        with tifffile.TiffFile(path) as file:
            tags: dict[int, Any] = {tag.code: tag.value for tag in file.pages[0].tags}  # type: ignore[union-attr]
    except (tifffile.TiffFileError, OSError, ValueError) as error:
        raise CalibrationError(f"orthophoto {path.name}: {error}. Export it again.") from error
    keys = {row[0]: row[3] for row in zip(*[iter(tags.get(GEO_KEYS, ()))] * 4, strict=False) if row[1] == 0}
    code = keys.get(PROJECTED_CODE)
    code = None if code in (None, 32767) else int(code)
    if TRANSFORM in tags:
        whole = np.array(tags[TRANSFORM], np.float64).reshape(4, 4)
        matrix = np.array([[whole[0, 0], whole[0, 1], whole[0, 3]], [whole[1, 0], whole[1, 1], whole[1, 3]], [0, 0, 1]])
    elif PIXEL_SCALE in tags and TIEPOINT in tags:
        across, down = tags[PIXEL_SCALE][:2]
        col, row, _, east, north = tags[TIEPOINT][:5]
        matrix = np.array([[across, 0, east - col * across], [0, -down, north + row * down], [0, 0, 1.0]])
    else:
        return None, code
    if keys.get(RASTER_TYPE) == POINT:  # its tie points are centres of pixels
        matrix = matrix @ np.array([[1, 0, -0.5], [0, 1, -0.5], [0, 0, 1.0]])
    return matrix, code


def _world_file(path: Path) -> FloatArray | None:
    """(3, 3) pixels to map of the world file beside a picture, whose numbers are for the centre of the first pixel."""
    for ending in WORLD_FILES:
        beside = path.with_suffix(ending)
        if beside.is_file():
            try:
                a, d, b, e, c, f = (float(word) for word in beside.read_text().split()[:6])
            except ValueError as error:
                raise CalibrationError(f"world file {beside.name}: need six numbers. Export it again.") from error
            to_corner = np.array([[1, 0, -0.5], [0, 1, -0.5], [0, 0, 1.0]])
            return np.asarray(np.array([[a, b, c], [d, e, f], [0, 0, 1.0]]) @ to_corner, np.float64)
    return None
