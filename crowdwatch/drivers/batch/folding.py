"""The fold of a batch job: observed chunks in time order, through the same loop, log and store as a replay."""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from crowdwatch.analytics.engine import advance, start
from crowdwatch.core.chunks import Chunk
from crowdwatch.core.outcomes import Outcome
from crowdwatch.core.ports import Store
from crowdwatch.core.records import Observation
from crowdwatch.drivers.batch.jobs import Job
from crowdwatch.drivers.drive import Steering, Tally, drive, ticked
from crowdwatch.drivers.replay import Sink, Summary, closing_run, leave_log, refold
from crowdwatch.errors import SourceError, SourceTruncated
from crowdwatch.rendering.focus import Focus
from crowdwatch.rendering.products import Products
from crowdwatch.store.chunks import ChunkFolder, Standing
from crowdwatch.store.log import LogReader, LogWriter

__all__ = ["focus_spans", "fold"]

NS = 1_000_000_000
WRITE_TICKS = 200
"""Ticks in one transaction of the store. A kill in between costs nothing: the log has them, and they are written
again."""


@dataclass(slots=True)
class _BatchSink(Sink):
    """A sink that writes many ticks in one transaction, and the products beside them."""

    products: Products | None = None
    waiting: list[Outcome] = field(default_factory=list)

    def write(self, outcomes: list[Outcome]) -> None:
        """Write outcomes in one transaction."""
        for outcome in outcomes:
            if self.products is not None:
                self.products.add(outcome)
        Sink.write(self, outcomes)

    def __call__(self, outcome: Outcome) -> None:
        """Take one outcome; it is written with others."""
        self.waiting.append(outcome)
        if len(self.waiting) >= WRITE_TICKS:
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        self.write(self.waiting)
        self.waiting = []


def _observations(job: Job, standing: Standing, from_ns: int) -> Iterator[Observation]:
    """Everything that was observed, by time, then camera; a frame of both passes once."""
    cameras: dict[str, list[Chunk]] = {}
    for chunk in sorted(standing.done, key=lambda each: (each.from_ns, each.fine)):
        if chunk.to_ns > from_ns:
            cameras.setdefault(chunk.camera_id, []).append(chunk)
    parts = [_camera(job.chunks, cameras[camera_id], from_ns) for camera_id in sorted(cameras)]
    yield from heapq.merge(*parts, key=lambda each: (each.stamp.t_ns, each.stamp.camera_id))


def _camera(folder: ChunkFolder, chunks: Sequence[Chunk], from_ns: int) -> Iterator[Observation]:
    passes = [_pass(folder, [chunk for chunk in chunks if chunk.fine is fine], from_ns) for fine in (False, True)]
    last = None
    for observation in heapq.merge(*passes, key=lambda each: each.stamp.t_ns):
        if observation.stamp.id != last:
            yield observation
        last = observation.stamp.id


def _pass(folder: ChunkFolder, chunks: Sequence[Chunk], from_ns: int) -> Iterator[Observation]:
    for chunk in chunks:
        yield from folder.read(chunk, from_ns)


def _same(observation: Observation) -> Observation:
    return observation


def focus_spans(job: Job, progress: Callable[[int], None] = lambda t_ns: None) -> dict[str, list[tuple[int, int]]]:
    """Fold the coarse pass in memory, and say where each camera has to be looked at finely."""
    focus = Focus(job.view, job.plan.near_frac, max(c.sample_interval_s for c in job.view.site.cameras))
    state = start(job.view)
    coming = ((o.stamp.t_ns, partial(_same, o)) for o in _observations(job, job.chunks.standing(), job.run.from_ns))
    for event in ticked(coming, job.run.from_ns, job.run.to_ns, round(job.view.site.tick_s * NS)):
        state, outcome = advance(state, event)
        if outcome is not None:
            focus.add(outcome)
            progress(outcome.t_ns)
    return focus.spans()


def fold(
    job: Job,
    store: Store,
    *,
    stop: threading.Event,
    progress: Callable[[int], None] = lambda t_ns: None,
    facts: Callable[[Summary], dict[str, Any]] = lambda summary: {},
) -> Summary:
    """Fold every observed chunk in time order: log, store and products, as a replay of the footage would.

    It goes on where an interrupted fold has logged to. Chunks that failed are unknown time.

    Args:
        job: whose chunks have been observed.
        store: where outcomes go.
        stop: set it, and the fold stops cleanly.
        progress: called with the event time reached.
        facts: makes the machine-readable summary, which is written before the run counts as finished.

    Raises:
        LogCorrupt: a chunk or the log is damaged.
        StoreUnavailable: disk full; what was written stays.
    """
    site, run = job.view.site, job.run
    standing = job.chunks.standing()
    faults = _faults(standing)
    tally, began = Tally(), time.monotonic()
    config_json = job.event.model_dump_json()
    with ExitStack() as stack:
        resume = (job.folder / "event.json").exists()
        log = LogWriter(job.folder, config_json, resume=resume)
        stack.callback(leave_log, log)
        origin = job.event.site.origin_m or (0.0, 0.0)
        products = Products(job.folder / "products", site.tick_s, site.crs, (float(origin[0]), float(origin[1])))
        sink = _BatchSink(store, run.run_id, products=products)
        steering = Steering(store, run.run_id, 0.0, stop)
        stack.enter_context(closing_run(store, run, steering, tally, faults))
        state, first_ns = start(job.view), run.from_ns
        if resume:
            store.rewind(run.run_id, LogReader(job.folder).last_tick_ns or 0)
            state = refold(job.folder, job.view, tally, sink)
            first_ns = first_ns if tally.last_tick_ns is None else tally.last_tick_ns + 1
        coming = ((o.stamp.t_ns, partial(_same, o)) for o in _observations(job, standing, first_ns))
        events = ticked(coming, first_ns, run.to_ns, round(site.tick_s * NS))
        state = drive(state, events, steering=steering, log=log, sink=sink, tally=tally, progress=progress)
        sink.flush()
        log.close(complete=not stop.is_set())
        digest = sink.alerts.hexdigest()
        ids = tuple(sorted(tally.detector_ids))
        summary = Summary(
            run, job.event, tally, digest, ids, (), tuple(faults), stop.is_set(), time.monotonic() - began
        )
        if not stop.is_set():
            products.close()
            job.write_summary(facts(summary))
    return summary


def _faults(standing: Standing) -> list[SourceError]:
    """One fault per reason: a file that breaks off fails every chunk behind the break."""
    reasons: dict[str, set[str]] = {}
    for chunk, reason in sorted((*standing.failed.items(), *standing.partial.items())):
        reasons.setdefault(reason, set()).add(chunk.camera_id)
    return [SourceTruncated(f"{reason} (camera {', '.join(sorted(cameras))})") for reason, cameras in reasons.items()]
