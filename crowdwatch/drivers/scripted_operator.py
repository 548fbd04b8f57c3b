"""The people of a scripted night's control room and on its ground, as actions of the log.

One operator deals with one alarm after the other, the highest level first: acknowledges it and, from level alert on,
sends the nearest free unit, one for all alarms of one cause. Units accept, walk, arrive, say where they are, and are
free again when the alarm is over.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from crowdwatch.analytics.alarm_load import cause_of
from crowdwatch.analytics.dispatch import Roster, first_roster, roster_of
from crowdwatch.analytics.walking import Walker
from crowdwatch.core.dispatch import DispatchEvent, UnitKind, UnitNow, UnitState
from crowdwatch.core.outcomes import AlarmState, Level, Outcome
from crowdwatch.core.records import OperatorAction
from crowdwatch.core.runs import CommandKind
from crowdwatch.core.site import Site

__all__ = ["ScriptedOperator"]

NS = 1_000_000_000
HANDLES_S = (5.0, 12.0)
"""To read an alarm and answer it, evenly between both; the next one waits so long. [design value]"""

ACCEPTS_S = 8.0
"""From an assignment to the unit's answer. [design value]"""

WALKS_M_S, FLIES_M_S = 1.0, 8.0
"""Through a crowd, and above it. [design values]"""

SENT_BY_HAND_NS = 45 * NS
"""A unit that somebody else sent arrives so long after it has accepted. [design value]"""

FIRST_NUMBER = 1000
"""Of the operator's actions: those who report by radio have theirs from a million on."""

ACTOR, ROLE = "scripted operator", "operator"
OPEN = (AlarmState.UNACKNOWLEDGED, AlarmState.CLEARED_UNACKNOWLEDGED)

Key = tuple[str, str]


