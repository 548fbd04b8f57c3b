"""A recorded file as a Source: PyAV, integer timestamps, exact seeking (measured: never lands early, cv2 does)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import closing
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from crowdwatch.errors import SourceTruncated, SourceUnavailable
from crowdwatch.records import Frame, FramePair, Stamp
from crowdwatch.sources.orientation import quarter_turns
from crowdwatch.sources.sampling import NS, sample

__all__ = ["Recording"]

SLACK_FRAMES = 2
"""Containers round their declared length: fewer missing frames than this are not called a truncation."""


class Recording:
    """One video file of one camera. Pictures are turned upright as the file says (telephones), so that ``image_hw`` is
    that of the turned picture.

    Args:
        path: the file.
        camera_id: the camera that recorded it.
        start_ns: UTC exposure time of the first frame.
        capture_rate_hz: true rate of the exposures where the container's clock is wrong; None trusts the container.
        sample_hz: how often a frame is analysed; None analyses every frame.

    Raises:
        SourceUnavailable: missing, empty, not a video, without a single frame, or mirrored by its display matrix.
    """

    def __init__(
        self,
        path: Path,
        *,
        camera_id: str,
        start_ns: int,
        capture_rate_hz: Fraction | None = None,
        sample_hz: Fraction | None = None,
    ) -> None:
        self.path = path
        self._camera_id = camera_id
        self._start_ns = start_ns
        self._capture_rate_hz = capture_rate_hz
        self._sample_hz = sample_hz
        with closing(self._open()) as container:
            stream = container.streams.video[0]
            first = next(self._decode(container, stream), None)
            if first is None or first.pts is None or stream.time_base is None:
                raise SourceUnavailable(f"recording {path}: holds no readable frame. Check the file with a player.")
            self._first_pts = first.pts
            self._time_base = stream.time_base
            self._rate = Fraction(stream.average_rate or stream.guessed_rate or 25)
            self._declared_frames = self._declared(stream, container)
            self._decoded_hw = (first.height, first.width)
            self._turns = self._upright(first)
            self.image_hw = self._decoded_hw[::-1] if self._turns % 2 else self._decoded_hw

    @property
    def camera_id(self) -> str:
        """The camera whose footage this is."""
        return self._camera_id

    @property
    def span_ns(self) -> tuple[int, int]:
        """Event time of the first frame and of the end that the container declares."""
        return self._start_ns, self._start_ns + self._seconds_ns(self._declared_frames / self._rate)

    @property
    def declared_frames(self) -> int:
        """How many frames the container promises."""
        return self._declared_frames

    def pairs(self, from_ns: int | None = None, to_ns: int | None = None) -> Iterator[FramePair]:
        """Yield the sampled frames of ``[from_ns, to_ns)``; see :class:`crowdwatch.ports.Source`."""
        yield from sample(self._frames(from_ns), self._sample_hz, from_ns, to_ns)

    def close(self) -> None:
        """Nothing stays open between calls of :meth:`pairs`."""

    def _open(self) -> InputContainer:
        if not self.path.is_file():
            raise SourceUnavailable(f"recording {self.path}: no such file. Check the path in the event file.")
        if self.path.stat().st_size == 0:
            raise SourceUnavailable(f"recording {self.path}: the file is empty (0 bytes). Copy it again.")
        try:
            container = av.open(str(self.path))
        except (FFmpegError, OSError) as error:
            raise SourceUnavailable(
                f"recording {self.path}: cannot be read as a video ({_reason(error)}). Name a video file."
            ) from error
        if not container.streams.video:
            container.close()
            raise SourceUnavailable(f"recording {self.path}: holds no video stream. Name a video file.")
        return container

    def _upright(self, first: VideoFrame) -> int:
        try:
            return quarter_turns(first)
        except ValueError as error:
            raise SourceUnavailable(
                f"recording {self.path}: {error}: no camera's picture. Write it as it is seen: ffmpeg -i IN OUT."
            ) from error

    def _declared(self, stream: VideoStream, container: InputContainer) -> int:
        if stream.frames > 0:
            return stream.frames
        if stream.duration is not None:
            return max(1, round(stream.duration * self._time_base * self._rate))
        if container.duration is not None:
            return max(1, round(Fraction(container.duration, av.time_base) * self._rate))
        return 1

    def _seconds_ns(self, container_s: Fraction) -> int:
        """Container seconds -> nanoseconds of event time."""
        if self._capture_rate_hz is None:
            return math.floor(container_s * NS)
        return math.floor(container_s * self._rate / self._capture_rate_hz * NS)

    def _stamp(self, pts: int) -> Stamp:
        elapsed = (pts - self._first_pts) * self._time_base
        source = "container" if self._capture_rate_hz is None else "capture_rate"
        seq = round(elapsed * self._rate)
        return Stamp(self._camera_id, seq, self._start_ns + self._seconds_ns(elapsed), source)

    def _decode(self, container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
        stream.thread_type = "AUTO"
        try:
            for frame in container.decode(stream):
                if frame.pts is not None:
                    yield frame
        except FFmpegError as error:
            raise SourceTruncated(
                f"recording {self.path}: decoding breaks off ({_reason(error)}). Copy the recording again; what was "
                f"read before is kept."
            ) from error

    def _frames(self, from_ns: int | None) -> Iterator[Frame]:
        """Decode from one frame before ``from_ns`` to the end, and complain if the end comes early."""
        with closing(self._open()) as container:
            stream = container.streams.video[0]
            if from_ns is not None and from_ns > self._start_ns:
                self._seek(container, stream, from_ns)
            last_seq = -1
            for decoded in self._decode(container, stream):
                if decoded.pts is None or decoded.pts < self._first_pts:
                    continue
                stamp = self._stamp(decoded.pts)
                last_seq = max(last_seq, stamp.seq)
                if from_ns is not None and stamp.t_ns < from_ns - 2 * self._period_ns:
                    continue  # far before the chunk: decoded only because a keyframe had to be
                yield Frame(stamp, self._picture(decoded))
        missing = self._declared_frames - (last_seq + 1)
        if missing > SLACK_FRAMES:
            raise SourceTruncated(
                f"recording {self.path}: ends after frame {last_seq + 1} of {self._declared_frames} declared, "
                f"{missing} are missing. Copy the recording again; what was read before is kept."
            )

    def _picture(self, decoded: VideoFrame) -> NDArray[np.uint8]:
        """The picture upright, (H, W, 3); a calibration holds for one size only."""
        if (decoded.height, decoded.width) != self._decoded_hw:
            height, width = self._decoded_hw
            raise SourceTruncated(
                f"recording {self.path}: pictures change from {width}x{height} to {decoded.width}x{decoded.height} in "
                "the middle, and no calibration holds for both. Cut the recording there; what was read before is kept."
            )
        image = decoded.to_ndarray(format="bgr24")
        return np.ascontiguousarray(np.rot90(image, self._turns))

    @property
    def _period_ns(self) -> int:
        return self._seconds_ns(1 / self._rate)

    def _seek(self, container: InputContainer, stream: VideoStream, from_ns: int) -> None:
        rate = self._rate if self._capture_rate_hz is None else self._capture_rate_hz
        frames = Fraction(from_ns - self._start_ns, NS) * rate
        elapsed = frames / self._rate
        target = self._first_pts + math.floor(elapsed / self._time_base)
        two_frames = math.ceil(2 / self._rate / self._time_base)
        try:
            container.seek(max(self._first_pts, target - two_frames), stream=stream, backward=True, any_frame=False)
        except FFmpegError as error:
            raise SourceUnavailable(
                f"recording {self.path}: cannot seek ({_reason(error)}). Remux it into MP4 or MKV."
            ) from error


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or type(error).__name__
