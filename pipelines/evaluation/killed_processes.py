"""Processes that :mod:`pipelines.evaluation.kills` kills: forks one for each line on its input, and says how it ended.

``engine FOLDER`` runs a live engine over a drawn camera in simulated time, which passes as fast as the machine folds:
a crowd that comes and goes, so that alarms rise and end all the time. ``notifier FOLDER`` tells its targets.
The imports are made once; a fork costs milliseconds. Waits of the product that would make a kill take a minute (the
claim of a dead process, the pause after a failed try) are short here.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from crowdwatch import config
from crowdwatch.config import EventFile
from crowdwatch.core.live import LiveMessage
from crowdwatch.core.records import Anchor, Detections, Evidence, Observation, Positions, Stamp
from crowdwatch.core.site import Camera
from crowdwatch.drivers import notifying
from crowdwatch.drivers.configuration import RunConfiguration
from crowdwatch.drivers.live.live import LiveOptions, live
from crowdwatch.ground import to_image, valid_ground
from crowdwatch.notify import courier
from crowdwatch.sources.live.event_clock import EventClock

__all__ = ["CAMERA", "HALF_S", "SimulatedClock", "drawn_event", "main"]

NS = 1_000_000_000
CAMERA, ZONE = "mast", "square"
HALF_S = 20
"""So long the square is full, and so long it is empty."""

CROWD, STATURE_M, DELAY_S = 40, 1.75, 0.2


def drawn_event(folder: Path, target_url: str) -> Path:
    """The event file of one square under one mast, which tells one target of every level."""
    cos, sin = 0.9063, 0.4226
    limits = {"watch": 0.05, "caution": 0.1, "alert": 0.15, "critical": 0.4}
    clear = {"watch": 0.04, "caution": 0.08, "alert": 0.12, "critical": 0.3}
    ground = [[-3.0, 6.0], [3.0, 6.0], [8.0, 20.0], [-8.0, 20.0]]
    pose = {
        "focal_px": [1024.0, 1024.0], "centre_px": [640.0, 360.0], "translation_m": [0.0, 6 * cos, 6 * sin],
        "rotation": [[1.0, 0.0, 0.0], [0.0, -sin, -cos], [0.0, cos, -sin]],
    }  # fmt: skip
    content: dict[str, Any] = {
        "version": 1, "id": "kills", "name": {"en": "Killed at random"}, "site": {"walkable_area_m": ground},
        "zones": [{"id": ZONE, "kind": "moving", "polygon_m": ground}],
        "cameras": [{
            "id": CAMERA, "image_size_px": [1280, 720], "calibration": {"pose": pose, "rmse_m": 0.1},
            "source": {"synthetic": "kills", "start_time": "2026-01-01T12:00:00Z"},
        }],
        "limits_by_kind": {"moving": {
            "density_p_m2": limits, "clear_density_p_m2": clear, "on_delay_s": 2, "off_delay_s": 2,
        }},
        "notify": {"targets": [{"id": "room", "kind": "webhook", "address": target_url, "level": "watch"}]},
    }  # fmt: skip
    path = folder / "event.yaml"
    path.write_text(json.dumps(content), encoding="utf-8")  # of which YAML is more
    return path


@dataclass(frozen=True)
class SimulatedClock(EventClock):
    """Event time that passes when somebody waits."""

    passed_ns: list[int] = field(default_factory=lambda: [0])

    def now_ns(self) -> int:
        """Event time."""
        return self.at(self.passed_ns[0])

    def wall_error_s(self) -> float:
        """It agrees with itself."""
        return 0.0


class DrawnObservers:
    """Fills the port ``Observers`` with what a camera would see, two pictures a second.

    Args:
        clock: of the run.
        camera: that looks.
        began_ns: of the event.
    """

    def __init__(self, clock: SimulatedClock, camera: Camera, began_ns: int) -> None:
        self._clock, self._camera, self._began_ns = clock, camera, began_ns
        self._next = -(-2 * (clock.now_ns() - began_ns) // NS)

    def __enter__(self) -> DrawnObservers:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def want_pictures(self, camera_ids: Collection[str]) -> None:
        """There are none."""

    def receive(self, timeout_s: float) -> list[LiveMessage]:
        """What arrives within a time, which passes at once."""
        until_ns = self._clock.now_ns() + max(round(timeout_s * NS), 1)
        t_ns = self._began_ns + self._next * NS // 2
        arrival_ns = max(t_ns + round(DELAY_S * NS), self._clock.now_ns())
        if arrival_ns > until_ns:
            self._clock.passed_ns[0] += until_ns - self._clock.now_ns()
            return []
        self._clock.passed_ns[0] += arrival_ns - self._clock.now_ns()
        self._next += 1
        return [self._seen(self._next - 1, t_ns)]

    def _seen(self, number: int, t_ns: int) -> Observation:
        rng, plane = np.random.default_rng(number), self._camera.fixed_plane
        crowd = CROWD if (t_ns - self._began_ns) // NS % (2 * HALF_S) < HALF_S else 0
        y_m = np.linspace(8.0, 18.0, max(crowd, 1))[:crowd]
        xy_m = np.stack([rng.uniform(-2.5, 2.5, crowd), y_m], axis=1)
        feet, top = to_image(plane, xy_m), to_image(plane, xy_m, STATURE_M)
        half = 0.15 * np.abs(feet[:, 1] - top[:, 1])
        boxes = np.stack([feet[:, 0] - half, top[:, 1], feet[:, 0] + half, feet[:, 1]], axis=1).round(1)
        stamp = Stamp(CAMERA, number, t_ns, "arrival", 0.02)
        score, kinds = np.full(crowd, 0.9), np.zeros(crowd, np.int64)
        detections = Detections(stamp, boxes, score, kinds, Anchor.FEET, plane.image_hw, "drawn")
        sigma_m = valid_ground(plane, feet)[1] if crowd else np.empty(0)
        evidence = Evidence(f"{number:016x}", luma=70.0, contrast=38.0, sharpness=90.0, change=2.5)
        return Observation(detections, Positions(stamp, xy_m, sigma_m, score), evidence, plane.plane_id)


def _engine(folder: Path) -> Callable[[dict[str, Any]], None]:
    event = config.load(folder / "event.yaml")
    camera = config.to_site(event).cameras[0]

    def observers(configuration: RunConfiguration, clock: EventClock) -> DrawnObservers:
        if not isinstance(clock, SimulatedClock):
            raise TypeError("kills: the clock must be a simulated one.")
        return DrawnObservers(clock, camera, event.start_ns)

    def run(asked: dict[str, Any]) -> None:
        options = LiveOptions(
            folder, f"sqlite:///{folder}/store.sqlite", observers, pictures=False, for_s=asked["for_s"],
            clock=lambda: SimulatedClock(asked["from_ns"], 0),
        )  # fmt: skip
        live(event, options)

    return run


def _notifier(folder: Path) -> Callable[[dict[str, Any]], None]:
    event: EventFile = config.load(folder / "event.yaml")
    courier.CLAIM_S, courier.wait_s, notifying.POLL_S = 0.2, lambda attempts: 0.01, 0.02
    options = notifying.Options(f"sqlite:///{folder}/store.sqlite", send=True)
    return lambda asked: notifying.notify(event, replace(options, once=asked["once"]))


def _asked() -> Iterator[dict[str, Any]]:
    for line in sys.stdin:
        yield json.loads(line)


def main() -> None:
    """Read lines until the input ends."""
    what, folder = sys.argv[1], Path(sys.argv[2])
    logging.disable()
    run = {"engine": _engine, "notifier": _notifier}[what](folder)
    print(json.dumps({"ready": True}), flush=True)
    for asked in _asked():
        pid = os.fork()
        if not pid:
            status = 1
            try:
                run(asked)
                status = 0
            except Exception as error:  # noqa: BLE001  the parent ends on any fault, with its words
                print(f"{what}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
            finally:
                os._exit(status)
        print(json.dumps({"pid": pid}), flush=True)
        print(json.dumps({"status": os.waitpid(pid, 0)[1]}), flush=True)


if __name__ == "__main__":
    main()
