"""How good a count and its positions are, against annotated truth."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from defusedxml import ElementTree
from scipy.optimize import linear_sum_assignment

from crowdwatch.core.records import FloatArray
from crowdwatch.errors import ConfigError

__all__ = ["FrameScore", "Score", "match", "read_boxes", "score", "summarise"]


@dataclass(frozen=True, slots=True)
class FrameScore:
    """One frame: how many people there are, how many were found, and how far off the matched ones are (metres)."""

    truth: int
    found: int
    errors_m: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Score:
    """Over many frames.

    Args:
        frames: how many.
        people: annotated people, summed over the frames.
        count_mae: mean over frames of |found - truth|, persons.
        count_bias: mean over frames of found - truth, persons.
        precision: matched / found; NaN when nothing was found.
        recall: matched / annotated; NaN when nobody is there.
        position_median_m, position_p90_m: of the matched people's ground distance; NaN without a match.
    """

    frames: int
    people: int
    count_mae: float
    count_bias: float
    precision: float
    recall: float
    position_median_m: float
    position_p90_m: float

    def to_dict(self) -> dict[str, float]:
        """Plain values, rounded to what their sample supports."""
        return {key: round(value, 4) for key, value in asdict(self).items()}


def match(truth_m: FloatArray, found_m: FloatArray, gate_m: float) -> FloatArray:
    """Distances of the best one-to-one matching (Hungarian method) in which no pair is farther apart than the gate.

    Pairs beyond the gate cost twice the gate, so that the number of pairs within it comes first.

    Args:
        truth_m: (N, 2); found_m: (M, 2), NaN rows match nothing; gate_m: metres.

    Returns:
        (K,) distances of the K matched pairs.

    >>> match(np.array([[0.0, 0], [5, 0]]), np.array([[0.3, 0.4], [9, 9]]), 1.0).round(3).tolist()
    [0.5]
    """
    found = found_m[np.isfinite(found_m).all(axis=1)]
    if not len(truth_m) or not len(found):
        return np.empty(0)
    distance = np.hypot(*(truth_m[:, None, :] - found[None, :, :]).transpose(2, 0, 1))
    far = 1e3 * gate_m * max(distance.shape)
    rows, cols = linear_sum_assignment(np.where(distance <= gate_m, distance, far))
    pairs: FloatArray = distance[rows, cols]
    return pairs[pairs <= gate_m]


def score(truth_m: FloatArray, found_m: FloatArray, gate_m: float) -> FrameScore:
    """Score one frame; ``found_m`` holds a row for everyone who was counted, NaN where the position is unknown."""
    return FrameScore(len(truth_m), len(found_m), tuple(match(truth_m, found_m, gate_m).tolist()))


def summarise(frames: list[FrameScore]) -> Score:
    """Put frames together.

    >>> summarise([FrameScore(2, 1, (0.5,)), FrameScore(1, 2, (0.1,))]).count_mae
    1.0
    """
    truth = np.array([frame.truth for frame in frames], dtype=float)
    found = np.array([frame.found for frame in frames], dtype=float)
    errors = np.array([error for frame in frames for error in frame.errors_m])
    return Score(
        frames=len(frames),
        people=int(truth.sum()),
        count_mae=float(np.abs(found - truth).mean()),
        count_bias=float((found - truth).mean()),
        precision=len(errors) / found.sum() if found.sum() else math.nan,
        recall=len(errors) / truth.sum() if truth.sum() else math.nan,
        position_median_m=float(np.median(errors)) if len(errors) else math.nan,
        position_p90_m=float(np.quantile(errors, 0.9)) if len(errors) else math.nan,
    )


def read_boxes(path: Path) -> list[FloatArray]:
    """Read annotated boxes in CVML (``frame/objectlist/object/box`` with h, w, xc, yc): one (N, 4) xyxy per frame.

    Raises:
        ConfigError: missing, not XML, or frames that do not count up from 0.
    """
    try:
        root = ElementTree.parse(path).getroot()
        frames = []
        for number, frame in enumerate(root.iter("frame")):
            if int(frame.attrib["number"]) != number:
                raise ConfigError(f"annotations {path}: frame {frame.attrib['number']} where {number} was expected.")
            boxes = [[float(box.attrib[key]) for key in ("xc", "yc", "w", "h")] for box in frame.iter("box")]
            xc, yc, w, h = np.array(boxes, dtype=float).reshape(-1, 4).T
            frames.append(np.stack([xc - w / 2, yc - h / 2, xc + w / 2, yc + h / 2], axis=1))
    except (OSError, ElementTree.ParseError, KeyError, ValueError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"annotations {path}: cannot be read ({error}). Name the folder of the dataset.") from error
    return frames
