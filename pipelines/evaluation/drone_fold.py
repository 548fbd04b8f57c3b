"""Views of drones and cameras through the fold: drawn crowds, and tracks of real ones, seen by perfect detectors.

What is measured here is the ground: poses, who counts what, and the field of density. Detectors find everybody, or a
share of them by chance, at the pixel that the true pose gives; the fold knows only the pose that it is told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import shapely

from crowdwatch.analytics.coverage import view_site
from crowdwatch.analytics.engine import State, advance, start
from crowdwatch.core.outcomes import Outcome
from crowdwatch.core.records import Anchor, Detections, Evidence, FloatArray, GroundPlane, Observation, Stamp, Tick
from crowdwatch.core.site import Camera, Phase, Site, Zone, ZoneKind, ZoneLimits
from crowdwatch.ground import picture_edges_px, to_image
from crowdwatch.observation.observe import locate

__all__ = ["Look", "drawn_site", "run_fold", "zone_grid"]

NS = 1_000_000_000
PIXEL_SIGMA_PX = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """One picture.

    Args:
        camera_id: who took it.
        true, told: the planes in truth and as telemetry, or a calibration, has it.
        people_m: (N, 2) where everybody stands.
        recall: the chance of each to be found.
        feet_px: (N, 2) where a person marked their feet in this picture, NaN of whom it does not show; None: they are
            where the true pose puts them.
    """

    camera_id: str
    true: GroundPlane
    told: GroundPlane
    people_m: FloatArray
    recall: float = 1.0
    feet_px: FloatArray | None = None


def zone_grid(west: float, south: float, east: float, north: float, side_m: float = 10.0) -> tuple[Zone, ...]:
    """Square zones that fill a rectangle."""
    zones: list[Zone] = []
    for x in np.arange(west, east - side_m / 2, side_m):
        for y in np.arange(south, north - side_m / 2, side_m):
            name = f"z{len(zones)}"
            ring = np.array([[x, y], [x + side_m, y], [x + side_m, y + side_m], [x, y + side_m]])
            zones.append(Zone(name, {"en": name}, ring, ZoneKind.STANDING, side_m**2))
    return tuple(zones)


def drawn_site(
    walkable_m: FloatArray, zones: tuple[Zone, ...], fixed: Mapping[str, GroundPlane], drones: Sequence[str],
    window_s: float = 2.0,
) -> Site:  # fmt: skip
    """A site of fixed cameras and drones that count by boxes."""
    cameras = tuple(
        Camera(name, {"en": name}, fixed.get(name), Anchor.FEET, 1.0, 0.25, counts_heads=False)
        for name in [*fixed, *drones]
    )
    limits = tuple(ZoneLimits(zone.zone_id, (), False) for zone in zones)
    return Site(
        "drawn", {"en": "drawn"}, {}, walkable_m, (), zones, (), cameras, (Phase("event", 0, limits),),
        window_s=window_s,
    )  # fmt: skip


@dataclass(slots=True)
class Folded:
    """What a fold gave: outcomes by tick, and the state after each."""

    outcomes: list[Outcome] = field(default_factory=list)
    states: list[State] = field(default_factory=list)


def run_fold(site: Site, ticks: Sequence[Sequence[Look]], seed: int = 1) -> Folded:
    """Fold pictures, one tick a second."""
    state, found, rng = start(view_site(site)), Folded(), np.random.default_rng(seed)
    moving = {camera.camera_id for camera in site.cameras if camera.moves}
    for number, looks in enumerate(ticks, start=1):
        for look in looks:
            observation = _observed(look, number, rng, moves=look.camera_id in moving)
            state, _ = advance(state, observation)
        included = tuple((look.camera_id, number) for look in looks)
        state, outcome = advance(state, Tick(number * NS, included))
        assert outcome is not None, "a tick has one"
        found.outcomes.append(outcome)
        found.states.append(state)
    return found


def _observed(look: Look, number: int, rng: np.random.Generator, *, moves: bool) -> Observation:
    left, top, right, bottom = picture_edges_px(look.true.image_hw)
    uv = look.feet_px
    if uv is None:
        uv = to_image(look.true, look.people_m)
        uv = uv + rng.normal(0.0, PIXEL_SIGMA_PX, uv.shape)
    chance = rng.random(len(uv))
    seen = (uv[:, 0] >= left) & (uv[:, 0] <= right) & (uv[:, 1] >= top) & (uv[:, 1] <= bottom)
    u, v = uv[seen & (chance < look.recall)].T
    boxes = np.stack([u - 5, v - 20, u + 5, v], axis=1)
    stamp = Stamp(look.camera_id, number, number * NS)
    ones = np.ones(len(boxes))
    detections = Detections(
        stamp, boxes, ones, np.zeros(len(boxes), np.int64), Anchor.FEET, look.true.image_hw, "drawn"
    )
    evidence = Evidence(f"{number:015x}{len(look.camera_id) % 16:x}", 120.0, 40.0, 500.0, 3.0)
    plane = look.told
    return Observation(
        detections, locate(detections, plane), evidence, plane.plane_id, plane=plane if moves else None
    )  # fmt: skip


def inside_count(people_m: FloatArray, zone: Zone) -> int:
    """How many stand in a zone."""
    return int(shapely.contains_xy(shapely.Polygon(zone.polygon_m), *people_m.T).sum())
