"""Which keys of a camera in the event file belong together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crowdwatch.assets.document import Document, KeyPath
from crowdwatch.config.calibrations import WAYS

__all__ = ["check_keys"]

SOURCE_KEYS = ("file", "recordings", "sample", "synthetic")


def check_keys(document: Document, path: KeyPath, camera: Mapping[str, Any]) -> None:
    """Add a fault for every key of a camera that excludes another one, and for those that are missing beside it."""
    document.one_of((*path, "source"), camera.get("source"), SOURCE_KEYS)
    _moving(document, path, camera)
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
    if isinstance(source, Mapping) and source.get("synthetic") is None:
        text = (
            "does not say from where its pictures were taken; only a synthetic one does so far. Use a camera that "
            "stands still, and leave out moves."
        )
        document.fault((*path, "source"), text)
