"""Whether another event file may read a log: it holds places on the ground and no picture."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from crowdwatch import config
from crowdwatch.config import EventFile
from crowdwatch.core.records import GroundPlane
from crowdwatch.errors import ConfigError
from crowdwatch.ground import polygon

__all__ = ["must_fit"]


def must_fit(event: EventFile, logged_event: EventFile) -> None:
    """A log holds places on the ground and no picture: what moves them, or reaches further, needs the footage.

    Raises:
        ConfigError: with every difference.
    """
    site, logged = config.to_site(event), config.to_site(logged_event)
    wrong = []
    cameras = {camera.camera_id: camera for camera in site.cameras}
    for before in logged.cameras:
        what = f"camera {before.camera_id!r}"
        camera = cameras.get(before.camera_id)
        if camera is None:
            wrong.append(f"{what} of the log is not in the event file, which has {', '.join(cameras)}")
        elif camera.anchor is not before.anchor or _mapping(camera.plane) != _mapping(before.plane):
            wrong.append(f"{what} has another calibration, head_plane_m or anchor than the log was made with")
        elif camera.plane is None or before.plane is None:
            if _by_pose(event, before.camera_id) != _by_pose(logged_event, before.camera_id):
                wrong.append(
                    f"{what} moves: its planes stand in the log, with its head_plane_m and max_position_error_m"
                )
        elif camera.plane.max_sigma_m > before.plane.max_sigma_m:
            wrong.append(
                f"{what} has max_position_error_m {camera.plane.max_sigma_m:g}, the log was made with "
                f"{before.plane.max_sigma_m:g}, and does not say who stood further away"
            )
    bounds, held = (np.array(polygon(each.walkable_m, each.obstacles_m).bounds) for each in (site, logged))
    beyond = float(max((held - bounds)[:2].max(), (bounds - held)[2:].max()))
    heads = all(any(camera.counts_heads for camera in each.cameras) for each in (site, logged))
    if heads and beyond > max(site.cell_m, logged.cell_m):
        wrong.append(
            f"the walkable area reaches {beyond:.1f} m beyond that of the log, which holds no density map there "
            "(counter: {model: none} counts by boxes alone)"
        )
    if wrong:
        raise ConfigError(f"--log: {'; '.join(wrong)}. Correct the event file, or replay the footage with it.")


def _by_pose(event: EventFile, camera_id: str) -> tuple[float, float]:
    """What an event file says of every plane of a camera that moves."""
    entry = next(entry for entry in event.cameras if entry.id == camera_id)
    return entry.head_plane_m, entry.max_position_error_m


def _mapping(plane: GroundPlane | None) -> str:
    """Equal for planes that put a pixel at the same place, however well either is known; empty without one."""
    if plane is None:
        return ""
    return replace(
        plane, rmse_m=0.0, hull_m=None, hull_reach=1.0, max_sigma_m=1.0, pixel_sigma_px=1.0, homography_cov=None
    ).plane_id
