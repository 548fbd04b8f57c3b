"""Telemetry as subtitles: DJI's SRT files of any firmware, with or without times, whole or cut off."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from crowdwatch.errors import SourceUnavailable
from crowdwatch.sources.flight.log import Field, FlightLog, Order, log_of
from crowdwatch.sources.flight.words import Entry, entry_of

__all__ = ["LEAST_T_SIGMA_S", "NUMBER_LINE", "read_srt", "seconds_of"]

TIMES = re.compile(r"^\s*(\d+):(\d{2}):(\d{2})[,.](\d{1,3})\s*-->\s*(\d+):(\d{2}):(\d{2})[,.](\d{1,3})")
NUMBER_LINE = re.compile(r"^\s*\d+\s*$")

LEAST_T_SIGMA_S = 0.1
"""Between what telemetry says and the picture beside it, at best: makers filter positions and angles."""

CLOCK_T_SIGMA_S = 0.4
"""The clock in the text against the film: measured on DJI's files, whose clocks run that far ahead."""

CLOSING = 4
"""Characters by which the end of an entry is known, whatever its digits."""

MOST_BYTES = 500_000_000
"""Far more than a day at 60 entries a second."""


@dataclass(slots=True)
class _Block:
    """One entry as text: when it is shown, if the file says so."""

    t_s: float | None
    lines: list[str]


def read_srt(path: Path, name: str | None = None) -> FlightLog:
    """Read a file of subtitles.

    The time of an entry is that at which it is shown. A file without such times has only the clock in its text.

    Args:
        path: the file.
        name: for people; by default that of the file.

    Raises:
        SourceUnavailable: it cannot be read, or holds no telemetry.
    """
    name = name or path.name
    text = _text(path, name)
    notes: list[str] = []
    blocks = _blocks(text)
    if not blocks:
        raise SourceUnavailable(
            f"telemetry {name}: holds no entry ({len(text.strip())} characters). Copy it again from the drone's card, "
            "or name another file."
        )
    entries = [entry_of("\n".join(block.lines)) for block in blocks]
    if len(entries) > 1 and (not _ends_whole(text, blocks) or _usual(entries) - set(entries[-1].values)):
        blocks, entries = blocks[:-1], entries[:-1]
        notes.append(
            f"is cut off in entry {len(blocks) + 1}: {len(blocks)} entries are whole and are read. Copy the file again "
            "to have the rest."
        )
    layouts = Counter(frozenset(entry.values) for entry in entries)
    if not any(layouts):
        raise SourceUnavailable(
            f"telemetry {name}: {len(entries)} entries hold none of the fields that are known (latitude, GPS, rel_alt "
            "...). It is no telemetry, or of a firmware that writes none: switch video captions on in the drone's app."
        )
    _note_change(entries, notes)
    times_s, by_clock = _times(blocks, entries, name)
    known = [each.digits for each in entries if each.digits is not None]
    step_s = float(np.median(np.diff(times_s))) if len(times_s) > 1 else 1.0
    least_s = CLOCK_T_SIGMA_S if by_clock else LEAST_T_SIGMA_S
    clock = [np.nan if entry.clock_s is None else entry.clock_s for entry in entries]
    paired = any(Field.FIRST in entry.values for entry in entries)
    return log_of(
        name, _layout(entries, by_clock), times_s, [entry.values for entry in entries],
        t_sigma_s=float(np.hypot(least_s, step_s / np.sqrt(12))),
        degrees_step=10.0 ** -min(max(known), 15) if known else 0.0, clock_s=clock,
        order=Order.UNDECIDED if paired else Order.NAMED, by_clock=by_clock, notes=notes,
    )  # fmt: skip


def _text(path: Path, name: str) -> str:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise SourceUnavailable(
                f"telemetry {name}: is larger than {MOST_BYTES:,} bytes. It is no file of subtitles."
            )
        raw = path.read_bytes()
    except OSError as error:
        raise SourceUnavailable(f"telemetry {name}: {error.strerror or error}. Check the path.") from error
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return raw.decode("utf-16", errors="replace")
    return raw.decode("utf-8-sig", errors="replace")


def _blocks(text: str) -> list[_Block]:
    """The entries: from one line of times to the next; without such lines, from one number alone to the next."""
    lines = text.splitlines()
    timed = any(TIMES.match(line) for line in lines)
    found: list[_Block] = []
    for line in lines:
        times = TIMES.match(line)
        if times is not None:
            found.append(_Block(_seconds(times), []))
        elif NUMBER_LINE.match(line):
            if not timed:
                found.append(_Block(None, []))
        elif found and line.strip():
            found[-1].lines.append(line)
    return found


def seconds_of(line: str) -> float | None:
    """When an entry is shown, by its line of times; None for another line."""
    times = TIMES.match(line)
    return None if times is None else _seconds(times)


def _seconds(times: re.Match[str]) -> float:
    hours, minutes, seconds, part = times.groups()[:4]
    return 3600 * int(hours) + 60 * int(minutes) + int(seconds) + int(part.ljust(3, "0")) / 1000


def _ends_whole(text: str, blocks: list[_Block]) -> bool:
    """Whether the last entry is whole: its line ends, or it stops as the entries before it do."""
    if text.endswith(("\n", "\r")) or not blocks[-1].lines:
        return True
    ends = [re.sub(r"\d", "0", block.lines[-1].rstrip())[-CLOSING:] for block in blocks if block.lines]
    return ends[-1] in ends[:-1]


NEEDED = {Field.LAT, Field.LON, Field.FIRST, Field.SECOND, Field.HEIGHT, Field.ALTITUDE, Field.ALTITUDE_UNTOLD}
"""Without these an entry is of no use."""


def _usual(entries: list[Entry]) -> set[Field]:
    """What every entry needs and most of them have."""
    times = Counter(field for entry in entries for field in entry.values)
    return {field for field in NEEDED if times[field] > len(entries) / 2}


def _note_change(entries: list[Entry], notes: list[str]) -> None:
    """Say where another drone's, or another setting's, entries begin."""
    position = (Field.LAT, Field.FIRST)
    kinds = [next((field for field in position if field in entry.values), None) for entry in entries]
    before = next((kind for kind in kinds if kind is not None), None)
    for number, kind in enumerate(kinds, start=1):
        if kind is not None and kind is not before:
            notes.append(f"changes its layout at entry {number}: it was put together from two files.")
            before = kind


def _times(blocks: list[_Block], entries: list[Entry], name: str) -> tuple[list[float], bool]:
    """Seconds of the film for every entry, and whether they follow the clock in the text."""
    if all(block.t_s is not None for block in blocks):
        return [float(block.t_s or 0.0) for block in blocks], False
    clock = [entry.clock_s for entry in entries]
    if any(each is None for each in clock):
        raise SourceUnavailable(
            f"telemetry {name}: its entries have neither times (00:00:01,000 --> 00:00:02,000) nor a clock, so they "
            "belong to no picture. Export it again with times."
        )
    known = [float(each or 0.0) for each in clock]
    return [each - known[0] for each in known], True


def _layout(entries: list[Entry], by_clock: bool) -> str:
    """What kind of file it is, for people."""
    held = {field for entry in entries for field in entry.values}
    style = "names" if Field.LAT in held else "GPS(..)" if Field.FIRST in held else "no position"
    gimbal = "gimbal" if Field.GIMBAL_PITCH in held else "no gimbal"
    return f"SRT, {style}, {gimbal}{', no times' if by_clock else ''}"
