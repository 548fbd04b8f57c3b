"""The packets of a recording from any one on: sought and held against the index, or read from the start."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.video.stream import VideoStream

from crowdwatch.errors import SourceUnavailable
from crowdwatch.sources import container as opening
from crowdwatch.sources.index import PacketIndex
from crowdwatch.sources.timeline import NONE

__all__ = ["packets_from"]

LOOK_PACKETS = 2000
"""Packets to look at behind a place that was sought before giving it up."""

CHECKED_PACKETS = 64
"""Packets whose content is held against the index once reading has begun; behind them it is their size."""


class _Missed(Exception):
    """Reading did not begin where it should have, or what comes is not what was found."""


def packets_from(
    path: Path,
    video: int | None,
    index: PacketIndex,
    container: InputContainer,
    stream: VideoStream,
    start: int,
    stop: int,
) -> Iterator[tuple[int, Packet[Any]]]:
    """The packets from ``start`` on, each held against the index; from the start of the file where seeking fails."""
    at = start
    for target in _targets(index, start):
        try:
            container.seek(target, stream=stream, backward=True, any_frame=False)
            for number, packet in _followed(index, container, stream, None, at):
                yield number, packet
                at = number + 1
                if at >= stop:
                    return
        except (_Missed, FFmpegError):
            continue
    with ExitStack() as stack:
        if start:
            container = stack.enter_context(closing(opening.open_container(path)))
            stream = opening.video_stream(container, path, video)
        try:
            for number, packet in _followed(index, container, stream, 0, at):
                yield number, packet
                if number + 1 >= stop:
                    return  # a list of segments without an end would be waited on
        except _Missed as missed:
            raise SourceUnavailable(
                f"recording {path}: has changed since it was opened. Leave it alone while it is read."
            ) from missed


def _targets(index: PacketIndex, start: int) -> list[int]:
    """Time stamps to seek to for a packet: its own, then those of keyframes further back."""
    found = []
    key = start
    for back in (0, 1, 4):
        for _ in range(back):
            key = index.key_before(key - 1) if key > index.begin else key
        if not start or (back and key <= index.begin):
            break
        stamps = [int(each[key]) for each in (index.dts, index.pts) if each[key] != NONE]
        found += [min(stamps)] if stamps else []
    return found


def _followed(
    index: PacketIndex, container: InputContainer, stream: VideoStream, known: int | None, start: int
) -> Iterator[tuple[int, Packet[Any]]]:
    """Packets from ``start`` on.

    Args:
        index: of all packets.
        container, stream: opened, at the packet ``known``, or anywhere before ``start`` where it is None.
        known: number of the packet that comes next.
        start: the first one that is wanted.

    Raises:
        _Missed: reading began behind ``start``, or cannot be told, or what comes is not what was found.
    """
    looked = 0
    for packet in opening.packets(container, stream):
        if known is None:
            told = packet.size, opening.fingerprint(packet), -1 if packet.pos is None else packet.pos
            known = index.places.get(told)
            looked += 1
            if known is None and looked < LOOK_PACKETS:
                continue
            if known is None or known > start:
                raise _Missed
        elif known < len(index) and not index.is_packet(known, packet, whole=looked < CHECKED_PACKETS):
            raise _Missed
        if known >= len(index):
            return  # written to the file since
        if known >= start:
            yield known, packet
        known, looked = known + 1, looked + 1
    if known is None or known < index.stop:
        raise _Missed
