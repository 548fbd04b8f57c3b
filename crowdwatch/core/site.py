"""The place and its rules, as the plain values that the core works with. :mod:`crowdwatch.config` writes them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from typing import TypeAlias

from crowdwatch.core.blocks import BlockEvidence
from crowdwatch.core.dispatch import Unit
from crowdwatch.core.intervals import UNMEASURED, IntervalTable
from crowdwatch.core.outcomes import Level
from crowdwatch.core.records import Anchor, FloatArray, GroundPlane, readonly
from crowdwatch.errors import ConfigError, RecordError

__all__ = [
    "BAND_P_M2",
    "FACTOR_RANGE",
    "LEAST_RECALL",
    "LEAST_TALL_PX",
    "MOST_P_M2",
    "AlarmSettings",
    "Bias",
    "Camera",
    "Expected",
    "Gate",
    "HandOver",
    "Limit",
    "Phase",
    "Quantity",
    "RuleSetting",
    "RuleValue",
    "Site",
    "Zone",
    "ZoneKind",
    "ZoneLimits",
]


class ZoneKind(StrEnum):
    """What people do in a zone: it decides the default limits (domain bands)."""

    MOVING = "moving"
    STANDING = "standing"
    STAIRS = "stairs"


class Quantity(StrEnum):
    """What a limit is compared with."""

    DENSITY = "density"
    PEAK = "peak"
    COUNT = "count"
    OCCUPANCY = "occupancy"


BAND_P_M2 = (0.3, 0.6)
"""The hand-over's band: the highest of those tried at which packing never lowers the number of people who are at least
64 px tall in the picture (at the detector's 640 px), by the recall of ``crowd-n`` on the training photographs. See
``pipelines.recall``, and ``tests/property/test_handover.py``, which packs a crowd with it."""

LEAST_TALL_PX = 64.0
"""Of people in a crowd who look smaller to the detector's network hardly anybody is boxed (docs/decisions.md)."""

LEAST_RECALL = 0.04
"""Share of a dense crowd that person boxes find. YOLO11n finds 4 % of the people of ShanghaiTech A at 1280 px, and 0.23
of 5.0 p/m2 of a drawn crowd: whoever has boxes alone cannot tell a few people from a crowd."""

MOST_P_M2 = 10.0
"""Means over 10 m2 do not exceed it: about 9 in the densest crowd that was measured, at Mina in 2006 (Helbing,
Johansson and Al-Abideen 2007, PRE 75:046109). A limit or a band above it would never be reached."""

RuleValue: TypeAlias = float | bool | str | tuple[tuple[str, float], ...]
"""A value of a rule's parameter; a ladder is (step, value) pairs."""

UNITS = {Quantity.DENSITY: "p/m2", Quantity.PEAK: "p/m2", Quantity.COUNT: "persons", Quantity.OCCUPANCY: "of capacity"}


@dataclass(frozen=True, slots=True)
class Limit:
    """One step of one ladder: raise at ``raise_at`` after ``on_delay_s``, clear below ``clear_below`` after
    ``off_delay_s``. Values carry the unit of the quantity (p/m2, persons, share of capacity)."""

    quantity: Quantity
    level: Level
    raise_at: float
    clear_below: float
    on_delay_s: float
    off_delay_s: float

    def __post_init__(self) -> None:
        if not (0 <= self.clear_below <= self.raise_at and self.on_delay_s >= 0 and self.off_delay_s >= 0):
            raise RecordError(
                f"limit {self.quantity} {self.level.name}: need 0 <= clear_below <= raise_at, delays >= 0."
            )


@dataclass(frozen=True, slots=True)
class RuleSetting:
    """A rule that is in force in one zone in one phase (:mod:`crowdwatch.analytics.rules` has the rules).

    Args:
        rule: its name.
        parameters: (name, value) of those that differ from the rule's own; a ladder's values are (step, value) pairs.
        on_delay_s, off_delay_s: how long what it says must last before its alarm rises, and before it falls.
        latch: whether its alarm stays, when it is over, until a person closes it.
    """

    rule: str
    parameters: tuple[tuple[str, RuleValue], ...] = ()
    on_delay_s: float = 10.0
    off_delay_s: float = 30.0
    latch: bool = False


@dataclass(frozen=True, slots=True)
class AlarmSettings:
    """What becomes of alarms that nobody acknowledges, and how long a second person has. An event file has defaults of
    its own (:class:`crowdwatch.config.schema.AlarmKeys`).

    Args:
        realarm_s: an active alarm that is not acknowledged is said again so often; 0 for never.
        escalate_s: it goes to the next role after this time, and to the one after that after as long again; 0 for
            never.
        escalate_from: the lowest level that does.
        second_s: how long a wish to shelve a critical alarm waits for a second person.
    """

    realarm_s: float = 0.0
    escalate_s: float = 0.0
    escalate_from: Level = Level.ALERT
    second_s: float = 120.0


@dataclass(frozen=True, slots=True)
class Expected:
    """How many people are planned in a zone: (time, people), in the order of time, straight lines between."""

    zone_id: str
    t_ns: tuple[int, ...]
    count: tuple[float, ...]

    def __post_init__(self) -> None:
        rising = all(before < after for before, after in pairwise(self.t_ns))
        if len(self.t_ns) != len(self.count) or len(self.t_ns) < 2 or not rising or min(self.count) < 0:
            raise RecordError(f"expected people of {self.zone_id!r}: need two times and more, rising, and people >= 0.")


@dataclass(frozen=True, slots=True)
class ZoneLimits:
    """All limits of one zone in one phase, whether being blind there raises an alarm, and its other rules."""

    zone_id: str
    limits: tuple[Limit, ...]
    watch_blindness: bool = True
    rules: tuple[RuleSetting, ...] = ()


@dataclass(frozen=True, slots=True)
class Phase:
    """A part of the event with its own limits: from ``start_ns`` on, until the next phase starts."""

    phase_id: str
    start_ns: int
    zone_limits: tuple[ZoneLimits, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Zone:
    """A polygon on the ground for which readings are made.

    ``usable_area_m2`` is the area people can stand on; by default that of the polygon within the walkable area.
    ``hazard`` says that nobody should be there: a water's edge, a roof, a closed street.
    """

    zone_id: str
    name: dict[str, str]
    polygon_m: FloatArray
    kind: ZoneKind
    usable_area_m2: float
    capacity: float | None = None
    hazard: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "polygon_m", readonly("polygon_m", self.polygon_m, (None, 2)))
        if not self.usable_area_m2 > 0:
            raise RecordError(f"zone {self.zone_id!r} usable_area_m2: got {self.usable_area_m2}, need > 0.")


@dataclass(frozen=True, slots=True, eq=False)
class Gate:
    """A line that people cross; ingress is from its left to its right, seen from the first point to the second.

    ``stairs`` lowers what its width carries. ``site_edge`` is False for a gate inside the site: whoever crosses it
    stays on the site.
    """

    gate_id: str
    name: dict[str, str]
    line_m: FloatArray
    usable_width_m: float
    stairs: bool = False
    site_edge: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "line_m", readonly("line_m", self.line_m, (2, 2)))


