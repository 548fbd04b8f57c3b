"""Commands about units and spoken messages: what each must be like. What depends on the state of a unit is judged by
the fold (:mod:`crowdwatch.analytics.dispatch`), where it is known."""

from __future__ import annotations

import re
from collections.abc import Collection

from crowdwatch.core.reasons import Code, Reason
from crowdwatch.core.runs import Command, CommandKind

__all__ = ["DISPATCH", "RESPONSE", "VOICE", "judge_response", "place_of"]

DISPATCH = frozenset(
    {CommandKind.ASSIGN, CommandKind.ACCEPT, CommandKind.ARRIVE, CommandKind.RELEASE, CommandKind.UNIT}
)
VOICE = frozenset({CommandKind.CONFIRM, CommandKind.SILENCE})
RESPONSE = DISPATCH | VOICE

NAMED = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
PLACE = re.compile(r"(-?[0-9]{1,8}(?:\.[0-9]{1,6})?),(-?[0-9]{1,8}(?:\.[0-9]{1,6})?)")

OFF, ON = "off", "on"


def place_of(text: str) -> tuple[float, float] | None:
    """East and north of a UNIT command; None where it gives none.

    >>> place_of("12.5,-3"), place_of("off")
    ((12.5, -3.0), None)
    """
    match = PLACE.fullmatch(text.replace(" ", ""))
    return None if match is None else (float(match[1]), float(match[2]))


def judge_response(command: Command, zone_ids: Collection[str] | None) -> Reason | None:
    """Why a command about a unit or a spoken message cannot be carried out; None where it can.

    Args:
        command: ``subject`` is the unit; of UNIT, ``text`` is a place as ``12.5,-3.0``, or ``off`` or ``on``.
        zone_ids: the zones of the event; None leaves the zone unjudged.

    >>> ask = Command("r", CommandKind.ASSIGN, "ana", 0, "gate", "crowding", subject="p1")
    >>> judge_response(ask, {"gate"}) is None, judge_response(ask, {"quay"}).code.value
    (True, 'refused_zone')
    """
    if command.kind in DISPATCH and not NAMED.fullmatch(command.subject):
        return Reason.of(Code.REFUSED_UNIT, unit=command.subject[:64])
    if command.kind is CommandKind.UNIT and command.text not in (OFF, ON) and place_of(command.text) is None:
        return Reason.of(Code.REFUSED_PLACE)
    # what a person reported may be about a place in free words
    of_zone = command.kind in (CommandKind.ASSIGN, CommandKind.CONFIRM) and not command.alarm.startswith("report:")
    if of_zone and zone_ids is not None and command.zone_id not in zone_ids:
        return Reason.of(Code.REFUSED_ZONE, zone_id=command.zone_id[:64])
    return None
