"""Timers of limits: a quantity beyond its limit for a delay. Pure and event-timed.

A limit becomes active when its quantity has been at or above ``raise_at`` for ``on_delay_s``, and inactive when it
has been below ``clear_below`` for ``off_delay_s``. An unknown value (NaN) never clears anything: an on-delay bridges a
gap shorter than the stale limit, an off-delay starts again.

Loss of sight never makes a limit inactive: as much of the zone must be seen as when it became active, by counts that
are not known to be too low, or even the upper end of the interval must be below ``clear_below``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

from crowdwatch.core.outcomes import Level
from crowdwatch.core.site import Limit

__all__ = ["SIGHT_FRAC", "Timer", "Value", "ZoneTimers"]

SIGHT_FRAC = 0.02
"""As much of a zone is seen as before if no more than this share of it is missing: moving cameras sway."""


@dataclass(frozen=True, slots=True)
class Value:
    """What a limit is compared with: the value, the upper end of its interval, and how it was seen."""

    now: float
    high: float = math.nan
    visible_frac: float = 1.0
    too_few: bool = False


@dataclass(frozen=True, slots=True)
class Timer:
    """One limit's memory: is it active, since when has its quantity been beyond the limit that would change that.

    ``limit``, ``phase_id`` and ``visible_frac`` are those with which it became active: the limit, the phase that had
    it, and the share of the zone that was seen. ``held`` says that its value would clear it, and sight does not allow.
    """

    active: bool = False
    beyond_since_ns: int | None = None
    known_ns: int | None = None
    limit: Limit | None = None
    phase_id: str = ""
    visible_frac: float = 0.0
    held: bool = False

    def step(self, value: Value, t_ns: int, limit: Limit, stale_s: float, phase_id: str = "") -> Timer:
        """Take in one value; NaN is unknown."""
        if math.isnan(value.now):
            gap_s = math.inf if self.known_ns is None else (t_ns - self.known_ns) / 1e9
            keep = not self.active and gap_s <= stale_s
            return self if keep else replace(self, beyond_since_ns=None, held=self.active)
        beyond = value.now < limit.clear_below if self.active else value.now >= limit.raise_at
        held = self.active and beyond and not self._sees(value, limit)
        if not beyond or held:  # nearly always
            return Timer(self.active, None, t_ns, self.limit, self.phase_id, self.visible_frac, held)
        since_ns = t_ns if self.beyond_since_ns is None else self.beyond_since_ns
        delay_s = limit.off_delay_s if self.active else limit.on_delay_s
        if (t_ns - since_ns) / 1e9 < delay_s:
            return replace(self, beyond_since_ns=since_ns, known_ns=t_ns, held=False)
        if self.active:
            return Timer(known_ns=t_ns)
        return Timer(True, None, t_ns, limit, phase_id, value.visible_frac)

    def _sees(self, value: Value, limit: Limit) -> bool:
        """Whether sight is good enough to clear."""
        as_good = value.visible_frac >= self.visible_frac - SIGHT_FRAC and not value.too_few
        # a limit that this phase does not have has no value to clear below: its own holds
        clear_below = min(limit.clear_below, math.inf if self.limit is None else self.limit.clear_below)
        return as_good or value.high < clear_below


ZoneTimers: TypeAlias = Mapping[tuple[str, Level], Timer]
"""The timers of one zone: by quantity and level those of its limits, by rule and level those of its rules."""
