"""Faults of a live run, each with what must be seen of it: what hides people shows as UNKNOWN, and all come back.

``cam-1`` and ``cam-2`` hang on one RTSP server, ``cam-3`` on another.
All show the same still picture with noise, so that the number of people in every zone is known at every moment.
"""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np
import psutil
from rtsp_server import drawn_clip

from pipelines.benchmarks.live_cost import CostWatch
from pipelines.benchmarks.live_process import Engine, Role
from pipelines.benchmarks.live_site import HW, RATE_HZ, pictures_of_sample, row_of_cameras, write_event
from pipelines.benchmarks.live_watch import StoreWatch, known
from pipelines.benchmarks.rtsp_server import RtspServer, encoded_clip

PICTURE = 720
"""Of the recording: three people in the junction, three on the west path, nobody on the east road."""

TRUTH = {"junction": 3, "west-path": 3, "east-road": 0}

NOISE, PICTURES = 5.0, 37
"""Standard deviation in grey levels of what is added to each picture, and how many there are: a picture without noise
would be frozen, and so would be one that comes again at every sampled moment."""

LIMITS = {
    "moving": {
        "density_p_m2": {"watch": 0.01, "caution": 0.02, "alert": 0.03, "critical": 5.0},
        "clear_density_p_m2": {"watch": 0.005, "caution": 0.015, "alert": 0.025, "critical": 4.0},
        "on_delay_s": 2,
        "off_delay_s": 2,
    }
}
"""Three people are an alert. The off-delay is short: whatever lowered a count would clear it at once."""

SAMPLE_HZ = 1.0
"""As few as a reading needs: other tests run beside this one."""

GIVE_UP_S = 120.0
"""A busy machine takes long: whether what came came in time is judged afterwards."""

CALM_S = 12.0
"""Longer than the window of a reading."""


@dataclass(frozen=True)
class Fault:
    """One that happened. ``shown_s``: until every zone of its cameras was UNKNOWN, where it must become so;
    ``back_s``: from its end until every one was known again. ``began_ns`` and ``ended_ns`` are ticks around it."""

    kind: str
    camera_ids: tuple[str, ...]
    shown_s: float | None
    back_s: float
    began_ns: int
    ended_ns: int


@dataclass
class Lane:
    """A server and its cameras."""

    server: RtspServer
    camera_ids: tuple[str, ...]
    clips: dict[str, Path]
    small: Path
    chance: random.Random

    @property
    def mounts(self) -> list[str]:
        return sorted(self.clips)

    def swap(self, clips: dict[str, Path]) -> None:
        self.server.kill()
        self.server.mounts = dict(clips)
        self.server.start()


