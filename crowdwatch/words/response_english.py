"""Texts of what follows an alert, in English: messages to those who are told."""

from __future__ import annotations

__all__ = ["RESPONSE", "RESPONSE_TERMS"]

RESPONSE: dict[str, str] = {
    # messages
    "mark.exercise": "EXERCISE EXERCISE.",
    "mark.test": "TEST.",
    "told.test": "test message",
    "told.over": "OVER",
    "told.when": "Event time: {date} {time} ({zone})",
    "told.do": "To do: {text}",
    "told.from": "{event}, CrowdWatch. Key: {number}",
    "told.more": "{zone} and {more} more",
    "told.group": "One cause, one alert: {zones}.",
    "told.list": ", ",
    "told.radio_separator": ", ",
    # why somebody is not told
    "suppressed.below_level": "below the level of this target",
    "suppressed.other_alarm": "this target does not hear of this alarm",
    "suppressed.other_role": "passed on to another role",
    "suppressed.quiet": "quiet hours of this target",
    "suppressed.cleared": "this target does not hear of the end of alarms",
    "suppressed.acknowledged": "this target does not hear of what people do about alarms",
    "suppressed.never_told": "this target was not told of the alarm",
    "suppressed.set_aside": "the alarm is shelved, or out of service",
    "suppressed.too_old": "over before this target was first followed",
    # delivery on the page
    "delivery": "Who was told",
    "delivery.none": "Nobody has been told: crowdwatch notify has not run for this run.",
    "delivery.waiting": "waiting, {n} tries: {why}",
    "delivery.sending": "on its way, try {n}",
    "delivery.sent": "delivered at {time}",
    "delivery.suppressed": "not told: {why}",
    "delivery.first": "first try",
    # commands and units
    "command.assign": "assign a unit",
    "command.accept": "accept",
    "command.arrive": "arrived",
    "command.release": "release a unit",
    "command.unit": "report of a unit",
    "command.confirm": "confirm a message",
    "command.silence": "silence",
    "unit.free": "free",
    "unit.assigned": "assigned",
    "unit.accepted": "on its way",
    "unit.arrived": "on site",
    "unit.off": "off duty",
    # spoken
    "voice.time": "The time is {hour}:{minute}.",
    # page
    "playbook.do": "What to do",
    "playbook.call": "Call: {names}",
    "playbook.message": "Read out: {text}",
    "playbook.none": "The playbook says nothing of this alert.",
    "units": "Units",
    "units.none": "The event file names no units.",
    "units.assign": "Send {unit} ({metres} m)",
    "units.away": "{unit}: {state}, {zone}",
    "units.nobody": "No unit is free.",
    "units.last": "Not done: {unit}: {reason}.",
    "respond": "Respond to an alert",
    "respond.alert": "Alert",
}

RESPONSE_TERMS: dict[str, dict[str, str]] = {
    "alarm": {
        "crowding": "crowding",
        "blindness": "blind zone",
        "build_up": "rapid build-up",
        "time_to_limit": "limit is near",
        "early": "earlier than planned",
        "uncalibrated": "camera not calibrated",
        "presence": "people in a hazard zone",
        "movement": "signs in movement",
        "report": "report by staff",
    },
}
