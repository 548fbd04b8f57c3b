"""A recorded night under other limits, and what is different."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from crowdwatch import config
from crowdwatch.config import IncidentFile
from crowdwatch.config.times import format_time
from crowdwatch.core.outcomes import Level
from crowdwatch.core.site import Site
from crowdwatch.drivers.backtest.alarm_load import AlarmLoad, alarm_load, announces
from crowdwatch.drivers.backtest.differences import Change, compare
from crowdwatch.drivers.backtest.refold import STANDS_P_M2, Folded, fold_log
from crowdwatch.drivers.backtest.scoring import Score, score
from crowdwatch.drivers.backtest.sweep import Sweep, SweepPoint, swept, swept_site
from crowdwatch.drivers.configuration import RunConfiguration
from crowdwatch.drivers.log_fit import must_fit
from crowdwatch.errors import ConfigError
from crowdwatch.store.log import LogReader

__all__ = ["Backtest", "Request", "Side", "backtest"]


@dataclass(frozen=True, slots=True)
class Request:
    """What to try.

    Args:
        log: folder of the log.
        rules: an event file or a fragment of limits; None for the log's own alone.
        incidents: file of labels; None without.
        sweep: one limit, and the values to try; None without.
        stop: set it, and nothing is returned.
        progress: called with the stage, the event time reached, and the log's first and last.
    """

    log: Path
    rules: Path | None = None
    incidents: Path | None = None
    sweep: Sweep | None = None
    stop: threading.Event = field(default_factory=threading.Event)
    progress: Callable[[str, int, int, int], None] = lambda stage, t_ns, from_ns, to_ns: None


@dataclass(frozen=True, slots=True)
class Side:
    """One set of rules on the night: what was folded, its alarm load, and its score where there are labels."""

    folded: Folded
    load: AlarmLoad
    score: Score | None


@dataclass(frozen=True, slots=True)
class Backtest:
    """What came out.

    Args:
        event_id, time_zone: of the log's event.
        old: under the log's own limits.
        new: under the others; None where none were given.
        changes: from old to new.
        points: of the sweep.
        sweep: what was tried.
    """

    event_id: str
    time_zone: str
    old: Side
    new: Side | None
    changes: tuple[Change, ...]
    points: tuple[SweepPoint, ...]
    sweep: Sweep | None

    def facts(self) -> dict[str, Any]:
        """Everything as plain values, for programs."""
        sides = {"old": _side_facts(self.old)} | ({} if self.new is None else {"new": _side_facts(self.new)})
        facts = {
            "event_id": self.event_id,
            "time_zone": self.time_zone,
            **sides,
            "changes": [_change_facts(each) for each in self.changes],
        }
        if self.sweep is not None:
            facts["sweep"] = {
                "quantity": self.sweep.quantity.value,
                "level": self.sweep.level.name.lower(),
                "points": [asdict(point) for point in self.points],
            }
        return facts


def backtest(request: Request) -> Backtest | None:
    """Fold a log under its own limits and under others, and compare.

    Returns:
        What is different; None where it was stopped.

    Raises:
        LogCorrupt: the log cannot be read.
        ConfigError: the limits, the labels or the sweep cannot be used, or ask of the log what is not in it.
    """
    reader = LogReader(request.log)
    logged = RunConfiguration.for_log(None, reader.config_json)
    labels = () if request.incidents is None else config.load_incidents(request.incidents)
    _known_zones(labels, logged.site)
    other = None
    if request.rules is not None:
        event = config.load_rules(request.rules, logged.event)
        must_fit(event, logged.event)
        other = RunConfiguration.for_log(event, reader.config_json)
    old = _side(request, reader, "as it was", logged.site, labels)
    new = None if other is None else _side(request, reader, "other limits", other.site, labels)
    points: list[SweepPoint] = []
    if request.sweep is not None:
        folded = _fold(request, reader, "sweep", swept_site(logged.site, request.sweep))
        points = [] if request.stop.is_set() else swept(folded, request.sweep, labels)
    if request.stop.is_set() or old is None or (other is not None and new is None):
        return None
    changes = () if new is None else tuple(compare(old.folded.alerts, new.folded.alerts))
    return Backtest(logged.event.id, logged.event.time_zone or "UTC", old, new, changes, tuple(points), request.sweep)


def _known_zones(labels: Sequence[IncidentFile], site: Site) -> None:
    zones = {zone.zone_id for zone in site.zones}
    wrong = [f"{each.id}: {name}" for each in labels for name in (*each.zones, *each.near) if name not in zones]
    if wrong:
        raise ConfigError(f"--incidents: the log has no such zones: {', '.join(wrong)}. Correct the labels.")


def _fold(request: Request, reader: LogReader, stage: str, site: Site) -> Folded:
    first_ns: list[int] = []

    def reached(t_ns: int) -> None:
        first_ns.append(t_ns) if not first_ns else None
        request.progress(stage, t_ns, first_ns[0], reader.last_tick_ns or t_ns)

    return fold_log(reader, site, request.stop, reached)


def _side(
    request: Request, reader: LogReader, stage: str, site: Site, labels: Sequence[IncidentFile]
) -> Side | None:  # fmt: skip
    if request.stop.is_set():
        return None
    folded = _fold(request, reader, stage, site)
    if request.stop.is_set():
        return None
    asked = [alert.t_ns for alert in folded.alerts if announces(alert)]
    load = alarm_load(asked, folded.t_ns[0], folded.t_ns[-1])
    scored = score(labels, folded.alerts, max(folded.hours, 1e-9), len(site.cameras)) if labels else None
    return Side(folded, load, scored)


def _side_facts(side: Side) -> dict[str, Any]:
    zones = [zone.zone_id for zone in side.folded.site.zones]
    minutes = {
        zone_id: {level.name.lower(): round(float(s[column]) / 60, 2) for level, s in side.folded.level_s.items()}
        for column, zone_id in enumerate(zones)
    }
    stands = {
        zone_id: {
            f"{at:g}": round(float(side.folded.people_s[row, column]) / 60, 1) for row, at in enumerate(STANDS_P_M2)
        }
        for column, zone_id in enumerate(zones)
    }
    facts: dict[str, Any] = {
        "hours": round(side.folded.hours, 4),
        "cameras": len(side.folded.site.cameras),
        "alarm_load": asdict(side.load),
        "minutes_at_level": minutes,
        "people_minutes_at_or_above_p_m2": stands,
    }
    if side.score is not None:
        facts |= {
            "recall": side.score.recall,
            "lead_time_s": side.score.lead_time_s,
            "false_per_camera_hour": side.score.false_per_camera_hour,
            "false_alarms": len(side.score.false_ids),
            "incidents": [
                {
                    "id": each.incident_id, "expects": each.expects, "raised": each.raised,
                    "at": None if each.first_ns is None else format_time(each.first_ns), "alarm": each.alarm,
                    "level": each.level.name.lower() if each.raised else None, "delay_s": _known(each.delay_s),
                    "lead_time_s": _known(each.lead_s),
                }
                for each in side.score.incidents
            ],
        }  # fmt: skip
    return facts


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def _change_facts(change: Change) -> dict[str, Any]:
    times = {
        name: None if at_ns is None else format_time(at_ns)
        for name, at_ns in (("old", change.old_ns), ("new", change.new_ns))
    }
    what = {"zone_id": change.zone_id, "alarm": change.alarm, "level": Level(change.level).name.lower()}
    return {"kind": change.kind, **what, **times, "shift_s": change.shift_s}
