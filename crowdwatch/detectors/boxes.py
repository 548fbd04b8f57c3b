"""Network output -> boxes of people. Every runtime goes through this module and :mod:`crowdwatch.detectors.letterbox`,
so that only the network's own arithmetic can differ between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from crowdwatch.core.records import Anchor, Detections, FloatArray, Frame
from crowdwatch.detectors.letterbox import Letterbox
from crowdwatch.errors import ConfigError, ModelError

__all__ = ["BoxLimits", "ModelShape", "people"]

MAX_CANDIDATES = 30_000
"""Boxes that non-maximum suppression looks at; a 1280 pixel network has 33,600 in all."""

NMS_IOU = 0.55
"""Chosen on frames 0 to 199 of PETS2009 S2.L1 (INT8 yolo11n, score 0.25). Count MAE there by overlap: 0.4 0.395, 0.45
0.41, 0.5 and 0.55 0.425, 0.6 0.435, 0.7 0.49, 0.8 0.80 (people are counted twice). Below 0.5 people who stand close are
lost before the seam, and they are what this program is for; of equals from 0.5 up, the upper end."""

CLASSES = {Anchor.FEET: "person", Anchor.HEAD: "head"}
"""The class whose boxes locate that part of a person; ``Detections.class_id`` is its place here."""

NEAR_LIMIT = 0.9
"""A count at this share of a limit is called saturated."""


@dataclass(frozen=True, slots=True)
class BoxLimits:
    """What is cut off before the seam.

    Args:
        score_floor: boxes below are dropped; low, because the working limit is applied after the seam.
        nms_iou: of two boxes that overlap more than this (intersection over union), the lower score is dropped.
        max_det: most boxes kept in one picture.
        max_candidates: most boxes compared in one picture.
    """

    score_floor: float = 0.05
    nms_iou: float = NMS_IOU
    max_det: int = 3000
    max_candidates: int = MAX_CANDIDATES

    def __post_init__(self) -> None:
        faults = []
        if not 0 < self.score_floor < 1:
            faults.append(f"score_floor: got {self.score_floor}, need 0 < x < 1")
        if not 0 < self.nms_iou <= 1:
            faults.append(f"nms_iou: got {self.nms_iou}, need 0 < x <= 1")
        if self.max_det < 1 or self.max_candidates < 1:
            faults.append(f"max_det, max_candidates: got {self.max_det}, {self.max_candidates}, need >= 1")
        if faults:
            raise ConfigError("detector: " + "; ".join(faults) + ".")


@dataclass(frozen=True, slots=True)
class ModelShape:
    """What a network gives.

    Args:
        class_count: number of its classes.
        counted: index of the class that is counted.
        anchor: the part of a person that its boxes locate.
    """

    class_count: int
    counted: int
    anchor: Anchor

    @classmethod
    def of(cls, what: str, names: Sequence[str], anchor: Anchor = Anchor.FEET) -> ModelShape:
        """Find the class that is counted among a network's: a ``person`` stands on its feet.

        Raises:
            ModelError: the network has no such class.
        """
        name = CLASSES[anchor]
        if name not in names:
            shown = ", ".join(names[:10])
            raise ModelError(
                f"weights {what}: no class {name!r} among {len(names)} ({shown}), which anchor {anchor.value} needs. "
                "Give other weights."
            )
        return cls(len(names), list(names).index(name), anchor)

    @property
    def suffix(self) -> str:
        """What a detector's id says of the class: nothing of people."""
        return "" if self.anchor is Anchor.FEET else f"/{CLASSES[self.anchor]}"

    def check_rows(self, what: str, output: NDArray[np.float32], candidates: int, limits: BoxLimits) -> None:
        """Refuse a network that suppresses by itself and gives fewer boxes than are wanted: a crowd would be cut off.

        Args:
            what: the weights.
            output: one picture's.
            candidates: boxes that the network has before it chooses.
            limits: says how many are wanted.

        Raises:
            ModelError: it has too few.
        """
        rows = (
            len(output) if output.ndim == 2 and output.shape[1] == 6 and len(output) != 4 + self.class_count else None
        )
        if rows is not None and rows < min(limits.max_det, candidates):
            raise ModelError(
                f"weights {what}: it suppresses by itself and gives {rows} boxes at most, {limits.max_det} are wanted: "
                "people of a crowd would be cut off. Export it without its end-to-end answer (Ultralytics: "
                f"end2end=False), or set max_boxes to {rows}; fuller pictures then read as saturated."
            )

    def detections(
        self, frame: Frame, output: NDArray[np.float32], fit: Letterbox, limits: BoxLimits, detector_id: str
    ) -> Detections:
        """One picture's network output as a record. Raises ModelError, see :func:`people`."""
        xyxy, score, saturated = people(output, self, fit, limits)
        return Detections(
            stamp=frame.stamp,
            xyxy_px=xyxy,
            score=score,
            class_id=np.full(len(score), tuple(CLASSES).index(self.anchor), dtype=np.int64),
            anchor=self.anchor,
            image_hw=frame.image_hw,
            detector_id=detector_id,
            saturated=saturated,
        )


