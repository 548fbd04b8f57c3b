"""Cameras over the same ground that disagree: the one that counts there finds far fewer people than another one.

Every part of the ground is counted by one camera. What the others find there is not counted, but it is a witness: a
camera whose pictures or whose model fail without a sign is found by it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from crowdwatch.analytics.counting import Assignment, Entry
from crowdwatch.analytics.coverage import SiteView
from crowdwatch.analytics.sudden_fall import LEAST_PEOPLE, LEFT_FRAC
from crowdwatch.core.records import FloatArray

__all__ = ["Witnesses", "disagreements", "found_alone", "witnesses_of"]

Witnesses = Mapping[str, FloatArray]
"""Camera -> (2, zones): people whom it finds on ground that others count, and whom these count there."""

WITNESSED_S = 5.0
"""Cameras see a crowd at different moments and from different sides: they disagree only over so long. [design value]"""


def found_alone(entry: Entry) -> FloatArray:
    """(N,) what each person in boxes would count for if their camera counted all ground that it sees."""
    weight = np.full(len(entry.place), entry.factor)
    if entry.heads is not None:
        weight *= 1.0 - entry.heads.weight.ravel()[entry.place]
    return weight


def witnesses_of(view: SiteView, assignment: Assignment, people: FloatArray) -> Witnesses:
    """What cameras find in their newest pictures on ground that others count.

    Args:
        view: the prepared site.
        assignment: who is counted where.
        people: (rows, cols) persons per cell who are counted.
    """
    coverage, counts = assignment.coverage, len(view.zones)
    found: dict[str, FloatArray] = {}
    for camera_id, ground in coverage.shared.items():
        entry, camera = assignment.cameras[camera_id].window[-1], coverage.views[camera_id]
        theirs = np.bincount(entry.zone, (found_alone(entry) - entry.weight)[entry.person], counts)
        if entry.heads is not None:
            mass = entry.factor * ground.mass_share * entry.heads.counted.ravel()[ground.cell]
            theirs = theirs + np.bincount(ground.zone, mass, counts)
        counted = people[camera.window.slices].ravel()[ground.cell] * ground.area_share
        found[camera_id] = np.stack([theirs, np.bincount(ground.zone, counted, counts)]).astype(np.float64)
    return found


def disagreements(view: SiteView, witnesses: Sequence[tuple[int, Witnesses]]) -> dict[str, dict[str, float]]:
    """Zone -> camera -> how many more people it finds there, on average, where that is far more than are counted.

    Args:
        view: the prepared site.
        witnesses: of the ticks within the window since cameras see and count the same ground, oldest first.
    """
    found: dict[str, dict[str, float]] = {}
    if not witnesses or (witnesses[-1][0] - witnesses[0][0]) / 1e9 < WITNESSED_S:
        return found
    for camera_id in witnesses[-1][1]:
        theirs, counted = np.mean([each[camera_id] for _, each in witnesses], axis=0)
        far = (theirs - counted > LEAST_PEOPLE) & (counted < LEFT_FRAC * theirs)
        for index in np.flatnonzero(far):
            found.setdefault(view.zones.zones[index].zone_id, {})[camera_id] = float((theirs - counted)[index])
    return found
