"""Drawn sites for the benchmark of the fold: a square with zones, cameras on masts and a crowd whose places are known.

What every camera sees is worked out before anything is timed: boxes of the people whom it validly sees, and a density
map on the ground of the heads that it validly sees. Positions are exact, so that counts can be compared with the truth.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import convolve

from crowdwatch.core.outcomes import Level
from crowdwatch.core.records import (
    Anchor,
    Detections,
    Evidence,
    FloatArray,
    GroundMass,
    GroundPlane,
    Observation,
    Positions,
    Stamp,
)
from crowdwatch.core.site import MOST_P_M2, Camera, Limit, Phase, Quantity, Site, Zone, ZoneKind, ZoneLimits
from crowdwatch.errors import ConfigError
from crowdwatch.ground import to_image, valid_ground
from crowdwatch.sources.synthetic import looking_down

__all__ = ["NS", "DrawnSite", "SiteSize", "draw"]

NS = 1_000_000_000
START_NS = 1_700_000_000 * NS
SEED = 20
CELL_M = 0.5

CORNER_M = np.array([0.2, 0.3])
"""South-west corner of every site: walls and the edges of zones cut through cells, as those of real sites do."""

MAST_M, FOCAL_PX, IMAGE_HW = 10.0, 1000.0, (1080, 1920)
TILT_DEG = (30.0, 36.0)
"""Below the horizon. With these a camera sees from 6 m on, and up to 68 m before its position error exceeds 1 m."""

SWAY_M, LOOKS = 0.25, 8
"""People sway by this much; after so many pictures of a camera they stand where they stood."""

KNOT_FRAC, KNOT_P_M2 = 0.2, 4.0
"""A fifth of the people stand in a round crowd of this density in its middle; the others anywhere."""

SPREAD_FRAC = 0.01
"""A real density map is nowhere as empty as one cell a head. More would change the count: at the band's low end the
hand-over weighs what lies beside a head less than the head."""

LEAST_SIDE_M, MOST_CAMERAS, MOST_ZONES, MOST_PEOPLE = 2.0, 500, 10_000, 1_000_000
STEP_PX, MARGIN_M = 15, 12.0
"""A view's reach is looked for on this lattice of pixels: 12 m is what lies between two of its rows at the far end."""

FINE = Evidence("0" * 16, luma=120.0, contrast=40.0, sharpness=100.0, change=2.0)
DARK = Evidence("0" * 16, luma=2.0, contrast=1.0, sharpness=1.0, change=0.1)


@dataclass(frozen=True, slots=True)
class SiteSize:
    """How large a site to draw.

    Raises:
        ConfigError: no such site can be.
    """

    cameras: int
    side_m: float
    zones: int
    people: int

    def __post_init__(self) -> None:
        faults = [
            f"{name}: got {got}, need {least} to {most}."
            for name, got, least, most in (
                ("cameras", self.cameras, 1, MOST_CAMERAS),
                ("zones", self.zones, 1, MOST_ZONES),
                ("people", self.people, 0, MOST_PEOPLE),
            )
            if not least <= got <= most
        ]
        if not (math.isfinite(self.side_m) and self.side_m >= LEAST_SIDE_M):
            faults.append(f"side-m: got {self.side_m:g}, need at least {LEAST_SIDE_M:g} m.")
        else:
            cells, area_m2 = int(self.side_m / CELL_M) ** 2, self.side_m**2
            if self.zones > cells:
                faults.append(f"zones: got {self.zones}, need at most one for each of the {cells} cells.")
            if self.people > MOST_P_M2 * area_m2:
                faults.append(f"people: got {self.people}, need at most {MOST_P_M2:g} on each of the {area_m2:.0f} m2.")
        if faults:
            raise ConfigError("benchmark --fold: " + " ".join(faults))

    def __str__(self) -> str:
        return f"{self.cameras} cameras, {self.side_m:.4g} m, {self.zones} zones, {self.people} people"

    def doubled(self) -> SiteSize:
        """Twice the cameras, ground, zones and people."""
        return SiteSize(2 * self.cameras, math.sqrt(2) * self.side_m, 2 * self.zones, 2 * self.people)


@dataclass(frozen=True, slots=True, eq=False)
class _Reach:
    """What a view reaches: metres between which all that it sees lies, and the cells of its density map, with a mark
    on those in whose middle it sees heads."""

    low_m: FloatArray
    high_m: FloatArray
    first: np.ndarray
    marked: np.ndarray

    @property
    def origin_m(self) -> FloatArray:
        """South-west corner of the first cell."""
        origin: FloatArray = self.first * CELL_M
        return origin


