"""Films whose pictures show their own number, in every container: what the reader of footage is measured with."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.stream import VideoStream
from numpy.typing import NDArray

__all__ = ["Film", "Recipe", "damage", "encode", "number_of", "without_header", "wrapped"]

HW = (96, 128)
BITS = 8
CELL_PX = HW[1] // BITS
DARK, LIGHT = 16, 235
FRAMES, GOP = 100, 20


@dataclass(frozen=True, slots=True)
class Film:
    """A film that was made.

    Args:
        path: its file.
        numbers: of the pictures that can be shown.
        times_s: when each is shown, after the first.
        tick_s: of the container's clock, which nothing can be more exact than.
        lost: how many pictures are damaged beyond decoding.
        is_odd: whether something has to be said of it.
    """

    path: Path
    numbers: list[int]
    times_s: list[float]
    tick_s: float
    lost: int = 0
    is_odd: bool = False


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a film is encoded.

    Args:
        codec: name of the encoder.
        ending: of the file, which says the container.
        b_frames: pictures that are decoded behind one shown after them.
        rate: frames per second.
        gop: frames from keyframe to keyframe.
        options: of the encoder.
        muxer: options of the container.
        container: its name where the ending does not say it.
        pixels: the encoder's format.
    """

    codec: str
    ending: str
    b_frames: int = 0
    rate: int = 10
    gop: int = GOP
    options: dict[str, str] = field(default_factory=dict)
    muxer: dict[str, str] = field(default_factory=dict)
    container: str | None = None
    pixels: str = "yuv420p"


DEFAULTS: dict[str, Callable[[Recipe], dict[str, str]]] = {
    "libx264": lambda _: {"preset": "ultrafast", "crf": "18"},
    "libx265": lambda r: {
        "preset": "ultrafast",
        "x265-params": f"log-level=error:bframes={r.b_frames}:keyint={r.gop}:min-keyint={r.gop}:crf=18",
    },
    "libsvtav1": lambda _: {"preset": "8", "crf": "10"},
    "libvpx": lambda _: {"deadline": "realtime", "cpu-used": "8", "crf": "10", "b": "1M"},
    "libvpx-vp9": lambda _: {"deadline": "realtime", "cpu-used": "8", "crf": "10", "b": "1M"},
}
BITRATE = 2_000_000


def picture(number: int) -> NDArray[np.uint8]:
    """A picture that shows its number as a row of dark and light squares, above something that moves."""
    image = np.full((*HW, 3), 80, np.uint8)
    for bit in range(BITS):
        image[16:56, bit * CELL_PX : (bit + 1) * CELL_PX] = LIGHT if number >> bit & 1 else DARK
    left = number * 3 % (HW[1] - 20)
    image[64:84, left : left + 20] = 200
    return image


def number_of(image: NDArray[np.uint8]) -> int:
    """The number that a picture shows."""
    middle = image[24:48].reshape(24, BITS, CELL_PX, 3)[:, :, 4:-4].mean(axis=(0, 2, 3))
    return int(sum(1 << bit for bit in range(BITS) if middle[bit] > (DARK + LIGHT) / 2))


def encode(
    path: Path, recipe: Recipe, stamps: Sequence[int] | None = None, base: Fraction | None = None,
    numbers: Sequence[int] = range(FRAMES),
) -> Path:  # fmt: skip
    """Write a film.

    Args:
        path: without ending.
        recipe: how.
        stamps: of the pictures, in ``base``; by default one frame after another.
        base: seconds of a stamp.
        numbers: that the pictures show.
    """
    path = path.with_name(f"{path.name}.{recipe.ending}")
    base = base or Fraction(1, recipe.rate)
    options = {**(DEFAULTS[recipe.codec](recipe) if recipe.codec in DEFAULTS else {}), **recipe.options}
    with av.open(str(path), "w", format=recipe.container, options=dict(recipe.muxer)) as container:
        stream = container.add_stream(recipe.codec, rate=recipe.rate, options=options)
        assert isinstance(stream, VideoStream)
        stream.height, stream.width, stream.pix_fmt = *HW, recipe.pixels
        stream.codec_context.gop_size = recipe.gop
        stream.codec_context.max_b_frames = recipe.b_frames
        if recipe.codec not in DEFAULTS:
            stream.codec_context.bit_rate = BITRATE
        stream.time_base = stream.codec_context.time_base = base
        for place, number in enumerate(numbers):
            frame = av.VideoFrame.from_ndarray(picture(number), format="bgr24")
            frame.pts, frame.time_base = (place if stamps is None else stamps[place]), base
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def tick_s(path: Path) -> float:
    """Seconds of a tick of a file's clock."""
    with av.open(str(path)) as container:
        return float(container.streams.video[0].time_base or 0)


