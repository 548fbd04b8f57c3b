"""``crowdwatch backtest``: a recorded night under other limits, and what would have been different."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crowdwatch.commands.terminal import EXIT_STOPPED, cell, clock, err, out, progress_bars, stopping, tell
from crowdwatch.core.plain_json import to_json
from crowdwatch.errors import ConfigError

if TYPE_CHECKING:
    from crowdwatch.drivers.backtest.backtest import Backtest, Side
    from crowdwatch.rendering.backtest_picture import SweepCurve

__all__ = ["backtest"]

MOST_ROWS = 60


def backtest(
    log: Annotated[Path, typer.Argument(metavar="LOG", help="Folder of a run's log.")],
    rules: Annotated[
        Path | None, typer.Option(help="Other limits: an event file, or one that holds limits alone.")
    ] = None,
    incidents: Annotated[Path | None, typer.Option(help="Labelled incidents: recall, lead time, false alarms.")] = None,
    sweep: Annotated[
        str | None, typer.Option(help="One limit and the values to try: density:3..6:0.5, peak.critical:4..7:1.")
    ] = None,
    picture: Annotated[Path | None, typer.Option(help="Draw it into this PNG.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result for programs.")] = False,
) -> None:
    """Fold a recorded log under other limits, and show what is different.

    Which alerts appear, vanish, come earlier or later; minutes at each level; alarm load; for how long people stood in
    which density. Nothing is written into the store.
    """
    from crowdwatch.drivers.backtest.backtest import Request
    from crowdwatch.drivers.backtest.backtest import backtest as compare
    from crowdwatch.drivers.backtest.sweep import read_sweep

    if rules is None and sweep is None and incidents is None:
        raise ConfigError(
            "backtest: nothing to try. Name other limits with --rules, labels with --incidents, or --sweep."
        )
    tried = None if sweep is None else read_sweep(sweep)
    with stopping() as stop, progress_bars() as show:

        def reached(stage: str, t_ns: int, from_ns: int, to_ns: int) -> None:
            total_s = max((to_ns - from_ns) / 1e9, 1e-9)
            show(
                stage, (t_ns - from_ns) / 1e9, total_s, lambda passed_s, done_s: f"{done_s / passed_s:.0f} x real time"
            )

        found = compare(Request(log, rules, incidents, tried, stop, reached))
    if found is None:
        err.print("Stopped; nothing was compared. Run it again.")
        raise typer.Exit(EXIT_STOPPED)
    if picture is not None:
        _draw(found, picture)
    if as_json:
        tell(to_json(found.facts()))
        return
    _show(found)
    if picture is not None:
        tell(f"picture: {picture}")


def _show(found: Backtest) -> None:
    from rich.table import Table

    sides = [("as it was", found.old), *([] if found.new is None else [("other limits", found.new)])]
    if found.new is not None:
        _changes(found)
    names = {zone.zone_id: zone.name["en"] for zone in found.old.folded.site.zones}
    table = Table("zone", "limits", "watch", "caution", "alert", "critical", "unknown", title="Minutes at each level")
    for column, name in enumerate(names.values()):
        for number, (what, side) in enumerate(sides):
            minutes = [f"{seconds[column] / 60:.1f}" for _, seconds in sorted(side.folded.level_s.items())]
            table.add_row(cell(name) if number == 0 else "", what, *minutes[2:], minutes[0])
    out.print(table)
    _stands(found)
    for what, side in sides:
        load = side.load
        tell(f"{what}: {load.alarms} alarms in {side.folded.hours:.2f} h")
        above = f"{100 * load.above_frac:.0f} % of them had more than 10"
        tell(f"  in ten minutes at most {load.most}, {load.mean:.1f} in the mean; {above} (EEMUA 191)")
        _scored(what, side)
    if found.sweep is not None:
        _swept(found)


def _changes(found: Backtest) -> None:
    from rich.table import Table

    different = [each for each in found.changes if each.kind != "same"]
    same = len(found.changes) - len(different)
    table = Table("what", "zone", "alarm", "level", "as it was", "other limits", "by, s", title="Alerts")
    for each in different[:MOST_ROWS]:
        times = ("-" if at is None else clock(at)[11:] for at in (each.old_ns, each.new_ns))
        shift = "" if each.shift_s is None else f"{each.shift_s:+.0f}"
        table.add_row(each.kind, cell(each.zone_id), cell(each.alarm), each.level.name.lower(), *times, shift)
    out.print(table)
    more = f", {len(different) - MOST_ROWS} more (--json has all)" if len(different) > MOST_ROWS else ""
    tell(f"{len(different)} differ{more}; {same} are the same")


def _stands(found: Backtest) -> None:
    from rich.table import Table

    from crowdwatch.drivers.backtest.refold import STANDS_P_M2

    table = Table(
        "zone", *(f"{at:g}+" for at in STANDS_P_M2), title="People-minutes at a density of so many p/m2 or more"
    )
    folded = found.old.folded
    for column, zone in enumerate(folded.site.zones):
        table.add_row(cell(zone.name["en"]), *(f"{value / 60:,.0f}" for value in folded.people_s[:, column]))
    out.print(table)


def _scored(what: str, side: Side) -> None:
    scored = side.score
    if scored is None:
        return
    for each in scored.incidents:
        if each.expects == "report" and not each.raised:
            said = "is reported by hand; no report in this log"
        elif not each.raised:
            said = "not raised" if each.expects == "none" else "MISSED"
        else:
            lead = "" if math.isnan(each.lead_s) else f", {each.lead_s:.0f} s before harm"
            said = f"{each.alarm} {each.level.name.lower()} after {each.delay_s:.0f} s{lead}"
            said = f"FALSE: {said}" if each.expects == "none" else said
        tell(f"  {each.incident_id}: {said}")
    rate = f"{scored.false_per_camera_hour:.3f} false alarms for each camera and hour"
    tell(f"  {scored.raised} of {scored.expected} incidents raised; {rate} ({len(scored.false_ids)})")


def _swept(found: Backtest) -> None:
    from rich.table import Table

    if found.sweep is None:
        return
    title = f"{found.sweep.quantity.value} {found.sweep.level.name.lower()}, this limit alone"
    table = Table(
        "value", "alarms", "minutes", "most in 10 min", "recall", "lead time, s", "false/camera-hour", title=title
    )
    for point in found.points:
        scored = (point.recall, point.lead_time_s, point.false_per_camera_hour)
        rest = ("-" if value is None or math.isnan(value) else f"{value:.3g}" for value in scored)
        table.add_row(f"{point.value:g}", str(point.alarms), f"{point.minutes:.1f}", str(point.most_per_10min), *rest)
    out.print(table)


def _draw(found: Backtest, picture: Path) -> None:
    from zoneinfo import ZoneInfo

    import numpy as np

    from crowdwatch.rendering.backtest_picture import LevelBars, backtest_png
    from crowdwatch.store import files

    sides = [("old", found.old.folded), *([] if found.new is None else [("new", found.new.folded)])]
    bars = [LevelBars(name, folded.t_ns, np.array(folded.levels)) for name, folded in sides]
    names = [zone.name["en"] for zone in found.old.folded.site.zones]
    title = f"{found.old.folded.site.name['en']}: levels by zone"
    data = backtest_png(title, names, bars, ZoneInfo(found.time_zone), _curve(found))
    with files.writable(picture.parent):
        files.replace_file(picture, lambda file: file.write(data))


def _curve(found: Backtest) -> SweepCurve | None:
    from crowdwatch.rendering.backtest_picture import SweepCurve

    if found.sweep is None:
        return None
    points = found.points
    scored = tuple(point.recall for point in points if point.recall is not None and not math.isnan(point.recall))
    return SweepCurve(
        f"{found.sweep.quantity.value} {found.sweep.level.name.lower()}: alarms and recall by limit",
        found.sweep.values,
        tuple(float(point.alarms) for point in points),
        scored if len(scored) == len(points) else None,
    )
