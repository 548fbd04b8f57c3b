"""The nouns of the playbook: what is to be done about an alert, whom to call, which gates to hold, what to say."""

from __future__ import annotations

import string
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from crowdwatch.core.outcomes import Level

__all__ = ["SLOTS", "Measure", "Playbook", "filled", "slots_of"]

SLOTS = frozenset({"zone", "hold", "close", "open", "send_to", "route", "minutes", "time", "value"})
"""What may stand in braces in a text: names of the zone, of the gates and of the zone that people are sent to, the
route, minutes, the time of the alert and the value that was measured."""


def slots_of(text: str) -> set[str]:
    """The slots of a text.

    Raises:
        ValueError: a brace is left open, or a slot is more than a name.

    >>> sorted(slots_of("Hold {hold}. {zone} is full."))
    ['hold', 'zone']
    """
    found = {name for _, name, how, turned in string.Formatter().parse(text) if name is not None}
    rich = [how or turned for _, name, how, turned in string.Formatter().parse(text) if name is not None]
    if any(rich) or any(not name.isidentifier() for name in found):
        raise ValueError("a slot is a name in braces and nothing else, as {zone}")
    return found


def filled(text: str, values: Mapping[str, str]) -> str:
    """A text with its slots filled; what has no value stays as it stands, so that it is seen.

    >>> filled("{zone} is full, use {route}.", {"zone": "Bund 3"})
    'Bund 3 is full, use {route}.'
    """
    return "".join(
        before + ("" if name is None else values.get(name) or f"{{{name}}}")
        for before, name, _, _ in string.Formatter().parse(text)
    )


@dataclass(frozen=True, slots=True)
class Measure:
    """What is to be done about an alarm of a zone at some levels.

    Args:
        number: its place in the event file, from 0.
        zone_ids, kinds: where it holds; empty is everywhere.
        alarms, levels: for what it holds.
        do: what to do, by language.
        call: whom to call: names of units or of people.
        hold: gates through which nobody enters any more; those inside may leave.
        close: gates through which nobody passes in either direction.
        open: gates that are opened.
        send_to: the zone that people are sent to; or empty.
        route, minutes: by which way, by language, and how long it takes; 0 where it does not say.
        message: what is read to people, by language; empty where nothing is.
        approved: the message may be spoken without a person's confirmation.
    """

    number: int
    zone_ids: frozenset[str]
    kinds: frozenset[str]
    alarms: frozenset[str]
    levels: frozenset[Level]
    do: Mapping[str, str]
    call: tuple[str, ...] = ()
    hold: tuple[str, ...] = ()
    close: tuple[str, ...] = ()
    open: tuple[str, ...] = ()
    send_to: str = ""
    route: Mapping[str, str] | None = None
    minutes: float = 0.0
    message: Mapping[str, str] | None = None
    approved: bool = False

    def holds(self, zone_id: str, kind: str, alarm: str, level: Level) -> bool:
        """Whether it says what to do about this."""
        here = not self.zone_ids or zone_id in self.zone_ids
        of_kind = not self.kinds or kind in self.kinds
        return here and of_kind and alarm.partition(":")[0] in self.alarms and level in self.levels


@dataclass(frozen=True, slots=True)
class Playbook:
    """All measures. One that names the zone goes before one that names its kind, and that before one for all; among
    equals the first of the file."""

    measures: tuple[Measure, ...] = ()

    def find(self, zone_id: str, kind: str, alarm: str, level: Level) -> Measure | None:
        """What to do about an alarm; None where the playbook says nothing."""
        fitting = [each for each in self.measures if each.holds(zone_id, kind, alarm, level)]
        return min(fitting, key=lambda each: (not each.zone_ids, not each.kinds, each.number), default=None)

    def gaps(
        self, zones: Iterable[tuple[str, str]], asked: Iterable[tuple[str, Level]]
    ) -> list[tuple[str, str, Level]]:
        """What it leaves open: (zone, alarm, level) of all that are asked for."""
        wanted = list(asked)
        return [
            (zone_id, alarm, level)
            for zone_id, kind in zones
            for alarm, level in wanted
            if self.find(zone_id, kind, alarm, level) is None
        ]
