"""Crossings of gates, in and out: by tracks where people stand apart, by density times velocity where they do not.

With the hand-over's weight w (:mod:`crowdwatch.analytics.handover`) at a piece of the line, a person who crosses there
counts 1 - w, and the density map m around it counts

    dN = w dt sum over cells of m max(+-v n, 0) / D,

v the velocity of the crowd, n the way of ingress, over the band of :data:`~crowdwatch.analytics.gate_lines.BAND_M`
before and behind the line, D the length of the way through it. Whoever walks through the band adds 1 to it in total,
however density and speed change on the way, and whoever walks in and out again adds as much to either direction.

Where two cameras see a gate, each piece of its line has one that counts. Near a seam both may find somebody on their
own side of it, or on the other's: what both found within :data:`SEAM_M` and :data:`SEAM_S` is one crossing, and what
the other one alone found is one too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.special import gammaincinv

from crowdwatch.analytics.counting import Assignment, Entry
from crowdwatch.analytics.coverage import Coverage, SiteView
from crowdwatch.analytics.crossings import Crossing, Followed, Walkers, crossed
from crowdwatch.analytics.gate_flow import Moving, Sampled, VelocityField, shown_mass, weights_on
from crowdwatch.analytics.gate_lines import GateGround, GateLine, Watch, gate_ground, near, watch_of
from crowdwatch.analytics.readings import BLIND_BELOW_FRAC, DEGRADED_BELOW_FRAC
from crowdwatch.analytics.tracks import LOW_SCORE
from crowdwatch.core.flow import FlowSamples
from crowdwatch.core.movement import GateReading
from crowdwatch.core.outcomes import Health, Quality
from crowdwatch.core.reasons import Code, Reason
from crowdwatch.core.records import Anchor, FloatArray, Observation
from crowdwatch.core.site import Gate
from crowdwatch.ground import Window, parts_at

__all__ = ["GATE_WINDOW_S", "GateMemory", "capacity_p_min", "interval", "step_gates"]

GATE_WINDOW_S = 60.0
"""Rates are over so much time: at 20 persons a minute the interval is then 13 to 29. [design value]"""

LEVEL_P_MIN_M, STAIRS_P_MIN_M = 82.0, 66.0
"""What a metre of usable width carries on the level and on stairs (Guide to Safety at Sports Grounds, rates of
passage)."""

MISSED_FRAC = 0.06
"""Crossings by tracks are off by this share, either way. [PETS2009, frames 0 to 199, at a recall of 0.7]"""

SEAM_M, SEAM_S = 1.0, 1.0
"""Two cameras' crossings of one gate in one direction that are nearer than this are one person's."""

FOLLOWED_BELOW = 0.9
"""Where the density map counts for more than this share, nobody is followed: boxes are few and swap people."""

HELD_S = 3.0
"""How long a camera's newest velocities stand for how people move."""

CUT_PX = 2.0
"""A box that ends so near to the picture's lower edge is cut off by it: nobody knows where the feet are."""

GAP_S = 5.0
"""Between ticks that are farther apart nothing is known."""


