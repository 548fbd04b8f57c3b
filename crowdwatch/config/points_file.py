"""Control points in a file of their own, as YAML, JSON or CSV.

YAML or JSON; everything but ``points`` is optional, and all of it is written as in the event file::

    image_size_px: [768, 576]              # width and height of the picture that was clicked
    camera_position_m: [-28.9, -19.5, 7.1] # east, north, height; without it heads are refused
    head_plane_m: 1.65
    click_sigma_px: 2
    lens: {model: opencv, focal_px: [1200, 1200], centre_px: [384, 288], coefficients: [-0.1, 0, 0, 0]}
    points:
      - {name: kerb, pixel_px: [120, 500], ground_m: [-12.5, 3.25], survey_sigma_m: 0.02}

CSV: a heading ``name,u_px,v_px,x_m,y_m,survey_sigma_m`` (name and survey_sigma_m may be missing), then one point a
line; commas, semicolons or tabs between; decimal points, or decimal commas where they cannot be anything else. Lines
that begin with ``#`` and Excel's ``sep=`` are passed over. What other programs write is called by its name.
"""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from crowdwatch.assets.document import Document, read_document, text_of
from crowdwatch.config.calibration_keys import PointsFile
from crowdwatch.config.structure import structure_faults
from crowdwatch.errors import CalibrationError, ConfigError

__all__ = ["read_points"]

_COLUMNS = ("name", "u_px", "v_px", "x_m", "y_m", "survey_sigma_m")


def read_points(path: Path | str) -> PointsFile:
    """Read control points; the form of the file is in this module's heading.

    Args:
        path: ``.csv`` and ``.tsv`` are read as a table, everything else as YAML (of which JSON is a part).

    Returns:
        What the file says; a point without a name is called by its number.

    Raises:
        CalibrationError: the file cannot be read, or it has faults: all are listed, each with its line.
    """
    document = Document(Path(path), "points file", "Write at least four points into it.")
    read = None
    try:
        _other_programs(document)
        if document.path.suffix.lower() in (".csv", ".tsv"):
            _read_table(document)
        else:
            read_document(document)
        _number_points(document.raw)
        try:
            read = PointsFile.model_validate(document.raw)
        except ValidationError as error:
            structure_faults(document, error, PointsFile)
        if document.faults or read is None:
            raise document.error()
    except ConfigError as error:
        raise CalibrationError(str(error)) from error
    return read


def _number_points(raw: Any) -> None:
    """Give every point that has no name its number, so that messages can name it."""
    points = raw.get("points") if isinstance(raw, dict) else None
    for number, point in enumerate(points if isinstance(points, list) else [], start=1):
        if isinstance(point, dict) and point.get("name") in (None, ""):
            point["name"] = str(number)


_OTHERS = (
    (r"\s*<", "is XML: a calibration, not control points. Name it in the event file with tsai_file or opencv."),
    (
        r"(?s)(%YAML:1|.*^\s*(camera_matrix|Camera_Matrix|cameraMatrix|cam0|distortion_coefficients|K)\s*:)",
        "is the calibration of a lens (OpenCV, ROS or Kalibr), not control points. Name it in the event file with "
        "opencv: {intrinsics_file, extrinsics_file, unit_m}.",
    ),
    (
        r"(?s)(#CRS:.*\n)?\s*mapX,mapY,",
        "is QGIS's list of georeferencer points. Write a table u_px,v_px,x_m,y_m: u_px is sourceX, v_px is -sourceY, "
        "x_m and y_m are mapX and mapY less the site's origin_m.",
    ),
    (
        r"(EPSG:\d+|WGS84.*|\+proj.*)\s*\n",
        "is a list of ground control points for photogrammetry. Write a table u_px,v_px,x_m,y_m: its 4th and 5th "
        "column, then its 1st and 2nd less the site's origin_m.",
    ),
)
"""Beginnings of files of other programs, and what to do with them."""


def _other_programs(document: Document) -> None:
    text = text_of(document)
    for beginning, said in _OTHERS:
        if re.match(beginning, text, re.MULTILINE):
            document.fault((), said)
            raise document.error()


def _read_table(document: Document) -> None:
    """Read a table as what a YAML file of points would hold."""
    lines = text_of(document).splitlines()
    skipped = ["" if _no_row(line) else line for line in lines]  # empty, so that every row keeps its number
    heading = next((line for line in skipped if line), "")
    if "，" in heading or "；" in heading:
        document.fault((), "has full-width commas in its heading. Write , or ; between the cells.")
        raise document.error()
    delimiter = max(",;\t", key=heading.count)
    rows = csv.reader(skipped, delimiter=delimiter)
    columns = [name.strip().lower() for name in next((row for row in rows if row), [])]
    for name in (name for name in columns if name not in _COLUMNS):
        document.fault((), f"unknown column {name!r}; known: {', '.join(_COLUMNS)}. Rename or remove it.")
    for name in (name for name in _COLUMNS[1:5] if columns.count(name) != 1):
        document.fault((), f"column {name} must stand there exactly once. Correct the heading.")
    if document.faults:
        raise document.error()
    points: list[dict[str, Any]] = []
    document.raw = {"points": points}
    table = [(rows.line_num, [cell.strip() for cell in row]) for row in rows if any(cell.strip() for cell in row)]
    decimal = _decimal(document, delimiter, [cell for _, row in table for cell in row])
    for line, row in table:
        here = ("points", len(points))
        document.lines[here] = line
        if len(row) != len(columns):
            document.fault(here, f"got {len(row)} values, need {len(columns)}. Write decimals with a point.")
        cells = dict(zip(columns, row, strict=False))
        u, v, x, y = (_number(cells.get(name, ""), decimal) for name in _COLUMNS[1:5])
        point: dict[str, Any] = {"name": cells.get("name", ""), "pixel_px": [u, v], "ground_m": [x, y]}
        if cells.get("survey_sigma_m"):
            point["survey_sigma_m"] = _number(cells["survey_sigma_m"], decimal)
        points.append(point)


def _no_row(line: str) -> bool:
    """Whether a line of a table is a remark, or says to Excel what separates its cells."""
    return line.lstrip().startswith("#") or re.fullmatch(r"sep=.", line.strip()) is not None


def _decimal(document: Document, delimiter: str, cells: list[str]) -> str:
    """The sign before decimals: a comma only where it cannot be anything else."""
    commas = [cell for cell in cells if re.fullmatch(r"[-+]?\d+,\d+", cell)]
    if delimiter == "," or not commas:
        return "."
    points = [cell for cell in cells if re.fullmatch(r"[-+]?\d*\.\d+|[-+]?\d+(,\d{3})+\.\d+", cell)]
    if points:
        text = f"has decimals with a comma ({commas[0]}) and with a point ({points[0]}). Write all with a point."
        document.fault((), text)
    elif all(re.fullmatch(r"[-+]?\d{1,3},\d{3}", cell) for cell in commas):
        text = f"{commas[0]} may be a decimal or a thousand. Write decimals with a point, and thousands without a sign."
        document.fault((), text)
    else:
        return ","
    raise document.error()


def _number(cell: str, decimal: str) -> float | str:
    """A number, or the text that stands for none."""
    try:
        return float(cell.replace(decimal, "."))
    except ValueError:
        return cell
