"""One ground out of many views: zones under a patrol, seven real cameras that overlap, tracks of a real festival."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from crowdwatch.analytics.sightings import Sightings, note, nothing_seen
from crowdwatch.calibration.drone_lenses import DRONES, focal_px
from crowdwatch.calibration.opencv_files import parse_opencv
from crowdwatch.core.records import FloatArray, GroundPlane
from crowdwatch.errors import SampleUnavailable
from crowdwatch.ground import (
    AerialPose,
    aerial_plane,
    opencv_lens,
    parts_at,
    plane_from_pose,
    to_ground,
    to_image,
    valid_px,
)
from crowdwatch.sources.synthetic import looking_down
from pipelines.evaluation.drone_fold import Folded, Look, drawn_site, inside_count, run_fold, zone_grid

__all__ = ["coverage_ages", "madras", "patrol", "wildtrack"]

HW = (1080, 1920)
FOCAL_PX = focal_px(DRONES["mavic-3"], HW[1])
NONE = AerialPose(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
TELEMETRY = AerialPose(1.5, 1.5, 0.5, 1.0, 0.1, 0.1, 0.0)
"""Standard errors of the drawn drones' telemetry, as makers state them."""

LAID = AerialPose(0.05, 0.05, 0.05, 0.03, 0.03, 0.03, 0.0)
"""The same after a picture was laid on a reference: more than :mod:`~pipelines.evaluation.drone_positions` finds."""

DENSITIES_P_M2 = (0.5, 1.0, 2.0, 3.0, 4.0, 5.0)
WALKABLE_M = np.array([[-40.0, -20.0], [40.0, -20.0], [40.0, 40.0], [-40.0, 40.0]])
HOVERS_M = {"drone-a": ((-22.0, -30.0), (-12.0, -30.0)), "drone-b": ((22.0, -26.0), (14.0, -26.0))}
RECALL = 0.937
"""Of the shipped detector of people on PETS2009, as its card says."""


def _told(pose: AerialPose, errors: AerialPose, rng: np.random.Generator, max_sigma_m: float = 5.0) -> GroundPlane:
    wrong = AerialPose.of(pose.values() + rng.normal(0.0, 1.0, 7) * errors.values())
    return aerial_plane(wrong, errors, HW, max_sigma_m=max_sigma_m)


def _crowd(density_p_m2: float, rng: np.random.Generator) -> FloatArray:
    """People at random places, no two closer than the density allows them to choose."""
    west, south = WALKABLE_M.min(axis=0)
    east, north = WALKABLE_M.max(axis=0)
    step = 1 / np.sqrt(density_p_m2)
    x, y = np.meshgrid(np.arange(west + step / 2, east, step), np.arange(south + step / 2, north, step))
    lattice = np.column_stack([x.ravel(), y.ravel()])
    return np.asarray(lattice + rng.uniform(-0.45, 0.45, lattice.shape) * step)


def _mast() -> GroundPlane:
    return looking_down((0.0, -32.0, 15.0), (0.0, 0.0), HW, 1400.0, max_sigma_m=1.0)


def patrol(errors: AerialPose, seed: int = 7) -> dict[str, Any]:
    """Zones of 100 m2 under a fixed camera and two drones that hover and move on: counts against the truth.

    Returns:
        Relative errors of the density of zones that are seen whole, over all densities and ticks.
    """
    off: list[float] = []
    zones = zone_grid(-40, -20, 40, 40)
    for density in DENSITIES_P_M2:
        rng = np.random.default_rng((seed, round(10 * density)))
        people, mast = _crowd(density, rng), _mast()
        site = drawn_site(WALKABLE_M, zones, {"mast": mast}, tuple(HOVERS_M))
        ticks = []
        for leg in range(2):
            poses = {
                name: AerialPose(*legs[leg], 60.0, float(rng.uniform(-8, 8)), -60.0, 0.0, FOCAL_PX)
                for name, legs in HOVERS_M.items()
            }
            wrong = {name: _told(pose, errors, rng) for name, pose in poses.items()}  # it stays wrong while it hovers
            for _ in range(3):
                looks = [Look("mast", mast, mast, people)]
                looks += [Look(name, aerial_plane(pose, NONE, HW), wrong[name], people) for name, pose in poses.items()]
                ticks.append(looks)
        folded = run_fold(site, ticks)
        for number in (2, 5):
            readings = {reading.zone_id: reading for reading in folded.outcomes[number].readings}
            for zone in zones:
                reading, true = readings[zone.zone_id], inside_count(people, zone)
                if reading.visible_frac > 0.99 and np.isfinite(reading.count):
                    off.append(reading.count / true - 1)
    found = np.abs(off)
    return {
        "zones": len(off),
        "bias_frac": float(np.mean(off)),
        "error_median_frac": float(np.median(found)),
        "error_p90_frac": float(np.percentile(found, 90)),
        "error_most_frac": float(found.max()),
    }


