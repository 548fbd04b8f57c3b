"""How many fewer and how many more people there may be than a counter found, for the state of the picture.

With x the statistics of a picture (:mod:`crowdwatch.counters.picture_state`), z = (x - middle) / spread, cut off at 3,

    more = exp(u) - 1,   fewer = 1 - exp(-u),   u = s log(1 + exp(B (b + w z))) / B,   B = 3,

with b, w and s of each side. u is what the 95 % quantile (the 5 % quantile) of log(true / found) is beyond that of
photographs as they are, so that it is near 0 for these, and what the interval of a count is widened by. The parameters
stand in ``margins.yaml`` beside the weights. ``python -m pipelines.margins fit`` fits them on photographs as they are
and spoiled.

Source: Koenker and Bassett 1978, "Regression Quantiles".
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, PositiveFloat, ValidationError

from crowdwatch.core.records import FloatArray, readonly
from crowdwatch.counters.picture_state import NAMES, state_of
from crowdwatch.detectors.weights import read_yaml
from crowdwatch.errors import ModelError, RecordError

__all__ = ["BEND", "FAR", "FILE", "Margins", "read"]

FILE = "margins.yaml"
BEND = 3.0
"""B: how sharply u leaves 0."""

FAR = 3.0
"""Spreads from the middle beyond which a statistic says no more: nothing was fitted there."""


@dataclass(frozen=True, slots=True, eq=False)
class Margins:
    """The fitted parameters.

    Args:
        middle, spread: (K,) of each statistic of :data:`~crowdwatch.counters.picture_state.NAMES`.
        weights: (2, K) w, of the lower side and of the upper one.
        offsets: (2,) b.
        stretch: (2,) s.
    """

    middle: FloatArray
    spread: FloatArray
    weights: FloatArray
    offsets: FloatArray
    stretch: FloatArray

    def __post_init__(self) -> None:
        count = len(NAMES)
        shapes = {"middle": (count,), "spread": (count,), "weights": (2, count), "offsets": (2,), "stretch": (2,)}
        for name, shape in shapes.items():
            object.__setattr__(self, name, readonly(name, getattr(self, name), shape))
            if not np.isfinite(getattr(self, name)).all():
                raise RecordError(f"margins: {name}: every number must be finite.")
        if not ((self.spread > 0).all() and (self.stretch > 0).all()):
            raise RecordError("margins: spread, stretch: every number must be above 0.")

    def beyond(self, states: FloatArray) -> FloatArray:
        """(N, 2) u of the lower and of the upper side, for (N, K) statistics."""
        z = np.clip((states - self.middle) / self.spread, -FAR, FAR)
        u: FloatArray = np.logaddexp(0.0, BEND * (z @ self.weights.T + self.offsets)) / BEND
        return u * self.stretch

    def of(self, image_bgr: NDArray[np.uint8], mass: FloatArray, block_px: float) -> tuple[float, float]:
        """Shares of the mass by which there may be fewer and more people; NaN for a picture too small to say.

        Args:
            image_bgr: (H, W, 3).
            mass: (h, w) persons per block that the counter found in it.
            block_px: side of a block.
        """
        state = state_of(image_bgr, mass, block_px)
        if state is None:
            return math.nan, math.nan
        lower, upper = self.beyond(state[None])[0]
        return float(-np.expm1(-lower)), float(np.expm1(upper))


class _Side(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    fewer: float
    more: float


class _Statistic(_Side):
    middle: float
    spread: PositiveFloat


class _File(BaseModel):
    model_config = ConfigDict(allow_inf_nan=False)
    offsets: _Side
    stretch: _Side
    statistics: dict[str, _Statistic]


def read(path: Path) -> Margins | None:
    """What was fitted for a counter; None where there is no such file.

    Raises:
        ModelError: it is damaged, or made for other statistics.
    """
    if not path.is_file():
        return None
    remedy = "Restore it, or fit it again with python -m pipelines.margins fit."
    try:
        found = _File.model_validate(read_yaml(path))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ModelError(f"{path}: {place}: {first['msg']}. {remedy}") from error
    if set(found.statistics) != set(NAMES):
        strange = sorted(set(found.statistics) ^ set(NAMES))
        raise ModelError(f"{path}: statistics: {', '.join(strange)}: missing or unknown. {remedy}")
    rows = [found.statistics[name] for name in NAMES]
    return Margins(
        np.array([row.middle for row in rows]),
        np.array([row.spread for row in rows]),
        np.array([[row.fewer for row in rows], [row.more for row in rows]]),
        np.array([found.offsets.fewer, found.offsets.more]),
        np.array([found.stretch.fewer, found.stretch.more]),
    )
