"""Alerts against labelled incidents: which were raised, how long before harm, and what was raised where nothing was.

An incident counts as **raised** when an alarm that it asks for is at its least level in one of its zones between its
beginning and its end; one that stands when it begins is there from its beginning. **Lead time** is from that alert to
the harm; **delay** from the incident's beginning to it. An alert is **false** when no incident explains it: none that
expects one has its zone among ``zones`` and ``near`` between its beginning and :data:`AFTER_S` after its end.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median

from crowdwatch.config import IncidentFile
from crowdwatch.core.outcomes import AlertEvent, Level
from crowdwatch.drivers.backtest.alarm_load import announces
from crowdwatch.drivers.backtest.differences import Spell, spells

__all__ = ["AFTER_S", "IncidentScore", "Score", "quiet_alarms", "quiet_hours", "score"]

AFTER_S = 300.0
"""What an incident leaves behind: a crowd that disperses. [design value]"""

NS = 1_000_000_000
REPORT = "report"


@dataclass(frozen=True, slots=True)
class IncidentScore:
    """What became of one incident.

    Args:
        incident_id, kind, expects: of the label.
        raised: whether an alert was; of one that expects none, whether a false one was.
        first_ns: the alert; None without one.
        alarm, zone_id, level: of that alert, the level that it had to reach; empty and UNKNOWN without one.
        delay_s: from the beginning to it; NaN without one.
        lead_s: from it to the harm, below 0 where it came after; NaN where there is no harm or no alert.
        first_word_s: from the first alert of any level, in its zones, to the harm; NaN likewise.
    """

    incident_id: str
    kind: str
    expects: str
    raised: bool
    first_ns: int | None
    alarm: str = ""
    zone_id: str = ""
    level: Level = Level.UNKNOWN
    delay_s: float = math.nan
    lead_s: float = math.nan
    first_word_s: float = math.nan

    @property
    def kept(self) -> bool:
        """Whether it went as the label says; a person's report may be missing, as in a log without people."""
        return self.expects == "report" or self.raised == (self.expects == "alert")


@dataclass(frozen=True, slots=True)
class Score:
    """A night's alerts against its incidents.

    Args:
        incidents: one by one.
        false_ids: event ids of false alerts, of any level.
        false_actionable: how many of them were of level ALERT or above.
        hours, cameras: what the night had.
    """

    incidents: tuple[IncidentScore, ...]
    false_ids: tuple[str, ...]
    false_actionable: int
    hours: float
    cameras: int

    @property
    def expected(self) -> int:
        """Incidents that expect an alert."""
        return sum(each.expects == "alert" for each in self.incidents)

    @property
    def raised(self) -> int:
        """Those of them that had one."""
        return sum(each.expects == "alert" and each.raised for each in self.incidents)

    @property
    def recall(self) -> float:
        """Their share; NaN without any."""
        return self.raised / self.expected if self.expected else math.nan

    @property
    def lead_time_s(self) -> float:
        """Median over the incidents with harm; NaN without any."""
        found = [each.lead_s for each in self.incidents if not math.isnan(each.lead_s)]
        return median(found) if found else math.nan

    @property
    def false_per_camera_hour(self) -> float:
        """False alerts of any level for each camera and hour."""
        return len(self.false_ids) / (self.hours * self.cameras)


def score(
    incidents: Sequence[IncidentFile], alerts: Sequence[AlertEvent], hours: float, cameras: int
) -> Score:  # fmt: skip
    """Hold a night's alerts against what happened.

    Args:
        incidents: the labels.
        alerts: every transition, oldest first.
        hours: that the night lasted.
        cameras: that looked.
    """
    asked = [alert for alert in alerts if announces(alert)]
    false = tuple(alert for alert in asked if not any(_explains(each, alert) for each in incidents))
    found = tuple(_one(each, incidents, alerts) for each in incidents)
    actionable = sum(alert.level >= Level.ALERT for alert in false)
    return Score(found, tuple(alert.event_id for alert in false), actionable, hours, cameras)