def copied(path: Path, to: Path, from_s: float, *, hide: bool) -> Path:
    """Cut a film without decoding it, from the keyframe before a time on; with ``hide`` what lies between is not shown
    (an edit list), else it is."""
    with av.open(str(path)) as source, av.open(str(to), "w") as target:
        stream = source.streams.video[0]
        copy = target.add_stream_from_template(stream)
        base = Fraction(stream.time_base or 1)
        packets = [packet for packet in source.demux(stream) if packet.size]
        first = next(p.pts for p in packets if p.pts is not None)
        at = first + round(from_s / base)
        keys = [n for n, p in enumerate(packets) if p.is_keyframe and p.pts is not None and p.pts <= at]
        origin = at if hide else packets[keys[-1]].pts
        for packet in packets[keys[-1] :]:
            packet.pts = None if packet.pts is None else packet.pts - (origin or 0)
            packet.dts = None if packet.dts is None else packet.dts - (origin or 0)
            packet.stream = copy
            target.mux(packet)
    return to


def without_header(path: Path, to: Path, count: int) -> Path:
    """An AVI of a recorder that died: no index, and ``count`` frames in its header."""
    content = bytearray(path.read_bytes())
    for where, offset in ((content.index(b"avih") + 8, 16), (content.index(b"strh") + 8, 32)):
        content[where + offset : where + offset + 4] = struct.pack("<I", count)
    to.write_bytes(bytes(content[: content.rindex(b"idx1")]))
    return to


def damage(path: Path, to: Path, packet: int) -> Path:
    """Spoil the bytes of one packet, from a third of it on."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        found = [(p.pos, p.size, bytes(p)) for p in container.demux(stream) if p.size]
    content = bytearray(path.read_bytes())
    body = found[packet][2]
    at = content.index(body)
    for place in range(at + len(body) // 3, at + len(body)):
        content[place] = (content[place] * 7 + place) & 0xFF
    to.write_bytes(bytes(content))
    return to


def wrapped(path: Path, to: Path, shift_s: float) -> Path:
    """Add to every clock of a transport stream, modulo 2^33, as on the air.

    Source: ISO/IEC 13818-1, 2.4.3.4 (PCR) and 2.4.3.6 (PTS, DTS).
    """
    content = bytearray(path.read_bytes())
    shift = int(shift_s * 90_000)
    for at in range(0, len(content), 188):
        parts = content[at + 3] >> 4 & 3
        body = at + 4
        if parts & 2:
            if content[body] and content[body + 1] & 0x10:
                _add_pcr(content, body + 2, shift)
            body += content[body] + 1
        if content[at + 1] & 0x40 and parts & 1 and content[body : body + 3] == b"\0\0\1":
            flags = content[body + 7] >> 6
            for place in (body + 9, body + 14)[: {2: 1, 3: 2}.get(flags, 0)]:
                _add_stamp(content, place, shift)
    to.write_bytes(bytes(content))
    return to


def _add_pcr(content: bytearray, at: int, shift: int) -> None:
    value = (int.from_bytes(content[at : at + 4], "big") << 1 | content[at + 4] >> 7) + shift & (1 << 33) - 1
    content[at : at + 4] = (value >> 1).to_bytes(4, "big")
    content[at + 4] = content[at + 4] & 0x7F | (value & 1) << 7


def _add_stamp(content: bytearray, at: int, shift: int) -> None:
    one, two, three, four, five = content[at : at + 5]
    value = (one >> 1 & 7) << 30 | two << 22 | three >> 1 << 15 | four << 7 | five >> 1
    value = value + shift & (1 << 33) - 1
    content[at : at + 5] = bytes(
        (
            one & 0xF1 | value >> 30 << 1,
            value >> 22 & 0xFF,
            (value >> 15 & 0x7F) << 1 | 1,
            value >> 7 & 0xFF,
            (value & 0x7F) << 1 | 1,
        )
    )
