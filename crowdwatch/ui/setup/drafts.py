"""Changes of an event file that are no drawing: a camera's calibration, and the label of one that nobody surveyed."""

from __future__ import annotations

import copy
from typing import Any

from crowdwatch.config.event_shapes import Values

__all__ = ["UNSURVEYED", "calibrated", "size_of", "surveyed"]

UNSURVEYED = "UNSURVEYED"
"""Label of an event that has a calibration nobody surveyed; it stands on every page."""

RULE = "uncalibrated"


def size_of(camera: dict[str, Any]) -> tuple[int, int] | None:
    """Height and width of a camera's picture, where the file says them."""
    size = camera.get("image_size_px")
    sound = isinstance(size, list) and len(size) == 2 and all(isinstance(each, int) and each > 0 for each in size)
    return (size[1], size[0]) if sound and isinstance(size, list) else None


def surveyed(values: Values) -> bool:
    """Whether every fixed camera has points, or a calibration whose error is known."""
    cameras = [each for each in values.get("cameras") or [] if isinstance(each, dict) and not each.get("moves")]
    return all(_known(each.get("calibration") or {}) for each in cameras)


def _known(calibration: dict[str, Any]) -> bool:
    return any(key in calibration for key in ("points", "points_file", "rmse_m"))


def calibrated(
    values: Values, camera_id: str, calibration: dict[str, Any], image_hw: tuple[int, int], *, survey: bool
) -> Values:
    """The event file with a camera's calibration.

    A guess that nobody surveyed labels the event and switches on the rule ``uncalibrated``; the label goes with the
    last guess.

    >>> made = calibrated({"cameras": [{"id": "a"}]}, "a", {"pose": {}}, (480, 640), survey=False)
    >>> made["labels"], made["rules"], made["cameras"][0]["image_size_px"]
    (['UNSURVEYED'], [{'rule': 'uncalibrated'}], [640, 480])
    >>> calibrated(made, "a", {"points": []}, (480, 640), survey=True)["labels"]
    []
    """
    made = copy.deepcopy(values)
    for camera in made.get("cameras") or []:
        if isinstance(camera, dict) and camera.get("id") == camera_id:
            camera["calibration"] = copy.deepcopy(calibration)
            camera["image_size_px"] = [image_hw[1], image_hw[0]]
    labels = [each for each in made.get("labels") or [] if each != UNSURVEYED]
    if survey and surveyed(made):
        if "labels" in made:
            made["labels"] = labels
        return made
    made["labels"] = [*labels, UNSURVEYED]
    rules = made.get("rules") or []
    if not any(isinstance(each, dict) and each.get("rule") == RULE for each in rules):
        made["rules"] = [*rules, {"rule": RULE}]
    return made
