"""Velocities that one pair of pictures shows. NaN means unknown, never standing still."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from crowdwatch.core.planes import FloatArray, readonly
from crowdwatch.errors import RecordError

__all__ = ["FlowSamples"]


@dataclass(frozen=True, slots=True, eq=False)
class FlowSamples:
    """Velocities on the ground where people are, from a picture and the one just before it.

    Args:
        xy_m: (N, 2) east and north.
        v_m_s: (N, 2) velocity east and north; 0 is measured standing still. What could not be measured has no row.
        sigma_m_s: (N,) standard error of each of its two components.
        span_s: time between the two pictures.
    """

    xy_m: FloatArray
    v_m_s: FloatArray
    sigma_m_s: FloatArray
    span_s: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "xy_m", readonly("xy_m", self.xy_m, (None, 2)))
        n = len(self.xy_m)
        object.__setattr__(self, "v_m_s", readonly("v_m_s", self.v_m_s, (n, 2)))
        object.__setattr__(self, "sigma_m_s", readonly("sigma_m_s", self.sigma_m_s, (n,)))
        if not (np.isfinite(self.xy_m).all() and np.isfinite(self.v_m_s).all() and self.span_s > 0):
            raise RecordError(f"flow samples must be finite, and their span above 0 s: got {self.span_s} s.")
        if not (self.sigma_m_s >= 0).all():
            raise RecordError("sigma_m_s must be 0 or more.")

    def __len__(self) -> int:
        return len(self.xy_m)
