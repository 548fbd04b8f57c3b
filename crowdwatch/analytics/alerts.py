"""Alarms of a site, tick by tick: what people did, what the rules say of every zone, and what time asks for. Pure and
event-timed.

A zone has one alarm for every rule (:mod:`crowdwatch.analytics.rules`), each with a level that moves, and one for every
report of a person. There is no cool-down, so nothing can hide a higher level, and loss of sight never lowers one: see
:mod:`crowdwatch.analytics.timers`. The states of one alarm stand in :mod:`crowdwatch.analytics.alarm_states`, what
people do to it in :mod:`crowdwatch.analytics.alarm_actions`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from crowdwatch.analytics import rule_steps
from crowdwatch.analytics.alarm_actions import act
from crowdwatch.analytics.alarm_desk import Desk, Key, by_time
from crowdwatch.analytics.alarm_states import Cause, Standing, moved, tracked, unshelved
from crowdwatch.analytics.levels_by_hand import Hand, under_hand
from crowdwatch.analytics.phases import PhaseByHand, phase_at, phase_in_force
from crowdwatch.analytics.rule_steps import Remembered
from crowdwatch.analytics.rules import BLINDNESS, CROWDING, REGISTRY, Inputs, Sample
from crowdwatch.analytics.rules.blindness import Sight, blindness
from crowdwatch.analytics.rules.crowding import crowding, evidence_level, nearest
from crowdwatch.analytics.timers import Timer, ZoneTimers
from crowdwatch.core.commands import ROLES
from crowdwatch.core.movement import GateReading, ZoneMovement
from crowdwatch.core.outcomes import Alarm, AlarmState, AlertEvent, Level, RefusedAction, ZoneReading
from crowdwatch.core.reasons import Code, Reason
from crowdwatch.core.records import OperatorAction
from crowdwatch.core.site import Camera, Phase, Site, Zone, ZoneLimits

__all__ = ["BLINDNESS", "CROWDING", "AlarmBook", "Around", "nearest_frac", "phase_at", "step"]

_PLAIN = Standing()


@dataclass(frozen=True, slots=True)
class AlarmBook:
    """All that alarms remember.

    Args:
        timers, sight, remembered, held_ns, hands: by zone; ``held_ns`` is since when a zone's level stays for want of
            sight alone, ``hands`` the levels that were set by hand.
        standing: by zone and alarm.
        phase: the phase that was chosen by hand; None for the clock's.
        done: the commands that have been taken: none is carried out twice.
        refused: the actions of the last tick that could not be carried out.
    """

    timers: Mapping[str, ZoneTimers] = field(default_factory=dict)
    standing: Mapping[Key, Standing] = field(default_factory=dict)
    sight: Mapping[str, Sight] = field(default_factory=dict)
    held_ns: Mapping[str, int] = field(default_factory=dict)
    remembered: Mapping[str, Remembered] = field(default_factory=dict)
    hands: Mapping[str, Hand] = field(default_factory=dict)
    phase: PhaseByHand | None = None
    done: frozenset[int] = frozenset()
    refused: tuple[RefusedAction, ...] = ()

    def level(self, zone_id: str) -> Level:
        """The level of a zone: of its crowding, and of the other rules that speak of now. Silencing an alarm does not
        change what its zone is."""
        own = self.standing.get((zone_id, CROWDING), _PLAIN).level
        for name in _ZONE_RULES:
            own = max(own, self.standing.get((zone_id, name), _PLAIN).level)
        return own

    def alarms(self) -> tuple[Alarm, ...]:
        """Every alarm that is not NORMAL, by zone and name."""
        return tuple(
            standing.alarm(alarm, zone_id)
            for (zone_id, alarm), standing in sorted(self.standing.items(), key=lambda each: each[0])
            if standing.shown is not AlarmState.NORMAL
        )


_ZONE_RULES = tuple(rule.name for rule in REGISTRY.values() if rule.raises_zone and rule.name != CROWDING)


@dataclass(frozen=True, slots=True)
class Around:
    """What rules may look at beside the readings: by zone, the cameras that look at it and how people move there; what
    crosses the gates. Empty where nobody measures it. Zones in ``starting`` may be blind still, since the run has just
    begun."""

    cameras: Mapping[str, tuple[Camera, ...]] = field(default_factory=dict)
    movement: Mapping[str, ZoneMovement] = field(default_factory=dict)
    gates: tuple[GateReading, ...] = ()
    starting: Collection[str] = frozenset()


def nearest_frac(site: Site, reading: ZoneReading) -> float:
    """How near a reading comes to a limit of its zone: the largest value / ``raise_at`` of any quantity.

    Returns:
        1 where a limit is reached; NaN where nothing is known, 0 without a limit.
    """
    limits = phase_at(site, reading.t_ns)[reading.zone_id].limits
    capacity = next(zone.capacity for zone in site.zones if zone.zone_id == reading.zone_id)
    return nearest(reading, limits, capacity, site.alert_chance)


@dataclass(slots=True)
class _Work:
    """What one tick changes of the book, zone by zone."""

    desk: Desk
    phase: Phase
    around: Around
    timers: dict[str, dict[tuple[str, Level], Timer]]
    sight: dict[str, Sight]
    held_ns: dict[str, int]
    remembered: dict[str, Remembered]
    zones: Mapping[str, Zone]

    def zone(self, reading: ZoneReading, limits: ZoneLimits, bridge_s: float) -> None:
        """Step every rule of one zone."""
        own = self.timers.setdefault(reading.zone_id, {})
        latched = {setting.rule for setting in limits.rules if setting.latch}
        before = self.desk.of((reading.zone_id, CROWDING)).level
        self._move(reading, CROWDING, self._crowding(reading, limits, own, bridge_s, before), CROWDING in latched)
        watched = limits.watch_blindness and reading.zone_id not in self.around.starting
        blind = blindness(reading, watched, own, self.sight, bridge_s)
        self._move(reading, BLINDNESS, blind, BLINDNESS in latched)
        if limits.rules or reading.zone_id in self.remembered:
            self._rules(reading, limits, own, bridge_s)

    def _crowding(
        self,
        reading: ZoneReading,
        limits: ZoneLimits,
        own: dict[tuple[str, Level], Timer],
        bridge_s: float,
        before: Level,
    ) -> Cause:
        site, zone_id, phase_id = self.desk.site, reading.zone_id, self.phase.phase_id
        capacity = self.zones[zone_id].capacity
        judged = crowding(reading, limits.limits, own, bridge_s, capacity, site.alert_chance, phase_id)
        if judged.held:
            self.held_ns.setdefault(zone_id, reading.t_ns)
        else:
            self.held_ns.pop(zone_id, None)
        why = judged.cause
        if judged.phase_id and why.level < before:
            reason = Reason.of(Code.PHASE_CHANGED, phase=judged.phase_id)
            why = replace(why, reason=reason, cause=f"phase {judged.phase_id}")
        hand = self.desk.hands.get(zone_id)
        return why if hand is None else self._by_hand(hand, why, reading, limits, capacity)

    def _by_hand(
        self, hand: Hand, why: Cause, reading: ZoneReading, limits: ZoneLimits, capacity: float | None
    ) -> Cause:
        desk, zone_id = self.desk, reading.zone_id
        near = nearest(reading, limits.limits, capacity, desk.site.alert_chance)
        decided, left, over = under_hand(hand, why, near, desk.t_ns)
        if left is not None:
            desk.hands[zone_id] = left
            return decided
        del desk.hands[zone_id]
        if over is not None:
            key = (zone_id, CROWDING)
            old = desk.of(key)
            desk.say(key, "level_over", old, old, by_time(old, Reason.of(over)))
        return decided

    def _rules(
        self, reading: ZoneReading, limits: ZoneLimits, own: dict[tuple[str, Level], Timer], bridge_s: float
    ) -> None:
        """Ask the rules that are in force here, and let those end that are no longer."""
        zone_id = reading.zone_id
        before = self.remembered.get(zone_id, Remembered())
        settings = {setting.rule: setting for setting in limits.rules if REGISTRY[setting.rule].judge is not None}
        keep_s = max((REGISTRY[name].history_s for name in settings), default=0.0)
        history = rule_steps.sampled(before.history, reading, keep_s) if keep_s else ()
        inputs = self._inputs(reading, limits, evidence_level(own), history)
        verdicts = {}
        for name, rule in REGISTRY.items():
            if rule.judge is None:
                continue
            standing = self.desk.of((zone_id, name))
            if name in settings:
                # a rule that looks back is asked when there is something new to look at
                last = before.verdicts.get(name) if rule.history_s and history is before.history else None
                seen = replace(inputs, standing=standing.level)
                why, verdicts[name] = rule_steps.judge(settings[name], seen, own, bridge_s, last)
            elif standing.level > Level.NORMAL or any((name, level) in own for level in Level):
                why = rule_steps.ended(rule, inputs, own, bridge_s)
            else:
                continue
            self._move(reading, name, why, name in settings and settings[name].latch)
        self.remembered[zone_id] = Remembered(history, verdicts)

    def _inputs(self, reading: ZoneReading, limits: ZoneLimits, evidence: Level, history: tuple[Sample, ...]) -> Inputs:
        site, zone_id = self.desk.site, reading.zone_id
        zone = self.zones[zone_id]
        planned = next((each for each in site.expected if each.zone_id == zone_id), None)
        return Inputs(
            zone, reading, limits.limits, history, Level.NORMAL, evidence,
            self.around.cameras.get(zone_id, ()), planned, zone.capacity, self.around.movement.get(zone_id),
            self.around.gates,
        )  # fmt: skip

    def _move(self, reading: ZoneReading, alarm: str, why: Cause, latch: bool) -> None:
        key = (reading.zone_id, alarm)
        old = self.desk.of(key)
        change = moved(old, why, self.desk.t_ns, latch=latch)
        if change is not None:
            self.desk.say(key, change[0], old, change[1], why)
            return
        new = tracked(old, why)
        if new is not old:
            self.desk.standing[key] = new


def _time_passes(desk: Desk) -> None:
    """What ends or is asked again because time has passed: an alarm at a time, at most once a tick."""
    settings, t_ns = desk.site.alarms, desk.t_ns
    for key, old in list(desk.standing.items()):
        if old.shelf is not None and old.shelf.over(t_ns):
            new = unshelved(old, t_ns, Reason.of(Code.SHELF_OVER))
            transition = "in_service" if old.shelf.out_of_service else "unshelved"
            desk.say(key, transition, old, new, by_time(old, Reason.of(Code.SHELF_OVER)))
            continue
        if old.wish is not None and old.wish[1] <= t_ns:
            old = desk.standing[key] = replace(old, wish=None)
        if not old.asks:
            continue
        waited_s, said_s = (t_ns - old.asked_ns) / 1e9, (t_ns - old.said_ns) / 1e9
        rung = ROLES.index(old.role) if old.role in ROLES else len(ROLES)
        due_s = settings.escalate_s * (rung - ROLES.index("operator") + 1)
        if settings.escalate_s and old.level >= settings.escalate_from and waited_s >= due_s and rung + 1 < len(ROLES):
            reason = Reason.of(Code.ESCALATED, seconds=waited_s, role=ROLES[rung + 1])
            desk.say(key, "escalated", old, replace(old, role=ROLES[rung + 1], said_ns=t_ns), by_time(old, reason))
        elif settings.realarm_s and said_s >= settings.realarm_s:
            reason = Reason.of(Code.NOT_ACKNOWLEDGED, seconds=waited_s)
            desk.say(key, "realarmed", old, replace(old, said_ns=t_ns), by_time(old, reason))


def step(
    book: AlarmBook,
    site: Site,
    readings: Iterable[ZoneReading],
    actions: Iterable[OperatorAction],
    t_ns: int,
    stale_s: Mapping[str, float],
    around: Around | None = None,
) -> tuple[AlarmBook, tuple[AlertEvent, ...]]:
    """Take in one tick: people's actions first, then every zone's reading, then the time that has passed.

    Args:
        book: what is remembered.
        site: limits, rules and phases.
        readings: one per zone, NaN where unknown.
        actions: what people did, sequenced for this tick. What cannot be carried out any more changes nothing, and
            stands in the book's ``refused``; a command that was taken before is passed over.
        t_ns: the tick.
        stale_s: per zone, how long a gap an on-delay may bridge.
        around: what else rules may look at.
    """
    timers = {zone_id: dict(of_zone) for zone_id, of_zone in book.timers.items()}
    evidence = {zone_id: evidence_level(of_zone) for zone_id, of_zone in timers.items()} if actions else {}
    desk = Desk(site, t_ns, dict(book.standing), dict(book.hands), book.phase, evidence)
    done = set(book.done)
    for action in actions:
        if action.command_id not in done:
            done.add(action.command_id)
            act(desk, action)
    phase = phase_in_force(site, t_ns, desk.phase)
    limits = {each.zone_id: each for each in phase.zone_limits}
    work = _Work(
        desk, phase, around or Around(), timers, dict(book.sight), dict(book.held_ns), dict(book.remembered),
        {zone.zone_id: zone for zone in site.zones},
    )  # fmt: skip
    for reading in readings:
        work.zone(reading, limits.get(reading.zone_id, ZoneLimits(reading.zone_id, ())), stale_s[reading.zone_id])
    _time_passes(desk)
    new = AlarmBook(
        timers, desk.standing, work.sight, work.held_ns, work.remembered, desk.hands, desk.phase,
        book.done if len(done) == len(book.done) else frozenset(done), tuple(desk.refused),
    )  # fmt: skip
    return new, tuple(desk.events)
