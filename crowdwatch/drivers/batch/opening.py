"""Begin a batch job, or go on with the one that was interrupted."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from crowdwatch import config
from crowdwatch.analytics.coverage import view_site
from crowdwatch.config import EventFile
from crowdwatch.core.ports import Store
from crowdwatch.core.runs import Mode, Run, RunState
from crowdwatch.drivers import build
from crowdwatch.drivers.batch import footage
from crowdwatch.drivers.batch.jobs import PLAN_JSON, SUMMARY_JSON, Job, Plan
from crowdwatch.drivers.configuration import RunConfiguration
from crowdwatch.drivers.lifecycle import begin, new_folder
from crowdwatch.drivers.patience import patiently
from crowdwatch.errors import ConfigError, RunNotFound
from crowdwatch.store import files
from crowdwatch.store.journal import ActionJournal
from crowdwatch.store.layout import Layout

__all__ = ["GPU_FRAMES", "JobSettings", "alone", "find", "open_job", "reopen"]

GPU_FRAMES = 16
"""Frames that go to a GPU together unless told otherwise: as many as the torch detector passes at once there."""


@dataclass(frozen=True, slots=True)
class JobSettings:
    """How a job was asked for.

    Args:
        runs: folder of the runs.
        chunk_s: length of a chunk in event time.
        batch_frames: frames that go through the detector together.
        from_ns, to_ns: the part of the footage, end exclusive; None is all of it.
        keyframes: analyse keyframes alone.
        coarse_hz, fine_hz: sampling of the two passes of an adaptive job; None is one pass as the event file says.
        near_frac: a zone at this share of a limit is looked at finely.
        new: begin another job even where one can go on.
    """

    runs: Path
    chunk_s: float = 300.0
    batch_frames: int = 1
    from_ns: int | None = None
    to_ns: int | None = None
    keyframes: bool = False
    coarse_hz: float | None = None
    fine_hz: float | None = None
    near_frac: float = 0.7
    new: bool = False


def find(store: Store, event_id: str) -> Job:
    """The newest batch job of an event.

    Raises:
        RunNotFound: there is none in this store.
    """
    for run in store.runs():
        if run.event_id == event_id and run.mode is Mode.BATCH and (Path(run.folder) / PLAN_JSON).is_file():
            return Job.of(run)
    raise RunNotFound(
        f"event {event_id!r}: no batch job of it is in this store. Start one: crowdwatch batch EVENT.YAML"
    )


def open_job(
    event: EventFile, settings: JobSettings, store: Store, say: Callable[[str], None] = lambda text: None
) -> tuple[Job, bool]:
    """Go on with the newest job of this event file, or begin one.

    Args:
        event: the event file.
        settings: how the job is asked for.
        store: where runs are kept.
        say: takes what is odd with the footage.

    Returns:
        The job, and whether it has finished before.

    Raises:
        ConfigError: an unfinished job was started with other settings.
        SourceUnavailable: lists everything that is wrong with the footage, or says that it changed meanwhile.
    """
    site = config.to_site(event)
    if settings.keyframes:
        event = footage.with_keyframes(event, site, settings.runs)
    if settings.coarse_hz is not None:
        cameras = [camera.model_copy(update={"sample_hz": settings.coarse_hz}) for camera in event.cameras]
        event = event.model_copy(update={"cameras": cameras})
    try:
        job = None if settings.new else find(store, event.id)
    except RunNotFound:
        job = None
    if job is not None:
        finished = job.run.state is RunState.FINISHED and (job.folder / SUMMARY_JSON).exists()
        difference = _difference(job, event, settings)
        if not difference:
            _check_unchanged(job)
            return job, finished
        if not finished:
            raise ConfigError(
                f"run {job.run.run_id}: is not finished and was started with {difference}. Start it as before to go "
                f"on, or begin anew with --new."
            )
    return _begin(event, settings, store, say), False


def reopen(job: Job, store: Store) -> int:
    """Make the failed chunks of a job be tried again, whatever was folded; returns how many there are.

    Of a camera whose files have changed since, everything is observed again.

    Raises:
        ConfigError: nothing has failed.
        StoreUnavailable: another process writes its log.
    """
    standing = job.chunks.standing()
    failed = len({*standing.failed, *standing.partial})
    if not failed:
        raise ConfigError(f"run {job.run.run_id}: no chunk of it has failed, so there is nothing to try again.")
    _empty_log(job)  # first: a kill from here on leaves a job that goes on by itself
    changed = {camera.id for camera in job.event.cameras if footage.stamps(camera) != job.plan.footage[camera.id]}
    job.chunks.forget_failures(changed)
    now = {camera.id: footage.stamps(camera) for camera in job.event.cameras}
    replace(job, plan=replace(job.plan, footage=now)).write_plan()
    begin(store, job.run, new=False)
    journaled = [action.command_id for action in ActionJournal(job.folder).read()]
    patiently(lambda: store.rewind(job.run.run_id, 0, journaled))
    return failed


@contextmanager
def alone(job: Job) -> Iterator[None]:
    """Work on a job while no other process does: its chunks, its plan and its log belong together.

    Raises:
        StoreUnavailable: another process works on it.
    """
    held = files.hold(job.folder / ".job.lock", "batch job")
    try:
        yield
    finally:
        files.release(held)


def _empty_log(job: Job) -> None:
    """Take everything out of a job's log but its header; observations that nothing refers to go when it is resumed."""
    log, old = Layout(job.folder), job.folder / ".timeline-before"
    held = files.hold(log.lock)
    try:
        for path in (job.folder / SUMMARY_JSON, log.end):
            files.remove(path)
        with files.writable(job.folder):
            if log.timeline.exists():
                log.timeline.rename(old)  # at once: half a timeline would be a damaged log
            if old.exists():
                shutil.rmtree(old)
    finally:
        files.release(held)


