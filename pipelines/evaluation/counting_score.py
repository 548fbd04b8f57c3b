"""How good counts of photographs are, against annotated heads: totals, and where in the picture they lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from crowdwatch.core.records import FloatArray, HeadMass
from crowdwatch.errors import ConfigError

__all__ = ["PhotoCount", "eighths_of_mass", "eighths_of_points", "game", "interval_95", "summarise"]

LEVELS = 3
SIDE = 2**LEVELS
RESAMPLES = 10_000
SEED = 20261124
FIFTHS = 5


@dataclass(frozen=True, slots=True, eq=False)
class PhotoCount:
    """One photograph.

    Args:
        true: (8, 8) annotated heads in each of 64 equal parts of the picture; row 0 is the top.
        found: (8, 8) counted ones.
    """

    true: FloatArray
    found: FloatArray


def eighths_of_points(xy_px: FloatArray, image_hw: tuple[int, int], weight: FloatArray | float = 1.0) -> FloatArray:
    """(8, 8) points, or their weights, in each of 64 equal parts of a picture; points outside count at the edge.

    >>> eighths_of_points(np.array([[0.0, 0.0], [79.9, 159.9]]), (160, 80))[[0, 7], [0, 7]].tolist()
    [1.0, 1.0]
    """
    part = np.clip((xy_px / np.array(image_hw[::-1]) * SIDE).astype(np.int64), 0, SIDE - 1)
    parts = np.zeros((SIDE, SIDE))
    np.add.at(parts, (part[:, 1], part[:, 0]), weight)
    return parts


def eighths_of_mass(mass: HeadMass) -> FloatArray:
    """(8, 8) persons of the density map in each of 64 equal parts of a picture; a block on a border is shared by area.

    The total is unchanged.
    """
    rows, columns = (_shares(side, mass.block_px) for side in mass.image_hw)
    return np.asarray(rows @ mass.mass @ columns.T)


def _shares(side: int, block_px: float) -> FloatArray:
    """(8, n) share of every block, as far as it lies in the picture, that falls into each eighth of the side."""
    blocks = int(np.ceil(side / block_px - 1e-9))
    edges = np.minimum(np.arange(blocks + 1) * block_px, side)
    eighths = np.arange(SIDE + 1) * side / SIDE
    low = np.maximum(edges[None, :-1], eighths[:-1, None])
    high = np.minimum(edges[None, 1:], eighths[1:, None])
    return np.asarray(np.maximum(high - low, 0) / np.diff(edges)[None])


def game(photo: PhotoCount, level: int) -> float:
    """Grid average mean absolute error of one photograph: the absolute errors of 4^level equal parts, summed.

    Source: Guerrero-Gomez-Olmedo et al. 2015, "Extremely Overlapping Vehicle Counting", equation 6.

    >>> photo = PhotoCount(np.zeros((8, 8)), np.pad([[2.0, -1.0]], ((0, 7), (3, 3))))
    >>> game(photo, 0), game(photo, 1)
    (1.0, 3.0)
    """
    side = SIDE // 2**level
    error = (photo.found - photo.true).reshape(2**level, side, 2**level, side).sum((1, 3))
    return float(np.abs(error).sum())


def interval_95(errors: FloatArray) -> tuple[float, float]:
    """Where the mean lies with 95 % chance: percentiles of the means of 10,000 seeded resamples (bootstrap).

    Source: Efron 1979, "Bootstrap Methods".

    >>> interval_95(np.array([2.0, 2.0, 2.0]))
    (2.0, 2.0)
    """
    drawn = np.random.default_rng(SEED).integers(len(errors), size=(RESAMPLES, len(errors)))
    low, high = np.percentile(errors[drawn].mean(axis=1), [2.5, 97.5])
    return float(low), float(high)


def summarise(photos: Sequence[PhotoCount]) -> dict[str, float | list[float]]:
    """Figures over a set.

    Returns:
        photographs, heads: how many; mae: mean |found - true|, persons; rmse: root of its mean square; nae: mean of
        |found - true| / true over photographs with people; game1 to game3: see :func:`game`; total_ratio: all found /
        all true; correlation: of found and true (Pearson); bias_by_fifth: photographs sorted by their true count in
        five groups, (found - true) / true of each group's sum; mae_interval_95: bootstrap. NaN where a figure is not
        defined (nobody there, one photograph).

    Raises:
        ConfigError: there is no photograph.
    """
    if not photos:
        raise ConfigError("score: no photographs. Is the split empty?")
    true = np.array([photo.true.sum() for photo in photos])
    found = np.array([photo.found.sum() for photo in photos])
    errors = np.abs(found - true)
    some = true > 0
    spread = len(photos) > 1 and np.ptp(true) > 0 and np.ptp(found) > 0
    fifths = np.array_split(np.argsort(true, kind="stable"), FIFTHS)
    figures: dict[str, float | list[float]] = {
        "photographs": len(photos),
        "heads": int(true.sum()),
        "mae": float(errors.mean()),
        "rmse": float(np.sqrt((errors**2).mean())),
        "nae": float((errors[some] / true[some]).mean()) if some.any() else float("nan"),
    }
    for level in range(1, LEVELS + 1):
        figures[f"game{level}"] = float(np.mean([game(photo, level) for photo in photos]))
    figures["total_ratio"] = _ratio(found.sum(), true.sum())
    figures["correlation"] = float(np.corrcoef(found, true)[0, 1]) if spread else float("nan")
    figures["bias_by_fifth"] = [_ratio(found[group].sum(), true[group].sum()) - 1 for group in fifths]
    figures["mae_interval_95"] = list(interval_95(errors))
    return figures


def _ratio(one: float, other: float) -> float:
    return float(one / other) if other > 0 else float("nan")
