"""Which alarm stands in which of the six places of the wall. Pure: from the places before and the alarms now.

A place keeps its alarm until somebody has acknowledged it and it is over, so that a key never means another alarm than
the one that was seen there. There is one exception: where all places are taken, an active alarm that waits for somebody
takes the place of one that is over or waits for nobody, because an alarm that nobody sees is none.
"""

from __future__ import annotations

from collections.abc import Sequence

from crowdwatch.core.outcomes import Alarm, AlarmState

__all__ = ["SLOTS", "Key", "assign", "key_of"]

SLOTS = 6

Key = tuple[str, str]
"""Zone and alarm."""

SILENT = (AlarmState.SHELVED, AlarmState.OUT_OF_SERVICE)
OVER = (AlarmState.CLEARED_UNACKNOWLEDGED,)


def key_of(alarm: Alarm) -> Key:
    """What names an alarm in its run."""
    return alarm.zone_id, alarm.alarm


def _waiting(alarm: Alarm) -> tuple[bool, bool, bool, int, int, Key]:
    """Order of those that want a place: who asks for somebody, active before over, the highest level, the oldest."""
    return (
        not alarm.unacknowledged,
        alarm.state in OVER,
        alarm.state in SILENT,
        -alarm.level,
        alarm.first_raised_ns,
        key_of(alarm),
    )


def _yields(standing: Alarm, new: Alarm) -> bool:
    """Whether an alarm gives its place to one that asks for somebody."""
    if not new.unacknowledged or new.state in OVER:
        return False
    if standing.unacknowledged:
        return standing.state in OVER
    return standing.state in SILENT or standing.level <= new.level


def assign(previous: Sequence[Key | None], alarms: Sequence[Alarm]) -> tuple[tuple[Key | None, ...], tuple[Key, ...]]:
    """The places now, and the alarms that have none, the most urgent first.

    Args:
        previous: the places before; shorter than :data:`SLOTS` when the page begins.
        alarms: those that are not NORMAL now, in any order.

    >>> from crowdwatch.core.outcomes import Level
    >>> low, high = (Alarm("crowding", zone, AlarmState.UNACKNOWLEDGED, level, 0, ())
    ...              for zone, level in (("a", Level.WATCH), ("b", Level.ALERT)))
    >>> assign((), [low])[0][:2], assign((("a", "crowding"),), [high, low])[0][:2]
    ((('a', 'crowding'), None), (('a', 'crowding'), ('b', 'crowding')))
    """
    standing = {key_of(alarm): alarm for alarm in alarms}
    places = [key if key in standing else None for key in [*previous, *[None] * SLOTS][:SLOTS]]
    left = sorted((alarm for key, alarm in standing.items() if key not in places), key=_waiting)
    more: list[Alarm] = []
    for alarm in left:
        place = places.index(None) if None in places else _place_of_quiet(places, standing, alarm)
        if place is None:
            more.append(alarm)
            continue
        gone = places[place]
        if gone is not None:
            more.append(standing[gone])
        places[place] = key_of(alarm)
    return tuple(places), tuple(key_of(alarm) for alarm in sorted(more, key=_waiting))


def _place_of_quiet(places: Sequence[Key | None], standing: dict[Key, Alarm], new: Alarm) -> int | None:
    """The place of the alarm that is missed least; None where none yields."""
    quiet = [number for number, key in enumerate(places) if key is not None and _yields(standing[key], new)]
    return max(quiet, key=lambda number: _waiting(standing[places[number]]), default=None)  # type: ignore[index]