FACTOR_RANGE = (0.5, 2.0)
"""A factor beyond is no habit of a camera: ln 2 is three and a half of the standard deviations between cameras
(:mod:`crowdwatch.analytics.audit`). A count was mistyped, or something else fails."""


@dataclass(frozen=True, slots=True)
class Bias:
    """What hand counts say of a camera: with n people found in a picture, factor n + offset are there.

    Args:
        factor, low, high: true people for every one found, and the 90 % interval.
        audits: how many hand counts have said so.
        offset, offset_low, offset_high: people to add to every picture, and the 90 % interval; below 0 where things
            look like people.
        correlation: of the errors of factor and offset. Where few and many people were found they are told apart;
            elsewhere it is near -1, and their sum alone is well known.
        most_found, most_p_m2: the most people, and the highest density, that the program had found in an audited
            picture: beyond either nothing is lowered. None is no bound, as where a person wrote the factor.
        lowers: whether counts may be lowered at all.
    """

    factor: float
    low: float
    high: float
    audits: int = 0
    offset: float = 0.0
    offset_low: float = 0.0
    offset_high: float = 0.0
    correlation: float = 0.0
    most_found: float | None = None
    most_p_m2: float | None = None
    lowers: bool = True

    def __post_init__(self) -> None:
        if not 0 < self.low <= self.factor <= self.high:
            raise RecordError(f"camera's bias: got {self.low} .. {self.factor} .. {self.high}, need 0 < low <= high.")
        ends = self.offset_low, self.offset, self.offset_high
        if not ends[0] <= ends[1] <= ends[2] or not -1 <= self.correlation <= 1:
            raise RecordError(
                f"camera's bias: got offset {ends[0]} .. {ends[1]} .. {ends[2]}, correlation {self.correlation}, "
                "need low <= high and -1 to 1."
            )


