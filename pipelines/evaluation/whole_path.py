"""Recordings and photographs through the whole counting path, hand-over included, against annotated people."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from crowdwatch import config
from crowdwatch.analytics import audit
from crowdwatch.analytics.coverage import view_site
from crowdwatch.analytics.engine import advance, start
from crowdwatch.config import EventFile
from crowdwatch.core.records import FloatArray, FramePair, Observation, Tick
from crowdwatch.core.runs import Audit
from crowdwatch.core.site import Bias, HandOver, Site, Zone, ZoneKind
from crowdwatch.drivers import build, configuration
from crowdwatch.errors import ConfigError
from crowdwatch.ground import ground_seen, inside, polygon, to_ground
from pipelines.command_line import progress
from pipelines.evaluation.interval_boxes import CHOICES
from pipelines.evaluation.scoring import read_boxes

__all__ = ["PathCounts", "count_errors", "pets_counts", "walkable_zone"]

MOMENT_S = 1e-3
"""A window that holds one picture: the errors are those of single frames."""


@dataclass(frozen=True, slots=True, eq=False)
class PathCounts:
    """People on the walkable ground that a camera sees, frame by frame; (N,) each.

    Args:
        true: annotated people who stand there.
        found: by the whole path.
        low, high: its interval.
        boxes: by boxes alone.
        heads: by density map alone.
        counter: which counter, or why there was none.
        factor, offset: what hand counts make of every one found, and add to every picture; 1 and 0 without them.
    """

    true: FloatArray
    found: FloatArray
    low: FloatArray
    high: FloatArray
    boxes: FloatArray
    heads: FloatArray
    counter: str
    factor: float = 1.0
    offset: float = 0.0


def walkable_zone(site: Site) -> Site:
    """The site with one zone, all of its walkable ground, read picture by picture."""
    area = polygon(site.walkable_m, site.obstacles_m)
    zone = Zone("all", {"en": "all"}, np.asarray(site.walkable_m), ZoneKind.MOVING, float(area.area))
    return replace(site, zones=(zone,), window_s=MOMENT_S)


def pets_counts(
    folder: Path,
    event: EventFile,
    hand_counts: int = 0,
    *,
    frames: Sequence[int] | None = None,
    shown: Callable[[FramePair], FramePair] = lambda pair: pair,
) -> PathCounts:
    """Every frame of PETS2009 S2.L1 view 1; the counter runs on every one.

    Args:
        folder: of the recording and its annotations.
        event: the event file.
        hand_counts: frames among the first 200, evenly spread, that somebody counted by hand without an error; what
            they say of the camera is applied to all, as a run does.
        frames: these frames alone.
        shown: what the camera shows of a pair of frames.

    Raises:
        ConfigError: the annotations end before the recording.
    """
    event = configuration.measured(event)
    settings = event.counter.model_copy(update={"every_s": 0.04, "dense_every_s": None})
    event = event.model_copy(update={"counter": settings})
    site = walkable_zone(config.to_site(event))
    (feed,) = build.open_feeds(event, site)
    truth = read_boxes(folder / "annotations_s2l1.xml")
    camera = site.cameras[0]
    walkable = polygon(site.walkable_m, site.obstacles_m)
    visible, _ = ground_seen(camera.fixed_plane, camera.anchor, camera.counts_heads, walkable)
    true, seen = [], []
    wanted = None if frames is None else frozenset(frames)
    for pair in progress(feed.source.pairs(), "frames", len(truth)):
        seq = pair.current.stamp.seq
        if seq >= len(truth):
            raise ConfigError(f"annotations in {folder}: end before frame {seq} of the recording.")
        if wanted is not None and seq not in wanted:
            continue
        feet_px = (truth[seq][:, [0, 3]] + truth[seq][:, [2, 3]]) / 2
        true.append(float(inside(visible, to_ground(camera.fixed_plane, feet_px)).sum()))
        seen.append(feed.observe(shown(pair)))
    found = _readings(site, seen)
    if hand_counts:
        counted = np.linspace(0, CHOICES - 1, hand_counts).round().astype(np.int64)
        site = _audited(site, np.array(true)[counted], found[counted, 0])
        found = _readings(site, seen)
    boxes = _readings(site, [replace(one, mass=None) for one in seen])[:, 0]
    only = replace(site, hand_over=HandOver(0.0, 1e-9, site.hand_over.boxes, site.hand_over.heads))
    heads = _readings(only, seen)[:, 0]
    count, low, high = found.T
    bias = site.cameras[0].bias or Bias(1.0, 1.0, 1.0)
    return PathCounts(np.array(true), count, low, high, boxes, heads, feed.counter_note, bias.factor, bias.offset)


def _audited(site: Site, counted: FloatArray, found: FloatArray) -> Site:
    """The site with what hand counts, beside what the program found, say of its one camera."""
    (camera,) = site.cameras
    pairs = zip(counted, found, strict=True)
    entries = [Audit(camera.camera_id, k, round(people), float(seen)) for k, (people, seen) in enumerate(pairs)]
    bias = audit.applied(audit.bias(camera.camera_id, entries), lower=False)
    return replace(site, cameras=(replace(camera, bias=bias),))


def _readings(site: Site, seen: Sequence[Observation]) -> FloatArray:
    """(N, 3) count of the one zone after every observation, and the ends of its interval for what is seen of it: the
    zone's own also reaches up to what the unseen ground may hold, and the truth here is that of the seen one."""
    state, rows = start(view_site(site)), []
    for observation in seen:
        state, _ = advance(state, observation)
        state, outcome = advance(state, Tick(observation.stamp.t_ns, (observation.stamp.id,)))
        if outcome is None:
            raise ConfigError("a tick had no outcome.")
        reading = outcome.readings[0]
        seen_m2 = site.zones[0].usable_area_m2 * reading.visible_frac
        rows.append((reading.count, reading.density_low * seen_m2, reading.density_high * seen_m2))
    return np.array(rows)


def count_errors(counts: PathCounts, part: slice) -> dict[str, float]:
    """Mean absolute errors and biases over some of the frames, and how often the interval held the truth."""
    true = counts.true[part]
    figures: dict[str, float] = {"frames": len(true), "people": float(true.sum())}
    figures |= {"factor": counts.factor, "offset": counts.offset}
    for name in ("found", "boxes", "heads"):
        error = getattr(counts, name)[part] - true
        figures[f"{name}_mae"] = round(float(np.abs(error).mean()), 4)
        figures[f"{name}_bias"] = round(float(error.mean()), 4)
    held = (counts.low[part] <= true) & (true <= counts.high[part])
    figures["interval_held"] = round(float(held.mean()), 4)
    figures["interval_width"] = round(float((counts.high[part] - counts.low[part]).mean()), 4)
    return figures
