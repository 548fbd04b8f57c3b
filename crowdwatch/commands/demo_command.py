"""``crowdwatch demo``: a scripted night that plays while one watches, and a real recording beside it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import closing
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from crowdwatch.commands.replaying import replayed
from crowdwatch.commands.summary import finish
from crowdwatch.commands.terminal import DEFAULT_RUNS, RunsPath, err, literal, stopping, tell
from crowdwatch.errors import CrowdWatchError, SampleUnavailable, WeightsNotFound

if TYPE_CHECKING:
    from crowdwatch.drivers.replay import Options, Summary

__all__ = ["demo"]

AGAIN = "Run the demonstration again."

NIGHT_FIRST_S = 20.0
"""So long at most the recording waits for the night, which is to be seen first."""

LOWER = 10
"""The recording is read as fast as the machine can; the night and the page go before it."""


class Part(StrEnum):
    """What a process of the demonstration does."""

    NIGHT = "night"
    RECORDING = "recording"


def demo(
    serve: Annotated[bool, typer.Option("--serve/--no-serve", help="Serve the page, with a scripted night.")] = True,
    runs: RunsPath = DEFAULT_RUNS,
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8501,
    part: Annotated[Part | None, typer.Option(hidden=True)] = None,
) -> None:
    """Play a scripted New Year's night on the page, and replay the real, calibrated sample recording beside it; a
    synthetic scene where it cannot be had. Without the page: the recording alone."""
    from crowdwatch.drivers import build
    from crowdwatch.drivers.replay import Options

    options = Options(runs, build.store_url(runs))
    if part is Part.NIGHT:
        _night(options)
    elif part is Part.RECORDING:
        _after_the_night(options)
        finish(_recording(options), AGAIN)
    elif serve:
        _serve(options, port)
    else:
        finish(_recording(options), AGAIN)


def _recording(options: Options) -> Summary:
    """Replay the recording, or say why it is a drawn scene."""
    from crowdwatch import config
    from crowdwatch.assets import samples
    from crowdwatch.assets.examples import example

    try:
        samples.fetch("pets2009", progress=lambda text: err.print(literal(text)))
        return replayed(config.load(example("pets2009")), None, options, AGAIN)
    except (SampleUnavailable, WeightsNotFound) as error:
        err.print(f"[bold yellow]{literal(error)}[/]")
        err.print("[bold yellow]Showing the SYNTHETIC scene instead: drawn people, not a recording.[/]")
        return replayed(config.load(example("synthetic")), None, options, AGAIN)


def _night(options: Options) -> None:
    """Play the scripted night until it is over, or the page is gone."""
    from dataclasses import replace

    from crowdwatch import config
    from crowdwatch.assets.examples import example
    from crowdwatch.drivers.night_show import SHOW_SPEED, ends_with, play_night

    ends_with(os.getppid())
    with stopping() as stop:
        summary = play_night(config.load(example("new_year")), replace(options, speed=SHOW_SPEED, stop=stop))
    if not stop.is_set():
        tell(f"The night is over. Watch it again on the page Analyst, or: crowdwatch replay --log {summary.run.folder}")


def _after_the_night(options: Options) -> None:
    """Wait until the night has begun, a while at most, then leave the processor to it and the page."""
    from crowdwatch.drivers import build
    from crowdwatch.drivers.night_show import ends_with

    ends_with(os.getppid())
    os.nice(LOWER)
    began_ns, deadline = time.time_ns() - round(NIGHT_FIRST_S * 1e9), time.monotonic() + NIGHT_FIRST_S
    with closing(build.open_store(options.store_url)) as store:
        while time.monotonic() < deadline:
            if any(run.event_id == "new-year" and run.started_wall_ns > began_ns for run in store.runs()):
                return
            time.sleep(0.2)


def _serve(options: Options, port: int) -> None:
    """Start both as processes of their own; this one becomes the page, and they end with it."""
    from crowdwatch.drivers import build
    from crowdwatch.ui import serve as pages

    os.environ["CROWDWATCH_STORE"] = options.store_url
    build.open_store(options.store_url).close()  # made once, before several processes want it
    for part in Part:
        command = [sys.executable, "-m", "crowdwatch", "demo", "--part", part.value, "--runs", str(options.runs)]
        try:
            subprocess.Popen(command, stdin=subprocess.DEVNULL)
        except OSError as error:
            raise CrowdWatchError(f"demo: {part.value} cannot be started: {error.strerror or error}.") from error
    address = f"http://127.0.0.1:{port}"
    tell(
        "A scripted New Year's night plays from 23:40, five times as fast as the clock: a build-up, alarms, lost "
        "cameras, units on their way. It is drawn: nobody was filmed. The real recording (PETS 2009) is replayed "
        "meanwhile; its summary follows here, and it stands in the page's list of runs."
    )
    tell(f"The wall: {address}/?view=wall&lang=en   中文：{address}/?view=wall&lang=zh")
    pages.page(options.store_url, port=port, demo=True)
