"""How an alert event is written: some lines of text, one line for radio, JSON; CAP is in
:mod:`crowdwatch.notify.cap`."""

from __future__ import annotations

import json
import math

from crowdwatch.core.notices import Form, Notification, Target
from crowdwatch.core.outcomes import AlertEvent, Level
from crowdwatch.core.text import plain
from crowdwatch.notify.cap import cap_xml
from crowdwatch.notify.context import Context
from crowdwatch.notify.rules import TEST
from crowdwatch.words import reason_text, t, term

__all__ = ["MEDIA_TYPES", "body_of", "json_of", "mark_of", "radio_of", "text_of", "title_of"]

MEDIA_TYPES = {
    Form.TEXT: "text/plain; charset=utf-8",
    Form.RADIO: "text/plain; charset=utf-8",
    Form.JSON: "application/json; charset=utf-8",
    Form.CAP: "application/cap+xml; charset=utf-8",
}

RADIO_MOST, DO_MOST = 200, 90
"""Letters of a radio line, and of what it says to do: what is read aloud in ten seconds."""


def mark_of(notification: Notification, language: str) -> str:
    """EXERCISE or TEST before everything else, or nothing."""
    if notification.exercise:
        return t(language, "mark.exercise") + " "
    return t(language, "mark.test") + " " if notification.test else ""


def level_word(alert: AlertEvent, language: str) -> str:
    """What the event amounts to: its level, or that it is over."""
    if alert.level == Level.NORMAL:
        return t(language, "told.over")
    return t(language, f"level.{alert.level.name.lower()}")


def alarm_word(alert: AlertEvent, language: str) -> str:
    """The alarm's name; that of a rule which has no name of its own here is its code."""
    name = alert.alarm.partition(":")[0]
    return t(language, "told.test") if alert.alarm == TEST else term(language, "alarm", name)


def value_text(alert: AlertEvent, language: str) -> str:
    """The value that was measured, with its unit; empty where there is none."""
    if not math.isfinite(alert.value) or not alert.unit:
        return ""
    return f"{alert.value:.1f}{term(language, 'unit', alert.unit)}"


def title_of(notification: Notification, context: Context, language: str) -> str:
    """One line for the subject of a mail."""
    alert = notification.alert
    return (
        f"{mark_of(notification, language)}{level_word(alert, language)} "
        f"{context.where(notification, language)}: {alarm_word(alert, language)}"
    )


def text_of(notification: Notification, context: Context, language: str) -> str:
    """Some lines: what, where, when, why, what to do, and the key."""
    alert = notification.alert
    at = context.local(alert.t_ns)
    lines = [
        title_of(notification, context, language),
        t(language, "told.when", date=f"{at:%Y-%m-%d}", time=f"{at:%H:%M:%S}", zone=context.time_zone),
        plain(reason_text(language, alert.reasons)),
        context.together(notification, language),
    ]
    do = context.instruction(notification, language)
    lines += [t(language, "told.do", text=do)] if do else []
    name = plain(context.name.get(language, "")) or context.event_id
    lines += [t(language, "told.from", event=name, number=notification.key)]
    return "\n".join(line for line in lines if line)


def radio_of(notification: Notification, context: Context, language: str) -> str:
    """One short line to be read aloud: level, place, value, what to do, time."""
    alert = notification.alert
    do = context.instruction(notification, language).rstrip(".。")
    do = do if len(do) <= DO_MOST else do[: DO_MOST - 1] + "…"
    at = context.local(alert.t_ns)
    parts = (
        f"{mark_of(notification, language)}{level_word(alert, language)}",
        context.where(notification, language), alarm_word(alert, language), value_text(alert, language), do,
        f"{at:%H:%M}",
    )  # fmt: skip
    line = plain(t(language, "told.radio_separator").join(part.strip() for part in parts if part.strip()))
    return line if len(line) <= RADIO_MOST else line[: RADIO_MOST - 1] + "…"


def json_of(notification: Notification, context: Context) -> str:
    """One object with every value; ``text`` and ``content`` say the same, as chat services read them."""
    alert = notification.alert
    text = {language: text_of(notification, context, language) for language in ("en", "zh")}
    said = {
        "id": notification.key,
        "status": "exercise" if notification.exercise else "test" if notification.test else "actual",
        "event_id": context.event_id,
        "run_id": notification.run_id,
        "zone_id": alert.zone_id,
        "zone": {language: context.zone(alert.zone_id, language) for language in ("en", "zh")},
        "same_cause_zone_ids": list(context.group(notification)),
        "alarm": alert.alarm,
        "transition": alert.transition,
        "level": alert.level.name.lower(),
        "state": alert.to_state.value,
        "t": context.iso(alert.t_ns),
        "t_ns": alert.t_ns,
        "first_id": notification.first_id or notification.event_id,
        "quantity": alert.quantity,
        "value": _finite(alert.value),
        "limit": _finite(alert.limit),
        "unit": alert.unit,
        "do": {language: context.instruction(notification, language) for language in ("en", "zh")},
        "texts": text,
        "text": text["en"],
        "content": text["en"],
    }
    return json.dumps(said, ensure_ascii=False, allow_nan=False)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def body_of(notification: Notification, context: Context, target: Target) -> tuple[str, str]:
    """Title and body in the form and the languages of a target."""
    languages = target.languages
    title = title_of(notification, context, languages[0])
    if target.form is Form.JSON:
        return title, json_of(notification, context)
    if target.form is Form.CAP:
        return title, cap_xml(notification, context, languages)
    write = radio_of if target.form is Form.RADIO else text_of
    gap = "\n" if target.form is Form.RADIO else "\n\n"
    return title, gap.join(write(notification, context, language) for language in languages)
