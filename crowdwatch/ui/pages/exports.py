"""What leaves the journal: the table of alerts, an alert as a CAP 1.2 message, and a METHANE report to fill in. Pure,
but for the event file that the run carries."""

from __future__ import annotations

import io
from collections.abc import Sequence

from crowdwatch import config
from crowdwatch.core.notices import ACTS, Form, Target, TargetKind
from crowdwatch.core.outcomes import AlertEvent, Level
from crowdwatch.core.text import plain
from crowdwatch.drivers.notifying import context_of
from crowdwatch.ground import polygon
from crowdwatch.notify.cap import cap_xml
from crowdwatch.notify.courier import notification_of
from crowdwatch.rendering.alert_table import write_alerts
from crowdwatch.rendering.provenance import Provenance
from crowdwatch.ui.view import Moment
from crowdwatch.ui.writing import interval, name_of, number, service_text
from crowdwatch.words import joined, reason_text, t, term

__all__ = ["BLANK", "alerts_csv", "cap_of", "first_of", "methane"]

BLANK = "________"
"""What nobody knows here, and a person fills in."""

EXPORT = Target("export", TargetKind.FILE, Form.CAP, "")


def alerts_csv(moment: Moment) -> bytes:
    """Every transition up to the moment, as ``crowdwatch alerts RUN --csv`` prints it."""
    file = io.StringIO(newline="")
    write_alerts(file, moment.alerts, moment.site, Provenance.of(moment.run))
    return file.getvalue().encode()


def first_of(alerts: Sequence[AlertEvent], alert: AlertEvent) -> AlertEvent | None:
    """The transition by which an alert was first told; None for that one itself, and where it is not known."""
    same = [
        each for each in alerts
        if (each.zone_id, each.alarm, each.first_raised_ns) == (alert.zone_id, alert.alarm, alert.first_raised_ns)
        and each.transition not in ACTS
    ]  # fmt: skip
    first = min(same, key=lambda each: (each.t_ns, each.seq), default=alert)
    return None if first.event_id == alert.event_id else first


def cap_of(moment: Moment, alert: AlertEvent) -> str:
    """An alert as a CAP 1.2 message in both languages; of a replay it is marked as an exercise.

    Raises:
        ConfigError: the run's event file cannot be read.
    """
    context = context_of(config.from_json(moment.run.config_json))
    first = first_of(moment.alerts, alert)
    told = None if first is None else (first.event_id, first.t_ns)
    row = notification_of(moment.run, EXPORT, alert, moment.t_ns, why="", first=told)
    return cap_xml(row, context, ("en", "zh"))


def methane(moment: Moment, alert: AlertEvent, actor: str, language: str) -> str:
    """A METHANE report of an alert: what is known is filled in, the rest is left open. It says nothing of casualties:
    nothing here counts them.

    Args:
        moment: what is known now.
        alert: what is reported.
        actor: who reports.
        language: of the report.
    """
    zone = moment.zone(alert.zone_id)
    reading = moment.reading(alert.zone_id) if zone is not None else None
    site = name_of(moment.site.name, moment.site.event_id, language)
    place = name_of(zone.name if zone else {}, alert.zone_id, language)
    level = t(language, f"level.{alert.level.name.lower()}")
    what = term(language, "alarm", alert.alarm.partition(":")[0])
    people, density = t(language, "unknown"), ""
    if zone is not None and reading is not None and reading.level != Level.UNKNOWN:
        people = f"{number(reading.count, 0)} ({interval(reading.count_low, reading.count_high)})"
        density = joined(
            language,
            (
                f"{number(reading.density_p_m2, 1)} {t(language, 'unit.density')}",
                service_text(language, zone.kind, reading.density_p_m2),
            ),
        )
    gates = ", ".join(name_of(gate.name, gate.gate_id, language) for gate in moment.site.gates) or BLANK
    lines = (
        t(language, "methane.head", time=moment.at(alert.t_ns, date=True), actor=plain(actor), event=site),
        t(language, "methane.major", blank=BLANK),
        t(language, "methane.location", zone=place, at=_where(moment, alert.zone_id, language), blank=BLANK),
        t(language, "methane.type", level=level, what=what, why=plain(reason_text(language, alert.reasons))),
        t(language, "methane.hazards", density=density or t(language, "unknown"), blank=BLANK),
        t(language, "methane.access", gates=gates, blank=BLANK),
        t(language, "methane.number", people=people, blank=BLANK),
        t(language, "methane.services", blank=BLANK),
    )
    mark = "" if moment.run.mode.value == "live" else t(language, "mark.exercise") + "\n"
    return mark + "\n".join(lines) + "\n"


def _where(moment: Moment, zone_id: str, language: str) -> str:
    """The middle of a zone on Earth where the site lies on a map, else on its plan; blank where the zone has none."""
    zone = moment.zone(zone_id)
    if zone is None:
        return BLANK
    middle = polygon(zone.polygon_m).representative_point()
    ring = context_of(config.from_json(moment.run.config_json)).rings.get(zone_id, ())
    if ring:
        north, east = (sum(corner[axis] for corner in ring[:-1]) / (len(ring) - 1) for axis in (0, 1))
        return f"{north:.6f}, {east:.6f} (WGS 84)"
    return t(language, "methane.plan", east=f"{middle.x:.0f}", north=f"{middle.y:.0f}")
