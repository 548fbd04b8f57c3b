"""Blindness: a watched zone in which nobody is counted. It raises its alarm at once when its cameras are silent, after
three seconds when it is blind, and where it is blind again and again. Ten seconds of sight end it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from crowdwatch.analytics.alarm_states import Cause
from crowdwatch.analytics.rules.base import Rule
from crowdwatch.analytics.timers import Timer, Value
from crowdwatch.core.outcomes import Level, Quality, ZoneReading
from crowdwatch.core.reasons import Code, Reason
from crowdwatch.core.site import Limit, Quantity

__all__ = ["BLINDNESS", "Sight", "blindness"]

BLINDNESS = "blindness"

BLIND_ON_DELAY_S, BLIND_OFF_DELAY_S = 3.0, 10.0
"""A firework's flash blinds a camera for a second or two: three are bridged. (Silence has waited for the stale limit
already.) Ten seconds of good sight end it. [design values]"""

BLIND_WINDOW_S, BLIND_SHARE = 30.0, 0.25
"""A zone that is blind again and again: its blind time is averaged with this time constant, and the alarm is raised at
this share: after about ten seconds of blindness, where every other second is blind. [design values]"""

BLIND_LEVEL = Level.ALERT

_SEEN_AGAIN = Reason.of(Code.SEEN_AGAIN)
_OF_CAMERAS = frozenset({Code.UNHEALTHY, Code.CONNECTION_LOST, Code.FOOTAGE_BROKEN, Code.NO_ESTIMATE_IN_CROWD})


@dataclass(frozen=True, slots=True)
class Blindness:
    """It has no parameters: ``watch_blindness`` of a zone says whether it is in force."""


RULE = Rule(BLINDNESS, Blindness, None, BLIND_ON_DELAY_S, BLIND_OFF_DELAY_S)


@dataclass(frozen=True, slots=True)
class Sight:
    """How much of the last time a zone was blind: its share, averaged with :data:`BLIND_WINDOW_S`."""

    t_ns: int
    share: float

    def step(self, blind: bool, t_ns: int) -> Sight:
        """Take in one tick."""
        kept = math.exp(-(t_ns - self.t_ns) / 1e9 / BLIND_WINDOW_S)
        return Sight(t_ns, kept * self.share + (1 - kept) * blind)


def _key(reading: ZoneReading) -> str:
    """What else has this cause: the cameras that fail, else the zone; empty where it is seen: as before."""
    if reading.quality not in (Quality.STALE, Quality.BLIND):
        return ""
    cameras = sorted({reason.camera_id for reason in reading.reasons if reason.code in _OF_CAMERAS})
    return f"camera:{','.join(cameras)}" if cameras else f"zone:{reading.zone_id}"


def blindness(
    reading: ZoneReading,
    watched: bool,
    timers: dict[tuple[str, Level], Timer],
    sight: dict[str, Sight],
    stale_s: float,
) -> Cause:
    """Step the timer of a zone's blindness and return what decides it. A phase that does not watch the zone ends no
    alarm: sight does."""
    key = (BLINDNESS, BLIND_LEVEL)
    old = timers.get(key, Timer())
    blind = (watched or old.active) and reading.quality in (Quality.STALE, Quality.BLIND)
    # silence has already lasted for the stale limit: it needs no further delay
    on_delay_s = 0.0 if reading.quality is Quality.STALE else BLIND_ON_DELAY_S
    limit = Limit(Quantity.OCCUPANCY, BLIND_LEVEL, 1.0, 1.0, on_delay_s, BLIND_OFF_DELAY_S)
    new = old.step(Value(float(blind)), reading.t_ns, limit, stale_s)
    seen = sight.get(reading.zone_id, Sight(reading.t_ns, 0.0)).step(blind, reading.t_ns)
    often = not old.active and not new.active and seen.share >= BLIND_SHARE
    if often:
        new = Timer(True, known_ns=reading.t_ns, limit=limit)
    if old.active and not new.active:
        seen = Sight(reading.t_ns, 0.0)  # ten seconds of sight end it, whatever was before
    timers[key], sight[reading.zone_id] = new, seen
    reason = Reason.of(Code.NOT_COUNTED, because=reading.reasons) if blind else _SEEN_AGAIN
    if often:
        share = seen.share
        reason = Reason.of(Code.OFTEN_NOT_COUNTED, because=reading.reasons, share=share, window_s=BLIND_WINDOW_S)
    level = BLIND_LEVEL if new.active else Level.NORMAL
    return Cause(
        level, "visible_frac", reading.visible_frac, math.nan, "", reason, "rule blindness", _key(reading), True
    )
