"""What the playbook says of an alert: the measure with its slots filled, and what speaks against it now. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from crowdwatch.analytics.ways import doubts_of, ways_of
from crowdwatch.core.outcomes import Level
from crowdwatch.core.playbook import Measure, Playbook, filled
from crowdwatch.core.reasons import Reason
from crowdwatch.core.site import Site

__all__ = ["Advice", "Adviser", "standing_doubts"]

LIST = {"en": ", ", "zh": "、"}


@dataclass(frozen=True, slots=True)
class Advice:
    """What to do about one alert.

    Args:
        measure: the playbook's.
        doubts: what speaks against it now.
        values: what fills its slots, by language.
    """

    measure: Measure
    doubts: tuple[Reason, ...]
    values: Mapping[str, Mapping[str, str]]

    def do(self, language: str) -> str:
        """What to do."""
        return filled(self.measure.do[language], self.values[language])

    def message(self, language: str) -> str:
        """What is read to people; empty where nothing is."""
        text = (self.measure.message or {}).get(language, "")
        return filled(text, self.values[language])


class Adviser:
    """Looks measures up for one site.

    Args:
        site: its names and geometry.
        playbook: the measures.
    """

    def __init__(self, site: Site, playbook: Playbook) -> None:
        self._playbook, self.ways = playbook, ways_of(site)
        self._kinds = {zone.zone_id: zone.kind.value for zone in site.zones}
        self._names = {zone.zone_id: zone.name for zone in site.zones} | {
            gate.gate_id: gate.name for gate in site.gates
        }

    def advise(
        self,
        zone_id: str,
        alarm: str,
        level: Level,
        levels: Mapping[str, Level],
        *,
        value: float = math.nan,
        clock: str = "",
    ) -> Advice | None:
        """What to do about an alarm at a level; None where the playbook says nothing.

        Args:
            zone_id, alarm, level: the alert.
            levels: every zone's level now.
            value: what was measured; NaN where nothing was.
            clock: the time of the alert as people read it.
        """
        measure = self._playbook.find(zone_id, self._kinds.get(zone_id, ""), alarm, level)
        if measure is None:
            return None
        values = {
            language: {
                "zone": self._name(zone_id, language),
                "hold": self._list(measure.hold, language),
                "close": self._list(measure.close, language),
                "open": self._list(measure.open, language),
                "send_to": self._name(measure.send_to, language) if measure.send_to else "",
                "route": (measure.route or {}).get(language, ""),
                "minutes": f"{measure.minutes:g}" if measure.minutes else "",
                "time": clock,
                "value": f"{value:.1f}" if math.isfinite(value) else "",
            }
            for language in LIST
        }
        return Advice(measure, doubts_of(self.ways, zone_id, measure, levels), values)

    def _name(self, ident: str, language: str) -> str:
        return self._names.get(ident, {}).get(language) or ident

    def _list(self, idents: tuple[str, ...], language: str) -> str:
        return LIST[language].join(self._name(each, language) for each in idents)


def standing_doubts(site: Site, playbook: Playbook) -> list[tuple[int, str, Reason]]:
    """What speaks against measures whatever happens: (the measure's number, the zone, why), each once."""
    ways, found = ways_of(site), list[tuple[int, str, Reason]]()
    for zone in site.zones:
        for measure in playbook.measures:
            here = not measure.zone_ids or zone.zone_id in measure.zone_ids
            if here and (not measure.kinds or zone.kind.value in measure.kinds):
                doubts = doubts_of(ways, zone.zone_id, measure, {})
                found += [(measure.number, zone.zone_id, doubt) for doubt in doubts]
    return found
