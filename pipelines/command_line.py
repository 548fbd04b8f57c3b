"""What the pipelines' command lines share: where messages go, progress bars, and how an error ends a program."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from operator import length_hint
from pathlib import Path
from typing import Annotated, Any, TypeAlias, TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from crowdwatch.core.plain_json import defined, to_json
from crowdwatch.core.text import visible
from crowdwatch.errors import CrowdWatchError

__all__ = ["EventOption", "defined", "err", "print_json", "progress", "progress_bar", "run"]

Item = TypeVar("Item")

err = Console(stderr=True, highlight=False, soft_wrap=True)
"""For everything but the answer."""

EventOption: TypeAlias = Annotated[
    Path | None, typer.Option("--event", help="Event file; default: the shipped example.")
]


def run(app: typer.Typer) -> None:
    """Run a command line; an error of CrowdWatch or of the disk is a message and exit code 1, without a traceback."""
    for stream in (sys.stdout, sys.stderr):  # a console that cannot show a character shows its code
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
    except CrowdWatchError as error:
        err.print(f"error: {visible(str(error))}", markup=False)
        sys.exit(1)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        err.print(f"error: {where}{error.strerror or error}. Check the path and the disk.", markup=False)
        sys.exit(1)


@contextmanager
def progress_bar(description: str, total: float | None, done: float = 0) -> Iterator[Callable[[float, str], None]]:
    """A progress bar with the time that is left.

    Args:
        description: what goes on.
        total: of how many; None where nobody knows.
        done: before the bar begins.

    Yields:
        What to call with how many are done, and what goes on now.
    """
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, TimeRemainingColumn(), console=err) as bars:
        task = bars.add_task(description, total=total, completed=int(done))
        yield lambda done, description: bars.update(task, completed=done, description=description)


def progress(items: Iterable[Item], description: str, total: int | None = None) -> Iterator[Item]:
    """Go through items behind a progress bar; their number is asked of those that know it."""
    with progress_bar(description, length_hint(items) or None if total is None else total) as show:
        for done, item in enumerate(items, start=1):
            yield item
            show(done, description)


def print_json(answer: Any) -> None:
    """Print an answer for programs; what is not defined (NaN, an infinity) is ``null``."""
    typer.echo(to_json(answer))
