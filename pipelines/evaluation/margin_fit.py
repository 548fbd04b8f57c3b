"""Fits :class:`crowdwatch.counters.margins.Margins` to counts of photographs as they are and spoiled."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from crowdwatch.core.intervals import COVERAGE
from crowdwatch.core.records import FloatArray
from crowdwatch.counters.margins import BEND, FAR, Margins

__all__ = ["FOLDS", "States", "fit"]

FOLDS = 5
STEPS = 250
RATE = 0.05
SHRINK = 1e-3
"""Of the squared weights, added to the loss. Between 3e-4 and 1e-2 the quantiles that were not fitted on are alike."""

STRETCHES = (1.0, 3.0)
"""More than the upper one would say that the statistics tell nothing."""

LEAST = 1e-3

AS_THEY_ARE = 2.0
"""What a photograph that was not spoiled counts for: its interval is to stay as it is."""


@dataclass(frozen=True, slots=True, eq=False)
class States:
    """Counted pictures; (N,) each.

    Args:
        state: (N, K) statistics.
        error: log((true + 1) / (found + 1)).
        kind: of the condition; empty for a photograph as it is.
        photo: number of the photograph.
    """

    state: FloatArray
    error: FloatArray
    kind: NDArray[np.str_]
    photo: NDArray[np.int64]

    def part(self, which: NDArray[np.bool_]) -> States:
        """Some of them."""
        return States(self.state[which], self.error[which], self.kind[which], self.photo[which])


def _quantiles(errors: FloatArray) -> FloatArray:
    tail = (1 - COVERAGE) / 2
    return np.asarray(np.quantile(errors, [tail, 1 - tail]))


def fit(seen: States) -> tuple[Margins, dict[str, tuple[float, float]]]:
    """Fit the two quantiles of the error beyond those of photographs as they are.

    Each photograph is judged by what the others fit. Both sides are stretched until 5 % of the worse half of the
    spoiled pictures lie beyond either end so, since what many parameters fit is too narrow for what they have not seen.

    Returns:
        The parameters, and by kind the shares of pictures with more and with fewer people than their ends say, when
        other photographs fit them.
    """
    above, below, beyond = np.zeros(len(seen.error)), np.zeros(len(seen.error)), np.zeros((len(seen.error), 2))
    for fold in range(FOLDS):
        aside = seen.photo % FOLDS == fold
        others = seen.part(~aside)
        beyond[aside] = _fit(others).beyond(seen.state[aside])
        low, high = _quantiles(others.error[others.kind == ""])
        above[aside], below[aside] = seen.error[aside] - high, low - seen.error[aside]
    sides = [
        _Side(excess, side, _stretch(excess, side, seen.kind != ""))
        for excess, side in ((above, beyond[:, 1]), (below, beyond[:, 0]))
    ]
    more, fewer = (side.outside for side in sides)
    outside = {
        str(kind): (float(more[seen.kind == kind].mean()), float(fewer[seen.kind == kind].mean()))
        for kind in sorted({*seen.kind})
    }
    stretch = np.array([side.stretch for side in sides[::-1]])
    return replace(_fit(seen), stretch=stretch), outside


@dataclass(frozen=True, slots=True, eq=False)
class _Side:
    """(N,) how far the error is beyond that of photographs as they are, and how far the margin is; its stretch."""

    excess: FloatArray
    margin: FloatArray
    stretch: float

    @property
    def outside(self) -> NDArray[np.bool_]:
        """(N,) whether the truth lies beyond the end."""
        return np.asarray(self.excess > self.stretch * self.margin)


def _stretch(excess: FloatArray, margin: FloatArray, spoiled: NDArray[np.bool_]) -> float:
    """What the margins of the worse half of the spoiled pictures are to be multiplied by."""
    worse = spoiled & (margin >= np.median(margin[spoiled]))
    wanted = float(np.quantile(excess[worse] / np.maximum(margin[worse], LEAST), (1 + COVERAGE) / 2))
    return min(max(wanted, STRETCHES[0]), STRETCHES[1])


def _fit(seen: States) -> Margins:
    """By the check loss of Koenker and Bassett. Every step sees every picture, from the same beginning: equal pictures
    give equal parameters."""
    middle, spread = seen.state.mean(axis=0), seen.state.std(axis=0) + 1e-6
    plain = seen.kind == ""
    low, high = _quantiles(seen.error[plain])
    z = torch.tensor(np.clip((seen.state - middle) / spread, -FAR, FAR))
    error, worth = torch.tensor(seen.error), torch.tensor(np.where(plain, AS_THEY_ARE, 1.0))
    weights = torch.zeros(2, z.shape[1], dtype=torch.float64, requires_grad=True)
    offsets = torch.full((2,), -0.5, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.Adam([weights, offsets], lr=RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, STEPS)
    level = (1 + COVERAGE) / 2
    for _ in range(STEPS):
        optimiser.zero_grad()
        beyond = torch.nn.functional.softplus(z @ weights.T + offsets, beta=BEND)
        above, below = error - (high + beyond[:, 1]), (low - beyond[:, 0]) - error
        loss = sum(torch.maximum(level * each, (level - 1) * each) for each in (above, below))
        total = (loss * worth).sum() / worth.sum() + SHRINK * (weights**2).sum()
        total.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
    return Margins(middle, spread, weights.detach().numpy(), offsets.detach().numpy(), np.ones(2))
