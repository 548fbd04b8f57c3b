"""Cameras that see the same ground at the same time: what each of a pair finds there, whoever counts it.

It is a fold of its own over the states of the ticks: a run's log gives it again. Every :data:`MOMENT_S` the newest
pictures of each pair are laid side by side, where both see the ground and were taken at the same time as far as their
clocks tell. :mod:`~crowdwatch.analytics.overlap_pairs` says what follows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
from scipy.ndimage import gaussian_filter

from crowdwatch.analytics.counting import Entry
from crowdwatch.analytics.coverage import CameraView, SiteView, inverse, walkable_shares
from crowdwatch.analytics.disagreement import disagreements, found_alone
from crowdwatch.analytics.engine import State
from crowdwatch.analytics.poses import places_in
from crowdwatch.analytics.shift import REACH_M, shift_sums
from crowdwatch.core import intervals
from crowdwatch.core.records import FloatArray
from crowdwatch.ground import Masks, Window, moved

__all__ = ["APART_S", "MOMENT_S", "Moment", "Pair", "note"]

MOMENT_S = 2.0
"""Between moments at which a pair is compared: people have walked on by then, and an hour's pair is compared 1,800
times. [design value]"""

APART_S = 1.0
"""Pictures taken further apart show other people; the errors of both clocks are added to it. [design value]"""

SMOOTH_M = 0.5
"""Over which people are smeared before fields are shifted: as wide as one, and as sure as good calibrations are."""

LEAST_CELLS = 8
"""Common ground that is smaller, 2 m2, is the edges of two pictures. [design value]"""

WALKED_FRAC = 0.5
"""Of a cell that must be seen, walkable ground for its density to be compared."""

GROUPS = 6
"""Moments are put into so many groups in turn; how far their shifts differ is how well the shift is known."""

MOST_SAMPLES = 120
"""Moments whose places are kept; beyond, every other one is dropped."""


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """What two cameras find on the ground that both see. Pairs are in the order of the cameras' names.

    Args:
        t_ns: the tick.
        apart_s: the second camera's picture after the first one's.
        clock_s: standard error of that, of both clocks.
        cells: on which both see something.
        area_m2: of walkable ground that both see.
        people: (2,) whom each finds there.
        low, high: (2,) their intervals: errors of counting, and of the edges of the ground.
        sigma_m: (2,) position errors there, root of the mean square.
        xy_m: places of those whom either has in a box.
        sums: as of :func:`~crowdwatch.analytics.shift.shift_sums`.
    """

    t_ns: int
    apart_s: float
    clock_s: float
    cells: int
    area_m2: float
    people: FloatArray
    low: FloatArray
    high: FloatArray
    sigma_m: FloatArray
    xy_m: tuple[FloatArray, FloatArray]
    sums: FloatArray


@dataclass(slots=True, eq=False)
class Pair:
    """All moments of two cameras.

    Args:
        cameras: their names.
        series: (N, 11) of each moment t_ns, area_m2, cells, people, low and high of both, clock_s, apart_s.
        sigma2_m2: (2,) sums of the squared position errors.
        sums: (GROUPS, 6, S, S) of shifts.
        samples: places of people at some of the moments.
        stride: every how many moments one is kept.
        doubted_s: for how long the fold's readings said that one finds more than the other counts.
    """

    cameras: tuple[str, str]
    series: list[FloatArray] = field(default_factory=list)
    sigma2_m2: FloatArray = field(default_factory=lambda: np.zeros(2))
    sums: FloatArray | None = None
    samples: list[tuple[FloatArray, FloatArray]] = field(default_factory=list)
    stride: int = 1
    doubted_s: float = 0.0

    def add(self, moment: Moment) -> None:
        """Take a moment in."""
        number = len(self.series)
        head = [moment.t_ns, moment.area_m2, moment.cells]
        self.series.append(
            np.array([*head, *moment.people, *moment.low, *moment.high, moment.clock_s, moment.apart_s], np.float64)
        )
        self.sigma2_m2 = self.sigma2_m2 + moment.sigma_m**2
        if self.sums is None:
            self.sums = np.zeros((GROUPS, *moment.sums.shape))
        self.sums[number % GROUPS] += moment.sums
        if number % self.stride == 0:
            self.samples.append(moment.xy_m)
        if len(self.samples) > MOST_SAMPLES:
            self.samples, self.stride = self.samples[::2], self.stride * 2


def note(pairs: dict[tuple[str, str], Pair], state: State, t_ns: int, clocks_s: Mapping[str, float]) -> None:
    """Add what every pair of healthy cameras finds on common ground at a tick; pairs without any are left out.

    Args:
        pairs: by names; filled in.
        state: of the fold after the tick.
        t_ns: the tick.
        clocks_s: by camera, standard error of the times of its pictures.
    """
    coverage, view = state.coverage, state.view
    if coverage is None:
        return
    more = disagreements(view, state.witnesses)
    for names in combinations(sorted(coverage.healthy), 2):
        moment = _moment(state, (names[0], names[1]), t_ns, clocks_s)
        if moment is None:
            continue
        pair = pairs.setdefault((names[0], names[1]), Pair((names[0], names[1])))
        pair.add(moment)
        both = [coverage.views[name].zones_seen for name in names]
        for index, zone in enumerate(view.zones.zones):
            if all(seen[index] for seen in both) and set(names) & more.get(zone.zone_id, {}).keys():
                pair.doubted_s += MOMENT_S
                break


def _moment(state: State, names: tuple[str, str], t_ns: int, clocks_s: Mapping[str, float]) -> Moment | None:
    coverage, view = state.coverage, state.view
    assert coverage is not None, "asked for after a tick"
    views = [coverage.views[name] for name in names]
    window = views[0].window & views[1].window
    if not window:
        return None
    common = moved(views[0].seen, views[0].window, window) & moved(views[1].seen, views[1].window, window)
    shares = walkable_shares(view.walkable, window, common)
    cells = int((shares > 0).sum())
    if cells < LEAST_CELLS:
        return None
    entries = [state.cameras[name].window[-1] for name in names]
    apart_s = (entries[1].t_ns - entries[0].t_ns) / 1e9
    clock_s = math.hypot(*(clocks_s.get(name, 0.0) for name in names))
    if abs(apart_s) > APART_S + intervals.Z * clock_s:
        return None
    found = [_on(view, camera, entry, window, common) for camera, entry in zip(views, entries, strict=True)]
    sigma = np.array([_sigma_m(camera, window, shares) for camera in views])
    area_m2 = float(shares.sum()) * view.grid.cell_m**2
    people = np.array([boxes + mass for boxes, mass, _ in found])
    ends = np.array([_ends(view, each[0], each[1], error, area_m2) for each, error in zip(found, sigma, strict=True)])
    return Moment(
        t_ns, apart_s, clock_s, cells, area_m2, people, ends[:, 0], ends[:, 1], sigma, (found[0][2], found[1][2]),
        _sums(view, views, entries, window),
    )  # fmt: skip


def _on(
    view: SiteView, camera: CameraView, entry: Entry, window: Window, common: Masks
) -> tuple[float, float, FloatArray]:
    """People whom a picture has on common ground in boxes and by density map, and (N, 2) places of those in boxes."""
    place = places_in(entry.place, _window(camera, entry), window)
    held = np.flatnonzero(place >= 0)
    held = held[common.ravel()[place[held]] & entry.bit[held] != 0]
    weight = found_alone(entry)[held]
    mass = 0.0
    if entry.heads is not None:
        shares = walkable_shares(view.walkable, window, common)
        heads_share = moved(camera.heads_share, camera.window, window)
        here = moved(entry.heads.counted, camera.window, window) * shares * inverse(heads_share)
        mass = entry.factor * float(here.sum())
    return float(weight.sum()), mass, entry.xy_m[held[weight > 0.5 * entry.factor]]


def _window(camera: CameraView, entry: Entry) -> Window:
    return camera.window if entry.pose is None else entry.pose.window


def _sigma_m(camera: CameraView, window: Window, shares: FloatArray) -> float:
    sigma = moved(camera.sigma_m, camera.window, window)
    known = (shares > 0) & np.isfinite(sigma)
    return float(np.sqrt(np.average(sigma[known] ** 2, weights=shares[known]))) if known.any() else 0.0


def _ends(view: SiteView, boxes: float, mass: float, sigma_m: float, area_m2: float) -> tuple[float, float]:
    """The interval of a count: as that of a zone's reading, with the camera's own habit of counting."""
    tables, nobody = view.site.hand_over, math.nan
    parts = [(n, *table.bounds(n, nobody)) for n, table in ((boxes, tables.boxes), (mass, tables.heads)) if n]
    count, low, high = intervals.merged(parts or [(0.0, *tables.boxes.bounds(0.0, nobody))])
    edge = intervals.Z * math.sqrt(2) * sigma_m / math.sqrt(area_m2) * count
    fewer, more = (boxes * a + mass * b for a, b in zip(tables.boxes.factor, tables.heads.factor, strict=True))
    return max(0.0, count - math.hypot(count - low, edge, fewer)), count + math.hypot(high - count, edge, more)


def _sums(view: SiteView, views: list[CameraView], entries: list[Entry], window: Window) -> FloatArray:
    """Of the fields of both around the common ground, so far that every shift has something to be compared with. Ground
    where nobody can be is left out: it is empty for both, wherever they look."""
    reach = round(REACH_M / view.grid.cell_m)
    around = window.widened(reach, view.grid)
    fields = [_field(view, camera, entry, around) for camera, entry in zip(views, entries, strict=True)]
    seen = [walkable_shares(view.walkable, around, moved(camera.seen, camera.window, around)) for camera in views]
    sees = [(share > WALKED_FRAC).astype(np.float64) for share in seen]
    return shift_sums(fields[0], fields[1], (sees[0], sees[1]), reach)


def _field(view: SiteView, camera: CameraView, entry: Entry, window: Window) -> FloatArray:
    """(rows, cols) people per cell, smeared over :data:`SMOOTH_M`; who stands between centres of cells is shared."""
    own = view.grid.part(window)
    rows, cols = window.shape
    at = (entry.xy_m - own.origin_m) / own.cell_m - 0.5
    low = np.floor(at).astype(np.int64)
    part = at - low
    weight, found = found_alone(entry), np.zeros((rows + 2, cols + 2))
    inside = (low >= -1).all(axis=1) & (low[:, 0] <= cols - 1) & (low[:, 1] <= rows - 1)
    for down in (0, 1):
        for right in (0, 1):
            share = np.abs(1 - right - part[:, 0]) * np.abs(1 - down - part[:, 1]) * weight
            np.add.at(found, (low[inside, 1] + 1 + down, low[inside, 0] + 1 + right), share[inside])
    people = found[1:-1, 1:-1]
    if entry.heads is not None:
        people = people + entry.factor * moved(entry.heads.counted, _window(camera, entry), window)
    return np.asarray(gaussian_filter(people, SMOOTH_M / own.cell_m, mode="constant"))