@dataclass(frozen=True, slots=True, eq=False)
class _Look:
    """One picture of one camera without its time, and which of the people it shows with feet and head."""

    xyxy_px: FloatArray
    xy_m: FloatArray
    sigma_m: FloatArray
    score: FloatArray
    mass: FloatArray
    shown: np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class DrawnSite:
    """A site with all that its cameras see.

    Args:
        size: as asked for.
        hz: pictures a second of each camera.
        site: for the fold.
        reach: of each camera.
        looks: LOOKS pictures of each camera.
        truth: (LOOKS, zones) people who stand in each zone where any camera sees them.
    """

    size: SiteSize
    hz: int
    site: Site
    reach: tuple[_Reach, ...]
    looks: tuple[tuple[_Look, ...], ...]
    truth: FloatArray

    def observations(
        self, second: int, dark: Iterable[str] = (), absent: Iterable[str] = ()
    ) -> list[Observation]:  # fmt: skip
        """What all cameras see in the second that ends at ``START_NS + second``, in the order in which it is folded.

        Args:
            second: number of the tick.
            dark: cameras whose pictures are black.
            absent: cameras that say nothing.
        """
        dark, absent = frozenset(dark), frozenset(absent)
        seen = []
        for index, camera in enumerate(self.site.cameras):
            if camera.camera_id in absent:
                continue
            for number in range(self.hz):
                offset_s = (number + (index + 1) / self.size.cameras) / self.hz
                t_ns = START_NS + (second - 1) * NS + round(offset_s * NS)
                stamp = Stamp(camera.camera_id, second * self.hz + number, t_ns)
                seen.append(self._observe(index, stamp, camera.camera_id in dark))
        return sorted(seen, key=lambda one: (one.stamp.t_ns, one.stamp.id))

    def true_counts(self, second: int, seconds: int) -> FloatArray:
        """(zones,) mean of the truth over the pictures of the ``seconds`` up to this tick."""
        last = (second + 1) * self.hz
        numbers = np.arange(last - seconds * self.hz, last) % LOOKS
        mean: FloatArray = self.truth[numbers].mean(axis=0)
        return mean

    def _observe(self, index: int, stamp: Stamp, dark: bool) -> Observation:
        look, plane = self.looks[index][stamp.seq % LOOKS], self.site.cameras[index].fixed_plane
        n = len(look.score)
        evidence = replace(DARK if dark else FINE, frame_hash=f"{stamp.seq:016x}")
        return Observation(
            Detections(stamp, look.xyxy_px, look.score, np.zeros(n, np.int64), Anchor.FEET, IMAGE_HW, "drawn"),
            Positions(stamp, look.xy_m, look.sigma_m, look.score),
            evidence,
            plane.plane_id,
            GroundMass(stamp, self.reach[index].origin_m, CELL_M, look.mass, 0.0, 0.0, "drawn"),
        )


def draw(size: SiteSize, hz: int = 1) -> DrawnSite:
    """Draw a site and everything that its cameras see; the same size gives the same site."""
    rng = np.random.default_rng(SEED)
    planes = _planes(size, rng)
    site = _site(size, planes, hz)
    reaches = tuple(_reach(plane, size.side_m) for plane in planes)
    people, phase = _crowd(size, rng), rng.uniform(0, 2 * math.pi, (size.people, 2))
    looks: list[list[_Look]] = [[] for _ in planes]
    truth = np.zeros((LOOKS, size.zones))
    for number in range(LOOKS):
        xy_m = people + SWAY_M * np.sin(phase + 2 * math.pi * number / LOOKS)
        shown = np.zeros(size.people, dtype=bool)
        for camera, (plane, reach) in enumerate(zip(planes, reaches, strict=True)):
            looks[camera].append(_look(plane, reach, xy_m, rng))
            shown[looks[camera][-1].shown] = True
        truth[number] = np.bincount(_zone_of(size, xy_m[shown]), minlength=size.zones)
    return DrawnSite(size, hz, site, reaches, tuple(map(tuple, looks)), truth)


