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
from crowdwatch.config.notify_keys import NotifySettings
from crowdwatch.config.playbook_keys import PlaybookSettings
from crowdwatch.config.programs import BiasSettings, CameraCounter, CounterSettings, DetectorSettings, Model
from crowdwatch.config.references import ReferenceNumbers
from crowdwatch.config.rule_keys import AlarmKeys, ExpectedFile, RuleFile
from crowdwatch.config.source_file import SourceFile
from crowdwatch.config.times import parse_time
from crowdwatch.config.unit_keys import UnitFile
from crowdwatch.config.voice_keys import VoiceSettings
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

TICK_S, QUICK_TICK_S, QUICK_CAMERAS = 1.0, 0.5, 16
"""Seconds between two readings where nobody says: of so many live cameras a reading takes less than 0.1 s of a core."""


class Text(Model):
    """A text for people, in English and Chinese. Without ``zh`` the English text stands for both."""

    en: Plain
    """English."""
    zh: Plain | None = None
    """Chinese; the English text stands for both without it."""

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
    """Limits on the density of a zone, in persons per square metre, by step: `watch`, `caution`, `alert`,
    `critical`."""
    peak_p_m2: Ladder = Field(default_factory=dict)
    """Limits on the densest place of a zone, in persons per square metre, by step."""
    count_persons: Ladder = Field(default_factory=dict)
    """Limits on the number of people in a zone, by step."""
    occupancy_frac: Ladder = Field(default_factory=dict)
    """Limits on the share of `capacity_persons`, by step: 0.8 is 80 %."""
    clear_density_p_m2: dict[Step, Positive] = Field(default_factory=dict)
    """Below which density a step clears again; less than its limit."""
    clear_peak_p_m2: dict[Step, Positive] = Field(default_factory=dict)
    """Below which peak a step clears again."""
    clear_count_persons: dict[Step, Positive] = Field(default_factory=dict)
    """Below how many people a step clears again."""
    clear_occupancy_frac: dict[Step, Positive] = Field(default_factory=dict)
    """Below which share of the capacity a step clears again."""
    on_delay_s: Delays = Field(default_factory=dict)
    """How long a limit must be reached before the alarm is raised: one number, or one a step."""
    off_delay_s: Delays = Field(default_factory=dict)
    """How long a value must be below the clear value before the alarm is cleared: one number, or one a step."""


class LimitsByKind(Model):
    """Limits for every zone of a kind."""

    moving: Limits | None = None
    """Limits of zones in which people walk."""
    standing: Limits | None = None
    """Limits of zones in which people stand and watch."""
    stairs: Limits | None = None
    """Limits of stairs, slopes and alleys narrower than 4 m."""

    def of(self, kind: ZoneKind) -> Limits | None:
        """The limits of one kind, if any are given."""
        value: Limits | None = getattr(self, kind.value)
        return value


class SiteFrame(Model):
    """Where metres are counted from, and where people can walk."""

    crs: Crs = "local"
    """`local`, or the EPSG code of a projected map in metres with axes to east and north, as `EPSG:32650`."""
    origin_m: OriginM | None = None
    """Easting and northing on that map of the site's own (0, 0); only beside an EPSG code."""
    walkable_area_m: Ring
    """Ring of (east, north) in metres: where people can walk."""
    obstacles_m: list[Ring] = Field(default_factory=list)
    """Rings inside the walkable area on which nobody can stand."""


class ZoneFile(Model):
    """A polygon on the ground for which density is read and alarms are raised. With ``hazard`` nobody should be there
    (a water's edge, a roof, a closed street): whoever is raises an alarm."""

    id: Ident
    """Short name without spaces. Commands and logs use it."""
    name: Text | None = None
    """Name for people; absent, the id."""
    kind: ZoneKind
    """What people do there: `moving`, `standing` or `stairs`. It decides the default limits."""
    polygon_m: Ring
    """Ring of (east, north) in metres."""
    usable_area_m2: Positive | None = None
    """Area on which people can stand; absent, that of the polygon within the walkable area."""
    capacity_persons: Positive | None = None
    """How many people may be there. Occupancy is a share of it."""
    watch_blindness: Truth = True
    """Whether an alarm is raised when nobody can see the zone."""
    hazard: Truth = Field(default=False, json_schema_extra={"source": "people may be there"})
    """Whether nobody should be there: a water's edge, a roof, a closed street."""
    limits: Limits | None = None
    """Limits of this zone alone."""


