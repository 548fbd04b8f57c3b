"""Commands as the store has them: a part of :class:`~crowdwatch.store.sql.SqlStore`.

Rows are read as they are, whatever stands in them: what people did is never lost to one row that cannot be read.
"""

from __future__ import annotations

import math
from typing import Any

import sqlalchemy as sa

from crowdwatch.core.reasons import Code, Reason, reasons_from_json
from crowdwatch.core.runs import Command, CommandKind
from crowdwatch.errors import RecordError
from crowdwatch.store.connect import explained

__all__ = ["CommandReads"]

Row = dict[str, Any]

COMMAND_COLUMNS = (
    "command_id", "kind", "actor", "wall_ns", "zone_id", "alarm", "value", "sequenced_t_ns", "refused",
    "role", "subject", "text", "duration_s",
)  # fmt: skip
READ_AS_TEXT = ("kind", "actor", "zone_id", "alarm", "refused", "role", "subject", "text")


class CommandReads:
    """Reads commands by what became of them."""

    _where: str
    _reads: sa.Engine

    def acted(self, run_id: str) -> list[Command]:
        """The commands that were carried out, oldest first."""
        return self._commands(run_id, "sequenced_t_ns IS NOT NULL AND refused IS NULL")

    def pending(self, run_id: str) -> list[Command]:
        """Commands that the engine has not sequenced yet, oldest first; see
        :meth:`crowdwatch.core.ports.Store.pending`."""
        return self._commands(run_id, "sequenced_t_ns IS NULL")

    def refused(self, run_id: str) -> list[Command]:
        """The commands that the engine refused, newest first."""
        return self._commands(run_id, "refused IS NOT NULL")[::-1]

    def _commands(self, run_id: str, wanted: str) -> list[Command]:
        """Rows as they are, whatever stands in them: no type of a column is relied on."""
        # SQLite's driver refuses a whole answer with a text in it that is not UTF-8
        text = "CAST({} AS BLOB)" if self._reads.dialect.name == "sqlite" else "{}"
        columns = ", ".join(text.format(name) if name in READ_AS_TEXT else name for name in COMMAND_COLUMNS)
        query = sa.text(f"SELECT {columns} FROM commands WHERE run_id = :run_id AND {wanted} ORDER BY command_id")
        with explained(self._where, "read"), self._reads.connect() as connection:
            rows = connection.execute(query, {"run_id": run_id}).all()
        return [_command(run_id, dict(zip(COMMAND_COLUMNS, row, strict=True))) for row in rows]


def _command(run_id: str, row: Row) -> Command:
    """A command as far as its row can be read: of kind UNKNOWN, with NaN or 0, with empty texts where it cannot."""
    text = {name: _text(row[name]) for name in READ_AS_TEXT}
    kind = CommandKind(text["kind"]) if text["kind"] in set(CommandKind) else CommandKind.UNKNOWN
    value = _float(row["value"])
    duration_s = 0.0 if row["duration_s"] is None else _float(row["duration_s"])
    wall_ns, sequenced_ns = (
        each if isinstance(each, int) else None for each in (row["wall_ns"], row["sequenced_t_ns"])
    )
    try:
        refused = reasons_from_json(text["refused"]) if text["refused"] else ()
    except RecordError:
        refused = (Reason.of(Code.TEXT, text=text["refused"]),)
    return Command(
        run_id, kind, text["actor"], wall_ns or 0, text["zone_id"], text["alarm"], value, row["command_id"],
        sequenced_ns, refused, text["role"], text["subject"], text["text"], duration_s,
    )  # fmt: skip


def _float(value: object) -> float:
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return math.nan


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else "" if value is None else str(value)
