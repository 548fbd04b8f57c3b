"""Photographs through the whole counting path. They have no ground, so each pixel block is taken for one cell of it.

The "ground" is the picture itself, seen from straight above: a block is ``CELL_M`` wide, whatever its size in the
picture, so that a head is some cells wide and its mass is far above the hand-over's band wherever the counter sees one.
What boxes add is where it sees none. A difference from the counter alone is what the path itself does: the projection
to ground, the hand-over and the rounding of the log.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np

from crowdwatch import config
from crowdwatch.analytics.coverage import SiteView, view_site
from crowdwatch.analytics.engine import advance, start
from crowdwatch.assets.examples import example
from crowdwatch.config import EventFile
from crowdwatch.config.programs import CounterSettings, DetectorSettings
from crowdwatch.core.outcomes import ZoneReading
from crowdwatch.core.ports import Counter, Detector
from crowdwatch.core.records import Anchor, Frame, FramePair, GroundPlane, Observation, Stamp, Tick
from crowdwatch.core.site import Camera, HandOver, Phase, Site, Zone, ZoneKind, ZoneLimits
from crowdwatch.drivers import build, configuration
from crowdwatch.errors import ConfigError
from crowdwatch.ground import Ground, plane_from_pose
from crowdwatch.observation.evidence import evidence
from crowdwatch.observation.observe import locate
from crowdwatch.observation.projection import project_to_ground
from pipelines.command_line import progress
from pipelines.evaluation.shanghaitech import Photograph, read_image

__all__ = ["CELL_M", "Read", "fell", "figures", "flat_plane", "flat_site", "nested", "read_picture"]

CELL_M = 0.1
"""Side of a cell: one block."""

BANDWIDTH_M = 0.2
"""Two blocks: the mass of one head then reads 2 to 4 p/m2 where it is, far above the hand-over's band."""

UP_M, HEAD_M = 1001.65, 1.65
"""The camera is so high that ground and heads are mapped alike."""

SHARES = (0.4, 0.55, 0.7, 0.85, 1.0)
"""Sides of nested crops, of the picture's."""


@dataclass(frozen=True, slots=True)
class Read:
    """One picture: the counter alone, and the whole path with its interval; NaN where the path refused the picture."""

    counter: float
    path: float
    low: float
    high: float


def flat_plane(image_hw: tuple[int, int], block_px: float) -> GroundPlane:
    """A camera straight above: heads in block (r, c) of a picture stand in the cell c east and r south of (0, 0).

    >>> from crowdwatch.ground import to_ground
    >>> to_ground(flat_plane((80, 160), 8.0), np.array([[16.0, 8.0]]), HEAD_M).round(6).tolist()
    [[0.2, -0.1]]
    """
    focal = (UP_M - HEAD_M) * block_px / CELL_M
    return plane_from_pose(
        np.diag([focal, focal, 1.0]), np.diag([1.0, -1.0, -1.0]), np.array([0.0, 0.0, UP_M]),
        image_hw=image_hw, head_plane_m=HEAD_M, rmse_m=0.0,
    )  # fmt: skip


def flat_site(image_hw: tuple[int, int], block_px: float, hand_over: HandOver, score_min: float) -> Site:
    """One zone, the whole picture, whose cells are its blocks."""
    rows, cols = (int(np.ceil(side / block_px - 1e-9)) for side in image_hw)
    ring = np.array([[0.0, -rows], [cols, -rows], [cols, 0.0], [0.0, 0.0]]) * CELL_M
    area_m2 = float(np.prod(image_hw)) * (CELL_M / block_px) ** 2
    zone = Zone("picture", {"en": "picture"}, ring, ZoneKind.STANDING, area_m2)
    camera = Camera("c", {"en": "c"}, flat_plane(image_hw, block_px), Anchor.HEAD, 1.0, score_min)
    return Site(
        "photographs", {"en": "photographs"}, {}, ring, (), (zone,), (), (camera,),
        (Phase("all", 0, (ZoneLimits("picture", ()),)),), window_s=1.0, cell_m=CELL_M, bandwidth_m=BANDWIDTH_M,
        hand_over=hand_over,
    )  # fmt: skip


