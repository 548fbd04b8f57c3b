"""Notifications in the store: fills the port :class:`crowdwatch.core.ports.Outgoing`.

Alert events are taken in by what is missing (no row of this target), not by a cursor over their times: an engine that
resumes after a kill writes alerts of earlier ticks again, and a cursor would have passed them. The primary key (run,
target, alert event) makes that a row is written once. A try is a claim with an end: a process that dies in it leaves
the row to the next one, so that it is told at least once, with the same key. What a power cut takes back is done again,
for the same reason; no transaction waits for the disk.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace

import sqlalchemy as sa

from crowdwatch.core.notices import Notification, NotificationState, order_of
from crowdwatch.core.outcomes import AlertEvent
from crowdwatch.store import tables
from crowdwatch.store.connect import BUSY_TIMEOUT_S, connect, explained, parse, without_credentials, writes
from crowdwatch.store.inserts import insert_of, row_of
from crowdwatch.store.migrate import migrate

__all__ = ["SqlOutgoing"]

OPEN = (NotificationState.WAITING, NotificationState.SENDING)


class SqlOutgoing:
    """Notifications in a store that an engine has made.

    Args:
        url: as of :class:`~crowdwatch.store.sql.SqlStore`.
        busy_timeout_s: as there.

    Raises:
        StoreUnavailable: it cannot be opened, or holds no runs yet.
    """

    def __init__(self, url: str, *, busy_timeout_s: float = BUSY_TIMEOUT_S) -> None:
        parsed = parse(url)
        self._where = without_credentials(parsed)
        self._reads = connect(parsed, create=False, busy_timeout_s=busy_timeout_s)
        self._writes = writes(self._reads)
        try:
            with explained(self._where, "cannot be opened"):
                migrate(self._reads, self._where, create=False)
        except BaseException:
            self._reads.dispose()
            raise

    def unseen(self, run_id: str, target_id: str) -> list[AlertEvent]:
        """As of :meth:`crowdwatch.core.ports.Outgoing.unseen`."""
        alert, known = tables.alerts.c, tables.notifications.c
        row = sa.select(known.event_id).where(
            known.run_id == run_id, known.target_id == target_id, known.event_id == alert.event_id
        )
        columns = [alert[field.name] for field in fields(AlertEvent)]
        query = sa.select(*columns).where(alert.run_id == run_id, ~row.exists())
        with explained(self._where, "read"), self._reads.connect() as connection:
            found = [AlertEvent(*values) for values in connection.execute(query)]
        return sorted(found, key=order_of)

    def put(self, notifications: Sequence[Notification]) -> None:
        """As of :meth:`crowdwatch.core.ports.Outgoing.put`."""
        if not notifications:
            return
        rows = [row_of(each) for each in notifications]
        with explained(self._where, "put"), self._writes.begin() as connection:
            statement = insert_of(connection.dialect.name, tables.notifications, tuple(rows[0]), True)
            connection.execute(statement, rows)

    def followed(self, target_id: str) -> list[str]:
        """As of :meth:`crowdwatch.core.ports.Outgoing.followed`."""
        column = tables.notifications.c
        query = sa.select(column.run_id).distinct().where(column.target_id == target_id, ~column.test)
        with explained(self._where, "read"), self._reads.connect() as connection:
            return sorted(row.run_id for row in connection.execute(query))

    def notifications(
        self, run_id: str, target_id: str | None = None, *, open_only: bool = False
    ) -> list[Notification]:
        """As of :meth:`crowdwatch.core.ports.Outgoing.notifications`."""
        column = tables.notifications.c
        wanted = [column.run_id == run_id]
        wanted += [] if target_id is None else [column.target_id == target_id]
        wanted += [column.state.in_(OPEN)] if open_only else []
        query = sa.select(*(column[field.name] for field in fields(Notification))).where(*wanted)
        with explained(self._where, "read"), self._reads.connect() as connection:
            found = [Notification(*row) for row in connection.execute(query)]
        return sorted(found, key=lambda each: (each.place, each.target_id))

    def claim(self, notification: Notification, until_wall_ns: int) -> Notification | None:
        """As of :meth:`crowdwatch.core.ports.Outgoing.claim`."""
        taken = replace(
            notification, state=NotificationState.SENDING, attempts=notification.attempts + 1,
            next_wall_ns=until_wall_ns,
        )  # fmt: skip
        column = tables.notifications.c
        stands = (
            self._is(notification), column.state == notification.state, column.attempts == notification.attempts,
            column.next_wall_ns == notification.next_wall_ns,
        )  # fmt: skip
        values = {"state": taken.state, "attempts": taken.attempts, "next_wall_ns": until_wall_ns}
        with explained(self._where, "claim"), self._writes.begin() as connection:
            done = connection.execute(sa.update(tables.notifications).where(*stands).values(values))
            return taken if done.rowcount == 1 else None

    def settle(self, notification: Notification) -> None:
        """As of :meth:`crowdwatch.core.ports.Outgoing.settle`."""
        names = ("state", "why", "next_wall_ns", "done_wall_ns")
        values = {name: getattr(notification, name) for name in names}
        # what somebody else has sent meanwhile stays sent
        open_still = tables.notifications.c.state.in_(OPEN)
        statement = sa.update(tables.notifications).where(self._is(notification), open_still).values(values)
        with explained(self._where, "settle"), self._writes.begin() as connection:
            connection.execute(statement)

    def close(self) -> None:
        """Release connections; safe to call twice."""
        self._reads.dispose()

    @staticmethod
    def _is(notification: Notification) -> sa.ColumnElement[bool]:
        column = tables.notifications.c
        return sa.and_(
            column.run_id == notification.run_id,
            column.target_id == notification.target_id,
            column.event_id == notification.event_id,
        )
