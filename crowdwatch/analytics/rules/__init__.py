"""Rules: what raises an alarm. Each is a small pure function with parameters, looked up by its name.

A rule sees :class:`Inputs` of one zone at one tick and returns a :class:`Verdict`. It may raise, never lower: each has
an alarm of its own, and the level of a zone is the highest of those that speak of now. Inputs that are unknown give a
verdict of UNKNOWN, which raises nothing and clears nothing. The delays, the latch and the life cycle of the alarm are
not the rule's business.

A new rule is a module of this package and an entry of :data:`REGISTRY`; its alarm needs a name in each language
(``alarm.NAME`` in :mod:`crowdwatch.words`).
"""

from crowdwatch.analytics.rules.base import STEPS, Inputs, Rule, Sample, Verdict, level_of, series
from crowdwatch.analytics.rules.blindness import BLINDNESS
from crowdwatch.analytics.rules.blindness import RULE as _BLINDNESS
from crowdwatch.analytics.rules.build_up import BUILD_UP
from crowdwatch.analytics.rules.calibration import UNCALIBRATED
from crowdwatch.analytics.rules.crowding import CROWDING
from crowdwatch.analytics.rules.crowding import RULE as _CROWDING
from crowdwatch.analytics.rules.early import EARLY
from crowdwatch.analytics.rules.movement import MOVEMENT
from crowdwatch.analytics.rules.presence import PRESENCE
from crowdwatch.analytics.rules.time_to_limit import TIME_TO_LIMIT

__all__ = [
    "BLINDNESS",
    "CROWDING",
    "REGISTRY",
    "RULE_UNITS",
    "STEPS",
    "Inputs",
    "Rule",
    "Sample",
    "Verdict",
    "level_of",
    "series",
]

REGISTRY: dict[str, Rule] = {
    rule.name: rule
    for rule in (_CROWDING, _BLINDNESS, BUILD_UP, TIME_TO_LIMIT, EARLY, UNCALIBRATED, PRESENCE, MOVEMENT)
}
"""Every rule by its name."""

RULE_UNITS = ("p/m2/min", "min", "m", "cycles", "share", "p/min/m2", "m/s", "rad", "1/s2")
"""Units of what rules compare, beside those of limits: they have words in every language."""
