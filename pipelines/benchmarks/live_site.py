"""An event of several live cameras: the example ``pets2009`` again and again, each camera over ground of its own."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray
from ruamel.yaml import YAML
from shapely.geometry import Polygon, box
from shapely.ops import unary_union

from crowdwatch.assets import samples
from crowdwatch.assets.examples import example
from crowdwatch.ground import rotation_matrix
from pipelines.benchmarks.rtsp_server import encoded_clip

__all__ = ["HW", "KEYFRAME_S", "RATE_HZ", "pictures_of_sample", "row_of_cameras", "sample_clip", "write_event"]

HW = (576, 768)
RATE_HZ = 10
"""Of the recording, as its container says."""

KEYFRAME_S = 2
"""As cameras commonly send them: whoever connects waits a second on average, and two at most."""

SPACING_M = 60.0
"""From one camera to the next to the north: none sees the ground of another."""

LINK_M = (-6.0, -5.0)
"""Where a path leads from one ground to the next, since what can be walked on is one ring."""


def row_of_cameras(
    urls: Sequence[str], *, sample_hz: float, event_id: str = "live-row", hw: tuple[int, int] = HW
) -> dict[str, Any]:
    """An event file, as data, with a camera for each URL.

    Camera ``cam-K`` (from 1) has the zones ``cam-K-junction``, ``cam-K-west-path`` and ``cam-K-east-road``. A world
    moved by d keeps its picture where the camera's translation t becomes t - R d.

    Args:
        urls: of the cameras.
        sample_hz: pictures analysed per second of each.
        event_id: of the event.
        hw: height and width of its pictures: the recording's, stretched.
    """
    base = YAML(typ="safe").load(example("pets2009").read_text(encoding="utf-8"))
    (camera,) = base["cameras"]
    tsai = _stretched(camera["calibration"]["tsai"], hw)
    about = (
        rotation_matrix(axis * tsai[key]) for axis, key in zip(np.eye(3), ("rx_rad", "ry_rad", "rz_rad"), strict=True)
    )
    about_x, about_y, about_z = about
    turned = about_z @ about_y @ about_x
    ring = Polygon(base["site"]["walkable_area_m"])
    grounds, cameras, zones = [], [], []
    for number, url in enumerate(urls):
        name, north_m = f"cam-{number + 1}", number * SPACING_M
        moved = dict(zip(("tx_mm", "ty_mm", "tz_mm"), turned @ np.array([0.0, north_m, 0.0]) * 1000.0, strict=True))
        here = tsai | {key: float(tsai[key] - shift) for key, shift in moved.items()}
        cameras.append(
            {
                "id": name,
                "source": {"url": url},
                "anchor": camera["anchor"],
                "sample_hz": sample_hz,
                "calibration": {"tsai": here},
            }
        )
        zones += [
            {"id": f"{name}-{zone['id']}", "kind": zone["kind"], "polygon_m": _north(zone["polygon_m"], north_m)}
            for zone in base["zones"]
        ]
        grounds.append(Polygon(_north(list(ring.exterior.coords), north_m)))
    low, high = grounds[0].centroid.y, grounds[-1].centroid.y
    whole = unary_union([*grounds, box(LINK_M[0], low, LINK_M[1], high)] if len(grounds) > 1 else grounds)
    assert isinstance(whole, Polygon), "the grounds are linked by a path"
    corners = [[round(x, 6), round(y, 6)] for x, y in whole.exterior.coords[:-1]]
    return {
        "version": 1,
        "id": event_id,
        "name": {"en": event_id, "zh": event_id},
        "site": {"crs": "local", "walkable_area_m": corners},
        "zones": zones,
        "cameras": cameras,
        "limits_by_kind": base["limits_by_kind"],
    }


def _stretched(tsai: dict[str, Any], hw: tuple[int, int]) -> dict[str, Any]:
    """A camera whose pictures are stretched to a size: its pixels are finer, and the lens as it was."""
    across, down = hw[1] / tsai["width_px"], hw[0] / tsai["height_px"]
    finer = {"cx_px": tsai["cx_px"] * across, "cy_px": tsai["cy_px"] * down}
    finer |= {"dpx_mm": tsai["dpx_mm"] / across, "dpy_mm": tsai["dpy_mm"] / down}
    return tsai | finer | {"width_px": hw[1], "height_px": hw[0]}


def _north(points: Iterable[Sequence[float]], by_m: float) -> list[list[float]]:
    return [[float(x), float(y) + by_m] for x, y in points]


def write_event(event: dict[str, Any], path: Path) -> Path:
    """Write an event file: JSON is YAML."""
    path.write_text(json.dumps(event, indent=1), encoding="utf-8")
    return path


def pictures_of_sample() -> Iterable[NDArray[np.uint8]]:
    """Every picture of ``pets2009``, BGR. Raises SampleUnavailable."""
    with av.open(str(samples.fetch("pets2009"))) as container:
        for frame in container.decode(video=0):
            yield frame.to_ndarray(format="bgr24").astype(np.uint8, copy=False)


def sample_clip(path: Path) -> Path:
    """The whole recording as H.264 for the RTSP server. Raises SampleUnavailable."""
    return encoded_clip(path, pictures_of_sample(), HW, RATE_HZ, gop=RATE_HZ * KEYFRAME_S)
