"""Opening a video file: which of its streams holds the pictures, and its packets one by one."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from crowdwatch.errors import SourceUnavailable

__all__ = ["fingerprint", "open_container", "packets", "reason_of", "video_stream"]

FAILURES = 16
"""Reads that fail one after another before a file is taken for ended: a damaged cluster or page is skipped."""

ENDS = 256
"""Bytes at either end of a packet that tell it from others: slice headers stand first, noise last."""

PLAYLIST = {"live_start_index": "0"}
"""A list of segments is read from its first one, also where it has no end; libav then waits some seconds for more."""


def open_container(path: Path) -> InputContainer:
    """Open a file that holds at least one video stream.

    Raises:
        SourceUnavailable: missing, empty, or no video.
    """
    if not path.is_file():
        raise SourceUnavailable(f"recording {path}: no such file. Check the path in the event file.")
    if path.stat().st_size == 0:
        raise SourceUnavailable(f"recording {path}: the file is empty (0 bytes). Copy it again.")
    options = PLAYLIST if path.suffix.lower() in (".m3u8", ".m3u") else {}
    try:
        container = av.open(str(path), options=dict(options))
    except (FFmpegError, OSError, ValueError) as error:
        raise SourceUnavailable(
            f"recording {path}: cannot be read as a video ({reason_of(error)}). Name a video file."
        ) from error
    if not container.streams.video:
        container.close()
        raise SourceUnavailable(f"recording {path}: holds no video stream. Name a video file.")
    return container


def video_stream(container: InputContainer, path: Path, number: int | None) -> VideoStream:
    """The stream to read: the one that is asked for, or the only one. Cover pictures are none.

    Args:
        container: the opened file.
        path: for messages.
        number: counted from 0 among the video streams; None where there is only one.

    Raises:
        SourceUnavailable: there are several and none is asked for, or the one asked for is not there.
    """
    known = [each for each in container.streams.video if each.codec_context is not None and each.codec_context.width]
    if not known:
        raise SourceUnavailable(
            f"recording {path}: no decoder is known for its pictures. Write it anew: ffmpeg -i IN OUT.mp4."
        )
    streams = [each for each in known if not each.disposition & Disposition.attached_pic] or known
    if number is not None and number < len(streams):
        return streams[number]
    if number is None and len(streams) == 1:
        return streams[0]
    found = ", ".join(
        f"{index}: {each.codec_context.name} {each.codec_context.width}x{each.codec_context.height}"
        for index, each in enumerate(streams)
    )
    wrong = "" if number is None else f", but not number {number}"
    raise SourceUnavailable(
        f"recording {path}: holds {len(streams)} video stream(s){wrong} ({found}). Say which one is this camera's: "
        f"video_stream: 0 in its source."
    )


def packets(container: InputContainer, *streams: Stream) -> Iterator[Packet[Any]]:
    """Every packet of some streams in the order of the file, to the end of what can be read."""
    failures, ended = 0, False
    while not ended and failures < FAILURES:
        try:
            for packet in container.demux(*streams):
                if packet.size:
                    failures = 0
                    yield packet
            ended = True
        except FFmpegError:
            failures += 1


def fingerprint(packet: Packet[Any]) -> int:
    """What tells a packet's content from others', wherever reading began: a checksum of its ends."""
    content = memoryview(packet)
    if len(content) <= 2 * ENDS:
        return zlib.crc32(content)
    return zlib.crc32(content[-ENDS:], zlib.crc32(content[:ENDS]))


def reason_of(error: BaseException) -> str:
    """What a library says of its error, in short."""
    return getattr(error, "strerror", None) or type(error).__name__
