"""A first event file from one video or camera: what can be known of it, what is asked, and a guess for the rest."""

from __future__ import annotations

import math
import re
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import av
import numpy as np
from av.error import FFmpegError
from numpy.typing import NDArray

from crowdwatch import config
from crowdwatch.assets import samples
from crowdwatch.config.file_times import time_in_name
from crowdwatch.core.stream_url import secret_in, url_fault
from crowdwatch.errors import ConfigError, SourceUnavailable, redact
from crowdwatch.sources.container import open_container, reason_of, video_stream
from crowdwatch.sources.live.address import StreamAddress
from crowdwatch.sources.live.capture import Capture
from crowdwatch.sources.live.event_clock import EventClock

__all__ = ["Answers", "event_text", "footage_of", "number", "picture_of", "points_text", "write_sound"]

LIVE_S = 30.0
"""How long a first picture of a live camera is waited for: twice an opening and a keyframe."""

COARSEST_M = 0.25
"""Ground where a pixel is worth more is left out of the first zone: positions there are off by more than a metre."""

STEEPEST_DEG = 80.0


def is_stream(footage: str) -> bool:
    """Whether it is the address of a live camera and no file."""
    return "://" in footage


def picture_of(footage: str, at_s: float = 0.0) -> NDArray[np.uint8]:
    """One clear picture (H, W, 3) of a video, at a time, or the next one of a live camera.

    Raises:
        SourceUnavailable: there is none, with what to do.
        ConfigError: an address that cannot be one, or that holds a password.
    """
    if is_stream(footage):
        return _live_picture(footage)
    path = Path(footage)
    if not path.is_file():
        raise SourceUnavailable(f"video {path}: no such file. Check the path.")
    try:
        with open_container(path) as container:
            stream = video_stream(container, path, None)
            begins: float | None = None
            for decoded in container.decode(stream):
                time_s = 0.0 if decoded.time is None else float(decoded.time)
                begins = time_s if begins is None else begins
                if time_s - begins >= at_s - 1e-6:
                    return np.asarray(decoded.to_ndarray(format="bgr24"), dtype=np.uint8)
    except FFmpegError as error:
        raise SourceUnavailable(f"video {path}: cannot be decoded: {reason_of(error)}. Name another.") from error
    raise SourceUnavailable(f"video {path}: is shorter than {at_s:g} s. Choose another time with --at.")


def footage_of(source: dict[str, Any], home: Path) -> str:
    """Where the pictures of a camera come from: a file or an address that :func:`picture_of` takes.

    Args:
        source: as it stands in an event file.
        home: folder of that file.

    Raises:
        SourceUnavailable: nothing is filmed, or it is not on this machine.
    """
    listed = source.get("recordings")
    first = listed[0].get("file") if isinstance(listed, list) and listed and isinstance(listed[0], dict) else None
    if source.get("url"):
        return str(source["url"])
    if source.get("file") or first:
        return str(home / str(source.get("file") or first))
    sample = samples.find(str(source["sample"])) if source.get("sample") else None
    if sample is not None:
        return str(sample)
    raise SourceUnavailable(
        "camera: its source has no video file and no address to take a picture from. Give it a file or a url."
    )


def _live_picture(url: str) -> NDArray[np.uint8]:
    fault = url_fault(url)
    if fault is not None:
        raise ConfigError(f"camera {redact(url)}: {fault}. Name it as in rtsp://10.0.0.7/stream1.")
    if secret_in(url):
        raise ConfigError(
            f"camera {redact(url)}: holds a password, which every user of this machine can read in its list of "
            "processes. Write ${NAME} in its place, in single quotes, and set NAME where CrowdWatch starts."
        )
    address = StreamAddress(url=url)
    found: list[Any] = []
    thread = threading.Thread(target=_take_first, args=(address, found), daemon=True)
    thread.start()
    thread.join(LIVE_S)
    if not found:
        raise SourceUnavailable(
            f"stream {address}: showed no picture within {LIVE_S:g} s. Try it with: crowdwatch check EVENT.YAML --live"
        )
    if isinstance(found[0], SourceUnavailable):
        raise found[0]
    return np.asarray(found[0], dtype=np.uint8)


def _take_first(address: StreamAddress, found: list[Any]) -> None:
    try:
        capture = Capture(address, address.resolved(), (0, 0), EventClock.start())
        try:
            for picture in capture.pictures():
                if picture.frame is not None:
                    found.append(picture.frame.to_ndarray(format="bgr24"))
                    return
        finally:
            capture.close()
    except SourceUnavailable as error:
        found.append(error)


