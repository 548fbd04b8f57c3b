"""Live drones: the readers of cameras, of which those that move wait for their telemetry before they are looked at."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Self

from crowdwatch.core.live import StreamStatus
from crowdwatch.core.reasons import Code
from crowdwatch.core.records import CameraFault, FramePair
from crowdwatch.drivers.live.watching import Captured, Captures
from crowdwatch.sources.flight.feeds import TelemetryFeed
from crowdwatch.sources.flight.live_flight import LiveFlight

__all__ = ["WAIT_S", "FlownCaptures", "FlownPair"]

WAIT_S = 0.5
"""A picture waits so long for telemetry of its time: as long as a tick waits for a camera (``LATENESS_S``)."""

SLICE_S = 0.02
"""How often it is looked whether it has come."""


@dataclass(slots=True, eq=False)
class FlownPair:
    """A pair of a drone's pictures. Where it was taken is worked out by who looks at it, once."""

    inner: Captured
    flight: LiveFlight
    _pair: FramePair | None = None
    _fault: Code | None = None

    @property
    def pair(self) -> FramePair:
        """The pictures, with their plane where it is known."""
        if self._pair is None:
            pair = self.inner.pair
            found = self.flight.plane(pair.current.stamp, pair.current.image_bgr)
            if isinstance(found, Code):
                self._pair, self._fault = pair, found
            else:
                self._pair = replace(pair, current=replace(pair.current, plane=found))
        return self._pair

    @property
    def fault(self) -> Code | None:
        """Why nobody knows what it shows."""
        assert self.pair is not None, "it is worked out with the pair"
        return self._fault

    def release(self) -> None:
        """As of :class:`~crowdwatch.drivers.live.watching.Captured`."""
        self.inner.release()


class FlownCaptures:
    """Readers of cameras and of telemetry.

    Args:
        captures: the readers of all cameras.
        flights: by camera that moves, where it is.
        feeds: builds what fills the flights, when it is entered.
    """

    def __init__(
        self, captures: Captures, flights: Mapping[str, LiveFlight], feeds: Callable[[], Sequence[TelemetryFeed]]
    ) -> None:
        self._captures, self._flights, self._feeds = captures, flights, feeds
        self._waiting: dict[str, tuple[float, Captured]] = {}
        self._open = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as opening:
            for feed in self._feeds():
                opening.enter_context(feed)
            opening.enter_context(self._captures)
            self._open = opening.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def take(self, timeout_s: float, most: int | None = None) -> Sequence[Captured]:
        """As of :class:`~crowdwatch.drivers.live.watching.Captures`; a drone's pair comes when telemetry has come to
        its time, or when it has waited for :data:`WAIT_S`."""
        ends = time.monotonic() + timeout_s
        while True:
            left_s = max(0.0, ends - time.monotonic())
            found = self._due(most)
            room = None if most is None else most - len(found)
            if room is None or room > 0:
                wait_s = 0.0 if found else min(left_s, SLICE_S) if self._waiting else left_s
                for captured in self._captures.take(wait_s, room):
                    self._put(captured, found)
            if found or left_s == 0.0:
                return found

    def _put(self, captured: Captured, found: list[Captured]) -> None:
        camera_id = captured.pair.current.stamp.camera_id
        if camera_id not in self._flights:
            found.append(captured)
            return
        self._waiting[camera_id] = time.monotonic() + WAIT_S, captured

    def _due(self, most: int | None) -> list[Captured]:
        """Drones' pairs that have waited long enough, the longest first."""
        found: list[Captured] = []
        for camera_id, (until, captured) in sorted(self._waiting.items(), key=lambda each: each[1][0]):
            if most is not None and len(found) >= most:
                break
            flight = self._flights[camera_id]
            if flight.covers(captured.pair.current.stamp.t_ns) or time.monotonic() >= until:
                del self._waiting[camera_id]
                found.append(FlownPair(captured, flight))
        return found

    def news(self) -> Sequence[StreamStatus | CameraFault]:
        """As of :class:`~crowdwatch.drivers.live.watching.Captures`."""
        return self._captures.news()

    def set_sample_hz(self, camera_id: str, hz: Fraction | None) -> None:
        """As of :class:`~crowdwatch.drivers.live.watching.Captures`."""
        self._captures.set_sample_hz(camera_id, hz)
