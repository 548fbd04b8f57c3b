"""Where to look next, out of a run's log: it is folded again, and what was seen last decides."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from crowdwatch import config
from crowdwatch.analytics.coverage import SiteView, view_site
from crowdwatch.analytics.engine import advance, start
from crowdwatch.analytics.patrol import FreeDrone, Proposal, propose, risk_of
from crowdwatch.analytics.sightings import Sightings, note, nothing_seen
from crowdwatch.core.outcomes import Level
from crowdwatch.core.records import FloatArray, Tick
from crowdwatch.core.site import Quantity
from crowdwatch.errors import LogCorrupt
from crowdwatch.ground import cell_shares, polygon
from crowdwatch.store.log import LogReader

__all__ = ["Patrol", "patrol_of"]

NS = 1_000_000_000
TREND_S = 30.0
"""Over so long a density's growth is taken: shorter, it is the noise of counting."""

USUAL_LIMIT_P_M2 = 4.0
"""Where a zone has no limit on its density: crowds become unstable (Still)."""


@dataclass(frozen=True, slots=True, eq=False)
class Patrol:
    """What a log says of the ground at a time, and where drones should look.

    Args:
        t_ns: the tick.
        fresh_frac: share of the watched ground that was seen within the stale limit.
        oldest_s: age of the watched cell that was seen longest ago; infinite where one never was.
        worst_m: (east, north) of the watched cell with the greatest risk; None where there is none.
        proposals: of the drones.
        sightings: when each cell was last seen, and by whom.
    """

    t_ns: int
    fresh_frac: float
    oldest_s: float
    worst_m: tuple[float, float] | None
    proposals: tuple[Proposal, ...]
    sightings: Sightings


def patrol_of(folder: Path, drones: list[FreeDrone], to_ns: int | None = None, fresh_s: float = 10.0) -> Patrol:
    """Fold a run's log and propose.

    Args:
        folder: of the run.
        drones: that may be sent.
        to_ns: up to this tick; None for all of it.
        fresh_s: older sights are not fresh.

    Raises:
        LogCorrupt: the log cannot be read, or holds no tick.
    """
    reader = LogReader(folder)
    view = view_site(config.to_site(config.from_json(reader.config_json)))
    state, seen = start(view), nothing_seen(view.grid)
    rho: FloatArray = np.full(view.grid.shape, np.nan)
    kept: list[tuple[int, FloatArray]] = []
    t_ns: int | None = None
    for event in reader.events():
        if isinstance(event, Tick) and to_ns is not None and event.t_ns > to_ns:
            break
        state, outcome = advance(state, event)
        if outcome is None or state.coverage is None:
            continue
        t_ns, seen = outcome.t_ns, note(seen, state.coverage, outcome.t_ns)
        if outcome.grid is not None:
            rho = np.where(np.isfinite(outcome.grid.rho_p_m2), outcome.grid.rho_p_m2, rho)
        kept = [each for each in kept if (t_ns - each[0]) / NS <= TREND_S] + [(t_ns, rho)]
    if t_ns is None:
        raise LogCorrupt(f"log {folder}: holds no tick, so nothing was seen. Replay the recording.")
    began_ns, before = kept[0]
    trend = (rho - before) / max((t_ns - began_ns) / NS, 1.0)
    watched, limit = _watched(view)
    age = seen.age_s(t_ns)
    risk = risk_of(rho, age, limit, watched, trend)
    matters = watched > 0
    worst = None
    if risk.any():
        row, col = np.unravel_index(int(risk.argmax()), risk.shape)
        east, north = view.grid.centres()
        worst = float(east[col]), float(north[row])
    oldest_s = float(age[matters].max()) if matters.any() else float("nan")
    proposals = tuple(propose(drones, risk, view.grid, watched))
    return Patrol(t_ns, seen.fresh_frac(t_ns, fresh_s, watched), oldest_s, worst, proposals, seen)


def _watched(view: SiteView) -> tuple[FloatArray, FloatArray]:
    """(rows, cols) square metres of zones on each cell, and the density that must not be reached there."""
    walkable = cell_shares(view.grid, view.walkable.area)
    share, limit = np.zeros(view.grid.shape), np.full(view.grid.shape, np.inf)
    for zone in view.site.zones:
        here = np.minimum(cell_shares(view.grid, polygon(zone.polygon_m.tolist())), walkable)
        limits = [
            step.raise_at
            for phase in view.site.phases
            for zone_limits in phase.zone_limits
            if zone_limits.zone_id == zone.zone_id
            for step in zone_limits.limits
            if step.quantity is Quantity.DENSITY and step.level >= Level.ALERT
        ]
        most = min(limits, default=USUAL_LIMIT_P_M2)
        share = np.maximum(share, here)
        limit = np.where(here > 0, np.minimum(limit, most), limit)
    return share * view.grid.cell_m**2, np.where(np.isfinite(limit), limit, USUAL_LIMIT_P_M2)
