"""Drawn evenings: four hours of a site whose gates and zones err as they do, and what the ledger says of it.

Two gates count 95 % of those who cross them, each crossing by chance. The zones hold the whole site. Each of their
counts is off by 3 % by chance, which lasts a minute, and by up to 3 % (in nine of ten evenings) that stay all evening,
as of cameras that were audited by hand. 48,000 people come, and two thirds of them leave again.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from crowdwatch.analytics.balance import Measured, time_to_limit
from crowdwatch.analytics.occupancy import GATE_SPREAD, Ledger, anchored, crossed_over
from crowdwatch.core.intervals import Z
from crowdwatch.core.records import FloatArray
from pipelines.command_line import progress

__all__ = ["balance_figures", "draw_evening", "figures"]

NS = 1_000_000_000
HOURS, RECALL, ZONE_FRAC = 4, 0.95, 0.03
EVENINGS = 24


def draw_evening(seed: int, recall: float = RECALL, *, zones: bool = True) -> tuple[FloatArray, FloatArray, FloatArray]:
    """(N,) true people, what the ledger says, and half its 90 % interval, minute by minute."""
    rng = np.random.default_rng(seed)
    stays = ZONE_FRAC / Z * rng.normal()
    zeros = np.zeros((2, 2))
    start = np.array([np.nan, 0.0, 0.0, 0.0])
    spread = np.diag([0.0, GATE_SPREAD**2, GATE_SPREAD**2, 0.0])
    ledger = Ledger((0,), 1.0, start, spread, zeros, zeros, zeros)
    true, rows, edge = 0.0, [], np.ones(2, dtype=np.bool_)
    for minute in range(HOURS * 60):
        share = minute / (HOURS * 60)
        come = rng.poisson(100 * (1.5 - share), 2)
        go = np.minimum(rng.poisson(67 * (0.5 + share), 2), true / 2)
        true += come.sum() - go.sum()
        counted = np.stack([rng.binomial(come, recall), rng.binomial(go.astype(int), recall)], axis=1).astype(float)
        ledger = crossed_over(ledger, counted, edge, 60.0)
        if zones or minute == 0:
            seen = max(0.0, true * (1 + stays) * (1 + 0.03 * rng.normal()))
            ledger = anchored(ledger, seen, ZONE_FRAC / Z, minute * 60 * NS)
        rows.append((true, ledger.state[0], Z * np.sqrt(ledger.spread[0, 0])))
    true_n, said, half = np.array(rows).T
    return true_n, said, half


def figures() -> dict[str, Any]:
    """``occupancy_error_frac``: the mean error after four hours; also the worst evening, how often the interval held,
    and the gates alone."""
    ends = np.array([[each[-1] for each in draw_evening(seed)] for seed in progress(range(EVENINGS), "evenings")])
    alone = np.array([[each[-1] for each in draw_evening(seed, zones=False)] for seed in range(EVENINGS)])
    error = np.abs(ends[:, 1] / ends[:, 0] - 1)
    return {
        "occupancy_error_frac": float(error.mean()),
        "occupancy_error_frac_worst": float(error.max()),
        "occupancy_held": float((np.abs(ends[:, 1] - ends[:, 0]) <= ends[:, 2]).mean()),
        "occupancy_half_interval_frac": float((ends[:, 2] / ends[:, 0]).mean()),
        "occupancy_error_frac_gates_alone": float(np.abs(alone[:, 1] / alone[:, 0] - 1).mean()),
        "occupancy_held_gates_alone": float((np.abs(alone[:, 1] - alone[:, 0]) <= alone[:, 2]).mean()),
    } | balance_figures()


def balance_figures(draws: int = 400) -> dict[str, float]:
    """Back-test of the balance: crowds that fill at a steady rate, counted for a minute; how often the time until the
    limit lay between the soonest and the latest, and the median error of the likely one."""
    rng = np.random.default_rng(7)
    held, off = [], []
    for _ in range(draws):
        come, go = rng.uniform(1.0, 4.0), rng.uniform(0.2, 0.8)
        count, limit = rng.uniform(200, 800), 1000.0
        walk = np.cumsum(rng.poisson(come, 20_000) - rng.poisson(go, 20_000))
        true_s = float(np.argmax(walk >= limit - count) + 1)
        into, out = (rng.poisson(60 * each) for each in (come, go))
        seen = count * (1 + 0.03 * rng.normal())

        def of(n: float) -> Measured:
            return Measured(n / 60, max(0.0, n - Z * np.sqrt(n)) / 60, (n + Z * np.sqrt(n + 1)) / 60)

        said = time_to_limit(Measured(seen, seen * (1 - 0.03 * Z), seen * (1 + 0.03 * Z)), of(into), of(out), limit)
        held.append(said.soonest_s <= true_s <= said.latest_s)
        off.append(abs(said.value_s - true_s) / true_s)
    return {"balance_held": float(np.mean(held)), "balance_error_frac": float(np.median(off))}
