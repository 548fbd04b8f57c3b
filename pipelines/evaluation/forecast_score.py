"""How good a time-to-limit is: against persistence, and by the warnings that did not come true.

A forecast says at a time, for a zone, in how many minutes its density reaches a limit. With the density read then it
says what the density will be in five minutes,

    rho(t + 5 min) = rho(t) + (limit - rho(t)) 5 min / minutes,

which is held against the truth, and so is persistence, rho(t + 5 min) = rho(t):

    skill = 1 - MAE / MAE of persistence,      over the moments at which a forecast was given.

A **warning** begins with the first forecast of a zone after :data:`APART_S` without one. It is wrong when the true
density does not reach the limit within twice the time that it said, and five minutes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import theilslopes

from crowdwatch.core.records import FloatArray

__all__ = ["AHEAD_S", "EVERY_S", "Forecast", "ForecastScore", "joined", "score_forecasts", "trend_forecasts"]

AHEAD_S, APART_S, GRACE_S = 300.0, 300.0, 300.0
EVERY_S, OVER_S, MOST_MIN, LEAST_RISE = 30.0, 180.0, 15.0, 0.05
"""Of the plain trend: a forecast every so often, over so much of the past, at most so far ahead, from so many p/m2 a
minute on."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """At a time (s), for a zone, the limit (p/m2) is reached in so many minutes; ``now_p_m2`` is what was read then."""

    t_s: float
    zone_id: str
    minutes: float
    limit_p_m2: float
    now_p_m2: float


@dataclass(frozen=True, slots=True)
class ForecastScore:
    """What forecasts are worth.

    Args:
        forecasts: that could be held against a truth five minutes later.
        mae_p_m2, persistence_p_m2: mean absolute errors; NaN without any.
        warnings, wrong: how many there were, and how many of them did not come true.
    """

    forecasts: int
    mae_p_m2: float
    persistence_p_m2: float
    warnings: int
    wrong: int

    @property
    def skill(self) -> float:
        """1 is perfect, 0 as good as persistence; NaN without forecasts."""
        return 1 - self.mae_p_m2 / self.persistence_p_m2 if self.persistence_p_m2 > 0 else math.nan

    @property
    def wrong_frac(self) -> float:
        """Share of the warnings that were wrong; NaN without any."""
        return self.wrong / self.warnings if self.warnings else math.nan


def score_forecasts(
    forecasts: Iterable[Forecast], t_s: FloatArray, truth_p_m2: FloatArray, zone_ids: Sequence[str]
) -> ForecastScore:
    """Hold forecasts against the truth.

    Args:
        forecasts: by time.
        t_s: (ticks,) times of the truth.
        truth_p_m2: (ticks, zones) true densities.
        zone_ids: of its columns.

    >>> t, rho = np.arange(0, 901, 60.0), np.arange(0, 16)[:, None] * 0.2
    >>> good = score_forecasts([Forecast(0.0, "z", 10.0, 2.0, 0.0)], t, rho, ["z"])
    >>> good.skill, good.wrong_frac
    (1.0, 0.0)
    """
    errors, still, warnings, wrong = [], [], 0, 0
    last: dict[str, float] = {}
    for each in sorted(forecasts, key=lambda one: (one.t_s, one.zone_id)):
        column = truth_p_m2[:, zone_ids.index(each.zone_id)]
        later = int(np.searchsorted(t_s, each.t_s + AHEAD_S))
        if later < len(t_s) and each.minutes > 0:
            step = (each.limit_p_m2 - each.now_p_m2) * AHEAD_S / 60 / each.minutes
            errors.append(abs(each.now_p_m2 + step - column[later]))
            still.append(abs(each.now_p_m2 - column[later]))
        if each.t_s - last.get(each.zone_id, -math.inf) > APART_S:
            until_s = each.t_s + 2 * 60 * each.minutes + GRACE_S
            within = (t_s >= each.t_s) & (t_s <= until_s)
            warnings += 1
            wrong += not bool((column[within] >= each.limit_p_m2).any())
        last[each.zone_id] = each.t_s
    mae, persistence = (float(np.mean(found)) if found else math.nan for found in (errors, still))
    return ForecastScore(len(errors), mae, persistence, warnings, wrong)


def joined(scores: Sequence[ForecastScore]) -> ForecastScore:
    """One score of several nights."""
    counted = [each for each in scores if each.forecasts]
    total = sum(each.forecasts for each in counted)
    mae, persistence = (
        sum(getattr(each, name) * each.forecasts for each in counted) / total if total else math.nan
        for name in ("mae_p_m2", "persistence_p_m2")
    )
    return ForecastScore(
        total, mae, persistence, sum(each.warnings for each in scores), sum(each.wrong for each in scores)
    )  # fmt: skip


def trend_forecasts(
    t_s: FloatArray, read_p_m2: FloatArray, zone_ids: Sequence[str], limits_p_m2: Sequence[float]
) -> list[Forecast]:
    """What a plain trend would say: a Theil-Sen line through three minutes of readings, where it rises for sure.

    Args:
        t_s: (ticks,) times.
        read_p_m2: (ticks, zones) densities read, NaN where unknown.
        zone_ids: of its columns.
        limits_p_m2: of each zone.

    Returns:
        Forecasts where the lower end of the slope's 90 % interval is above 0 and the limit is at most a quarter of an
        hour away.
    """
    found = []
    for begin_s in np.arange(t_s[0] + OVER_S, t_s[-1] + 1e-9, EVERY_S):
        inside = (t_s > begin_s - OVER_S) & (t_s <= begin_s)
        for column, (zone_id, limit) in enumerate(zip(zone_ids, limits_p_m2, strict=True)):
            past = read_p_m2[inside, column]
            known = np.isfinite(past)
            if known.sum() < len(past) / 2 or past[known][-1] >= limit:
                continue
            slope, middle, low, _ = theilslopes(past[known], t_s[inside][known] / 60, 0.9)
            now = float(middle + slope * begin_s / 60)
            if slope < LEAST_RISE or low <= 0 or (limit - now) / slope > MOST_MIN or now >= limit:
                continue
            found.append(Forecast(float(begin_s), zone_id, float((limit - now) / slope), float(limit), now))
    return found