def people(
    output: NDArray[np.float32], shape: ModelShape, fit: Letterbox, limits: BoxLimits
) -> tuple[FloatArray, FloatArray, bool]:
    """One picture's network output -> boxes of people.

    Args:
        output: (4 + classes, candidates) with x centre, y centre, width, height and a score per class; or, from a
            network that needs no suppression, (rows, 6) with left, top, right, bottom, score, class.
        shape: of the network.
        fit: how the picture was fitted.
        limits: what is cut off.

    Returns:
        xyxy_px (N, 4) and score (N,), by falling score, and whether a limit was nearly reached.

    Raises:
        ModelError: the output has another shape, or holds NaN (which would silently count as nobody).
    """
    if output.shape[0] == 4 + shape.class_count:
        xyxy, score, saturated = _raw(output, shape.counted, limits)
    elif output.ndim == 2 and output.shape[1] == 6:
        xyxy, score, saturated = _end_to_end(output, shape.counted, limits)
    else:
        raise ModelError(
            f"network output: got shape {output.shape}, need ({4 + shape.class_count}, N) or (N, 6). "
            "Is it a detection model? Export it with task detect."
        )
    xyxy = fit.to_image(xyxy)
    inside = ((xyxy[:, 2] > xyxy[:, 0]) & (xyxy[:, 3] > xyxy[:, 1])).nonzero()[0]  # not wholly in the border
    return xyxy[inside], score[inside], saturated


def _raw(output: NDArray[np.float32], person: int, limits: BoxLimits) -> tuple[FloatArray, FloatArray, bool]:
    scores = output[4 + person]
    _refuse_nan(scores)
    rows = (scores >= limits.score_floor).nonzero()[0]
    rows = rows[np.argsort(-scores[rows], kind="stable")]
    crowded = len(rows) >= NEAR_LIMIT * limits.max_candidates
    rows = rows[: limits.max_candidates]
    box = output[:4, rows].T.astype(np.float64)
    score = scores[rows].astype(np.float64)
    _refuse_nan(box)
    corner = np.concatenate([box[:, :2] - box[:, 2:] / 2, box[:, 2:]], axis=1)  # left, top, width, height
    kept = cv2.dnn.NMSBoxes(corner, score, 0.0, limits.nms_iou)  # type: ignore[arg-type]  # takes arrays too
    keep = np.asarray(kept, dtype=np.int64).reshape(-1)
    crowded = crowded or len(keep) >= NEAR_LIMIT * limits.max_det
    corner, score = corner[keep[: limits.max_det]], score[keep[: limits.max_det]]
    return np.concatenate([corner[:, :2], corner[:, :2] + corner[:, 2:]], axis=1), score, crowded


def _end_to_end(output: NDArray[np.float32], person: int, limits: BoxLimits) -> tuple[FloatArray, FloatArray, bool]:
    _refuse_nan(output)
    above = output[output[:, 4] >= limits.score_floor]
    crowded = len(above) >= NEAR_LIMIT * min(len(output), limits.max_det)  # rows are shared with the other classes
    found = above[above[:, 5].astype(np.int64) == person]
    found = found[np.argsort(-found[:, 4], kind="stable")][: limits.max_det].astype(np.float64)
    return found[:, :4], found[:, 4], crowded


def _refuse_nan(values: NDArray[np.float32] | FloatArray) -> None:
    if not np.isfinite(values).all():
        raise ModelError(
            "network output: got NaN or infinity, need finite numbers. The weights or the runtime are faulty: "
            "check the sha256 of the weights and try precision f32."
        )
