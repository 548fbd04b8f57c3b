"""What a store is: where it lies, its schema, how large it has become."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from crowdwatch.store.connect import BUSY_TIMEOUT_S, connect, explained, parse, without_credentials
from crowdwatch.store.tables import VERSION_TABLE

__all__ = ["StoreFacts", "store_facts"]

SQLITE_PARTS = ("", "-wal", "-shm")


@dataclass(frozen=True, slots=True)
class StoreFacts:
    """A store.

    Args:
        where: its place, without credentials.
        kind: ``sqlite`` or ``postgresql``.
        schema: the revision of its tables; empty where it has none.
        size_bytes: on disk, what waits to be merged with it.
    """

    where: str
    kind: str
    schema: str
    size_bytes: int


def store_facts(url: str) -> StoreFacts:
    """Look at a store. Raises StoreUnavailable."""
    parsed = parse(url)
    where, kind = without_credentials(parsed), parsed.get_backend_name()
    engine = connect(parsed, create=False, busy_timeout_s=BUSY_TIMEOUT_S)
    try:
        with explained(where, "read"), engine.connect() as connection:
            version = connection.execute(sa.text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()
            if kind == "sqlite":
                parts = (Path(f"{parsed.database}{part}") for part in SQLITE_PARTS)
                size = sum(part.stat().st_size for part in parts if part.exists())
            else:
                size = int(
                    connection.execute(sa.select(sa.func.pg_database_size(sa.func.current_database()))).scalar_one()
                )
    finally:
        engine.dispose()
    return StoreFacts(where, kind, str(version or ""), size)
