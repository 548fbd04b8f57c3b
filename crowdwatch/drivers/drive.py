"""The run loop: events from footage or from a log go through ``advance``, and what comes out goes to the sinks.

One loop for every driver. It alone knows the wall clock: to pace a replay, to beat, and to take in what operators
ask. What they ask is put into the order of events just before the tick that folds it, and logged there.
"""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from crowdwatch.analytics.engine import State, advance
from crowdwatch.core.outcomes import Outcome
from crowdwatch.core.ports import Detector, Source, Store
from crowdwatch.core.records import (
    Detections,
    Frame,
    FramePair,
    GroundPlane,
    LogEvent,
    Observation,
    ObservationId,
    OperatorAction,
    Tick,
)
from crowdwatch.core.runs import Command, CommandKind, RunState
from crowdwatch.errors import SourceError
from crowdwatch.observation.ahead import ahead
from crowdwatch.observation.observe import HeadCounter, observe

__all__ = ["Feed", "Footage", "Log", "Steering", "Tally", "drive", "ticked"]

BEAT_S = 1.0
POLL_S = 0.1

GROUPS = 2
"""Groups of frames that are observed at once: one in the detector, one being judged. Each holds all its pictures."""


@dataclass(frozen=True, slots=True, eq=False)
class Feed:
    """One camera's way into ``observe``.

    Args:
        source: its footage.
        detector: finds people.
        plane: its calibration; None for a camera that moves, whose source gives a plane with every picture.
        heads: None where boxes count alone.
        counter_note: for people: which counter runs, or why none does.
        threads: frames that are observed at once. Which frame is observed when changes nothing in what is observed.
    """

    source: Source
    detector: Detector
    plane: GroundPlane | None
    heads: HeadCounter | None = None
    counter_note: str = ""
    threads: int = 1

    def observe(self, pair: FramePair) -> Observation:
        """Observe one frame."""
        (observation,) = self._observe([pair])
        return observation

    def observe_span(self, from_ns: int, to_ns: int, batch_frames: int = 1) -> Iterator[Observation]:
        """Observe the sampled frames of ``[from_ns, to_ns)``, ``batch_frames`` at a time in the detector.

        Raises:
            SourceUnavailable, SourceTruncated: after the last good frame.
            ModelError: in the place of the frame on which the detector failed.
        """
        groups = _groups(self.source.pairs(from_ns, to_ns), batch_frames)
        threads = self.threads if batch_frames == 1 else min(self.threads, GROUPS)
        for observations in ahead(groups, self._observe, threads):
            yield from observations

    def _observe(self, pairs: Sequence[FramePair]) -> list[Observation]:
        return observe(pairs, self.detector, self.plane, self.heads)


def _groups(pairs: Iterator[FramePair], size: int) -> Iterator[list[FramePair]]:
    """So many pairs at a time; what is left when footage ends or breaks comes first, then the fault."""
    group: list[FramePair] = []
    fault: SourceError | None = None
    try:
        for pair in pairs:
            group.append(pair)
            if len(group) == size:
                yield group
                group = []
    except SourceError as error:
        fault = error
    if group:
        yield group
    if fault is not None:
        raise fault


class Log(Protocol):
    """Where events are kept in their order."""

    def append(self, event: LogEvent) -> None:
        """Add one event."""


