"""``crowdwatch watchdog``: tells people when the engine of an event lives no more."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import Annotated

import typer

from crowdwatch.commands.terminal import DEFAULT_RUNS, RunsPath, StoreUrl, err, literal, stopping, tell
from crowdwatch.errors import ConfigError

__all__ = ["watchdog"]


def watchdog(
    event: Annotated[str, typer.Option("--event", help="Id of the event to watch, as in its event file.")],
    command: Annotated[
        str | None,
        typer.Option("--command", envvar="CROWDWATCH_COMMAND", help="Program to run, the notice as JSON on its stdin."),
    ] = None,
    webhook: Annotated[
        str | None,
        typer.Option(
            "--webhook",
            envvar="CROWDWATCH_WEBHOOK",
            show_envvar=True,
            help="Address to post the notice to, as JSON. Give it by the variable: other users can read arguments.",
        ),
    ] = None,
    memory: Annotated[
        Path | None,
        typer.Option("--memory", help="File that keeps what was told, across restarts (default: in the state folder)."),
    ] = None,
    runs: RunsPath = DEFAULT_RUNS,
    store: StoreUrl = None,
) -> None:
    """Watch the engine of an event: tell once when it lives no more for 5 s, and once when it lives again."""
    from crowdwatch.drivers import build
    from crowdwatch.drivers.watchdog.telling import Command, Teller, Webhook
    from crowdwatch.drivers.watchdog.watching import Memory, watch

    if not event.strip():
        raise ConfigError("--event: is empty. Give the id of the event, as in its event file.")
    tellers: list[Teller] = []
    if command is not None:
        program = Command(command)
        if shutil.which(program.words[0]) is None:
            raise ConfigError(f"--command: {program.words[0]}: no such program. Check its path and that it may be run.")
        tellers.append(program)
    if webhook is not None:
        tellers.append(Webhook(webhook))
    if not tellers:
        err.print("[yellow]No --command and no --webhook: notices are printed here and reach nobody else.[/]")
    url = build.store_url(runs, store)
    kept = Memory(memory or _default_memory(event), event)
    with stopping() as stop:
        watch(
            lambda: build.open_store(url, create=False), event, tellers, kept, stop,
            say=lambda notice: tell(f"{notice.kind.upper()}: {notice.text}"),
        )  # fmt: skip
    err.print(f"The watch over {literal(event)} has ended.")


def _default_memory(event: str) -> Path:
    """``$STATE_DIRECTORY`` of a systemd unit, else the user's state folder."""
    from platformdirs import user_state_path

    folder = os.environ.get("STATE_DIRECTORY", "").partition(":")[0]
    name = f"watchdog-{re.sub(r'[^A-Za-z0-9._-]', '_', event)}.json"
    return (Path(folder) if folder else user_state_path("crowdwatch")) / name