class GateFile(Model):
    """A line that people cross. Seen from its first point to its second, ingress goes from left to right."""

    id: Ident
    """Short name without spaces."""
    name: Text | None = None
    """Name for people; absent, the id."""
    line_m: Annotated[list[PointM], Field(min_length=2, max_length=2)]
    """Two points (east, north) in metres."""
    usable_width_m: Positive | None = None
    """Width through which people can walk; absent, the length of the line."""
    stairs: Truth = False
    """Whether people cross it on steps: 66 instead of 82 persons a minute and metre."""
    site_edge: Truth = True
    """Whether it leads off the site; one inside the site changes nothing in how many people are there."""


class CameraFile(Model):
    """A camera: its footage, where it looks, and what of it is used."""

    id: Ident
    """Short name without spaces."""
    name: Text | None = None
    """Name for people; absent, the id."""
    source: SourceFile
    """Where its pictures come from."""
    moves: Truth = False
    """Whether it is a drone: without a calibration, because its source says of every picture from where it was
    taken."""
    calibration: CalibrationFile | None = Field(default=None, json_schema_extra={"source": "moves: from the source"})
    """How its pixels become metres."""
    image_size_px: SizePx | None = None
    """Width and height of its picture; Tsai's model holds them itself."""
    anchor: Anchor = Anchor.FEET
    """The part of a person that its detections locate: `feet` or `head`."""
    sample_hz: Annotated[Positive, Field(le=1000)] | None = Field(
        default=None, json_schema_extra={"source": "every frame"}
    )
    """Pictures analysed per second of event time."""
    keyframe_interval_s: Annotated[Positive, Field(le=3600)] | None = Field(
        default=None, json_schema_extra={"source": "not only keyframes"}
    )
    """Analyse keyframes alone, which are at most this far apart in event time. It is cheap, and the recorder decides
    when."""
    score_min: Share = Field(
        default=0.25, json_schema_extra={"source": "lowest count error on PETS2009 frames 0 to 199"}
    )
    """Detections with a lower score are logged and not counted."""
    max_position_error_m: Positive = Field(
        default=1.0, json_schema_extra={"source": "half the width of the smallest zone worth a reading, 10 m2"}
    )
    """Ground where a position is less certain than this is not used."""
    head_plane_m: HeadPlane = Field(
        default=1.65, json_schema_extra={"source": "adult stature less 0.1 m: the middle of a head"}
    )
    """Height above the ground at which heads are seen."""
    reference: Plain | ReferenceNumbers | None = Field(
        default=None, json_schema_extra={"source": "learned from the first pictures"}
    )
    """A picture that it took from where it was calibrated; relative to the event file. Loading measures it, and the
    log holds what was measured."""
    counter: CameraCounter = Field(default_factory=CameraCounter)
    """What this camera does otherwise than the section `counter` says."""
    bias: BiasSettings | None = Field(
        default=None, json_schema_extra={"source": "hand counts in the store, when a run begins"}
    )
    """What corrects its counts."""


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
    """Short name without spaces."""
    name: Text | None = None
    """Name for people; absent, the id."""
    kind: PhaseKind
    """`doors`, `build_up`, `countdown`, `egress` or `other`."""
    start_time: Time | None = None
    """Time at which it starts, ISO 8601. Give this or `start_offset_s`."""
    start_offset_s: NotNegative | None = None
    """Seconds after the start of the event."""
    limits_by_kind: LimitsByKind = Field(default_factory=LimitsByKind)
    """Limits of this phase, by kind of zone."""
    limits_by_zone: dict[str, Limits] = Field(default_factory=dict)
    """Limits of this phase, by zone."""


