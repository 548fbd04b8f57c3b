"""Maps of the ground as GeoTIFF and as PNG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from xml.sax.saxutils import escape

import cv2
import numpy as np
import tifffile

from crowdwatch.core.records import FloatArray
from crowdwatch.errors import StoreUnavailable
from crowdwatch.rendering.palette import BAND_COLOURS, BAND_EDGES_P_M2, GREY, band_index, rgb

__all__ = ["MapFrame", "geotiff", "png"]

PIXEL_SCALE, TIEPOINT, GEO_KEYS, GEO_TEXT = 33550, 33922, 34735, 34737
GDAL_METADATA, GDAL_NODATA = 42112, 42113
"""Tags of GeoTIFF 1.1 (OGC 19-008r4), and two of GDAL that other readers know too."""

USER_DEFINED = 32767
CELL_PX, LEGEND_PX = 8, 90


@dataclass(frozen=True, slots=True)
class MapFrame:
    """Where a grid lies.

    Args:
        west_m, south_m: map position of the south-west corner of cell (0, 0).
        cell_m: side of a cell.
        crs: ``EPSG:...`` of a projected map in metres, or ``local``.
    """

    west_m: float
    south_m: float
    cell_m: float
    crs: str


def geotiff(bands_p_m2: FloatArray, names: Sequence[str], frame: MapFrame) -> bytes:
    """Write maps as one GeoTIFF, one band each: 32 bit floats, NaN where nothing is known.

    Args:
        bands_p_m2: (k, rows, cols) people per square metre, row 0 south.
        names: (k,) what each band shows.
        frame: where the grid lies.

    >>> geotiff(np.zeros((1, 2, 3)), ["mean"], MapFrame(0, 0, 0.5, "local"))[:2]
    b'II'
    """
    bands = np.ascontiguousarray(bands_p_m2[:, ::-1], dtype=np.float32)  # a picture's first row is its northern edge
    north_m = frame.south_m + bands.shape[1] * frame.cell_m
    keys, text = _geo_keys(frame.crs)
    items = "".join(
        f'<Item name="DESCRIPTION" sample="{number}" role="description">{escape(name)}</Item>'
        for number, name in enumerate(names)
    )
    file = BytesIO()
    tifffile.imwrite(
        file,
        bands if len(bands) > 1 else bands[0],
        photometric="minisblack",
        planarconfig="separate" if len(bands) > 1 else None,
        compression="zlib",
        metadata=None,
        software=False,
        extratags=[
            (PIXEL_SCALE, "d", 3, (frame.cell_m, frame.cell_m, 0.0), True),
            (TIEPOINT, "d", 6, (0.0, 0.0, 0.0, frame.west_m, north_m, 0.0), True),
            (GEO_KEYS, "H", len(keys), keys, True),
            (GEO_TEXT, "s", 0, text, True),
            (GDAL_METADATA, "s", 0, f"<GDALMetadata>{items}</GDALMetadata>", True),
            (GDAL_NODATA, "s", 0, "nan", True),
        ],
    )
    return file.getvalue()


def _geo_keys(crs: str) -> tuple[tuple[int, ...], str]:
    """The directory of geo keys, four numbers each (key, tag of its value, count, value), and the text they cite."""
    code = int(crs.removeprefix("EPSG:")) if crs.startswith("EPSG:") else 0
    text = f"{crs}|" if code else "local frame of the site in metres|"
    projected = code if 1024 <= code < USER_DEFINED else USER_DEFINED
    keys = [
        (1024, 0, 1, 1 if code else USER_DEFINED),  # model: projected, or one that only the citation tells of
        (1025, 0, 1, 1),  # a pixel is an area
        (1026, GEO_TEXT, len(text), 0),
    ]
    keys += [(3072, 0, 1, projected), (3076, 0, 1, 9001)] if code else []  # the map; its unit, metres
    return (1, 1, 1, len(keys), *(number for key in keys for number in key)), text


def png(rho_p_m2: FloatArray, title: str) -> bytes:
    """Draw a map in the fixed colours of the page, north up, with their legend; grey is unknown.

    Args:
        rho_p_m2: (rows, cols) people per square metre, row 0 south.
        title: a line of ASCII under the map.
    """
    colours = np.array([rgb(GREY), (255, 255, 255), *map(rgb, BAND_COLOURS)], dtype=np.uint8)[:, ::-1]
    cells = colours[band_index(rho_p_m2[::-1]) + 2]
    ground = cells.repeat(CELL_PX, axis=0).repeat(CELL_PX, axis=1)
    entries = [(f">= {edge:g}", colour) for edge, colour in zip(BAND_EDGES_P_M2, BAND_COLOURS, strict=True)]
    entries = [*reversed(entries), (f"< {BAND_EDGES_P_M2[0]:g}", "#ffffff"), ("unknown", GREY)]
    height = max(ground.shape[0], 20 * (len(entries) + 1))
    width = max(ground.shape[1], 8 * len(title) - LEGEND_PX)
    canvas = np.full((height + 24, width + LEGEND_PX, 3), 255, dtype=np.uint8)
    canvas[: ground.shape[0], : ground.shape[1]] = ground
    _write(canvas, "p/m2", width + 8, 14)
    for number, (text, colour) in enumerate(entries, start=1):
        red, green, blue = rgb(colour)
        top = 20 * number
        cv2.rectangle(canvas, (width + 8, top + 2), (width + 24, top + 16), (blue, green, red), -1)
        cv2.rectangle(canvas, (width + 8, top + 2), (width + 24, top + 16), (0, 0, 0), 1)
        _write(canvas, text, width + 30, top + 14)
    _write(canvas, title, 4, height + 17)
    done, encoded = cv2.imencode(".png", canvas)
    if not done:
        raise StoreUnavailable(f"map {title!r}: cannot be written as PNG. Check the size of the site.")
    return encoded.tobytes()


def _write(canvas: np.ndarray, text: str, left: int, base: int) -> None:
    cv2.putText(canvas, text, (left, base), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (0, 0, 0), 1, cv2.LINE_AA)
