"""An open stream: packets are taken in as they come, decoded in their turn, and every picture is put in time.

Packets are read in a thread of their own, so that the time of arrival is true while the decoder is busy, and so that a
decoder that is too slow is seen: what waits longer than :data:`LAG_S` is left out up to the next keyframe. A picture
that leans on a damaged one is none.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
from av.container import InputContainer
from av.error import FFmpegError, HTTPForbiddenError, HTTPUnauthorizedError
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from crowdwatch.errors import SourceRefused, SourceUnavailable
from crowdwatch.sources.live.address import StreamAddress
from crowdwatch.sources.live.damage import Damage
from crowdwatch.sources.live.diagnosis import what_is_wrong
from crowdwatch.sources.live.event_clock import EventClock
from crowdwatch.sources.live.stream_clock import Stamped, StreamClock

__all__ = ["Capture", "Picture"]

OPEN_S, SILENT_S = 9.0, 9.0
"""How long FFmpeg may wait by itself. Whoever started the reader waits less, and ends it from outside."""

LAG_S = 1.0
"""Packets that wait longer to be decoded are late: the newest picture is what counts."""

KEYFRAME_S = 12.0
"""Cameras that save bandwidth send a keyframe every 10 s or less; longer is worth another try and a word."""

PICTURE_S = 10.0
"""Packets from which no picture was decoded for so long are not of the codec that was announced."""

CLOSE_S = 1.0
"""How long the end of a session is waited for."""

UNTIMED = {"mpjpeg", "mjpeg", "image2pipe", "h264", "hevc", "m4v"}
"""Formats without a clock: FFmpeg counts their pictures at a rate that it guesses."""

LEAST_QUEUE = "2"
"""Packets of RTP that FFmpeg sorts over TCP. With none, its default, it does not look for gaps; but relays and cameras
that are short of bandwidth leave packets out of TCP too, and decoders of HEVC show what is left without a word."""

WHITELIST = "rtsp,rtp,srtp,udp,tcp,tls,http,https,httpproxy,crypto"
"""What a stream may open in its turn: a playlist names no files."""


_DAMAGE = re.compile("conceal|while decoding|num gap|eference|find ref|RPS|undecodable|slice|cabac|corrupt")
"""What decoders of H.264 and HEVC say of a picture that they made up in part. Other words are of no matter: some
cameras send units that nobody knows, and FFmpeg complains of each."""


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """One picture of a stream.

    Args:
        when: its time.
        frame: as decoded; None where it is damaged, or leans on one that is.
    """

    when: Stamped
    frame: VideoFrame | None


@dataclass(frozen=True, slots=True, eq=False)
class _Came:
    packet: Packet[Any]
    arrival_ns: int
    mono_ns: int
    lossy: bool


class _Losses(logging.Handler):
    """Hears from FFmpeg what it tells nobody else: packets that were lost on the way, pictures that were made up."""

    def __init__(self) -> None:
        super().__init__()
        self.on_the_way, self.in_decoding = False, False

    def emit(self, record: logging.LogRecord) -> None:
        """Take one message in; its text may hold the URL, so it goes nowhere."""
        text = record.getMessage()
        if "RTP: missed" in text:
            self.on_the_way = True
        elif _DAMAGE.search(text) is not None:
            self.in_decoding = True


def _listen() -> _Losses:
    losses, libav = _Losses(), logging.getLogger("libav")
    libav.handlers[:], libav.propagate = [losses], False
    libav.setLevel(logging.WARNING)
    av.logging.set_level(av.logging.WARNING)
    av.logging.set_skip_repeated(False)
    return losses


def _listen_no_more() -> None:
    """FFmpeg speaks to nobody again. Where it speaks to Python, each of its threads waits for the interpreter at every
    word, and who closes a decoder with several threads waits for them and holds it."""
    av.logging.set_level(None)


class Capture:
    """A stream that was opened; for a process of its own, since FFmpeg's log is taken in.

    Args:
        address: where.
        target: the same with its secrets, as :meth:`StreamAddress.resolved` gives it.
        image_hw: height and width that a device is asked for.
        clock: event time.

    Raises:
        SourceUnavailable: it cannot be opened, or sends no video; with a remedy, without secrets.
    """

    def __init__(self, address: StreamAddress, target: str, image_hw: tuple[int, int], clock: EventClock) -> None:
        self.address, self.clock, self.stream_clock = address, clock, StreamClock()
        self.received, self.dropped = 0, 0
        self.packet_mono_ns = time.monotonic_ns()
        self._losses = _listen()
        try:
            self._container = _opened(address, target, image_hw)
        except SourceUnavailable:
            _listen_no_more()
            raise
        videos = [each for each in self._container.streams.video if each.codec_context is not None]
        if not videos:
            kinds = ", ".join(sorted({each.type for each in self._container.streams})) or "nothing"
            self._container.close()
            _listen_no_more()
            raise SourceUnavailable(
                f"stream {address}: sends {kinds}, no video that can be decoded. Name the camera's video stream."
            )
        self._stream: VideoStream = videos[0]
        self._stream.codec_context.thread_count = 1
        self.codec = self._stream.codec_context.name
        self._timed = self._container.format.name.split(",")[0] not in UNTIMED
        self._waiting: deque[_Came] = deque()
        self._came = threading.Condition()
        self._ended: str | None = None
        self._arrivals: dict[int, tuple[int, int | None]] = {}
        self._closing = False
        self._thread = threading.Thread(target=self._take_in, name="packets", daemon=True)
        self._thread.start()

    @property
    def interval_s(self) -> float | None:
        """Between two pictures, as the stream declares it; None where it does not."""
        rate = self._stream.average_rate or self._stream.guessed_rate
        return float(1 / rate) if rate else None

    @property
    def aspect(self) -> Fraction:
        """Width of a pixel by its height."""
        told = self._stream.codec_context.sample_aspect_ratio
        return Fraction(told) if told is not None and told > 0 else Fraction(1)

    def pictures(self, beat: Callable[[], None] = lambda: None) -> Iterator[Picture]:
        """Every picture in the order of showing, from the first keyframe on.

        Args:
            beat: called with every packet.

        Raises:
            SourceUnavailable: the stream ended; it sends no keyframes, or nothing that can be decoded.
        """
        begun = whole = time.monotonic()
        started, damage = False, Damage()
        for came in self._in_turn():
            beat()
            key = came.packet.is_keyframe
            if not started and not key:
                if time.monotonic() - begun > KEYFRAME_S:
                    raise SourceUnavailable(
                        f"stream {self.address}: no keyframe came for {KEYFRAME_S:.0f} s, so no picture can be made. "
                        "Set the camera's keyframe (I-frame) interval to 2 s or less."
                    )
                self.dropped += 1
                continue
            now, started = came.mono_ns / 1e9, True
            damage.packet(now, key=key, lossy=came.lossy, pts=came.packet.pts)
            self._losses.in_decoding = False
            frames, failed = self._decoded(came)
            if failed or self._losses.in_decoding or any(frame.is_corrupt for frame in frames):
                damage.found(now)
            for frame in frames:
                self.received += 1
                when = self._when(frame, came)
                if damage.whole(frame.pts):
                    whole = time.monotonic()
                    yield Picture(when, frame)
                else:
                    self.dropped += 1
                    yield Picture(when, None)
            if time.monotonic() - whole > PICTURE_S and not frames:
                raise SourceUnavailable(
                    f"stream {self.address}: {PICTURE_S:.0f} s of packets gave no picture; they are not "
                    f"{self.codec}, as it announces, or all of them are damaged. Choose H.264 in the camera, over TCP."
                )

    def close(self) -> None:
        """End the session. The thread that reads packets does it, since nothing may be freed under its hands; it is
        waited for a moment, and left to the end of the process where the camera does not answer."""
        self._closing = True
        self._thread.join(CLOSE_S)
        _listen_no_more()

    def _take_in(self) -> None:
        reason = "it ended"
        try:
            for packet in self._container.demux(self._stream):
                if self._closing:
                    break
                if not packet.size:
                    continue
                mono_ns = time.monotonic_ns()
                lossy, self._losses.on_the_way = self._losses.on_the_way or packet.is_corrupt, False
                came = _Came(packet, self.clock.at(mono_ns), mono_ns, lossy)
                with self._came:
                    self.packet_mono_ns = mono_ns
                    self._waiting.append(came)
                    self._came.notify()
        except (FFmpegError, OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or type(error).__name__
        with self._came:
            self._ended = reason
            self._came.notify()
        if self._closing:
            self._container.close()

    def _in_turn(self) -> Iterator[_Came]:
        """Packets as they came; where decoding is late, from the newest keyframe on."""
        late = False
        while True:
            with self._came:
                while not self._waiting and self._ended is None:
                    self._came.wait()
                if not self._waiting:
                    remedy = (
                        "plug it in, and look at its cable"
                        if self.address.device
                        else "look at the camera's power and network"
                    )
                    raise SourceUnavailable(
                        f"stream {self.address}: the connection was lost ({self._ended}). It is opened again; {remedy} "
                        "where this goes on."
                    )
                behind_s = (time.monotonic_ns() - self._waiting[0].mono_ns) / 1e9
                if behind_s > LAG_S:
                    late = True
                if late:
                    keys = [place for place, each in enumerate(self._waiting) if each.packet.is_keyframe]
                    left = keys[-1] if keys else len(self._waiting)
                    for _ in range(left):
                        self._waiting.popleft()
                    self.dropped += left
                    if not keys:
                        continue
                    late = False
                    self._stream.codec_context.flush_buffers()
                came = self._waiting.popleft()
            yield came

    def _decoded(self, came: _Came) -> tuple[list[VideoFrame], bool]:
        packet = came.packet
        if packet.pts is not None:
            self._arrivals[packet.pts] = came.arrival_ns, _sent_ns(packet)
            while len(self._arrivals) > 64:
                del self._arrivals[next(iter(self._arrivals))]
        try:
            return self._stream.codec_context.decode(packet), False
        except FFmpegError:
            return [], True

    def _when(self, frame: VideoFrame, came: _Came) -> Stamped:
        pts, base = frame.pts, frame.time_base
        if pts is None or base is None or not self._timed:
            return self.stream_clock.stamp(None, came.arrival_ns)
        arrival_ns, sent_ns = self._arrivals.pop(pts, (came.arrival_ns, None))
        return self.stream_clock.stamp(Fraction(pts * base), arrival_ns, sent_ns)


def _sent_ns(packet: Packet[Any]) -> int | None:
    """UTC nanoseconds of the sender's clock (libavutil's AVProducerReferenceTime: microseconds, then flags), from RTCP
    sender reports; None before the first, and for libraries before FFmpeg 8."""
    if not packet.has_sidedata("prft"):
        return None
    content = bytes(packet.get_sidedata("prft"))
    return int.from_bytes(content[:8], "little", signed=True) * 1000 if len(content) >= 8 else None


def _opened(address: StreamAddress, target: str, image_hw: tuple[int, int]) -> InputContainer:
    if address.device:
        options = {"video_size": f"{image_hw[1]}x{image_hw[0]}"}
        form: str | None = "v4l2"
    else:
        options, form = {"protocol_whitelist": WHITELIST, "analyzeduration": "500000"}, None
        if target.lower().startswith("rtsp"):
            options |= {"rtsp_transport": address.transport, "allowed_media_types": "video"}
            if address.transport == "tcp":
                options["reorder_queue_size"] = LEAST_QUEUE
    try:
        return av.open(target, format=form, options=options, timeout=(OPEN_S, SILENT_S))
    except (HTTPUnauthorizedError, HTTPForbiddenError):
        raise SourceRefused(
            f"stream {address}: the camera refuses the user name or the password. Correct the variable or the password "
            "file, and the user in the URL; some cameras lock a user out for minutes after wrong ones."
        ) from None
    except (FFmpegError, OSError, ValueError) as error:
        # no chain: the library's message holds the URL with its password
        raise SourceUnavailable(f"stream {address}: {what_is_wrong(address, error)}") from None