@dataclass(frozen=True, slots=True)
class Answers:
    """What a person says of an event, or what is proposed.

    Args:
        event_id: short name.
        name, name_zh: for people.
        start_time: UTC of the first frame; empty for a live camera.
        height_m: of the camera above the ground.
        tilt_deg: of its axis below the horizontal.
        view_deg: angle of view across the picture.
        image_hw: height and width of the picture.
    """

    event_id: str
    name: str
    name_zh: str
    start_time: str
    height_m: float
    tilt_deg: float
    view_deg: float
    image_hw: tuple[int, int]

    @property
    def live(self) -> bool:
        """Whether the camera is live."""
        return not self.start_time

    @property
    def untimed(self) -> bool:
        """Whether nobody said when the footage was taken."""
        return self.start_time == NO_TIME

    @classmethod
    def proposed(cls, footage: str, image_hw: tuple[int, int]) -> Answers:
        """What the footage itself says, and usual values: a mast of 6 m, 25 degrees down, a lens of 70 degrees."""
        stem = (urlsplit(footage).hostname or "camera") if is_stream(footage) else Path(footage).stem
        event_id = re.sub(r"[^A-Za-z0-9_.-]+", "-", stem).strip("-.")[:60] or "event"
        start = "" if is_stream(footage) else _start_of(Path(footage))
        return cls(event_id, stem[:200], stem[:200], start, 6.0, 25.0, 70.0, image_hw)

    @property
    def focal_px(self) -> float:
        """Focal length in pixels."""
        return self.image_hw[1] / 2 / math.tan(math.radians(self.view_deg) / 2)


NO_TIME = "2026-01-01T00:00:00Z"
"""Stands for the time of a recording that says none; it is said wherever it is taken."""


def _start_of(path: Path) -> str:
    """UTC of the first frame: in the file's name, else as the container says it, else :data:`NO_TIME`."""
    try:
        return time_in_name(path.stem, "UTC").text
    except ValueError:
        pass
    try:
        with av.open(str(path)) as container:
            told = container.metadata.get("creation_time", "")
    except FFmpegError:
        told = ""
    match = re.match(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)", told)
    return f"{match[1]}Z" if match else NO_TIME


def number(text: str) -> float:
    """What was typed as a number. Raises ConfigError."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ConfigError(f"got {text!r}, need a number, as 6.5.")
    return value


def _ground(answers: Answers) -> list[tuple[float, float]]:
    """The ground that the picture shows well enough: (east, north) of its corners, the camera at (0, 0). On ground at
    north Y a pixel is worth about Y^2 / (height x focal length).

    Raises:
        ConfigError: it shows no ground.
    """
    tilt, half_up = math.radians(answers.tilt_deg), math.atan(answers.image_hw[0] / 2 / answers.focal_px)
    nearest = answers.height_m / math.tan(min(tilt + half_up, math.radians(STEEPEST_DEG)))
    above = tilt - half_up
    fine = math.sqrt(COARSEST_M * answers.height_m * answers.focal_px)
    farthest = min(fine, answers.height_m / math.tan(above) if above > 0 else fine)
    if not farthest > nearest + 1:
        raise ConfigError(
            f"a camera at {answers.height_m:g} m that looks {answers.tilt_deg:g} degrees down shows no ground that is "
            f"near enough ({fine:.0f} m). Correct --height-m, --tilt-deg or --view-deg."
        )

    def half_width(north: float) -> float:
        depth = north * math.cos(tilt) + answers.height_m * math.sin(tilt)
        return depth * math.tan(math.radians(answers.view_deg) / 2)

    near, far = half_width(nearest), half_width(farthest)
    return [(-near, nearest), (near, nearest), (far, farthest), (-far, farthest)]


def _checked(answers: Answers) -> None:
    if not 1.5 < answers.height_m <= 200 or not 0 < answers.tilt_deg <= 90 or not 5 <= answers.view_deg <= 150:
        raise ConfigError(
            f"camera: got {answers.height_m:g} m high, {answers.tilt_deg:g} degrees down, {answers.view_deg:g} degrees "
            "of view; need 1.5 to 200 m, above 0 to 90, and 5 to 150 degrees."
        )


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def event_text(footage: str, answers: Answers, folder: Path) -> str:
    """The event file, which explains itself.

    Args:
        footage: file or address.
        answers: of a person, or proposed.
        folder: where the event file will lie.

    Raises:
        ConfigError: values that cannot be.
    """
    _checked(answers)
    if is_stream(footage):
        source = f"{{url: {_quoted(footage)}}}"
    else:
        path = Path(footage).resolve()
        where = path.name if path.parent == folder else str(path)
        source = f"{{file: {_quoted(where)}, start_time: {_quoted(answers.start_time)}}}"
        source += " # nobody said when it was taken: correct the time" if answers.untimed else " # UTC: check it"
    tilt = math.radians(answers.tilt_deg)
    sine, cosine = math.sin(tilt), math.cos(tilt)
    ring = ", ".join(f"[{east:.1f}, {north:.1f}]" for east, north in _ground(answers))
    focal, (height, width) = answers.focal_px, answers.image_hw
    return f"""\
