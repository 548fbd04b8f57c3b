"""A scripted night in the order of a log, with the truth beside it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from crowdwatch.core.records import FloatArray, LogEvent, Observation, Tick
from crowdwatch.core.site import Site
from crowdwatch.errors import ConfigError
from crowdwatch.ground import inside, polygon
from crowdwatch.sources.night.crowd import Crowd
from crowdwatch.sources.night.plan import DURATION_S, EXITS, FRONT, TOLD_S, NightPlan
from crowdwatch.sources.night.reports import radioed
from crowdwatch.sources.night.watching import Watcher

__all__ = ["Beat", "Night"]

NS = 1_000_000_000
NEEDED = {"promenade", *FRONT, *EXITS}


@dataclass(frozen=True, slots=True, eq=False)
class Beat:
    """One tick of the script.

    Args:
        t_ns: the tick.
        events: everything of the log up to and with the tick, in its order.
        people: (zones,) who really are in each zone.
        worst_p_m2: (zones,) the true density of the worst 3 m x 3 m of each zone.
    """

    t_ns: int
    events: tuple[LogEvent, ...]
    people: FloatArray
    worst_p_m2: FloatArray


class Night:
    """A night, tick by tick.

    Args:
        site: of ``examples/new_year``.
        plan: what happens.
        start_ns: event time of the beginning.
        from_s, to_s: the part that is told. Before it people come and go unseen, which takes a twentieth of the time.
        stands_s: from when on they do so; who came to stay before stands in their place.

    Raises:
        ConfigError: the site is not the one of the script.
    """

    def __init__(
        self, site: Site, plan: NightPlan, start_ns: int, from_s: float = TOLD_S, to_s: float = DURATION_S,
        stands_s: float = 0.0,
    ) -> None:  # fmt: skip
        missing = sorted(NEEDED - {zone.zone_id for zone in site.zones})
        if missing:
            raise ConfigError(f"scripted night: the site has no zone {', '.join(missing)}. Use examples/new_year.")
        if not 0 <= from_s < to_s <= DURATION_S:
            raise ConfigError(f"scripted night: got {from_s:g} to {to_s:g} s, need a part of 0 to {DURATION_S:g} s.")
        self.site, self.plan, self.start_ns = site, plan, start_ns
        self.from_s, self.to_s, self._tick_s = from_s, to_s, site.tick_s
        self._stands_s = min(stands_s, from_s)
        self._crowd = Crowd(site, plan)
        self._watcher = Watcher(site, self._crowd, plan)
        self._zone_of = _zone_of(site, self._crowd)

    @property
    def ticks(self) -> int:
        """How many there are."""
        return round((self.to_s - self.from_s) / self._tick_s)

    def standing(self) -> FloatArray:
        """(N, 2) where everybody is at the newest beat."""
        return self._crowd.standing()

    @property
    def lost(self) -> frozenset[str]:
        """Cameras that report nothing at the newest beat."""
        return self._watcher.lost

    def beats(self) -> Iterator[Beat]:
        """Play the night; once."""
        first, begin = round(self.from_s / self._tick_s), round(self._stands_s / self._tick_s)
        if begin:
            self._crowd.stand(begin * self._tick_s)
        told = radioed(self.plan, self.from_s, self.to_s)
        for number in range(begin + 1, first + 1):
            self._crowd.step(number * self._tick_s, self._tick_s)
        for number in range(first + 1, first + self.ticks + 1):
            t_s = number * self._tick_s
            self._crowd.step(t_s, self._tick_s)
            seen = self._watcher.look(t_s, self.start_ns, self._tick_s)
            t_ns = self.start_ns + round(t_s * NS)
            included = tuple(each.stamp.id for each in seen if isinstance(each, Observation))
            zone = self._zone_of[self._crowd.cells(self._crowd.standing())]
            spoken = [replace(said, t_ns=t_ns) for at_s, said in told if t_s - self._tick_s < at_s <= t_s]
            people = np.bincount(zone[zone >= 0], minlength=len(self.site.zones)).astype(np.float64)
            worst_p_m2 = np.zeros(len(self.site.zones))
            here = self._zone_of >= 0
            np.maximum.at(worst_p_m2, self._zone_of[here], self._crowd.rho_p_m2()[here])
            yield Beat(t_ns, (*seen, *spoken, Tick(t_ns, included)), people, worst_p_m2)


def _zone_of(site: Site, crowd: Crowd) -> np.ndarray:
    """(cells,) the zone of each cell, -1 where there is none. Zones of the script end at whole metres."""
    rows, cols = crowd.shape
    x, y = np.meshgrid(np.arange(cols) + 0.5, np.arange(rows) + 0.5)
    middles = crowd.origin_m + np.stack([x.ravel(), y.ravel()], axis=1)
    found = np.full(rows * cols, -1)
    for index, zone in enumerate(site.zones):
        found[inside(polygon(zone.polygon_m), middles)] = index
    return found
