"""Telemetry as MISB ST 0601: KLV packets in a file of their own, or in a stream beside the video of an MPEG-TS.

Of the local set the tags are read that place the sensor and its axis. A packet whose checksum does not fit is left out.
The one library for it (klvdata) takes such packets for sound and has no release since 2018, so this reader is ours.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import av
import numpy as np

from crowdwatch.errors import SourceUnavailable
from crowdwatch.ground import aerial_rotation
from crowdwatch.sources.flight.log import Field, FlightLog, log_of

__all__ = ["KEY", "Packet", "pack", "packets_in", "read_klv"]

KEY = bytes.fromhex("060e2b34020b01010e01030101000000")
"""The universal key of the UAS datalink local set."""

LEAST_T_SIGMA_S = 0.1


@dataclass(frozen=True, slots=True)
class Tag:
    """How a tag is written: bytes, signed or not, and the values of its least and greatest number."""

    field: str
    size: int
    signed: bool
    low: float
    high: float

    def value(self, raw: bytes) -> float:
        """The value of its bytes; NaN where they say that it is out of range, or have another length."""
        if len(raw) != self.size:
            return math.nan
        number = int.from_bytes(raw, "big", signed=self.signed)
        most = 1 << (8 * self.size - 1)
        if self.signed:
            return math.nan if number == -most else number * (self.high - self.low) / (2 * (most - 1))
        return self.low + number * (self.high - self.low) / (2 * most - 1)

    def raw(self, value: float) -> bytes:
        """The inverse of :meth:`value`, to the nearest step."""
        most = 1 << (8 * self.size - 1)
        if self.signed:
            number = -most if math.isnan(value) else round(value * 2 * (most - 1) / (self.high - self.low))
        else:
            number = round((value - self.low) * (2 * most - 1) / (self.high - self.low))
        return number.to_bytes(self.size, "big", signed=self.signed)


TIME, CHECKSUM = 2, 1
TAGS = {
    5: Tag("heading", 2, False, 0, 360),
    6: Tag("pitch", 2, True, -20, 20),
    7: Tag("roll", 2, True, -50, 50),
    13: Tag("lat", 4, True, -90, 90),
    14: Tag("lon", 4, True, -180, 180),
    15: Tag("altitude", 2, False, -900, 19000),
    16: Tag("view", 2, False, 0, 180),
    18: Tag("azimuth", 4, False, 0, 360),
    19: Tag("elevation", 4, True, -180, 180),
    20: Tag("turn", 4, False, 0, 360),
    25: Tag("ground", 2, False, -900, 19000),
    90: Tag("pitch_full", 4, True, -90, 90),
    91: Tag("roll_full", 4, True, -90, 90),
}
"""Tags 90 and 91 hold what 6 and 7 cannot: pitch beyond 20 and roll beyond 50 degrees."""


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet: its clock (microseconds since 1970, None where it has none) and its values by name."""

    clock_us: int | None
    values: dict[str, float]


def packets_in(raw: bytes) -> Iterator[Packet | None]:
    """The packets of some bytes, in order; None in the place of each that is damaged or cut off."""
    start = raw.find(KEY)
    while start >= 0:
        found = _length(raw, start + len(KEY))
        end = len(raw) + 1 if found is None else found[0] + found[1]
        if found is None or end > len(raw):
            yield None
            start = raw.find(KEY, start + 1)  # its length may be what is damaged
            continue
        yield _packet(raw[start:end], found[0] - start)
        start = raw.find(KEY, end)


def pack(clock_us: int, values: dict[str, float]) -> bytes:
    """A packet with a checksum, as a sensor writes it: for drawn flights and tests."""
    by_name = {tag.field: number for number, tag in TAGS.items()}
    items = [(TIME, clock_us.to_bytes(8, "big"))]
    items += [(by_name[name], TAGS[by_name[name]].raw(value)) for name, value in values.items()]
    body = b"".join(bytes([number, len(raw)]) + raw for number, raw in items) + bytes([CHECKSUM, 2])
    size = len(body) + 2
    whole = KEY + (bytes([size]) if size < 128 else bytes([0x82, *size.to_bytes(2, "big")])) + body
    return whole + _checksum(whole).to_bytes(2, "big")


