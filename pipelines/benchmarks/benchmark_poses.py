"""What a new pose of a drone costs: where its density map goes, what it sees, and the tick that takes it in. See
``benchmark --fold --poses``."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

import numpy as np
from rich.console import Console

from crowdwatch.analytics.coverage import SiteView, view_camera, view_site
from crowdwatch.analytics.engine import State, advance, start
from crowdwatch.core.records import Anchor, Frame, GroundPlane, Observation, Stamp, Tick
from crowdwatch.core.site import Camera
from crowdwatch.ground import Ground, site_ground
from crowdwatch.observation.observe import locate
from crowdwatch.observation.projection import project_to_ground, projection_of
from crowdwatch.sources.synthetic import Scene, TruthCounter, TruthDetector, standing, visit
from pipelines.benchmarks.drawn_site import FINE, NS, SEED, START_NS, DrawnSite, SiteSize, draw
from pipelines.command_line import err, print_json, progress

__all__ = ["measure_poses"]

SIZE = SiteSize(16, 200.0, 49, 8000)
IMAGE_HW, FOCAL_PX, UP_M, BLOCK_PX = (1080, 1920), 1400.0, 50.0, 8.0
"""A drone 50 m up that looks down at 45 degrees sees 137 x 90 m, with people 35 px tall in the middle."""

BLANK = np.zeros((*IMAGE_HW, 3), dtype=np.uint8)

WARM = 12
"""Ticks before anything is timed: one more than the window."""

Made = TypeVar("Made")


@dataclass(slots=True)
class _Flight:
    """A drone over a drawn site, second by second."""

    drawn: DrawnSite
    view: SiteView
    drone: Camera
    people: Scene
    state: State
    second: int = 0

    def observation(self, plane: GroundPlane, ground: Ground) -> Observation:
        """What the drone finds with one pose."""
        stamp = Stamp(self.drone.camera_id, self.second + 1, START_NS + (self.second + 1) * NS)
        scene, frame = replace(self.people, plane=plane), Frame(stamp, BLANK, plane)
        (detections,) = TruthDetector(scene).detect([frame])
        (heads,) = TruthCounter(scene, BLOCK_PX).count([frame])
        mass = project_to_ground(heads, plane, ground, moves=True)
        evidence = replace(FINE, frame_hash=f"{stamp.t_ns:016x}")
        return Observation(detections, locate(detections, plane), evidence, plane.plane_id, mass, plane=plane)

    def tick(self, observation: Observation) -> float:
        """Advance by a second; returns the seconds that the tick took."""
        self.second += 1
        seen = [*self.drawn.observations(self.second, (), ()), observation]
        for each in seen:
            self.state, _ = advance(self.state, each)
        tick = Tick(START_NS + self.second * NS, tuple(each.stamp.id for each in seen))
        took_s, (self.state, _) = _timed(partial(advance, self.state, tick))
        return took_s


def measure_poses(poses: int, *, as_json: bool) -> None:
    """Measure so many new poses and print the medians.

    Keys of the JSON: ``projection_ms``, where the blocks of a density map go; ``view_ms``, what the picture sees;
    ``new_pose_ms``, both together. ``tick_ms``, a tick at which the drone has not moved, ``moved_tick_ms``, one at
    which it has, with its view in it: who counts which ground is worked out anew, and the other cameras' windows are
    counted again for it. ``new_pose_with_tick_ms``: ``projection_ms`` and the difference of the two ticks.
    """
    with err.status("draw"):
        flight = _flight()
        ground = site_ground(flight.view.site)
    projections: list[float] = []
    views, moved, still = projections[:], projections[:], projections[:]
    for number, plane in enumerate(progress(_poses(poses + WARM), "poses", poses + WARM)):
        projection_s, _ = _timed(partial(projection_of, plane, BLOCK_PX, ground))
        view_s, _ = _timed(partial(view_camera, flight.view, flight.drone, plane))
        times = [flight.tick(flight.observation(plane, ground)) for _ in range(2)]  # it comes, and stays
        if number >= WARM:
            for kept, took in zip((projections, views, moved, still), (projection_s, view_s, *times), strict=True):
                kept.append(took)
    names = ("projection_ms", "view_ms", "moved_tick_ms", "tick_ms")
    kept_s = zip(names, (projections, views, moved, still), strict=True)
    found = {name: statistics.median(times_s) * 1e3 for name, times_s in kept_s}
    found["new_pose_ms"] = statistics.median(map(sum, zip(projections, views, strict=True))) * 1e3
    found["new_pose_with_tick_ms"] = found["projection_ms"] + found["moved_tick_ms"] - found["tick_ms"]
    answer = {"poses": poses, "image_hw": IMAGE_HW, "side_m": SIZE.side_m, **found}
    if as_json:
        print_json(answer)
    else:
        Console(width=150).print(
            f"a new pose of a drone at {IMAGE_HW[1]}x{IMAGE_HW[0]}, {SIZE}, medians of {poses}: "
            f"{found['new_pose_ms']:.1f} ms\n"
            f"  where its density map goes {found['projection_ms']:.1f} ms, what it sees {found['view_ms']:.1f} ms\n"
            f"  with who counts which ground {found['new_pose_with_tick_ms']:.1f} ms: its tick takes "
            f"{found['moved_tick_ms']:.1f} ms, where it stays {found['tick_ms']:.1f} ms"
        )


def _flight() -> _Flight:
    drawn = draw(SIZE, 1)
    drone = Camera("drone", {"en": "Drone"}, None, Anchor.FEET, 1.0, score_min=0.25)
    view = view_site(replace(drawn.site, cameras=(*drawn.site.cameras, drone)))
    rng = np.random.default_rng(SEED)
    people = Scene(next(_poses(1)), standing(rng.uniform(0, SIZE.side_m, (SIZE.people, 2))), START_NS, 1)
    return _Flight(drawn, view, drone, people, start(view))


def _poses(count: int) -> Iterator[GroundPlane]:
    """Poses of a drone that crosses the site and sways."""
    middle = SIZE.side_m / 2
    flight = visit(
        (middle + 40.0, middle - UP_M, UP_M), (middle + 40.0, middle), (-80.0, 0.0), (0.0, count, count + 1, count + 2),
        image_hw=IMAGE_HW, focal_px=FOCAL_PX,
    )  # fmt: skip
    for number in range(count):
        yield flight(float(number))


def _timed(work: Callable[[], Made]) -> tuple[float, Made]:
    began = time.perf_counter()
    made = work()
    return time.perf_counter() - began, made
