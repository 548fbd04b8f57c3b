"""One site out of many cameras: what is seen, and which camera counts the people on which ground.

Each part of a cell belongs to one camera: of the healthy ones that see it, the one with the smallest position error at
that cell, and of equal ones the one whose id sorts first. Nobody is counted twice, and the sum is the sum.

:class:`SiteView` is what never changes. :class:`Coverage` is what follows from the views of the moment and from which
cameras are healthy: when a camera falls silent or moves, it is worked out anew where that camera looks, and nothing is
kept of how it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from crowdwatch.analytics.density import kernel_share, reach_cells
from crowdwatch.analytics.zones import ZoneCells, place_zones
from crowdwatch.core.records import FloatArray, GroundPlane
from crowdwatch.core.site import LEAST_TALL_PX, Camera, Site
from crowdwatch.ground import AreaCells, Grid, IntArray, Masks, Window, footprint, share_of, site_ground, statures_px

__all__ = [
    "CameraView",
    "Coverage",
    "SharedGround",
    "SiteView",
    "cover",
    "first_cover",
    "inverse",
    "view_camera",
    "view_site",
    "walkable_shares",
]

LEAST_SHARE = 0.01
"""Where less of a cell than this shows heads on walkable ground, its mass is what spilled over from elsewhere."""

FAR_CELLS = 512
"""Rows and columns of cells whose kernel shares are worked out at once, which bounds the memory for their parts."""


@dataclass(frozen=True, slots=True, eq=False)
class CameraView:
    """What one camera sees from where it is: a camera that moves has another one for every pose.

    Args:
        camera: as the site has it.
        plane: from which this view follows.
        plane_id: its name.
        window: the cells that it reaches; all arrays here are over them.
        seen: the parts on which people are seen; see :class:`~crowdwatch.ground.footprint.Footprint`.
        sigma_m, px2_m2: as there.
        heads_share: share of each cell where heads are seen on walkable ground; 0 below :data:`LEAST_SHARE`.
        heads_kernel: share of the kernel that lies over this ground; NaN where heads are not seen.
        unboxed: (rows, cols) where people look too small to be boxed, and the density map counts whatever the density.
        heads_alone: share of each cell's density map that it counts where no other camera does.
        entries: (E,) which of the site's zone entries lie on cells that it reaches.
        cells: (E,) their cells within the window, row by row.
        entry_zones: (E,) their zones.
        zones_seen: (zones,) whether it looks at any of their ground.
        zones_in_sight: (zones,) whether it sees any of it: not where the part of the picture that shows it is lost.
        zones_hidden: (zones,) whether it has lost any of it.
    """

    camera: Camera
    plane: GroundPlane
    plane_id: str
    window: Window
    seen: Masks
    sigma_m: FloatArray
    px2_m2: FloatArray
    heads_share: FloatArray
    heads_kernel: FloatArray
    unboxed: NDArray[np.bool_]
    heads_alone: FloatArray
    entries: IntArray
    cells: IntArray
    entry_zones: IntArray
    zones_seen: NDArray[np.bool_]
    zones_in_sight: NDArray[np.bool_]
    zones_hidden: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class SiteView:
    """A site prepared for the fold: everything here follows from the :class:`Site` and is computed once.

    Args:
        site: the place and its rules.
        grid: the cells that a view or a zone reaches.
        walkable: the walkable area on them.
        zones: the zones on them.
        cameras: the views of the cameras that do not move.
    """

    site: Site
    grid: Grid
    walkable: AreaCells
    zones: ZoneCells
    cameras: Mapping[str, CameraView]


@dataclass(frozen=True, slots=True, eq=False)
class SharedGround:
    """Ground of zones that a camera sees and another one counts: (S,) pieces, each of one zone on one cell.

    Args:
        cell: within the camera's window, row by row.
        zone: its number.
        mass_share: of the camera's density map on the cell.
        area_share: of the cell.
    """

    cell: IntArray
    zone: IntArray
    mass_share: FloatArray
    area_share: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Coverage:
    """Who counts what, given the views of the moment and which cameras are healthy.

    Args:
        views: of all cameras that have one, healthy or not.
        healthy: the cameras that count.
        seen: (rows, cols) the parts that any healthy camera sees.
        owned: per healthy camera, over its window, the parts that it counts.
        px2_m2: (rows, cols) pixels that a square metre takes in the camera that comes first there; NaN where none sees.
        kernel: (rows, cols) share of the kernel that lies over seen, walkable ground; NaN where it is not seen.
        visible_frac: (zones,) share of each zone's ground that is seen.
        zone_shares: per healthy camera, (E,) for each of its view's entries the share of the cell's density map that it
            counts for that zone.
        owned_shares: per healthy camera, (rows, cols) the share of each cell's density map that it counts at all.
        shared: per healthy camera that sees ground of a zone which another one counts, that ground.
    """

    views: Mapping[str, CameraView]
    healthy: frozenset[str]
    seen: Masks
    owned: Mapping[str, Masks]
    px2_m2: FloatArray
    kernel: FloatArray
    visible_frac: FloatArray
    zone_shares: Mapping[str, FloatArray]
    owned_shares: Mapping[str, FloatArray]
    shared: Mapping[str, SharedGround]


def view_site(site: Site) -> SiteView:
    """Prepare a site for the fold.

    Raises:
        AnchorRefused: a camera that marks heads and has no known position.
        ConfigError: the ground that is reached has too many cells.
    """
    ground = site_ground(site)
    zones = place_zones(ground.grid, site.zones, ground.walkable.area)
    empty = SiteView(site, ground.grid, ground.walkable, zones, {})
    views = {c.camera_id: view_camera(empty, c, c.plane) for c in site.cameras if c.plane is not None}
    return replace(empty, cameras=views)


def view_camera(view: SiteView, camera: Camera, plane: GroundPlane) -> CameraView:
    """Work out what a camera sees through a plane: once for a fixed camera, for every pose of one that moves."""
    found = footprint(plane, camera.anchor, camera.counts_heads, view.grid)
    window = found.window
    heads_share = walkable_shares(view.walkable, window, found.heads)
    heads_share[heads_share < LEAST_SHARE] = 0.0
    kernel = np.full(window.shape, np.nan)
    if heads_share.any():
        covered = view.walkable.covered(window, found.heads)
        kernel = kernel_share(covered, window, view.grid.cell_m, view.site.bandwidth_m)
        kernel[heads_share == 0] = np.nan
    entries = view.zones.within(window, view.grid)
    row, col = np.divmod(view.zones.cell[entries], view.grid.shape[1])
    cells = (row - window.row) * window.cols + col - window.col
    sees = found.seen.ravel()[cells] & view.zones.mask[entries] != 0
    entry_zones = view.zones.zone[entries]
    zones_seen = np.bincount(entry_zones, sees, len(view.zones)) > 0
    none_hidden = np.zeros(len(view.zones), dtype=np.bool_)
    unboxed = _unboxed(view, camera, plane, window) & (heads_share > 0)
    heads_alone = walkable_shares(view.walkable, window, found.seen) * inverse(heads_share)
    return CameraView(
        camera, plane, plane.plane_id, window, found.seen, found.sigma_m, found.px2_m2, heads_share, kernel, unboxed,
        heads_alone, entries, cells, entry_zones, zones_seen, zones_seen, none_hidden,
    )  # fmt: skip


def _unboxed(view: SiteView, camera: Camera, plane: GroundPlane, window: Window) -> NDArray[np.bool_]:
    """Cells on which people look smaller than :data:`LEAST_TALL_PX` to the detector; none where no size was chosen."""
    if camera.image_px is None:
        return np.zeros(window.shape, dtype=np.bool_)
    centres = np.stack(np.meshgrid(*view.grid.centres(window)), axis=2).reshape(-1, 2)
    tall = statures_px(plane, centres) * camera.image_px / max(plane.image_hw)
    small: NDArray[np.bool_] = (tall < LEAST_TALL_PX).reshape(window.shape)  # NaN is not small
    return small


def first_cover(view: SiteView) -> Coverage:
    """Nothing is seen, since no camera has spoken yet."""
    unknown = np.full(view.grid.shape, np.nan)
    nothing = np.zeros(view.grid.shape, dtype=np.uint16)
    return Coverage(view.cameras, frozenset(), nothing, {}, unknown, unknown, np.zeros(len(view.zones)), {}, {}, {})


def cover(view: SiteView, before: Coverage, views: Mapping[str, CameraView], healthy: frozenset[str]) -> Coverage:
    """Work out who counts what, from how it was: only where a camera's health or view has changed.

    Args:
        view: the prepared site.
        before: the coverage of another moment.
        views: of all cameras that have one.
        healthy: the cameras that count; all of them have a view.
    """
    changed = _changed(before, views, healthy)
    if changed is None:
        return before
    seen, pixels = before.seen.copy(), before.px2_m2.copy()
    seen[changed.slices], pixels[changed.slices] = 0, np.nan
    moved = {c for c in healthy if views[c] is not before.views.get(c)}  # perhaps to where it sees no cell
    owners = sorted(c for c in healthy if c in moved or c not in before.owned or views[c].window & changed)
    owned = {c: before.owned[c] for c in healthy if c in before.owned}
    for camera_id, mine in _owners(views, owners, changed, seen, pixels).items():
        owned[camera_id] = _patched(before.owned.get(camera_id), mine, views[camera_id], changed)
    zone_shares, owned_shares, shared = dict(before.zone_shares), dict(before.owned_shares), dict(before.shared)
    for camera_id in before.healthy - healthy:
        del zone_shares[camera_id], owned_shares[camera_id]
        shared.pop(camera_id, None)
    for camera_id in owners:
        zone_shares[camera_id], owned_shares[camera_id] = _counted_shares(view, views[camera_id], owned[camera_id])
        shared.pop(camera_id, None)
        ground = _shared(view, views[camera_id], owned[camera_id])
        if ground is not None:
            shared[camera_id] = ground
    return Coverage(
        views, healthy, seen, owned, pixels, _kernel(view, before.kernel, seen, changed), _visible(view, seen),
        zone_shares, owned_shares, shared,
    )  # fmt: skip


def walkable_shares(area: AreaCells, window: Window, masks: Masks) -> FloatArray:
    """(rows, cols) share of each cell that lies in an area and whose parts are in ``masks``."""
    shares: FloatArray = np.zeros(window.shape)
    common = window & area.window
    if common:
        here, there = common.within(window), common.within(area.window)
        shares[here] = area.share[there] * share_of(masks[here], area.mask[there])
    return shares


def _changed(before: Coverage, views: Mapping[str, CameraView], healthy: frozenset[str]) -> Window | None:
    """The rectangle around all ground of which somebody's view or health has changed; None where nothing has."""
    pairs = [
        (before.views.get(c) if c in before.healthy else None, views.get(c) if c in healthy else None)
        for c in before.healthy | healthy
    ]
    different = [pair for pair in pairs if pair[0] is not pair[1]]
    if not different:
        return None
    changed = Window(0, 0, 0, 0)
    for each in (view for pair in different for view in pair if view is not None):
        changed = changed | each.window
    return changed


