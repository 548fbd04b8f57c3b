"""The people of a scripted night: they come, stand, gather where the plan says so, and leave.

A mean-field model with individuals: everybody walks straight from way point to way point, as fast as the density
ahead allows,

    v(rho) = 1.34 m/s (1 - exp(-1.913 (1 / rho - 1 / 5.4))),

and where people come the other way the density counts for more. Nobody is pushed aside, so places are exact and a
night of 25,000 people is a matter of seconds.

Source: Weidmann 1993, "Transporttechnik der Fussgaenger", equation of the speed by density.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from crowdwatch.core.records import FloatArray
from crowdwatch.core.site import Site
from crowdwatch.core.walking_speed import walking_m_s
from crowdwatch.sources.night.plan import DURATION_S, EGRESS_S, Incident, IncidentKind, NightPlan

__all__ = ["CELL_M", "Crowd", "walking_speed_m_s"]

CELL_M = 1.0
PUSHING_M_S, FULL_P_M2 = 0.15, 6.8
"""Who wants to get on still shuffles in a jam, until it is as close as this."""

MOST_PERSONS = 8
"""On a square metre: an adult in winter dress takes 0.125 m2 (Predtechenskii and Milinskii 1978, "Planning for Foot
Traffic Flow in Buildings", projections of people). Nobody who leaves or passes steps on a square that is full. Who
presses into a build-up does, up to :data:`FULL_P_M2` and a little more around him."""

OUT_P_M2 = 1.75
"""The density at which most people pass: who leaves a jam by its open end walks as in this. Weidmann's flow is greatest
there."""

AGAINST = 1.0
"""Each share of people who come the other way adds this share to the density that one walks in: a half adds a half.
[design value]"""

AHEAD_M, MOST_STEP_S = 2.0, 1.5
"""Where the density is looked at, and the longest step: nobody walks past where he looked."""

PROFILE_P_M2 = ((2.0, 14.0, 0.25), (16.0, 39.0, 2.1), (39.0, 65.0, 1.8), (65.0, 86.0, 1.25))
"""South edge, north edge and wanted density of where people stand, for 22,000 of them; see :meth:`Crowd._places`."""

LATTICE_M = 0.5
"""One person at most stands on such a square when nobody presses: people keep apart, chance alone would not."""

MARGIN_M = 0.3
STREET_EDGE_M, MOUTH_M = 86.0, 78.0
"""Where streets begin, and where people who leave turn into them: they come from three sides."""

LEAVING_SPREAD_M = 12.0
STROLLERS_PER_S = 0.25
MEETING_S = 300.0
"""For so long people come from both sides."""

BLOCKED_M, HELD = 6.0, 2
"""So far before the end of its street the way out is blocked."""


def walking_speed_m_s(rho_p_m2: FloatArray) -> FloatArray:
    """(N,) speed at each density: Weidmann's, down to a shuffle.

    >>> walking_speed_m_s(np.array([0.1, 2.0, 6.0])).round(2).tolist()
    [1.34, 0.61, 0.15]
    """
    speed: FloatArray = np.maximum(walking_m_s(rho_p_m2), PUSHING_M_S)
    return speed


def _rank(cell: NDArray[np.int64]) -> NDArray[np.int64]:
    """(N,) how many of the same cell come before each.

    >>> _rank(np.array([7, 5, 7, 7])).tolist()
    [0, 0, 1, 2]
    """
    order = np.argsort(cell, kind="stable")
    first = np.searchsorted(cell[order], cell[order])
    rank = np.empty(len(cell), dtype=np.int64)
    rank[order] = np.arange(len(cell)) - first
    return rank


class Crowd:
    """Everybody of a night.

    Args:
        site: of ``examples/new_year``.
        plan: what happens.
    """

    def __init__(self, site: Site, plan: NightPlan) -> None:
        self._rng = np.random.default_rng((plan.seed, 1))
        self._plan = plan
        self._zones = {zone.zone_id: (zone.polygon_m.min(axis=0), zone.polygon_m.max(axis=0)) for zone in site.zones}
        low, high = site.walkable_m.min(axis=0), site.walkable_m.max(axis=0)
        self.origin_m: FloatArray = np.floor(low)
        self.shape = tuple(np.ceil(high - self.origin_m).astype(int)[::-1].tolist())
        self._streets = [self._zones[name] for name in sorted(self._zones) if name.startswith("exit-")]
        self._north = float(high[1])
        self._ends = np.array([low[0], high[0]])
        self._rho: FloatArray | None = None
        self._counts: NDArray[np.int64] | None = None
        self._wakes: list[tuple[float, NDArray[np.int64]]] = []
        self._people()

    def _people(self) -> None:
        """Draw who comes when, from where, to which place, and when everybody leaves."""
        rng, stay = self._rng, self._plan.people
        arrives = rng.normal(7_500, 2_600, stay)
        late = (arrives < 0) | (arrives > EGRESS_S - 1_800)
        arrives = np.where(late, rng.uniform(3_600, 12_000, stay), arrives)
        strollers = int(STROLLERS_PER_S * DURATION_S)
        meets = self._plan.of(IncidentKind.COUNTER_FLOW)
        passing = np.sort(rng.uniform(0, DURATION_S, strollers))
        streams = [rng.uniform(each.from_s, each.from_s + MEETING_S, 2 * int(each.size)) for each in meets]
        self.arrives_s: FloatArray = np.concatenate([arrives, passing, *streams])
        n = len(self.arrives_s)
        self.xy_m: FloatArray = np.full((n, 2), np.nan)
        self.goal_m: FloatArray = np.full((n, 2), np.nan)
        self.next_m: FloatArray = np.full((n, 2), np.nan)
        self.v_m_s: FloatArray = np.zeros((n, 2))
        self.present = np.zeros(n, dtype=bool)
        self.moving = np.zeros(n, dtype=bool)
        self.leaving = np.zeros(n, dtype=bool)
        self.stays = np.arange(n) < stay
        self.place_m: FloatArray = np.full((n, 2), np.nan)
        self.place_m[:stay] = self._places(stay)
        leaves = self._leaving_times(EGRESS_S + np.clip(rng.gamma(2.2, 330, stay), 0, DURATION_S))
        self.leaves_s: FloatArray = np.concatenate([leaves, np.full(n - stay, np.inf)])
        self._order = np.argsort(self.arrives_s, kind="stable")
        self._came = 0
        self._waiting = np.empty(0, dtype=np.int64)

    def _leaving_times(self, times_s: FloatArray) -> FloatArray:
        """(stay,) when each leaves: who stands near a street roughly first, so that nobody walks through a crowd that
        stands."""
        place, count = self.place_m[: len(times_s)], len(times_s)
        mouths = np.array([[(low[0] + high[0]) / 2, MOUTH_M] for low, high in self._streets])
        near_m = np.hypot(*(place[:, None] - mouths).transpose(2, 0, 1)).min(axis=1)
        order = np.argsort(near_m + self._rng.normal(0, LEAVING_SPREAD_M, count), kind="stable")
        leaves = np.empty(count)
        leaves[order] = np.sort(times_s)
        return leaves

    def _places(self, count: int) -> FloatArray:
        """(count, 2) places to stand, drawn without replacement from a lattice by the profile, each a little off it."""
        (west, east), rng = self._ends, self._rng
        cols = np.arange(west + 4, east - 4, LATTICE_M)
        rows = np.concatenate([np.arange(a, b, LATTICE_M) for a, b, _ in PROFILE_P_M2])
        wanted = np.concatenate([np.full(len(np.arange(a, b, LATTICE_M)), p) for a, b, p in PROFILE_P_M2])
        x, y = (axis.ravel() for axis in np.meshgrid(cols, rows))
        keys = rng.exponential(size=len(x)) / np.repeat(wanted, len(cols))
        chosen = np.argpartition(keys, count)[:count]
        rng.shuffle(chosen)
        corner = np.stack([x[chosen], y[chosen]], axis=1)
        places: FloatArray = corner + rng.uniform(0.1, LATTICE_M - 0.1, (count, 2))
        return places

    def stand(self, t_s: float) -> None:
        """Begin at ``t_s``: who came to stay before stands in their place, and nobody passes yet."""
        here = self.stays & (self.arrives_s <= t_s)
        self.xy_m[here] = self.place_m[here]
        self.present[here] = True
        self._came = int(np.searchsorted(self.arrives_s[self._order], t_s, side="right"))

    def step(self, t_s: float, dt_s: float) -> None:
        """Go on to ``t_s``, ``dt_s`` after the step before."""
        self._come(t_s)
        for incident in self._plan.of(IncidentKind.BUILD_UP):
            self._gather(incident, t_s, dt_s)
        self._leave(t_s)
        parts = math.ceil(dt_s / MOST_STEP_S - 1e-9)
        for _ in range(parts):
            self._rho = self._counts = None
            self._walk(t_s, dt_s / parts)
        self._rho = self._counts = None

    def standing(self) -> FloatArray:
        """(N, 2) where everybody is who is there."""
        here: FloatArray = self.xy_m[self.present]
        return here

    def walking(self) -> FloatArray:
        """(N, 2) how fast they went in the newest step, east and north: m/s."""
        now: FloatArray = self.v_m_s[self.present]
        return now

    def _come(self, t_s: float) -> None:
        end = int(np.searchsorted(self.arrives_s[self._order], t_s, side="right"))
        new = np.concatenate([self._waiting, self._order[self._came : end]])
        self._came = end
        if not len(new):
            return
        stays = new[self.stays[new]]
        door = self._rng.integers(len(self._streets), size=len(stays))
        self._enter_by_street(stays, door)
        through = new[~self.stays[new]]
        self._pass(through)
        door_cell = self.cells(self.xy_m[new])
        fits = _rank(door_cell) < MOST_PERSONS - self._persons()[door_cell]
        self._waiting = new[~fits]
        self.present[new] = self.moving[new] = fits

    def _enter_by_street(self, who: NDArray[np.int64], street: NDArray[np.int64]) -> None:
        x = self._in_street(street)
        self.xy_m[who] = np.stack([x, np.full(len(who), self._north - 0.5)], axis=1)
        self.goal_m[who] = np.stack([x, np.full(len(who), STREET_EDGE_M - 1)], axis=1)
        self.next_m[who] = self.place_m[who]

    def _in_street(self, street: NDArray[np.int64]) -> FloatArray:
        low = np.array([each[0][0] for each in self._streets])[street] + 0.5
        high = np.array([each[1][0] for each in self._streets])[street] - 0.5
        x: FloatArray = self._rng.uniform(low, high)
        return x

    def _pass(self, who: NDArray[np.int64]) -> None:
        """From one end of the promenade to the other."""
        low, high = self._zones["promenade"]
        from_west = self._rng.random(len(who)) < 0.5
        y = self._rng.uniform(low[1] + 0.5, high[1] - 0.5, len(who))
        west, east = self._ends[0] + 0.2, self._ends[1] - 0.2
        self.xy_m[who] = np.stack([np.where(from_west, west, east), y], axis=1)
        self.goal_m[who] = np.stack([np.where(from_west, east, west), y], axis=1)
        self.leaving[who] = True

    def _gather(self, incident: Incident, t_s: float, dt_s: float) -> None:
        """Let people press into a zone at a steady pace, and go back to their places when it is over."""
        low, high = self._zones[incident.zones[0]]
        area_m2 = float((high - low).prod())
        ramp_s = incident.to_s - incident.from_s - 900
        if incident.from_s <= t_s < incident.from_s + ramp_s:
            extra_per_s = (incident.size - 2.1) * area_m2 / ramp_s
            count = int(extra_per_s * t_s) - int(extra_per_s * (t_s - dt_s))
            stand = np.flatnonzero(self.present & ~self.moving & self.stays)
            outside = stand[((self.xy_m[stand] < low) | (self.xy_m[stand] > high)).any(axis=1)]
            near = outside[np.argsort(np.hypot(*(self.xy_m[outside] - (low + high) / 2).T), kind="stable")]
            reach = near[: max(12 * count, 4_000)]
            who = self._rng.choice(reach, min(count, len(reach)), replace=False)
            self.goal_m[who] = self._rng.uniform(low + MARGIN_M, high - MARGIN_M, (len(who), 2))
            self.next_m[who], self.moving[who] = np.nan, True
            self._wakes.append((incident.from_s + ramp_s + 480 + float(self._rng.uniform(0, 300)), who))
        for number in [i for i, (at_s, _) in enumerate(self._wakes) if at_s <= t_s][::-1]:
            _, who = self._wakes.pop(number)
            back = who[self.present[who] & ~self.leaving[who]]
            self.goal_m[back], self.next_m[back], self.moving[back] = self.place_m[back], np.nan, True

    def _leave(self, t_s: float) -> None:
        new = np.flatnonzero((self.leaves_s <= t_s) & self.present & ~self.leaving)
        if not len(new):
            return
        middles = np.array([(low[0] + high[0]) / 2 for low, high in self._streets])
        nearest = np.abs(self.xy_m[new, 0, None] - middles).argmin(axis=1)
        x = self._in_street(nearest)
        self.goal_m[new] = np.stack([x, np.full(len(new), MOUTH_M)], axis=1)
        self.next_m[new] = np.stack([x, np.full(len(new), self._north)], axis=1)
        self.leaving[new] = self.moving[new] = True

    def _walk(self, t_s: float, dt_s: float) -> None:
        who = np.flatnonzero(self.moving)
        self.v_m_s[:] = 0.0
        if not len(who):
            return
        way = self.goal_m[who] - self.xy_m[who]
        left_m = np.hypot(way[:, 0], way[:, 1])
        ahead = way / np.maximum(left_m, 1e-9)[:, None]
        looked = self.xy_m[who] + np.minimum(left_m, AHEAD_M)[:, None] * ahead
        held = self._held(who, ahead, t_s)
        speed = np.where(held == HELD, 0.0, self._speed_m_s(who, ahead, looked, left_m, held > 0))
        step_m = np.minimum(speed * dt_s, left_m)
        step_m[self._without_room(who, step_m[:, None] * ahead)] = 0.0
        self.v_m_s[who] = (step_m / dt_s)[:, None] * ahead
        self.xy_m[who] += step_m[:, None] * ahead
        there = who[step_m >= left_m - 1e-6]
        on = there[np.isfinite(self.next_m[there, 0])]
        end = there[~np.isfinite(self.next_m[there, 0])]
        self.goal_m[on], self.next_m[on] = self.next_m[on], np.nan
        self.moving[end] = False
        self.present[end[self.leaving[end]]] = False

    def _without_room(self, who: NDArray[np.int64], step_m: FloatArray) -> NDArray[np.bool_]:
        """(N,) who cannot go on, since the square metre is full with those who are there and others who come."""
        here, there = self.cells(self.xy_m[who]), self.cells(self.xy_m[who] + step_m)
        over = self._persons() - MOST_PERSONS
        np.subtract.at(over, here, 1)
        np.add.at(over, there, 1)
        stays = np.zeros(len(who), dtype=np.bool_)
        while True:  # who stays may take the room of others who would come: each round more stay, so it ends
            comes = np.flatnonzero((over[there] > 0) & (here != there) & self.leaving[who] & ~stays)
            if not len(comes):
                return stays
            back = comes[_rank(there[comes]) < over[there[comes]]]
            stays[back] = True
            np.subtract.at(over, there[back], 1)
            np.add.at(over, here[back], 1)

    def _held(self, who: NDArray[np.int64], ahead: FloatArray, t_s: float) -> NDArray[np.int64]:
        """(N,) HELD where the way out is blocked, 1 in the street before it, 0 elsewhere."""
        held = np.zeros(len(who), dtype=np.int64)
        for incident in self._plan.of(IncidentKind.BLOCKED_EXIT):
            if incident.from_s <= t_s < incident.to_s:
                low, high = self._zones[incident.zones[0]]
                x, y = self.xy_m[who].T
                street = (x >= low[0]) & (x <= high[0]) & (y >= low[1]) & self.leaving[who] & (ahead[:, 1] > 0.5)
                held = np.where(street, np.where(y >= high[1] - BLOCKED_M, HELD, 1), held)
        return held

    def cells(self, xy_m: FloatArray) -> NDArray[np.int64]:
        """(N,) the cell of each point, row by row from the south-west."""
        col, row = np.floor((xy_m - self.origin_m) / CELL_M).astype(np.int64).T
        rows, cols = self.shape
        cell: NDArray[np.int64] = np.clip(row, 0, rows - 1) * cols + np.clip(col, 0, cols - 1)
        return cell

    def rho_p_m2(self) -> FloatArray:
        """(cells,) mean density of 3 x 3 cells around each, after the newest step."""
        if self._rho is None:
            self._rho = self._density()
        return self._rho

    def _persons(self) -> NDArray[np.int64]:
        """(cells,) how many are in each, after the newest step."""
        if self._counts is None:
            self._counts = np.bincount(self.cells(self.standing()), minlength=math.prod(self.shape))
        return self._counts

    def _density(self) -> FloatArray:
        counts = self._persons().astype(np.float64)
        rho: FloatArray = uniform_filter(counts.reshape(self.shape), 3, mode="nearest").ravel()
        return rho

    def _speed_m_s(
        self, who: NDArray[np.int64], ahead: FloatArray, looked: FloatArray, left_m: FloatArray,
        stuck: NDArray[np.bool_],
    ) -> FloatArray:  # fmt: skip
        """(N,) how fast each gets on: less where others come the other way, not at all into ground that is full."""
        here, there = self.cells(self.xy_m[who]), self.cells(looked)
        rho, size = self.rho_p_m2(), math.prod(self.shape)
        counts = np.bincount(here, ahead[:, 0] > 0.5, size), np.bincount(here, ahead[:, 0] < -0.5, size)
        east, west = (uniform_filter(each.reshape(self.shape), 5, mode="nearest").ravel() for each in counts)
        against = np.where(ahead[:, 0] > 0.5, west[there], np.where(ahead[:, 0] < -0.5, east[there], 0.0))
        passing = ~self.stays[who]  # who leaves by a street comes to it from both sides, and goes the same way
        felt = rho[there] * (1 + AGAINST * passing * against / np.maximum(east + west, 1e-9)[there])
        out = self.leaving[who] & ~np.isfinite(self.next_m[who, 0]) & (left_m <= 2 * AHEAD_M) & ~stuck
        felt = np.where(out, np.minimum(felt, OUT_P_M2), felt)
        # those who press on, or pass each other, get into ground that is fuller than theirs up to a little more
        waits = (self.leaving[who] & ~passing) | (rho[there] >= rho[here]) | (rho[there] >= FULL_P_M2 + 0.7)
        full = ~out & (rho[there] >= FULL_P_M2) & waits
        speed: FloatArray = np.where(full, 0.0, walking_speed_m_s(felt))
        return speed
