"""Opening a database, and what its errors mean to a user."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event, exc

from crowdwatch.errors import MissingPackage, StoreBusy, StoreUnavailable, redact

__all__ = ["BUSY_TIMEOUT_S", "connect", "durable", "explained", "parse", "without_credentials", "writes"]

BUSY_TIMEOUT_S = 5.0
"""How long a write waits for another process. A write takes milliseconds, so that only a stuck process reaches it."""

_WRITES, _DURABLE = "crowdwatch_writes", "crowdwatch_durable"

_PASSING_SQLITE = ("SQLITE_BUSY", "SQLITE_LOCKED")
_PASSING_POSTGRESQL = ("08", "40", "55", "57", "53300")
"""Classes of SQLSTATE that may pass by themselves: lost connection, conflict with another transaction, a lock that is
held, a server that shuts down or cancels, and one state: too many connections. An error without any is a server that
cannot be reached. A full disk (53100) is not among them: it is said at once."""

_POSTGRESQL = {"connect_timeout": 10, "tcp_user_timeout": 10_000, "keepalives_idle": 10}
_TIMEOUTS = "-c lock_timeout=5000 -c statement_timeout=60000"
"""How long PostgreSQL may keep a caller waiting, as :data:`BUSY_TIMEOUT_S` for SQLite: behind another transaction's
lock, for one statement, and for a network that answers no more."""

_SQLITE_REMEDIES = {
    "SQLITE_FULL": "The disk is full: free some space, then resume the run. Nothing already written is lost.",
    "SQLITE_READONLY": "The file or its folder is read-only: make both writable, or name another place.",
    "SQLITE_BUSY": "Another process holds the file: wait, or stop that process.",
    "SQLITE_LOCKED": "Another process holds the file: wait, or stop that process.",
    "SQLITE_NOTADB": "The file is not a SQLite database: name another place.",
    "SQLITE_CORRUPT": "The file is damaged: move it away and replay the runs from their observation logs.",
    "SQLITE_CANTOPEN": "Check that the folder exists and that it and the file can be read and written.",
    "SQLITE_PERM": "Make the file and its folder readable and writable.",
    "SQLITE_IOERR": "The disk refused: check its free space, quota and health, then resume the run.",
}


def without_credentials(url: sa.URL) -> str:
    """The URL as it may be shown: without credentials."""
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    return redact(url.render_as_string(hide_password=True))


def parse(url: str) -> sa.URL:
    """Read a database URL; a ``postgresql://`` URL gets the driver that CrowdWatch installs.

    Raises:
        StoreUnavailable: not a URL of SQLite or PostgreSQL, or a SQLite URL without a file.
    """
    remedy = "Give sqlite:///path/to/file.sqlite or postgresql://host/database."
    try:
        parsed = sa.make_url(url)
        backend = parsed.get_backend_name()
    except (exc.ArgumentError, ValueError) as error:  # the text may hold a password: only its scheme is shown
        raise StoreUnavailable(f"store {url.split(':')[0]!r}:...: not a database URL. {remedy}") from error
    if backend == "sqlite":
        if parsed.database in (None, "", ":memory:") or parsed.query:
            raise StoreUnavailable(f"store {redact(url)!r}: the page and the engine need a plain file. {remedy}")
        return parsed
    if backend in ("postgresql", "postgres"):
        return parsed.set(drivername="postgresql+psycopg")
    raise StoreUnavailable(f"store: got a database of kind {backend!r}. {remedy}")


def connect(url: sa.URL, *, create: bool, busy_timeout_s: float) -> sa.Engine:
    """Make the engine. SQLite: one file in WAL mode, foreign keys on, synchronous NORMAL (FULL where a transaction is
    :func:`durable`); its folder is created.

    Raises:
        StoreUnavailable: ``create`` is False and there is no file, or the folder cannot be made.
        MissingPackage: the driver of PostgreSQL is not installed.
    """
    if url.get_backend_name() != "sqlite":
        try:
            own = {} if "options" in url.query else {"options": _TIMEOUTS}
            return sa.create_engine(url, pool_pre_ping=True, connect_args=_POSTGRESQL | own)
        except ModuleNotFoundError as error:
            raise MissingPackage(
                "the driver of PostgreSQL is not installed. Run: pip install 'crowdwatch[postgresql]'"
            ) from error
    path = Path(str(url.database)).absolute()
    if not create and not path.exists():
        raise StoreUnavailable(f"no runs yet: {path} does not exist. Start one, for example with `crowdwatch replay`.")
    if create:
        _make_folder(path)
    # mode=rw: a file that was removed while the page is open must not come back as an empty one
    uri = path.as_uri() + ("?mode=rwc" if create else "?mode=rw")

    def open_file() -> sqlite3.Connection:
        return sqlite3.connect(uri, uri=True, timeout=busy_timeout_s, check_same_thread=False, isolation_level=None)

    engine = sa.create_engine("sqlite+pysqlite://", creator=open_file, poolclass=sa.QueuePool)
    event.listen(engine, "connect", _configure_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def writes(engine: sa.Engine) -> sa.Engine:
    """The same engine for transactions that write: SQLite then takes its lock at the start, where it can wait."""
    return engine.execution_options(**{_WRITES: True})


def durable(engine: sa.Engine) -> sa.Engine:
    """The same engine for transactions that write what a person did: it is on the disk when the call returns, also
    after a power cut. SQLite with synchronous NORMAL may lose the last transactions then; PostgreSQL never does."""
    return engine.execution_options(**{_WRITES: True, _DURABLE: True})


def _make_folder(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = error.strerror or str(error)
        raise StoreUnavailable(
            f"store {path}: its folder cannot be made: {reason}. Make the place writable, or name another."
        ) from error


def _configure_sqlite(connection: sqlite3.Connection, _record: Any) -> None:
    connection.execute("PRAGMA foreign_keys=ON")


def _begin_sqlite(connection: sa.Connection) -> None:
    options = connection.get_execution_options()
    safety = "FULL" if options.get(_DURABLE, False) else "NORMAL"
    if connection.info.get("synchronous") != safety:
        connection.exec_driver_sql(f"PRAGMA synchronous={safety}")  # within a transaction it would do nothing
        connection.info["synchronous"] = safety
    connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get(_WRITES, False) else "BEGIN")


@contextmanager
def explained(where: str, what: str) -> Iterator[None]:
    """Turn the database's errors into :class:`StoreUnavailable` with a remedy, into :class:`StoreBusy` where they may
    pass by themselves; SQL and its values are not shown.

    Args:
        where: the store, as it may be shown.
        what: the work that failed, for the message.
    """
    try:
        yield
    except exc.TimeoutError as error:
        raise StoreBusy(f"store {where}: {what}: every connection is in use. Close some pages.") from error
    except exc.DBAPIError as error:
        raise _kind(error.orig)(_explain(where, what, error.orig)) from error
    except sqlite3.Error as error:
        raise _kind(error)(_explain(where, what, error)) from error


def _kind(cause: BaseException | None) -> type[StoreUnavailable]:
    """Whether a database's error may pass by itself."""
    name = getattr(cause, "sqlite_errorname", None)
    if isinstance(cause, sqlite3.Error):
        return StoreBusy if str(name).startswith(_PASSING_SQLITE) else StoreUnavailable
    state = getattr(cause, "sqlstate", None)
    lost = state is None and type(cause).__name__ in ("OperationalError", "InterfaceError")
    return StoreBusy if lost or str(state).startswith(_PASSING_POSTGRESQL) else StoreUnavailable


def _explain(where: str, what: str, cause: BaseException | None) -> str:
    reason = redact(" ".join(str(cause).split()))
    name = getattr(cause, "sqlite_errorname", None)
    if name is None:
        remedy = "Check that the server runs, that the database exists and that its disk has space."
    else:
        known = [text for code, text in _SQLITE_REMEDIES.items() if name.startswith(code)]
        remedy = known[0] if known else "Check the file and its disk."
        reason = f"{reason} ({name})"
    if getattr(cause, "errno", None) == errno.ENOSPC:
        remedy = _SQLITE_REMEDIES["SQLITE_FULL"]
    return f"store {where}: {what}: {reason}. {remedy}"
