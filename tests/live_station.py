"""A station whose cameras are drawn in its own process: ``Captures`` without readers, decoders and networks."""

from __future__ import annotations

import sys
import time
from collections.abc import Collection
from dataclasses import dataclass
from fractions import Fraction
from typing import Self

from crowdwatch import config
from crowdwatch.config import EventFile
from crowdwatch.core.live import StreamPhase, StreamStatus
from crowdwatch.core.records import CameraFault, FramePair, Stamp
from crowdwatch.core.site import Camera
from crowdwatch.drivers.live.station_program import main
from crowdwatch.drivers.scenes import drawn_scene
from crowdwatch.sources.live.event_clock import EventClock
from crowdwatch.sources.synthetic import Scene, SyntheticSource

PROGRAM = (sys.executable, __file__)
"""For :class:`crowdwatch.drivers.live.stations.LocalStation`."""


@dataclass
class DrawnPair:
    pair: FramePair
    captures: DrawnCaptures

    @property
    def fault(self) -> None:
        """Nothing is wrong with it."""

    def release(self) -> None:
        self.captures.held.discard(self.pair.current.stamp.camera_id)


class DrawnCaptures:
    """Cameras over a drawn scene, which begins when they do."""

    def __init__(self, event: EventFile, cameras: Collection[Camera], clock: EventClock, begins_ns: int) -> None:
        site = config.to_site(event)
        self.scenes: dict[str, Scene] = {}
        for camera in cameras:
            name = next(each.source.synthetic for each in event.cameras if each.id == camera.camera_id)
            self.scenes[camera.camera_id] = drawn_scene(str(name), event, site, camera, None)
        self.clock, self.start_ns = clock, begins_ns
        self.rates = {key: scene.rate_hz for key, scene in self.scenes.items()}
        self.last = {key: self._number(key) for key in self.scenes}
        self.sampled = dict.fromkeys(self.scenes, 0)
        self.replaced = dict.fromkeys(self.scenes, 0)
        self.held: set[str] = set()
        self.told_ns = 0

    def take(self, timeout_s: float, most: int | None = None) -> list[DrawnPair]:
        ends_s = time.monotonic() + timeout_s
        while True:
            found = []
            for camera_id in sorted(self.scenes, key=self.last.__getitem__):
                pair = None if camera_id in self.held or len(found) == most else self._newest(camera_id)
                if pair is not None:
                    self.held.add(camera_id)
                    found.append(DrawnPair(pair, self))
            if found or time.monotonic() > ends_s:
                return found
            time.sleep(0.01)

    def _number(self, camera_id: str) -> int:
        return int((self.clock.now_ns() - self.start_ns) * self.rates[camera_id]) // 1_000_000_000

    def _newest(self, camera_id: str) -> FramePair | None:
        seq = self._number(camera_id)
        if seq <= self.last[camera_id]:
            return None
        self.replaced[camera_id] += seq - self.last[camera_id] - 1
        self.sampled[camera_id] += seq - self.last[camera_id]
        self.last[camera_id] = seq
        source = SyntheticSource(self.scenes[camera_id], camera_id=camera_id)
        step_ns = int(1_000_000_000 / self.rates[camera_id])
        before, now = (
            source._frame(Stamp(camera_id, each, self.start_ns + each * step_ns, "arrival")) for each in (seq - 1, seq)
        )
        return FramePair(before, now)

    def news(self) -> list[StreamStatus | CameraFault]:
        now_ns = self.clock.now_ns()
        if now_ns - self.told_ns < 1_000_000_000:
            return []
        self.told_ns = now_ns
        return [
            StreamStatus(key, StreamPhase.STREAMING, self.start_ns, received=self.last[key], sampled=self.sampled[key],
                         replaced=self.replaced[key], rate_hz=float(rate))
            for key, rate in self.rates.items()
        ]  # fmt: skip

    def set_sample_hz(self, camera_id: str, hz: Fraction | None) -> None:
        self.rates[camera_id] = hz or self.scenes[camera_id].rate_hz

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


if __name__ == "__main__":
    sys.exit(main(DrawnCaptures))
