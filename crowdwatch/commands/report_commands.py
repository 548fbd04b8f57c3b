"""``crowdwatch report``: what a run says about itself."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crowdwatch.commands.stored import opened
from crowdwatch.commands.terminal import DEFAULT_RUNS, RunsPath, StoreUrl, out, tell
from crowdwatch.core.plain_json import to_json

if TYPE_CHECKING:
    from crowdwatch.analytics.overlap_pairs import PairReport

__all__ = ["app"]

app = typer.Typer(help="Reports of a run, out of its log.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Reports of a run, out of its log."""


@app.command()
def overlap(
    log: Annotated[str, typer.Argument(metavar="LOG|RUN", help="Folder of a run's log, or the run's id.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    runs: RunsPath = DEFAULT_RUNS,
    store: StoreUrl = None,
) -> None:
    """How far cameras agree over the ground that both see at the same time: densities, and where people stand.

    Two cameras whose counts or places differ by more than their intervals allow contradict each other: one of them is
    wrong, and both are doubted. Exit code 0 either way.
    """
    from crowdwatch.drivers.overlap import overlaps_of

    folder = Path(log)
    if not folder.is_dir():
        with opened(runs, store, log) as (_, run):
            folder = Path(run.folder)
    found = overlaps_of(folder)
    if as_json:
        tell(to_json({"pairs": [_facts(each) for each in found]}))
        return
    _show(found)


def _facts(found: PairReport) -> dict[str, Any]:
    return {
        "cameras": list(found.cameras),
        "moments": found.moments,
        "seconds": found.seconds,
        "cells": round(found.cells, 1),
        "area_m2": round(found.area_m2, 2),
        "density_p_m2": list(found.density_p_m2),
        "density_interval_p_m2": [list(each) for each in found.interval_p_m2],
        "ratio": found.ratio[0],
        "ratio_interval": list(found.ratio[1:]),
        "difference_p_m2": found.difference_p_m2[0],
        "difference_interval_p_m2": list(found.difference_p_m2[1:]),
        "agreeing_frac": found.agreeing_frac,
        "shift_east_m": found.shift.east_m,
        "shift_north_m": found.shift.north_m,
        "shift_sigma_m": found.shift_sigma_m,
        "shift_allowed_sigma_m": found.told_m,
        "agreement": found.shift.agreement,
        "agreement_unshifted": found.shift.unshifted,
        "matched_frac": found.matched_frac,
        "clock_sigma_s": found.clock_s,
        "doubted_s": found.doubted_s,
        "doubts": [{"camera": camera, "of": doubt.value} for doubt in found.doubts for camera in found.cameras],
    }


def _show(found: list[PairReport]) -> None:
    from rich.table import Table

    if not found:
        out.print("No two cameras see the same ground at the same time.")
        return
    table = Table("cameras", "together", "p/m2", "ratio", "shift, m", title="Cameras over the same ground")
    for each in found:
        low, high = each.difference_p_m2[1:]
        table.add_row(
            " and ".join(each.cameras), f"{each.seconds:.0f} s, {each.cells:.0f} cells",
            f"{each.density_p_m2[0]:.2f}, {each.density_p_m2[1]:.2f}; {low:+.2f} to {high:+.2f} apart",
            _held(each.ratio), _shift(each),
        )  # fmt: skip
    out.print(table)
    for each in found:
        out.print(f"{' and '.join(each.cameras)}: {_said(each)}.", markup=False)
    out.print("Ratio and shift are the second camera's against the first one's. Nothing says which of them is right.")


def _held(value: tuple[float, float, float]) -> str:
    if math.isnan(value[0]):
        return "unknown"
    ends = "" if math.isnan(value[1]) else f" ({value[1]:.2f} to {value[2]:.2f})"
    return f"{value[0]:.2f}{ends}"


def _shift(found: PairReport) -> str:
    shift = found.shift
    if not shift.known:
        return "unknown"
    allowed = f"{found.shift_sigma_m:.2f} sure, {found.told_m:.2f} allowed"
    return f"{shift.east_m:+.2f} east, {shift.north_m:+.2f} north ({allowed})"


def _said(found: PairReport) -> str:
    said = {
        "density": "both are doubted: their counts contradict each other",
        "position": "both are doubted: people lie further apart than calibrations and clocks allow",
    }
    return "; ".join(said[each.value] for each in found.doubts) or "they agree"
