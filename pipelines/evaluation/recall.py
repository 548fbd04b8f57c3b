"""Where a detector of people starts to miss them: ``python -m pipelines.recall DIR --model NAME --counter NAME``.

Photographs have no calibration; where enough whole people stand free, :mod:`pipelines.evaluation.perspective` fits one.
Every annotated head whose feet are in the picture is put on the ground, as the hand-over would: its density is that of
its cell, smoothed over 1 m and edge-corrected, the person included. Boxes are matched to heads.

What a detector finds depends on how tall people look to its network far more than on how close they stand, and the
crowded ground of a photograph is the far one. So recall is reported by height: a crowd that packs stays as tall.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import shapely
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from crowdwatch import counters, detectors
from crowdwatch.analytics.density import area_share, smooth, smooth_mass
from crowdwatch.analytics.handover import on_grid, weight_of
from crowdwatch.core.records import Anchor, FloatArray, Frame, GroundPlane, HeadMass, Stamp
from crowdwatch.errors import ConfigError
from crowdwatch.ground import cell_shares, make_grid, to_ground, to_image, valid_px, visible_area, walkable_ground
from crowdwatch.observation.projection import project_to_ground
from pipelines.command_line import print_json, progress, run
from pipelines.evaluation.perspective import HEAD_M, ground_of, statures_px
from pipelines.evaluation.photograph_counts import of_split
from pipelines.evaluation.shanghaitech import Photograph, read_image

CELL_M, BANDWIDTH_M, AROUND_M = 0.5, 1.0, 4.0
"""The event file's defaults, and how far beyond the outermost people the ground is looked at: four bandwidths."""
EDGES_P_M2 = (0.0, 0.25, 0.35, 0.5, 0.65, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0, 100.0)
"""Somebody alone reads 0.16: the kernel's own height."""
HIGHEST_P_M2 = 7.0
NETWORK_PX = 640
"""Longer side of the picture as the shipped detectors see it."""
HEIGHTS_PX = (32.0, 48.0, 64.0, 90.0, 128.0, 1000.0)
"""People of 1.7 m, at that size. Of smaller ones nobody is boxed."""
LEAST_HEADS = 8
ENOUGH_HEADS = 20
"""A class of fewer tells no recall."""
SHARES = (0.8, 1.0, 1.2)
"""A counter may be a fifth off either way, and packing must not lower the number."""
BANDS_P_M2 = ((0.2, 0.4), (0.3, 0.6), (0.4, 0.8), (0.5, 1.0), (0.5, 1.5), (0.75, 1.5))

BoolArray = NDArray[np.bool_]

app = typer.Typer(help="Measure a detector's recall by height and by density on the ground.", add_completion=False)


@dataclass(frozen=True, slots=True, eq=False)
class AnnotatedHeads:
    """Heads of people whose feet are in the picture; (N,) each.

    Args:
        density: p/m2 where they stand, themselves included.
        boxed: whether a box is theirs.
        tall_px: how tall they look to the network.
        counted: the density map over true density where they stand; NaN without a counter.
    """

    density: FloatArray
    boxed: BoolArray
    tall_px: FloatArray
    counted: FloatArray

    def __getitem__(self, which: BoolArray) -> AnnotatedHeads:
        return AnnotatedHeads(self.density[which], self.boxed[which], self.tall_px[which], self.counted[which])


def standing(plane: GroundPlane, heads_px: FloatArray) -> tuple[BoolArray, FloatArray]:
    """(N,) which heads are of people who stand on ground that the camera validly sees, and (N, 2) where."""
    xy_m = to_ground(plane, heads_px, HEAD_M)
    here = valid_px(plane, heads_px, HEAD_M)
    here[here] = valid_px(plane, to_image(plane, xy_m[here]))
    return here, xy_m


