"""Which entry of telemetry belongs to which picture: by the time of the film, never by the clock in the text."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np

from crowdwatch.errors import SourceUnavailable
from crowdwatch.sources.flight.log import Field, FlightLog

__all__ = ["Film", "joined"]

ZONE_S = 900.0
"""Time zones differ by quarters of an hour."""

CLOCK_ROOM_S = 90.0
"""A start_time that is written to the minute, and a clock that nobody set to the second."""

MOST_ZONES_S = 15 * 3600.0
"""From any time zone to UTC, and a little."""

LONGER_S, LONGER_FRAC = 2.0, 0.02
"""Telemetry may end so much after its film."""

DRIFT_FRAC = 2e-4
"""30 against 29.97 pictures a second is 1e-3; clocks of drones are better than this."""


@dataclass(frozen=True, slots=True)
class Film:
    """The film that telemetry is for.

    Args:
        frames: its pictures.
        length_s: from the first picture to the end of the last.
        step_s: the usual time between two pictures.
        start_ns: UTC of the first one, as the event file says.
    """

    frames: int
    length_s: float
    step_s: float
    start_ns: int


def joined(log: FlightLog, film: Film, offset_s: float | None = None) -> tuple[FlightLog, list[str]]:
    """The log in seconds after the film's first picture.

    Args:
        log: in its own seconds.
        film: what it is for.
        offset_s: what a person says: so much later than its own times say each entry was written, so that it stands
            beside its picture. With it, nothing but the overlap is doubted.

    Returns:
        The log, and what is odd, for people.

    Raises:
        SourceUnavailable: it is not of this film.
    """
    notes: list[str] = []
    factor = 1.0 if log.by_clock else _factor(log, film)
    if abs(factor - 1) > DRIFT_FRAC:
        notes.append(
            f"has an entry for every picture, {1 / log.step_s:.2f} a second, and the film has {1 / film.step_s:.2f} "
            "pictures a second: entries are counted, and go by the film's time."
        )
    t_s = log.t_s * factor + (offset_s or 0.0)
    found = replace(log, t_s=t_s)
    step_s = log.step_s if np.isfinite(log.step_s) else 1.0
    first_s, last_s = float(t_s[0]), float(t_s[-1]) + step_s
    if last_s <= 0 or first_s >= film.length_s:
        raise SourceUnavailable(
            f"telemetry {log.name}: it is for {first_s:.1f} to {last_s:.1f} s, and the film is {film.length_s:.1f} s "
            "long: it is of another film, or of another part of it. Name the right file, or state offset_s."
        )
    beyond_s = last_s - film.length_s
    if offset_s is None:
        if beyond_s > max(LONGER_S, LONGER_FRAC * film.length_s):
            raise SourceUnavailable(
                f"telemetry {log.name}: it goes on for {beyond_s:.1f} s after the film's end at {film.length_s:.1f} s: "
                "it is of another film, or the film was cut, nobody knows where. Name the right file; of a film that "
                "was cut state offset_s (0 where only its end is missing)."
            )
        _check_clock(log, film, notes)
    if first_s > 1.5 * step_s:
        notes.append(f"begins {first_s:.1f} s after the film: earlier pictures have no place.")
    if film.length_s - last_s > max(1.5 * step_s, 0.5):
        notes.append(f"ends {film.length_s - last_s:.1f} s before the film: later pictures have no place.")
    return found, notes


def _factor(log: FlightLog, film: Film) -> float:
    """How many seconds of the film a second of the log is, where it has one entry for each picture."""
    if len(log) < 10 or not film.step_s > 0:
        return 1.0
    factor = film.step_s / float(np.diff(log.t_s).mean())
    numbers = log.get(Field.FRAME)
    counted = np.isfinite(numbers).all() and np.median(np.diff(numbers)) == 1
    as_many = abs(len(log) - film.frames) <= max(2, film.frames // 1000)
    return factor if (counted or as_many) and abs(factor - 1) < 5e-3 else 1.0


def _check_clock(log: FlightLog, film: Film, notes: list[str]) -> None:
    """Hold the clock in the text against the start of the film: its zone is unknown, its day is not."""
    if log.clock_s is None or not np.isfinite(log.clock_s).any():
        return
    at = int(np.flatnonzero(np.isfinite(log.clock_s))[0])
    begins_s = float(log.clock_s[at]) - float(log.t_s[at])
    apart_s = begins_s - film.start_ns / 1e9
    if abs(apart_s) > MOST_ZONES_S:
        told, meant = (datetime.fromtimestamp(each, UTC) for each in (begins_s, film.start_ns / 1e9))
        raise SourceUnavailable(
            f"telemetry {log.name}: its clock begins at {told:%Y-%m-%d %H:%M}, and the film's start_time is "
            f"{meant:%Y-%m-%d %H:%M} UTC: no time zone explains that, so it is of another film. Correct one of the "
            "two; where the drone's clock was wrong state offset_s: 0."
        )
    rest_s = (apart_s + ZONE_S / 2) % ZONE_S - ZONE_S / 2
    if abs(rest_s) > CLOCK_ROOM_S:
        notes.append(
            f"its clock and the film's start_time differ by {rest_s:.0f} s more than a time zone explains: check that "
            "it is of this film."
        )