@dataclass(slots=True)
class Footage:
    """Events made from footage: observations in time order, a tick at every multiple of ``tick_ns`` of event time.

    A tick includes what was exposed up to it. A camera whose footage breaks is left out from then on and its fault
    kept; ticks go on to the end that the containers declared, so that the silence shows.

    Args:
        feeds: one per camera.
        from_ns, to_ns: the span of event time, end exclusive.
        tick_ns: distance of the ticks.
        after_ns: the last tick that a resumed run has already folded; None for a fresh run.
    """

    feeds: list[Feed]
    from_ns: int
    to_ns: int
    tick_ns: int
    after_ns: int | None = None
    faults: list[SourceError] = field(default_factory=list)
    newest: dict[str, tuple[Frame, Detections]] = field(default_factory=dict)

    def events(self) -> Iterator[LogEvent]:
        """Yield every event of the span."""
        first_ns = self.from_ns if self.after_ns is None else self.after_ns + 1
        merged = heapq.merge(
            *(self._pairs(feed, first_ns) for feed in self.feeds),
            key=lambda item: (item[1].current.stamp.t_ns, item[0].source.camera_id),
        )
        observed = ahead(merged, _observed, max((feed.threads for feed in self.feeds), default=1))
        coming = ((pair.current.stamp.t_ns, partial(self._take, pair, observation)) for pair, observation in observed)
        yield from ticked(coming, first_ns, self.to_ns, self.tick_ns)

    def _take(self, pair: FramePair, observation: Observation) -> Observation:
        self.newest[pair.current.stamp.camera_id] = (pair.current, observation.detections)
        return observation

    def _pairs(self, feed: Feed, first_ns: int) -> Iterator[tuple[Feed, FramePair]]:
        try:
            for pair in feed.source.pairs(first_ns, self.to_ns):
                yield feed, pair
        except SourceError as error:
            self.faults.append(error)


def _observed(item: tuple[Feed, FramePair]) -> tuple[FramePair, Observation]:
    feed, pair = item
    return pair, feed.observe(pair)


