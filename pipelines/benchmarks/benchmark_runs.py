"""What a batch benchmark measures, one piece of work a process: every function here runs in a process of its own."""

from __future__ import annotations

import os
import sys
import threading
import time
from contextlib import closing
from dataclasses import dataclass, field
from functools import cache
from itertools import cycle, islice
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import av
import numpy as np
from numpy.typing import NDArray

from crowdwatch import config
from crowdwatch.assets.examples import example
from crowdwatch.core.chunks import Chunk
from crowdwatch.core.runs import Run
from crowdwatch.detectors import weights
from crowdwatch.drivers import batch, build, configuration
from crowdwatch.drivers.batch import Job, JobSettings
from crowdwatch.drivers.build import Models
from crowdwatch.errors import ConfigError
from crowdwatch.observation.prefetch import prefetch
from pipelines.batch.batch_worker import observe_and_keep, with_threads
from pipelines.batch.observe_batch import BatchOptions, Progress, run_batch
from pipelines.benchmarks.child_process import fresh_process, seconds_of
from pipelines.benchmarks.process_watch import Cost, Watch

__all__ = [
    "Measured", "Network", "bare", "dask", "decode", "plain", "plain_on_cpu", "resumed_s", "two_processes",
    "ultralytics",
]  # fmt: skip

PRELOADED = 64
"""Pictures that lie ready for bare inference: enough that none stays in a cache, few enough for the memory."""

Key = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Measured:
    """One piece of work.

    Args:
        frames: analysed, or decoded where nothing is analysed.
        cost: of the work itself, once models are loaded.
        fold_s: seconds of the fold; 0 where there is none.
        start_s: seconds before the work began.
        counts: people by zone and tick.
        alerts: raised and risen alarms as (zone, alarm, level, event time).
        log_mb: what the job keeps in its folder: chunks, log, products.
        resident_mb: a worker's peak memory against the seconds of footage done.
    """

    frames: int
    cost: Cost
    fold_s: float = 0.0
    start_s: float = 0.0
    counts: dict[Key, float] = field(default_factory=dict)
    alerts: list[tuple[str, str, int, int]] = field(default_factory=list)
    log_mb: float = 0.0
    resident_mb: dict[int, float] = field(default_factory=dict)


def decode(path: str, pictures: bool) -> Measured:
    """Decode a file alone; with ``pictures`` every frame is made a BGR picture too, as a network wants it."""
    watch, frames = Watch(), 0
    with av.open(path) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        for frame in container.decode(stream):
            frames += 1
            if pictures:
                frame.to_ndarray(format="bgr24")
    return Measured(frames, watch.stop())


@runtime_checkable
class Network(Protocol):
    """A detector whose network can be run alone."""

    def prepare(self, images_bgr: list[NDArray[np.uint8]], /) -> tuple[NDArray[Any], Any]:
        """What the network takes, and how each picture was fitted."""

    def forward(self, pictures: NDArray[Any], /) -> NDArray[np.float32]:
        """Its answer."""


