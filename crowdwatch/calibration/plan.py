"""A plan of the site: a drawing or a picture from above with a scale, so that a place in it is a place in metres."""

from __future__ import annotations

import math
import tempfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from crowdwatch.calibration.ground_pictures import MOST_PX, geo_reference
from crowdwatch.core.records import FloatArray, readonly
from crowdwatch.errors import CalibrationError

__all__ = ["Plan", "by_distance", "by_scale", "from_geotiff", "read_upload", "sheet"]

U8 = NDArray[np.uint8]

LEAST_M_PX, MOST_M_PX = 1e-4, 20.0
"""A pixel of a plan is worth more than a tenth of a millimetre and less than a house."""

MOST_MEGAPIXELS = 200

TIFF = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")
"""How a TIFF begins, in both byte orders, and a large one."""


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """A plan and its scale.

    Args:
        image_hw: its size in pixels.
        to_ground: (3, 3) from its pixels (x right, y down) to metres east and north.
    """

    image_hw: tuple[int, int]
    to_ground: FloatArray

    def __post_init__(self) -> None:
        object.__setattr__(self, "to_ground", readonly("to_ground", self.to_ground, (3, 3)))

    @property
    def metres_per_px(self) -> float:
        """What a pixel is worth, as the root of its area."""
        return math.sqrt(abs(float(np.linalg.det(self.to_ground[:2, :2]))))

    def ground_m(self, uv_px: FloatArray) -> FloatArray:
        """(N, 2) places in metres of (N, 2) pixels.

        >>> by_scale((100, 200), 0.5).ground_m(np.array([[0.0, 100.0], [200.0, 0.0]])).tolist()
        [[0.0, 0.0], [100.0, 50.0]]
        """
        uv = np.asarray(uv_px, dtype=np.float64).reshape(-1, 2)
        found: FloatArray = uv @ self.to_ground[:2, :2].T + self.to_ground[:2, 2]
        return found

    def pixels(self, xy_m: FloatArray) -> FloatArray:
        """(N, 2) pixels of (N, 2) places in metres.

        >>> by_scale((100, 200), 0.5).pixels(np.array([[0.0, 0.0]])).tolist()
        [[0.0, 100.0]]
        """
        xy = np.asarray(xy_m, dtype=np.float64).reshape(-1, 2)
        found: FloatArray = (xy - self.to_ground[:2, 2]) @ np.linalg.inv(self.to_ground[:2, :2]).T
        return found


def by_scale(image_hw: tuple[int, int], metres_per_px: float, south_west_m: tuple[float, float] = (0.0, 0.0)) -> Plan:
    """A plan whose top is north, with a known scale.

    Args:
        image_hw: its size.
        metres_per_px: what a pixel is worth.
        south_west_m: east and north of its lower left corner.

    Raises:
        CalibrationError: the scale cannot be one.
    """
    if not (math.isfinite(metres_per_px) and LEAST_M_PX <= metres_per_px <= MOST_M_PX):
        raise CalibrationError(
            f"scale of the plan: got {metres_per_px:g} m a pixel, need {LEAST_M_PX:g} to {MOST_M_PX:g}. "
            "Measure a length in the plan and type it in metres."
        )
    east, north = south_west_m
    scale = metres_per_px
    return Plan(image_hw, np.array([[scale, 0.0, east], [0.0, -scale, north + scale * image_hw[0]], [0.0, 0.0, 1.0]]))


def by_distance(
    image_hw: tuple[int, int], ends_px: FloatArray, distance_m: float, south_west_m: tuple[float, float] = (0.0, 0.0)
) -> Plan:
    """A plan whose scale follows from two points of known distance.

    Raises:
        CalibrationError: the points are one, or the distance is none.

    >>> by_distance((100, 100), np.array([[10.0, 10.0], [40.0, 50.0]]), 25.0).metres_per_px
    0.5
    """
    ends = np.asarray(ends_px, dtype=np.float64).reshape(-1, 2)
    apart = float(np.linalg.norm(ends[1] - ends[0])) if len(ends) == 2 else 0.0
    if apart < 10:
        raise CalibrationError(
            f"scale of the plan: the two points are {apart:.1f} pixels apart, need 10. Choose points far apart."
        )
    if not (math.isfinite(distance_m) and distance_m > 0):
        raise CalibrationError(f"scale of the plan: got a distance of {distance_m:g} m, need > 0. Measure it.")
    return by_scale(image_hw, distance_m / apart, south_west_m)


