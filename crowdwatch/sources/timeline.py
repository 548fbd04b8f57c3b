"""When the pictures of a recording were shown: container time stamps in the order of showing, mended where they lack.

All arrays are container ticks. ``NONE`` stands for a missing time stamp.
"""

from __future__ import annotations

from bisect import bisect_left

import numpy as np
from numpy.typing import NDArray

__all__ = ["NONE", "joint", "mended", "step_of", "unwrapped"]

Ints = NDArray[np.int64]
NONE = np.iinfo(np.int64).min

REORDER = 33
"""Pictures whose order of decoding may differ from that of showing: H.264 and HEVC keep at most 16, or 32 fields."""

ROOT_12 = 12**0.5
"""A value that lies anywhere between two limits has a standard deviation of their distance through this."""


def unwrapped(stamps: Ints, bits: int) -> Ints:
    """Undo the wraps of a counter of ``bits`` bits: every stamp is taken nearest to the one before.

    >>> unwrapped(np.array([6, 7, NONE, 0, 1]), 3).tolist()[:2], unwrapped(np.array([6, 7, NONE, 0, 1]), 3).tolist()[3:]
    ([6, 7], [8, 9])
    """
    known = stamps != NONE
    values = stamps[known]
    if len(values) < 2:
        return stamps
    turns = -np.round(np.diff(values) / 2.0**bits).astype(np.int64)
    if not turns.any():
        return stamps
    done = stamps.copy()
    done[known] = values + np.concatenate([[0], np.cumsum(turns)]) * (1 << bits)
    return done


def joint(stamps: Ints, longest: int, reorder: int = REORDER) -> int | None:
    """Where the clock starts again: the first packet whose stamp, and those after it, do not follow those before.

    A single stamp that is out of line is none: the stamps after it follow those before it again.

    Args:
        stamps: of the packets in the order of the file.
        longest: a step forward that is longer is a clock that was set, no pause.
        reorder: packets that may stand out of the order of their stamps.

    >>> joint(np.array([0, 2, 4, 6, 0, 2, 4, 6]), 100, 1), joint(np.array([0, 2, 99, 6, 8]), 100, 1)
    (4, None)
    """
    places = np.flatnonzero(stamps != NONE)
    values = stamps[places]
    if len(values) < 2:
        return None
    highest = np.maximum.accumulate(values)
    steps = np.diff(values)
    back = np.zeros(len(values), bool)
    back[reorder:] = values[reorder:] <= highest[:-reorder]
    for found in np.flatnonzero(back).tolist():
        first = max(1, found - reorder + 1)
        at = first + int(np.argmin(steps[first - 1 : found]))
        if steps[at - 1] < 0 and _stays_behind(values, at):
            return int(places[at])
    for found in (np.flatnonzero(steps > longest) + 1).tolist():
        if np.median(values[found : found + reorder]) - np.median(values[max(0, found - reorder) : found]) > longest:
            return int(places[found])
    return None


def _stays_behind(values: Ints, at: int) -> bool:
    count = min(at, REORDER)
    return bool(np.median(values[at : at + count]) <= np.median(values[at - count : at]))


def step_of(times: Ints) -> float:
    """The usual distance of neighbours; NaN without any."""
    return float(np.median(np.diff(times))) if len(times) > 1 else float("nan")


def mended(stamps: Ints, step: float) -> tuple[Ints, NDArray[np.float64]]:
    """Rising times for pictures in the order of showing, of which some have a stamp of their own.

    A picture keeps its stamp where it follows those before it. The others are put evenly between their neighbours that
    do, or at the usual distance from the only one. Of several with one stamp that one keeps it which lies best with the
    usual distance: a packet says the time of the first picture that begins in it, and the end of the one before, which
    is given the same stamp, lies in it too.

    Args:
        stamps: of the pictures in the order of showing.
        step: the usual distance.

    Returns:
        Times, and the standard error of each: 0 with a stamp of its own, else one m-th of ``step / sqrt(12)`` for the
        m-th picture away from the nearest one that has.

    Source: ISO/IEC 13818-1, 2.4.3.7 (PTS: of the first access unit that commences in the packet).

    >>> mended(np.array([0, NONE, 8, 8, NONE, 20]), 4.0)[0].tolist()
    [0, 4, 8, 12, 16, 20]
    """
    places = _rising(_single(stamps, step))
    if not len(places):
        even = np.round(np.arange(len(stamps)) * step).astype(np.int64)
        return even, np.full(len(stamps), step / ROOT_12)
    at = np.arange(len(stamps))
    first, last = int(stamps[places[0]]), int(stamps[places[-1]])
    times: NDArray[np.float64] = np.interp(at, places, (stamps[places] - first).astype(np.float64))
    before, after = at < places[0], at > places[-1]
    times[before] = (at[before] - places[0]) * step
    times[after] = last - first + (at[after] - places[-1]) * step
    right = np.searchsorted(places, at).clip(0, len(places) - 1)
    left = (np.searchsorted(places, at, side="right") - 1).clip(0)
    away = np.minimum(np.abs(places[right] - at), np.abs(at - places[left]))
    return np.round(times).astype(np.int64) + first, away * step / ROOT_12


def _single(stamps: Ints, step: float) -> Ints:
    """Stamps of which every one stands once."""
    single, last = stamps.copy(), -1
    places = np.flatnonzero(stamps != NONE)
    for group in np.split(places, np.flatnonzero(np.diff(stamps[places]) != 0) + 1):
        if len(group) > 1:
            due = group[0] if last < 0 else last + (stamps[group[0]] - stamps[last]) / step
            kept = group[int(np.argmin(np.abs(group - due)))]
            single[group] = NONE
            single[kept] = stamps[kept]
            last = kept
        elif len(group):
            last = group[0]
    return single


def _rising(stamps: Ints) -> Ints:
    """Places of the longest run of stamps that rise."""
    ends: list[int] = []
    holders: list[int] = []
    before: list[int] = [-1] * len(stamps)
    for place, stamp in enumerate(stamps.tolist()):
        if stamp == NONE:
            continue
        slot = bisect_left(ends, stamp)
        if slot < len(ends) and ends[slot] == stamp:
            continue
        before[place] = holders[slot - 1] if slot else -1
        ends[slot : slot + 1] = [stamp]
        holders[slot : slot + 1] = [place]
    chain: list[int] = []
    place = holders[-1] if holders else -1
    while place >= 0:
        chain.append(place)
        place = before[place]
    return np.array(chain[::-1], np.int64)
