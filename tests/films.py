"""Films made for tests: a few small pictures in a container and codec of choice."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

RATE = 5
HW = (96, 160)


def film(path: Path, times=range(20), hw=HW, gop=10, codec="mpeg4", spoil=None) -> Path:
    """A film with a keyframe every ``gop`` frames, whose pictures grow brighter; ``spoil(number, picture)`` gives what
    the camera shows instead, where it is named, of pictures with a little noise."""
    noise = np.random.default_rng(8)
    texture = np.random.default_rng(7).integers(40, 200, (*hw, 3), np.uint8)  # a flat picture is all scene cuts
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=RATE)
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = hw[1], hw[0], "yuv420p", gop
        for number, at in enumerate(times):
            picture = texture + np.uint8(number)
            if spoil is not None:
                picture = spoil(number, texture + noise.integers(0, 8, texture.shape, np.uint8))
            frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
            frame.pts, frame.time_base = at, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def noted(path: Path, a: int, b: int, c: int, d: int, one: int = 1 << 16) -> Path:
    """Write a display matrix into an MP4's track header."""
    content = bytearray(path.read_bytes())
    at = content.index(b"tkhd") + 44
    content[at : at + 36] = struct.pack(">9i", a * one, b * one, 0, c * one, d * one, 0, 0, 0, 1 << 30)
    path.write_bytes(bytes(content))
    return path
