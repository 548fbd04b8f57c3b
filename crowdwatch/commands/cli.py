"""The command line. Imports of a command's own parts stand inside it, so that ``doctor`` runs where they cannot."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from crowdwatch.commands import (
    accounts_commands,
    alerts_commands,
    audit_commands,
    audit_log_commands,
    backtest_command,
    batch_command,
    camera_commands,
    demo_command,
    dispatch_commands,
    gate_commands,
    live_command,
    night_command,
    notify_commands,
    patrol_command,
    pictures_command,
    report_commands,
    run_lists,
    setup_commands,
    site_commands,
    voice_commands,
    watchdog_command,
)
from crowdwatch.commands.replaying import replayed
from crowdwatch.commands.summary import finish
from crowdwatch.commands.terminal import (
    DEFAULT_RUNS,
    EXIT_ERROR,
    RunsPath,
    StoreUrl,
    any_console,
    complain,
    err,
    literal,
    out,
    span,
    tell,
)
from crowdwatch.core.version import __version__
from crowdwatch.errors import ConfigError, CrowdWatchError, redact
from crowdwatch.telemetry import log_output

app = typer.Typer(
    name="crowdwatch",
    help="People per square metre from video, and alerts before a crush. It counts; it never identifies anyone.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
samples_app = typer.Typer(help="Sample recordings.", no_args_is_help=True)
app.add_typer(samples_app, name="samples")
app.add_typer(accounts_commands.app, name="accounts")
app.add_typer(audit_log_commands.app, name="audit-log")
app.add_typer(alerts_commands.app, name="alerts")
app.add_typer(audit_commands.app, name="audit")
app.add_typer(camera_commands.app, name="cameras")
app.command("runs")(run_lists.runs)
app.command("backtest")(backtest_command.backtest)
app.add_typer(dispatch_commands.app, name="dispatch")
app.add_typer(notify_commands.app, name="notify")
app.add_typer(voice_commands.app, name="voice")
app.add_typer(gate_commands.app, name="gate")
app.command("batch")(batch_command.batch)
app.command("live")(live_command.live)
app.command("init")(setup_commands.init)
app.command("frame")(setup_commands.frame)
app.command("night")(night_command.night)
app.command("check")(site_commands.check)
app.command("calibrate")(site_commands.calibrate)
app.command("watchdog")(watchdog_command.watchdog)
app.command("pictures")(pictures_command.pictures)
app.command("schema")(setup_commands.schema)
app.command("docs")(setup_commands.docs)
app.command("demo")(demo_command.demo)
app.command("patrol")(patrol_command.patrol)
app.add_typer(report_commands.app, name="report")


def main() -> None:
    """Run the command line: every foreseen fault ends in one message with a remedy, without a traceback."""
    any_console()
    try:
        app()
    except CrowdWatchError as error:
        complain(error)
        sys.exit(EXIT_ERROR)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        complain(f"{where}{error.strerror or error}. Check the path and the disk.")
        sys.exit(EXIT_ERROR)
    except UnicodeEncodeError as error:
        name = str(error.object)[:200]
        complain(f"{name!r}: this system cannot write it as {error.encoding}. Set a UTF-8 locale, e.g. LANG=C.UTF-8.")
        sys.exit(EXIT_ERROR)


def _version(asked: bool) -> None:
    if asked:
        out.print(f"crowdwatch {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    log_format: Annotated[
        log_output.Format, typer.Option(envvar=log_output.FORMAT_VARIABLE, help="How log messages look.")
    ] = log_output.Format.HUMAN,
    log_level: Annotated[
        log_output.Level, typer.Option(envvar=log_output.LEVEL_VARIABLE, help="From which on they are said.")
    ] = log_output.Level.WARNING,
) -> None:
    """People per square metre from video, and alerts before a crush. It counts; it never identifies anyone."""
    log_output.configure(log_format, log_level)


@app.command()
def doctor() -> None:
    """Print what this machine lacks, and the exact command that installs it."""
    from crowdwatch.commands import doctor as checks

    findings = checks.check()
    for finding in findings:
        mark = "[green]ok     [/]" if finding.ok else "[red]MISSING[/]" if finding.required else "[yellow]optional[/]"
        out.print(f"{mark} {literal(finding.name)}: {literal(finding.detail)}")
        if not finding.ok and finding.remedy:
            out.print(f"         {literal(finding.remedy)}")
    if not all(finding.ok for finding in findings if finding.required):
        raise typer.Exit(EXIT_ERROR)


@samples_app.command("fetch")
def samples_fetch(name: Annotated[str, typer.Argument(help="The sample, e.g. pets2009.")]) -> None:
    """Find or obtain a sample recording, checked by its sha256, and print where it lies."""
    from crowdwatch.assets import samples

    path = samples.fetch(name, progress=lambda text: err.print(literal(text)))
    tell(path)


def _again(event: Path | None, runs: Path, store: str | None) -> str:
    """What to type to go on with a run that was stopped; a password in the store's URL is left out."""
    words = ["crowdwatch", "replay", str(event), "--resume", "--runs", str(runs)]
    return f"Go on with: {shlex.join(words + (['--store', redact(store)] if store else []))}"


