"""A dry run: the same couriers and the same rules, but what would be sent is shown, and nothing is kept."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace

from crowdwatch.core.notices import Notification, NotificationState, Target, order_of
from crowdwatch.core.outcomes import AlertEvent
from crowdwatch.core.ports import Store
from crowdwatch.notify.context import Context
from crowdwatch.notify.forms import body_of

__all__ = ["MemoryOutgoing", "ShowingSender"]

OPEN = (NotificationState.WAITING, NotificationState.SENDING)


class MemoryOutgoing:
    """Notifications in memory. Fills the port :class:`crowdwatch.core.ports.Outgoing`.

    Args:
        store: where the alert events are read.
    """

    def __init__(self, store: Store) -> None:
        self._store, self._lock = store, threading.Lock()
        self._rows: dict[tuple[str, str, str], Notification] = {}

    def unseen(self, run_id: str, target_id: str) -> list[AlertEvent]:
        """As of :meth:`crowdwatch.core.ports.Outgoing.unseen`."""
        alerts = self._store.alerts(run_id)
        with self._lock:
            found = [alert for alert in alerts if (run_id, target_id, alert.event_id) not in self._rows]
        return sorted(found, key=order_of)

    def put(self, notifications: Sequence[Notification]) -> None:
        """As of :meth:`crowdwatch.core.ports.Outgoing.put`."""
        with self._lock:
            for each in notifications:
                self._rows.setdefault(_key(each), each)

    def followed(self, target_id: str) -> list[str]:
        """As of :meth:`crowdwatch.core.ports.Outgoing.followed`."""
        with self._lock:
            return sorted(
                {run_id for (run_id, target, _), row in self._rows.items() if target == target_id and not row.test}
            )

    def notifications(
        self, run_id: str, target_id: str | None = None, *, open_only: bool = False
    ) -> list[Notification]:
        """As of :meth:`crowdwatch.core.ports.Outgoing.notifications`."""
        with self._lock:
            rows = [row for row in self._rows.values() if row.run_id == run_id and target_id in (None, row.target_id)]
        found = [row for row in rows if not open_only or row.state in OPEN]
        return sorted(found, key=lambda each: (each.place, each.target_id))

    def claim(self, notification: Notification, until_wall_ns: int) -> Notification | None:
        """As of :meth:`crowdwatch.core.ports.Outgoing.claim`."""
        with self._lock:
            if self._rows[_key(notification)] != notification:
                return None
            taken = replace(
                notification, state=NotificationState.SENDING, attempts=notification.attempts + 1,
                next_wall_ns=until_wall_ns,
            )  # fmt: skip
            self._rows[_key(taken)] = taken
            return taken

    def settle(self, notification: Notification) -> None:
        """As of :meth:`crowdwatch.core.ports.Outgoing.settle`."""
        with self._lock:
            if self._rows[_key(notification)].state in OPEN:
                self._rows[_key(notification)] = notification

    def close(self) -> None:
        """As of :meth:`crowdwatch.core.ports.Outgoing.close`."""


def _key(notification: Notification) -> tuple[str, str, str]:
    return notification.run_id, notification.target_id, notification.event_id


class ShowingSender:
    """Shows what a target would get.

    Args:
        target: who.
        context: the event.
        show: takes the target's name and the text.
    """

    def __init__(self, target: Target, context: Context, show: Callable[[str, str], None]) -> None:
        self._target, self._context, self._show = target, context, show

    def send(self, notification: Notification) -> None:
        """As of :class:`~crowdwatch.notify.senders.Sender`."""
        self._show(self._target.target_id, body_of(notification, self._context, self._target)[1])

    def close(self) -> None:
        """As of :class:`~crowdwatch.notify.senders.Sender`."""