@dataclass(frozen=True, slots=True, eq=False)
class _Past:
    """One tick: when, how long since the one before; (gates, 4) crossings in and out by tracks, and by flow; NaN where
    nothing is known of that time."""

    t_ns: int
    span_s: float
    crossings: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class GateMemory:
    """What the fold remembers of gates.

    Args:
        ground: the gates on the grid.
        t_ns: the last tick.
        cameras: per healthy camera, whom it follows.
        coverage: for which the watches hold.
        watches: per gate, who watches it.
        waiting: crossings that a camera found on the other side of a seam: they count when the other one is silent.
        counted: crossings of the last :data:`SEAM_S` that were counted, by camera.
        past: ticks of the last :data:`GATE_WINDOW_S`.
        totals: (gates, 2) crossings in and out since the beginning.
        samples: per healthy camera, when its newest velocities near gates were measured, and these.
    """

    ground: GateGround
    t_ns: int | None = None
    cameras: Mapping[str, Followed] = field(default_factory=dict)
    coverage: Coverage | None = None
    watches: tuple[Watch, ...] = ()
    waiting: tuple[tuple[str, Crossing], ...] = ()
    counted: tuple[tuple[str, Crossing], ...] = ()
    past: tuple[_Past, ...] = ()
    totals: FloatArray = field(default_factory=lambda: np.empty((0, 2)))
    samples: Mapping[str, tuple[int, FlowSamples]] = field(default_factory=dict)

    @property
    def ticked(self) -> FloatArray:
        """(gates, 2) crossings in and out since the tick before; NaN where nothing is known."""
        if not self.past:
            return np.full((len(self.ground), 2), np.nan)
        newest = self.past[-1].crossings
        return newest[:, :2] + newest[:, 2:]


def step_gates(
    memory: GateMemory | None,
    view: SiteView,
    assignment: Assignment,
    included: Sequence[Observation],
    mass: FloatArray,
    t_ns: int,
    velocity: VelocityField | None = None,
) -> tuple[GateMemory | None, tuple[GateReading, ...]]:
    """Count crossings since the tick before, and read every gate.

    Args:
        memory: of the tick before; None at the first.
        view: the prepared site.
        assignment: who is counted.
        included: the observations that came with this tick, in their order.
        mass: (rows, cols) of :meth:`~crowdwatch.analytics.counting.Assignment.mass`.
        t_ns: the tick.
        velocity: how the crowd moves; None: as the newest samples of each camera say.

    Returns:
        The memory, and one reading a gate.
    """
    if not view.site.gates:
        return None, ()
    if memory is None:
        ground = gate_ground(view)
        memory = GateMemory(ground, totals=np.zeros((len(ground), 2)))
    ground, coverage = memory.ground, assignment.coverage
    same = memory.coverage is coverage
    watches = memory.watches if same else tuple(watch_of(view, coverage, line) for line in ground.gates)
    cameras, events = _follow(memory, view, assignment, included)
    hits, waiting, counted = _once(memory, watches, ground, events, t_ns)
    span_s = 0.0 if memory.t_ns is None else (t_ns - memory.t_ns) / 1e9
    crossings = np.zeros((len(ground), 4))
    weights = [weights_on(view, assignment, line, watch) for line, watch in zip(ground.gates, watches, strict=True)]
    for _, hit in hits:
        at = int(np.abs(ground.gates[hit.gate].places - hit.place_m).argmin())
        crossings[hit.gate, 0 if hit.inward else 1] += 1.0 - weights[hit.gate][at]
    samples = _samples(memory, assignment, included, t_ns)
    moving = Moving(view, cameras, velocity or _sampled(samples), assignment.people(mass))
    everybody = shown_mass(view, assignment)
    for number, line in enumerate(ground.gates):
        crossings[number, 2:] = moving.flow(line, everybody, weights[number]) * span_s
        if watches[number].watched_frac < BLIND_BELOW_FRAC or not 0 < span_s <= GAP_S:
            crossings[number] = np.nan
    oldest_ns = t_ns - round(GATE_WINDOW_S * 1e9)
    past = (*(each for each in memory.past if each.t_ns > oldest_ns), _Past(t_ns, span_s, crossings))
    both = crossings[:, :2] + crossings[:, 2:]
    new = GateMemory(
        ground,
        t_ns,
        cameras,
        coverage,
        watches,
        waiting,
        counted,
        past,
        memory.totals + np.nan_to_num(both),
        samples,
    )
    return new, tuple(_reading(view, new, assignment, moving, number) for number in range(len(ground)))