@dataclass(slots=True)
class ScriptedOperator:
    """Answers alarms.

    Args:
        site: whose units and ground.
        seed: of how long each answer takes.
        leaves_s: how long an alarm is left to others before it is read.
        dispatched: what happened to the units so far.
    """

    site: Site
    seed: int
    leaves_s: float = 0.0
    dispatched: list[DispatchEvent] = field(default_factory=list)
    _rng: np.random.Generator = field(init=False)
    _walker: Walker = field(init=False)
    _roster: Roster = field(init=False)
    _levels: dict[Key, Level] = field(default_factory=dict)
    _causes: dict[Key, str] = field(default_factory=dict)
    _waiting: dict[tuple[str, str, int], int] = field(default_factory=dict)
    _open: set[tuple[str, str, int]] = field(default_factory=set)
    _answered: set[tuple[str, str, int]] = field(default_factory=set)
    _reading: tuple[tuple[str, str, int], int] | None = None
    _free_ns: int = 0
    _wanted: list[Key] = field(default_factory=list)
    _arrives: dict[str, int] = field(default_factory=dict)
    _count: int = FIRST_NUMBER

    def __post_init__(self) -> None:
        self._rng = np.random.default_rng((self.seed, 3))
        self._walker = Walker(self.site)
        self._roster = first_roster(self.site)

    def see(self, outcome: Outcome) -> None:
        """Look at what a tick says."""
        standing = [alarm for alarm in outcome.alarms if alarm.level > Level.NORMAL]
        self._levels = {(alarm.zone_id, alarm.alarm): alarm.level for alarm in standing}
        self._causes = {(alarm.zone_id, alarm.alarm): cause_of(alarm) for alarm in standing}
        self._open = {(alarm.zone_id, alarm.alarm, int(alarm.level)) for alarm in outcome.alarms if alarm.state in OPEN}
        self._answered &= self._open
        self._waiting = {key: at_ns for key, at_ns in self._waiting.items() if key in self._open}
        for key in self._open - self._answered:
            self._waiting.setdefault(key, outcome.t_ns)
        if outcome.dispatched:
            self.dispatched += outcome.dispatched
            self._roster = roster_of(self.site, self.dispatched)

    def acts(self, t_ns: int) -> list[OperatorAction]:
        """What is done up to the tick at ``t_ns``, to be folded before it."""
        actions: list[OperatorAction] = []
        while (reading := self._reads()) is not None and reading[1] <= t_ns:
            key, done_ns = reading
            self._reading, self._free_ns = None, done_ns
            self._waiting.pop(key, None)
            if key in self._open:
                self._answered.add(key)
                actions.append(self._action(t_ns, CommandKind.ACKNOWLEDGE, key[:2], ACTOR, seen=key[2]))
                if key[2] >= Level.ALERT:
                    self._wanted.append(key[:2])
        return actions + self._send(t_ns) + self._units(t_ns)

    def _reads(self) -> tuple[tuple[str, str, int], int] | None:
        """The alarm that is being read, and until when; the next one is taken up where none is."""
        if self._reading is None and self._waiting:
            key = min(self._waiting, key=lambda each: (-each[2], self._waiting[each], each))
            begin_ns = max(self._free_ns, self._waiting[key] + round(self.leaves_s * NS))
            self._reading = key, begin_ns + round(float(self._rng.uniform(*HANDLES_S)) * NS)
        return self._reading

    def _send(self, t_ns: int) -> list[OperatorAction]:
        """The nearest free unit to every cause that wants one and has none."""
        actions: list[OperatorAction] = []
        units: dict[str, UnitNow] = dict(self._roster.units)
        tasks = {(unit.zone_id, unit.alarm) for unit in units.values() if unit.alarm}
        sent = {self._causes.get(key, " ".join(key)) for key in tasks}
        left: list[Key] = []
        for key in dict.fromkeys(self._wanted):
            if key not in self._levels or self._causes[key] in sent:
                continue
            free = self._walker.nearest(key[0], units.values())
            if not free:
                left.append(key)
                continue
            unit, metres = free[0]
            del units[unit.unit_id]
            sent.add(self._causes[key])
            speed_m_s = FLIES_M_S if self._kinds[unit.unit_id] is UnitKind.DRONE else WALKS_M_S
            self._arrives[unit.unit_id] = t_ns + round((ACCEPTS_S + metres / speed_m_s) * NS)
            actions.append(self._action(t_ns, CommandKind.ASSIGN, key, ACTOR, unit.unit_id))
        self._wanted = left
        return actions

    @property
    def _kinds(self) -> Mapping[str, UnitKind]:
        return {unit.unit_id: unit.kind for unit in self.site.units}

    def _units(self, t_ns: int) -> list[OperatorAction]:
        """What the units say by radio."""
        actions: list[OperatorAction] = []
        for unit in self._roster.units.values():
            key, name = (unit.zone_id, unit.alarm), unit.unit_id
            if not unit.alarm:
                self._arrives.pop(name, None)
                continue
            if key not in self._levels:
                actions.append(self._action(t_ns, CommandKind.RELEASE, key, name, name))
            elif unit.state is UnitState.ASSIGNED and t_ns - unit.since_ns >= ACCEPTS_S * NS:
                actions.append(self._action(t_ns, CommandKind.ACCEPT, key, name, name))
            elif unit.state is UnitState.ACCEPTED and t_ns >= self._arrives.setdefault(name, t_ns + SENT_BY_HAND_NS):
                actions.append(self._action(t_ns, CommandKind.ARRIVE, key, name, name))
                zone = next(each for each in self.site.zones if each.zone_id == unit.zone_id)
                east_m, north_m = zone.polygon_m.mean(axis=0)
                place = f"{east_m:.1f},{north_m:.1f}"
                actions.append(self._action(t_ns, CommandKind.UNIT, ("", ""), name, name, text=place))
        return actions

    def _action(
        self, t_ns: int, kind: CommandKind, key: Key, actor: str, subject: str = "", *, seen: int = 0, text: str = ""
    ) -> OperatorAction:
        self._count += 1
        return OperatorAction(
            self._count, t_ns, kind.value, *key, actor, seen, ROLE, subject, text, float(seen)
        )  # fmt: skip
