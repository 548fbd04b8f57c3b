"""What of the wall does not change while a run goes on: ground, zones, cameras with what they see, names, texts."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import shapely
from shapely.geometry import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from crowdwatch import config
from crowdwatch.core.outcomes import Level
from crowdwatch.core.records import FloatArray
from crowdwatch.core.site import Camera, Site
from crowdwatch.ground import polygon, visible_area
from crowdwatch.rendering.palette import BAND_COLOURS, BAND_EDGES_P_M2, GREY, GROUND, INK, LEVEL_STYLES, OFF_SITE
from crowdwatch.ui.view import site_of
from crowdwatch.ui.writing import label_text, name_of
from crowdwatch.words import LANGUAGES, MODULES, t

__all__ = ["cameras_of_zones", "layout_of", "phase_names", "speaks", "time_zone_of"]

SEES_FRAC = 0.05
"""A camera that sees less of a zone than this is not one of its cameras."""

SIMPLER_M = 0.5
MARGIN_FRAC = 0.02


@lru_cache(maxsize=16)
def phase_names(config_json: str, language: str) -> dict[str, str]:
    """What the phases of a run are called."""
    phases = config.from_json(config_json).phases
    return {phase.id: name_of(phase.name.both() if phase.name else {}, phase.id, language) for phase in phases}


@lru_cache(maxsize=16)
def time_zone_of(config_json: str) -> str:
    """The event's time zone; UTC where the event file names none."""
    return config.from_json(config_json).time_zone or "UTC"


@lru_cache(maxsize=16)
def speaks(config_json: str) -> bool:
    """Whether the event has messages for loudspeakers."""
    return config.from_json(config_json).voice is not None


@lru_cache(maxsize=16)
def _views(config_json: str) -> dict[str, BaseGeometry]:
    """The ground that each fixed camera sees."""
    site = site_of(config_json)
    walkable = polygon(site.walkable_m, site.obstacles_m)
    return {
        camera.camera_id: visible_area(camera.plane, within=walkable).simplify(SIMPLER_M)
        for camera in site.cameras
        if camera.plane is not None
    }


@lru_cache(maxsize=16)
def cameras_of_zones(config_json: str) -> dict[str, tuple[str, ...]]:
    """Fixed cameras that see a zone, who sees most of it first."""
    found = {}
    for zone in site_of(config_json).zones:
        shape = polygon(zone.polygon_m)
        seen = {key: view.intersection(shape).area / shape.area for key, view in _views(config_json).items()}
        found[zone.zone_id] = tuple(sorted((k for k, f in seen.items() if f >= SEES_FRAC), key=lambda k: -seen[k]))
    return found


def _points(points: FloatArray) -> list[list[float]]:
    return [[round(float(x), 2), round(float(y), 2)] for x, y in np.asarray(points)]


def _spot(points: FloatArray) -> tuple[list[float], float]:
    """Where a plate is put, and the radius of the largest circle within the polygon: its centroid where that lies well
    within, else the middle of the circle."""
    shape = Polygon(points)
    line = shapely.maximum_inscribed_circle(shape, tolerance=max(shape.length / 400, 0.05))
    centre, spot = shape.centroid, shapely.Point(line.coords[0])
    if shape.contains(centre) and shape.exterior.distance(centre) > 0.8 * line.length:
        spot = centre
    return [round(spot.x, 2), round(spot.y, 2)], round(line.length, 2)


def _cone(view: BaseGeometry | None) -> list[list[list[float]]]:
    parts = list(view.geoms) if isinstance(view, MultiPolygon) else [view]
    return [
        _points(np.array(part.exterior.coords)) for part in parts if isinstance(part, Polygon) and not part.is_empty
    ]


def _camera(camera: Camera, views: dict[str, BaseGeometry], language: str) -> dict[str, Any]:
    centre = None if camera.plane is None else camera.plane.camera_centre_m
    return {
        "id": camera.camera_id,
        "name": name_of(camera.name, camera.camera_id, language),
        "at": None if centre is None else _points(centre[None, :2])[0],
        "cone": _cone(views.get(camera.camera_id)),
        "moves": camera.moves,
    }


def _extent(site: Site) -> list[float]:
    """West, south, east and north of what is drawn: walkable area and zones. Cameras beyond stand at its edge."""
    points = np.vstack([site.walkable_m, *(zone.polygon_m for zone in site.zones)])
    low, high = points.min(axis=0), points.max(axis=0)
    margin = MARGIN_FRAC * float((high - low).max())
    return [round(float(each), 2) for each in (*(low - margin), *(high + margin))]


@lru_cache(maxsize=8)
def layout_of(config_json: str, language: str) -> dict[str, Any]:
    """One JSON-able object for the component. Every text in it is text, whatever it holds.

    Args:
        config_json: the resolved event file of a run.
        language: of names and texts.

    Raises:
        ConfigError: the text is not an event file.
    """
    site, views = site_of(config_json), _views(config_json)
    prefix = "wall."
    page = MODULES[language].PAGE
    zones = []
    for zone in site.zones:
        spot, radius = _spot(zone.polygon_m)
        name = name_of(zone.name, zone.zone_id, language)
        low, high = zone.polygon_m.min(axis=0), zone.polygon_m.max(axis=0)
        zones.append({
            "id": zone.zone_id, "name": name, "poly": _points(zone.polygon_m), "spot": spot, "r": radius,
            "box": [round(float(v), 2) for v in high - low],
        })  # fmt: skip
    return {
        "language": language,
        "languages": LANGUAGES,
        "texts": {key.removeprefix(prefix): text for key, text in page.items() if key.startswith(prefix)},
        "event": name_of(site.name, site.event_id, language),
        "labels": [label_text(label, language) for label in site.labels],
        "notice": name_of(site.notice, "", language) if site.notice else "",
        "extent": _extent(site),
        "walkable": _points(site.walkable_m),
        "obstacles": [_points(ring) for ring in site.obstacles_m],
        "zones": zones,
        "zone_cameras": {key: list(ids) for key, ids in cameras_of_zones(config_json).items()},
        "cameras": [_camera(camera, views, language) for camera in site.cameras],
        "gates": [
            {"id": gate.gate_id, "name": name_of(gate.name, gate.gate_id, language), "line": _points(gate.line_m)}
            for gate in site.gates
        ],
        "units": [
            {"id": unit.unit_id, "name": name_of(dict(unit.name), unit.unit_id, language), "kind": unit.kind.value}
            for unit in site.units
        ],
        "levels": {
            str(level.value): {
                "colour": style.colour, "ink": style.ink, "sign": style.sign,
                "word": t(language, f"level.{level.name.lower()}"),
            }
            for level, style in sorted(LEVEL_STYLES.items(), key=lambda each: each[0])
        },
        "report_levels": [level.value for level in (Level.WATCH, Level.CAUTION, Level.ALERT, Level.CRITICAL)],
        "bands": list(BAND_COLOURS),
        "edges": list(BAND_EDGES_P_M2),
        "colours": {"ink": INK, "ground": GROUND, "grey": GREY, "off": OFF_SITE},
    }  # fmt: skip
