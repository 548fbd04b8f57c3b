"""How people move near gates: how many cross by density and velocity, and how many wait in front."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from scipy.spatial import KDTree

from crowdwatch.analytics.counting import Assignment
from crowdwatch.analytics.coverage import SiteView
from crowdwatch.analytics.crossings import Followed
from crowdwatch.analytics.gate_lines import GateLine, Watch
from crowdwatch.core.intervals import Z
from crowdwatch.core.records import FloatArray
from crowdwatch.ground import IntArray

__all__ = ["WAITING_M_S", "Moving", "Sampled", "VelocityField", "shown_mass", "weights_on"]

NEAR_SAMPLE_M = 0.7
"""Samples within so much of a place say how people move there."""

SPREAD_M = 0.3
"""The weight of a sample is exp(-(d / SPREAD_M)^4): whole within the same half metre, little beyond. A wider one lets
those who stand beside a door slow down those who walk through it."""

LEAST_SIGMA_M_S = 0.02
"""No sample is taken for better than this."""

WAITING_M_S = 0.4
"""Whoever moves more slowly waits. Half of the slowest free walking speed (Weidmann 1993). [design value]"""

NEAR_TRACK_M = 1.0
"""Of a density map without measured velocities, people move as those who are followed within so much of them."""


class VelocityField(Protocol):
    """How the crowd moves."""

    def velocity_at(self, xy_m: FloatArray) -> tuple[FloatArray, FloatArray]:
        """(N, 2) velocities at some places, and (N,) the standard errors of each component; NaN where unknown."""


class Sampled:
    """Velocities where samples were taken: the mean of those near, each by its distance and its error.

    >>> field = Sampled(np.zeros((2, 2)), np.array([[0.5, 0.0], [0.7, 0.0]]), np.full(2, 0.1))
    >>> v, sigma = field.velocity_at(np.array([[0.1, 0.0], [9.0, 0.0]]))
    >>> v.round(2).tolist(), sigma.round(2).tolist()
    ([[0.6, 0.0], [nan, nan]], [0.07, nan])
    """

    def __init__(self, xy_m: FloatArray, v_m_s: FloatArray, sigma_m_s: FloatArray) -> None:
        self._xy_m, self._v_m_s = xy_m, v_m_s
        self._weight = 1.0 / np.maximum(sigma_m_s, LEAST_SIGMA_M_S) ** 2

    def velocity_at(self, xy_m: FloatArray) -> tuple[FloatArray, FloatArray]:
        """As of :class:`VelocityField`."""
        v, sigma = np.full((len(xy_m), 2), np.nan), np.full(len(xy_m), np.nan)
        if not len(self._xy_m) or not len(xy_m):
            return v, sigma
        near = KDTree(xy_m).sparse_distance_matrix(KDTree(self._xy_m), NEAR_SAMPLE_M, output_type="coo_matrix")
        weight = self._weight[near.col] * np.exp(-((near.data / SPREAD_M) ** 4))
        total = np.bincount(near.row, weight, len(xy_m))
        known = total > 0
        for axis in (0, 1):
            mean = np.bincount(near.row, weight * self._v_m_s[near.col, axis], len(xy_m))
            v[known, axis] = mean[known] / total[known]
        squares = np.bincount(near.row, weight**2 / self._weight[near.col], len(xy_m))
        sigma[known] = np.sqrt(squares[known]) / total[known]
        return v, sigma


class Moving:
    """How people move near gates at one tick: by the flow field, else as those who are followed next to them."""

    def __init__(
        self,
        view: SiteView,
        cameras: Mapping[str, Followed],
        velocity: VelocityField | None,
        people: FloatArray,
    ) -> None:
        self._view, self._velocity = view, velocity
        self._people = people.ravel()
        sure = [(each.tracks, each.tracks.sure) for each in cameras.values()]
        nobody = [np.empty((0, 2))]
        self._xy_m = np.concatenate(nobody + [tracks.xy_m[those] for tracks, those in sure])
        self._v_m_s = np.concatenate(nobody + [tracks.v_m_s[those] for tracks, those in sure])

    def flow(self, line: GateLine, mass: FloatArray, weights: FloatArray) -> FloatArray:
        """(2,) crossings in and out per second by density and velocity; NaN where most velocities are unknown."""
        people = mass.ravel()[line.band] * line.band_share * weights[line.piece]
        here = np.flatnonzero(people > 0)
        if not len(here):
            return np.zeros(2)
        people = people[here]
        v, sigma = self._at(line.band[here])
        known = np.isfinite(v).all(axis=1)
        share = float(people[known].sum() / people.sum())
        if share < 0.5:
            return np.full(2, np.nan)
        into = v[known] @ line.inward
        per_s = people[known] * into / line.depth_m / share
        off = people[known] * np.nan_to_num(sigma[known]) / line.depth_m / share
        clear = np.abs(per_s) > Z * off
        # those who hardly move go where all of them together go, if they go anywhere
        rest = float(per_s[~clear].sum())
        patches = max(1.0, len(here) * self._view.grid.cell_m**2 / NEAR_SAMPLE_M**2 / np.pi)
        if abs(rest) <= Z * float(off[~clear].sum()) / np.sqrt(patches):
            rest = 0.0
        ways = per_s[clear]
        return np.array([ways[ways > 0].sum() + max(rest, 0.0), -ways[ways < 0].sum() + max(-rest, 0.0)])

    def queue(self, line: GateLine) -> float:
        """People who wait in front of a gate; NaN where nobody knows how they move."""
        people = self._people[line.queue] * line.queue_share
        here = np.flatnonzero(people > 0)
        if not len(here):
            return 0.0
        v, _ = self._at(line.queue[here])
        known = np.isfinite(v).all(axis=1)
        if people[here[known]].sum() < 0.5 * people[here].sum():
            return float("nan")
        waits = np.hypot(*v[known].T) < WAITING_M_S
        return float(people[here[known]][waits].sum() * people[here].sum() / people[here[known]].sum())

    def _at(self, cells: IntArray) -> tuple[FloatArray, FloatArray]:
        row, col = np.divmod(cells, self._view.grid.shape[1])
        xy_m = self._view.grid.origin_m + (np.stack([col, row], axis=1) + 0.5) * self._view.grid.cell_m
        v, sigma = np.full((len(cells), 2), np.nan), np.full(len(cells), np.nan)
        if self._velocity is not None:
            v, sigma = (np.array(each) for each in self._velocity.velocity_at(xy_m))
        lacks = np.flatnonzero(~np.isfinite(v).all(axis=1))
        if len(lacks) and len(self._xy_m):
            far = np.hypot(*(xy_m[lacks][:, None] - self._xy_m[None]).transpose(2, 0, 1))
            nearest = far.argmin(axis=1)
            close = far[np.arange(len(lacks)), nearest] <= NEAR_TRACK_M
            v[lacks[close]], sigma[lacks[close]] = self._v_m_s[nearest[close]], 0.0
        return v, sigma


def weights_on(view: SiteView, assignment: Assignment, line: GateLine, watch: Watch) -> FloatArray:
    """(K,) the hand-over's weight on each piece of a gate, of the camera that watches it."""
    weights = np.zeros(len(line.places))
    row, col = np.divmod(line.cells[1], view.grid.shape[1])
    for number in np.unique(watch.watcher[watch.watcher >= 0]):
        camera_id = watch.camera_ids[number]
        heads = assignment.cameras[camera_id].window[-1].heads
        if heads is not None:
            window = assignment.coverage.views[camera_id].window
            here = np.flatnonzero(watch.watcher == number)
            weights[here] = heads.weight[row[here] - window.row, col[here] - window.col]
    return weights


def shown_mass(view: SiteView, assignment: Assignment) -> FloatArray:
    """(rows, cols) everybody whom density maps show, each on the ground that its camera counts."""
    mass = np.zeros(view.grid.shape)
    coverage = assignment.coverage
    for camera_id in sorted(coverage.healthy):
        entry = assignment.cameras[camera_id].window[-1]
        if entry.heads is not None:
            here = entry.factor * entry.heads.mass * coverage.owned_shares[camera_id]
            mass[coverage.views[camera_id].window.slices] += here
    return mass