def densities(plane: GroundPlane, xy_m: FloatArray, mass: HeadMass | None = None) -> tuple[FloatArray, FloatArray]:
    """(N,) density of the cell in which each person stands, as the hand-over reads it; by density map too, or NaN."""
    seen = visible_area(plane, within=shapely.MultiPoint(xy_m).convex_hull.buffer(AROUND_M))
    grid = make_grid(seen, CELL_M)
    cover = cell_shares(grid, seen)
    share = area_share(grid, seen, BANDWIDTH_M, cover > 0)
    col, row = np.floor((xy_m - grid.origin_m) / grid.cell_m).astype(np.int64).T
    true = smooth(grid, xy_m, share, BANDWIDTH_M)[row, col]
    if mass is None:
        return true, np.full(len(true), np.nan)
    anywhere = walkable_ground(shapely.box(*seen.bounds), CELL_M)
    placed = np.where(
        cover > 0, on_grid(project_to_ground(mass, plane, anywhere), grid), 0.0
    )  # as the hand-over takes it
    return true, smooth_mass(grid, placed, share, BANDWIDTH_M)[row, col]


def matched(heads_px: FloatArray, xyxy_px: FloatArray, anchor: Anchor) -> BoolArray:
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


def _one(photo: Photograph, detector: Any, people: Any, counter: Any, score_min: float) -> AnnotatedHeads | None:
    """The heads of a photograph, or None when its perspective cannot be fitted."""
    frame = Frame(Stamp(photo.name, 0, 0), read_image(photo.path))
    boxes, bodies = (one.xyxy_px[one.score >= score_min] for each in (detector, people) for one in each.detect([frame]))
    plane = ground_of(photo.image_hw, bodies, photo.heads_px)
    if plane is None:
        return None
    here, xy_m = standing(plane, photo.heads_px)
    if here.sum() < LEAST_HEADS:
        return None
    true, mass = densities(plane, xy_m[here], None if counter is None else counter.count([frame])[0])
    tall = statures_px(plane, photo.heads_px[here]) * NETWORK_PX / max(photo.image_hw)
    found = AnnotatedHeads(true, matched(photo.heads_px, boxes, detector.anchor)[here], tall, mass / true)
    return found[np.isfinite(true)]


def by_density(heads: AnnotatedHeads) -> list[dict[str, float]]:
    """Recall and counted over true, class by class of density; classes of hardly anybody are left out."""
    rows = []
    for low, high in pairwise(EDGES_P_M2):
        here = heads[(heads.density >= low) & (heads.density < high)]
        if len(here.density) < ENOUGH_HEADS:
            continue
        ratio = float(np.nanmean(here.counted)) if np.isfinite(here.counted).any() else math.nan
        row = {"from_p_m2": low, "to_p_m2": high, "heads": len(here.density), "mean_p_m2": here.density.mean()}
        rows.append({**row, "recall": here.boxed.mean(), "counter_ratio": ratio})
    return [{key: round(float(value), 3) for key, value in row.items()} for row in rows]


def worst_fall(rows: Sequence[Mapping[str, float]], band_p_m2: tuple[float, float], share: float) -> float:
    """How far the number falls, as a share of what it was, while a crowd packs evenly from nobody to 7 p/m2.

    At density d it is (1 - w(s d)) b(d) + w(s d) s d, with a counter that counts s of the people and b(d) boxes in a
    square metre: the recall times the density at the mean of each class that was measured, straight lines between.

    >>> full = [{"mean_p_m2": 1.0, "recall": 1.0}]
    >>> worst_fall(full, (0.4, 0.8), 1.0), round(worst_fall(full, (0.4, 0.8), 0.5), 2)
    (0.0, 0.16)
    """
    d = np.arange(0.02, HIGHEST_P_M2, 0.02)
    middle = np.array([0.0, *(row["mean_p_m2"] for row in rows)])
    boxes = middle * np.array([0.0, *(row["recall"] for row in rows)])
    w = weight_of(share * d, *band_p_m2)
    beyond = np.where(d > middle[-1], d * rows[-1]["recall"], np.interp(d, middle, boxes))
    number = (1 - w) * beyond + w * share * d
    highest = np.maximum.accumulate(number)
    return float(((highest - number) / np.maximum(highest, 1e-9)).max())


