"""``crowdwatch alerts``: what people do to alarms, queued as the page queues it, and the load that alarms are."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from crowdwatch.commands.run_lists import ListByDefault, list_alerts
from crowdwatch.commands.stored import RunOption, opened
from crowdwatch.commands.terminal import DEFAULT_RUNS, RunsPath, StoreUrl, cell, clock, out, tell
from crowdwatch.core.plain_json import to_json
from crowdwatch.errors import CommandRefused

if TYPE_CHECKING:
    from crowdwatch.analytics.alarm_load import AlarmLoad
    from crowdwatch.core.ports import Store
    from crowdwatch.core.runs import CommandKind, Run

__all__ = ["app"]

app = typer.Typer(
    cls=ListByDefault, help="Alarms of a run: list them, acknowledge, shelve, report.", no_args_is_help=True
)
app.command("list")(list_alerts)

ZoneArgument = Annotated[str, typer.Argument(help="The zone's id.", metavar="ZONE")]
AlarmArgument = Annotated[
    str, typer.Argument(help="The alarm: crowding, blindness, another rule, or report:N.", metavar="ALARM")
]
ActorOption = Annotated[str, typer.Option("--actor", help="Who does it.")]
RoleOption = Annotated[str, typer.Option("--role", help="In which role: operator, commander, administrator.")]
SeenOption = Annotated[
    str | None, typer.Option("--seen", help="The level that was seen: watch ... critical. [default: the newest]")
]
WhyOption = Annotated[str, typer.Option("--reason", help="Why.")]


def _level(text: str) -> int:
    from crowdwatch.core.outcomes import Level

    names = {level.name.lower(): level.value for level in Level if level >= Level.NORMAL}
    if text.lower() not in names:
        raise CommandRefused(f"level {text!r}: need one of {', '.join(names)}.")
    return names[text.lower()]


def _seen(store: Store, run: Run, zone_id: str, alarm: str, seen: str | None) -> float:
    """The level that was seen: as it was told, else that of the newest tick."""
    if seen is not None:
        return float(_level(seen))
    newest_ns = run.t_ns or run.to_ns
    found = [each for each in store.alarms(run.run_id, newest_ns) if (each.zone_id, each.alarm) == (zone_id, alarm)]
    return float(max((each.level for each in found), default=0))


def _queue(store: Store, run: Run, kind: CommandKind, actor: str, **more: str | float) -> None:
    """Judge a command as the engine will, and queue it.

    Raises:
        CommandRefused: it cannot be carried out, or the run is over.
    """
    from crowdwatch import config
    from crowdwatch.core.commands import judge
    from crowdwatch.core.runs import Command, RunState
    from crowdwatch.words import reason_text

    if run.state in (RunState.FINISHED, RunState.FAILED):
        raise CommandRefused(f"run {run.run_id}: it is over, nothing can be done in it. Name another one with --run.")
    command = Command(run.run_id, kind, actor, time.time_ns(), **more)  # type: ignore[arg-type]
    refused = judge(command, {zone.id for zone in config.from_json(run.config_json).zones})
    if refused is not None:
        raise CommandRefused(f"{kind.value}: {reason_text('en', (refused,))}.")
    number = store.submit(command)
    tell(f"command {number} ({kind.value}) is queued for run {run.run_id}; the engine takes it with its next tick.")


@app.command()
def ack(
    zone: ZoneArgument,
    alarm: AlarmArgument = "crowding",
    seen: SeenOption = None,
    actor: ActorOption = "operator",
    role: RoleOption = "operator",
    run: RunOption = None,
    runs: RunsPath = DEFAULT_RUNS,
    store: StoreUrl = None,
) -> None:
    """Acknowledge an alarm: somebody has seen it and deals with it."""
    from crowdwatch.core.runs import CommandKind

    with opened(runs, store, run) as (kept, chosen):
        level = _seen(kept, chosen, zone, alarm, seen)
        _queue(kept, chosen, CommandKind.ACKNOWLEDGE, actor, zone_id=zone, alarm=alarm, value=level, role=role)


@app.command()
def shelve(
    zone: ZoneArgument,
    minutes: Annotated[float, typer.Option("--minutes", help="For how long, at most 15.")],
    reason: WhyOption,
    alarm: AlarmArgument = "crowding",
    seen: SeenOption = None,
    actor: ActorOption = "operator",
    role: RoleOption = "operator",
    run: RunOption = None,
    runs: RunsPath = DEFAULT_RUNS,
    store: StoreUrl = None,
) -> None:
    """Silence an alarm for a while. A critical one needs a second person, who does the same under another name."""
    from crowdwatch.core.runs import CommandKind

    with opened(runs, store, run) as (kept, chosen):
        level = _seen(kept, chosen, zone, alarm, seen)
        _queue(
            kept, chosen, CommandKind.SHELVE, actor, zone_id=zone, alarm=alarm, value=level, role=role, text=reason,
            duration_s=minutes * 60,
        )  # fmt: skip


@app.command()
def unshelve(
    zone: ZoneArgument,
    alarm: AlarmArgument = "crowding",
    actor: ActorOption = "operator",
    role: RoleOption = "operator",
    run: RunOption = None,
    runs: RunsPath = DEFAULT_RUNS,
    store: StoreUrl = None,
) -> None:
    """End the silence of an alarm before its time."""
    from crowdwatch.core.runs import CommandKind

    with opened(runs, store, run) as (kept, chosen):
        _queue(kept, chosen, CommandKind.UNSHELVE, actor, zone_id=zone, alarm=alarm, role=role)


@app.command("out-of-service")
def out_of_service(
    zone: ZoneArgument,
    alarm: AlarmArgument,
    reason: WhyOption = "",
    level: Annotated[str, typer.Option("--level", help="The highest level that stays silent.")] = "alert",
    minutes: Annotated[float, typer.Option("--minutes", help="For how long; 0: until it is taken back.")] = 0.0,
    back: Annotated[bool, typer.Option("--back", help="Put it into service again.")] = False,
    actor: ActorOption = "operator",
    role: RoleOption = "commander",
    run: RunOption = None,
    runs: RunsPath = DEFAULT_RUNS,
    store: StoreUrl = None,
) -> None:
    """Take an alarm out of service while something is mended, or put it into service again."""
    from crowdwatch.core.runs import CommandKind

    with opened(runs, store, run) as (kept, chosen):
        if back:
            _queue(kept, chosen, CommandKind.IN_SERVICE, actor, zone_id=zone, alarm=alarm, role=role)
            return
        _queue(
            kept, chosen, CommandKind.OUT_OF_SERVICE, actor, zone_id=zone, alarm=alarm, value=float(_level(level)),
            role=role, text=reason, duration_s=minutes * 60,
        )  # fmt: skip


@app.command()
def report(
    place: Annotated[str, typer.Argument(help="The zone's id, or the place in words.", metavar="PLACE")],
    text: Annotated[str, typer.Argument(help="What was reported.", metavar="TEXT")],
    kind: Annotated[str, typer.Option("--kind", help="What it is: lost child, person down, fight, ...")] = "report",
    level: Annotated[str, typer.Option("--level", help="watch, caution, alert or critical.")] = "caution",
    actor: ActorOption = "operator",
    role: RoleOption = "operator",
    run: RunOption = None,
    runs: RunsPath = DEFAULT_RUNS,
    store: StoreUrl = None,
) -> None:
    """Raise an alert that a person reports, by radio or telephone."""
    from crowdwatch.core.runs import CommandKind

    with opened(runs, store, run) as (kept, chosen):
        _queue(
            kept, chosen, CommandKind.REPORT, actor, zone_id=place, subject=kind, text=text, role=role,
            value=float(_level(level)),
        )  # fmt: skip


@app.command()
def close(
    zone: ZoneArgument,
    alarm: AlarmArgument,
    reason: WhyOption,
    seen: SeenOption = None,
    actor: ActorOption = "operator",
    role: RoleOption = "operator",
    run: RunOption = None,
    runs: RunsPath = DEFAULT_RUNS,
    store: StoreUrl = None,
) -> None:
    """Close a report, or an alarm that stays until a person closes it."""
    from crowdwatch.core.runs import CommandKind

    with opened(runs, store, run) as (kept, chosen):
        level = _seen(kept, chosen, zone, alarm, seen)
        more = {"zone_id": zone, "alarm": alarm, "text": reason, "role": role}
        _queue(kept, chosen, CommandKind.CLOSE, actor, value=level, **more)


@app.command()
def level(
    zone: ZoneArgument,
    to: Annotated[str, typer.Argument(help="normal, watch, caution, alert or critical.", metavar="LEVEL")],
    reason: WhyOption = "",
    minutes: Annotated[float, typer.Option("--minutes", help="For how long; needed to lower it.")] = 0.0,
    actor: ActorOption = "operator",
    role: RoleOption = "commander",
    run: RunOption = None,
    runs: RunsPath = DEFAULT_RUNS,
    store: StoreUrl = None,
) -> None:
    """Set a zone's level by hand: upwards at once, downwards with a reason and for a time."""
    from crowdwatch.core.runs import CommandKind

    with opened(runs, store, run) as (kept, chosen):
        _queue(
            kept, chosen, CommandKind.SET_LEVEL, actor, zone_id=zone, alarm="crowding", value=float(_level(to)),
            text=reason, role=role, duration_s=minutes * 60,
        )  # fmt: skip


