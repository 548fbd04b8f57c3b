"""The fields of one entry of telemetry, however it writes them: ``name: value``, ``NAME(value,value)``, ``NAME value``.

No layout is known here: an entry is cut into names and numbers, and a name that is known is taken. So a firmware that
puts its fields in another order, or adds some, is read as well.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime

from crowdwatch.sources.flight.log import Field

__all__ = ["Entry", "entry_of", "field_named"]

FOOT_M = 0.3048

NAMES: dict[Field, tuple[str, ...]] = {
    Field.LAT: ("latitude", "lat", "osdlatitude", "gpslatitude"),
    Field.LON: ("longitude", "longtitude", "lon", "lng", "long", "osdlongitude", "gpslongitude"),
    Field.HEIGHT: (
        *("relalt", "relativealtitude", "h", "hb", "barometer", "height", "osdheight", "heightabovetakeoff"),
        *("relheight", "altitudeabovetakeoff", "ultrasonicheight"),
    ),
    Field.ALTITUDE: (
        "absalt",
        "absolutealtitude",
        "altitudeabovesealevel",
        "osdaltitude",
        "altitudemsl",
        "gpsaltitude",
    ),
    Field.ALTITUDE_UNTOLD: ("altitude", "alt"),
    Field.GIMBAL_YAW: ("gbyaw", "gimbalyaw", "gimbalheading", "gimbalyawdegree", "gyaw"),
    Field.GIMBAL_PITCH: ("gbpitch", "gimbalpitch", "gimbalpitchdegree", "gpitch"),
    Field.GIMBAL_ROLL: ("gbroll", "gimbalroll", "gimbalrolldegree", "groll"),
    Field.BODY_YAW: ("flightyaw", "osdyaw", "compassheading", "heading", "yaw", "dryaw", "fyaw", "flightyawdegree"),
    Field.BODY_PITCH: ("flightpitch", "osdpitch", "pitch", "drpitch", "flightpitchdegree"),
    Field.BODY_ROLL: ("flightroll", "osdroll", "roll", "drroll", "flightrolldegree"),
    Field.FOCAL_35_MM: ("focallen", "focallength", "focallength35", "focal35mm"),
    Field.ZOOM: ("dzoomratio", "dzoom", "digitalzoom", "zoom"),
    Field.HOME_DISTANCE: ("d", "distance", "distancetohome"),
    Field.SPEED: ("hs", "speed", "osdhspeed", "groundspeed"),
    Field.CLIMB: ("vs", "zspeed", "osdzspeed"),
    Field.FRAME: ("framecnt", "srtcnt"),
}
"""Names without capitals, spaces and signs. ``Hs`` beside ``Hb`` is a height by ultrasound, not a speed: see below."""

BY_NAME = {name: found for found, names in NAMES.items() for name in names}

TAG = re.compile(r"<[^<>]*(?:>|$)")
CLOCK = re.compile(r"(\d{4})[-./](\d{1,2})[-./](\d{1,2})[ T](\d{1,2}):(\d{2}):(\d{2})((?:[.,]\d+)*)")
PAREN = re.compile(r"([A-Za-z][\w.]*)\s*[:=]?\s*\(([^()]*)\)?")
PAIR = re.compile(
    r"([A-Za-z][\w. ]*?)(?:\s*[:=]\s*|\s+)([-+]?\d+(?:\.\d+)?)\s*(?:(ft|feet|km/h|m/s|mm|m|°)(?![\w/]))?"
    r"(?=$|[^\w./:-])",
    re.IGNORECASE,
)
NUMBER = re.compile(r"\s*([-+]?\d+(?:\.\d+)?)\s*(M|ft|°)?\s*", re.IGNORECASE)

LEAST_TENTHS = 100
"""A focal length written without a point is in tenths of a millimetre from here on: 240 and 280 are 24 and 28 mm, and
no lens of a drone that films people is 100 mm long and written without its tenths."""


@dataclass(slots=True)
class Entry:
    """One entry.

    Args:
        values: by field.
        clock_s: seconds since 1970 of the clock in the text, as if it were UTC; None where there is none.
        digits: after the point of its position; None where it has none.
        unknown: names that were found and are not known.
    """

    values: dict[Field, float] = field(default_factory=dict)
    clock_s: float | None = None
    digits: int | None = None
    unknown: set[str] = field(default_factory=set)


def field_named(name: str) -> Field | None:
    """The field that a name means; None where it is not known.

    >>> field_named("longtitude"), field_named("GIMBAL.pitch"), field_named("iso")
    (<Field.LON: 'longitude'>, <Field.GIMBAL_PITCH: 'gimbal pitch'>, None)
    """
    return BY_NAME.get(re.sub(r"[^a-z0-9]", "", name.lower()))


def entry_of(text: str) -> Entry:
    """Read one entry.

    >>> entry_of("[latitude : 53.36] [longtitude: 6.46] [rel_alt: 5.4 abs_alt: -124.7] [focal_len : 240]").values == {
    ...     Field.LAT: 53.36, Field.LON: 6.46, Field.HEIGHT: 5.4, Field.ALTITUDE: -124.7, Field.FOCAL_35_MM: 24.0}
    True
    >>> entry_of("GPS (8.2090, 47.4692, 18), D 49.21m, H 45.60m, G.PRY (-27.3°, 0.0°, -76.0°)").values[Field.GIMBAL_YAW]
    -76.0
    """
    found = Entry()
    text = CLOCK.sub(lambda match: _clock(match, found), TAG.sub(" ", text))
    text = PAREN.sub(lambda match: _in_brackets(match, found), text)
    by_ultrasound = re.search(r"\bHb\s*[:=]", text) is not None
    for name, number, unit in PAIR.findall(text):
        known = field_named(name) or field_named(name.split()[-1])
        if known is None or (by_ultrasound and known is Field.SPEED):
            found.unknown.add(name.strip())
        elif known not in found.values:
            found.values[known] = _value(known, number, unit)
            if known is Field.LAT:
                found.digits = _digits(number)
    return found


def _value(known: Field, number: str, unit: str) -> float:
    value = float(number)
    if known is Field.FOCAL_35_MM and "." not in number and value >= LEAST_TENTHS:
        return value / 10
    if unit.lower() in ("ft", "feet"):
        return value * FOOT_M
    return value / 3.6 if unit.lower() == "km/h" else value


def _digits(number: str) -> int:
    return len(number.partition(".")[2])


def _clock(match: re.Match[str], found: Entry) -> str:
    """Take the first clock: its fraction is what follows the seconds, whether as .015 or ,774,808."""
    if found.clock_s is None:
        *whole, rest = match.groups()
        digits = "".join(re.findall(r"\d+", rest)[:2])
        try:
            moment = datetime(*(int(part) for part in whole), tzinfo=UTC)  # type: ignore[arg-type,misc]
        except ValueError:
            return " "
        found.clock_s = moment.timestamp() + (float(f"0.{digits}") if digits else 0.0)
    return " "


def _in_brackets(match: re.Match[str], found: Entry) -> str:
    """Numbers in round brackets: positions, and the angles of aircraft and gimbal as pitch, roll, yaw."""
    name = re.sub(r"[^a-z]", "", match[1].lower())
    parts = [NUMBER.fullmatch(part) for part in match[2].split(",")]
    numbers = [float(part[1]) for part in parts if part is not None]
    closed = match[0].endswith(")")
    if name in ("gps", "home") and len(numbers) >= 2 and closed and all(parts[:2]):
        fields = (Field.FIRST, Field.SECOND) if name == "gps" else (Field.HOME_FIRST, Field.HOME_SECOND)
        found.values.update(zip(fields, numbers[:2], strict=True))
        if name == "gps" and parts[0] is not None and parts[1] is not None:
            found.digits = max(_digits(parts[0][1]), _digits(parts[1][1]))
            third = parts[2] if len(parts) > 2 else None
            if third is not None and third[2] and third[2].upper() == "M":  # else it counts satellites
                found.values[Field.ALTITUDE_UNTOLD] = float(third[1])
    elif name in ("gpry", "fpry") and len(numbers) == 3 and closed:
        gimbal = (Field.GIMBAL_PITCH, Field.GIMBAL_ROLL, Field.GIMBAL_YAW)
        body = (Field.BODY_PITCH, Field.BODY_ROLL, Field.BODY_YAW)
        found.values.update(zip(gimbal if name == "gpry" else body, numbers, strict=True))
    return " "
