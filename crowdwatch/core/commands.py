"""What a command must be like to be carried out: judged when it is queued, and again when the engine takes it. Whether
the alarm is as it was seen is judged in the fold, at the tick of the action.

What is done to alarms (:data:`~crowdwatch.core.runs.ON_ALARMS`) uses the fields of a command so:

============== ======================= ================= ============================ ===================
kind           ``zone_id``, ``alarm``  ``value``         ``text``                     ``duration_s``
============== ======================= ================= ============================ ===================
ACKNOWLEDGE    the alarm               level seen
SHELVE         the alarm               level seen        why, needed                  needed, at most 900
UNSHELVE       the alarm
OUT_OF_SERVICE the alarm               highest silenced  why, needed                  0: no end
IN_SERVICE     the alarm
SET_LEVEL      the zone                the level         why, needed to lower         needed to lower
REPORT         zone, or place in words level             what was reported, needed
CLOSE          the alarm               level seen        why, needed
NOTE           the alarm, or none                        the note, needed
PHASE                                                    why
============== ======================= ================= ============================ ===================

``subject`` is the kind of a REPORT and the phase of a PHASE (empty: as the clock says).
"""

from __future__ import annotations

import math
from collections.abc import Collection

from crowdwatch.core.gate_counts import count_fault, parse_count
from crowdwatch.core.outcomes import Level
from crowdwatch.core.reasons import Code, Reason
from crowdwatch.core.response_commands import RESPONSE, judge_response
from crowdwatch.core.rights import COMMANDER_KINDS, ROLES, at_least
from crowdwatch.core.runs import ON_ALARMS, STEERING, Command, CommandKind
from crowdwatch.core.text import plain

__all__ = ["MOST_NAME", "MOST_SHELVED_S", "MOST_TEXT", "ROLES", "at_least", "judge"]

MOST_TEXT = 2000
"""Characters of a reason or a report."""

MOST_NAME = 200
"""Characters of a name, a place, a kind."""

MOST_SHELVED_S = 900.0
"""An alarm is shelved for a quarter of an hour at most [design value]."""

MOST_HOLD_S = 12 * 3600.0
"""A level that was set by hand, or an alarm that is out of service, has its end within a night."""

_SAYS_WHY = frozenset(
    {CommandKind.SHELVE, CommandKind.OUT_OF_SERVICE, CommandKind.REPORT, CommandKind.CLOSE, CommandKind.NOTE}
)
_OF_ALARM = frozenset(
    {
        CommandKind.ACKNOWLEDGE,
        CommandKind.SHELVE,
        CommandKind.UNSHELVE,
        CommandKind.OUT_OF_SERVICE,
        CommandKind.IN_SERVICE,
        CommandKind.CLOSE,
    }
)
_LEVELLED = frozenset(
    {
        CommandKind.ACKNOWLEDGE,
        CommandKind.SHELVE,
        CommandKind.OUT_OF_SERVICE,
        CommandKind.SET_LEVEL,
        CommandKind.REPORT,
        CommandKind.CLOSE,
    }
)
_REPORT = "report:"


def judge(
    command: Command,
    zone_ids: Collection[str] | None = None,
    *,
    live: bool = False,
    gate_ids: Collection[str] | None = None,
) -> Reason | None:
    """Why a command cannot be carried out; None where it can.

    Args:
        command: as it was queued, or as its row could be read: a value that is no number is NaN there.
        zone_ids: the zones of the event; None leaves the zone unjudged.
        live: whether the run follows live cameras, so that time cannot be held up.
        gate_ids: the gates of the event; None leaves the gate unjudged.

    >>> judge(Command("r", CommandKind.SPEED, "ana", 0, value=math.nan)).code.value
    'refused_value'
    >>> judge(Command("r", CommandKind.ACKNOWLEDGE, "ana", 0, "gate", "crowding", 3.0), {"gate"}) is None
    True
    >>> judge(Command("r", CommandKind.SHELVE, "ana", 0, "gate", "crowding", 3.0, duration_s=60)).code.value
    'refused_reason'
    """
    if command.kind is CommandKind.UNKNOWN:
        return Reason.of(Code.REFUSED_KIND)
    if not math.isfinite(command.value) or (command.kind is CommandKind.SPEED and command.value < 0):
        return Reason.of(Code.REFUSED_VALUE, value=command.value)
    if not math.isfinite(command.duration_s):
        return Reason.of(Code.REFUSED_VALUE, value=command.duration_s)
    if live and command.kind in (CommandKind.PAUSE, CommandKind.RESUME, CommandKind.SPEED):
        return Reason.of(Code.REFUSED_LIVE)
    if command.kind in RESPONSE:
        return _person(command) or judge_response(command, zone_ids) or _lengths(command)
    if command.kind is CommandKind.GATE_COUNT:
        return _person(command) or _gate_count(command, gate_ids) or _lengths(command)
    if command.kind in STEERING:
        return None if at_least(command.role, "operator") else Reason.of(Code.REFUSED_ROLE, role="operator")
    if command.kind not in ON_ALARMS:
        return None
    return _place(command, zone_ids) or _level(command) or _person(command) or _words(command) or _time(command)


