"""The trade-off of one limit: the same night under many values of it, in one fold.

Each zone stands there once for every value, with that limit alone. Zones do not know of each other, so one fold gives
what many would, at the cost of their readings.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from crowdwatch.config import IncidentFile
from crowdwatch.config.limits import DEADBAND, DEADBAND_SHARE, OFF_DELAY_S, ON_DELAY_S
from crowdwatch.core.outcomes import AlertEvent, Level
from crowdwatch.core.site import MOST_P_M2, Limit, Phase, Quantity, Site, Zone, ZoneLimits
from crowdwatch.drivers.backtest.alarm_load import alarm_load, announces
from crowdwatch.drivers.backtest.refold import Folded
from crowdwatch.drivers.backtest.scoring import score
from crowdwatch.errors import ConfigError

__all__ = ["Sweep", "SweepPoint", "read_sweep", "swept", "swept_site"]

MOST_VALUES = 50
_FORM = re.compile(r"(density|peak|count|occupancy)(?:\.(watch|caution|alert|critical))?:([\d.]+)\.\.([\d.]+):([\d.]+)")
CROWDING = "crowding"


@dataclass(frozen=True, slots=True)
class Sweep:
    """One limit of every zone, and the values to try."""

    quantity: Quantity
    level: Level
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class SweepPoint:
    """What one value does.

    Args:
        value: of the limit.
        alarms: how often it is reached.
        minutes: for how long it stands, zones added up.
        most_per_10min: alarms, as of EEMUA 191.
        recall, lead_time_s, false_per_camera_hour: against labelled incidents; None without them.
    """

    value: float
    alarms: int
    minutes: float
    most_per_10min: int
    recall: float | None = None
    lead_time_s: float | None = None
    false_per_camera_hour: float | None = None


def read_sweep(text: str) -> Sweep:
    """Read ``density:3..6:0.5``, or ``density.critical:3..6:0.5``; without a level it is the one of ``alert``.

    Raises:
        ConfigError: it is written otherwise, or has too many values.

    >>> read_sweep("density:3..4.5:0.5").values
    (3.0, 3.5, 4.0, 4.5)
    """
    match = _FORM.fullmatch(text.strip())
    try:
        low, high, step = (float(part) for part in match.groups()[2:]) if match is not None else (0.0, 0.0, 0.0)
    except ValueError:
        match, low, high, step = None, 0.0, 0.0, 0.0
    if match is None or not (0 < low <= high and step > 0):
        raise ConfigError(
            f"--sweep {text!r}: need QUANTITY:LOW..HIGH:STEP, as in density:3..6:0.5 or peak.critical:4..7:1."
        )
    quantity, level = Quantity(match[1]), Level[(match[2] or "alert").upper()]
    if (high - low) / step >= MOST_VALUES:
        raise ConfigError(f"--sweep {text!r}: has more than {MOST_VALUES} values. Take a larger step.")
    if quantity in (Quantity.DENSITY, Quantity.PEAK) and high > MOST_P_M2:
        raise ConfigError(f"--sweep {text!r}: nobody can stand closer than {MOST_P_M2:g} p/m2. Lower its end.")
    values = np.arange(low, high + step * 1e-6, step).round(6)
    return Sweep(quantity, level, tuple(values.tolist()))


def swept_site(site: Site, sweep: Sweep) -> Site:
    """The site with every zone once for each value, under that limit alone, in all phases."""
    zones: list[Zone] = []
    limits: list[ZoneLimits] = []
    for number, value in enumerate(sweep.values):
        for zone in site.zones:
            name = _named(number, zone.zone_id)
            zones.append(replace(zone, zone_id=name))
            limits.append(ZoneLimits(name, (_limit(site, zone, sweep, value),), watch_blindness=False))
    return replace(site, zones=tuple(zones), phases=(Phase("sweep", site.phases[0].start_ns, tuple(limits)),))


def _named(number: int, zone_id: str) -> str:
    return f"{number}@{zone_id}"


def _limit(site: Site, zone: Zone, sweep: Sweep, value: float) -> Limit:
    """The limit with the delays that the zone has for it now."""
    own = next(each.limits for each in site.phases[0].zone_limits if each.zone_id == zone.zone_id)
    has = next((each for each in own if (each.quantity, each.level) == (sweep.quantity, sweep.level)), None)
    on_s = ON_DELAY_S[sweep.level.name.lower()] if has is None else has.on_delay_s
    off_s = OFF_DELAY_S if has is None else has.off_delay_s
    clear = max(value - max(DEADBAND[sweep.quantity], DEADBAND_SHARE * value), 0.0)
    return Limit(sweep.quantity, sweep.level, value, clear, on_s, off_s)


def swept(folded: Folded, sweep: Sweep, incidents: Sequence[IncidentFile]) -> list[SweepPoint]:
    """What each value does.

    Args:
        folded: the log under :func:`swept_site`.
        sweep: what was tried.
        incidents: labels; those that ask for another alarm than crowding are left out.
    """
    asked = [
        each.model_copy(update={"least_level": sweep.level.name.lower()})
        for each in incidents
        if not each.alarms or CROWDING in each.alarms
    ]
    index = {zone.zone_id: column for column, zone in enumerate(folded.site.zones)}
    points = []
    for number, value in enumerate(sweep.values):
        head = _named(number, "")
        here = [each for each in folded.alerts if each.zone_id.startswith(head) and each.alarm == CROWDING]
        alerts = [_renamed(each, head) for each in here]
        columns = [column for name, column in index.items() if name.startswith(head)]
        minutes = float(folded.level_s[sweep.level][columns].sum()) / 60
        raised = [each.t_ns for each in alerts if announces(each)]
        load = alarm_load(raised, folded.t_ns[0], folded.t_ns[-1])
        point = SweepPoint(value, len(raised), minutes, load.most)
        if asked:
            said = score(asked, alerts, folded.hours, len(folded.site.cameras))
            rate = said.false_per_camera_hour
            point = replace(point, recall=said.recall, lead_time_s=said.lead_time_s, false_per_camera_hour=rate)
        points.append(point)
    return points


def _renamed(alert: AlertEvent, head: str) -> AlertEvent:
    return replace(alert, zone_id=alert.zone_id.removeprefix(head))