def sheet(west: float, south: float, east: float, north: float) -> tuple[U8, Plan]:
    """An empty sheet with a line every 5 m, a bold one every 25 m, for a site without a plan.

    >>> picture, plan = sheet(0, 0, 40, 20)
    >>> picture.shape[0] * plan.metres_per_px, picture.shape[1] * plan.metres_per_px
    (20.0, 40.0)
    """
    wide, high = max(east - west, 1.0), max(north - south, 1.0)
    px_m = min(40.0, 1200 / max(wide, high))
    hw = (max(round(high * px_m), 1), max(round(wide * px_m), 1))
    plan = by_scale(hw, 1 / px_m, (west, south))
    picture = np.full((*hw, 3), 38, np.uint8)
    for axis, low, high_m in ((0, west, east), (1, south, north)):
        for number in range(math.ceil(low / 5), math.floor(high_m / 5) + 1):
            bold, at = number % 5 == 0, 5.0 * number
            ends = [(at, south), (at, north)] if axis == 0 else [(west, at), (east, at)]
            (a, b), (c, d) = np.round(plan.pixels(np.array(ends))).astype(int).tolist()
            cv2.line(picture, (a, b), (c, d), (120, 120, 120) if bold else (70, 70, 70), 2 if bold else 1)
            if bold:
                place = (a + 4, hw[0] - 6) if axis == 0 else (4, b - 6)
                cv2.putText(picture, f"{'EN'[axis]} {at:g} m", place, cv2.FONT_HERSHEY_SIMPLEX, 0.5, (210, 210, 210), 1,
                            cv2.LINE_AA)  # fmt: skip
    return picture, plan


def read_upload(name: str, content: bytes) -> U8:
    """A picture that somebody sent, (H, W, 3) BGR.

    Raises:
        CalibrationError: it is no picture, or too large to be worked on.
    """
    from PIL import Image, UnidentifiedImageError

    refused = f"{name[:80]!r} is no picture that can be read ({len(content)} bytes). Send a PNG, a JPEG or a TIFF."
    try:
        with Image.open(BytesIO(content)) as head:  # the size stands in the head: nothing is unpacked yet
            width, height = head.size
    except (
        UnidentifiedImageError,
        OSError,
        ValueError,
        SyntaxError,
        ImportError,
        Image.DecompressionBombError,
    ) as error:
        # ImportError: where Ultralytics was imported, Pillow asks for one more library before it gives up
        raise CalibrationError(refused) from error
    if max(width, height) > MOST_PX or width * height > MOST_MEGAPIXELS * 1e6:
        raise CalibrationError(
            f"{name[:80]!r} is {width} x {height} pixels, more than {MOST_PX} a side or {MOST_MEGAPIXELS} million. "
            "Make it smaller, and give its new scale."
        )
    try:
        image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise CalibrationError(refused) from error
    if image is None:
        raise CalibrationError(refused)
    return np.asarray(image, dtype=np.uint8)


def from_geotiff(
    name: str, content: bytes, crs: str, origin_m: tuple[float, float] | None
) -> tuple[U8, Plan, str, tuple[float, float]]:
    """An orthophoto with its georeference.

    Args:
        name: of the file, for messages.
        content: its bytes.
        crs: the site's map; ``local`` takes that of the file.
        origin_m: of the site; None puts it at the lower left corner of the picture.

    Returns:
        The picture, its plan in metres of the site, the map and the origin.

    Raises:
        CalibrationError: it has no georeference, or lies on another map than the site.
    """
    image = read_upload(name, content)
    if content[:4] not in TIFF:
        raise CalibrationError(f"{name[:80]!r} is no TIFF and has no georeference. Give its scale, or send a GeoTIFF.")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "plan.tif"
        path.write_bytes(content)
        matrix, code = geo_reference(path)
    if matrix is None or not np.isfinite(matrix).all() or abs(np.linalg.det(matrix[:2, :2])) < 1e-8:
        raise CalibrationError(f"{name[:80]!r} has no georeference. Give its scale, or export it again as a GeoTIFF.")
    if crs == "local":
        if code is None:
            raise CalibrationError(f"{name[:80]!r} does not say on which map it lies. Give its scale instead.")
        crs = f"EPSG:{code}"
    elif code is not None and crs != f"EPSG:{code}":
        raise CalibrationError(
            f"{name[:80]!r} lies on EPSG:{code}, the site on {crs}. Convert it: gdalwarp -t_srs {crs} IN OUT."
        )
    if origin_m is None:
        west, south = (matrix @ np.array([0.0, image.shape[0], 1.0]))[:2]
        origin_m = (float(math.floor(west)), float(math.floor(south)))
    moved = matrix.copy()
    moved[:2, 2] -= origin_m
    return image, Plan((image.shape[0], image.shape[1]), moved), crs, origin_m
