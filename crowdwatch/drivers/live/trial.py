"""The day before: every camera of an event is read and looked at for some seconds, as a live run does.

The readers, the models and the order of work are those of a station (:mod:`crowdwatch.drivers.live.station`), without
its load control: what is measured is what the machine carries, not what it falls back to. Nothing is stored.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace

import numpy as np

from crowdwatch import config
from crowdwatch.analytics.health import CameraWatch
from crowdwatch.analytics.staleness import stale_limit_s
from crowdwatch.config import EventFile
from crowdwatch.config.schema import CameraFile
from crowdwatch.core.live import StreamPhase, StreamStatus
from crowdwatch.core.outcomes import Health
from crowdwatch.core.ports import Counter, Detector
from crowdwatch.core.reasons import Code
from crowdwatch.core.records import Anchor, CameraFault, Detections, Frame, HeadMass, Observation
from crowdwatch.core.site import Camera
from crowdwatch.drivers.build import Models, open_live
from crowdwatch.drivers.live.cameras import open_captures
from crowdwatch.drivers.live.watching import Captured, Captures, Watching
from crowdwatch.sources.live.event_clock import EventClock

__all__ = ["CameraTrial", "Stages", "Trial", "try_cameras"]

OPEN_S = 15.0
"""How long cameras are waited for before those that answered are measured: an open may take 10 s."""

LOOK_S = 0.2


@dataclass(slots=True)
class Stages:
    """Seconds that each stage took, picture by picture. Several threads may add."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, stage: str, seconds: float) -> None:
        """Take one."""
        with self._lock:
            self.seconds.setdefault(stage, []).append(seconds)

    def clear(self) -> None:
        """Forget what was measured while the models warmed up."""
        with self._lock:
            self.seconds.clear()

    def percentile(self, stage: str, percent: float) -> float:
        """Of one stage; NaN where it never ran."""
        with self._lock:
            found = list(self.seconds.get(stage, ()))
        return float(np.percentile(found, percent)) if found else float("nan")


@dataclass(slots=True)
class CameraTrial:
    """What was seen of one camera.

    Args:
        camera: as the fold sees it.
        live: whether it is a live camera; else it is played.
        wanted_hz: pictures to be analysed a second; None for every one.
        status, at_begin: of its stream at the end and at the beginning of the measured time; None before the first.
        fault, error: why its newest picture could not be read or analysed, as a code and in words; None and empty else.
        analysed: pictures analysed in the measured time.
        people: boxes over the camera's score limit, by picture.
        heads: sums of density maps, by picture that had one.
        luma: mean brightness by picture, 0 to 255.
        watch: what the fold makes of its pictures.
        arrival_s, latency_s: from exposure to the beginning of the analysis, and to the observation, by picture.
        placed: whether anybody says from where it looks: a calibration, or telemetry beside the stream.
    """

    camera: Camera
    live: bool
    wanted_hz: float | None
    status: StreamStatus | None = None
    at_begin: StreamStatus | None = None
    fault: Code | None = None
    error: str = ""
    analysed: int = 0
    people: list[int] = field(default_factory=list)
    heads: list[float] = field(default_factory=list)
    luma: list[float] = field(default_factory=list)
    watch: CameraWatch = field(default_factory=CameraWatch)
    arrival_s: list[float] = field(default_factory=list)
    latency_s: list[float] = field(default_factory=list)
    placed: bool = True

    @property
    def health(self) -> Health | None:
        """What the fold makes of its newest picture; None before the first."""
        return None if self.watch.last_ns is None else self.watch.picture

    @property
    def streams(self) -> bool:
        """Whether its stream is there now."""
        return self.status is not None and self.status.phase is StreamPhase.STREAMING

    @property
    def due_hz(self) -> float:
        """Pictures a second that are to be analysed; NaN where the camera does not say how many it sends."""
        rate_hz = float("nan") if self.status is None else self.status.rate_hz
        return rate_hz if self.wanted_hz is None else self.wanted_hz

    @property
    def late_s(self) -> float:
        """95th percentile of the time from exposure to observation; NaN where nothing was observed."""
        return float(np.percentile(self.latency_s, 95)) if self.latency_s else float("nan")

    def take(self, seen: Observation, begun_ns: int, now_ns: int) -> None:
        """Take in one observation, made between two moments of event time."""
        self.analysed += 1
        self.fault, self.error = None, ""
        self.people.append(int((seen.detections.score >= self.camera.score_min).sum()))
        if seen.mass is not None:
            self.heads.append(float(seen.mass.mass.sum()))
        self.luma.append(seen.evidence.luma)
        self.arrival_s.append(max(0, begun_ns - seen.t_ns) / 1e9)
        self.latency_s.append(max(0, now_ns - seen.t_ns) / 1e9)
        limit_s = stale_limit_s(self.camera.sample_interval_s)
        self.watch = self.watch.see(seen.t_ns, seen.evidence, seen.detections, limit_s, moves=self.camera.moves)

    def clear(self) -> None:
        """Forget the figures of the time before; what the fold knows of the camera stays."""
        self.analysed, self.at_begin = 0, self.status
        for each in (self.people, self.heads, self.luma, self.arrival_s, self.latency_s):
            each.clear()


