"""Whose numbers a file holds: the run, the event, its time zone, and the hash of its configuration."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from crowdwatch.core.runs import Run
from crowdwatch.core.site import UNITS, Site
from crowdwatch.core.text import plain

__all__ = ["Provenance", "named", "zone_facts"]

DIGITS = 12


@dataclass(frozen=True, slots=True)
class Provenance:
    """What stands in every export.

    Args:
        run_id, event_id: of what is exported.
        config_sha256: first digits of the sha256 of the run's configuration.
        time_zone: of the event; UTC where it names none.
    """

    run_id: str
    event_id: str
    config_sha256: str = ""
    time_zone: str = "UTC"
    _zone: tzinfo = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_zone", ZoneInfo(self.time_zone))

    @classmethod
    def of(cls, run: Run) -> Provenance:
        """Of a run.

        >>> from crowdwatch.core.runs import Mode
        >>> Provenance.of(Run("r", "e", Mode.REPLAY, "{}", "", 0, 1, 0)).config_sha256
        '44136fa355b3'
        """
        digest = hashlib.sha256(run.config_json.encode()).hexdigest()[:DIGITS]
        return cls(run.run_id, run.event_id, digest, json.loads(run.config_json).get("time_zone") or "UTC")

    def local(self, t_ns: int) -> str:
        """A time in the event's time zone, ISO 8601 with its offset.

        >>> Provenance("r", "e", time_zone="Asia/Shanghai").local(1_767_196_800_500_000_000)
        '2026-01-01T00:00:00.500+08:00'
        """
        whole = datetime.fromtimestamp(t_ns // 1_000_000_000, self._zone)
        milliseconds = t_ns // 1_000_000 % 1000
        return whole.replace(microsecond=1000 * milliseconds).isoformat(
            timespec="milliseconds" if milliseconds else "seconds"
        )

    def facts(self) -> dict[str, str]:
        """By the names of the columns."""
        return {
            "run_id": self.run_id, "event_id": self.event_id, "config_sha256": self.config_sha256,
            "time_zone": self.time_zone,
        }  # fmt: skip


def zone_facts(site: Site) -> list[dict[str, Any]]:
    """Names, areas and limits of every zone, as the metadata of a heatmap holds them."""
    found = []
    for zone in site.zones:
        limits = {
            phase.phase_id: [
                {
                    "quantity": limit.quantity.value, "level": limit.level.name.lower(), "raise_at": limit.raise_at,
                    "clear_below": limit.clear_below, "unit": UNITS[limit.quantity], "on_delay_s": limit.on_delay_s,
                    "off_delay_s": limit.off_delay_s,
                }
                for of in phase.zone_limits
                if of.zone_id == zone.zone_id
                for limit in of.limits
            ]
            for phase in site.phases
        }  # fmt: skip
        names = {"en": zone.name["en"], "zh": zone.name.get("zh", zone.name["en"])}
        area = {"usable_area_m2": zone.usable_area_m2, "capacity_persons": zone.capacity}
        found.append({"zone_id": zone.zone_id, "name": names, "kind": zone.kind.value, **area, "limits": limits})
    return found


def named(name: str) -> str:
    """A name as text: a spreadsheet would take one that begins like a formula for one.

    >>> named("=1+1"), named(" North gate ")
    ("'=1+1", 'North gate')
    """
    text = plain(name)
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text
