"""A recorded file as a Source: PyAV, integer timestamps, exact seeking (measured: never lands early, cv2 does)."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from fractions import Fraction
from functools import partial
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from crowdwatch.core.records import Frame, FramePair, Stamp
from crowdwatch.errors import SourceTruncated, SourceUnavailable
from crowdwatch.sources.orientation import quarter_turns
from crowdwatch.sources.sampling import NS, sample

__all__ = ["Recording"]

SLACK_FRAMES = 2
"""Containers round their declared length: fewer missing frames than this are not called a truncation."""

BACK_FRAMES = 20
"""How far before a time to seek. Containers seek by decoding time, which runs ahead of showing time by at most the 16
frames that H.264 and HEVC may reorder; pictures that lean on a keyframe not read lie in the same stretch."""


class Recording:
    """One video file of one camera. Pictures are turned upright as the file says (telephones), so that ``image_hw`` is
    that of the turned picture.

    Args:
        path: the file.
        camera_id: the camera that recorded it.
        start_ns: UTC exposure time of the first frame.
        capture_rate_hz: true rate of the exposures where the container's clock is wrong; None trusts the container.
        sample_hz: how often a frame is analysed; None analyses every frame.
        keyframes_only: decode keyframes alone; then the frame before a keyframe is the keyframe before it.

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
        keyframes_only: bool = False,
    ) -> None:
        self.path = path
        self._camera_id = camera_id
        self._start_ns = start_ns
        self._capture_rate_hz = capture_rate_hz
        self._sample_hz = sample_hz
        self._keyframes_only = keyframes_only
        with closing(self._open()) as container:
            stream = container.streams.video[0]
            first = next(self._decode(container, stream), None)
            if first is None or first.pts is None or stream.time_base is None:
                raise SourceUnavailable(f"recording {path}: holds no readable frame. Check the file with a player.")
            self._first_pts = first.pts
            self._time_base = stream.time_base
            self._rate = Fraction(stream.average_rate or stream.guessed_rate or 25)
            # at a variable rate frames would share a number: there a frame's number counts ticks of the container
            self._variable = stream.base_rate is not None and stream.base_rate != self._rate
            self.codec = stream.codec_context.name
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
    def variable_rate(self) -> bool:
        """Whether its frames come at a variable rate."""
        return self._variable

    @property
    def numbers(self) -> int:
        """How many frame numbers its frames use up."""
        return round(self._declared_frames / self._rate / self._time_base) if self._variable else self._declared_frames

    @property
    def declared_frames(self) -> int:
        """How many frames the container promises."""
        return self._declared_frames

    def pairs(self, from_ns: int | None = None, to_ns: int | None = None) -> Iterator[FramePair]:
        """Yield the sampled frames of ``[from_ns, to_ns)``; see :class:`crowdwatch.core.ports.Source`."""
        yield from sample(self._frames(from_ns), self._sample_hz, from_ns, to_ns)

    def keyframe_gap_s(self) -> float:
        """The longest event time between two keyframes, or between the last one and the end. Reads no picture."""
        with closing(self._open()) as container:
            stream = container.streams.video[0]
            entries = stream.index_entries
            if len(entries) >= self._declared_frames:
                times = [entry.timestamp for entry in entries if entry.is_keyframe]
            else:
                packets = container.demux(stream)
                times = [p.pts for p in packets if p.is_keyframe and p.pts is not None]
        at_ns = [self._seconds_ns((pts - times[0]) * self._time_base) for pts in sorted(times)]
        start_ns, end_ns = self.span_ns
        return max(b - a for a, b in pairwise([*at_ns, max(end_ns - start_ns, at_ns[-1])])) / NS

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

    def _elapsed_s(self, pts: int) -> Fraction:
        return (pts - self._first_pts) * self._time_base

    def _stamp(self, pts: int) -> Stamp:
        elapsed = self._elapsed_s(pts)
        source = "container" if self._capture_rate_hz is None else "capture_rate"
        seq = pts - self._first_pts if self._variable else round(elapsed * self._rate)
        return Stamp(self._camera_id, seq, self._start_ns + self._seconds_ns(elapsed), source)

    def _decode(self, container: InputContainer, stream: VideoStream) -> Generator[VideoFrame]:
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

    def _decode_from(self, container: InputContainer, stream: VideoStream, from_ns: int) -> Iterator[VideoFrame]:
        """Decode from a keyframe before ``from_ns`` on; further back where a container seeks past one."""
        back_frames = BACK_FRAMES
        while True:
            whole = self._seek(container, stream, from_ns, back_frames)
            frames = self._decode(container, stream)
            first = next(frames, None)
            if whole or first is None or first.pts is None or self._stamp(first.pts).t_ns < from_ns:
                break
            frames.close()
            back_frames *= 8
        if first is not None:
            yield first
        yield from frames

    def _frames(self, from_ns: int | None) -> Iterator[tuple[Stamp, Callable[[], Frame]]]:
        """Decode from one frame before ``from_ns`` to the end, and complain if the end comes early."""
        with closing(self._open()) as container:
            stream = container.streams.video[0]
            if self._keyframes_only:
                stream.codec_context.skip_frame = "NONKEY"
            within = from_ns is not None and from_ns > self._start_ns
            frames = self._decode_from(container, stream, from_ns or 0) if within else self._decode(container, stream)
            last: Stamp | None = None
            last_pts = self._first_pts - 1
            for decoded in frames:
                if decoded.pts is None or decoded.pts < self._first_pts:
                    continue
                stamp = self._stamp(decoded.pts)
                self._onward(last, last_pts, stamp, decoded.pts)
                last, last_pts = stamp, decoded.pts
                yield stamp, partial(self._frame, stamp, decoded)
        if not self._keyframes_only:
            self._complain_of_early_end(last_pts)

    def _frame(self, stamp: Stamp, decoded: VideoFrame) -> Frame:
        return Frame(stamp, self._picture(decoded))

    def _onward(self, last: Stamp | None, last_pts: int, stamp: Stamp, pts: int) -> None:
        """Frames must follow one another, each with a number of its own."""
        if last is not None and (pts <= last_pts or stamp.seq == last.seq):
            at_s = float(self._elapsed_s(last_pts))
            raise SourceTruncated(
                f"recording {self.path}: its clock jumps back, or stands still, {at_s:.2f} s after the first frame. "
                f"Write it anew with a clock that runs on: ffmpeg -fflags +genpts -i {self.path.name} -c copy new.mkv; "
                f"what was read before is kept."
            )

    def _complain_of_early_end(self, last_pts: int) -> None:
        """Raise when frames that the container promises are missing."""
        found = round(self._elapsed_s(last_pts) * self._rate) + 1 if last_pts >= self._first_pts else 0
        missing = self._declared_frames - found
        if missing > SLACK_FRAMES:
            raise SourceTruncated(
                f"recording {self.path}: ends after frame {found} of {self._declared_frames} declared, "
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

    def _seek(self, container: InputContainer, stream: VideoStream, from_ns: int, back_frames: int) -> bool:
        """Go to a keyframe ``back_frames`` or more before a time; True where that is the start of the recording."""
        rate = self._rate if self._capture_rate_hz is None else self._capture_rate_hz
        elapsed = Fraction(from_ns - self._start_ns, NS) * rate / self._rate
        back = math.ceil(back_frames / self._rate / self._time_base)
        target = max(self._first_pts, self._first_pts + math.floor(elapsed / self._time_base) - back)
        try:
            container.seek(target, stream=stream, backward=True, any_frame=False)
        except FFmpegError as error:
            raise SourceUnavailable(
                f"recording {self.path}: cannot seek ({_reason(error)}). Remux it into MP4 or MKV."
            ) from error
        return target == self._first_pts


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or type(error).__name__
