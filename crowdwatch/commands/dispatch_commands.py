"""``crowdwatch dispatch``: send units to alerts, and see how fast that was."""

from __future__ import annotations

import getpass
import math
import time
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from crowdwatch.commands.stored import RunOption, opened
from crowdwatch.commands.terminal import DEFAULT_RUNS, EXIT_ERROR, RunsPath, StoreUrl, cell, out, tell
from crowdwatch.core.plain_json import to_json
from crowdwatch.errors import ConfigError

if TYPE_CHECKING:
    from crowdwatch.analytics.dispatch import Waits
    from crowdwatch.core.ports import Store
    from crowdwatch.core.reasons import Reason
    from crowdwatch.core.runs import Command, CommandKind, Run
    from crowdwatch.core.site import Site

__all__ = ["app", "ask", "site_of"]

app = typer.Typer(help="Units on the ground: assign them to alerts, and see how fast that was.", no_args_is_help=True)

Actor = Annotated[str, typer.Option("--actor", help="Who asks. [default: the user of this system]")]
Role = Annotated[str, typer.Option("--role", help="In which role.")]
UnitId = Annotated[str, typer.Argument(help="Id of the unit.", metavar="UNIT")]
Within = Annotated[float, typer.Option("--within", min=0, help="Seconds to wait for the engine's answer.")]


def site_of(run: Run) -> Site:
    """The site of a run."""
    from crowdwatch import config

    return config.to_site(config.from_json(run.config_json))


def ask(store: Store, command: Command, within_s: float) -> tuple[int, tuple[Reason, ...]]:
    """Queue a command and wait for what the engine does with it.

    Returns:
        Its number, and why it was refused at the door; nothing where it was taken.

    Raises:
        ConfigError: it can never be carried out, or no engine took it in time.
    """
    from crowdwatch.core.commands import judge
    from crowdwatch.words import reason_text

    refused = judge(command, [zone.zone_id for zone in site_of(store.run(command.run_id)).zones])
    if refused is not None:
        raise ConfigError(f"{command.kind.value}: {reason_text('en', (refused,))}.")
    command_id, give_up_s = store.submit(command), time.monotonic() + within_s
    while True:
        if not any(each.command_id == command_id for each in store.pending(command.run_id)):
            refusals = [each for each in store.refused(command.run_id) if each.command_id == command_id]
            return command_id, refusals[0].refused if refusals else ()
        if time.monotonic() > give_up_s:
            raise ConfigError(
                f"{command.kind.value}: queued as command {command_id}, but no engine has taken it in {within_s:g} s. "
                "It is taken when the run goes on; see whether its engine lives."
            )
        time.sleep(0.1)


def _order(
    kind: CommandKind, unit: str, run: str | None, actor: str, role: str, within_s: float, runs: RunsPath,
    url: str | None, *, zone_id: str = "", alarm: str = "", text: str = "",
) -> None:  # fmt: skip
    """Ask one thing of a unit, and say what became of it."""
    from crowdwatch.core.runs import Command
    from crowdwatch.words import reason_text

    with opened(runs, url, run) as (store, chosen):
        known = [each.unit_id for each in site_of(chosen).units]
        if unit not in known:
            raise ConfigError(f"unit {unit!r}: the event has none. Units: {', '.join(known) or 'none'}.")
        command = Command(
            chosen.run_id,
            kind,
            actor or getpass.getuser(),
            time.time_ns(),
            zone_id,
            alarm,
            subject=unit,
            role=role,
            text=text,
        )
        command_id, refused = ask(store, command, within_s)
        done, give_up_s = None, time.monotonic() + within_s
        while not refused and done is None:
            done = next((each for each in store.dispatches(chosen.run_id) if each.command_id == command_id), None)
            if time.monotonic() > give_up_s:
                break
            time.sleep(0.1)
    if done is not None and done.transition == "refused":
        refused = done.reasons
    if refused:
        tell(f"refused: {reason_text('en', refused)}.")
        raise typer.Exit(EXIT_ERROR)
    if done is None:
        tell(f"{unit}: taken by the engine; its tick is not in the store yet.")
    else:
        where = f" {done.zone_id} {done.alarm}" if done.zone_id else ""
        tell(f"{unit}: {done.transition}{where}.")


@app.command()
def assign(
    unit: UnitId,
    zone: Annotated[str, typer.Argument(help="Zone of the alert.", metavar="ZONE")],
    alarm: Annotated[str, typer.Option("--alarm", help="Which alarm of the zone.")] = "crowding",
    run: RunOption = None,
    actor: Actor = "",
    role: Role = "operator",
    within: Within = 5.0,
    runs: RunsPath = DEFAULT_RUNS,
    store: StoreUrl = None,
) -> None:
    """Send a free unit to an alert that stands."""
    from crowdwatch.core.runs import CommandKind

    _order(CommandKind.ASSIGN, unit, run, actor, role, within, runs, store, zone_id=zone, alarm=alarm)


