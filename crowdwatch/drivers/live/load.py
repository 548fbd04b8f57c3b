"""What a station does when the machine is too slow for its cameras: all yield evenly, velocities and counter first.

Pictures that nobody has time for are replaced by newer ones, so nothing waits. But a picture that is decoded, converted
and replaced has cost time that another camera needed. So the station asks for fewer: first no velocities are measured,
and heads are counted less often, as far as a density map holds; then pictures are analysed less often, as far as a
camera may be silent. Movement is unknown meanwhile, which is said; counts go on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction

from crowdwatch.analytics.staleness import stale_limit_s
from crowdwatch.core.live import StreamStatus
from crowdwatch.core.site import Camera

__all__ = ["Load", "LoadControl", "Pace"]

BEHIND_FRAC = 0.8
"""Of the pictures that are to be analysed: where fewer are, it is their number that is said."""

JUDGED_S = 2.0
"""Time over which the load is measured before something changes."""

LOST_FRAC = 0.1
"""Share of the due pictures that may be replaced: more, and the machine is too slow."""

BUSY_FRAC, IDLE_FRAC = 0.95, 0.7
"""Share of the time that the threads are at work: above, the machine is full; below, it has room."""

STEP_UP = 1.3
STEP_DOWN_LEAST, STEP_DOWN_MOST = 0.5, 0.9
"""What yields is multiplied by the share of :data:`IDLE_FRAC` that is in use, within these bounds: whatever is given
back at once, the machine does not become full by it."""

CALM_SPANS = 2
"""Spans with room, one after the other, before something is given back: load goes up and down with the crowd."""

HOLD_FRAC = 0.6
"""Of the time that a density map holds: heads are counted at least so often, with time to spare for a late one."""

SILENT_FRAC = 0.5
"""Of the time that a camera may be silent: a picture is analysed at least so often, likewise."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How often the pictures of one camera are looked at.

    Args:
        sample_hz: analysed per second; None for every one.
        counter_times: factor on the time between two counts of heads.
        velocities: whether they are measured.
    """

    sample_hz: Fraction | None
    counter_times: float = 1.0
    velocities: bool = True


@dataclass(frozen=True, slots=True)
class Load:
    """What a span of time showed.

    Args:
        busy_frac: share of the time that the threads were at work.
        due, lost: pictures that were due, and those of them that gave way to newer ones.
    """

    busy_frac: float
    due: int
    lost: int

    @property
    def too_much(self) -> bool:
        """Pictures were lost because the threads were at work."""
        return self.busy_frac > BUSY_FRAC and self.lost > LOST_FRAC * max(self.due, 1)

    @property
    def room(self) -> bool:
        """The threads could do more."""
        return self.busy_frac < IDLE_FRAC and self.lost <= LOST_FRAC * max(self.due, 1)


@dataclass(slots=True)
class LoadControl:
    """How often every camera is looked at, under the load that was measured.

    Args:
        cameras: of the station.
        wanted_hz: pictures per second that the event file wants of each; None for every one.
        every_s: longest time between two counts of heads that the event file wants of each.
    """

    cameras: Mapping[str, Camera]
    wanted_hz: Mapping[str, Fraction | None]
    every_s: Mapping[str, float]
    _counter: float = 1.0
    _sampling: float = 1.0
    _calm: int = 0
    _seen: dict[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def yields(self) -> bool:
        """Whether anything is looked at less often than wanted."""
        return self._counter > 1 or self._sampling > 1

    def load(self, statuses: Mapping[str, StreamStatus], busy_frac: float) -> Load:
        """The load since the last call, from what the cameras' readers have counted."""
        due = lost = 0
        for camera_id, status in statuses.items():
            before = self._seen.get(camera_id, (0, 0))
            if status.sampled < before[0]:  # its reader counts anew
                before = (0, 0)
            due += status.sampled - before[0]
            lost += max(0, status.replaced - before[1])
            self._seen[camera_id] = status.sampled, status.replaced
        return Load(busy_frac, due, lost)

    def judge(self, load: Load) -> bool:
        """Take a span's load in. Returns whether something changes."""
        before = self._counter, self._sampling
        if load.too_much:
            self._calm = 0
            if self._counter < self._most_counter:
                self._counter = min(self._counter * STEP_UP, self._most_counter)
            else:
                self._sampling = min(self._sampling * STEP_UP, self._most_sampling)
        elif load.room:
            self._calm += 1
            if self._calm >= CALM_SPANS:
                self._calm = 0
                step = min(max(load.busy_frac / IDLE_FRAC, STEP_DOWN_LEAST), STEP_DOWN_MOST)
                if self._sampling > 1:
                    self._sampling = max(1.0, self._sampling * step)
                else:
                    self._counter = max(1.0, self._counter * step)
        else:
            self._calm = 0
        return before != (self._counter, self._sampling)

    def pace(self, camera_id: str, rate_hz: float, *, dense: bool) -> Pace:
        """How often a camera is looked at now. Where people stand close it yields by the root only.

        Args:
            camera_id: the camera.
            rate_hz: pictures per second as they arrive; NaN where it is not known.
            dense: people stand close there, as its newest picture shows.
        """
        counter, sampling = (each**0.5 if dense else each for each in (self._counter, self._sampling))
        counter = min(counter, self._counter_limit(camera_id))
        wanted = self.wanted_hz[camera_id]
        if sampling == 1:
            return Pace(wanted, counter, not self.yields)
        base = rate_hz if wanted is None else float(wanted)
        if not base > 0:
            return Pace(wanted, counter, not self.yields)
        least_hz = min(base, 1 / self._longest_s(camera_id))
        return Pace(Fraction(max(base / sampling, least_hz)).limit_denominator(1000), counter, False)

    def said(self, status: StreamStatus, pace: Pace, measured_hz: float = math.nan) -> StreamStatus:
        """A camera's status, which says where it is looked at less often than wanted, and what helps.

        Args:
            status: of the camera.
            pace: how often it is to be looked at.
            measured_hz: how often it was looked at lately, which may be less; NaN where it is not known.
        """
        if not self.yields:
            return status
        wanted = self.wanted_hz[status.camera_id]
        what = [] if pace.velocities else ["velocities are not measured"]
        if pace.counter_times > 1:
            what.append(f"heads are counted every {self.every_s[status.camera_id] * pace.counter_times:.1f} s")
        rate_hz = math.inf if pace.sample_hz is None else float(pace.sample_hz)
        if measured_hz < BEHIND_FRAC * rate_hz:
            rate_hz = measured_hz
        if rate_hz < (math.inf if wanted is None else wanted):
            of = "every one" if wanted is None else f"{float(wanted):g}"
            what.append(f"{rate_hz:.1f} pictures a second are analysed instead of {of}")
        if not what:
            return status
        text = f"The machine is too slow for its cameras: {', '.join(what)}. Give it fewer cameras or more cores."
        return replace(status, message=f"{status.message} {text}".strip())

    def _longest_s(self, camera_id: str) -> float:
        """Time between two analysed pictures at most."""
        return SILENT_FRAC * stale_limit_s(self.cameras[camera_id].sample_interval_s)

    def _counter_limit(self, camera_id: str) -> float:
        hold_s = self.cameras[camera_id].heads_hold_s
        return max(1.0, HOLD_FRAC * hold_s / self.every_s[camera_id])

    @property
    def _most_counter(self) -> float:
        return max(map(self._counter_limit, self.cameras), default=1.0)

    @property
    def _most_sampling(self) -> float:
        rates = [
            float(hz) if hz is not None else 1 / self.cameras[key].sample_interval_s
            for key, hz in self.wanted_hz.items()
        ]
        longest = [self._longest_s(key) for key in self.wanted_hz]
        return max([1.0, *(rate * wait for rate, wait in zip(rates, longest, strict=True))])
