"""A detector that knows the answer: boxes by camera and frame number, from a list instead of a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from crowdwatch.core.records import Anchor, Detections, FloatArray, Frame, ObservationId
from crowdwatch.errors import ModelError

__all__ = ["RecordedDetector"]


class RecordedDetector:
    """Returns known boxes; used by the synthetic scene and by tests.

    Args:
        boxes: per (camera_id, seq): ``xyxy_px`` (N, 4), and ``score`` (N,) or None for certainty.
        anchor: what the boxes locate.
        detector_id: how the boxes are named in the log.
        missing_is_empty: whether a frame that is not listed means nobody (else it is an error).
    """

    def __init__(
        self,
        boxes: Mapping[ObservationId, tuple[FloatArray, FloatArray | None]],
        *,
        anchor: Anchor = Anchor.FEET,
        detector_id: str = "recorded",
        missing_is_empty: bool = False,
    ) -> None:
        self._boxes: dict[ObservationId, tuple[FloatArray, FloatArray]] = {}
        for key, (xyxy, given) in boxes.items():
            xyxy = np.asarray(xyxy, dtype=np.float64).reshape(-1, 4)
            score = np.ones(len(xyxy)) if given is None else np.asarray(given, dtype=np.float64)
            order = np.argsort(-score, kind="stable")
            self._boxes[key] = xyxy[order], score[order]
        self._anchor = anchor
        self._id = detector_id
        self._missing_is_empty = missing_is_empty
        self._open = True

    @property
    def detector_id(self) -> str:
        """The name that it was given."""
        return self._id

    @property
    def anchor(self) -> Anchor:
        """What the boxes locate."""
        return self._anchor

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """The boxes that are known for these frames. Raises ModelError when there are none or it is closed."""
        if not self._open:
            raise ModelError(f"detector {self._id}: it is closed. Build a new one.")
        return [self._one(frame) for frame in frames]

    def _one(self, frame: Frame) -> Detections:
        key = frame.stamp.id
        if key not in self._boxes and not self._missing_is_empty:
            raise ModelError(f"detector {self._id}: nothing is recorded for camera {key[0]!r}, frame {key[1]}.")
        xyxy, score = self._boxes.get(key, (np.empty((0, 4)), np.empty(0)))
        return Detections(
            stamp=frame.stamp,
            xyxy_px=xyxy,
            score=score,
            class_id=np.zeros(len(score), dtype=np.int64),
            anchor=self._anchor,
            image_hw=frame.image_hw,
            detector_id=self._id,
        )

    def close(self) -> None:
        """Forget the boxes."""
        self._boxes, self._open = {}, False