def capacity_p_min(gate: Gate) -> float:
    """Persons a minute that a gate's usable width carries.

    >>> capacity_p_min(Gate("g", {"en": "g"}, np.array([[0.0, 0.0], [3.0, 0.0]]), 2.0))
    164.0
    """
    return gate.usable_width_m * (STAIRS_P_MIN_M if gate.stairs else LEVEL_P_MIN_M)


def interval(by_tracks: float, by_flow: float, flow_frac: tuple[float, float] = (0.0, 0.0)) -> tuple[float, float]:
    """The 90 % interval of crossings: chance (Garwood 1936, Biometrika 28:437), and the methods' own errors.

    Args:
        by_tracks, by_flow: crossings that were counted.
        flow_frac: shares by which those by flow may be too high, and too low.

    >>> tuple(round(each, 1) for each in interval(0.0, 0.0)), tuple(round(each, 1) for each in interval(20.0, 0.0))
    ((0.0, 2.3), (13.1, 29.1))
    """
    n = by_tracks + by_flow
    low = float(gammaincinv(n, 0.05)) if n > 0 else 0.0
    high = float(gammaincinv(n + 1, 0.95)) if n > 0 else float(gammaincinv(1.0, 0.9))
    down = np.hypot(n - low, MISSED_FRAC * by_tracks + flow_frac[0] * by_flow)
    up = np.hypot(high - n, MISSED_FRAC * by_tracks + flow_frac[1] * by_flow)
    return max(0.0, n - float(down)), n + float(up)


def _follow(
    memory: GateMemory, view: SiteView, assignment: Assignment, included: Sequence[Observation]
) -> tuple[dict[str, Followed], list[tuple[str, Crossing]]]:
    """Follow people through the pictures that are counted from: those of healthy cameras that are in its window."""
    cameras: dict[str, Followed] = {}
    events: list[tuple[str, Crossing]] = []
    for camera_id in sorted(assignment.coverage.healthy):
        entries = {entry.t_ns: entry for entry in assignment.cameras[camera_id].window}
        pictures = [
            _walkers(view, assignment, camera_id, one, entries[one.t_ns], memory.ground)
            for one in included
            if one.stamp.camera_id == camera_id and one.t_ns in entries
        ]
        score_min = assignment.coverage.views[camera_id].camera.score_min
        before = memory.cameras.get(camera_id, Followed())
        cameras[camera_id], found = crossed(before, pictures, score_min, memory.ground)
        events += [(camera_id, each) for each in found]
    return cameras, sorted(events, key=lambda event: (event[1].t_ns, event[0]))


def _samples(
    memory: GateMemory, assignment: Assignment, included: Sequence[Observation], t_ns: int
) -> dict[str, tuple[int, FlowSamples]]:
    """The newest velocities near gates of every healthy camera, as long as they stand for what is there: those of the
    picture whose density map came with this tick, else of the newest."""
    samples = dict(memory.samples)
    counted = {one.stamp.camera_id for one in included if one.mass is not None and one.flow is not None}
    for one in included:
        if one.flow is not None and len(one.flow) and (one.mass is not None or one.stamp.camera_id not in counted):
            close = near(memory.ground, one.flow.xy_m)
            flow = one.flow
            kept = FlowSamples(flow.xy_m[close], flow.v_m_s[close], flow.sigma_m_s[close], flow.span_s)
            samples[one.stamp.camera_id] = one.t_ns, kept
    since_ns = t_ns - round(HELD_S * 1e9)
    healthy = assignment.coverage.healthy
    return {c: each for c, each in samples.items() if c in healthy and each[0] > since_ns}


def _sampled(samples: Mapping[str, tuple[int, FlowSamples]]) -> Sampled | None:
    known = [samples[c][1] for c in sorted(samples)]
    if not known:
        return None
    parts = ("xy_m", "v_m_s", "sigma_m_s")
    return Sampled(*(np.concatenate([getattr(each, part) for each in known]) for part in parts))


