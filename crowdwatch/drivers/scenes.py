"""Built-in scenes: drawn people on an event's own ground, seen by its cameras and drones."""

from __future__ import annotations

from fractions import Fraction

from crowdwatch.config import EventFile
from crowdwatch.config.schema import CameraFile
from crowdwatch.core.site import Camera, Site
from crowdwatch.errors import ConfigError
from crowdwatch.ground import polygon
from crowdwatch.sources.synthetic import Flight, Scene, ebb_and_flow, visit

__all__ = ["SCENES", "drawn_scene"]

SCENES = {"plaza": 120}
"""Scenes by name, and how many people take part in each."""

SCRIPTED = "new-year"
"""The cameras of ``examples/new_year``: what they would see is made as observations, never as pictures."""

SCENE_S = 120
SCENE_HZ = Fraction(5)

FLIGHT_S = (10.0, 25.0, 80.0, 95.0)
"""When the drone over a scene sets out, hovers, sets out again and is gone; see :func:`~sources.synthetic.visit`."""

DRONE_HW = (540, 960)
"""Its pictures, unless the event file gives another size."""


def drawn_scene(name: str, event: EventFile, site: Site, camera: Camera, rate_hz: Fraction | None) -> Scene:
    """A drawn scene as one camera sees it. All cameras that look at it see the same crowd at the same time.

    Args:
        name: of the scene.
        event, site: whose.
        camera: that looks at it; one that moves is a drone.
        rate_hz: pictures a second; None for :data:`SCENE_HZ`.

    Raises:
        ConfigError: there is no such scene.
    """
    if name == SCRIPTED:
        raise ConfigError(
            f"synthetic scene {name!r}: is a scripted night, of which there are no pictures. Make its log with "
            "crowdwatch night FOLDER, and fold it with crowdwatch replay --log FOLDER."
        )
    if name not in SCENES:
        raise ConfigError(f"synthetic scene {name!r}: unknown, need one of {', '.join(SCENES)}.")
    entry = next(entry for entry in event.cameras if entry.id == camera.camera_id)
    rate, start_ns = rate_hz or SCENE_HZ, entry.source.start_ns
    began_ns = min(each.source.start_ns for each in event.cameras if each.source.synthetic == name)
    bounds = polygon(site.walkable_m, site.obstacles_m).bounds
    crowd = ebb_and_flow(SCENES[name], SCENE_S, *bounds)
    late_s = (start_ns - began_ns) / 1e9
    view = camera.plane or _flight(entry, late_s, bounds)
    return Scene(view, lambda t_s: crowd(t_s + late_s), start_ns, int(SCENE_S * rate), rate)


def _flight(entry: CameraFile, late_s: float, bounds: tuple[float, float, float, float]) -> Flight:
    """A drone that looks at the eastern part of a scene from the south, and comes from and goes to the east."""
    west, south, east, north = bounds
    image_hw = DRONE_HW if entry.image_size_px is None else (entry.image_size_px[1], entry.image_size_px[0])
    side_m = max(east - west, north - south)
    target = (west + 0.65 * (east - west), (south + north) / 2)
    flight = visit(
        (target[0], target[1] - 0.3 * side_m, 0.6 * side_m), target, (4 * side_m, 0.0), FLIGHT_S, image_hw=image_hw,
        focal_px=0.75 * image_hw[1], head_plane_m=entry.head_plane_m, max_sigma_m=entry.max_position_error_m,
    )  # fmt: skip
    return lambda t_s: flight(t_s + late_s)
