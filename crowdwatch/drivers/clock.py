"""When a tick is due: as fast as the machine can, paced, or when the clock of a live run says so."""

from __future__ import annotations

import time
from typing import Protocol

from crowdwatch.sources.live.event_clock import EventClock

__all__ = ["Clock", "LiveClock", "PacedClock"]

NS = 1_000_000_000


class Clock(Protocol):
    """What the loop asks before every tick."""

    @property
    def speed(self) -> float:
        """Seconds of event time per second that were asked for; 0 is as fast as the machine can."""

    def wait_s(self, t_ns: int) -> float:
        """Seconds until a tick is due; 0 or less when it is."""

    def set_speed(self, speed: float) -> None:
        """Go on at another pace from the next tick on."""

    def restart(self) -> None:
        """Take the next tick for due at once: time stood still meanwhile."""


class PacedClock:
    """Event time that passes at a pace; the first tick after a change of pace is due at once.

    Args:
        speed: seconds of event time per second; 0 is as fast as the machine can.
    """

    def __init__(self, speed: float = 0.0) -> None:
        self._speed = speed
        self._anchor: tuple[int, float] | None = None

    @property
    def speed(self) -> float:
        """As of :class:`Clock`."""
        return self._speed

    def wait_s(self, t_ns: int) -> float:
        """As of :class:`Clock`."""
        if self._speed <= 0:
            return 0.0
        if self._anchor is None:
            self._anchor = t_ns, time.monotonic()
        return self._anchor[1] + (t_ns - self._anchor[0]) / NS / self._speed - time.monotonic()

    def set_speed(self, speed: float) -> None:
        """As of :class:`Clock`."""
        self._speed = max(0.0, speed)
        self.restart()

    def restart(self) -> None:
        """As of :class:`Clock`."""
        self._anchor = None


class LiveClock:
    """Event time is now: a tick is due when the clock of the run reaches it. Its pace cannot be changed.

    Args:
        clock: event time, which goes on where the wall clock jumps.
    """

    speed = 1.0

    def __init__(self, clock: EventClock) -> None:
        self._clock = clock

    def wait_s(self, t_ns: int) -> float:
        """As of :class:`Clock`."""
        return (t_ns - self._clock.now_ns()) / NS

    def set_speed(self, speed: float) -> None:
        """Nothing: time passes as it does."""

    def restart(self) -> None:
        """Nothing: the ticks that passed meanwhile are due."""