@app.command()
def note(
    text: Annotated[str, typer.Argument(help="The note.", metavar="TEXT")],
    zone: Annotated[str, typer.Option("--zone", help="The zone of the alarm that it is about.")] = "",
    alarm: Annotated[str, typer.Option("--alarm", help="The alarm that it is about.")] = "",
    actor: ActorOption = "operator",
    role: RoleOption = "operator",
    run: RunOption = None,
    runs: RunsPath = DEFAULT_RUNS,
    store: StoreUrl = None,
) -> None:
    """Write a note into the log of what happened."""
    from crowdwatch.core.runs import CommandKind

    with opened(runs, store, run) as (kept, chosen):
        _queue(kept, chosen, CommandKind.NOTE, actor, zone_id=zone, alarm=alarm, text=text, role=role)


@app.command()
def phase(
    to: Annotated[
        str | None, typer.Argument(help="The phase; `clock` gives it back to the clock.", metavar="PHASE")
    ] = None,
    reason: WhyOption = "",
    actor: ActorOption = "operator",
    role: RoleOption = "commander",
    run: RunOption = None,
    runs: RunsPath = DEFAULT_RUNS,
    store: StoreUrl = None,
) -> None:
    """Change the phase by hand; without one, print the run sheet."""
    from crowdwatch import config
    from crowdwatch.core.runs import CommandKind

    with opened(runs, store, run) as (kept, chosen):
        event = config.from_json(chosen.config_json)
        known = {each.id: event.phase_start_ns(each) for each in event.phases}
        if to is None:
            newest_ns = chosen.t_ns or chosen.from_ns
            for name, start_ns in known.items():
                tell(f"{clock(start_ns)} {name}{' (begun)' if start_ns <= newest_ns else ''}")
            return
        if to != "clock" and to not in known:
            raise CommandRefused(f"phase {to!r}: the event has {', '.join(known) or 'none'}.")
        subject = "" if to == "clock" else to
        _queue(kept, chosen, CommandKind.PHASE, actor, subject=subject, text=reason, role=role)


