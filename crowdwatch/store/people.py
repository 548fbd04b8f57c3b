"""Accounts, sign-ins and the audit log in the store: fills the port :class:`crowdwatch.core.ports.People`.

They stand in the store of the runs: what a person did and the entry about it are one transaction, and there is one
thing to keep and to guard. Every change writes its entry of the audit log in the same transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import sqlalchemy as sa

from crowdwatch.core.accounts import Account, By, Entry, EntryKind, Found, SignIn, account_key, coded, first_fault
from crowdwatch.errors import ConfigError
from crowdwatch.store import audit_log
from crowdwatch.store.connect import BUSY_TIMEOUT_S, connect, durable, explained, parse, without_credentials, writes
from crowdwatch.store.migrate import migrate
from crowdwatch.store.people_tables import accounts, setup_codes, sign_in_delays, sign_ins

__all__ = ["SqlPeople"]

NS = 1_000_000_000

MOST_DELAY_S = 60
"""A name is never locked for longer: who guesses must not keep a commander out. 1440 guesses a day find no password of
twelve characters that is not among the most common."""

FORGOTTEN_S = 3600
"""Failures so long ago are forgotten."""


class SqlPeople:
    """Accounts and the audit log in a database.

    Args:
        url: as of :class:`~crowdwatch.store.sql.SqlStore`.
        create: make the file and the tables when there are none.
        busy_timeout_s: as there.

    Raises:
        StoreUnavailable: it cannot be opened.
    """

    def __init__(self, url: str, *, create: bool = False, busy_timeout_s: float = BUSY_TIMEOUT_S) -> None:
        parsed = parse(url)
        self._where = without_credentials(parsed)
        self._reads = connect(parsed, create=create, busy_timeout_s=busy_timeout_s)
        self._writes, self._durable = writes(self._reads), durable(self._reads)
        try:
            with explained(self._where, "cannot be opened"):
                migrate(self._reads, self._where, create=create)
        except BaseException:
            self._reads.dispose()
            raise

    def accounts(self) -> list[Account]:
        """As of :meth:`crowdwatch.core.ports.People.accounts`."""
        columns = [accounts.c[field.name] for field in fields(Account)]
        with explained(self._where, "read"), self._reads.connect() as connection:
            return [Account(*row) for row in connection.execute(sa.select(*columns).order_by(accounts.c.key))]

    def known(self, name: str) -> tuple[Account, str] | None:
        """As of :meth:`crowdwatch.core.ports.People.known`."""
        columns = [accounts.c[field.name] for field in fields(Account)]
        query = sa.select(*columns, accounts.c.password_hash).where(accounts.c.key == account_key(name))
        with explained(self._where, "read"), self._reads.connect() as connection:
            row = connection.execute(query).first()
        return None if row is None else (Account(*row[:-1]), str(row[-1]))

    def add(self, name: str, role: str, password_hash: str, by: By, now_ns: int) -> None:
        """As of :meth:`crowdwatch.core.ports.People.add`."""
        with explained(self._where, "add"), self._durable.begin() as connection:
            self._add(connection, name, role, password_hash, by, now_ns)

    def _add(self, connection: sa.Connection, name: str, role: str, password_hash: str, by: By, now_ns: int) -> None:
        key = account_key(name)
        if connection.execute(sa.select(accounts.c.key).where(accounts.c.key == key)).first() is not None:
            raise coded(
                ConfigError(f"account {name!r}: there is one of this name already. Choose another name, or change it."),
                "taken",
            )
        row = {
            "key": key, "name": name, "role": role, "disabled": False, "created_wall_ns": now_ns,
            "changed_wall_ns": now_ns, "password_hash": password_hash,
        }  # fmt: skip
        connection.execute(sa.insert(accounts).values(row))
        audit_log.append(connection, EntryKind.ACCOUNT, by, now_ns, {"change": "added", "account": name, "role": role})

    def change(
        self, name: str, by: By, now_ns: int, *, role: str | None = None, disabled: bool | None = None,
        password_hash: str | None = None,
    ) -> None:  # fmt: skip
        """As of :meth:`crowdwatch.core.ports.People.change`."""
        given: dict[str, Any] = {"role": role, "disabled": disabled, "password_hash": password_hash}
        values = {key: value for key, value in given.items() if value is not None}
        said = {key: "changed" if key == "password_hash" else value for key, value in values.items()}
        column = accounts.c
        with explained(self._where, "change"), self._durable.begin() as connection:
            statement = sa.update(accounts).where(column.key == account_key(name))
            if not connection.execute(statement.values(values | {"changed_wall_ns": now_ns})).rowcount:
                raise coded(ConfigError(f"account {name!r}: there is none. See `crowdwatch accounts list`."), "unknown")
            ruling = sa.select(column.key).where(column.role == "administrator", ~column.disabled)
            if (role or disabled is not None) and connection.execute(ruling).first() is None:
                raise coded(
                    ConfigError(f"account {name!r}: it is the last administrator. Make somebody else one before."),
                    "last",
                )
            ended = self._end(connection, sign_ins.c.key == account_key(name), now_ns, "account changed")
            detail = {"change": "changed", "account": name, "sign_ins_ended": ended} | said
            audit_log.append(connection, EntryKind.ACCOUNT, by, now_ns, detail)

    def begin(self, sign_in: SignIn, by: By, proof: str | None = None) -> bool:
        """As of :meth:`crowdwatch.core.ports.People.begin`."""
        row = {field.name: getattr(sign_in, field.name) for field in fields(SignIn)}
        row |= {"key": account_key(sign_in.name), "proof": proof, "ended_wall_ns": 0, "why": ""}
        detail = {"way": sign_in.way, "until_wall_ns": sign_in.ends_wall_ns}
        with explained(self._where, "sign in"), self._durable.begin() as connection:
            if (
                proof is not None
                and connection.execute(sa.select(sign_ins.c.key).where(sign_ins.c.proof == proof)).first()
            ):
                return False
            connection.execute(sa.insert(sign_ins).values(row))
            audit_log.append(connection, EntryKind.SIGN_IN, by, sign_in.begun_wall_ns, detail)
        return True

    def sign_in(self, token_hash: str, now_ns: int) -> SignIn | None:
        """As of :meth:`crowdwatch.core.ports.People.sign_in`."""
        column = sign_ins.c
        stands = (column.token_hash == token_hash, column.ended_wall_ns == 0, column.ends_wall_ns > now_ns)
        account = sa.and_(accounts.c.key == column.key, accounts.c.role == column.role, ~accounts.c.disabled)
        own = sa.or_(column.way != "local", sa.exists().where(account))
        query = sa.select(*(column[field.name] for field in fields(SignIn))).where(*stands, own)
        with explained(self._where, "read"), self._reads.connect() as connection:
            row = connection.execute(query).first()
        return None if row is None else SignIn(*row)

    def end(self, token_hash: str, by: By, now_ns: int, why: str) -> None:
        """As of :meth:`crowdwatch.core.ports.People.end`."""
        with explained(self._where, "sign out"), self._durable.begin() as connection:
            if self._end(connection, sign_ins.c.token_hash == token_hash, now_ns, why):
                audit_log.append(connection, EntryKind.SIGN_OUT, by, now_ns, {"why": why})

    @staticmethod
    def _end(connection: sa.Connection, which: sa.ColumnElement[bool], now_ns: int, why: str) -> int:
        statement = sa.update(sign_ins).where(which, sign_ins.c.ended_wall_ns == 0)
        return int(connection.execute(statement.values(ended_wall_ns=now_ns, why=why)).rowcount)

    def attempt(self, free: Mapping[str, int], now_ns: int) -> float:
        """As of :meth:`crowdwatch.core.ports.People.attempt`."""
        column = sign_in_delays.c
        with explained(self._where, "sign in"), self._durable.begin() as connection:
            found = {
                row.key: row for row in connection.execute(sa.select(sign_in_delays).where(column.key.in_(list(free))))
            }
            waits_ns = [row.until_wall_ns - now_ns for row in found.values()]
            # more than the most: the clock was set back, which must lock nobody out
            wait_ns = max((each for each in waits_ns if each <= MOST_DELAY_S * NS), default=0)
            if wait_ns > 0:
                return wait_ns / NS
            connection.execute(sa.delete(sign_in_delays).where(column.last_wall_ns < now_ns - 24 * FORGOTTEN_S * NS))
            for key, most in sorted(free.items()):
                before = found.get(key)
                recent = before is not None and now_ns - before.last_wall_ns < FORGOTTEN_S * NS
                failures = (before.failures if before is not None and recent else 0) + 1
                delay_s = 0 if failures <= most else min(MOST_DELAY_S, 2 ** min(failures - most - 1, 10))
                values = {"failures": failures, "last_wall_ns": now_ns, "until_wall_ns": now_ns + delay_s * NS}
                connection.execute(sa.delete(sign_in_delays).where(column.key == key))
                connection.execute(sa.insert(sign_in_delays).values({"key": key} | values))
        return 0.0

    def forgive(self, keys: Sequence[str], forgotten: Sequence[str]) -> None:
        """As of :meth:`crowdwatch.core.ports.People.forgive`."""
        column = sign_in_delays.c
        less = sa.update(sign_in_delays).where(column.key.in_(list(keys)), column.failures > 0)
        with explained(self._where, "sign in"), self._writes.begin() as connection:
            connection.execute(less.values(failures=column.failures - 1, until_wall_ns=0))
            connection.execute(sa.delete(sign_in_delays).where(column.key.in_(list(forgotten))))

    def put_code(self, code_hash: str, ends_wall_ns: int) -> bool:
        """As of :meth:`crowdwatch.core.ports.People.put_code`."""
        with explained(self._where, "first start"), self._durable.begin() as connection:
            if connection.execute(sa.select(accounts.c.key).limit(1)).first() is not None:
                return False
            connection.execute(sa.delete(setup_codes))
            row = {"code_hash": code_hash, "ends_wall_ns": ends_wall_ns, "used_wall_ns": 0}
            connection.execute(sa.insert(setup_codes).values(row))
        return True

    def use_code(self, code_hash: str, name: str, password_hash: str, by: By, now_ns: int) -> bool:
        """As of :meth:`crowdwatch.core.ports.People.use_code`."""
        column = setup_codes.c
        good = (column.code_hash == code_hash, column.used_wall_ns == 0, column.ends_wall_ns > now_ns)
        with explained(self._where, "first start"), self._durable.begin() as connection:
            if connection.execute(sa.select(accounts.c.key).limit(1)).first() is not None:
                return False
            if connection.execute(sa.update(setup_codes).where(*good).values(used_wall_ns=now_ns)).rowcount != 1:
                return False
            self._add(connection, name, "administrator", password_hash, by, now_ns)
        return True

    def record(self, kind: EntryKind, by: By, now_ns: int, detail: Mapping[str, Any]) -> Entry:
        """As of :meth:`crowdwatch.core.ports.People.record`."""
        with explained(self._where, "audit log"), self._durable.begin() as connection:
            return audit_log.append(connection, kind, by, now_ns, detail)

    def entries(self, last: int | None = None) -> list[Entry]:
        """As of :meth:`crowdwatch.core.ports.People.entries`."""
        with explained(self._where, "read"), self._reads.connect() as connection:
            after = 0 if last is None else max(0, audit_log.newest(connection) - last)
            return list(audit_log.entries(connection, after))

    def fault(self, expect: tuple[int, str] | None = None) -> Found | None:
        """As of :meth:`crowdwatch.core.ports.People.fault`."""
        with explained(self._where, "read"), self._reads.connect() as connection:
            return first_fault(audit_log.entries(connection), expect)

    def close(self) -> None:
        """Release connections; safe to call twice."""
        self._reads.dispose()
