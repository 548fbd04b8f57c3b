"""How fast people walk where they stand so close."""

from __future__ import annotations

import numpy as np

from crowdwatch.core.records import FloatArray

__all__ = ["FREE_M_S", "JAM_P_M2", "walking_m_s"]

FREE_M_S, JAM_P_M2, SHAPE_P_M2 = 1.34, 5.4, 1.913
"""Speed where nobody is in the way, the density at which nobody moves, and the shape between them."""


def walking_m_s(density_p_m2: FloatArray) -> FloatArray:
    """Usual speed of people on foot: v = 1.34 (1 - exp(-1.913 (1 / rho - 1 / 5.4))) m/s, never below 0.

    Source: Weidmann 1993, "Transporttechnik der Fussgaenger", equation of the speed by density.

    >>> [round(float(v), 2) for v in walking_m_s(np.array([0.0, 1.0, 3.0, 5.0, 6.0]))]
    [1.34, 1.06, 0.33, 0.04, 0.0]
    """
    rho = np.maximum(density_p_m2, 1e-9)
    speed: FloatArray = FREE_M_S * np.maximum(0.0, 1 - np.exp(-SHAPE_P_M2 * (1 / rho - 1 / JAM_P_M2)))
    return speed
