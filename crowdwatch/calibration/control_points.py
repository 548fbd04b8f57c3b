"""Surveyed points that are seen in a picture, and what may be wrong with a set of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from crowdwatch.core.records import FloatArray

__all__ = ["ControlPoint", "point_faults"]

LEAST_EXTENT_M = 0.5
"""Points closer together than this are in another unit, or not on the ground of a crowd."""

FARTHEST_M = 100_000.0
"""Coordinates beyond this are map coordinates from which the site's origin was not subtracted."""


@dataclass(frozen=True, slots=True)
class ControlPoint:
    """One point on the ground: where it was clicked, where it was surveyed.

    Args:
        u_px, v_px: pixel of the picture as it is shown, lens and all.
        x_m, y_m: east and north.
        name: how people call it.
        survey_sigma_m: standard deviation of each surveyed coordinate.
    """

    u_px: float
    v_px: float
    x_m: float
    y_m: float
    name: str = ""
    survey_sigma_m: float = 0.05


def point_faults(points: Sequence[ControlPoint], image_hw: tuple[int, int], click_sigma_px: float) -> list[str]:
    """List everything that is wrong with a set of control points, one sentence with its remedy each.

    >>> row = [ControlPoint(10 * n, 50, n, 0, name=str(n)) for n in (1, 2, 3, 5)]
    >>> point_faults(row, (100, 100), 2.0)[0][:60]
    'all points, or all but one, lie on a line in the picture: th'
    >>> point_faults(row[:3], (100, 100), 2.0)
    ['got 3 points, need at least 4 (5 to know the error). Survey more.']
    """
    if len(points) < 4:
        return [f"got {len(points)} points, need at least 4 (5 to know the error). Survey more."]
    names = [point.name or f"number {row}" for row, point in enumerate(points, start=1)]
    faults = _own_faults(names, points, image_hw)
    if faults:
        return faults
    uv = np.array([(p.u_px, p.v_px) for p in points], dtype=np.float64)
    xy = np.array([(p.x_m, p.y_m) for p in points], dtype=np.float64)
    survey = max(p.survey_sigma_m for p in points)
    for values, nearest, where in ((uv, 0.1, "in the picture"), (xy, 1e-3, "on the ground")):
        if where == "on the ground" and np.ptp(values, axis=0).max() < LEAST_EXTENT_M:
            degrees = " They look like degrees." if LEAST_EXTENT_M < np.abs(values).max() <= 180 else ""
            extent = np.ptp(values, axis=0).max()
            faults.append(f"all points lie within {extent:.3g} m of ground.{degrees} Give metres east and north.")
            continue
        pairs = [f"{names[i]} and {names[j]}" for i, j in _twins(values, nearest)]
        if pairs:
            more = f" and {len(pairs) - 5} more pairs" if len(pairs) > 5 else ""
            faults.append(f"points {', '.join(pairs[:5])}{more} are the same {where}. Keep one of each.")
    if not faults:
        for values, noise, unit, where in (
            (uv, click_sigma_px, "px", "in the picture"),
            (xy, survey, "m", "on the ground"),
        ):
            width, extent = _line_width(values)
            if width < max(3 * noise, 1e-3 * extent):
                faults.append(
                    f"all points, or all but one, lie on a line {where}: they leave it by {width:.2g} {unit}, which "
                    f"clicks and survey cannot tell from a line. Add points to either side of it."
                )
    return faults


def _own_faults(names: Sequence[str], points: Sequence[ControlPoint], image_hw: tuple[int, int]) -> list[str]:
    """What is wrong with points by themselves; what is wrong with many in the same way is said once."""
    height, width = image_hw
    found: dict[str, list[tuple[str, str]]] = {}
    for name, point in zip(names, points, strict=True):
        for value, remedy in _single_faults(point, width, height):
            found.setdefault(remedy, []).append((name, value))
    said = []
    for remedy, cases in found.items():
        more = [name for name, _ in cases[1:]]
        others = f" (the same with {len(more)} more points: {', '.join(more)})" if more else ""
        said.append(f"point {cases[0][0]}: {cases[0][1]}{remedy}{others}")
    return said


def _single_faults(point: ControlPoint, width: int, height: int) -> Iterator[tuple[str, str]]:
    """(what was got, what is wrong with it and the remedy)"""
    if not np.isfinite((point.u_px, point.v_px, point.x_m, point.y_m, point.survey_sigma_m)).all():
        yield "", "a value is not finite. Give numbers."
        return
    if not (-1 <= point.u_px <= width + 1 and -1 <= point.v_px <= height + 1):
        remedy = f" lies outside the {width} x {height} picture. Use the pixels of the full picture of this camera."
        yield f"pixel ({point.u_px:g}, {point.v_px:g})", remedy
    if max(abs(point.x_m), abs(point.y_m)) > FARTHEST_M:
        remedy = f" lies beyond {FARTHEST_M:,.0f} m. Subtract the site's origin from map coordinates."
        yield f"({point.x_m:.2f}, {point.y_m:.2f}) m", remedy
    if point.survey_sigma_m < 0:
        yield f"survey_sigma_m: got {point.survey_sigma_m:g}", ", need >= 0."


def _twins(values: FloatArray, nearest: float) -> list[tuple[int, int]]:
    from scipy.spatial import KDTree  # 0.4 s, which a process that reads no points has no use for

    return sorted(KDTree(values).query_pairs(nearest))


def _line_width(values: FloatArray) -> tuple[float, float]:
    """Least RMS distance from a line over all sets that leave one point out (or none), and the extent of all."""

    def width(part: FloatArray) -> float:
        least = np.linalg.svd(part - part.mean(axis=0), compute_uv=False)[-1]
        return float(least) / float(np.sqrt(len(part)))

    extent = float(np.ptp(values, axis=0).max())
    if len(values) > 50:  # one point cannot hide a line that fifty others do not form
        return width(values), extent
    return min(width(np.delete(values, row, axis=0)) for row in range(len(values))), extent
