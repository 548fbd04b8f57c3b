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
    to_time: Clock


class ReminderFile(Model):
    """What is said to people in hazard zones while an alarm says that they are there. It is approved by standing here:
    ``approved`` must be written out."""

    id: Ident
    zones: Annotated[list[Ident], Field(min_length=1)]
    alarm: Ident = "presence"
    text: BothTexts
    every_s: Annotated[Positive, Field(ge=10, le=3600)] = 120.0
    quiet: list[HoursFile] = Field(default_factory=list)
    most: Annotated[int, Field(strict=True, ge=0)] = 0
    approved: Literal[True]


class VoiceSettings(Model):
    """How messages are spoken: see :class:`~crowdwatch.core.voice.VoiceRules`.

    Args:
        engine: program that makes a WAV file of a text, which it reads from its input; ``{file}``, ``{voice}`` and
            ``{language}`` are put in. Absent: espeak-ng.
        player: program that plays ``{file}``. Absent: aplay.
        voices: name of the voice by language.
        time: whether the time is said at the end.
    """

    engine: Program | None = None
    player: Program | None = None
    voices: dict[Literal["en", "zh"], Plain] = Field(default_factory=dict)
    languages: Annotated[list[Literal["en", "zh"]], Field(min_length=1, max_length=2)] = Field(
        default_factory=lambda: list[Literal["en", "zh"]](["zh", "en"])
    )
    source: BothTexts = SOURCE
    time: Truth = True
    repeat: Annotated[int, Field(strict=True, ge=1, le=5)] = 2
    gap_s: Annotated[Positive, Field(ge=5, le=300)] = 30.0
    again_s: Annotated[NotNegative, Field(le=3600)] = 0.0
    approved_zones: list[Ident] = Field(default_factory=list)
    reminders: Annotated[list[ReminderFile], Field(max_length=100)] = Field(default_factory=list)


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
