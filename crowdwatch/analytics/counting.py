"""Who is counted: once a tick, for every camera, the people on the ground that it owns, by boxes or by density map."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from crowdwatch.analytics import correction
from crowdwatch.analytics.coverage import CameraView, Coverage, SiteView, inverse
from crowdwatch.analytics.density import smooth, smooth_mass
from crowdwatch.analytics.handover import Heads
from crowdwatch.analytics.poses import Pose, places_in, shares_in_mean
from crowdwatch.core.outcomes import Health
from crowdwatch.core.reasons import Code
from crowdwatch.core.records import FloatArray, Observation
from crowdwatch.ground import EVERY_PART, IntArray, Masks, inside, moved, nearest_part, parts_at, sees

__all__ = ["BLOCK_M", "Assignment", "CameraNow", "Entry", "assign", "densest", "entry_of", "zone_mass"]

NOBODY = np.empty((0, 2))

BLOCK_M = 3.0
"""Side of the square on which a picture's density is measured: about 10 m2, the smallest ground worth a reading."""


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """One observation within the window.

    Args:
        t_ns: exposure.
        xy_m: (N, 2) everyone whose score is high enough, on walkable ground that the camera sees.
        place: (N,) their cells in the camera's window, row by row.
        bit: (N,) the part of the cell by which each belongs to the camera's ground.
        person, zone: (P,) who stands in which zone.
        found: people found in the whole picture, before any correction: as hand counts are compared with.
        heads: the density map that stands for this moment, if any.
        lost: the blocks of the picture that showed nothing; None where all did.
        pose: what the picture of a moving camera saw: ``place`` and ``heads`` are over its window.
        densest_p_m2: of :func:`densest`, for cameras whose correction asks for it, else 0.
        factor: what everybody found counts for, by the camera's hand counts.
        owned: what the camera owned when the rest was worked out; None before that.
        weight: (N,) what each of them counts for; 0 on ground that another camera counts.
        boxes, masses: (zones,) people in each zone by boxes, and by density map, after the hand-over.
        margin: (2, zones) how many fewer and how many more there may be by density map for the state of the picture.
    """

    t_ns: int
    xy_m: FloatArray
    place: IntArray
    bit: Masks
    person: IntArray
    zone: IntArray
    found: float
    heads: Heads | None = None
    lost: NDArray[np.bool_] | None = None
    pose: Pose | None = None
    densest_p_m2: float = 0.0
    factor: float = 1.0
    owned: Masks | None = None
    weight: FloatArray = field(default_factory=lambda: np.empty(0))
    boxes: FloatArray = field(default_factory=lambda: np.empty(0))
    masses: FloatArray = field(default_factory=lambda: np.empty(0))
    margin: FloatArray = field(default_factory=lambda: np.empty((2, 0)))

    def shows(self, lost: NDArray[np.bool_] | None) -> bool:
        """Whether it shows all that a picture with these lost blocks does."""
        return self.lost is None or (lost is not None and not (self.lost & ~lost).any())


