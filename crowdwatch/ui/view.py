"""One moment of one run as the page shows it, read from the store at once so that all panels agree.

No data is not zero: what the store does not hold for the moment, or what a silent engine said last, is UNKNOWN here,
before any panel can draw it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from crowdwatch import config
from crowdwatch.analytics.phases import chosen_by_hand, phase_at, phase_in_force
from crowdwatch.core.dispatch import DispatchEvent
from crowdwatch.core.movement import FlowGrid, GateReading, SiteOccupancy, ZoneMovement
from crowdwatch.core.outcomes import (
    Alarm,
    AlarmState,
    AlertEvent,
    CameraHealth,
    DensityGrid,
    Level,
    Quality,
    ZoneReading,
)
from crowdwatch.core.ports import Store
from crowdwatch.core.reasons import Code, Reason
from crowdwatch.core.runs import Command, CommandKind, Mode, Run, RunState
from crowdwatch.core.sight import Footprint, SiteSight
from crowdwatch.core.site import Limit, Quantity, Site, Zone
from crowdwatch.ui.shared import shared
from crowdwatch.ui.writing import both

__all__ = [
    "Glance",
    "Moment",
    "PhaseNow",
    "Pulse",
    "glance_at",
    "limits_at",
    "look",
    "phase_now",
    "pulse_of",
    "site_of",
    "worst_zone",
    "zone_of",
]

DEAD_AFTER_S = 5.0
"""A heartbeat older than this is a dead engine (rule 1 of the design)."""

NS = 1_000_000_000


class Pulse(StrEnum):
    """What the run's row and the clock say together."""

    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    FINISHED = "finished"
    FAILED = "failed"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Glance:
    """A run's row, whether its engine lives, and the commands that it has not taken yet."""

    run: Run
    pulse: Pulse
    beat_age_s: float
    pending: tuple[Command, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """Everything that the panels draw.

    Args:
        run, site: what is shown.
        pulse, beat_age_s: whether the engine lives; a negative age means that its clock is ahead.
        t_ns: the event time that is shown.
        following: the newest time is shown, not a look back.
        hidden: every reading below is UNKNOWN: the engine is silent, whatever time is shown, since nobody knows how
            much of it was still right; or it failed, and the newest is shown.
        readings: one per zone of the site, in its order.
        grid: None when there is none for this time, or when hidden.
        alarms, alerts: as of ``t_ns``; kept when hidden, because silence clears nothing.
        refused: the commands that the engine refused up to ``t_ns``, newest first.
        gates: the newest readings of the gates; none of one that has no recent reading, or when hidden.
        occupancy: how many are on the whole site; None likewise.
        flow: velocities on the ground; None when there are none for this time, or when hidden.
        movement: of the zones of which something is known now; empty when hidden.
        pace: seconds of event time in a second, as measured; NaN where it is not known.
        dispatches: what happened to units up to ``t_ns``, oldest first.
        ages: when each cell was last seen; None where no camera moves, for no such time, or when hidden.
    """

    run: Run
    site: Site
    pulse: Pulse
    beat_age_s: float
    t_ns: int
    following: bool
    hidden: bool
    readings: tuple[ZoneReading, ...]
    grid: DensityGrid | None
    alarms: tuple[Alarm, ...]
    alerts: tuple[AlertEvent, ...]
    health: tuple[CameraHealth, ...]
    pending: tuple[Command, ...]
    refused: tuple[Command, ...] = ()
    gates: tuple[GateReading, ...] = ()
    occupancy: SiteOccupancy | None = None
    flow: FlowGrid | None = None
    movement: tuple[ZoneMovement, ...] = ()
    pace: float = math.nan
    dispatches: tuple[DispatchEvent, ...] = ()
    ages: SiteSight | None = None

    @property
    def time_zone(self) -> ZoneInfo:
        """The event's own time zone; UTC where it names none."""
        return zone_of(self.run.config_json)

    def at(self, t_ns: int, *, date: bool = False) -> str:
        """A time as people at the event read it, with UTC beside it where that is another one."""
        return both(t_ns, self.time_zone, date=date)

    def gate(self, gate_id: str) -> GateReading | None:
        """The reading of one gate; None where there is none."""
        return next((reading for reading in self.gates if reading.gate_id == gate_id), None)

    def moved(self, zone_id: str) -> ZoneMovement | None:
        """How people move in a zone; None where nothing is known."""
        return next((moved for moved in self.movement if moved.zone_id == zone_id), None)

    @property
    def footprints(self) -> tuple[Footprint, ...]:
        """Of the moving cameras that see now."""
        return () if self.ages is None else self.ages.footprints

    def speed_m_s(self, zone_id: str) -> float:
        """Mean walking speed in a zone; NaN where it is unknown."""
        moved = self.moved(zone_id)
        return math.nan if moved is None else moved.speed_m_s

    def reading(self, zone_id: str) -> ZoneReading:
        """The reading of one zone of the site."""
        return next(reading for reading in self.readings if reading.zone_id == zone_id)

    def zone(self, zone_id: str) -> Zone | None:
        """A zone of the site, None when the site has no such zone."""
        return next((zone for zone in self.site.zones if zone.zone_id == zone_id), None)

    def waiting(self, kind: CommandKind, zone_id: str = "", alarm: str = "") -> bool:
        """Whether such a command is queued and not yet taken by the engine."""
        return any((c.kind, c.zone_id, c.alarm) == (kind, zone_id, alarm) for c in self.pending)


@lru_cache(maxsize=16)
def site_of(config_json: str) -> Site:
    """The site of a run, from the resolved event file in its row.

    Raises:
        ConfigError: the text is not an event file.
    """
    return config.to_site(config.from_json(config_json))


@lru_cache(maxsize=16)
def zone_of(config_json: str) -> ZoneInfo:
    """The time zone of a run's event; UTC where it names none.

    Raises:
        ConfigError: the text is not an event file.
    """
    return ZoneInfo(config.from_json(config_json).time_zone or "UTC")


def pulse_of(run: Run, now_ns: int) -> tuple[Pulse, float]:
    """Whether the engine of a run lives, and the age of its heartbeat.

    A running or paused engine beats about once a second. Older than 5 s is dead; so is more than 5 s in the future,
    because clocks that disagree prove nothing.
    """
    age_s = (now_ns - run.beat_wall_ns) / NS
    if run.state in (RunState.RUNNING, RunState.PAUSED) and abs(age_s) > DEAD_AFTER_S:
        return Pulse.DEAD, age_s
    return Pulse(run.state.value), age_s


def glance_at(store: Store, run_id: str, *, now_ns: int) -> Glance:
    """Read what the controls need. Raises RunNotFound, StoreUnavailable."""
    run = store.run(run_id)
    pulse, beat_age_s = pulse_of(run, now_ns)
    return Glance(run, pulse, beat_age_s, tuple(store.pending(run_id)))


def _unknown(site: Site, zone: Zone, t_ns: int, why: Code) -> ZoneReading:
    nan = math.nan
    return ZoneReading(
        zone_id=zone.zone_id, t_ns=t_ns, window_s=site.window_s, count=nan, count_low=nan, count_high=nan,
        density_p_m2=nan, density_low=nan, density_high=nan, peak_p_m2=nan, bandwidth_m=site.bandwidth_m,
        visible_frac=nan, age_s=math.inf,
        quality=Quality.STALE, level=Level.UNKNOWN, occupancy_frac=nan, reasons=(Reason.of(why),),
    )  # fmt: skip


def _readings(store: Store, run: Run, site: Site, t_ns: int, hidden: bool) -> tuple[ZoneReading, ...]:
    """The newest reading of every zone that is not older than the stale limit; UNKNOWN where there is none."""
    if hidden:
        return tuple(_unknown(site, zone, t_ns, Code.NO_ENGINE) for zone in site.zones)
    stale_ns = int(max(DEAD_AFTER_S, 3 * site.tick_s) * NS)
    newest = {r.zone_id: r for r in store.readings(run.run_id, from_ns=t_ns - stale_ns, to_ns=t_ns)}
    found = [newest.get(zone.zone_id) or _unknown(site, zone, t_ns, Code.NO_READING) for zone in site.zones]
    return tuple(_distrust(reading) for reading in found)


def _distrust(reading: ZoneReading) -> ZoneReading:
    """A reading that is stale, blind or without a number is UNKNOWN, whatever level its row carries."""
    untrusted = reading.quality in (Quality.STALE, Quality.BLIND) or not math.isfinite(reading.density_p_m2)
    return replace(reading, level=Level.UNKNOWN) if untrusted else reading


def look(store: Store, run_id: str, *, now_ns: int, at_ns: int | None = None) -> Moment:
    """Read one moment of a run.

    Args:
        store: the store.
        run_id: the run.
        now_ns: this machine's clock, for the age of the heartbeat.
        at_ns: event time to look back at; None follows the newest.

    Raises:
        RunNotFound, StoreUnavailable, ConfigError: the run cannot be read.
    """
    glance = glance_at(store, run_id, now_ns=now_ns)
    run, pulse = glance.run, glance.pulse
    site = site_of(run.config_json)
    newest_ns = run.t_ns or run.from_ns
    t_ns = newest_ns if at_ns is None else min(at_ns, newest_ns)
    following = at_ns is None
    over = pulse == Pulse.FAILED or (run.mode is Mode.LIVE and pulse == Pulse.STOPPED)
    hidden = pulse == Pulse.DEAD or (following and over)
    # a tick that can be read stays as it is; what an engine refuses meanwhile changes what waits
    version = (hidden, run.config_json, tuple(command.command_id for command in glance.pending))
    kept = shared(store)
    seen = kept.once(("tick", run_id, t_ns), version, lambda: _tick(store, run, site, t_ns, hidden))
    return Moment(
        run=run, site=site, pulse=pulse, beat_age_s=glance.beat_age_s, t_ns=t_ns, following=following, hidden=hidden,
        pending=glance.pending, pace=kept.pace(run), **seen,
    )  # fmt: skip


def _tick(store: Store, run: Run, site: Site, t_ns: int, hidden: bool) -> dict[str, Any]:
    """Everything that the store says of one tick, by the names that it has in a :class:`Moment`."""
    run_id = run.run_id
    stale_ns = int(max(DEAD_AFTER_S, 3 * site.tick_s, 3 * site.window_s) * NS)
    fresh_ns = t_ns - int(max(DEAD_AFTER_S, 3 * site.tick_s) * NS)
    gates = {} if hidden else {g.gate_id: g for g in store.gate_readings(run_id, from_ns=fresh_ns, to_ns=t_ns)}
    occupancy = [] if hidden else store.occupancy(run_id, from_ns=fresh_ns, to_ns=t_ns)
    grid, flow = (None, None) if hidden else (store.grid(run_id, t_ns), store.flow_grid(run_id, t_ns))
    moving = not hidden and any(camera.moves for camera in site.cameras)
    sight = store.sight(run_id, t_ns) if moving else None
    reading_ns = t_ns - int(max(DEAD_AFTER_S, site.tick_s) * NS)
    moved = [] if hidden else store.movement(run_id, from_ns=reading_ns, to_ns=t_ns)
    return {
        "readings": _readings(store, run, site, t_ns, hidden),
        "grid": grid if grid is not None and t_ns - grid.t_ns <= stale_ns else None,
        "alarms": tuple(sorted(store.alarms(run_id, t_ns), key=_urgency)),
        "alerts": tuple(store.alerts(run_id, to_ns=t_ns)),
        "health": tuple(store.health(run_id, t_ns)),
        "refused": tuple(each for each in store.refused(run_id) if (each.sequenced_t_ns or 0) <= t_ns),
        "gates": tuple(gates.values()),
        "occupancy": occupancy[-1] if occupancy else None,
        "flow": flow if flow is not None and t_ns - flow.t_ns <= stale_ns else None,
        "movement": tuple({each.zone_id: each for each in moved}.values()),
        "dispatches": tuple(store.dispatches(run_id, to_ns=t_ns)) if site.units else (),
        "ages": sight if sight is not None and t_ns - sight.t_ns <= DEAD_AFTER_S * NS else None,
    }


def _urgency(alarm: Alarm) -> tuple[bool, bool, int, int]:
    """Not acknowledged first, silenced last, then the highest level, then the newest."""
    silent = alarm.state in (AlarmState.SHELVED, AlarmState.OUT_OF_SERVICE)
    return (not alarm.unacknowledged, silent, -alarm.level, -alarm.since_ns)


def worst_zone(readings: Sequence[ZoneReading]) -> ZoneReading | None:
    """The zone with the highest level, then the highest density; None when none is known."""
    known = [reading for reading in readings if reading.level != Level.UNKNOWN]
    return max(known, key=lambda reading: (reading.level, reading.density_p_m2), default=None)


def limits_at(
    site: Site, zone_id: str, t_ns: int, quantity: Quantity, alerts: Sequence[AlertEvent] = ()
) -> tuple[Limit, ...]:
    """The limits of a zone that are in force at a time; a phase that was chosen by hand stands among the events."""
    zone_limits = phase_at(site, t_ns, chosen_by_hand(alerts, t_ns)).get(zone_id) if site.phases else None
    found = () if zone_limits is None else zone_limits.limits
    return tuple(sorted((limit for limit in found if limit.quantity is quantity), key=lambda limit: limit.level))


@dataclass(frozen=True, slots=True)
class PhaseNow:
    """The phase in force, and the next one of the run sheet.

    Args:
        phase_id, name: of it; ``name`` by language, empty where it has none.
        by_hand: whether a person chose it.
        next_id, next_name, next_ns: the one that follows by the clock; empty and 0 where none does.
    """

    phase_id: str
    name: Mapping[str, str]
    by_hand: bool
    next_id: str = ""
    next_name: Mapping[str, str] = field(default_factory=dict)
    next_ns: int = 0


@lru_cache(maxsize=16)
def _phase_names(config_json: str) -> dict[str, dict[str, str]]:
    phases = config.from_json(config_json).phases
    return {phase.id: {} if phase.name is None else phase.name.both() for phase in phases}


def phase_now(moment: Moment) -> PhaseNow | None:
    """The phase in force at a moment; None where the event has no run sheet."""
    names = _phase_names(moment.run.config_json)
    if not names:
        return None
    chosen = chosen_by_hand(moment.alerts, moment.t_ns)
    phase_id = phase_in_force(moment.site, moment.t_ns, chosen).phase_id
    by_clock = phase_in_force(moment.site, moment.t_ns).phase_id
    following = [phase for phase in moment.site.phases if phase.start_ns > moment.t_ns]
    found = PhaseNow(phase_id, names.get(phase_id, {}), chosen is not None and phase_id != by_clock)
    if not following:
        return found
    after = min(following, key=lambda phase: phase.start_ns)
    return replace(found, next_id=after.phase_id, next_name=names.get(after.phase_id, {}), next_ns=after.start_ns)
