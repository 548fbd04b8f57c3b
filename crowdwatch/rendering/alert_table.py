"""Every transition of every alarm of a run as a table that says in itself whose it is; columns in ``docs/data.md``."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable
from typing import Any, TextIO

from crowdwatch.core.outcomes import AlertEvent
from crowdwatch.core.site import Site
from crowdwatch.rendering.provenance import Provenance, named
from crowdwatch.rendering.zone_table import utc
from crowdwatch.words import reason_text

__all__ = ["ALERT_COLUMNS", "write_alerts"]

ALERT_COLUMNS = (
    "run_id", "event_id", "config_sha256", "time_zone", "alert_id", "t_utc", "t_local", "t_ns", "alarm", "zone_id",
    "name_en", "name_zh", "kind", "usable_area_m2", "capacity_persons", "transition", "from_state", "to_state", "level",
    "quantity", "value", "limit", "unit", "reasons", "cause",
)  # fmt: skip


def write_alerts(file: TextIO, alerts: Iterable[AlertEvent], site: Site, whose: Provenance) -> int:
    """Write them, oldest first, and return how many.

    Args:
        file: open for text, with ``newline=""``.
        alerts: of the run.
        site: whose zones.
        whose: what stands in every row.
    """
    zones = {zone.zone_id: zone for zone in site.zones}
    writer = csv.DictWriter(file, ALERT_COLUMNS)
    writer.writeheader()
    count = 0
    for alert in sorted(alerts, key=lambda each: (each.t_ns, each.zone_id, each.alarm, each.event_id)):
        zone = zones.get(alert.zone_id)
        row: dict[str, Any] = whose.facts() | {
            "alert_id": alert.event_id, "t_utc": utc(alert.t_ns), "t_local": whose.local(alert.t_ns),
            "t_ns": alert.t_ns, "alarm": alert.alarm, "zone_id": alert.zone_id, "transition": alert.transition,
            "from_state": alert.from_state.value, "to_state": alert.to_state.value, "level": alert.level.name.lower(),
            "quantity": alert.quantity, "value": _number(alert.value), "limit": _number(alert.limit),
            "unit": alert.unit, "reasons": named(reason_text("en", alert.reasons)), "cause": named(alert.cause),
        }  # fmt: skip
        if zone is not None:
            row |= {
                "name_en": named(zone.name["en"]), "name_zh": named(zone.name.get("zh", zone.name["en"])),
                "kind": zone.kind.value, "usable_area_m2": f"{zone.usable_area_m2:.2f}",
                "capacity_persons": "" if zone.capacity is None else f"{zone.capacity:g}",
            }  # fmt: skip
        writer.writerow(row)
        count += 1
    return count


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.6g}"
