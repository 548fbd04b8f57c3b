"""From what the component in the browser asks to a command: every field is read with doubt, every action done once.

The browser gives each action a number of its own and repeats it until it is answered, because a connection may break in
between. What has been answered is not done again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from crowdwatch.core.commands import MOST_NAME, MOST_SHELVED_S, MOST_TEXT
from crowdwatch.core.runs import CommandKind

__all__ = ["KINDS", "MOST_ACTIONS", "Answers", "Asked", "asked_of"]

KINDS = frozenset(
    {
        CommandKind.ACKNOWLEDGE, CommandKind.ASSIGN, CommandKind.SHELVE, CommandKind.UNSHELVE, CommandKind.CLOSE,
        CommandKind.REPORT, CommandKind.CONFIRM,
    }
)  # fmt: skip
"""What the wall may ask. Whether this person may is judged by :func:`crowdwatch.ui.sending.send`."""

MOST_ACTIONS, MOST_ANSWERS = 12, 100


@dataclass(frozen=True, slots=True)
class Asked:
    """One action as the browser asks for it."""

    number: str
    kind: CommandKind
    zone_id: str = ""
    alarm: str = ""
    subject: str = ""
    text: str = ""
    value: float = 0.0
    duration_s: float = 0.0


def _text(raw: Mapping[str, Any], name: str, most: int) -> str:
    value = raw.get(name, "")
    return value[: most + 1] if isinstance(value, str) else ""


def _real(raw: Mapping[str, Any], name: str) -> float:
    value = raw.get(name, 0.0)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan


def asked_of(raw: object) -> list[Asked]:
    """The actions in what the browser sent; what is none is left out.

    >>> [each.kind.value for each in asked_of([{"number": "1", "kind": "acknowledge"}, {"kind": "stop"}, 7])]
    ['acknowledge']
    """
    found = []
    for each in raw[:MOST_ACTIONS] if isinstance(raw, list) else ():
        if not isinstance(each, Mapping):
            continue
        number, kind = _text(each, "number", 64), _text(each, "kind", 32)
        if not number or kind not in {known.value for known in KINDS}:
            continue
        found.append(
            Asked(
                number, CommandKind(kind), _text(each, "zone", MOST_NAME), _text(each, "alarm", MOST_NAME),
                _text(each, "subject", MOST_NAME), _text(each, "text", MOST_TEXT), _real(each, "value"),
                min(_real(each, "minutes") * 60, MOST_SHELVED_S * 10),
            )
        )  # fmt: skip
    return found


class Answers:
    """What became of the actions of one browser session: empty text where it was queued, else why not."""

    def __init__(self) -> None:
        self._said: dict[str, str] = {}

    def take(self, asked: list[Asked], do: Callable[[Asked], str]) -> None:
        """Do what was not done before, in its order.

        Args:
            asked: from :func:`asked_of`.
            do: queues one and returns why it could not.
        """
        for each in asked:
            if each.number not in self._said:
                self._said[each.number] = do(each)
        for number in list(self._said)[:-MOST_ANSWERS]:
            del self._said[number]

    def newest(self) -> dict[str, str]:
        """The answers that a browser may still wait for."""
        return dict(list(self._said.items())[-MOST_ACTIONS * 2 :])