def of_height(heads: AnnotatedHeads, low: float, high: float) -> dict[str, Any]:
    """People of one height in the picture: their recall, and how far the number falls by band and counter."""
    rows = by_density(heads[(heads.tall_px >= low) & (heads.tall_px < high)])
    bands = BANDS_P_M2 if rows else ()
    falls = {
        f"{band[0]:g} to {band[1]:g}": {f"{share:g}": round(worst_fall(rows, band, share), 3) for share in SHARES}
        for band in bands
    }
    return {"from_px": low, "to_px": high, "densities": rows, "worst_fall_by_band_and_counter_share": falls}


def _photographs(folder: Path, split: str) -> list[Photograph]:
    """Of both parts; those kept aside for validation are no part of ``train``."""
    photos = [photo for part in ("A", "B") for photo in of_split(folder, part, split)]
    if split != "train":
        return photos
    aside = {photo.name for photo in _photographs(folder, "validation")}
    return [photo for photo in photos if photo.name not in aside]


@app.command()
def main_command(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder with part_A and part_B.")],
    model: Annotated[str, typer.Option(help="A detector of people.")] = "yolo11n",
    counter: Annotated[str | None, typer.Option(help="A counter to set beside it.")] = None,
    anchor: Annotated[Anchor, typer.Option(help="What the detector's boxes locate.")] = Anchor.FEET,
    split: Annotated[str, typer.Option(help="train (without those kept aside), test, or validation.")] = "validation",
    bodies: Annotated[str, typer.Option(help="A detector of whole people, to fit the perspective with.")] = "yolo11n",
    score_min: Annotated[float, typer.Option("--score", help="Boxes below are not counted.")] = 0.25,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Share of people boxed, by height and density on the ground, where a photograph's perspective can be fitted."""
    detector = detectors.load(model, anchor=anchor)
    people = detectors.load(bodies)
    head_counter = None if counter is None else counters.load(counter)
    photos = _photographs(folder, split)
    seen = [
        one
        for photo in progress(photos, "photographs", len(photos))
        if (one := _one(photo, detector, people, head_counter, score_min)) is not None
    ]
    if not seen:
        raise ConfigError(f"none of {len(photos)} photographs shows a perspective. Give more, or other --bodies.")
    parts = ("density", "boxed", "tall_px", "counted")
    heads = AnnotatedHeads(*(np.concatenate([getattr(one, part) for one in seen]) for part in parts))
    heights = [of_height(heads, low, high) for low, high in pairwise(HEIGHTS_PX)]
    if as_json:
        print_json({"detector": detector.detector_id, "photographs": len(seen), "of": len(photos), "heights": heights})
        return
    for height in heights:
        tall = f"people {height['from_px']:g} to {height['to_px']:g} px"
        _print(height, f"{detector.detector_id}, {len(seen)} of {len(photos)} photographs: {tall}")


def _print(one: dict[str, Any], title: str) -> None:
    table = Table("p/m2", "heads", "boxed", "counted / true", title=title)
    for row in one["densities"]:
        span = f"{row['from_p_m2']:g} to {row['to_p_m2']:g}"
        table.add_row(span, f"{row['heads']:g}", f"{row['recall']:.3f}", f"{row['counter_ratio']:.3f}")
    other = Table("hand-over", *(f"counter x {share:g}" for share in SHARES), title="number falls by, as a crowd packs")
    for band, by_share in one["worst_fall_by_band_and_counter_share"].items():
        other.add_row(band, *(f"{fall:.1%}" for fall in by_share.values()))
    for each in (table, other):
        Console().print(each)


def main() -> None:
    """Run the command line."""
    run(app)