def wildtrack(folder: Path, every: int = 5) -> dict[str, Any]:
    """Seven real calibrations and true positions: who is counted twice or not at all, and the sum against the truth.

    What a camera finds are the boxes that people drew in its pictures, each with a chance of :data:`RECALL`; so they
    lie on the ground as wrong as hands and calibrations are. The truth is everybody on the ground whose box some camera
    has, where its own view is valid.

    Raises:
        SampleUnavailable: the folder is not there.
    """
    planes, frames = _wildtrack_planes(folder), sorted((folder / "annotations_positions").glob("*.json"))[::every]
    walkable = np.array([[-3.0, -9.0], [9.0, -9.0], [9.0, 27.0], [-3.0, 27.0]])
    zones = zone_grid(-3, -9, 9, 27, 6.0)
    site = drawn_site(walkable, zones, planes, (), window_s=0.5)
    everybody = []
    for path in frames:
        people, feet = _wildtrack_people(path)
        for number, plane in enumerate(planes.values()):
            feet[:, number] = _at_left_edge(plane, people, feet[:, number])
        everybody.append((people, feet))
    fused = {
        recall: run_fold(site, [[Look(name, plane, plane, people, recall, feet[:, number])
                                 for number, (name, plane) in enumerate(planes.items())] for people, feet in everybody])
        for recall in (1.0, RECALL)
    }  # fmt: skip
    twice = lost = union = 0
    off: list[float] = []
    alone: list[float] = []
    apart: list[FloatArray] = []
    for number, (people, feet) in enumerate(everybody):
        views = list(planes.values())
        ground = [np.where(_valid(view, feet[:, n])[:, None], to_ground(view, feet[:, n]), np.nan)
                  for n, view in enumerate(views)]  # fmt: skip
        seen = np.array([np.isfinite(xy).all(axis=1) & _on(walkable, xy) for xy in ground])
        times = _times_counted(fused[1.0].states[number], planes, ground)
        there = seen.any(axis=0)
        union += int(there.sum())
        twice += int((np.maximum(times[there], 1) - 1).sum())
        lost += int((times[there] == 0).sum())
        counted = sum(reading.count for reading in fused[RECALL].outcomes[number].readings)
        off.append(counted / (RECALL * there.sum()) - 1)
        alone.append(float(seen.sum(axis=1).max() / there.sum()))
        apart += [np.hypot(*(xy - people).T)[see] for xy, see in zip(ground, seen, strict=True)]
    return {
        "frames": len(frames),
        "people": union,
        "twice_frac": twice / union,
        "lost_frac": lost / union,
        "net_frac": (twice - lost) / union,
        "recall": RECALL,
        "fused_bias_frac": float(np.mean(off)),
        "fused_error_frac": float(np.mean(np.abs(off))),
        "best_single_camera_frac": float(np.mean(alone)),
        "position_median_m": float(np.median(np.concatenate(apart))),
        "position_p90_m": float(np.percentile(np.concatenate(apart), 90)),
    }


def _wildtrack_planes(folder: Path) -> dict[str, GroundPlane]:
    names = ("CVLab1", "CVLab2", "CVLab3", "CVLab4", "IDIAP1", "IDIAP2", "IDIAP3")
    if not (folder / "calibrations").is_dir():
        raise SampleUnavailable(f"{folder}: no folder of WILDTRACK's calibrations and positions. Name the data folder.")
    planes = {}
    for name in names:
        found = parse_opencv(
            folder / "calibrations" / "intrinsic_zero" / f"intr_{name}.xml",
            folder / "calibrations" / "extrinsic" / f"extr_{name}.xml",
            0.01,
        )
        lens = opencv_lens(found.camera_matrix, found.distortion) if np.any(found.distortion) else None
        planes[name] = plane_from_pose(
            found.camera_matrix, found.rotation, found.translation_m, image_hw=HW, lens=lens, rmse_m=0.05,
            max_sigma_m=0.5, pixel_sigma_px=2.0,
        )  # fmt: skip
    return planes