@dataclass(slots=True)
class Trial:
    """What was seen of all.

    Args:
        cameras: in the order of the event file.
        stages: how long each took: ``detect``, ``count``, and ``analyse``, which is all that is done with a picture.
        seconds: that were measured.
        workers: pictures that were analysed at once.
        busy_frac: share of the workers' time that was used.
    """

    cameras: list[CameraTrial]
    stages: Stages
    seconds: float = 0.0
    workers: int = 1
    busy_frac: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class _TimedDetector:
    """A detector whose time is taken."""

    inner: Detector
    stages: Stages

    @property
    def detector_id(self) -> str:
        return self.inner.detector_id

    @property
    def anchor(self) -> Anchor:
        return self.inner.anchor

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        began_s = time.monotonic()
        found = self.inner.detect(frames)
        self.stages.add("detect", time.monotonic() - began_s)
        return found

    def close(self) -> None:
        self.inner.close()


@dataclass(frozen=True, slots=True, eq=False)
class _TimedCounter:
    """A counter whose time is taken."""

    inner: Counter
    stages: Stages

    @property
    def counter_id(self) -> str:
        return self.inner.counter_id

    def count(self, frames: Sequence[Frame]) -> list[HeadMass]:
        began_s = time.monotonic()
        found = self.inner.count(frames)
        self.stages.add("count", time.monotonic() - began_s)
        return found

    def close(self) -> None:
        self.inner.close()


OpenCaptures = Callable[[EventFile, Collection[Camera], EventClock, int], Captures]


def try_cameras(
    event: EventFile,
    seconds: float,
    stop: threading.Event,
    reached: Callable[[float], None] = lambda done_frac: None,
    readers: OpenCaptures = open_captures,
) -> Trial:
    """Read and look at every camera that stands still, and every drone whose telemetry comes beside its stream.

    Args:
        event: names the cameras and the models.
        seconds: to measure, after all cameras have shown a picture or :data:`OPEN_S` have passed.
        stop: ends the trial early.
        reached: called with the share of the time that has passed.
        readers: opens the cameras' readers.

    Raises:
        CrowdWatchError: a model cannot be used, or a sample be had.
    """
    site, clock = config.to_site(event), EventClock.start()
    begins_ns = clock.now_ns()
    entries = {entry.id: entry for entry in event.cameras}
    tried = [each for each in site.cameras if not each.moves or tells_its_place(entries[each.camera_id])]
    trials = {}
    for camera in site.cameras:
        entry = entries[camera.camera_id]
        watch = CameraWatch.of(camera.reference)
        trial_of = CameraTrial(camera, entry.source.live, entry.sample_hz, watch=watch)
        trials[camera.camera_id] = replace(trial_of, placed=not camera.moves or tells_its_place(entry))
    models = Models(event, site, cameras=max(1, len(tried)))
    trial = Trial(list(trials.values()), Stages(), workers=models.workers)
    try:
        watching = {each.camera_id: _timed(event, each, models, begins_ns, trial.stages) for each in tried}
        with readers(event, tried, clock, begins_ns) as captures, ThreadPoolExecutor(models.workers) as pool:
            run = _Run(trials, watching, trial, clock, captures, pool, stop)
            run.go(OPEN_S, lambda share: reached(share * OPEN_S / (OPEN_S + seconds)), until_all_show=True)
            run.measure(seconds, lambda share: reached((OPEN_S + share * seconds) / (OPEN_S + seconds)))
    finally:
        models.close()
    return trial


