"""The nouns of a live run: what observers of cameras tell the engine beside observations and faults."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from crowdwatch.core.records import CameraFault, Observation, Stamp

__all__ = ["CoarsePicture", "LiveMessage", "StreamPhase", "StreamStatus"]


class StreamPhase(StrEnum):
    """What a reader of a live camera is doing."""

    OPENING = "opening"
    STREAMING = "streaming"
    WAITING = "waiting"
    """It was lost or could not be opened, and is tried again soon."""
    REFUSED = "refused"
    """It sends what cannot be used, such as pictures of another size than the calibration's; it is tried again."""


@dataclass(frozen=True, slots=True)
class StreamStatus:
    """How a live camera's stream does. Counts are since the observer of the camera began.

    Args:
        camera_id: the camera.
        phase: what its reader does.
        since_ns: event time at which the phase began.
        message: one sentence with a remedy where something is wrong, without secrets; else empty.
        received: pictures decoded.
        sampled: pictures that were due.
        replaced: pictures that were due, and gave way to a newer one before they were analysed.
        analysed: pictures that were analysed.
        reconnects: times that the stream was opened again.
        codec: of the stream, or empty.
        image_hw: height and width of its pictures; None before the first.
        rate_hz: pictures per second as they arrive; NaN where it is not known.
        newest_ns: exposure of the newest picture; None before the first.
        offset_s: the stream's own clock less event time, where the stream has one; NaN elsewhere.
        sigma_s: standard error of the pictures' event time.
        host: where it is read.
        sample_hz: pictures that are to be analysed per second now, where its station says so.
        work: seconds a second that its station's workers spend on its pictures; None where that is not known yet.
        dropped: pictures that came and were not decoded whole: damaged on the way, or decoding was late.
    """

    camera_id: str
    phase: StreamPhase
    since_ns: int
    message: str = ""
    received: int = 0
    sampled: int = 0
    replaced: int = 0
    analysed: int = 0
    reconnects: int = 0
    codec: str = ""
    image_hw: tuple[int, int] | None = None
    rate_hz: float = float("nan")
    newest_ns: int | None = None
    offset_s: float = float("nan")
    sigma_s: float = 0.0
    host: str = ""
    dropped: int = 0
    sample_hz: float | None = None
    work: float | None = None


@dataclass(frozen=True, slots=True)
class CoarsePicture:
    """A picture that may leave the process that analysed it: coarsened before it was encoded.

    Args:
        stamp: of the picture.
        jpeg: of its full size, averaged over blocks until a head is under 8 px.
    """

    stamp: Stamp
    jpeg: bytes


LiveMessage: TypeAlias = Observation | CameraFault | StreamStatus | CoarsePicture
"""What reaches the engine of a live run from whoever observes its cameras."""
