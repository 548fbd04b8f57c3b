"""Keys of the event file: messages for loudspeakers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from crowdwatch.config.fields import Ident, NotNegative, Plain, Positive, Truth
from crowdwatch.config.notify_keys import Clock, minutes_of
from crowdwatch.config.playbook_keys import BothTexts
from crowdwatch.config.programs import Model
from crowdwatch.core.notices import Quiet
from crowdwatch.core.outcomes import Level
from crowdwatch.core.voice import Reminder, VoiceRules

__all__ = ["HoursFile", "ReminderFile", "VoiceSettings", "voice_rules"]


def _with_file(value: list[str]) -> list[str]:
    if not any("{file}" in word for word in value):
        raise ValueError("names no {file}: the program must know which file is meant")
    return value


Program = Annotated[list[Plain], Field(min_length=1, max_length=50), AfterValidator(_with_file)]
SOURCE = BothTexts(en="This is event control.", zh="这里是活动指挥中心。")


class HoursFile(Model):
    """Hours of the day; they may reach over midnight."""

    from_time: Clock
    """Beginning, as "22:30"."""
    to_time: Clock
    """End."""


class ReminderFile(Model):
    """What is said to people in hazard zones while an alarm says that they are there. It is approved by standing here:
    ``approved`` must be written out."""

    id: Ident
    """Short name."""
    zones: Annotated[list[Ident], Field(min_length=1)]
    """Zones in which it is said."""
    alarm: Ident = "presence"
    """While which alarm stands."""
    text: BothTexts
    """What is said."""
    every_s: Annotated[Positive, Field(ge=10, le=3600)] = 120.0
    """Time between two."""
    quiet: list[HoursFile] = Field(default_factory=list)
    """Hours of the day in which it is not said."""
    most: Annotated[int, Field(strict=True, ge=0)] = 0
    """How often it is said at most while the alarm stands; 0 is no limit."""
    approved: Literal[True]
    """Must be `true`: a reminder is not confirmed each time."""


class VoiceSettings(Model):
    """How messages are spoken: see :class:`~crowdwatch.core.voice.VoiceRules`."""

    engine: Program | None = None
    """Program that makes a WAV file of a text, which it reads from its input; `{file}`, `{voice}` and `{language}` are
    put in. Absent: espeak-ng."""
    player: Program | None = None
    """Program that plays `{file}`. Absent: aplay."""
    voices: dict[Literal["en", "zh"], Plain] = Field(default_factory=dict)
    """Name of the voice by language."""
    languages: Annotated[list[Literal["en", "zh"]], Field(min_length=1, max_length=2)] = Field(
        default_factory=lambda: list[Literal["en", "zh"]](["zh", "en"])
    )
    """In which languages, in this order."""
    source: BothTexts = SOURCE
    """Who speaks, at the beginning of each message."""
    time: Truth = True
    """Whether the time is said at the end."""
    repeat: Annotated[int, Field(strict=True, ge=1, le=5)] = 2
    """How often a message is said."""
    gap_s: Annotated[Positive, Field(ge=5, le=300)] = 30.0
    """Time between two."""
    again_s: Annotated[NotNegative, Field(le=3600)] = 0.0
    """After which time it is said again while the alarm stands; 0 is not."""
    approved_zones: list[Ident] = Field(default_factory=list)
    """Zones whose messages may be spoken before a person confirms them."""
    reminders: Annotated[list[ReminderFile], Field(max_length=100)] = Field(default_factory=list)
    """What is said to people in hazard zones."""


def voice_rules(settings: VoiceSettings | None) -> VoiceRules:
    """The rules as plain values; those of an empty section where the event file has none."""
    given = settings or VoiceSettings()
    reminders = tuple(
        Reminder(
            each.id, frozenset(each.zones), each.alarm, each.text.both(), each.every_s,
            tuple(Quiet(minutes_of(h.from_time), minutes_of(h.to_time), Level.CRITICAL) for h in each.quiet), each.most,
        )
        for each in given.reminders
    )  # fmt: skip
    return VoiceRules(
        tuple(given.languages), given.source.both(), given.repeat, given.gap_s, given.again_s,
        frozenset(given.approved_zones), reminders,
    )  # fmt: skip
