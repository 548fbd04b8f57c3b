"""How many alarms an operator was given: the figures of EEMUA 191.

An alarm is counted when it asks for attention: when it is raised or reported, when its level rises, and when it is
raised again because nobody acknowledged it. Windows of ten minutes
begin with the span.

Source: EEMUA 191 (2013), "Alarm systems": at most 10 alarms in 10 minutes can be dealt with in the long run.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from crowdwatch.core.outcomes import AlertEvent, Level

__all__ = ["MOST_PER_WINDOW", "WINDOW_S", "AlarmLoad", "alarm_load", "announces"]

WINDOW_S, MOST_PER_WINDOW = 600.0, 10
ANNOUNCING = frozenset({"raised", "level_up", "realarmed", "reported"})
"""Transitions that ask for attention. One that is not known yet asks for none."""


@dataclass(frozen=True, slots=True)
class AlarmLoad:
    """Alarms in windows of ten minutes.

    Args:
        alarms: in all.
        windows: that the span has, the last one perhaps cut short.
        most: in one window.
        mean: in a window.
        above_frac: share of the windows with more than ten.
    """

    alarms: int
    windows: int
    most: int
    mean: float
    above_frac: float


def announces(event: AlertEvent, least: Level = Level.WATCH) -> bool:
    """Whether a transition asks for attention, at this level or above."""
    return event.transition in ANNOUNCING and event.level >= least


def alarm_load(times_ns: Iterable[int], from_ns: int, to_ns: int) -> AlarmLoad:
    """Count alarms by windows of ten minutes.

    >>> minute = 60 * 10**9
    >>> alarm_load([minute * m for m in (1, 2, *[11] * 12)], 0, 20 * minute)
    AlarmLoad(alarms=14, windows=2, most=12, mean=7.0, above_frac=0.5)
    """
    window_ns = round(WINDOW_S * 1e9)
    windows = max(1, -(-(to_ns - from_ns) // window_ns))
    found = np.array([(t_ns - from_ns) // window_ns for t_ns in times_ns if from_ns <= t_ns <= to_ns], dtype=np.int64)
    counts = np.bincount(np.clip(found, 0, windows - 1), minlength=windows)
    above = float((counts > MOST_PER_WINDOW).mean())
    return AlarmLoad(len(found), windows, int(counts.max()), float(counts.mean()), above)
