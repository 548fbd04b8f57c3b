"""Sudden falls of counts that nobody's walking explains: people do not vanish, so a picture or a model has failed.

Those who stand in the middle of a dense crowd cannot leave the ground within seconds. Where far fewer are counted there
than these, the count is doubted. What each camera counts is looked at on its own, so that one of many shows, and what
is counted of the zone as a whole, since a camera may be lost to another one that finds fewer.

A count that comes back within seconds proves that the pictures between were spoiled: nobody is counted from them, and
the zone is doubted until the window has passed. One that does not come back is doubted until it is shown that people
are counted there: time alone does not end it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from crowdwatch.analytics.counting import Assignment, assign
from crowdwatch.analytics.coverage import Coverage, SiteView
from crowdwatch.core.records import FloatArray
from crowdwatch.core.walking_speed import walking_m_s
from crowdwatch.ground import IntArray, share_of

__all__ = ["EVERYBODY", "Fall", "Falls", "falls_of", "without_spoiled"]

LEFT_FRAC = 0.6
"""A fall is sudden where less than this of those who cannot have left is still counted. Detections of one crowd differ
by a tenth or two from picture to picture. [design value]"""

LEAST_PEOPLE = 10.0
"""Fewer missing people than this are within what single pictures differ by. [design value]"""

COUNTED_S, FEW = 1.0, 4
"""For so long they must have been counted before: a density map that was far too high once is no crowd that vanished.
Where the window holds only so many pictures, one is enough. [design values]"""

FASTER = 1.5
"""How much faster than a crowd of that density people may walk, when they hurry. [design value]"""

DOUBTED_S = 300.0
"""How long a count that fell and did not come back is doubted at least. After that it is believed once
:data:`LEAST_PEOPLE` more are counted there than right after the fall, over the window: a model that finds nobody any
more would not find them. [design values]"""

EVERYBODY = ""
"""In the place of a camera: all that is counted in a zone."""


@dataclass(frozen=True, slots=True)
class Fall:
    """A count that fell and is doubted.

    Args:
        since_ns: when it was found.
        people: those who cannot have left.
        before: those who were counted before it.
        good_ns: the newest picture in which they were.
        least: the fewest that were counted since.
        back_ns: when they were counted again; None while they are not.
    """

    since_ns: int
    people: float
    before: float
    good_ns: int
    least: float
    back_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Falls:
    """What is doubted at a tick, and which pictures turned out to be spoiled.

    Args:
        by_zone: zone -> camera, or :data:`EVERYBODY` -> its fall.
        kept: camera -> (entries of its window) False for those that are spoiled; only of cameras that have any.
        spoiled_ns: camera -> from when to when, end exclusive, these were its newest pictures.
    """

    by_zone: Mapping[str, Mapping[str, Fall]]
    kept: Mapping[str, NDArray[np.bool_]]
    spoiled_ns: Mapping[str, tuple[int, int]]


@dataclass(frozen=True, slots=True, eq=False)
class _Counted:
    """Counts of one camera, or of everybody, within the window.

    Args:
        camera_id: whose; :data:`EVERYBODY`.
        at_ns: (n,) times, rising.
        people: (n, zones).
    """

    camera_id: str
    at_ns: IntArray
    people: FloatArray


def falls_of(
    view: SiteView,
    before: Mapping[str, Mapping[str, Fall]],
    assignment: Assignment,
    totals: Sequence[tuple[int, FloatArray]],
    fields: Sequence[tuple[int, FloatArray]],
    t_ns: int,
) -> Falls:
    """The counts that are doubted at a tick.

    Args:
        view: the prepared site.
        before: those of the tick before.
        assignment: what every camera counts.
        totals: of every tick within the window, oldest first: its time and (zones,) people in the newest pictures.
        fields: the same of the density field (rows, cols), p/m2.
        t_ns: the tick.
    """
    histories = [
        _Counted(EVERYBODY, np.array([at for at, _ in totals]), np.array([people for _, people in totals])),
        *(
            _Counted(camera_id, np.array([entry.t_ns for entry in assignment.cameras[camera_id].window]), people)
            for camera_id, people in sorted(assignment.counts.items())
        ),
    ]
    found: dict[str, dict[str, Fall]] = {}
    kept: dict[str, NDArray[np.bool_]] = {}
    spoiled_ns: dict[str, tuple[int, int]] = {}
    for history in histories:
        low = _low(history.people)
        for index, zone in enumerate(view.zones.zones):
            old = before.get(zone.zone_id, {}).get(history.camera_id)
            if old is None and not low[:, index].any():
                continue
            people = history.people[:, index]
            fall = _step(view, assignment.coverage, history, index, low[:, index], old, fields, t_ns)
            if fall is None:
                continue
            found.setdefault(zone.zone_id, {})[history.camera_id] = fall
            if fall.back_ns != t_ns or history.camera_id == EVERYBODY:
                continue
            spoiled = (people < LEFT_FRAC * fall.people) & (history.at_ns > fall.good_ns)
            spoiled[-1] = False
            if spoiled.any():
                kept[history.camera_id] = kept.get(history.camera_id, True) & ~spoiled
                first, end = int(history.at_ns[spoiled][0]), int(history.at_ns[np.flatnonzero(spoiled)[-1] + 1])
                known = spoiled_ns.get(history.camera_id, (first, end))
                spoiled_ns[history.camera_id] = min(first, known[0]), max(end, known[1])
    return Falls(found, kept, spoiled_ns)


def _low(people: FloatArray) -> NDArray[np.bool_]:
    """(n, zones) the counts that are far below one before, and either the newest or far below one after it too."""
    earlier = np.maximum.accumulate(people, axis=0)
    later = np.maximum.accumulate(people[::-1], axis=0)[::-1]
    later[-1] = np.inf
    high = np.minimum(earlier, later)
    low: NDArray[np.bool_] = (high - people > LEAST_PEOPLE) & (people < LEFT_FRAC * high)
    return low


def _step(
    view: SiteView,
    coverage: Coverage,
    history: _Counted,
    index: int,
    low: NDArray[np.bool_],
    old: Fall | None,
    fields: Sequence[tuple[int, FloatArray]],
    t_ns: int,
) -> Fall | None:
    """The fall of one zone's counts at a tick, if there is one."""
    people, now = history.people[:, index], float(history.people[-1, index])
    if old is not None and old.back_ns is None:
        if now >= LEFT_FRAC * old.people:
            return replace(old, back_ns=t_ns)
        old = replace(old, least=min(old.least, now))
        longer = (t_ns - old.since_ns) / 1e9 >= DOUBTED_S
        return None if longer and float(people.mean()) >= old.least + LEAST_PEOPLE else old
    if old is not None and low.any() and now < LEFT_FRAC * old.people:  # again
        return replace(old, good_ns=_newest(history, people >= LEFT_FRAC * old.people), least=now, back_ns=None)
    fresh = _fresh(view, coverage, history, index, low, fields, t_ns) if low.any() else None
    if fresh is not None:
        return fresh
    over = old is None or old.back_ns is None or (t_ns - old.back_ns) / 1e9 >= view.site.window_s
    return None if over else old


