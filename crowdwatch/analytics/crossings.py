"""Who crossed which gate, by the tracks of one camera.

A gate has a band of :data:`HYSTERESIS_M` on either side of its line. Within it nobody is on any side. Whoever was on
one side and then is on the other one, the way between leading over the line, has crossed. So somebody who steps onto
the line and turns back has not crossed, somebody who hesitates on it crosses once, and who goes in and comes out again
has crossed once each way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from crowdwatch.analytics.gate_lines import GateGround
from crowdwatch.analytics.tracks import NO_TRACKS, Tracks, follow
from crowdwatch.core.records import FloatArray
from crowdwatch.ground import IntArray

__all__ = ["HYSTERESIS_M", "Crossing", "Followed", "Walkers", "crossed"]

HYSTERESIS_M = 0.3
"""Half the width of the band in which nobody is on any side: twice the scatter of a position.
[PETS2009, frames 0 to 199]"""


@dataclass(frozen=True, slots=True)
class Crossing:
    """One person crossed one gate.

    Args:
        gate: its number.
        t_ns: of the picture that showed it.
        place_m: where, along the line.
        inward: whether they came in.
    """

    gate: int
    t_ns: int
    place_m: float
    inward: bool


@dataclass(frozen=True, slots=True, eq=False)
class Walkers:
    """The positions of one picture from which people are followed; see :func:`~crowdwatch.analytics.tracks.follow`."""

    t_ns: int
    xy_m: FloatArray
    sigma_m: FloatArray
    score: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Followed:
    """What is remembered of one camera.

    Args:
        tracks: whom it follows.
        side: (N, gates) -1 before, +1 behind, 0 not known yet.
        mark: (N, gates, 2) along the line and past it, where they last were outside the band.
    """

    tracks: Tracks = NO_TRACKS
    side: NDArray[np.int8] = field(default_factory=lambda: np.empty((0, 0), dtype=np.int8))
    mark: FloatArray = field(default_factory=lambda: np.empty((0, 0, 2)))


def crossed(
    before: Followed, pictures: Sequence[Walkers], score_min: float, ground: GateGround
) -> tuple[Followed, list[Crossing]]:
    """Follow people through some pictures, and find who crossed a gate.

    Args:
        before: what was remembered.
        pictures: in their order.
        score_min: from which score on a box is counted.
        ground: the gates.
    """
    events: list[Crossing] = []
    for picture in pictures:
        tracks = follow(before.tracks, picture.t_ns, picture.xy_m, picture.sigma_m, picture.score, score_min)
        side, mark = _remembered(before, tracks, len(ground))
        before = Followed(tracks, side, mark)
        _cross(before, ground, events)
    return before, events


def _remembered(before: Followed, tracks: Tracks, gates: int) -> tuple[NDArray[np.int8], FloatArray]:
    """Sides and marks for the tracks of now: numbers rise, so that who was there before is found by them."""
    side, mark = np.zeros((len(tracks), gates), dtype=np.int8), np.full((len(tracks), gates, 2), np.nan)
    _, now, then = np.intersect1d(tracks.number, before.tracks.number, assume_unique=True, return_indices=True)
    if len(now):
        side[now], mark[now] = before.side[then], before.mark[then]
    return side, mark


def _cross(followed: Followed, ground: GateGround, events: list[Crossing]) -> None:
    """Find crossings of the newest picture; brings sides and marks up to date."""
    tracks = followed.tracks
    here: IntArray = np.flatnonzero(tracks.seen_now)
    if not len(here):
        return
    sure = tracks.sure[here]
    for number, line in enumerate(ground.gates):
        s, d = line.coordinates(tracks.xy_m[here])
        now = np.where(np.abs(d) > HYSTERESIS_M, np.sign(d), 0).astype(np.int8)
        was, mark = followed.side[here, number], followed.mark[here, number]
        over = (now != 0) & (was != 0) & (now != was)
        for each in np.flatnonzero(over & sure):
            (s0, d0), (s1, d1) = mark[each], (s[each], d[each])
            place_m = float(s0 + (s1 - s0) * d0 / (d0 - d1))
            if 0.0 <= place_m <= line.length_m:
                events.append(Crossing(number, tracks.t_ns, place_m, inward=bool(now[each] > 0)))
        keep = (now != 0) & (~over | sure)  # whoever may be no person yet has crossed nothing so far
        followed.side[here[keep], number] = now[keep]
        followed.mark[here[keep], number] = np.stack([s, d], axis=1)[keep]
