"""A recorded file as a Source: its packets are read to the end first, so that nothing it declares is believed."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from crowdwatch.core.records import CameraFault, Frame, FramePair, Stamp
from crowdwatch.errors import SourceTruncated
from crowdwatch.sources.kept import keep
from crowdwatch.sources.reading import find
from crowdwatch.sources.sampling import FARTHEST_S, NS, Taken, sample, whole

__all__ = ["Recording"]


class Recording:
    """One video file of one camera. Pictures are turned upright as the file says (telephones), so that ``image_hw`` is
    that of the turned picture.

    Args:
        path: the file.
        camera_id: the camera that recorded it.
        start_ns: UTC exposure time of the first picture that can be decoded.
        capture_rate_hz: true rate of the exposures where the container's clock is wrong; None trusts the container.
        sample_hz: how often a frame is analysed; None analyses every frame.
        keyframes_only: decode keyframes alone; then the frame before a keyframe is the keyframe before it.
        video_stream: which of several video streams, counted from 0; None for the only one.
        square_pixels: pictures whose pixels are not square are widened, as players show them.
        start_step_ns: how exactly ``start_ns`` is known: it may be this much later.
        kept_in: folder where what was found in the file before may be kept; None reads the file.

    Raises:
        SourceUnavailable: missing, empty, not a video, without a single frame, mirrored by its display matrix, or with
            several video streams of which none is asked for.
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
        video_stream: int | None = None,
        square_pixels: bool = False,
        start_step_ns: int = 0,
        kept_in: Path | None = None,
    ) -> None:
        self.path = path
        self._camera_id = camera_id
        self.start_ns = start_ns
        self.start_step_ns = start_step_ns
        self._capture_rate_hz = capture_rate_hz
        self._sample_hz = sample_hz
        self._keyframes_only = keyframes_only
        self._square = square_pixels
        self._found = find(path, video_stream, kept_in)
        self._footage = replace(self._found.footage, keyframes_only=keyframes_only)
        self._index = self._footage.index
        self._first_ticks = int(self._index.ticks[self._footage.first])
        tick_ns = self._index.tick_s * NS / (1 if capture_rate_hz is None else self._index.step_s * capture_rate_hz)
        self._tick = tick_ns.numerator, tick_ns.denominator  # whole numbers, ten times as fast as fractions
        self.shown_hw = self._found.shown_hw
        self.image_hw = self.shown_hw if square_pixels else self._found.turned(self._found.decoded_hw)

    def keep(self, folder: Path) -> None:
        """Keep what was found in the file for other processes."""
        keep(folder, self._found)

    @property
    def camera_id(self) -> str:
        """The camera whose footage this is."""
        return self._camera_id

    @property
    def codec(self) -> str:
        """Name of the codec."""
        return self._index.codec

    @property
    def span_ns(self) -> tuple[int, int]:
        """Event time of the first picture and of the end: of the last picture that was found, or, where that is later,
        of what is missing of a declared length or cannot be put in time."""
        end_s = self._index.found_s - self._first_s + self._index.missing_s
        end_s += self._index.behind_s if self._index.jumps else 0
        return self.start_ns, self.start_ns + self._seconds_ns(end_s)

    @property
    def variable_rate(self) -> bool:
        """Whether its frames come at a variable rate."""
        return self._index.varies

    @property
    def step_s(self) -> float:
        """The usual event time between two pictures."""
        return self._seconds_ns(self._index.step_s) / NS

    @property
    def sigmas_s(self) -> NDArray[np.float64]:
        """Standard error of the time of every picture, in the order of showing; 0 with a time stamp of its own."""
        return self._index.sigma_s[self._footage.first :]

    @property
    def frames(self) -> int:
        """How many pictures there are to decode."""
        return len(self._index.by_rank) - self._footage.first

    @property
    def notes(self) -> tuple[str, ...]:
        """What is odd and was dealt with, for people."""
        return tuple(f"recording {self.path}: {text}" for text in self._notes())

    def pairs(self, from_ns: int | None = None, to_ns: int | None = None) -> Iterator[FramePair]:
        """Yield the sampled frames of ``[from_ns, to_ns)``; see :class:`crowdwatch.core.ports.Source`."""
        yield from whole(self.read(from_ns, to_ns))

    def read(self, from_ns: int | None = None, to_ns: int | None = None) -> Iterator[FramePair | CameraFault]:
        """The same, with a fault in the place of every damaged frame."""
        yield from sample(self._taken(from_ns, to_ns), self._sample_hz, from_ns, to_ns)

    def keyframe_gap_s(self) -> float:
        """The longest event time between two keyframes, or between the last one and the end. Reads no picture."""
        index = self._index
        keys = index.by_rank[index.key[index.by_rank]]
        at_ns = [self._stamp(int(number)).t_ns for number in keys]
        return max(b - a for a, b in zip([self.start_ns, *at_ns], [*at_ns, self.span_ns[1]], strict=True)) / NS

    def close(self) -> None:
        """Nothing stays open between calls of :meth:`pairs`."""

    @property
    def _first_s(self) -> Fraction:
        return self._first_ticks * self._index.tick_s

    def _notes(self) -> Iterator[str]:
        index = self._index
        if index.beyond is not None:
            yield f"{index.beyond}. All of it is read."
        if index.clockless:
            rate = float(1 / index.step_s)
            if self._capture_rate_hz is None:
                yield (
                    f"{index.name} holds no clock: {rate:g} frames a second are taken, as its header says or for "
                    f"want of better. State capture_rate_hz in its source where that is wrong."
                )
        elif (count := int((index.sigma_s > 0).sum())) and not index.clockless:
            yield (
                f"{count} of {len(index.by_rank)} frames have no time stamp of their own, or share one. They are put "
                f"between their neighbours; standard error up to {float(index.sigma_s.max()):.3f} s."
            )
        if self.variable_rate:
            yield "its frame rate varies. Every frame keeps its own time; nothing to do."
        before = int((~index.hidden[: index.begin]).sum()) + self._footage.first
        if before:
            yield f"begins with {before} frame(s) that lean on what is not there. It begins at the first whole one."
        if self._found.aspect != 1 and not self._square:
            height, width = self.image_hw
            yield (
                f"its pixels are not square ({self._found.aspect}): its pictures are {width}x{height}, and players "
                f"show {self.shown_hw[1]}x{self.shown_hw[0]}. A calibration on a player's picture needs "
                f"square_pixels: true in the source."
            )

    def _seconds_ns(self, container_s: Fraction) -> int:
        """Container seconds -> nanoseconds of event time."""
        if self._capture_rate_hz is None:
            return math.floor(container_s * NS)
        return math.floor(container_s / self._index.step_s / self._capture_rate_hz * NS)

    def _stamp(self, packet: int) -> Stamp:
        return self._stamp_of(self._index.ranks[packet])

    def _stamp_of(self, rank: int) -> Stamp:
        index = self._index
        sigma_s = float(index.sigma_s[rank])
        source = "capture_rate" if self._capture_rate_hz is not None else "estimated" if sigma_s else "container"
        t_ns = self.start_ns + (int(index.ticks[rank]) - self._first_ticks) * self._tick[0] // self._tick[1]
        return Stamp(self._camera_id, rank - self._footage.first, t_ns, source, sigma_s)

    def _taken(self, from_ns: int | None, to_ns: int | None) -> Generator[Taken]:
        """Decode from the pictures that a pair may reach back to on to the end, and complain if that comes early."""
        ranks = range(self._footage.first, len(self._index.by_rank))
        begin_ns = None if from_ns is None else from_ns - round(FARTHEST_S * NS)
        wanted = 0 if begin_ns is None else bisect_left(ranks, begin_ns, key=lambda rank: self._stamp_of(rank).t_ns)
        if wanted < len(ranks):
            yield from self._from_rank(ranks[wanted])
        if self.fault is not None and (to_ns is None or to_ns > self.found_ns):
            raise self.fault

    @property
    def found_ns(self) -> int:
        """Event time of the end of the last picture that can be put in time."""
        return self.start_ns + self._seconds_ns(self._index.found_s - self._first_s)

    def _from_rank(self, wanted: int) -> Generator[Taken]:
        """Pictures from the last whole one before a rank on; from further back until there is one."""
        start, back = self._index.begin, 1
        if wanted > self._footage.first:
            start = self._index.key_of(wanted - 1)
        while not (yield from self._attempt(start, wanted)):
            for _ in range(back):
                start = self._index.key_before(max(start - 1, self._index.begin))
            back *= 2

    def _attempt(self, start: int, wanted: int) -> Generator[Taken, None, bool]:
        """The same from one keyframe on; False, before anything was given, where that is not far enough back: the
        decoder waits for a rolling refresh, or what lies between is damaged."""
        before: Taken | None = None
        looking, last_resort = True, start == self._index.begin
        with closing(self._footage.pictures(start)) as pictures:
            for place, (number, decoded) in enumerate(pictures):
                if not place and not last_resort and (decoded is None or not decoded.key_frame):
                    return False
                stamp = self._stamp(number)
                taken = stamp, None if decoded is None else partial(self._frame, stamp, decoded)
                if self._index.ranks[number] < wanted:
                    before = before if decoded is None else taken
                    continue
                if looking:
                    looking = False
                    if before is not None:
                        yield before
                    elif not last_resort:
                        return False
                yield taken
        return True

    def _frame(self, stamp: Stamp, decoded: VideoFrame) -> Frame:
        return Frame(stamp, self._picture(decoded))

    @property
    def fault(self) -> SourceTruncated | None:
        """Why the end of its span holds no pictures; None where it does."""
        index, found_s = self._index, self._index.found_s - self._first_s
        if index.jumps:
            return SourceTruncated(
                f"recording {self.path}: its clock jumps back, or far ahead, {float(found_s):.2f} s after the first "
                f"frame, and {len(index) - index.stop} frames follow, when is not known. Cut it there, and state the "
                f"start_time of each part; what was read before is kept."
            )
        if not index.missing_s:
            return None
        found, declared = len(index.by_rank), index.declared_frames
        lacks = (
            f"ends after frame {found} of {declared} declared, {declared - len(index)} are missing"
            if declared
            else f"ends after {float(found_s):.1f} s ({found} frames), {float(index.missing_s):.1f} s of its declared "
            f"length are missing"
        )
        return SourceTruncated(
            f"recording {self.path}: {lacks}. Copy the recording again; what was read before is kept."
        )

    def _picture(self, decoded: VideoFrame) -> NDArray[np.uint8]:
        """The picture upright, (H, W, 3); a calibration holds for one size only."""
        if (decoded.height, decoded.width) != self._found.decoded_hw:
            height, width = self._found.decoded_hw
            raise SourceTruncated(
                f"recording {self.path}: pictures change from {width}x{height} to {decoded.width}x{decoded.height} in "
                "the middle, and no calibration holds for both. Cut the recording there; what was read before is kept."
            )
        if self._square and self._found.aspect != 1:
            decoded = decoded.reformat(
                width=round(decoded.width * self._found.aspect), height=decoded.height, format="bgr24"
            )
        image = decoded.to_ndarray(format="bgr24")
        return np.ascontiguousarray(np.rot90(image, self._found.turns))
