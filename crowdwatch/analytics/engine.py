"""Verb 2: ``advance(state, event) -> (state, outcome)``. Stateful, cheap, pure: no clock, no I/O, no randomness.

Observations wait until a tick names them; operators' actions wait for the next tick; a tick folds both, reads every
zone and steps every alarm. The same events in the same order give the same outcomes, whoever drives.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from crowdwatch.analytics import alerts
from crowdwatch.analytics.density import smooth, smooth_mass
from crowdwatch.analytics.fuse import SiteView
from crowdwatch.analytics.handover import Heads, box_weights, heads_of
from crowdwatch.analytics.health import CameraWatch, stale_limit_s
from crowdwatch.analytics.readings import CameraNow, Entry, read_zones, zone_counts
from crowdwatch.core.outcomes import CameraHealth, DensityGrid, Health, Level, Outcome, Quality, ZoneReading
from crowdwatch.core.records import FloatArray, LogEvent, Observation, ObservationId, OperatorAction, Restart, Tick
from crowdwatch.core.site import Camera
from crowdwatch.errors import LogCorrupt

__all__ = ["State", "advance", "start"]


@dataclass(frozen=True, slots=True)
class _CameraState:
    """One camera's memory: its pictures' health, the observations within the window, its counter's newest answer and
    why that counter failed since, if it did."""

    watch: CameraWatch = field(default_factory=CameraWatch)
    window: tuple[Entry, ...] = ()
    heads: Heads | None = None
    counter_fault: str = ""


@dataclass(frozen=True, slots=True)
class State:
    """Everything ``advance`` remembers.

    Args:
        view: the prepared site.
        pending: observations that no tick has named yet.
        actions: operators' actions that wait for the next tick.
        cameras: per camera.
        fields: density fields of the ticks within the window, oldest first.
        book: the alarms.
        started_ns: the first tick; silence of a camera that never spoke is counted from it.
    """

    view: SiteView
    pending: Mapping[ObservationId, Observation] = field(default_factory=dict)
    actions: tuple[OperatorAction, ...] = ()
    cameras: Mapping[str, _CameraState] = field(default_factory=dict)
    fields: tuple[tuple[int, FloatArray], ...] = ()
    book: alerts.AlarmBook = field(default_factory=alerts.AlarmBook)
    started_ns: int | None = None


def start(view: SiteView) -> State:
    """The state before the first event."""
    return State(view, cameras={camera_id: _CameraState() for camera_id in sorted(view.cameras)})


def advance(state: State, event: LogEvent) -> tuple[State, Outcome | None]:
    """Take in one event of the log; only a tick has an outcome.

    Raises:
        LogCorrupt: a tick names an observation that never came, or a camera that the event file does not have.
    """
    if isinstance(event, Observation):
        return replace(state, pending={**state.pending, event.stamp.id: event}), None
    if isinstance(event, OperatorAction):
        return replace(state, actions=(*state.actions, event)), None
    if isinstance(event, Restart):
        return replace(start(state.view), book=state.book), None
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


def _entry(view: SiteView, observation: Observation, heads: Heads | None) -> Entry:
    """The people of one observation that score high enough; who counts is decided with the cameras' health."""
    camera = view.cameras[observation.stamp.camera_id].camera
    positions = observation.positions
    keep = (positions.score >= camera.score_min) & np.isfinite(positions.xy_m).all(axis=1)
    held = heads if heads is not None and _holds(heads, observation.stamp.t_ns, camera) else None
    return Entry(observation.stamp.t_ns, positions.xy_m[keep], held)


def _holds(heads: Heads, t_ns: int, camera: Camera) -> bool:
    """Does head mass still stand for what is there at a time?"""
    return (t_ns - heads.t_ns) / 1e9 <= camera.heads_hold_s


def _see(state: State, included: list[Observation]) -> dict[str, _CameraState]:
    """Take the observations in: every picture's evidence, and the people of those that are fit to count from."""
    cameras = dict(state.cameras)
    for observation in included:
        camera_id = observation.stamp.camera_id
        limit_s = stale_limit_s(state.view.cameras[camera_id].camera.sample_interval_s)
        old = cameras[camera_id]
        saturated = observation.detections.saturated
        watch = old.watch.see(observation.stamp.t_ns, observation.evidence, saturated, limit_s)
        if watch.picture is not Health.OK:
            cameras[camera_id] = replace(old, watch=watch)
            continue
        mass, fault = observation.mass, observation.counter_fault
        if not state.view.cameras[camera_id].camera.counts_heads:  # an event file that reads another one's log
            mass, fault = None, ""
        heads = old.heads if mass is None else heads_of(state.view, camera_id, mass)
        fault = "" if mass is not None else fault or old.counter_fault
        window = (*old.window, _entry(state.view, observation, heads))
        cameras[camera_id] = _CameraState(watch, window, heads, fault)
    return cameras


def _judge(view: SiteView, cameras: dict[str, _CameraState], t_ns: int, started_ns: int) -> dict[str, CameraNow]:
    """What every camera is at this tick, its window cut to size."""
    oldest_ns = t_ns - round(view.site.window_s * 1e9)
    now = {}
    for camera_id, camera in cameras.items():
        limit_s = stale_limit_s(view.cameras[camera_id].camera.sample_interval_s)
        health = camera.watch.health(t_ns, started_ns, limit_s)
        # the newest entry stays until its camera is silent, however slowly it samples
        window = tuple(entry for entry in camera.window if entry.t_ns > oldest_ns) or camera.window[-1:]
        held = bool(window) and window[-1].heads is not None
        if held:  # a moment at which boxes counted alone would pull the mean down
            window = tuple(entry for entry in window if entry.heads is not None)
        silent = None if held else camera.heads
        age_s, saturated = camera.watch.age_s(t_ns), camera.watch.saturated
        now[camera_id] = CameraNow(health, age_s, saturated, window, camera.counter_fault, silent)
    return now


