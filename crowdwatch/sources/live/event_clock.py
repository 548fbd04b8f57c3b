"""Event time of a live run: the wall clock as it was once, carried on by the monotonic clock.

The wall clock of a machine may be set by hand, or stepped by NTP. Event time goes on: it takes the wall clock's word
once, and counts with ``CLOCK_MONOTONIC`` from there, which is one clock for all processes of a host. So the anchor of
an engine can be handed to its readers, and all of them read the same time.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

__all__ = ["EventClock"]


@dataclass(frozen=True, slots=True)
class EventClock:
    """Event time that never jumps.

    Args:
        anchor_wall_ns: UTC nanoseconds that the wall clock said at the anchor.
        anchor_mono_ns: nanoseconds of ``CLOCK_MONOTONIC`` at the anchor, of this host since it was booted.

    >>> clock = EventClock(anchor_wall_ns=1_000, anchor_mono_ns=400)
    >>> clock.at(650)
    1250
    """

    anchor_wall_ns: int
    anchor_mono_ns: int

    @classmethod
    def start(cls) -> EventClock:
        """A clock that agrees with the wall clock now."""
        before = time.monotonic_ns()
        wall_ns = time.time_ns()
        return cls(wall_ns, (before + time.monotonic_ns()) // 2)

    def at(self, mono_ns: int) -> int:
        """Event time, UTC nanoseconds, of a moment of ``CLOCK_MONOTONIC`` on this host."""
        return self.anchor_wall_ns + (mono_ns - self.anchor_mono_ns)

    def now_ns(self) -> int:
        """Event time now, UTC nanoseconds. It never goes back and never jumps."""
        return self.at(time.monotonic_ns())

    def wall_error_s(self) -> float:
        """The wall clock less event time, in seconds: how far it was set or drifted since the anchor."""
        return (time.time_ns() - self.now_ns()) / 1e9
