"""The event file: what may stand in it, in which unit, and what is taken when it does not.

Every model forbids keys that it does not know. A default that is a claim about the world names its source in
``json_schema_extra``, and ``crowdwatch check --explain`` prints it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, PrivateAttr

from crowdwatch.config.calibration_keys import CalibrationFile
from crowdwatch.config.fields import (
    Crs,
    Delays,
    HeadPlane,
    Ident,
    Ladder,
    NotNegative,
    Number,
    OriginM,
    Plain,
    PointM,
    Positive,
    Ring,
    Share,
    SizePx,
    Step,
    Time,
    Truth,
    ZoneName,
)
from crowdwatch.config.programs import BiasSettings, CameraCounter, CounterSettings, DetectorSettings, Model
from crowdwatch.config.references import ReferenceNumbers
from crowdwatch.config.rule_keys import AlarmKeys, ExpectedFile, RuleFile
from crowdwatch.config.source_file import SourceFile
from crowdwatch.config.times import parse_time
from crowdwatch.core.records import Anchor
from crowdwatch.core.site import ZoneKind

__all__ = [
    "CameraFile",
    "EventFile",
    "GateFile",
    "Limits",
    "LimitsByKind",
    "PhaseFile",
    "PhaseKind",
    "ReadingSettings",
    "SiteFrame",
    "Text",
    "ZoneFile",
]


class Text(Model):
    """A text for people, in English and Chinese. Without ``zh`` the English text stands for both."""

    en: Plain
    zh: Plain | None = None

    def both(self) -> dict[str, str]:
        """Both languages.

        >>> Text(en="Plaza").both()
        {'en': 'Plaza', 'zh': 'Plaza'}
        """
        return {"en": self.en, "zh": self.zh or self.en}


class Limits(Model):
    """Steps of the three ladders. What is absent is inherited: phase and zone, phase and kind, zone, kind, default.

    A ``clear_`` value is where the step clears again; without one it is calculated from the raise value. The word
    ``off`` does without a step.
    """

    density_p_m2: Ladder = Field(default_factory=dict)
    peak_p_m2: Ladder = Field(default_factory=dict)
    count_persons: Ladder = Field(default_factory=dict)
    occupancy_frac: Ladder = Field(default_factory=dict)
    clear_density_p_m2: dict[Step, Positive] = Field(default_factory=dict)
    clear_peak_p_m2: dict[Step, Positive] = Field(default_factory=dict)
    clear_count_persons: dict[Step, Positive] = Field(default_factory=dict)
    clear_occupancy_frac: dict[Step, Positive] = Field(default_factory=dict)
    on_delay_s: Delays = Field(default_factory=dict)
    off_delay_s: Delays = Field(default_factory=dict)


class LimitsByKind(Model):
    """Limits for every zone of a kind."""

    moving: Limits | None = None
    standing: Limits | None = None
    stairs: Limits | None = None

    def of(self, kind: ZoneKind) -> Limits | None:
        """The limits of one kind, if any are given."""
        value: Limits | None = getattr(self, kind.value)
        return value


class SiteFrame(Model):
    """Where metres are counted from, and where people can walk.

    Args:
        crs: ``local``, or the EPSG code of a projected map in metres with axes to east and north: ``EPSG:32650``.
        origin_m: easting and northing on that map of the site's own (0, 0); only beside an EPSG code.
        walkable_area_m: ring of (east, north) in metres.
        obstacles_m: rings inside it on which nobody can stand.
    """

    crs: Crs = "local"
    origin_m: OriginM | None = None
    walkable_area_m: Ring
    obstacles_m: list[Ring] = Field(default_factory=list)


class ZoneFile(Model):
    """A polygon on the ground for which density is read and alarms are raised. With ``hazard`` nobody should be there
    (a water's edge, a roof, a closed street): whoever is raises an alarm."""

    id: Ident
    name: Text | None = None
    kind: ZoneKind
    polygon_m: Ring
    usable_area_m2: Positive | None = None
    capacity_persons: Positive | None = None
    watch_blindness: Truth = True
    hazard: Truth = Field(default=False, json_schema_extra={"source": "people may be there"})
    limits: Limits | None = None


class GateFile(Model):
    """A line that people cross. Seen from its first point to its second, ingress goes from left to right."""

    id: Ident
    name: Text | None = None
    line_m: Annotated[list[PointM], Field(min_length=2, max_length=2)]
    usable_width_m: Positive | None = None


class CameraFile(Model):
    """A camera: its footage, where it looks, and what of it is used.

    Args:
        moves: it is a drone: no calibration, because its source says of every picture from where it was taken.
        image_size_px: width and height of the picture; calculated for Tsai's model, which holds it.
        anchor: the part of a person that its detections locate: ``feet`` or ``head``.
        sample_hz: pictures analysed per second of event time; absent: every one.
        keyframe_interval_s: analyse keyframes alone, which are at most this far apart in event time: cheap, and the
            recorder decides when. Absent: not only keyframes.
        score_min: detections below this score are logged but not counted.
        max_position_error_m: ground where a position is less certain than this is not used.
        head_plane_m: height above the ground at which heads are seen.
        reference: a picture that it took from where it was calibrated; relative to the event file. Loading measures it,
            and what was measured then stands here. Absent: what is usual is learned from the first pictures.
        counter: what this camera does otherwise than the ``counter`` section says.
        bias: what corrects its counts; absent, hand counts give it when a run begins, as ``hand_counts`` says.
    """

    id: Ident
    name: Text | None = None
    source: SourceFile
    moves: Truth = False
    calibration: CalibrationFile | None = Field(default=None, json_schema_extra={"source": "moves: from the source"})
    image_size_px: SizePx | None = None
    anchor: Anchor = Anchor.FEET
    sample_hz: Annotated[Positive, Field(le=1000)] | None = Field(
        default=None, json_schema_extra={"source": "every frame"}
    )
    keyframe_interval_s: Annotated[Positive, Field(le=3600)] | None = Field(
        default=None, json_schema_extra={"source": "not only keyframes"}
    )
    score_min: Share = Field(
        default=0.25, json_schema_extra={"source": "lowest count error on PETS2009 frames 0 to 199"}
    )
    max_position_error_m: Positive = Field(
        default=1.0, json_schema_extra={"source": "half the width of the smallest zone worth a reading, 10 m2"}
    )
    head_plane_m: HeadPlane = Field(
        default=1.65, json_schema_extra={"source": "adult stature less 0.1 m: the middle of a head"}
    )
    reference: Plain | ReferenceNumbers | None = Field(
        default=None, json_schema_extra={"source": "learned from the first pictures"}
    )
    counter: CameraCounter = Field(default_factory=CameraCounter)
    bias: BiasSettings | None = Field(
        default=None, json_schema_extra={"source": "hand counts in the store, when a run begins"}
    )


class PhaseKind(StrEnum):
    """What a part of an event is."""

    DOORS = "doors"
    BUILD_UP = "build_up"
    COUNTDOWN = "countdown"
    EGRESS = "egress"
    OTHER = "other"


class PhaseFile(Model):
    """A part of the event, from its start to the next phase's. Exactly one of ``start_time`` and ``start_offset_s``
    (seconds of event time after the event's start)."""

    id: Ident
    name: Text | None = None
    kind: PhaseKind
    start_time: Time | None = None
    start_offset_s: NotNegative | None = None
    limits_by_kind: LimitsByKind = Field(default_factory=LimitsByKind)
    limits_by_zone: dict[str, Limits] = Field(default_factory=dict)


class ReadingSettings(Model):
    """How readings are made. All durations are event time.

    With ``alert_probability`` x, an alarm is raised when its limit is exceeded with a probability of at least x.
    ``hand_counts`` says what becomes of a camera's factor: ``careful`` raises counts at once and lowers them only when
    the camera is well audited, ``all`` applies every factor, ``none`` applies none.
    """

    tick_s: Annotated[Number, Field(ge=0.1, le=60)] = Field(
        default=1.0, json_schema_extra={"source": "a commander's page shows one step a second"}
    )
    window_s: Annotated[Number, Field(gt=0, le=600)] = Field(
        default=10.0, json_schema_extra={"source": "the default limits are 10 s means"}
    )
    cell_m: Annotated[Number, Field(ge=0.1, le=10)] = Field(
        default=0.5, json_schema_extra={"source": "half the bandwidth, so that the kernel is resolved"}
    )
    bandwidth_m: Annotated[Number, Field(ge=0.1, le=20)] = Field(
        default=1.0, json_schema_extra={"source": "of the order of Helbing 2007's R = 1 m"}
    )
    alert_probability: Annotated[Number, Field(gt=0, lt=1)] | None = Field(
        default=None, json_schema_extra={"source": "alarms compare the value itself with its limit"}
    )
    hand_counts: Literal["careful", "all", "none"] = Field(
        default="careful", json_schema_extra={"source": "a few mistaken hand counts must not hide a crowd"}
    )


class EventFile(Model):
    """One event, one site. After loading every file it names has been read and every calculated value stands in it."""

    version: Literal[1]
    id: Ident
    name: Text
    notice: Text | None = None
    labels: list[Plain] = Field(default_factory=list)
    start_time: Time | None = None
    time_zone: ZoneName | None = None
    site: SiteFrame
    zones: Annotated[list[ZoneFile], Field(min_length=1, max_length=500)]
    gates: Annotated[list[GateFile], Field(max_length=500)] = Field(default_factory=list)
    cameras: Annotated[list[CameraFile], Field(min_length=1, max_length=500)]
    phases: Annotated[list[PhaseFile], Field(max_length=100)] = Field(default_factory=list)
    limits_by_kind: LimitsByKind = Field(default_factory=LimitsByKind)
    rules: Annotated[list[RuleFile], Field(max_length=500)] = Field(default_factory=list)
    expected: Annotated[list[ExpectedFile], Field(max_length=500)] = Field(default_factory=list)
    alarms: AlarmKeys = Field(default_factory=AlarmKeys)
    detector: DetectorSettings = Field(default_factory=DetectorSettings)
    counter: CounterSettings = Field(default_factory=CounterSettings)
    readings: ReadingSettings = Field(default_factory=ReadingSettings)
    _origins: dict[str, str] = PrivateAttr(default_factory=dict)

    def __eq__(self, other: object) -> bool:
        """Two event files are equal when they say the same, wherever they were read from."""
        return isinstance(other, EventFile) and self.__dict__ == other.__dict__

    @property
    def start_ns(self) -> int:
        """UTC nanoseconds at which the event starts: ``start_time``, else the first frame of the earliest recording;
        with live cameras alone it has always begun (0)."""
        return self.first_frame_ns if self.start_time is None else parse_time(self.start_time)

    @property
    def first_frame_ns(self) -> int:
        """UTC nanoseconds of the first frame of the earliest recording; where there is none, the event's start."""
        found = [camera.source.start_ns for camera in self.cameras if camera.source.start_time is not None]
        told = 0 if self.start_time is None else parse_time(self.start_time)
        return min(found, default=told)

    def phase_start_ns(self, phase: PhaseFile) -> int:
        """UTC nanoseconds at which a phase starts."""
        if phase.start_time is not None:
            return parse_time(phase.start_time)
        return self.start_ns + round((phase.start_offset_s or 0.0) * 1e9)