def _rows(count: int) -> list[int]:
    """So many things in rows that are nearly as many as their columns: how many are in each row.

    >>> _rows(9), _rows(8), _rows(200)[3:5]
    ([3, 3, 3], [3, 3, 2], [15, 14])
    """
    rows = max(1, round(math.sqrt(count)))
    return [count // rows + (row < count % rows) for row in range(rows)]


def _tiles(count: int, side_m: float) -> FloatArray:
    """(count, 4) west, south, east and north of rectangles that tile the site, row by row from the south."""
    rows = _rows(count)
    edges = []
    for row, columns in enumerate(rows):
        south, north = side_m * row / len(rows), side_m * (row + 1) / len(rows)
        edges += [(side_m * col / columns, south, side_m * (col + 1) / columns, north) for col in range(columns)]
    tiles: FloatArray = np.array(edges) + np.tile(CORNER_M, 2)
    return tiles


def _zone_of(size: SiteSize, xy_m: FloatArray) -> np.ndarray:
    """(N,) index of the zone in which each point of the site lies."""
    columns = np.array(_rows(size.zones))
    share = (xy_m - CORNER_M) / size.side_m
    row = np.clip((share[:, 1] * len(columns)).astype(int), 0, len(columns) - 1)
    col = np.clip((share[:, 0] * columns[row]).astype(int), 0, columns[row] - 1)
    first = np.concatenate([[0], np.cumsum(columns)])
    zone: np.ndarray = first[row] + col
    return zone


def _planes(size: SiteSize, rng: np.random.Generator) -> list[GroundPlane]:
    """One camera for every tile of the site: it stands before the tile's middle and looks at it, neighbours from
    different sides. So views overlap, and cameras compete for ground."""
    tiles = _tiles(size.cameras, size.side_m)
    back_m = float(np.clip(0.7 * size.side_m / math.sqrt(size.cameras), 12.0, 35.0))
    planes = []
    for number, (west, south, east, north) in enumerate(tiles):
        heading = math.radians(90 * (number % 4) + rng.uniform(-15, 15))
        ahead = np.array([math.sin(heading), math.cos(heading)])
        foot = np.array([west + east, south + north]) / 2 + rng.uniform(-1, 1, 2) - back_m * ahead
        target = foot + MAST_M / math.tan(math.radians(rng.uniform(*TILT_DEG))) * ahead
        place, aim = (foot[0], foot[1], MAST_M), (target[0], target[1])
        planes.append(replace(looking_down(place, aim, IMAGE_HW, FOCAL_PX), rmse_m=0.1))
    return planes


def _site(size: SiteSize, planes: list[GroundPlane], hz: int) -> Site:
    tiles = _tiles(size.zones, size.side_m)
    rings = tiles[:, [[0, 1], [2, 1], [2, 3], [0, 3]]]
    area_m2 = (tiles[:, 2] - tiles[:, 0]) * (tiles[:, 3] - tiles[:, 1])
    ids = [f"zone-{number:05d}" for number in range(size.zones)]
    zones = tuple(
        Zone(zone_id, {"en": zone_id}, ring, ZoneKind.STANDING, float(m2))
        for zone_id, ring, m2 in zip(ids, rings, area_m2, strict=True)
    )
    levels = (Level.WATCH, Level.CAUTION, Level.ALERT, Level.CRITICAL)
    ladder = tuple(
        Limit(Quantity.DENSITY, level, at, 0.9 * at, 5.0, 30.0)
        for level, at in zip(levels, (2.0, 3.0, 4.0, 5.0), strict=True)
    )
    cameras = tuple(
        Camera(f"camera-{n:03d}", {"en": f"Camera {n}"}, plane, Anchor.FEET, 1 / hz, score_min=0.25, counts_heads=True)
        for n, plane in enumerate(planes)
    )
    walkable = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * size.side_m + CORNER_M
    phases = (Phase("all", 0, tuple(ZoneLimits(zone_id, ladder) for zone_id in ids)),)
    return Site("drawn", {"en": "Drawn site"}, {}, walkable, (), zones, (), cameras, phases, cell_m=CELL_M)


def _crowd(size: SiteSize, rng: np.random.Generator) -> FloatArray:
    """(people, 2) where everybody stands in the mean: far enough from the walls to sway."""
    low, high = CORNER_M + 1.2 * SWAY_M, CORNER_M + size.side_m - 1.2 * SWAY_M
    places = rng.uniform(low, high, (size.people, 2))
    knot = int(KNOT_FRAC * size.people)
    spread_m = min(math.sqrt(knot / (2 * math.pi * KNOT_P_M2)), size.side_m / 6)
    round_it = rng.normal(CORNER_M + np.array([0.55, 0.45]) * size.side_m, spread_m, (knot, 2))
    inside = ((round_it > low) & (round_it < high)).all(axis=1)
    places[:knot][inside] = round_it[inside]
    return places


def _sees(plane: GroundPlane, xy_m: FloatArray, height_m: float) -> np.ndarray:
    """(N,) bool: does the camera validly see this height above these points?"""
    uv_px = to_image(plane, xy_m, height_m)
    seen: np.ndarray = np.isfinite(valid_ground(plane, uv_px, height_m)[1])
    return seen


def _reach(plane: GroundPlane, side_m: float) -> _Reach:
    """Find what a view reaches of the site."""
    pixels = np.meshgrid(np.arange(0, IMAGE_HW[1] + 1, STEP_PX), np.arange(0, IMAGE_HW[0] + 1, STEP_PX))
    uv_px = np.stack([axis.ravel() for axis in pixels], axis=1).astype(np.float64)
    ground = np.concatenate([valid_ground(plane, uv_px, h)[0] for h in (0.0, plane.head_plane_m)])
    low_m = np.maximum(np.nanmin(ground, axis=0) - MARGIN_M, CORNER_M)
    high_m = np.minimum(np.nanmax(ground, axis=0) + MARGIN_M, CORNER_M + side_m)
    first, last = np.floor(low_m / CELL_M).astype(int), np.ceil(high_m / CELL_M).astype(int)
    east, north = np.meshgrid(*(((np.arange(a, b) + 0.5) * CELL_M) for a, b in zip(first, last, strict=True)))
    centres = np.stack([east.ravel(), north.ravel()], axis=1)
    inside = ((centres > CORNER_M) & (centres < CORNER_M + side_m)).all(axis=1)
    marked = (inside & _sees(plane, centres, plane.head_plane_m)).reshape(east.shape)
    rows, cols = (_span(np.flatnonzero(marked.any(axis=axis))) for axis in (1, 0))
    return _Reach(low_m, high_m, first + np.array([cols.start, rows.start]), marked[rows, cols])


def _span(found: np.ndarray) -> slice:
    """From the first to the last of these places, and one more on either side."""
    return slice(max(found[0] - 1, 0), found[-1] + 2) if len(found) else slice(0, 1)


def _look(plane: GroundPlane, reach: _Reach, everybody_m: FloatArray, rng: np.random.Generator) -> _Look:
    near = np.flatnonzero(((everybody_m >= reach.low_m) & (everybody_m <= reach.high_m)).all(axis=1))
    xy_m = everybody_m[near]
    feet_px = to_image(plane, xy_m)
    ground_m, sigma_m = valid_ground(plane, feet_px)
    boxed, headed = np.isfinite(sigma_m), _sees(plane, xy_m, plane.head_plane_m)
    feet_px = feet_px[boxed]
    top_px = to_image(plane, xy_m[boxed], 1.75)
    half = 0.15 * np.abs(feet_px[:, 1] - top_px[:, 1])
    xyxy_px = np.stack([feet_px[:, 0] - half, top_px[:, 1], feet_px[:, 0] + half, feet_px[:, 1]], axis=1)
    score = rng.uniform(0.3, 1.0, len(xyxy_px))
    mass = _mass(reach, xy_m[headed])
    return _Look(xyxy_px, ground_m[boxed], sigma_m[boxed], score, mass, near[boxed & headed])


def _mass(reach: _Reach, xy_m: FloatArray) -> FloatArray:
    """(rows, cols) the density map of heads: each in its cell, but for ``SPREAD_FRAC`` of it, which is spread over
    3 x 3 cells as far as they are seen. The sum stays the number of heads."""
    rows, cols = reach.marked.shape
    col, row = np.floor(xy_m / CELL_M).astype(int).T - reach.first[:, None]
    inside = (row >= 0) & (row < rows) & (col >= 0) & (col < cols)
    flat = np.bincount(row[inside] * cols + col[inside], minlength=rows * cols)
    heads = flat.reshape(rows, cols).astype(np.float64)
    around = convolve(reach.marked.astype(np.float64), np.ones((3, 3)), mode="constant")
    parts = np.where(reach.marked, SPREAD_FRAC * heads / np.maximum(around, 1.0), 0.0)
    spread = convolve(parts, np.ones((3, 3)), mode="constant")
    mass: FloatArray = np.where(reach.marked, (1 - SPREAD_FRAC) * heads + spread, heads)
    return mass
