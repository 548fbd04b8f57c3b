"""What gates will lack, known before any picture: for those who set a site up."""

from __future__ import annotations

import math

import numpy as np

from crowdwatch.analytics.coverage import SiteView, cover, first_cover
from crowdwatch.analytics.gate_lines import GateLine, Watch, gate_ground, watch_of
from crowdwatch.analytics.readings import BLIND_BELOW_FRAC, DEGRADED_BELOW_FRAC

__all__ = ["gate_gaps"]

ALONG_SIN = math.sin(math.radians(15))
"""A line that lies within 15 degrees of a camera's line of sight lies along its view. [design value]"""


def gate_gaps(view: SiteView) -> list[str]:
    """Gates that no camera counts, or only partly, and gates that lie along the view of the camera that counts them.

    A moving camera may come to see a gate: then nothing is said of what is unseen.
    """
    everybody = cover(view, first_cover(view), view.cameras, frozenset(view.cameras))
    moving = any(camera.moves for camera in view.site.cameras)
    said = []
    for line in gate_ground(view).gates:
        watch = watch_of(view, everybody, line)
        name = f"gate {line.gate.gate_id}"
        if watch.watched_frac < BLIND_BELOW_FRAC:
            if not moving:
                said.append(
                    f"{name}: no camera sees both sides of it, so it is never counted. Move the line into a view, or "
                    "count it with `crowdwatch gate count`."
                )
            continue
        if watch.watched_frac < DEGRADED_BELOW_FRAC and not moving:
            said.append(f"{name}: both sides of {watch.watched_frac:.0%} of it are seen, so it will be degraded.")
        along = _along(view, line, watch)
        if along:
            said.append(
                f"{name}: it lies along the view of camera {along}: people on it hide each other, and the error of "
                "their places is largest across it. Turn the line, or use another camera."
            )
    return said


def _along(view: SiteView, line: GateLine, watch: Watch) -> str:
    """The camera that counts most of a gate, where the gate lies along its view; else nothing."""
    counts = np.bincount(watch.watcher[watch.watcher >= 0], minlength=len(watch.camera_ids))
    camera_id = watch.camera_ids[int(counts.argmax())]
    centre_m = view.cameras[camera_id].plane.camera_centre_m
    if centre_m is None:
        return ""
    sight = line.start_m + line.along * line.length_m / 2 - centre_m[:2]
    far = float(np.hypot(*sight))
    across = abs(float(sight @ line.inward)) / far if far > 0 else 1.0
    return camera_id if across < ALONG_SIN else ""
