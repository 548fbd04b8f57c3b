"""Readings of one zone, second by second, through the alarms alone: no pictures, no counting."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from scenes import T0, S, ladder, square

from crowdwatch.analytics.alerts import AlarmBook, Around, step
from crowdwatch.core.outcomes import Alarm, AlertEvent, Level, Quality, RefusedAction, ZoneReading
from crowdwatch.core.records import OperatorAction
from crowdwatch.core.site import AlarmSettings, Phase, RuleSetting, Site, ZoneLimits

NAN = math.nan
LIMITS = ladder(1.0, 2.0, 3.0, 4.0)


def site(
    *, limits=LIMITS, rules: Sequence[RuleSetting] = (), settings: AlarmSettings | None = None, **changes: object
) -> Site:
    """The square with rules; nothing is said again unless settings say so."""
    phases = (Phase("all", 0, (ZoneLimits("z", limits, True, tuple(rules)),)),)
    return replace(square(limits=limits), phases=phases, alarms=settings or AlarmSettings(), **changes)


def reading(t_ns: int, density: float | None, **changes: object) -> ZoneReading:
    """A zone of 48 m2; None is blind."""
    rho = NAN if density is None else density
    count = rho * 48
    base = ZoneReading(
        "z", t_ns, 10.0, count, count * 0.9, count * 1.1, rho, rho * 0.9, rho * 1.1, NAN, 1.0,
        0.0 if density is None else 1.0, 0.1, Quality.BLIND if density is None else Quality.GOOD, Level.NORMAL, NAN,
    )  # fmt: skip
    return replace(base, **changes)


def did(second: int, kind: str, actor: str = "ana", **more: object) -> OperatorAction:
    """What a person did: of the crowding alarm, having seen the highest level, unless told otherwise."""
    fields = {"zone_id": "z", "alarm": "crowding", "seen_level": 4, "command_id": hash((second, kind, actor)) & 0xFFFF}
    fields |= {"role": "commander"}
    fields |= more
    fields.setdefault("value", float(fields["seen_level"]))
    command_id = fields.pop("command_id")
    return OperatorAction(command_id, T0 + second * S, kind, actor=actor, **fields)


@dataclass
class Night:
    """What happened."""

    book: AlarmBook
    events: list[AlertEvent]
    alarms: dict[int, dict[str, Alarm]]
    levels: dict[int, Level]
    refused: list[RefusedAction]

    def seen(self, alarm: str = "crowding") -> list[tuple[int, str, str]]:
        """(second, transition, level) of one alarm."""
        own = [event for event in self.events if event.alarm == alarm]
        return [((event.t_ns - T0) // S, event.transition, event.level.name) for event in own]

    def codes(self) -> list[str]:
        """Why actions were refused."""
        return [each.reason.code.value for each in self.refused]


def night(
    densities: Iterable[float | None],
    actions: Sequence[OperatorAction] = (),
    where: Site | None = None,
    *,
    around: Around | None = None,
    book: AlarmBook | None = None,
    first_s: int = 0,
    changes: Mapping[str, object] | None = None,
) -> Night:
    """One reading a second."""
    found = Night(book or AlarmBook(), [], {}, {}, [])
    where = where or site()
    for second, density in enumerate(densities, first_s):
        t_ns = T0 + second * S
        of_tick = [action for action in actions if action.t_ns == t_ns]
        said = reading(t_ns, density, **(changes or {}))
        found.book, events = step(found.book, where, [said], of_tick, t_ns, {"z": 5.0}, around)
        found.events += events
        found.refused += found.book.refused
        found.alarms[second] = {alarm.alarm: alarm for alarm in found.book.alarms()}
        found.levels[second] = found.book.level("z")
    return found