def _length(raw: bytes, at: int) -> tuple[int, int] | None:
    """Where a value begins and how long it is (BER, short or long form); None beyond the end."""
    if at >= len(raw):
        return None
    first = raw[at]
    if first < 0x80:
        return at + 1, first
    size = first & 0x7F
    if not 1 <= size <= 4 or at + 1 + size > len(raw):
        return None
    return at + 1 + size, int.from_bytes(raw[at + 1 : at + 1 + size], "big")


def _checksum(raw: bytes) -> int:
    """The sum of 16-bit words, the last one filled with 0 (ST 0601, tag 1)."""
    padded = raw + b"\0" * (len(raw) % 2)
    return sum(int.from_bytes(padded[at : at + 2], "big") for at in range(0, len(padded), 2)) & 0xFFFF


def _packet(raw: bytes, at: int) -> Packet | None:
    """A whole packet whose values begin at ``at``; None where it is damaged."""
    if len(raw) < at + 4 or int.from_bytes(raw[-2:], "big") != _checksum(raw[:-2]):
        return None
    values: dict[str, float] = {}
    clock_us = None
    while at < len(raw):
        number = raw[at] & 0x7F
        while raw[at] & 0x80 and at + 1 < len(raw):  # tags from 128 on take several bytes
            at += 1
            number = number << 7 | raw[at] & 0x7F
        found = _length(raw, at + 1)
        if found is None or found[0] + found[1] > len(raw):
            return None
        content = raw[found[0] : found[0] + found[1]]
        at = found[0] + found[1]
        if number == TIME and len(content) == 8:
            clock_us = int.from_bytes(content, "big")
        elif number in TAGS:
            values[TAGS[number].field] = TAGS[number].value(content)
    return Packet(clock_us, values)


def read_klv(path: Path, name: str | None = None) -> FlightLog:
    """Read packets of ST 0601.

    In a container they have the container's time, counted from the first picture of its first video stream; alone they
    follow their own clock.

    Raises:
        SourceUnavailable: it cannot be read, or holds no whole packet.
    """
    name = name or path.name
    try:
        raw = path.read_bytes() if path.suffix.lower() in (".klv", ".bin") else None
        found = _by_clock(raw) if raw is not None else _in_container(path)
    except OSError as error:  # PyAV's errors are of this kind too
        raise SourceUnavailable(f"telemetry {name}: {error.strerror or error}. Check the path.") from error
    notes = []
    damaged = sum(packet is None for _, packet in found)
    whole = [(t_s, packet) for t_s, packet in found if packet is not None and math.isfinite(t_s)]
    if damaged:
        notes.append(f"{damaged} of {len(found)} packets are damaged or cut off and are left out.")
    if not whole and raw is None and _carries_djmd(path):
        raise SourceUnavailable(
            f"telemetry {name}: this film carries djmd (DJI's own track); it is not read. Name the SRT or the CSV log "
            "of the flight app, and state gimbal where these lack it."
        )
    if not whole:
        raise SourceUnavailable(
            f"telemetry {name}: holds no whole packet of MISB ST 0601 ({damaged} damaged). Name another file, or "
            "record the stream with its data."
        )
    times_s = [t_s for t_s, _ in whole]
    step_s = float(np.median(np.diff(times_s))) if len(times_s) > 1 else 0.0
    clock = [math.nan if packet.clock_us is None else packet.clock_us / 1e6 for _, packet in whole]
    return log_of(
        name, "MISB ST 0601" + (", no times" if raw is not None else ""), times_s,
        [_fields(packet.values) for _, packet in whole],
        t_sigma_s=float(np.hypot(LEAST_T_SIGMA_S, step_s / np.sqrt(12))), clock_s=clock, by_clock=raw is not None,
        notes=notes,
    )  # fmt: skip


def _carries_djmd(path: Path) -> bool:
    """Whether a film of ISO 14496-12 has a track whose samples are of DJI's kind; PyAV does not tell a data track's."""
    with path.open("rb") as file:
        return any(kind == b"djmd" for kind in _sample_kinds(file, path.stat().st_size))