def read_picture(frame: Frame, detector: Detector, counter: Counter, hand_over: HandOver, score_min: float) -> Read:
    """Count one picture by the counter alone and through the whole path."""
    (mass,) = counter.count([frame])
    (heads,) = detector.detect([frame])
    view = _view(frame.image_hw, mass.block_px, hand_over, score_min)
    plane = view.site.cameras[0].fixed_plane
    stamp = replace(frame.stamp, camera_id="c")
    heads, mass = replace(heads, stamp=stamp), replace(mass, stamp=stamp)
    on_ground = project_to_ground(mass, plane, Ground(view.grid, view.walkable))
    seen = Observation(
        heads,
        locate(heads, plane),
        evidence(FramePair(None, frame)),
        plane.plane_id,
        on_ground,
    )
    reading = _reading(view, seen)
    return Read(mass.total, reading.count, reading.count_low, reading.count_high)


@lru_cache(maxsize=4)
def _view(image_hw: tuple[int, int], block_px: float, hand_over: HandOver, score_min: float) -> SiteView:
    """Prepared once for all pictures of a size."""
    return view_site(flat_site(image_hw, block_px, hand_over, score_min))


def _reading(view: SiteView, seen: Observation) -> ZoneReading:
    state, _ = advance(start(view), seen)
    _, outcome = advance(state, Tick(seen.stamp.t_ns, (seen.stamp.id,)))
    assert outcome is not None  # a tick has one
    return outcome.readings[0]


def nested(photo: Photograph) -> Iterator[Frame]:
    """Growing crops of a photograph about its densest place, each within the next; the last is all of it."""
    image = read_image(photo.path)
    height, width = photo.image_hw
    middle = np.median(photo.heads_px, axis=0) if len(photo.heads_px) else np.array([width, height]) / 2
    for number, share in enumerate(SHARES):
        size = np.array([width, height]) * share
        # the corner moves towards the picture's as the crop grows, so that each crop lies within the next
        corner = np.clip(middle - size / 2, 0, np.array([width, height]) - size)
        left, top = np.floor(corner).astype(int)
        right, bottom = np.ceil(corner + size).astype(int)
        yield Frame(Stamp(photo.name, number, 0), np.ascontiguousarray(image[top:bottom, left:right]))


def fell(reads: Sequence[Read]) -> list[bool]:
    """For each crop and the next, whether the count fell below the smaller crop's interval.

    >>> fell([Read(9, 10, 8, 12), Read(8, 9, 7, 11), Read(6, 6, 5, 7)])
    [False, True]
    """
    return [not after.path >= before.low for before, after in pairwise(reads)]


def figures(photos: Sequence[Photograph], model: str | None, score_min: float, *, crops: bool) -> dict[str, Any]:
    """What the whole path makes of photographs: errors beside the counter's, or with ``crops`` how often it fell.

    Models and their intervals are those of an event file that says nothing, the counter perhaps another one.

    Raises:
        ModelError: a model cannot be used.
    """
    event = configuration.measured(_plain(model))
    detector, (counter, note) = build.open_detector(event, Anchor.HEAD), build.open_counter(event)
    if counter is None:
        raise ConfigError(f"counter: {note}.")
    hand_over = config.to_site(event).hand_over
    rows = []
    for photo in progress(photos, "photographs", len(photos)):
        frames = list(nested(photo)) if crops else [Frame(Stamp(photo.name, 0, 0), read_image(photo.path))]
        rows.append([read_picture(frame, detector, counter, hand_over, score_min) for frame in frames])
    used = {"photographs": len(photos), "counter": counter.counter_id, "detector": detector.detector_id}
    if crops:
        falls = [one for reads in rows for one in fell(reads)]
        pairs = [pair for reads in rows for pair in pairwise(reads)]
        deepest = max((before.path - after.path for before, after in pairs), default=0.0)
        return {**used, "pairs": len(falls), "fell_below_interval": sum(falls), "deepest_fall": round(deepest, 2)}
    true = np.array([len(photo.heads_px) for photo in photos], dtype=np.float64)
    alone, path, low, high = np.array([[r.counter, r.path, r.low, r.high] for (r,) in rows]).T
    return {
        **used,
        "counter_mae": round(float(np.abs(alone - true).mean()), 3),
        "path_mae": round(float(np.abs(path - true).mean()), 3),
        "path_bias": round(float((path - true).mean()), 3),
        "most_apart": round(float(np.abs(path - alone).max()), 3),
        "interval_held": round(float(((low <= true) & (true <= high)).mean()), 3),
        "unread": int(np.isnan(path).sum()),
    }


def _plain(counter: str | None) -> EventFile:
    """The shipped example with nothing said of models, but for the counter."""
    event = config.load(example("pets2009"))
    settings = CounterSettings() if counter is None else CounterSettings(model=counter)
    return event.model_copy(update={"detector": DetectorSettings(), "counter": settings})
