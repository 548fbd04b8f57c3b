"""How a run is told on a terminal: what was read of every zone, what was counted, and which camera did not see."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from crowdwatch.commands.terminal import EXIT_FAULTS, EXIT_STOPPED, cell, clock, complain, err, literal, out, tell
from crowdwatch.core.text import plain

if TYPE_CHECKING:
    from crowdwatch.config import EventFile
    from crowdwatch.drivers.replay import Summary
    from crowdwatch.drivers.totals import RunTotals

__all__ = ["finish", "share", "summarise"]

MOST_LISTED = 20


def share(part: int, whole: int) -> str:
    """A share for people: what happened is never 0 %, what did not happen always is not never 100 %.

    >>> share(0, 1000), share(1, 1000), share(450, 1000), share(999, 1000), share(1000, 1000), share(0, 0)
    ('0 %', '< 1 %', '45 %', '> 99 %', '100 %', '0 %')
    """
    percent = 100 * part / max(whole, 1)
    if 0 < percent < 1:
        return "< 1 %"
    if 99 < percent < 100:
        return "> 99 %"
    return f"{percent:.0f} %"


def summarise(summary: Summary) -> None:
    """Print what a run found."""
    totals, run = summary.totals, summary.run
    for line in (summary.event.notice.en if summary.event.notice else "", *summary.event.labels):
        if line:
            out.print(f"[bold yellow]{literal(line)}[/]")
    _zones(summary)
    out.print("alerts: " + (", ".join(f"{count} {kind}" for kind, count in sorted(totals.alerts.items())) or "none"))
    _raised(summary)
    out.print(_counted(summary))
    for line in _unfit(summary.event, totals):
        out.print(f"[yellow]{literal(line)}[/]")
    if summary.detector_ids:
        tell(f"detector: {', '.join(summary.detector_ids)}")
    if summary.counter_notes:
        tell(f"counter: {', '.join(summary.counter_notes)}; {totals.counted} pictures")
    for line in _corrected(summary.event):
        tell(line)
    if totals.saturated:
        out.print(f"[yellow]{totals.saturated} pictures reached a limit of the detector: people may be missing.[/]")
    tell(f"alerts digest: {summary.digest[:16]}   run: {run.run_id}   log: {run.folder}")


def _zones(summary: Summary) -> None:
    from rich.table import Table

    from crowdwatch.core.service import level_of_service
    from crowdwatch.words import t

    totals = summary.totals
    columns = ("zone", "highest density", "people then", "at (UTC)", "unknown", "degraded")
    table = Table(*columns, title=cell(summary.event.name.en))
    for zone in summary.event.zones:
        density, count, t_ns = totals.peaks.get(zone.id, (float("nan"), float("nan"), 0))
        letter = t("en", "service", letter=level_of_service(zone.kind, density))
        highest = (
            [f"{density:.2f} p/m2 ({letter})", f"{count:.1f}", clock(t_ns)[11:]]
            if t_ns
            else ["unknown", "unknown", "-"]
        )
        shares = (share(of.get(zone.id, 0), totals.ticks) for of in (totals.unknown_ticks, totals.degraded_ticks))
        table.add_row(cell(zone.name.en if zone.name else zone.id), *highest, *shares)
    out.print(table)


def _raised(summary: Summary) -> None:
    """The alarms that were raised, the first of them where there are many."""
    found = summary.totals.raised
    names = {zone.id: zone.name.en if zone.name else zone.id for zone in summary.event.zones}
    for t_ns, alarm, zone_id, transition, level in found[:MOST_LISTED]:
        how = "rises to" if transition == "level_up" else "raised at"
        tell(f"  {clock(t_ns)[11:]} {plain(names.get(zone_id, zone_id))}: {alarm} {how} {level}")
    if len(found) > MOST_LISTED:
        tell(f"  and more: crowdwatch alerts {summary.run.run_id}")


def _counted(summary: Summary) -> str:
    """What was counted, which is not what is logged."""
    totals, floor = summary.totals, summary.event.detector.score_floor
    limits = sorted(set(totals.score_min.values()))
    working = " to ".join(f"{limit:g}" for limit in limits[:1] + limits[1:][-1:]) or "0"
    return (
        f"{totals.observations:,} pictures with {totals.boxes:,} boxes of people at the working limit (score {working} "
        f"or more), {totals.off_ground:,} of them off the valid ground and not counted; the log keeps "
        f"{totals.logged:,} boxes, from score {floor:g} on. {totals.ticks:,} readings per zone, {summary.wall_s:.1f} s"
    )


def _unfit(event: EventFile, totals: RunTotals) -> list[str]:
    """Cameras that did not see all the time, whether or not others saw their ground."""
    said = []
    for camera in event.cameras:
        had = totals.cameras.get(camera.id)
        if had is None or not had.observations:
            said.append(f"camera {camera.id}: gave no picture that could be analysed. Its ground was left to others.")
        elif had.unfit:
            parts = [
                f"{health} at {share(ticks, totals.ticks)} of the readings ({_when(first_ns, last_ns)})"
                for health, (ticks, first_ns, last_ns) in sorted(had.unfit.items(), key=lambda each: each[1][1])
            ]
            said.append(f"camera {camera.id}: {', '.join(parts)}; it counted nobody then.")
    return said


def _when(first_ns: int, last_ns: int) -> str:
    first, last = clock(first_ns)[11:-1], clock(last_ns)[11:-1]
    return f"at {first}" if first == last else f"between {first} and {last}"


def _corrected(event: EventFile) -> list[str]:
    """Cameras whose counts were corrected by hand counts."""
    lines = []
    for camera in event.cameras:
        if camera.bias is not None:
            bias = camera.bias
            said = f"counts times {bias.factor:g} ({bias.low:g} to {bias.high:g})"
            if bias.offset:
                said += f" and {bias.offset:+.1f} people a picture"
            lines.append(
                f"camera {camera.id}: {said}, from {bias.audits} hand counts; "
                "`readings: {hand_counts: none}` in the event file turns this off"
            )
    return lines


def finish(summary: Summary, again: str) -> None:
    """Print what a run found and its faults, and end with the fitting exit code."""
    try:
        summarise(summary)
    finally:  # also where nobody reads the summary: `... | head`
        for fault in summary.faults:
            complain(fault)
    if summary.stopped:
        reached = summary.totals.last_tick_ns
        err.print(f"Stopped cleanly{f' at {clock(reached)}' if reached else ''}. {literal(again)}")
        raise typer.Exit(EXIT_STOPPED)
    if summary.faults:
        raise typer.Exit(EXIT_FAULTS)
