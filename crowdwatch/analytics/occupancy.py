"""How many people are on the site: a ledger of its gates, corrected by zone counts and by people with clickers.

A Kalman filter of four numbers: N people, g and h by which the gates count too few in and out, and b by which the zones
count too many or too few. Between ticks, with i and o crossings counted in and out,

    N' = N + (1 + g) i - (1 + h) o,

and once a minute the zones' count is z = (1 + b) N. g, h and b hardly change, so that a thousand zone counts say no
more of N than b allows, and what is said of N says something of g and h. Hence no false precision.

A count by hand or by a turnstile takes the place of what the cameras counted at that gate in that time. A gate on the
site's edge that nobody counts makes N uncertain by what it may let through, until somebody does or the zones are
counted.
Nothing is known before the zones are counted once: nobody says that a site is empty when a run begins.

Source: Kalman 1960; that gate counts drift and want anchors: Duives et al. 2018, J. Adv. Transp. 7328074.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from crowdwatch.analytics.coverage import SiteView
from crowdwatch.analytics.gates import GateMemory, capacity_p_min
from crowdwatch.core.gate_counts import GateCount, parse_count
from crowdwatch.core.intervals import Z
from crowdwatch.core.movement import SiteOccupancy
from crowdwatch.core.outcomes import Quality, ZoneReading
from crowdwatch.core.reasons import Code, Reason
from crowdwatch.core.records import FloatArray, OperatorAction
from crowdwatch.core.runs import CommandKind
from crowdwatch.ground import polygon

__all__ = ["Ledger", "anchored", "corrected", "crossed_over", "occupancy_of", "step_occupancy"]

GATE_SPREAD = 0.06
"""Standard deviation of g and h: gates count 95 % (docs/movement.md)."""

GATE_WALK_H = 0.005
"""How far g and h wander in an hour: light and crowding change. [design value]"""

ZONE_WALK = 0.2
"""How far b wanders in an hour, as a share of its spread. [design value]"""

CROSSING_VAR = 0.1
"""Variance that one counted crossing adds: one in twenty is missed and one in twenty doubled, by chance."""

ANCHOR_S = 60.0
"""Zones correct the ledger so often: their counts of the same minute err alike."""

ZONE_NOISE = 0.03
"""Chance in one zone count, as a share of it. [design value]"""

LEAST_SHARE = 0.5
"""Zones that cover less of the walkable ground say nothing of the whole site."""

SAME_GROUND = 0.02
"""Two zones that share more of the smaller one are not added up."""

CLICK_SPREAD = 0.02
"""Standard deviation of counts by people with clickers, as a share. [design value]"""

UNKNOWN_FRAC = 0.25
"""A gate that nobody has ever counted may let through this share of its capacity, either way. [design value]"""

KEPT_S, STEP_S = 6 * 3600.0, 60.0
"""How far back a count by hand may begin, and how finely what cameras counted is remembered for it."""


@dataclass(frozen=True, slots=True, eq=False)
class Ledger:
    """What the fold remembers of the whole site.

    Args:
        zones: numbers of the zones that are added up.
        share: of the walkable ground that these cover.
        state: (4,) N, g, h, b; N is NaN before it was anchored.
        spread: (4, 4) their covariance.
        gaps_s: (gates, 2) for how long nobody has counted who goes in and out.
        rates: (gates, 2) persons a second that may go uncounted.
        counted_ns: (gates, 2) until when people or turnstiles have counted; 0 where they have not.
        history: at every :data:`STEP_S`, what the gates' totals were.
        anchored_ns: when zones last corrected it.
        bias: what the variance of b was before anything was learned of it.
    """

    zones: tuple[int, ...]
    share: float
    state: FloatArray
    spread: FloatArray
    gaps_s: FloatArray
    rates: FloatArray
    counted_ns: FloatArray
    history: tuple[tuple[int, FloatArray], ...] = field(default=())
    anchored_ns: int | None = None
    bias: float = 1.0

    @property
    def known(self) -> bool:
        """Whether anybody has ever said how many people are there."""
        return not math.isnan(self.state[0])


def first_ledger(view: SiteView) -> Ledger:
    """The ledger before anything happened."""
    area = polygon(view.site.walkable_m, view.site.obstacles_m)
    chosen: list[int] = []
    ground: BaseGeometry = shapely.Polygon()
    for number, zone in enumerate(view.site.zones):
        here = polygon(zone.polygon_m).intersection(area)
        if here.area > 0 and here.intersection(ground).area <= SAME_GROUND * here.area:
            chosen.append(number)
            ground = ground.union(here)
    rates = [UNKNOWN_FRAC * capacity_p_min(gate) / 60 for gate in view.site.gates]
    share = float(ground.area / area.area)
    spread = np.diag([0.0, GATE_SPREAD**2, GATE_SPREAD**2, 0.0])
    zeros = np.zeros((len(rates), 2))
    return Ledger(
        tuple(chosen), share, np.array([math.nan, 0, 0, 0]), spread, zeros,
        np.repeat(np.array(rates)[:, None], 2, axis=1), zeros,
    )  # fmt: skip


def step_occupancy(
    ledger: Ledger | None,
    view: SiteView,
    gates: GateMemory | None,
    readings: Sequence[ZoneReading],
    actions: Sequence[OperatorAction],
    t_ns: int,
) -> tuple[Ledger | None, SiteOccupancy | None]:
    """Bring the ledger up to a tick.

    Args:
        ledger: of the tick before; None at the first.
        view: the prepared site.
        gates: after this tick; None where the site has none.
        readings: of the zones, in the site's order.
        actions: of operators since the tick before.
        t_ns: the tick.
    """
    edge = np.array([gate.site_edge for gate in view.site.gates], dtype=np.bool_)
    if gates is None or not edge.any():
        return None, None
    ledger = ledger or first_ledger(view)
    span_s = gates.past[-1].span_s if gates.past else 0.0
    ledger = crossed_over(ledger, gates.ticked, edge, span_s)
    ledger = _remembered(ledger, gates, t_ns)
    for action in actions:
        count = _count(action)
        numbers = [n for n, gate in enumerate(view.site.gates) if count is not None and gate.gate_id == count.gate_id]
        if count is not None and numbers and edge[numbers[0]]:
            ledger = corrected(ledger, numbers[0], count, t_ns)
    due = ledger.anchored_ns is None or t_ns - ledger.anchored_ns >= ANCHOR_S * 1e9
    chosen = [readings[number] for number in ledger.zones]
    lost = (Quality.BLIND, Quality.STALE)
    if due and chosen and ledger.share >= LEAST_SHARE and all(each.quality not in lost for each in chosen):
        people = sum(each.count for each in chosen)
        off = math.hypot(*((each.count_high - each.count_low) / 2 / Z for each in chosen))
        ledger = anchored(ledger, people, off / max(people, 1.0), t_ns)
    return ledger, occupancy_of(ledger, view, gates, t_ns)


def _count(action: OperatorAction) -> GateCount | None:
    if action.kind != CommandKind.GATE_COUNT.value:
        return None
    return parse_count(action.subject, action.text, action.value, action.duration_s)


def crossed_over(ledger: Ledger, ticked: FloatArray, edge: np.ndarray, span_s: float) -> Ledger:
    """The ledger after (gates, 2) crossings in and out in ``span_s``; NaN where nobody counted."""
    unknown = np.isnan(ticked) & edge[:, None]
    gaps_s = ledger.gaps_s + np.where(unknown, span_s, 0.0)
    rates = ledger.rates
    if span_s > 0:  # who was counted once may go uncounted as fast as that, smoothed over minutes
        slow = min(1.0, span_s / 300.0)
        known = ~np.isnan(ticked)
        rates = np.where(known, (1 - slow) * rates + slow * np.nan_to_num(ticked) / span_s, rates)
    i, o = np.nansum(ticked[edge], axis=0)
    hours = span_s / 3600
    step = np.eye(4)
    step[0, 1], step[0, 2] = i, -o
    state = ledger.state.copy()
    state[0] += (1 + state[1]) * i - (1 + state[2]) * o
    noise = [CROSSING_VAR * (i + o), GATE_WALK_H**2 * hours, GATE_WALK_H**2 * hours, ZONE_WALK**2 * hours]
    noise[3] *= ledger.spread[3, 3]
    spread = step @ ledger.spread @ step.T + np.diag(noise)
    return replace(ledger, state=state, spread=spread, gaps_s=gaps_s, rates=rates)


def anchored(ledger: Ledger, people: float, off_frac: float, t_ns: int) -> Ledger:
    """The ledger after the zones were counted.

    Args:
        ledger: before it.
        people: in the zones that are added up.
        off_frac: standard deviation of their count, as a share of it.
        t_ns: when.
    """
    share = ledger.share
    seen = people / share
    noise = (ZONE_NOISE * seen) ** 2 + 1.0
    bias = max(off_frac, 0.005) ** 2 + ((1 - share) / Z) ** 2
    state, spread = ledger.state.copy(), ledger.spread.copy()
    spread[0, 0] += float(((ledger.gaps_s * ledger.rates) ** 2).sum())
    if not ledger.known:
        state[0], state[3] = seen, 0.0
        spread[0, :], spread[:, 0], spread[3, :], spread[:, 3] = 0.0, 0.0, 0.0, 0.0
        spread[0, 0], spread[3, 3] = bias * seen**2 + noise, bias
        spread[0, 3] = spread[3, 0] = -bias * seen
    else:
        scale = math.sqrt(bias / ledger.bias)  # a crowd is counted with another error than a few people
        spread[3, :] *= scale
        spread[:, 3] *= scale
        state[3] *= min(scale, 1.0)
        h = np.array([1 + state[3], 0.0, 0.0, max(state[0], 0.0)])
        s = float(h @ spread @ h) + noise
        gain = spread @ h / s
        state = state + gain * (seen - (1 + state[3]) * state[0])
        spread = spread - np.outer(gain, gain) * s
    gaps_s = np.zeros_like(ledger.gaps_s)
    return replace(ledger, state=state, spread=spread, gaps_s=gaps_s, anchored_ns=t_ns, bias=bias)


def corrected(ledger: Ledger, gate: int, count: GateCount, t_ns: int) -> Ledger:
    """The ledger after people or a turnstile counted at a gate: their count stands in the place of the cameras'.

    What was counted before for a part of that time is not counted again: only the rest of the time takes its share.
    """
    way = 0 if count.inward else 1
    end_ns = min(t_ns, count.until_ns or t_ns)
    begun_ns = ledger.history[0][0] if ledger.history else t_ns
    before_ns = max(float(begun_ns), float(ledger.counted_ns[gate, way]))
    from_ns = end_ns - count.duration_s * 1e9 if count.duration_s > 0 else before_ns
    start_ns = max(from_ns, before_ns)
    if end_ns <= start_ns or end_ns <= from_ns:
        return ledger
    people = count.people * (end_ns - start_ns) / (end_ns - from_ns)
    by_camera = _total(ledger, end_ns, gate, way) - _total(ledger, start_ns, gate, way)
    sign = 1.0 if count.inward else -1.0
    state, step = ledger.state.copy(), np.eye(4)
    state[0] += sign * (people - (1 + state[1 + way]) * by_camera)
    step[0, 1 + way] = -sign * by_camera
    spread = step @ ledger.spread @ step.T
    spread[0, 0] += (CLICK_SPREAD * people) ** 2
    gaps_s, counted_ns = ledger.gaps_s.copy(), ledger.counted_ns.copy()
    gaps_s[gate, way] = max(0.0, gaps_s[gate, way] - (end_ns - start_ns) / 1e9)
    counted_ns[gate, way] = end_ns
    return replace(ledger, state=state, spread=spread, gaps_s=gaps_s, counted_ns=counted_ns)


def _remembered(ledger: Ledger, gates: GateMemory, t_ns: int) -> Ledger:
    """With the gates' totals of now, where the last ones are old enough."""
    oldest_ns = t_ns - KEPT_S * 1e9
    history = ledger.history
    if len(history) > 1 and t_ns - history[-2][0] < STEP_S * 1e9:
        history = history[:-1]  # the newest stands for now
    return replace(ledger, history=(*(each for each in history if each[0] > oldest_ns), (t_ns, gates.totals)))


