"""What people do, once the engine has put it into the order of events: the only way in which a person reaches the
fold. :mod:`crowdwatch.core.commands` says what each kind needs."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["OperatorAction"]


@dataclass(frozen=True, slots=True)
class OperatorAction:
    """What an operator did at one tick.

    ``seen_level`` is the alarm level that the operator saw: an alarm that has risen above it meanwhile is not
    acknowledged or shelved, because nobody has seen it.

    Args:
        command_id: its number in the store, unique in a run.
        t_ns: the tick that it was sequenced for.
        kind: a :class:`~crowdwatch.core.runs.CommandKind`.
        zone_id, alarm: the alarm that it is about; empty where it is about none.
        actor: who did it; free text.
        seen_level: level that was seen.
        role: in which role.
        subject: what else it is about: a unit, a gate, a message, a phase, a kind of report.
        text: why, or what was reported; free text.
        value: a number, as its kind says: a level, people who were counted; 0 where it needs none.
        duration_s: for how long; 0 where its kind needs none.
    """

    command_id: int
    t_ns: int
    kind: str
    zone_id: str
    alarm: str
    actor: str
    seen_level: int
    role: str = ""
    subject: str = ""
    text: str = ""
    value: float = 0.0
    duration_s: float = 0.0
