"""What a station has not sent yet. It is bounded: the newest matters, and what is left out is counted."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from crowdwatch.core.live import CoarsePicture, LiveMessage, StreamStatus
from crowdwatch.core.records import Observation
from crowdwatch.drivers.live.wire import camera_of

__all__ = ["MOST_WAITING", "OLD_S", "Backlog"]

MOST_WAITING = 64
"""Observations, and likewise faults, of one camera that wait at most."""

OLD_S = 1.0
"""An observation that waited longer gives way to a newer one of its camera: the engine has ticked without it."""


@dataclass(slots=True)
class Backlog:
    """Messages that wait to be sent, in order; pictures after all else.

    Of a camera's statuses and pictures only the newest waits. One thread at a time.

    Args:
        clock: seconds, never going back.
        left_out: messages that were never sent, since newer ones came; without pictures, which are for the eye.
        pictures_left: pictures that were never sent.
    """

    clock: Callable[[], float]
    left_out: int = 0
    pictures_left: int = 0
    _waiting: OrderedDict[int, tuple[float, LiveMessage]] = field(default_factory=OrderedDict)
    _pictures: OrderedDict[str, CoarsePicture] = field(default_factory=OrderedDict)
    _places: dict[tuple[str, type], deque[int]] = field(default_factory=dict)
    _next: int = 0

    def __len__(self) -> int:
        return len(self._waiting) + len(self._pictures)

    def put(self, message: LiveMessage) -> None:
        """Add a message behind the others."""
        camera_id = camera_of(message)
        if isinstance(message, CoarsePicture):
            self.pictures_left += self._pictures.pop(camera_id, None) is not None
            self._pictures[camera_id] = message
            return
        places = self._places.setdefault((camera_id, type(message)), deque())
        most = 1 if isinstance(message, StreamStatus) else MOST_WAITING
        while len(places) >= most:
            del self._waiting[places.popleft()]
            self.left_out += not isinstance(message, StreamStatus)
        places.append(self._next)
        self._waiting[self._next] = self.clock(), message
        self._next += 1

    def take(self, *, pictures: bool = True) -> LiveMessage | None:
        """The next message to be sent; None where nothing waits, or only a picture and none is wanted."""
        while self._waiting:
            _, (since, message) = self._waiting.popitem(last=False)
            places = self._places[camera_of(message), type(message)]
            places.popleft()
            if isinstance(message, Observation) and places and self.clock() - since > OLD_S:
                self.left_out += 1
                continue
            return message
        if pictures and self._pictures:
            return self._pictures.popitem(last=False)[1]
        return None
