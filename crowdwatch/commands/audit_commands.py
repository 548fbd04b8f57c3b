"""``crowdwatch audit``: enter hand counts, and report how far each camera's counts are off."""

from __future__ import annotations

import csv
import io
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crowdwatch.commands.stored import RunOption, chosen_run, opened_store
from crowdwatch.commands.terminal import DEFAULT_RUNS, RunsPath, StoreUrl, cell, literal, out, tell
from crowdwatch.core.plain_json import to_json
from crowdwatch.errors import AuditRefused, RunNotFound

if TYPE_CHECKING:
    from crowdwatch.analytics.audit import CameraBias
    from crowdwatch.core.ports import Store
    from crowdwatch.core.runs import Audit, Run

__all__ = ["app", "to_csv"]

app = typer.Typer(help="Hand counts beside the program's: how far a camera's counts are off.", no_args_is_help=True)


def _camera_ids(run: Run) -> list[str]:
    from crowdwatch import config

    return [camera.id for camera in config.from_json(run.config_json).cameras]


# -5 is a count that is refused with a reason, not an option that nobody knows
@app.command(context_settings={"ignore_unknown_options": True})
def add(
    camera: Annotated[str, typer.Argument(help="The camera's id.", metavar="CAMERA")],
    at: Annotated[str, typer.Argument(help="Event time: ISO time, or h:mm:ss after the first frame.", metavar="TIME")],
    count: Annotated[str, typer.Argument(help="People counted by hand in the whole picture.", metavar="COUNT")],
    run: RunOption = None,
    actor: Annotated[str, typer.Option("--actor", help="Who counted.")] = "operator",
    corrects: Annotated[int, typer.Option("--corrects", min=0, help="The entry that this one replaces.")] = 0,
    runs: RunsPath = DEFAULT_RUNS,
    store: StoreUrl = None,
) -> None:
    """Enter the people counted by hand in one analysed picture; the log says what the program found in it."""
    from crowdwatch.analytics.audit import of_program, program_of
    from crowdwatch.config.times import format_time
    from crowdwatch.drivers import hand_count

    counted = _count(count)
    if not actor.strip():
        raise AuditRefused("--actor: got nothing, need a name. Leave the option out to count as operator.")
    with opened_store(runs, store) as opened:
        chosen = chosen_run(opened, run)
        picture = hand_count.analysed(opened, chosen.run_id, camera, _time(chosen, at))
        entry = hand_count.add(opened, picture, counted, wall_ns=time.time_ns(), actor=actor, corrects=corrects)
        entries = opened.audits(event_id=chosen.event_id)
    tell(
        f"entry {entry.audit_id}: camera {camera}, picture of {format_time(entry.t_ns)}: {counted} by hand, "
        f"{entry.found:g} by the program."
    )
    bias = of_program(camera, entries, program_of(entry))
    tell(
        f"camera {camera}: {bias.audits} picture(s) counted, factor {bias.factor:.3f}, 90 % interval {bias.low:.3f} to "
        f"{bias.high:.3f}; offset {bias.offset:+.1f} people a picture, {bias.offset_low:+.1f} to "
        f"{bias.offset_high:+.1f}."
    )
    _warn(bias)


def _count(text: str) -> int:
    from crowdwatch.drivers import hand_count

    if not re.fullmatch(r"-?[0-9]{1,18}", text.strip()):
        raise AuditRefused(f"COUNT {text!r}: need a whole number of people, as 47. Count again.")
    return hand_count.check_count(int(text))


def _time(run: Run, text: str) -> int:
    from crowdwatch import config
    from crowdwatch.config.times import event_time

    start_ns = config.from_json(run.config_json).first_frame_ns
    try:
        return event_time(text, start_ns)
    except ValueError as error:
        raise AuditRefused(
            f"TIME {text!r}: need a time as 2009-06-01T12:00:30Z, or h:mm:ss after the first frame."
        ) from error


