"""Bringing a store to this version's tables, also when the page and the engine open it at the same moment.

SQLite takes its write lock before it looks, PostgreSQL an advisory lock; the second to come finds the work done. A new
step is a new file in ``migrations/versions`` with the last revision as its ``down_revision``; a test holds the chain
against :mod:`crowdwatch.store.tables`.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from crowdwatch.errors import StoreUnavailable
from crowdwatch.store.connect import writes
from crowdwatch.store.tables import METADATA, VERSION_TABLE

__all__ = ["migrate"]

_ADVISORY_LOCK = 0x43726F776457
"""Any number that no other program on the server uses: "CrowdW" in ASCII."""

_ALEMBIC = threading.Lock()
"""Alembic keeps its context in a module: one thread at a time."""


def _config() -> Config:
    config = Config()
    folder = Path(__file__).parent / "migrations"
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    return config


def migrate(engine: sa.Engine, where: str, *, create: bool) -> None:
    """Create or upgrade the tables.

    Raises:
        StoreUnavailable: a newer CrowdWatch made the store, the database belongs to something else, or ``create`` is
            False and there are no tables yet.
    """
    if engine.dialect.name == "sqlite":
        _write_ahead(engine, where)
    config = _config()
    scripts = ScriptDirectory.from_config(config)
    head = scripts.get_current_head()
    with engine.connect() as connection:
        if _version(connection, where, scripts, create=create) == head:
            return
    with _ALEMBIC, writes(engine).begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_ADVISORY_LOCK)))
        if _version(connection, where, scripts, create=create) != head:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")


def _version(connection: sa.Connection, where: str, scripts: ScriptDirectory, *, create: bool) -> str | None:
    tables = set(sa.inspect(connection).get_table_names())
    if VERSION_TABLE in tables:
        version = connection.execute(sa.text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()
        known = {revision.revision for revision in scripts.walk_revisions()}
        if version is not None and version not in known:
            raise StoreUnavailable(
                f"store {where}: it has schema {version}, made by a newer CrowdWatch; this one knows up to "
                f"{scripts.get_current_head()}. Upgrade CrowdWatch, or name another place."
            )
        return None if version is None else str(version)
    # a shared PostgreSQL may hold other programs' tables; a SQLite file that does is not ours to write into
    foreign = tables if connection.dialect.name == "sqlite" else tables & set(METADATA.tables)
    if foreign:
        raise StoreUnavailable(
            f"store {where}: it holds tables of another program ({', '.join(sorted(foreign)[:3])}). Name another place."
        )
    if not create:
        raise StoreUnavailable(
            f"no runs yet: the store {where} is empty. Start one, for example with `crowdwatch replay`."
        )
    return None


def _write_ahead(engine: sa.Engine, where: str) -> None:
    """Switch the file to WAL. SQLite does not wait for a lock here, so that two first openers need a few tries."""
    give_up = time.monotonic() + 5.0
    while True:
        raw = engine.raw_connection()
        try:
            cursor = raw.cursor()
            try:
                mode = cursor.execute("PRAGMA journal_mode").fetchone()[0]
                if mode != "wal":
                    mode = cursor.execute("PRAGMA journal_mode=WAL").fetchone()[0]
            finally:
                cursor.close()
        except engine.dialect.loaded_dbapi.OperationalError as error:
            if getattr(error, "sqlite_errorname", "") != "SQLITE_BUSY" or time.monotonic() > give_up:
                raise
            time.sleep(0.02)
            continue
        finally:
            raw.close()
        if mode != "wal":
            raise StoreUnavailable(
                f"store {where}: its disk does not support SQLite's write-ahead log (mode {mode!r}). "
                "Name a place on a local disk."
            )
        return
