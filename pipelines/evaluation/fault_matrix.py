"""Does loss of sight ever read as calm? Faults x places x durations, through the whole path to the alarms.

Footage is folded once as it is, and once for every cell of the matrix with a fault put in. What the unspoiled run says
is the truth of the spoiled one. A cell is **false calm** where, of any zone and at any time
after the fault began,

* the crowding alarm is lower than it is without the fault, or
* a reading is given, :data:`SAID_WITHIN_S` after the fault began or later, whose interval ends below
  :data:`CALM_SHARE` of the people who are there.

It is **caught** where a zone whose people are hidden for more than that is said to be doubted or unknown.

Drawn crowds are seen by models that find everybody whom the picture shows, and nobody whom it does not: what is hidden
is lost without a trace. In recordings the real models look.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from crowdwatch import config
from crowdwatch.analytics.coverage import view_site
from crowdwatch.analytics.engine import State, advance, start
from crowdwatch.assets.examples import example
from crowdwatch.core.outcomes import Level, Outcome, Quality
from crowdwatch.core.records import Anchor, Detections, Frame, FramePair, HeadMass, Observation
from crowdwatch.core.site import Camera, Limit, Phase, Quantity, Site, Zone, ZoneKind, ZoneLimits
from crowdwatch.drivers import build, configuration
from crowdwatch.drivers.feed import Feed
from crowdwatch.drivers.streams import ticked
from crowdwatch.errors import ConfigError
from crowdwatch.ground import site_ground
from crowdwatch.observation.observe import HeadCounter
from crowdwatch.observation.schedule import NS, Schedule
from crowdwatch.sources.synthetic import Scene, SyntheticSource, TruthCounter, TruthDetector, lattice, looking_down
from pipelines.command_line import progress
from pipelines.evaluation.health_faults import FAULTS, Fault, Picture

__all__ = ["KINDS", "Cell", "drawn", "matrix", "recorded", "summary"]

LEAD_S, FAULT_S, AFTER_S = 40, 20, 25
"""Seconds of good pictures before the fault, in which alarms are raised and the camera's reference is learned, of the
fault, and of good pictures after it."""

SAID_WITHIN_S = 5.0
BLIND_WITHIN_S = 10.0
CALM_SHARE = 0.7

DURATIONS: dict[str, Callable[[float], bool]] = {
    "short": lambda s: s < 2,
    "long": lambda s: s < FAULT_S,
    "comes and goes": lambda s: s < FAULT_S and s % 4 < 2,
}
"""Seconds since the fault began -> whether the picture is spoiled."""

WHOLE_ONLY = frozenset({"moved", "frozen"})
"""What a fault of these healths spoils is the whole picture: a camera does not turn by halves."""

SEED = 5


@dataclass(frozen=True, slots=True, eq=False)
class Footage:
    """Cameras, the pictures of them that are looked at, and where faults are put.

    Args:
        name: for people.
        site: the place.
        feeds: per camera.
        pairs: per camera, its pictures in order.
        places: name of a place -> the camera whose pictures are spoiled, and the columns of them as shares.
        begins_ns: when faults begin.
        span_ns: of all pictures.
    """

    name: str
    site: Site
    feeds: dict[str, Feed]
    pairs: dict[str, list[FramePair]]
    places: dict[str, tuple[str, tuple[float, float]]]
    begins_ns: int
    span_ns: tuple[int, int]


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


class _Shown:
    """A model that finds whom a picture shows: none of those in its spoiled columns."""

    def __init__(self, detector: TruthDetector, counter: TruthCounter) -> None:
        self._detector, self._counter = detector, counter
        self.hidden: tuple[float, float] | None = None
        self.at: Frame | None = None
        self.detector_id, self.counter_id = detector.detector_id, counter.counter_id

    @property
    def anchor(self) -> Anchor:
        """The part of a person that its boxes locate."""
        return self._detector.anchor

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """Boxes of those who are shown."""
        return [self._without(each) for each in self._detector.detect(frames)]

    def count(self, frames: Sequence[Frame]) -> list[HeadMass]:
        """Density map of those who are shown."""
        found = []
        for each in self._counter.count(frames):
            mass = each.mass.copy()
            if self.hidden is not None:
                low, high = (round(share * mass.shape[1]) for share in self.hidden)
                mass[:, low:high] = 0.0
            found.append(replace(each, mass=mass))
        return found

    def close(self) -> None:
        """Nothing to release."""

    def _without(self, found: Detections) -> Detections:
        if self.hidden is None:
            return found
        x = found.anchor_px()[:, 0] / found.image_hw[1]
        kept = (x < self.hidden[0]) | (x >= self.hidden[1])
        return replace(found, xyxy_px=found.xyxy_px[kept], score=found.score[kept], class_id=found.class_id[kept])


def _textured(picture: Picture) -> Picture:
    """A drawn picture with facades and paving stones, which a real square has: brightness by patches that stay."""
    height, width = picture.shape[:2]
    rng = np.random.default_rng(SEED)
    stones = np.zeros((height, width), np.int16)
    for side, depth in ((6, 12), (24, 16)):
        coarse = rng.integers(-depth, depth + 1, (height // side + 1, width // side + 1), dtype=np.int16)
        stones += np.kron(coarse, np.ones((side, side), np.int16))[:height, :width]
    shown: Picture = np.clip(picture.astype(np.int16) + stones[:, :, None], 0, 255).astype(np.uint8)
    return shown


def drawn() -> Iterator[Footage]:
    """Drawn crowds of 5 p/m2 on one side of a square of 16 x 10 m: seen by one camera, by two cameras that both see all
    of it, and by one camera for each half."""
    crowd = lattice(5.0, -8, 0, -2, 10)
    few = lattice(0.2, -1, 0, 8, 10)
    people = np.concatenate([crowd, few])
    phase = np.random.default_rng(SEED).uniform(0, 6.28, people.shape)
    seconds = LEAD_S + FAULT_S + AFTER_S

    def at(t_s: float) -> np.ndarray:
        moved: np.ndarray = people + 0.06 * np.sin(phase + t_s)
        return moved

    whole = looking_down((0.0, -14.0, 14.0), (0.0, 4.0), (288, 384), 300.0)
    across = looking_down((0.0, 24.0, 14.0), (0.0, 6.0), (288, 384), 300.0)
    west = looking_down((-5.0, -10.0, 14.0), (-5.0, 4.0), (288, 384), 330.0)
    east = looking_down((5.0, -10.0, 14.0), (5.0, 4.0), (288, 384), 330.0)
    made = (
        ("one camera", {"south": whole}, {
            "whole picture": ("south", (0.0, 1.0)),
            "half with the crowd": ("south", (0.0, 0.5)),
            "other half": ("south", (0.5, 1.0)),
        }),
        ("two cameras over all", {"north": across, "south": whole}, {"one of them": ("south", (0.0, 1.0))}),
        ("a camera for each half", {"west": west, "east": east}, {
            "camera with the crowd": ("west", (0.0, 1.0)),
            "other camera": ("east", (0.0, 1.0)),
        }),
    )  # fmt: skip
    for name, planes, places in made:
        cameras = tuple(Camera(one, {"en": one}, plane, Anchor.FEET, 0.5, 0.3) for one, plane in sorted(planes.items()))
        limits = tuple(
            Limit(Quantity.DENSITY, level, at_p_m2, 0.9 * at_p_m2, 5.0, 10.0)
            for level, at_p_m2 in ((Level.WATCH, 1.0), (Level.CAUTION, 1.4), (Level.ALERT, 1.7), (Level.CRITICAL, 1.9))
        )
        zone = Zone(
            "square", {"en": "Square"}, np.array([[-8, 0], [8, 0], [8, 10], [-8, 10.0]]), ZoneKind.STANDING, 160.0
        )
        walkable = np.array([[-10, -2], [10, -2], [10, 12], [-10, 12.0]])
        phases = (Phase("all", 0, (ZoneLimits("square", limits),)),)
        site = Site("faults", {"en": "Faults"}, {}, walkable, (), (zone,), (), cameras, phases)
        feeds, pairs = {}, {}
        for one in cameras:
            scene = Scene(one.fixed_plane, at, 0, seconds * 2, Fraction(2))
            model = _Shown(TruthDetector(scene), TruthCounter(scene))
            heads = HeadCounter(model, site_ground(site), Schedule(None, Fraction(1), Fraction(1, 2), 0.3, 0.3))
            source = SyntheticSource(scene, camera_id=one.camera_id)
            feeds[one.camera_id] = Feed(source, model, one.plane, heads)
            pairs[one.camera_id] = _paired(
                [replace(p.current, image_bgr=_textured(p.current.image_bgr)) for p in source.pairs()]
            )
        yield Footage(name, site, feeds, pairs, places, LEAD_S * NS, (0, seconds * NS))


def recorded(folder: Path) -> Footage:
    """PETS2009 as its event file has it, two pictures a second."""
    event = config.load(example("pets2009"))
    source = event.cameras[0].source.model_copy(update={"sample": None, "file": str(folder / "vtest.avi")})
    camera = event.cameras[0].model_copy(update={"source": source, "sample_hz": 2.0})
    event = configuration.measured(event.model_copy(update={"cameras": [camera]}))
    site = config.to_site(event)
    (feed,) = build.open_feeds(event, site)
    first, end = feed.source.span_ns
    end = min(end, first + (LEAD_S + FAULT_S + AFTER_S) * NS)
    frames = [pair.current for pair in progress(feed.source.pairs(first, end), "reading")]
    one = site.cameras[0].camera_id
    places = {"whole picture": (one, (0.0, 1.0)), "left half": (one, (0.0, 0.5)), "right half": (one, (0.5, 1.0))}
    return Footage("PETS2009", site, {one: feed}, {one: _paired(frames)}, places, first + LEAD_S * NS, (first, end))


def _paired(frames: Sequence[Frame]) -> list[FramePair]:
    return [FramePair(before, now) for before, now in zip([None, *frames[:-1]], frames, strict=True)]


@dataclass(frozen=True, slots=True, eq=False)
class _Good:
    """The unspoiled run: all observations, the state when faults begin, and the outcomes."""

    seen: dict[str, list[Observation]]
    state: State
    outcomes: dict[int, Outcome]


def _fold(
    state: State, footage: Footage, seen: Iterable[Observation], from_ns: int
) -> tuple[dict[int, State], dict[int, Outcome]]:
    """Fold observations from a time on; the states and outcomes of all ticks."""
    tick_ns = round(footage.site.tick_s * NS)
    states, outcomes = {}, {}
    ordered = sorted(seen, key=lambda each: (each.stamp.t_ns, each.stamp.camera_id))
    for event, _ in ticked(((each, None) for each in ordered), from_ns, footage.span_ns[1], tick_ns):
        state, outcome = advance(state, event)
        if outcome is not None:
            states[outcome.t_ns], outcomes[outcome.t_ns] = state, outcome
    return states, outcomes


def _good(footage: Footage) -> _Good:
    seen = {one: [footage.feeds[one].observe(p) for p in pairs] for one, pairs in footage.pairs.items()}
    everything = [each for of in seen.values() for each in of]
    states, outcomes = _fold(start(view_site(footage.site)), footage, everything, footage.span_ns[0])
    begin = max(t_ns for t_ns in states if t_ns <= footage.begins_ns)
    return _Good(seen, states[begin], outcomes)


def _spoiled(
    footage: Footage, fault: Fault, camera_id: str, columns: tuple[float, float], spoils: Callable[[float], bool]
) -> list[Observation]:
    """What is seen of one camera from the beginning of the fault on."""
    feed, found = footage.feeds[camera_id], []
    model = feed.detector if isinstance(feed.detector, _Shown) else None
    number, before, shown_before = 0, None, None
    for pair in footage.pairs[camera_id]:
        now = pair.current
        if now.stamp.t_ns <= footage.begins_ns:
            before = shown_before = now
            continue
        bad = spoils((now.stamp.t_ns - footage.begins_ns) / NS)
        if bad and (fault is SILENCE or (fault is DROPPED and now.stamp.seq % 2)):
            continue
        shown = now
        if bad and before is not None:
            spoiled = fault.spoil(now.image_bgr, number, before.image_bgr)
            low, high = (round(share * now.image_hw[1]) for share in columns)
            picture = now.image_bgr.copy()
            picture[:, low:high] = spoiled[:, low:high]
            shown = replace(now, image_bgr=picture)
            number += 1
        else:
            before = now
        if model is not None:
            model.hidden = columns if bad and fault is not DROPPED else None
        found.append(feed.observe(FramePair(shown_before, shown)))
        if model is not None:
            model.hidden = None
        shown_before = shown
    return found


SILENCE = Fault("silence", lambda picture, number, before: picture, frozenset({"silent"}))
DROPPED = Fault("every other picture dropped", lambda picture, number, before: picture, frozenset({"silent"}))
FLASH = Fault(
    "firework's flash", lambda picture, number, before: np.full_like(picture, 253), frozenset({"overexposed"})
)
BLACK = Fault("black pictures", lambda picture, number, before: np.zeros_like(picture), frozenset({"dark"}))
KINDS = (*FAULTS, SILENCE, DROPPED, FLASH, BLACK)


def matrix(footage: Footage, durations: Iterable[str] = tuple(DURATIONS), kinds: Iterable[Fault] = KINDS) -> list[Cell]:
    """Every cell of one footage.

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
        for duration in durations
        if columns == (0.0, 1.0) or (fault.share == 1.0 and not fault.says & (WHOLE_ONLY | {"silent"}))
    ]
    return [_cell(footage, good, *each) for each in progress(work, footage.name)]


