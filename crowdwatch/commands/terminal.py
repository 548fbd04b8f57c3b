"""What commands share: consoles, common options, a clean stop, and progress bars."""

from __future__ import annotations

import io
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from crowdwatch.core.text import plain, visible
from crowdwatch.errors import ConfigError

if TYPE_CHECKING:
    from crowdwatch.config import EventFile

__all__ = [
    "DEFAULT_RUNS",
    "EXIT_ERROR",
    "EXIT_FAULTS",
    "EXIT_STOPPED",
    "EventPath",
    "RunsPath",
    "Show",
    "StoreUrl",
    "any_console",
    "cell",
    "clock",
    "complain",
    "err",
    "literal",
    "out",
    "progress_bars",
    "span",
    "stopping",
    "tell",
]

out = Console(highlight=False, soft_wrap=True, emoji=False)
err = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)


def any_console() -> None:
    """Let a console that cannot show a character (ASCII, cp1252) show its code instead of ending the command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def literal(value: object) -> str:
    """Text for rich, which reads markup in square brackets: what people wrote stays what they wrote.

    >>> print(literal("[bold]gate[/]"))
    \\[bold]gate\\[/]
    """
    return escape(visible(str(value)))


def cell(value: object) -> str:
    """The same for a cell of a table or a title: one line."""
    return escape(plain(str(value)))


def tell(value: object) -> None:
    """Print text on stdout as it is, without markup."""
    out.print(visible(str(value)), markup=False)


def complain(value: object) -> None:
    """Print an error on stderr."""
    err.print(f"[bold red]error:[/] {literal(value)}")


EXIT_ERROR, EXIT_FAULTS, EXIT_STOPPED = 1, 3, 130

EventPath = Annotated[Path, typer.Argument(help="The event file.", metavar="EVENT.YAML")]
RunsPath = Annotated[Path, typer.Option("--runs", help="Folder for logs, pictures and the store.")]
StoreUrl = Annotated[
    str | None,
    typer.Option("--store", help="Store as a URL: sqlite:///FILE or postgresql://... (default: SQLite in --runs)"),
]
DEFAULT_RUNS = Path("runs")

Show = Callable[[str, float, float, Callable[[float, float], str]], None]
"""Shows how far a stage is: its name, what is done, of what total, and ``pace(seconds, done)`` that puts the seconds
since the stage was first shown, and what was done in them, into words."""


def span(event: EventFile, from_: str | None, to: str | None) -> tuple[int | None, int | None]:
    """Read --from and --to: a time with its UTC offset, or h:mm:ss of event time after the first frame."""
    from crowdwatch.config.times import event_time

    start_ns = event.first_frame_ns

    def read(option: str, text: str | None) -> int | None:
        if text is None:
            return None
        try:
            return event_time(text, start_ns)
        except ValueError as error:
            raise ConfigError(
                f"{option} {text!r}: need a time as 2009-06-01T12:00:30Z, or h:mm:ss after the first frame."
            ) from error

    return read("--from", from_), read("--to", to)


@contextmanager
def stopping() -> Iterator[threading.Event]:
    """Ctrl-C and SIGTERM ask for a clean stop; a second Ctrl-C stops at once."""
    stop = threading.Event()

    def ask(number: int, frame: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def progress_bars() -> Iterator[Show]:
    """A bar for each stage: how far, its pace in the stage's own words, how long to go."""
    from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[pace]}"),
        TextColumn("ETA"), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=err) as bars:
        known: dict[str, tuple[TaskID, float, float]] = {}

        def show(stage: str, done: float, total: float, pace: Callable[[float, float], str]) -> None:
            if stage not in known:
                known[stage] = (bars.add_task(stage, total=total, pace=""), time.monotonic(), done)
            task, began, first = known[stage]
            passed_s = max(time.monotonic() - began, 1e-3)
            bars.update(task, completed=done, total=total, pace=pace(passed_s, done - first))

        yield show


def clock(t_ns: int) -> str:
    """A time as people read it, in whole seconds of UTC."""
    from crowdwatch.config.times import format_time

    return format_time(t_ns // 1_000_000_000 * 1_000_000_000)
