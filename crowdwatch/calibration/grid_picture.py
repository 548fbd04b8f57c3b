"""The ground grid drawn over a frame: whether a calibration is right is seen at a glance, not read from a number.

Lines of equal east and north follow kerbs and markings when the calibration fits. What is not used (above the horizon,
too uncertain, too far from the control points) is greyed out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from crowdwatch.calibration.control_points import ControlPoint
from crowdwatch.core.records import FloatArray, GroundPlane
from crowdwatch.errors import CalibrationError, SourceUnavailable, StoreUnavailable
from crowdwatch.ground import to_ground, to_image, visible_area

__all__ = ["draw_ground_grid", "grid_step_m", "read_picture", "write_picture"]

U8 = NDArray[np.uint8]

EAST_BGR = (255, 214, 96)
NORTH_BGR = (96, 222, 255)
EDGE_BGR = (120, 255, 120)
AREA_BGR = (255, 128, 255)
POINT_BGR = (60, 60, 255)
INK_BGR = (255, 255, 255)
DARK_BGR = (24, 24, 24)

MIN_SPACING_PX = 5.0
"""Thin lines are left out where their neighbours are nearer than this."""

RESIDUAL_SCALE = 10.0
"""Residuals are drawn this much longer than they are."""

_SHIFT = 4  # cv2 draws at 1/16 px


def grid_step_m(area_m2: float) -> float:
    """Choose the distance of grid lines for a stretch of ground: 0.5, 1, 2, 5 ... m, some twenty lines each way.

    >>> [grid_step_m(area) for area in (100.0, 1300.0, 1e6)]
    [0.5, 2.0, 50.0]
    """
    wanted = np.sqrt(max(area_m2, 1.0)) / 20
    decade = 10.0 ** np.floor(np.log10(wanted))
    return float(next(step * decade for step in (1.0, 2.0, 5.0, 10.0) if step * decade >= wanted * 0.999))


def draw_ground_grid(
    image_bgr: U8,
    plane: GroundPlane,
    *,
    step_m: float | None = None,
    area: BaseGeometry | None = None,
    points: Sequence[ControlPoint] = (),
    height_m: float = 0.0,
) -> U8:
    """Draw the ground grid of a calibration over a frame.

    Args:
        image_bgr: (H, W, 3), not changed.
        plane: the calibration; lines follow its lens.
        step_m: distance of the lines; every fifth is bold and labelled. None chooses one.
        area: the walkable area: outlined, and the grid is drawn only there.
        points: control points, drawn with their names, and their residuals ten times as long as they are.
        height_m: height of the plane that is drawn: 0, or ``plane.head_plane_m``.

    Returns:
        (H, W, 3) a new picture.

    Raises:
        AnchorRefused: a height, and the camera's position is unknown.
        CalibrationError: the picture is not of the calibrated size, or ``step_m`` is not positive.
    """
    if image_bgr.shape[:2] != plane.image_hw:
        height, width = image_bgr.shape[:2]
        raise CalibrationError(
            f"the picture is {width} x {height}, the calibration is for {plane.image_hw[1]} x {plane.image_hw[0]}. "
            "Use a picture of this camera at its full size."
        )
    if step_m is not None and not (np.isfinite(step_m) and step_m > 0):
        raise CalibrationError(f"step_m: got {step_m}, need > 0: the distance of the grid's lines in metres.")
    canvas = _Canvas(image_bgr.copy(), plane, height_m)
    valid = visible_area(plane, height_m)
    canvas.grey_out(valid)
    ground = valid if area is None else valid.intersection(area)
    step = step_m if step_m is not None else grid_step_m(ground.area)
    if not ground.is_empty:
        for bold in (False, True):
            for axis, colour in ((0, EAST_BGR), (1, NORTH_BGR)):
                canvas.lines(ground, axis, step, bold, colour)
        if area is not None:
            canvas.outline(area.intersection(valid), AREA_BGR)
        canvas.outline(valid, EDGE_BGR)
    for point in points:
        canvas.control_point(point)
    notes = [
        f"grid {step:g} m, bold {5 * step:g} m; E, N: metres east, north",
        f"used ground: {valid.area:.0f} m2, error <= {plane.max_sigma_m:g} m",
    ]
    if height_m:
        notes.append(f"plane {height_m:g} m above the ground")
    if points:
        notes.append(f"red: control points, residuals x {RESIDUAL_SCALE:g}")
    canvas.legend(notes)
    canvas.write_labels()
    return canvas.image


@dataclass(slots=True)
class _Canvas:
    image: U8
    plane: GroundPlane
    height_m: float
    labels: list[tuple[str, list[tuple[float, float]], tuple[int, int, int]]] = field(default_factory=list)
    taken: list[tuple[int, int, int, int]] = field(default_factory=list)

    @property
    def unit(self) -> float:
        """Thickness and text grow with the picture: 1 at 800 px."""
        return max(1.0, float(max(self.image.shape[:2])) / 800)

    def grey_out(self, valid: BaseGeometry) -> None:
        mask = np.zeros(self.image.shape[:2], np.uint8)
        rings = [_fixed(ring) for ring in self._rings(valid)]
        if rings:
            cv2.fillPoly(mask, rings, 255, cv2.LINE_8, _SHIFT)
        grey = cv2.cvtColor(cv2.cvtColor(self.image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
        outside = cv2.addWeighted(grey, 0.45, np.full_like(grey, 70), 0.55, 0.0)
        self.image[mask == 0] = outside[mask == 0]

    def outline(self, area: BaseGeometry, colour: tuple[int, int, int]) -> None:
        for ring in self._rings(area):
            self._stroke(ring, colour, 2)

    def lines(self, ground: BaseGeometry, axis: int, step: float, bold: bool, colour: tuple[int, int, int]) -> None:
        """Draw the lines of equal east (axis 0) or north (axis 1): the bold ones, or those between."""
        low, high = ground.bounds[axis], ground.bounds[axis + 2]
        start, end = ground.bounds[1 - axis] - 1.0, ground.bounds[3 - axis] + 1.0
        for number in range(int(np.ceil(low / step)), int(np.floor(high / step)) + 1):
            if (number % 5 == 0) is not bold:
                continue
            value = number * step
            ends = [(value, start), (value, end)] if axis == 0 else [(start, value), (end, value)]
            longest = None
            for part in shapely.get_parts(ground.intersection(shapely.LineString(ends))):
                if part.length == 0:
                    continue
                xy = shapely.get_coordinates(part.segmentize(step / 8))
                uv = to_image(self.plane, xy, self.height_m)
                for piece in self._open_pieces(uv, xy, axis, step * (5 if bold else 1)):
                    self._stroke(piece, colour, 2 if bold else 1)
                    longest = piece if longest is None or len(piece) > len(longest) else longest
            if bold and longest is not None:
                places = longest[np.argsort(-longest[:, 1], kind="stable")]
                self.labels.append((f"{'EN'[axis]} {value:g}", [(u, v) for u, v in places[::4].tolist()], colour))

    def _open_pieces(self, uv: FloatArray, xy: FloatArray, axis: int, step: float) -> list[FloatArray]:
        """Cut a line where it would run into its neighbours."""
        beside = xy.copy()
        beside[:, axis] += step
        along = np.gradient(uv, axis=0) if len(uv) > 1 else np.ones_like(uv)
        along = along / np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
        offset = to_image(self.plane, beside, self.height_m) - uv
        gap = np.abs(offset[:, 0] * along[:, 1] - offset[:, 1] * along[:, 0])
        drawn = np.isfinite(uv).all(axis=1) & ~(gap < MIN_SPACING_PX)
        pieces = np.split(np.arange(len(uv)), np.flatnonzero(np.diff(drawn.astype(int))) + 1)
        return [uv[piece] for piece in pieces if drawn[piece[0]] and len(piece) > 1]

    def control_point(self, point: ControlPoint) -> None:
        clicked = np.array([point.u_px, point.v_px])
        radius = 5 * self.unit
        there = to_image(self.plane, np.array([[point.x_m, point.y_m]]))[0]
        if np.isfinite(there).all():
            self._stroke(np.array([clicked, clicked + (there - clicked) * RESIDUAL_SCALE]), POINT_BGR, 2)
        at = _fixed(clicked[None])[0].tolist()
        for colour, wide in ((DARK_BGR, 4), (POINT_BGR, 2)):
            cv2.circle(self.image, at, round(radius * 2**_SHIFT), colour, round(wide * self.unit), cv2.LINE_AA, _SHIFT)
        text = point.name
        found = to_ground(self.plane, clicked[None])[0]
        if np.isfinite(found).all():
            text += f" {np.hypot(found[0] - point.x_m, found[1] - point.y_m):.2f} m"
        text = text.strip()
        aside = 2.5 * radius + cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 0.4 * self.unit, 1)[0][0] / 2
        shifts = ((aside, 0.0), (-aside, 0.0), (0.0, 4 * radius), (0.0, -4 * radius))
        self.labels.insert(0, (text, [(float(clicked[0] + du), float(clicked[1] + dv)) for du, dv in shifts], INK_BGR))

    def legend(self, notes: Sequence[str]) -> None:
        size = 0.42 * self.unit
        pad = round(6 * self.unit)
        boxes = [cv2.getTextSize(note, cv2.FONT_HERSHEY_SIMPLEX, size, 1)[0] for note in notes]
        line = max(box[1] for box in boxes) + pad
        width, height = max(box[0] for box in boxes) + 2 * pad, line * len(notes) + pad
        width, height = min(width, self.image.shape[1]), min(height, self.image.shape[0])
        corner = self.image[:height, :width]
        self.image[:height, :width] = cv2.addWeighted(corner, 0.3, np.full_like(corner, 24), 0.7, 0.0)
        for row, note in enumerate(notes, start=1):
            at = (pad, line * row)
            cv2.putText(self.image, note, at, cv2.FONT_HERSHEY_SIMPLEX, size, INK_BGR, round(self.unit), cv2.LINE_AA)
        self.taken.append((0, 0, width, height))

    def write_labels(self) -> None:
        """Write each label at the first of its places where it fits into the picture and covers no other."""
        size = 0.4 * self.unit
        pad = round(3 * self.unit)
        rows, columns = self.image.shape[:2]
        for text, places, colour in self.labels:
            (wide, high), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size, 1)
            for u, v in places:
                left, top = round(u - wide / 2) - pad, round(v - high / 2) - pad
                right, bottom = left + wide + 2 * pad, top + high + 2 * pad
                free = all(right < a or left > c or bottom < b or top > d for a, b, c, d in self.taken)
                if free and left >= 0 and top >= 0 and right < columns and bottom < rows:
                    cv2.rectangle(self.image, (left, top), (right, bottom), DARK_BGR, cv2.FILLED)
                    at = (left + pad, bottom - pad)
                    thick = round(self.unit)
                    cv2.putText(self.image, text, at, cv2.FONT_HERSHEY_SIMPLEX, size, colour, thick, cv2.LINE_AA)
                    self.taken.append((left, top, right, bottom))
                    break

    def _rings(self, area: BaseGeometry) -> list[FloatArray]:
        """Outer and inner rings of an area as closed lines of pixels."""
        rings = []
        for part in shapely.get_parts(area):
            if part.geom_type == "Polygon":
                for ring in (part.exterior, *part.interiors):
                    xy = shapely.get_coordinates(ring.segmentize(max(part.length / 400, 0.05)))
                    uv = to_image(self.plane, xy, self.height_m)
                    rings.append(uv[np.isfinite(uv).all(axis=1)])
        return [ring for ring in rings if len(ring) > 2]

    def _stroke(self, uv: FloatArray, colour: tuple[int, int, int], wide: int) -> None:
        """Draw a line with a dark rim, so that it shows on any ground."""
        width = max(1, round(wide * self.unit))
        points = [_fixed(uv)]
        if wide > 1:
            cv2.polylines(self.image, points, False, DARK_BGR, width + max(2, round(self.unit)), cv2.LINE_AA, _SHIFT)
        cv2.polylines(self.image, points, False, colour, width, cv2.LINE_AA, _SHIFT)


def _fixed(uv: FloatArray) -> NDArray[np.int32]:
    """Pixels in cv2's fixed-point form, kept within what it can hold."""
    kept: NDArray[np.int32] = np.clip(np.round(uv * 2**_SHIFT), -(2**24), 2**24).astype(np.int32)
    return kept


