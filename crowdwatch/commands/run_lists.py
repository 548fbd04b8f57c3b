"""``crowdwatch runs`` and ``crowdwatch alerts RUN``: what the store has, for analysts."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from crowdwatch.commands.stored import opened_store
from crowdwatch.commands.terminal import DEFAULT_RUNS, RunsPath, StoreUrl, cell, clock, err, out, tell
from crowdwatch.core.plain_json import to_json

if TYPE_CHECKING:
    from crowdwatch.core.outcomes import AlertEvent

__all__ = ["ListByDefault", "list_alerts", "runs"]


class ListByDefault(TyperGroup):
    """A group whose first word may be a run instead of a command: then its alerts are listed."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put ``list`` before a run's name."""
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            args = ["list", *args]
        return super().parse_args(ctx, args)


def runs(
    as_json: Annotated[bool, typer.Option("--json", help="Print them for programs.")] = False,
    newest: Annotated[bool, typer.Option("--newest", help="Print the name of the newest one alone.")] = False,
    folder: RunsPath = DEFAULT_RUNS,
    store: StoreUrl = None,
) -> None:
    """List the runs of the store, newest first: event, mode, state, span, and how many alarms were raised."""
    from rich.table import Table

    from crowdwatch.rendering.provenance import Provenance

    with opened_store(folder, store) as opened:
        found = [(run, _raised(opened.alerts(run.run_id))) for run in opened.runs()]
    if newest and found:
        tell(found[0][0].run_id)
        return
    if as_json:
        rows = [
            {
                **Provenance.of(run).facts(), "mode": run.mode.value, "state": run.state.value,
                "from": clock(run.from_ns), "to": clock(run.to_ns), "reached": clock(run.t_ns) if run.t_ns else None,
                "alarms_raised": raised, "folder": run.folder, "message": run.message,
            }
            for run, raised in found
        ]  # fmt: skip
        tell(to_json(rows))
        return
    if not found:
        err.print("The store holds no run. Replay an event first: crowdwatch replay EVENT.YAML")
        return
    table = Table("run", "event", "mode", "state", "from (UTC)", "to", "alarms raised", box=None, pad_edge=False)
    for run, raised in found:
        span = clock(run.from_ns)[:-1].replace("T", " "), clock(run.to_ns)[11:-1]
        table.add_row(cell(run.run_id), cell(run.event_id), run.mode.value, run.state.value, *span, str(raised))
    out.print(table)


def _raised(alerts: list[AlertEvent]) -> int:
    return sum(alert.transition == "raised" for alert in alerts)


def list_alerts(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="A run, as `crowdwatch runs` names it.")],
    as_csv: Annotated[
        bool, typer.Option("--csv", help="Print a table that says whose it is; see docs/data.md.")
    ] = False,
    to_file: Annotated[Path | None, typer.Option("--output", help="Write the table into this file.")] = None,
    folder: RunsPath = DEFAULT_RUNS,
    store: StoreUrl = None,
) -> None:
    """List every transition of every alarm of a run, oldest first."""
    from rich.table import Table

    from crowdwatch import config
    from crowdwatch.rendering.alert_table import write_alerts
    from crowdwatch.rendering.provenance import Provenance
    from crowdwatch.words import reason_text

    with opened_store(folder, store) as opened:
        run = opened.run(run_id)
        found = sorted(opened.alerts(run_id), key=lambda each: (each.t_ns, each.zone_id, each.alarm))
    site, whose = config.to_site(config.from_json(run.config_json)), Provenance.of(run)
    if to_file is not None:
        with to_file.open("w", newline="", encoding="utf-8") as file:
            count = write_alerts(file, found, site, whose)
        tell(f"{count} transitions: {to_file}")
        return
    if as_csv:
        write_alerts(sys.stdout, found, site, whose)
        return
    if not found:
        err.print("No alarm was raised in this run.")
        return
    names = {zone.zone_id: zone.name["en"] for zone in site.zones}
    table = Table(f"time ({whose.time_zone})", "zone", "alarm", "what", "level", "why", box=None, pad_edge=False)
    for alert in found:
        at = whose.local(alert.t_ns)[:19].replace("T", " ")
        zone, level = cell(names.get(alert.zone_id, alert.zone_id)), alert.level.name.lower()
        table.add_row(at, zone, cell(alert.alarm), alert.transition, level, cell(reason_text("en", alert.reasons)))
    out.print(table)