def tells_its_place(camera: CameraFile) -> bool:
    """Whether a drone's telemetry comes beside its live stream."""
    return camera.source.live and camera.source.telemetry is not None


def _timed(event: EventFile, camera: Camera, models: Models, begins_ns: int, stages: Stages) -> Watching:
    detector, heads = open_live(event, camera, models, begins_ns)
    if heads is not None and heads.counter is not None:
        heads = replace(heads, counter=_TimedCounter(heads.counter, stages))
    return Watching(camera, _TimedDetector(detector, stages), heads)


@dataclass(slots=True)
class _Run:
    """The work of a station over the cameras, measured."""

    trials: Mapping[str, CameraTrial]
    watching: Mapping[str, Watching]
    trial: Trial
    clock: EventClock
    captures: Captures
    pool: ThreadPoolExecutor
    stop: threading.Event
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _busy: set[Future[None]] = field(default_factory=set)

    def measure(self, seconds: float, reached: Callable[[float], None]) -> None:
        """Look for so long, and keep the figures of this time alone."""
        with self._lock:
            self.trial.stages.clear()
            for trial in self.trials.values():
                trial.clear()
        began_s = time.monotonic()
        self.go(seconds, reached)
        with self._lock:
            self.trial.seconds = time.monotonic() - began_s
            at_work = sum(self.trial.stages.seconds.get("analyse", ()))
            self.trial.busy_frac = min(1.0, at_work / max(self.trial.workers * self.trial.seconds, 1e-9))
        wait(self._busy)

    def go(self, seconds: float, reached: Callable[[float], None], *, until_all_show: bool = False) -> None:
        """Hand the newest pictures to free workers, for so long or until every camera has shown one."""
        began_s = time.monotonic()
        while (passed_s := time.monotonic() - began_s) < seconds and not self.stop.is_set():
            reached(passed_s / seconds)
            for each in self.captures.news():
                self._hear(each)
            if until_all_show and all(self.trials[each].luma for each in self.watching):
                return
            self._busy = {each for each in self._busy if not each.done()}
            free = self.trial.workers - len(self._busy)
            if not free:
                wait(self._busy, LOOK_S, FIRST_COMPLETED)
                continue
            for captured in self.captures.take(LOOK_S, free):
                self._busy.add(self.pool.submit(self._look, captured))

    def _hear(self, said: StreamStatus | CameraFault) -> None:
        with self._lock:
            trial = self.trials[said.camera_id]
            if isinstance(said, StreamStatus):
                trial.status = said
            else:
                trial.fault = said.code

    def _look(self, captured: Captured) -> None:
        camera_id, began_s = captured.pair.current.stamp.camera_id, time.monotonic()
        begun_ns = self.clock.now_ns()
        try:
            made = self.watching[camera_id].look(captured.pair, captured.fault)
            with self._lock:
                if isinstance(made.event, Observation):
                    self.trials[camera_id].take(made.event, begun_ns, self.clock.now_ns())
                else:
                    self.trials[camera_id].fault = made.event.code
                    self.trials[camera_id].error = str(made.error or "")
        finally:
            captured.release()
            self.trial.stages.add("analyse", time.monotonic() - began_s)