def _cell(footage: Footage, good: _Good, fault: Fault, place: str, duration: str) -> Cell:
    camera_id, columns = footage.places[place]
    others = [each for one, of in good.seen.items() if one != camera_id for each in of]
    spoiled = _spoiled(footage, fault, camera_id, columns, DURATIONS[duration])
    after = [each for each in (*others, *spoiled) if each.stamp.t_ns > footage.begins_ns]
    first_ns = max(t_ns for t_ns in good.outcomes if t_ns <= footage.begins_ns)
    _, outcomes = _fold(good.state, footage, after, first_ns + 1)
    said_s, blind_s, why, kept = None, None, "", True
    hidden = 0.0
    for t_ns, outcome in outcomes.items():
        since_s = (t_ns - footage.begins_ns) / NS
        true = good.outcomes[t_ns]
        levels, should = _levels(outcome), _levels(true)
        for reading, truth in zip(outcome.readings, true.readings, strict=True):
            people = truth.count
            known = reading.quality not in (Quality.STALE, Quality.BLIND)
            hidden = max(hidden, people - reading.count if known else people)
            if reading.quality is not Quality.GOOD and truth.quality is Quality.GOOD and said_s is None:
                said_s = since_s
            if levels.get(reading.zone_id, Level.NORMAL) < should.get(reading.zone_id, Level.NORMAL):
                kept = False
                why = why or f"{since_s:g} s: level {levels.get(reading.zone_id, Level.NORMAL).name}"
            low = known and reading.count_high < CALM_SHARE * people - 1
            if low and since_s > SAID_WITHIN_S:
                why = why or f"{since_s:g} s: {reading.quality}, at most {reading.count_high:.0f} of {people:.0f}"
        if blind_s is None and any(a.alarm == "blindness" and a.transition == "raised" for a in outcome.alerts):
            blind_s = since_s
    return Cell(footage.name, fault.name, place, duration, round(hidden, 1), said_s, blind_s, kept, bool(why), why)


def _levels(outcome: Outcome) -> dict[str, Level]:
    return {alarm.zone_id: alarm.level for alarm in outcome.alarms if alarm.alarm == "crowding"}


def summary(cells: Sequence[Cell]) -> dict[str, Any]:
    """The matrix and how many of its cells are false calm."""
    return {
        "cells": len(cells),
        "false_calm": sum(cell.false_calm for cell in cells),
        "levels_lowered": sum(not cell.level_kept for cell in cells),
        "matrix": [asdict(cell) for cell in cells],
    }
