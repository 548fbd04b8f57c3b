"""``crowdwatch gate``: what people with clickers, turnstiles and ticket scans counted at a gate."""

from __future__ import annotations

import csv
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crowdwatch.commands.stored import opened_store
from crowdwatch.commands.terminal import DEFAULT_RUNS, RunsPath, StoreUrl, tell
from crowdwatch.core.gate_counts import count_fault, count_text
from crowdwatch.errors import AuditRefused

if TYPE_CHECKING:
    from crowdwatch.core.ports import Store

__all__ = ["COLUMNS", "Counted", "app", "read_counts"]

app = typer.Typer(help="People counted at gates by hand or by turnstiles.", no_args_is_help=True)

COLUMNS = ("until", "duration_s", "gate_id", "in", "out")
"""Of the table that ``crowdwatch gate import`` reads: the end of the time as ISO 8601 with its offset from UTC, its
length in seconds, the gate's id, and how many went in and out, whole numbers."""


@dataclass(frozen=True, slots=True)
class Counted:
    """One row: who crossed a gate in the ``duration_s`` before ``until_ns``; None where that is now."""

    gate_id: str
    into: int
    out: int
    duration_s: float
    until_ns: int | None = None


# -5 is a count that is refused with a reason, not an option that nobody knows
@app.command(context_settings={"ignore_unknown_options": True})
def count(
    run: Annotated[str, typer.Argument(help="The run.", metavar="RUN")],
    gate: Annotated[str, typer.Argument(help="The gate's id.", metavar="GATE")],
    into: Annotated[int, typer.Option("--in", help="People who came in.")] = 0,
    out: Annotated[int, typer.Option("--out", help="People who went out.")] = 0,
    minutes: Annotated[
        float, typer.Option("--minutes", help="Over how long they were counted. [default: since the last such count]")
    ] = 0.0,
    actor: Annotated[str, typer.Option("--actor", help="Who counted.")] = "operator",
    runs: RunsPath = DEFAULT_RUNS,
    store: StoreUrl = None,
) -> None:
    """Enter what somebody with a clicker counted up to now: it takes the place of what the cameras counted there."""
    with opened_store(runs, store) as opened:
        _queue(opened, run, [Counted(gate, into, out, minutes * 60)], actor)
    tell(f"gate {gate}: {into} in and {out} out are queued. The run takes them in at its next tick.")


@app.command("import")
def import_counts(
    run: Annotated[str, typer.Argument(help="The run.", metavar="RUN")],
    file: Annotated[Path, typer.Argument(help="CSV with the columns " + ", ".join(COLUMNS) + ".", metavar="FILE")],
    actor: Annotated[str, typer.Option("--actor", help="Which system counted.")] = "import",
    runs: RunsPath = DEFAULT_RUNS,
    store: StoreUrl = None,
) -> None:
    """Enter what turnstiles or ticket scans counted, all of a table or nothing of it."""
    rows = read_counts(file)
    with opened_store(runs, store) as opened:
        _queue(opened, run, rows, actor)
    tell(f"{len(rows)} rows of {file.name} are queued. The run takes them in at its next tick.")


def read_counts(path: Path) -> list[Counted]:
    """Read the table of :data:`COLUMNS`, in the order of time.

    Raises:
        AuditRefused: it lacks a column, or a row says what cannot be; every such row is named.
    """
    from crowdwatch.config.times import parse_time

    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            if not set(COLUMNS) <= set(reader.fieldnames or ()):
                raise AuditRefused(f"{path}: got columns {reader.fieldnames}, need {', '.join(COLUMNS)}.")
            rows = list(enumerate(reader, start=2))
    except (UnicodeDecodeError, csv.Error) as error:
        raise AuditRefused(f"{path}: not a table ({error}). Save it as CSV in UTF-8.") from error
    found, faults = [], []
    for line, row in rows:
        try:
            one = Counted(
                row["gate_id"].strip(), int(row["in"]), int(row["out"]), float(row["duration_s"]),
                parse_time(row["until"].strip()),
            )  # fmt: skip
            if not one.duration_s > 0 or any(count_fault(n, one.duration_s) is not None for n in (one.into, one.out)):
                raise ValueError("a count is a whole number from 0 up, a duration is above 0")
            found.append(one)
        except (ValueError, TypeError, AttributeError) as error:
            faults.append(f"line {line}: {error}")
    if faults or not found:
        more = f" and {len(faults) - 5} more" if len(faults) > 5 else ""
        raise AuditRefused(f"{path}: {'; '.join(faults[:5]) or 'it has no rows'}{more}. Nothing was entered.")
    return sorted(found, key=lambda one: (one.until_ns or 0, one.gate_id))


def _queue(store: Store, run_id: str, rows: Sequence[Counted], actor: str) -> None:
    """Queue every row as two actions, or refuse them all."""
    from crowdwatch import config
    from crowdwatch.core.runs import Command, CommandKind

    gates = {gate.id for gate in config.from_json(store.run(run_id).config_json).gates}
    for row in rows:
        if row.gate_id not in gates:
            known = ", ".join(sorted(gates)) or "none"
            raise AuditRefused(f"gate {row.gate_id!r}: the event has none of that id. It has: {known}.")
        for people in (row.into, row.out):
            if count_fault(people, row.duration_s) is not None:
                raise AuditRefused(
                    f"gate {row.gate_id!r}: got {people} people in {row.duration_s:g} s, need a number from 0 up that "
                    "a gate can let through, in a day at most. Count again."
                )
    for row in rows:
        for people, inward in ((row.into, True), (row.out, False)):
            store.submit(
                Command(
                    run_id, CommandKind.GATE_COUNT, actor, time.time_ns(), subject=row.gate_id, value=float(people),
                    text=count_text(inward, row.until_ns), duration_s=row.duration_s,
                )
            )  # fmt: skip