@app.command()
def replay(
    event: Annotated[
        Path | None,
        typer.Argument(help="The event file; with --log, the one whose limits apply.", metavar="EVENT.YAML"),
    ] = None,
    log: Annotated[
        Path | None, typer.Option("--log", help="Fold the log of an earlier run; no footage needed.")
    ] = None,
    speed: Annotated[float, typer.Option(min=0, help="Event time per wall time; 0 is as fast as it can.")] = 0.0,
    from_: Annotated[str | None, typer.Option("--from", help="Event time to begin at: ISO time or h:mm:ss.")] = None,
    to: Annotated[str | None, typer.Option("--to", help="Event time to end before.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the newest unfinished run.")] = False,
    pictures: Annotated[bool, typer.Option(help="Write coarsened pictures for the page.")] = True,
    runs: RunsPath = DEFAULT_RUNS,
    store: StoreUrl = None,
) -> None:
    """Replay footage, or the log of an earlier run, into readings and alerts."""
    from crowdwatch import config
    from crowdwatch.drivers import build
    from crowdwatch.drivers.replay import Options

    loaded = None if event is None else config.load(event)
    if log is not None and (from_ or to or resume):
        raise ConfigError("--log: a log is folded whole, so --from, --to and --resume do not go with it.")
    from_ns, to_ns = (None, None) if loaded is None else span(loaded, from_, to)
    options = Options(
        runs, build.store_url(runs, store), speed, from_ns=from_ns, to_ns=to_ns, resume=resume, pictures=pictures
    )
    again = _again(event, runs, store) if log is None else "Fold the log again."
    finish(replayed(loaded, log, options, again), again)


@app.command()
def ui(
    runs: RunsPath = DEFAULT_RUNS,
    store: StoreUrl = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port on this machine.")] = 8501,
    address: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    pictures: Annotated[
        str,
        typer.Option(
            envvar="CROWDWATCH_PICTURES",
            help="Address of `crowdwatch pictures` as browsers reach it, for moving pictures of live cameras.",
        ),
    ] = "",
    demo: Annotated[
        bool, typer.Option("--demo", help="Open without a sign-in, on this machine alone: a demonstration.")
    ] = False,
    shift_hours: Annotated[
        float, typer.Option("--shift-hours", min=0.1, max=24, help="How long a sign-in lasts.")
    ] = 12.0,
    oidc: Annotated[
        Path | None,
        typer.Option(
            "--oidc", envvar="CROWDWATCH_RIGHTS", help="Which role the people of an identity provider have (TOML)."
        ),
    ] = None,
) -> None:
    """Serve the page: map, cameras, alerts and charts of every run in the store."""
    from crowdwatch.drivers import build
    from crowdwatch.ui import serve

    if pictures and not pictures.startswith(("http://", "https://")):
        raise ConfigError(f"--pictures {pictures}: not an address. Give it as https://HOST.")
    url = build.store_url(runs, store)
    if demo and oidc is not None:
        raise ConfigError("--demo: nobody signs in, so --oidc does not go with it.")
    if not demo:
        accounts_commands.ready(url, oidc)
    serve.page(
        url, address=address, port=port, pictures=pictures, demo=demo, shift_s=shift_hours * 3600,
        rights="" if oidc is None else str(oidc.absolute()),
    )  # fmt: skip