class ReadingSettings(Model):
    """How readings are made. All durations are event time."""

    tick_s: Annotated[Number, Field(ge=0.1, le=60)] | None = Field(
        default=None,
        json_schema_extra={
            "source": "a page shows one step a second; 0.5 s with up to 16 live cameras: pictures wait for it"
        },
    )
    """Time between two readings. All durations are event time."""
    window_s: Annotated[Number, Field(gt=0, le=600)] = Field(
        default=10.0, json_schema_extra={"source": "the default limits are 10 s means"}
    )
    """A reading is the mean of this time."""
    cell_m: Annotated[Number, Field(ge=0.1, le=10)] = Field(
        default=0.5, json_schema_extra={"source": "half the bandwidth, so that the kernel is resolved"}
    )
    """Side of a cell of the density grid."""
    bandwidth_m: Annotated[Number, Field(ge=0.1, le=20)] = Field(
        default=1.0, json_schema_extra={"source": "of the order of Helbing 2007's R = 1 m"}
    )
    """Standard deviation of the kernel of the density field, and so of a peak."""
    alert_probability: Annotated[Number, Field(gt=0, lt=1)] | None = Field(
        default=None, json_schema_extra={"source": "alarms compare the value itself with its limit"}
    )
    """An alarm is raised when its limit is exceeded with at least this probability."""
    hand_counts: Literal["careful", "all", "none"] = Field(
        default="careful", json_schema_extra={"source": "a few mistaken hand counts must not hide a crowd"}
    )
    """What becomes of a camera's hand counts: `careful` raises counts at once and lowers them only where the camera
    is well audited, `all` applies every factor, `none` applies none."""


class EventFile(Model):
    """One event, one site. After loading every file it names has been read and every calculated value stands in it."""

    version: Literal[1]
    """Version of this format: 1."""
    id: Ident
    """Short name of the event without spaces. Runs are named after it."""
    name: Text
    """Name for people."""
    notice: Text | None = None
    """A line that stands on every page, as for an exercise."""
    labels: list[Plain] = Field(default_factory=list)
    """Words that stand beside the name."""
    start_time: Time | None = None
    """When the event starts, ISO 8601; absent, with the first frame of the earliest recording."""
    time_zone: ZoneName | None = None
    """Of times in file names that state none, and of times shown to people; as in `Asia/Shanghai`."""
    site: SiteFrame
    """The map in metres, and the ground on which people can walk."""
    zones: Annotated[list[ZoneFile], Field(min_length=1, max_length=500)]
    """Parts of the ground for which density is read and alarms are raised."""
    gates: Annotated[list[GateFile], Field(max_length=500)] = Field(default_factory=list)
    """Lines that people cross."""
    cameras: Annotated[list[CameraFile], Field(min_length=1, max_length=500)]
    """What looks."""
    phases: Annotated[list[PhaseFile], Field(max_length=100)] = Field(default_factory=list)
    """Parts of the event with limits of their own, in the order of their start."""
    limits_by_kind: LimitsByKind = Field(default_factory=LimitsByKind)
    """Limits of all zones of a kind."""
    rules: Annotated[list[RuleFile], Field(max_length=500)] = Field(default_factory=list)
    """Rules beside the limits, and where they hold."""
    expected: Annotated[list[ExpectedFile], Field(max_length=500)] = Field(default_factory=list)
    """How many people are planned at what time, by zone."""
    alarms: AlarmKeys = Field(default_factory=AlarmKeys)
    """What becomes of alarms that nobody acknowledges."""
    detector: DetectorSettings = Field(default_factory=DetectorSettings)
    """The program that finds people in a picture."""
    counter: CounterSettings = Field(default_factory=CounterSettings)
    """The program that estimates density where people stand too close for boxes."""
    readings: ReadingSettings = Field(default_factory=ReadingSettings)
    """How readings are made."""
    units: Annotated[list[UnitFile], Field(max_length=500)] = Field(default_factory=list)
    """Patrols, medics and drone docks that can be sent."""
    notify: NotifySettings | None = None
    """Who is told of alerts, and by which way."""
    playbook: PlaybookSettings | None = None
    """What is to be done about an alert, by zone, rule and level."""
    voice: VoiceSettings | None = None
    """How messages are spoken through loudspeakers."""
    _origins: dict[str, str] = PrivateAttr(default_factory=dict)

    def __eq__(self, other: object) -> bool:
        """Two event files are equal when they say the same, wherever they were read from."""
        return isinstance(other, EventFile) and self.__dict__ == other.__dict__

    @property
    def tick_s(self) -> float:
        """Seconds between two readings: as ``readings.tick_s`` says, else 1, or 0.5 where cameras are live and so few
        that readings cost little: a picture waits for the next tick."""
        few = any(camera.source.live for camera in self.cameras) and len(self.cameras) <= QUICK_CAMERAS
        return self.readings.tick_s or (QUICK_TICK_S if few else TICK_S)

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
