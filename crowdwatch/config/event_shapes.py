"""Areas and lines of an event file as they are drawn: corners that are added, moved, removed and snapped.

The values are plain (dicts and lists, as YAML holds them) and never changed: every function returns new ones. A shape
is named by where it stands: ``("walkable", 0)``, ``("obstacle", 1)``, ``("zone", 0)``, ``("gate", 0)``.
"""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

import numpy as np

from crowdwatch.ground import polygon, polygon_fault

__all__ = [
    "History", "Pair", "Shape", "Values", "added", "corner_deleted", "corner_placed", "corners", "new_id", "removed",
    "shape_fault", "shapes", "snapped", "usable_area_m2", "with_corners",
]  # fmt: skip

Values: TypeAlias = dict[str, Any]
Pair: TypeAlias = tuple[float, float]
Shape: TypeAlias = tuple[str, int]
T = TypeVar("T")

LISTS = {"obstacle": ("site", "obstacles_m"), "zone": ("zones",), "gate": ("gates",)}
CORNERS = {"zone": "polygon_m", "gate": "line_m"}
MOST_STEPS = 200
"""How far back undo goes."""


@dataclass(frozen=True, slots=True)
class History(Generic[T]):
    """A value with what it was before, and what was taken back.

    >>> drawn = History(1).then(2).then(3).undo()
    >>> drawn.now, drawn.redo().now, drawn.then(9).redo().now
    (2, 3, 9)
    """

    now: T
    before: tuple[T, ...] = ()
    after: tuple[T, ...] = ()

    def then(self, value: T) -> History[T]:
        """The value after a change; without one, the same."""
        if value == self.now:
            return self
        return History(value, (*self.before, self.now)[-MOST_STEPS:])

    def undo(self) -> History[T]:
        """One step back, if there is one."""
        return History(self.before[-1], self.before[:-1], (self.now, *self.after)) if self.before else self

    def redo(self) -> History[T]:
        """One step forward again, if there is one."""
        return History(self.after[0], (*self.before, self.now), self.after[1:]) if self.after else self


def shapes(values: Values) -> list[Shape]:
    """Every shape of an event file, the walkable area first."""
    counted = (("obstacle", len(_list(values, "obstacle"))), ("zone", len(_list(values, "zone"))))
    found = [("walkable", 0), *((kind, n) for kind, many in counted for n in range(many))]
    return [*found, *(("gate", n) for n in range(len(_list(values, "gate"))))]


def corners(values: Values, shape: Shape) -> list[Pair]:
    """The corners of a shape in metres; pairs that are none are left out."""
    kind, number = shape
    if kind == "walkable":
        site = values.get("site")
        found = site.get("walkable_area_m") if isinstance(site, dict) else None
    else:
        items = _list(values, kind)
        item = items[number] if number < len(items) else None
        found = item if kind == "obstacle" else (item or {}).get(CORNERS[kind])
    return list(_pairs(found))


def with_corners(values: Values, shape: Shape, ring: Sequence[Pair]) -> Values:
    """The event file with other corners of a shape, in centimetres."""
    made, (kind, number) = copy.deepcopy(values), shape
    rounded = [[round(float(east), 2) + 0.0, round(float(north), 2) + 0.0] for east, north in ring]
    if kind == "walkable":
        made.setdefault("site", {})["walkable_area_m"] = rounded
    elif kind == "obstacle":
        made["site"]["obstacles_m"][number] = rounded
    else:
        made[f"{kind}s"][number][CORNERS[kind]] = rounded
    return made


def corner_placed(
    ring: Sequence[Pair], at: Pair, chosen: int | None = None, most: int = 1000
) -> tuple[list[Pair], int]:
    """A corner added behind the chosen one, or at the end; and which it is. A line of two ends has its last one moved.

    >>> corner_placed([(0, 0), (4, 0), (4, 4)], (2, 0), chosen=0)
    ([(0, 0), (2, 0), (4, 0), (4, 4)], 1)
    >>> corner_placed([(0, 0), (4, 0)], (9, 9), most=2)
    ([(0, 0), (9, 9)], 1)
    """
    made = list(ring)
    if len(made) >= most:
        place = len(made) - 1 if chosen is None else chosen
        made[place] = at
        return made, place
    place = len(made) if chosen is None or chosen >= len(made) else chosen + 1
    made.insert(place, at)
    return made, place


def corner_deleted(ring: Sequence[Pair], chosen: int) -> tuple[list[Pair], int | None]:
    """A ring without one corner, and the corner that is chosen then."""
    made = [pair for number, pair in enumerate(ring) if number != chosen]
    return made, (max(chosen - 1, 0) if made else None)