def _count(view: SiteView, camera_id: str, entry: Entry, healthy: frozenset[str]) -> Entry:
    """Decide who of an entry counts for its camera, unless that was decided for the same healthy cameras before."""
    if entry.counted_for == healthy:
        return entry
    xy_m = entry.candidates_m[view.counted(camera_id, entry.candidates_m, healthy)]
    bias = view.cameras[camera_id].camera.bias
    factor = 1.0 if bias is None else bias.factor
    weight = factor * box_weights(view, entry.heads, xy_m)
    masses = np.zeros(len(view.zones))
    if entry.heads is not None:
        counting = entry.heads.mass * entry.heads.weight
        masses = factor * (view.cover(camera_id, healthy).zones @ counting.ravel())
    boxes = zone_counts(view, xy_m, weight)
    return replace(entry, counted_for=healthy, xy_m=xy_m, weight=weight, boxes=boxes, masses=masses)


def _field(view: SiteView, now: Mapping[str, CameraNow], healthy: frozenset[str]) -> FloatArray:
    """(rows, cols) density of the newest pictures: what boxes count, smoothed, and what head mass counts."""
    share, bandwidth_m = view.seen(healthy).share, view.site.bandwidth_m
    newest = {camera_id: now[camera_id].window[-1] for camera_id in sorted(healthy)}
    people = np.concatenate([np.empty((0, 2)), *(entry.xy_m for entry in newest.values())])
    weight = np.concatenate([np.empty(0), *(entry.weight for entry in newest.values())])
    rho = smooth(view.grid, people, share, bandwidth_m, weight)
    mass = np.zeros(view.grid.shape)
    for camera_id, entry in newest.items():
        if entry.heads is not None:
            bias = view.cameras[camera_id].camera.bias
            factor = 1.0 if bias is None else bias.factor
            mass += factor * entry.heads.mass * entry.heads.weight * view.cover(camera_id, healthy).owned
    return rho + smooth_mass(view.grid, mass, share, bandwidth_m) if mass.any() else rho


def _tick(state: State, tick: Tick) -> tuple[State, Outcome]:
    view, t_ns = state.view, tick.t_ns
    started_ns = t_ns if state.started_ns is None else state.started_ns
    included, pending = _take(state, tick)
    cameras = _see(state, included)
    now = _judge(view, cameras, t_ns, started_ns)
    healthy = frozenset(c for c, camera in now.items() if camera.health is Health.OK and camera.window)
    for camera_id in sorted(healthy):
        window = tuple(_count(view, camera_id, entry, healthy) for entry in now[camera_id].window)
        now[camera_id] = replace(now[camera_id], window=window)
    cameras = {camera_id: replace(camera, window=now[camera_id].window) for camera_id, camera in cameras.items()}

    seen = view.seen(healthy)
    rho = _field(view, now, healthy)
    oldest_ns = t_ns - round(view.site.window_s * 1e9)
    fields = (*(f for f in state.fields if f[0] > oldest_ns), (t_ns, rho))
    mean_field = np.where(np.isfinite(seen.share), _nanmean([f[1] for f in fields]), np.nan)

    readings = read_zones(view, t_ns, now, healthy, mean_field)
    book, events = alerts.step(state.book, view.site, readings, state.actions, t_ns, _bridges(view))
    readings = tuple(_with_level(reading, book) for reading in readings)
    health = tuple(CameraHealth(c, t_ns, camera.health, camera.age_s, camera.saturated) for c, camera in now.items())
    grid = DensityGrid(t_ns, view.grid.origin_m, view.grid.cell_m, rho, view.site.bandwidth_m)
    new = State(view, pending, (), cameras, fields, book, started_ns)
    return new, Outcome(t_ns, readings, grid, events, book.alarms(), health)


def _nanmean(fields: list[FloatArray]) -> FloatArray:
    """Mean over the known values of each cell; NaN where there is none."""
    stack = np.stack(fields)
    known = np.isfinite(stack)
    total = np.where(known, stack, 0.0).sum(axis=0)
    mean: FloatArray = np.divide(total, known.sum(axis=0), out=np.full(total.shape, np.nan), where=known.any(axis=0))
    return mean


def _bridges(view: SiteView) -> dict[str, float]:
    """Per zone, the longest stale limit of the cameras that see it: the gap an on-delay may bridge."""
    bridges = {}
    for index, ground in enumerate(view.zones):
        limits = [
            stale_limit_s(camera.camera.sample_interval_s)
            for camera_id, camera in view.cameras.items()
            if view.sees_zone(camera_id, index)
        ]
        bridges[ground.zone.zone_id] = max(limits, default=stale_limit_s(0.0))
    return bridges


def _with_level(reading: ZoneReading, book: alerts.AlarmBook) -> ZoneReading:
    if reading.quality in (Quality.STALE, Quality.BLIND):
        return replace(reading, level=Level.UNKNOWN)
    return replace(reading, level=book.level(reading.zone_id))
