"""``python -m pipelines.evaluate faults DIR``: the matrix of faults, whole or some of its cells."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from crowdwatch.errors import ConfigError
from pipelines.command_line import print_json
from pipelines.evaluation import fault_footage, fault_matrix
from pipelines.evaluation.data_folders import PetsFolder
from pipelines.evaluation.fault_footage import Footage

__all__ = ["faults_command"]


def _some(option: str, wanted: Iterable[str], names: Iterable[str]) -> frozenset[str]:
    """The names that contain what was asked for; all where nothing was.

    Raises:
        ConfigError: something is in none of them.
    """
    known, found = list(names), set()
    for each in wanted:
        here = {name for name in known if each.casefold() in name.casefold()}
        if not here:
            raise ConfigError(f"{option} {each!r}: none is called so. There are: {'; '.join(known)}.")
        found |= here
    return frozenset(found or known)


def _footage(folder: Path, only_drawn: bool, wanted: list[str]) -> Iterator[Footage]:
    """The footage whose name contains what was asked for; only that is read."""
    names = _some("--footage", wanted, (*fault_footage.DRAWN, *(() if only_drawn else (fault_footage.RECORDED,))))
    if not names.isdisjoint(fault_footage.DRAWN):
        yield from (footage for footage in fault_footage.drawn() if footage.name in names)
    if fault_footage.RECORDED in names:
        yield fault_footage.recorded(folder)


def faults_command(
    folder: PetsFolder,
    only_drawn: Annotated[
        bool, typer.Option("--drawn", help="The drawn crowds alone: no recording, no models.")
    ] = False,
    kinds: Annotated[
        list[str] | None, typer.Option(help="Faults whose name contains this; several are given one by one.")
    ] = None,
    places: Annotated[list[str] | None, typer.Option(help="Places whose name contains this, likewise.")] = None,
    durations: Annotated[
        list[str] | None, typer.Option(help="Durations likewise: short, long, comes and goes.")
    ] = None,
    footage: Annotated[list[str] | None, typer.Option(help="Footage likewise: one camera, PETS2009 ...")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Does loss of sight ever read as calm: faults x places x durations, through the whole path to the alarms.

    Exit code 1 where a cell of the matrix is false calm.
    """
    names = _some("--kinds", kinds or (), (fault.name for fault in fault_matrix.KINDS))
    chosen = [fault for fault in fault_matrix.KINDS if fault.name in names]
    lasting = _some("--durations", durations or (), fault_matrix.DURATIONS)
    lasting_in_order = [each for each in fault_matrix.DURATIONS if each in lasting]
    where = _some("--places", places or (), fault_footage.PLACES)
    cells = [
        cell
        for each in _footage(folder, only_drawn, footage or [])
        if not where.isdisjoint(each.places)
        for cell in fault_matrix.matrix(each, lasting_in_order, chosen, where)
    ]
    result = fault_matrix.summary(cells)
    if as_json:
        print_json(result)
    else:
        table = Table("footage", "fault", "place", "duration", "said, s", "blind, s", "level", "false calm")
        for cell in cells:
            times = ("" if each is None else f"{each:g}" for each in (cell.said_s, cell.blind_s))
            kept = "kept" if cell.level_kept else "LOWERED"
            table.add_row(cell.footage, cell.fault, cell.place, cell.duration, *times, kept, cell.why)
        console = Console()
        console.print(table)
        console.print(f"{result['cells']} cells, false calm: {result['false_calm']}")
    if result["false_calm"]:
        raise typer.Exit(1)
