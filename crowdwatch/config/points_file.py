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
line; commas, semicolons or tabs; decimal points.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from crowdwatch.assets.document import Document, read_document, text_of
from crowdwatch.config.schema import PointsFile
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


def _read_table(document: Document) -> None:
    """Read a table as what a YAML file of points would hold."""
    lines = text_of(document).splitlines()
    heading = lines[0] if lines else ""
    rows = csv.reader(lines, delimiter=max(",;\t", key=heading.count))
    columns = [name.strip() for name in next(rows, [])]
    for name in (name for name in columns if name not in _COLUMNS):
        document.fault((), f"unknown column {name!r}; known: {', '.join(_COLUMNS)}. Rename or remove it.")
    for name in (name for name in _COLUMNS[1:5] if columns.count(name) != 1):
        document.fault((), f"column {name} must stand there exactly once. Correct the heading.")
    if document.faults:
        raise document.error()
    points: list[dict[str, Any]] = []
    document.raw = {"points": points}
    for row in rows:
        if not any(cell.strip() for cell in row):
            continue
        here = ("points", len(points))
        document.lines[here] = rows.line_num
        if len(row) != len(columns):
            document.fault(here, f"got {len(row)} values, need {len(columns)}. Write decimals with a point.")
        cells = dict(zip(columns, (cell.strip() for cell in row), strict=False))
        u, v, x, y = (_number(cells.get(name, "")) for name in _COLUMNS[1:5])
        point: dict[str, Any] = {"name": cells.get("name", ""), "pixel_px": [u, v], "ground_m": [x, y]}
        if cells.get("survey_sigma_m"):
            point["survey_sigma_m"] = _number(cells["survey_sigma_m"])
        points.append(point)


def _number(cell: str) -> float | str:
    """A number, or the text that stands for none."""
    try:
        return float(cell)
    except ValueError:
        return cell
