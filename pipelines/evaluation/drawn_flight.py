"""A drone's flight that never was: its film, its telemetry with the errors of telemetry, and the truth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from crowdwatch.calibration.registration import GroundPicture
from crowdwatch.core.records import FloatArray, GroundPlane
from crowdwatch.ground import AerialPose, aerial_plane
from crowdwatch.sources.flight.place import SitePlace
from pipelines.evaluation.drawn_ground import drawn_picture

__all__ = ["DrawnFlight", "TelemetryError", "write_film", "write_srt"]

NONE = AerialPose(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class TelemetryError:
    """How telemetry is wrong over a flight: satellites, compass and clock keep their error for minutes."""

    east_m: float = 0.0
    north_m: float = 0.0
    up_m: float = 0.0
    yaw_deg: float = 0.0
    late_s: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class DrawnFlight:
    """A flight.

    Args:
        pose: seconds -> true pose.
        image_hw: of its pictures.
        rate_hz: pictures a second.
        frames: how many.
        people: seconds -> (N, 2) where everybody stands.
        start: UTC of the first picture.
    """

    pose: Callable[[float], AerialPose]
    image_hw: tuple[int, int]
    rate_hz: Fraction
    frames: int
    people: Callable[[float], FloatArray]
    start: datetime = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)

    def t_s(self, number: int) -> float:
        """When a picture is taken."""
        return float(number / self.rate_hz)

    def plane(self, t_s: float) -> GroundPlane:
        """The true plane."""
        return aerial_plane(self.pose(t_s), NONE, self.image_hw, max_sigma_m=1e3)


def write_film(path: Path, flight: DrawnFlight, ground: GroundPicture, numbers: Sequence[int] | None = None) -> None:
    """Draw a flight's pictures and write them as H.264, a keyframe a second."""
    height, width = flight.image_hw
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=flight.rate_hz, options={"crf": "18", "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.gop_size = max(1, round(flight.rate_hz))
        for number in range(flight.frames) if numbers is None else numbers:
            at_s = flight.t_s(number)
            image = drawn_picture(flight.plane(at_s), ground, flight.people(at_s), seed=number)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(stream.encode())


def write_srt(
    path: Path, flight: DrawnFlight, place: SitePlace, error: TelemetryError = TelemetryError(),
    lens_35_mm: float = 24.0, rate_hz: Fraction | None = None,
) -> None:  # fmt: skip
    """Write telemetry beside a film as firmware with a gimbal does, one entry a picture, with the errors given."""
    rate = rate_hz or flight.rate_hz
    north_deg = place.true_north_deg()
    parts = []
    for number in range(flight.frames):
        begin_s, end_s = float(number / rate), float((number + 1) / rate)
        pose = flight.pose(flight.t_s(number) - error.late_s)
        lat, lon = place.to_wgs84(np.array([[pose.east_m + error.east_m, pose.north_m + error.north_m]]))
        yaw = (pose.yaw_deg - north_deg + error.yaw_deg + 180) % 360 - 180
        clock = flight.start + timedelta(seconds=begin_s, hours=8)  # the drone's own time zone
        parts.append(
            f"{number + 1}\n{_time(begin_s)} --> {_time(end_s)}\n"
            f'<font size="28">FrameCnt: {number + 1}, DiffTime: {round(1000 * (end_s - begin_s))}ms\n'
            f"{clock:%Y-%m-%d %H:%M:%S}.{clock.microsecond // 1000:03d}\n"
            f"[iso: 100] [shutter: 1/500.0] [fnum: 2.8] [focal_len: {lens_35_mm:.2f}] [latitude: {lat[0]:.6f}] "
            f"[longitude: {lon[0]:.6f}] [rel_alt: {pose.up_m + error.up_m:.3f} abs_alt: {pose.up_m + 12:.3f}] "
            f"[gb_yaw: {yaw:.1f} gb_pitch: {pose.pitch_deg:.1f} gb_roll: {pose.roll_deg:.1f}] </font>\n"
        )
    path.write_text("\n".join(parts), encoding="utf-8")


def _time(seconds: float) -> str:
    whole = round(seconds * 1000)
    return f"{whole // 3600000:02d}:{whole // 60000 % 60:02d}:{whole // 1000 % 60:02d},{whole % 1000:03d}"
