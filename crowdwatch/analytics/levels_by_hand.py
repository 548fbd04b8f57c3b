"""A zone's level that a commander set by hand: upwards at once, downwards for a time, and never over a rise of
evidence that came later."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from crowdwatch.analytics.alarm_states import Cause
from crowdwatch.core.outcomes import Level
from crowdwatch.core.reasons import Code, Reason

__all__ = ["RISE_SHARE", "Hand", "under_hand"]

RISE_SHARE = 0.1
"""A lowered level ends when the measurement has risen by this share since it was lowered: within one level, and above
the highest, too. Counts of a window sway by less. [design value]"""


@dataclass(frozen=True, slots=True)
class Hand:
    """A level set by hand.

    Args:
        level: the level.
        by, text: who set it, and why.
        until_ns: until when; 0 for no end.
        lowers: whether it is below what was measured then.
        seen: the lowest level that has been measured since.
        nearest: how near the measurement was to the zone's limits then; NaN before it is known.
    """

    level: Level
    by: str
    text: str
    until_ns: int
    lowers: bool
    seen: Level
    nearest: float = math.nan


def under_hand(hand: Hand, why: Cause, nearest: float, t_ns: int) -> tuple[Cause, Hand | None, Code | None]:
    """What decides a zone's level where one was set by hand.

    Args:
        hand: as it was set.
        why: what evidence says.
        nearest: the largest value / limit now; NaN where nothing is known, which ends and hides nothing.
        t_ns: the tick.

    Returns:
        What decides, the hand for the next tick (None: it is over), and why it is over.
    """
    if 0 < hand.until_ns <= t_ns:
        return why, None, Code.HAND_OVER
    by_hand = replace(
        why,
        level=hand.level,
        reason=Reason.of(Code.SET_BY_HAND, actor=hand.by, text=hand.text),
        cause=hand.by,
    )
    if not hand.lowers:
        return (by_hand if hand.level > why.level else why), hand, None
    if math.isnan(hand.nearest):
        hand = replace(hand, nearest=nearest)
    if why.level > hand.seen or nearest > hand.nearest * (1 + RISE_SHARE):
        return why, None, Code.HAND_OVERRULED
    hand = replace(hand, seen=min(hand.seen, why.level))
    return (by_hand if hand.level < why.level else why), hand, None