@dataclass(frozen=True, slots=True, eq=False)
class Camera:
    """A camera as the fold sees it: where it looks and how often it should speak.

    ``heads_hold_s`` is how long a density map stands for what is there now; ``bias`` is None where nobody has counted.
    With ``counts_heads`` a counter looks at its pictures: ground whose heads it cannot see is then not seen at all. A
    camera that moves (a drone) says with every observation from where it looked; it has no ``plane`` of its own.
    ``reference`` is what its calibrated picture shows; None where none is named. ``image_px`` is the longer side of the
    detector's input that was chosen for how tall people look here: ground where they look smaller than
    :data:`LEAST_TALL_PX` even so is left to the density map. None where nothing was chosen.
    """

    camera_id: str
    name: dict[str, str]
    plane: GroundPlane | None
    anchor: Anchor
    sample_interval_s: float
    score_min: float
    heads_hold_s: float = 5.0
    bias: Bias | None = None
    counts_heads: bool = True
    reference: BlockEvidence | None = None
    image_px: int | None = None

    @property
    def moves(self) -> bool:
        """Whether it has another plane with every picture."""
        return self.plane is None

    @property
    def fixed_plane(self) -> GroundPlane:
        """The plane of a camera that stands still. Raises ConfigError for one that moves."""
        if self.plane is None:
            raise ConfigError(f"camera {self.camera_id!r} moves: what was asked for needs one that stands still.")
        return self.plane


@dataclass(frozen=True, slots=True)
class HandOver:
    """Where the counter takes over from boxes: at densities from ``low_p_m2`` (all boxes) to ``high_p_m2`` (all heads).

    ``boxes`` and ``heads`` say how far the counts of either may be off. ``least_recall`` is the share of a dense crowd
    that boxes may have found where they count alone.
    """

    low_p_m2: float = BAND_P_M2[0]
    high_p_m2: float = BAND_P_M2[1]
    boxes: IntervalTable = UNMEASURED
    heads: IntervalTable = UNMEASURED
    least_recall: float = LEAST_RECALL

    def __post_init__(self) -> None:
        if not 0 <= self.low_p_m2 < self.high_p_m2:
            raise RecordError(f"hand-over band: got {self.low_p_m2} to {self.high_p_m2} p/m2, need 0 <= low < high.")


@dataclass(frozen=True, slots=True, eq=False)
class Site:
    """Everything ``advance`` knows about the place. Polygons of the walkable area are rings: outer ring, holes.

    With ``alert_chance`` x, a limit is reached when it is exceeded with probability x; without, by the value itself.
    """

    event_id: str
    name: dict[str, str]
    notice: dict[str, str]
    walkable_m: FloatArray
    obstacles_m: tuple[FloatArray, ...]
    zones: tuple[Zone, ...]
    gates: tuple[Gate, ...]
    cameras: tuple[Camera, ...]
    phases: tuple[Phase, ...]
    tick_s: float = 1.0
    window_s: float = 10.0
    cell_m: float = 0.5
    bandwidth_m: float = 1.0
    crs: str = "local"
    labels: tuple[str, ...] = field(default=())
    hand_over: HandOver = HandOver()
    alert_chance: float | None = None
    units: tuple[Unit, ...] = ()
    alarms: AlarmSettings = AlarmSettings()
    expected: tuple[Expected, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "walkable_m", readonly("walkable_m", self.walkable_m, (None, 2)))
        rings = tuple(readonly("obstacle", ring, (None, 2)) for ring in self.obstacles_m)
        object.__setattr__(self, "obstacles_m", rings)
