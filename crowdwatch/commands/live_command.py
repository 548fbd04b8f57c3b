"""``crowdwatch live``: the engine that runs on the night."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crowdwatch.commands.summary import summarise
from crowdwatch.commands.terminal import (
    DEFAULT_RUNS,
    EXIT_FAULTS,
    EXIT_STOPPED,
    EventPath,
    RunsPath,
    StoreUrl,
    clock,
    complain,
    err,
    literal,
    out,
    stopping,
)

if TYPE_CHECKING:
    from crowdwatch.core.runs import Run
    from crowdwatch.drivers.live.live_stream import LiveCounts
    from crowdwatch.telemetry.engine_signs import Signs

__all__ = ["live"]

AGAIN = "Start it again, and it goes on by itself."


def live(
    event: EventPath,
    standby: Annotated[
        bool, typer.Option("--standby", help="Wait while another engine drives the event; take over when it is gone.")
    ] = False,
    new: Annotated[bool, typer.Option("--new", help="Begin a new run; alarms of an earlier one are not kept.")] = False,
    for_s: Annotated[
        float | None, typer.Option("--for", min=0, help="Seconds after which the run is over; else it runs on.")
    ] = None,
    lateness_s: Annotated[
        float, typer.Option("--lateness", min=0, max=10, help="Seconds that a reading waits for late pictures.")
    ] = 0.5,
    pictures: Annotated[bool, typer.Option(help="Write coarsened pictures for the page.")] = True,
    scheduler: Annotated[
        str | None,
        typer.Option(
            "--scheduler", help="Observe the cameras on the workers of this Dask cluster: tcp:// or tls://..."
        ),
    ] = None,
    keep_hours: Annotated[
        float | None,
        typer.Option("--keep-pictures", min=0.1, max=8760, help="Hours to keep coarse pictures around alarms."),
    ] = None,
    metrics_port: Annotated[
        int | None,
        typer.Option("--metrics-port", min=0, max=65535, help="Serve /metrics, /healthz and /readyz there."),
    ] = None,
    metrics_address: Annotated[
        str, typer.Option("--metrics-address", help="Address to serve them on: they need no sign-in.")
    ] = "127.0.0.1",
    runs: RunsPath = DEFAULT_RUNS,
    store: StoreUrl = None,
) -> None:
    """Take in live cameras until it is stopped; go on with the run of the same event file that was interrupted.

    Recorded and drawn footage is played as if it were live, from now on.
    """
    from crowdwatch import config
    from crowdwatch.drivers import build
    from crowdwatch.drivers.live.life import open_all_files
    from crowdwatch.drivers.live.live import LiveOptions, local_station, stations_on
    from crowdwatch.drivers.live.live import live as run_live

    options = LiveOptions(
        runs, build.store_url(runs, store), standby=standby, new=new, for_s=for_s, lateness_s=lateness_s,
        pictures=pictures, observers=stations_on(scheduler) if scheduler else local_station, say=_say,
        started=_started, serving=_serving(metrics_address, metrics_port),
        keep_pictures_s=None if keep_hours is None else keep_hours * 3600,
    )  # fmt: skip
    open_all_files()
    try:
        with stopping() as stop:
            found = run_live(config.load(event), replace(options, stop=stop))
    except KeyboardInterrupt as interrupt:
        err.print(f"Stopped at once. {AGAIN}")
        raise typer.Exit(EXIT_STOPPED) from interrupt
    if found is None:
        err.print("Stopped before it could begin.")
        return
    try:
        summarise(found.summary)
        for line in left_out(found.counts):
            out.print(f"[yellow]{literal(line)}[/]")
    finally:
        for fault in found.summary.faults:
            complain(fault)
    if found.summary.stopped:
        reached = found.summary.totals.last_tick_ns
        err.print(f"Stopped cleanly{f' at {clock(reached)}' if reached else ''}. {AGAIN}")
    elif found.summary.faults:
        raise typer.Exit(EXIT_FAULTS)


def left_out(counts: LiveCounts) -> list[str]:
    """What reached the engine otherwise than it should, for people."""
    said = [
        f"camera {camera_id}: {number} pictures {why}"
        for found, why in (
            (counts.late, "came too late for their reading, and were counted in the next one."),
            (counts.repeated, "came twice or out of their order, and were counted once or not at all."),
            (counts.ahead, "were stamped in the future and were not counted."),
        )
        for camera_id, number in sorted(found.items())
    ]
    return said + ([f"{counts.left_ticks} ticks were left out: the engine was behind."] if counts.left_ticks else [])


def _serving(address: str, port: int | None) -> Callable[[Signs], AbstractContextManager[object]]:
    from crowdwatch.telemetry.serving import Serving, metrics_routes

    if port is None:
        return nullcontext
    return lambda signs: Serving(metrics_routes(signs), address, port)


def _say(text: str) -> None:
    err.print(literal(text))


def _started(run: Run) -> None:
    err.print(f"live: run {literal(run.run_id)}, log in {literal(Path(run.folder))}. Ctrl-C or SIGTERM ends it.")
