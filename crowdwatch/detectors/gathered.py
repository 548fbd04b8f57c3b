"""Frames of several callers in one pass: what a GPU needs where many cameras give one frame each."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock

from crowdwatch.core.ports import Detector
from crowdwatch.core.records import Anchor, Detections, Frame
from crowdwatch.errors import ModelError

__all__ = ["GatheredDetector"]


@dataclass(slots=True, eq=False)
class _Call:
    frames: Sequence[Frame]
    found: list[Detections] | ModelError | None = None


class GatheredDetector:
    """A detector whose callers do not wait for each other's passes: whoever comes while it is busy goes into the next
    pass, with all others who came. Nobody waits for company while it is idle.

    Args:
        detector: looks at the frames; what it finds in one does not depend on the others.
        most: frames of one pass.
    """

    def __init__(self, detector: Detector, most: int) -> None:
        self._detector, self._most = detector, most
        self._waiting: deque[_Call] = deque()
        self._one_pass = Lock()

    @property
    def detector_id(self) -> str:
        """Of the detector."""
        return self._detector.detector_id

    @property
    def anchor(self) -> Anchor:
        """Of the detector."""
        return self._detector.anchor

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """Boxes of people, one record per frame, in order. Raises ModelError."""
        own = _Call(frames)
        self._waiting.append(own)
        with self._one_pass:  # the first one in works for all who wait, in the order in which they came
            while own.found is None:
                self._pass()
        if isinstance(own.found, ModelError):
            raise own.found
        return own.found

    def _pass(self) -> None:
        calls = [self._waiting.popleft()]
        while self._waiting and sum(len(each.frames) for each in (*calls, self._waiting[0])) <= self._most:
            calls.append(self._waiting.popleft())
        try:
            found = self._detector.detect([frame for call in calls for frame in call.frames])
        except ModelError:
            for call in calls:  # the fault of one is not that of the others
                call.found = self._alone(call)
            return
        for call in calls:
            call.found, found = found[: len(call.frames)], found[len(call.frames) :]

    def _alone(self, call: _Call) -> list[Detections] | ModelError:
        try:
            return self._detector.detect(call.frames)
        except ModelError as error:
            return error

    def close(self) -> None:
        """Release the model."""
        self._detector.close()
