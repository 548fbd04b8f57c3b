"""The time that a file's name holds: read whole, with its offset, or refused. No digits are guessed at."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

__all__ = ["NameTime", "time_in_name"]

_TIME = re.compile(
    r"""(?<!\d)
    (?P<year>(?:19|20|21)\d\d) (?P<d1>[-._]|年|) (?P<month>\d\d) (?P<d2>[-._]|月|) (?P<day>\d\d)
    (?:日|(?P<iso>T)|[_.\s-]|) \s?
    (?P<hour>\d\d) (?P<t1>[-:._hH]|时|) (?P<minute>\d\d) (?P<t2>[-:._mM]|分|) (?P<second>\d\d) (?:[sS](?![A-Za-z])|秒|)
    (?P<fraction>[.,]\d{1,9}|-\d{6}(?!\d)|\d{3}(?!\d)|)
    (?P<offset>
        \s?Z(?![A-Za-z])
      | [\s_-]?(?:UTC|GMT)(?:[+-]\d{1,2}(?::?\d\d)?)?(?![A-Za-z\d])
      | \s?\+\d\d(?:[:-]?\d\d)?(?!\d)
      | -(?:0\d|1[0-2]):?(?:00|30|45)(?!\d)
      |
    )(?!\d)""",
    re.VERBOSE | re.ASCII | re.IGNORECASE,
)

_SPAN = timedelta(days=1)
"""A second time in a name is the end of the recording where it follows the first within this."""


@dataclass(frozen=True, slots=True)
class NameTime:
    """A time that was read in a name.

    Args:
        text: ISO 8601 in UTC, with as many decimals as the name has.
        how: what its offset from UTC comes from, for people.
    """

    text: str
    how: str


def time_in_name(stem: str, zone: str | None = None) -> NameTime:
    """Read the time of a recording's first frame in the name of its file.

    Args:
        stem: the name without its ending.
        zone: of a name that states none, as ``Asia/Shanghai``.

    Raises:
        ValueError: there is no time, more than one, or one whose offset from UTC is not known.

    >>> time_in_name("gate-20261231T213000Z").text, time_in_name("gate_20260501T120000+0800").text
    ('2026-12-31T21:30:00Z', '2026-05-01T04:00:00Z')
    >>> time_in_name("ch01_2026-12-31_21-30-00.25", "Asia/Shanghai").text
    '2026-12-31T13:30:00.25Z'
    >>> time_in_name("CAM20251231_20260501_120000", "UTC").text
    '2026-05-01T12:00:00Z'
    """
    found = list(_matches(stem))
    if not found:
        raise ValueError("holds no date with a time")
    if len(found) > 1 and not timedelta(0) < found[1][0] - found[0][0] <= _SPAN:
        raise ValueError(f"holds {len(found)} times, and which one is the first frame's cannot be told")
    if len(found) > 2:
        raise ValueError(f"holds {len(found)} times, and which one is the first frame's cannot be told")
    local, fraction, offset = found[0]
    if offset is not None:
        return NameTime(_written(local - offset, fraction), "the offset in its name")
    if zone is None:
        raise ValueError("holds a time without an offset from UTC")
    return NameTime(_written(_in_zone(local, zone), fraction), f"its name, in {zone}")


def _matches(stem: str) -> list[tuple[datetime, str, timedelta | None]]:
    """Every time of the calendar, by where it stands: local time, decimals, offset. None overlaps another."""
    found: list[tuple[datetime, str, timedelta | None]] = []
    at = 0
    while (match := _TIME.search(stem, at)) is not None:
        year, month, day, hour, minute, second = (
            int(match[key]) for key in ("year", "month", "day", "hour", "minute", "second")
        )
        same = match["d1"] == match["d2"] or match["d1"] == "年"
        try:
            moment = datetime(year, month, day, hour, minute, second)
        except ValueError:
            same = False
        if not same:
            at = match.start() + 1
            continue
        if match["iso"] and not match["offset"] and re.match(r"-(0\d|1[0-2])(?!\d)", stem[match.end() :]):
            raise ValueError(f"goes on with {stem[match.end() :][:3]} behind its time: an offset or a number")
        found.append((moment, re.sub(r"\D", "", match["fraction"]), _offset(match["offset"])))
        at = match.end()
    return found


def _offset(text: str) -> timedelta | None:
    if not text:
        return None
    signed = re.search(r"([+-])(\d{1,2})[:-]?(\d\d)?", text.strip(" _-") if "TC" in text.upper() else text)
    if signed is None:
        return timedelta(0)
    hours, minutes = int(signed[2]), int(signed[3] or 0)
    if hours > 14 or minutes > 59:
        raise ValueError(f"holds the offset {text.strip()}, which is not one between -14:00 and +14:00")
    return (-1 if signed[1] == "-" else 1) * timedelta(hours=hours, minutes=minutes)


def _in_zone(local: datetime, zone: str) -> datetime:
    """Local time -> UTC. Raises ValueError: the hour occurs twice, or not at all."""
    place = ZoneInfo(zone)
    both = {local.replace(tzinfo=place, fold=fold).astimezone(UTC) for fold in (0, 1)}
    valid = [each for each in both if each.astimezone(place).replace(tzinfo=None) == local]
    if len(valid) != 1:
        what = "occurs twice" if valid else "does not occur"
        raise ValueError(f"holds a time that {what} in {zone}, where clocks are set that night: state its offset")
    return valid[0].replace(tzinfo=None)


def _written(moment: datetime, fraction: str) -> str:
    decimals = f".{fraction}" if fraction else ""
    return f"{moment.replace(tzinfo=UTC):%Y-%m-%dT%H:%M:%S}{decimals}Z"
