"""Who walks where, as long as people stand apart: positions of one camera joined over time, in metres on the ground.

A Kalman filter with constant velocity for each person, and the best one-to-one assignment of positions to predictions.
Boxes with a high score are assigned first and may begin a track; boxes with a low score only keep one alive (Zhang et
al. 2022, "ByteTrack", ECCV). Both axes have the same errors, so one 2 x 2 covariance does for both:

    x' = F x,  P' = F P F^T + Q,  F = [[1, dt], [0, 1]],  Q = a^2 [[dt^4/4, dt^3/2], [dt^3/2, dt^2]]
    k = P' h / S,  S = P'_pp + r^2,  x = x' + k (z - x'_p),  P = P' - k k^T S

A pair costs d^2 / S + 2 ln S, twice the negative logarithm of its likelihood but for a constant, d the distance.

Tracks exist to count crossings and to measure speeds. Their numbers are counters of one camera in one run. They live in
the fold's state while the track lives, and are written nowhere.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.spatial import KDTree

from crowdwatch.core.records import FloatArray
from crowdwatch.ground import IntArray

__all__ = ["LOW_SCORE", "NO_TRACKS", "SEEN_TIMES", "Tracks", "follow"]

LOW_SCORE = 0.1
"""Boxes below this score keep no track alive: most of them are no people."""

ACCELERATION_M_S2 = 1.0
"""Standard deviation of how people change their velocity, on each axis. [PETS2009, frames 0 to 199]"""

SPEED_M_S = 1.2
"""Standard deviation of the unknown velocity of a person who was found just now, on each axis: they walk."""

LEAST_NOISE_M = 0.12
"""Positions scatter by so much at least, whatever the calibration's error: boxes breathe. [PETS2009, frames 0 to 199:
0.14 m in the median]"""

GATE2 = 16.0
"""A position belongs to no prediction from which it is farther than this: 99.97 % of the square of the normalised
distance."""

LOW_GATE2, LOW_NOISE = 2.0, 2.0
"""A box with a low score keeps a track alive only this near to the prediction, and its position scatters by so many
times as much: shadows and bags beside people have such boxes. [PETS2009, frames 0 to 199]"""

FASTEST_M_S = 4.0
"""Nobody is farther from where they were last seen than this speed allows, and half a metre."""

LOST_S = 1.5
"""A person who is not found for longer than this is lost: nobody can guess the way on. [PETS2009, frames 0 to 199:
fewest wrong crossings of 1 to 3 s]"""

NEW_LOST_S = 0.7
"""The same for somebody found less than :data:`SEEN_TIMES`."""

SEEN_TIMES = 3
"""Found so often, it is a person: what crosses a line before was perhaps none."""

APART_M = 0.35
"""A box that is nearer than this to a track which has a box begins no other one: two boxes on one person."""


@dataclass(frozen=True, slots=True, eq=False)
class Tracks:
    """The people whom one camera follows at a moment.

    Args:
        t_ns: of the newest picture.
        number: (N,) rising; counters of this camera and this run, never to be written.
        xy_m: (N, 2) where they are.
        v_m_s: (N, 2) how they move.
        spread: (N, 3) variances of place and velocity on each axis, and their covariance: pp, pv, vv.
        found: (N,) how often they were found with a high score.
        seen_ns: (N,) when they were last found.
        born_ns: (N,) when they were first found.
        next_number: for the next one.
    """

    t_ns: int = 0
    number: IntArray = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    xy_m: FloatArray = field(default_factory=lambda: np.empty((0, 2)))
    v_m_s: FloatArray = field(default_factory=lambda: np.empty((0, 2)))
    spread: FloatArray = field(default_factory=lambda: np.empty((0, 3)))
    found: IntArray = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    seen_ns: IntArray = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    born_ns: IntArray = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    next_number: int = 0

    def __len__(self) -> int:
        return len(self.number)

    @property
    def sure(self) -> NDArray[np.bool_]:
        """(N,) who was found often enough to be a person."""
        sure: NDArray[np.bool_] = self.found >= SEEN_TIMES
        return sure

    @property
    def seen_now(self) -> NDArray[np.bool_]:
        """(N,) who was found in the newest picture."""
        now: NDArray[np.bool_] = self.seen_ns == self.t_ns
        return now


NO_TRACKS = Tracks()


def follow(
    tracks: Tracks, t_ns: int, xy_m: FloatArray, sigma_m: FloatArray, score: FloatArray, score_min: float
) -> Tracks:
    """The tracks after one more picture.

    Args:
        tracks: before it.
        t_ns: its exposure; a picture that is not newer changes nothing.
        xy_m: (M, 2) positions of those who stand apart; NaN rows are nobody.
        sigma_m: (M,) their standard errors, both axes together.
        score: (M,) of their boxes.
        score_min: from which score on a box is counted.

    >>> walk = NO_TRACKS
    >>> for k in range(10):  # at 1.4 m/s to the east, five pictures a second
    ...     walk = follow(walk, k * 200_000_000, np.array([[0.28 * k, 0.0]]), np.array([0.1]), np.array([0.9]), 0.5)
    >>> walk.number.tolist(), walk.v_m_s.round(1).tolist()
    ([0], [[1.4, 0.0]])
    """
    if len(tracks) and t_ns <= tracks.t_ns:
        return tracks
    known = np.isfinite(xy_m).all(axis=1) & (score >= min(LOW_SCORE, score_min))
    xy_m, sigma_m, score = xy_m[known], sigma_m[known], score[known]
    noise = np.maximum(np.nan_to_num(sigma_m) ** 2 / 2, LEAST_NOISE_M**2)
    ahead = _predicted(tracks, t_ns)
    high = score >= score_min
    free = np.ones(len(ahead), dtype=np.bool_)
    who, what = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    noise = np.where(high, noise, LOW_NOISE**2 * noise)
    for wanted, gate2 in ((high, GATE2), (~high, LOW_GATE2)):
        people, boxes = _paired(ahead, t_ns, (xy_m, noise), np.flatnonzero(free), np.flatnonzero(wanted), gate2)
        free[people] = False
        who, what = np.concatenate([who, people]), np.concatenate([what, boxes])
    moved = _corrected(ahead, t_ns, who, xy_m[what], noise[what], high[what])
    new = high.copy()
    new[what] = False
    return _begun(_kept(moved, t_ns), t_ns, xy_m[new], noise[new])


def _predicted(tracks: Tracks, t_ns: int) -> Tracks:
    """Where everybody should be by now."""
    if not len(tracks):
        return tracks
    dt = (t_ns - tracks.t_ns) / 1e9
    pp, pv, vv = tracks.spread.T
    q = ACCELERATION_M_S2**2
    spread = np.stack([
        pp + 2 * dt * pv + dt * dt * vv + q * dt**4 / 4,
        pv + dt * vv + q * dt**3 / 2,
        vv + q * dt * dt,
    ], axis=1)  # fmt: skip
    xy_m = tracks.xy_m + dt * tracks.v_m_s
    return Tracks(
        tracks.t_ns, tracks.number, xy_m, tracks.v_m_s, spread, tracks.found, tracks.seen_ns, tracks.born_ns,
        tracks.next_number,
    )  # fmt: skip


def _paired(
    ahead: Tracks, t_ns: int, found: tuple[FloatArray, FloatArray], people: IntArray, boxes: IntArray, gate2: float
) -> tuple[IntArray, IntArray]:
    """Which of some people are which of some boxes: the most likely one-to-one assignment within the gate."""
    xy_m, noise = found
    nobody = np.empty(0, dtype=np.int64)
    if not len(people) or not len(boxes):
        return nobody, nobody
    reach = np.minimum(
        np.sqrt(gate2 * (ahead.spread[people, 0] + noise[boxes].max())),
        FASTEST_M_S * (t_ns - ahead.seen_ns[people]) / 1e9 + 0.5,
    )
    near = KDTree(ahead.xy_m[people]).sparse_distance_matrix(
        KDTree(xy_m[boxes]), float(reach.max()), output_type="coo_matrix"
    )
    row, col, far = near.row, near.col, near.data
    s = ahead.spread[people[row], 0] + noise[boxes[col]]
    fits = (far**2 <= gate2 * s) & (far <= reach[row])
    row, col, cost = row[fits], col[fits], (far**2 / s + 2 * np.log(s))[fits]
    order = np.lexsort((col, row))
    row, col, cost = row[order], col[order], cost[order]
    alone = (np.bincount(row, minlength=len(people))[row] == 1) & (np.bincount(col, minlength=len(boxes))[col] == 1)
    some_rows, at_row = np.unique(row[~alone], return_inverse=True)
    some_cols, at_col = np.unique(col[~alone], return_inverse=True)
    none = 1e6
    costs = np.full((len(some_rows), len(some_cols)), none)
    costs[at_row, at_col] = cost[~alone]
    picked, taken = linear_sum_assignment(costs)
    held = costs[picked, taken] < none
    rows = np.concatenate([row[alone], some_rows[picked[held]]])
    cols = np.concatenate([col[alone], some_cols[taken[held]]])
    return people[rows], boxes[cols]


def _corrected(
    ahead: Tracks, t_ns: int, who: IntArray, xy_m: FloatArray, noise: FloatArray, high: NDArray[np.bool_]
) -> Tracks:
    """The predictions with what was found."""
    places, speeds, spread = ahead.xy_m.copy(), ahead.v_m_s.copy(), ahead.spread.copy()
    found, seen_ns = ahead.found.copy(), ahead.seen_ns.copy()
    pp, pv, vv = spread[who].T
    s = pp + noise
    off = xy_m - places[who]
    places[who] += (pp / s)[:, None] * off
    speeds[who] += (pv / s)[:, None] * off
    spread[who] = np.stack([pp - pp * pp / s, pv - pp * pv / s, vv - pv * pv / s], axis=1)
    found[who] += high
    seen_ns[who] = t_ns
    return Tracks(t_ns, ahead.number, places, speeds, spread, found, seen_ns, ahead.born_ns, ahead.next_number)


def _kept(tracks: Tracks, t_ns: int) -> Tracks:
    """Without those who were not found for too long."""
    patience_s = np.where(tracks.sure, LOST_S, NEW_LOST_S)
    keep = (t_ns - tracks.seen_ns) / 1e9 <= patience_s
    if keep.all():
        return tracks
    return Tracks(
        tracks.t_ns, tracks.number[keep], tracks.xy_m[keep], tracks.v_m_s[keep], tracks.spread[keep],
        tracks.found[keep], tracks.seen_ns[keep], tracks.born_ns[keep], tracks.next_number,
    )  # fmt: skip


def _begun(tracks: Tracks, t_ns: int, xy_m: FloatArray, noise: FloatArray) -> Tracks:
    """With those who were found for the first time."""
    here = tracks.xy_m[tracks.seen_ns == t_ns]
    if len(here) and len(xy_m):
        nearest, _ = KDTree(here).query(xy_m)
        xy_m, noise = xy_m[nearest >= APART_M], noise[nearest >= APART_M]
    n = len(xy_m)
    if not n:
        return Tracks(
            t_ns, tracks.number, tracks.xy_m, tracks.v_m_s, tracks.spread, tracks.found, tracks.seen_ns,
            tracks.born_ns, tracks.next_number,
        )  # fmt: skip
    spread = np.stack([noise, np.zeros(n), np.full(n, SPEED_M_S**2)], axis=1)
    return Tracks(
        t_ns,
        np.concatenate([tracks.number, tracks.next_number + np.arange(n)]),
        np.concatenate([tracks.xy_m, xy_m]),
        np.concatenate([tracks.v_m_s, np.zeros((n, 2))]),
        np.concatenate([tracks.spread, spread]),
        np.concatenate([tracks.found, np.ones(n, dtype=np.int64)]),
        np.concatenate([tracks.seen_ns, np.full(n, t_ns)]),
        np.concatenate([tracks.born_ns, np.full(n, t_ns)]),
        tracks.next_number + n,
    )
