"""What two sets of rules said of one night: which alerts appear, which vanish, and which come at another time.

An alert of a zone reaches a level and stays at it or above until it falls below. Such spells of both sides are paired
where they overlap, or lie within :data:`APART_S`; the first pair first. What is left on one side appears or vanishes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from crowdwatch.core.outcomes import AlertEvent, Level

__all__ = ["APART_S", "Change", "Spell", "compare", "spells"]

NS = 1_000_000_000
APART_S = 300.0
"""Spells this near each other are of one thing. [design value]"""

NO_ALARMS = frozenset({"note", "phase"})
"""What people write down among the alerts, which no rule raises."""

Kind = Literal["appears", "vanishes", "earlier", "later", "same"]


@dataclass(frozen=True, slots=True, order=True)
class Spell:
    """A zone's alarm at a level or above: from when on, and until when; None where it still stood at the end."""

    zone_id: str
    alarm: str
    level: Level
    from_ns: int
    to_ns: int | None


@dataclass(frozen=True, slots=True)
class Change:
    """One spell of either side, or a pair of them.

    Args:
        kind: what is different.
        zone_id, alarm, level: of what.
        old_ns, new_ns: when it began on either side; None where it did not.
    """

    kind: Kind
    zone_id: str
    alarm: str
    level: Level
    old_ns: int | None
    new_ns: int | None

    @property
    def shift_s(self) -> float | None:
        """Seconds by which it comes later; below 0 earlier; None where there is no pair."""
        if self.old_ns is None or self.new_ns is None:
            return None
        return (self.new_ns - self.old_ns) / NS


def spells(alerts: Sequence[AlertEvent]) -> list[Spell]:
    """Every spell of every zone, alarm and level above NORMAL, by zone, alarm, level and time."""
    open_ns: dict[tuple[str, str, Level], int] = {}
    found = []
    for alert in alerts:
        if alert.alarm in NO_ALARMS:
            continue
        for level in (each for each in Level if each > Level.NORMAL):
            key = (alert.zone_id, alert.alarm, level)
            if alert.level >= level:
                open_ns.setdefault(key, alert.t_ns)
            elif key in open_ns:
                found.append(Spell(*key, open_ns.pop(key), alert.t_ns))
    found += [Spell(*key, from_ns, None) for key, from_ns in open_ns.items()]
    return sorted(found, key=lambda each: (each.zone_id, each.alarm, each.level, each.from_ns))


def compare(old: Sequence[AlertEvent], new: Sequence[AlertEvent]) -> list[Change]:
    """What is different, by time; pairs that begin at the same tick are ``same``."""
    sides = [_grouped(spells(each)) for each in (old, new)]
    changes: list[Change] = []
    for key in sorted(sides[0].keys() | sides[1].keys()):
        changes += _paired(key, sides[0].get(key, []), sides[1].get(key, []))
    return sorted(changes, key=lambda each: (_first(each), each.zone_id, each.alarm, each.level))


def _first(change: Change) -> int:
    return min(at for at in (change.old_ns, change.new_ns) if at is not None)


def _grouped(found: list[Spell]) -> dict[tuple[str, str, Level], list[Spell]]:
    groups: dict[tuple[str, str, Level], list[Spell]] = {}
    for spell in found:
        groups.setdefault((spell.zone_id, spell.alarm, spell.level), []).append(spell)
    return groups


def _paired(key: tuple[str, str, Level], old: list[Spell], new: list[Spell]) -> list[Change]:
    changes, left = [], list(new)
    for spell in old:
        other = next((each for each in left if _meet(spell, each)), None)
        if other is None:
            changes.append(Change("vanishes", *key, spell.from_ns, None))
            continue
        left.remove(other)
        kind: Kind = "same"
        if other.from_ns != spell.from_ns:
            kind = "earlier" if other.from_ns < spell.from_ns else "later"
        changes.append(Change(kind, *key, spell.from_ns, other.from_ns))
    return [*changes, *(Change("appears", *key, None, each.from_ns) for each in left)]


def _meet(one: Spell, other: Spell) -> bool:
    apart_ns = round(APART_S * NS)
    starts_before_end = other.to_ns is None or one.from_ns <= other.to_ns + apart_ns
    ends_after_start = one.to_ns is None or other.from_ns <= one.to_ns + apart_ns
    return starts_before_end and ends_after_start
