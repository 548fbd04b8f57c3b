"""The audit log in the store: entries are added, each with the digest of the one before, and never changed.

An entry is written in the transaction of what it is about. SQLite's transactions that write take turns; PostgreSQL
takes an advisory lock, so that whoever writes makes one chain. Triggers (schema 0012) refuse every change and removal.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from typing import Any

import sqlalchemy as sa

from crowdwatch.core.accounts import FIRST, By, Entry, EntryKind, canonical, digest_of
from crowdwatch.core.runs import Command
from crowdwatch.core.text import plain
from crowdwatch.store.inserts import row_of
from crowdwatch.store.people_tables import audit_log

__all__ = ["append", "asked", "entries", "newest"]

_ADVISORY_LOCK = 0x43726F774C6F67
"""Any number that no other program on the server uses: "CrowLog" in ASCII."""

PIECE = 1000


def append(connection: sa.Connection, kind: EntryKind, by: By, wall_ns: int, detail: Mapping[str, Any]) -> Entry:
    """Add one entry in a transaction that writes. Returns it."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_ADVISORY_LOCK)))
    column = audit_log.c
    last = connection.execute(sa.select(column.seq, column.digest).order_by(column.seq.desc()).limit(1)).first()
    seq, previous = (last.seq + 1, last.digest) if last is not None else (1, FIRST)
    name, role, source = (plain(each)[:200] for each in (by.name, by.role, by.source))
    entry = Entry(seq, int(wall_ns), kind.value, name, role, source, canonical(detail), previous, "")
    entry = replace(entry, digest=digest_of(entry))
    connection.execute(sa.insert(audit_log).values(row_of(entry)))
    return entry


def entries(connection: sa.Connection, after_seq: int = 0) -> Iterator[Entry]:
    """Entries in the order of their numbers, piece by piece."""
    columns = [audit_log.c[field.name] for field in fields(Entry)]
    while True:
        query = sa.select(*columns).where(audit_log.c.seq > after_seq).order_by(audit_log.c.seq)
        piece = [Entry(*row) for row in connection.execute(query.limit(PIECE))]
        yield from piece
        if len(piece) < PIECE:
            return
        after_seq = piece[-1].seq


def newest(connection: sa.Connection) -> int:
    """The number of the newest entry; 0 without any."""
    return int(connection.execute(sa.select(sa.func.max(audit_log.c.seq))).scalar() or 0)


def asked(command: Command) -> dict[str, Any]:
    """What the log keeps of a command. Of a text only its digest: the words stand with the command, and what people
    write must not stand in a place from which nothing can be removed."""
    text = command.text.encode("utf-8", "surrogatepass")
    return {
        "run": plain(command.run_id), "command": command.kind.value, "zone": plain(command.zone_id),
        "alarm": plain(command.alarm), "value": float(command.value), "subject": plain(command.subject),
        "duration_s": float(command.duration_s), "text_sha256": hashlib.sha256(text).hexdigest() if text else "",
    }  # fmt: skip
