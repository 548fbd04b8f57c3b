"""``crowdwatch batch``: an archive of footage into readings, alerts and heatmaps, on one machine or a Dask cluster."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crowdwatch.commands.summary import finish
from crowdwatch.commands.terminal import (
    DEFAULT_RUNS,
    EXIT_FAULTS,
    EXIT_STOPPED,
    EventPath,
    RunsPath,
    Show,
    StoreUrl,
    clock,
    complain,
    err,
    literal,
    progress_bars,
    span,
    stopping,
    tell,
)
from crowdwatch.core.plain_json import to_json
from crowdwatch.errors import ConfigError
from crowdwatch.telemetry.log_output import as_environment_says

if TYPE_CHECKING:
    from pipelines.batch.observe_batch import Progress

__all__ = ["batch"]

AGAIN = "Go on with the same command."


def batch(
    event: EventPath,
    workers: Annotated[int, typer.Option(min=1, max=256, help="Processes on this machine.")] = 1,
    scheduler: Annotated[str | None, typer.Option(help="A running Dask scheduler, e.g. tcp://10.0.0.7:8786.")] = None,
    gpus: Annotated[bool, typer.Option("--gpus", help="One process for each NVIDIA GPU; needs dask-cuda.")] = False,
    status: Annotated[bool, typer.Option("--status", help="Say what is done, failed and left, and end.")] = False,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Try chunks that failed again.")] = False,
    new: Annotated[bool, typer.Option("--new", help="Begin anew even where a job can go on.")] = False,
    chunk_s: Annotated[float, typer.Option(min=1, max=3600, help="Event time of a chunk.")] = 300.0,
    batch_frames: Annotated[
        int | None, typer.Option(min=1, max=256, help="Frames in the detector at once; by default 1, on GPUs 16.")
    ] = None,
    from_: Annotated[str | None, typer.Option("--from", help="Event time to begin at: ISO time or h:mm:ss.")] = None,
    to: Annotated[str | None, typer.Option("--to", help="Event time to end before.")] = None,
    keyframes: Annotated[bool, typer.Option("--keyframes", help="Analyse keyframes alone.")] = False,
    coarse_hz: Annotated[
        float | None, typer.Option(min=0.001, max=1000, help="First pass of two; needs --fine-hz.")
    ] = None,
    fine_hz: Annotated[
        float | None, typer.Option(min=0.001, max=1000, help="Second pass, where a zone came near a limit.")
    ] = None,
    near: Annotated[float, typer.Option(min=0, max=1, help="Share of a limit that counts as near it.")] = 0.7,
    report: Annotated[Path | None, typer.Option(help="Write Dask's performance report (HTML) here.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary for programs.")] = False,
    runs: RunsPath = DEFAULT_RUNS,
    store: StoreUrl = None,
) -> None:
    """Observe an archive of footage in chunks on many processes, then fold it once; goes on where it was stopped."""
    from crowdwatch import config
    from crowdwatch.drivers import build
    from crowdwatch.drivers.batch import GPU_FRAMES, JobSettings
    from pipelines.batch import observe_batch

    loaded = config.load(event)
    url = build.store_url(runs, store)
    if status:
        _say_status(observe_batch.status(loaded, url), as_json)
        return
    if (coarse_hz is None) != (fine_hz is None) or (keyframes and coarse_hz is not None):
        raise ConfigError("--coarse-hz, --fine-hz: belong together, and do not go with --keyframes. Correct the call.")
    if coarse_hz is not None and fine_hz is not None and coarse_hz >= fine_hz:
        raise ConfigError(f"--coarse-hz {coarse_hz:g}: need < --fine-hz {fine_hz:g}. Correct the call.")
    if gpus and workers > 1:
        raise ConfigError("--gpus: begins one process for each GPU, so --workers does not go with it. Leave one out.")
    batch_frames = batch_frames or (GPU_FRAMES if gpus else 1)
    from_ns, to_ns = span(loaded, from_, to)
    settings = JobSettings(
        runs, chunk_s, batch_frames, from_ns, to_ns, keyframes, coarse_hz, fine_hz, near, new=new
    )  # fmt: skip

    def say(text: str) -> None:
        err.print(literal(text))

    try:
        with stopping() as stop, progress_bars() as show:
            reached = _shown(show)
            options = observe_batch.BatchOptions(
                settings, url, workers, scheduler, gpus, retry_failed, report, stop, say, reached, as_environment_says
            )
            result = observe_batch.run_batch(loaded, options)
    except KeyboardInterrupt as interrupt:
        err.print(f"Stopped at once. {AGAIN}")
        raise typer.Exit(EXIT_STOPPED) from interrupt
    if as_json and result.facts is not None:
        tell(to_json(result.facts))
        if result.facts["failed"] or result.facts["partial"]:
            raise typer.Exit(EXIT_FAULTS)
    elif result.summary is not None:
        finish(result.summary, AGAIN)
    elif result.earlier is not None:
        err.print(f"Run {literal(result.run_id)} has finished before; its summary (--new begins anew):")
        finish(result.earlier, AGAIN)
    elif result.facts is not None:
        err.print(f"Run {literal(result.run_id)} was finished by an older version; --json prints what it left.")
        _say_facts(result.facts)
    else:
        err.print(f"Stopped cleanly. {AGAIN}")
        raise typer.Exit(EXIT_STOPPED)


def _say_facts(facts: dict[str, Any]) -> None:
    """The summary of an older version, which did not keep what a whole one needs."""
    alerts = ", ".join(f"{count} {kind}" for kind, count in sorted(facts["alerts"].items())) or "none"
    tell(f"alerts: {alerts}")
    tell(f"{facts['observations']:,} pictures, {facts['ticks']:,} readings per zone, {facts['wall_s']:.1f} s")
    for kind in ("failed", "partial"):
        for each in facts[kind]:
            complain(f"{kind}: camera {each['camera_id']} from {clock(each['from_ns'])}: {each['reason']}")
    tell(f"alerts digest: {facts['alerts_digest'][:16]}   run: {facts['run_id']}   log: {facts['folder']}")
    if facts["failed"] or facts["partial"]:
        raise typer.Exit(EXIT_FAULTS)


def _say_status(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        tell(to_json(found))
        return
    counts = f"{found['chunks']} chunks: {found['done']} done, {len(found['failed'])} failed, {found['left']} left"
    tell(f"run {found['run_id']} ({found['state']}), {counts}")
    for kind in ("failed", "partial"):
        for each in found[kind]:
            tell(f"{kind}: camera {each['camera_id']} from {clock(each['from_ns'])}: {each['reason']}")


def _shown(show: Show) -> Callable[[Progress], None]:
    """What a batch calls when it has reached something: a bar for each stage."""

    def reached(now: Progress) -> None:
        def pace(passed_s: float, done: float) -> str:
            if now.stage == "fold":
                return f"{done / passed_s:.1f} x real time"
            rate = f"{now.frames / passed_s:.1f} frames/s, {now.event_s / passed_s:.1f} x real time"
            return f"{rate}, {now.failed} failed"

        show(now.stage, now.done, now.total, pace)

    return reached
