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
    start_time: Time


class SourceFile(Model):
    """Where a camera's footage comes from: exactly one of ``file``, ``recordings``, ``folder``, ``sample``,
    ``synthetic``, which are played again, and ``url``, ``device``, which are live.

    Args:
        file: a video file; relative to the event file.
        recordings: several video files, each with the time of its first frame.
        folder: a folder of video files whose names hold the UTC time of their first frame, as in
            ``gate-20261231T213000Z.mp4``. Loading turns it into ``recordings``.
        sample: a recording that ``crowdwatch samples fetch`` can obtain.
        synthetic: a scene that is drawn, not filmed.
        url: of a live camera: ``rtsp``, ``rtsps``, ``http`` or ``https``. ``${NAME}`` is put in from the environment
            when the stream is opened; a password never stands in the file.
        device: of video on this machine, as ``/dev/video0``: a USB camera.
        transport: of RTSP: ``tcp``, or ``udp`` where a camera has nothing else.
        password_file: file with mode 600, relative to the event file, whose first line is the password of the user in
            ``url``.
        start_time: UTC of the first frame, ISO 8601; of several recordings it is the earliest. Live cameras have none.
        capture_rate_hz: frames per second at which the footage was taken, where the container says it wrongly.
        time_zone: of the times in file names that state none, as in ``Asia/Shanghai``; else that of the event.
        video_stream: which one, of a file that holds several, counted from 0.
        square_pixels: pictures whose pixels are not square are widened, as players show them.
        telemetry: of a drone, what it wrote beside ``file``: it says of every picture from where it was taken.
    """

    file: Plain | None = None
    recordings: Annotated[list[RecordingFile], Field(min_length=1, max_length=10_000)] | None = None
    sample: Ident | None = None
    synthetic: Ident | None = None
    url: Plain | None = None
    device: Plain | None = None
    transport: Literal["tcp", "udp"] = Field(
        default="tcp", json_schema_extra={"source": "a lost packet of UDP spoils pictures up to the next keyframe"}
    )
    password_file: Plain | None = None
    start_time: Time | None = None
    capture_rate_hz: Annotated[Positive, Field(le=1000)] | None = None
    time_zone: ZoneName | None = None
    video_stream: Annotated[Whole, Field(ge=0, le=99)] | None = None
    square_pixels: Truth = False
    telemetry: TelemetryFile | None = None

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
