"""The kinds of value that an event file holds: what each accepts, and how it is written back."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, WithJsonSchema

from crowdwatch.config.maps import code_fault
from crowdwatch.config.times import parse_time
from crowdwatch.ground import polygon_fault

Step = Literal["watch", "caution", "alert", "critical"]
"""The four steps of a ladder, by their names in the event file."""

MAX_COORDINATE_M = 1e7
"""Larger than any place that lies on the same map of a site."""

MAX_IMAGE_PX = 4096
"""Longer side of a network's input, at most: 41 times the work of 640 pixels."""

MAX_MAP_M = 6.5e7
"""Larger than any easting or northing on Earth: UTM northings end at 1.0e7 m, and Gauss-Kruger maps that put the zone's
number before the easting (EPSG:4513 to 4533 and 2327 to 2390 in China, 28402 to 28432) at 6.1e7 m."""


def _off(value: Any) -> Any:
    """``off`` switches a step off; an empty value is a slip of the pen and never switches anything off."""
    if value == "off":
        return None
    if value is None:
        raise ValueError("is empty; need a number, or the word off to do without this step")
    return value


def _every_step(value: Any) -> Any:
    """One number stands for all four steps."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return dict.fromkeys(("watch", "caution", "alert", "critical"), value)
    return value


def _name(value: Any) -> Any:
    """Surveyors number their points."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _image_px(value: Any) -> Any:
    """``auto``, or the longer side of a network's input."""
    sound = isinstance(value, int) and not isinstance(value, bool) and 64 <= value <= MAX_IMAGE_PX and value % 32 == 0
    if not sound and value != "auto":
        raise ValueError(f"got {value!r}, need a multiple of 32 from 64 to {MAX_IMAGE_PX}, or auto")
    return value


def _above_ground(value: list[float]) -> list[float]:
    if not value[2] > 0:
        raise ValueError(f"the height is {value[2]:g} m, need > 0 m above the ground")
    return value


def _time(value: str) -> str:
    parse_time(value)
    return value


def known_zone(value: Any) -> str | None:
    """The name of a time zone that is known; None for anything else."""
    try:
        return value if isinstance(value, str) and ZoneInfo(value) else None
    except (KeyError, ValueError, OSError):
        return None


def _time_zone(value: str) -> str:
    if known_zone(value) is None:
        raise ValueError("no such time zone, need one of the IANA list, as Asia/Shanghai or UTC")
    return value


def _map_in_metres(value: str) -> str:
    fault = code_fault(value)
    if fault is not None:
        raise ValueError(fault)
    return value


def _ring(value: list[list[float]]) -> list[list[float]]:
    fault = polygon_fault(value)
    if fault:
        raise ValueError(fault)
    return value


Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Positive = Annotated[Number, Field(gt=0)]
NotNegative = Annotated[Number, Field(ge=0)]
Share = Annotated[Number, Field(ge=0, le=1)]
Whole = Annotated[int, Field(strict=True)]
ImagePx = Annotated[Whole | Literal["auto"], BeforeValidator(_image_px)]
Truth = Annotated[bool, Field(strict=True)]
Metres = Annotated[Number, Field(ge=-MAX_COORDINATE_M, le=MAX_COORDINATE_M)]
Plain = Annotated[str, Field(strict=True, min_length=1, max_length=500, pattern=r"\S")]
Ident = Annotated[str, Field(strict=True, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
Crs = Annotated[str, Field(strict=True, pattern=r"^(local|EPSG:[1-9][0-9]{3,5})$"), AfterValidator(_map_in_metres)]
PointName = Annotated[str, BeforeValidator(_name), Field(strict=True, max_length=100)]
SizePx = Annotated[list[Annotated[Whole, Field(gt=0, le=20_000)]], Field(min_length=2, max_length=2)]
HeadPlane = Annotated[Number, Field(ge=0, le=3)]
ZoneName = Annotated[str, Field(strict=True, max_length=64), AfterValidator(_time_zone)]
Time = Annotated[str, Field(strict=True), AfterValidator(_time)]
OriginM = Annotated[list[Annotated[Number, Field(ge=-MAX_MAP_M, le=MAX_MAP_M)]], Field(min_length=2, max_length=2)]
PointM = Annotated[list[Metres], Field(min_length=2, max_length=2)]
Point3M = Annotated[list[Metres], Field(min_length=3, max_length=3)]
CameraPositionM = Annotated[Point3M, AfterValidator(_above_ground)]
PairPx = Annotated[list[Number], Field(min_length=2, max_length=2)]
Triple = Annotated[list[Number], Field(min_length=3, max_length=3)]
Matrix3 = Annotated[list[Triple], Field(min_length=3, max_length=3)]
Ring = Annotated[list[PointM], Field(min_length=3, max_length=10_000), AfterValidator(_ring)]
Ladder = dict[
    Step,
    Annotated[
        Annotated[Number, Field(gt=0)] | None,
        BeforeValidator(_off),
        PlainSerializer(lambda value: "off" if value is None else value),
        WithJsonSchema({"anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"const": "off"}]}),
    ],
]
_DELAY = {"type": "number", "minimum": 0}
_BY_STEP = {"type": "object", "propertyNames": {"enum": list(get_args(Step))}, "additionalProperties": _DELAY}
Delays = Annotated[dict[Step, NotNegative], BeforeValidator(_every_step), WithJsonSchema({"anyOf": [_DELAY, _BY_STEP]})]