def _sample_kinds(file: BinaryIO, end: int) -> Iterator[bytes]:
    """The first sample entry of every track, between where the file stands and ``end``."""
    while (start := file.tell()) + 8 <= end:
        size, kind = int.from_bytes(file.read(4), "big"), file.read(4)
        if size == 1:
            size = int.from_bytes(file.read(8), "big")
        stop = end if size == 0 else min(start + size, end)
        if stop <= start + 7:
            return
        if kind in (b"moov", b"trak", b"mdia", b"minf", b"stbl"):
            yield from _sample_kinds(file, stop)
        elif kind == b"stsd":
            yield file.read(16)[12:]
        file.seek(stop)


def _by_clock(raw: bytes) -> list[tuple[float, Packet | None]]:
    packets = list(packets_in(raw))
    first = next((packet.clock_us for packet in packets if packet is not None and packet.clock_us is not None), None)
    return [
        (math.nan if packet is None or packet.clock_us is None or first is None else (packet.clock_us - first) / 1e6,
         packet)
        for packet in packets
    ]  # fmt: skip


def _in_container(path: Path) -> list[tuple[float, Packet | None]]:
    """Packets of every data stream with their times. Raises OSError."""
    with av.open(str(path)) as container:
        streams = [stream for stream in container.streams if stream.type == "data"]
        video = container.streams.video[0] if container.streams.video else None
        if not streams:
            raise SourceUnavailable(
                f"telemetry {path.name}: the film has no data stream. Name the file of its telemetry, as an SRT."
            )
        begin_s: float | None = None
        found: list[tuple[float, Packet | None]] = []
        for packet in container.demux([*streams, *([] if video is None else [video])]):
            at_s = None if packet.pts is None or packet.time_base is None else float(packet.pts * packet.time_base)
            if packet.stream is video:
                begin_s = at_s if begin_s is None else min(begin_s, math.inf if at_s is None else at_s)
            else:
                found += [(math.nan if at_s is None else at_s, each) for each in packets_in(bytes(packet))]
    return [(at_s - (begin_s or 0.0), packet) for at_s, packet in found]


def _fields(values: dict[str, float]) -> dict[Field, float]:
    """What the sensor's tags say, as fields: the axis in the world follows from aircraft and sensor."""
    names = {
        "lat": Field.LAT, "lon": Field.LON, "altitude": Field.ALTITUDE, "ground": Field.GROUND, "view": Field.VIEW_DEG,
        "heading": Field.BODY_YAW,
    }  # fmt: skip
    found = {field: values[name] for name, field in names.items() if name in values}
    pitch, roll = (values.get(f"{name}_full", values.get(name, math.nan)) for name in ("pitch", "roll"))
    body = values.get("heading", math.nan), pitch, roll
    sensor = values.get("azimuth", math.nan), values.get("elevation", math.nan), values.get("turn", math.nan)
    if all(map(math.isfinite, (*body, *sensor))):
        angles = (Field.GIMBAL_YAW, Field.GIMBAL_PITCH, Field.GIMBAL_ROLL)
        found |= dict(zip(angles, _axis(body, sensor), strict=True))
    return found


def _axis(body: tuple[float, float, float], sensor: tuple[float, float, float]) -> tuple[float, float, float]:
    """Yaw, pitch and roll of the sensor in the world, from those of the aircraft and of the sensor on it.

    >>> [round(angle, 6) + 0.0 for angle in _axis((90.0, 0.0, 0.0), (10.0, -30.0, 0.0))]
    [100.0, -30.0, 0.0]
    """
    # rows: right, down, forward of the aircraft in the world; of the sensor in the aircraft seen as a world of its own
    # (right, forward, up)
    aircraft = aerial_rotation(*body)
    on_it = aerial_rotation(*sensor)
    to_world = np.stack([aircraft[0], aircraft[2], -aircraft[1]])
    right, _, forward = on_it @ to_world
    yaw = math.degrees(math.atan2(forward[0], forward[1])) % 360
    pitch = math.degrees(math.asin(max(-1.0, min(1.0, forward[2]))))
    level = aerial_rotation(yaw, pitch, 0.0)
    return yaw, pitch, math.degrees(math.atan2(right @ level[1], right @ level[0]))
