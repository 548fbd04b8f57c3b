"""``crowdwatch night``: the log of a scripted night, for exercises and to try limits on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from crowdwatch.commands.terminal import EXIT_STOPPED, clock, err, literal, progress_bars, span, stopping, tell

__all__ = ["night"]


def night(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where to write the log; it must hold none.")],
    seed: Annotated[int, typer.Option(min=0, help="Another seed is another night; the same one the same.")] = 1,
    event: Annotated[
        Path | None,
        typer.Option("--event", help="Event file with the zones of the example; default: examples/new_year."),
    ] = None,
    from_: Annotated[str | None, typer.Option("--from", help="Event time to begin at; default: 21:45.")] = None,
    to: Annotated[str | None, typer.Option("--to", help="Event time to end before; default: 00:45.")] = None,
) -> None:
    """Write the observation log of a scripted New Year's Eve, with labelled incidents. Nobody was filmed.

    Fold it with `crowdwatch replay --log FOLDER`, try limits on it with `crowdwatch backtest FOLDER`.
    """
    from crowdwatch import config
    from crowdwatch.assets.examples import example
    from crowdwatch.drivers.night import INCIDENTS, write_night

    loaded = config.load(event or example("new_year"))
    from_ns, to_ns = span(loaded, from_, to)
    with stopping() as stop, progress_bars() as show:

        def reached(done: int, total: int) -> None:
            show("night", done, total, lambda passed_s, ticks: f"{ticks / passed_s:.0f} ticks/s")

        written = write_night(loaded, folder, seed, from_ns=from_ns, to_ns=to_ns, stop=stop, progress=reached)
    for each in written.incidents:
        where = ", ".join(each.zones)
        harm = "" if each.harm_ns is None else f"; harm from {clock(each.harm_ns)[11:]}"
        tell(f"{clock(each.from_ns)[11:]} to {clock(each.to_ns)[11:]} {each.id} ({each.expects}): {where}{harm}")
    tell(f"{written.people:,} people, {written.observations:,} pictures, {written.ticks:,} ticks, seed {seed}")
    tell(f"log: {folder}   labels: {folder / INCIDENTS}")
    if stop.is_set():
        err.print(literal("Stopped: the log ends where it was. Write it anew into another folder."))
        raise typer.Exit(EXIT_STOPPED)
