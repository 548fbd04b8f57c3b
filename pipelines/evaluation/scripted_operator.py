"""The operator of a scripted night: acknowledges what is raised, some seconds later, as a person would.

Whom one sends is no part of it yet: dispatch joins here, so that the one-minute rate is measured on the same nights.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from crowdwatch.core.outcomes import AlarmState, Outcome
from crowdwatch.core.records import OperatorAction

__all__ = ["ScriptedOperator"]

NS = 1_000_000_000
ANSWERS_S = (12.0, 45.0)
"""From the alarm to the acknowledgement, evenly between both. [design value]"""


@dataclass(slots=True)
class ScriptedOperator:
    """Answers alarms.

    Args:
        seed: of how long each answer takes.
    """

    seed: int
    _rng: np.random.Generator = field(init=False)
    _due: dict[tuple[str, str, int], int] = field(default_factory=dict)
    _count: int = 0

    def __post_init__(self) -> None:
        self._rng = np.random.default_rng((self.seed, 3))

    def see(self, outcome: Outcome) -> None:
        """Look at what a tick says."""
        open_alarms = {
            (alarm.zone_id, alarm.alarm, int(alarm.level))
            for alarm in outcome.alarms
            if alarm.state in (AlarmState.UNACKNOWLEDGED, AlarmState.CLEARED_UNACKNOWLEDGED)
        }
        for key in sorted(open_alarms - self._due.keys()):
            self._due[key] = outcome.t_ns + round(float(self._rng.uniform(*ANSWERS_S)) * NS)
        self._due = {key: at_ns for key, at_ns in self._due.items() if key in open_alarms}

    def acts(self, t_ns: int) -> list[OperatorAction]:
        """What is done up to the tick at ``t_ns``, to be folded before it."""
        actions = []
        for key in sorted(key for key, at_ns in self._due.items() if at_ns <= t_ns):
            del self._due[key]
            self._count += 1
            zone_id, alarm, level = key
            actions.append(OperatorAction(self._count, t_ns, "acknowledge", zone_id, alarm, "scripted operator", level))
        return actions
