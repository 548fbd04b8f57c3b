"""Where a live drone is: entries of its telemetry as they come, put in event time, and a picture's plane out of them.

An entry that says the stream's own time (subtitles, ``t_s``) is put in event time as a picture is: the one that came
through fastest sets the offset (:mod:`crowdwatch.sources.live.stream_clock`). Another one has the time of its arrival,
and the uncertainty of that. A picture between two entries lies between their poses. A picture after the last one waits;
where nothing comes it may be :data:`LATE_S` ahead of telemetry, with an error that grows by how fast the pose changes.
Beyond that it has no place: an old pose is never taken for a new one.
"""

from __future__ import annotations

import logging
import math
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from crowdwatch.core.reasons import Code
from crowdwatch.core.records import GroundPlane, Stamp
from crowdwatch.errors import CrowdWatchError
from crowdwatch.sources.flight.film import FlightView
from crowdwatch.sources.flight.growing import Timed
from crowdwatch.sources.flight.log import Field, FlightLog, Order, log_of
from crowdwatch.sources.flight.srt import LEAST_T_SIGMA_S
from crowdwatch.sources.flight.words import Entry
from crowdwatch.sources.live.stream_clock import StreamClock

__all__ = ["KEPT_S", "LATE_S", "LiveFlight"]

KEPT_S = 30.0
"""Of telemetry: leaps and heights that stand still are told by what is around them."""

LATE_S = 0.5
"""A picture may be so much later than the newest entry: a drone that turns at 30 degrees a second has turned by 15, and
its error says so. [design value]"""

NS = 1_000_000_000

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Entry:
    t_ns: int
    sigma_s: float
    entry: Entry


class LiveFlight:
    """Telemetry of one drone while it flies; safe between threads.

    Args:
        camera_id: the drone.
        view_of: what its pictures show, from a log of the last seconds. Raises SourceUnavailable where it lacks what
            it needs.
        now_ns: event time now.
        offset_s: what is added to the time of every entry.
    """

    def __init__(
        self, camera_id: str, view_of: Callable[[FlightLog], FlightView], now_ns: Callable[[], int],
        offset_s: float = 0.0,
    ) -> None:  # fmt: skip
        self._camera_id, self._view_of, self._now_ns = camera_id, view_of, now_ns
        self._offset_ns = round(offset_s * NS)
        self._changed = threading.Condition()
        self._entries: deque[_Entry] = deque()
        self._clock = StreamClock()
        self._made: tuple[int, FlightView] | None = None
        self._said = ""
        self.received = 0

    def take(self, timed: Timed | None) -> None:
        """An entry has come; None: another flight begins, and what was known is forgotten."""
        now_ns = self._now_ns()
        with self._changed:
            if timed is None:
                self._entries.clear()
                self._clock, self._made = StreamClock(), None
                return
            t_s, entry = timed
            if t_s is None:
                when_ns, sigma_s = now_ns, StreamClock().stamp(None, now_ns).sigma_s
            else:
                stamped = self._clock.stamp(t_s, now_ns)
                when_ns, sigma_s = stamped.t_ns, stamped.sigma_s
            self.received += 1
            self._entries.append(_Entry(when_ns + self._offset_ns, sigma_s, entry))
            while self._entries[-1].t_ns - self._entries[0].t_ns > KEPT_S * NS:
                self._entries.popleft()
            self._made = None
            self._changed.notify_all()

    def covers(self, t_ns: int) -> bool:
        """Whether telemetry has gone on to a time."""
        with self._changed:
            return bool(self._entries) and self._entries[-1].t_ns >= t_ns

    def plane(self, stamp: Stamp, image_bgr: NDArray[np.uint8] | None = None) -> GroundPlane | Code:
        """The plane of a picture, or why there is none."""
        made = self._view()
        if made is None:
            return Code.NO_TELEMETRY
        begins_ns, view = made
        t_s = (stamp.t_ns - begins_ns) / NS
        flight = view.flight
        late_s = max(0.0, t_s - float(flight.t_s[-1]))
        if late_s > LATE_S:
            return Code.NO_TELEMETRY
        sigma_s = math.hypot(flight.t_sigma_s, stamp.t_sigma_s, late_s)
        found = replace(view, flight=replace(flight, t_sigma_s=sigma_s))
        return found.at(t_s, image_bgr)

    def _view(self) -> tuple[int, FlightView] | None:
        """When the kept entries begin, and the flight of them; None where they have no pose."""
        with self._changed:
            if self._made is not None:
                return self._made
            entries = list(self._entries)
        if not entries:
            return None
        try:
            made = entries[0].t_ns, self._view_of(self._log_of(entries))
        except CrowdWatchError as error:
            if str(error) != self._said:
                self._said = str(error)
                _log.warning("camera %s: %s", self._camera_id, error)
            return None
        with self._changed:
            if self._entries and self._entries[-1] is entries[-1]:
                self._made = made
        return made

    def _log_of(self, entries: list[_Entry]) -> FlightLog:
        begins_ns = entries[0].t_ns
        digits = [each.entry.digits for each in entries if each.entry.digits is not None]
        paired = any(Field.FIRST in each.entry.values for each in entries)
        sigma_s = math.hypot(LEAST_T_SIGMA_S, max(each.sigma_s for each in entries))
        return log_of(
            f"of drone {self._camera_id}", "live", [(each.t_ns - begins_ns) / NS for each in entries],
            [each.entry.values for each in entries], t_sigma_s=sigma_s,
            degrees_step=10.0 ** -min(max(digits), 15) if digits else 0.0,
            order=Order.UNDECIDED if paired else Order.NAMED,
        )  # fmt: skip
