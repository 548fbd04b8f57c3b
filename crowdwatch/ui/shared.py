"""What all viewers of one store read once: a tick of a run is read from the store by the first who shows it, and by
nobody else. It holds no clock: what is kept is told apart by what it was read for.

A tick that can be read does not change any more, save that an engine refuses a command meanwhile: who reads says a
version, and another version is read anew. An engine that goes back after a kill folds the same ticks again.
"""

from __future__ import annotations

import math
import threading
from bisect import bisect_left, bisect_right
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar
from weakref import WeakKeyDictionary

from crowdwatch.core.ports import Store
from crowdwatch.core.runs import Run, RunState

__all__ = ["Shared", "shared"]

Value = TypeVar("Value")

MOST = 96
"""Things that are kept of one store; the oldest use goes first."""

MOST_ROWS = 50_000
"""Rows of series that are kept of one store, about 10 MB: three zones over a whole night, or all of a large site over a
quarter of an hour."""

PACE_S, LEAST_PACE_S = 15.0, 2.0
"""Over how long the real speed of a run is measured, at most and at least."""


class _Timed(Protocol):
    @property
    def t_ns(self) -> int:
        """The tick."""


Row = TypeVar("Row", bound=_Timed)


@dataclass(slots=True, eq=False)
class _Slot:
    """One thing: who reads it holds its lock, and the others wait for what is read."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    version: Hashable = None
    value: Any = None
    filled: bool = False


@dataclass(slots=True)
class _Span:
    """Rows of a growing series: all with ``from_ns <= t <= to_ns``."""

    from_ns: int
    to_ns: int
    rows: list[Any]


class Shared:
    """What is kept of one store. Safe in many threads.

    Args:
        most: things that are kept.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most, self._lock = most, threading.Lock()
        self._slots: OrderedDict[Hashable, _Slot] = OrderedDict()
        self._paces: dict[str, deque[tuple[int, int]]] = {}

    def _slot(self, key: Hashable) -> _Slot:
        with self._lock:
            slot = self._slots.setdefault(key, _Slot())
            self._slots.move_to_end(key)
            while len(self._slots) > self._most:
                self._slots.popitem(last=False)
            return slot

    def once(self, key: Hashable, version: Hashable, read: Callable[[], Value]) -> Value:
        """What was read for a key, read anew where the version is another one. What fails is not kept.

        >>> kept, calls = Shared(), []
        >>> [kept.once("a", version, lambda: calls.append(0) or len(calls)) for version in (1, 1, 2)]
        [1, 1, 2]
        """
        slot = self._slot(key)
        with slot.lock:
            if not slot.filled or slot.version != version:
                slot.value = read()
                slot.version, slot.filled = version, True
            value: Value = slot.value
            return value

    def series(
        self, key: Hashable, from_ns: int, to_ns: int, read: Callable[[int, int], list[Row]]
    ) -> list[Row]:  # fmt: skip
        """Rows by time with ``from_ns <= t <= to_ns``; of a series that is kept only what has come since is read.

        Args:
            key: of the series.
            from_ns, to_ns: the span, both ends with it; nothing after ``to_ns`` is needed yet.
            read: reads such a span from the store.

        >>> class Row:
        ...     def __init__(self, t_ns): self.t_ns = t_ns
        >>> asked = []
        >>> def read(a, b): asked.append((a, b)); return [Row(t) for t in range(a, b + 1)]
        >>> kept = Shared()
        >>> [len(kept.series("z", 0, to, read)) for to in (3, 5, 5, 4)], asked
        ([4, 6, 6, 5], [(0, 3), (4, 5)])
        """
        slot = self._slot(("series", key))
        with slot.lock:
            span: _Span | None = slot.value
            if span is None or from_ns < span.from_ns:
                slot.value = span = _Span(from_ns, to_ns, read(from_ns, to_ns))
            elif to_ns > span.to_ns:
                span.rows = [*span.rows, *read(span.to_ns + 1, to_ns)]
                span.to_ns = to_ns
            slot.filled = True
            first = bisect_left(span.rows, from_ns, key=_time)
            found = span.rows[first : bisect_right(span.rows, to_ns, key=_time)]
        self._bound_rows()
        return found

    def _bound_rows(self) -> None:
        """Forget the series that was used longest ago while there are more rows than are kept."""
        with self._lock:
            held = [(key, len(slot.value.rows)) for key, slot in self._slots.items() if isinstance(slot.value, _Span)]
            rows = sum(count for _, count in held)
            for key, count in held[:-1]:
                if rows > MOST_ROWS:
                    del self._slots[key]
                    rows -= count

    def pace(self, run: Run) -> float:
        """Seconds of event time in a second, over the last heartbeats that were seen; NaN where it is not known: too
        few were, or the run is paused or over.

        >>> from dataclasses import replace
        >>> from crowdwatch.core.runs import Mode
        >>> run, kept = Run("r", "e", Mode.REPLAY, "{}", "", 0, 1, 0), Shared()
        >>> beats = [replace(run, t_ns=n * 6_000_000_000, beat_wall_ns=n * 1_000_000_000) for n in range(4)]
        >>> [kept.pace(beat) for beat in beats]
        [nan, nan, 6.0, 6.0]
        """
        with self._lock:
            seen = self._paces.setdefault(run.run_id, deque())
            if run.state is not RunState.RUNNING or (
                seen and (run.t_ns < seen[-1][1] or run.beat_wall_ns < seen[-1][0])
            ):
                seen.clear()
            if run.state is not RunState.RUNNING:
                return math.nan
            if not seen or run.beat_wall_ns > seen[-1][0]:
                seen.append((run.beat_wall_ns, run.t_ns))
            while seen[-1][0] - seen[0][0] > PACE_S * 1e9:
                seen.popleft()
            passed_ns = seen[-1][0] - seen[0][0]
            return (seen[-1][1] - seen[0][1]) / passed_ns if passed_ns >= LEAST_PACE_S * 1e9 else math.nan


def _time(row: _Timed) -> int:
    return row.t_ns


_STORES: WeakKeyDictionary[Store, Shared] = WeakKeyDictionary()
_STORES_LOCK = threading.Lock()


def shared(store: Store) -> Shared:
    """What is kept of a store; it is forgotten with the store."""
    with _STORES_LOCK:
        return _STORES.setdefault(store, Shared())