@dataclass(frozen=True, slots=True)
class CameraNow:
    """A camera at a tick.

    Args:
        health: of its picture.
        age_s: of its newest picture.
        saturated: whether a limit cut its newest boxes off.
        window: its observations, oldest first.
        counter_fault: why its counter gave nothing for the newest picture; None when nothing is wrong.
        silent: the newest density map, when it is too old to stand for what is there now.
        partly: why a part of its picture, or its newest pictures, are not counted from; OK where nothing is wrong.
        untold: whether a frozen picture would look the same.
        blank_cells: over its view's window, the cells that are shown by blocks in which nothing was ever seen.
        unproven: nothing says that it shows what it should: no reference picture, and nobody found so far.
        kept: what is left of the usual structure of its pictures, where that is too little to find everybody.
        clear: (zones,) whom it counted before; None where that is not known.
        soft: its lens may be out of focus, since before its first picture.
    """

    health: Health
    age_s: float
    saturated: bool
    window: tuple[Entry, ...]
    counter_fault: Code | None = None
    silent: Heads | None = None
    partly: Health = Health.OK
    untold: bool = False
    blank_cells: NDArray[np.bool_] | None = None
    unproven: bool = False
    kept: float | None = None
    clear: FloatArray | None = None
    soft: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Assignment:
    """Everything that readings, the density field and doubts are made from at a tick.

    Args:
        coverage: which camera counts which ground.
        cameras: every camera, its window counted for that coverage.
        boxes, masses: (zones,) people by boxes and by density map: the sums over the cameras of their means over the
            window.
        alone: (zones,) those by boxes whose cameras have no density map, so that boxes count a crowd too.
        counts: per healthy camera that stands still, (entries of its window, zones) people whom it counts.
        margin: (2, zones) how many fewer and how many more there may be by density maps for the state of the pictures:
            the same sums of means. It is one cause for all pictures of a window, so nothing averages out.
    """

    coverage: Coverage
    cameras: Mapping[str, CameraNow]
    boxes: FloatArray
    masses: FloatArray
    alone: FloatArray
    counts: Mapping[str, FloatArray]
    margin: FloatArray

    def newest(self, view: SiteView) -> FloatArray:
        """(zones,) people in the newest pictures."""
        people = np.zeros(len(view.zones))
        for camera_id in sorted(self.coverage.healthy):
            entry = self.cameras[camera_id].window[-1]
            people += entry.boxes + entry.masses
        return people

    def density(self, view: SiteView, mass: FloatArray) -> FloatArray:
        """(rows, cols) p/m2 of the newest pictures: what boxes count, smoothed, and ``mass`` of :meth:`mass`."""
        grid, coverage = view.grid, self.coverage
        newest = {camera_id: self.cameras[camera_id].window[-1] for camera_id in sorted(coverage.healthy)}
        people = np.concatenate([NOBODY, *(entry.xy_m for entry in newest.values())])
        weight = np.concatenate([np.empty(0), *(entry.weight for entry in newest.values())])
        rho = smooth(grid, people, coverage.kernel, view.site.bandwidth_m, weight)
        return rho + smooth_mass(grid, mass, coverage.kernel, view.site.bandwidth_m) if mass.any() else rho

    def mass(self, view: SiteView) -> FloatArray:
        """(rows, cols) persons per cell in the newest pictures by density map."""
        mass = np.zeros(view.grid.shape)
        for camera_id in sorted(self.coverage.healthy):
            entry = self.cameras[camera_id].window[-1]
            if entry.heads is not None:
                here = entry.factor * entry.heads.counted * self.coverage.owned_shares[camera_id]
                mass[self.coverage.views[camera_id].window.slices] += here
        return mass

    def people(self, mass: FloatArray) -> FloatArray:
        """(rows, cols) persons per cell in the newest pictures, boxes where they stand and ``mass``."""
        people = mass.copy()
        for camera_id in sorted(self.coverage.healthy):
            camera, entry = self.coverage.views[camera_id], self.cameras[camera_id].window[-1]
            found = np.bincount(entry.place, entry.weight, camera.seen.size)
            people[camera.window.slices] += found.reshape(camera.window.shape)
        return people


def entry_of(view: SiteView, camera: CameraView, observation: Observation, heads: Heads | None) -> Entry:
    """The people of one observation that may count: who does is decided with the cameras' health.

    Args:
        view: the prepared site.
        camera: what the camera saw.
        observation: what was found.
        heads: the density map that stands for this moment.
    """
    boxes = float((observation.detections.score >= camera.camera.score_min).sum())
    positions = observation.positions
    xy_m = positions.xy_m[(positions.score >= camera.camera.score_min) & np.isfinite(positions.xy_m).all(axis=1)]
    cell, _ = parts_at(view.grid, xy_m)
    place, bit = _seen_parts(view, camera, xy_m)
    kept = (cell >= 0) & (place >= 0)
    xy_m, place, bit, cell = xy_m[kept], place[kept], bit[kept], cell[kept]
    walks = _on_walkable(view, xy_m, cell)
    xy_m, place, bit, cell = xy_m[walks], place[walks], bit[walks], cell[walks]
    person, zone = view.zones.containing(xy_m, cell)
    pose = Pose(camera.window, camera.seen, camera.heads_share) if camera.camera.moves else None
    found = _found(camera, boxes, place, heads)
    entry = Entry(observation.stamp.t_ns, xy_m, place, bit, person, zone, found, heads, pose=pose)
    bias = camera.camera.bias
    if bias is None:
        return entry
    p_m2 = 0.0 if bias.most_p_m2 is None else densest(view, camera, entry)
    return replace(entry, densest_p_m2=p_m2, factor=correction.weight(bias, entry.found, p_m2))


