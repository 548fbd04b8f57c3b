"""The run loop: events go through ``advance``, and what comes out goes to the sink.

One loop for every driver, whatever its stream and its clock. What operators ask is put into the order of events just
before the tick that folds it, and logged there.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from crowdwatch.analytics.engine import State, advance
from crowdwatch.core.outcomes import Outcome
from crowdwatch.core.ports import Store
from crowdwatch.core.records import Detections, Frame, LogEvent, Observation, OperatorAction, Tick
from crowdwatch.core.runs import RunState
from crowdwatch.drivers.board import Board
from crowdwatch.drivers.clock import Clock
from crowdwatch.drivers.heartbeat import HUNG_S, Heartbeat
from crowdwatch.drivers.inlet import CommandInlet, Journaled
from crowdwatch.drivers.streams import EventStream
from crowdwatch.drivers.totals import RunTotals

__all__ = ["EventLog", "Loop", "Pictures", "Sink"]

POLL_S = 0.1

Pictures: TypeAlias = Mapping[str, tuple[Frame, Detections]]
"""Per camera, the newest frame that a tick includes, and what was found in it."""


class EventLog(Protocol):
    """Where events are kept in their order."""

    def append(self, event: LogEvent) -> None:
        """Add one event."""


class Sink(Protocol):
    """Takes what comes out of every tick, after the events behind it have been handed to the log."""

    def __call__(self, outcome: Outcome, pictures: Pictures) -> None:
        """Take one outcome, with the pictures that came since the tick before."""


@dataclass(slots=True)
class Loop:
    """A run from its first event to its last.

    Args:
        store: where commands come from and heartbeats go to.
        run_id: the run.
        clock: when a tick is due.
        stop: set it, and the loop ends cleanly at the next event.
        log: where events are kept, or None when they come from a log.
        sink: takes every outcome.
        totals: counts for the summary.
        progress: called with the event time reached.
        board: what ails the run; its heartbeat says it.
        written: the newest tick that the store has, so that the run's time is never ahead of its readings; without it,
            the newest that the sink has taken.
        zone_ids: of the event; commands for others are refused. None leaves them unjudged.
        journaled: where actions are written down, and those of before.
        live: whether it follows live cameras, so that it cannot be paused.
        folded: called with the state after every tick, once its outcome has been taken.
        gate_ids: of the event; counts at others are refused. None leaves them unjudged.
        hung_s: as of :class:`~crowdwatch.drivers.heartbeat.Heartbeat`.
    """

    store: Store
    run_id: str
    clock: Clock
    stop: threading.Event
    log: EventLog | None
    sink: Sink
    totals: RunTotals
    progress: Callable[[int], None] = lambda t_ns: None
    board: Board = field(default_factory=Board)
    written: Callable[[], int | None] | None = None
    zone_ids: Collection[str] | None = None
    journaled: Journaled = field(default_factory=Journaled)
    live: bool = False
    folded: Callable[[State], None] = lambda state: None
    hung_s: float = HUNG_S
    gate_ids: Collection[str] | None = None

    def run(self, state: State, stream: EventStream, from_ns: int) -> State:
        """Fold events as they come, until they end or ``stop`` is set.

        Args:
            state: where to begin.
            stream: the events.
            from_ns: event time of the beginning.

        Raises:
            CrowdWatchError: an event, the log or the store cannot be used; what was written before stays.
        """
        inlet = CommandInlet(
            self.store, self.run_id, self.clock, self.stop, self.board, self.zone_ids, self.journaled, self.live,
            gate_ids=self.gate_ids,
        )  # fmt: skip

        def standing() -> tuple[RunState, float]:
            return RunState.PAUSED if inlet.paused else RunState.RUNNING, self.clock.speed

        newest: dict[str, tuple[Frame, Detections]] = {}
        reached = [from_ns]

        def readable_ns() -> int:
            written = reached[0] if self.written is None else self.written()
            return from_ns if written is None else written

        with Heartbeat(self.store, self.run_id, from_ns, standing, self.board, hung_s=self.hung_s) as heartbeat:
            for event, frame in stream:
                heartbeat.moved(readable_ns())
                actions = [] if self.stop.is_set() else self._actions(event, inlet, heartbeat, readable_ns)
                if self.stop.is_set():
                    break
                if frame is not None and isinstance(event, Observation):
                    newest[event.stamp.camera_id] = frame, event.detections
                for each in (*actions, event):
                    state, outcome = self._take(state, each)
                    if outcome is not None:
                        self.sink(outcome, newest)
                        newest = {}
                        reached[0] = outcome.t_ns
                        self.folded(state)
                        self.progress(outcome.t_ns)
        return state

    def _take(self, state: State, event: LogEvent) -> tuple[State, Outcome | None]:
        if self.log is not None:
            self.log.append(event)
        state, outcome = advance(state, event)
        self.totals.add(event, outcome)
        return state, outcome

    def _actions(
        self, event: LogEvent, inlet: CommandInlet, heartbeat: Heartbeat, readable_ns: Callable[[], int]
    ) -> list[OperatorAction]:
        """Wait until a tick is due; what operators did meanwhile."""
        if not isinstance(event, Tick):
            return []
        paused, speed = inlet.paused, self.clock.speed
        actions = inlet.take(event.t_ns)
        while not self.stop.is_set() and (inlet.paused or self.clock.wait_s(event.t_ns) > 0):
            if (inlet.paused, self.clock.speed) != (paused, speed):
                paused, speed = inlet.paused, self.clock.speed
                heartbeat.now()
            self.stop.wait(POLL_S if inlet.paused else min(POLL_S, self.clock.wait_s(event.t_ns)))
            actions += inlet.take(event.t_ns)
            heartbeat.moved(readable_ns())
        return actions
