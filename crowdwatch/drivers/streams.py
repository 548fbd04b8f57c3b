"""Where the events of a run come from: footage, a log, or the chunks of a batch. ``advance`` does not know which.

A stream gives events in their order, each observation with the frame that it was made from, where there is one.
"""

from __future__ import annotations

import heapq
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from typing import Protocol, TypeAlias

from crowdwatch.core.records import Frame, FramePair, LogEvent, Observation, ObservationId, Tick
from crowdwatch.drivers.feed import Feed
from crowdwatch.drivers.reading import read_in_thread
from crowdwatch.errors import SourceError
from crowdwatch.observation.prefetch import prefetch

__all__ = ["EventStream", "LoggedStream", "ObservedStream", "RecordedStream", "StreamItem", "ticked"]

StreamItem: TypeAlias = tuple[LogEvent, Frame | None]
"""An event, and the frame of an observation where the stream has it."""


class EventStream(Protocol):
    """Events in the order in which ``advance`` takes them."""

    @property
    def faults(self) -> list[SourceError]:
        """What broke off so far; a stream goes on without it."""

    def __iter__(self) -> Iterator[StreamItem]: ...


class RecordedStream:
    """Footage: observations in time order, a tick at every multiple of ``tick_ns`` of event time.

    Every camera is read in a thread of its own. A camera whose footage breaks is left out from then on and its fault
    kept; ticks go on to the end that the containers declared, so that the silence shows.

    Args:
        feeds: one per camera.
        from_ns, to_ns: the span of event time, end exclusive.
        tick_ns: distance of the ticks.
    """

    def __init__(self, feeds: list[Feed], from_ns: int, to_ns: int, tick_ns: int) -> None:
        self._feeds, self._tick_ns = feeds, tick_ns
        self._from_ns, self._to_ns = from_ns, to_ns
        self.faults: list[SourceError] = []

    def go_on_after(self, last_tick_ns: int | None) -> None:
        """Begin behind a tick that has been folded already; None for the beginning."""
        if last_tick_ns is not None:
            self._from_ns = last_tick_ns + 1

    def __iter__(self) -> Iterator[StreamItem]:
        """Yield every event of the span."""
        cameras = [self._camera(feed) for feed in self._feeds]
        merged = heapq.merge(*cameras, key=lambda item: (item[1].current.stamp.t_ns, item[0].source.camera_id))
        observed = prefetch(merged, _observed, max((feed.threads for feed in self._feeds), default=1))
        try:
            yield from ticked(observed, self._from_ns, self._to_ns, self._tick_ns)
        finally:
            observed.close()
            for camera in cameras:
                camera.close()

    def _camera(self, feed: Feed) -> Generator[tuple[Feed, FramePair]]:
        pairs = read_in_thread(feed.source.pairs(self._from_ns, self._to_ns), name=feed.source.camera_id)
        try:
            with closing(pairs):
                for pair in pairs:
                    yield feed, pair
        except SourceError as error:
            self.faults.append(error)


class LoggedStream:
    """A log that is folded again: its events as they stand in it, without pictures.

    Args:
        events: of the log.
    """

    def __init__(self, events: Iterable[LogEvent]) -> None:
        self._events = events
        self.faults: list[SourceError] = []

    def __iter__(self) -> Iterator[StreamItem]:
        """Yield every event of the log."""
        for event in self._events:
            yield event, None


class ObservedStream:
    """Observations that were made before, as chunks of a batch are: put in order with ticks, without pictures.

    Args:
        observations: by time, then camera.
        from_ns, to_ns: the span, end exclusive.
        tick_ns: distance of the ticks.
        faults: what could not be observed.
    """

    def __init__(
        self, observations: Iterable[Observation], from_ns: int, to_ns: int, tick_ns: int, faults: list[SourceError]
    ) -> None:
        self._observations = observations
        self._span = from_ns, to_ns, tick_ns
        self.faults = faults

    def __iter__(self) -> Iterator[StreamItem]:
        """Yield every event of the span."""
        return ticked(((observation, None) for observation in self._observations), *self._span)


def ticked(
    coming: Iterable[tuple[Observation, Frame | None]], first_ns: int, to_ns: int, tick_ns: int
) -> Iterator[StreamItem]:
    """Put ticks between observations: one at every multiple of ``tick_ns``, which includes what was exposed up to it.

    Args:
        coming: observations by time, then camera, with their frames.
        first_ns, to_ns: the span, end exclusive; ticks begin at or after its start and go on to the first at or after
            its end, whatever is observed.
        tick_ns: distance of the ticks.
    """
    next_ns = -(-first_ns // tick_ns) * tick_ns
    included: list[ObservationId] = []
    for observation, frame in coming:
        while observation.stamp.t_ns > next_ns:
            yield Tick(next_ns, tuple(included)), None
            included.clear()
            next_ns += tick_ns
        included.append(observation.stamp.id)
        yield observation, frame
    while next_ns < to_ns + tick_ns:
        yield Tick(next_ns, tuple(included)), None
        included.clear()
        next_ns += tick_ns


def _observed(item: tuple[Feed, FramePair]) -> tuple[Observation, Frame]:
    feed, pair = item
    return feed.observe(pair), pair.current
