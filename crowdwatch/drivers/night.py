"""A scripted night as an observation log with its labels: for exercises, for tests of limits, and to show."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

import numpy as np
from ruamel.yaml import YAML

from crowdwatch import config
from crowdwatch.config import EventFile, IncidentFile
from crowdwatch.config.limits import DENSITY_P_M2
from crowdwatch.config.times import format_time
from crowdwatch.core.records import Observation
from crowdwatch.core.site import Site
from crowdwatch.drivers.configuration import RunConfiguration, measured
from crowdwatch.drivers.lifecycle import leave_log
from crowdwatch.errors import ConfigError
from crowdwatch.sources.night import Incident, IncidentKind, Night, plan_night
from crowdwatch.sources.night.script import Beat
from crowdwatch.store import files
from crowdwatch.store.log import LogWriter

__all__ = ["INCIDENTS", "NightLog", "Truth", "open_night", "write_night"]

NS = 1_000_000_000
INCIDENTS = "incidents.yaml"
"""Name of the file of labels in the log's folder."""

SETTLES_S = 60.0
"""So long after a false flare an alert is still one of it."""

ALARMS: dict[IncidentKind, tuple[str, ...]] = {
    IncidentKind.CAMERAS_LOST: ("blindness",),
    IncidentKind.SMOKE: ("blindness",),
    IncidentKind.FLASH: ("blindness",),
}
"""Which alarms an incident asks for; any, where it is not named here."""

QUIET = (IncidentKind.FLASH, IncidentKind.FALSE_FLARE)
BY_PLACE = (IncidentKind.COUNTER_FLOW,)
"""Incidents whose harm is on 9 m2 of a zone; of the others it is on the zone as a whole."""


@dataclass(slots=True)
class Truth:
    """What really was, tick by tick.

    Args:
        site: whose zones.
        t_ns: the ticks.
        people, worst_p_m2: of each tick, as of :class:`~crowdwatch.sources.night.script.Beat`.
    """

    site: Site
    t_ns: list[int] = field(default_factory=list)
    people: list[np.ndarray] = field(default_factory=list)
    worst_p_m2: list[np.ndarray] = field(default_factory=list)

    def add(self, beat: Beat) -> None:
        """Take in one tick."""
        self.t_ns.append(beat.t_ns)
        self.people.append(beat.people)
        self.worst_p_m2.append(beat.worst_p_m2)

    def density_p_m2(self) -> np.ndarray:
        """(ticks, zones) people per usable area."""
        area_m2 = np.array([zone.usable_area_m2 for zone in self.site.zones])
        density: np.ndarray = np.array(self.people).reshape(-1, len(area_m2)) / area_m2
        return density

    def incidents(self, night: Night) -> tuple[IncidentFile, ...]:
        """The labels of the part of a night that was told; harm begins at the highest default limit of the zone's
        kind."""
        begin_s, end_s = night.from_s, night.to_s
        told = [each for each in night.plan.incidents if begin_s <= each.from_s and each.to_s <= end_s]
        return tuple(self._label(each, night.start_ns) for each in told)

    def _label(self, incident: Incident, start_ns: int) -> IncidentFile:
        kind = incident.kind
        settles_s = SETTLES_S if kind is IncidentKind.FALSE_FLARE else 0.0
        expects = "none" if kind in QUIET else "report" if kind is IncidentKind.CHILD_LOST else "alert"
        harm_ns = self._harm_ns(incident, start_ns)
        return IncidentFile.model_validate(
            {
                "id": incident.incident_id,
                "kind": kind.value,
                "from_time": format_time(start_ns + round(incident.from_s * NS)),
                "to_time": format_time(start_ns + round((incident.to_s + settles_s) * NS)),
                "zones": list(incident.zones),
                "near": list(incident.near),
                "harm_time": None if harm_ns is None else format_time(harm_ns),
                "expects": expects,
                "alarms": list(ALARMS.get(kind, ())),
            }
        )

    def _harm_ns(self, incident: Incident, start_ns: int) -> int | None:
        if incident.kind not in (IncidentKind.BUILD_UP, IncidentKind.BLOCKED_EXIT, IncidentKind.COUNTER_FLOW):
            return None
        index = [zone.zone_id for zone in self.site.zones].index(incident.zones[0])
        limit_p_m2 = DENSITY_P_M2[self.site.zones[index].kind][-1]
        worst = np.array(self.worst_p_m2) if incident.kind in BY_PLACE else self.density_p_m2()
        since_s = (np.array(self.t_ns) - start_ns) / NS
        there = (worst[:, index] >= limit_p_m2) & (since_s >= incident.from_s) & (since_s <= incident.to_s)
        return self.t_ns[int(there.argmax())] if there.any() else None


@dataclass(frozen=True, slots=True)
class NightLog:
    """What was written: the log's folder, its labels, and how much."""

    folder: Path
    incidents: tuple[IncidentFile, ...]
    ticks: int
    observations: int
    people: int


def open_night(event: EventFile, seed: int, from_ns: int | None = None, to_ns: int | None = None) -> Night:
    """The night of a seed on an event's site.

    Args:
        event: of ``examples/new_year``, or one with its zones.
        seed: of everything that is drawn.
        from_ns, to_ns: the part that is told, by default from 21:45 to its end.

    Raises:
        ConfigError: the event is another one, or the night has no such part.
    """
    if seed < 0:
        raise ConfigError(f"scripted night: got seed {seed}, need 0 or more.")
    span = {"from_s": from_ns, "to_s": to_ns}
    part = {name: (at_ns - event.start_ns) / NS for name, at_ns in span.items() if at_ns is not None}
    return Night(config.to_site(event), plan_night(seed), event.start_ns, **part)


def write_night(
    event: EventFile,
    folder: Path,
    seed: int,
    *,
    from_ns: int | None = None,
    to_ns: int | None = None,
    stop: threading.Event | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> NightLog:
    """Write the observation log of a scripted night, and ``incidents.yaml`` beside it.

    Args:
        event: as of :func:`open_night`.
        folder: of the log; it must hold none.
        seed, from_ns, to_ns: as of :func:`open_night`.
        stop: set it, and the log ends there, as that of a run that was stopped.
        progress: called with the ticks that are done, and how many there are.

    Raises:
        ConfigError: see :func:`open_night`.
        StoreUnavailable: the folder cannot be written, or holds a log already.
    """
    event = measured(event)
    night = open_night(event, seed, from_ns, to_ns)
    truth, observations = Truth(night.site), 0
    log = LogWriter(folder, RunConfiguration.of(event).json)
    try:
        for beat in night.beats():
            if stop is not None and stop.is_set():
                break
            for each in beat.events:
                log.append(each)
                observations += isinstance(each, Observation)
            truth.add(beat)
            progress(len(truth.t_ns), night.ticks)
        labels = truth.incidents(night)
        _write_labels(folder / INCIDENTS, labels, seed)
        log.close(complete=stop is None or not stop.is_set())
    finally:
        leave_log(log)
    return NightLog(folder, labels, len(truth.t_ns), observations, night.plan.people)


def _write_labels(path: Path, labels: tuple[IncidentFile, ...], seed: int) -> None:
    text = StringIO()
    text.write(f"# Labels of a scripted night, seed {seed}; see docs/data.md.\n")
    plain = [each.model_dump(exclude_none=True, exclude_defaults=True) for each in labels]
    YAML(typ="safe", pure=True).dump({"version": 1, "incidents": plain}, text)
    files.replace_file(path, lambda file: file.write(text.getvalue().encode()))
