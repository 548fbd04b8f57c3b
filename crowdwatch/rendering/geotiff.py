"""Maps of the ground as GeoTIFF, which says in itself what it shows: the quantity, its unit, the time, the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from xml.sax.saxutils import escape, quoteattr

import numpy as np
import tifffile

from crowdwatch.core.records import FloatArray
from crowdwatch.core.version import __version__

__all__ = ["Band", "MapFrame", "geotiff"]

PIXEL_SCALE, TIEPOINT, GEO_KEYS, GEO_TEXT = 33550, 33922, 34735, 34737
GDAL_METADATA, GDAL_NODATA = 42112, 42113
"""Tags of GeoTIFF 1.1 (OGC 19-008r4), and two of GDAL that other readers know too."""

USER_DEFINED, PROJECTED, METRE = 32767, 1, 9001
UNIT = "people/m2"


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


@dataclass(frozen=True, slots=True, eq=False)
class Band:
    """One map of people per square metre.

    Args:
        rho_p_m2: (rows, cols), row 0 south; NaN where nothing is known.
        what: what it shows, in one line.
        from_utc, to_utc: the time that it covers.
    """

    rho_p_m2: FloatArray
    what: str
    from_utc: str
    to_utc: str


def geotiff(bands: Sequence[Band], frame: MapFrame, facts: Mapping[str, str]) -> bytes:
    """Write maps as one GeoTIFF, one band each: 32 bit floats, NaN where nothing is known.

    Args:
        bands: at least one, all of one shape.
        frame: where the grid lies.
        facts: what holds for all bands, by name: the run, the bandwidth.

    >>> band = Band(np.zeros((2, 3)), "mean", "2026-01-01T00:00:00Z", "2026-01-01T00:01:00Z")
    >>> geotiff([band], MapFrame(0, 0, 0.5, "local"), {"run_id": "r"})[:2]
    b'II'
    """
    # a picture's first row is its northern edge
    values = np.stack([np.asarray(band.rho_p_m2, dtype=np.float32)[::-1] for band in bands])
    north_m = frame.south_m + values.shape[1] * frame.cell_m
    keys, text = _geo_keys(frame.crs)
    spans = {"from_utc": min(band.from_utc for band in bands), "to_utc": max(band.to_utc for band in bands)}
    whole = {"quantity": "density of people", "unit": UNIT, **facts, **spans}
    items = [_item(name, value) for name, value in whole.items()]
    for number, band in enumerate(bands):
        items.append(_item("DESCRIPTION", band.what, number, "description"))
        items.append(_item("UNITTYPE", UNIT, number, "unittype"))
        items += [_item("from_utc", band.from_utc, number), _item("to_utc", band.to_utc, number)]
    file = BytesIO()
    tifffile.imwrite(
        file,
        values if len(values) > 1 else values[0],
        photometric="minisblack",
        planarconfig="separate" if len(values) > 1 else None,
        compression="zlib",
        metadata=None,
        description=f"people per square metre, NaN is unknown; {spans['from_utc']} to {spans['to_utc']}",
        software=f"CrowdWatch {__version__}",
        extratags=[
            (PIXEL_SCALE, "d", 3, (frame.cell_m, frame.cell_m, 0.0), True),
            (TIEPOINT, "d", 6, (0.0, 0.0, 0.0, frame.west_m, north_m, 0.0), True),
            (GEO_KEYS, "H", len(keys), keys, True),
            (GEO_TEXT, "s", 0, text, True),
            (GDAL_METADATA, "s", 0, f"<GDALMetadata>{''.join(items)}</GDALMetadata>", True),
            (GDAL_NODATA, "s", 0, "nan", True),
        ],
    )
    return file.getvalue()


def _item(name: str, value: str, sample: int | None = None, role: str = "") -> str:
    of = "" if sample is None else f' sample="{sample}"'
    of += f" role={quoteattr(role)}" if role else ""
    return f"<Item name={quoteattr(name)}{of}>{escape(_ascii(value))}</Item>"


def _ascii(text: str) -> str:
    """A tag of TIFF is ASCII; XML writes other characters by their numbers."""
    return text.encode("ascii", "xmlcharrefreplace").decode("ascii") if text.isascii() else ascii(text)[1:-1]


def _geo_keys(crs: str) -> tuple[tuple[int, ...], str]:
    """The directory of geo keys, four numbers each (key, tag of its value, count, value), and the text they cite.

    A local frame is no map: its model is told by the citation, and its unit is the metre all the same. GDAL reads it as
    LOCAL_CS with UNIT["metre",1].
    """
    code = int(crs.removeprefix("EPSG:")) if crs.startswith("EPSG:") else 0
    text = f"{crs}|" if code else "local frame of the site, metres east and north|"
    projected = code if 1024 <= code < USER_DEFINED else USER_DEFINED
    keys = [
        (1024, 0, 1, PROJECTED if code else USER_DEFINED),
        (1025, 0, 1, 1),  # a pixel is an area
        (1026, GEO_TEXT, len(text), 0),
    ]
    keys += [(3072, 0, 1, projected)] if code else []
    keys += [(3076, 0, 1, METRE)]
    return (1, 1, 1, len(keys), *(number for key in keys for number in key)), text