def snapped(at: Pair, others: Sequence[Pair], reach: float) -> Pair:
    """The nearest of other corners within reach, or the place itself.

    >>> snapped((1.0, 1.0), [(1.2, 1.0), (1.1, 1.0)], 0.5), snapped((1.0, 1.0), [(9.0, 9.0)], 0.5)
    ((1.1, 1.0), (1.0, 1.0))
    """
    near = [(math.dist(at, other), other) for other in others]
    near = [each for each in near if each[0] <= reach]
    return min(near)[1] if near else at


def added(
    values: Values, kind: str, name: str = "", name_zh: str = "", zone_kind: str = "standing"
) -> tuple[Values, Shape]:
    """The event file with a new shape that has no corners yet, and which it is."""
    made = copy.deepcopy(values)
    holder: Any = made
    for key in LISTS[kind][:-1]:
        holder = holder.setdefault(key, {})
    items = holder.setdefault(LISTS[kind][-1], []) or []
    holder[LISTS[kind][-1]] = items
    if kind == "obstacle":
        items.append([])
    else:
        taken = {str(item.get("id")) for item in items if isinstance(item, dict)}
        item: Values = {"id": new_id(name or kind, taken), "name": {"en": name or kind, "zh": name_zh or name or kind}}
        items.append(item | ({"kind": zone_kind} if kind == "zone" else {}) | {CORNERS[kind]: []})
    return made, (kind, len(items) - 1)


def removed(values: Values, shape: Shape) -> Values:
    """The event file without a shape; of the walkable area the corners go."""
    kind, number = shape
    if kind == "walkable":
        return with_corners(values, shape, [])
    made = copy.deepcopy(values)
    holder: Any = made["site"] if kind == "obstacle" else made
    del holder[LISTS[kind][-1]][number]
    return made


def new_id(name: str, taken: set[str]) -> str:
    """A short name without spaces that nothing else has.

    >>> new_id("North gate!", {"north-gate"}), new_id("北门", set())
    ('north-gate-2', 'item')
    """
    head = re.sub(r"[^a-z0-9_.-]+", "-", name.lower()).strip("-.")[:50].strip("-.") or "item"
    numbered = (head if n == 1 else f"{head}-{n}" for n in range(1, len(taken) + 2))
    return next(each for each in numbered if each not in taken)


def shape_fault(values: Values, shape: Shape) -> str:
    """What is wrong with a shape as it is drawn, in a sentence; empty where nothing is. The whole file is judged when
    it is checked."""
    ring = corners(values, shape)
    if shape[0] == "gate":
        return "" if len(ring) == 2 else f"got {len(ring)} ends, need 2. Click both ends of the gate."
    fault = polygon_fault(np.array(ring, dtype=np.float64).reshape(-1, 2))
    if fault or shape[0] == "walkable":
        return fault or ""
    outer = corners(values, ("walkable", 0))
    if polygon_fault(np.array(outer, dtype=np.float64).reshape(-1, 2)):
        return ""
    outside = 1 - polygon(ring).intersection(polygon(outer)).area / polygon(ring).area
    if outside > 0.99:
        return "lies outside the walkable area. Move it, or widen the walkable area."
    return f"{100 * outside:.0f} % of it lies outside the walkable area and counts nothing." if outside > 0.01 else ""


def usable_area_m2(values: Values, shape: Shape) -> float:
    """Area of a zone, or of the walkable area, within the walkable area and without obstacles; NaN while it is none."""
    rings = [corners(values, ("walkable", 0)), corners(values, shape)]
    holes = [corners(values, ("obstacle", n)) for n in range(len(_list(values, "obstacle")))]
    if any(polygon_fault(np.array(ring, dtype=np.float64).reshape(-1, 2)) for ring in rings):
        return math.nan
    area = polygon(rings[1]).intersection(polygon(rings[0]))
    for hole in holes:
        if not polygon_fault(np.array(hole, dtype=np.float64).reshape(-1, 2)):
            area = area.difference(polygon(hole))
    return float(area.area)


def _list(values: Values, kind: str) -> list[Any]:
    holder: Any = values
    for key in LISTS[kind]:
        holder = holder.get(key) if isinstance(holder, dict) else None
    return holder if isinstance(holder, list) else []


def _pairs(found: Any) -> Iterator[Pair]:
    for each in found if isinstance(found, list) else []:
        if isinstance(each, list | tuple) and len(each) == 2:
            try:
                yield float(each[0]), float(each[1])
            except (TypeError, ValueError):
                continue
