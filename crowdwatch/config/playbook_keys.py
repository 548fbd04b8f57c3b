"""Keys of the event file: the playbook. It is complete at start-up, or every gap is listed and nothing starts."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Annotated, Literal

from pydantic import Field

from crowdwatch.config.fields import Ident, Plain, Positive, Step, Truth
from crowdwatch.config.programs import Model
from crowdwatch.core.outcomes import Level
from crowdwatch.core.playbook import SLOTS, Measure, Playbook, slots_of
from crowdwatch.core.site import ZoneKind

__all__ = ["BothTexts", "MeasureFile", "PlaybookSettings", "playbook_faults", "playbook_of"]

BLINDNESS = "blindness"

Texted = Annotated[str, Field(strict=True, min_length=1, max_length=2000, pattern=r"\S")]


class BothTexts(Model):
    """A text that people act on: in both languages, always."""

    en: Texted
    """English."""
    zh: Texted
    """Chinese."""

    def both(self) -> dict[str, str]:
        """Both languages."""
        return {"en": self.en, "zh": self.zh}


class MeasureFile(Model):
    """What to do about an alarm at some levels: see :class:`~crowdwatch.core.playbook.Measure`."""

    zones: list[Ident] = Field(default_factory=list)
    """Zones for which it holds; with neither zones nor kinds, all."""
    kinds: list[ZoneKind] = Field(default_factory=list)
    """Kinds of zones for which it holds."""
    alarms: Annotated[list[Ident], Field(min_length=1)] = Field(default_factory=lambda: ["crowding"])
    """Names of the alarms that it answers."""
    levels: Annotated[list[Step], Field(min_length=1)]
    """Levels at which it holds."""
    do: BothTexts
    """What to do. Slots in braces, as `{zone}`, `{hold}`, `{minutes}`, are filled in."""
    call: list[Plain] = Field(default_factory=list)
    """Whom to call, in this order."""
    hold_gates: list[Ident] = Field(default_factory=list)
    """Gates at which people are held."""
    close_gates: list[Ident] = Field(default_factory=list)
    """Gates to close."""
    open_gates: list[Ident] = Field(default_factory=list)
    """Gates to open."""
    send_to: Ident | None = None
    """Zone to which people are sent."""
    route: BothTexts | None = None
    """The way there, in words."""
    minutes: Positive | None = None
    """How long it takes, or how long people wait."""
    message: BothTexts | None = None
    """What loudspeakers say; slots as in `do`."""
    approved: Truth = False
    """Whether the message may be spoken before a person confirms it."""


class PlaybookSettings(Model):
    """All measures, and for which alarms and levels every zone must have one. Blindness has one level, ``alert``."""

    alarms: list[Ident] = Field(default_factory=lambda: ["crowding", BLINDNESS])
    """Alarms for which every zone must have a measure."""
    levels: list[Step] = Field(default_factory=lambda: list[Literal["watch", "caution", "alert", "critical"]](
        ["alert", "critical"]
    ))  # fmt: skip
    """Levels at which every zone must have one."""
    measures: Annotated[list[MeasureFile], Field(max_length=1000)] = Field(default_factory=list)
    """What to do, where and when."""


def playbook_of(settings: PlaybookSettings | None) -> Playbook:
    """The playbook as plain values; empty where the event file has none."""
    if settings is None:
        return Playbook()
    return Playbook(tuple(_measure(number, each) for number, each in enumerate(settings.measures)))


def _measure(number: int, given: MeasureFile) -> Measure:
    return Measure(
        number, frozenset(given.zones), frozenset(kind.value for kind in given.kinds), frozenset(given.alarms),
        frozenset(Level[step.upper()] for step in given.levels), given.do.both(), tuple(given.call),
        tuple(given.hold_gates), tuple(given.close_gates), tuple(given.open_gates), given.send_to or "",
        None if given.route is None else given.route.both(), given.minutes or 0.0,
        None if given.message is None else given.message.both(), given.approved,
    )  # fmt: skip


def playbook_faults(
    settings: PlaybookSettings,
    zones: Mapping[str, ZoneKind],
    gates: Collection[str],
    fault: Callable[[tuple[str | int, ...], str], None],
) -> None:
    """Tell every fault of a playbook: what it leaves open, and what it names that is not there.

    Args:
        settings: the playbook.
        zones: ids and kinds of the event's zones.
        gates: ids of its gates.
        fault: takes the key's path and what is wrong.
    """
    for number, measure in enumerate(settings.measures):
        path = ("playbook", "measures", number)
        named = [("zones", measure.zones, zones), ("hold_gates", measure.hold_gates, gates)]
        named += [("close_gates", measure.close_gates, gates), ("open_gates", measure.open_gates, gates)]
        named += [("send_to", [measure.send_to] if measure.send_to else [], zones)]
        for key, ids, known in named:
            for each in ids:
                if each not in known:
                    fault((*path, key), f"got {each!r}, there is none. Known: {', '.join(known) or 'none'}.")
        for gate in sorted({*measure.hold_gates, *measure.close_gates} & set(measure.open_gates)):
            fault((*path, "open_gates"), f"got {gate!r}, which is held or closed too. Name it once.")
        _slots(measure, path, fault)
    asked = [
        (alarm, Level[step.upper()]) for alarm in settings.alarms for step in settings.levels if alarm != BLINDNESS
    ]
    asked += [(BLINDNESS, Level.ALERT)] if BLINDNESS in settings.alarms else []
    gaps = playbook_of(settings).gaps([(zone_id, kind.value) for zone_id, kind in zones.items()], asked)
    for alarm, level in asked:
        open_ = [zone_id for zone_id, of, at in gaps if (of, at) == (alarm, level)]
        if open_:
            where = f"{alarm} at {level.name.lower()}: nothing is said for {', '.join(open_)}"
            fault(("playbook", "measures"), f"{where}. Add a measure that holds there.")


def _slots(
    measure: MeasureFile, path: tuple[str | int, ...], fault: Callable[[tuple[str | int, ...], str], None]
) -> None:
    given = {
        "hold": measure.hold_gates, "close": measure.close_gates, "open": measure.open_gates,
        "send_to": measure.send_to, "route": measure.route, "minutes": measure.minutes,
    }  # fmt: skip
    for key, texts in (("do", measure.do), ("message", measure.message)):
        for language, text in ({} if texts is None else texts.both()).items():
            where = (*path, key, language)
            try:
                slots = slots_of(text)
            except ValueError as error:
                fault(where, f"{error}. Write a brace that is meant twice.")
                continue
            for slot in sorted(slots - SLOTS):
                fault(where, f"got {{{slot}}}, there is no such slot. Slots: {', '.join(sorted(SLOTS))}.")
            for slot in sorted(slots & given.keys()):
                if not given[slot]:
                    fault(where, f"{{{slot}}} has nothing to stand for: the measure does not say it. Add the key.")
