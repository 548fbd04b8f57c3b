"""Control points in a file, as YAML, JSON or CSV.

YAML or JSON; everything but ``points`` is optional, a lens needs its focal lengths, centre and coefficients::

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
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from crowdwatch.calibration.calibration_files import finite, small_text
from crowdwatch.calibration.control_points import ControlPoint
from crowdwatch.core.records import FloatArray, Lens
from crowdwatch.errors import CalibrationError
from crowdwatch.ground import opencv_lens

__all__ = ["PointsFile", "read_points"]

DEFAULT_SURVEY_SIGMA_M = 0.05
"""Standard deviation of a surveyed coordinate when the file does not say: tape measure or total station by amateurs."""

_TOP_KEYS = ("image_size_px", "camera_position_m", "head_plane_m", "click_sigma_px", "lens", "points")
_POINT_KEYS = ("name", "pixel_px", "ground_m", "survey_sigma_m")
_LENS_KEYS = ("model", "focal_px", "centre_px", "coefficients")
_COLUMNS = ("name", "u_px", "v_px", "x_m", "y_m", "survey_sigma_m")


@dataclass(frozen=True, slots=True, eq=False)
class PointsFile:
    """What a points file says; None where it says nothing."""

    points: tuple[ControlPoint, ...]
    image_hw: tuple[int, int] | None = None
    lens: Lens | None = None
    camera_centre_m: FloatArray | None = None
    head_plane_m: float | None = None
    click_sigma_px: float | None = None


@dataclass(slots=True)
class _Faults:
    """Collects what is wrong, each with its line."""

    found: list[str] = field(default_factory=list)

    def add(self, line: int | None, text: str) -> None:
        self.found.append(text if line is None else f"line {line}: {text}")

    def numbers(self, line: int | None, key: str, value: Any, size: int | None) -> list[float] | None:
        """Return ``value`` as a list of finite numbers of the given size (any for None), or note the fault."""
        parts = [finite(item) for item in value] if isinstance(value, Sequence) and not isinstance(value, str) else None
        good = [part for part in parts or [] if part is not None]
        if parts is None or len(good) != len(parts) or (size is not None and len(parts) != size):
            self.add(line, f"{key}: got {value!s:.60}, need a list of {size or 'finite'} numbers.")
            return None
        return good

    def number(self, line: int | None, key: str, value: Any, least: float) -> float | None:
        """Return ``value`` as a number of at least ``least``, or note the fault."""
        number = finite(value)
        if number is None or number < least:
            self.add(line, f"{key}: got {value!s:.60}, need a number >= {least:g}.")
            return None
        return number

    def keys(self, where: str, mapping: Any, known: Sequence[str], needed: Sequence[str]) -> bool:
        """Note unknown and missing keys; False when ``mapping`` is no mapping at all."""
        if not isinstance(mapping, dict):
            self.add(None, f"{where}: got {mapping!s:.60}, need a mapping with {', '.join(needed)}.")
            return False
        for key in mapping:
            if key not in known:
                self.add(_line(mapping, key), f"{where}: unknown key {key!s:.60}; known: {', '.join(known)}.")
        for key in needed:
            if key not in mapping:
                self.add(_line(mapping, None), f"{where}: {key} is missing.")
        return True


def read_points(path: Path | str) -> PointsFile:
    """Read control points; the form of the file is in this module's heading.

    Args:
        path: ``.csv`` and ``.tsv`` are read as a table, everything else as YAML (of which JSON is a part).

    Raises:
        CalibrationError: the file cannot be read, or it has faults: all are listed, each with its line.
    """
    source = Path(path)
    text = small_text(source)
    faults = _Faults()
    table = source.suffix.lower() in (".csv", ".tsv")
    read = _from_table(text, faults) if table else _from_yaml(source, text, faults)
    if faults.found:
        listed = "".join(f"\n  {fault}" for fault in faults.found)
        raise CalibrationError(f"{path}: {len(faults.found)} faults in the control points:{listed}\nCorrect the file.")
    return read


def _from_table(text: str, faults: _Faults) -> PointsFile:
    lines = text.splitlines()
    heading = lines[0] if lines else ""
    delimiter = max(",;\t", key=heading.count)
    rows = csv.reader(lines, delimiter=delimiter)
    columns = [name.strip() for name in next(rows, [])]
    for name in (name for name in columns if name not in _COLUMNS):
        faults.add(1, f"unknown column {name!r}; known: {', '.join(_COLUMNS)}.")
    for name in (name for name in _COLUMNS[1:5] if columns.count(name) != 1):
        faults.add(1, f"column {name} must stand there exactly once.")
    if faults.found:
        return PointsFile(())
    points = []
    for row in rows:
        line = rows.line_num
        if not any(cell.strip() for cell in row):
            continue
        if len(row) != len(columns):
            faults.add(line, f"got {len(row)} values, need {len(columns)}. Write decimals with a point.")
            continue
        cells = dict(zip(columns, (cell.strip() for cell in row), strict=True))
        values = [faults.number(line, name, cells[name], -np.inf) for name in _COLUMNS[1:5]]
        stated = cells.get("survey_sigma_m") or DEFAULT_SURVEY_SIGMA_M
        sigma = faults.number(line, "survey_sigma_m", stated, 0.0)
        u, v, x, y = (np.nan if value is None else value for value in values)
        points.append(
            ControlPoint(u, v, x, y, cells.get("name", ""), DEFAULT_SURVEY_SIGMA_M if sigma is None else sigma)
        )
    return PointsFile(tuple(points))


def _from_yaml(source: Path, text: str, faults: _Faults) -> PointsFile:
    try:
        top = YAML(typ="rt", pure=True).load(text)
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark is not None else "?"
        raise CalibrationError(f"{source}: line {line}: {error.problem}. Correct the YAML.") from error
    except (YAMLError, ValueError, RecursionError) as error:
        raise CalibrationError(f"{source}: is not YAML. Write it as the documentation of points files says.") from error
    if not faults.keys("points file", top, _TOP_KEYS, ("points",)):
        return PointsFile(())
    size = position = None
    if "image_size_px" in top:
        size = faults.numbers(_line(top, "image_size_px"), "image_size_px", top["image_size_px"], 2)
        if size is not None and not all(part >= 1 and part == int(part) for part in size):
            faults.add(
                _line(top, "image_size_px"), f"image_size_px: got {size}, need width and height, whole pixels > 0."
            )
            size = None
    if "camera_position_m" in top:
        line = _line(top, "camera_position_m")
        position = faults.numbers(line, "camera_position_m", top["camera_position_m"], 3)
        if position is not None and not position[2] > 0:
            faults.add(line, f"camera_position_m: got a height of {position[2]:g} m, need > 0 m above the ground.")
    plain = {
        key: faults.number(_line(top, key), key, top[key], least)
        for key, least in (("head_plane_m", 0.0), ("click_sigma_px", 1e-3))
        if key in top
    }
    return PointsFile(
        points=_points(top, faults),
        image_hw=None if size is None else (int(size[1]), int(size[0])),
        lens=_lens(top["lens"], faults) if "lens" in top else None,
        camera_centre_m=None if position is None else np.array(position),
        head_plane_m=plain.get("head_plane_m"),
        click_sigma_px=plain.get("click_sigma_px"),
    )


def _points(top: Any, faults: _Faults) -> tuple[ControlPoint, ...]:
    listed = top.get("points")
    if not isinstance(listed, list):
        if "points" in top:
            faults.add(_line(top, "points"), "points: need a list with one entry per control point.")
        return ()
    points = []
    for number, entry in enumerate(listed, start=1):
        where = f"point {number}"
        if not faults.keys(where, entry, _POINT_KEYS, ("pixel_px", "ground_m")):
            continue
        pixel, ground = (
            faults.numbers(_line(entry, key), f"{where}: {key}", entry[key], 2) if key in entry else None
            for key in ("pixel_px", "ground_m")
        )
        stated = entry.get("survey_sigma_m", DEFAULT_SURVEY_SIGMA_M)
        sigma = faults.number(_line(entry, "survey_sigma_m"), f"{where}: survey_sigma_m", stated, 0.0)
        if pixel is not None and ground is not None and sigma is not None:
            points.append(ControlPoint(pixel[0], pixel[1], ground[0], ground[1], str(entry.get("name", number)), sigma))
    return tuple(points)


def _lens(entry: Any, faults: _Faults) -> Lens | None:
    if not faults.keys("lens", entry, _LENS_KEYS, ("focal_px", "centre_px", "coefficients")):
        return None
    before = len(faults.found)
    line = _line(entry, None)
    focal = faults.numbers(line, "lens: focal_px", entry.get("focal_px"), 2)
    centre = faults.numbers(line, "lens: centre_px", entry.get("centre_px"), 2)
    model = entry.get("model", "opencv")
    coefficients = faults.numbers(line, "lens: coefficients", entry.get("coefficients"), 1 if model == "tsai" else None)
    if model not in ("opencv", "tsai"):
        faults.add(line, f"lens: model: got {model!s:.60}, need opencv or tsai.")
    if focal is not None and min(focal) <= 0:
        faults.add(line, f"lens: focal_px: got {focal}, need two numbers > 0.")
    if len(faults.found) > before or focal is None or centre is None or coefficients is None:
        return None
    matrix = np.array([[focal[0], 0.0, centre[0]], [0.0, focal[1], centre[1]], [0.0, 0.0, 1.0]])
    if model == "tsai":
        return Lens("tsai", matrix, np.array(coefficients))
    try:
        return opencv_lens(matrix, coefficients)
    except CalibrationError as error:
        faults.add(line, f"lens: {error}")
        return None


def _line(mapping: Any, key: Any) -> int | None:
    """Line of a key, or of the mapping itself when it is not there."""
    place = getattr(mapping, "lc", None)
    if place is None:
        return None
    keys = place.data or {}
    line = keys[key][0] if key in keys else place.line
    return None if line is None else int(line) + 1