def read_picture(path: Path) -> U8:
    """Read a picture, or the first frame of a video.

    Raises:
        SourceUnavailable: missing, or neither a picture nor a video.
    """
    if not path.is_file():
        raise SourceUnavailable(f"picture {path}: no such file. Check the path.")
    image = cv2.imread(str(path))
    if image is None:
        capture = cv2.VideoCapture(str(path))
        image = capture.read()[1]
        capture.release()
    if image is None:
        raise SourceUnavailable(f"picture {path}: neither a picture nor a video that can be read. Name another.")
    return np.asarray(image, dtype=np.uint8)


def write_picture(path: Path, image_bgr: U8, *, private: bool = False) -> None:
    """Write a picture; the ending decides the format.

    Args:
        path: where.
        image_bgr: (H, W, 3).
        private: nobody but the user may read the file.

    Raises:
        StoreUnavailable: the ending is unknown, or the folder cannot be written.
    """
    try:
        done, encoded = cv2.imencode(path.suffix or ".png", image_bgr)
        if done:
            if private:  # before it holds anything
                path.touch(mode=0o600)
                path.chmod(0o600)
            path.write_bytes(encoded.tobytes())
            return
    except (cv2.error, OSError) as error:
        why = getattr(error, "strerror", None) or "unknown picture format"
        raise StoreUnavailable(
            f"picture {path}: cannot be written ({why}). Choose another path, as grid.png."
        ) from error
    raise StoreUnavailable(f"picture {path}: cannot be written. Choose another path, as grid.png.")
