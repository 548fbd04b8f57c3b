"""A corridor of 60 x 10 m from west to east: an entrance, three zones with gates between them, an exit."""

from __future__ import annotations

import numpy as np

from crowdwatch.core.site import Gate, Phase, Site, Zone, ZoneKind

LENGTH, WIDTH = 60.0, 10.0


def gate(gate_id: str, x: float, y0: float = 0.0, y1: float = WIDTH) -> Gate:
    """A line from south to north: its left is west, so that entry goes east."""
    return Gate(gate_id, {"en": gate_id.upper(), "zh": f"{gate_id}口"}, np.array([[x, y0], [x, y1]]), y1 - y0)


def zone(zone_id: str, x0: float, x1: float) -> Zone:
    ring = np.array([[x0, 0], [x1, 0], [x1, WIDTH], [x0, WIDTH]], float)
    return Zone(zone_id, {"en": zone_id.title(), "zh": f"{zone_id}区"}, ring, ZoneKind.MOVING, (x1 - x0) * WIDTH)


def corridor(gates=None, **more) -> Site:
    ring = np.array([[0, 0], [LENGTH, 0], [LENGTH, WIDTH], [0, WIDTH]], float)
    if gates is None:
        gates = (gate("in", 0.0), gate("a", 20.0), gate("b", 40.0), gate("out", LENGTH))
    zones = (zone("west", 1, 19), zone("middle", 21, 39), zone("east", 41, 59))
    return Site(
        "corridor", {"en": "Corridor"}, {}, ring, more.pop("obstacles", ()), zones, tuple(gates), (),
        (Phase("all", 0, ()),), **more,
    )  # fmt: skip
