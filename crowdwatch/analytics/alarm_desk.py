"""Where one tick's changes of alarms are laid down: what stands, what happened, what was refused."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from crowdwatch.analytics.alarm_states import Cause, Standing
from crowdwatch.analytics.levels_by_hand import Hand
from crowdwatch.analytics.phases import PhaseByHand
from crowdwatch.core.actions import OperatorAction
from crowdwatch.core.outcomes import AlertEvent, Level, RefusedAction
from crowdwatch.core.reasons import Reason
from crowdwatch.core.site import Site

__all__ = ["Desk", "Key", "by_person", "by_time"]

Key = tuple[str, str]
"""(zone, alarm)."""

PLAIN = Standing()


@dataclass(slots=True)
class Desk:
    """Changes of one tick; nothing of it outlives the tick but what is taken into the book.

    Args:
        site: the place.
        t_ns: the tick.
        standing: every alarm, by zone and name.
        hands: levels that were set by hand, by zone.
        phase: the phase that was chosen by hand, or None.
        evidence: by zone, the level that is measured, whatever was set by hand.
        events, refused: what happened.
    """

    site: Site
    t_ns: int
    standing: dict[Key, Standing]
    hands: dict[str, Hand]
    phase: PhaseByHand | None
    evidence: Mapping[str, Level]
    events: list[AlertEvent] = field(default_factory=list)
    refused: list[RefusedAction] = field(default_factory=list)

    def of(self, key: Key) -> Standing:
        """An alarm as it stands."""
        return self.standing.get(key, PLAIN)

    def say(
        self, key: Key, transition: str, old: Standing, new: Standing, why: Cause, action: OperatorAction | None = None
    ) -> None:
        """Lay down an alarm after a transition, and the event of it."""
        zone_id, alarm = key
        identity = f"{self.site.event_id}|{alarm}|{zone_id}|{self.t_ns}|{transition}|{int(new.level)}"
        if action is not None and transition != "acknowledged":
            identity += f"|{action.command_id}"  # two people may do the same in one tick
        reasons = new.reasons if new.reasons[:1] == (why.reason,) else (why.reason,)
        shelf = new.shelf
        self.events.append(
            AlertEvent(
                event_id=hashlib.sha256(identity.encode()).hexdigest()[:16], alarm=alarm, zone_id=zone_id,
                t_ns=self.t_ns, transition=transition, from_state=old.shown, to_state=new.shown, level=new.level,
                quantity=why.quantity, value=why.value, limit=why.limit, unit=why.unit, reasons=reasons,
                cause=why.cause, cause_key=why.key or new.cause_key or old.cause_key,
                first_raised_ns=new.first_raised_ns or old.first_raised_ns,
                actor="" if action is None else action.actor, role="" if action is None else action.role,
                text="" if action is None else action.text, seen_level=0 if action is None else action.seen_level,
                until_ns=0 if shelf is None else shelf.until_ns,
                command_id=0 if action is None else action.command_id,
                seq=sum(1 for event in self.events if (event.zone_id, event.alarm) == key),
            )
        )  # fmt: skip
        self.standing[key] = new

    def refuse(self, action: OperatorAction, reason: Reason) -> None:
        """Lay down that an action was not carried out."""
        self.refused.append(RefusedAction(action.command_id, reason))


def by_person(level: Level, reason: Reason, actor: str) -> Cause:
    """The cause of what a person did."""
    return Cause(level, "", math.nan, math.nan, "", reason, actor)


def by_time(standing: Standing, reason: Reason) -> Cause:
    """The cause of what time did."""
    return Cause(standing.level, standing.quantity, standing.value, standing.limit, standing.unit, reason, "time")