@app.command()
def accept(
    unit: UnitId, run: RunOption = None, actor: Actor = "", role: Role = "operator", within: Within = 5.0,
    runs: RunsPath = DEFAULT_RUNS, store: StoreUrl = None,
) -> None:  # fmt: skip
    """Note that a unit has accepted its task."""
    from crowdwatch.core.runs import CommandKind

    _order(CommandKind.ACCEPT, unit, run, actor, role, within, runs, store)


@app.command()
def arrive(
    unit: UnitId, run: RunOption = None, actor: Actor = "", role: Role = "operator", within: Within = 5.0,
    runs: RunsPath = DEFAULT_RUNS, store: StoreUrl = None,
) -> None:  # fmt: skip
    """Note that a unit has arrived."""
    from crowdwatch.core.runs import CommandKind

    _order(CommandKind.ARRIVE, unit, run, actor, role, within, runs, store)


@app.command()
def release(
    unit: UnitId, run: RunOption = None, actor: Actor = "", role: Role = "operator", within: Within = 5.0,
    runs: RunsPath = DEFAULT_RUNS, store: StoreUrl = None,
) -> None:  # fmt: skip
    """End a unit's task: it is free again."""
    from crowdwatch.core.runs import CommandKind

    _order(CommandKind.RELEASE, unit, run, actor, role, within, runs, store)


@app.command()
def report(
    unit: UnitId,
    what: Annotated[str, typer.Argument(help="Its place in metres as 12.5,-3.0 (east,north), or off, or on.")],
    run: RunOption = None, actor: Actor = "", role: Role = "operator", within: Within = 5.0,
    runs: RunsPath = DEFAULT_RUNS, store: StoreUrl = None,
) -> None:  # fmt: skip
    """Note where a unit is, or that it goes off or comes on duty."""
    from crowdwatch.core.runs import CommandKind

    _order(CommandKind.UNIT, unit, run, actor, role, within, runs, store, text=what)


@app.command()
def units(
    zone: Annotated[
        str | None, typer.Option("--near", help="List the free ones by walking distance to a zone.")
    ] = None,
    run: RunOption = None,
    runs: RunsPath = DEFAULT_RUNS,
    store: StoreUrl = None,
) -> None:
    """List the units: what each is doing, and where."""
    from crowdwatch.analytics.dispatch import roster_of
    from crowdwatch.analytics.walking import Walker

    with opened(runs, store, run) as (opened_store, chosen):
        site = site_of(chosen)
        now = roster_of(site, opened_store.dispatches(chosen.run_id)).units
    table = Table(title=cell(f"units of run {chosen.run_id}"))
    for column in ("unit", "state", "task", "east m", "north m", *(["walk m"] if zone else [])):
        table.add_column(column)
    shown: list[tuple[str, float]] = [(name, math.nan) for name in now]
    if zone is not None:
        if zone not in [each.zone_id for each in site.zones]:
            raise ConfigError(f"zone {zone!r}: there is none. Zones: {', '.join(z.zone_id for z in site.zones)}.")
        shown = [(unit.unit_id, metres) for unit, metres in Walker(site).nearest(zone, now.values())]
    for name, metres in shown:
        unit = now[name]
        row = (name, unit.state.value, f"{unit.zone_id} {unit.alarm}", f"{unit.east_m:.1f}", f"{unit.north_m:.1f}")
        table.add_row(*map(cell, (*row, *([f"{metres:.0f}"] if zone else []))))
    out.print(table)


@app.command()
def rate(
    run: RunOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    runs: RunsPath = DEFAULT_RUNS,
    store: StoreUrl = None,
) -> None:
    """Share of actionable alerts to which a unit was assigned within a minute, and how long people waited."""
    from dataclasses import asdict

    from crowdwatch.analytics.dispatch import figures

    with opened(runs, store, run) as (opened_store, chosen):
        found = figures(
            opened_store.alerts(chosen.run_id), opened_store.dispatches(chosen.run_id), chosen.t_ns or chosen.to_ns
        )
    if as_json:
        tell(to_json(asdict(found)))
        return
    if not found.alerts:
        tell(f"run {chosen.run_id}: no actionable alert is judged yet ({found.open} younger than a minute).")
        return
    tell(
        f"one-minute dispatch: {found.within} of {found.alerts} alerts, {found.rate:.0%} (95 % interval "
        f"{found.low:.0%} to {found.high:.0%}); {found.undispatched} without a unit, {found.open} younger than a minute"
    )
    for name, waits in (("dispatch", found.dispatch), ("acknowledge", found.acknowledge), ("arrive", found.arrive)):
        tell(f"time to {name}: {_waited(waits)}")


def _waited(waits: Waits) -> str:
    return f"P50 {waits.p50_s:.0f} s, P90 {waits.p90_s:.0f} s, n = {waits.n}" if waits.n else "never"
