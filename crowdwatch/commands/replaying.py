"""A replay on a terminal: its bar, what is odd with the footage, and how it is stopped."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from crowdwatch.commands.terminal import EXIT_STOPPED, Show, clock, err, literal, progress_bars, stopping
from crowdwatch.errors import ConfigError

if TYPE_CHECKING:
    from crowdwatch.config import EventFile
    from crowdwatch.core.runs import Run
    from crowdwatch.drivers.replay import Options, Summary

__all__ = ["replayed"]


def _shown(show: Show) -> tuple[Callable[[Run], None], Callable[[int], None]]:
    """What a replay calls when it has begun and when it has reached a time: a bar over event time."""
    runs: list[Run] = []

    def reached(t_ns: int) -> None:
        run = runs[-1]

        def pace(passed_s: float, done_s: float) -> str:
            return f"{clock(t_ns)} {done_s / passed_s:.1f} x real time"

        show("replay", (t_ns - run.from_ns) / 1e9, (run.to_ns - run.from_ns) / 1e9, pace)

    def started(run: Run) -> None:
        runs.append(run)
        reached(run.from_ns)

    return started, reached


def replayed(event: EventFile | None, log: Path | None, options: Options, again: str) -> Summary:
    """Replay footage or a log under a bar, and say what is odd with it. Raises CrowdWatchError, typer.Exit."""
    from dataclasses import replace

    from crowdwatch.drivers import replay as replays

    try:
        with stopping() as stop, progress_bars() as show:
            started, reached = _shown(show)
            options = replace(options, stop=stop, say=_say, started=started, progress=reached)
            if log is not None:
                return replays.replay_log(log, options, event)
            if event is not None:
                return replays.replay_recording(event, options)
    except KeyboardInterrupt as interrupt:
        err.print(f"Stopped at once. {literal(again)}")
        raise typer.Exit(EXIT_STOPPED) from interrupt
    raise ConfigError("replay: nothing to replay. Name an event file, or the log of an earlier run with --log.")


def _say(text: str) -> None:
    err.print(literal(text))