def _fresh(
    view: SiteView,
    coverage: Coverage,
    history: _Counted,
    index: int,
    low: NDArray[np.bool_],
    fields: Sequence[tuple[int, FloatArray]],
    t_ns: int,
) -> Fall | None:
    """A fall that was not known before: of the newest count, or of one between others."""
    people = history.people[:, index]
    first = int(low.argmax())
    most, fell_ns, least = float(people[:first].max()), int(history.at_ns[first]), float(people[low].min())
    high = people[:first] >= LEFT_FRAC * most
    high_ns = history.at_ns[:first][high]
    slow = (history.at_ns[-1] - history.at_ns[0]) / 1e9 * FEW > view.site.window_s * (len(people) - 1)
    if (high_ns[-1] - high_ns[0]) / 1e9 < COUNTED_S and not slow:
        return None
    cell, share = _ground(view, coverage, history.camera_id, index)
    if not len(cell):
        return None
    depth_m = _depth_m(view, cell)
    earlier = [each for each in fields[:-1] if each[0] < fell_ns]
    deep = max((_stay(view, cell, share, depth_m, field, (fell_ns - at) / 1e9) for at, field in earlier), default=0.0)
    if deep - least <= LEAST_PEOPLE or least >= LEFT_FRAC * deep:
        return None
    back = float(people[-1]) >= LEFT_FRAC * deep
    return Fall(t_ns, deep, most, int(high_ns[-1]), least, t_ns if back else None)


