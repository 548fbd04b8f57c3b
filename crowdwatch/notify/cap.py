"""CAP 1.2 (OASIS, 2010): the message that warning systems read.

The elements stand in the order of the schema; times have whole seconds and an offset (``Z`` and fractions are not
allowed); there is one ``info`` per language. The message by which a target first hears of an alarm is an Alert; what
follows is an Update, and the end a Cancel, which refer to that first one.
"""

from __future__ import annotations

import math
from xml.etree import ElementTree

from crowdwatch.core.notices import Notification, key_of
from crowdwatch.core.outcomes import AlertEvent, Level
from crowdwatch.core.text import plain
from crowdwatch.notify.context import Context
from crowdwatch.notify.rules import TEST
from crowdwatch.words import reason_text, t, term

__all__ = ["NAMESPACE", "cap_xml"]

NAMESPACE = "urn:oasis:names:tc:emergency:cap:1.2"

LANGUAGES = {"en": "en-US", "zh": "zh-CN"}

URGENCY = {
    Level.CRITICAL: ("Immediate", "Extreme", "Observed"),
    Level.ALERT: ("Expected", "Severe", "Likely"),
    Level.CAUTION: ("Future", "Moderate", "Possible"),
    Level.WATCH: ("Future", "Minor", "Possible"),
}
"""Urgency, severity, certainty of a level."""

OVER = ("Past", "Minor", "Observed")

HEADLINE_MOST = 160
"""Letters, as the standard asks for."""


def cap_xml(notification: Notification, context: Context, languages: tuple[str, ...]) -> str:
    """An alert event as a CAP message.

    >>> from crowdwatch.core.notices import NotificationState, alert_to_json
    >>> from crowdwatch.core.outcomes import AlarmState
    >>> alert = AlertEvent("a1", "crowding", "gate", 0, "raised", AlarmState.NORMAL, AlarmState.UNACKNOWLEDGED,
    ...     Level.CRITICAL, "density", 5.2, 5.0, "p/m2", (), "rule")
    >>> one = Notification("r", "t", "a1", "gate", "crowding", 0, 1, "raised", Level.CRITICAL,
    ...     NotificationState.WAITING, False, False, 0, 0, "", 0, 0, "", 0, alert_to_json(alert))
    >>> text = cap_xml(one, Context("night", {"en": "Night"}, {}, "Asia/Shanghai"), ("en",))
    >>> "<sent>1970-01-01T08:00:00+08:00</sent>" in text, "<severity>Extreme</severity>" in text
    (True, True)
    """
    alert = notification.alert
    root = ElementTree.Element("alert", xmlns=NAMESPACE)
    _add(root, "identifier", identifier(context, notification.key))
    _add(root, "sender", context.sender)
    _add(root, "sent", context.iso(alert.t_ns))
    _add(root, "status", "Exercise" if notification.exercise else "Test" if notification.test else "Actual")
    _add(root, "msgType", _kind(notification, alert))
    _add(root, "source", "CrowdWatch")
    _add(root, "scope", context.scope)
    if context.scope == "Restricted":
        _add(root, "restriction", context.restriction)
    if notification.exercise:
        _add(root, "note", "EXERCISE EXERCISE EXERCISE")
    if notification.first_id:
        first = key_of(notification.run_id, notification.first_id, exercise=notification.exercise)
        referred = (context.sender, identifier(context, first), context.iso(notification.first_ns))
        _add(root, "references", ",".join(referred))
    for language in languages:
        _info(root, notification, alert, context, language)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode")


def identifier(context: Context, key: str) -> str:
    """Of a message: no space, comma, < or &."""
    return f"crowdwatch.{context.event_id}.{key}"


def _kind(notification: Notification, alert: AlertEvent) -> str:
    if not notification.first_id:
        return "Alert"
    return "Cancel" if alert.level == Level.NORMAL else "Update"


def _info(
    root: ElementTree.Element, notification: Notification, alert: AlertEvent, context: Context, language: str
) -> None:
    over = alert.level == Level.NORMAL
    urgency, severity, certainty = OVER if over else URGENCY.get(alert.level, ("Unknown", "Unknown", "Unknown"))
    name = alert.alarm.partition(":")[0]
    word = t(language, "told.test") if alert.alarm == TEST else term(language, "alarm", name)
    zone, where = context.zone(alert.zone_id, language), context.where(notification, language)
    level = t(language, "told.over") if over else t(language, f"level.{alert.level.name.lower()}")
    mark = t(language, "mark.exercise") + " " if notification.exercise else ""
    do = context.instruction(notification, language)
    info = ElementTree.SubElement(root, "info")
    _add(info, "language", LANGUAGES[language])
    _add(info, "category", "Infra" if name == "blindness" else "Safety")
    _add(info, "event", word)
    _add(info, "responseType", "AllClear" if over else "Execute" if do else "Monitor")
    _add(info, "urgency", urgency)
    _add(info, "severity", severity)
    _add(info, "certainty", certainty)
    _add(info, "senderName", plain(context.public_sender.get(language, "")) or context.sender)
    _add(info, "headline", f"{mark}{level} {where}: {word}"[:HEADLINE_MOST])
    why = plain(reason_text(language, alert.reasons)) or f"{level} {zone}: {word}"
    _add(info, "description", " ".join(filter(None, (why, context.together(notification, language)))))
    if do:
        _add(info, "instruction", do)
    for parameter, value in (("level", alert.level.name.lower()), *_measured(alert)):
        found = ElementTree.SubElement(info, "parameter")
        _add(found, "valueName", parameter)
        _add(found, "value", value)
    area = ElementTree.SubElement(info, "area")
    _add(area, "areaDesc", zone)
    ring = context.rings.get(alert.zone_id, ())
    if ring:
        _add(area, "polygon", " ".join(f"{lat:.6f},{lon:.6f}" for lat, lon in ring))


def _measured(alert: AlertEvent) -> list[tuple[str, str]]:
    numbers = (("value", alert.value), ("limit", alert.limit))
    unit = f" {alert.unit}" if alert.unit else ""
    return [(name, f"{number:g}{unit}") for name, number in numbers if math.isfinite(number)]


def _add(parent: ElementTree.Element, name: str, text: str) -> None:
    ElementTree.SubElement(parent, name).text = text
