"""Places in a list of alarms: a button never moves away under the pointer because another alarm comes or goes."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TypeVar

__all__ = ["keep_places"]

Key = TypeVar("Key", bound=Hashable)


def keep_places(before: Sequence[Key | None], now: Sequence[Key]) -> list[Key | None]:
    """Where each of ``now`` stands: where it stood before, else in the first place that is free, else at the end. A
    place whose alarm is gone stays free, so that those below it stay where they are.

    >>> keep_places([], ["a", "b", "c"]), keep_places(["a", "b", "c"], ["c", "a"]), keep_places(["a", None], ["d"])
    (['a', 'b', 'c'], ['a', None, 'c'], ['d'])
    """
    wanted = set(now)
    places: list[Key | None] = [key if key in wanted else None for key in before]
    for key in now:
        if key in places:
            continue
        if None in places:
            places[places.index(None)] = key
        else:
            places.append(key)
    while places and places[-1] is None:
        places.pop()
    return places
