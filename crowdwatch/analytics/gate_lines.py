"""Gates on the ground: which side of each one stands on, which cells lie around it, and which camera watches which
piece of it. Everything here follows from the site and from the cameras' views."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from crowdwatch.analytics.coverage import CameraView, Coverage, SiteView, inverse
from crowdwatch.core.records import FloatArray
from crowdwatch.core.site import Gate
from crowdwatch.ground import IntArray, Masks, cells_of, moved, parts_at

__all__ = ["BAND_M", "REACH_M", "GateGround", "GateLine", "Watch", "gate_ground", "near", "watch_of"]

SAMPLE_M = 0.25
"""A gate is watched piece by piece; a piece is about so long."""

STEP_M = 0.5
"""Whoever crosses is to be seen so far before and behind the line: less than a step and half a metre."""

BAND_M = 1.0
"""Flow is averaged over so much ground before and behind the line: the bandwidth of the density field."""

QUEUE_M = 5.0
"""A queue is counted on so much ground in front of a gate. [design value]"""

REACH_M = 8.0
"""People are followed so near to a gate: four seconds of walking before and behind it. Following everybody would cost a
site of 8,000 people half a tick more."""


@dataclass(frozen=True, slots=True, eq=False)
class GateLine:
    """One gate.

    Args:
        gate: as the site has it.
        start_m: (2,) its first point.
        along, inward: (2,) unit vectors: to its second point, and the way of ingress.
        length_m: of the line.
        places: (K,) metres along the line of the middles of its pieces.
        cells, bits: (3, K) cell and part, of the site's grid, of each piece: before it, on it, behind it; cell -1 where
            the site's ground does not reach.
        band, queue: (B,) cells, row by row, on which flow is measured, and on which a queue stands.
        band_share, queue_share: (B,) of what stands in each of these cells.
        piece: (B,) the piece of the line that each cell of the band is nearest to.
        depth_m: how long the way through the band is: less than twice :data:`BAND_M` where the walkable ground ends.
    """

    gate: Gate
    start_m: FloatArray
    along: FloatArray
    inward: FloatArray
    length_m: float
    places: FloatArray
    cells: IntArray
    bits: Masks
    band: IntArray
    band_share: FloatArray
    depth_m: float
    piece: IntArray
    queue: IntArray
    queue_share: FloatArray

    def coordinates(self, xy_m: FloatArray) -> tuple[FloatArray, FloatArray]:
        """(N,) metres along the line, and metres past it: below 0 for those who have not come in."""
        off = xy_m - self.start_m
        return off @ self.along, off @ self.inward


@dataclass(frozen=True, slots=True, eq=False)
class GateGround:
    """All gates of a site."""

    gates: tuple[GateLine, ...]

    def __len__(self) -> int:
        return len(self.gates)


@dataclass(frozen=True, slots=True, eq=False)
class Watch:
    """Who watches one gate at a moment.

    Args:
        camera_ids: the healthy cameras, sorted.
        watcher: (K,) which of them counts who crosses each piece; -1 where nobody sees both sides of it.
        band_seen_frac: share of the band that anybody sees.
    """

    camera_ids: tuple[str, ...]
    watcher: IntArray
    band_seen_frac: float

    @property
    def watched_frac(self) -> float:
        """Share of the line that is watched."""
        return float((self.watcher >= 0).mean())


def gate_ground(view: SiteView) -> GateGround:
    """Put a site's gates on its grid."""
    return GateGround(tuple(_line(view, gate) for gate in view.site.gates))


def _line(view: SiteView, gate: Gate) -> GateLine:
    start, end = gate.line_m
    length_m = float(np.hypot(*(end - start)))
    along = (end - start) / length_m
    inward = np.array([along[1], -along[0]])
    pieces = max(1, round(length_m / SAMPLE_M))
    places = (np.arange(pieces) + 0.5) * length_m / pieces
    on = start + places[:, None] * along
    found = [parts_at(view.grid, on + step * inward) for step in (-STEP_M, 0.0, STEP_M)]

    def ground(before_m: float, behind_m: float) -> tuple[IntArray, FloatArray]:
        corners = [
            start - before_m * inward,
            end - before_m * inward,
            end + behind_m * inward,
            start + behind_m * inward,
        ]
        band = shapely.Polygon(corners)
        north, east = view.grid.origin_m[1], view.grid.origin_m[0]
        height_m, width_m = (n * view.grid.cell_m for n in view.grid.shape)
        on_grid = band.intersection(shapely.box(east, north, east + width_m, north + height_m))
        area, whole = cells_of(view.grid, on_grid.intersection(view.walkable.area)), cells_of(view.grid, on_grid)
        row, col = np.nonzero(area.share > 0)
        # people in a cell that a wall cuts stand on its walkable part
        walkable = moved(view.walkable.share, view.walkable.window, area.window)[row, col]
        # and walk through what the wall takes of the way
        way = moved(whole.share, whole.window, area.window)[row, col]
        share = np.minimum(np.maximum(area.share[row, col] * inverse(walkable), way), 1.0)
        return (row + area.window.row) * view.grid.shape[1] + col + area.window.col, share

    band, band_share = ground(BAND_M, BAND_M)
    queue, queue_share = ground(QUEUE_M, 0.0)
    return GateLine(
        gate, np.asarray(start), along, inward, length_m, places,
        np.stack([cell for cell, _ in found]), np.stack([bit for _, bit in found]),
        band, band_share, _depth_m(view, start, end, inward), _pieces(view, band, start, along, places), queue,
        queue_share,
    )  # fmt: skip