def _place(command: Command, zone_ids: Collection[str] | None) -> Reason | None:
    """The zone must be one of the event; a report, and what is done to it, may be about a place in free words."""
    kind, zone_id = command.kind, command.zone_id
    if kind is CommandKind.REPORT or command.alarm.startswith(_REPORT):
        return None if plain(zone_id) else Reason.of(Code.REFUSED_ZONE, zone_id=zone_id)
    if kind is CommandKind.PHASE or (kind is CommandKind.NOTE and not zone_id):
        return None
    if zone_ids is not None and zone_id not in zone_ids:
        return Reason.of(Code.REFUSED_ZONE, zone_id=zone_id[:MOST_NAME])
    if kind in _OF_ALARM and not command.alarm:
        return Reason.of(Code.REFUSED_ALARM, alarm="")
    return None


def _level(command: Command) -> Reason | None:
    least = Level.WATCH if command.kind is CommandKind.REPORT else Level.NORMAL
    known = [level.value for level in Level if level >= least]
    if command.kind in _LEVELLED and command.value not in known:
        return Reason.of(Code.REFUSED_LEVEL, value=command.value)
    return None


def _gate_count(command: Command, gate_ids: Collection[str] | None) -> Reason | None:
    """Why a count at a gate cannot be."""
    if gate_ids is not None and command.subject not in gate_ids:
        return Reason.of(Code.REFUSED_GATE, gate_id=command.subject)
    fault = count_fault(command.value, command.duration_s)
    if fault is not None:
        return Reason.of(Code.REFUSED_VALUE, value=fault)
    if parse_count(command.subject, command.text, command.value, command.duration_s) is None:
        return Reason.of(Code.REFUSED_KIND)
    return None


def _person(command: Command) -> Reason | None:
    if not plain(command.actor):
        return Reason.of(Code.REFUSED_NAME)
    need = "commander" if command.kind in COMMANDER_KINDS else "operator"
    if not at_least(command.role, need):
        return Reason.of(Code.REFUSED_ROLE, role=need)
    return None


def _lengths(command: Command) -> Reason | None:
    if len(command.text) > MOST_TEXT:
        return Reason.of(Code.REFUSED_LENGTH, length=len(command.text), most=MOST_TEXT)
    for name in (command.subject, command.zone_id, command.alarm, command.actor, command.role):
        if len(name) > MOST_NAME:
            return Reason.of(Code.REFUSED_LENGTH, length=len(name), most=MOST_NAME)
    return None


def _words(command: Command) -> Reason | None:
    too_long = _lengths(command)
    if too_long is not None:
        return too_long
    if command.kind in _SAYS_WHY and not plain(command.text):
        return Reason.of(Code.REFUSED_REASON)
    return None


def _time(command: Command) -> Reason | None:
    least, most = 0.0, MOST_HOLD_S
    if command.kind is CommandKind.SHELVE:
        least, most = 1.0, MOST_SHELVED_S
    if not least <= command.duration_s <= most:
        return Reason.of(Code.REFUSED_TIME, seconds=command.duration_s, most=most)
    return None