@app.command()
def report(
    run: Annotated[str | None, typer.Option("--run", help="Hand counts of this run only.")] = None,
    event: Annotated[
        str | None, typer.Option("--event", help="The event's id: all its runs. [default: that of the newest run]")
    ] = None,
    save: Annotated[Path | None, typer.Option("--csv", help="Write the table into this file too.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    runs: RunsPath = DEFAULT_RUNS,
    store: StoreUrl = None,
) -> None:
    """List for every camera its hand counts, its factor and its offset, and the cameras that nobody ever audited."""
    from crowdwatch.analytics.audit import table

    if run is not None and event is not None:
        raise AuditRefused("audit report: --run is part of an event, so --event does not go with it. Leave one out.")
    with opened_store(runs, store) as opened:
        chosen = chosen_run(opened, run) if event is None else _newest(opened, event)
        entries: Sequence[Audit] = (
            opened.audits(run_id=run) if run is not None else opened.audits(event_id=chosen.event_id)
        )
    rows = table(entries, _camera_ids(chosen))
    if save is not None:
        save.write_text(to_csv(rows), encoding="utf-8")
    if as_json:
        facts = {"event": chosen.event_id, "run": run, "cameras": [_facts(row) for row in rows]}
        tell(to_json(facts))
        return
    _print(rows, f"{chosen.event_id}{f', run {run}' if run else ''}")


def _newest(store: Store, event_id: str) -> Run:
    runs = store.runs()
    found = next((each for each in runs if each.event_id == event_id), None)
    if found is None:
        known = ", ".join(dict.fromkeys(each.event_id for each in runs)) or "none"
        raise RunNotFound(f"event {event_id!r}: the store has no run of it. It has runs of: {known}.")
    return found


def _warn(row: CameraBias) -> None:
    """Say loudly of a factor that it cannot be a camera's habit."""
    from crowdwatch.core.site import FACTOR_RANGE

    low, high = FACTOR_RANGE
    if not low < row.factor < high:
        out.print(
            f"[bold red]camera {literal(row.camera_id)}: factor {row.factor:.3g} is beyond {low:g} to {high:g}.[/] A "
            "count was mistyped, or something else fails: look at the counts. Runs cut it off there, and are degraded."
        )


def _facts(row: CameraBias) -> dict[str, Any]:
    return {
        "camera_id": row.camera_id, "audited": row.audited, "audits": row.audits, "counted_persons": row.counted,
        "found_persons": row.found, "factor": row.factor, "factor_low": row.low, "factor_high": row.high,
        "offset_persons": row.offset, "offset_low": row.offset_low, "offset_high": row.offset_high,
        "most_found_persons": row.most_found, "left_aside": row.left_aside,
    }  # fmt: skip


def to_csv(rows: Sequence[CameraBias]) -> str:
    """The table as CSV: one line per camera, the interval holds 90 %.

    >>> from crowdwatch.analytics.audit import bias
    >>> print(to_csv([bias("mast", [])]).splitlines()[1][:20])
    mast,False,0,0,0,1.0
    """
    text = io.StringIO()
    facts = [_facts(row) for row in rows]
    writer = csv.DictWriter(text, facts[0] if facts else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(facts)
    return text.getvalue()


def _print(rows: Sequence[CameraBias], what: str) -> None:
    from rich.table import Table

    from crowdwatch.analytics.audit import ENOUGH

    shown = Table(
        "camera",
        "pictures",
        "by hand",
        "by the program",
        "factor",
        "90 % interval",
        "offset",
        "90 % interval",
        title=cell(what),
    )
    for row in rows:
        amount = [str(row.audits), str(row.counted), f"{row.found:g}"] if row.audited else ["NEVER", "-", "-"]
        cells = [cell(row.camera_id), *amount, f"{row.factor:.3f}", f"{row.low:.3f} to {row.high:.3f}"]
        cells += [f"{row.offset:+.1f}", f"{row.offset_low:+.1f} to {row.offset_high:+.1f}"]
        shown.add_row(*cells, style=None if row.audited else "bold red")
    out.print(shown)
    out.print(
        "people = factor x found + offset: the offset is below 0 where things look like people. Counts are lowered "
        "only in pictures with no more people, and none closer together, than in those that were counted.",
        markup=False,
    )
    for row in rows:
        if row.left_aside:
            tell(f"camera {row.camera_id}: {row.left_aside} beside another program or score limit are not used.")
        _warn(row)
        if 0 < row.audits < ENOUGH:
            tell(f"camera {row.camera_id}: fewer than {ENOUGH} pictures, shrunk towards 1 and 0.")
    never = [row.camera_id for row in rows if not row.audited]
    if never:
        out.print(
            f"[bold red]NEVER AUDITED: {literal(', '.join(never))}.[/] Nobody knows how far their counts are off: the "
            "interval is that of cameras in general. Count some pictures: crowdwatch audit add CAMERA TIME COUNT"
        )
