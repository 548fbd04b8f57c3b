"""Takes alert events in for one target, and delivers them: in order per alarm, again and again until they arrive.

A try that failed is made again with growing pauses, without an end: what waits is seen in the status, and nothing is
given up. One alarm's notifications wait for each other, those of other alarms do not. What was claimed by a process
that died is taken up again, so that every notification arrives at least once; its key is the same at every try.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

import tenacity

from crowdwatch.core.notices import ACTS, Notification, NotificationState, Target, alert_to_json, order_of
from crowdwatch.core.outcomes import AlertEvent, Level
from crowdwatch.core.ports import Outgoing
from crowdwatch.core.runs import Mode, Run
from crowdwatch.errors import NotTold
from crowdwatch.notify.context import Context
from crowdwatch.notify.rules import TOO_OLD, why_not
from crowdwatch.notify.senders import Sender

__all__ = ["CLAIM_S", "LONGEST_WAIT_S", "MOST_OPEN", "OLD_S", "Courier", "wait_s"]

_log = logging.getLogger(__name__)

FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 60.0

CLAIM_S = 60.0
"""How long a claim holds: longer than any way's timeouts together."""

MOST_OPEN = 10_000
"""Notifications of one run that wait for one target. More stay among the alerts, until there is room."""

OLD_S = 900.0
"""Where a target is followed for the first time, alarms that were over for longer are not told any more. [design
value]"""

_BACKOFF = tenacity.wait_exponential(multiplier=FIRST_WAIT_S, max=LONGEST_WAIT_S)

NS = 1_000_000_000


def wait_s(attempts: int) -> float:
    """Seconds before the next try, after so many.

    >>> [wait_s(n) for n in (1, 2, 3, 7, 50)]
    [1.0, 2.0, 4.0, 60.0, 60.0]
    """
    state = tenacity.RetryCallState(retry_object=None, fn=None, args=(), kwargs={})  # type: ignore[arg-type]
    state.attempt_number = min(attempts, 30)
    return float(_BACKOFF(state))