@dataclass
class Chaos:
    """A live run, its servers, and what happened to it."""

    engine: Engine
    watch: StoreWatch
    lanes: list[Lane]
    chance: random.Random
    faults: list[Fault] = field(default_factory=list)

    @property
    def camera_ids(self) -> tuple[str, ...]:
        return tuple(each for lane in self.lanes for each in lane.camera_ids)

    def zones(self, camera_ids: Iterable[str]) -> list[str]:
        return [f"{camera_id}-{zone}" for camera_id in camera_ids for zone in TRUTH]

    def suffer(
        self,
        kind: str,
        camera_ids: tuple[str, ...],
        begin: Callable[[], object],
        end: Callable[[], object] = lambda: None,
        *,
        hides: bool = True,
    ) -> None:
        """Let a fault happen, and see it come and go."""
        zones, since, at_s = self.zones(camera_ids), self.watch.mark(), time.monotonic()
        began_ns = self.watch.ticks[since - 1].t_ns
        begin()
        shown_s = None
        if hides:
            lost = self.watch.each_zone(zones, lambda r: not known(r), since, GIVE_UP_S, f"UNKNOWN after {kind}")
            shown_s = max(tick.seen_s for tick in lost.values()) - at_s
            time.sleep(1.0)
        else:  # long enough that a camera which did not come back would be silent
            time.sleep(6.0)
        since, at_s = self.watch.mark(), time.monotonic()
        end()
        again = self.watch.each_zone(zones, known, since, GIVE_UP_S, f"readings after {kind}")
        back_s = max(tick.seen_s for tick in again.values()) - at_s
        ended_ns = max(tick.t_ns for tick in again.values())
        self.faults.append(Fault(kind, camera_ids, shown_s, back_s, began_ns, ended_ns))

    # of one server

    def server_killed(self, lane: Lane) -> None:
        self.suffer("the server is killed", lane.camera_ids, lane.server.kill, lane.server.start)

    def server_stalled(self, lane: Lane) -> None:
        self.suffer("the server stalls", lane.camera_ids, lane.server.stall, lane.server.go_on)

    def other_size(self, lane: Lane) -> None:
        small = dict.fromkeys(lane.clips, lane.small)
        self.suffer(
            "another size", lane.camera_ids, lambda: lane.swap(small), lambda: lane.swap(lane.clips)
        )  # fmt: skip

    def silence(self, lane: Lane) -> None:
        number = lane.chance.randrange(len(lane.camera_ids))
        mount = lane.mounts[number]
        self.suffer(
            "a camera is silent", (lane.camera_ids[number],), lambda: lane.server.silence(mount),
            lambda: lane.server.silence(mount, silent=False),
        )  # fmt: skip

    def jump(self, lane: Lane) -> None:
        """An hour or less forward, and back again."""
        number = lane.chance.randrange(len(lane.camera_ids))
        mount, by_s = lane.mounts[number], lane.chance.choice([3600.0, 40.0])
        self.suffer(
            "time stamps jump", (lane.camera_ids[number],), lambda: lane.server.jump(mount, by_s),
            lambda: lane.server.jump(mount, 0.0), hides=False,
        )  # fmt: skip

    # of processes

    def readers_fail(self) -> None:
        """One dies, one hangs."""
        killed, stopped = self.chance.sample(self.engine.of(Role.READER), 2)

        def fail() -> None:
            killed.kill()
            _stop(stopped)

        self.suffer("readers are killed and stopped", self.camera_ids, fail, hides=False)

    def station_killed(self) -> None:
        (station,) = self.engine.of(Role.STATION)
        self.suffer("the station is killed", self.camera_ids, station.kill, hides=False)

    def station_stopped(self) -> None:
        (station,) = self.engine.of(Role.STATION)
        self.suffer("the station is stopped", self.camera_ids, lambda: _stop(station))

    def engine_killed(self) -> None:
        def again() -> None:
            self.engine.kill()
            self.engine.start()

        self.suffer("the engine is killed", self.camera_ids, again, self.engine.must_be_alone, hides=False)

    @property
    def of_lanes(self) -> list[Callable[[Lane], None]]:
        """Those that strike one server's cameras and no others."""
        return [self.server_killed, self.server_stalled, self.other_size, self.silence, self.jump]

    @property
    def of_processes(self) -> list[Callable[[], None]]:
        """Those that strike processes of the run."""
        return [self.readers_fail, self.station_killed, self.station_stopped, self.engine_killed]

    def at_once(self, plans: list[list[Callable[[Lane], None]]]) -> None:
        """Let every lane suffer its faults, beside the others."""
        with ThreadPoolExecutor(len(self.lanes)) as pool:
            done = [
                pool.submit(lambda lane=lane, plan=plan: [fault(lane) for fault in plan])
                for lane, plan in zip(self.lanes, plans, strict=True)
            ]
            for each in done:
                each.result()


def _stop(process: psutil.Process) -> None:
    process.send_signal(signal.SIGSTOP)


def still_clip(path: Path) -> Path:
    """A picture with people, and noise that changes, over and over."""
    still = next(islice(pictures_of_sample(), PICTURE, None)).astype(np.float64)
    noise = np.random.default_rng(15)
    made = (np.clip(still + noise.normal(0.0, NOISE, still.shape), 0, 255).astype(np.uint8) for _ in range(PICTURES))
    return encoded_clip(path, made, HW, RATE_HZ, gop=RATE_HZ)


@contextmanager
def running(folder: Path, seed: int) -> Iterator[Chaos]:
    """A live run that has begun: every zone is known, and its alarms are raised."""
    clip, small = still_clip(folder / "still.clip"), drawn_clip(folder / "small.clip", hw=(240, 320))
    names = [("cam-1", "cam-2"), ("cam-3",)]
    with ExitStack() as stack:
        lanes, urls = [], []
        for camera_ids in names:
            clips = {f"/{camera_id}": clip for camera_id in camera_ids}
            server = stack.enter_context(RtspServer(clips))
            lanes.append(Lane(server, camera_ids, clips, small, random.Random(f"{seed} {camera_ids}")))
            urls += [server.url(mount) for mount in sorted(clips)]
        event = row_of_cameras(urls, sample_hz=SAMPLE_HZ, event_id="chaos") | {"limits_by_kind": LIMITS}
        event |= {"counter": {"model": "none"}}
        engine = stack.enter_context(Engine(write_event(event, folder / "event.yaml"), folder / "live"))
        watch = stack.enter_context(StoreWatch(engine))
        chaos = Chaos(engine, watch, lanes, random.Random(seed))
        engine.start()
        watch.each_zone(chaos.zones(chaos.camera_ids), known, 0, GIVE_UP_S, "the first readings")
        time.sleep(CALM_S)
        yield chaos


@contextmanager
def memory_of(chaos: Chaos) -> Iterator[CostWatch]:
    """Of all processes, over the time of the context."""
    with CostWatch(chaos.engine) as cost:
        yield cost
