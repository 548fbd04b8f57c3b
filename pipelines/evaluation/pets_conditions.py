"""PETS2009 under conditions, through the whole path: see :mod:`pipelines.evaluation.conditions`.

What belongs to the place (lamps, smoke, drops, dirt) stays from frame to frame; what belongs to the moment (noise, rain
in the air, shaking) is drawn for each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rich.table import Table

from crowdwatch.config import EventFile
from crowdwatch.core.records import Frame, FramePair
from pipelines.evaluation.conditions import KEPT_OUT, STRENGTHS, Condition, spoil
from pipelines.evaluation.whole_path import PathCounts, pets_counts

__all__ = ["figures", "table"]

SEED = 9


def figures(folder: Path, event: EventFile, kinds: Sequence[Condition], frames: Sequence[int]) -> dict[str, Any]:
    """Count some frames as they are, and under every kind at three strengths.

    Returns:
        ``clean`` and ``conditions`` (kind, strength): see :func:`_errors`.
    """
    clean = pets_counts(folder, event, frames=frames)
    found: dict[str, dict[str, dict[str, float]]] = {}
    for kind in kinds:
        for strength in STRENGTHS:
            counts = pets_counts(folder, event, frames=frames, shown=_Spoiled(kind, strength))
            found.setdefault(str(kind), {})[str(strength)] = _errors(counts)
    return {"frames": len(frames), "counter": clean.counter, "clean": _errors(clean), "conditions": found}


class _Spoiled:
    """What a camera shows under a condition. A frame looks the same as the current one and as the one before."""

    def __init__(self, kind: Condition, strength: int) -> None:
        self._kind, self._strength = kind, strength

    def __call__(self, pair: FramePair) -> FramePair:
        before = None if pair.previous is None else self._frame(pair.previous)
        return FramePair(before, self._frame(pair.current))

    def _frame(self, frame: Frame) -> Frame:
        which = [SEED, list(Condition).index(self._kind), self._strength]
        place, moment = np.random.default_rng(which), np.random.default_rng([*which, frame.stamp.seq])
        spoiled = spoil(frame.image_bgr, self._kind, self._strength, place, moment=moment)
        if spoiled.shape != frame.image_bgr.shape:  # a camera's pictures keep their size
            size = frame.image_hw[::-1]
            spoiled = np.asarray(cv2.resize(spoiled, size, interpolation=cv2.INTER_LINEAR), np.uint8)
        return Frame(frame.stamp, spoiled, frame.plane)


def _errors(counts: PathCounts) -> dict[str, float]:
    """``mae`` and ``total_ratio`` (counted over true) of the frames that have a count, ``boxes_mae``, the share of the
    frames that have one, and the share of these whose interval holds the truth."""
    known = np.isfinite(counts.found)
    true, found = counts.true[known], counts.found[known]
    held = (counts.low[known] <= true) & (true <= counts.high[known])
    boxes = np.isfinite(counts.boxes)
    answer = {
        "mae": np.abs(found - true).mean() if known.any() else np.nan,
        "total_ratio": found.sum() / true.sum() if known.any() and true.sum() else np.nan,
        "boxes_mae": np.abs(counts.boxes[boxes] - counts.true[boxes]).mean() if boxes.any() else np.nan,
        "counted_frac": known.mean(),
        "interval_held": held.mean() if known.any() else np.nan,
    }
    return {key: round(float(value), 4) for key, value in answer.items()}


def table(result: Mapping[str, Any]) -> Table:
    """All of it for a terminal."""
    heads = ("MAE", "counted over true", "MAE of boxes", "frames with a count", "interval holds")
    title = f"PETS2009 under conditions, {result['frames']} frames, counter {result['counter']}"
    shown = Table("condition", "strength", *heads, title=title, caption="* kept out of training")
    shown.add_row("clean", "", *(f"{value:.2f}" for value in result["clean"].values()))
    for kind, by_strength in result["conditions"].items():
        mark = " *" if kind in KEPT_OUT else ""
        for strength, values in by_strength.items():
            shown.add_row(kind + mark, strength, *(f"{value:.2f}" for value in values.values()))
    return shown
