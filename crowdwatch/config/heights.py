"""How tall people look in each zone, and what share of them a detector is to find: for those who set a site up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from crowdwatch.config.input_sizes import OWN_PX, watched_statures_px
from crowdwatch.config.schema import EventFile
from crowdwatch.core.site import LEAST_TALL_PX, Camera, Site
from crowdwatch.ground import polygon

__all__ = ["ZoneHeights", "expected_recall", "zone_heights"]

RECALL = ((0.0, 0.0, 0.0), (16.0, 0.6, 0.0), (24.0, 0.9, 0.0), (48.0, 0.9, 0.03), (64.0, 0.9, 0.2), (90.0, 0.9, 0.55),
          (128.0, 0.9, 0.85))  # fmt: skip
"""From how many pixels on: recall of ``crowd-n`` on open ground (PETS2009 frames 0 to 199, the input at 256 to 1280 px)
and in a crowd (photographs kept aside, below 0.35 p/m2; ``pipelines.recall``). See docs/decisions.md."""


@dataclass(frozen=True, slots=True)
class ZoneHeights:
    """People of 1.7 m in one zone as the detector's network is shown them by the camera that shows them tallest.

    Args:
        zone_id, camera_id: which.
        image_px: longer side of the network's input; of a tile where pictures are cut.
        low_px, high_px: how tall they look on 90 % of the zone's ground that the camera shows.
        left_frac: share of it that is left to the density map because they look too small.
    """

    zone_id: str
    camera_id: str
    image_px: int
    low_px: float
    high_px: float
    left_frac: float

    @property
    def recall(self) -> tuple[float, float]:
        """Of those who look smallest: on open ground, and in a crowd."""
        return expected_recall(self.low_px)


def expected_recall(tall_px: float) -> tuple[float, float]:
    """Share of people of a height that are boxed: on open ground, and in a crowd.

    >>> expected_recall(70.0), expected_recall(20.0)
    ((0.9, 0.2), (0.6, 0.0))
    """
    open_ground, crowd = next((row[1], row[2]) for row in reversed(RECALL) if tall_px >= row[0])
    return open_ground, crowd


def zone_heights(event: EventFile, site: Site) -> list[ZoneHeights]:
    """Every zone that a filmed camera of known height shows; cameras that move are left out."""
    area = polygon(event.site.walkable_area_m, event.site.obstacles_m)
    rows = []
    for zone in site.zones:
        ground = polygon(zone.polygon_m).intersection(area)
        seen = []
        for entry, camera in zip(event.cameras, site.cameras, strict=True):
            if entry.source.synthetic is not None:
                continue  # a drawn scene tells its own truth
            tall = np.empty(0) if camera.plane is None else watched_statures_px(camera.plane, ground)
            if len(tall):
                image_px, scale = _scale(event, camera)
                low, high = np.quantile(tall * scale, [0.05, 0.95])
                left = 0.0 if camera.image_px is None else float(np.mean(tall * scale < LEAST_TALL_PX))
                left = left if camera.counts_heads else 0.0
                seen.append(ZoneHeights(zone.zone_id, camera.camera_id, image_px, float(low), float(high), left))
        rows += [max(seen, key=lambda row: row.low_px)] if seen else []
    return rows


def _scale(event: EventFile, camera: Camera) -> tuple[int, float]:
    """The network's input, and its pixels for one of the picture."""
    wanted, longest = event.detector, max(camera.fixed_plane.image_hw)
    asked = wanted.image_px if isinstance(wanted.image_px, int) else OWN_PX
    image_px = camera.image_px or asked
    shown = longest if wanted.tiles is None else min(wanted.tiles.tile_px, longest)
    return image_px, image_px / shown
