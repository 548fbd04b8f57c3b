"""Where a coarse pass over footage has to be looked at finely: around every moment of a zone that is near a limit, or
that was not seen whole: what is unknown may be near a limit."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from crowdwatch.analytics.alerts import nearest_frac
from crowdwatch.analytics.coverage import SiteView
from crowdwatch.core.outcomes import Health, Outcome

__all__ = ["Focus", "merged"]

NS = 1_000_000_000


@dataclass(slots=True)
class Focus:
    """Collects spans of event time per camera.

    Args:
        view: the site.
        near_frac: a reading from this share of a limit on is near it.
        coarse_s: distance of the coarse pass's pictures: a crowd may have come and gone between two of them.
    """

    view: SiteView
    near_frac: float
    coarse_s: float
    _spans: dict[str, list[tuple[int, int]]] = field(default_factory=dict)

    def add(self, outcome: Outcome) -> None:
        """Take in one tick of the coarse pass."""
        blind = [camera.camera_id for camera in outcome.health if camera.health is not Health.OK]
        for index, zone in enumerate(self.view.zones.zones):
            reading = next(r for r in outcome.readings if r.zone_id == zone.zone_id)
            lost = any(self._may_see(camera_id, index) for camera_id in blind)
            if nearest_frac(self.view.site, reading) < self.near_frac and not lost:  # NaN is unknown, and not below
                continue
            span = (outcome.t_ns - self.before_ns, outcome.t_ns + round(self.coarse_s * NS))
            for camera in self.view.site.cameras:
                camera_id = camera.camera_id
                if self._may_see(camera_id, index):
                    spans = self._spans.setdefault(camera_id, [])
                    spans.append(span)
                    if len(spans) > 1000:
                        self._spans[camera_id] = merged(spans)

    def _may_see(self, camera_id: str, index: int) -> bool:
        """Whether a camera sees a zone; one that moves may see any."""
        view = self.view.cameras.get(camera_id)
        return view is None or bool(view.zones_seen[index])

    @property
    def before_ns(self) -> int:
        """How far back a reading reaches: its window, the longest on-delay, and one coarse interval."""
        delays = [
            limit.on_delay_s for phase in self.view.site.phases for zone in phase.zone_limits for limit in zone.limits
        ]
        return round((self.view.site.window_s + max(delays, default=0.0) + self.coarse_s) * NS)

    def spans(self) -> dict[str, list[tuple[int, int]]]:
        """Per camera, the spans to look at finely, in order and apart from each other."""
        return {camera_id: merged(spans) for camera_id, spans in sorted(self._spans.items())}


def merged(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Spans joined where they touch or overlap, in order.

    >>> merged([(5, 9), (0, 3), (2, 5), (12, 13)])
    [(0, 9), (12, 13)]
    """
    joined: list[tuple[int, int]] = []
    for from_ns, to_ns in sorted(spans):
        if joined and from_ns <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], to_ns))
        else:
            joined.append((from_ns, to_ns))
    return joined