def _wildtrack_people(path: Path) -> tuple[FloatArray, FloatArray]:
    """(N, 2) where everybody stands, and (N, cameras, 2) the feet of their boxes in every picture; NaN without one."""
    marked = json.loads(path.read_text(encoding="utf-8"))
    ids = np.array([each["positionID"] for each in marked])
    feet = np.full((len(marked), 7, 2), np.nan)
    for number, each in enumerate(marked):
        for box in each["views"]:
            if box["xmin"] >= 0 and box["ymax"] < HW[0]:  # feet below the picture are not marked
                feet[number, box["viewNum"]] = (box["xmin"] + box["xmax"]) / 2, box["ymax"]
    return np.column_stack([-3.0 + 0.025 * (ids % 480), -9.0 + 0.025 * (ids // 480)]), feet


def _at_left_edge(plane: GroundPlane, people: FloatArray, feet: FloatArray) -> FloatArray:
    """(N, 2) the feet with those added whose box would begin left of the picture: the data write -1 there for a box
    that is not, so nobody is ever marked in that strip, although a picture shows them."""
    uv, top = to_image(plane, people), to_image(plane, people, 1.8)
    half_px = 0.25 * np.hypot(*(top - uv).T)
    strip = np.isnan(feet[:, 0]) & (uv[:, 0] >= 0) & (uv[:, 0] < half_px) & (uv[:, 1] < plane.image_hw[0])
    return np.where(strip[:, None], uv, feet)


def _valid(plane: GroundPlane, uv: FloatArray) -> Any:
    known = np.asarray(np.isfinite(uv).all(axis=1))
    known[known] = valid_px(plane, uv[known])
    return known


def _on(ring: FloatArray, xy: FloatArray) -> Any:
    return shapely.intersects_xy(shapely.Polygon(ring), *xy.T)


def _shown(plane: GroundPlane, people: FloatArray) -> Any:
    """Whom a picture validly shows."""
    uv = to_image(plane, people)
    inside = np.asarray((uv >= 0).all(axis=1) & (uv <= [plane.image_hw[1], plane.image_hw[0]]).all(axis=1))
    inside[inside] = valid_px(plane, uv[inside])
    return inside


def _times_counted(state: Any, planes: dict[str, GroundPlane], ground: list[FloatArray]) -> Any:
    """How many cameras count each person, by who owns the ground on which their feet come to lie."""
    times = np.zeros(len(ground[0]), np.int64)
    grid = state.view.grid
    for name, xy in zip(planes, ground, strict=True):
        view, owned = state.coverage.views[name], state.coverage.owned.get(name)
        if owned is None:
            continue
        place, part = parts_at(grid, xy)
        row, col = np.divmod(place, grid.shape[1])
        row, col = row - view.window.row, col - view.window.col
        here = (place >= 0) & (row >= 0) & (row < view.window.rows) & (col >= 0) & (col < view.window.cols)
        times[here] += (owned[row[here], col[here]] & part[here] != 0).astype(np.int64)
    return times


def madras(folder: Path, errors: AerialPose) -> dict[str, Any]:
    """Tracks of the Festival of Lights in Lyon, seen by a drawn drone 60 m up: the field of density against the truth.

    The truth is a Gaussian kernel of the fold's bandwidth over true positions; cells within two bandwidths of the edge
    of what was tracked are left out.

    Raises:
        SampleUnavailable: the folder is not there.
    """
    files = sorted(folder.glob("*.csv"))
    if not files:
        raise SampleUnavailable(f"{folder}: no tracks of MADRAS (*.csv). Name the data folder.")
    rng = np.random.default_rng(11)
    square, cells, most = 0.0, 0, 0.0
    for path in files:
        for people in _madras_moments(path):
            middle = people.mean(axis=0)
            west, south = people.min(axis=0) - 3
            east, north = people.max(axis=0) + 3
            walkable = np.array([[west, south], [east, south], [east, north], [west, north]])
            pose = AerialPose(float(middle[0]), float(middle[1] - 35), 60.0, 0.0, -60.0, 0.0, FOCAL_PX)
            side_m = min(5.0, float(min(east - west, north - south)))
            zones = zone_grid(float(west), float(south), float(east), float(north), side_m)
            site = drawn_site(walkable, zones, {}, ("drone",))
            look = Look("drone", aerial_plane(pose, NONE, HW), _told(pose, errors, rng), people)
            grid = run_fold(site, [[look]]).outcomes[0].grid
            assert grid is not None, "a tick has a field of density"
            rho = grid.rho_p_m2
            truth = _kernel(people, grid.origin_m, grid.cell_m, rho.shape, grid.bandwidth_m)
            inner = shapely.MultiPoint(people).convex_hull.buffer(1.0)
            y, x = np.mgrid[0 : rho.shape[0], 0 : rho.shape[1]] * grid.cell_m + grid.cell_m / 2
            held = shapely.contains_xy(inner, x + grid.origin_m[0], y + grid.origin_m[1]) & np.isfinite(rho)
            square += float(((rho - truth)[held] ** 2).sum())
            cells += int(held.sum())
            most = max(most, float(truth[held].max(initial=0.0)))
    return {"clips": len(files), "cells": cells, "most_p_m2": most, "density_rmse_p_m2": float(np.sqrt(square / cells))}


def _madras_moments(path: Path) -> Iterator[FloatArray]:
    """Where everybody stands at three moments of a clip."""
    with path.open(encoding="utf-8") as lines:
        rows = [(int(row["frame"]), float(row["x/m"]), float(row["y/m"])) for row in csv.DictReader(lines)]
    table = np.array(rows)
    numbers = np.unique(table[:, 0])
    for number in numbers[[len(numbers) // 4, len(numbers) // 2, 3 * len(numbers) // 4]]:
        people = table[table[:, 0] == number][:, 1:]
        if len(people) >= 5:
            yield people


def _kernel(
    people: FloatArray, origin_m: FloatArray, cell_m: float, shape: tuple[int, int], bandwidth_m: float
) -> FloatArray:
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]] * cell_m + cell_m / 2
    square = (x[..., None] + origin_m[0] - people[:, 0]) ** 2 + (y[..., None] + origin_m[1] - people[:, 1]) ** 2
    return np.asarray(np.exp(-square / (2 * bandwidth_m**2)).sum(axis=2) / (2 * np.pi * bandwidth_m**2))


def coverage_ages() -> dict[str, Any]:
    """A patrol of one drone over ground that no camera watches: the age of every cell against when it was in view.

    The drone hovers at four places, two ticks each, and comes back to the first.
    """
    rng = np.random.default_rng(3)
    hovers = [(-20.0, -20.0), (0.0, -20.0), (20.0, -20.0), (40.0, -20.0), (-20.0, -20.0)]
    people = _crowd(0.5, rng)
    site = drawn_site(WALKABLE_M, zone_grid(-40, -20, 40, 40), {}, ("drone",))
    planes = [
        aerial_plane(AerialPose(*at, 40.0, 0.0, -65.0, 0.0, FOCAL_PX), LAID, HW, max_sigma_m=1.0) for at in hovers
    ]
    ticks = [[Look("drone", plane, plane, people)] for plane in planes for _ in range(2)]
    folded: Folded = run_fold(site, ticks)
    view = folded.states[0].view
    seen: Sightings = nothing_seen(view.grid)
    wanted = np.full(view.grid.shape, -1, np.int64)
    for number, (state, outcome) in enumerate(zip(folded.states, folded.outcomes, strict=True), start=1):
        assert state.coverage is not None, "after a tick there is one"
        seen = note(seen, state.coverage, outcome.t_ns)
        east, north = np.meshgrid(*view.grid.centres())
        xy = np.column_stack([east.ravel(), north.ravel()])
        shown = _shown(planes[(number - 1) // 2], xy).reshape(view.grid.shape)
        wanted[shown] = outcome.t_ns
    whole = seen.whole & (wanted >= 0)
    wrong = int((seen.seen_ns[whole] != wanted[whole]).sum())
    never = int((seen.ever & (wanted < 0)).sum())
    edge = int((seen.ever & ~seen.whole).sum())
    return {"cells": int(whole.sum()), "wrong_age": wrong, "edge_cells": edge, "seen_but_not_in_view": never}
