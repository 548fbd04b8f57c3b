"""Where a detector of people starts to miss them: ``python -m pipelines.recall DIR --model NAME --counter NAME``.

Photographs have no calibration. Where enough whole people stand free, the growth of their stature down the picture
gives the horizon and the camera's height (single-view metrology, Criminisi, Reid and Zisserman 2000: with stature =
b (row - horizon), the camera is 1 / b + 1 statures up). The focal length is assumed to be the picture's longer side, a
view of 53 degrees, so that densities are good to about a quarter. Every annotated head is put on the ground, its
density is that of the others about it (Gaussian of 1 m), and boxes are matched to heads.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.table import Table
from scipy.spatial.distance import cdist

from crowdwatch import counters, detectors, geometry
from crowdwatch.density import make_grid
from crowdwatch.errors import CalibrationError
from crowdwatch.handover import weight_of
from crowdwatch.records import Anchor, FloatArray, Frame, GroundPlane, Stamp
from crowdwatch.splat import splat
from pipelines.command_line import print_json, progress, run
from pipelines.crowd_boxes import stature_line
from pipelines.photograph_counts import of_split
from pipelines.shanghaitech import Photograph, read_image

STATURE_M, HEAD_M = 1.7, 1.6
BANDWIDTH_M = 1.0
EDGES_P_M2 = (0.0, 0.15, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 100.0)
HEIGHTS_M = (2.5, 30.0)
"""A fitted camera outside these heights is a bad fit."""
LEAST_HEADS = 8
SHARES = (0.8, 1.0, 1.2)
"""A counter may be a fifth off either way, and packing must not lower the number."""
BANDS_P_M2 = ((0.2, 0.4), (0.3, 0.6), (0.4, 0.8), (0.5, 1.0), (0.5, 1.5), (0.75, 1.5))
LEAST_PX = 28.0
"""Smaller people are left out by default: no program finds their heads, 4 px across."""

app = typer.Typer(help="Measure a detector's recall by density on the ground.", add_completion=False)


def fitted_plane(image_hw: tuple[int, int], line: tuple[float, float]) -> GroundPlane | None:
    """A camera from the growth of stature down the picture, ``line`` = (a, b); None where it is no sensible one.

    >>> plane = fitted_plane((600, 800), (-20.0, 0.4))
    >>> round(float(plane.camera_centre_m[2]), 2)  # 1.7 m (1 / 0.4 + 1)
    5.95
    """
    height, width = image_hw
    a, b = line
    up = STATURE_M * (1 / b + 1)
    if not HEIGHTS_M[0] <= up <= HEIGHTS_M[1]:
        return None
    focal = float(max(image_hw))
    tilt = math.atan2(height / 2 + a / b, focal)  # the horizon is row -a / b
    rotation = np.array(
        [[1.0, 0.0, 0.0], [0.0, -math.sin(tilt), -math.cos(tilt)], [0.0, math.cos(tilt), -math.sin(tilt)]]
    )
    matrix = np.array([[focal, 0.0, width / 2], [0.0, focal, height / 2], [0.0, 0.0, 1.0]])
    try:
        return geometry.plane_from_pose(
            matrix, rotation, -rotation @ np.array([0.0, 0.0, up]), image_hw=image_hw, head_plane_m=HEAD_M,
            max_sigma_m=0.5,
        )  # fmt: skip
    except CalibrationError:
        return None


def densities(xy_m: FloatArray) -> FloatArray:
    """(N,) density about each person, themselves left out: sum over the others of a Gaussian."""
    weight = np.exp(-(cdist(xy_m, xy_m) ** 2) / (2 * BANDWIDTH_M**2)) / (2 * math.pi * BANDWIDTH_M**2)
    np.fill_diagonal(weight, 0.0)
    near: FloatArray = weight.sum(axis=1)
    return near


def matched(heads_px: FloatArray, xyxy_px: FloatArray, anchor: Anchor) -> np.ndarray:
    """(N,) bool: heads that a box claims, best score first: of the free ones inside a head's box, or in the upper third
    of a person's, the one nearest to where its head should be."""
    upper, middle = (1.0, 0.5) if anchor is Anchor.HEAD else (0.3, 0.08)
    free = np.ones(len(heads_px), dtype=bool)
    for left, top, right, bottom in xyxy_px:
        tall = bottom - top
        x, y = heads_px.T
        fits = free & (x > left) & (x < right) & (y > top - 0.1 * tall) & (y < top + upper * tall)
        if fits.any():
            distance = np.hypot(x - (left + right) / 2, y - top - middle * tall)
            free[np.argmin(np.where(fits, distance, np.inf))] = False
    return ~free


def _one(
    photo: Photograph, detector: Any, people: Any, counter: Any, score_min: float, least_px: float
) -> tuple[FloatArray, np.ndarray, FloatArray]:
    """Densities of a photograph's heads, which of them are boxed, and head mass per true head about each of them."""
    none = np.empty(0)
    frame = Frame(Stamp(photo.name, 0, 0), read_image(photo.path))
    boxes, bodies = (one.xyxy_px[one.score >= score_min] for each in (detector, people) for one in each.detect([frame]))
    line = stature_line(bodies, photo.heads_px)
    plane = None if line is None else fitted_plane(photo.image_hw, line)
    if plane is None or line is None:
        return none, none.astype(bool), none
    tall = line[0] + line[1] * photo.heads_px[:, 1]
    known = geometry.valid_px(plane, photo.heads_px, HEAD_M) & (tall >= least_px)
    if known.sum() < LEAST_HEADS:
        return none, none.astype(bool), none
    xy_m = geometry.to_ground(plane, photo.heads_px, HEAD_M)[known]
    ratio = np.full(len(xy_m), np.nan)
    if counter is not None:
        ratio = _mass_ratio(counter, frame, plane, xy_m)
    return densities(xy_m), matched(photo.heads_px, boxes, detector.anchor)[known], ratio


