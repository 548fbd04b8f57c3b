"""``crowdwatch voice``: speak messages, confirm them, silence them."""

from __future__ import annotations

import getpass
import time
from pathlib import Path
from typing import Annotated

import typer

from crowdwatch.commands.dispatch_commands import Actor, Role, Within, ask
from crowdwatch.commands.stored import RunOption, opened
from crowdwatch.commands.terminal import (
    DEFAULT_RUNS,
    EXIT_ERROR,
    EventPath,
    RunsPath,
    StoreUrl,
    clock,
    err,
    stopping,
    tell,
)
from crowdwatch.errors import ConfigError

__all__ = ["app"]

app = typer.Typer(help="Messages for loudspeakers: a person confirms, a program speaks.", no_args_is_help=True)

Folder = Annotated[Path | None, typer.Option("--sounds", help="Folder of the sound files. [default: in --runs]")]


@app.command("run")
def run_(
    event: EventPath,
    aloud: Annotated[bool, typer.Option("--aloud", help="Really play. Without it, sounds are made and shown.")] = False,
    run: RunOption = None,
    sounds: Folder = None,
    runs: RunsPath = DEFAULT_RUNS,
    store: StoreUrl = None,
) -> None:
    """Follow the newest live run of an event, and say what a person has confirmed, or the event file approves."""
    from crowdwatch import config
    from crowdwatch.core.voice import Play
    from crowdwatch.drivers import build
    from crowdwatch.drivers.speaking import Options, speak

    if not aloud:
        err.print("[yellow]Dry run: nothing is heard. Give --aloud to play.[/]")

    def say(play: Play, why: str) -> None:
        what = f"not said ({why})" if why else "said" if aloud else "would be said"
        tell(f"{clock(play.t_ns)} {play.zone_id}: {what}: {' | '.join(play.texts.values())}")

    with stopping() as stop:
        speak(
            config.load(event),
            Options(build.store_url(runs, store), sounds or runs / "sounds", aloud, run, stop, say),
        )


@app.command("list")
def list_(run: RunOption = None, runs: RunsPath = DEFAULT_RUNS, store: StoreUrl = None) -> None:
    """List the messages that alerts have proposed, newest first, and how often each reminder was said."""
    from crowdwatch import config
    from crowdwatch.analytics.voice import reminders
    from crowdwatch.drivers.speaking import Speech

    with opened(runs, store, run) as (opened_store, chosen):
        speech = Speech(config.from_json(chosen.config_json))
        alerts, acted = opened_store.alerts(chosen.run_id), opened_store.acted(chosen.run_id)
    for one in speech.announcements(alerts, acted, chosen.t_ns):
        by = f" by {one.by}" if one.by else ""
        head = f"{one.announcement_id}: {clock(one.proposed_ns)} {one.zone_id} {one.level.name.lower()}: "
        tell(f"{head}{one.state.value}{by}: {' | '.join(one.texts.values())}")
    for reminder in speech.rules.reminders:
        said, quiet = reminders(alerts, acted, reminder, chosen.t_ns, speech.context.minute)
        tell(f"reminder {reminder.reminder_id}: due {len(said)} times, {quiet} times not said in quiet hours")


def _order(kind: str, run: str | None, actor: str, role: str, within_s: float, runs: Path, url: str | None,
    zone_id: str, subject: str, alarm: str = "") -> None:  # fmt: skip
    from crowdwatch.core.runs import Command, CommandKind
    from crowdwatch.words import reason_text

    with opened(runs, url, run) as (store, chosen):
        command = Command(
            chosen.run_id, CommandKind(kind), actor or getpass.getuser(), time.time_ns(), zone_id, alarm, role=role,
            subject=subject,
        )  # fmt: skip
        _, refused = ask(store, command, within_s)
    if refused:
        tell(f"refused: {reason_text('en', refused)}.")
        raise typer.Exit(EXIT_ERROR)
    tell(f"{kind}: taken.")


@app.command()
def confirm(
    message: Annotated[str, typer.Argument(help="Id of the message, as `voice list` shows it.", metavar="MESSAGE")],
    run: RunOption = None, actor: Actor = "", role: Role = "commander", within: Within = 5.0,
    runs: RunsPath = DEFAULT_RUNS, store: StoreUrl = None,
) -> None:  # fmt: skip
    """Let a message be spoken."""
    from crowdwatch import config
    from crowdwatch.core.voice import SpeechState
    from crowdwatch.drivers.speaking import Speech

    with opened(runs, store, run) as (opened_store, chosen):
        speech = Speech(config.from_json(chosen.config_json))
        found = speech.announcements(opened_store.alerts(chosen.run_id), opened_store.acted(chosen.run_id), chosen.t_ns)
    one = next((each for each in found if each.announcement_id == message), None)
    if one is None:
        raise ConfigError(f"message {message!r}: there is none. `crowdwatch voice list` shows them.")
    if one.state is SpeechState.OVER:
        raise ConfigError(f"message {message!r}: its alert has moved on, so that it is not said any more.")
    _order("confirm", run, actor, role, within, runs, store, one.zone_id, message, one.alarm)


@app.command()
def silence(
    zone: Annotated[str, typer.Option("--zone", help="The messages of this zone alone. [default: all]")] = "",
    run: RunOption = None, actor: Actor = "", role: Role = "operator", within: Within = 5.0,
    runs: RunsPath = DEFAULT_RUNS, store: StoreUrl = None,
) -> None:  # fmt: skip
    """Stop what is spoken now, at once, and everything that was confirmed before."""
    _order("silence", run, actor, role, within, runs, store, zone, "")


@app.command("try")
def try_(
    text: Annotated[str, typer.Argument(help="What to say.", metavar="TEXT")],
    language: Annotated[str, typer.Option("--language", help="en or zh.")] = "zh",
    event: Annotated[Path | None, typer.Option("--event", help="Event file with the program and the voices.")] = None,
    aloud: Annotated[bool, typer.Option("--aloud", help="Play it.")] = False,
    sounds: Folder = None,
    runs: RunsPath = DEFAULT_RUNS,
) -> None:
    """Make the sound of a text, measure it, and play it if asked to."""
    from crowdwatch import config
    from crowdwatch.notify.speech import ENGINE, PLAYER, Player, Synthesiser

    settings = None if event is None else config.load(event).voice
    engine = ENGINE if settings is None or settings.engine is None else tuple(settings.engine)
    player = PLAYER if settings is None or settings.player is None else tuple(settings.player)
    voices = {} if settings is None else {str(name): voice for name, voice in settings.voices.items()}
    sound = Synthesiser(sounds or runs / "sounds", engine, voices).speak(text, language)
    tell(f"{sound.path}: {sound.seconds:.1f} s, mean {sound.rms_dbfs:.0f} dBFS, peak {sound.peak_dbfs:.0f} dBFS")
    if aloud:
        Player(player).play(sound)
