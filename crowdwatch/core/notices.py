"""The nouns of notifications: who is told, what is on its way to whom, and the alert that it tells of."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

from crowdwatch.core.outcomes import AlarmState, AlertEvent, Level
from crowdwatch.core.reasons import reasons_from_json, reasons_to_json
from crowdwatch.errors import RecordError

__all__ = [
    "ACTS",
    "SET_ASIDE",
    "Form",
    "Notification",
    "NotificationState",
    "Quiet",
    "Target",
    "TargetKind",
    "alert_from_json",
    "alert_to_json",
    "order_of",
]


ACTS = frozenset(
    {
        "acknowledged", "shelve_asked", "shelved", "unshelved", "out_of_service", "in_service", "noted", "phase",
    }
)  # fmt: skip
"""Transitions that say what people did about an alarm, not what became of its level."""

SET_ASIDE = frozenset({"shelved", "out_of_service"})
"""States in which an alarm asks nobody."""


class TargetKind(StrEnum):
    """By which way a target is told."""

    APPRISE = "apprise"
    WEBHOOK = "webhook"
    MQTT = "mqtt"
    FILE = "file"


class Form(StrEnum):
    """What a target is told in: a text of some lines, one line for radio, JSON, or a CAP 1.2 message."""

    TEXT = "text"
    RADIO = "radio"
    JSON = "json"
    CAP = "cap"


class NotificationState(StrEnum):
    """Where a notification is. One that was suppressed says why, and is listed with the others."""

    WAITING = "waiting"
    SENDING = "sending"
    SENT = "sent"
    SUPPRESSED = "suppressed"


@dataclass(frozen=True, slots=True)
class Quiet:
    """Hours of the day in which a target hears only of levels from ``level`` on.

    ``from_min`` and ``to_min`` are minutes after midnight of the event's time zone; they may reach over midnight.

    >>> night = Quiet(22 * 60, 6 * 60, Level.CRITICAL)
    >>> night.holds(23 * 60), night.holds(5 * 60), night.holds(12 * 60)
    (True, True, False)
    """

    from_min: int
    to_min: int
    level: Level

    def holds(self, minute: int) -> bool:
        """Whether a minute of the day lies in it."""
        if self.from_min <= self.to_min:
            return self.from_min <= minute < self.to_min
        return minute >= self.from_min or minute < self.to_min


@dataclass(frozen=True, slots=True, repr=False)
class Target:
    """Somebody or something that is told.

    Args:
        target_id: its name in the event file.
        kind: the way.
        form: what it is told in.
        address: where: an Apprise URL, the URL of a webhook, ``mqtt://host:port``, a folder. ``${NAME}`` stands for a
            variable of the environment.
        secret_file: a file with mode 600 whose first line is the address; or empty.
        key: the key of the signature, as ``${NAME}``; or empty.
        languages: ``("zh",)``, ``("en",)`` or both, in their order.
        role: whom it reaches; "" for nobody in particular.
        level: it hears of levels from this one on.
        alarms: it hears of these; empty for all.
        cleared, acknowledged: whether it hears of the end of an alarm, and of who acknowledged it.
        quiet: hours of the day in which it hears of higher levels alone.
        topic: of MQTT: what every topic begins with.
        discovery: of MQTT: whether zones announce themselves to Home Assistant.
    """

    target_id: str
    kind: TargetKind
    form: Form
    address: str
    secret_file: str = ""
    key: str = ""
    languages: tuple[str, ...] = ("en",)
    role: str = ""
    level: Level = Level.ALERT
    alarms: tuple[str, ...] = ()
    cleared: bool = True
    acknowledged: bool = False
    quiet: tuple[Quiet, ...] = ()
    topic: str = "crowdwatch"
    discovery: bool = False

    def __repr__(self) -> str:
        return f"Target({self.target_id!r}, {self.kind.value!r})"


@dataclass(frozen=True, slots=True)
class Notification:
    """One alert event on its way to one target. (run, target, alert event) is its identity.

    Args:
        run_id, target_id, event_id: whose alert event, for whom.
        zone_id, alarm, t_ns, rank: the alarm, the tick, and the place within the tick: a target hears of one alarm in
            this order.
        transition, level: as of the alert event.
        state: where it is.
        exercise: it comes from a replay and is marked EXERCISE.
        test: a person asked for it, to see whether the target is reached.
        attempts: how often it was tried.
        next_wall_ns: clock time before which it is not tried (again).
        why: what the last try met, or the code of why it was suppressed.
        created_wall_ns, done_wall_ns: clock times; 0 while it is not done.
        first_id, first_ns: the alert event by which this target first heard of the standing alarm, and its tick; empty
            and 0 where this is the first.
        alert_json: the alert event itself.
    """

    run_id: str
    target_id: str
    event_id: str
    zone_id: str
    alarm: str
    t_ns: int
    rank: int
    transition: str
    level: Level
    state: NotificationState
    exercise: bool
    test: bool
    attempts: int
    next_wall_ns: int
    why: str
    created_wall_ns: int
    done_wall_ns: int
    first_id: str
    first_ns: int
    alert_json: str

    @property
    def key(self) -> str:
        """The idempotency key: the same at every try, whoever makes it. An exercise never has that of a real alert."""
        return key_of(self.run_id, self.event_id, exercise=self.exercise)

    @property
    def alert(self) -> AlertEvent:
        """The alert event."""
        return alert_from_json(self.alert_json)

    @property
    def place(self) -> tuple[int, int, str]:
        """Its place in the order of one alarm."""
        return self.t_ns, self.rank, self.event_id


def key_of(run_id: str, event_id: str, *, exercise: bool) -> str:
    """The idempotency key of an alert event; see :attr:`Notification.key`."""
    if not exercise:
        return event_id
    return "exercise-" + hashlib.sha256(f"{run_id}|{event_id}".encode()).hexdigest()[:16]


def order_of(alert: AlertEvent) -> tuple[int, int, str]:
    """The place of an alert event among those of its alarm: by its own number within the tick where it has one; else
    actions come first."""
    rank = getattr(alert, "seq", int(alert.transition not in ACTS))
    return alert.t_ns, int(rank), alert.event_id


def alert_to_json(alert: AlertEvent) -> str:
    """An alert event as JSON; NaN is null."""
    values: dict[str, Any] = {field.name: getattr(alert, field.name) for field in fields(alert)}
    values["reasons"] = json.loads(reasons_to_json(alert.reasons))
    values = {name: _plain(value) for name, value in values.items()}
    return json.dumps(values, ensure_ascii=False, sort_keys=True, allow_nan=False)


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def alert_from_json(text: str) -> AlertEvent:
    """The inverse of :func:`alert_to_json`.

    Raises:
        RecordError: the text is not one that it wrote.
    """
    try:
        found = json.loads(text)
        values: dict[str, Any] = {field.name: found[field.name] for field in fields(AlertEvent) if field.name in found}
        values["reasons"] = reasons_from_json(json.dumps(found["reasons"]))
        values["from_state"], values["to_state"] = AlarmState(found["from_state"]), AlarmState(found["to_state"])
        values["level"] = Level(found["level"])
        for name in ("value", "limit"):
            values[name] = math.nan if found[name] is None else float(found[name])
        for name, value in values.items():
            values[name] = tuple(value) if isinstance(value, list) else value
        return AlertEvent(**values)
    except (KeyError, TypeError, ValueError) as error:
        raise RecordError(
            f"alert event: {text[:80]!r} cannot be read. The row was not written by CrowdWatch."
        ) from error