def _newest(history: _Counted, where: NDArray[np.bool_]) -> int:
    """The newest of some counts; before the oldest where there is none."""
    return int(history.at_ns[where][-1]) if where.any() else int(history.at_ns[0]) - 1


def _ground(view: SiteView, coverage: Coverage, camera_id: str, index: int) -> tuple[IntArray, FloatArray]:
    """The cells of a zone that a camera counts, or that are seen at all, and the share of each."""
    zones = view.zones
    if camera_id == EVERYBODY:
        here = np.flatnonzero(zones.zone == index)
        mask = coverage.seen.ravel()[zones.cell[here]]
    else:
        camera = coverage.views[camera_id]
        entry = np.flatnonzero(camera.entry_zones == index)
        here, mask = camera.entries[entry], coverage.owned[camera_id].ravel()[camera.cells[entry]]
    share = zones.share[here] * share_of(mask, zones.mask[here])
    return zones.cell[here][share > 0], share[share > 0]


def _depth_m(view: SiteView, cell: IntArray) -> FloatArray:
    """How far each of some cells is from the edge of their ground."""
    row, col = np.divmod(cell, view.grid.shape[1])
    row, col = row - row.min() + 1, col - col.min() + 1
    ground = np.zeros((row.max() + 2, col.max() + 2), dtype=np.bool_)
    ground[row, col] = True
    depth: FloatArray = (distance_transform_edt(ground)[row, col] - 0.5) * view.grid.cell_m
    return depth


def _stay(
    view: SiteView, cell: IntArray, share: FloatArray, depth_m: FloatArray, field_p_m2: FloatArray, seconds: float
) -> float:
    """How many people of an earlier field must still stand on some ground."""
    density = np.nan_to_num(field_p_m2.ravel()[cell])
    stays = depth_m > FASTER * walking_m_s(density) * seconds + view.site.bandwidth_m  # the field is smoothed
    return float((density * share)[stays].sum() * view.grid.cell_m**2)


def without_spoiled(
    view: SiteView, assignment: Assignment, fields: tuple[tuple[int, FloatArray], ...], falls: Falls
) -> tuple[Assignment, tuple[tuple[int, FloatArray], ...]]:
    """The window without the pictures that turned out to be spoiled, and the density fields without what was read from
    them."""
    coverage, cameras = assignment.coverage, dict(assignment.cameras)
    for camera_id, kept in falls.kept.items():
        window = cameras[camera_id].window
        window = tuple(entry for entry, keep in zip(window, kept, strict=True) if keep)
        cameras[camera_id] = replace(cameras[camera_id], window=window)
    known = []
    for at_ns, field_p_m2 in fields:
        spoiled = [c for c, (first_ns, end_ns) in falls.spoiled_ns.items() if first_ns <= at_ns < end_ns]
        here = field_p_m2.copy() if spoiled else field_p_m2
        for camera_id in spoiled:
            here[coverage.views[camera_id].window.slices][coverage.owned[camera_id] != 0] = np.nan
        known.append((at_ns, here))
    return assign(view, coverage, cameras), tuple(known)