def _owners(
    views: Mapping[str, CameraView], camera_ids: list[str], region: Window, seen: Masks, pixels: FloatArray
) -> dict[str, Masks]:
    """Give every part of the cells of a region to a camera; fills in ``seen`` and ``pixels`` there.

    Returns:
        Per camera, over what its window and the region have in common, the parts that it counts.
    """
    parts = []
    for number, camera_id in enumerate(camera_ids):
        view = views[camera_id]
        common = view.window & region
        here = common.within(view.window)
        row, col = np.nonzero(view.seen[here])
        cell = (row + common.row) * seen.shape[1] + col + common.col
        found = (each[here][row, col] for each in (view.sigma_m, view.seen, view.px2_m2))
        parts.append((np.full(len(row), number), row * common.cols + col, cell, *found))
    if not parts:
        return {}
    who, place, cell, sigma, mask, px2 = (np.concatenate(each) for each in zip(*parts, strict=True))
    order = np.lexsort((sigma, cell))  # stable: of equal errors the camera whose id sorts first
    start = np.flatnonzero(np.diff(cell[order], prepend=-1))
    rank = np.arange(len(order)) - np.repeat(start, np.diff(start, append=len(order)))
    flat, mine = seen.ravel(), np.zeros(len(order), dtype=np.uint16)
    by_rank = np.argsort(rank, kind="stable")
    for turn in np.split(by_rank, np.cumsum(np.bincount(rank))[:-1]):  # in each turn every cell comes once at most
        chosen = order[turn]
        mine[chosen] = mask[chosen] & ~flat[cell[chosen]]
        flat[cell[chosen]] |= mask[chosen]
    first = order[start]
    pixels.ravel()[cell[first]] = px2[first]
    owned = {}
    for number, camera_id in enumerate(camera_ids):
        common = views[camera_id].window & region
        own = np.zeros(common.shape, dtype=np.uint16)
        own.ravel()[place[who == number]] = mine[who == number]
        owned[camera_id] = own
    return owned


