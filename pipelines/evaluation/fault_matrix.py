"""Does loss of sight ever read as calm? Faults x places x durations, through the whole path to the alarms.

Footage is folded once as it is, and once for every cell of the matrix with a fault put in. What the unspoiled run says
is the truth of the spoiled one. A cell is **false calm** where, of any zone and at any time after the fault began,

* the crowding alarm is lower than a level that stays without the fault, then and for one window more, or
* it is lower than without the fault for longer than the window, nothing is said against the reading, and its interval
  ends below the people who are there, or
* a reading is given, :data:`SAID_WITHIN_S` after the fault began or later, whose interval ends below
  :data:`CALM_SHARE` of the people who are there.

A mean over a window cannot tell when within it people left, so that a level may fall so much sooner. It cannot rise
while nobody is counted: that is unknown, and said. A fault is **said** where a zone is doubted or unknown for a reason
that it does not have without the fault.

Drawn crowds are seen by models that find everybody whom the picture shows, and nobody whom it does not: what is hidden
is lost without a trace. In recordings the real models look, once at every picture.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from crowdwatch.analytics.coverage import view_site
from crowdwatch.analytics.engine import State, advance, start
from crowdwatch.core.outcomes import Level, Outcome, Quality, ZoneReading
from crowdwatch.core.reasons import Code
from crowdwatch.core.records import Frame, FramePair, LogEvent, Observation, Tick
from crowdwatch.drivers.feed import Feed
from crowdwatch.errors import ConfigError
from crowdwatch.observation.schedule import NS
from pipelines.command_line import progress
from pipelines.evaluation.fault_footage import FAULT_S, Footage, ShownModel
from pipelines.evaluation.health_faults import FAULTS, Fault, Picture

__all__ = ["KINDS", "Cell", "matrix", "summary"]

SAID_WITHIN_S = 5.0
CALM_SHARE = 0.7

DURATIONS: dict[str, Callable[[float], bool]] = {
    "short": lambda s: s < 2,
    "long": lambda s: s < FAULT_S,
    "comes and goes": lambda s: s < FAULT_S and s % 4 < 2,
}
"""Seconds since the fault began -> whether the picture is spoiled."""

WHOLE_ONLY = frozenset({"moved", "frozen", "silent"})
"""What a fault of these healths spoils is the whole picture: a camera does not turn by halves."""

SILENT = frozenset({"silent"})
SILENCE = Fault("silence", lambda picture, number, before: picture, SILENT)
DROPPED = Fault("every other picture dropped", lambda picture, number, before: picture, SILENT)
REPEATED = Fault("every other picture repeated", lambda picture, number, before: before, SILENT)
DELAYED = Fault("pictures delayed by 8 s", lambda picture, number, before: picture, SILENT)
FLASH = Fault(
    "firework's flash", lambda picture, number, before: np.full_like(picture, 253), frozenset({"overexposed"})
)
BLACK = Fault("black pictures", lambda picture, number, before: np.zeros_like(picture), frozenset({"dark"}))
KINDS = (*FAULTS, SILENCE, DROPPED, REPEATED, DELAYED, FLASH, BLACK)

EVERY_OTHER = (DROPPED, REPEATED)
"""Faults of every other picture."""

DELAY_NS = 8 * NS


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of the matrix.

    Args:
        footage, fault, place, duration: which.
        hidden: people whose zone lost them from sight, at most.
        said_s: seconds until a zone was doubted or unknown; None when none was.
        blind_s: seconds until blindness was raised; None when it was not.
        level_kept: whether no level fell, and no alarm ended, that stays without the fault.
        false_calm: see the module.
        why: of a false calm, the first moment of it.
    """

    footage: str
    fault: str
    place: str
    duration: str
    hidden: float
    said_s: float | None
    blind_s: float | None
    level_kept: bool
    false_calm: bool
    why: str


@dataclass(frozen=True, slots=True, eq=False)
class _Good:
    """The unspoiled run: all observations, the state when faults begin, and the outcomes."""

    seen: dict[str, list[Observation]]
    state: State
    outcomes: dict[int, Outcome]


@dataclass(frozen=True, slots=True)
class _Seen:
    """An observation, and when it comes."""

    observation: Observation
    comes_ns: int

    @property
    def order(self) -> tuple[int, str, int]:
        """By which observations are taken in."""
        stamp = self.observation.stamp
        return self.comes_ns, stamp.camera_id, stamp.t_ns