def _difference(job: Job, event: EventFile, settings: JobSettings) -> str:
    """What a job was started with that is asked for differently now; empty when nothing is."""
    if job.run.config_json != RunConfiguration.for_log(event, job.run.config_json).json:
        return "another event file, or another sampling"
    plan = job.plan
    pairs = (
        ("--chunk-s", plan.chunk_s, settings.chunk_s),
        ("--batch-frames", plan.batch_frames, settings.batch_frames),
        ("--fine-hz", plan.fine_hz, settings.fine_hz),
        ("--near", plan.near_frac, settings.near_frac),
    )
    for option, was, wanted in pairs:
        if was != wanted:
            return f"{option} {was}"
    asked = (settings.from_ns, settings.to_ns)
    if any(want is not None and want != has for want, has in zip(asked, (job.run.from_ns, job.run.to_ns), strict=True)):
        return "another span"
    return ""


def _check_unchanged(job: Job) -> None:
    for camera in job.event.cameras:
        known, now = job.plan.footage[camera.id], footage.stamps(camera)
        if known != now:
            path = next((new[0] for old, new in zip(known, now, strict=False) if old != new), camera.id)
            raise ConfigError(
                f"run {job.run.run_id}: {path} has changed since it was started, so its chunks would not fit. "
                f"Bring the file back, try what failed again with --retry-failed, or begin anew with --new."
            )


def _begin(event: EventFile, settings: JobSettings, store: Store, say: Callable[[str], None]) -> Job:
    configuration = RunConfiguration.for_footage(event, store, build.Models(event, config.to_site(event)))
    left_out = config.left_out(event)
    event, site = configuration.event, configuration.site
    found = footage.look_at(event, site, settings.runs)
    for note in (*left_out, *found.notes):
        say(note)
    from_ns = min(span[0] for span in found.spans.values())
    to_ns = max(span[1] for span in found.spans.values())
    from_ns = from_ns if settings.from_ns is None else max(settings.from_ns, from_ns)
    to_ns = to_ns if settings.to_ns is None else min(settings.to_ns, to_ns)
    if not from_ns < to_ns:
        raise ConfigError("--from, --to: the span holds no footage. Choose a span within the recording.")
    spans = {
        camera: (max(span[0], from_ns), min(span[1], to_ns))
        for camera, span in found.spans.items()
        if span[0] < to_ns and span[1] > from_ns
    }
    plan = Plan(settings.chunk_s, settings.batch_frames, spans, found.files, settings.fine_hz, settings.near_frac)
    view = view_site(site)
    folder = new_folder(event, settings.runs, store).resolve()
    run = Run(folder.name, event.id, Mode.BATCH, configuration.json, str(folder), from_ns, to_ns, time.time_ns())
    job = Job(run, event, plan, view)
    job.write_plan()  # first: a run in the store has its plan
    found.keep(settings.runs)
    begin(store, run, new=True)
    return job
