"""Footage into which faults are put: drawn crowds, whose truth is known, and a real recording."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

import numpy as np

from crowdwatch import config
from crowdwatch.assets.examples import example
from crowdwatch.core.outcomes import Level
from crowdwatch.core.ports import Counter, Detector
from crowdwatch.core.records import Anchor, Detections, Frame, FramePair, HeadMass
from crowdwatch.core.site import Camera, Limit, Phase, Quantity, Site, Zone, ZoneKind, ZoneLimits
from crowdwatch.drivers import build, configuration
from crowdwatch.drivers.feed import Feed
from crowdwatch.ground import site_ground
from crowdwatch.observation.observe import HeadCounter
from crowdwatch.observation.schedule import NS, Schedule
from crowdwatch.sources.synthetic import Scene, SyntheticSource, TruthCounter, TruthDetector, lattice, looking_down
from pipelines.command_line import progress
from pipelines.evaluation.health_faults import Picture

__all__ = ["DRAWN", "FAULT_S", "PLACES", "RECORDED", "Footage", "ShownModel", "drawn", "recorded"]

LEAD_S, FAULT_S, AFTER_S = 40, 20, 25
"""Seconds of good pictures before the fault, in which alarms are raised and the camera's reference is learned, of the
fault, and of good pictures after it."""

SEED = 5

DRAWN, RECORDED = ("one camera", "two cameras over all", "a camera for each half"), "PETS2009"
PLACES = (
    "whole picture", "half with the crowd", "other half", "one of them", "camera with the crowd", "other camera",
    "left half", "right half",
)  # fmt: skip
"""Names of all footage, and of the places of all of it in which faults are put."""

Answer = TypeVar("Answer", Detections, HeadMass)


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


class ShownModel:
    """A model that finds whom a picture shows: none of those in its spoiled columns.

    Args:
        hidden: the spoiled columns of the pictures that come, as shares of the width; None where all is good.
        at: the earlier picture that they are, where a camera repeats one.
    """

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
        found = self._detector.detect([self.at or frame for frame in frames])
        return [replace(self._without(each), stamp=frame.stamp) for each, frame in zip(found, frames, strict=True)]

    def count(self, frames: Sequence[Frame]) -> list[HeadMass]:
        """Density map of those who are shown."""
        found = []
        for each, frame in zip(self._counter.count([self.at or frame for frame in frames]), frames, strict=True):
            mass = each.mass.copy()
            if self.hidden is not None:
                low, high = (round(share * mass.shape[1]) for share in self.hidden)
                mass[:, low:high] = 0.0
            found.append(replace(each, mass=mass, stamp=frame.stamp))
        return found

    def close(self) -> None:
        """Nothing to release."""

    def _without(self, found: Detections) -> Detections:
        if self.hidden is None:
            return found
        x = found.anchor_px()[:, 0] / found.image_hw[1]
        kept = (x < self.hidden[0]) | (x >= self.hidden[1])
        return replace(found, xyxy_px=found.xyxy_px[kept], score=found.score[kept], class_id=found.class_id[kept])


class _Once:
    """Answers of a model by the content of pictures, so that each picture is looked at once."""

    def __init__(self) -> None:
        self._known: dict[bytes, Detections | HeadMass] = {}

    def answers(self, frames: Sequence[Frame], ask: Callable[[Sequence[Frame]], list[Answer]]) -> list[Answer]:
        """The answers to some pictures, by ``ask`` for those that are new."""
        found = []
        for frame in frames:
            key = hashlib.blake2b(np.ascontiguousarray(frame.image_bgr).data, digest_size=16).digest()
            if key not in self._known:
                (self._known[key],) = ask([frame])
            found.append(replace(self._known[key], stamp=frame.stamp))
        return found  # type: ignore[return-value]  # what went in comes out


class _DetectorOnce:
    """A detector that looks at every picture once."""

    def __init__(self, detector: Detector) -> None:
        self._detector, self._once = detector, _Once()
        self.detector_id, self.anchor = detector.detector_id, detector.anchor

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """As of the detector."""
        return self._once.answers(frames, self._detector.detect)

    def close(self) -> None:
        """Release it."""
        self._detector.close()


class _CounterOnce:
    """A density estimator that looks at every picture once."""

    def __init__(self, counter: Counter) -> None:
        self._counter, self._once = counter, _Once()
        self.counter_id = counter.counter_id

    def count(self, frames: Sequence[Frame]) -> list[HeadMass]:
        """As of the density estimator."""
        return self._once.answers(frames, self._counter.count)

    def close(self) -> None:
        """Release it."""
        self._counter.close()


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
            model = ShownModel(TruthDetector(scene), TruthCounter(scene))
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
    heads = feed.heads
    if heads is not None and heads.counter is not None:
        heads = replace(heads, counter=_CounterOnce(heads.counter))
    feed = replace(feed, detector=_DetectorOnce(feed.detector), heads=heads)
    first, end = feed.source.span_ns
    end = min(end, first + (LEAD_S + FAULT_S + AFTER_S) * NS)
    frames = [pair.current for pair in progress(feed.source.pairs(first, end), "reading")]
    one = site.cameras[0].camera_id
    places = {"whole picture": (one, (0.0, 1.0)), "left half": (one, (0.0, 0.5)), "right half": (one, (0.5, 1.0))}
    return Footage(RECORDED, site, {one: feed}, {one: _paired(frames)}, places, first + LEAD_S * NS, (first, end))


def _paired(frames: Sequence[Frame]) -> list[FramePair]:
    return [FramePair(before, now) for before, now in zip([None, *frames[:-1]], frames, strict=True)]
