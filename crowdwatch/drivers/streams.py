"""Where the events of a run come from: footage, a log, or the chunks of a batch. ``advance`` does not know which.

A stream gives events in their order, each observation with the frame that it was made from, where there is one.
"""

from __future__ import annotations

import heapq
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import closing
from typing import Protocol, TypeAlias

from crowdwatch.core.reasons import Code
from crowdwatch.core.records import CameraFault, Frame, FramePair, LogEvent, Observation, ObservationId, Tick
from crowdwatch.drivers.board import Board
from crowdwatch.drivers.camera_faults import CameraFaults, Repeats
from crowdwatch.drivers.feed import Attempt, Feed
from crowdwatch.drivers.reading import read_in_thread
from crowdwatch.errors import CrowdWatchError, SourceError
from crowdwatch.observation.prefetch import prefetch

__all__ = ["EventStream", "LoggedStream", "ObservedStream", "RecordedStream", "StreamItem", "ticked"]

StreamItem: TypeAlias = tuple[LogEvent, Frame | None]
"""An event, and the frame of an observation where the stream has it."""

Observed: TypeAlias = Observation | CameraFault
"""What became of a picture."""


class EventStream(Protocol):
    """Events in the order in which ``advance`` takes them."""

    @property
    def faults(self) -> list[CrowdWatchError]:
        """What broke off or could not be analysed so far; a stream goes on without it."""

    def __iter__(self) -> Iterator[StreamItem]: ...


class RecordedStream:
    """Footage: observations in time order, a tick at every multiple of ``tick_ns`` of event time.

    Every camera is read in a thread of its own. A picture that cannot be analysed is left out. A camera whose footage
    breaks is left out from then on. Either fault is kept, and is an event of its camera; ticks go on to the end that
    the containers declared, so that the silence shows.

    Args:
        feeds: one per camera.
        from_ns, to_ns: the span of event time, end exclusive.
        tick_ns: distance of the ticks.
        board: where it is said that a camera fails.
    """

    def __init__(self, feeds: list[Feed], from_ns: int, to_ns: int, tick_ns: int, board: Board | None = None) -> None:
        self._feeds, self._tick_ns = feeds, tick_ns
        self._from_ns, self._to_ns = from_ns, to_ns
        self._faults, self._repeats = CameraFaults(board or Board()), Repeats()

    @property
    def faults(self) -> list[CrowdWatchError]:
        """As of :class:`EventStream`."""
        return self._faults.all()

    def go_on_after(self, last_tick_ns: int | None, failing: Mapping[str, Code] | None = None) -> None:
        """Begin behind a tick that has been folded already; None for the beginning. ``failing`` are the faults that
        stand there."""
        if last_tick_ns is not None:
            self._from_ns = last_tick_ns + 1
        self._repeats = Repeats(dict(failing or {}))

    def __iter__(self) -> Iterator[StreamItem]:
        """Yield every event of the span."""
        cameras = [self._camera(feed) for feed in self._feeds]
        merged = heapq.merge(*cameras, key=lambda item: (_t_ns(item[1]), item[0].source.camera_id))
        observed = prefetch(merged, _attempted, max((feed.threads for feed in self._feeds), default=1))
        try:
            yield from ticked(self._noted(observed), self._from_ns, self._to_ns, self._tick_ns)
        finally:
            observed.close()
            for camera in cameras:
                camera.close()

    def _camera(self, feed: Feed) -> Generator[tuple[Feed, FramePair | Attempt]]:
        """The pictures of one camera, and where they break off the fault."""
        pairs = read_in_thread(feed.pairs(self._from_ns, self._to_ns), name=feed.source.camera_id)
        last_ns = self._from_ns
        try:
            with closing(pairs):
                for item in pairs:
                    last_ns = _t_ns(item)
                    yield feed, item
        except SourceError as error:
            yield feed, Attempt(CameraFault(feed.source.camera_id, last_ns, Code.FOOTAGE_BROKEN), error)

    def _noted(self, observed: Iterable[tuple[Attempt, Frame | None]]) -> Iterator[tuple[Observed, Frame | None]]:
        """Every event that says something new, once its fault has been noted."""
        for attempt, frame in observed:
            self._faults.add(attempt.event, attempt.error)
            if self._repeats.new(attempt.event):
                yield attempt.event, frame


class LoggedStream:
    """A log that is folded again: its events as they stand in it, without pictures.

    Args:
        events: of the log.
    """

    def __init__(self, events: Iterable[LogEvent]) -> None:
        self._events = events
        self.faults: list[CrowdWatchError] = []

    def __iter__(self) -> Iterator[StreamItem]:
        """Yield every event of the log."""
        for event in self._events:
            yield event, None


class ObservedStream:
    """Observations that were made before, as chunks of a batch are: put in order with ticks, without pictures.

    Args:
        observations: by time, then camera, with the faults that stand in the place of some.
        from_ns, to_ns: the span, end exclusive.
        tick_ns: distance of the ticks.
        faults: what could not be observed.
    """

    def __init__(
        self, observations: Iterable[Observed], from_ns: int, to_ns: int, tick_ns: int, faults: list[CrowdWatchError]
    ) -> None:
        self._observations = observations
        self._span = from_ns, to_ns, tick_ns
        self.faults = faults

    def __iter__(self) -> Iterator[StreamItem]:
        """Yield every event of the span."""
        return ticked(((observation, None) for observation in self._observations), *self._span)


def ticked(
    coming: Iterable[tuple[Observed, Frame | None]], first_ns: int, to_ns: int, tick_ns: int
) -> Iterator[StreamItem]:
    """Put ticks between observations: one at every multiple of ``tick_ns``, which includes what was exposed up to it.

    Args:
        coming: observations and faults by time, then camera, with their frames.
        first_ns, to_ns: the span, end exclusive; ticks begin at or after its start and go on to the first at or after
            its end, whatever is observed.
        tick_ns: distance of the ticks.
    """
    next_ns = -(-first_ns // tick_ns) * tick_ns
    included: list[ObservationId] = []
    for observation, frame in coming:
        while observation.t_ns > next_ns:
            yield Tick(next_ns, tuple(included)), None
            included.clear()
            next_ns += tick_ns
        if isinstance(observation, Observation):
            included.append(observation.stamp.id)
        yield observation, frame
    while next_ns < to_ns + tick_ns:
        yield Tick(next_ns, tuple(included)), None
        included.clear()
        next_ns += tick_ns


def _t_ns(item: FramePair | Attempt) -> int:
    return item.event.t_ns if isinstance(item, Attempt) else item.current.stamp.t_ns


def _attempted(item: tuple[Feed, FramePair | Attempt]) -> tuple[Attempt, Frame | None]:
    feed, what = item
    if isinstance(what, Attempt):
        return what, None
    (attempt,) = feed.attempt([what])
    return attempt, what.current