def _total(ledger: Ledger, at_ns: float, gate: int, way: int) -> float:
    """What cameras had counted at a gate by a time."""
    if not ledger.history:
        return 0.0
    times = np.array([each[0] for each in ledger.history], dtype=np.float64)
    return float(np.interp(at_ns, times, [each[1][gate, way] for each in ledger.history]))


def occupancy_of(ledger: Ledger, view: SiteView, gates: GateMemory, t_ns: int) -> SiteOccupancy:
    """What the ledger says."""
    edge = [number for number, gate in enumerate(view.site.gates) if gate.site_edge]
    ticked = gates.ticked
    reasons = [
        Reason.of(Code.GATE_UNCOUNTED, gate_id=view.site.gates[number].gate_id)
        for number in edge
        if np.isnan(ticked[number]).any() and ledger.gaps_s[number].max() > ANCHOR_S
    ]
    span_s = sum(each.span_s for each in gates.past)
    flows = np.nansum([each.crossings[edge] for each in gates.past], axis=(0, 1)) if gates.past else np.zeros(4)
    per_h = (flows[:2] + flows[2:]) * 3600 / span_s if span_s > 0 else np.zeros(2)
    drift = math.hypot(*(float(rate * math.sqrt(ledger.spread[k, k])) for rate, k in zip(per_h, (1, 2), strict=True)))
    since_s = math.inf if ledger.anchored_ns is None else (t_ns - ledger.anchored_ns) / 1e9
    if not ledger.known:
        nan = math.nan
        return SiteOccupancy(t_ns, nan, nan, nan, drift, since_s, (Reason.of(Code.NOT_ANCHORED), *reasons))
    off = Z * math.sqrt(ledger.spread[0, 0] + float(((ledger.gaps_s * ledger.rates) ** 2).sum()))
    count = max(0.0, float(ledger.state[0]))
    return SiteOccupancy(t_ns, count, max(0.0, count - off), count + off, drift, since_s, tuple(reasons))
