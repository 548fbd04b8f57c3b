"""What a message needs to know beside the alert event: the event's names, its time zone, where its zones lie."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from crowdwatch.core.notices import Notification
from crowdwatch.core.outcomes import Level
from crowdwatch.core.site import Site
from crowdwatch.core.text import plain
from crowdwatch.words import t

__all__ = ["Context", "Ring", "rings_of"]

Ring = tuple[tuple[float, float], ...]
"""Corners as (latitude, longitude) in degrees, the first one again at the end."""


@dataclass(frozen=True, slots=True)
class Context:
    """The event, as messages speak of it.

    Args:
        event_id, name: of the event; ``name`` by language.
        zones: names of zones, by id and language.
        time_zone: IANA name, in which times are written.
        rings: where zones lie on Earth; empty where the site lies on no map.
        sender: who sends, in CAP messages: an address or a name without spaces and commas.
        scope, restriction: of CAP messages.
        public_sender: who sends, in words, by language.
        do: what the playbook says of a notification's alert now, by language.
        zones_of_cause: the zones, its own among them, in which alarms stand that have the cause of its alert.
    """

    event_id: str
    name: Mapping[str, str]
    zones: Mapping[str, Mapping[str, str]]
    time_zone: str = "UTC"
    rings: Mapping[str, Ring] = field(default_factory=dict)
    sender: str = "crowdwatch"
    scope: str = "Restricted"
    restriction: str = "staff of the event"
    public_sender: Mapping[str, str] = field(default_factory=dict)
    do: Callable[[Notification], Mapping[str, str]] = lambda notification: {}
    zones_of_cause: Callable[[Notification], tuple[str, ...]] = lambda notification: ()

    def zone(self, zone_id: str, language: str) -> str:
        """A zone's name on one line; its id where it has none."""
        return plain(self.zones.get(zone_id, {}).get(language, "")) or zone_id

    def local(self, t_ns: int) -> datetime:
        """A time in the event's time zone, in whole seconds."""
        return datetime.fromtimestamp(t_ns // 1_000_000_000, UTC).astimezone(ZoneInfo(self.time_zone))

    def iso(self, t_ns: int) -> str:
        """A time as CAP 1.2 writes it: whole seconds, and an offset, which is -00:00 for UTC.

        >>> Context("e", {}, {}, "Asia/Shanghai").iso(0), Context("e", {}, {}).iso(0)
        ('1970-01-01T08:00:00+08:00', '1970-01-01T00:00:00-00:00')
        """
        written = self.local(t_ns).isoformat(timespec="seconds")
        return written.removesuffix("+00:00") + "-00:00" if written.endswith("+00:00") else written

    def minute(self, t_ns: int) -> int:
        """Minute of the day."""
        at = self.local(t_ns)
        return at.hour * 60 + at.minute

    def instruction(self, notification: Notification, language: str) -> str:
        """What is to be done, on one line; empty where the playbook says nothing."""
        return plain(self.do(notification).get(language, ""))

    def group(self, notification: Notification) -> tuple[str, ...]:
        """The zones of one cause, that of the alert first; empty where it stands alone, or is over."""
        alert = notification.alert
        zones = self.zones_of_cause(notification) if alert.level > Level.NORMAL else ()
        others = tuple(zone_id for zone_id in zones if zone_id != alert.zone_id)
        return (alert.zone_id, *others) if others else ()

    def where(self, notification: Notification, language: str) -> str:
        """The zone, and how many more have the same cause."""
        zone, group = self.zone(notification.zone_id, language), self.group(notification)
        return t(language, "told.more", zone=zone, more=len(group) - 1) if group else zone

    def together(self, notification: Notification, language: str) -> str:
        """A sentence that names the zones of one cause; empty where the alert stands alone."""
        group = self.group(notification)
        names = t(language, "told.list").join(self.zone(zone_id, language) for zone_id in group)
        return t(language, "told.group", zones=names) if group else ""


def rings_of(site: Site, origin_m: tuple[float, float] | None) -> dict[str, Ring]:
    """Where the zones of a site lie on Earth (WGS 84); empty where the site lies on no map."""
    if origin_m is None or site.crs == "local":
        return {}
    import pyproj  # takes a second, which a site without a map does not pay

    to_earth = pyproj.Transformer.from_crs(site.crs, "EPSG:4326", always_xy=True)
    rings = {}
    for zone in site.zones:
        corners = [tuple(corner) for corner in zone.polygon_m]
        found = [to_earth.transform(east + origin_m[0], north + origin_m[1]) for east, north in [*corners, corners[0]]]
        rings[zone.zone_id] = tuple((round(float(lat), 6), round(float(lon), 6)) for lon, lat in found)
    return rings
