"""A real RTSP server on loopback, and clips for it to serve in loops."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np

from pipelines.benchmarks.rtsp_server import RtspServer, clip, encoded_clip, write_clip

__all__ = ["HW", "RtspServer", "clip", "drawn_clip", "encoded_clip", "spoiled_clip", "write_clip"]

HW = (96, 160)


def drawn_clip(
    path: Path,
    *,
    hw: tuple[int, int] = HW,
    rate: float = 10,
    seconds: float = 2,
    gop: int = 10,
    codec: str = "h264",
    keyframes: bool = True,
) -> Path:
    """A clip of noise that grows brighter, encoded anew.

    Args:
        path: where it is written.
        hw: height and width of its pictures.
        rate: pictures per second.
        seconds: of the clip before it begins again.
        gop: a keyframe every so many pictures.
        codec: ``h264``, ``hevc`` or ``mjpeg``.
        keyframes: without them, of H.264, nobody can decode it; its parameter sets are sent.
    """
    count = max(1, round(seconds * rate))
    texture = np.random.default_rng(7).integers(40, 200, (hw[0] // 8 + 1, hw[1] // 8 + 1, 3), np.uint8)
    texture = texture.repeat(8, axis=0).repeat(8, axis=1)[: hw[0], : hw[1]]
    moving = (np.roll(texture, 2 * number, axis=1) + np.uint8(number % 40) for number in range(count))
    return encoded_clip(path, moving, hw, rate, gop, codec, keyframes)


def spoiled_clip(path: Path, clean: Path, *numbers: int) -> Path:
    """The same clip, with the second half of some of its pictures lost."""
    with clean.open("rb") as file:
        head = json.loads(file.readline())
        pictures = []
        while entry := file.read(12):
            time_us, size = struct.unpack(">QI", entry)
            content = file.read(size)
            pictures.append((time_us, content[: size // 2] if len(pictures) in numbers else content))
    return write_clip(path, head["codec"], pictures, head["end_us"])