def _walkers(
    view: SiteView, assignment: Assignment, camera_id: str, one: Observation, entry: Entry, ground: GateGround
) -> Walkers:
    """Who stands apart, near a gate, in one picture, and whose feet are in it."""
    positions, boxes = one.positions, one.detections
    known = np.isfinite(positions.xy_m).all(axis=1) & (positions.score >= LOW_SCORE)
    if boxes.anchor is Anchor.FEET:
        known &= boxes.xyxy_px[:, 3] < boxes.image_hw[0] - CUT_PX
    known[known] = near(ground, positions.xy_m[known])
    if entry.heads is not None:
        window = assignment.coverage.views[camera_id].window if entry.pose is None else entry.pose.window
        at = np.flatnonzero(known)
        place, _ = parts_at(view.grid.part(window), positions.xy_m[at])
        weight = entry.heads.weight.ravel()
        dense = np.where(place >= 0, weight[place], 0.0) > FOLLOWED_BELOW if weight.size else np.zeros(len(at), bool)
        known[at[dense]] = False
    return Walkers(one.t_ns, positions.xy_m[known], positions.sigma_m[known], positions.score[known])


def _once(
    memory: GateMemory,
    watches: tuple[Watch, ...],
    ground: GateGround,
    events: Sequence[tuple[str, Crossing]],
    t_ns: int,
) -> tuple[list[tuple[str, Crossing]], tuple[tuple[str, Crossing], ...], tuple[tuple[str, Crossing], ...]]:
    """Which crossings count now, which wait for what the other camera says, and which were counted lately."""
    since_ns = t_ns - round(2 * SEAM_S * 1e9)
    counted = [each for each in memory.counted if each[1].t_ns > since_ns]
    free = list(counted)  # each stands for one crossing of another camera
    waiting = list(memory.waiting)
    hits: list[tuple[str, Crossing]] = []
    for event in events:
        camera_id, crossing = event
        watch, line = watches[crossing.gate], ground.gates[crossing.gate]
        if camera_id not in watch.camera_ids:
            continue
        number = watch.camera_ids.index(camera_id)
        near_pieces = np.abs(line.places - crossing.place_m) <= SEAM_M
        at = int(np.argmin(np.abs(line.places - crossing.place_m)))
        twin = next((each for each in free if _same(each, event)), None)
        if twin is not None:
            free.remove(twin)
        elif watch.watcher[at] == number:
            also = next((each for each in waiting if _same(each, event)), None)
            if also is not None:
                waiting.remove(also)
            else:
                free.append(event)
            hits.append(event)
            counted.append(event)
        elif (watch.watcher[near_pieces] == number).any():
            waiting.append(event)
    due_ns = t_ns - round(SEAM_S * 1e9)
    late = [each for each in waiting if each[1].t_ns <= due_ns]
    return [*hits, *late], tuple(each for each in waiting if each[1].t_ns > due_ns), (*counted, *late)


def _same(one: tuple[str, Crossing], other: tuple[str, Crossing]) -> bool:
    """Whether two cameras may have found one person."""
    (first, a), (second, b) = one, other
    return (
        first != second
        and (a.gate, a.inward) == (b.gate, b.inward)
        and abs(a.place_m - b.place_m) <= SEAM_M
        and abs(a.t_ns - b.t_ns) <= SEAM_S * 1e9
    )


