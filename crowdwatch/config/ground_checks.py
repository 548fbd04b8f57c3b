"""What is wrong between the ground and what lies on it or looks at it: zones, gates and cameras of an event file."""

from __future__ import annotations

import math
from pathlib import Path

import shapely
from shapely.geometry.base import BaseGeometry

from crowdwatch.assets.document import Document, KeyPath
from crowdwatch.config.calibrations import ground_plane
from crowdwatch.config.footage import check_footage, no_file
from crowdwatch.config.maps import map_fault
from crowdwatch.config.programs import CounterSettings
from crowdwatch.config.schema import CameraFile, GateFile, SiteFrame, ZoneFile
from crowdwatch.config.sites import counts_heads
from crowdwatch.errors import CalibrationError, RecordError
from crowdwatch.ground import ground_seen, polygon

__all__ = ["check_camera", "check_gate", "check_zone", "walkable"]

ROUNDING = 1.01
"""A declared area or width may exceed the drawn one by 1 %: people round to whole metres."""
LEAST_GATE_M = 0.3
"""Narrower than a person (0.45 m between the shoulders): two clicks on one spot, not a gate."""


def walkable(document: Document, site: SiteFrame | None) -> BaseGeometry | None:
    """The walkable ground without its obstacles, with what is wrong with it said; None where there is none."""
    if site is None:
        return None
    if site.crs != "local" and site.origin_m is not None:
        fault = map_fault(site.crs, (site.origin_m[0], site.origin_m[1]))
        if fault is not None:
            document.fault(("site", "crs"), fault)
    outer = polygon(site.walkable_area_m)
    for number, ring in enumerate(site.obstacles_m):
        if not outer.intersects(polygon(ring)):
            document.fault(("site", "obstacles_m", number), "lies outside the walkable area. Move or remove it.")
    try:
        return polygon(site.walkable_area_m, site.obstacles_m)
    except RecordError:
        document.fault(("site", "obstacles_m"), "the obstacles leave no walkable area. Make them smaller.")
        return None


def check_zone(document: Document, path: KeyPath, zone: ZoneFile, area: BaseGeometry | None) -> None:
    """A zone lies on walkable ground, and its usable area is no larger than that."""
    if area is None:
        return
    usable = polygon(zone.polygon_m).intersection(area).area
    if usable < 0.01:
        west, south, east, north = area.bounds
        where = f"east {west:g} to {east:g} m, north {south:g} to {north:g} m"
        text = f"lies outside the walkable area ({where}) or on obstacles. Move the zone or widen site.walkable_area_m."
        document.fault((*path, "polygon_m"), text)
    elif zone.usable_area_m2 is not None and zone.usable_area_m2 > usable * ROUNDING:
        text = (
            f"got {zone.usable_area_m2:g} m2, need <= {usable:.2f} m2, the polygon within the walkable area: a larger "
            "area would read too low a density. Correct it, or leave it out to have it calculated."
        )
        document.fault((*path, "usable_area_m2"), text)


def check_gate(document: Document, path: KeyPath, gate: GateFile, area: BaseGeometry | None) -> None:
    """A gate has two ends on walkable ground, and is no wider than it is long."""
    length = math.dist(*gate.line_m)
    if length < LEAST_GATE_M:
        document.fault((*path, "line_m"), f"is {length:.2f} m long, need >= {LEAST_GATE_M} m. Give both ends.")
        return
    if area is not None and not shapely.LineString(gate.line_m).intersects(area):
        document.fault((*path, "line_m"), "lies outside the walkable area: nobody can cross it. Move the gate.")
    if gate.usable_width_m is not None and gate.usable_width_m > length * ROUNDING:
        text = f"got {gate.usable_width_m:g} m, need <= {length:.2f} m, the length of line_m. Correct one of them."
        document.fault((*path, "usable_width_m"), text)


def check_camera(
    document: Document, path: KeyPath, camera: CameraFile, area: BaseGeometry | None, counter: CounterSettings
) -> None:
    """A camera has its footage, is sampled no faster than filmed, and sees ground on which people are counted."""
    source = camera.source
    if source.file is not None and not Path(source.file).is_file():
        document.fault((*path, "source", "file"), no_file(source.file))
    check_footage(document, (*path, "source"), source.model_dump())
    if source.capture_rate_hz and camera.sample_hz and camera.sample_hz > source.capture_rate_hz:
        text = f"got {camera.sample_hz:g} per second, need <= capture_rate_hz {source.capture_rate_hz:g}. Lower it."
        document.fault((*path, "sample_hz"), text)
    calibration = camera.calibration
    if calibration is None or camera.moves:
        return
    if calibration.tsai is None and calibration.pose is None and calibration.points is None:
        return  # no calibration, or one whose file could not be read: both have been listed
    use_heads = counts_heads(camera, counter)
    try:
        plane = ground_plane(camera)
        if area is None:
            return
        counted, _ = ground_seen(plane, camera.anchor, use_heads, area)
        if not counted.is_empty:
            return
        alone, _ = ground_seen(plane, camera.anchor, False, area)
    except (CalibrationError, RecordError) as error:
        document.fault((*path, "calibration"), str(error))
        return
    if alone.is_empty:
        text = (
            "the camera validly sees none of the walkable area. Check the calibration, the site's origin and the units."
        )
        document.fault((*path, "calibration"), text)
    else:
        text = (
            "the camera sees no piece of the walkable area together with the heads of people who stand there, so a "
            "counter cannot count them. Tilt the camera up, or leave it to boxes with counter: {use: false}."
        )
        document.fault((*path, "calibration"), text)
