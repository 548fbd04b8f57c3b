"""Event time as text: ISO 8601 with its offset from UTC, to the nanosecond and without a float on the way."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta, timezone

__all__ = ["event_time", "format_time", "parse_time", "time_step_ns"]

_ISO = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})[T ](\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?(Z|[+-]\d{2}:\d{2})", re.ASCII
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_YEARS = range(1970, 2200)
_LONGEST_S = 1e9


def parse_time(text: str) -> int:
    """Read a time with its offset from UTC.

    Args:
        text: ISO 8601, as ``2026-12-31T23:30:00+08:00`` or ``2026-12-31T15:30:00Z``; up to nine decimals of a second.

    Returns:
        UTC nanoseconds since 1970.

    Raises:
        ValueError: no such time, or no offset: a local time without its offset means another hour elsewhere.

    >>> parse_time("1970-01-01T08:00:00.000000001+08:00")
    1
    """
    match = _ISO.fullmatch(text.strip())
    if match is None:
        raise ValueError("is not a time with its offset from UTC, need e.g. 2026-12-31T23:30:00+08:00 or ...T15:30:00Z")
    year, month, day, hour, minute = (int(part) for part in match.groups()[:5])
    if year not in _YEARS:
        raise ValueError(f"has the year {year}, need {_YEARS.start} to {_YEARS.stop - 1}")
    try:
        moment = datetime(year, month, day, hour, minute, int(match[6] or 0), tzinfo=_zone(match[8]))
    except ValueError as error:
        raise ValueError(f"is no time of the calendar ({error}), need a real date and time") from error
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000_000 + int((match[7] or "0").ljust(9, "0"))


def time_step_ns(text: str) -> int:
    """How exactly a time is written, in ns: to whole seconds, or to its last decimal.

    >>> time_step_ns("2026-12-31T15:30:00Z"), time_step_ns("2026-12-31T15:30:00.250Z")
    (1000000000, 1000000)
    """
    match = _ISO.fullmatch(text.strip())
    if match is None or match[6] is None:
        return 1_000_000_000
    return int(10 ** (9 - len(match[7] or "")))


def event_time(text: str, start_ns: int) -> int:
    """Read a time of an event as the command line takes it: with its offset from UTC, or after the first frame.

    Args:
        text: ISO 8601 as for :func:`parse_time`, or seconds, m:ss or h:mm:ss with decimals.
        start_ns: event time of the first frame.

    Returns:
        UTC nanoseconds since 1970.

    Raises:
        ValueError: neither.

    >>> event_time("1:00:00.5", 10), event_time("1970-01-01T00:00:01Z", 10)
    (3600500000010, 1000000000)
    """
    if "T" in text or " " in text.strip():
        return parse_time(text)
    parts = [float(part) for part in text.split(":")]
    if len(parts) > 3 or not all(0 <= part < math.inf for part in parts) or any(part >= 60 for part in parts[1:]):
        raise ValueError("is neither h:mm:ss after the first frame nor a time with its offset from UTC")
    seconds = sum(part * 60.0**power for power, part in enumerate(reversed(parts)))
    if seconds > _LONGEST_S:
        raise ValueError("is longer after the first frame than any event")
    return start_ns + round(seconds * 1e9)


def format_time(t_ns: int) -> str:
    """Write UTC nanoseconds as ISO 8601, decimals only where there are any.

    >>> format_time(1_500_000_000)
    '1970-01-01T00:00:01.5Z'
    """
    seconds, rest = divmod(t_ns, 1_000_000_000)
    text = (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")
    decimals = f".{rest:09d}".rstrip("0") if rest else ""
    return f"{text}{decimals}Z"


def _zone(offset: str) -> timezone:
    if offset == "Z":
        return UTC
    sign = -1 if offset[0] == "-" else 1
    hours, minutes = int(offset[1:3]), int(offset[4:6])
    if hours > 14 or minutes > 59:
        raise ValueError(f"offset {offset} is not one between -14:00 and +14:00")
    return timezone(sign * timedelta(hours=hours, minutes=minutes))
