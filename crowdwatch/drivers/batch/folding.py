"""The fold of a batch job: observed chunks in time order, through the same loop, log and store as a replay."""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from crowdwatch.analytics.engine import advance, start
from crowdwatch.core.chunks import Chunk
from crowdwatch.core.outcomes import Outcome
from crowdwatch.core.ports import Store
from crowdwatch.core.reasons import Code
from crowdwatch.core.records import CameraFault, Observation
from crowdwatch.drivers.batch.jobs import Job
from crowdwatch.drivers.board import Board
from crowdwatch.drivers.camera_faults import Repeats
from crowdwatch.drivers.clock import PacedClock
from crowdwatch.drivers.lifecycle import StoreSink, Summary, begun, closing_run, go_back, leave_log
from crowdwatch.drivers.loop import Loop, Pictures
from crowdwatch.drivers.outbox import Outbox
from crowdwatch.drivers.streams import Observed, ObservedStream
from crowdwatch.drivers.totals import RunTotals, working_limits
from crowdwatch.errors import CrowdWatchError, SourceTruncated, all_faults
from crowdwatch.rendering.focus import Focus
from crowdwatch.rendering.products import Products
from crowdwatch.store.chunks import ChunkFolder, Standing
from crowdwatch.store.log import LogWriter

__all__ = ["faults_by_reason", "focus_spans", "fold"]

NS = 1_000_000_000
WRITE_TICKS = 200
"""Ticks in one transaction of the store. A kill in between costs nothing: the log has them, and they are written
again."""


@dataclass(slots=True)
class _BatchSink(StoreSink):
    """A sink that writes many ticks in one transaction, and the products beside them."""

    products: Products | None = None
    waiting: list[Outcome] = field(default_factory=list)

    def write(self, outcomes: list[Outcome]) -> None:
        """Write outcomes in one transaction."""
        for outcome in outcomes:
            if self.products is not None:
                self.products.add(outcome)
        StoreSink.write(self, outcomes)

    def __call__(self, outcome: Outcome, pictures: Pictures) -> None:
        """Take one outcome; it is written with others."""
        self.waiting.append(outcome)
        if len(self.waiting) >= WRITE_TICKS:
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        self.write(self.waiting)
        self.waiting = []


def _observations(job: Job, standing: Standing, from_ns: int, failing: Mapping[str, Code]) -> Iterator[Observed]:
    """Everything that was observed, by time, then camera; a frame of both passes once. Faults stand where observations
    are missing, as in a replay; ``failing`` are those that stand at the beginning."""
    cameras: dict[str, list[Chunk]] = {}
    for chunk in sorted({*standing.done, *standing.failed}, key=lambda each: (each.from_ns, each.fine)):
        if chunk.to_ns > from_ns:
            cameras.setdefault(chunk.camera_id, []).append(chunk)
    parts = [_camera(job.chunks, standing, cameras[camera_id], from_ns) for camera_id in sorted(cameras)]
    repeats = Repeats(dict(failing))
    yield from filter(repeats.new, heapq.merge(*parts, key=lambda each: (each.t_ns, _camera_id(each))))


def _camera_id(event: Observed) -> str:
    return event.stamp.camera_id if isinstance(event, Observation) else event.camera_id


def _camera(folder: ChunkFolder, standing: Standing, chunks: Sequence[Chunk], from_ns: int) -> Iterator[Observed]:
    passes = [
        _pass(folder, standing, [chunk for chunk in chunks if chunk.fine is fine], from_ns) for fine in (False, True)
    ]
    last = None
    for event in heapq.merge(*passes, key=lambda each: each.t_ns):
        if isinstance(event, CameraFault):
            yield event
        elif event.stamp.id != last:
            yield event
            last = event.stamp.id


def _pass(folder: ChunkFolder, standing: Standing, chunks: Sequence[Chunk], from_ns: int) -> Iterator[Observed]:
    last_ns = from_ns
    for chunk in chunks:
        fault = standing.faults.get(chunk)
        missing = [] if fault is None else fault.missing(chunk.camera_id)
        missed = (each for each in missing if each.t_ns >= from_ns)
        seen = folder.read(chunk, from_ns) if chunk in standing.done else iter(())
        both: list[Iterator[Observed]] = [seen, missed]
        for event in heapq.merge(*both, key=lambda each: each.t_ns):
            last_ns = event.t_ns
            yield event
        if fault is not None and fault.broken:
            yield CameraFault(chunk.camera_id, last_ns, Code.FOOTAGE_BROKEN)


