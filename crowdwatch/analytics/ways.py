"""Which ground is joined by which gate, and whether a measure leaves people a way out. Pure; by geometry alone.

Gate lines cut the walkable area into pieces of ground. A gate leads from the piece on its left to the piece on its
right, seen from its first point to its second; where one side is no walkable ground, it leads off the site.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import numpy as np
import shapely

from crowdwatch.core.outcomes import Level
from crowdwatch.core.playbook import Measure
from crowdwatch.core.reasons import Code, Reason
from crowdwatch.core.site import Gate, Site
from crowdwatch.ground import polygon

__all__ = ["OFF_SITE", "Ways", "doubts_of", "reached", "ways_of"]

OFF_SITE = -1
"""The piece of ground beyond the site."""

CUT_M, PROBE_M = 0.02, 0.4
"""Half the width of the cut along a gate's line, and how far from the line its sides are looked at."""

REACH_M = 0.25
"""By so much a gate's line is lengthened at both ends: people draw lines that end just before the wall."""

SMALL_FRAC = 0.05
"""A piece that holds less than this share of a zone's ground is not where its people stand."""


@dataclass(frozen=True, slots=True)
class Ways:
    """Pieces of ground, by number, and what joins them.

    Args:
        zones: per zone, the pieces on which it lies.
        gates: per gate, the piece on its left and the piece on its right; entry goes from left to right.
    """

    zones: Mapping[str, frozenset[int]] = field(default_factory=dict)
    gates: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    def gates_of(self, zone_id: str) -> frozenset[str]:
        """The gates on the edge of a zone's ground."""
        own = self.zones.get(zone_id, frozenset())
        return frozenset(gate for gate, (left, right) in self.gates.items() if left != right and {left, right} & own)


def ways_of(site: Site) -> Ways:
    """Work the pieces out from the walkable area, the gates and the zones."""
    area = polygon(site.walkable_m, site.obstacles_m)
    cuts = [_line(gate).buffer(CUT_M, cap_style="flat") for gate in site.gates]
    left_over = area.difference(shapely.union_all(cuts)) if cuts else area
    pieces = [each for each in shapely.get_parts(left_over) if each.area > 0]
    zones = {}
    for zone in site.zones:
        shape = polygon(zone.polygon_m)
        shares = [shape.intersection(piece).area for piece in pieces]
        zones[zone.zone_id] = frozenset(n for n, share in enumerate(shares) if share > SMALL_FRAC * sum(shares))
    return Ways(zones, {gate.gate_id: _sides(gate, pieces) for gate in site.gates})


def _line(gate: Gate) -> shapely.LineString:
    first, last = np.asarray(gate.line_m, float)
    along = (last - first) / np.hypot(*(last - first))
    return shapely.LineString([first - REACH_M * along, last + REACH_M * along])


def _sides(gate: Gate, pieces: list[shapely.Geometry]) -> tuple[int, int]:
    first, last = np.asarray(gate.line_m, float)
    along = (last - first) / np.hypot(*(last - first))
    left = np.array([-along[1], along[0]])
    middle = (first + last) / 2
    found = []
    for side in (left, -left):
        point = shapely.Point(middle + PROBE_M * side)
        found.append(next((n for n, piece in enumerate(pieces) if shapely.contains(piece, point)), OFF_SITE))
    return found[0], found[1]


def reached(ways: Ways, start: Collection[int], hold: Collection[str] = (), close: Collection[str] = ()) -> set[int]:
    """The ground that people on some pieces can walk to, :data:`OFF_SITE` included where they can leave the site. Who
    has left it does not come back another way.

    Args:
        ways: the ground.
        start: where they are.
        hold: gates that nobody enters through.
        close: gates that nobody passes.

    >>> ways = Ways({}, {"in": (OFF_SITE, 0), "out": (0, OFF_SITE)})
    >>> sorted(reached(ways, {0}, hold={"in"}, close={"out"})), sorted(reached(ways, {0}, close={"in", "out"}))
    ([-1, 0], [0])
    """
    found, new = set(start), set(start)
    while new:
        new = {
            to
            for gate, (left, right) in ways.gates.items()
            if gate not in close
            for of, to in ((left, right), (right, left))
            if of in found and of != OFF_SITE and to not in found and not (gate in hold and to == right)
        }
        found |= new
    return found


def doubts_of(ways: Ways, zone_id: str, measure: Measure, levels: Mapping[str, Level]) -> tuple[Reason, ...]:
    """What speaks against a measure: it leaves the people of the zone no way out, it sends them where it is not green,
    or where they cannot walk to.

    Args:
        ways: the ground.
        zone_id: the zone of the alert.
        measure: what would be done.
        levels: every zone's level now; UNKNOWN is not green. A zone that is not named is taken for green, as before an
            event.
    """
    doubts = []
    own = ways.zones.get(zone_id, frozenset())
    after = reached(ways, own, measure.hold, measure.close)
    before = reached(ways, own)
    beyond = before - own
    if beyond and (not after - own or (OFF_SITE in before and OFF_SITE not in after)):
        doubts.append(Reason.of(Code.MEASURE_SEALS, zone_id=zone_id))
    if measure.send_to:
        level = levels.get(measure.send_to, Level.NORMAL)
        if level != Level.NORMAL:
            doubts.append(Reason.of(Code.MEASURE_SENDS, zone_id=measure.send_to, level=level.name))
        if own and not after & ways.zones.get(measure.send_to, frozenset()):
            doubts.append(Reason.of(Code.MEASURE_NO_WAY, zone_id=measure.send_to))
    return tuple(doubts)
