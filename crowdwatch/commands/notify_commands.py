"""``crowdwatch notify``: tell people of alerts, try whether they are reached, and see what arrived."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from crowdwatch.commands.stored import chosen_run, opened_store
from crowdwatch.commands.terminal import (
    DEFAULT_RUNS,
    EXIT_ERROR,
    EXIT_FAULTS,
    EventPath,
    RunsPath,
    StoreUrl,
    cell,
    clock,
    err,
    literal,
    out,
    stopping,
    tell,
)
from crowdwatch.core.plain_json import to_json

if TYPE_CHECKING:
    from crowdwatch.core.notices import Notification

__all__ = ["app"]

app = typer.Typer(help="Tell people of alerts: from the store, again and again until it arrives.", no_args_is_help=True)

Send = Annotated[bool, typer.Option("--send", help="Really send. Without it, what would be sent is shown.")]
RunOption = Annotated[str | None, typer.Option("--run", help="This run alone. [default: live runs of the event]")]


def _said(row: Notification) -> str:
    from crowdwatch.core.notices import NotificationState
    from crowdwatch.words import t

    if row.state is NotificationState.SENT:
        return "sent" + ("" if row.attempts == 1 else f", try {row.attempts}")
    if row.state is NotificationState.SUPPRESSED:
        return f"not told: {t('en', f'suppressed.{row.why}')}"
    return f"waiting, {row.attempts} tries: {row.why}" if row.attempts else "waiting"


@app.command("run")
def run_(
    event: EventPath,
    send: Send = False,
    run: RunOption = None,
    exercise: Annotated[
        bool, typer.Option("--exercise", help="Send what comes from a replay, every message marked EXERCISE.")
    ] = False,
    once: Annotated[bool, typer.Option("--once", help="End when everything has been delivered.")] = False,
    runs: RunsPath = DEFAULT_RUNS,
    store: StoreUrl = None,
) -> None:
    """Follow the live runs of an event and tell its targets of every alert. A dry run without --send."""
    from crowdwatch import config
    from crowdwatch.drivers import build
    from crowdwatch.drivers.notifying import Options, notify

    loaded = config.load(event)
    if not send:
        err.print("[yellow]Dry run: nothing is sent and nothing is kept. Give --send to send.[/]")

    def say(row: Notification) -> None:
        tell(f"{clock(row.t_ns)} {row.target_id}: {row.zone_id} {row.alarm} {row.transition}: {_said(row)}")

    with stopping() as stop:
        options = Options(
            build.store_url(runs, store), send, run, exercise, once, stop, say,
            lambda target, text: tell(f"--- {target}\n{text}"),
        )  # fmt: skip
        notify(loaded, options)
    err.print(f"Nobody is told of {literal(loaded.id)} any more.")


@app.command("test")
def try_(
    event: EventPath,
    target: Annotated[str, typer.Argument(help="Id of the target.", metavar="TARGET")],
    zone: Annotated[str | None, typer.Option("--zone", help="Zone that the message names.")] = None,
    send: Send = False,
    runs: RunsPath = DEFAULT_RUNS,
    store: StoreUrl = None,
) -> None:
    """Send a test message through the rule and the way that alerts take."""
    from crowdwatch import config
    from crowdwatch.core.notices import NotificationState
    from crowdwatch.drivers import build
    from crowdwatch.drivers.notifying import Options, try_target

    with stopping() as stop:
        show = Options(
            build.store_url(runs, store), send, stop=stop, show=lambda name, text: tell(f"--- {name}\n{text}")
        )
        row = try_target(config.load(event), target, show, zone_id=zone)
    if not send:
        err.print("[yellow]Dry run: nothing was sent. Give --send to send.[/]")
    tell(f"{row.target_id}: {_said(row)}")
    if row.state is not NotificationState.SENT:
        raise typer.Exit(EXIT_ERROR)


@app.command()
def status(
    run: Annotated[str | None, typer.Option("--run", help="The run. [default: the newest]")] = None,
    target: Annotated[str | None, typer.Option("--target", help="This target alone.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    runs: RunsPath = DEFAULT_RUNS,
    store: StoreUrl = None,
) -> None:
    """List every notification of a run: delivered, waiting with the last fault, or not told with the reason."""
    from crowdwatch.core.notices import NotificationState
    from crowdwatch.drivers import build

    url = build.store_url(runs, store)
    with opened_store(runs, store) as opened, closing(build.open_outgoing(url)) as outgoing:
        chosen = chosen_run(opened, run)
        rows = outgoing.notifications(chosen.run_id, target)
    if as_json:
        tell(to_json([_plain(row) for row in rows]))
    else:
        table = Table(title=cell(f"run {chosen.run_id}: {len(rows)} notifications"))
        for column in ("event time", "target", "zone", "alarm", "transition", "level", "state", "key"):
            table.add_column(column, overflow="fold", no_wrap=column == "key")
        for row in rows:
            shown = (clock(row.t_ns), row.target_id, row.zone_id, row.alarm, row.transition, row.level.name.lower())
            table.add_row(*map(cell, (*shown, _said(row), row.key)))
        out.print(table)
    if any(row.state is NotificationState.WAITING and row.attempts for row in rows):
        raise typer.Exit(EXIT_FAULTS)


def _plain(row: Notification) -> dict[str, object]:
    return {
        "key": row.key, "run_id": row.run_id, "target": row.target_id, "zone_id": row.zone_id, "alarm": row.alarm,
        "t_ns": row.t_ns, "transition": row.transition, "level": row.level.name.lower(), "state": row.state.value,
        "attempts": row.attempts, "why": row.why, "exercise": row.exercise, "test": row.test,
        "created_wall_ns": row.created_wall_ns, "done_wall_ns": row.done_wall_ns,
    }  # fmt: skip