def _pieces(view: SiteView, band: IntArray, start: FloatArray, along: FloatArray, places: FloatArray) -> IntArray:
    """(B,) the piece of the line that is nearest to each cell of the band."""
    row, col = np.divmod(band, view.grid.shape[1])
    centres = view.grid.origin_m + (np.stack([col, row], axis=1) + 0.5) * view.grid.cell_m
    s = (centres - start) @ along
    nearest: IntArray = np.abs(s[:, None] - places[None]).argmin(axis=1)
    return nearest


def _depth_m(view: SiteView, start: FloatArray, end: FloatArray, inward: FloatArray) -> float:
    """How far one walks through the band on walkable ground: where it is narrow people walk through too."""
    steps = (np.arange(20) + 0.5) * 2 * BAND_M / 20 - BAND_M
    lines = shapely.linestrings([[start + d * inward, end + d * inward] for d in steps])
    open_m = shapely.length(shapely.intersection(lines, view.walkable.area))
    return float((open_m > 0).mean()) * 2 * BAND_M or 2 * BAND_M


def near(ground: GateGround, xy_m: FloatArray) -> NDArray[np.bool_]:
    """(N,) who stands near enough to any gate to be followed."""
    close = np.zeros(len(xy_m), dtype=np.bool_)
    for line in ground.gates:
        s, d = line.coordinates(xy_m)
        beside = np.maximum(np.maximum(-s, s - line.length_m), 0.0)
        close |= np.hypot(beside, d) <= REACH_M
    return close


def watch_of(view: SiteView, coverage: Coverage, line: GateLine) -> Watch:
    """Who watches a gate: of the cameras that see both sides of a piece the one that counts the ground there, else the
    first of them."""
    camera_ids = tuple(sorted(coverage.healthy))
    watcher = np.full(len(line.places), -1)
    for number, camera_id in reversed(list(enumerate(camera_ids))):
        sees = np.logical_and.reduce([
            _has(view, coverage.views, camera_id, coverage.views[camera_id].seen, cell, bit)
            for cell, bit in zip(line.cells, line.bits, strict=True)
        ])  # fmt: skip
        watcher[sees] = number
    for number, camera_id in enumerate(camera_ids):
        owns = _has(view, coverage.views, camera_id, coverage.owned[camera_id], line.cells[1], line.bits[1])
        both = np.logical_and.reduce([
            _has(view, coverage.views, camera_id, coverage.views[camera_id].seen, line.cells[side], line.bits[side])
            for side in (0, 2)
        ])  # fmt: skip
        watcher[owns & both] = number
    seen = np.bitwise_count(coverage.seen.ravel()[line.band]) / 16
    total = float(line.band_share.sum())
    frac = float((line.band_share * seen).sum()) / total if total > 0 else 0.0
    return Watch(camera_ids, watcher, frac)


def _has(
    view: SiteView, views: Mapping[str, CameraView], camera_id: str, masks: Masks, cell: IntArray, bit: Masks
) -> NDArray[np.bool_]:
    """(K,) whether parts of the site's cells are in masks over a camera's window."""
    window = views[camera_id].window
    row, col = np.divmod(cell, view.grid.shape[1])
    row, col = row - window.row, col - window.col
    inside = (cell >= 0) & (row >= 0) & (col >= 0) & (row < window.rows) & (col < window.cols)
    if not inside.any():
        return inside
    place = np.where(inside, row * window.cols + col, 0)
    found: NDArray[np.bool_] = inside & (masks.ravel()[place] & bit != 0)
    return found
