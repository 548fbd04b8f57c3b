"""Reading the packets of a recording to its end: what becomes its index."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from av.error import FFmpegError
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from crowdwatch.sources import container as opening
from crowdwatch.sources.index import CLOCKLESS, COUNTERS, DECODING_TIMES, PacketIndex
from crowdwatch.sources.timeline import NONE

__all__ = ["Head", "read_index"]

AV_TIME_BASE = 1_000_000

INTRA = {"mjpeg", "rawvideo", "huffyuv", "ffvhuff", "ffv1", "png", "prores", "dvvideo"}
"""Codecs whose every packet is a keyframe, usually or always."""

MOST_WAITED = 128
"""Packets after which a keyframe's picture is not waited for any more."""

NOT_CODED_BYTES = 19
"""A packet of MPEG-4 of so few bytes says that the picture before stays: it holds none."""


def read_index(path: Path, number: int | None = None) -> tuple[PacketIndex, Head]:
    """Read every packet of a recording, and decode the first ones.

    Args:
        path: the file.
        number: of its video stream; None for the only one.

    Raises:
        SourceUnavailable: it cannot be opened, or holds no such stream.
    """
    with closing(opening.open_container(path)) as container:
        stream = opening.video_stream(container, path, number)
        codec, name = stream.codec_context.name, container.format.name.split(",")[0]
        rows: list[tuple[int, ...]] = []
        ends, whole, place, head = _Ends(), True, stream.index, Head()
        # a length of the whole file is that of its longest stream
        others = [] if stream.duration is not None else [each for each in container.streams if each is not stream]
        for packet in opening.packets(container, stream, *others):
            if packet.stream_index == place:
                rows.append(_row(codec, packet))
                whole = not packet.is_corrupt
                head.take(stream, len(rows) - 1, packet)
            else:
                ends.add(packet)
        if not whole and len(rows) > 1 and name not in COUNTERS:
            rows.pop()  # the file ends within it
        columns = np.array(rows, np.int64).reshape(-1, 8).T
        believed = name not in (*COUNTERS, *CLOCKLESS)
        declared_s = None if container.duration is None else Fraction(container.duration, AV_TIME_BASE)
        base = Fraction(stream.time_base or Fraction(1, 1000))
        if stream.duration is not None:
            declared_s = stream.duration * base
        head.take(stream, len(rows), None)
        pts, dts, duration, size, pos, mark = columns[:6]
        key = columns[6].astype(bool)
        if name in DECODING_TIMES and codec not in INTRA and key.all():
            key[1:] = False  # an AVI without its index has every packet for a keyframe
        index = PacketIndex(
            name, codec, base, pts, dts, duration, size, pos, mark, key, columns[7].astype(bool),
            Fraction(stream.average_rate or stream.guessed_rate or 25), max(0, stream.frames),
            declared_s if believed else None, ends.length_s, bool(stream.codec_context.has_b_frames),
            Fraction(stream.sample_aspect_ratio or stream.codec_context.sample_aspect_ratio or 1),
        )  # fmt: skip
        return index, head


@dataclass(slots=True)
class Head:
    """What a decoder shows of the first keyframe and the packets behind it, on one core.

    Args:
        start: packet of the keyframe; -1 where there is none.
        shown: packets whose pictures were shown, and whether each is damaged.
        errors: packets that could not be decoded.
        picture: the first one.
    """

    start: int = -1
    shown: list[tuple[int, bool]] = field(default_factory=list)
    errors: int = 0
    picture: VideoFrame | None = None
    done: bool = False

    def take(self, stream: VideoStream, number: int, packet: Packet[Any] | None) -> None:
        """Decode a packet, or, with None, what is left, until the keyframe's picture has come."""
        if self.done or (self.start < 0 and (packet is None or not packet.is_keyframe)):
            return
        if self.start < 0:
            self.start = number
            stream.codec_context.thread_count = 1
        if packet is not None:
            packet.pts, packet.dts = number, None
        try:
            for frame in stream.codec_context.decode(packet):
                if frame.pts is not None:
                    self.shown.append((frame.pts, frame.is_corrupt))
                    self.picture = self.picture or frame
        except FFmpegError:
            self.errors += 1
        came = any(each >= self.start for each, _ in self.shown)
        self.done = packet is None or came or number - self.start > MOST_WAITED


@dataclass(slots=True)
class _Ends:
    """First and last moment of the packets of other streams."""

    spans: dict[int, tuple[Fraction, int, int]] = field(default_factory=dict)

    def add(self, packet: Packet[Any]) -> None:
        if packet.pts is None or packet.time_base is None:
            return
        end = packet.pts + (packet.duration or 0)
        base, first, last = self.spans.get(packet.stream_index, (packet.time_base, packet.pts, end))
        self.spans[packet.stream_index] = base, min(first, packet.pts), max(last, end)

    @property
    def length_s(self) -> Fraction | None:
        return max((Fraction(base) * (last - first) for base, first, last in self.spans.values()), default=None)


def _row(codec: str, packet: Packet[Any]) -> tuple[int, ...]:
    return (
        NONE if packet.pts is None else packet.pts,
        NONE if packet.dts is None else packet.dts,
        packet.duration or 0,
        packet.size,
        -1 if packet.pos is None else packet.pos,
        opening.fingerprint(packet),
        packet.is_keyframe,
        packet.is_discard or _holds_no_picture(codec, packet),
    )


def _holds_no_picture(codec: str, packet: Packet[Any]) -> bool:
    """Whether a packet only helps to decode others, or says that nothing changed.

    Source: RFC 6386, 9.1 (VP8: show_frame); VP9 bitstream specification, 6.2 (show_existing_frame, show_frame).
    """
    if codec == "mpeg4":
        return packet.size <= NOT_CODED_BYTES
    if codec not in ("vp8", "vp9"):
        return False
    first = memoryview(packet)[0]
    if codec == "vp8":
        return not first >> 4 & 1
    superframe = memoryview(packet)[-1] & 0xE0 == 0xC0
    return not superframe and first >> 6 == 2 and not first & 0x10 and not first & 0x0A
