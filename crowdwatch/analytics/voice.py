"""Which messages are to be spoken when: from alert events, what people did, and the playbook. Pure and event-timed, so
that a replay proposes, says and silences the same.

A message is proposed when an alarm is raised or rises, and ends when its alarm moves on. It is said only after a person
has confirmed it, unless its measure or its zone is approved beforehand. Silence stops everything that was confirmed
before it, until it is confirmed anew.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from crowdwatch.analytics.advice import Adviser
from crowdwatch.core.notices import order_of
from crowdwatch.core.outcomes import AlertEvent, Level
from crowdwatch.core.runs import Command, CommandKind
from crowdwatch.core.voice import Announcement, Play, Reminder, SpeechState, VoiceRules

__all__ = ["BEGINS", "MOVES", "announcements", "plays", "reminders"]

NS = 1_000_000_000

BEGINS = frozenset({"raised", "level_up", "level_set", "reported"})
MOVES = BEGINS | {"level_down", "level_over", "cleared", "latched", "closed"}
"""Transitions that propose a message, and those that end the one before."""


def announcements(
    alerts: Sequence[AlertEvent],
    commands: Sequence[Command],
    adviser: Adviser,
    rules: VoiceRules,
    now_ns: int,
    say_time: Callable[[int, str], str] = lambda t_ns, language: "",
) -> list[Announcement]:
    """Every message that alerts up to a time have proposed, newest first, with its state then.

    Args:
        alerts: alert events of one run.
        commands: those that were carried out; CONFIRM names the announcement as its subject, SILENCE a zone or none.
        adviser: the playbook.
        rules: how messages are spoken.
        now_ns: event time.
        say_time: how a time is spoken in a language.
    """
    found: list[Announcement] = []
    ordered = sorted((each for each in alerts if each.t_ns <= now_ns), key=order_of)
    for number, event in enumerate(ordered):
        if event.transition not in BEGINS:
            continue
        advice = adviser.advise(
            event.zone_id,
            event.alarm,
            event.level,
            {},
            value=event.value,
            clock=say_time(event.t_ns, rules.languages[0]),
        )
        if advice is None or advice.measure.message is None:
            continue
        texts = {
            language: _joined(
                language, rules.source.get(language, ""), advice.message(language), say_time(event.t_ns, language)
            )
            for language in rules.languages
        }
        approved = advice.measure.approved or event.zone_id in rules.approved_zones
        one = Announcement(
            event.event_id, event.zone_id, event.alarm, event.level, texts, event.t_ns,
            SpeechState.CONFIRMED if approved else SpeechState.PROPOSED, event.t_ns if approved else None,
        )  # fmt: skip
        found.append(_followed(one, _end_of(event, ordered[number + 1 :]), commands, now_ns))
    return found[::-1]


def _joined(language: str, *parts: str) -> str:
    return ("" if language == "zh" else " ").join(part for part in parts if part)


def _end_of(event: AlertEvent, later: Sequence[AlertEvent]) -> int | None:
    """When the alarm moved on: it was over, or its level changed."""
    own = (e for e in later if (e.zone_id, e.alarm) == (event.zone_id, event.alarm) and e.transition in MOVES)
    return next((each.t_ns for each in own), None)


def _followed(one: Announcement, over_ns: int | None, commands: Sequence[Command], now_ns: int) -> Announcement:
    """An announcement after what people did about it, and after its alarm moved on."""
    for command in commands:
        at_ns = command.sequenced_t_ns
        if at_ns is None or at_ns > now_ns or at_ns < one.proposed_ns or (over_ns is not None and at_ns >= over_ns):
            continue
        if command.kind is CommandKind.CONFIRM and command.subject == one.announcement_id:
            if one.state is not SpeechState.CONFIRMED:
                state = SpeechState.CONFIRMED
                one = replace(one, state=state, confirmed_ns=at_ns, by=command.actor, end_ns=None)
        elif command.kind is CommandKind.SILENCE and command.zone_id in ("", one.zone_id):
            one = replace(one, state=SpeechState.SILENCED, end_ns=at_ns)
    if over_ns is not None and one.state is not SpeechState.SILENCED:
        return replace(one, state=SpeechState.OVER, end_ns=over_ns)
    return one


def plays(found: Sequence[Announcement], rules: VoiceRules, after_ns: int, to_ns: int) -> list[Play]:
    """What is due after one time and up to another, by time, higher levels first.

    >>> one = Announcement("a", "z", "crowding", Level.ALERT, {"en": "Stop."}, 0, SpeechState.CONFIRMED, 0)
    >>> due = plays([one], VoiceRules(repeat=2, gap_s=30, again_s=120), -1, 160 * NS)
    >>> [play.t_ns // NS for play in due]
    [0, 30, 120, 150]
    """
    due = []
    for one in found:
        if one.confirmed_ns is None:
            continue
        for number, t_ns in enumerate(_times(one.confirmed_ns, rules, to_ns)):
            if t_ns > after_ns and (one.end_ns is None or t_ns < one.end_ns):
                play_id = f"{one.announcement_id}.{one.confirmed_ns}.{number}"
                due.append(Play(play_id, t_ns, one.zone_id, one.level, one.texts))
    return sorted(due, key=lambda play: (play.t_ns, -play.level, play.play_id))


def _times(from_ns: int, rules: VoiceRules, to_ns: int) -> list[int]:
    """When a message is said that was confirmed at a time, up to another."""
    times, begin_ns = list[int](), from_ns
    while begin_ns <= to_ns:
        times += [begin_ns + round(n * rules.gap_s * NS) for n in range(rules.repeat)]
        if rules.again_s <= 0:
            break
        begin_ns += round(max(rules.again_s, rules.repeat * rules.gap_s) * NS)
    return [t_ns for t_ns in times if t_ns <= to_ns]


def reminders(
    alerts: Sequence[AlertEvent],
    commands: Sequence[Command],
    reminder: Reminder,
    now_ns: int,
    minute: Callable[[int], int],
    source: Mapping[str, str] | None = None,
) -> tuple[list[Play], int]:
    """What a reminder has said up to a time, and how often it stayed silent in quiet hours.

    Args:
        alerts: alert events of one run.
        commands: those that were carried out; SILENCE ends a reminder until the zone is entered anew.
        reminder: the rule.
        now_ns: event time.
        minute: minute of the day of an event time.
        source: who speaks, by language.
    """
    said, quiet, last_ns = list[Play](), 0, None
    texts = {
        language: _joined(language, (source or {}).get(language, ""), text) for language, text in reminder.texts.items()
    }
    for zone_id, begin_ns, end_ns in _present(alerts, commands, reminder, now_ns):
        t_ns = begin_ns if last_ns is None else max(begin_ns, last_ns + round(reminder.every_s * NS))
        while t_ns < end_ns and (not reminder.most or len(said) < reminder.most):
            if any(hours.holds(minute(t_ns)) for hours in reminder.quiet):
                quiet += 1
            else:
                play_id = f"{reminder.reminder_id}.{len(said)}.{t_ns}"
                said.append(Play(play_id, t_ns, zone_id, Level.NORMAL, texts))
            last_ns = t_ns
            t_ns += round(reminder.every_s * NS)
    return said, quiet


def _present(
    alerts: Sequence[AlertEvent], commands: Sequence[Command], reminder: Reminder, now_ns: int
) -> list[tuple[str, int, int]]:
    """Since when until when somebody was in a hazard zone, by time; the end is exclusive."""
    begun: dict[str, int] = {}
    spans: list[tuple[str, int, int]] = []
    marks = [(each.t_ns, 0, each.zone_id, each.level > Level.NORMAL) for each in alerts if _of(each, reminder)]
    marks += [
        (each.sequenced_t_ns, 1, each.zone_id, False)
        for each in commands
        if each.kind is CommandKind.SILENCE and each.sequenced_t_ns is not None
    ]
    for t_ns, _, zone_id, there in sorted(mark for mark in marks if mark[0] <= now_ns):
        for zone in [zone_id] if zone_id else list(begun):
            if there:
                begun.setdefault(zone, t_ns)
            elif zone in begun:
                spans.append((zone, begun.pop(zone), t_ns))
    spans += [(zone, begin_ns, now_ns + 1) for zone, begin_ns in begun.items()]
    return sorted(spans, key=lambda span: (span[1], span[0]))


def _of(event: AlertEvent, reminder: Reminder) -> bool:
    moves = event.transition in ("raised", "cleared", "latched", "closed")
    return event.zone_id in reminder.zone_ids and event.alarm == reminder.alarm and moves
