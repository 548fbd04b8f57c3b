"""The graph of a batch job: ``observe`` mapped over chunks on Dask, then one fold per site. No maths."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

from distributed import Client, as_completed, performance_report
from distributed.scheduler import KilledWorker

from crowdwatch.config import EventFile
from crowdwatch.core.chunks import Chunk
from crowdwatch.core.ports import Store
from crowdwatch.core.runs import RunState
from crowdwatch.drivers import batch, build, configuration
from crowdwatch.drivers.batch import Job, JobSettings
from crowdwatch.drivers.board import Board
from crowdwatch.drivers.replay import Summary
from crowdwatch.drivers.totals import RunTotals
from crowdwatch.errors import ClusterUnavailable, StoreError
from crowdwatch.store.chunks import ChunkFault
from pipelines.batch.batch_worker import Observed, observe_chunk
from pipelines.batch.cluster import check_workers, for_gpus, models_on, open_client

__all__ = ["BatchOptions", "Progress", "Result", "run_batch", "status"]

POLL_S = 0.1
BEAT_S = 1.0
IN_FLIGHT = 10_000
"""Chunks that the scheduler knows at once: what it keeps of each would otherwise grow with the archive (docs/scale.md).
Enough for thousands of workers to find the next one waiting."""

NO_WORKER_S = 60.0
"""How long a job waits for a lost cluster to come back before it says so and stops."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a stage has come.

    Args:
        stage: ``observe``, ``observe finely`` or ``fold``.
        done, total: chunks, or seconds of event time in the fold.
        frames: observed by this process so far.
        event_s: event time of the chunks done by this process, summed over cameras.
        failed: chunks without a single frame.
    """

    stage: str
    done: float
    total: float
    frames: int = 0
    event_s: float = 0.0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """How to run a batch job.

    Args:
        settings: what is asked for.
        store_url: the store.
        workers: processes on this machine.
        scheduler: address of a running scheduler; None begins a local cluster.
        gpus: one process for each GPU; everything that would run on a CPU instead is refused.
        retry_failed: try what failed again.
        report: file for Dask's performance report.
        stop: set it, and the job stops cleanly.
        say: takes notes for people.
        progress: called with how far a stage has come.
        prepare: called in every worker of this machine as it begins; a function of a module.
    """

    settings: JobSettings
    store_url: str
    workers: int = 1
    scheduler: str | None = None
    gpus: bool = False
    retry_failed: bool = False
    report: Path | None = None
    stop: threading.Event = field(default_factory=threading.Event)
    say: Callable[[str], None] = lambda text: None
    progress: Callable[[Progress], None] = lambda progress: None
    prepare: Callable[[], None] | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """How a batch job ended.

    Args:
        facts: the machine-readable summary; None when it was stopped.
        summary: of the fold; None when it was stopped before, or had finished earlier.
        run_id: the run.
        earlier: the summary of a job that had finished earlier, as it was told then; None for one whose facts were
            written by an older version.
    """

    facts: dict[str, Any] | None
    summary: Summary | None
    run_id: str
    earlier: Summary | None = None


def run_batch(event: EventFile, options: BatchOptions) -> Result:
    """Observe every chunk that is left, then fold. A job that was interrupted goes on.

    Raises:
        ClusterUnavailable: no scheduler, no worker, or one that cannot run the job.
        CrowdWatchError: whatever cannot be used; what was observed before stays.
    """
    event = configuration.measured(for_gpus(event, options.scheduler) if options.gpus else event)
    began = time.monotonic()
    with closing(build.open_store(options.store_url)) as store, ExitStack() as stack:
        if options.retry_failed:  # the newest job as it was begun, whatever else is asked for
            job, finished = batch.find(store, event.id), False
            stack.enter_context(batch.alone(job))
            options.say(f"{batch.reopen(job, store)} chunks are tried again.")
            job = Job.of(job.run)
        else:
            job, finished = batch.open_job(event, options.settings, store, options.say)
            if not finished:
                stack.enter_context(batch.alone(job))
        if finished:
            found = job.read_summary()
            return Result(found, None, job.run.run_id, None if found is None else _earlier(job, found))
        job.chunks.sweep()
        frames = _observe(job, store, options)
        if options.stop.is_set():
            _beat(store, job, RunState.STOPPED, Board())
            return Result(None, None, job.run.run_id)
        total_s = (job.run.to_ns - job.run.from_ns) / 1e9

        def reached(t_ns: int) -> None:
            options.progress(Progress("fold", min(total_s, (t_ns - job.run.from_ns) / 1e9), total_s))

        def facts(summary: Summary) -> dict[str, Any]:
            return _facts(job, summary, frames, time.monotonic() - began)

        summary = batch.fold(job, store, stop=options.stop, progress=reached, facts=facts)
        summary = replace(summary, wall_s=time.monotonic() - began)  # of the whole job
        return Result(job.read_summary() if not summary.stopped else None, summary, job.run.run_id)


def status(event: EventFile, store_url: str) -> dict[str, Any]:
    """What is done, failed and left of the newest job of an event.

    Raises:
        RunNotFound: there is no job of it in the store.
    """
    with closing(build.open_store(store_url, create=False)) as store:
        job = batch.find(store, event.id)
        run = store.run(job.run.run_id)
    standing = job.chunks.standing()
    planned = job.planned() + job.planned_fine()
    return {
        "run_id": job.run.run_id,
        "state": run.state.value,
        "chunks": len(planned),
        "done": len(standing.done),
        "left": len(_left(job, planned)),
        "failed": _reasons(standing.failed),
        "partial": _reasons(standing.partial),
    }


def _observe(job: Job, store: Store, options: BatchOptions) -> int:
    """Both passes; returns how many frames this process had observed. No cluster is begun when nothing is left."""
    plan = job.plan
    wants_fine = plan.fine_hz is not None and not job.has_fine
    if not _left(job, job.planned() + job.planned_fine()) and not wants_fine:
        return 0
    with ExitStack() as stack:
        client = stack.enter_context(
            open_client(options.workers, options.scheduler, gpus=options.gpus, profile=options.report is not None)
        )
        workers = check_workers(client, job, gpus=options.gpus)
        options.say(f"{workers} workers, dashboard: {client.dashboard_link}")
        stack.enter_context(models_on(client, job, workers, local=options.scheduler is None, prepare=options.prepare))
        if options.report is not None:
            stack.enter_context(performance_report(filename=str(options.report)))
        frames = _map(client, job, store, options, "observe", _left(job, job.planned()), None)
        if plan.fine_hz is not None and not options.stop.is_set():
            if not job.has_fine:
                job.write_fine(batch.focus_spans(job))
            frames += _map(client, job, store, options, "observe finely", _left(job, job.planned_fine()), plan.fine_hz)
    return frames


def _map(
    client: Client,
    job: Job,
    store: Store,
    options: BatchOptions,
    stage: str,
    chunks: Sequence[Chunk],
    sample_hz: float | None,
) -> int:
    """Observe chunks on the workers; returns their frames."""
    args = str(job.folder), job.plan.batch_frames, sample_hz
    futures: dict[Any, Chunk] = {}
    waiting, coming = iter(chunks), as_completed()

    def hand_over() -> None:
        for chunk in islice(waiting, IN_FLIGHT - len(futures)):
            future = client.submit(observe_chunk, job.run.run_id, args[0], chunk, *args[1:], pure=False, retries=1)
            futures[future] = chunk
            coming.add(future)

    hand_over()
    options.progress(Progress(stage, 0, len(chunks)))
    done = frames = failed = 0
    event_s, beaten, company, board = 0.0, 0.0, time.monotonic(), Board()
    while done < len(chunks) and not options.stop.is_set():
        for future in coming.next_batch(block=False) if not coming.is_empty() else []:
            found = _outcome(job, futures.pop(future), future)
            done, frames, failed = done + 1, frames + found.frames, failed + found.failed
            event_s += (found.chunk.to_ns - found.chunk.from_ns) / 1e9
            options.progress(Progress(stage, done, len(chunks), frames, event_s, failed))
        hand_over()
        if time.monotonic() - beaten > BEAT_S:
            beaten = time.monotonic()
            _beat(store, job, RunState.RUNNING, board)
            company = beaten if _accompanied(client) else company
            if beaten - company > NO_WORKER_S:
                raise ClusterUnavailable(
                    f"scheduler: has had no worker for {NO_WORKER_S:.0f} s. Start workers, then run the same command "
                    f"again: it goes on where it was."
                )
        options.stop.wait(POLL_S)
    client.cancel(list(futures))
    return frames


def _accompanied(client: Client) -> bool:
    try:
        return bool(client.nthreads())
    except (OSError, TimeoutError):
        return False


def _outcome(job: Job, chunk: Chunk, future: Any) -> Observed:
    """What became of a chunk; one that kills its workers has failed, any other error ends the job."""
    try:
        found: Observed = future.result()
    except KilledWorker:
        reason = "its worker was killed every time it was tried: too little memory, or a decoder that crashes"
        fault = f"chunk of camera {chunk.camera_id!r} at {chunk.from_ns} ns: {reason}. Retry with --retry-failed."
        job.chunks.fail(chunk, ChunkFault(fault))
        found = Observed(chunk, 0, 0.0, fault, True)
    return found


def _left(job: Job, planned: Sequence[Chunk]) -> list[Chunk]:
    standing = job.chunks.standing()
    return [chunk for chunk in planned if chunk not in standing.done and chunk not in standing.failed]


def _beat(store: Store, job: Job, state: RunState, board: Board) -> None:
    """Say that the job lives; a store that does not answer is said and ends nothing."""
    try:
        store.beat(job.run.run_id, state=state, t_ns=job.run.from_ns, wall_ns=time.time_ns(), speed=0.0)
    except StoreError as error:
        board.ails("heartbeat", f"the heartbeat cannot be written: {error} The job goes on.")
    else:
        board.well("heartbeat", "the heartbeat is written again.")


def _facts(job: Job, summary: Summary, frames: int, wall_s: float) -> dict[str, Any]:
    standing = job.chunks.standing()
    totals = summary.totals
    return {
        "run_id": job.run.run_id,
        "event_id": job.run.event_id,
        "folder": job.run.folder,
        "alerts_digest": summary.digest,
        "alerts": totals.alerts,
        "observations": totals.observations,
        "ticks": totals.ticks,
        "unknown_ticks": totals.unknown_ticks,
        "totals": totals.facts(),
        "detector_ids": list(summary.detector_ids),
        "factors": {camera.id: camera.bias.factor for camera in job.event.cameras if camera.bias is not None},
        "chunks": len(standing.done) + len(standing.failed),
        "failed": _reasons(standing.failed),
        "partial": _reasons(standing.partial),
        "frames_observed_now": frames,
        "wall_s": round(wall_s, 3),
        "event_s": (job.run.to_ns - job.run.from_ns) / 1e9,
    }


def _earlier(job: Job, facts: dict[str, Any]) -> Summary | None:
    """The summary of a job from the facts that it left."""
    if "totals" not in facts:
        return None
    faults = batch.faults_by_reason(
        (each["camera_id"], each["reason"]) for kind in ("failed", "partial") for each in facts[kind]
    )
    return Summary(
        job.run, job.event, RunTotals.of_facts(facts["totals"]), facts["alerts_digest"], tuple(facts["detector_ids"]),
        (), tuple(faults), False, facts["wall_s"],
    )  # fmt: skip


def _reasons(chunks: dict[Chunk, str]) -> list[dict[str, Any]]:
    return [
        {"camera_id": chunk.camera_id, "from_ns": chunk.from_ns, "to_ns": chunk.to_ns, "reason": reason}
        for chunk, reason in sorted(chunks.items())
    ]
