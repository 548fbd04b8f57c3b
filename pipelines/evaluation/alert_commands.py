"""``python -m pipelines.evaluate alerts``: what alerts are worth, on scripted nights and on ordinary footage."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from crowdwatch import config
from crowdwatch.assets.examples import example
from crowdwatch.config.times import event_time
from crowdwatch.errors import ConfigError
from pipelines.command_line import EventOption, print_json, progress_bar
from pipelines.evaluation.night_alerts import CHOICES, FIGURES, NightAlerts, fold_night, summary
from pipelines.evaluation.ordinary_footage import OFFSETS, FootageAlarms, ordinary_alarms

__all__ = ["alerts_command"]

Shown = tuple[tuple[str, str], ...]
ROWS: Shown = (
    ("recall", "incidents raised, share"),
    ("lead_time_s", "lead time to harm, median, s"),
    ("lead_time_least_s", "lead time to harm, least, s"),
    ("delay_s", "from an incident's beginning to its alert, median, s"),
    ("false_per_camera_hour", "false alarms for each camera and hour, of any level"),
    ("false_actionable", "false alarms of level alert or above"),
    ("false_flares_raised", "flashes and false flares raised to alert"),
    ("quiet_hours", "hours in which nothing happens"),
    ("quiet_alarms", "alarms in them"),
    ("alarms_per_10min_most", "alarms in ten minutes, most"),
    ("alarms_per_10min_mean", "alarms in ten minutes, mean"),
    ("windows_above_10_frac", "ten minutes with more than ten alarms, share"),
    ("actionable_alerts", "alerts of level alert or above"),
    ("one_minute_dispatch", "a unit assigned within a minute, share of them"),
    ("one_minute_dispatch_low", "lower end of its Wilson 95 % interval"),
    ("one_minute_dispatch_high", "upper end of its Wilson 95 % interval"),
    ("density_read_error", "density read over true, less 1, mean"),
)


def alerts_command(
    footage: Annotated[
        Path | None, typer.Argument(metavar="[DIR]", help="Folder with recordings: ordinary footage besides.")
    ] = None,
    seeds: Annotated[
        list[int] | None, typer.Option("--seed", min=0, help="Nights; default: those that nothing was chosen on.")
    ] = None,
    choices: Annotated[bool, typer.Option("--choices", help="The night that limits were chosen on.")] = False,
    event_file: EventOption = None,
    from_: Annotated[str | None, typer.Option("--from", help="Event time to begin at; default: 21:45.")] = None,
    to: Annotated[str | None, typer.Option("--to", help="Event time to end before; default: 00:45.")] = None,
    hours: Annotated[float, typer.Option(min=0.01, max=100, help="Of ordinary footage.")] = 1.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Alerts on scripted nights: recall, lead time, false alarms, alarm load, and whether time to limit beats
    persistence; three nights, on which no limit was chosen."""
    if footage is not None and not footage.is_dir():
        raise ConfigError(f"{footage}: no such folder. Name the folder with vtest.avi, or leave it out.")
    if choices and seeds:
        raise ConfigError("--choices, --seed: name nights in one way. Leave one of them out.")
    event = config.load(event_file or example("new_year"))
    span = {"from_ns": from_, "to_ns": to}
    try:
        part = {name: event_time(text, event.start_ns) for name, text in span.items() if text is not None}
    except ValueError as error:
        raise ConfigError(f"--from, --to: {error}.") from error
    nights: list[NightAlerts] = []
    wanted = seeds or ([CHOICES] if choices else list(FIGURES))
    with progress_bar("nights", len(wanted)) as show:
        for number, seed in enumerate(wanted):

            def reached(done: int, total: int, number: int = number, seed: int = seed) -> None:
                show(number + done / total, f"night {seed}: {done} of {total} ticks")

            nights.append(fold_night(event, seed, reached, **part))
    result = summary(nights)
    ordinary: list[FootageAlarms] = []
    if footage is not None:
        copies = len([path for path in footage.rglob("*") if path.suffix in (".avi", ".mp4")]) * len(OFFSETS)
        with progress_bar("ordinary footage", copies) as show:
            ordinary = ordinary_alarms(footage, hours, show)
        result["ordinary_footage"] = _ordinary_facts(ordinary)
    if as_json:
        print_json(result)
    else:
        _show(result)


def _ordinary_facts(found: list[FootageAlarms]) -> dict[str, Any]:
    """The rate is of cameras that stand still; what those that are held by hand raise is listed apart."""
    still = [each for each in found if not each.held]
    hours = sum(each.hours for each in still)
    alarms, held = (
        [f"{each.recording}: {alarm}" for each in found if each.held is by for alarm in each.alarms]
        for by in (False, True)
    )
    recordings = [f"{each.recording}{'' if each.calibrated else ' (nominal mast)'}" for each in still]
    rate = len(alarms) / hours if hours else math.nan
    return {
        "hours": round(hours, 3),
        "recordings": recordings,
        "alarms": alarms,
        "false_per_camera_hour": rate,
        "held_by_hand": [each.recording for each in found if each.held],
        "alarms_held_by_hand": held,
    }


def _show(result: dict[str, Any]) -> None:
    console = Console()
    table = Table("night", "incident", "expects", "raised", "as", "after, s", "lead time, s", title="Incidents")
    for each in result["by_incident"]:
        raised = "yes" if each["raised"] else "no"
        by = f"{each['alarm']} {each['level']} {each['zone_id']}".strip()
        times = (_number(each[key]) for key in ("delay_s", "lead_time_s"))
        table.add_row(str(each["seed"]), each["id"], each["expects"], raised, by, *times)
    console.print(table)
    seeds = ", ".join(map(str, result["seeds"]))
    figures = Table("figure", "value", title=f"Nights {seeds}: {result['hours']:g} h, {result['cameras']} cameras")
    for key, text in ROWS:
        figures.add_row(text, _number(result[key]))
    for key, text in (("time_to_limit", "time to limit"), ("trend_for_comparison", "a plain trend")):
        said = result[key]
        figures.add_row(
            f"{text}: skill over persistence, 5 min", "none" if said is None else _number(said["skill_5min"])
        )
        wrong = "none" if said is None else f"{_number(said['wrong_warnings_frac'])} of {said['warnings']}"
        figures.add_row(f"{text}: wrong warnings, share", wrong)
    if "ordinary_footage" in result:
        said = result["ordinary_footage"]
        text = f"ordinary footage, {said['hours']:g} h: false alarms for each camera and hour"
        figures.add_row(text, _number(said["false_per_camera_hour"]))
    console.print(figures)


def _number(value: float | None) -> str:
    if value is None:
        return "not built"
    return "-" if math.isnan(value) else f"{value:.3g}"