class Courier:
    """One target's notifications.

    Args:
        target: who is told.
        sender: by which way.
        outgoing: where notifications are kept.
        context: the event.
        now_ns: the wall clock.
        say: hears what became of every try.
    """

    def __init__(
        self,
        target: Target,
        sender: Sender,
        outgoing: Outgoing,
        context: Context,
        now_ns: Callable[[], int],
        say: Callable[[Notification], None] = lambda notification: None,
    ) -> None:
        self.target, self._sender, self._outgoing, self._context = target, sender, outgoing, context
        self._now_ns, self._say = now_ns, say
        self._first: dict[str, dict[tuple[str, str], tuple[str, int]]] = {}
        self._full = False

    def take_in(self, run: Run) -> int:
        """Make notifications of a run's alert events that this target has none of; how many.

        Raises:
            StoreUnavailable: nothing of it is kept.
        """
        unseen = self._outgoing.unseen(run.run_id, self.target.target_id)
        if not unseen:
            return 0
        waiting = len(self._outgoing.notifications(run.run_id, self.target.target_id, open_only=True))
        room = MOST_OPEN - waiting
        if room < len(unseen) and not self._full:
            _log.error(
                "target %s: %d notifications wait. %d more stay among the alerts until there is room: look at the "
                "target.", self.target.target_id, waiting, len(unseen) - max(room, 0),
            )  # fmt: skip
        self._full = room < len(unseen)
        rows = self._notifications(run, unseen[: max(room, 0)])
        self._outgoing.put(rows)
        return len(rows)

    def _notifications(self, run: Run, alerts: Sequence[AlertEvent]) -> list[Notification]:
        first, new = self._standing(run)
        over = _over(alerts, run.t_ns) if new else frozenset()
        rows = []
        for alert in alerts:
            key = alert.zone_id, alert.alarm
            heard = first.get(key)
            why = TOO_OLD if alert.event_id in over else why_not(
                self.target, alert, told=heard is not None, minute=self._context.minute(alert.t_ns)
            )  # fmt: skip
            row = notification_of(run, self.target, alert, self._now_ns(), why=why, first=heard)
            rows.append(row)
            _walk(first, row)
        return rows

    def _standing(self, run: Run) -> tuple[dict[tuple[str, str], tuple[str, int]], bool]:
        """By alarm, the alert event by which the target first heard of it; and whether the run is new to it."""
        rows = self._outgoing.notifications(run.run_id, self.target.target_id)
        first: dict[tuple[str, str], tuple[str, int]] = {}
        for row in rows:
            _walk(first, row)
        return first, all(row.test for row in rows)

    def deliver_one(self, run_id: str) -> Notification | None:
        """Try the one that has waited longest and may go; what became of it, None where none may go.

        Raises:
            StoreUnavailable: the store failed; the try may have arrived, and is made again.
        """
        for head in self._heads(run_id):
            claimed = self._outgoing.claim(head, self._now_ns() + round(CLAIM_S * NS))
            if claimed is None:
                continue
            done = self._try(claimed)
            self._outgoing.settle(done)
            self._say(done)
            return done
        return None

    def _heads(self, run_id: str) -> list[Notification]:
        """The first that is not done of every alarm, where its time has come; those that were tried least first."""
        now_ns, heads = self._now_ns(), dict[tuple[str, str, bool], Notification]()
        for row in self._outgoing.notifications(run_id, self.target.target_id, open_only=True):
            heads.setdefault((row.zone_id, row.alarm, row.test), row)
        latest_ns = now_ns + round((CLAIM_S + LONGEST_WAIT_S) * NS)  # beyond: the wall clock went back
        due = [row for row in heads.values() if not now_ns < row.next_wall_ns <= latest_ns]
        return sorted(due, key=lambda row: (row.attempts, row.place))

    def _try(self, claimed: Notification) -> Notification:
        try:
            self._sender.send(claimed)
        except NotTold as error:
            why = str(error)
        except Exception as error:  # noqa: BLE001  its text may show a secret; the others go on
            why = f"{self.target.target_id}: {type(error).__name__}."
            _log.exception("target %s: a sender failed in an unforeseen way", self.target.target_id, exc_info=False)
        else:
            return replace(claimed, state=NotificationState.SENT, why="", done_wall_ns=self._now_ns())
        again_ns = self._now_ns() + round(wait_s(claimed.attempts) * NS)
        return replace(claimed, state=NotificationState.WAITING, why=why, next_wall_ns=again_ns)

    def close(self) -> None:
        """Release the way."""
        self._sender.close()


def notification_of(
    run: Run, target: Target, alert: AlertEvent, now_ns: int, *, why: str, first: tuple[str, int] | None,
    test: bool = False,
) -> Notification:  # fmt: skip
    """A new notification: waiting, or suppressed where ``why`` has a code."""
    t_ns, rank, _ = order_of(alert)
    first_id, first_ns = first or ("", 0)
    return Notification(
        run.run_id, target.target_id, alert.event_id, alert.zone_id, alert.alarm, t_ns, rank, alert.transition,
        alert.level, NotificationState.SUPPRESSED if why else NotificationState.WAITING, run.mode is not Mode.LIVE,
        test, 0, 0, why, now_ns, now_ns if why else 0, first_id, first_ns, alert_to_json(alert),
    )  # fmt: skip


def _walk(first: dict[tuple[str, str], tuple[str, int]], row: Notification) -> None:
    """Follow whether the target has heard of an alarm that stands."""
    key = row.zone_id, row.alarm
    if row.test or row.transition in ACTS:
        return
    if row.level == Level.NORMAL:
        first.pop(key, None)
    elif row.state is not NotificationState.SUPPRESSED:
        first.setdefault(key, (row.event_id, row.t_ns))


def _over(alerts: Sequence[AlertEvent], now_ns: int) -> frozenset[str]:
    """Alert events of alarms that had been over for long at a time."""
    old: set[str] = set()
    of_alarm: dict[tuple[str, str], list[str]] = {}
    for alert in alerts:
        held = of_alarm.setdefault((alert.zone_id, alert.alarm), [])
        held.append(alert.event_id)
        if alert.level == Level.NORMAL:
            if (now_ns - alert.t_ns) / NS > OLD_S:
                old.update(held)
            held.clear()
    return frozenset(old)
