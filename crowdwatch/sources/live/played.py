"""A recorded source played as if it were live: from now on, at its own pace, again and again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

from crowdwatch.core.ports import Source
from crowdwatch.core.records import CameraFault, Frame, FramePair
from crowdwatch.errors import SourceTruncated
from crowdwatch.sources.live.event_clock import EventClock

__all__ = ["Opening", "play"]

Opening: TypeAlias = Callable[[], Source]
"""Opens a source in the reader's process: a function of a module, or a ``functools.partial`` of one."""

BEAT_S = 0.2
"""How often who waits says that it is alive."""

LATE_S = 1.0
"""Pictures that are due for longer are left out: the newest is what counts."""


@dataclass(frozen=True, slots=True)
class _Loop:
    """Where in the footage a moment of event time lies."""

    begins_ns: int
    first_ns: int
    length_ns: int

    def of(self, now_ns: int) -> tuple[int, int]:
        """(which time it is played, the footage's own time)."""
        turn, into_ns = divmod(now_ns - self.begins_ns, self.length_ns)
        return turn, self.first_ns + into_ns

    def shift_ns(self, turn: int) -> int:
        """Event time less the footage's own time."""
        return self.begins_ns + turn * self.length_ns - self.first_ns


def play(
    source: Source,
    clock: EventClock,
    begins_ns: int | None = None,
    loop_ns: int | None = None,
    beat: Callable[[], None] = lambda: None,
) -> Iterator[FramePair | CameraFault]:
    """Yield what a source gives, each pair when it is due, stamped with event time.

    A footage is in step with others however often it is opened again: its place follows from ``begins_ns`` alone. What
    is late is left out.

    Args:
        source: the footage, sampled as its source samples.
        clock: event time.
        begins_ns: event time of its first picture; None is now. Before it, nothing comes.
        loop_ns: after how long it begins again; None is its own length, and never less.
        beat: called again and again while it waits for the next picture to be due.
    """
    first_ns, end_ns = source.span_ns
    begins_ns = clock.now_ns() if begins_ns is None else begins_ns
    loop = _Loop(begins_ns, first_ns, max(end_ns - first_ns, loop_ns or 0, 1))
    turn, at_ns = loop.of(max(clock.now_ns(), begins_ns))
    while True:
        shift_ns = loop.shift_ns(turn)
        try:
            for item in source.read(at_ns, None):
                own_ns = item.t_ns if isinstance(item, CameraFault) else item.current.stamp.t_ns
                if own_ns + shift_ns < clock.now_ns() - LATE_S * 1e9:
                    continue
                _wait(clock, own_ns + shift_ns, beat)
                yield _shifted(item, shift_ns)
        except SourceTruncated:
            pass  # what is missing at its end is missing every time; it was said when the source was checked
        turn, at_ns = turn + 1, first_ns
        _wait(clock, begins_ns + turn * loop.length_ns, beat)


def _wait(clock: EventClock, until_ns: int, beat: Callable[[], None]) -> None:
    while (ahead_s := (until_ns - clock.now_ns()) / 1e9) > 0:
        time.sleep(min(ahead_s, BEAT_S))
        beat()


def _shifted(item: FramePair | CameraFault, by_ns: int) -> FramePair | CameraFault:
    if isinstance(item, CameraFault):
        return replace(item, t_ns=item.t_ns + by_ns)
    before, earlier = (None if each is None else _at(each, by_ns) for each in (item.previous, item.earlier))
    return FramePair(before, _at(item.current, by_ns), earlier=earlier)


def _at(frame: Frame, by_ns: int) -> Frame:
    return replace(frame, stamp=replace(frame.stamp, t_ns=frame.stamp.t_ns + by_ns))
