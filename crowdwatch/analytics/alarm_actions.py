"""What people do to alarms, levels and phases, at the tick that it was sequenced for.

Each kind of action is a function from the desk and the action to a reason why it cannot be carried out, or None. What
an action must be like whatever stands is judged before (:mod:`crowdwatch.core.commands`), and here again of what could
do harm, since a log may come from elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from crowdwatch.analytics.alarm_desk import PLAIN, Desk, Key, by_person
from crowdwatch.analytics.alarm_states import Shelf, Standing, acknowledged, closed, unshelved
from crowdwatch.analytics.levels_by_hand import Hand
from crowdwatch.analytics.phases import PhaseByHand
from crowdwatch.analytics.rules import CROWDING, REGISTRY
from crowdwatch.core.actions import OperatorAction
from crowdwatch.core.commands import MOST_SHELVED_S, at_least
from crowdwatch.core.outcomes import AlarmState, Level, kind_of
from crowdwatch.core.reasons import Code, Reason
from crowdwatch.core.runs import CommandKind

__all__ = ["MOST_REPORTS", "NOTE", "PHASE", "REPORT", "act"]

REPORT, NOTE, PHASE = "report", "note", "phase"

MOST_REPORTS = 500
"""Open reports: more than a night has, and few enough that a flood of them does not hold up the engine."""


def _key(action: OperatorAction) -> Key:
    return action.zone_id, action.alarm


def _level(value: float) -> Level:
    return Level(int(value)) if value in (0, 1, 2, 3, 4) else Level.NORMAL


def _till(desk: Desk, seconds: float) -> int:
    return desk.t_ns + round(seconds * 1e9) if seconds > 0 else 0


def _fault(desk: Desk, action: OperatorAction) -> Reason | None:
    """Why an alarm is none that anything can be done to as it was seen."""
    key = _key(action)
    if key not in desk.standing and kind_of(action.alarm) == REPORT:
        return Reason.of(Code.REFUSED_OVER)
    zones = {zone.zone_id for zone in desk.site.zones}
    if key not in desk.standing and not (kind_of(action.alarm) in REGISTRY and action.zone_id in zones):
        return Reason.of(Code.REFUSED_ALARM, alarm=action.alarm)
    old = desk.of(key)
    if old.level > action.seen_level:
        return Reason.of(Code.REFUSED_RISEN, level=old.level.name, seen=_level(action.seen_level).name)
    return None


def _acknowledge(desk: Desk, action: OperatorAction) -> Reason | None:
    fault = _fault(desk, action)
    if fault is not None:
        return fault
    old = desk.of(_key(action))
    new = acknowledged(old, action.actor, desk.t_ns)
    if new is None:
        over = old.state is AlarmState.NORMAL
        return Reason.of(Code.REFUSED_OVER) if over else Reason.of(Code.REFUSED_DONE, state=old.state.value)
    reason = Reason.of(Code.ACKNOWLEDGED, actor=action.actor)
    desk.say(_key(action), "acknowledged", old, new, by_person(new.level, reason, action.actor), action)
    return None


def _same(one: str, other: str) -> bool:
    return one.strip().casefold() == other.strip().casefold()


def _silence(desk: Desk, action: OperatorAction, shelf: Shelf, transition: str, reason: Reason) -> Reason | None:
    """Lay an alarm on a shelf; a critical one only where two people want it."""
    key = _key(action)
    old = desk.of(key)
    by = by_person(old.level, reason, action.actor)
    if max(old.level, shelf.level) < Level.CRITICAL:
        desk.say(key, transition, old, replace(old, shelf=shelf, wish=None), by, action)
        return None
    wish = old.wish
    if wish is None or wish[1] <= desk.t_ns or wish[0].out_of_service != shelf.out_of_service:
        asked = Reason.of(Code.SHELVE_ASKED, actor=action.actor, text=action.text)
        new = replace(old, wish=(shelf, desk.t_ns + round(desk.site.alarms.second_s * 1e9)))
        desk.say(key, "shelve_asked", old, new, by_person(old.level, asked, action.actor), action)
        return None
    first = wish[0]
    if _same(first.by, action.actor):
        return Reason.of(Code.REFUSED_SECOND, actor=first.by)
    both = f"{first.by}, {action.actor}"
    # what the first person asked for is what is confirmed, and never for longer than the second one means
    seconds = min(first.seconds, shelf.seconds) if first.seconds and shelf.seconds else first.seconds or shelf.seconds
    agreed = replace(first, until_ns=_till(desk, seconds), by=both, level=min(first.level, shelf.level))
    reason = Reason.of(Code.SHELVED, actor=both, text=first.text, seconds=seconds)
    if shelf.out_of_service:
        reason = Reason.of(Code.OUT_OF_SERVICE, actor=both, text=first.text)
    why = by_person(old.level, reason, both)
    desk.say(key, transition, old, replace(old, shelf=agreed, wish=None), why, action)
    return None


def _shelve(desk: Desk, action: OperatorAction) -> Reason | None:
    fault = _fault(desk, action)
    if fault is not None:
        return fault
    old = desk.of(_key(action))
    if old.state is AlarmState.NORMAL and old.shelf is None:
        return Reason.of(Code.REFUSED_OVER)
    if old.shelf is not None:
        return Reason.of(Code.REFUSED_DONE, state=old.shown.value)
    if not action.text:
        return Reason.of(Code.REFUSED_REASON)
    if not 0 < action.duration_s <= MOST_SHELVED_S:
        return Reason.of(Code.REFUSED_TIME, seconds=action.duration_s, most=MOST_SHELVED_S)
    shelf = Shelf(
        _till(desk, action.duration_s), action.actor, action.role, action.text, old.level, seconds=action.duration_s
    )  # fmt: skip
    reason = Reason.of(Code.SHELVED, actor=action.actor, text=action.text, seconds=action.duration_s)
    return _silence(desk, action, shelf, "shelved", reason)


def _out_of_service(desk: Desk, action: OperatorAction) -> Reason | None:
    fault = _fault(desk, action)
    if fault is not None:
        return fault
    old = desk.of(_key(action))
    if old.shelf is not None and old.shelf.out_of_service:
        return Reason.of(Code.REFUSED_DONE, state=old.shown.value)
    if not action.text:
        return Reason.of(Code.REFUSED_REASON)
    shelf = Shelf(
        _till(desk, action.duration_s), action.actor, action.role, action.text, _level(action.seen_level), True,
        action.duration_s,
    )  # fmt: skip
    return _silence(
        desk, action, shelf, "out_of_service", Reason.of(Code.OUT_OF_SERVICE, actor=action.actor, text=action.text)
    )


def _give_back(desk: Desk, action: OperatorAction) -> Reason | None:
    """UNSHELVE and IN_SERVICE."""
    key, serves = _key(action), action.kind == CommandKind.IN_SERVICE.value
    old = desk.of(key)
    if old.shelf is None and old.wish is not None and not serves:
        withdrawn = Reason.of(Code.UNSHELVED, actor=action.actor)
        desk.say(
            key,
            "unshelved",
            old,
            replace(old, wish=None),
            by_person(old.level, withdrawn, action.actor),
            action,
        )
        return None
    if old.shelf is None or old.shelf.out_of_service != serves:
        over = old.state is AlarmState.NORMAL
        return Reason.of(Code.REFUSED_OVER) if over else Reason.of(Code.REFUSED_DONE, state=old.shown.value)
    reason = Reason.of(Code.IN_SERVICE if serves else Code.UNSHELVED, actor=action.actor)
    new = unshelved(old, desk.t_ns, reason)
    transition = "in_service" if serves else "unshelved"
    desk.say(key, transition, old, new, by_person(old.level, reason, action.actor), action)
    return None


def _set_level(desk: Desk, action: OperatorAction) -> Reason | None:
    if action.zone_id not in {zone.zone_id for zone in desk.site.zones}:
        return Reason.of(Code.REFUSED_ZONE, zone_id=action.zone_id)
    key, level = (action.zone_id, CROWDING), _level(action.value)
    seen = desk.evidence.get(action.zone_id, Level.NORMAL)
    if level < seen and not (action.text and action.duration_s > 0):
        return Reason.of(Code.REFUSED_LOWER)
    hand = Hand(level, action.actor, action.text, _till(desk, action.duration_s), level < seen, seen)
    if level == seen:
        desk.hands.pop(action.zone_id, None)
    else:
        desk.hands[action.zone_id] = hand
    old = desk.of(key)
    reason = Reason.of(Code.SET_BY_HAND, actor=action.actor, text=action.text)
    why = replace(by_person(level, reason, action.actor), quantity="level", value=float(level))
    desk.say(key, "level_set", old, old, why, action)
    desk.events[-1] = replace(desk.events[-1], until_ns=hand.until_ns)
    return None


def _report(desk: Desk, action: OperatorAction) -> Reason | None:
    reports = sum(1 for _, alarm in desk.standing if kind_of(alarm) == REPORT)
    if reports >= MOST_REPORTS:
        return Reason.of(Code.REFUSED_MANY, most=MOST_REPORTS)
    level = max(_level(action.value), Level.WATCH)
    alarm = f"{REPORT}:{action.command_id}"
    kind = action.subject or REPORT
    reason = Reason.of(Code.REPORTED, actor=action.actor, kind=kind, text=action.text)
    new = Standing(
        AlarmState.UNACKNOWLEDGED, level, desk.t_ns, (reason,), desk.t_ns, ((level, desk.t_ns),), level,
        cause_key=alarm, asked_ns=desk.t_ns, said_ns=desk.t_ns, kind=kind, text=action.text,
    )  # fmt: skip
    desk.say((action.zone_id, alarm), "reported", PLAIN, new, by_person(level, reason, action.actor), action)
    return None


def _close(desk: Desk, action: OperatorAction) -> Reason | None:
    fault = _fault(desk, action)
    if fault is not None:
        return fault
    key = _key(action)
    old = desk.of(key)
    new = closed(old, desk.t_ns)
    if new is None:
        over = old.state is AlarmState.NORMAL
        return Reason.of(Code.REFUSED_OVER) if over else Reason.of(Code.REFUSED_STANDS)
    reason = Reason.of(Code.CLOSED, actor=action.actor, text=action.text)
    desk.say(key, "closed", old, new, by_person(new.level, reason, action.actor), action)
    if kind_of(action.alarm) == REPORT:
        del desk.standing[key]
    return None


def _note(desk: Desk, action: OperatorAction) -> Reason | None:
    """A note changes nothing; one that is about no alarm that stands is about the run."""
    key = _key(action)
    about = key if key in desk.standing else (action.zone_id, NOTE)
    old = desk.of(about)
    reason = Reason.of(Code.NOTED, actor=action.actor, text=action.text)
    desk.say(about, "noted", old, old, by_person(old.level, reason, action.actor), action)
    if about[1] == NOTE:
        del desk.standing[about]
    return None


def _phase(desk: Desk, action: OperatorAction) -> Reason | None:
    wanted = action.subject
    if wanted and wanted not in [phase.phase_id for phase in desk.site.phases]:
        return Reason.of(Code.REFUSED_PHASE, phase=wanted)
    desk.phase = PhaseByHand(wanted, desk.t_ns) if wanted else None
    reason = Reason.of(Code.PHASE_BY_CLOCK, actor=action.actor)
    if wanted:
        reason = Reason.of(Code.PHASE_BY_HAND, actor=action.actor, phase=wanted, text=action.text)
    desk.say(("", PHASE), "phase", PLAIN, PLAIN, by_person(Level.NORMAL, reason, action.actor), action)
    del desk.standing["", PHASE]
    return None


_DO: dict[str, tuple[str, Callable[[Desk, OperatorAction], Reason | None]]] = {
    CommandKind.ACKNOWLEDGE.value: ("operator", _acknowledge),
    CommandKind.SHELVE.value: ("operator", _shelve),
    CommandKind.UNSHELVE.value: ("operator", _give_back),
    CommandKind.OUT_OF_SERVICE.value: ("commander", _out_of_service),
    CommandKind.IN_SERVICE.value: ("commander", _give_back),
    CommandKind.SET_LEVEL.value: ("commander", _set_level),
    CommandKind.REPORT.value: ("operator", _report),
    CommandKind.CLOSE.value: ("operator", _close),
    CommandKind.NOTE.value: ("operator", _note),
    CommandKind.PHASE.value: ("commander", _phase),
}
"""What is done, and the role that it needs at least."""


def act(desk: Desk, action: OperatorAction) -> None:
    """Carry out one action on alarms, or lay down why not. Actions of other kinds are not for this desk."""
    if action.kind not in _DO:
        return
    role, do = _DO[action.kind]
    refused = do(desk, action) if at_least(action.role, role) else Reason.of(Code.REFUSED_ROLE, role=role)
    if refused is not None:
        desk.refuse(action, refused)
