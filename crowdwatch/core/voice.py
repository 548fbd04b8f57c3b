"""The nouns of spoken messages: what may be said, who confirmed it, when it is due."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from crowdwatch.core.notices import Quiet
from crowdwatch.core.outcomes import Level

__all__ = ["Announcement", "Play", "Reminder", "SpeechState", "VoiceRules"]


class SpeechState(StrEnum):
    """What became of a message: it waits for a person, is said, was stopped, or its alarm has moved on."""

    PROPOSED = "proposed"
    CONFIRMED = "confirmed"
    SILENCED = "silenced"
    OVER = "over"


@dataclass(frozen=True, slots=True)
class Reminder:
    """What is said to people in a hazard zone while they are there: a person has approved it in the event file.

    Args:
        reminder_id: its id.
        zone_ids: the hazard zones.
        alarm: the alarm that says that somebody is there.
        texts: by language.
        every_s: at most once in so many seconds, also over the ends of alarms.
        quiet: hours in which it is not said; the level is not looked at.
        most: at most so often in a run; 0 is no bound.
    """

    reminder_id: str
    zone_ids: frozenset[str]
    alarm: str
    texts: Mapping[str, str]
    every_s: float = 120.0
    quiet: tuple[Quiet, ...] = ()
    most: int = 0


@dataclass(frozen=True, slots=True)
class VoiceRules:
    """How messages are spoken.

    Args:
        languages: in their order: the local one first.
        source: who speaks, by language.
        repeat: how often a message is said in a row.
        gap_s: seconds between the beginnings of two repetitions.
        again_s: said again after so many seconds while its alarm stands at its level; 0 is not.
        approved_zones: zones whose messages need no confirmation.
        reminders: what is said in hazard zones.
    """

    languages: tuple[str, ...] = ("zh", "en")
    source: Mapping[str, str] = field(default_factory=dict)
    repeat: int = 2
    gap_s: float = 30.0
    again_s: float = 0.0
    approved_zones: frozenset[str] = frozenset()
    reminders: tuple[Reminder, ...] = ()


@dataclass(frozen=True, slots=True)
class Announcement:
    """A message that the playbook proposes for an alert.

    Args:
        announcement_id: the alert event that proposed it.
        zone_id, alarm, level: of the alert.
        texts: by language, whole.
        proposed_ns: the tick of the alert event.
        state: as of the time that was asked for.
        confirmed_ns: when it was confirmed, or proposed where that needs nobody; None where it was not.
        by: who confirmed it; empty where it is approved beforehand.
        end_ns: when it was stopped, or its alarm moved on; None while it may be said.
    """

    announcement_id: str
    zone_id: str
    alarm: str
    level: Level
    texts: Mapping[str, str]
    proposed_ns: int
    state: SpeechState
    confirmed_ns: int | None = None
    by: str = ""
    end_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Play:
    """One time that something is said.

    Args:
        play_id: of its own.
        t_ns: when it is due.
        zone_id: where.
        level: of its alert; NORMAL for a reminder. Higher ones go first.
        texts: by language.
    """

    play_id: str
    t_ns: int
    zone_id: str
    level: Level
    texts: Mapping[str, str]