def focus_spans(job: Job, progress: Callable[[int], None] = lambda t_ns: None) -> dict[str, list[tuple[int, int]]]:
    """Fold the coarse pass in memory, and say where each camera has to be looked at finely."""
    focus = Focus(job.view, job.plan.near_frac, max(camera.sample_interval_s for camera in job.view.site.cameras))
    state = start(job.view)
    for event, _ in _stream(job, job.chunks.standing(), job.run.from_ns, [], {}):
        state, outcome = advance(state, event)
        if outcome is not None:
            focus.add(outcome)
            progress(outcome.t_ns)
    return focus.spans()


def _stream(
    job: Job, standing: Standing, from_ns: int, faults: list[CrowdWatchError], failing: Mapping[str, Code]
) -> ObservedStream:
    """What was observed from a time on, with ticks to the end of the job's span."""
    tick_ns = round(job.view.site.tick_s * NS)
    observed = _observations(job, standing, from_ns, failing)
    return ObservedStream(observed, from_ns, job.run.to_ns, tick_ns, faults)


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
        CrowdWatchError: every chunk failed, so that nobody was counted anywhere: the run has failed.
    """
    site, run = job.view.site, job.run
    standing = job.chunks.standing()
    faults = _faults(standing)
    totals, clock, began = RunTotals(working_limits(site)), PacedClock(), time.monotonic()
    config_json = job.event.model_dump_json()
    with ExitStack() as stack:
        resume = (job.folder / "event.json").exists()
        log = LogWriter(job.folder, config_json, resume=resume)
        stack.callback(leave_log, log)
        origin = job.event.site.origin_m or (0.0, 0.0)
        products = Products(job.folder / "products", site, run, (float(origin[0]), float(origin[1])))
        board = Board()
        outbox = Outbox(store, run.run_id, board, stop)
        sink = _BatchSink(outbox, products=products)
        stack.enter_context(closing_run(store, run, clock, stop, outbox, lambda: faults))
        if faults and not standing.done:
            raise all_faults(faults)
        state, first_ns, journaled = start(job.view), run.from_ns, begun(job.folder)
        if resume:
            state, journaled = go_back(store, run, job.folder, job.view, totals, sink)
            first_ns = first_ns if totals.last_tick_ns is None else totals.last_tick_ns + 1
        loop = Loop(
            store, run.run_id, clock, stop, log, sink, totals, progress, board, lambda: outbox.written_ns,
            frozenset(zone.zone_id for zone in site.zones), journaled,
            gate_ids=frozenset(gate.gate_id for gate in site.gates),
        )  # fmt: skip
        failing = {camera_id: fault.code for camera_id, fault in state.faults.items()}
        loop.run(state, _stream(job, standing, first_ns, faults, failing), first_ns)
        sink.flush()
        log.close(complete=not stop.is_set())
        digest = sink.alerts.hexdigest()
        ids = tuple(sorted(totals.detector_ids))
        summary = Summary(
            run, job.event, totals, digest, ids, (), tuple(faults), stop.is_set(), time.monotonic() - began
        )
        if not stop.is_set():
            products.close()
            job.write_summary(facts(summary))
    return summary


def _faults(standing: Standing) -> list[CrowdWatchError]:
    found = sorted((*standing.failed.items(), *standing.partial.items()))
    return faults_by_reason((chunk.camera_id, reason) for chunk, reason in found)


def faults_by_reason(found: Iterable[tuple[str, str]]) -> list[CrowdWatchError]:
    """One fault per reason, of (camera, reason): a file that breaks off fails every chunk behind the break."""
    reasons: dict[str, set[str]] = {}
    for camera_id, reason in found:
        reasons.setdefault(reason, set()).add(camera_id)
    return [SourceTruncated(f"{reason} (camera {', '.join(sorted(cameras))})") for reason, cameras in reasons.items()]