def _reading(view: SiteView, memory: GateMemory, assignment: Assignment, moving: Moving, number: int) -> GateReading:
    """Read one gate."""
    line, watch, t_ns = memory.ground.gates[number], memory.watches[number], memory.t_ns or 0
    came, went = (float(each) for each in memory.totals[number])
    quality, reasons = _quality(view, memory, assignment, number)
    of_gate = [(each.span_s, each.crossings[number]) for each in memory.past]
    known = [(span_s, n) for span_s, n in of_gate if np.isfinite(n).all()]
    window_s = sum(span_s for span_s, _ in known)
    blind = quality in (Quality.BLIND, Quality.STALE)
    if blind or window_s <= 0 or not np.isfinite(memory.past[-1].crossings[number]).all():
        nan = float("nan")
        return GateReading(
            line.gate.gate_id, t_ns, window_s, nan, nan, nan, nan, nan, nan, came, went, nan, nan, watch.watched_frac,
            quality, reasons,
        )  # fmt: skip
    n = np.sum([each for _, each in known], axis=0)
    per_min = 60.0 / window_s
    (into, into_low, into_high), (out, out_low, out_high) = (
        _rate(view, float(n[way]), float(n[way + 2]), per_min, watch.watched_frac) for way in (0, 1)
    )
    return GateReading(
        line.gate.gate_id, t_ns, window_s, into, into_low, into_high, out, out_low, out_high, came, went,
        (into + out) / capacity_p_min(line.gate), moving.queue(line), watch.watched_frac, quality, reasons,
    )  # fmt: skip


def _rate(
    view: SiteView, by_tracks: float, by_flow: float, per_min: float, watched_frac: float
) -> tuple[float, float, float]:
    """Crossings a minute and their interval; its upper end holds those who cross where nobody looks."""
    low, high = interval(by_tracks, by_flow, _flow_frac(view, by_flow))
    return (by_tracks + by_flow) * per_min, low * per_min, high * per_min / watched_frac


def _flow_frac(view: SiteView, n: float) -> tuple[float, float]:
    """Shares by which a density map may be too high and too low."""
    if n <= 0:
        return 0.0, 0.0
    low, high = view.site.hand_over.heads.bounds(n, float("nan"))
    down, up = view.site.hand_over.heads.factor
    return float(np.hypot((n - low) / n, down)), float(np.hypot((high - n) / n, up))


def _quality(
    view: SiteView, memory: GateMemory, assignment: Assignment, number: int
) -> tuple[Quality, tuple[Reason, ...]]:
    """How far to trust a gate's reading, and why not."""
    line, watch = memory.ground.gates[number], memory.watches[number]
    looking = [c for c, each in sorted(assignment.coverage.views.items()) if _looks(view, each.window, line)]
    ill = {c: assignment.cameras[c].health for c in looking if assignment.cameras[c].health is not Health.OK}
    reasons = [Reason.of(Code.UNHEALTHY, c, health=health.value) for c, health in ill.items()]
    if watch.watched_frac < BLIND_BELOW_FRAC:
        if not looking:
            return Quality.BLIND, (Reason.of(Code.GATE_UNSEEN),)
        if len(ill) == len(looking) and all(health is Health.SILENT for health in ill.values()):
            return Quality.STALE, tuple(reasons)
        return Quality.BLIND, (*reasons, *(() if len(ill) == len(looking) else (Reason.of(Code.GATE_UNSEEN),)))
    if not np.isfinite(memory.past[-1].crossings[number]).all() and 0 < memory.past[-1].span_s <= GAP_S:
        return Quality.BLIND, (*reasons, Reason.of(Code.GATE_FLOW_UNKNOWN))
    if watch.watched_frac < DEGRADED_BELOW_FRAC:
        reasons.append(Reason.of(Code.GATE_PARTLY_SEEN, visible_frac=watch.watched_frac))
    reasons += [
        Reason.of(Code.NO_ESTIMATE, c) for c in looking if c not in ill and assignment.cameras[c].silent is not None
    ]
    return (Quality.DEGRADED if reasons else Quality.GOOD), tuple(reasons)


def _looks(view: SiteView, window: Window, line: GateLine) -> bool:
    """Whether a camera's window reaches a gate."""
    row, col = np.divmod(line.cells[1], view.grid.shape[1])
    row, col = row - window.row, col - window.col
    inside = (line.cells[1] >= 0) & (row >= 0) & (col >= 0)
    return bool((inside & (row < window.rows) & (col < window.cols)).any())
