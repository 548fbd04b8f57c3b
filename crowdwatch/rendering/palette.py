"""The colours and signs of the map, the picture, the charts and the legend: one meaning everywhere.

A density has one colour on every screen: the bands are fixed in p/m2, never stretched to the data. They have one hue
and grow lighter step by step, so that they keep their order for every kind of colour vision and in print. A level has a
colour, a sign and a name; UNKNOWN is grey and hatched, never a colour that could pass for safe. No level looks like
another one, nor like a density, to people with any kind of colour vision (``tests/unit/test_palette.py``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crowdwatch.core.outcomes import Level
from crowdwatch.core.records import FloatArray

__all__ = [
    "BAND_COLOURS",
    "BAND_EDGES_P_M2",
    "GREY",
    "GROUND",
    "INK",
    "LEVEL_STYLES",
    "OFF_SITE",
    "UNSEEN",
    "LevelStyle",
    "band_index",
    "rgb",
]

BAND_EDGES_P_M2: tuple[float, ...] = (0.1, 0.5, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0)
"""Lower edges of the bands; the whole numbers are those of the default limits, 0.1 is one person in 10 m2."""

BAND_COLOURS: tuple[str, ...] = (
    "#003729",
    "#00533f",
    "#047057",
    "#2a8d71",
    "#4caa8c",
    "#6bc7a9",
    "#89e6c6",
    "#c0fee7",
)
"""One colour per band of :data:`BAND_EDGES_P_M2`, from dark to light. Below the first edge nothing is painted."""

GREY = "#8d959d"
"""The colour of everything that is not known."""


INK, GROUND, UNSEEN, OFF_SITE = "#f2f5f7", "#26323d", "#20272f", "#0f141a"
"""Of a map: lines and text; ground that is seen; ground that is not, under stripes of :data:`GREY`; no ground."""


@dataclass(frozen=True, slots=True)
class LevelStyle:
    """How a level looks: background, text colour with a contrast of at least 4.5 to 1, and a sign."""

    colour: str
    ink: str
    sign: str


LEVEL_STYLES: dict[Level, LevelStyle] = {
    Level.UNKNOWN: LevelStyle(GREY, "#000000", "?"),
    Level.NORMAL: LevelStyle("#30569e", "#ffffff", "○"),
    Level.WATCH: LevelStyle("#f8f6b3", "#000000", "◇"),
    Level.CAUTION: LevelStyle("#ea8e00", "#000000", "◆"),
    Level.ALERT: LevelStyle("#cc0014", "#ffffff", "▲"),
    Level.CRITICAL: LevelStyle("#d67bff", "#000000", "✖"),
}


def rgb(colour: str) -> tuple[int, int, int]:
    """Red, green and blue of ``#rrggbb``.

    >>> rgb("#30569e")
    (48, 86, 158)
    """
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def band_index(rho_p_m2: FloatArray) -> NDArray[np.int64]:
    """Number of the band of each density: -1 below the first edge, -2 where the density is unknown.

    Args:
        rho_p_m2: densities of any shape, NaN where unknown.

    Returns:
        An array of the same shape; an edge belongs to the band above it.

    >>> band_index(np.array([0.0, 0.1, 0.99, 1.0, 9.0, np.nan])).tolist()
    [-1, 0, 1, 2, 7, -2]
    """
    index = np.searchsorted(BAND_EDGES_P_M2, rho_p_m2, side="right") - 1
    return np.where(np.isnan(rho_p_m2), -2, index).astype(np.int64)