def _patched(old: Masks | None, mine: Masks, view: CameraView, region: Window) -> Masks:
    """What a camera counts over its whole window, given what it counts in a region of it; the old array where nothing
    is different, by which it is known that nothing is."""
    whole = np.zeros(view.window.shape, dtype=np.uint16)
    if old is not None and old.shape == whole.shape:
        whole[:] = old
    whole[(view.window & region).within(view.window)] = mine
    return old if old is not None and np.array_equal(old, whole) else whole


def _counted_shares(view: SiteView, camera: CameraView, owned: Masks) -> tuple[FloatArray, FloatArray]:
    """Shares of a camera's density map that it counts: for every zone entry, and for every cell.

    A cell's mass stands on the part of it where the camera sees heads and people can be, so these are shares of that
    part, not of the cell: the unseen part has put nothing into the sum that would have to be taken out again.
    """
    per_m2 = inverse(camera.heads_share)
    zones = view.zones
    share = zones.share[camera.entries] * share_of(owned.ravel()[camera.cells], zones.mask[camera.entries])
    return share * per_m2.ravel()[camera.cells], walkable_shares(view.walkable, camera.window, owned) * per_m2


def _shared(view: SiteView, camera: CameraView, owned: Masks) -> SharedGround | None:
    """The ground that a camera sees and does not count; None where there is none."""
    others = (camera.seen & ~owned).ravel()[camera.cells] & view.zones.mask[camera.entries]
    here = np.flatnonzero(others)
    if not len(here):
        return None
    cell, entry = camera.cells[here], camera.entries[here]
    area = view.zones.share[entry] * share_of(others[here], view.zones.mask[entry])
    mass = area * inverse(camera.heads_share.ravel()[cell])
    return SharedGround(cell, view.zones.zone[entry], mass, area)


