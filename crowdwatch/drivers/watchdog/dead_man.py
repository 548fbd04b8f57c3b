"""Does the engine of an event live? Decided from what was seen of its heartbeat; no clock, no store, no network.

A heartbeat is one that **changes**: its age is counted on the watchdog's own clock since the last change, so that
clocks that disagree, or jump, declare nobody dead and nobody alive.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from crowdwatch.core.runs import Run, RunState

__all__ = ["ALIVE_S", "DEAD_AFTER_S", "START_S", "STILL_S", "DeadMan", "Kind", "Notice"]

DEAD_AFTER_S = 5.0
"""A heartbeat that has not changed for longer is a dead engine, as on the page (rule 1 of the design)."""

STILL_S = 15.0
"""An engine that beats but whose newest tick has not changed for longer, and two ticks, gives no readings. Longer than
a take-over by an engine that stood by, and than what the outbox makes good by itself."""

ALIVE_S = 5.0
"""An engine lives again once it has been beating for so long: one beat between two deaths is no recovery."""

START_S = 30.0
"""What is given to an engine that is being started with the watchdog, before its absence is told."""


class Kind(StrEnum):
    """What is told."""

    DOWN = "down"
    """The engine was seen alive, or should be alive, and is not; or it gives no readings."""
    ENDED = "ended"
    """It was stopped, or the event is over."""
    UNREADABLE = "unreadable"
    """The store cannot be read: nobody can know."""
    UP = "up"
    """It lives (again)."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing to tell.

    Args:
        kind: what.
        event_id: the event.
        run_id: the run, or empty.
        text: one or two sentences: what, the evidence, the remedy.
    """

    kind: Kind
    event_id: str
    run_id: str
    text: str


@dataclass(slots=True)
class _Pulse:
    """What was seen of one run, on the watchdog's clock."""

    run: Run
    beat_s: float
    tick_s: float
    beats: bool = False
    """Whether a change of the heartbeat was ever seen."""


class DeadMan:
    """Judges one event. Within one outage every kind is told once; an outage ends when the engine has lived for
    :data:`ALIVE_S`, which is told once too.

    Args:
        event_id: the event.
        now_s: the watchdog's clock, seconds.
        told: kinds that were told of the present outage before the watchdog was started again.
        tick_s: seconds of event time between two ticks of a run.
    """

    def __init__(
        self, event_id: str, now_s: float, told: Iterable[Kind] = (), tick_s: Callable[[Run], float] = lambda run: 1.0
    ) -> None:
        self._event_id, self._began_s, self._tick_every_s = event_id, now_s, tick_s
        self._told = set(told)
        self._pulses: dict[str, _Pulse] = {}
        self._read_s, self._read_once, self._fault = now_s, False, "it has not answered yet"
        self._alive_since_s: float | None = None
        self._lived = False

    @property
    def told(self) -> tuple[Kind, ...]:
        """Kinds that were told of the present outage; none while the engine lives."""
        return tuple(sorted(self._told))

    def saw(self, now_s: float, runs: Sequence[Run]) -> None:
        """Take the live runs of the event, as the store has them."""
        self._read_s, self._read_once, self._fault = now_s, True, ""
        for run in runs:
            known = self._pulses.get(run.run_id)
            if known is None:
                self._pulses[run.run_id] = _Pulse(run, now_s, now_s)
                continue
            if run.beat_wall_ns != known.run.beat_wall_ns:
                known.beat_s, known.beats = now_s, True
            if run.t_ns != known.run.t_ns:
                known.tick_s = now_s
            known.run = run
        for gone in self._pulses.keys() - {run.run_id for run in runs}:
            del self._pulses[gone]

    def missed(self, fault: str) -> None:
        """Take note that the store could not be read, and why."""
        self._fault = fault

    def judge(self, now_s: float) -> Notice | None:
        """What is to be told now, if anything."""
        found = self._find(now_s)
        if found is None:
            return None
        kind, pulse, text = found
        run = None if pulse is None else pulse.run
        if kind is Kind.UP and pulse is not None:
            return self._lives(now_s, pulse)
        self._alive_since_s = None
        if not self._lived and not self._told and now_s - self._began_s <= START_S:
            return None
        if kind in self._told or (kind is Kind.ENDED and Kind.DOWN in self._told):
            return None
        self._told.add(kind)
        return self._notice(kind, run, text)

    def _lives(self, now_s: float, pulse: _Pulse) -> Notice | None:
        """The end of an outage: beats that lie so far apart, with no death between them."""
        self._alive_since_s = now_s if self._alive_since_s is None else self._alive_since_s
        if self._told and pulse.beat_s - self._alive_since_s < ALIVE_S:
            return None
        told, self._lived = bool(self._told), True
        self._told.clear()
        text = "The engine lives and its readings go on. Look at the page before you rely on it."
        return self._notice(Kind.UP, pulse.run, text) if told else None

    def _notice(self, kind: Kind, run: Run | None, text: str) -> Notice:
        return Notice(kind, self._event_id, "" if run is None else run.run_id, text)

    def _find(self, now_s: float) -> tuple[Kind, _Pulse | None, str] | None:
        """How the engine stands now; None while that is not certain."""
        unread_s = now_s - self._read_s
        newest = max(self._pulses.values(), key=lambda pulse: pulse.beat_s, default=None)
        if unread_s > DEAD_AFTER_S:
            return Kind.UNREADABLE, newest, (
                f"The store cannot be read for {unread_s:.0f} s, so that nobody can know whether the engine lives: "
                f"{self._fault} Take every zone for UNKNOWN. Check the store, then the engine."
            )  # fmt: skip
        if not self._read_once:
            return None
        if newest is None:
            return Kind.DOWN, None, (
                "The store has no live run of this event. Take every zone for UNKNOWN. Start the engine: "
                "crowdwatch live EVENT.YAML."
            )  # fmt: skip
        # as of the newest look: what was not looked at is not silent
        found = _judge_run(self._read_s, newest, STILL_S + 2 * self._tick_every_s(newest.run))
        return None if found is None else (found[0], newest, found[1])


def _judge_run(read_s: float, pulse: _Pulse, still_s: float) -> tuple[Kind, str] | None:
    """How the run that was heard last stands; None while that is not certain."""
    run, unknown = pulse.run, "Take every zone for UNKNOWN."
    if run.state is RunState.FAILED:
        said = run.message or "it did not say which."
        return Kind.DOWN, f"The engine ended with an error: {said} {unknown} Mend it and start the engine again."
    if run.state in (RunState.STOPPED, RunState.FINISHED):
        return Kind.ENDED, f"The engine was stopped. {unknown} Where the event goes on, start it again."
    beat_s, tick_s = read_s - pulse.beat_s, read_s - pulse.tick_s
    if beat_s > DEAD_AFTER_S:
        return Kind.DOWN, (
            f"The engine gives no sign of life for {beat_s:.0f} s. {unknown} Look at its machine and its log, and "
            f"start it again."
        )  # fmt: skip
    if tick_s > still_s or run.state is RunState.PAUSED:
        said = run.message or "It does not say why; look at its log."
        return Kind.DOWN, f"The engine lives but has given no reading for {tick_s:.0f} s. {unknown} {said}"
    return (Kind.UP, "") if pulse.beats else None