def ticked(
    coming: Iterable[tuple[int, Callable[[], Observation]]], first_ns: int, to_ns: int, tick_ns: int
) -> Iterator[LogEvent]:
    """Put ticks between observations: one at every multiple of ``tick_ns``, which includes what was exposed up to it.

    Args:
        coming: exposure time and maker of every observation, by time, then camera. A maker is called when the ticks
            before it have been yielded.
        first_ns, to_ns: the span, end exclusive; ticks begin at or after its start and go on to the first at or after
            its end, whatever is observed.
        tick_ns: distance of the ticks.
    """
    next_ns = -(-first_ns // tick_ns) * tick_ns
    included: list[ObservationId] = []
    for t_ns, make in coming:
        while t_ns > next_ns:
            yield Tick(next_ns, tuple(included))
            included.clear()
            next_ns += tick_ns
        observation = make()
        included.append(observation.stamp.id)
        yield observation
    while next_ns < to_ns + tick_ns:
        yield Tick(next_ns, tuple(included))
        included.clear()
        next_ns += tick_ns


@dataclass(slots=True)
class Steering:
    """The wall clock and the operators: paces ticks, beats, and turns commands into actions.

    Args:
        store: where commands come from and heartbeats go to.
        run_id: the run.
        speed: seconds of event time per second; 0 is as fast as it can.
        stop: set it, and the loop ends cleanly at the next event.
    """

    store: Store
    run_id: str
    speed: float = 0.0
    stop: threading.Event = field(default_factory=threading.Event)
    _paused: bool = False
    _anchor: tuple[int, float] | None = None
    _beaten: float = 0.0

    def before(self, t_ns: int) -> list[OperatorAction]:
        """Wait until a tick is due; return what operators did meanwhile, sequenced for it."""
        actions = self._commands(t_ns)
        while not self.stop.is_set() and (self._paused or time.monotonic() < self._due(t_ns)):
            left = POLL_S if self._paused else min(POLL_S, max(0.0, self._due(t_ns) - time.monotonic()))
            self.stop.wait(left)
            actions += self._commands(t_ns)
            self.beat(t_ns)
        self.beat(t_ns)
        return actions

    def beat(self, t_ns: int, *, now: bool = False) -> None:
        """Tell the store that the engine lives, at most once a second."""
        if now or time.monotonic() - self._beaten >= BEAT_S:
            self._beaten = time.monotonic()
            state = RunState.PAUSED if self._paused else RunState.RUNNING
            self.store.beat(self.run_id, state=state, t_ns=t_ns, wall_ns=time.time_ns(), speed=self.speed)

    def _due(self, t_ns: int) -> float:
        """Monotonic time at which a tick is due; the first tick after a change of pace is due at once."""
        if self.speed <= 0:
            return 0.0
        if self._anchor is None:
            self._anchor = (t_ns, time.monotonic())
        return self._anchor[1] + (t_ns - self._anchor[0]) / 1e9 / self.speed

    def _commands(self, t_ns: int) -> list[OperatorAction]:
        actions = []
        for command in self.store.pending(self.run_id):
            if command.kind is CommandKind.ACKNOWLEDGE:
                who = command.zone_id, command.alarm, command.actor
                actions.append(
                    OperatorAction(command.command_id, t_ns, command.kind.value, *who, seen_level=round(command.value))
                )
            else:
                self._steer(command)
                self.beat(t_ns, now=True)
            self.store.sequenced(command.command_id, t_ns)
        return actions

    def _steer(self, command: Command) -> None:
        if command.kind is CommandKind.STOP:
            self.stop.set()
        elif command.kind is CommandKind.SPEED:
            self.speed = max(0.0, command.value)
        else:
            self._paused = command.kind is CommandKind.PAUSE
        self._anchor = None


@dataclass(slots=True)
class Tally:
    """What a run did, for its summary."""

    ticks: int = 0
    observations: int = 0
    detections: int = 0
    dropped: int = 0
    saturated: int = 0
    counted: int = 0
    last_tick_ns: int | None = None
    alerts: dict[str, int] = field(default_factory=dict)
    peaks: dict[str, tuple[float, float, int]] = field(default_factory=dict)
    unknown_ticks: dict[str, int] = field(default_factory=dict)
    detector_ids: set[str] = field(default_factory=set)

    def add(self, event: LogEvent, outcome: Outcome | None) -> None:
        """Count one event and its outcome. ``peaks``: zone -> (highest density, count there, when)."""
        if isinstance(event, Observation):
            self.observations += 1
            self.detections += len(event.detections)
            self.dropped += event.positions.dropped
            self.saturated += event.detections.saturated
            self.detector_ids.add(event.detections.detector_id)
            self.counted += event.mass is not None
        if outcome is None:
            return
        self.ticks += 1
        self.last_tick_ns = outcome.t_ns
        for alert in outcome.alerts:
            key = f"{alert.alarm} {alert.transition}"
            self.alerts[key] = self.alerts.get(key, 0) + 1
        for reading in outcome.readings:
            if reading.density_p_m2 != reading.density_p_m2:
                self.unknown_ticks[reading.zone_id] = self.unknown_ticks.get(reading.zone_id, 0) + 1
            elif reading.density_p_m2 > self.peaks.get(reading.zone_id, (-1.0, 0.0, 0))[0]:
                self.peaks[reading.zone_id] = (reading.density_p_m2, reading.count, outcome.t_ns)


def drive(
    state: State,
    events: Iterable[LogEvent],
    *,
    steering: Steering,
    log: Log | None,
    sink: Callable[[Outcome], None],
    tally: Tally,
    progress: Callable[[int], None] = lambda t_ns: None,
) -> State:
    """Fold events as they come, until they end or ``steering.stop`` is set.

    Args:
        state: where to begin.
        events: observations and ticks (and, from a log, actions), in order.
        steering: pace, heartbeat and operators.
        log: where events are kept, or None when they come from a log.
        sink: takes every outcome, after the events behind it have been handed to the log.
        tally: counts for the summary.
        progress: called with the event time reached.
    """
    for event in events:
        if steering.stop.is_set():
            break
        ahead = steering.before(event.t_ns) if isinstance(event, Tick) else []
        if steering.stop.is_set():
            break
        for each in (*ahead, event):
            if log is not None:
                log.append(each)
            state, outcome = advance(state, each)
            tally.add(each, outcome)
            if outcome is not None:
                sink(outcome)
                progress(outcome.t_ns)
    return state
