"""What a command must be like to be carried out: judged when it is queued, and again when the engine takes it."""

from __future__ import annotations

import math
from collections.abc import Collection

from crowdwatch.core.gate_counts import count_fault, parse_count
from crowdwatch.core.outcomes import Level
from crowdwatch.core.reasons import Code, Reason
from crowdwatch.core.response_commands import RESPONSE, judge_response
from crowdwatch.core.runs import Command, CommandKind

__all__ = ["judge"]


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
        return judge_response(command, zone_ids)
    if command.kind is CommandKind.GATE_COUNT:
        return _gate_count(command, gate_ids)
    if command.kind is not CommandKind.ACKNOWLEDGE:
        return None
    if zone_ids is not None and command.zone_id not in zone_ids:
        return Reason.of(Code.REFUSED_ZONE, zone_id=command.zone_id)
    if command.value not in [level.value for level in Level if level >= Level.NORMAL]:
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
