"""Reading the packets of a recording to its end: what becomes its index."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from av.packet import Packet

from crowdwatch.sources import container as opening
from crowdwatch.sources.index import CLOCKLESS, COUNTERS, PacketIndex
from crowdwatch.sources.timeline import NONE

__all__ = ["read_index"]

AV_TIME_BASE = 1_000_000

NOT_CODED_BYTES = 19
"""A packet of MPEG-4 of so few bytes says that the picture before stays: it holds none."""


def read_index(path: Path, number: int | None = None) -> PacketIndex:
    """Read every packet of a recording.

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
        ends, whole, place = _Ends(), True, stream.index
        # a length of the whole file is that of its longest stream
        others = [] if stream.duration is not None else [each for each in container.streams if each is not stream]
        for packet in opening.packets(container, stream, *others):
            if packet.stream_index == place:
                rows.append(_row(codec, packet))
                whole = not packet.is_corrupt
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
        pts, dts, duration, size, pos, mark = columns[:6]
        return PacketIndex(
            name, codec, base, pts, dts, duration, size, pos, mark, columns[6].astype(bool), columns[7].astype(bool),
            Fraction(stream.average_rate or stream.guessed_rate or 25), max(0, stream.frames),
            declared_s if believed else None, ends.length_s, bool(stream.codec_context.has_b_frames),
            Fraction(stream.sample_aspect_ratio or stream.codec_context.sample_aspect_ratio or 1),
        )  # fmt: skip


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