def busy_spans(incidents: Sequence[IncidentFile]) -> list[tuple[int, int]]:
    """When something happens somewhere: incidents that expect an alert, with what they leave behind; disjoint, in
    order, in ns."""
    after_ns = round(AFTER_S * NS)
    spans: list[tuple[int, int]] = []
    for each in sorted(incidents, key=lambda one: one.from_ns):
        if each.expects != "alert":
            continue
        begin_ns, end_ns = each.from_ns, each.to_ns + after_ns
        if spans and begin_ns <= spans[-1][1]:
            begin_ns, end_ns = spans[-1][0], max(spans.pop()[1], end_ns)
        spans.append((begin_ns, end_ns))
    return spans


def quiet_hours(incidents: Sequence[IncidentFile], from_ns: int, to_ns: int) -> float:
    """Hours in which nothing happens anywhere."""
    busy_ns = sum(max(0, min(end, to_ns) - max(begin, from_ns)) for begin, end in busy_spans(incidents))
    return (to_ns - from_ns - busy_ns) / NS / 3600


def quiet_alarms(incidents: Sequence[IncidentFile], alerts: Sequence[AlertEvent]) -> int:
    """Alarms in those hours, of any level; reports by people are none."""
    spans = busy_spans(incidents)
    asked = [alert for alert in alerts if announces(alert) and not alert.alarm.startswith(REPORT)]
    return sum(not any(begin <= alert.t_ns <= end for begin, end in spans) for alert in asked)


def _one(incident: IncidentFile, incidents: Sequence[IncidentFile], alerts: Sequence[AlertEvent]) -> IncidentScore:
    here = [each for each in alerts if each.zone_id in incident.zones and _asked_for(incident, each)]
    least = Level[incident.least_level.upper()]
    if incident.expects == "none":
        others = [each for each in incidents if each.expects == "alert"]
        begun = [alert for alert in here if announces(alert, least) and _within(incident, alert, 0.0)]
        first = next((alert for alert in begun if not any(_explains(each, alert) for each in others)), None)
        found = None if first is None else Spell(first.zone_id, first.alarm, first.level, first.t_ns, None)
        word_ns = None
    else:
        found, word_ns = _reached(incident, here, least), _from_ns(_reached(incident, here, Level.WATCH))
    common = (incident.id, incident.kind, incident.expects)
    if found is None:
        return IncidentScore(*common, False, None)
    harm_ns, delay_s = incident.harm_ns, (found.from_ns - incident.from_ns) / NS
    lead_s = math.nan if harm_ns is None else (harm_ns - found.from_ns) / NS
    word_s = math.nan if harm_ns is None or word_ns is None else (harm_ns - word_ns) / NS
    return IncidentScore(
        *common, True, found.from_ns, found.alarm, found.zone_id, found.level, delay_s, lead_s, word_s
    )  # fmt: skip


def _reached(incident: IncidentFile, alerts: Sequence[AlertEvent], least: Level) -> Spell | None:
    """The first spell at a level while the incident lasts; one that stands when it begins is there from its
    beginning."""
    lasts = [
        replace(spell, from_ns=max(spell.from_ns, incident.from_ns))
        for spell in spells(alerts)
        if spell.level == least
        and spell.from_ns <= incident.to_ns
        and (spell.to_ns is None or spell.to_ns >= incident.from_ns)
    ]
    return min(lasts, key=lambda spell: spell.from_ns, default=None)


def _from_ns(spell: Spell | None) -> int | None:
    return None if spell is None else spell.from_ns


def _asked_for(incident: IncidentFile, alert: AlertEvent) -> bool:
    """Whether an alert is of the kind that an incident asks for. A report by people is named ``report:<number>``."""
    reported = alert.alarm.startswith(REPORT)
    if incident.expects == "report":
        return reported
    return not reported and (not incident.alarms or alert.alarm in incident.alarms)


def _within(incident: IncidentFile, alert: AlertEvent, after_s: float) -> bool:
    return incident.from_ns <= alert.t_ns <= incident.to_ns + round(after_s * NS)


def _explains(incident: IncidentFile, alert: AlertEvent) -> bool:
    here = alert.zone_id in incident.zones or alert.zone_id in incident.near
    expected = incident.expects == "alert" or (incident.expects == "report" and _asked_for(incident, alert))
    return expected and here and _within(incident, alert, AFTER_S)