def inverse(share: FloatArray) -> FloatArray:
    """1 / share; 0 where there is none."""
    return np.divide(1.0, share, out=np.zeros(share.shape), where=share > 0)


def _visible(view: SiteView, seen: Masks) -> FloatArray:
    """(zones,) share of each zone's ground that is seen."""
    zones = view.zones
    here = zones.share * share_of(seen.ravel()[zones.cell], zones.mask)
    counts = len(zones)
    return np.bincount(zones.zone, here, counts) / np.maximum(np.bincount(zones.zone, zones.share, counts), 1e-12)


def _kernel(view: SiteView, before: FloatArray, seen: Masks, changed: Window) -> FloatArray:
    """(rows, cols) share of the kernel over seen, walkable ground; what lies far from the change is as it was."""
    grid = view.grid
    kernel = before.copy()
    reach = reach_cells(grid.cell_m, view.site.bandwidth_m)
    touched = changed.widened(reach, grid)
    for row in range(touched.row, touched.row + touched.rows, FAR_CELLS):
        for col in range(touched.col, touched.col + touched.cols, FAR_CELLS):
            wanted = Window(row, col, FAR_CELLS, FAR_CELLS) & touched
            around = wanted.widened(reach, grid)
            covered = view.walkable.covered(around, seen[around.slices])
            kernel[wanted.slices] = kernel_share(covered, wanted, grid.cell_m, view.site.bandwidth_m)
    here = touched & view.walkable.window
    centre = np.zeros(touched.shape, dtype=np.bool_)
    centre[here.within(touched)] = view.walkable.centre[here.within(view.walkable.window)]
    around_centre = seen[touched.slices] & np.uint16(0b0000_0110_0110_0000) != 0
    kernel[touched.slices][~(centre & around_centre)] = np.nan
    return kernel