def densest(view: SiteView, camera: CameraView, entry: Entry) -> float:
    """The highest density that a camera found in one picture: people per m2 on the worst square of :data:`BLOCK_M`,
    before any correction."""
    people = np.bincount(entry.place, minlength=camera.seen.size).astype(np.float64).reshape(camera.window.shape)
    if entry.heads is not None:
        people = people * (1.0 - entry.heads.weight) + entry.heads.counted
    if not people.size:
        return 0.0
    side = max(1, round(BLOCK_M / view.grid.cell_m))
    sums = np.pad(people, ((side, side - 1), (side, side - 1))).cumsum(axis=0).cumsum(axis=1)
    blocks = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
    return float(blocks.max()) / (side * view.grid.cell_m) ** 2


def assign(view: SiteView, coverage: Coverage, cameras: Mapping[str, CameraNow]) -> Assignment:
    """Count everybody once: each entry of the window anew where its camera owns other ground than before."""
    counted, counts = dict(cameras), {}
    boxes, masses, alone = (np.zeros(len(view.zones)) for _ in range(3))
    margin = np.zeros((2, len(view.zones)))
    for camera_id in sorted(coverage.healthy):
        window = cameras[camera_id].window
        if coverage.views[camera_id].camera.moves:
            window = (*window[:-1], *_count(view, coverage, camera_id, window[-1:]))
            by_boxes, by_map, off = _mean_over_poses(view, coverage, camera_id, window)
        else:
            window = _count(view, coverage, camera_id, window)
            in_boxes = np.array([entry.boxes for entry in window])
            in_masses = np.array([entry.masses for entry in window])
            by_boxes, by_map = in_boxes.mean(axis=0), in_masses.mean(axis=0)
            off = np.mean([entry.margin for entry in window], axis=0)
            counts[camera_id] = in_boxes + in_masses
        counted[camera_id] = replace(cameras[camera_id], window=window)
        boxes += by_boxes
        if window[-1].heads is None:
            alone += by_boxes
        masses += by_map
        margin += off
    return Assignment(coverage, counted, boxes, masses, alone, counts, margin)


def zone_mass(view: SiteView, coverage: Coverage, camera_id: str, mass: FloatArray) -> FloatArray:
    """(zones,) how much of (rows, cols) a density map over a camera's window it counts in each zone."""
    camera = coverage.views[camera_id]
    here = coverage.zone_shares[camera_id] * mass.ravel()[camera.cells]
    return np.bincount(camera.entry_zones, here, len(view.zones)).astype(np.float64)


def _seen_parts(view: SiteView, camera: CameraView, xy_m: FloatArray) -> tuple[IntArray, Masks]:
    """(N,) cell of the camera's window, row by row, and part by which each person belongs to its ground; -1 and 0 for
    those whom it does not see.

    At the edge of the view the person's own place decides: whoever is cut off by the picture's edge stands exactly on
    it, where the middle of the part may lie beyond. They belong to the nearest part that the camera sees.
    """
    window = camera.window
    own = view.grid.part(window)
    place, bit = parts_at(own, xy_m)
    if not window:
        return place, bit
    seen = np.where(place >= 0, camera.seen.ravel()[place], 0)
    away = np.flatnonzero(seen & bit == 0)
    place[away], bit[away] = nearest_part(camera.seen, (xy_m[away] - own.origin_m) / own.cell_m)
    there = np.flatnonzero((seen != EVERY_PART) & (place >= 0))
    unseen = there[~sees(camera.plane, camera.camera.anchor, camera.camera.counts_heads, xy_m[there])]
    place[unseen], bit[unseen] = -1, 0
    return place, bit


def _on_walkable(view: SiteView, xy_m: FloatArray, cell: IntArray) -> np.ndarray:
    """(N,) whether people stand on walkable ground, its edge included."""
    walkable = view.walkable
    row, col = np.divmod(cell, view.grid.shape[1])
    row, col = row - walkable.window.row, col - walkable.window.col
    rows, cols = walkable.window.shape
    known = (row >= 0) & (col >= 0) & (row < rows) & (col < cols)
    place = np.where(known, row * cols + col, 0)
    cut = known & walkable.cut.ravel()[place]
    on = known & (walkable.share.ravel()[place] > 0)
    on[cut] = inside(walkable.area, xy_m[cut])
    return on


