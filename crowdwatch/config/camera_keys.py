"""Which keys of a camera in the event file belong together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crowdwatch.assets.document import Document, KeyPath
from crowdwatch.config.calibrations import WAYS
from crowdwatch.config.schema import CameraFile
from crowdwatch.config.source_file import LIVE_KEYS
from crowdwatch.config.telemetry_keys import check_telemetry
from crowdwatch.core.stream_url import secret_in, url_fault

__all__ = ["check_keys", "check_streams"]

SOURCE_KEYS = ("file", "recordings", "sample", "synthetic", *LIVE_KEYS)

RECORDED_KEYS = ("start_time", "capture_rate_hz", "time_zone", "video_stream")
"""Keys of a source that say something of a recording."""


def check_keys(document: Document, path: KeyPath, camera: Mapping[str, Any], crs: Any = None) -> None:
    """Add a fault for every key of a camera that excludes another one, and for those that are missing beside it."""
    document.one_of((*path, "source"), camera.get("source"), SOURCE_KEYS)
    _live(document, path, camera)
    _moving(document, path, camera)
    _telemetry(document, path, camera, crs)
    calibration = camera.get("calibration")
    if not isinstance(calibration, Mapping):
        return
    where = (*path, "calibration")
    document.one_of(where, calibration, WAYS)
    from_points = bool({"points", "points_file"} & set(calibration))
    if from_points and "rmse_m" in calibration:
        document.fault((*where, "rmse_m"), "is calculated from the control points. Remove it.")
    if not from_points:
        for key in sorted({"lens", "camera_position_m", "click_sigma_px"} & set(calibration)):
            text = "belongs to control points; the other calibrations hold it themselves. Remove it."
            document.fault((*where, key), text)


def _telemetry(document: Document, path: KeyPath, camera: Mapping[str, Any], crs: Any) -> None:
    """Telemetry belongs to a drone's film, and to a site that lies on a map."""
    source = camera.get("source")
    if not isinstance(source, Mapping) or source.get("telemetry") is None:
        return
    where = (*path, "source", "telemetry")
    if camera.get("moves") is not True:
        document.fault(where, "belongs to a camera that moves. Add moves: true, or remove it.")
    check_telemetry(document, where, source, crs)
    if any(source.get(key) is not None for key in LIVE_KEYS) and camera.get("image_size_px") is None:
        text = "is missing: of a live drone the size of its pictures is not known before. Add image_size_px: [W, H]."
        document.fault((*path, "image_size_px"), text)


def _live(document: Document, path: KeyPath, camera: Mapping[str, Any]) -> None:
    """A live camera has no recording, and no secret stands in the file."""
    source = camera.get("source")
    if not isinstance(source, Mapping):
        return
    where = (*path, "source")
    url = source.get("url")
    if not any(source.get(key) is not None for key in LIVE_KEYS):
        if "start_time" not in source:
            document.fault((*where, "start_time"), "is missing. Add it.")
    else:
        for key in (key for key in RECORDED_KEYS if source.get(key) is not None):
            document.fault((*where, key), "means nothing for a live camera: it is of a recording. Remove it.")
        if camera.get("keyframe_interval_s") is not None:
            text = "means nothing for a live camera. Remove it, and say with sample_hz how often it is analysed."
            document.fault((*path, "keyframe_interval_s"), text)
    for key in (key for key in ("transport", "password_file") if source.get(key) is not None and url is None):
        document.fault((*where, key), "belongs to url. Remove it.")
    if isinstance(url, str):
        _url(document, where, url, source.get("password_file") is not None)
    device = source.get("device")
    if isinstance(device, str) and not device.startswith("/dev/"):
        document.fault((*where, "device"), "need the path of a device, as /dev/video0. Correct it.")


def _url(document: Document, where: KeyPath, url: str, password_file: bool) -> None:
    fault = url_fault(url)
    if fault is not None:
        document.fault((*where, "url"), f"{fault}. Correct it, as in rtsp://guard:${{GATE_PASSWORD}}@10.0.0.7/live.")
        return
    if secret_in(url):
        text = (
            "holds a password or token as it is, and every run keeps this file. Write ${NAME} in its place and set "
            "NAME where CrowdWatch starts, or name a password_file; change the password."
        )
        document.fault((*where, "url"), text)
    user, at, _ = url.partition("://")[2].split("/", 1)[0].rpartition("@")
    if password_file and (not at or not user or ":" in user):
        text = "need a url with a user and no password, as in rtsp://guard@10.0.0.7/live. Correct the url."
        document.fault((*where, "password_file"), text)


def check_streams(document: Document, cameras: Mapping[int, CameraFile]) -> None:
    """Add a fault for every camera that names the same stream as one before it: each has one reader and one place."""
    first: dict[str, int] = {}
    for number, camera in cameras.items():
        found = camera.source.url or camera.source.device
        if found is None:
            continue
        if found in first:
            other = cameras[first[found]].id
            key = "url" if camera.source.url is not None else "device"
            text = f"is the stream of camera {other} too. A stream belongs to one camera: correct one of them."
            document.fault(("cameras", number, "source", key), text)
        first.setdefault(found, number)


def _moving(document: Document, path: KeyPath, camera: Mapping[str, Any]) -> None:
    """A camera that stands still has one calibration; the source of one that moves gives it with every picture."""
    if camera.get("moves") is not True:
        if camera.get("calibration") is None:
            document.fault((*path, "calibration"), "is missing. Add it.")
        return
    if camera.get("calibration") is not None:
        text = (
            "belongs to a camera that stands still: from where a drone looks, its source says. Remove one of the two."
        )
        document.fault((*path, "calibration"), text)
    source = camera.get("source")
    if isinstance(source, Mapping) and source.get("synthetic") is None and source.get("telemetry") is None:
        text = (
            "does not say from where its pictures were taken. Name what the drone wrote beside its film with "
            "telemetry, or use a camera that stands still and leave out moves."
        )
        document.fault((*path, "source"), text)
