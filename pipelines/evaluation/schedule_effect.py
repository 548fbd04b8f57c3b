"""What the counter's schedule saves and what it changes: the same footage with a count of every analysed frame, and
with those alone that the schedule asks for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np

from crowdwatch import config
from crowdwatch.analytics.coverage import view_site
from crowdwatch.analytics.engine import advance, start
from crowdwatch.assets.examples import example
from crowdwatch.config import EventFile
from crowdwatch.core.outcomes import ZoneReading
from crowdwatch.core.records import Observation
from crowdwatch.core.site import Site
from crowdwatch.drivers import build, configuration
from crowdwatch.drivers.feed import Feed
from crowdwatch.drivers.streams import ObservedStream
from crowdwatch.errors import ConfigError
from crowdwatch.ground import polygon, site_ground
from crowdwatch.observation.observe import HeadCounter
from crowdwatch.observation.schedule import NS, Schedule
from crowdwatch.sources.synthetic import Scene, SyntheticSource, TruthCounter, TruthDetector, ebb_and_flow
from pipelines.command_line import progress

__all__ = ["PEOPLE", "dense_scene", "effect", "recording", "thinned"]

PEOPLE, SECONDS, HZ = 480, 60, 5
"""The drawn scene: so many people gather about one place and leave it again in a minute, faster than any crowd does."""

ALWAYS = Schedule(None, Fraction(1, 1000), Fraction(1, 1000), dense_p_m2=0.0, score_min=0.0)


@dataclass(frozen=True, slots=True, eq=False)
class Watched:
    """A site, its feed, the schedule of its event file, and every frame with the time of the frame before it."""

    site: Site
    feed: Feed
    schedule: Schedule


def recording(event: EventFile, folder: Path) -> Watched:
    """PETS2009 as the event file has it, counted on every frame."""
    source = event.cameras[0].source.model_copy(update={"sample": None, "file": str(folder / "vtest.avi")})
    event = event.model_copy(update={"cameras": [event.cameras[0].model_copy(update={"source": source})]})
    event = configuration.measured(event)
    site = config.to_site(event)
    (feed,) = build.open_feeds(event, site)
    if feed.heads is None or feed.heads.counter is None:
        raise ConfigError(f"schedule: no counter runs on this camera ({feed.counter_note}). Name one that does.")
    heads = replace(feed.heads, schedule=ALWAYS)
    return Watched(site, replace(feed, heads=heads), feed.heads.schedule)


def dense_scene() -> Watched:
    """A drawn crowd of up to some 5 p/m2 with true boxes and true density map, on the synthetic example's ground."""
    event = configuration.measured(config.load(example("synthetic")))
    site = config.to_site(event)
    camera = site.cameras[0]
    west, south, east, north = polygon(site.walkable_m, site.obstacles_m).bounds
    people = ebb_and_flow(PEOPLE, SECONDS, west, south, east, north)
    scene = Scene(camera.fixed_plane, people, event.cameras[0].source.start_ns, SECONDS * HZ, Fraction(HZ))
    feed = Feed(
        SyntheticSource(scene, camera_id=camera.camera_id), TruthDetector(scene, camera.anchor), camera.plane,
        HeadCounter(TruthCounter(scene), site_ground(site), ALWAYS),
    )  # fmt: skip
    settings = event.counter
    every, dense = (Fraction(str(each)) for each in (settings.every_s, settings.dense_every_s or settings.every_s))
    return Watched(site, feed, Schedule(None, every, dense, settings.band_p_m2[0], camera.score_min))


def thinned(seen: Sequence[Observation], schedule: Schedule) -> list[Observation]:
    """Observations that were all counted, with the density map of those alone that a schedule asks for."""
    before: list[int | None] = [None, *(each.stamp.t_ns for each in seen[:-1])]
    return [
        each
        if schedule.due(before_ns, each.stamp.t_ns, each.positions, each.detections.saturated)
        else replace(each, mass=None)
        for before_ns, each in zip(before, seen, strict=True)
    ]


def _readings(site: Site, seen: Sequence[Observation], to_ns: int) -> Iterator[ZoneReading]:
    state = start(view_site(site))
    for event, _ in ObservedStream(seen, seen[0].t_ns, to_ns, round(site.tick_s * NS), []):
        state, outcome = advance(state, event)
        if outcome is not None:
            yield from outcome.readings


def effect(watched: Watched, label: str) -> dict[str, float]:
    """How much of a counter's work the schedule saves, and what becomes of the readings.

    Returns:
        frames, readings: how many; counted: share of the frames that the counter runs on; within: share of the readings
        whose count lies within the interval of the one from every frame (two that are unknown agree); apart_p90 and
        apart_most: 90 % quantile and maximum of |difference| in persons; fastest: the largest change of a reading from
        every frame from one second to the next, persons.
    """
    source = watched.feed.source
    seen = [watched.feed.observe(pair) for pair in progress(source.pairs(), label)]
    some = thinned(seen, watched.schedule)
    to_ns = seen[-1].stamp.t_ns
    full, sparse = (list(_readings(watched.site, each, to_ns)) for each in (seen, some))
    both = list(zip(full, sparse, strict=True))
    within = [
        one.count_low <= other.count <= one.count_high or (np.isnan(one.count) and np.isnan(other.count))
        for one, other in both
    ]
    apart = np.array([abs(one.count - other.count) for one, other in both if np.isfinite(one.count + other.count)])
    zones = len(watched.site.zones)
    steps = [abs(b.count - a.count) for zone in range(zones) for a, b in pairwise(full[zone::zones])]
    return {
        "frames": len(seen),
        "readings": len(full),
        "counted": round(sum(each.mass is not None for each in some) / len(seen), 4),
        "within": round(float(np.mean(within)), 4),
        "apart_p90": round(float(np.quantile(apart, 0.9)), 3),
        "apart_most": round(float(apart.max()), 3),
        "fastest": round(float(np.nanmax(steps)), 2),
    }