def _found(camera: CameraView, boxes: float, place: IntArray, heads: Heads | None) -> float:
    """People in a picture: its boxes, and on the ground that the camera sees, both after the hand-over.

    With density map m and the hand-over's weight w there, it is the sum of 1 - w over the boxes and of w m over the
    cells.
    """
    if heads is None:
        return boxes
    return boxes - float(heads.weight.ravel()[place].sum()) + float((heads.counted * camera.heads_alone).sum())


def _count(view: SiteView, coverage: Coverage, camera_id: str, window: tuple[Entry, ...]) -> tuple[Entry, ...]:
    """The window with who counts for the camera, unless that was decided for the same ground before."""
    owned = coverage.owned[camera_id]
    done: list[Entry] = []
    for entry in window:
        if entry.owned is owned:
            done.append(entry)
            continue
        weight = entry.factor * (owned.ravel()[entry.place] & entry.bit != 0)
        masses, margin = np.zeros(len(view.zones)), np.zeros((2, len(view.zones)))
        if entry.heads is not None:
            weight = weight * (1.0 - entry.heads.weight.ravel()[entry.place])
            if done and done[-1].heads is entry.heads and done[-1].factor == entry.factor:
                masses, margin = done[-1].masses, done[-1].margin
            else:
                masses = entry.factor * zone_mass(view, coverage, camera_id, entry.heads.counted)
                margin = _margin(view, coverage, camera_id, entry, masses)
        boxes = np.bincount(entry.zone, weight[entry.person], len(view.zones)).astype(np.float64)
        done.append(replace(entry, owned=owned, weight=weight, boxes=boxes, masses=masses, margin=margin))
    return tuple(done)


def _margin(view: SiteView, coverage: Coverage, camera_id: str, entry: Entry, masses: FloatArray) -> FloatArray:
    """(2, zones) how many fewer and more there may be than ``masses``, whom an entry's density map counts."""
    margin, heads = np.zeros((2, len(view.zones))), entry.heads
    if heads is not None and heads.fewer_frac > 0:
        margin[0] = heads.fewer_frac * masses
    if heads is not None and heads.more is not None:
        margin[1] = entry.factor * zone_mass(view, coverage, camera_id, heads.more)
    return margin


def _mean_over_poses(
    view: SiteView, coverage: Coverage, camera_id: str, window: tuple[Entry, ...]
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """(zones,) people by boxes and by density map of a camera that moves, and (2, zones) how many fewer and more by
    density map there may be: on each cell the mean of those pictures of the window that saw it."""
    camera, owned = coverage.views[camera_id], coverage.owned[camera_id].ravel()
    known = [(entry, entry.pose) for entry in window if entry.pose is not None]
    shares = shares_in_mean([pose for _, pose in known], camera.window, coverage.owned[camera_id])
    boxes, mass = np.zeros(len(view.zones)), np.zeros((3, *camera.window.shape))
    for (entry, pose), share in zip(known, shares, strict=True):
        place = places_in(entry.place, pose.window, camera.window)
        inside_now = np.flatnonzero(place >= 0)
        here = place[inside_now]
        weight = np.zeros(len(place))
        weight[inside_now] = entry.factor * share.ravel()[here] * (owned[here] & entry.bit[inside_now] != 0)
        if entry.heads is not None:
            weight *= 1.0 - entry.heads.weight.ravel()[entry.place]
            # persons on the part of a cell where that picture saw heads, as on the part where the newest one does
            for index, people in _people(entry.heads):
                per_share = people * inverse(pose.heads_share)
                here_now = moved(per_share, pose.window, camera.window)
                mass[index] += entry.factor * share * camera.heads_share * here_now
        boxes += np.bincount(entry.zone, weight[entry.person], len(view.zones))
    counted, fewer, more = (zone_mass(view, coverage, camera_id, each) for each in mass)
    return boxes, counted, np.stack([fewer, more])


def _people(heads: Heads) -> list[tuple[int, FloatArray]]:
    """0, 1, 2 with (rows, cols) people whom a density map counts, how many fewer there may be, and how many more."""
    found = [(0, heads.counted)]
    if heads.fewer_frac > 0:
        found.append((1, heads.fewer_frac * heads.counted))
    if heads.more is not None:
        found.append((2, heads.more))
    return found
