"""What the engine needs of whoever observes its cameras, wherever they run."""

from __future__ import annotations

from collections.abc import Callable, Collection
from types import TracebackType
from typing import Protocol, TypeAlias

from crowdwatch.core.live import LiveMessage
from crowdwatch.drivers.configuration import RunConfiguration
from crowdwatch.sources.live.event_clock import EventClock

__all__ = ["Observers", "OpenObservers"]


class Observers(Protocol):
    """Those who observe the cameras of an event: entered, they begin; left, they end."""

    def receive(self, timeout_s: float) -> list[LiveMessage]:
        """What has come since the last call, in the order of each camera; waits up to ``timeout_s`` for the first."""

    def want_pictures(self, camera_ids: Collection[str]) -> None:
        """Ask for coarse pictures of these cameras, and of no others."""

    def __enter__(self) -> Observers: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


OpenObservers: TypeAlias = Callable[[RunConfiguration, EventClock], Observers]
"""Makes the observers of a run, which are entered once the run has begun."""
