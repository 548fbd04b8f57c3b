"""``crowdwatch audit-log``: who did what, and whether the log of it is whole."""

from __future__ import annotations

import csv
import json
import sys
from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from crowdwatch.commands.terminal import DEFAULT_RUNS, EXIT_FAULTS, RunsPath, StoreUrl, cell, complain, out, tell
from crowdwatch.core.plain_json import to_json
from crowdwatch.errors import ConfigError

if TYPE_CHECKING:
    from crowdwatch.core.accounts import Entry

__all__ = ["app"]

app = typer.Typer(help="The audit log: who signed in, saw, took and did what.", no_args_is_help=True)

COLUMNS = ("seq", "time", "kind", "actor", "role", "source", "detail", "digest")


def _row(entry: Entry) -> dict[str, Any]:
    time = datetime.fromtimestamp(entry.wall_ns / 1e9, UTC).isoformat(timespec="milliseconds")
    return {key: value for key, value in (asdict(entry) | {"time": time}).items() if key in COLUMNS}


@app.command("list")
def list_(
    last: Annotated[int, typer.Option("--last", min=1, help="So many of the newest entries.")] = 100,
    everything: Annotated[bool, typer.Option("--all", help="Every entry.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    runs: RunsPath = DEFAULT_RUNS,
    store: StoreUrl = None,
) -> None:
    """List entries, oldest first."""
    from crowdwatch.drivers import build

    if as_json and as_csv:
        raise ConfigError("--json --csv: name one of them.")
    with closing(build.open_people(build.store_url(runs, store))) as people:
        found = people.entries(None if everything else last)
    rows = [_row(entry) for entry in found]
    if as_json:
        tell(to_json([row | {"detail": json.loads(row["detail"])} for row in rows]))
        return
    if as_csv:
        writer = csv.DictWriter(sys.stdout, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows({key: _cell(row[key]) for key in COLUMNS} for row in rows)
        return
    table = Table(*COLUMNS[:-1])
    for row in rows:
        table.add_row(*(cell(row[key]) for key in COLUMNS[:-1]))
    out.print(table)


def _cell(value: object) -> object:
    """A text that a spreadsheet would take for a formula gets an apostrophe before it."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@") else value


def _expected(text: str) -> tuple[int, str]:
    seq, _, digest = text.partition(":")
    if not seq.isdecimal() or int(seq) < 1 or len(digest) != 64 or set(digest) - set("0123456789abcdef"):
        raise ConfigError(f"--expect {text[:80]!r}: need NUMBER:DIGEST, as `crowdwatch audit-log verify` prints it.")
    return int(seq), digest


@app.command()
def verify(
    expect: Annotated[
        str | None, typer.Option("--expect", help="NUMBER:DIGEST that an earlier verify printed: finds a cut end.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    runs: RunsPath = DEFAULT_RUNS,
    store: StoreUrl = None,
) -> None:
    """Check that no entry was changed, removed, added or moved; names the first that does not fit."""
    from crowdwatch.drivers import build

    noted = None if expect is None else _expected(expect)
    with closing(build.open_people(build.store_url(runs, store))) as people:
        fault, newest = people.fault(noted), people.entries(1)
    mark = f"{newest[0].seq}:{newest[0].digest}" if newest else ""
    if as_json:
        tell(to_json({"whole": fault is None, "fault": fault and asdict(fault), "checkpoint": mark}))
    elif fault is None:
        tell(f"whole: {newest[0].seq if newest else 0} entries. Note this for the next time: {mark or 'nothing yet'}")
    else:
        complain(f"the audit log is not whole: {fault.why}. Keep the store as it is, and compare it with a copy.")
    if fault is not None:
        raise typer.Exit(EXIT_FAULTS)
