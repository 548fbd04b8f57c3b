"""The events of live cameras: a tick at every multiple of its interval of event time, by the clock.

A tick waits for the cameras that stream until each has given its last picture before it, as far as is known, and no
longer than the lateness. It includes what was exposed up to it and has come. What comes later is late: named, counted,
and included in the next tick, once, so that a slow network or machine makes readings older and not blind: how old they
may be says the stale limit, at the tick. Observations are handed on just before the tick that includes them, so that a
tick and all that it needs are one piece of the log.

Ticks go on whatever the cameras do, since the silence of a camera is found at a tick.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

import cv2
import numpy as np

from crowdwatch.analytics.staleness import stale_limit_s
from crowdwatch.config.times import format_time
from crowdwatch.core.live import CoarsePicture, LiveMessage, StreamPhase, StreamStatus
from crowdwatch.core.reasons import Code
from crowdwatch.core.records import CameraFault, Frame, Observation, ObservationId, Tick
from crowdwatch.core.site import Camera
from crowdwatch.drivers.board import Board
from crowdwatch.drivers.camera_faults import Repeats
from crowdwatch.drivers.live.stations import Observers
from crowdwatch.drivers.streams import StreamItem
from crowdwatch.errors import CrowdWatchError, SourceUnavailable
from crowdwatch.sources.live.event_clock import EventClock
from crowdwatch.telemetry.live_metrics import LiveMetrics

__all__ = ["LATENESS_S", "LiveCounts", "LiveStream"]

NS = 1_000_000_000

LATENESS_S = 0.5
"""How long after its time a tick waits for pictures. It is a part of the delay of every reading."""

POLL_S = 0.1

BEHIND_S = 3.0
"""An engine that is further behind the clock than this leaves ticks out: old news is worse than fewer."""

AHEAD_NS = 2 * NS
"""A picture further in the future than this has a wrong clock: it would wait until its time comes."""

WALL_S = 2.0
"""A wall clock that is off by more was set: the monotonic clock is slewed along with it."""

UNOPENED = "no picture has come yet. Give it time; crowdwatch check EVENT.YAML --live says what keeps it."

CALM_NS = 10 * NS
"""After so long without another one it is no longer said that pictures are late."""


@dataclass(slots=True)
class LiveCounts:
    """What did not come as it should, by camera.

    Args:
        late: came after the tick that should have included them: they are in the next one.
        repeated: not newer than one that came before of the same camera. These and all below are left out.
        ahead: exposed in the future.
        foreign: messages of cameras that the event does not have.
        left_ticks: ticks that were left out since the engine was behind.
    """

    late: dict[str, int] = field(default_factory=dict)
    repeated: dict[str, int] = field(default_factory=dict)
    ahead: dict[str, int] = field(default_factory=dict)
    foreign: int = 0
    left_ticks: int = 0


@dataclass(frozen=True, slots=True)
class GivenTick:
    """What there is to know of a tick that was given.

    Args:
        exposed_ns: when the observations were exposed that it includes.
        waited_out: its lateness was over before every camera that streams was past it.
        given_s: when it was given, by the monotonic clock.
    """

    exposed_ns: tuple[int, ...]
    waited_out: bool
    given_s: float


class LiveStream:
    """The events of live cameras; fills :class:`~crowdwatch.drivers.streams.EventStream`.

    Args:
        observers: where observations come from; entered already.
        cameras: of the site.
        clock: event time.
        tick_ns: distance of the ticks.
        lateness_s: see :data:`LATENESS_S`.
        to_ns: event time at which it ends; None is when ``stop`` is set.
        stop: ends it.
        board: where it is said what ails cameras and clocks.
        metrics: are told what comes.
        sample_hz: per camera, how often its pictures are analysed at most; None where every one is.
        lead_ns: per camera, how long before ticks, as of :func:`crowdwatch.observation.schedule.lead_ns`.
    """

    def __init__(
        self,
        observers: Observers,
        cameras: Sequence[Camera],
        clock: EventClock,
        tick_ns: int,
        *,
        lateness_s: float = LATENESS_S,
        to_ns: int | None = None,
        stop: threading.Event | None = None,
        board: Board | None = None,
        metrics: LiveMetrics | None = None,
        sample_hz: Mapping[str, Fraction | None] | None = None,
        lead_ns: Mapping[str, int] | None = None,
    ) -> None:
        self._observers, self._clock, self._tick_ns = observers, clock, tick_ns
        self._lateness_ns, self._to_ns = round(lateness_s * NS), to_ns
        self._stop, self._board = stop or threading.Event(), board or Board()
        self._stale_ns = {c.camera_id: round(stale_limit_s(c.sample_interval_s) * NS) for c in cameras}
        self._held: dict[ObservationId, Observation] = {}
        self._faults: list[CameraFault] = []
        self._newest_ns: dict[str, int] = {}
        self._pictures: dict[str, CoarsePicture] = {}
        self._noted: dict[str, tuple[int, str]] = {}
        self._repeats = Repeats()
        self._metrics = metrics or LiveMetrics("", self._stale_ns, clock.now_ns)
        self._sample_hz, self._lead_ns = sample_hz or {}, lead_ns or {}
        self.newest: GivenTick | None = None
        self._last_ns: int | None = None
        self.statuses: dict[str, StreamStatus] = {}
        self.counts = LiveCounts()

    @property
    def faults(self) -> list[CrowdWatchError]:
        """What ails a camera now."""
        return [
            SourceUnavailable(_named(camera_id, status.message or UNOPENED))
            for camera_id, status in sorted(self.statuses.items())
            if status.phase is not StreamPhase.STREAMING
        ]

    def go_on_after(self, last_tick_ns: int, failing: Mapping[str, Code]) -> None:
        """Begin behind a tick that has been folded already; ``failing`` are the faults that stand there.

        The first tick is then due at once, and includes nothing: how long nobody looked shows in it.
        """
        self._last_ns = last_tick_ns
        self._repeats = Repeats(dict(failing))

    def __iter__(self) -> Iterator[StreamItem]:
        """Yield events until the end."""
        now_ns = self._clock.now_ns()
        if self._last_ns is None:
            self._last_ns = -(-now_ns // self._tick_ns) * self._tick_ns - self._tick_ns
        elif (gap_ns := now_ns // self._tick_ns * self._tick_ns) > self._last_ns:
            yield from self._ticked(gap_ns)
        while not self._stop.is_set() and (self._to_ns is None or self._last_ns < self._to_ns):
            next_ns = self._next_ns(self._clock.now_ns())
            for message in self._observers.receive(self._wait_s(next_ns)):
                self._take(message)
            if self._due(next_ns):
                yield from self._ticked(next_ns)

    def _next_ns(self, now_ns: int) -> int:
        """The tick that comes next: the one after the last, or a later one where the engine is too far behind."""
        assert self._last_ns is not None
        next_ns = self._last_ns + self._tick_ns
        behind_s = (now_ns - next_ns - self._lateness_ns) / NS
        if behind_s <= max(BEHIND_S, 2 * self._tick_ns / NS):
            return next_ns
        newest_ns = (now_ns - self._lateness_ns) // self._tick_ns * self._tick_ns
        left = (newest_ns - next_ns) // self._tick_ns
        self.counts.left_ticks += left
        self._metrics.left_out("ticks", left)
        text = f"the engine was {behind_s:.0f} s behind its cameras, so that it left out {left} ticks. "
        text += "Stop other programs on this machine, or analyse fewer pictures."
        self._ails("ticks", text, now_ns, "the engine has left out no tick")
        return newest_ns

    def _wait_s(self, next_ns: int) -> float:
        """How long observers may be waited for: until the tick may come, and then until it has to."""
        now_ns = self._clock.now_ns()
        until_ns = next_ns if now_ns < next_ns else next_ns + self._lateness_ns
        return min(max((until_ns - now_ns) / NS, 0.0), POLL_S)

    def _due(self, next_ns: int) -> bool:
        """Whether a tick has all that it may wait for."""
        now_ns = self._clock.now_ns()
        if now_ns < next_ns:
            return False
        if now_ns >= next_ns + self._lateness_ns:
            return True
        awaited = list(self._awaited(next_ns))
        return bool(awaited) and all(self._is_past(camera_id, next_ns) for camera_id in awaited)

    def _is_past(self, camera_id: str, t_ns: int) -> bool:
        """Whether no picture of a camera that was exposed before a time can come any more: pictures come in order, and
        one for each sampling instant (:func:`crowdwatch.observation.schedule.due`)."""
        newest_ns, hz, lead = self._newest_ns[camera_id], self._pace(camera_id), self._lead_ns.get(camera_id, 0)
        if newest_ns >= t_ns or hz is None:
            return newest_ns >= t_ns
        return (int((newest_ns + lead) * hz) // NS + 1) * NS >= (t_ns + lead) * hz

    def _pace(self, camera_id: str) -> Fraction | None:
        """How often a camera is looked at now: less often where its station yields. None where that is not known."""
        hz, status = self._sample_hz.get(camera_id), self.statuses.get(camera_id)
        said_hz = None if status is None else status.sample_hz
        if hz is not None and said_hz is not None and said_hz < hz:
            return Fraction(said_hz).limit_denominator(1000)
        return hz

    def _awaited(self, t_ns: int) -> Iterator[str]:
        """The cameras of which another picture can be expected soon."""
        for camera_id, stale_ns in self._stale_ns.items():
            status = self.statuses.get(camera_id)
            streams = status is None or status.phase is StreamPhase.STREAMING
            if streams and self._newest_ns.get(camera_id, 0) > t_ns - stale_ns:
                yield camera_id

    def _take(self, message: LiveMessage) -> None:
        """Keep what the next ticks need of a message."""
        match message:
            case Observation():
                self._observed(message)
            case CameraFault() if message.camera_id in self._stale_ns:
                self._metrics.fault(message.camera_id, message.code.value)
                # of a clock that is ahead it would wait, and it is known now
                self._faults.append(replace(message, t_ns=min(message.t_ns, self._clock.now_ns())))
            case StreamStatus() if message.camera_id in self._stale_ns:
                self._status(message)
            case CoarsePicture() if message.stamp.camera_id in self._stale_ns:
                self._pictures[message.stamp.camera_id] = message
            case _:
                self.counts.foreign += 1

    def _observed(self, observation: Observation) -> None:
        assert self._last_ns is not None
        camera_id, t_ns, now_ns = observation.stamp.camera_id, observation.t_ns, self._clock.now_ns()
        if camera_id not in self._stale_ns:
            self.counts.foreign += 1
        elif t_ns > now_ns + AHEAD_NS:
            _count(self.counts.ahead, camera_id)
            text = f"camera {camera_id}: its pictures are stamped {(t_ns - now_ns) / NS:.0f} s in the future, "
            text += "and are left out. Set the clock of the machine that reads it."
            self._ails(f"ahead {camera_id}", text, now_ns, f"camera {camera_id}: no picture was from the future")
        elif t_ns <= self._newest_ns.get(camera_id, 0):
            _count(self.counts.repeated, camera_id)
        else:
            late = t_ns <= self._last_ns
            self._metrics.arrived(camera_id, t_ns, late=late)
            if late:
                self._late(camera_id, t_ns, now_ns)
            self._newest_ns[camera_id] = t_ns
            if observation.stamp.id in self._held:
                _count(self.counts.repeated, camera_id)
            self._held[observation.stamp.id] = observation  # numbers begin anew with a reader: the newer one stands

    def _late(self, camera_id: str, t_ns: int, now_ns: int) -> None:
        _count(self.counts.late, camera_id)
        text = f"camera {camera_id}: the picture of {format_time(t_ns)} came {(now_ns - t_ns) / NS:.1f} s after it was "
        text += f"taken, too late for its reading; {self.counts.late[camera_id]} so far. "
        text += "Look at the network and the load, or allow more --lateness."
        self._ails(f"late {camera_id}", text, now_ns, f"camera {camera_id}: no picture was late")

    def _status(self, status: StreamStatus) -> None:
        self.statuses[status.camera_id] = status
        self._metrics.status(status)
        what = f"stream {status.camera_id}"
        if status.message:
            self._board.ails(what, _named(status.camera_id, status.message))
        elif status.phase is StreamPhase.STREAMING:  # a station that was started again begins with opening
            self._board.well(what, f"camera {status.camera_id}: it streams again.")

    def _ticked(self, tick_ns: int) -> Iterator[StreamItem]:
        """What a tick includes, and the tick."""
        self._last_ns = tick_ns
        included = sorted((o for o in self._held.values() if o.t_ns <= tick_ns), key=_order)
        faults = [fault for fault in self._faults if fault.t_ns <= tick_ns]
        self._faults = [fault for fault in self._faults if fault.t_ns > tick_ns]
        for observation in included:
            del self._held[observation.stamp.id]
        self._clocks(tick_ns)
        events: list[Observation | CameraFault] = [*included, *faults]
        for event in sorted(events, key=_order):
            if self._repeats.new(event):
                yield event, self._frame(event) if isinstance(event, Observation) else None
        waited_out = not all(self._is_past(camera_id, tick_ns) for camera_id in self._awaited(tick_ns))
        exposed_ns = tuple(observation.t_ns for observation in included)
        self.newest = GivenTick(exposed_ns, waited_out, time.monotonic())
        yield Tick(tick_ns, tuple(observation.stamp.id for observation in included)), None

    def _frame(self, observation: Observation) -> Frame | None:
        """The coarse picture of an observation, where it has come."""
        camera_id = observation.stamp.camera_id
        picture = self._pictures.get(camera_id)
        if picture is None or picture.stamp.t_ns != observation.t_ns:
            return None
        del self._pictures[camera_id]
        image = cv2.imdecode(np.frombuffer(picture.jpeg, np.uint8), cv2.IMREAD_COLOR)
        if image is None or image.shape[:2] != observation.detections.image_hw:
            self._board.ails(f"picture {camera_id}", f"camera {camera_id}: its picture for the page is damaged.")
            return None
        self._board.well(f"picture {camera_id}", f"camera {camera_id}: its picture for the page is whole again.")
        return Frame(observation.stamp, image.astype(np.uint8, copy=False), observation.plane)

    def _clocks(self, tick_ns: int) -> None:
        """Say that the wall clock is not event time any more, and that what was said for a while is over."""
        off_s = self._clock.wall_error_s()
        if abs(off_s) > WALL_S:
            text = f"the wall clock of this machine was set {abs(off_s):.0f} s {'forward' if off_s > 0 else 'back'}. "
            self._board.ails("clock", text + "Event time goes on as it was; a restart takes the new time on.")
        else:
            self._board.well("clock", "the wall clock agrees with event time again.")
        for what, (noted_ns, over) in list(self._noted.items()):
            if tick_ns - noted_ns > CALM_NS:
                del self._noted[what]
                self._board.well(what, f"{over} for {CALM_NS / NS:.0f} s.")

    def _ails(self, what: str, text: str, now_ns: int, over: str) -> None:
        self._noted[what] = now_ns, over
        self._board.ails(what, text)


def _order(event: Observation | CameraFault) -> tuple[int, str, int]:
    """By time, then camera, then number: as every driver orders them."""
    if isinstance(event, Observation):
        return event.t_ns, event.stamp.camera_id, event.stamp.seq
    return event.t_ns, event.camera_id, -1


def _named(camera_id: str, text: str) -> str:
    """What is said of a camera, with its name. A name may be a word of the text, as that of a gate called ``a``."""
    return text if text.startswith(f"camera {camera_id}:") else f"camera {camera_id}: {text}"


def _count(counts: dict[str, int], camera_id: str) -> None:
    counts[camera_id] = counts.get(camera_id, 0) + 1
