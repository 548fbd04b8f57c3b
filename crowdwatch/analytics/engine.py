"""Verb 2: ``advance(state, event) -> (state, outcome)``. Stateful, cheap, pure: no clock, no I/O, no randomness.

Observations wait until a tick names them; operators' actions wait for the next tick; a tick folds both, reads every
zone and steps every alarm. The same events in the same order give the same outcomes, whoever drives.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from crowdwatch.analytics import alerts, dispatch
from crowdwatch.analytics.counting import Assignment, CameraNow, Entry, assign, entry_of
from crowdwatch.analytics.coverage import CameraView, Coverage, SiteView, cover, first_cover, view_camera
from crowdwatch.analytics.density import mean_known
from crowdwatch.analytics.disagreement import Witnesses, disagreements, witnesses_of
from crowdwatch.analytics.gates import GateMemory, step_gates
from crowdwatch.analytics.handover import Heads, heads_of
from crowdwatch.analytics.health import CameraWatch
from crowdwatch.analytics.memory import Memory, first_memory, lost_of, remember
from crowdwatch.analytics.movement import Movement, step_movement
from crowdwatch.analytics.occupancy import Ledger, step_occupancy
from crowdwatch.analytics.readings import read_zones
from crowdwatch.analytics.reference import KEPT_FRAC, Mask
from crowdwatch.analytics.sight import CellBlocks, cell_blocks, left_of
from crowdwatch.analytics.site_sight import sight_of
from crowdwatch.analytics.staleness import stale_limit_s
from crowdwatch.analytics.sudden_fall import Fall, falls_of, without_spoiled
from crowdwatch.analytics.zone_cameras import bridges_of, cameras_of
from crowdwatch.analytics.zone_now import Doubts
from crowdwatch.core.outcomes import CameraHealth, DensityGrid, Health, Level, Outcome, Quality, ZoneReading
from crowdwatch.core.reasons import Code, Reason
from crowdwatch.core.records import CameraFault, FloatArray, LogEvent, Observation, ObservationId, OperatorAction, Tick
from crowdwatch.core.runs import ON_ALARMS
from crowdwatch.core.site import Camera
from crowdwatch.errors import LogCorrupt

__all__ = ["START_GRACE_S", "State", "advance", "start"]

START_GRACE_S = 10.0
"""A zone that nobody has seen since the run began is unknown at once, and raises blindness after this time: cameras are
opened and models loaded meanwhile. Nothing that was seen once is excused."""


@dataclass(frozen=True, slots=True)
class _CameraState:
    """One camera's memory: what it looks at, its pictures' health, the observations within the window, its counter's
    newest answer and why that counter failed since, if it did; what is left of its view while a part of its picture is
    lost, the cells that blank blocks show, and the blocks that show its cells, once they were needed; whether it has
    found anybody; and (zones,) whom it counted before its pictures became unclear."""

    view: CameraView | None = None
    watch: CameraWatch = field(default_factory=CameraWatch)
    window: tuple[Entry, ...] = ()
    heads: Heads | None = None
    counter_fault: Code | None = None
    left: CameraView | None = None
    lost: Mask | None = None
    blocks: CellBlocks | None = None
    blank: Mask | None = None
    blank_cells: Mask | None = None
    found_any: bool = False
    clear: FloatArray | None = None

    @property
    def sight(self) -> CameraView | None:
        """What it sees: its view, or what is left of it."""
        return self.view if self.left is None else self.left


@dataclass(frozen=True, slots=True)
class State:
    """Everything ``advance`` remembers.

    Args:
        view: the prepared site.
        pending: observations that no tick has named yet.
        actions: operators' actions that wait for the next tick.
        cameras: per camera.
        fields: density fields of the ticks within the window, oldest first.
        counts: (zones,) people in the newest pictures, of the same ticks.
        witnesses: of the same ticks since cameras see and count the same ground, what they find on each other's.
        memory: what was last seen of all ground; None before the first tick.
        falls: by zone and camera, counts that fell faster than people walk.
        book: the alarms.
        coverage: who counts which ground, as of the last tick; None before the first.
        seen_ns: per zone, the newest picture that showed any of it.
        started_ns: the first tick; silence of a camera that never spoke is counted from it.
        faults: per camera, why it has no observation where one was due, until it has a newer one.
        roster: the units.
        gates: of the gates; None before the first tick and where there are none.
        ledger: of everybody on the site; None likewise.
        movement: velocities of the window and what follows from them; None before the first tick.
    """

    view: SiteView
    pending: Mapping[ObservationId, Observation] = field(default_factory=dict)
    actions: tuple[OperatorAction, ...] = ()
    cameras: Mapping[str, _CameraState] = field(default_factory=dict)
    fields: tuple[tuple[int, FloatArray], ...] = ()
    counts: tuple[tuple[int, FloatArray], ...] = ()
    witnesses: tuple[tuple[int, Witnesses], ...] = ()
    memory: Memory | None = None
    falls: Mapping[str, Mapping[str, Fall]] = field(default_factory=dict)
    book: alerts.AlarmBook = field(default_factory=alerts.AlarmBook)
    coverage: Coverage | None = None
    seen_ns: Mapping[str, int] = field(default_factory=dict)
    started_ns: int | None = None
    faults: Mapping[str, CameraFault] = field(default_factory=dict)
    roster: dispatch.Roster = field(default_factory=dispatch.Roster)
    gates: GateMemory | None = None
    ledger: Ledger | None = None
    movement: Movement | None = None


def start(view: SiteView) -> State:
    """The state before the first event."""
    cameras = sorted(view.site.cameras, key=lambda camera: camera.camera_id)
    states = {c.camera_id: _CameraState(view.cameras.get(c.camera_id), CameraWatch.of(c.reference)) for c in cameras}
    return State(view, cameras=states, roster=dispatch.first_roster(view.site))


def advance(state: State, event: LogEvent) -> tuple[State, Outcome | None]:
    """Take in one event of the log; only a tick has an outcome.

    Raises:
        LogCorrupt: a tick or a fault names an observation that never came, or a camera that the event file does not
            have.
    """
    if isinstance(event, Observation):
        return replace(state, pending={**state.pending, event.stamp.id: event}), None
    if isinstance(event, OperatorAction):
        return replace(state, actions=(*state.actions, event)), None
    if isinstance(event, CameraFault):
        if event.camera_id not in state.cameras:
            raise LogCorrupt(
                f"fault at {event.t_ns} ns names camera {event.camera_id!r}, which is not in the event file."
            )
        return replace(state, faults={**state.faults, event.camera_id: event}), None
    return _tick(state, event)


def _take(state: State, tick: Tick) -> tuple[list[Observation], dict[ObservationId, Observation]]:
    pending = dict(state.pending)
    included = []
    for observation_id in tick.included:
        if observation_id not in pending or observation_id[0] not in state.cameras:
            camera_id, seq = observation_id
            raise LogCorrupt(
                f"tick at {tick.t_ns} ns names frame {seq} of camera {camera_id!r}, which is not in the log or not in "
                f"the event file. Replay the recording again."
            )
        included.append(pending.pop(observation_id))
    return included, pending


def _holds(heads: Heads, t_ns: int, camera: Camera) -> bool:
    """Does a density map still stand for what is there at a time?"""
    return (t_ns - heads.t_ns) / 1e9 <= camera.heads_hold_s


def _see(state: State, included: list[Observation]) -> tuple[dict[str, _CameraState], dict[str, int]]:
    """Take the observations in: every picture's evidence, and the people of those that are fit to count from.

    Returns:
        The cameras, and when each zone was last seen, with what moving cameras saw between two ticks.
    """
    cameras, seen_ns = dict(state.cameras), dict(state.seen_ns)
    known = {camera.camera_id: camera for camera in state.view.site.cameras}
    for observation in included:
        camera_id = observation.stamp.camera_id
        cameras[camera_id] = _see_one(state.view, known[camera_id], cameras[camera_id], observation)
        if observation.plane is not None:
            _note_zones(state.view, cameras[camera_id], seen_ns)
    return cameras, seen_ns


def _note_zones(view: SiteView, camera: _CameraState, seen_ns: dict[str, int]) -> None:
    """Note when the zones were seen that a camera looks at."""
    if camera.sight is not None and camera.watch.last_ns is not None:
        for index in np.flatnonzero(camera.sight.zones_in_sight):
            zone_id = view.zones.zones[index].zone_id
            seen_ns[zone_id] = max(camera.watch.last_ns, seen_ns.get(zone_id, camera.watch.last_ns))


def _see_one(view: SiteView, camera: Camera, old: _CameraState, observation: Observation) -> _CameraState:
    limit_s = stale_limit_s(camera.sample_interval_s)
    t_ns = observation.stamp.t_ns
    watch = old.watch.see(t_ns, observation.evidence, observation.detections, limit_s, moves=camera.moves)
    if watch.sound_ns is not None or watch.begun_ns > old.watch.begun_ns:
        sound_ns = watch.begun_ns if watch.sound_ns is None else watch.sound_ns
        old = replace(old, window=tuple(e for e in old.window if watch.begun_ns <= e.t_ns <= sound_ns))
    if not watch.counted:
        return replace(old, watch=watch)
    if observation.plane is not None and (old.view is None or old.view.plane_id != observation.plane_id):
        # other ground: what pictures of before saw of it stands for it, and no density map of theirs
        old = _CameraState(view_camera(view, camera, observation.plane), window=old.window)
    if old.view is None or (camera.moves and observation.plane is None):
        return _CameraState(None, watch)  # nobody knows what it sees
    mass, fault = observation.mass, observation.counter_fault
    if not camera.counts_heads:  # an event file that reads another one's log
        mass, fault = None, None
    heads = old.heads
    if mass is not None:
        heads = heads_of(old.view, mass, view.grid, view.site.bandwidth_m, view.site.hand_over)
    fault = None if mass is not None else fault or old.counter_fault
    held = heads if heads is not None and _holds(heads, t_ns, camera) else None
    entry = replace(entry_of(view, old.view, observation, held), lost=watch.lost)
    window = (*old.window, entry)
    found_any = old.found_any or entry.found >= 1.0
    return replace(old, watch=watch, window=window, heads=heads, counter_fault=fault, found_any=found_any)


def _sighted(view: SiteView, camera: _CameraState) -> _CameraState:
    """The camera with what is left of its view, and the cells of which its pictures have shown nothing so far."""
    blank = camera.watch.blank
    if (
        camera.view is not None
        and blank is not None
        and not (camera.blank is not None and np.array_equal(camera.blank, blank))
    ):
        blocks = camera.blocks or (cell_blocks(view.grid, camera.view) if blank.any() else None)
        cells = blocks.hidden(blank) if blocks is not None and blank.any() else None
        camera = replace(camera, blank=blank, blank_cells=cells, blocks=blocks)
    lost = camera.watch.lost if camera.watch.picture is Health.OK else None
    if camera.view is None or lost is None:
        return camera if camera.left is None else replace(camera, left=None, lost=None)
    if camera.lost is not None and np.array_equal(camera.lost, lost):
        return camera
    blocks = camera.blocks or cell_blocks(view.grid, camera.view)
    return replace(camera, left=left_of(view, camera.view, blocks, lost), lost=lost, blocks=blocks)


def _judge(
    view: SiteView, cameras: dict[str, _CameraState], t_ns: int, started_ns: int, faults: Mapping[str, CameraFault]
) -> dict[str, CameraNow]:
    """What every camera is at this tick, its window cut to size."""
    oldest_ns = t_ns - round(view.site.window_s * 1e9)
    intervals = {camera.camera_id: camera.sample_interval_s for camera in view.site.cameras}
    now = {}
    for camera_id, camera in cameras.items():
        lost = camera_id in faults and faults[camera_id].code is Code.CONNECTION_LOST
        limit_s = stale_limit_s(intervals[camera_id], connection_lost=lost)
        health = camera.watch.health(t_ns, started_ns, limit_s)
        # the newest entry stays until its camera is silent, however slowly it samples
        recent = (entry for entry in camera.window if entry.t_ns > oldest_ns)
        # a picture of which a part was lost knows nothing of those who stood there
        window = tuple(entry for entry in recent if entry.shows(camera.watch.lost)) or camera.window[-1:]
        held = bool(window) and window[-1].heads is not None
        if held:  # a moment at which boxes counted alone would pull the mean down
            window = tuple(entry for entry in window if entry.heads is not None)
        silent = None if held else camera.heads
        age_s, saturated = camera.watch.age_s(t_ns), camera.watch.saturated
        now[camera_id] = CameraNow(
            health, age_s, saturated, window, camera.counter_fault, silent, camera.watch.partly, camera.watch.untold,
            camera.blank_cells, camera.watch.unproven and not camera.found_any, camera.watch.kept, camera.clear,
            camera.watch.soft,
        )  # fmt: skip
    return now


def _tick(state: State, tick: Tick) -> tuple[State, Outcome]:
    view, t_ns = state.view, tick.t_ns
    started_ns = t_ns if state.started_ns is None else state.started_ns
    included, pending = _take(state, tick)
    cameras, seen_ns = _see(state, included)
    cameras = {camera_id: _sighted(view, camera) for camera_id, camera in cameras.items()}
    faults = {c: fault for c, fault in state.faults.items() if (cameras[c].watch.last_ns or 0) <= fault.t_ns}
    now = _judge(view, cameras, t_ns, started_ns, faults)
    healthy = frozenset(c for c, camera in now.items() if camera.health is Health.OK and camera.window)
    views = {camera_id: camera.sight for camera_id, camera in cameras.items() if camera.sight is not None}
    coverage = cover(view, state.coverage or first_cover(view), views, healthy)
    assignment = assign(view, coverage, now)
    mass = assignment.mass(view)
    rho = assignment.density(view, mass)
    oldest_ns = t_ns - round(view.site.window_s * 1e9)
    fields = (*(f for f in state.fields if f[0] > oldest_ns), (t_ns, rho))
    counts = (*(c for c in state.counts if c[0] > oldest_ns), (t_ns, assignment.newest(view)))
    falls = falls_of(view, state.falls, assignment, counts, fields, t_ns)
    if falls.kept:
        assignment, fields = without_spoiled(view, assignment, fields, falls)
    cameras = {c: _counted(camera, c, assignment) for c, camera in cameras.items()}
    mean_field = np.where(np.isfinite(coverage.kernel), mean_known([f[1] for f in fields]), np.nan)

    memory = state.memory or first_memory(view, t_ns)
    people = assignment.people(mass)
    memory = remember(memory, coverage.seen, people, t_ns, view.site.window_s)
    witnesses = tuple(w for w in state.witnesses if w[0] > oldest_ns and coverage is state.coverage)
    witnesses = (*witnesses, (t_ns, witnesses_of(view, assignment, people)))

    for camera in cameras.values():
        _note_zones(view, camera, seen_ns)
    looked_at = [camera.view for camera in cameras.values() if camera.view is not None]
    lost = lost_of(view, memory, coverage.seen, looked_at, t_ns)
    doubts = Doubts(lost, falls.by_zone, disagreements(view, witnesses))
    readings = read_zones(view, t_ns, assignment, mean_field, seen_ns, doubts)
    readings = tuple(_with_faults(view, reading, state.faults, views) for reading in readings)
    found = [(o.t_ns, o.flow) for o in included if o.flow is not None and o.stamp.camera_id in healthy]
    movement, moved, flow = step_movement(view, state.movement, found, rho, mean_field, readings, t_ns)
    gates, gate_readings = step_gates(state.gates, view, assignment, included, mass, t_ns)
    ledger, occupancy = step_occupancy(state.ledger, view, gates, readings, state.actions, t_ns)
    never_seen = {reading.zone_id for reading in readings} - seen_ns.keys()
    starting = never_seen if t_ns - started_ns <= START_GRACE_S * 1e9 else frozenset[str]()
    around = alerts.Around(cameras_of(view, coverage), {each.zone_id: each for each in moved}, gate_readings, starting)
    to_alarms = tuple(action for action in state.actions if action.kind in ON_ALARMS)
    book, events = alerts.step(state.book, view.site, readings, to_alarms, t_ns, bridges_of(view, coverage), around)
    standing = {(alarm.zone_id, alarm.alarm) for alarm in book.alarms()}
    roster, dispatched = dispatch.step(state.roster, state.actions, standing, t_ns)
    readings = tuple(_with_level(reading, book) for reading in readings)
    health = tuple(CameraHealth(c, t_ns, camera.health, camera.age_s, camera.saturated) for c, camera in now.items())
    grid = DensityGrid(t_ns, view.grid.origin_m, view.grid.cell_m, rho, view.site.bandwidth_m)
    new = State(
        view, pending, (), cameras, fields, counts, witnesses, memory, falls.by_zone, book, coverage, seen_ns,
        started_ns, faults, roster, gates, ledger, movement,
    )  # fmt: skip
    return new, Outcome(
        t_ns, readings, grid, events, book.alarms(), health, movement=moved, flow=flow, gates=gate_readings,
        occupancy=occupancy, dispatched=dispatched, refused=book.refused,
        sight=sight_of(view, memory, coverage, t_ns),
    )  # fmt: skip


def _counted(camera: _CameraState, camera_id: str, assignment: Assignment) -> _CameraState:
    """The camera with its window as it was counted, and with whom it counts while its pictures are clear."""
    people = assignment.counts.get(camera_id)
    clear = camera.clear if people is None or camera.watch.clarity.kept < KEPT_FRAC else people.mean(axis=0)
    return replace(camera, window=assignment.cameras[camera_id].window, clear=clear)


def _with_faults(
    view: SiteView, reading: ZoneReading, faults: Mapping[str, CameraFault], views: Mapping[str, CameraView]
) -> ZoneReading:
    """Say of a zone that a camera that sees it, or last saw it, lacks pictures."""
    if not faults:
        return reading
    index = next(i for i, zone in enumerate(view.zones.zones) if zone.zone_id == reading.zone_id)
    sees = [c for c in sorted(faults) if c in views and views[c].zones_seen[index]]
    if not sees:
        return reading
    quality = Quality.DEGRADED if reading.quality is Quality.GOOD else reading.quality
    why = tuple(Reason.of(faults[c].code, c) for c in sees)
    return replace(reading, quality=quality, reasons=(*reading.reasons, *why))


def _with_level(reading: ZoneReading, book: alerts.AlarmBook) -> ZoneReading:
    if reading.quality in (Quality.STALE, Quality.BLIND):
        return replace(reading, level=Level.UNKNOWN)
    held_ns = book.held_ns.get(reading.zone_id)
    reasons = reading.reasons
    if held_ns is not None:
        reasons = (*reasons, Reason.of(Code.LEVEL_HELD, seconds=(reading.t_ns - held_ns) / 1e9))
    return replace(reading, level=book.level(reading.zone_id), reasons=reasons)