def _mass_ratio(counter: Any, frame: Frame, plane: GroundPlane, xy_m: FloatArray) -> FloatArray:
    """(N,) counted over true density at each head, both smoothed alike."""
    import shapely

    grid = make_grid(shapely.MultiPoint(xy_m).convex_hull.buffer(3.0), 0.5)
    seen = splat(counter.count([frame])[0], plane, grid)
    east, north = np.meshgrid(*grid.centres())
    cells = np.stack([east.ravel(), north.ravel()], axis=1)
    full = seen.mass.ravel() > 0
    found, true = (
        (np.exp(-(cdist(xy_m, places) ** 2) / (2 * BANDWIDTH_M**2)) * weight).sum(axis=1)
        for places, weight in ((cells[full], seen.mass.ravel()[full]), (xy_m, np.ones(len(xy_m))))
    )
    ratio: FloatArray = found / true
    return ratio


def worst_fall(rows: Sequence[Mapping[str, float]], band_p_m2: tuple[float, float], share: float) -> float:
    """How far the number falls, as a share of what it was, while a crowd packs evenly from nobody to 7 p/m2.

    At density d it is (1 - w(s d)) r(d) d + w(s d) s d, with the recall r between the middles of the measured bands
    and a counter that counts s of the people.

    >>> full = [{"from_p_m2": 0.0, "to_p_m2": 9.0, "recall": 1.0}]
    >>> worst_fall(full, (0.4, 0.8), 1.0), round(worst_fall(full, (0.4, 0.8), 0.5), 2)
    (0.0, 0.16)
    """
    d = np.arange(0.02, 7.0, 0.02)
    recall = np.array([row["recall"] for row in rows])
    middle = [(row["from_p_m2"] + min(row["to_p_m2"], 7.0)) / 2 for row in rows]
    w = weight_of(share * d, *band_p_m2)
    number = (1 - w) * np.interp(d, middle, recall) * d + w * share * d
    highest = np.maximum.accumulate(number)
    return float(((highest - number) / np.maximum(highest, 1e-9)).max())


@app.command()
def main_command(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder with part_A and part_B.")],
    model: Annotated[str, typer.Option(help="A detector of people.")] = "yolo11n",
    counter: Annotated[str | None, typer.Option(help="A counter to set beside it.")] = None,
    anchor: Annotated[Anchor, typer.Option(help="What the detector's boxes locate.")] = Anchor.FEET,
    least_px: Annotated[
        float, typer.Option(help="People of a smaller stature in the picture are left out.")
    ] = LEAST_PX,
    split: Annotated[str, typer.Option(help="train, test, or validation.")] = "validation",
    bodies: Annotated[str, typer.Option(help="A detector of whole people, to fit the perspective with.")] = "yolo11n",
    score_min: Annotated[float, typer.Option("--score", help="Boxes below are not counted.")] = 0.25,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Share of people boxed, by density on the ground, on photographs whose perspective can be fitted."""
    detector = detectors.load(model, anchor=anchor)
    people = detectors.load(bodies)
    head_counter = None if counter is None else counters.load(counter)
    photos = [photo for part in ("A", "B") for photo in of_split(folder, part, split)]
    found = [
        _one(photo, detector, people, head_counter, score_min, least_px)
        for photo in progress(photos, "photographs", len(photos))
    ]
    density, boxed, ratio = (np.concatenate(part) for part in zip(*found, strict=True))
    rows = []
    for low, high in pairwise(EDGES_P_M2):
        here = (density >= low) & (density < high)
        if here.any():
            by_heads = float(np.nanmean(ratio[here])) if np.isfinite(ratio[here]).any() else math.nan
            boxes = round(float(boxed[here].mean()), 3)
            row = {"from_p_m2": low, "to_p_m2": high, "heads": int(here.sum()), "recall": boxes}
            rows.append({**row, "counter_ratio": round(by_heads, 3)})
    used = sum(len(one[0]) > 0 for one in found)
    falls = {
        f"{low:g} to {high:g}": {f"{share:g}": round(worst_fall(rows, (low, high), share), 3) for share in SHARES}
        for low, high in BANDS_P_M2
    }
    if as_json:
        answer = {"detector": detector.detector_id, "photographs": used, "of": len(photos), "bands": rows}
        print_json({**answer, "worst_fall_by_band_and_counter_share": falls})
        return
    table = Table("p/m2", "heads", "boxed", "counted / true", title=f"{detector.detector_id}, {used} of {len(photos)}")
    for row in rows:
        span = f"{row['from_p_m2']:g} to {row['to_p_m2']:g}"
        table.add_row(span, str(row["heads"]), f"{row['recall']:.3f}", f"{row['counter_ratio']:.3f}")
    Console().print(table)
    other = Table("hand-over", *(f"counter x {share:g}" for share in SHARES), title="number falls by, as a crowd packs")
    for band, by_share in falls.items():
        other.add_row(band, *(f"{fall:.1%}" for fall in by_share.values()))
    Console().print(other)


def main() -> None:
    """Run the command line."""
    run(app)


if __name__ == "__main__":
    main()