def bare(event_json: str, path: str, frames: int, batch: int = 1) -> Measured:
    """The detector's network alone, on prepared pictures that lie in memory, as many at once as the pipeline has.

    Args:
        event_json: says which network.
        path: footage whose first pictures are taken.
        frames: how many are analysed; the pictures come again and again.
        batch: pictures of a pass.
    """
    event = config.from_json(event_json)
    models = Models(event, config.to_site(event))
    detector = models.detector(models.site.cameras[0])
    if not isinstance(detector, Network):
        raise ConfigError("benchmark: measures one network. Leave tiles out of the event file.")
    with av.open(path) as container:
        images = [
            np.asarray(f.to_ndarray(format="bgr24"), np.uint8) for f in islice(container.decode(video=0), PRELOADED)
        ]
    ready = [detector.prepare(images[at : at + batch])[0] for at in range(0, PRELOADED, batch)]
    threads = models.streams + 1
    for _ in prefetch(ready, detector.forward, threads):
        pass
    watch = Watch()
    for _ in prefetch(islice(cycle(ready), -(-frames // batch)), detector.forward, threads):
        pass
    return Measured(-(-frames // batch) * batch, watch.stop())


def ultralytics(model: str, path: str, image_px: int, device: str) -> Measured:
    """Ultralytics' own stream: ``YOLO(...).predict(stream=True)`` through torch over a file."""
    found = weights.find(model, kinds=(weights.PT,))
    from crowdwatch.detectors import ultralytics_setup  # torch: not in the memory of every other piece of work

    ultralytics_setup.prepare()
    from ultralytics import YOLO  # type: ignore[attr-defined]

    network = YOLO(str(found.path))
    settings: dict[str, Any] = {"imgsz": image_px, "conf": 0.05, "classes": [0], "device": device, "verbose": False}
    network.predict(np.zeros((image_px, image_px, 3), np.uint8), **settings)
    watch, frames = Watch(), 0
    for _ in network.predict(path, stream=True, max_det=3000, **settings):
        frames += 1
    return Measured(frames, watch.stop())


def plain(event_json: str, folder: str, settings: JobSettings) -> Measured:
    """The whole job without Dask, in this process: observe every chunk, then fold."""
    began = time.perf_counter()
    url = f"sqlite:///{folder}/store.sqlite"
    with closing(build.open_store(url)) as store:
        job, _ = batch.open_job(configuration.measured(config.from_json(event_json)), settings, store)
        models = _loaded(job, None)
        start_s = time.perf_counter() - began
        watch = Watch()
        frames = sum(_observe(job, models, chunk, None) for chunk in job.planned())
        if job.plan.fine_hz is not None:
            job.write_fine(batch.focus_spans(job))
            frames += sum(_observe(job, models, chunk, job.plan.fine_hz) for chunk in job.planned_fine())
        cost = watch.stop()
        began = time.perf_counter()
        batch.fold(job, store, stop=threading.Event())
        fold_s = time.perf_counter() - began
        counts = {(r.zone_id, r.t_ns): r.count for r in store.readings(job.run.run_id)}
        rises = [a for a in store.alerts(job.run.run_id) if a.transition in ("raised", "level_up")]
        alerts = [(a.zone_id, a.alarm, int(a.level), a.t_ns) for a in rises]
    return Measured(frames, cost, fold_s, start_s, counts, alerts, _size_mb(job.folder))


def plain_on_cpu(event_json: str, folder: str, settings: JobSettings) -> Measured:
    """As :func:`plain`, where torch finds no GPU. For a process of its own."""
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    return plain(event_json, folder, settings)


def _size_mb(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1024**2


def _loaded(job: Job, threads: int | None) -> Models:
    """Everything that is opened once: the networks, and where each camera's density map goes."""
    site = config.to_site(job.event)
    models = Models(with_threads(job.event, threads), site)
    for camera in site.cameras:
        feed = build.open_feed(job.event, camera, models)
        with closing(feed.source):
            next(feed.observe_span(*feed.source.span_ns), None)
    return models


def _observe(job: Job, models: Models, chunk: Chunk, sample_hz: float | None) -> int:
    return observe_and_keep(job.event, models, job.folder, chunk, job.plan.batch_frames, sample_hz).frames


def two_processes(event_json: str, folder: str, settings: JobSettings) -> Measured:
    """Observe the chunks in two processes without Dask, every other one in each; no fold."""
    url = f"sqlite:///{folder}/store.sqlite"
    with closing(build.open_store(url)) as store:
        job, _ = batch.open_job(configuration.measured(config.from_json(event_json)), settings, store)
    with fresh_process() as first, fresh_process() as second:
        for ready in [pool.submit(_get_ready, job.run) for pool in (first, second)]:
            ready.result()
        watch = Watch()
        halves = [pool.submit(_half, job.run, number) for number, pool in enumerate((first, second))]
        frames = sum(half.result() for half in halves)
        cost = watch.stop()  # before the processes end
    return Measured(frames, cost)


@cache
def _opened(run: Run) -> tuple[Job, Models]:
    job = Job.of(run)
    return job, Models(with_threads(job.event, 1), config.to_site(job.event))


def _get_ready(run: Run) -> None:
    """Load what a worker has loaded when its first chunk comes."""
    _, models = _opened(run)
    for camera in models.site.cameras:
        models.detector(camera)
        models.counter()


def _half(run: Run, number: int) -> int:
    job, models = _opened(run)
    return sum(_observe(job, models, chunk, None) for chunk in job.planned()[number::2])


def dask(event_json: str, folder: str, settings: JobSettings, workers: int, gpus: bool = False) -> Measured:
    """The whole job as ``crowdwatch batch`` does it; the cost is of the chunks, the rest is start and fold."""
    began = time.perf_counter()
    watches: list[Watch] = []
    costs: list[tuple[int, Cost]] = []
    folds: list[float] = []
    resident: dict[int, float] = {}

    def reached(now: Progress) -> None:
        if now.stage == "fold":
            folds.append(time.perf_counter())
        elif now.done == 0:
            watches.append(Watch())
        else:
            cost = watches[-1].stop()
            costs.append((now.frames, cost))
            resident[round(now.event_s)] = max(cost.peaks_mb[1:], default=0.0)

    options = BatchOptions(settings, f"sqlite:///{folder}/store.sqlite", workers, gpus=gpus, progress=reached)
    result = run_batch(config.from_json(event_json), options)
    frames, cost = costs[-1]
    size_mb = _size_mb(settings.runs / result.run_id)
    start_s = watches[0].began - began
    return Measured(frames, cost, folds[-1] - folds[0], start_s, log_mb=size_mb, resident_mb=resident)


def resumed_s(folder: Path, repeats: int) -> list[float]:
    """Seconds that the command takes for a job that has finished before, the start of Python included."""
    words = ["batch", str(example("pets2009")), "--to", "20", "--runs", str(folder)]
    command = [sys.executable, "-m", "crowdwatch", *words, "--store", f"sqlite:///{folder}/store.sqlite"]
    seconds_of(command)
    return [seconds_of(command) for _ in range(repeats)]