@app.command()
def load(
    run: Annotated[str | None, typer.Argument(help="The run. [default: the newest]", metavar="RUN")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    runs: RunsPath = DEFAULT_RUNS,
    store: StoreUrl = None,
) -> None:
    """Print how much alarms asked of the control room, against the figures of EEMUA 191."""
    from crowdwatch.analytics.alarm_load import alarm_load

    with opened(runs, store, run) as (kept, chosen):
        found = alarm_load(kept.alerts(chosen.run_id), chosen.from_ns, chosen.t_ns or chosen.from_ns)
    if as_json:
        tell(to_json({"run": chosen.run_id, **asdict(found), "beyond": found.beyond()}))
        return
    _print_load(chosen.run_id, found)


def _print_load(run_id: str, found: AlarmLoad) -> None:
    from rich.table import Table

    from crowdwatch.analytics.alarm_load import TARGETS

    beyond = found.beyond()
    shown = Table("figure", "measured", "at most (EEMUA 191)", title=cell(run_id))
    rows = (
        ("mean_10_min", "alarms in 10 minutes, on average", f"{found.mean_10_min:.2f}"),
        ("most_10_min", "alarms in the worst 10 minutes", str(found.most_10_min)),
        ("most_1_min", "alarms in the worst minute", str(found.most_1_min)),
        ("chattering", "alarms that chatter (3 in a minute)", _named(found.chattering)),
        ("standing", "alarms active for 24 h", _named(found.standing)),
    )
    for name, what, value in rows:
        shown.add_row(what, cell(value), f"{TARGETS[name]:g}", style="bold red" if name in beyond else None)
    out.print(shown)
    watch, caution, alert, critical = found.by_level
    tell(
        f"{found.alarms} alarms by cause, {found.single} one by one, {found.again} said again; in a flood "
        f"{found.flood_share:.0%} of the time; {found.open_at_end} active at the end. By level: watch {watch}, "
        f"caution {caution}, alert {alert}, critical {critical}."
    )


def _named(keys: tuple[tuple[str, str], ...]) -> str:
    return f"{len(keys)} ({', '.join(f'{zone} {alarm}' for zone, alarm in keys[:5])})" if keys else "0"
