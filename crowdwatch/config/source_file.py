"""Where a camera's footage comes from, as the event file says it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from crowdwatch.config.fields import Ident, Plain, Positive, Time, Truth, Whole, ZoneName
from crowdwatch.config.programs import Model
from crowdwatch.config.telemetry_keys import TelemetryFile
from crowdwatch.config.times import parse_time

__all__ = ["LIVE_KEYS", "RecordingFile", "SourceFile"]

LIVE_KEYS = ("url", "device")
"""Keys of a source that is live."""


class RecordingFile(Model):
    """One of several recordings of a camera: a file relative to the event file, and the time of its first frame."""

    file: Plain
    """A video file; relative to the event file."""
    start_time: Time
    """UTC of its first frame, ISO 8601."""


class SourceFile(Model):
    """Where a camera's footage comes from: exactly one of ``file``, ``recordings``, ``folder``, ``sample``,
    ``synthetic``, which are played again, and ``url``, ``device``, which are live."""

    file: Plain | None = None
    """A video file; relative to the event file."""
    recordings: Annotated[list[RecordingFile], Field(min_length=1, max_length=10_000)] | None = None
    """Several video files, each with the time of its first frame. `folder: PATH` in its place takes a folder of
    files whose names hold that time, as in `gate-20261231T213000Z.mp4`."""
    sample: Ident | None = None
    """A recording that `crowdwatch samples fetch` can obtain."""
    synthetic: Ident | None = None
    """A scene that is drawn, not filmed."""
    url: Plain | None = None
    """Of a live camera: `rtsp`, `rtsps`, `http` or `https`. `${NAME}` is put in from the environment when the stream
    is opened; a password never stands in the file."""
    device: Plain | None = None
    """Of video on this machine, as `/dev/video0`: a USB camera."""
    transport: Literal["tcp", "udp"] = Field(
        default="tcp", json_schema_extra={"source": "a lost packet of UDP spoils pictures up to the next keyframe"}
    )
    """Of RTSP: `tcp`, or `udp` where a camera has nothing else."""
    password_file: Plain | None = None
    """File with mode 600, relative to the event file, whose first line is the password of the user in `url`."""
    start_time: Time | None = None
    """UTC of the first frame, ISO 8601; of several recordings it is the earliest. Live cameras have none."""
    capture_rate_hz: Annotated[Positive, Field(le=1000)] | None = None
    """Frames per second at which the footage was taken, where the container says it wrongly."""
    time_zone: ZoneName | None = None
    """Of the times in file names that state none, as in `Asia/Shanghai`; else that of the event."""
    video_stream: Annotated[Whole, Field(ge=0, le=99)] | None = None
    """Which one, of a file that holds several, counted from 0."""
    square_pixels: Truth = False
    """Whether pictures whose pixels are not square are widened, as players show them."""
    telemetry: TelemetryFile | None = None
    """Of a drone, what it wrote beside `file`, or writes beside `url`: from where each picture was taken."""

    @property
    def live(self) -> bool:
        """Whether it is a live camera, of which there is no recording."""
        return self.url is not None or self.device is not None

    @property
    def start_ns(self) -> int:
        """``start_time`` as UTC nanoseconds. Raises ValueError: a live camera has none."""
        if self.start_time is None:
            raise ValueError("a live camera has no first frame.")
        return parse_time(self.start_time)