# The event file: all that a person decides about an event. Every key that may stand here: crowdwatch docs
version: 1
id: {answers.event_id}
name: {{en: {_quoted(answers.name)}, zh: {_quoted(answers.name_zh)}}}
# Shown beside the name on every page. Remove it when the camera is calibrated with surveyed points.
labels: [UNSURVEYED]

site:
  # Metres east and north of the point below the camera. An EPSG code puts the site on a map: crs: EPSG:32650.
  crs: local
  # Where people can walk: corners in order. Draw it as it is on the ground.
  walkable_area_m: [{ring}]
  # Where nobody can stand: rings, as [[[1, 8], [2, 8], [2, 9], [1, 9]]]
  obstacles_m: []

zones:
  # A part of the ground of which the density is read. Make zones of 10 to 500 m2: the mean of more hides a crush.
  - id: view
    name: {{en: "The ground in view", zh: "画面中的地面"}}
    kind: standing # moving, standing or stairs: it decides the default limits (crowdwatch check --explain)
    polygon_m: [{ring}]
    # capacity_persons: 500 # people who may be there; occupancy and its alarms are shares of it

# gates: lines that people cross. Seen from the first point to the second, ingress goes from left to right.
gates: []

cameras:
  - id: camera
    name: {{en: "Camera", zh: "摄像机"}}
    source: {source}
    image_size_px: [{width}, {height}]
    # A guess from height, tilt and angle of view. In its place, once points are clicked and surveyed:
    # calibration: {{points_file: points.yaml}}
    calibration:
      pose:
        focal_px: [{focal:.1f}, {focal:.1f}]
        centre_px: [{width / 2:g}, {height / 2:g}]
        rotation:
          - [1.0, 0.0, 0.0]
          - [0.0, {-sine:.9f}, {-cosine:.9f}]
          - [0.0, {cosine:.9f}, {-sine:.9f}]
        translation_m: [0.0, {answers.height_m * cosine:.6f}, {answers.height_m * sine:.6f}]

# phases: parts of the event with limits of their own, as
#   - {{id: countdown, kind: countdown, start_offset_s: 3600, limits_by_kind: {{standing: {{on_delay_s: 5}}}}}}
phases: []
"""


def write_sound(output: Path, text: str) -> None:
    """Write an event file, if it is sound.

    Raises:
        ConfigError: it is not, with every fault; nothing is written.
    """
    draft = output.with_name(f"{output.name}.new")
    draft.write_text(text, encoding="utf-8")
    try:
        config.load(draft)
        draft.replace(output)
    finally:
        draft.unlink(missing_ok=True)


def points_text(answers: Answers) -> str:
    """A points file to fill in: four examples from the guess, which no survey stands behind."""
    height, width = answers.image_hw
    tilt, rows = math.radians(answers.tilt_deg), []
    for number_, (u, v) in enumerate(((0.2, 0.9), (0.8, 0.9), (0.7, 0.6), (0.3, 0.6)), 1):
        right = (u - 0.5) * width / answers.focal_px
        down = (v - 0.5) * height / answers.focal_px
        scale = answers.height_m / max(down * math.cos(tilt) + math.sin(tilt), 1e-3)
        east, north = scale * right, scale * (math.cos(tilt) - down * math.sin(tilt))
        rows.append(
            f"  - {{name: example-{number_}, pixel_px: [{u * width:.0f}, {v * height:.0f}], "
            f"ground_m: [{east:.2f}, {north:.2f}]}}"
        )
    listed = "\n".join(rows)
    return f"""\
# Control points: where something on the ground is in frame.png, and where it was measured, in metres east and north.
# Replace these examples. They follow from the guess in the event file and calibrate nothing. Take at least 6 points,
# spread over the whole ground that matters: kerbs, manholes, feet of posts. Measure with a tape or on a map.
image_size_px: [{width}, {height}]
# Without it heads cannot be placed: east, north, height of the camera.
camera_position_m: [0.0, 0.0, {answers.height_m:g}]
points:
{listed}
"""