def _events(seen: Iterable[_Seen], first_ns: int, to_ns: int, tick_ns: int) -> Iterator[LogEvent]:
    """Observations in the order in which they come, and ticks, each with those that came before it."""
    coming = sorted(seen, key=lambda each: each.order)
    at = 0
    for next_ns in range(-(-first_ns // tick_ns) * tick_ns, to_ns + tick_ns, tick_ns):
        came = at
        while at < len(coming) and coming[at].comes_ns <= next_ns:
            yield coming[at].observation
            at += 1
        yield Tick(next_ns, tuple(each.observation.stamp.id for each in coming[came:at]))


def _fold(
    state: State, footage: Footage, seen: Iterable[_Seen], from_ns: int
) -> tuple[dict[int, State], dict[int, Outcome]]:
    """Fold observations from a time on; the states and outcomes of all ticks."""
    states, outcomes = {}, {}
    for event in _events(seen, from_ns, footage.span_ns[1], round(footage.site.tick_s * NS)):
        state, outcome = advance(state, event)
        if outcome is not None:
            states[outcome.t_ns], outcomes[outcome.t_ns] = state, outcome
    return states, outcomes


def _good(footage: Footage) -> _Good:
    seen = {
        one: [footage.feeds[one].observe(p) for p in progress(pairs, f"{footage.name}: as it is")]
        for one, pairs in footage.pairs.items()
    }
    everything = [_Seen(each, each.stamp.t_ns) for of in seen.values() for each in of]
    states, outcomes = _fold(start(view_site(footage.site)), footage, everything, footage.span_ns[0])
    begin = max(t_ns for t_ns in states if t_ns <= footage.begins_ns)
    return _Good(seen, states[begin], outcomes)


def _spoiled(
    footage: Footage,
    good: _Good,
    fault: Fault,
    camera_id: str,
    columns: tuple[float, float],
    spoils: Callable[[float], bool],
) -> list[_Seen]:
    """What is seen of one camera from the beginning of the fault on."""
    feed, found = footage.feeds[camera_id], []
    before, shown_before, comes_ns = None, None, 0
    number = 0
    for pair, as_it_is in zip(footage.pairs[camera_id], good.seen[camera_id], strict=True):
        now = pair.current
        if now.stamp.t_ns <= footage.begins_ns:
            before = shown_before = now
            continue
        bad = spoils((now.stamp.t_ns - footage.begins_ns) / NS)
        number += 1
        comes_ns = max(comes_ns, now.stamp.t_ns + (DELAY_NS if bad and fault is DELAYED else 0))
        if fault in EVERY_OTHER:
            bad = bad and now.stamp.seq % 2 == 1
        if bad and fault in (SILENCE, DROPPED):
            continue
        shown = now
        if bad and fault is not DELAYED and before is not None:
            shown = replace(now, image_bgr=_with(fault.spoil(now.image_bgr, number, before.image_bgr), now, columns))
            seen = _look(feed, FramePair(shown_before, shown), columns, before if fault is REPEATED else None)
        else:
            seen = as_it_is if pair.previous is shown_before else feed.observe(FramePair(shown_before, now))
            before = now
        found.append(_Seen(seen, comes_ns))
        shown_before = shown
    return found


def _with(spoiled: Picture, now: Frame, columns: tuple[float, float]) -> Picture:
    """A picture of which some columns are spoiled."""
    low, high = (round(share * now.image_hw[1]) for share in columns)
    picture: Picture = now.image_bgr.copy()
    picture[:, low:high] = spoiled[:, low:high]
    return picture


def _look(feed: Feed, pair: FramePair, columns: tuple[float, float], repeats: Frame | None) -> Observation:
    """Observe a spoiled picture."""
    if not isinstance(feed.detector, ShownModel):
        return feed.observe(pair)
    feed.detector.at, feed.detector.hidden = repeats, None if repeats is not None else columns
    try:
        return feed.observe(pair)
    finally:
        feed.detector.at = feed.detector.hidden = None


def matrix(
    footage: Footage,
    durations: Iterable[str] = tuple(DURATIONS),
    kinds: Iterable[Fault] = KINDS,
    places: Collection[str] | None = None,
) -> list[Cell]:
    """Every cell of one footage, or those of some durations, kinds and places.

    Raises:
        ConfigError: no alarm is open without a fault, so that none could be lowered.
    """
    good = _good(footage)
    if not any(level > Level.NORMAL for level in _levels(good.outcomes[max(good.outcomes)]).values()):
        raise ConfigError(f"faults: without a fault no alarm is open in {footage.name}: nothing could be lowered.")
    work = [
        (fault, place, duration)
        for fault in kinds
        for place, (_, columns) in footage.places.items()
        if places is None or place in places
        for duration in durations
        if columns == (0.0, 1.0) or (fault.share == 1.0 and not fault.says & WHOLE_ONLY)
    ]
    return [_cell(footage, good, *each) for each in progress(work, footage.name)]


def _cell(footage: Footage, good: _Good, fault: Fault, place: str, duration: str) -> Cell:
    camera_id, columns = footage.places[place]
    others = [_Seen(each, each.stamp.t_ns) for one, of in good.seen.items() if one != camera_id for each in of]
    spoiled = _spoiled(footage, good, fault, camera_id, columns, DURATIONS[duration])
    after = [each for each in (*others, *spoiled) if each.comes_ns > footage.begins_ns]
    first_ns = max(t_ns for t_ns in good.outcomes if t_ns <= footage.begins_ns)
    _, outcomes = _fold(good.state, footage, after, first_ns + 1)
    said_s, blind_s, why, kept, hidden = None, None, "", True, 0.0
    stays, low_s = _staying(good, footage, first_ns), dict.fromkeys(_levels(good.outcomes[first_ns]), 0.0)
    for t_ns, outcome in outcomes.items():
        since_s = (t_ns - footage.begins_ns) / NS
        true = good.outcomes[t_ns]
        levels, should = _levels(outcome), _levels(true)
        for reading, truth in zip(outcome.readings, true.readings, strict=True):
            zone_id, people = reading.zone_id, truth.count
            known = reading.quality not in (Quality.STALE, Quality.BLIND)
            said = not known or bool(_doubts(reading) - _doubts(truth))
            hidden = max(hidden, people - reading.count if known else people)
            if said and said_s is None:
                said_s = since_s
            if levels[zone_id] < stays[t_ns][zone_id]:
                kept = False
                why = why or f"{since_s:g} s: level {levels[zone_id].name}"
            calm = levels[zone_id] < should[zone_id] and not said and reading.count_high < people
            low_s[zone_id] = low_s[zone_id] + footage.site.tick_s if calm else 0.0
            if low_s[zone_id] > footage.site.window_s:
                why = why or f"{since_s:g} s: level still {levels[zone_id].name}, not {should[zone_id].name}"
            if known and reading.count_high < CALM_SHARE * people - 1 and since_s > SAID_WITHIN_S:
                why = why or f"{since_s:g} s: {reading.quality}, at most {reading.count_high:.0f} of {people:.0f}"
        if blind_s is None and any(a.alarm == "blindness" and a.transition == "raised" for a in outcome.alerts):
            blind_s = since_s
    return Cell(footage.name, fault.name, place, duration, round(hidden, 1), said_s, blind_s, kept, bool(why), why)


def _staying(good: _Good, footage: Footage, first_ns: int) -> dict[int, dict[str, Level]]:
    """Tick -> zone -> the level that stays without the fault from its beginning until one window later."""
    lowest = _levels(good.outcomes[first_ns])
    ticks = [t_ns for t_ns in sorted(good.outcomes) if t_ns >= first_ns]
    so_far: dict[int, dict[str, Level]] = {}
    for t_ns in ticks:
        lowest = {zone_id: min(level, lowest[zone_id]) for zone_id, level in _levels(good.outcomes[t_ns]).items()}
        so_far[t_ns] = lowest
    window_ns = round(footage.site.window_s * NS)
    return {t_ns: so_far[max(later for later in ticks if later <= t_ns + window_ns)] for t_ns in ticks}


def _doubts(reading: ZoneReading) -> frozenset[Code]:
    """What is said against a reading."""
    return frozenset(reason.code for reason in reading.reasons)


def _levels(outcome: Outcome) -> dict[str, Level]:
    """Zone -> the level of its crowding alarm."""
    levels = {reading.zone_id: Level.NORMAL for reading in outcome.readings}
    return levels | {alarm.zone_id: alarm.level for alarm in outcome.alarms if alarm.alarm == "crowding"}


def summary(cells: Sequence[Cell]) -> dict[str, Any]:
    """The matrix and how many of its cells are false calm."""
    return {
        "cells": len(cells),
        "false_calm": sum(cell.false_calm for cell in cells),
        "levels_lowered": sum(not cell.level_kept for cell in cells),
        "matrix": [asdict(cell) for cell in cells],
    }
